"""What the scatter of points about the polynomials of their own device says of jitter and of Student-t errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

from mtjfit.data import FloatArray
from mtjfit.model.points import Points
from mtjfit.study import Prior

__all__ = ["Robust", "Scales", "Scatter", "most_probable_degrees", "most_probable_jitter", "robust"]

Scales: TypeAlias = Sequence[Sequence[tuple[np.ndarray, float | None]]]
"""For each component: devices without errors of their own that share a scale, as masks, and the scale if declared."""

_ROUNDS = 300
_SOME = 30
_NEAR = 1e-5  # standard errors: enough to compare degrees of freedom
_GRID = 33
_EXACT, _NOTHING = 1e-9, 1e-100  # a scale of points that follow their polynomials, of points that are all 0
_MOST_DOF = 200.0  # no data tell more degrees of freedom from normal errors


@dataclass(frozen=True)
class Scatter:
    """One component of all points, and an orthonormal basis of what the polynomials of each device reach.

    Attributes
    ----------
    counts : ndarray of bool, shape (J, N)
    y, var : ndarray, shape (J, N)
    basis : ndarray, shape (J, N, P)
        Columns that are not needed are 0.
    idle : ndarray, shape (J, P, P)
        1 on the diagonal of those.
    """

    counts: np.ndarray
    y: FloatArray
    var: FloatArray
    basis: FloatArray
    idle: FloatArray

    @classmethod
    def of(cls, points: Points, component: int) -> Scatter:
        design = points.design * points.counts[..., None]
        u, s, _ = np.linalg.svd(design / np.maximum(np.abs(design).max(axis=1, keepdims=True), 1e-300), False)
        P = design.shape[-1]
        needed = np.zeros((design.shape[0], P), dtype=bool)
        needed[:, : s.shape[1]] = s > 1e-10 * s.max(axis=1, keepdims=True)
        basis = np.zeros_like(design)
        basis[..., : u.shape[-1]] = u
        y, var = ((points.par, points.var_par), (points.perp, points.var_perp))[component]
        idle = np.where(needed, 0.0, 1.0)[..., None] * np.eye(P)
        return cls(points.counts, y, var, basis * needed[:, None, :], idle)

    def part(self, members: np.ndarray) -> Scatter:
        """Some of the devices."""
        return Scatter(*(each[members] for each in (self.counts, self.y, self.var, self.basis, self.idle)))

    def fitted(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted polynomials at the points, shape (J, N), and ln det of their precision, shape (J,)."""
        W = (weights * self.counts)[..., None] * self.basis
        precision = np.swapaxes(self.basis, -1, -2) @ W + self.idle
        right = np.sum(W * self.y[..., None], axis=1)
        middle = self.basis @ np.linalg.solve(precision, right[..., None])
        return np.asarray(middle[..., 0]), np.asarray(np.linalg.slogdet(precision)[1])


@dataclass(frozen=True)
class Robust:
    """Polynomials of highest t likelihood: both components, shapes (2, J, N), (2, J, N), and ln L, shape (J,)."""

    middle: FloatArray
    sigma: FloatArray
    log_likelihood: FloatArray


def robust(
    points: Points, scales: Scales, nu: FloatArray, start: Robust | None = None, settled: float = 1e-10
) -> Robust:
    """Polynomials for degrees of freedom of each device, shape (J,), by iterated weights; fitted scales with them.

    Settled where no polynomial moves by more standard errors. Of several maxima, which t may have for few degrees of
    freedom, the one next to least absolute deviations.
    """
    both = tuple(Scatter.of(points, c) for c in range(2))
    y, counts, nu = np.stack([each.y for each in both]), points.counts, nu[:, None]
    least = _NOTHING + _EXACT * np.max(np.abs(y), axis=(1, 2), where=counts, initial=0.0)
    if start is None:
        sigma = np.sqrt(np.stack([np.where(counts, each.var, 1.0) for each in both]))
        rough = np.stack([each.fitted(np.ones_like(each.y))[0] for each in both])
        for c in range(2):  # in the unit of the data before anything is weighed by it
            for members, scale in scales[c]:
                usual = np.sqrt(np.mean((y - rough)[c, members][counts[members]] ** 2))
                sigma[c, members] = max(float(usual), least[c]) if scale is None else scale
        middle = _absolute(both, sigma)
        for c in range(2):
            for members, scale in scales[c]:
                usual = 1.5 * np.median(np.abs((y - middle)[c, members][counts[members]]))
                sigma[c, members] = max(float(usual), least[c]) if scale is None else scale
    else:
        middle, sigma = start.middle, start.sigma.copy()
    for _ in range(_ROUNDS):
        new, weights = _step(both, nu, sigma, middle)
        for c in range(2):
            for members, scale in scales[c]:
                if scale is None:
                    square = (weights[c] * (y - new)[c] ** 2)[members]
                    sigma[c, members] = max(float(np.sqrt(np.mean(square[counts[members]]))), least[c])
        moved, middle = np.max(np.abs(new - middle) / sigma, where=counts, initial=0.0), new
        if moved < settled:
            break
    return Robust(middle, sigma, _log_t(both, nu, sigma, middle).sum(axis=0))


