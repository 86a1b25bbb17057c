"""The lines that a spectrum is made of, and what a fit of them found; arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data.curve import BoolArray, FloatArray
from mtjfit.spectra.lineshape import Form, complex_line

__all__ = ["LineFits", "LineModel", "line_values"]


@dataclass(frozen=True)
class LineModel:
    """What is fitted to each spectrum: V = Σ_k [s_k S(x) + a_k A(x)] + polynomial.

    Attributes
    ----------
    modes : int
        Number of lines, each with centre, half width σ, symmetric amplitude s and antisymmetric amplitude a.
    degree : int
        Degree of the polynomial background; -1: none.
    modulation : float or None
        Peak amplitude of a modulation of the abscissa, in its unit: the spectrum is then the first harmonic that a
        lock-in amplifier shows, as a peak amplitude. None: the voltage itself.
    form : {"lorentzian", "oscillator"}
        See `mtjfit.spectra.lineshape.complex_line`.

    Raises
    ------
    ValueError
        No modes, or a modulation that is not positive.
    """

    modes: int = 1
    degree: int = 1
    modulation: float | None = None
    form: Form = "lorentzian"

    def __post_init__(self) -> None:
        if self.modes < 1 or self.degree < -1:
            raise ValueError(f"{self.modes} modes on a background of degree {self.degree}: give at least one, and -1")
        if self.modulation is not None and not self.modulation > 0:
            raise ValueError(f"a modulation of {self.modulation} has no first harmonic")
        if self.modulation is not None and self.form != "lorentzian":
            raise ValueError("modulated lines are Lorentzians")

    @property
    def n_linear(self) -> int:
        """Number of parameters that the voltage is linear in."""
        return 2 * self.modes + self.degree + 1

    @property
    def n_parameters(self) -> int:
        """Number of parameters of one spectrum."""
        return self.n_linear + 2 * self.modes


@dataclass(frozen=True)
class LineFits:
    """Fits of many spectra with one model; every row stands for one spectrum, modes in order of their centres.

    Attributes
    ----------
    model : LineModel
    centre, half_width : ndarray, shape (N, modes)
        x0 and σ (half width at half maximum), in the unit of the abscissa.
    s, a : ndarray, shape (N, modes)
        Amplitudes of the symmetric and the antisymmetric line, in the unit of the voltage.
    background : ndarray, shape (N, degree + 1)
        Coefficients of Legendre polynomials over the span of the abscissa.
    covariance : ndarray, shape (N, P, P)
        Of centre, half_width, s, a (mode by mode within each) and background, with the noise from the scatter of the
        residuals.
    rss : ndarray, shape (N,)
        Sum of squared residuals.
    n : ndarray of int, shape (N,)
        Number of points.
    converged : ndarray of bool, shape (N,)
        True where the search ended at a minimum inside its bounds.
    iterations : ndarray of int, shape (N,)
    """

    model: LineModel
    centre: FloatArray
    half_width: FloatArray
    s: FloatArray
    a: FloatArray
    background: FloatArray
    covariance: FloatArray
    rss: FloatArray
    n: FloatArray
    converged: BoolArray
    iterations: FloatArray

    @property
    def noise(self) -> FloatArray:
        """Standard deviation of one point, from the scatter of the residuals."""
        return np.asarray(np.sqrt(self.rss / np.maximum(self.n - self.model.n_parameters, 1)))

    def errors(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Standard errors of centre, half width, s and a, each of shape (N, modes)."""
        k = self.model.modes
        sd = np.sqrt(np.maximum(np.diagonal(self.covariance, axis1=1, axis2=2), 0.0))
        return sd[:, :k], sd[:, k : 2 * k], sd[:, 2 * k : 3 * k], sd[:, 3 * k : 4 * k]

    def values(self, i: int, x: FloatArray, span: FloatArray | None = None) -> FloatArray:
        """The fitted voltage of spectrum `i`; `span` is the abscissa that was fitted, where `x` is another one."""
        return line_values(
            self.model, x, self.centre[i], self.half_width[i], self.s[i], self.a[i], self.background[i], span
        )


def line_values(
    model: LineModel,
    x: FloatArray,
    centre: FloatArray,
    half_width: FloatArray,
    s: FloatArray,
    a: FloatArray,
    coefficients: FloatArray,
    span: FloatArray | None = None,
) -> FloatArray:
    """Voltage of lines on their background.

    Parameters
    ----------
    model : LineModel
    x : ndarray, shape (n,)
    centre, half_width, s, a : ndarray, shape (modes,)
    coefficients : ndarray, shape (degree + 1,)
        Of the background, over the span of `span`, or of `x` if that is None.

    Examples
    --------
    >>> one = [np.array([value]) for value in (5.0, 0.1, 2.0, 1.0)]
    >>> line_values(LineModel(degree=0), np.array([4.9, 5.0, 5.1]), *one, np.array([10.0])).round(9).tolist()
    [10.5, 12.0, 11.5]
    """
    x = np.asarray(x, dtype=float)
    lines = complex_line(x[:, None], centre, half_width, model.modulation, model.form)
    values = lines.real @ s + lines.imag @ a
    if model.degree >= 0:
        span = x if span is None else span
        low, high = span.min(), span.max()
        scaled = (2 * x - low - high) / (high - low)
        values = values + np.polynomial.legendre.legval(scaled, coefficients)
    return np.asarray(values)
