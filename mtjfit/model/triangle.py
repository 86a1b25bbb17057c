"""Least squares of many small designs at once, one for each device: the modified method of Gram and Schmidt.

Arrays have the device as their last axis, and sums over few rows are written out term by term: the numbers of a device
do not depend, to the last bit, on which others are computed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.layout import IntArray

__all__ = ["Triangle", "inner", "triangle"]


@dataclass(frozen=True, eq=False)
class Triangle:
    """Orthogonal columns Q and the triangle R of designs D = Q R, one for each device.

    Attributes
    ----------
    Q : ndarray, shape (T, rows, J)
        Columns that depend on those before them are zero.
    R : ndarray, shape (T, T, J)
    """

    Q: FloatArray
    R: FloatArray

    @property
    def rank(self) -> IntArray:
        """Independent columns, shape (J,)."""
        T = self.R.shape[0]
        return np.asarray(np.sum(self.R[np.arange(T), np.arange(T)] > 0, axis=0))

    def solve(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least-squares coefficients (T, J) and what remains of z (rows, J), for z of shape (rows, J)."""
        T = self.R.shape[0]
        projected, rest = np.empty((T, z.shape[-1])), z
        for k in range(T):
            projected[k] = inner(self.Q[k], rest)
            rest = rest - self.Q[k] * projected[k]
        return self.back(projected), rest

    def back(self, y: FloatArray) -> FloatArray:
        """R⁻¹ y, shape (T, J); zero for dependent columns."""
        T, x = self.R.shape[0], np.zeros_like(y)
        for k in reversed(range(T)):
            total = y[k]
            for m in range(k + 1, T):
                total = total - self.R[k, m] * x[m]
            x[k] = _over(total, self.R[k, k])
        return x

    def forward(self, y: FloatArray) -> FloatArray:
        """R⁻ᵀ y, shape (T, J); zero for dependent columns."""
        T, x = self.R.shape[0], np.zeros_like(y)
        for k in range(T):
            total = y[k]
            for m in range(k):
                total = total - self.R[m, k] * x[m]
            x[k] = _over(total, self.R[k, k])
        return x

    def covariance(self) -> FloatArray:
        """(DᵀD)⁻¹, shape (T, T, J)."""
        T, J = self.R.shape[0], self.R.shape[-1]
        inverse = np.stack([self.back(np.broadcast_to(np.eye(T)[k][:, None], (T, J))) for k in range(T)], axis=1)
        out = np.empty((T, T, J))
        for k in range(T):
            for m in range(k, T):
                out[k, m] = out[m, k] = inner(inverse[k, m:], inverse[m, m:])
        return out


def inner(one: FloatArray, other: FloatArray) -> FloatArray:
    """Σ over the first axis of the product, term by term in order."""
    total = one[0] * other[0]
    for a, b in zip(one[1:], other[1:], strict=True):
        total = total + a * b
    return np.asarray(total)


def _over(y: FloatArray, pivot: FloatArray) -> FloatArray:
    return np.where(pivot > 0, y / np.where(pivot > 0, pivot, 1.0), 0.0)


def triangle(D: FloatArray) -> Triangle:
    """Q and R of designs of shape (T, rows, J), by the modified method of Gram and Schmidt.

    As good as Householder's for least squares as long as right-hand sides are projected as `Triangle.solve` does.

    Examples
    --------
    >>> found = triangle(np.array([[1.0, 1.0], [0.0, 2.0]])[..., None])
    >>> coefficients, rest = found.solve(np.array([[3.0], [4.0]]))
    >>> np.round(coefficients[:, 0], 12).tolist(), found.rank.tolist()
    ([3.0, 0.5], [2])
    """
    T, rows, J = D.shape
    columns, Q, R = [D[k] for k in range(T)], np.zeros((T, rows, J)), np.zeros((T, T, J))
    for k in range(T):
        full = inner(D[k], D[k])
        norm = np.sqrt(inner(columns[k], columns[k]))
        R[k, k] = np.where(norm > max(T, rows) * np.finfo(float).eps * np.sqrt(full), norm, 0.0)
        Q[k] = _over(columns[k], R[k, k])
        for m in range(k + 1, T):
            R[k, m] = inner(Q[k], columns[m])
            columns[m] = columns[m] - Q[k] * R[k, m]
    return Triangle(Q, R)
