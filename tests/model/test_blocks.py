"""Integrals over one to three amplitudes against quadrature in a box, and their draws against exact distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from mtjfit.model import Bounded, draw_block, log_integral
from mtjfit.study import Normal

Log = Callable[[np.ndarray, np.ndarray, Bounded | None], np.ndarray]
NODES = 56


def block(size: int, seed: int, strength: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """A precision 1 + GᵀG and a linear term, of likelihoods that are up to a few times narrower than the prior."""
    rng = np.random.default_rng(seed)
    G = rng.standard_normal((size + 1, size)) * strength ** rng.uniform(-1, 1, size)
    return np.eye(size) + G.T @ G, G.T @ rng.standard_normal(size + 1) * 2


def log_density(x: np.ndarray, A: np.ndarray, h: np.ndarray, bounded: Bounded | None) -> np.ndarray:
    """ln of likelihood times prior at x of shape (..., m), with the priors' own constants."""
    size = h.size
    log_likelihood = np.einsum("...i,i->...", x, h) - 0.5 * np.einsum("...i,ij,...j->...", x, A - np.eye(size), x)
    log_prior = stats.norm.logpdf(x).sum(axis=-1)
    if bounded is not None:
        own = x[..., bounded.column]
        log_prior = log_prior - np.log(stats.norm.cdf(bounded.high) - stats.norm.cdf(bounded.low))
        log_prior = np.where((own >= bounded.low) & (own <= bounded.high), log_prior, -np.inf)
    return np.asarray(log_likelihood + log_prior)


