"""Integrals over a few amplitudes with normal priors, in closed form, for many devices, nodes and walkers at once.

In whitened amplitudes x ~ N(0, 1) a Gaussian likelihood is exp(hᵀx − ½ xᵀ(A − 1)x) up to a constant, so

    ln ∫ … = ½ hᵀA⁻¹h − ½ ln det A,

and x is normal with mean A⁻¹h and precision A. One of the amplitudes may have a bounded prior (half-normal, say): the
integral then carries the probability between the bounds under that normal distribution over the one under the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from mtjfit.data import FloatArray
from mtjfit.study import Normal
from mtjfit.study.prior import log_interval

__all__ = ["Bounded", "draw_block", "log_integral"]


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
        return cls(bounded[0], (prior.low - prior.mean) / prior.sd, (prior.high - prior.mean) / prior.sd)


def _solved(A: FloatArray, h: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A⁻¹h and ln det A; one and two amplitudes by hand, because LAPACK takes a microsecond for each matrix."""
    size = h.shape[-1]
    if size == 1:
        return h / A[..., 0, :], np.log(A[..., 0, 0])
    if size == 2:
        a, b, c = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1]
        determinant = a * c - b * b
        x = np.stack([c * h[..., 0] - b * h[..., 1], a * h[..., 1] - b * h[..., 0]], axis=-1)
        return x / determinant[..., None], np.log(determinant)
    solution = np.linalg.solve(A, h[..., None])[..., 0]
    return np.asarray(solution, dtype=float), np.asarray(np.linalg.slogdet(A)[1], dtype=float)


def log_integral(A: FloatArray, h: FloatArray, bounded: Bounded | None = None) -> FloatArray:
    """ln of the integral over a block, shape (...,), for A (..., m, m) and h (..., m).

    Examples
    --------
    >>> float(log_integral(np.array([[4.0]]), np.array([2.0])))  # ½ 2²/4 − ½ ln 4
    -0.1931471805599453
    """
    if h.shape[-1] == 0:
        return np.zeros(h.shape[:-1])
    x, log_det = _solved(A, h)
    result = 0.5 * np.sum(h * x, axis=-1) - 0.5 * log_det
    if bounded is None:
        return np.asarray(result)
    k = bounded.column
    unit = np.zeros(h.shape)
    unit[..., k] = 1.0
    sd = np.sqrt(_solved(A, unit)[0][..., k])
    inside = log_interval((bounded.low - x[..., k]) / sd, (bounded.high - x[..., k]) / sd)
    return np.asarray(result + inside - log_interval(bounded.low, bounded.high))


def draw_block(A: FloatArray, h: FloatArray, rng: np.random.Generator, bounded: Bounded | None = None) -> FloatArray:
    """One exact draw of x from each block, shape (..., m)."""
    noise = rng.standard_normal(h.shape)
    if h.shape[-1] == 0:
        return noise
    x = _solved(A, h)[0]
    chol = np.linalg.cholesky(A)
    x = np.asarray(x + np.linalg.solve(np.swapaxes(chol, -1, -2), noise[..., None])[..., 0], dtype=float)
    if bounded is None:
        return np.asarray(x, dtype=float)
    # the others given the bounded one depend on it linearly: replace its value and shift them along
    k = bounded.column
    unit = np.zeros(h.shape)
    unit[..., k] = 1.0
    column = _solved(A, unit)[0]
    variance = column[..., k]
    mean, sd = _solved(A, h)[0][..., k], np.sqrt(variance)
    low, high = (bounded.low - mean) / sd, (bounded.high - mean) / sd
    value = mean + sd * _between(low, high, rng.random(mean.shape))
    return np.asarray(x + column * ((value - x[..., k]) / variance)[..., None])


def _between(low: FloatArray, high: FloatArray, u: FloatArray) -> FloatArray:
    """Standard normal quantiles of u between two bounds, in whichever tail is smaller."""
    mirrored = low > 0
    a, b = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    v = np.where(mirrored, 1 - u, u)
    with np.errstate(divide="ignore"):
        log_v, log_rest = np.log(v), np.log1p(-v)
    z = ndtri_exp(np.minimum(np.logaddexp(log_ndtr(a) + log_rest, log_ndtr(b) + log_v), 0.0))
    return np.asarray(np.clip(np.where(mirrored, -z, z), low, high))
