"""Priors without a form of their own: the same answers as a prior of this program where both are the same density."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from model_studies import simulated
from scipy import stats
from shortcuts import slow_after

from mtjfit import fit, sample
from mtjfit.infer.store.fingerprint import describe
from mtjfit.model import make_posterior
from mtjfit.model.likelihood import full_posterior
from mtjfit.study import FromScipy, LogNormal, LogUniform, Normal, Prior, Sampling, Study, Uniform


class Triangle(Prior):
    """A prior as a user writes it: five functions. The density falls linearly from `low` to zero at `high`."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def logpdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        inside = (x >= self.low) & (x < self.high)
        return np.where(
            inside, np.log(2 * np.where(inside, self.high - x, 1.0)) - 2 * np.log(self.high - self.low), -np.inf
        )

    def cdf(self, x: Any) -> np.ndarray:
        return np.asarray(1 - ((self.high - np.clip(x, self.low, self.high)) / (self.high - self.low)) ** 2)

    def quantile(self, u: Any) -> np.ndarray:
        return np.asarray(self.high - (self.high - self.low) * np.sqrt(1 - np.asarray(u, dtype=float)))

    def describe(self) -> str:
        return f"triangle {self.low:g} to {self.high:g}"


PAIRS: dict[str, tuple[Prior, Prior]] = {
    "lognorm": (FromScipy.of(stats.lognorm(np.log(2.0), scale=9.0)), LogNormal(9.0, 2.0)),
    "loguniform": (FromScipy.of(stats.loguniform(0.1, 100.0)), LogUniform(0.1, 100.0)),
    "uniform": (FromScipy.of(stats.uniform(1.0, 29.0)), Uniform(1.0, 30.0)),
    "half-normal": (FromScipy.of(stats.halfnorm(scale=10.0)), Normal(0.0, 10.0, low=0.0)),
    "one's own": (Triangle(1.0, 40.0), FromScipy("triang", {"c": 0.0, "loc": 1.0, "scale": 39.0})),
}
each_pair = pytest.mark.parametrize(("prior", "twin"), PAIRS.values(), ids=list(PAIRS))


def study_with(prior: Prior, **more: Any) -> Study:
    return simulated((0.8, 1.4, 2.0, 2.7, 3.5), lambda_sf_F=prior, **more)


@each_pair
def test_the_posterior_is_the_same_in_both_coordinates(prior: Prior, twin: Prior) -> None:
    one, other = study_with(prior), study_with(twin)
    ours, theirs = make_posterior(one), make_posterior(other)
    z = np.random.default_rng(1).normal(0.0, 1.0, (30, ours.size))
    np.testing.assert_allclose(ours.scores.values(z), theirs.scores.values(z), rtol=1e-7)
    np.testing.assert_allclose(ours.log_posterior(z), theirs.log_posterior(z), rtol=1e-7)
    # in the coordinates of least squares: x of one may be ln x of the other
    a, b = full_posterior(one).layout, full_posterior(other).layout
    values = ours.scores.values(z)
    k = ours.names.index("lambda_sf_F")
    turned = np.log(values[:, k]) * (float(a.log[k]) - float(b.log[k]))
    np.testing.assert_allclose(
        a.log_prior(a.coordinates(values)), b.log_prior(b.coordinates(values)) + turned, atol=1e-7
    )
    beyond = a.coordinates(np.where(np.arange(ours.size) == k, -1.0 if not a.log[k] else 1e9, values))
    assert np.all(a.log_prior(beyond) < -50)


@pytest.mark.parametrize(("prior", "twin"), slow_after(1, PAIRS.values()), ids=list(PAIRS))
def test_the_best_fit_is_the_same(prior: Prior, twin: Prior) -> None:
    one, other = fit(study_with(prior)), fit(study_with(twin))
    assert one.chi2 == pytest.approx(other.chi2, abs=1e-2)
    assert one.limits == other.limits
    assert set(one.identifiability.determined.index) == set(other.identifiability.determined.index)


@pytest.mark.slow
@pytest.mark.parametrize("scale", slow_after(1, [0.5, 1e4]))
def test_a_prior_that_the_data_contradict_is_named_as_its_twin_is(scale: float) -> None:
    known = {"lambda_J": LogNormal(1.0, 1.05), "lambda_phi": LogNormal(1.2, 1.05), "lambda_sf_N": LogNormal(2.0, 1.05)}
    twins = [
        fit(simulated((0.8, 1.4, 2.0, 2.7, 3.5), noise=0.002, **known | {"lambda_J": prior}))
        for prior in (FromScipy.of(stats.lognorm(np.log(1.05), scale=scale)), LogNormal(scale, 1.05))
    ]
    if scale > 100:  # the score ends at eight standard deviations, which is far enough
        assert [one.conflicts[0].name for one in twins] == ["lambda_J", "lambda_J"]
        return
    a, b = (one.conflicts for one in twins)
    assert [one.name for one in a] == [one.name for one in b] != []
    assert a[0].p_value < 1e-3


@pytest.mark.slow
def test_draws_and_evidence_are_those_of_the_twin() -> None:
    runs = [
        sample(study_with(prior).replace(sampling=Sampling(target_ess=1000)), 1, progress=False)
        for prior in PAIRS["lognorm"]
    ]
    one, other = (run.summary()["q50"] for run in runs)
    np.testing.assert_allclose(
        one, other, rtol=1e-3
    )  # the same random numbers lead to the same draws, but for rounding
    assert runs[0].evidence is not None
    assert runs[1].evidence is not None
    assert runs[0].evidence.value == pytest.approx(runs[1].evidence.value, abs=0.02)


def test_a_run_is_told_apart_by_a_prior_of_ones_own() -> None:
    said = [describe(study_with(prior), 1)["parameters.lambda_sf_F"] for prior in (Triangle(1, 40), Triangle(1, 41))]
    assert said[0] != said[1]
    assert said[0] == describe(study_with(Triangle(1, 40)), 1)["parameters.lambda_sf_F"]
