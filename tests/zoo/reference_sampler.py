"""Particles annealed from the prior to the posterior, then importance sampling from a mixture of t fitted to them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

DOF = 6.0


@dataclass(frozen=True)
class Mixture:
    """Shares (K,), centres (K, D) and lower roots of the scale matrices (K, D, D)."""

    shares: np.ndarray
    centres: np.ndarray
    roots: np.ndarray

    def draw(self, rng, n):
        """Points of shape (D, n)."""
        which = rng.choice(self.shares.size, size=n, p=self.shares)
        D = self.centres.shape[1]
        noise = rng.standard_normal((n, D)) / np.sqrt(rng.chisquare(DOF, n) / DOF)[:, None]
        out = np.empty((D, n))
        for k in np.unique(which):
            mine = which == k
            out[:, mine] = self.centres[k][:, None] + self.roots[k] @ noise[mine].T
        return out

    def by_component(self, z):
        """ln of each component with its share, and the squared distance from it, shape (K, n) both."""
        D = z.shape[0]
        constant = gammaln((DOF + D) / 2) - gammaln(DOF / 2) - 0.5 * D * np.log(DOF * np.pi)
        inverse = np.linalg.inv(self.roots)
        heights = np.log(self.shares) + constant - np.sum(np.log(np.diagonal(self.roots, axis1=1, axis2=2)), axis=1)
        square = np.empty((self.shares.size, z.shape[1]))
        for k, (root, centre) in enumerate(zip(inverse, self.centres, strict=True)):
            white = root @ (z - centre[:, None])
            square[k] = np.einsum("dn,dn->n", white, white)
        return heights[:, None] - 0.5 * (DOF + D) * np.log1p(square / DOF), square

    def log_density(self, z):
        """ln density, shape (n,)."""
        return np.logaddexp.reduce(self.by_component(z)[0], axis=0)


def _together(parts, shares):
    """Several mixtures as one."""
    return Mixture(
        np.concatenate([share * part.shares for part, share in zip(parts, shares, strict=True)]),
        np.concatenate([part.centres for part in parts]),
        np.concatenate([part.roots for part in parts]),
    )


Mixture.together = staticmethod(_together)


def fitted(z, weights, K, rng, rounds=12, start=None, wider=1.0):
    """A mixture of at most K components by expectation and maximisation; `wider` scales its roots.

    Every scale matrix is mixed with a little of that of all points, so that no component collapses.
    """
    D = z.shape[0]
    weights = weights / weights.sum()
    everywhere = np.cov(z, aweights=weights).reshape(D, D) + 1e-12 * np.eye(D)
    mixture = start or _begun(z, weights, K, everywhere, rng)
    for _ in range(rounds):
        log, square = mixture.by_component(z)
        log -= np.logaddexp.reduce(log, axis=0)
        r = np.exp(log) * weights
        shares = r.sum(axis=1)
        effective = shares**2 / np.maximum(np.sum(r**2, axis=1), 1e-300)
        kept = np.flatnonzero((effective > 3 * D) & (shares > 1e-4))
        if kept.size == 0:
            return Mixture(np.ones(1), (z @ weights)[None], np.linalg.cholesky(everywhere)[None] * wider)
        centres, roots = [], []
        for k in kept:
            pull = r[k] * (DOF + D) / (DOF + square[k])
            centre = z @ pull / pull.sum()
            away = z - centre[:, None]
            scale = (away * pull) @ away.T / shares[k]
            regular = D / (D + effective[k])
            scale = (1 - regular) * scale + regular * 0.1 * everywhere + 1e-10 * np.diag(np.diagonal(everywhere))
            centres.append(centre)
            roots.append(np.linalg.cholesky(scale))
        mixture = Mixture(shares[kept] / shares[kept].sum(), np.stack(centres), np.stack(roots))
    return Mixture(mixture.shares, mixture.centres, mixture.roots * wider)


def _begun(z, weights, K, everywhere, rng):
    """Centres spread over the points (k-means++ in whitened space), one scale matrix for all."""
    n, D = z.shape[1], z.shape[0]
    inverse = np.linalg.inv(np.linalg.cholesky(everywhere))
    some = rng.choice(n, size=min(n, 4000), p=weights)
    white = inverse @ z[:, some]
    chosen = [int(rng.integers(white.shape[1]))]
    nearest = np.full(white.shape[1], np.inf)
    for _ in range(K - 1):
        nearest = np.minimum(nearest, np.sum((white - white[:, chosen[-1]][:, None]) ** 2, axis=0))
        if nearest.sum() <= 0:
            break
        chosen.append(int(rng.choice(white.shape[1], p=nearest / nearest.sum())))
    centres = z[:, some[chosen]].T
    root = np.linalg.cholesky(everywhere) * len(chosen) ** (-1.0 / D) * 0.8
    return Mixture(np.full(len(chosen), 1 / len(chosen)), centres, np.repeat(root[None], len(chosen), axis=0))


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


def importance(target, annealed, rng, ess=15_000, seconds=60.0, batch=20_000, tails=()):
    """Importance sampling with a share of the proposal kept for tempered particles, refitted before it is frozen.

    `tails` are factors by which further parts of it are wider, each a sixth of what is left to the others. Goes on
    until there are `ess` effective draws, and two thirds of that behind each quantile that is asked for.
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
    tails = [Mixture(main.shares, main.centres, factor * main.roots) for factor in tails]
    proposal = Mixture.together([main, *tails, wide], [0.8 * (1 - len(tails) / 6), *[0.8 / 6] * len(tails), 0.2])
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
