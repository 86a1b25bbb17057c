"""κ(d) of each row of parameters as piecewise polynomials, for many devices that share their lengths.

κ is smooth in ln d: its nearest singularities lie beyond |Im ln d| = π/4, as the phase of 1/L is at most 45°. A few
dozen Chebyshev nodes in ln d therefore give it to ten digits for any lengths, and one product of matrices turns the
values there into a polynomial about each of many centres. What is left for each device are a look-up and a few
multiplications, in place of a complex exponential and a division for each of its thicknesses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev

from mtjfit.arrays import ComplexArray, FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.study import Form

DEGREE = 7
"""Of the polynomials."""
_CELL = 0.03  # width of a cell, of its thickness: a polynomial reaches a few of these
_FINE = 8  # equal steps of thickness in the thinnest cell, by which cells are looked up
_STRIP = np.pi / 4  # κ has no singularity nearer than this in ln d
_DIGITS = 34.0  # −ln of the error of the interpolation, about


@dataclass(frozen=True, eq=False)
class LocalKappa(ShownAsCard):
    """κ of devices about a thickness of each: polynomials in u = d/`centre` − 1."""

    coefficients: FloatArray  # of rising powers of u: real and imaginary part, shape (DEGREE + 1, 2, 1, n, n_devices)
    centre: FloatArray  # nm, shape (n, n_devices)

    def __call__(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Real and imaginary part at u of shape (..., n, n_devices), the shape of each."""
        found = self.coefficients[-1] * u
        for one in self.coefficients[-2:0:-1]:
            found += one
            found *= u
        found += self.coefficients[0]
        return found[0], found[1]


@dataclass(frozen=True)
class KappaTable(ShownAsCard):
    """Polynomials of κ, or of κ/d per volume, between two magnetic thicknesses in nm.

    Examples
    --------
    >>> from mtjfit.physics.derivatives import ExponentialForm
    >>> form = ExponentialForm.of(np.array([[1 - 1j]]), np.array([[1.1 - 1j]]), np.array([[2.0]]))
    >>> d = np.array([[1.0, 1.01, 2.5]])
    >>> local = KappaTable(0.5, 3.0).about(form, d)
    >>> K = local(d / local.centre - 1)
    >>> bool(np.abs(K[0] + 1j * K[1] - form.at(d)).max() < 1e-10)
    True
    """

    low: float
    high: float
    per_volume: bool = False

    def about(self, form: Form, d: FloatArray) -> LocalKappa:
        """κ about magnetic thicknesses `d` of shape (n, n_devices), for lengths of shape (n or 1, 1)."""
        n = max(d.shape[0], form.shape[0])
        step = ((d - self.low) * (self._cell_of_step.size / (self.high - self.low))).astype(np.intp)
        np.clip(step, 0, self._cell_of_step.size - 1, out=step)
        cell = self._cell_of_step[step]
        centre = self._centres[cell]
        polynomials = np.broadcast_to(self._polynomials(form), (2 * (DEGREE + 1), n, self._cells)).reshape(
            -1, n * self._cells
        )
        found = polynomials.take(cell + self._cells * np.arange(n)[:, None], axis=1)
        return LocalKappa(found.reshape(DEGREE + 1, 2, 1, n, -1), centre)

    def _polynomials(self, form: Form) -> FloatArray:
        """Of all cells, shape (2 (DEGREE + 1), n or 1, cells), real before imaginary parts."""
        K: ComplexArray = form.at(self._thicknesses[None])
        if self.per_volume:
            K = K / self._thicknesses
        # row by row, because the last bits of one large product depend on how many rows it has
        each = np.matmul(np.stack([K.real, K.imag], axis=1), self._from_nodes)
        each = each.reshape(K.shape[0], 2, DEGREE + 1, self._cells).transpose(2, 1, 0, 3)
        return np.asarray(each.reshape(2 * (DEGREE + 1), K.shape[0], self._cells))

    @property
    def _half(self) -> float:
        return 0.5 * float(np.log(self.high / self.low))

    @property
    def _cells(self) -> int:
        return math.ceil(2 * self._half / _CELL)

    @property
    def _n_nodes(self) -> int:
        """Chebyshev nodes: the error falls as exp(−n asinh(strip/half))."""
        return math.ceil(_DIGITS / math.asinh(_STRIP / self._half))

    def _at(self, x: FloatArray) -> FloatArray:
        """Thicknesses at places of −1 to 1 in ln d."""
        return np.asarray(np.sqrt(self.low * self.high) * np.exp(self._half * x))

    @cached_property
    def _thicknesses(self) -> FloatArray:
        return self._at(chebyshev.chebpts1(self._n_nodes))

    @cached_property
    def _centres(self) -> FloatArray:
        """Thicknesses in the middle of the cells, which are equally wide in ln d."""
        return self._at((2 * np.arange(self._cells) + 1) / self._cells - 1)

    @cached_property
    def _cell_of_step(self) -> IntArray:
        """The cell of each of many thicknesses at equal distances."""
        n = math.ceil((self.high / self.low - 1) * _FINE / _CELL)
        d = 1 + (self.high / self.low - 1) * (np.arange(n) + 0.5) / n  # of the lowest
        return np.minimum((np.log(d) * (self._cells / (2 * self._half))).astype(np.intp), self._cells - 1)

    @cached_property
    def _places(self) -> FloatArray:
        return np.asarray(np.log(self._centres**2 / (self.low * self.high)) / (2 * self._half))

    @cached_property
    def _from_nodes(self) -> FloatArray:
        """From values at the nodes to the coefficients of all cells, shape (nodes, (DEGREE + 1) · cells)."""
        series = np.linalg.inv(chebyshev.chebvander(chebyshev.chebpts1(self._n_nodes), self._n_nodes - 1))
        log_powers = _powers_of_log()
        found = np.zeros((DEGREE + 1, self._cells, self._n_nodes))
        for j in range(DEGREE + 1):
            derivative = chebyshev.chebval(self._places, chebyshev.chebder(np.eye(self._n_nodes), j)).T @ series
            found += log_powers[j][:, None, None] * (derivative / (math.factorial(j) * self._half**j))
        return np.ascontiguousarray(found.reshape(-1, self._n_nodes).T)


def _powers_of_log() -> FloatArray:
    """Taylor coefficients of ln(1 + u)^j, shape (DEGREE + 1, DEGREE + 1)."""
    log = np.array([0.0] + [(-1.0) ** (k + 1) / k for k in range(1, DEGREE + 1)])
    found = np.zeros((DEGREE + 1, DEGREE + 1))
    found[0, 0] = 1.0
    for j in range(1, DEGREE + 1):
        found[j] = np.convolve(found[j - 1], log)[: DEGREE + 1]
    return found
