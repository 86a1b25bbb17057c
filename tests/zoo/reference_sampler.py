"""Particles annealed from the prior to the posterior, then importance sampling from a mixture fitted to them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from reference_mixture import Mixture, fitted

_KEEP = 0.8  # effective share of particles after a step of temperature
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


def _resampled(weights, rng, n):
    """Systematic resampling, in random order."""
    places = (rng.random() + np.arange(n)) / n
    chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), places)
    return rng.permutation(np.minimum(chosen, weights.size - 1))


def anneal(target, rng, chains=2000, length=20):
    """Sequential Monte Carlo that wastes nothing: at every temperature few chains start, and all their states count."""
    z = target.draw_start(rng, chains * length)
    prior, like = target(z)
    like = np.where(np.isfinite(prior), like, -np.inf)
    beta, log_z, steps, tempered = 0.0, 0.0, 0, []
    wanted = list(_TEMPERED[::-1])
    while beta < 1.0:
        new = _next(beta, like)
        w = (new - beta) * like
        top = w.max()
        w = np.exp(w - top)
        log_z += top + np.log(np.mean(w))
        others = z[:, _resampled(w, rng, 2 * chains)]
        begin = _resampled(w, rng, chains)
        beta, steps = new, steps + 1
        z, prior, like = _chains(target, (z[:, begin], prior[begin], like[begin]), others, beta, rng, length)
        while wanted and beta >= wanted[0]:
            tempered.append(z[:, rng.choice(z.shape[1], 6000)])
            wanted.pop(0)
    return Annealed(z, tuple(tempered), float(log_z), steps)


def _chains(target, state, others, beta, rng, length):
    """All states of chains of some length; moves hold `others` and a mixture fitted to them, which makes them exact."""
    z, prior, like = (each.copy() for each in state)
    D, m = z.shape
    guide = fitted(others, np.ones(others.shape[1]), 6 + D, rng, rounds=6, wider=1.1)
    spread = 1e-3 * others.std(axis=1)[:, None]
    states = []
    for k in range(length):
        if k % 2:
            proposed = guide.draw(rng, m)
            balance = guide.log_density(z) - guide.log_density(proposed)
        else:
            first, second = rng.integers(others.shape[1], size=(2, m))
            size = np.exp(rng.uniform(np.log(0.15), np.log(1.0), m)) * 2.38 / np.sqrt(2 * D)
            size = np.where(rng.random(m) < 0.1, 1.0, size)
            step = size * (others[:, first] - others[:, second]) + spread * rng.standard_normal((D, m))
            proposed, balance = z + step, 0.0
        new_prior, new_like = target(proposed)
        inside = np.isfinite(new_prior)
        log = np.full(m, -np.inf)
        difference = new_prior - prior + beta * (np.where(inside, new_like, 0.0) - like) + balance
        log[inside] = difference[inside]
        yes = np.log(rng.random(m)) < log
        z[:, yes], prior[yes], like[yes] = proposed[:, yes], new_prior[yes], new_like[yes]
        states.append((z.copy(), prior.copy(), like.copy()))
    return tuple(np.concatenate(each, axis=-1) for each in zip(*states, strict=True))


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
    start = time.process_time()
    D, ones = target.size, np.ones(6000)
    stages = annealed.tempered
    wide = Mixture.together(
        [fitted(z, ones, 8, rng, rounds=8, wider=1.1) for z in stages], np.full(len(stages), 1 / len(stages))
    )
    some = annealed.z[:, rng.choice(annealed.z.shape[1], 20_000)]
    main = fitted(some, np.ones(20_000), 10 + 2 * D, rng, wider=1.05)
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
        late = time.process_time() - start > seconds
        if late or (effective >= ess and least_ess(np.concatenate(drawn, axis=1), w / w.sum()) >= 2 * ess / 3):
            break
    error = np.std(w) / np.mean(w) / np.sqrt(w.size)
    log_z = float(log_w.max() + np.log(np.mean(w)))
    return Weighted(np.concatenate(drawn, axis=1), w / w.sum(), log_z, float(error), float(effective))
