"""Heavy-tailed mixtures of multivariate t distributions: fit to weighted draws, draws, and density."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard

TAIL_DOF = 5.0
"""Degrees of freedom of each t: heavier tails than the posterior's, so that no region is proposed too rarely."""
_MAX_POINTS = 5000
_FOR_TAILS = 0.2  # of them
_RIDGE = 3e-4  # of the overall covariance, added to each component so that none collapses
_ROWS = 2048  # at a time: temporary arrays stay in cache
_SCALES = (1.0, 0.3)  # of steps, in those that are best for a normal distribution
_COVERED = 3  # rounds of further components
_UNDER = 4.0  # times as dense as a mixture: walkers get stuck there
_COVERING = 8  # components of each round
_FEW = 10  # effective draws in such places below which they are ignored
_CANCELLED = 1e6  # terms of a squared distance beyond which too many digits of their sum are lost
_PER_COMPONENT = 10  # effective points for each dimension of a component, at least
_MANY = 10  # dimensions: in more, noise in the covariances costs more than further components gain,
_PER_NUMBER = 10  # so that each of their numbers has this many effective points


@dataclass(frozen=True)
class Mixture(ShownAsCard):
    """A mixture of K multivariate t distributions of `TAIL_DOF` degrees of freedom."""

    weights: FloatArray  # shape (K,)
    centres: FloatArray  # shape (K, size)
    roots: FloatArray  # lower Cholesky factors of the scale matrices, shape (K, size, size)

    @property
    def size(self) -> int:
        """Dimension."""
        return int(self.centres.shape[1])

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
        half = 0.5 * (TAIL_DOF + self.size)
        constant = float(gammaln(half) - gammaln(TAIL_DOF / 2)) - 0.5 * self.size * np.log(TAIL_DOF * np.pi)
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
            each /= TAIL_DOF
            np.log1p(each, out=each)
            each *= -0.5 * (TAIL_DOF + self.size)
            each += heights
            top = each.max(axis=1)
            each -= top[:, None]
            found[start : start + _ROWS] = np.log(np.exp(each, out=each).sum(axis=1)) + top
        return found

    def draws(self, n: int, rng: np.random.Generator | np.random.RandomState) -> FloatArray:
        """Independent draws, shape (n, size)."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        spread = np.sqrt(rng.chisquare(TAIL_DOF, n) / TAIL_DOF)
        z = rng.standard_normal((n, self.size)) / spread[:, None]
        return np.asarray(self.centres[which] + np.einsum("nij,nj->ni", self.roots[which], z))

    def steps(self, n: int, rng: np.random.Generator | np.random.RandomState) -> FloatArray:
        """Symmetric steps of a random walk, shape (n, size), each with the shape of a random component."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        scale = 2.38 / np.sqrt(self.size) * rng.choice(_SCALES, size=(n, 1))
        return np.asarray(scale * np.einsum("nij,nj->ni", self.roots[which], rng.standard_normal((n, self.size))))


