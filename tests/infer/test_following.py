"""Mixtures in which most coordinates follow a few: moments in closed form, and far better proposals than free ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mtjfit.infer.ensembles import fit
from mtjfit.infer.ensembles.fit import NO_RIDGE, Ridge, covering, fitted

SIZE, BENT = 12, np.array([1, 4, 7])
REST = np.setdiff1d(np.arange(SIZE), BENT)
RIDGE, WRONG = Ridge(BENT, BENT[:0]), Ridge(REST[:3], BENT[:0])


class Follower:
    """u of three bent coordinates, skewed; the other nine are normal about quadratic functions of u."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 3])
        self.slope, self.scale = rng.normal(0, 2, (3, 9)), np.exp(rng.normal(0, 2, 9))
        bends = rng.normal(0, 0.12, (9, 3, 3))
        self.bends = bends + np.swapaxes(bends, 1, 2)
        root = np.tril(rng.normal(0, 0.4, (9, 9)), -1) + np.eye(9)
        self.remainder = stats.multivariate_normal(np.zeros(9), root @ root.T)
        self.u = [stats.skewnorm(a) for a in rng.uniform(1.0, 3.0, 3)]

    def mean(self, u: np.ndarray) -> np.ndarray:
        return u @ self.slope + np.einsum("ni,wij,nj->nw", u, self.bends, u)

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        u = np.stack([one.rvs(n, random_state=rng) for one in self.u], axis=1)
        x = np.empty((n, SIZE))
        x[:, BENT], x[:, REST] = u, self.scale * (self.mean(u) + self.remainder.rvs(n, random_state=rng))
        return x

    def log_density(self, x: np.ndarray) -> np.ndarray:
        u = x[:, BENT]
        of_u = sum(one.logpdf(column) for one, column in zip(self.u, u.T, strict=True))
        return np.asarray(of_u + self.remainder.logpdf(x[:, REST] / self.scale - self.mean(u)))


def share(target: Follower, mixture: Any, rng: np.random.Generator, n: int = 4000) -> float:
    """Effective draws of a proposal, as a share of all."""
    x = mixture.draws(n, rng)
    log_ratio = target.log_density(x) - mixture.log_density(x)
    weights = np.exp(log_ratio - log_ratio.max())
    return float(weights.sum() ** 2 / np.sum(weights**2) / n)


def test_draws_by_the_thousand_make_a_good_proposal_in_twelve_dimensions() -> None:
    """About half of them are effective at eight random targets, and a quarter of those of a free mixture.

    Sabotage: no more than of the free one where coordinates that follow are taken for those that lead.
    """
    found = []
    for seed in range(8):
        rng, target = np.random.default_rng([seed, 4]), Follower(seed)
        points = target.draws(1500, rng)
        mixtures = [fitted(points, rng, ridge=ridge) for ridge in (RIDGE, NO_RIDGE, WRONG)]
        found.append([share(target, mixture, rng) for mixture in mixtures])
    following, free, wrong = np.array(found).T
    assert np.median(following) > 0.4
    assert max(np.median(free), np.median(wrong)) < 0.33


@pytest.mark.slow
def test_moments_of_a_component_are_those_of_its_draws() -> None:
    """One normal component: the covariance in closed form against a million draws, to 5 of their errors."""
    rng, target = np.random.default_rng(6), Follower(1)
    target.bends *= 5  # so that the curvature makes much of the variance
    target.u = [SimpleNamespace(rvs=stats.norm(m, 0.7).rvs) for m in (0.3, -1.0, 2.0)]
    points = target.draws(200_000, rng)
    found = fitted(points, rng, ridge=RIDGE, components=1)
    x = target.draws(1_000_000, rng)
    sd = x.std(axis=0)
    y = (x - x.mean(axis=0)) / sd
    expected = found.roots[0] @ found.roots[0].T / np.outer(sd, sd)
    covariance, error = np.cov(y.T), np.sqrt((y**2).T @ (y**2) / len(y) - (y.T @ y / len(y)) ** 2)
    few = np.sqrt(1 / 4000 + 1 / len(y))  # the fit looks at some 5000 points
    assert np.all(np.abs(expected - covariance) < 5 * error * few + 1e-3)
    np.testing.assert_allclose((found.centres[0] - x.mean(axis=0)) / sd, 0, atol=5 * few)


def test_without_curvature_the_mean_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: a regression that is only linear leaves the remainder of the bend as noise."""
    rng, target = np.random.default_rng(7), Follower(2)
    points = target.draws(1500, rng)
    before = share(target, fitted(points, rng, ridge=RIDGE), rng)
    whole = fit._regression
    monkeypatch.setattr(fit, "_regression", lambda terms, w, sizes, n: whole(terms, w, sizes[:2], n))
    assert share(target, fitted(points, rng, ridge=RIDGE), rng) < 0.7 * before


def test_tails_reach_where_a_single_coordinate_goes() -> None:
    """Far out along one coordinate a mixture that knows of its tail is a hundred times denser than others.

    Sabotage: neither no tail nor that of another coordinate comes near.
    """
    points = np.random.default_rng(10).standard_normal((2000, SIZE))
    far = np.zeros((1, SIZE))
    far[0, REST[4]] = 6.0

    def log_density(tailed: np.ndarray) -> float:
        ridge = Ridge(BENT, tailed)
        return float(fitted(points, np.random.default_rng(11), ridge=ridge, components=1).log_density(far)[0])

    with_tail, without, elsewhere = (log_density(each) for each in (REST[4:5], BENT[:0], REST[:1]))
    assert with_tail > max(without, elsewhere) + np.log(100)


def test_tails_reach_along_the_bend() -> None:
    """Six sd out along a leading coordinate a mixture with a ridge is ten times denser than a free one."""
    points = np.random.default_rng(12).standard_normal((2000, SIZE))
    far = np.zeros((1, SIZE))
    far[0, BENT[1]] = 6.0
    with_ridge, free = (
        float(fitted(points, np.random.default_rng(13), ridge=ridge, components=1).log_density(far)[0])
        for ridge in (RIDGE, NO_RIDGE)
    )
    assert with_ridge > free + np.log(10)


def test_few_points_are_fitted_as_any_others() -> None:
    rng, target = np.random.default_rng(8), Follower(3)
    points = target.draws(60, rng)
    free, following = (fitted(points, np.random.default_rng(1), ridge=ridge) for ridge in (NO_RIDGE, RIDGE))
    np.testing.assert_array_equal(free.roots, following.roots)


def test_in_many_dimensions_a_few_odd_draws_make_no_component() -> None:
    """Forty draws say little about a covariance in twelve dimensions; three hundred say enough."""
    rng = np.random.default_rng(9)
    points = rng.standard_normal((3000, SIZE))
    mixture = fitted(points, rng, components=1)
    for n, more in ((40, False), (300, True)):
        high = mixture.log_density(points) + np.where(np.arange(3000) < n, 2.0, 0.0)
        found = covering(mixture, points, np.ones(3000), high, rng)
        assert (found.weights.size > mixture.weights.size) == more
