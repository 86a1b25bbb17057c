"""Devices measured under several conditions: one thickness for all curves of a device, by brute force."""

from functools import cache

import collapsed_brute as brute
import numpy as np
import pytest
from conditions import CONDITIONS
from designs import design
from test_reference import some_coordinates

from mtjfit import model
from mtjfit.study import Fixed

SEEDS = range(60)


@cache
def designs():
    """The designs of this kind, those without errors of the bias."""
    found = [design(seed, CONDITIONS) for seed in SEEDS]
    return [one for one in found if all(curve.sigma_bias is None for curve in one.study.curves)]


def at_truth(one, posterior):
    """Coordinates of what the data were simulated from, where it is sampled, else of the middle of the prior."""
    middle = posterior.scores.values(np.zeros((1, posterior.size)))[0].tolist()
    point = {name: one.truth.get(name, each) for name, each in zip(posterior.names, middle, strict=True)}
    return point, posterior.scores.of(np.array([list(point.values())]))


@pytest.mark.slow
def test_likelihood_is_that_of_all_curves_of_each_device():
    """Of every noise model, with amplitudes of conditions, of devices and of curves; thicknesses integrated out."""
    seen, scopes, free = set(), set(), 0
    for one in designs():
        study = one.study
        posterior = model.make_posterior(study)
        point, z = at_truth(one, posterior)
        known = isinstance(study.parameters["thickness"].prior, Fixed)
        nominal = dict(zip(study.names_of("thickness"), study.thicknesses.tolist(), strict=True))
        together = known and "noise_dof" not in study.parameters
        expected = brute.shared_integrated(study, point | nominal) if together else brute.all_devices(study, point)
        every = posterior.log_likelihood if known else posterior.log_likelihood_everywhere
        assert every(z)[0] == pytest.approx(expected, rel=1e-7, abs=1e-5), study.name
        assert posterior.log_likelihood(z)[0] == pytest.approx(expected, rel=1e-6, abs=5e-3), study.name
        seen.add(type(posterior).__name__)
        scopes |= {study.parameters[name].scope for name in study.amplitudes}
        free += not known
    assert {"MarginalPosterior", "JitterPosterior", "StudentPosterior"} <= seen
    assert scopes == {"shared", "group", "device", "curve"}
    assert free > 10


def test_likelihood_is_that_of_the_reference():
    """With every thickness, one for each device, as a coordinate."""
    tested = 0
    for study in (one.study for one in designs()):
        if any(name.startswith(("jitter", "noise_dof")) for name in study.parameters):
            continue
        if any(prior.truncated for prior in (study.parameters[name].prior for name in study.amplitudes)):
            continue
        target, x, values = some_coordinates(study)
        full = model.full_posterior(study)
        theta = full.layout.coordinates(np.array([[each[name] for name in full.layout.names] for each in values]))
        np.testing.assert_allclose(full.log_likelihood(theta), target.log_likelihood(x), rtol=1e-7, atol=1e-5)
        tested += 1
    assert tested > 20


@pytest.mark.slow
def test_drawn_thicknesses_are_those_of_devices():
    """Draws given the shared parameters against the density by brute force, in mean and width."""
    compared = 0
    for one in designs():
        study = one.study
        posterior = model.make_posterior(study)
        if not posterior.thickness_is_free or "noise_dof" in study.parameters or compared > 5:
            continue
        point, z = at_truth(one, posterior)
        drawn = posterior.draw(np.repeat(z, 4000, axis=0), np.random.default_rng(1))
        for device in dict.fromkeys(curve.device for curve in study.curves):
            curves = [curve for curve in study.curves if curve.device == device]
            prior = study.parameters["thickness"].prior.about(curves[0].thickness)
            d = np.linspace(max(prior.mean - 6 * prior.sd, one.truth.get("dead_layer", 0) + 1e-6), prior.mean
                            + 6 * prior.sd, 1201)  # fmt: skip
            log = sum(brute.given_thickness(study, curve, point, d) for curve in curves) + prior.logpdf(d)
            p = np.exp(log - log.max())
            mean = np.average(d, weights=p)
            sd = np.sqrt(np.average((d - mean) ** 2, weights=p))
            mine = drawn[f"thickness[{device}]"]
            assert abs(mine.mean() - mean) < 5 * sd / np.sqrt(4000) + 1e-4, (study.name, device)
            assert mine.std() == pytest.approx(sd, rel=0.08), (study.name, device)
        compared += 1
    assert compared
