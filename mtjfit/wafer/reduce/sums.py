"""Sufficient statistics of all curves of a chunk at once, as `mtjfit.model.compress` has them of one curve.

The rows of all devices are stacked; a sum over a device is a sum over its segment. Modified Gram–Schmidt, with the data
as the last column, orthogonalises the columns of each design as stably as a QR decomposition: for each component if
errors are independent, else for both together, whitened by the 2 × 2 covariance of each point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.model.compress import Compressed
from mtjfit.wafer.read.chunk import Chunk, IntArray

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy


_MOST_POINTS = 10**9  # of one device


def _places(study: WaferStudy) -> tuple[IntArray, IntArray]:
    """Rows and columns of R that need not be zero: one upper triangle if errors are correlated, else two."""
    P = study.terms.powers.size
    row, column = np.triu_indices(2 * P)
    kept = np.full(row.size, True) if study.is_correlated else (row < P) == (column < P)
    return row[kept], column[kept]


@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    """As `Compressed`, device last: R (2P, 2P, J), z (2P, J), rss and n (2, J), log_sigma (J,)."""

    R: FloatArray
    z: FloatArray
    rss: FloatArray
    n: IntArray
    log_sigma: FloatArray

    def packed(self, study: WaferStudy) -> FloatArray:
        """Rows of sums, shape (J, n_sums): what may differ from zero in R, then z, rss, n and Σ ln σ."""
        parts = [self.R[_places(study)], self.z, self.rss, self.n.astype(float), self.log_sigma[None]]
        return np.ascontiguousarray(np.concatenate(parts).T)


def _summed(rows: FloatArray, start: IntArray) -> FloatArray:
    """Sum over the rows of each device, shape (J,)."""
    return np.add.reduceat(rows, start[:-1])


def _spread(each: FloatArray, start: IntArray) -> FloatArray:
    """Numbers of devices repeated for their rows, shape (rows,)."""
    return np.repeat(each, np.diff(start))


def _design(study: WaferStudy, chunk: Chunk) -> list[FloatArray]:
    """p_n(V) of each row and power, as in `mtjfit.model.compress.polynomial_design`."""
    V, torkance = chunk.bias, study.declaration.quantity == "torkance"
    columns = []
    for n in study.terms.powers.tolist():
        power = _power(V, n - 1) * n if torkance and n else np.zeros_like(V) if torkance else _power(V, n)
        columns.append(power if chunk.angle_factor is None else power * _spread(chunk.angle_factor, chunk.start))
    return columns


def _power(V: FloatArray, n: int) -> FloatArray:
    result = np.ones_like(V)
    for _ in range(n):
        result = result * V
    return result


def _orthogonalised(
    start: IntArray, columns: list[tuple[FloatArray, ...]], y: tuple[FloatArray, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """R (n, n, J), z (n, J) and the residual sum of squares (J,) of columns, each in one or two parts of rows."""

    def dot(one: tuple[FloatArray, ...], other: tuple[FloatArray, ...]) -> FloatArray:
        products = [a * b for a, b in zip(one, other, strict=True)]
        return _summed(products[0] if len(products) == 1 else products[0] + products[1], start)

    def less(one: tuple[FloatArray, ...], q: tuple[FloatArray, ...], share: FloatArray) -> tuple[FloatArray, ...]:
        spread = _spread(share, start)
        return tuple(a - b * spread for a, b in zip(one, q, strict=True))

    n, J = len(columns), start.size - 1
    R, z = np.zeros((n, n, J)), np.zeros((n, J))
    left = list(columns)
    for k in range(n):
        full, square = dot(columns[k], columns[k]), dot(left[k], left[k])
        independent = square > (n * np.finfo(float).eps) ** 2 * full
        R[k, k] = np.where(independent, np.sqrt(square), 0.0)
        inverse = _spread(np.where(independent, 1 / np.where(independent, R[k, k], 1.0), 0.0), start)
        q = tuple(part * inverse for part in left[k])
        for m in range(k + 1, n):
            R[k, m] = dot(q, left[m])
            left[m] = less(left[m], q, R[k, m])
        z[k] = dot(q, y)
        y = less(y, q, z[k])
    return R, z, dot(y, y)


def sufficient_statistics(study: WaferStudy, chunk: Chunk) -> SufficientStatistics:
    """Sufficient statistics of every device of a chunk, in the declared unit, without masked points.

    R has a positive diagonal, so rows of R and z may differ in sign from `mtjfit.model.compress.compress`, which no sum
    of squares notices.
    """
    if chunk.used is not None:
        chunk = chunk.points(chunk.used)
    start = chunk.start
    design, P, J = _design(study, chunk), study.terms.powers.size, start.size - 1
    R, z = np.zeros((2 * P, 2 * P, J)), np.zeros((2 * P, J))
    rss, log_sigma = np.zeros((2, J)), np.zeros(J)
    n = np.repeat(np.diff(start)[None], 2, axis=0)
    if J == 0:
        return SufficientStatistics(R, z, rss, n, log_sigma)
    if chunk.sigma_par is None or chunk.sigma_perp is None:
        white = [(design, chunk.par), (design, chunk.perp)]
    else:
        over = (1 / chunk.sigma_par, 1 / chunk.sigma_perp)
        log_sigma = _summed(np.log(chunk.sigma_par), start) + _summed(np.log(chunk.sigma_perp), start)
        white = [([p * w for p in design], y * w) for y, w in zip((chunk.par, chunk.perp), over, strict=True)]
    if chunk.rho is None:
        for c, (columns, y) in enumerate(white):
            block = slice(c * P, (c + 1) * P)
            R[block, block], z[block], rss[c] = _orthogonalised(start, [(column,) for column in columns], (y,))
        return SufficientStatistics(R, z, rss, n, log_sigma)
    rho, rest = chunk.rho, 1 / np.sqrt(1 - chunk.rho * chunk.rho)
    nothing = np.zeros_like(rho)
    first = [(column, -rho * column * rest) for column in white[0][0]]
    second = [(nothing, column * rest) for column in white[1][0]]
    both = (white[0][1], (white[1][1] - rho * white[0][1]) * rest)
    R, z, rss[0] = _orthogonalised(start, [*first, *second], both)
    return SufficientStatistics(R, z, rss, n, log_sigma - _summed(np.log(rest), start))


def compressed(sums: FloatArray, study: WaferStudy) -> Compressed:
    """Rows of `Reduced.sums`, shape (J, n_sums), in the form of the model.

    Raises
    ------
    ValueError
        The rows have another length than this study's sums.
    """
    powers, (row, column) = study.terms.powers, _places(study)
    ends = np.cumsum([row.size, 2 * powers.size, 2, 2, 1])
    if sums.ndim != 2 or sums.shape[1] != ends[-1]:
        raise ValueError(f"sums of shape {sums.shape} are not those of this study, which have {ends[-1]} numbers")
    packed, z, rss, n, log_sigma = map(np.ascontiguousarray, np.split(sums, ends[:-1], axis=1))
    if np.any((n < 0) | (n > _MOST_POINTS)) or np.any(rss < 0):
        raise ValueError("the sums hold numbers of points, or sums of squares, that no device has")
    R = np.zeros((sums.shape[0], 2 * powers.size, 2 * powers.size))
    R[:, row, column] = packed
    fitted = np.full(sums.shape[0], study.sigma_is_fitted)
    return Compressed(powers, R, z, rss, np.rint(n).astype(np.int64), log_sigma[:, 0], fitted)
