"""Annealing of a population of particles from the prior to the posterior.

Walkers that start in a tight ball around a fit give widths that are far too small while every diagnostic looks fine;
walkers that start from the bare prior stay on islands without mass. Annealing avoids both: a population follows the
densities s^(1 − β) p^β from β = 0 to 1, where p is the posterior and s the start, which is the prior for all
coordinates that are not straightened.

Waste-free sequential Monte Carlo: a few of the particles, chosen by weight, each make a short Markov chain, and all
states of these chains are the next population (Dau and Chopin, J. R. Stat. Soc. B 84, 114 (2022)). Every other step is
a jump from a mixture fitted to the population; the others are local ones, which fill thin tails that no mixture covers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.infer.ensembles.fit import fitted
from mtjfit.infer.ensembles.jumps import Straight

_KEEP = 0.3  # effective fraction of particles kept from one β to the next
_CHAIN = 4  # steps of each chain: one particle in four begins one
_COMPONENTS = 16
_FIT = 8  # iterations
_LAST = 3  # populations at β = 1: the tails of the first still have the noise of earlier ones
_NEGLIGIBLE = 1e-7  # of the largest weight
_MAX_LEVELS = 500
_WARMEST = 0.1  # inverse temperature for which particles are weighted
_MOST_USED = 12  # levels at a time: a posterior far from its prior has hundreds
_AGREE = 5  # iterations of the norms
_NOWHERE = -1e300  # ln of a density that vanishes: finite, so that differences are


@dataclass(frozen=True, eq=False)
class Population:
    """Particles at one inverse temperature, equally weighted, in straight coordinates."""

    beta: float
    v: FloatArray  # shape (n, size)
    log_start: FloatArray  # ln s, −1e300 where there is no prior, shape (n,)
    log_gain: FloatArray  # ln p − ln s, shape (n,)

    def at(self, rows: np.ndarray) -> Population:
        """Some of the particles."""
        return Population(self.beta, self.v[rows], self.log_start[rows], self.log_gain[rows])


@dataclass(frozen=True, eq=False)
class Annealed(ShownAsCard):
    """Result of one annealing run."""

    levels: tuple[Population, ...]  # from the start, β = 0, to β = 1
    log_norms: FloatArray  # ln ∫ s^(1 − β) p^β dv of each, from the weights of the earlier ones: good to a few tenths

    @property
    def log_evidence(self) -> float:
        """ln ∫ prior · likelihood, for a normalised prior."""
        return float(self.log_norms[-1])

    @property
    def final(self) -> Population:
        """At β = 1."""
        return self.levels[-1]

    @cached_property
    def _all(self) -> tuple[Population, FloatArray]:
        """Particles of many levels (with β = 1), and the log density of the mixture of levels they were drawn from.

        Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008): the norms of the levels are determined self-consistently
        from the particles of all. Warm levels hold many particles in thin tails of the cool ones.
        """
        first = max(k for k, each in enumerate(self.levels) if each.beta <= _WARMEST)
        places = np.unique(np.linspace(first, len(self.levels) - 1, _MOST_USED).round().astype(int))
        used = [self.levels[k] for k in places]
        log_start = np.concatenate([each.log_start for each in used])
        log_gain = np.concatenate([each.log_gain for each in used])
        everything = Population(1.0, np.concatenate([each.v for each in used]), log_start, log_gain)
        betas = np.array([each.beta for each in used])
        shares = np.array([each.v.shape[0] for each in used]) / log_gain.size
        log_z = self.log_norms[places]
        terms = betas[:, None] * log_gain  # without the start density, which is common to all
        for _ in range(_AGREE):
            total = _log_sum(np.log(shares)[:, None] - log_z[:, None] + terms)
            log_z = _log_sum((terms - total).T) - np.log(log_gain.size)
        return everything, log_start + _log_sum(np.log(shares)[:, None] - log_z[:, None] + terms)

    def weighted(self, beta: float) -> tuple[FloatArray, FloatArray]:
        """Particles, shape (n, size), and their weights at an inverse temperature of 0.1 to 1, shape (n,)."""
        everything, log_drawn = self._all
        log_weights = everything.log_start + beta * everything.log_gain - log_drawn
        return everything.v, np.exp(log_weights - log_weights.max())

    @property
    def log_posterior(self) -> FloatArray:
        """Log posterior of the particles of `weighted`, shape (n,)."""
        everything, _ = self._all
        return np.asarray(everything.log_start + everything.log_gain)

    def resampled(self, beta: float, n: int, rng: np.random.Generator) -> FloatArray:
        """`n` particles at an inverse temperature, shape (n, size), drawn by weight, rarely one twice."""
        v, weights = self.weighted(beta)
        return np.asarray(v[systematic(weights / weights.sum(), n, rng)])


def _log_sum(terms: FloatArray) -> FloatArray:
    top = terms.max(axis=0)
    return np.asarray(np.log(np.sum(np.exp(terms - top), axis=0)) + top)


def anneal(
    straight: Straight,
    size: int,
    n_particles: int,
    rng: np.random.Generator,
    on_level: Callable[[float], object] = lambda beta: None,
) -> Annealed:
    """Particles from the prior to a posterior in `size` coordinates; calls `on_level` with every β that is reached.

    Their number is rounded down to a multiple of four.
    """
    n = n_particles // _CHAIN * _CHAIN
    v, log_start = straight.start(straight.first_draws * n, size, rng)
    now = Population(0.0, v, *_densities(straight, v, log_start))
    levels = [now]  # including the start: warm distributions of an easy posterior lie between it and the next
    log_norms = [0.0]
    settled = 0  # populations at β = 1
    while settled < _LAST:
        remaining = 1.0 - now.beta
        step = remaining if len(levels) == _MAX_LEVELS else _next_step(now.log_gain, remaining, _KEEP * n)
        weights, gain = _weights(now.log_gain, step)
        log_norms.append(log_norms[-1] + gain)
        beta = 1.0 if step == remaining else now.beta + step
        if remaining:
            on_level(beta)
        rows = np.flatnonzero(weights > _NEGLIGIBLE * weights.max())
        now = _moved(straight, now.at(rows), weights[rows] / weights[rows].sum(), beta, n, rng)
        levels.append(now)
        settled += beta == 1.0
    return Annealed(tuple(levels), np.array(log_norms))


def _densities(straight: Straight, v: FloatArray, log_start: FloatArray) -> tuple[FloatArray, FloatArray]:
    """ln s and ln p − ln s, shape (n,) each, both finite; the latter is −1e300 wherever p vanishes, whatever s is."""
    log_posterior = straight.log_posterior(v)
    inside = np.isfinite(log_start) & np.isfinite(log_posterior)
    log_start = np.where(np.isfinite(log_start), log_start, _NOWHERE)
    return log_start, np.where(inside, log_posterior - np.where(inside, log_start, 0.0), _NOWHERE)


def _weights(log_gain: FloatArray, step: float) -> tuple[FloatArray, float]:
    """Weights that sum to one, and ln of the mean of exp(step · gain)."""
    top = float(log_gain.max())
    weights = np.exp(step * (log_gain - top))
    total = float(weights.sum())
    return np.asarray(weights / total), step * top + float(np.log(total / weights.size))


def _next_step(log_gain: FloatArray, remaining: float, n_effective: float) -> float:
    """Largest step in β that leaves `n_effective` particles, at most `remaining`; by bisection in its logarithm.

    MtjfitError where no step is small enough, because the densities of particles differ by all that numbers can hold.
    """

    def effective(step: float) -> float:
        return 1 / float(np.sum(_weights(log_gain, step)[0] ** 2))

    if effective(remaining) >= n_effective:
        return remaining
    low, high = float(np.log(remaining)) - 60.0, float(np.log(remaining))
    inside = log_gain[log_gain > 0.1 * _NOWHERE]
    if inside.size > 1 and 1 / float(np.sum(_weights(inside, float(np.exp(low)))[0] ** 2)) < _KEEP * inside.size:
        raise MtjfitError(
            f"the data are too far from the model to be sampled: ln L spans {np.ptp(inside):.0g} over the prior; "
            "look for values that are far out, or errors that are far too small"
        )
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(float(np.exp(middle))) >= n_effective else (low, middle)
    return float(np.exp(low))


def systematic(weights: FloatArray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of n particles, each about n · weight times."""
    positions = (rng.random() + np.arange(n)) / n
    return np.minimum(np.searchsorted(np.cumsum(weights), positions), weights.size - 1)


