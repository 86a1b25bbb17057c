"""Mixtures fitted to weighted draws: by expectation–maximisation, and with further components where they are too thin.

In many dimensions most coordinates follow a few. Given the lengths of a stack, which bend, its amplitudes and smooth
coefficients are close to normal, with means nearly quadratic in the lengths. A mixture in the few and one regression of
the others have far fewer numbers than free covariances in all dimensions, and so far less noise. Tails are then added
where they are: along the bend, and along single coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.infer.ensembles.mixture import MANY, Mixture, distance_coefficients, joined, products, wider

_MAX_POINTS = 5000
_FOR_TAILS = 0.2  # of them
_RIDGE = 3e-4  # of the overall covariance, added to each component so that none collapses
_COVERED = 3  # rounds of further components
_UNDER = 4.0  # times as dense as a mixture: walkers get stuck there
_COVERING = 8  # components of each round
_FEW = 10  # effective draws in such places below which they are ignored, in up to ten dimensions
_PER_COMPONENT = 10  # effective points for each dimension of a component, at least; in more dimensions than MANY
_PER_NUMBER = 10  # for each of its numbers, because their noise costs more than further components gain
_TAILS = 0.15  # share of the tails along the bend, and again of all those along single coordinates
_ALONG_BEND, _ALONG_ONE = 1.75, 3.0  # times as wide as the rest
_NO_COLUMNS = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True)
class Ridge(ShownAsCard):
    """What is known beforehand of the shape of a posterior."""

    bent: IntArray  # coordinates given which all others are close to normal, with means nearly quadratic in these
    tailed: IntArray  # others with long tails, as ln of a scatter that may be zero


NO_RIDGE = Ridge(_NO_COLUMNS, _NO_COLUMNS)


def fitted(
    points: FloatArray,
    rng: np.random.Generator,
    *,
    weights: FloatArray | None = None,
    components: int = 16,
    iterations: int = 15,
    ridge: Ridge = NO_RIDGE,
) -> Mixture:
    """Mixture fitted to `points`, shape (n, size), by expectation–maximisation in whitened coordinates.

    Of at most so many components, and fewer where there are few effective points. All coordinates follow the bent ones
    of a ridge, and it gets its tails, where there are enough points for that.
    """
    shares = np.ones(points.shape[0]) if weights is None else np.asarray(weights, dtype=float)
    rows, shares = _thinned(shares, _MAX_POINTS, rng)
    points, size = points[rows], points.shape[1]
    few = int(_effective(shares)) // (_PER_NUMBER * _numbers(ridge.bent.size) or 1)
    if not few or not 0 < ridge.bent.size < size:
        return _maximised(points, shares, rng, components, iterations)
    of_bent = _maximised(points[:, ridge.bent], shares, rng, min(few, components), iterations)
    found = _followed(of_bent, points, shares, ridge.bent)
    tails = [_followed(wider(of_bent, _ALONG_BEND), points, shares, ridge.bent)]
    tails += [_stretched(found, column) for column in ridge.tailed]
    each = _TAILS / max(ridge.tailed.size, 1)
    return joined((found, *tails), (1 - _TAILS - each * ridge.tailed.size, _TAILS, *[each] * ridge.tailed.size))


def _effective(shares: FloatArray) -> float:
    """Effective number of points of these shares, which sum to one."""
    return 1 / float(np.sum(shares**2))


def _maximised(
    points: FloatArray, shares: FloatArray, rng: np.random.Generator, components: int, iterations: int
) -> Mixture:
    size = points.shape[1]
    origin = shares @ points
    away = points - origin
    covariance = np.atleast_2d((away * shares[:, None]).T @ away)
    root = np.linalg.cholesky(covariance + np.diag(1e-9 * np.diagonal(covariance) + 1e-300))
    z = np.linalg.solve(root, away.T).T
    n_components = int(np.clip(_effective(shares) // _points_of_one(size), 1, components))
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


def _followed(few: Mixture, points: FloatArray, shares: FloatArray, bent: IntArray) -> Mixture:
    """The mixture `few` of the `bent` coordinates u, and all others as m(u) and a normal remainder, m quadratic.

    A component with centre c and covariance S gets the mean m(c) + tr(HS)/2, with the curvature H of m, the covariance
    with u from the slope at c, and the variance of the remainder and of the curvature, tr(HSHS)/2.
    """
    rest = np.setdiff1d(np.arange(points.shape[1]), bent)
    u, w = points[:, bent], points[:, rest]
    origin, of_rest = shares @ u, shares @ w
    scale = np.sqrt(shares @ (u - origin) ** 2) + 1e-300
    terms, weight = products((u - origin) / scale), np.sqrt(shares)[:, None]
    found = _regression(weight * terms, weight * w, (1, bent.size + 1, terms.shape[1]), _effective(shares))
    remainder = weight * (w - terms @ found)
    noise = remainder.T @ remainder + np.diag(1e-9 * (shares @ (w - of_rest) ** 2) + 1e-300)
    size = bent.size
    H = from_upper_triangle(found[size + 1 :].T, size)
    H[:, range(size), range(size)] *= 2
    c, root = (few.centres - origin) / scale, few.roots / scale[:, None]
    S = root @ np.swapaxes(root, 1, 2)
    HS = np.einsum("wij,kjl->kwil", H, S)
    along = np.einsum("kwi,kij->kwj", found[1 : size + 1].T + np.einsum("wij,kj->kwi", H, c), root)
    centres = np.empty((few.weights.size, points.shape[1]))
    centres[:, bent], centres[:, rest] = few.centres, products(c) @ found + 0.5 * np.einsum("kwii->kw", HS)
    covariances = np.empty((*centres.shape, centres.shape[1]))
    of_both = along @ np.swapaxes(few.roots, 1, 2)
    covariances[:, bent[:, None], bent] = few.roots @ np.swapaxes(few.roots, 1, 2)
    covariances[:, rest[:, None], bent], covariances[:, bent[:, None], rest] = of_both, np.swapaxes(of_both, 1, 2)
    bend = 0.5 * np.einsum("kwij,kvji->kwv", HS, HS)
    covariances[:, rest[:, None], rest] = along @ np.swapaxes(along, 1, 2) + noise + bend
    return Mixture(few.weights, centres, np.asarray(np.linalg.cholesky(covariances)))


def _stretched(mixture: Mixture, column: int) -> Mixture:
    """Every component wider along one coordinate."""
    factor = np.ones((mixture.size, 1))
    factor[column] = _ALONG_ONE
    return Mixture(mixture.weights, mixture.centres, factor * mixture.roots)


def _regression(terms: FloatArray, w: FloatArray, sizes: Sequence[int], n: float) -> FloatArray:
    """Coefficients of each column of `w`, of the first few `terms` that serve it best by Schwarz's criterion."""
    best, lowest = np.zeros((terms.shape[1], w.shape[1])), np.full(w.shape[1], np.inf)
    for size in sizes:
        found = np.zeros_like(best)
        found[:size] = np.linalg.lstsq(terms[:, :size], w, rcond=None)[0]
        criterion = n * np.log(np.sum((w - terms @ found) ** 2, axis=0) + 1e-300) + size * np.log(n)
        best, lowest = np.where(criterion < lowest, found, best), np.minimum(criterion, lowest)
    return best


