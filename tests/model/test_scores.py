"""Coordinates of priors: standard normal whatever the prior, in both tails, against scipy.stats as another program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats
from shortcuts import slow_but

from mtjfit.model import Scores
from mtjfit.study import LogNormal, LogUniform, Normal, Prior, Uniform


class CutLogNormal:
    """exp(x) of normal x with mean 1 and sd 1, between two bounds, by the truncated normal of scipy's."""

    def __init__(self, low: float, high: float):
        self.of_log = stats.truncnorm(np.log(low) - 1.0, np.log(high) - 1.0, 1.0)

    def __getattr__(self, function: str) -> Any:
        return lambda x: getattr(self.of_log, function)(np.log(x))

    def rvs(self, n: int, random_state: np.random.Generator) -> np.ndarray:
        return np.asarray(np.exp(self.of_log.rvs(n, random_state=random_state)))

    def logpdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.of_log.logpdf(np.log(x)) - np.log(x))


PRIORS: dict[str, tuple[Prior, Any]] = {
    "uniform": (Uniform(0.0, 10.0), stats.uniform(0.0, 10.0)),
    "uniform, negative": (Uniform(-3.0, -1.0), stats.uniform(-3.0, 2.0)),
    "loguniform": (LogUniform(0.1, 100.0), stats.loguniform(0.1, 100.0)),
    "normal": (Normal(2.0, 0.5), stats.norm(2.0, 0.5)),
    "half-normal": (Normal(0.0, 3.0, low=0.0), stats.halfnorm(0.0, 3.0)),
    "negative half": (Normal(0.0, 3.0, high=0.0), stats.truncnorm(-np.inf, 0.0, 0.0, 3.0)),
    "two bounds": (Normal(1.0, 2.0, low=0.0, high=2.5), stats.truncnorm(-0.5, 0.75, 1.0, 2.0)),
    "bounds far above": (Normal(0.0, 1.0, low=10.0), stats.truncnorm(10.0, np.inf)),
    "bounds far below": (Normal(0.0, 1.0, low=-10.5, high=-10.0), stats.truncnorm(-10.5, -10.0)),
    "lognormal": (LogNormal(10.0, 2.0), stats.lognorm(np.log(2.0), scale=10.0)),
    "lognormal, cut": (LogNormal(np.e, np.e, low=0.5, high=6.0), CutLogNormal(0.5, 6.0)),
    "lognormal from below": (LogNormal(np.e, np.e, low=2.0), CutLogNormal(2.0, np.inf)),
}
every_prior = pytest.mark.parametrize(("prior", "reference"), PRIORS.values(), ids=list(PRIORS))
Z = np.linspace(-7.5, 7.5, 61)
MIDDLE = np.linspace(-5.0, 5.0, 41)


def values(prior: Prior, z: np.ndarray) -> np.ndarray:
    return Scores((prior,)).values(z[:, None])[:, 0]


def probability_error(prior: Prior, reference: Any, scores: type[Scores] = Scores) -> float:
    """Worst relative error of the smaller of P(below) and P(above) between a value and its score, by scipy.

    Where the value lies so close to a bound that rounding it changes the probability more than that, by how much.
    """
    x = scores((prior,)).values(MIDDLE[:, None])[:, 0]
    rounding = np.exp(reference.logpdf(x)) * np.spacing(np.abs(x)) * 4
    lower = np.abs(reference.cdf(x) - stats.norm.cdf(MIDDLE))
    upper = np.abs(reference.sf(x) - stats.norm.sf(MIDDLE))
    wrong = np.where(MIDDLE < 0, lower, upper)
    return float(np.max(np.maximum(wrong - rounding, 0.0) / stats.norm.sf(np.abs(MIDDLE))))


def jacobian_error(prior: Prior, scores: type[Scores] = Scores) -> float:
    """Worst |ln p(x) + ln dx/dz − ln p(z)|, dx/dz by central differences of fourth order."""
    one, h = scores((prior,)), 1e-3
    z = np.linspace(-4.0, 4.0, 33)
    up, down, far_up, far_down = (one.values((z + k * h)[:, None])[:, 0] for k in (1, -1, 2, -2))
    slope = (8 * (up - down) - (far_up - far_down)) / (12 * h)
    x = one.values(z[:, None])[:, 0]
    return float(np.max(np.abs(prior.logpdf(x) + np.log(slope) - one.log_prior(z[:, None]))))