def _moved(
    straight: Straight, now: Population, weights: FloatArray, beta: float, n: int, rng: np.random.Generator
) -> Population:
    """The population at β: all states of short chains that begin at some of the present particles."""
    mixture = fitted(now.v, rng, weights=weights, components=_COMPONENTS, iterations=_FIT, ridge=straight.ridge)
    start = now.at(systematic(weights, n // _CHAIN, rng))
    chain = Population(beta, start.v, start.log_start, start.log_gain)
    states = []
    for k in range(_CHAIN):
        m = chain.v.shape[0]
        if k % 2 == 0:  # Metropolis–Hastings with an independent proposal
            v = mixture.draws(m, rng)
            log_back = mixture.log_density(chain.v) - mixture.log_density(v)
        else:  # Metropolis along a random component, with the same probability in both directions
            v, log_back = chain.v + mixture.steps(m, rng), np.zeros(m)
        chain = _accepted(straight, chain, v, log_back, rng)
        states.append(chain)
    return Population(
        beta,
        np.concatenate([each.v for each in states]),
        np.concatenate([each.log_start for each in states]),
        np.concatenate([each.log_gain for each in states]),
    )


def _accepted(
    straight: Straight, now: Population, v: FloatArray, log_back: FloatArray, rng: np.random.Generator
) -> Population:
    """Proposals `v` where they are accepted; `log_back` is ln of the ratio of proposal densities, back over forth."""
    log_start, log_gain = _densities(straight, v, straight.log_start(v))
    change = log_start - now.log_start + now.beta * (log_gain - now.log_gain) + log_back
    accepted = np.log(rng.random(change.size)) < change
    return Population(
        now.beta,
        np.where(accepted[:, None], v, now.v),
        np.where(accepted, log_start, now.log_start),
        np.where(accepted, log_gain, now.log_gain),
    )
