"""Sizes of slopes, curvatures and scatter in tables, from which a first study file proposes its priors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial

from mtjfit.arrays import FloatArray
from mtjfit.data.components import COMPONENT_WORDS
from mtjfit.data.curve import COMPONENTS, Component
from mtjfit.data.readers import Sheet
from mtjfit.data.tidy import parse_number

_LARGEST = 1e300
_FEW_TIMES = 5.0
_MOST_SERIES = 500
_LEAST = 3  # points of a parabola
_CURVED = 0.2  # of the slope over the whole window, that a curvature is at least allowed
_SCATTER = 0.01  # of the largest value, where points are too few or too exact to show any


@dataclass(frozen=True)
class Series:
    """One component of one device, as far as its cells are numbers; the bias in V."""

    component: str
    bias: FloatArray
    values: FloatArray


def series_of(sheet: Sheet, columns: Mapping[str, str], volts: float, component: str = "") -> Iterator[Series]:
    """Series of a sheet, for each device and condition in it; `component` is that of a torque where no column says
    it.
    """
    bias = _numbers(sheet, columns.get("bias", ""))
    if bias is None:
        return
    telling = [sheet.column(columns[role]).cells for role in ("wafer", "device", "condition", "component")
               if columns.get(role) in sheet.names]  # fmt: skip
    rows: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(bias)):
        rows.setdefault(tuple(cells[i] for cells in telling), []).append(i)
    for key, own in rows.items():
        if columns.get("component") in sheet.names:
            component = COMPONENT_WORDS.get(key[-1].strip().casefold(), "")
        for each, role in ((component, "torque"), *zip(COMPONENTS, COMPONENTS, strict=True)):
            values = _numbers(sheet, columns.get(role, ""))
            if each and values is not None:
                good = np.isfinite(bias[own]) & np.isfinite(values[own])
                yield Series(each, bias[own][good] * volts, values[own][good])


def _numbers(sheet: Sheet, name: str) -> FloatArray | None:
    if name not in sheet.names:
        return None
    parsed = [parse_number(cell, sheet.decimal) for cell in sheet.column(name).cells]
    return np.array([math.nan if fault is not None else value for value, fault in parsed])


@dataclass(frozen=True)
class Sizes:
    """Largest coefficients of parabolas through all series, and the scatter about smooth curves, by component.

    In the unit of the values, per V and V²; 0 where there is nothing to see.
    """

    constant: float
    slope: float
    curvature: float
    largest: Mapping[Component, float]  # value
    scatter: Mapping[Component, float]
    is_torque: bool | None  # at zero bias the in-plane component is small, as that of a torque; None: cannot be seen

    def amplitudes(self, quantity: str | None) -> tuple[float, float]:
        """Sizes of a1 and b2: slope and curvature of a torque, value at zero bias and half the slope of a torkance.

        The larger ones where the quantity is not known.
        """
        torque, torkance = (self.slope, self.curvature), (self.constant, self.slope / 2)
        if quantity is None:
            return max(torque[0], torkance[0]), max(torque[1], torkance[1])
        return torque if quantity == "torque" else torkance


def sizes_of(series: Iterable[Series]) -> Sizes:
    """Sizes of all series with points enough."""
    found: list[tuple[str, FloatArray, float, float, float]] = []
    for each in series:
        if each.bias.size >= _LEAST and np.ptp(each.bias) > 0 and len(found) < _MOST_SERIES:
            found.append((each.component, *_fitted(each)))
    coefficients = np.abs([each[1] for each in found]) if found else np.zeros((1, 3))
    largest = {c: max((each[2] for each in found if each[0] == c), default=0.0) for c in COMPONENTS}
    scatter = {}
    for c in COMPONENTS:
        own = [each[3] for each in found if each[0] == c]
        scatter[c] = max(float(np.median(own)) if own else 0.0, _SCATTER * largest[c] * (not own or min(own) == 0))
    par = [each for each in found if each[0] == "par"]
    offset = [abs(each[1][0]) < abs(each[1][1]) * each[4] / 2 for each in par]
    constant, slope, curvature = (float(x) for x in np.max(coefficients, axis=0))
    window = max((each[4] for each in found), default=1.0)
    return Sizes(constant, slope, max(curvature, _CURVED * slope / window), largest, scatter,
                 bool(2 * sum(offset) > len(offset)) if offset else None)  # fmt: skip


def _fitted(series: Series) -> tuple[FloatArray, float, float, float]:
    """Coefficients of a parabola, largest value, scatter about a smooth curve, largest bias."""
    window, largest = float(np.max(np.abs(series.bias))), float(np.max(np.abs(series.values)))
    x, n = series.bias / window, series.bias.size
    values = series.values / (largest or 1.0)  # squares of a number beyond any measured one would overflow
    degree = min(2, np.unique(x).size - 1)
    parabola = np.zeros(3)
    parabola[: degree + 1] = _polynomial(x, values, degree)
    smooth = min(4, max(degree, n // 4))
    smooth = min(smooth, np.unique(x).size - 1)
    rest = values - polynomial.polyval(x, _polynomial(x, values, smooth))
    free = n - smooth - 1
    scatter = math.sqrt(float(rest @ rest) / free) if free > 0 else 0.0
    with np.errstate(over="ignore"):
        coefficients = np.clip(largest * (parabola / window ** np.arange(3)), -_LARGEST, _LARGEST)
    return coefficients, largest, largest * scatter if scatter > 1e-9 else 0.0, window


def _polynomial(x: FloatArray, values: FloatArray, degree: int) -> FloatArray:
    """Coefficients of least squares, the smallest where biases are so far apart that powers of most vanish."""
    return np.asarray(polynomial.polyfit(x, values, degree, full=True)[0])  # in full it does not warn of that


def few_times(size: float) -> float:
    """A few times a size, with one digit.

    >>> few_times(0.31), few_times(0.0)
    (2.0, 0.0)
    """
    return float(f"{_FEW_TIMES * size:.1g}")


def are_unordered(bias: Sequence[float]) -> tuple[bool, bool]:
    """Whether a sweep turns round, and whether a bias comes again.

    >>> are_unordered([0.0, 0.1, 0.2]), are_unordered([0.0, 0.1, 0.0])
    ((False, False), (True, True))
    """
    steps = np.diff(np.asarray(bias, dtype=float))
    steps = steps[steps != 0]
    return bool(steps.size and np.any(np.sign(steps) != np.sign(steps[0]))), len(set(bias)) < len(bias)
