"""Rectified spectra in SI units, voltage against frequency or field, and the lines that are fitted to them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data.curve_checks import SIZE, odd_sizes
from mtjfit.errors import DataError, Problem
from mtjfit.spectra.lineshape import Form, background, complex_line, line_derivatives

_DIGITS = re.compile(r"([0-9]{1,18})")

Against: TypeAlias = Literal["frequency", "field"]

HIGHEST_DEGREE = 8
"""Highest degree of a background that can be declared."""


@dataclass(frozen=True, eq=False)
class Spectrum(ShownAsCard):
    """V_mix of one device at one bias in V: voltage in V against x, ascending, in Hz, or |B| in T; shape (n,).

    `fixed` is the field in T of a frequency sweep, the frequency in Hz of a field sweep, NaN if not known; `sign` that
    of the field of this branch of a field sweep; `label` the file, and part of it. `sweep` is "up" or "down" where the
    file holds both; `parts` are the sweeps whose mean this is, if it is one.

    DataError for numbers that are missing or not finite, or fewer than three different abscissas.
    """

    device: str
    bias: float
    against: Against
    x: FloatArray
    voltage: FloatArray
    fixed: float = math.nan
    sign: int = 1
    label: str = ""
    sweep: str = ""
    parts: tuple[Spectrum, ...] = ()

    def __post_init__(self) -> None:
        x, voltage = np.array(self.x, dtype=float), np.array(self.voltage, dtype=float)
        where = self.label or f"device {self.device!r} at {self.bias:g} V"
        if x.shape != voltage.shape or x.ndim != 1:
            raise DataError([Problem(where, f"{x.shape} abscissas for {voltage.shape} voltages", "give one for each")])
        if not (np.all(np.isfinite(x)) and np.all(np.isfinite(voltage)) and math.isfinite(self.bias)):
            raise DataError([Problem(where, "holds NaN or inf", "give a number for each point and for the bias")])
        if odd_sizes("bias", self.bias) or odd_sizes("x", x).any() or odd_sizes("voltage", voltage).any():
            raise DataError([Problem(where, SIZE[0], SIZE[1])])
        if np.unique(x).size < 3:
            raise DataError([Problem(where, "has fewer than three different abscissas", "leave the spectrum out")])
        order = np.argsort(x, kind="stable")
        for name, values in (("x", x[order]), ("voltage", voltage[order])):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def unit(self) -> str:
        """Unit of the abscissa on axes and in tables."""
        return "GHz" if self.against == "frequency" else "mT"

    @property
    def shown(self) -> float:
        """Factor from the abscissa to that unit."""
        return 1e-9 if self.against == "frequency" else 1e3

    @property
    def name(self) -> str:
        """Device, bias, what was held, branch and sweep, such as 'A1, 150 mV, 4 GHz, negative field, down'."""
        parts = [self.device, f"{1e3 * self.bias:.6g} mV"]
        if math.isfinite(self.fixed):
            parts.append(f"{self.fixed / 1e9:.6g} GHz" if self.against == "field" else f"{1e3 * self.fixed:.6g} mT")
        if self.sign < 0:
            parts.append("negative field")
        if self.sweep:
            parts.append(self.sweep)
        return ", ".join(parts)

    def within(self, low: float, high: float) -> Spectrum:
        """The points of an interval of the abscissa, ends included."""
        inside = (self.x >= low) & (self.x <= high)
        parts = tuple(each.within(low, high) for each in self.parts)
        return replace(self, x=self.x[inside], voltage=self.voltage[inside], parts=parts)


def side_of_all(field: FloatArray) -> int:
    """The sign of all fields, but for readings of zero closer to it than points are to each other; 0 for two sides."""
    spacing = float(np.median(np.diff(np.unique(field)))) if np.unique(field).size > 1 else 0.0
    for sign in (1, -1):
        other = -sign * field
        if np.all(other < max(spacing, np.finfo(float).tiny)) and np.any(other < 0):
            return sign
    return 0


def in_order(spectrum: Spectrum) -> tuple[object, ...]:
    """Key for the order in which people look: device, A2 before A10, then bias, then what was held, if it is known."""
    device = [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
              for part in _DIGITS.split(spectrum.device) if part]  # fmt: skip
    held = -math.inf if math.isnan(spectrum.fixed) else spectrum.fixed
    return device, spectrum.bias, held


def branches(spectrum: Spectrum, least: int) -> Iterator[Spectrum]:
    """A field sweep through both signs as one spectrum against |B| for each sign; other spectra as they are.

    Zero field belongs to the positive side, if there is one. A side that is narrower than the distance of points holds
    readings of zero, and belongs to the other. DataError where a side has points, but fewer than `least` different
    ones: none is left out.

    Examples
    --------
    >>> sweep = Spectrum("A1", 0.0, "field", np.linspace(-0.3, 0.1, 9), np.arange(9.0), fixed=4e9)
    >>> [(each.sign, each.x.size) for each in branches(sweep, 3)]
    [(1, 3), (-1, 6)]
    """
    if spectrum.against == "frequency" or np.all(spectrum.x >= 0):
        yield spectrum
        return
    if sign := side_of_all(spectrum.x):
        yield replace(spectrum, x=sign * spectrum.x, sign=sign)
        return
    positive = spectrum.x >= (0.0 if np.any(spectrum.x > 0) else np.finfo(float).tiny)
    sides = {1: positive, -1: ~positive}
    counts = {sign: np.unique(spectrum.x[side]).size for sign, side in sides.items()}
    if any(0 < count < max(least, 3) for count in counts.values()):
        what = f"has {counts[1]} points at positive and {counts[-1]} at negative field; {least} are needed on a side"
        todo = "mask the side with too few, give more points, or fit fewer modes"
        raise DataError([Problem(spectrum.label or spectrum.name, what, todo)])
    for sign, side in sides.items():
        if counts[sign]:
            x = sign * spectrum.x[side]
            yield replace(spectrum, x=x, voltage=spectrum.voltage[side], sign=sign)


@dataclass(frozen=True)
class LineModel:
    """The model of each spectrum: V = Σ_k [s_k S(x) + a_k A(x)] + polynomial.

    - `modes`: number of lines, each with centre, half width σ, symmetric amplitude s and antisymmetric amplitude a.
    - `degree`: of the polynomial background; -1: none.
    - `modulation`: peak amplitude of a modulation of the abscissa, in its unit: the spectrum is then the first harmonic
      that a lock-in amplifier shows, as a peak amplitude. None: the voltage itself.
    - `form`: "lorentzian" or "oscillator", see `complex_line`.

    ValueError for no modes, a modulation that is not positive, or a modulated oscillator.
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
class LineFits(ShownAsCard):
    """Fits of N spectra with one model of K modes, in order of their centres.

    centre, half_width (half width at half maximum), s and a have the shape (N, K) and the units of abscissa and
    voltage; `background`, (N, degree + 1), holds coefficients of Legendre polynomials over the span of the abscissa.
    `covariance`, (N, P, P), is that of centre, half_width, s, a (mode by mode within each) and background, with the
    noise from the scatter of the residuals. `rss` is the sum of squared residuals of `n` points. `converged` is True
    where the search ended at a minimum inside its bounds.
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

    def part(self, rows: Sequence[int]) -> LineFits:
        """Some of the spectra."""
        return replace(self, **{each.name: getattr(self, each.name)[list(rows)] for each in fields(self)[1:]})

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
    """Voltage of lines, shape (modes,) each, on a background with these coefficients over the range of `span`, or `x`.

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


def line_gradient(
    model: LineModel, x: FloatArray, centre: FloatArray, half_width: FloatArray, s: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Derivatives of `line_values` by s, a, centres, logarithms of half widths, and coefficients of the background.

    Each has a row for each x and a column for each mode, or coefficient.
    """
    line, *slopes = line_derivatives(x[:, None], centre, half_width, model.modulation, model.form)
    by_centre, by_log_width = (s * each.real + a * each.imag for each in slopes)
    return line.real, line.imag, by_centre, by_log_width, background(x, model.degree)
