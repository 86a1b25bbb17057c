"""What was planted in the bundled sets is found again: the bad device of one, the unlike electrodes of the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

import mtjfit

comparison = pytest.importorskip("mtjfit.comparison", reason="mtjfit/comparison was deleted")

TWELVE, UNLIKE = mtjfit.dataset("twelve-devices"), mtjfit.dataset("unlike-electrodes")
BAD = TWELVE.meta["truth"]["bad_device"]
BOND = 0.88**2  # the current that arrives, squared


def near(fit: mtjfit.FitResult, truth: dict[str, float], *names: str) -> dict[str, float]:
    """Distances from the truth in standard errors."""
    return {name: abs(fit.values[name] - truth[name]) / fit.errors[name] for name in names}


@pytest.mark.slow
def test_the_bad_device_is_named_and_no_other(quick_fits: None) -> None:
    """χ² refuses all twelve together; C2 is off by the factor that was planted, within three errors."""
    fit = mtjfit.fit(mtjfit.load_study(TWELVE.study_file))
    assert fit.p_value < 1e-4
    (odd,) = comparison.find_odd_devices(fit)
    assert (odd.device, odd.kind) == (BAD, "amplitude factor")
    assert abs(odd.value - BOND) < 3 * odd.sd


@pytest.mark.slow
def test_sabotage_with_a_sound_bond_it_is_not_named(quick_fits: None) -> None:
    """Others may be, in one of twenty such series."""
    study = mtjfit.load_study(TWELVE.study_file)
    (bad,) = (each for each in study.curves if each.device == BAD)
    scaled = {"par": bad.par / BOND, "perp": bad.perp / BOND, "covariance": bad.covariance / BOND**2}
    sound = replace(bad, **scaled, sigma_par=None, sigma_perp=None)
    fit = mtjfit.fit(study.with_curves([*study.without(BAD).curves, sound]))
    assert fit.p_value > 1e-3
    assert BAD not in {odd.device for odd in comparison.find_odd_devices(fit)}


@pytest.mark.slow
def test_the_eleven_others_give_the_truth_and_no_b1(quick_fits: None) -> None:
    """Within three standard errors; that b₁ is 0 is not contradicted at one in a hundred."""
    good = mtjfit.load_study(TWELVE.study_file).without(BAD)
    fit = mtjfit.fit(good)
    assert fit.p_value > 1e-3
    assert max(near(fit, TWELVE.meta["truth"], "lambda_J", "lambda_phi", "a1", "b2").values()) < 3
    (b1,) = (each for each in fit.assumptions if each.name == "b1")
    assert b1.p_holm > 0.01


def test_unlike_electrodes_are_seen(quick_fits: None) -> None:
    """b₁ is the planted one within three errors and 20 errors from 0; without it χ² refuses the model."""
    study, truth = mtjfit.load_study(UNLIKE.study_file), UNLIKE.meta["truth"]
    fit = mtjfit.fit(study)
    assert fit.p_value > 1e-3
    assert max(near(fit, truth, "lambda_J", "lambda_phi", "Lambda", "a1", "b1", "b2").values()) < 3
    assert near(fit, {"b1": 0.0}, "b1")["b1"] > 20
    assert mtjfit.fit(study.with_priors(b1=None)).p_value < 1e-10