def by_quadrature(A: np.ndarray, h: np.ndarray, bounded: Bounded | None) -> float:
    """Gauss–Legendre in a box of ±9 sd about the mode, cut at the bounds."""
    mean, sd = np.linalg.solve(A, h), np.sqrt(np.diagonal(np.linalg.inv(A)))
    low, high = mean - 9 * sd, mean + 9 * sd
    if bounded is not None:
        k = bounded.column
        low[k], high[k] = max(bounded.low, low[k]), min(bounded.high, high[k])
    t, w = np.polynomial.legendre.leggauss(NODES)
    axes = [a + (b - a) * (t + 1) / 2 for a, b in zip(low, high, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    weights = np.prod(np.stack(np.meshgrid(*[w] * h.size, indexing="ij"), axis=-1), axis=-1)
    log = log_density(x, A, h, bounded)
    return float(np.log(np.sum(weights * np.exp(log - log.max())) * np.prod((high - low) / 2)) + log.max())


CASES: dict[str, tuple[int, Bounded | None]] = {
    "one": (1, None),
    "two": (2, None),
    "three": (3, None),
    "one, half-normal": (1, Bounded(0, 0.0, np.inf)),
    "one, interval": (1, Bounded(0, -0.3, 0.5)),
    "two, first bounded": (2, Bounded(0, 0.0, np.inf)),
    "two, second bounded": (2, Bounded(1, -np.inf, 0.2)),
    "three, second bounded": (3, Bounded(1, -0.5, 0.1)),
    "three, last bounded": (3, Bounded(2, 0.4, np.inf)),
}
every_case = pytest.mark.parametrize(("size", "bounded"), CASES.values(), ids=list(CASES))


def integral_error(function: Log, size: int, bounded: Bounded | None) -> float:
    worst = 0.0
    for seed in range(3):
        A, h = block(size, seed)
        worst = max(worst, abs(float(function(A, h, bounded)) - by_quadrature(A, h, bounded)))
    return worst


@every_case
def test_integral_equals_quadrature(size: int, bounded: Bounded | None) -> None:
    assert integral_error(log_integral, size, bounded) < 1e-9


@pytest.mark.parametrize(("size", "bounded"), [(1, Bounded(0, -0.3, 0.5)), (2, Bounded(1, 0.0, np.inf))])
def test_the_quadrature_agrees_with_scipy(size: int, bounded: Bounded) -> None:
    A, h = block(size, 1, strength=1.5)
    mean, sd = np.linalg.solve(A, h), np.sqrt(np.diagonal(np.linalg.inv(A)))
    ranges = [[m - 8 * s, m + 8 * s] for m, s in zip(mean, sd, strict=True)]
    ranges[bounded.column] = [max(bounded.low, ranges[-1][0]), min(bounded.high, ranges[-1][1])]

    def density(*x: float) -> float:
        return float(np.exp(log_density(np.array(x), A, h, bounded)))

    found = integrate.nquad(density, ranges, opts={"epsabs": 1e-5})[0]
    assert np.log(found) == pytest.approx(by_quadrature(A, h, bounded), abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_integral_equals_the_normal_density_of_the_data(size: int) -> None:
    """Data y = G x + noise: ln N(y; 0, 1 + G Gᵀ) − ln N(y; 0, 1), which shares no formula with the integral."""
    rng = np.random.default_rng(size)
    G, y = rng.standard_normal((7, size)) * 3, rng.standard_normal(7) * 4
    exact = stats.multivariate_normal(np.zeros(7), np.eye(7) + G @ G.T).logpdf(y) - stats.norm.logpdf(y).sum()
    found = log_integral(np.eye(size) + G.T @ G, G.T @ y)
    assert float(found) == pytest.approx(exact, abs=1e-10)


def test_bounds_far_away_change_nothing_and_narrow_ones_leave_the_density() -> None:
    A, h = block(2, 0)
    assert float(log_integral(A, h, Bounded(0, -60.0, 60.0))) == pytest.approx(float(log_integral(A, h)), abs=1e-14)
    narrow = Bounded(0, 0.7, 0.7 + 1e-7)
    rest = 0.7 * h[0] - 0.5 * (A[0, 0] - 1) * 0.49 + float(log_integral(A[1:, 1:], h[1:] - 0.7 * A[1:, 0]))
    assert float(log_integral(A, h, narrow)) == pytest.approx(rest, abs=1e-6)


def test_a_bound_far_from_what_the_data_say() -> None:
    """Half-normal, data at −40 sd: ln of the integral of exp(−h x) over the half line, to first order in 1/h²."""
    A, h = np.array([[1.0]]), np.array([-1600.0])
    with np.errstate(all="raise", under="ignore"):
        found = float(log_integral(A, h, Bounded(0, 0.0, np.inf)))
        x = draw_block(np.broadcast_to(A, (1000, 1, 1)), np.tile(h, (1000, 1)), np.random.default_rng(0),
                       Bounded(0, 0.0, np.inf))  # fmt: skip
    assert found == pytest.approx(np.log(np.sqrt(2 / np.pi) / 1600), abs=1e-6)
    assert x.min() >= 0
    assert stats.kstest(x[:, 0] * 1600, "expon").pvalue > 1e-5


def test_batches_are_independent_of_each_other() -> None:
    bounded, many = Bounded(1, 0.0, np.inf), [block(2, seed) for seed in range(6)]
    A, h = (np.stack([one[k] for one in many]).reshape(2, 3, *many[0][k].shape) for k in (0, 1))
    for limits in (None, bounded):
        single = [float(log_integral(*one, limits)) for one in many]
        np.testing.assert_allclose(log_integral(A, h, limits).ravel(), single, rtol=1e-14)
    assert log_integral(np.zeros((4, 0, 0)), np.zeros((4, 0))).shape == (4,)
    assert draw_block(np.zeros((4, 0, 0)), np.zeros((4, 0)), np.random.default_rng(0)).shape == (4, 0)


def smallest_p_value(draw: Callable[..., np.ndarray], size: int, bounded: Bounded | None) -> float:
    """KS of the bounded amplitude, of what the others scatter about their regression on it, and their correlation."""
    A, h = block(size, 4)
    n, k = 8000, 0 if bounded is None else bounded.column
    x = draw(np.broadcast_to(A, (n, size, size)), np.broadcast_to(h, (n, size)), np.random.default_rng(3), bounded)
    mean, C = np.linalg.solve(A, h), np.linalg.inv(A)
    sd = np.sqrt(C[k, k])
    ends = (-np.inf, np.inf) if bounded is None else ((bounded.low - mean[k]) / sd, (bounded.high - mean[k]) / sd)
    found = [stats.kstest(x[:, k], stats.truncnorm(*ends, mean[k], sd).cdf).pvalue]
    others = [i for i in range(size) if i != k]
    if others:
        slope = C[others, k] / C[k, k]
        left = x[:, others] - mean[others] - (x[:, [k]] - mean[k]) * slope
        white = np.linalg.solve(np.linalg.cholesky(C[np.ix_(others, others)] - np.outer(slope, C[k, others])), left.T)
        found += [stats.kstest(row, "norm").pvalue for row in white]
        found += [stats.pearsonr(row, x[:, k]).pvalue for row in white]
        found.append(stats.kstest(np.sum(white**2, axis=0), stats.chi2(len(others)).cdf).pvalue)
    return float(min(found))


@every_case
def test_draws_follow_their_distribution(size: int, bounded: Bounded | None) -> None:
    """Up to six tests at 1e-5 each: one fixed seed in 2000 would fail one of the nine cases."""
    assert smallest_p_value(draw_block, size, bounded) > 1e-5


def test_which_amplitude_is_bounded() -> None:
    free, half, both = Normal(1.0, 2.0), Normal(1.0, 2.0, low=0.0), Normal(0.0, 0.5, low=-1.0, high=2.0)
    assert Bounded.among((free, free)) is None
    assert Bounded.among((free, half)) == Bounded(1, -0.5, np.inf)
    assert Bounded.among((both, free)) == Bounded(0, -2.0, 4.0)
    with pytest.raises(ValueError, match="more than one"):
        Bounded.among((half, both))


def _without_determinant(A: np.ndarray, h: np.ndarray, bounded: Any) -> np.ndarray:
    return log_integral(A, h, bounded) + 0.5 * np.linalg.slogdet(A)[1]


def _prior_not_normalised(A: np.ndarray, h: np.ndarray, bounded: Bounded) -> np.ndarray:
    return log_integral(A, h, bounded) + np.log(stats.norm.cdf(bounded.high) - stats.norm.cdf(bounded.low))


def _too_narrow(A: np.ndarray, h: np.ndarray, rng: Any, bounded: Any) -> np.ndarray:
    mean = np.linalg.solve(A, h[..., None])[..., 0]
    return mean + 0.9 * (draw_block(A, h, rng, bounded) - mean)


def _shifted_alone(A: np.ndarray, h: np.ndarray, rng: Any, bounded: Bounded) -> np.ndarray:
    """The bounded amplitude is right, the others are drawn as if it had none."""
    x = draw_block(A, h, rng, None)
    x[:, bounded.column] = draw_block(A, h, rng, bounded)[:, bounded.column]
    return x


@pytest.mark.slow
def test_sabotage_is_noticed() -> None:
    assert integral_error(_without_determinant, 2, None) > 0.1
    assert integral_error(_prior_not_normalised, 2, CASES["two, first bounded"][1]) > 0.1
    assert integral_error(lambda A, h, b: log_integral(A, h, None), 3, CASES["three, last bounded"][1]) > 0.01
    assert smallest_p_value(_too_narrow, 2, None) < 1e-5
    assert smallest_p_value(_shifted_alone, 3, CASES["three, second bounded"][1]) < 1e-5
    assert smallest_p_value(lambda A, h, rng, b: draw_block(A, h, rng), 1, CASES["one, interval"][1]) < 1e-5