@every_prior
def test_a_value_and_its_score_lie_at_the_same_probability(prior: Prior, reference: Any) -> None:
    assert probability_error(prior, reference) < 1e-9


@every_prior
def test_the_density_of_scores_is_that_of_values_with_the_jacobian(prior: Prior, reference: Any) -> None:
    assert jacobian_error(prior) < 1e-6


@every_prior
def test_drawn_values_have_standard_normal_scores(prior: Prior, reference: Any) -> None:
    """KS for draws by scipy, and of values from normal scores under scipy's distribution; false alarms 1e-5 each."""
    x = reference.rvs(20_000, random_state=np.random.default_rng(5))
    assert stats.kstest(Scores((prior,)).of(x[:, None])[:, 0], "norm").pvalue > 1e-5
    z = np.random.default_rng(6).standard_normal(20_000)
    assert stats.kstest(values(prior, z), reference.cdf).pvalue > 1e-5


@every_prior
def test_scores_of_values_are_the_scores(prior: Prior, reference: Any) -> None:
    """As far out as the values can be told apart: a few roundings δx, of x or of one sd, move z by p(x) δx/p(z)."""
    x = values(prior, Z)
    assert np.all(np.diff(x) > 0)
    blur = np.exp(prior.logpdf(x) - stats.norm.logpdf(Z)) * np.spacing(np.abs(x) + getattr(prior, "sd", 0.0)) * 16
    np.testing.assert_array_less(np.abs(Scores((prior,)).of(x[:, None])[:, 0] - Z), 1e-9 + blur)


@every_prior
def test_values_stay_inside_the_bounds_at_the_farthest_scores(prior: Prior, reference: Any) -> None:
    low, high = prior.support
    with np.errstate(all="raise", under="ignore"):
        x = values(prior, np.array([-8.0, 8.0]))
        assert low <= x[0] < x[1] <= high
        assert np.all(np.isfinite(prior.logpdf(x)))
        bounds = np.array([b for b in (low, high) if np.isfinite(b) and not isinstance(prior, LogNormal)])
        back = Scores((prior,)).of(bounds[:, None])[:, 0]
        below, above = Scores((prior,)).reach[:, 0]
        ends = values(prior, np.array([-below, above]))
        assert low <= ends[0] < ends[1] <= high
        assert np.all(np.isfinite(prior.logpdf(ends)))
    np.testing.assert_array_equal(back, [-below if b == low else above for b in bounds])
    assert np.all(np.abs(back) <= 8.1)  # such bounds are not far out in a tail


@pytest.mark.parametrize(
    ("prior", "below", "above"),
    [
        (Uniform(0.0, 1.0), 8.0, 8.0),
        (LogUniform(0.1, 1.0), 8.0, 8.0),
        (LogNormal(1.0, 2.0), 150 / np.log(2), 150 / np.log(2)),
        (Normal(0.0, 1.0), 1e6, 1e6),
        (Normal(0.0, 3.0, low=0.0), 8.05, 37.0),
        (Normal(2.0, 0.01, low=0.0), 37.0, 37.0),
    ],
)
def test_log_prior_is_the_standard_normal_up_to_its_reach(prior: Prior, below: float, above: float) -> None:
    scores = Scores((prior, Uniform(0.0, 1.0)))
    np.testing.assert_allclose(scores.reach, [[below, 8.0], [above, 8.0]], rtol=1e-3)
    z = np.array([[0.3, -1.2], [0.99 * above, -7.9], [-0.99 * below, 7.9]])
    np.testing.assert_allclose(scores.log_prior(z), stats.norm.logpdf(z[:, 0]) + stats.norm.logpdf(z[:, 1]), rtol=1e-14)
    beyond = np.array([[1.01 * above, 0.0], [-1.01 * below, 0.0], [0.0, 8.1], [0.0, -8.1], [np.nan, 0.0]])
    assert np.all(scores.log_prior(beyond) == -np.inf)


