"""Sufficient statistics of all curves of a chunk at once, as `mtjfit.model.compress` has them of one curve.

The rows of all devices are stacked; a sum over a device is a sum over its segment. Modified Gram–Schmidt, with the data
as the last column, orthogonalises the columns of each design as stably as a QR decomposition: for each component if
errors are independent, else for both together, whitened by the 2 × 2 covariance of each point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.data.curve import FloatArray
from mtjfit.model.compress import Compressed
from mtjfit.wafer.read.chunk import Chunk, IntArray

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy


@dataclass(frozen=True)
class Packing:
    """Order of the numbers of `Compressed` in a row of sums.

    Attributes
    ----------
    P : int
        Powers of V.
    correlated : bool
        R is one upper triangle; otherwise one for each component.

    Examples
    --------
    >>> Packing(2, False).size
    15
    """

    P: int
    correlated: bool

    @property
    def places(self) -> tuple[IntArray, IntArray]:
        """Rows and columns of R that need not be zero."""
        row, column = np.triu_indices(2 * self.P)
        kept = np.full(row.size, True) if self.correlated else (row < self.P) == (column < self.P)
        return row[kept], column[kept]

    @property
    def size(self) -> int:
        """Length of a row of sums: R, z, rss, n and Σ ln σ."""
        return int(self.places[0].size) + 2 * self.P + 5

    def packed(self, one: SufficientStatistics) -> FloatArray:
        """Rows of sums, shape (J, size)."""
        parts = [one.R[self.places], one.z, one.rss, one.n.astype(float), one.log_sigma[None]]
        return np.ascontiguousarray(np.concatenate(parts).T)

    def unpacked(self, sums: FloatArray) -> SufficientStatistics:
        """The inverse of `packed`."""
        J, n_R, P = sums.shape[0], self.places[0].size, self.P
        R = np.zeros((2 * P, 2 * P, J))
        columns = np.ascontiguousarray(sums.T)
        R[self.places] = columns[:n_R]
        z, rss, n, log_sigma = np.split(columns[n_R:], [2 * P, 2 * P + 2, 2 * P + 4])
        return SufficientStatistics(R, z, rss, np.rint(n).astype(np.int64), log_sigma[0])


@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    """As `Compressed`, device last: R (2P, 2P, J), z (2P, J), rss and n (2, J), log_sigma (J,)."""

    R: FloatArray
    z: FloatArray
    rss: FloatArray
    n: IntArray
    log_sigma: FloatArray


@dataclass(frozen=True, eq=False)
class _Segments:
    """Sums over the rows of each device, and numbers of devices repeated for their rows."""

    start: IntArray

    def sum(self, rows: FloatArray) -> FloatArray:
        return np.add.reduceat(rows, self.start[:-1])

    def spread(self, each: FloatArray) -> FloatArray:
        return np.repeat(each, np.diff(self.start))


def _design(study: WaferStudy, chunk: Chunk, segments: _Segments) -> list[FloatArray]:
    """p_n(V) of each row and power, as in `mtjfit.model.compress.polynomial_design`."""
    V, torkance = chunk.bias, study.declaration.quantity == "torkance"
    columns = []
    for n in study.terms.powers.tolist():
        power = _power(V, n - 1) * n if torkance and n else np.zeros_like(V) if torkance else _power(V, n)
        columns.append(power if chunk.angle_factor is None else power * segments.spread(chunk.angle_factor))
    return columns


def _power(V: FloatArray, n: int) -> FloatArray:
    result = np.ones_like(V)
    for _ in range(n):
        result = result * V
    return result


def _orthogonalised(
    segments: _Segments, columns: list[tuple[FloatArray, ...]], y: tuple[FloatArray, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """R (n, n, J), z (n, J) and the residual sum of squares (J,) of columns, each in one or two parts of rows."""

    def dot(one: tuple[FloatArray, ...], other: tuple[FloatArray, ...]) -> FloatArray:
        products = [a * b for a, b in zip(one, other, strict=True)]
        return segments.sum(products[0] if len(products) == 1 else products[0] + products[1])

    def less(one: tuple[FloatArray, ...], q: tuple[FloatArray, ...], share: FloatArray) -> tuple[FloatArray, ...]:
        spread = segments.spread(share)
        return tuple(a - b * spread for a, b in zip(one, q, strict=True))

    n, J = len(columns), segments.start.size - 1
    R, z = np.zeros((n, n, J)), np.zeros((n, J))
    left = list(columns)
    for k in range(n):
        full, square = dot(columns[k], columns[k]), dot(left[k], left[k])
        independent = square > (n * np.finfo(float).eps) ** 2 * full
        R[k, k] = np.where(independent, np.sqrt(square), 0.0)
        inverse = segments.spread(np.where(independent, 1 / np.where(independent, R[k, k], 1.0), 0.0))
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
    segments, start = _Segments(chunk.start), chunk.start
    design, P, J = _design(study, chunk, segments), study.terms.powers.size, start.size - 1
    R, z = np.zeros((2 * P, 2 * P, J)), np.zeros((2 * P, J))
    rss, log_sigma = np.zeros((2, J)), np.zeros(J)
    n = np.repeat(np.diff(start)[None], 2, axis=0)
    if J == 0:
        return SufficientStatistics(R, z, rss, n, log_sigma)
    if chunk.sigma_par is None or chunk.sigma_perp is None:
        white = [(design, chunk.par), (design, chunk.perp)]
    else:
        over = (1 / chunk.sigma_par, 1 / chunk.sigma_perp)
        log_sigma = segments.sum(np.log(chunk.sigma_par)) + segments.sum(np.log(chunk.sigma_perp))
        white = [([p * w for p in design], y * w) for y, w in zip((chunk.par, chunk.perp), over, strict=True)]
    if chunk.rho is None:
        for c, (columns, y) in enumerate(white):
            block = slice(c * P, (c + 1) * P)
            R[block, block], z[block], rss[c] = _orthogonalised(segments, [(column,) for column in columns], (y,))
        return SufficientStatistics(R, z, rss, n, log_sigma)
    rho, rest = chunk.rho, 1 / np.sqrt(1 - chunk.rho * chunk.rho)
    nothing = np.zeros_like(rho)
    first = [(column, -rho * column * rest) for column in white[0][0]]
    second = [(nothing, column * rest) for column in white[1][0]]
    both = (white[0][1], (white[1][1] - rho * white[0][1]) * rest)
    R, z, rss[0] = _orthogonalised(segments, [*first, *second], both)
    return SufficientStatistics(R, z, rss, n, log_sigma - segments.sum(np.log(rest)))


def compressed(sums: FloatArray, study: WaferStudy) -> Compressed:
    """Rows of `Reduced.sums` in the form of the model.

    Parameters
    ----------
    sums : ndarray, shape (J, n_sums)

    Raises
    ------
    ValueError
        The rows have another length than this study's sums.
    """
    packing = Packing(study.terms.powers.size, study.is_correlated)
    if sums.ndim != 2 or sums.shape[1] != packing.size:
        raise ValueError(f"sums of shape {sums.shape} are not those of this study, which have {packing.size} numbers")
    one = packing.unpacked(sums)
    return Compressed(
        powers=study.terms.powers,
        R=np.ascontiguousarray(np.moveaxis(one.R, -1, 0)),
        z=np.ascontiguousarray(one.z.T),
        rss=np.ascontiguousarray(one.rss.T),
        n=np.ascontiguousarray(one.n.T),
        log_sigma=one.log_sigma,
        fitted=np.full(sums.shape[0], study.sigma_is_fitted),
    )
