"""Starting points: drawn from the prior and annealed, independently for each ensemble; never a ball round a fit.

A tight ball gives widths that are far too small while every diagnostic between ensembles looks fine. Starting from
the bare prior leaves walkers on islands without mass. Annealing (sequential Monte Carlo over L^β, β from 0 up to
`BETA_END`) does neither: ensembles start wider than the posterior, and disagree if it has modes they cannot weigh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import emcee
import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.proposal import warm_up_moves

__all__ = ["BETA_END", "Target", "Tempered", "anneal"]

BETA_END = 0.5  # starts are about √2 wider than the posterior
_KEEP = 0.5  # effective fraction of particles kept from one β to the next
_STEPS = 12
_PRIOR_DRAWS = 64  # for each walker
_MAX_STAGES = 200


class Target(Protocol):
    """What annealing and sampling need of a posterior, vectorised over rows of coordinates."""

    def log_prior(self, theta: FloatArray) -> FloatArray: ...
    def log_posterior(self, theta: FloatArray) -> FloatArray: ...
    def prior_transform(self, u: FloatArray) -> FloatArray: ...


def _weights(log_likelihood: FloatArray, step: float) -> FloatArray:
    weights = np.exp(step * (log_likelihood - log_likelihood.max()))
    return np.asarray(weights / weights.sum())


def _next_step(log_likelihood: FloatArray, remaining: float, n_effective: float) -> float:
    """Largest step in β that leaves `n_effective` particles, at most `remaining`; by bisection."""

    def effective(step: float) -> float:
        return float(1 / np.sum(_weights(log_likelihood, step) ** 2))

    if effective(remaining) >= n_effective:
        return remaining
    low, high = 0.0, remaining
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(middle) >= n_effective else (low, middle)
    return low


def _systematic(weights: FloatArray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of n particles, each about n · weight times."""
    positions = (rng.random() + np.arange(n)) / n
    return np.minimum(np.searchsorted(np.cumsum(weights), positions), weights.size - 1)


@dataclass(frozen=True)
class Tempered:
    """prior · L^β of a target."""

    target: Target
    beta: float

    def log_posterior(self, theta: FloatArray) -> FloatArray:
        """Log density, shape (n,)."""
        log_prior, log_posterior = self.target.log_prior(theta), self.target.log_posterior(theta)
        inside = np.isfinite(log_prior)
        difference = np.where(inside, log_posterior, 0.0) - np.where(inside, log_prior, 0.0)
        return np.where(inside, log_prior + self.beta * difference, -np.inf)


def anneal(target: Target, size: int, n_walkers: int, rng: np.random.Generator) -> FloatArray:
    """Over-dispersed starting points of one ensemble, drawn at β = `BETA_END`, shape (n_walkers, size).

    Parameters
    ----------
    target : Target
    size : int
        Dimension of the coordinates.
    n_walkers : int
    rng : numpy.random.Generator
    """
    particles = target.prior_transform(rng.random((_PRIOR_DRAWS * n_walkers, size)))
    log_likelihood = target.log_posterior(particles) - target.log_prior(particles)
    beta = _next_step(log_likelihood, BETA_END, _KEEP * n_walkers)
    particles = particles[_systematic(_weights(log_likelihood, beta), n_walkers, rng)]
    for _ in range(_MAX_STAGES):
        particles = _rejuvenate(target, particles, beta, rng)
        if beta >= BETA_END:
            break
        log_likelihood = target.log_posterior(particles) - target.log_prior(particles)
        step = _next_step(log_likelihood, BETA_END - beta, _KEEP * n_walkers)
        particles = particles[_systematic(_weights(log_likelihood, step), n_walkers, rng)]
        beta = beta + step
    return particles


def _rejuvenate(target: Target, particles: FloatArray, beta: float, rng: np.random.Generator) -> FloatArray:
    """A few ensemble steps on prior · L^β; resampled copies are nudged apart first, inside the prior."""
    spread = particles.std(axis=0) + 1e-9
    for _ in range(100):
        nudged = particles + 1e-3 * spread * rng.standard_normal(particles.shape)
        inside = np.isfinite(target.log_prior(nudged))
        particles = np.where(inside[:, None], nudged, particles)
        if inside.all():
            break
    density = Tempered(target, beta).log_posterior
    sampler = emcee.EnsembleSampler(*particles.shape, density, vectorize=True, moves=warm_up_moves())
    legacy = np.random.RandomState(np.random.MT19937(int(rng.integers(2**63)))).get_state()
    state = emcee.State(particles, random_state=legacy)
    return np.asarray(sampler.run_mcmc(state, _STEPS, skip_initial_state_check=True, store=False).coords)
