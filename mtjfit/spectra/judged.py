"""The fit of one spectrum with what its residuals show: tests, flags with their causes, and systematic errors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import fdtrc

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.model.residuals import ResidualTests, residual_tests, tangent_space
from mtjfit.spectra.another_line import another_line
from mtjfit.spectra.joint import DeviceLines
from mtjfit.spectra.lineshape import background
from mtjfit.spectra.orders import (
    ACCEPTED,
    FALSE_ALARMS,
    MOST_ORDERS,
    correlated,
    found_by,
    found_together,
    further_orders,
    likely_cause,
)
from mtjfit.spectra.spectrum import LineModel, Spectrum, line_gradient, line_values
from mtjfit.spectra.study import SpectrumFit

_MANY_IN_LINE = 2.0  # spacings of points in a half width, below which a line is hardly resolved
_NO_LINE = 0.01


@dataclass(frozen=True, eq=False)
class JudgedSpectrum:
    """A fit, and how further orders of the background pull at its lines.

    `pull`, (4, K, m), is that of `FurtherOrders`; `excess`, (m,), are the coefficients of m orders over the noise that
    systematic errors account for.
    """

    fit: SpectrumFit
    pull: FloatArray
    excess: FloatArray


def background_shifts(lines: DeviceLines, found: Sequence[JudgedSpectrum]) -> FloatArray:
    """How far further orders of the background of M spectra that were fitted together move their lines.

    Shape (orders, 4, M, K): changes of centre, half width, s and a. Where lines are shared, orders of one spectrum move
    those of others.
    """
    shifts = np.zeros((MOST_ORDERS, *lines.covariance.shape[:3]))
    for place, each in enumerate(found):
        if np.any(each.excess):
            moved = np.tensordot(lines.covariance[:, :, :, :, place], each.pull * each.excess, axes=2)
            shifts[: each.excess.size] -= np.moveaxis(moved, -1, 0)
    return shifts


def judged_together(
    found: Sequence[JudgedSpectrum], rows: Iterable[Sequence[int]], degree: int
) -> list[JudgedSpectrum]:
    """The same with flags where spectra of a device, in `rows`, show over one range what none of them shows alone."""
    out = list(found)
    for own in rows:
        ranges: dict[tuple[str, str], list[int]] = {}
        for i in own:
            fit = found[i].fit
            if not fit.flags:
                x = fit.spectrum.x[fit.used]
                ranges.setdefault((f"{x[0]:.3e}", f"{x[-1]:.3e}"), []).append(i)
        for some in ranges.values():
            words, common = found_together([found[i].fit.orders for i in some], degree)
            for i in some if words else []:
                one = found[i]
                shared = np.zeros_like(one.excess)
                shared[: common.size] = one.fit.orders.steps[: common.size, : common.size] @ common
                excess = np.where(np.abs(shared) > np.abs(one.excess), shared, one.excess)
                out[i] = replace(one, fit=replace(one.fit, flags=(words,)), excess=excess)
    return out


def judged_spectrum(
    spectrum: Spectrum, used: BoolArray, model: LineModel, lines: DeviceLines, place: int, converged: bool
) -> JudgedSpectrum:
    """The fit of the spectrum at one place of a group, with the tests of its residuals and its flags."""
    sd = np.sqrt(np.maximum(np.einsum("pikpik->pik", lines.covariance)[:, place], 0.0))
    x = spectrum.x[used]
    line = lines.centre[place], lines.half_width[place], lines.s[place], lines.a[place]
    residual = spectrum.voltage[used] - line_values(model, x, *line, lines.background[place])
    gradient = line_gradient(model, x, *line)
    tangent = tangent_space(np.concatenate(gradient, axis=1))
    tests = residual_tests(residual, tangent)
    orders = further_orders(x, residual, model, line[1], gradient, tangent)
    p, p_smooth = found_by(tests, orders.tests)
    noise = float(np.sqrt(residual @ residual / max(residual.size - model.n_parameters, 1)))
    alike = min(max(tests.autocorrelation, 0.0), 0.99) if p < FALSE_ALARMS else 0.0
    inflation = math.sqrt((1 + alike) / (1 - alike))
    fit = SpectrumFit(
        spectrum, model, used, *line, sd * inflation, np.zeros_like(sd), lines.background[place], 0, noise, tests,
        orders.tests, (), inflation,
    )  # fmt: skip
    flags = [*_line_flags(fit, x, residual, converged)]
    if p < FALSE_ALARMS:
        of_line = partial(another_line, spectrum, used, model, line[0], residual, orders.tests)
        if p_smooth < FALSE_ALARMS:
            cause = likely_cause(residual, tangent, orders, model.degree, p_smooth, tests.autocorrelation, of_line)
        else:
            cause = f"{words} (p = {p:.1g})" if (words := of_line()) else _not_white(tests, p)
        flags.append(cause)
    n = MOST_ORDERS if p_smooth < FALSE_ALARMS else ACCEPTED
    return JudgedSpectrum(replace(fit, flags=tuple(flags)), orders.pull, orders.excess(n))


def _not_white(tests: ResidualTests, p: float) -> str:
    size = f"χ²/dof {tests.chi2_red:.2g}, correlation of neighbours {tests.autocorrelation:.2f}"
    if tests.autocorrelation < 0 and tests.chi2_red < 1:
        return f"the residuals of neighbours alternate: p = {p:.1g} ({size}); as of aliasing or merged sweeps"
    cause = f"; {correlated(tests.autocorrelation)}" if tests.autocorrelation > 0 else ""
    return f"the residuals are not white noise: p = {p:.1g} ({size}){cause}"


def is_of_residuals(flag: str) -> bool:
    """Whether tests of residuals, which have a rate of false alarms, gave a flag; others are of lines and sweeps."""
    return not flag.startswith(("no line", "line", "the background alone", "its sweeps"))


def _line_flags(fit: SpectrumFit, x: FloatArray, residual: FloatArray, converged: bool) -> Iterable[str]:
    if not converged:
        yield "no line was found between the ends of the sweep"
    spacing = float(np.median(np.diff(np.unique(x))))
    span = float(x[-1] - x[0])
    for k in range(fit.model.modes):
        which = f" {k + 1}" if fit.model.modes > 1 else ""
        if fit.half_width[k] < _MANY_IN_LINE * spacing:
            yield f"line{which} is too narrow for the spacing of points: {fit.half_width[k] / spacing:.2g} points in σ"
        if fit.half_width[k] > span / 2:
            yield f"line{which} is as wide as the sweep"
    p = _p_without_line(fit, x, residual)
    if p > _NO_LINE:
        yield f"the background alone fits as well (p = {p:.2g})"


def _p_without_line(fit: SpectrumFit, x: FloatArray, residual: FloatArray) -> float:
    """Probability of so much less misfit by lines that are not there, found anywhere in the sweep."""
    flat = background(x, fit.model.degree)
    y = fit.spectrum.voltage[fit.used]
    left = y - flat @ np.linalg.lstsq(flat, y, rcond=None)[0] if flat.shape[1] else y
    extra, dof = 4 * fit.model.modes, max(residual.size - fit.model.n_parameters, 1)
    rss = max(float(residual @ residual), 1e-300)
    ratio = max(float(left @ left) - rss, 0.0) / extra / (rss / dof)
    places = max(1.0, float(x[-1] - x[0]) / float(fit.half_width.min()))
    return min(1.0, places * float(fdtrc(extra, dof, ratio)))
