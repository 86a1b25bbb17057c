"""Pareto-smoothed importance sampling: tails of known index, densities of scipy, and what k̂ is there to notice."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from evidence_targets import gaussian
from infer_targets import jump_of
from scipy import optimize, stats

from mtjfit.infer import Mixture, importance_sample, smoothed
from mtjfit.infer.convergence.importance import pareto_fit, reliable_k_hat


def likelihood(y: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Profile log likelihood of θ = −k/σ from scipy's density, and its k."""
    k = np.array([np.mean(np.log1p(-t * y)) for t in theta])
    return np.array([stats.genpareto.logpdf(y, a, scale=-a / t).sum() for a, t in zip(k, theta, strict=True)]), k


@pytest.mark.parametrize("k", [-0.4, 0.0, 0.3, 0.7, 1.2])
def test_a_known_tail_is_found(k: float) -> None:
    """The estimate of k scatters by (1 + k)/√n (Zhang and Stephens 2009); 4.5 sd, and the pull towards 1/2."""
    n = 4000
    y = 3.0 * stats.genpareto.rvs(k, size=n, random_state=2)
    shape, sigma = pareto_fit(y)
    assert shape == pytest.approx(k, abs=4.5 * (1 + k) / np.sqrt(n) + 10 / n)
    assert sigma == pytest.approx(3.0, rel=4.5 * np.sqrt(2 * (1 + max(k, 0.0)) / n))


@pytest.mark.parametrize(("k", "n"), [(0.5, 60), (-0.2, 200), (1.0, 400)])
def test_the_fit_is_the_average_that_it_stands_for(k: float, n: int) -> None:
    """θ under a prior with survival (1 + 3 y₁ (1/y_max − θ))⁻², y₁ the first quartile: 1500 nodes instead of some 50.

    And, as a check of that average itself, within two standard errors of the largest likelihood.
    """
    y = np.sort(stats.genpareto.rvs(k, size=n, random_state=1))
    p = (np.arange(1500) + 0.5) / 1500
    theta = 1 / y[-1] - (p**-0.5 - 1) / (3 * y[int(n / 4 + 0.5) - 1])
    log, _ = likelihood(y, theta)
    weights = np.exp(log - log.max())
    mean = np.array([weights @ theta / weights.sum()])
    _, expected = likelihood(y, mean)
    shape, sigma = pareto_fit(y)
    assert shape == pytest.approx((n * expected[0] + 5) / (n + 10), abs=0.02 * (1 + abs(k)) / np.sqrt(n / 60))
    assert sigma == pytest.approx(-expected[0] / mean[0], rel=0.03)
    best = optimize.minimize(
        lambda v: -stats.genpareto.logpdf(y, v[0], scale=np.exp(v[1])).sum(), [0.3, 0.0], method="Nelder-Mead"
    )
    assert abs(expected[0] - best.x[0]) < 2 * (1 + max(k, 0.0)) / np.sqrt(n)


def test_k_hat_is_the_index_of_the_tail() -> None:
    """Weights u^(−k) are Pareto with index k. For a bell of sd s < 1 as proposal of a standard one it is 1 − s²."""
    u = np.random.default_rng(4).random(20_000)
    for k in (0.2, 0.5, 0.9):
        assert smoothed(-k * np.log(u))[1] == pytest.approx(k, abs=4.5 * (1 + k) / np.sqrt(3 * np.sqrt(u.size)))
    x = np.random.default_rng(5).standard_normal(50_000)
    for s in (0.5, 0.7):
        log_ratio = stats.norm.logpdf(s * x) - stats.norm.logpdf(s * x, scale=s)
        assert smoothed(log_ratio)[1] == pytest.approx(1 - s**2, abs=0.2)
    assert smoothed(stats.norm.logpdf(1.5 * x) - stats.norm.logpdf(1.5 * x, scale=1.5))[1] < 0.1


