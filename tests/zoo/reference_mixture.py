"""Mixtures of multivariate t distributions: fitted to weighted points, drawn from, evaluated."""

from __future__ import annotations

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
