"""A line more than declared, where it describes what the residuals of a spectrum show."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.model.residuals import residual_tests, tangent_space
from mtjfit.spectra.lines import fit_lines
from mtjfit.spectra.orders import FALSE_ALARMS, OrderTests
from mtjfit.spectra.spectrum import LineModel, Spectrum, line_gradient
from mtjfit.text import number

_MOST_MODES = 8
_CLEAR = 5.0  # height over the noise
_HUMP = 0.6  # what a mean of three points leaves of a narrow line
_PARAMETERS = 4  # of a line
_MANY_IN_LINE, _WIDEST = 1.0, 0.25  # spacings of points in a half width, and half widths of the sweep


def another_line(
    spectrum: Spectrum, used: BoolArray, model: LineModel, centres: FloatArray, left: FloatArray, orders: OrderTests
) -> str:
    """Words for a clear further line that leaves white noise, and less than as many orders of the background do.

    `centres` are those of the declared lines, which leave the residuals `left`. Empty where there is no such line: a
    small one cannot be told from a ripple.
    """
    x, y = spectrum.x[used], spectrum.voltage[used]
    more = replace(model, modes=model.modes + 1)
    if more.modes > _MOST_MODES or x.size <= 2 * more.n_parameters:
        return ""
    white = math.sqrt(float(np.mean(np.diff(left, 2) ** 2)) / 6)
    if np.max(np.abs(np.convolve(left, np.ones(3) / 3, "valid"))) < _HUMP * _CLEAR * white:
        return ""  # cheap: most that are flagged need no further fit
    found = fit_lines(x[None], y[None], more)
    line = found.centre[0], found.half_width[0], found.s[0], found.a[0]
    k = int(np.argmax(np.min(np.abs(line[0][:, None] - centres), axis=1)))
    centre, half_width = line[0][k], line[1][k]
    spacing, span = float(np.median(np.diff(np.unique(x)))), float(x[-1] - x[0])
    if not (x[0] < centre < x[-1] and _MANY_IN_LINE * spacing < half_width < _WIDEST * span):
        return ""
    residual = y - found.values(0, x)
    noise = math.sqrt(float(residual @ residual) / (x.size - more.n_parameters))
    gradient = line_gradient(more, x, *line)
    by_s, by_a = gradient[:2]
    if float(np.max(np.abs(by_s[:, k] * line[2][k] + by_a[:, k] * line[3][k]))) < _CLEAR * noise:
        return ""
    of_orders = float(left @ left) * max(
        0.0, 1.0 - float(np.sum(orders.z[:_PARAMETERS] ** 2)) / max(x.size - model.n_parameters, 1)
    )
    if float(residual @ residual) >= of_orders:
        return ""
    tangent = tangent_space(np.concatenate(gradient, axis=1))
    if residual_tests(residual, tangent).p < FALSE_ALARMS:
        return ""
    place = number(centre * spectrum.shown, 4)
    which = "a second line" if model.modes == 1 else "another line"
    width = number(half_width * spectrum.shown, 2)
    at = f"{place} {spectrum.unit} (σ = {width} {spectrum.unit})"
    return f"{which} is left at {at}: mask it, or set modes = {more.modes}"
