"""From the prior to the posterior by annealing, independently for each ensemble; never a ball round a fit.

A tight ball gives widths that are far too small while every diagnostic between ensembles looks fine. Starting from
the bare prior leaves walkers on islands without mass. Annealing (sequential Monte Carlo over L^β, β from 0 to 1) does
neither. Ensembles start from particles at β = `BETA_START`, wider than the posterior, and disagree if it has modes
that they cannot weigh; the particles at β = 1 only serve to fit proposals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import emcee
import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.proposal import fitted_jump, production_moves

__all__ = ["BETA_START", "Annealed", "Target", "Tempered", "anneal", "legacy_state"]

BETA_START = 0.5  # starts are about √2 wider than the posterior
_KEEP = 0.3  # effective fraction of particles kept from one β to the next
_STEPS = 4
_PRIOR_DRAWS = 8  # for each particle
_MAX_STAGES = 200


class Target(Protocol):
    """What annealing and sampling need of a posterior, vectorised over rows of coordinates."""

    def log_prior(self, theta: FloatArray) -> FloatArray: ...
    def log_posterior(self, theta: FloatArray) -> FloatArray: ...
    def prior_transform(self, u: FloatArray) -> FloatArray: ...


@dataclass(frozen=True)
class Annealed:
    """Particles of one annealing run, each of shape (n_particles, size).

    Attributes
    ----------
    tempered : ndarray
        At β = `BETA_START`.
    final : ndarray
        At β = 1.
    """

    tempered: FloatArray
    final: FloatArray


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


def anneal(
    target: Target,
    size: int,
    n_particles: int,
    rng: np.random.Generator,
    told: Callable[[float], object] = lambda beta: None,
) -> Annealed:
    """Particles from the prior to the posterior.

    Parameters
    ----------
    target : Target
    size : int
        Dimension of the coordinates.
    n_particles : int
    rng : numpy.random.Generator
    told : callable
        Called with every β that is reached.

    Returns
    -------
    Annealed
    """
    particles = target.prior_transform(rng.random((_PRIOR_DRAWS * n_particles, size)))
    log_likelihood = target.log_posterior(particles) - target.log_prior(particles)
    beta, tempered = 0.0, particles[:n_particles]
    for _ in range(_MAX_STAGES):
        until = BETA_START if beta < BETA_START else 1.0
        step = _next_step(log_likelihood, until - beta, _KEEP * n_particles)
        chosen = _systematic(_weights(log_likelihood, step), n_particles, rng)
        beta = until if step == until - beta else beta + step
        told(beta)
        particles, log_posterior = _rejuvenated(Tempered(target, beta), particles[chosen], rng)
        log_prior = target.log_prior(particles)
        log_likelihood = (log_posterior - log_prior) / beta
        if beta == BETA_START:
            tempered = particles
        if beta == 1.0:
            break
    return Annealed(tempered, particles)


def legacy_state(seed: np.random.Generator) -> tuple[str, np.ndarray, int, int, float]:
    """A random state as emcee wants it."""
    return np.random.RandomState(np.random.MT19937(int(seed.integers(2**63)))).get_state(legacy=True)  # type: ignore[return-value]


def _rejuvenated(density: Tempered, particles: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """A few ensemble steps on prior · L^β; resampled copies are nudged apart first, inside the prior."""
    spread = particles.std(axis=0) + 1e-9
    for _ in range(100):
        nudged = particles + 1e-3 * spread * rng.standard_normal(particles.shape)
        inside = np.isfinite(density.target.log_prior(nudged))
        particles = np.where(inside[:, None], nudged, particles)
        if inside.all():
            break
    moves = production_moves(fitted_jump(particles, rng))
    sampler = emcee.EnsembleSampler(*particles.shape, density.log_posterior, vectorize=True, moves=moves)
    state = emcee.State(particles, random_state=legacy_state(rng))
    end = sampler.run_mcmc(state, _STEPS, skip_initial_state_check=True, store=False)
    return np.asarray(end.coords), np.asarray(end.log_prob)
