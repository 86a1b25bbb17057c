"""Evidence under other prior widths: closed forms, posteriors explored anew, and bounds that hold both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mechanism_cases import FEW_POINTS as BIAS
from mechanism_cases import TRUTH, closed_form, design, explored, made_by, model_of, series

from mtjfit.comparison import (
    MECHANISMS,
    WIDTHS,
    PriorWidth,
    evidence_bounds,
    largest_log_likelihood,
    mechanism_study,
)
from mtjfit.model import MarginalPosterior
from mtjfit.study import LogNormal, LogUniform, Parameter

WIDEST = WIDTHS[-1]


@pytest.mark.parametrize("factor", [1 / 30, 1 / 3, 1 / 2, 2.0, 3.0, 30.0])
def test_bounds_hold_the_closed_form_for_amplitudes(factor: float) -> None:
    """κ = 1 with known thicknesses: every evidence has a closed form. A wrong supremum is seen."""
    width = PriorWidth("", "amplitudes", factor)
    for seed in range(4):
        study, rng = series("ballistic+b1", seed), np.random.default_rng(seed)
        model, found = model_of(study, "ballistic+b1", seed)
        exact = closed_form(study.replace(parameters=width.study(model.study).parameters))
        low, high = evidence_bounds(model, found, width, np.inf, rng)
        assert low <= exact <= high
        # a wider prior costs, and a narrower one gains, ln of the factor for each amplitude at most
        if factor > 1:
            assert low > found.evidence.value - 3 * np.log(factor) - 1e-9
            assert high == np.inf
        else:
            assert high <= found.evidence.value - 3 * np.log(factor) + 1e-9
        if factor == 1 / 3:  # sabotage
            assert evidence_bounds(model, found, width, np.inf, rng, supremum=lambda old, new: -2.0)[1] < exact
        ceiling = largest_log_likelihood(model.study, WIDEST)
        assert exact <= ceiling < exact + 60  # three amplitudes cost some ln each


@pytest.mark.usefixtures("quick_fits")
@pytest.mark.parametrize("name", ["diffusion", "diffusion-bulk"])
@pytest.mark.parametrize("thickness_sd", [0.0, 0.05])
def test_bounds_hold_what_is_explored_anew(name: str, thickness_sd: float) -> None:
    lengths = {"lambda_sf_F": LogUniform(1.0, 20.0), "Lambda": LogUniform(0.3, 30.0)}
    made = design((0.8, 1.5, 3.0), bias=BIAS, noise=0.1, thickness_sd=thickness_sd, **lengths)
    model, found = model_of(made_by("diffusion", np.random.default_rng(5), made, TRUTH)[0], name)
    assert found.settled
    ceiling = largest_log_likelihood(model.study, WIDEST)
    computed = 0
    for width in WIDTHS:
        change, reliable = width.log_evidence_change(model, found, np.random.default_rng(2))
        low, high = evidence_bounds(model, found, width, ceiling, np.random.default_rng(3))
        assert np.isfinite(low)
        assert high <= ceiling
        if reliable:
            computed += 1
            assert low - 0.1 <= found.evidence.value + change <= high + 0.1, width
    assert computed >= 4


def test_what_is_not_settled_is_bounded_by_the_best_fit_alone() -> None:
    model, found = model_of(series("ballistic+b1", 1), "diffusion")
    doubtful = replace(found, evidence=replace(found.evidence, k_hat=0.9))
    assert evidence_bounds(model, doubtful, None, 12.0, np.random.default_rng(0)) == (-np.inf, 12.0)
    assert (
        evidence_bounds(model, found, None, found.evidence.value, np.random.default_rng(0))[1] == found.evidence.value
    )
    low, high = evidence_bounds(model, found, None, np.inf, np.random.default_rng(1))
    assert low < found.evidence.value < high < found.evidence.value + 1


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


@pytest.mark.usefixtures("quick_fits")
def test_sabotage_without_its_price_of_thicknesses_the_ceiling_fails() -> None:
    made = design((0.8, 1.5, 3.0), bias=BIAS, noise=0.002, thickness_sd=0.3)
    study = made_by("diffusion", np.random.default_rng(8), made, TRUTH)[0]
    model = MarginalPosterior(mechanism_study(study, MECHANISMS["diffusion"]))
    right = largest_log_likelihood(model.study, WIDEST)
    z = model.scores.of(np.array([[TRUTH[name] for name in model.names]]))
    assert float(model.log_likelihood(z)[0]) < right  # an integral over thicknesses at the true lengths
    # the price of thicknesses that are integrated out: with λ = 1 it would be infinite, with none at all too small
    assert largest_log_likelihood(model.study, WIDEST, share=1.0 - 1e-12) > right


@pytest.mark.parametrize("width", [w for w in WIDTHS if w.of != "lengths"], ids=lambda w: w.name)
def test_other_widths_of_amplitudes_have_closed_forms(width: PriorWidth) -> None:
    """Errors of the mean of prior ratios are below 0.007 here: 0.03 is four of them."""
    study = series("ballistic+b1", 5)
    model, found = model_of(study, "ballistic+b1")
    change, reliable = width.log_evidence_change(model, found, np.random.default_rng(0))
    assert reliable
    exact = closed_form(study.replace(parameters=width.study(model.study).parameters)) - found.evidence.value
    assert change == pytest.approx(exact, abs=0.03)
    assert abs(exact) > 0.06  # sabotage: no change at all would be seen


def test_other_widths_of_lengths_are_explored_anew() -> None:
    model, found = model_of(series("diffusion", 6), "diffusion-bulk")
    for width in (each for each in WIDTHS if each.of != "amplitudes"):
        change, reliable = width.log_evidence_change(model, found, np.random.default_rng(0))
        assert reliable
        if width.of == "b1":
            assert change == 0.0
            continue
        again = explored(MarginalPosterior(width.study(model.study)), 8).evidence
        assert change == pytest.approx(again.value - found.evidence.value, abs=0.15)