def fitted(
    points: FloatArray,
    rng: np.random.Generator,
    *,
    weights: FloatArray | None = None,
    components: int = 16,
    iterations: int = 15,
) -> Mixture:
    """Mixture fitted to `points`, shape (n, size), by expectation–maximisation in whitened coordinates.

    Of at most so many components, and fewer where there are few effective points.
    """
    shares = np.ones(points.shape[0]) if weights is None else np.asarray(weights, dtype=float)
    rows, shares = _thinned(shares, _MAX_POINTS, rng)
    points = points[rows]
    size = points.shape[1]
    origin = shares @ points
    away = points - origin
    covariance = np.atleast_2d((away * shares[:, None]).T @ away)
    root = np.linalg.cholesky(covariance + np.diag(1e-9 * np.diagonal(covariance) + 1e-300))
    z = np.linalg.solve(root, away.T).T
    n_effective = 1 / float(np.sum(shares**2))
    n_components = int(np.clip(n_effective // _points_of_one(size), 1, components))
    centres = _spread_out(z, shares, n_components, rng)
    covariances = np.repeat(np.eye(size)[None], n_components, axis=0)
    heights = np.full(n_components, 1 / n_components)
    monomials = products(z)
    for _ in range(iterations):
        roots: FloatArray = np.asarray(np.linalg.cholesky(covariances), dtype=float)
        log_each = np.asarray(-0.5 * (monomials @ distance_coefficients(centres, roots)))
        log_each += np.log(heights) - 0.5 * np.linalg.slogdet(covariances)[1]
        log_each -= log_each.max(axis=1)[:, None]
        share = np.exp(log_each)
        share *= (shares / share.sum(axis=1))[:, None]
        moments = share.T @ monomials
        mass = moments[:, 0] + 1e-9
        heights = mass / mass.sum()
        centres = moments[:, 1 : size + 1] / mass[:, None]
        second = from_upper_triangle(moments[:, size + 1 :] / mass[:, None], size)
        covariances = second - centres[:, :, None] * centres[:, None, :] + _RIDGE * np.eye(size)
    return Mixture(heights, origin + centres @ root.T, np.asarray(root @ np.linalg.cholesky(covariances)))


def _points_of_one(size: int) -> int:
    """Effective points of a component, at least."""
    return _PER_COMPONENT * (size + 1) if size <= _MANY else _PER_NUMBER * size * (size + 3) // 2


def covering(
    mixture: Mixture, v: FloatArray, weights: FloatArray, log_density: FloatArray, rng: np.random.Generator
) -> Mixture:
    """The mixture with further components where a density is much higher: in thin tails that a fit overlooks.

    `v`, shape (n, size), are draws from the density, by weight, and `log_density` its ln there, up to a constant.
    """
    rows, weights = _thinned(weights, 2 * _MAX_POINTS, rng)
    v, log_density = v[rows], log_density[rows]
    for _ in range(_COVERED):
        # ⟨q/p⟩ over draws from p is one over the norm of p
        ratio = log_density - mixture.log_density(v)
        low = float(ratio.min())
        ratio = ratio - low + float(np.log(np.sum(weights * np.exp(low - ratio))))
        under = np.where(ratio > np.log(_UNDER), weights, 0.0)
        mass = float(under.sum())
        if mass == 0 or mass**2 < _FEW * float(np.sum(under**2)):
            break
        there = under > 0
        more = fitted(v[there], rng, weights=under[there], components=_COVERING)
        share = float(np.clip(3 * mass, 0.03, 0.15))
        mixture = joined((mixture, more, wider(more, 2.0)), (1 - share, 0.6 * share, 0.4 * share))
    return mixture


def _thinned(weights: FloatArray, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """About `n` of the rows, including many of little weight, and their weights, which sum to one."""
    flat = np.sqrt(weights)
    chance = (1 - _FOR_TAILS) * weights / weights.sum() + _FOR_TAILS * flat / flat.sum()
    expected = np.minimum(n * chance, 1.0)
    rows = np.flatnonzero(rng.random(weights.size) < expected)
    kept = weights[rows] / expected[rows]
    return rows, np.asarray(kept / kept.sum())


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


def from_upper_triangle(upper: FloatArray, size: int) -> FloatArray:
    """Symmetric matrices, shape (K, size, size), from their upper triangles, shape (K, size (size + 1)/2)."""
    rows, columns = np.triu_indices(size)
    found = np.empty((upper.shape[0], size, size))
    found[:, rows, columns] = upper
    found[:, columns, rows] = upper
    return found


def _spread_out(z: FloatArray, shares: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """n of the points, drawn by their squared distance to those chosen before (k-means++), so thin tails get one."""
    chosen = [int(rng.choice(z.shape[0], p=shares))]
    apart = np.full(z.shape[0], np.inf)
    while len(chosen) < n:
        apart = np.minimum(apart, np.sum((z - z[chosen[-1]]) ** 2, axis=1))
        chance = shares * apart
        if not chance.any():  # all points with a share are chosen
            chance = shares
        chosen.append(int(rng.choice(z.shape[0], p=chance / chance.sum())))
    return z[chosen]


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
