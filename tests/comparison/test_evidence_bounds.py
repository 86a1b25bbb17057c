"""Bounds of an evidence that was not computed hold the one that can be: closed forms, and posteriors explored anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mechanism_cases import closed_form, design, made_by
from test_mechanism_comparison import BIAS, TRUTH, model_of, series

from mtjfit.comparison.mechanisms import evidence_bounds as module
from mtjfit.comparison.mechanisms.evidence_bounds import evidence_bounds, largest_log_likelihood
from mtjfit.comparison.mechanisms.left_out_thickness import WIDTHS, Width, log_evidence_change
from mtjfit.comparison.mechanisms.models import MECHANISMS, mechanism_study
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.study import LogNormal, LogUniform, Parameter, Study

WIDEST = WIDTHS[-1]


def bounds(study: Study, name: str, width: Width | None, seed: int = 0) -> tuple[tuple[float, float], float]:
    """Of ln Z', and ln Z."""
    model, found = model_of(study, name, seed)
    ceiling = largest_log_likelihood(model.study, WIDEST)
    return evidence_bounds(model, found, width, ceiling, np.random.default_rng(1)), found.evidence.value


@pytest.mark.parametrize("factor", [1 / 30, 1 / 3, 1 / 2, 2.0, 3.0, 30.0])
def test_bounds_hold_the_closed_form_for_amplitudes(factor: float) -> None:
    """κ = 1 with known thicknesses: every evidence has a closed form."""
    width, names = Width("", "amplitudes", factor), ("a1", "b1", "b2")
    for seed in range(4):
        study = series("ballistic+b1", seed)
        model, found = model_of(study, "ballistic+b1", seed)
        changed = width.study(model.study)
        exact = closed_form(study.replace(parameters=changed.parameters), names)
        low, high = evidence_bounds(model, found, width, np.inf, np.random.default_rng(seed))
        assert low <= exact <= high
        # a wider prior costs, and a narrower one gains, ln of the factor for each amplitude at most
        if factor > 1:
            assert low > found.evidence.value - 3 * np.log(factor) - 1e-9
            assert high == np.inf
        else:
            assert high <= found.evidence.value - 3 * np.log(factor) + 1e-9
        ceiling = largest_log_likelihood(model.study, WIDEST)
        assert exact <= ceiling < exact + 60  # three amplitudes cost some ln each


@pytest.mark.parametrize("name", ["diffusion", "diffusion-bulk"])
@pytest.mark.parametrize("thickness_sd", [0.0, 0.05])
def test_bounds_hold_what_is_explored_anew(name: str, thickness_sd: float) -> None:
    lengths = {"lambda_sf_F": LogUniform(1.0, 20.0), "Lambda": LogUniform(0.3, 30.0)}
    made = design((0.8, 1.5, 3.0), bias=BIAS, noise=0.1, thickness_sd=thickness_sd, **lengths)
    study = made_by("diffusion", np.random.default_rng(5), made, TRUTH)[0]
    model, found = model_of(study, name)
    assert found.settled
    ceiling = largest_log_likelihood(model.study, WIDEST)
    computed = 0
    for width in WIDTHS:
        change, reliable = log_evidence_change(model, found, width, np.random.default_rng(2))
        low, high = evidence_bounds(model, found, width, ceiling, np.random.default_rng(3))
        assert np.isfinite(low)
        assert high <= ceiling
        if reliable:
            computed += 1
            assert low - 0.1 <= found.evidence.value + change <= high + 0.1, width
    assert computed >= 4


def test_what_is_not_settled_is_bounded_by_the_best_fit_alone() -> None:
    study = series("ballistic+b1", 1)
    model, found = model_of(study, "diffusion")
    doubtful = replace(found, evidence=replace(found.evidence, k_hat=0.9))
    low, high = evidence_bounds(model, doubtful, None, 12.0, np.random.default_rng(0))
    assert (low, high) == (-np.inf, 12.0)
    (low, high), value = bounds(study, "diffusion", None)
    assert low < value < high < value + 1


def test_free_noise_has_no_ceiling() -> None:
    study = mechanism_study(series("ballistic", 1), MECHANISMS["ballistic"])
    assert np.isfinite(largest_log_likelihood(study, WIDEST))
    jitter = {"jitter_par": Parameter("jitter_par", LogNormal(0.01, 2.0))}
    assert largest_log_likelihood(study.replace(parameters={**study.parameters, **jitter}), WIDEST) == np.inf


def test_the_ceiling_does_not_hang_on_priors_of_lengths() -> None:
    """A mode 20 sd out in the prior is found as well as one in its middle: priors only say where to begin."""
    study = mechanism_study(series("diffusion", 3, noise=0.01), MECHANISMS["diffusion"])
    odd = {name: Parameter(name, LogNormal(at, 1.1)) for name, at in (("lambda_J", 30.0), ("lambda_phi", 0.02))}
    far = study.replace(parameters={**study.parameters, **odd})
    expected = largest_log_likelihood(study, WIDEST)
    assert largest_log_likelihood(far, WIDEST) == pytest.approx(expected, abs=0.05)


def test_sabotage(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mean of ln p'/p taken for ln of its mean from above, or without the thicknesses' share, bounds fail."""
    made = design((0.8, 1.5, 3.0), bias=BIAS, noise=0.002, thickness_sd=0.3)
    study = made_by("diffusion", np.random.default_rng(8), made, TRUTH)[0]
    model = MarginalPosterior(mechanism_study(study, MECHANISMS["diffusion"]))
    right = largest_log_likelihood(model.study, WIDEST)
    z = model.scores.of(np.array([[TRUTH[name] for name in model.names]]))
    assert float(model.log_likelihood(z)[0]) < right  # an integral over thicknesses at the true lengths
    # the price of thicknesses that are integrated out: with λ = 1 it would be infinite, with none at all too small
    monkeypatch.setattr(module, "_SHARE", 1.0 - 1e-12)
    assert largest_log_likelihood(model.study, WIDEST) > right
    width = Width("", "amplitudes", 1 / 3)
    study = series("ballistic+b1", 0)
    model, found = model_of(study, "ballistic+b1")
    exact = closed_form(study.replace(parameters=width.study(model.study).parameters), ("a1", "b1", "b2"))
    monkeypatch.setattr(module, "_largest_log_ratio", lambda old, new: -2.0)
    assert not evidence_bounds(model, found, width, np.inf, np.random.default_rng(0))[1] >= exact
