"""Particles annealed from the prior to the posterior, then importance sampling from a mixture fitted to them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from reference_mixture import Mixture, fitted

__all__ = ["Annealed", "Weighted", "anneal", "importance"]

_KEEP = 0.6  # effective share of particles after a step of temperature
_TEMPERED = (0.5, 0.2, 0.05)


@dataclass(frozen=True)
class Annealed:
    """Particles of the posterior, some of tempered ones on the way, and ln Z from the steps."""

    z: np.ndarray
    tempered: tuple[np.ndarray, ...]
    log_z: float
    steps: int


@dataclass(frozen=True)
class Weighted:
    """Draws with weights that sum to one, ln Z with its error, and the effective sample size."""

    z: np.ndarray
    weights: np.ndarray
    log_z: float
    error: float
    ess: float


def _next(beta, log_likelihood):
    """The temperature at which the weights keep `_KEEP` of the particles."""
    top = np.max(log_likelihood)

    def share(b):
        w = np.exp((b - beta) * (log_likelihood - top))
        return w.sum() ** 2 / np.sum(w * w) / w.size

    if share(1.0) >= _KEEP:
        return 1.0
    low, high = beta, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if share(middle) >= _KEEP else (low, middle)
    return max(low, np.nextafter(beta, 1.0))


def _resampled(weights, rng):
    """Systematic resampling."""
    n = weights.size
    places = (rng.random() + np.arange(n)) / n
    return np.minimum(np.searchsorted(np.cumsum(weights) / weights.sum(), places), n - 1)


def anneal(target, rng, n=8000, rounds=8):
    """Sequential Monte Carlo; moves are differences of other particles, and draws from a mixture fitted to others."""
    z = target.draw_prior(rng, n)
    prior, like = target(z)
    like = np.where(np.isfinite(prior), like, -np.inf)
    beta, log_z, steps, tempered = 0.0, 0.0, 0, []
    wanted = list(_TEMPERED[::-1])
    while beta < 1.0:
        new = _next(beta, like)
        w = (new - beta) * like
        top = w.max()
        log_z += top + np.log(np.mean(np.exp(w - top)))
        chosen = _resampled(np.exp(w - top), rng)
        z, prior, like, beta, steps = z[:, chosen], prior[chosen], like[chosen], new, steps + 1
        for round_ in range(rounds * (2 if beta == 1.0 else 1)):
            z, prior, like = _moved(target, z, prior, like, beta, rng, guided=round_ % 4 == 1)
        while wanted and beta >= wanted[0]:
            tempered.append(z.copy())
            wanted.pop(0)
    return Annealed(z, tuple(tempered), float(log_z), steps)


def _moved(target, z, prior, like, beta, rng, guided):
    """One round: each half moves with the other half held, which makes the moves exact."""
    D, n = z.shape
    order = rng.permutation(n)
    halves = order[: n // 2], order[n // 2 :]
    z, prior, like = z.copy(), prior.copy(), like.copy()
    for mine, others in (halves, halves[::-1]):
        at, m = z[:, mine], mine.size
        if guided:
            guide = fitted(z[:, others[: 60 * D]], np.ones(min(others.size, 60 * D)), 8, rng, rounds=4)
            proposed = guide.draw(rng, m)
            balance = guide.log_density(at) - guide.log_density(proposed)
        else:
            first, second = others[rng.integers(others.size, size=(2, m))]
            size = np.exp(rng.uniform(np.log(0.15), np.log(1.0), m)) * 2.38 / np.sqrt(2 * D)
            size = np.where(rng.random(m) < 0.1, 1.0, size)
            jiggle = 1e-3 * z[:, others].std(axis=1)[:, None] * rng.standard_normal((D, m))
            proposed, balance = at + size * (z[:, first] - z[:, second]) + jiggle, 0.0
        new_prior, new_like = target(proposed)
        with np.errstate(invalid="ignore"):
            log = new_prior - prior[mine] + beta * (new_like - like[mine]) + balance
        yes = np.log(rng.random(m)) < np.where(np.isfinite(new_prior), log, -np.inf)
        kept = mine[yes]
        z[:, kept], prior[kept], like[kept] = proposed[:, yes], new_prior[yes], new_like[yes]
    return z, prior, like


def least_ess(z, w):
    """Effective draws behind the 5, 50 and 95 % quantiles of every coordinate, the fewest."""
    least = np.inf
    for row in z:
        order = np.argsort(row)
        v = w[order]
        below, squares = np.cumsum(v), np.cumsum(v * v)
        for p in (0.05, 0.5, 0.95):
            k = min(int(np.searchsorted(below, p)), v.size - 1)
            variance = squares[k] * (1 - p) ** 2 + (squares[-1] - squares[k]) * p**2
            least = min(least, p * (1 - p) / variance)
    return least


def importance(target, annealed, rng, ess=15_000, seconds=60.0, batch=20_000):
    """Importance sampling with a share of the proposal kept for tempered particles, refitted before it is frozen.

    Goes on until there are `ess` effective draws, and two thirds of that behind each quantile that is asked for.
    """
    start = time.perf_counter()
    D, ones = target.size, np.ones(annealed.z.shape[1])
    stages = annealed.tempered
    wide = Mixture.together(
        [fitted(z, ones, 8, rng, rounds=8, wider=1.1) for z in stages], np.full(len(stages), 1 / len(stages))
    )
    main = fitted(annealed.z, ones, 10 + 2 * D, rng, wider=1.05)
    for share in (0.3, 0.25, 0.25):
        proposal = Mixture.together([main, wide], [1 - share, share])
        z = proposal.draw(rng, batch)
        log_w = sum(target(z)) - proposal.log_density(z)
        w = np.exp(log_w - log_w.max())
        # no single draw may rule the fit
        w = np.minimum(w, 50 * w.sum() / w.size)
        main = fitted(z, w, 10 + 2 * D, rng, rounds=5, start=main)
    proposal = Mixture.together([main, wide], [0.8, 0.2])
    drawn, logs = [], []
    while True:
        z = proposal.draw(rng, batch)
        drawn.append(z)
        logs.append(sum(target(z)) - proposal.log_density(z))
        log_w = np.concatenate(logs)
        w = np.exp(log_w - log_w.max())
        effective = w.sum() ** 2 / np.sum(w * w)
        late = time.perf_counter() - start > seconds
        if late or (effective >= ess and least_ess(np.concatenate(drawn, axis=1), w / w.sum()) >= 2 * ess / 3):
            break
    error = np.std(w) / np.mean(w) / np.sqrt(w.size)
    log_z = float(log_w.max() + np.log(np.mean(w)))
    return Weighted(np.concatenate(drawn, axis=1), w / w.sum(), log_z, float(error), float(effective))