def test_smoothing_makes_a_heavy_mean_better() -> None:
    """Mean 1/(1 − k) of u^(−k), k = 0.7, which has no variance: the mean square error of 200 means is halved at least.

    The order of the weights stays, and whatever is not among the largest is not touched.
    """
    log = -0.7 * np.log(np.random.default_rng(6).random((200, 1000)))
    exact, scale = 1 / 0.3, np.exp(log.max(axis=1))
    found = np.array([smoothed(one)[0].mean() for one in log]) * scale
    assert np.mean((found - exact) ** 2) < 0.5 * np.mean((np.exp(log).mean(axis=1) - exact) ** 2)
    assert abs(found.mean() - exact) < 4.5 * found.std() / np.sqrt(200) + 0.05 * exact
    weights, _ = smoothed(log[0])
    order = np.argsort(log[0])
    assert np.all(np.diff(weights[order]) >= 0)
    np.testing.assert_allclose(weights[order[:800]], np.exp(log[0][order[:800]]) / scale[0], rtol=1e-12)
    assert weights.max() <= 1.0


def test_corner_cases_have_a_k_hat() -> None:
    flat = np.full(100, 7.0)
    assert smoothed(flat)[1] == -np.inf
    np.testing.assert_array_equal(smoothed(flat)[0], 1.0)
    lonely = np.full(1000, -np.inf)
    assert smoothed(lonely)[1] == np.inf
    assert smoothed(lonely)[0].sum() == 0
    lonely[3] = 0.0
    assert smoothed(lonely)[1] == np.inf
    assert smoothed(np.linspace(0.0, -1e6, 1000))[1] == np.inf
    assert [round(reliable_k_hat(n), 3) for n in (100, 1000, 2200, 100_000)] == [0.5, 0.667, 0.7, 0.7]


def test_an_importance_sample_gives_moments_and_says_when_it_cannot() -> None:
    """Mean of each coordinate within 4.5 errors; a proposal four times too narrow in five dimensions is not trusted."""
    target, rng = gaussian(5), np.random.default_rng(7)
    draws = target.draws(20_000, rng)
    mean, root = draws.mean(axis=0), np.linalg.cholesky(np.cov(draws.T))
    right = importance_sample(target, jump_of(Mixture(np.ones(1), mean[None], root[None])), 4000, rng)
    assert right.reliable
    weights = right.weights / right.weights.sum()
    error = np.sqrt(np.diagonal(root @ root.T) * (1 / right.n_effective + 1 / 20_000))
    assert np.all(np.abs(weights @ right.x - mean) < 4.5 * error)
    narrow = importance_sample(target, jump_of(Mixture(np.ones(1), mean[None], root[None] / 4)), 4000, rng)
    assert not narrow.reliable


@pytest.mark.parametrize("n", [400, 2500, 10_000])
@pytest.mark.parametrize("k", [-0.3, 0.2, 0.5, 0.9])
def test_pareto_smoothing_is_that_of_arviz(n: int, k: float) -> None:
    """3√n is whole here: where it is not, ArviZ rounds the length of the tail down and we up, as the paper does."""
    u = np.random.default_rng(n).random(n)
    log_weights = np.log(np.expm1(-k * np.log(u)) / k + 1.0)
    weights, k_hat = smoothed(log_weights)
    reference, reference_k = array_stats.psislw(-log_weights)
    assert k_hat == pytest.approx(float(reference_k), abs=1e-9)
    np.testing.assert_allclose(weights / weights.sum(), np.exp(reference), rtol=1e-9)


def test_leaving_one_out_is_that_of_arviz() -> None:
    """ln p(y | others) from weights 1/L of posterior draws, of a normal mean: against ArviZ and the exact answer."""
    rng, y = np.random.default_rng(3), np.random.default_rng(4).normal(0.3, 1.0, 12)
    draws = rng.normal(y.mean(), 1 / np.sqrt(y.size), 40_000)
    for j, value in enumerate(y):
        log_l = stats.norm.logpdf(value, draws, 1.0)
        weights, k_hat = smoothed(-log_l)
        ours = -(np.max(-log_l) + np.log(weights.mean()))
        elpd, reference_k, _ = array_stats.loo(log_l[None])
        others = np.delete(y, j)
        exact = stats.norm.logpdf(value, others.mean(), np.sqrt(1 + 1 / others.size))
        assert k_hat == pytest.approx(float(reference_k), abs=0.02)
        assert ours == pytest.approx(float(elpd), abs=0.01)
        assert ours == pytest.approx(exact, abs=0.02)
