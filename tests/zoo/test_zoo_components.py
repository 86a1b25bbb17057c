"""Devices of which one component was measured, or both at different biases: likelihoods by brute force."""

from functools import cache

import collapsed_brute as brute
import numpy as np
import pytest
from designs import design
from shortcuts import slow_after, slow_but
from test_reference import some_coordinates

from mtjfit import model
from mtjfit.study import Fixed

KINDS = ("only-par", "only-perp", "either", "two-grids", "parts")
SEEDS = range(40)


@cache
def designs(kind):
    """The designs of one kind."""
    return [design(seed, kind) for seed in SEEDS]


@pytest.mark.parametrize("kind", slow_after(1, KINDS))
def test_likelihood_is_that_of_the_values_in_use(kind):
    """At what the data were simulated from; thicknesses and own amplitudes integrated out over raw values."""
    seen = set()
    for one in designs(kind):
        study = one.study
        posterior = model.make_posterior(study)
        seen.add(type(posterior).__name__)
        if any(curve.sigma_bias is not None for curve in study.curves):
            continue
        middle = posterior.scores.values(np.zeros((1, posterior.size)))[0].tolist()
        point = {name: one.truth.get(name, each) for name, each in zip(posterior.names, middle, strict=True)}
        z = posterior.scores.of(np.array([list(point.values())]))
        known = isinstance(study.parameters["thickness"].prior, Fixed)
        student = "noise_dof" in study.parameters
        nominal = dict(zip(study.names_of("thickness"), study.thicknesses.tolist(), strict=True))
        together = known and not student
        expected = brute.shared_integrated(study, point | nominal) if together else brute.all_devices(study, point)
        log_likelihood = posterior.log_likelihood if known else posterior.log_likelihood_everywhere
        assert log_likelihood(z)[0] == pytest.approx(expected, rel=1e-7, abs=1e-5), study.name
    assert {"MarginalPosterior", "JitterPosterior", "StudentPosterior"} <= seen


@pytest.mark.parametrize("kind", slow_but(("only-par", "parts"), KINDS))
def test_likelihood_is_that_of_the_reference(kind):
    """Errors of the bias among them, for which brute force has no slopes."""
    with_bias_errors = 0
    for study in (one.study for one in designs(kind)):
        if any(name.startswith(("jitter", "noise_dof", "scatter")) for name in study.parameters):
            continue
        target, x, values = some_coordinates(study)
        if any(prior.truncated for prior in (study.parameters[name].prior for name in study.amplitudes)
               if not isinstance(prior, Fixed)):  # fmt: skip
            continue
        full = model.full_posterior(study)
        with_bias_errors += any(curve.sigma_bias is not None for curve in study.curves)
        theta = full.layout.coordinates(np.array([[each[name] for name in full.layout.names] for each in values]))
        np.testing.assert_allclose(full.log_likelihood(theta), target.log_likelihood(x), rtol=1e-7, atol=1e-5)
    assert with_bias_errors
