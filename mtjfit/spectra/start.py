"""Where a fit of lines starts: the best of many centres and widths, tried on all spectra at once."""

from __future__ import annotations

import numpy as np

from mtjfit.data.curve import FloatArray
from mtjfit.spectra.kernel import Prepared
from mtjfit.spectra.lineshape import complex_line

__all__ = ["Grid", "common_grid", "starts"]

_MOST_POINTS = 600
_WIDEST = 0.7  # in half spans
_FACTOR = 1.6


class Grid:
    """Trial lines on one abscissa, orthogonal to the background, so that a product gives what each would explain.

    Parameters
    ----------
    t : ndarray, shape (n,)
        Abscissa over -1 … 1.
    degree : int
        Of the background.
    modulation : float or None
        In the unit of `t`.
    """

    def __init__(self, t: FloatArray, degree: int, modulation: float | None):
        self.t = t
        centre, width = _trials(t.size)
        self.centre, self.log_width = centre, np.log(width)
        line = complex_line(t[:, None], centre, width, modulation)
        flat = np.polynomial.legendre.legvander(t, max(degree, 0)) if degree >= 0 else np.zeros((t.size, 1))
        self.flat = np.linalg.qr(flat)[0] if degree >= 0 else flat
        first = self._without_background(line.real)
        first /= np.linalg.norm(first, axis=0)
        second = self._without_background(line.imag)
        second -= first * np.einsum("ij,ij->j", first, second)
        second /= np.linalg.norm(second, axis=0)
        self.first, self.second = first, second

    def _without_background(self, values: FloatArray) -> FloatArray:
        return np.asarray(values - self.flat @ (self.flat.T @ values))

    def best(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Centre and log width of the trial line that explains most of each row of `y`, shape (N, n)."""
        explained = (y @ self.first) ** 2 + (y @ self.second) ** 2
        chosen = np.argmax(explained, axis=1)
        return self.centre[chosen], self.log_width[chosen]


def _trials(n: int) -> tuple[FloatArray, FloatArray]:
    """Centres and widths; neighbours are about a half width apart, closer than a fit needs to find the minimum."""
    spacing = 2 / (n - 1)
    narrowest = min(1.5 * spacing, _WIDEST / 2)  # one odd point is no line
    widths = np.geomspace(narrowest, _WIDEST, max(2, round(np.log(_WIDEST / narrowest) / np.log(_FACTOR)) + 1))
    pairs = [
        (centre, width) for width in widths for centre in np.linspace(-1, 1, max(9, round(2 / max(width, spacing)) + 1))
    ]
    centres, chosen = np.array(pairs).T
    return centres, chosen


def common_grid(data: Prepared) -> tuple[FloatArray, FloatArray]:
    """All spectra on one uniform abscissa, good enough to find lines on: t (m,) and y (N, m)."""
    n = data.t.shape[1]
    t = np.linspace(-1, 1, min(max(n, 64), _MOST_POINTS))
    same = bool(np.all(data.weight > 0)) and bool(np.all(np.abs(data.t - data.t[0]) < 1e-9))
    if same and n <= _MOST_POINTS and bool(np.all(np.abs(data.t[0] - np.linspace(-1, 1, n)) < 1e-6)):
        return data.t[0], data.y
    y = np.empty((data.y.shape[0], t.size))
    for i in range(y.shape[0]):
        inside = data.weight[i] > 0
        order = np.argsort(data.t[i][inside], kind="stable")
        y[i] = np.interp(t, data.t[i][inside][order], data.y[i][inside][order])
    return t, y


def starts(data: Prepared, degree: int, modulation: float | None) -> tuple[FloatArray, FloatArray]:
    """Centre and log width to start from, each of shape (N,), in scaled units.

    Parameters
    ----------
    data : Prepared
    degree : int
    modulation : float or None
        In half spans; where the spectra differ in it, their mean is good enough to start.
    """
    t, y = common_grid(data)
    centre, log_width = Grid(t, degree, modulation).best(y)
    return centre, log_width
