"""Integrals over a few amplitudes with normal priors, in closed form, for many devices, nodes and walkers at once.

In whitened amplitudes x ~ N(0, 1) a Gaussian likelihood is exp(hᵀx − ½ xᵀ(A − 1)x) up to a constant, so

    ln ∫ … = ½ hᵀA⁻¹h − ½ ln det A,

and x is normal with mean A⁻¹h and precision A. One of the amplitudes may have a bounded prior (half-normal, say): the
integral then carries the probability between the bounds under that normal distribution over the one under the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.study import Normal
from mtjfit.study.normal_priors import between, log_interval

__all__ = ["Bounded", "Mode", "draw_block", "log_integral", "solved"]


@dataclass(frozen=True)
class Bounded:
    """The one amplitude of a block with a bounded prior: its column, and its bounds in x."""

    column: int
    low: float
    high: float

    @classmethod
    def among(cls, priors: tuple[Normal, ...]) -> Bounded | None:
        """The bounded one among the priors of a block.

        Raises
        ------
        ValueError
            More than one is bounded.
        """
        bounded = [k for k, prior in enumerate(priors) if prior.truncated]
        if len(bounded) > 1:
            raise ValueError("more than one amplitude of a block is bounded")
        if not bounded:
            return None
        prior = priors[bounded[0]]
        return cls(bounded[0], *prior.bounds)


def solved(A: FloatArray, h: FloatArray) -> FloatArray:
    """A⁻¹h, shape (..., m); one and two amplitudes by hand, because LAPACK takes a microsecond for each matrix."""
    size = h.shape[-1]
    if size == 1:
        return np.asarray(h / A[..., 0, :])
    if size == 2:
        a, b, c = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1]
        determinant = a * c - b * b
        x = np.stack([c * h[..., 0] - b * h[..., 1], a * h[..., 1] - b * h[..., 0]]) / determinant
        return np.moveaxis(x, 0, -1)
    return np.asarray(np.linalg.solve(A, h[..., None])[..., 0], dtype=float)


def _inverse_column(A: FloatArray, k: int) -> FloatArray:
    unit = np.zeros(A.shape[:-1])
    unit[..., k] = 1.0
    return solved(A, unit)


def log_integral(A: FloatArray, h: FloatArray, bounded: Bounded | None = None) -> FloatArray:
    """ln of the integral over a block, shape (...,), for A (..., m, m) and h (..., m).

    Examples
    --------
    >>> float(log_integral(np.array([[4.0]]), np.array([2.0])))  # ½ 2²/4 − ½ ln 4
    -0.1931471805599453
    """
    size = h.shape[-1]
    if size == 0:
        return np.zeros(h.shape[:-1])
    if size == 1:
        squares, log_det = h[..., 0] ** 2 / A[..., 0, 0], np.log(A[..., 0, 0])
    elif size == 2:
        a, b, c, g, k = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1], h[..., 0], h[..., 1]
        determinant = a * c - b * b
        squares, log_det = (g * (c * g - 2 * b * k) + a * k * k) / determinant, np.log(determinant)
    else:
        squares, log_det = np.sum(h * solved(A, h), axis=-1), np.linalg.slogdet(A)[1]
    result = np.asarray(0.5 * (squares - log_det))
    if bounded is None:
        return result
    own = bounded.column
    x, sd = solved(A, h)[..., own], np.sqrt(_inverse_column(A, own)[..., own])
    inside = log_interval((bounded.low - x) / sd, (bounded.high - x) / sd)
    return np.asarray(result + inside - log_interval(bounded.low, bounded.high))


@dataclass(frozen=True)
class Mode:
    """Where the integrand of a block is largest, and how other linear parameters feel it.

    Attributes
    ----------
    x : ndarray, shape (..., m)
        Inside the bounds.
    """

    x: FloatArray
    A: FloatArray
    pinned: tuple[FloatArray, FloatArray] | None

    @classmethod
    def of(cls, A: FloatArray, h: FloatArray, bounded: Bounded | None = None) -> Mode:
        """The mode for A (..., m, m) and h (..., m)."""
        x = solved(A, h)
        if bounded is None:
            return cls(x, A, None)
        k = bounded.column
        column = _inverse_column(A, k)
        moved = np.clip(x[..., k], bounded.low, bounded.high) - x[..., k]
        return cls(x + column * (moved / column[..., k])[..., None], A, (column, (moved != 0) / column[..., k]))

    def explained(self, C: FloatArray) -> FloatArray:
        """CᵀA⁻¹C for C of shape (..., m), without the amplitude that its bound holds."""
        result = np.sum(C * solved(self.A, C), axis=-1)
        if self.pinned is None:
            return np.asarray(result)
        column, weight = self.pinned
        return np.asarray(result - weight * np.sum(C * column, axis=-1) ** 2)


def _scattered(A: FloatArray, noise: FloatArray) -> FloatArray:
    """Normal numbers of precision A from standard ones, both (..., m)."""
    size = noise.shape[-1]
    if size == 1:
        return np.asarray(noise / np.sqrt(A[..., 0]))
    if size == 2:
        a, b, c = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1]
        second = noise[..., 1] / np.sqrt(c - b * b / a)
        return np.moveaxis(np.stack([noise[..., 0] / np.sqrt(a) - b / a * second, second]), 0, -1)
    chol = np.linalg.cholesky(A)
    return np.asarray(np.linalg.solve(np.swapaxes(chol, -1, -2), noise[..., None])[..., 0], dtype=float)


def draw_block(A: FloatArray, h: FloatArray, rng: np.random.Generator, bounded: Bounded | None = None) -> FloatArray:
    """One exact draw of x from each block, shape (..., m)."""
    noise = rng.standard_normal(h.shape)
    if h.shape[-1] == 0:
        return noise
    mean = solved(A, h)
    x = np.asarray(mean + _scattered(A, noise))
    if bounded is None:
        return x
    # the others given the bounded one depend on it linearly: replace its value and shift them along
    k = bounded.column
    column = _inverse_column(A, k)
    centre, sd = mean[..., k], np.sqrt(column[..., k])
    low, high = (bounded.low - centre) / sd, (bounded.high - centre) / sd
    u = 1 - rng.random(centre.shape)  # never 0
    with np.errstate(divide="ignore"):
        value = centre + sd * between(low, high, np.log(u), np.log1p(-u))
    return np.asarray(x + column * ((value - x[..., k]) / column[..., k])[..., None])
