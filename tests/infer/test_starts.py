"""Starts: inside the prior, wider than the posterior, in every mode; then the whole sampler on known targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from mtjfit.infer import run_ensembles
from mtjfit.infer.starts import Tempered, anneal

N = 64


@dataclass(frozen=True)
class Box:
    """Flat prior on a box, and a likelihood."""

    centres: tuple[tuple[float, ...], ...]
    shares: tuple[float, ...]
    sd: float
    low: float = -20.0
    high: float = 20.0

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        inside = np.all((theta >= self.low) & (theta <= self.high), axis=1)
        return np.where(inside, -theta.shape[1] * np.log(self.high - self.low), -np.inf)

    def log_likelihood(self, theta: np.ndarray) -> np.ndarray:
        each = [
            np.log(share) + np.sum(stats.norm.logpdf(theta, centre, self.sd), axis=1)
            for centre, share in zip(self.centres, self.shares, strict=True)
        ]
        return np.asarray(logsumexp(each, axis=0))

    def log_posterior(self, theta: np.ndarray) -> np.ndarray:
        return self.log_prior(theta) + self.log_likelihood(theta)

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.low + (self.high - self.low) * u)


ONE = Box(((1.0, -2.0, 3.0, 0.0),), (1.0,), 0.3)
EDGE = Box(((20.0, -20.0),), (1.0,), 0.5)
TWO = Box(((-6.0, 0.0), (6.0, 3.0)), (0.5, 0.5), 0.6)


def start(target: Box, seed: int = 0) -> np.ndarray:
    return anneal(target, len(target.centres[0]), N, np.random.default_rng(seed)).tempered


@pytest.mark.parametrize("target", [ONE, EDGE, TWO], ids=["one", "edge", "two"])
def test_starts_are_finite_inside_the_prior_and_all_different(target: Box) -> None:
    theta = start(target)
    assert theta.shape == (N, len(target.centres[0]))
    assert np.all(np.isfinite(target.log_posterior(theta)))
    assert np.unique(theta[:, 0]).size == N


def test_starts_are_wider_than_the_posterior_and_no_ball() -> None:
    """Variance at β = 1/2 is twice that of the posterior: 640 starts in 4 dimensions know it to 3 % (walkers of one
    ensemble hang together: allow 15 %)."""
    theta = np.concatenate([start(ONE, seed) for seed in range(10)])
    widths = np.std(theta, axis=0)
    np.testing.assert_allclose(widths, ONE.sd * np.sqrt(2), rtol=0.15)
    np.testing.assert_allclose(theta.mean(axis=0), ONE.centres[0], atol=5 * ONE.sd * 1.42 / np.sqrt(160))


def test_annealing_ends_at_the_posterior() -> None:
    """640 particles at β = 1 know the width to 3 %; particles of one run hang together: allow 15 %."""
    runs = [anneal(ONE, 4, N, np.random.default_rng(seed)).final for seed in range(10)]
    np.testing.assert_allclose(np.std(np.concatenate(runs), axis=0), ONE.sd, rtol=0.15)


def test_both_modes_are_found_by_every_ensemble() -> None:
    """20 sd apart in a prior of 1600 sd²: with 64 walkers neither mode gets fewer than an eighth, in 10 ensembles."""
    shares = [np.mean(start(TWO, seed)[:, 0] > 0) for seed in range(10)]
    assert min(shares) > 0.125
    assert max(shares) < 0.875
    assert np.mean(shares) == pytest.approx(0.5, abs=0.2)


def test_ensembles_start_independently_but_reproducibly() -> None:
    np.testing.assert_array_equal(start(ONE, 3), start(ONE, 3))
    assert not np.any(start(ONE, 3) == start(ONE, 4))


def test_tempered_is_prior_times_likelihood_to_the_power() -> None:
    theta = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0], [21.0, 0.0, 0.0, 0.0]])
    found = Tempered(ONE, 0.3).log_posterior(theta)
    np.testing.assert_allclose(found[:2], (ONE.log_prior(theta) + 0.3 * ONE.log_likelihood(theta))[:2])
    assert found[2] == -np.inf


def sampled(target: Box, seed: int = 1) -> tuple[np.ndarray, bool]:
    names = tuple(f"x{k}" for k in range(len(target.centres[0])))
    run = run_ensembles(target, names, seed=seed, target_ess=2000, max_steps=3000, progress=False)
    return run.chains.theta.reshape(-1, len(names)), run.verdict.converged


def test_the_whole_sampler_at_a_hard_edge() -> None:
    """Half-normals in both coordinates: quantiles to five standard errors of 2000 effective draws."""
    theta, converged = sampled(EDGE)
    assert converged
    away = np.abs(theta - EDGE.centres[0]) / EDGE.sd
    for p in (0.05, 0.5, 0.95):
        found = np.mean(away <= stats.halfnorm.ppf(p), axis=0)
        np.testing.assert_allclose(found, p, atol=5 * np.sqrt(p * (1 - p) / 2000))


def test_the_whole_sampler_weighs_two_modes_or_says_that_it_did_not_converge() -> None:
    """Equal modes: the share of each is 1/2 within 5 standard errors of 2000 effective draws, if the gate says yes."""
    theta, converged = sampled(TWO)
    share = np.mean(theta[:, 0] > 0)
    assert 0.05 < share < 0.95
    assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(2000) or not converged
