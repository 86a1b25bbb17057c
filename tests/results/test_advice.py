"""Advice for data that were declared wrongly: the likeliest cause first. Designs whose seeds were not chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from designs import design
from planted_series import planted, series
from planted_series import study as planted_study
from shortcuts import slow_after

import mtjfit
from mtjfit.data import Quantity, TorqueCurve
from mtjfit.infer.causes import P_BAD, Outcome, likely_causes, with_exchanged_components
from mtjfit.results import notices
from mtjfit.study import DOF, Fixed, LogNormal, Parameter, Prior, Study

OTHER: dict[Quantity, Quantity] = {"torque": "torkance", "torkance": "torque"}
SEEDS = (range(2), pytest.param(range(40), marks=[pytest.mark.slow, pytest.mark.timeout(1200)]))


def as_other_quantity(study: Study) -> Study:
    return study.replace(curves=tuple(replace(curve, quantity=OTHER[curve.quantity]) for curve in study.curves))


def flipped(study: Study) -> Study:
    return study.replace(curves=tuple(replace(curve, perp=-curve.perp) for curve in study.curves))


def loud_lines(study: Study) -> Sequence[str]:
    return [line for notice in notices(mtjfit.fit(study)) if notice.loud for line in notice.lines]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("kind", slow_after(1, ["plain", "fitted-noise"]))
def test_a_wrong_quantity_is_named_first(kind: str, seeds: range) -> None:
    """Nine of ten of those that are flagged, and all but few are; 39 of 40 under fitted errors, when this was made."""
    found = [lines for seed in seeds if (lines := loud_lines(as_other_quantity(design(seed, kind).study)))]
    assert len(found) >= 0.9 * len(seeds)
    assert sum("the values may be tor" in lines[0] for lines in found) >= 0.9 * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
def test_a_flipped_axis_is_not_called_another_quantity(seeds: range) -> None:
    """Of some designs the curves do not show the axis; 22 of 23 that are flagged, when this was made."""
    found = [lines for seed in seeds if (lines := loud_lines(flipped(design(seed, "plain").study)))]
    assert found
    assert sum("T_perp may be flipped" in lines[0] for lines in found) >= 0.9 * len(found)


def with_exchanged(study: Study, *names: str) -> Study:
    """Columns of T_par and T_perp named the other way round, for some devices or for all."""
    return study.replace(
        curves=tuple(with_exchanged_components(c) if not names or c.device in names else c for c in study.curves)
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("odd", ["", "D2"])
@pytest.mark.parametrize("seeds", SEEDS)
def test_exchanged_components_are_named(odd: str, seeds: range) -> None:
    """Nine of ten of the misfits; Eq. 12 describes a quarter of the series as well with all devices exchanged.

    30 of 30 misfits among 40 series, and 40 of 40 with one device exchanged, when this was made.
    """
    studies = (with_exchanged(planted_study(series(seed)), *([odd] if odd else [])) for seed in seeds)
    misfits = [study for study in studies if mtjfit.fit(study).p_value < P_BAD]
    assert len(misfits) >= 0.7 * len(seeds)
    whose = f" of device {odd}" if odd else ""
    named = [f"T_par and T_perp{whose} may be exchanged" in loud_lines(study)[0] for study in misfits]
    assert sum(named) >= 0.9 * len(named)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", ["flipped", "gain", "thickness", "quantity"])
@pytest.mark.parametrize("seeds", SEEDS)
def test_other_faults_are_not_called_an_exchange(fault: str, seeds: range) -> None:
    """One in twenty at most: large faults, of series that are right but for them."""
    first = [lines[0] for seed in seeds if (lines := loud_lines(planted_study(planted(fault, seed, 3.0))))]
    assert sum("may be exchanged" in line for line in first) <= 0.05 * len(first)


def test_an_exchange_is_undone_with_its_errors_and_its_sign() -> None:
    covariance = np.diag([1.0, 4.0, 9.0, 16.0]) + 0.1
    curve = TorqueCurve("A", [-0.1, 0.2], [1.0, 2.0], [3.0, 4.0], 2.0, "torque", "device", covariance=covariance,
                        declared_perp_axis="PxM", used_values=np.array([[True, False], [True, True]]))  # fmt: skip
    turned = with_exchanged_components(curve)
    assert (turned.par.tolist(), turned.perp.tolist()) == ([-3.0, -4.0], [-1.0, -2.0])
    assert np.diagonal(turned.covariance).tolist() == [9.1, 16.1, 1.1, 4.1]
    assert turned.used_values.tolist() == [[True, True], [True, False]]
    assert with_exchanged_components(turned).perp.tolist() == curve.perp.tolist()
    errors = with_exchanged_components(
        replace(curve, covariance=None, sigma_par=[0.1, 0.2], sigma_perp=[0.3, 0.4], used_values=())
    )
    assert (errors.sigma_par.tolist(), errors.sigma_perp.tolist()) == ([0.3, 0.4], [0.1, 0.2])


def test_an_exchange_is_tried_for_all_devices_then_for_each() -> None:
    study = planted_study(series(0))
    told = likely_causes(study, (), 100.0, lambda _: Outcome(0.0, 100.0, False))
    assert [cause.name for cause in told if cause.kind == "components"] == ["", *study.devices]

    def judge(other: Study) -> Outcome:
        right = all(np.array_equal(one.par, true.par) for one, true in zip(other.curves, study.curves, strict=True))
        return Outcome(0.01 if right else 0.0, 100.0, False)

    undone = likely_causes(with_exchanged(study, "D1"), (), 100.0, judge)
    assert (undone[0].kind, undone[0].name) == ("components", "D1")
    assert not any(cause.kind in ("device", "scatter") for cause in undone), "which come after what explains all"


def scattering(seed: int, size: float) -> Study:
    """Areas that differ by 100 `size` %: all amplitudes of a device have one factor."""
    truth = series(seed)
    factor = 1 + size * np.random.default_rng([seed, 77]).standard_normal(truth.nominal.size)
    return planted_study(replace(truth, factor=factor))


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
def test_amplitudes_that_scatter_are_named_and_the_advice_helps(seeds: range) -> None:
    """Nine of ten of those that are flagged, and nine of ten are; without scatter none."""
    flagged = [study for seed in seeds if mtjfit.fit(study := scattering(seed, 0.2)).p_value < P_BAD]
    assert len(flagged) >= 0.9 * len(seeds)
    helped = 0
    for study in flagged:
        todo = "declare scatter_a1 and scatter_b2"
        if any(line.endswith(todo) for line in loud_lines(study)[:2]):
            more = {name: Parameter(name, LogNormal(0.1, 2.0)) for name in ("scatter_a1", "scatter_b2")}
            helped += mtjfit.fit(study.replace(parameters={**study.parameters, **more})).p_value >= P_BAD
    assert helped >= 0.9 * len(flagged)
    assert not any("may differ" in line for seed in seeds for line in loud_lines(scattering(seed, 0.0)))


def test_scatter_is_tried_where_it_can_be_declared() -> None:
    study = scattering(0, 0.2)
    twice = tuple(replace(one, condition=each) for one in study.curves for each in ("up", "down"))
    many = tuple(replace(one, device=f"{one.device} {k}") for one in study.curves for k in range(5))  # minutes
    cannot = (study.replace(curves=twice), study.select(devices=study.devices[:3]), study.replace(curves=many),
              with_parameter(study, DOF, LogNormal(5.0, 2.0, low=1.0)))  # fmt: skip
    assert scatter_tried(study) == ["a1", "b2", "a1, b2"]
    assert scatter_tried(with_parameter(study, "b2", Fixed(0.0))) == ["a1"]
    assert [scatter_tried(one) for one in cannot] == [[]] * 4


def with_parameter(study: Study, name: str, prior: Prior) -> Study:
    return study.replace(parameters={**study.parameters, name: Parameter(name, prior)})


def scatter_tried(study: Study) -> list[str]:
    """Names of amplitudes, where nothing helps."""
    causes = likely_causes(study, (), 100.0, lambda _: Outcome(0.0, 100.0, False))
    return [cause.name for cause in causes if cause.kind == "scatter"]


@pytest.mark.slow
def test_units_that_say_which_quantity_they_are_leave_no_choice() -> None:
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    fit = mtjfit.fit(as_other_quantity(study.replace(curves=tuple(replace(c, unit="arb") for c in study.curves))))
    assert "quantity" in {cause.kind for cause in fit.causes}
    assert "quantity" not in {cause.kind for cause in mtjfit.fit(flipped(study)).causes}


@pytest.mark.slow
def test_a_model_that_fails_comes_before_advice_on_sampling() -> None:
    from mtjfit.results.verdicts import learned

    study = as_other_quantity(design(3, "fitted-noise").study)
    short = study.replace(sampling=mtjfit.study.Sampling(seed=1, target_ess=2000, max_steps=10))
    fit, posterior = mtjfit.fit(short), mtjfit.sample(short, progress=False)
    assert not posterior.verdict.converged
    said = " ".join(learned(fit, posterior))
    assert "does not describe these data" in said
    assert "max_steps" not in said


@pytest.mark.slow
def test_a_fixed_model_that_fails_is_given_causes_too() -> None:
    study = flipped(design(3, "plain").study)
    fixed = {name: Parameter(name, Fixed(1.0)) for name in study.amplitudes}
    assert any("may be flipped" in line or "not declared" in line or "nothing explains" in line
               for line in loud_lines(study.replace(parameters={**study.parameters, **fixed})))  # fmt: skip