def _step(
    both: tuple[Scatter, ...], nu: FloatArray, sigma: FloatArray, middle: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Polynomials with the weights that t gives to the residuals of others, and these weights."""
    y = np.stack([each.y for each in both])
    weights = (nu + 1) / (nu + ((y - middle) / sigma) ** 2)
    return np.stack([one.fitted(w / s**2)[0] for one, w, s in zip(both, weights, sigma, strict=True)]), weights


def _log_t(both: tuple[Scatter, ...], nu: FloatArray, sigma: FloatArray, middle: FloatArray) -> FloatArray:
    """ln L of each component and device, shape (2, J)."""
    y = np.stack([each.y for each in both])
    density = student.logpdf((y - middle) / sigma, nu) - np.log(sigma)
    return np.asarray(np.sum(density, axis=-1, where=both[0].counts))


def _absolute(both: tuple[Scatter, ...], sigma: FloatArray) -> FloatArray:
    """Polynomials of nearly least absolute deviation."""
    y = np.stack([one.y for one in both])
    weights = np.ones_like(y)
    for _ in range(_SOME):
        middle = np.stack([one.fitted(w / s**2)[0] for one, w, s in zip(both, weights, sigma, strict=True)])
        weights = 1 / np.maximum(np.abs(y - middle) / sigma, 1e-3)
    return middle


def _most_probable(log_density: Callable[[float], float], low: float, high: float) -> float:
    """exp of the place of the highest maximum over ln x."""
    grid = np.linspace(np.log(low), np.log(high), _GRID)
    heights = [log_density(each) for each in grid]
    k = int(np.argmax(heights))
    ends = (float(grid[max(k - 1, 0)]), float(grid[min(k + 1, _GRID - 1)]))
    found = minimize_scalar(lambda each: -log_density(float(each)), bounds=ends, method="bounded")
    return float(np.exp(found.x if -found.fun >= heights[k] else grid[k]))


def most_probable_jitter(scatter: Scatter, prior: Prior, members: np.ndarray) -> float:
    """The most probable jitter of one component of some devices, by restricted maximum likelihood."""
    scatter = scatter.part(members)
    counts, var = scatter.counts, np.where(scatter.counts, scatter.var, 1.0)

    def log_density(ln_s: float) -> float:
        total = var + np.exp(2 * ln_s)
        middle, log_det = scatter.fitted(1 / total)
        square = np.log(total) + (scatter.y - middle) ** 2 / total
        return float(-0.5 * (np.sum(square, where=counts) + np.sum(log_det)) + prior.logpdf(np.exp(ln_s)) + ln_s)

    usual = np.sqrt(var[counts])
    far = np.sqrt(np.mean((scatter.y - scatter.fitted(1 / var)[0])[counts] ** 2))
    low, high = (
        max(1e-3 * float(usual.min()), prior.support[0]),
        min(10 * float(max(usual.max(), far)), prior.support[1]),
    )
    return _most_probable(log_density, low, high) if high > low else prior.support[0]


def most_probable_degrees(
    points: Points, scales: Scales, prior: Prior, members: np.ndarray, start: Robust | None
) -> tuple[float, Robust | None]:
    """The most probable degrees of freedom of some devices, and polynomials to go on from."""

    def log_density(ln_nu: float) -> float:
        nonlocal start
        start = robust(points, scales, np.full(points.counts.shape[0], np.exp(ln_nu)), start, _NEAR)
        likelihood = float(np.sum(start.log_likelihood, where=members))
        return likelihood + float(prior.logpdf(np.exp(ln_nu))) + ln_nu

    low, high = max(prior.support[0], 1.0), min(prior.support[1], _MOST_DOF)
    return (_most_probable(log_density, low, high) if high > low else low), start