def test_scores_without_priors_are_no_numbers() -> None:
    scores = Scores((Uniform(0.0, 1.0), LogNormal(1.0, 2.0)))
    assert scores.size == 2
    assert Scores(()).values(np.zeros((3, 0))).shape == (3, 0)
    np.testing.assert_array_equal(Scores(()).log_prior(np.zeros((3, 0))), 0.0)


TRUNCATED: dict[str, Normal] = {
    name: prior for name, (prior, _) in PRIORS.items() if isinstance(prior, Normal) and prior.truncated
}
TRUNCATED |= {"bound 20 sd below": Normal(2.0, 0.1, low=0.0), "bound 5 sd above": Normal(-1.0, 2.0, high=9.0)}


def exact(prior: Normal, x: float) -> tuple[float, float]:
    """ln of the probabilities below and above a value, from erfc with 450 digits."""
    with mpmath.workdps(450):

        def above(value: float) -> mpmath.mpf:
            return mpmath.erfc((mpmath.mpf(value) - prior.mean) / prior.sd / mpmath.sqrt(2)) / 2

        low, high, here = above(prior.low), above(prior.high), above(x)
        return tuple(
            float(mpmath.log(p)) if p > 0 else -np.inf
            for p in ((low - here) / (low - high), (here - high) / (low - high))
        )  # type: ignore[return-value]


@pytest.mark.parametrize("name", slow_but(("half-normal", "bounds far above", "two bounds"), TRUNCATED))
def test_truncated_priors_are_exact_in_both_tails(name: str) -> None:
    """ln of the probability beyond, to 1e-9 as far as scores reach, or to z = ±30; against mpmath, and back.

    Where a value lies so close to a bound that rounding it changes the probability more than that, by how much.
    """
    prior = TRUNCATED[name]
    scores = Scores((prior,))
    below, above = np.minimum(scores.reach[:, 0], 30.0)
    z = np.concatenate([np.linspace(-below, 0.0, 13), np.linspace(0.0, above, 13)])
    x = values(prior, z)
    again = scores.of(x[:, None])[:, 0]
    for score, value, back in zip(z, x, again, strict=True):
        tail, expected = int(score > 0), float(stats.norm.logsf(abs(score)))
        steps = 8 * np.spacing(abs(value) + prior.sd)
        slope = np.exp(min(float(prior.logpdf(value)) - expected, 700.0))
        found = exact(prior, float(value))[tail]
        rounding = slope * steps
        if rounding < 0.1:
            assert found == pytest.approx(expected, abs=1e-9 * (1 + abs(expected)) + 2 * rounding), score
            assert back == pytest.approx(score, abs=1e-9 + 2 * rounding / max(1.0, abs(score))), score
        else:  # within some roundings of a bound
            assert min(abs(value - prior.low), abs(value - prior.high)) < 100 * np.spacing(abs(value) + prior.sd)


def test_uniform_numbers_become_scores_of_prior_draws() -> None:
    u = np.array([[0.0, 1.0], [0.5, 0.25]])
    np.testing.assert_allclose(Scores((Uniform(0, 1),) * 2).from_unit_cube(u), [[-8, 8], [0, stats.norm.ppf(0.25)]])


@dataclass(frozen=True)
class _TooNarrow(Scores):
    def values(self, z: np.ndarray) -> np.ndarray:
        return super().values(0.99 * z)


@dataclass(frozen=True)
class _NoBounds(Scores):
    def values(self, z: np.ndarray) -> np.ndarray:
        free = tuple(replace(p, low=-np.inf, high=np.inf) if isinstance(p, Normal) else p for p in self.priors)
        return Scores(free).values(z)


@pytest.mark.parametrize("kind", list(PRIORS))
def test_sabotage_is_noticed(kind: str) -> None:
    prior, reference = PRIORS[kind]
    assert probability_error(prior, reference, _TooNarrow) > 1e-3
    assert jacobian_error(prior, _TooNarrow) > 1e-3
    if isinstance(prior, Normal) and prior.truncated:
        assert probability_error(prior, reference, _NoBounds) > 1e-3
