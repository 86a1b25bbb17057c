"""Heavy-tailed mixtures of multivariate t distributions: draws, density and steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard

MANY = 10
"""Dimensions; in more, tails cost more than they gain, and mixtures are fitted with fewer numbers."""
_TAIL_DOF, _OF_MANY = 5.0, 20.0  # heavier tails than the posterior's, so that no region is proposed too rarely
_ROWS = 2048  # at a time: temporary arrays stay in cache
_SCALES = (1.0, 0.3)  # of steps, in those that are best for a normal distribution
_CANCELLED = 1e6  # terms of a squared distance beyond which too many digits of their sum are lost


@dataclass(frozen=True)
class Mixture(ShownAsCard):
    """A mixture of K multivariate t distributions of `dof` degrees of freedom."""

    weights: FloatArray  # shape (K,)
    centres: FloatArray  # shape (K, size)
    roots: FloatArray  # lower Cholesky factors of the scale matrices, shape (K, size, size)

    @property
    def size(self) -> int:
        """Dimension."""
        return int(self.centres.shape[1])

    @property
    def dof(self) -> float:
        """Degrees of freedom: 5, and 20 in more than ten dimensions."""
        return _TAIL_DOF if self.size <= MANY else _OF_MANY

    @cached_property
    def _origin(self) -> FloatArray:
        return np.asarray(self.weights @ self.centres)

    @cached_property
    def _prepared(self) -> tuple[FloatArray, FloatArray, tuple[tuple[int, FloatArray], ...]]:
        """Coefficients of the squared distances to all centres, ln of each height, and inverse roots of some.

        The last are of components so far from the middle or so thin that the terms of a squared distance would cancel
        beyond the eighth digit; their distances are computed directly.
        """
        log_det = np.sum(np.log(np.diagonal(self.roots, axis1=1, axis2=2)), axis=1)
        half = 0.5 * (self.dof + self.size)
        constant = float(gammaln(half) - gammaln(self.dof / 2)) - 0.5 * self.size * np.log(self.dof * np.pi)
        with np.errstate(divide="ignore"):
            heights = np.log(self.weights) - log_det + constant
        away, inverse = self.centres - self._origin, np.linalg.inv(self.roots)
        farthest = np.abs(away) + np.linalg.norm(self.roots, axis=2)
        terms = np.sum(np.einsum("kij,kj->ki", np.abs(inverse), farthest) ** 2, axis=1)
        direct = tuple((int(k), inverse[k]) for k in np.flatnonzero(terms > _CANCELLED))
        return distance_coefficients(away, self.roots), heights, direct

    def log_density(self, v: FloatArray) -> FloatArray:
        """Normalised log density, shape (n,), at `v` of shape (n, size)."""
        coefficients, heights, direct = self._prepared
        found = np.empty(v.shape[0])
        for start in range(0, v.shape[0], _ROWS):
            here = v[start : start + _ROWS]
            each = products(here - self._origin) @ coefficients
            for k, inverse in direct:
                each[:, k] = np.sum(((here - self.centres[k]) @ inverse.T) ** 2, axis=1)
            np.maximum(each, 0.0, out=each)
            each /= self.dof
            np.log1p(each, out=each)
            each *= -0.5 * (self.dof + self.size)
            each += heights
            top = each.max(axis=1)
            each -= top[:, None]
            found[start : start + _ROWS] = np.log(np.exp(each, out=each).sum(axis=1)) + top
        return found

    def draws(self, n: int, rng: np.random.Generator | np.random.RandomState) -> FloatArray:
        """Independent draws, shape (n, size)."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        spread = np.sqrt(rng.chisquare(self.dof, n) / self.dof)
        z = rng.standard_normal((n, self.size)) / spread[:, None]
        return np.asarray(self.centres[which] + np.einsum("nij,nj->ni", self.roots[which], z))

    def steps(self, n: int, rng: np.random.Generator | np.random.RandomState) -> FloatArray:
        """Symmetric steps of a random walk, shape (n, size), each with the shape of a random component."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        scale = 2.38 / np.sqrt(self.size) * rng.choice(_SCALES, size=(n, 1))
        return np.asarray(scale * np.einsum("nij,nj->ni", self.roots[which], rng.standard_normal((n, self.size))))


def products(x: FloatArray) -> FloatArray:
    """1, all coordinates and all their products, shape (n, 1 + size + size (size + 1)/2), for x of shape (n, size)."""
    n, size = x.shape
    rows, columns = np.triu_indices(size)
    found = np.empty((n, 1 + size + rows.size))
    found[:, 0] = 1.0
    found[:, 1 : size + 1] = x
    np.multiply(x[:, rows], x[:, columns], out=found[:, size + 1 :])
    return found


def distance_coefficients(centres: FloatArray, roots: FloatArray) -> FloatArray:
    """Squared distances to K centres, in units of `roots`, as coefficients of `products`, one column for each.

    Distances of many points are then one product of matrices. Coordinates must be of the order of the distances between
    the centres, because the terms cancel.
    """
    K, size = centres.shape
    inverse = np.linalg.inv(roots)
    precision = np.swapaxes(inverse, -1, -2) @ inverse
    linear = np.einsum("kij,kj->ki", precision, centres)
    rows, columns = np.triu_indices(size)
    found = np.empty((1 + size + rows.size, K))
    found[0] = np.sum(linear * centres, axis=1)
    found[1 : size + 1] = -2 * linear.T
    found[size + 1 :] = (precision[:, rows, columns] * np.where(rows == columns, 1.0, 2.0)).T
    return found


def joined(mixtures: Sequence[Mixture], shares: Sequence[float]) -> Mixture:
    """One mixture from several, each with its share of the proposals."""
    total = float(sum(shares))
    return Mixture(
        np.concatenate([each.weights * (share / total) for each, share in zip(mixtures, shares, strict=True)]),
        np.concatenate([each.centres for each in mixtures]),
        np.concatenate([each.roots for each in mixtures]),
    )


def wider(mixture: Mixture, factor: float) -> Mixture:
    """Every component `factor` times as wide."""
    return Mixture(mixture.weights, mixture.centres, factor * mixture.roots)