def _points_of_one(size: int) -> int:
    """Effective points of a component, at least."""
    return _PER_COMPONENT * (size + 1) if size <= MANY else _PER_NUMBER * _numbers(size)


def _numbers(size: int) -> int:
    """Of a component: its centre and covariance."""
    return size * (size + 3) // 2


def covering(
    mixture: Mixture,
    v: FloatArray,
    weights: FloatArray,
    log_density: FloatArray,
    rng: np.random.Generator,
    ridge: Ridge = NO_RIDGE,
) -> Mixture:
    """The mixture with further components where a density is much higher: in thin tails that a fit overlooks.

    `v`, shape (n, size), are draws from the density, by weight, and `log_density` its ln there, up to a constant.
    """
    rows, weights = _thinned(weights, 2 * _MAX_POINTS, rng)
    v, log_density = v[rows], log_density[rows]
    few = _FEW if v.shape[1] <= MANY else _PER_COMPONENT * (v.shape[1] + 1)
    for _ in range(_COVERED):
        # ⟨q/p⟩ over draws from p is one over the norm of p
        ratio = log_density - mixture.log_density(v)
        low = float(ratio.min())
        ratio = ratio - low + float(np.log(np.sum(weights * np.exp(low - ratio))))
        under = np.where(ratio > np.log(_UNDER), weights, 0.0)
        mass = float(under.sum())
        if mass == 0 or mass**2 < few * float(np.sum(under**2)):
            break
        there = under > 0
        more = fitted(v[there], rng, weights=under[there], components=_COVERING, ridge=ridge)
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
