"""Analysis of a study: the lines of every spectrum, what they share, Kittel's formula, torkances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import fdtrc

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.model.residuals import ResidualTests, residual_tests, tangent_space
from mtjfit.spectra.calibration import rectified_background
from mtjfit.spectra.hysteresis import DIFFERENT, hysteresis_of
from mtjfit.spectra.joint import DeviceLines, fit_together, separate
from mtjfit.spectra.kittel import KittelFit, fit_kittel, held_groups, resonance_slope
from mtjfit.spectra.lines import fit_lines, stacked
from mtjfit.spectra.lineshape import background
from mtjfit.spectra.notices import analysis_notices, kittel_notices, sharing_notices, window_notice
from mtjfit.spectra.spectrum import LineFits, LineModel, Spectrum, line_gradient, line_values
from mtjfit.spectra.study import (
    Hysteresis,
    LineOptions,
    SharedFit,
    SpectraDevice,
    SpectraResult,
    SpectraStudy,
    SpectrumFit,
)
from mtjfit.spectra.torkance import TorkanceCurve, torkance_curve

_WINDOWS = 2  # times that the window about the lines is updated
_MANY_IN_LINE = 2.0  # spacings of points in a half width, below which a line is hardly resolved
_NO_LINE = 0.01


@dataclass(frozen=True)
class _Group:
    """Spectra that are fitted together: one device, one field or frequency, one branch."""

    name: str
    rows: tuple[int, ...]
    lines: DeviceLines


def analyse(study: SpectraStudy, progress: Callable[[int], object] | None = None) -> SpectraResult:
    """Fit all spectra of a study and calibrate them where constants are declared.

    Spectra that are not described by their lines are flagged, and stay. `progress` is called with the number of spectra
    that were just fitted.
    """
    spectra, options = study.spectra, study.options
    used = [np.ones(each.x.size, dtype=bool) for each in spectra]
    x, y, inside = _stack(spectra, used)
    fits = fit_lines(x, y, options.model, used=inside, progress=progress)
    missed: dict[str, int] = {}
    if options.window is not None:
        for _ in range(_WINDOWS):
            missed.clear()
            used = [_window(each, fits, i, options.window, missed) for i, each in enumerate(spectra)]
            x, y, inside = _stack(spectra, used)
            fits = fit_lines(x, y, options.model, used=inside)
    groups = [_group(name, rows, spectra, used, fits, options) for name, rows in _groups(spectra, options)]
    found: dict[int, SpectrumFit] = {}
    for group in groups:
        for place, i in enumerate(group.rows):
            found[i] = _spectrum_fit(spectra[i], used[i], options.model, group.lines, place, bool(fits.converged[i]))
    own: dict[str, list[int]] = {name: [] for name in study.devices}
    for i, one in enumerate(spectra):
        own[one.device].append(i)
    modes = {name: _mode([found[i] for i in rows], options) for name, rows in own.items()}
    every = tuple(replace(found[i], mode=modes[each.device]) for i, each in enumerate(spectra))
    hysteresis = hysteresis_of(every, options)
    every = tuple(_with_sweeps(every, hysteresis))
    tried = {name: fit for name, rows in own.items()
             if (fit := _kittel([every[i] for i in rows], study)) is not None}  # fmt: skip
    faults = {name: fit if isinstance(fit, str) else fit.fault for name, fit in tried.items()}
    kittel = {name: fit for name, fit in tried.items() if not isinstance(fit, str) and not fit.fault}
    parts: dict[str, list[_Group]] = {name: [] for name in study.devices}
    for group in groups:
        parts[spectra[group.rows[0]].device].append(group)
    curves = {name: _curve(device, parts[name], every, study)
              for name, device in study.devices.items() if device.constants is not None}  # fmt: skip
    ratios = {name: ratio for name, device in study.devices.items()
              if (ratio := _background_ratio(device, [every[i] for i in own[name]])) is not None}  # fmt: skip
    shared = tuple(SharedFit(group.name, len(group.rows), group.lines.p_sharing) for group in groups
                   if not math.isnan(group.lines.p_sharing))  # fmt: skip
    notices = [
        *analysis_notices(study, every, shared, hysteresis),
        *window_notice(missed, options),
        *sharing_notices(([spectra[i] for i in group.rows] for group in groups), options),
        *kittel_notices(faults),
    ]
    return SpectraResult(study, every, shared, kittel, curves, ratios, tuple(notices), hysteresis)


def _stack(spectra: Sequence[Spectrum], used: Sequence[BoolArray]) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Used points of all spectra as rows of x and y, and a mask of what is not padding."""
    both = list(zip(spectra, used, strict=True))
    return stacked([each.x[keep] for each, keep in both], [each.voltage[keep] for each, keep in both])


def _with_sweeps(fits: Sequence[SpectrumFit], hysteresis: Sequence[Hysteresis]) -> Iterable[SpectrumFit]:
    """Fits to means of sweeps with a flag where the sweeps differ."""
    differ = {(each.spectrum.label, each.spectrum.name): each for each in hysteresis if each.p < DIFFERENT}
    for fit in fits:
        found = differ.get((fit.spectrum.label, fit.spectrum.name)) if fit.spectrum.parts else None
        flag = "" if found is None else f"its sweeps {found.first} and {found.second} differ: p = {found.p:.1g}"
        yield replace(fit, flags=(*fit.flags, flag)) if flag else fit


def _window(spectrum: Spectrum, fits: LineFits, i: int, window: float, missed: dict[str, int]) -> BoolArray:
    """Points within so many half widths of a line; where too few, all of them, and their number goes into `missed`."""
    away = np.abs(spectrum.x[:, None] - fits.centre[i]) / fits.half_width[i]
    inside = np.any(away <= window, axis=1)
    n = np.unique(spectrum.x[inside]).size
    if n > 2 * fits.model.n_parameters:
        return np.asarray(inside)
    missed[spectrum.name] = n
    return np.ones(spectrum.x.size, dtype=bool)


def _groups(spectra: Sequence[Spectrum], options: LineOptions) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Rows of spectra that are fitted together: each alone, or all of a device, value held, branch and sweep."""
    if not options.shares:
        yield from ((each.device, (i,)) for i, each in enumerate(spectra))
        return
    rows: dict[tuple[object, ...], list[int]] = {}
    held = held_groups(np.array([each.fixed for each in spectra]))
    for i, each in enumerate(spectra):
        rows.setdefault((each.device, held[i], each.sign, each.sweep), []).append(i)
    for some in rows.values():
        yield replace(spectra[some[0]], bias=0.0).name.replace(", 0 mV", ""), tuple(some)


def _group(
    name: str,
    rows: tuple[int, ...],
    spectra: Sequence[Spectrum],
    used: Sequence[BoolArray],
    fits: LineFits,
    options: LineOptions,
) -> _Group:
    own = fits.part(rows)
    if not options.shares or len(rows) < 2:
        return _Group(name, rows, separate(own))
    x, y, inside = _stack([spectra[i] for i in rows], [used[i] for i in rows])
    bias = np.array([spectra[i].bias for i in rows])
    lines = fit_together(x, y, bias, own, centre=options.centre, width=options.width, used=inside)
    return _Group(name, rows, lines)


def _spectrum_fit(
    spectrum: Spectrum, used: BoolArray, model: LineModel, lines: DeviceLines, place: int, converged: bool
) -> SpectrumFit:
    sd = np.sqrt(np.maximum(np.einsum("pikpik->pik", lines.covariance)[:, place], 0.0))
    x = spectrum.x[used]
    line = lines.centre[place], lines.half_width[place], lines.s[place], lines.a[place]
    residual = spectrum.voltage[used] - line_values(model, x, *line, lines.background[place])
    tests = residual_tests(residual, tangent_space(np.concatenate(line_gradient(model, x, *line), axis=1)))
    noise = float(np.sqrt(residual @ residual / max(residual.size - model.n_parameters, 1)))
    alike = min(max(tests.autocorrelation, 0.0), 0.99) if not tests.described else 0.0
    inflation = math.sqrt((1 + alike) / (1 - alike))
    fit = SpectrumFit(
        spectrum, model, used, *line, sd * inflation, lines.background[place], 0, noise, tests, (), inflation
    )
    return replace(fit, flags=tuple(_flags(fit, x, residual, tests, converged)))


def _flags(
    fit: SpectrumFit, x: FloatArray, residual: FloatArray, tests: ResidualTests, converged: bool
) -> Iterable[str]:
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
    if not tests.described and tests.autocorrelation < 0 and tests.chi2_red < 1:
        yield (f"the residuals of neighbours alternate: p = {tests.p:.1g} (χ²/dof {tests.chi2_red:.2g}, correlation "
               f"of neighbours {tests.autocorrelation:.2f}); as of aliasing or merged sweeps")  # fmt: skip
    elif not tests.described:
        yield (f"the residuals are not white noise: p = {tests.p:.1g} (χ²/dof {tests.chi2_red:.2g}, "
               f"correlation of neighbours {tests.autocorrelation:.2f})")  # fmt: skip


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


def _mode(fits: Sequence[SpectrumFit], options: LineOptions) -> int:
    if options.use == "lowest" or options.model.modes == 1:
        return 0
    if options.use == "highest":
        return options.model.modes - 1
    return int(np.argmax(np.mean([np.hypot(fit.s, fit.a) for fit in fits], axis=0)))


def _kittel(fits: Sequence[SpectrumFit], study: SpectraStudy) -> KittelFit | str | None:
    """Kittel's formula through the resonances of a device, or why not; None for one field or frequency."""
    own = [fit for fit in fits if math.isfinite(fit.spectrum.fixed)
           and not any("no line was found" in flag for flag in fit.flags)]  # fmt: skip
    free = study.options.kittel
    if len({fit.spectrum.fixed for fit in own}) < 2:
        return None
    if len(own) <= len(free):
        return f"{len(own)} resonances for {' and '.join(free)}, which need one more"
    centre = np.array([fit.centre[fit.mode] for fit in own])
    sd = np.array([fit.errors[0, fit.mode] for fit in own])
    fixed = np.abs([fit.spectrum.fixed for fit in own])
    if study.against == "field":
        return fit_kittel(fixed, centre, sd, free=free)
    first = fit_kittel(centre, fixed, np.ones(centre.size), free=free)
    if first.fault:
        return first
    slope = resonance_slope(fixed, first.Meff, first.Bk, first.gamma) / (2 * np.pi)
    return fit_kittel(centre, fixed, sd / slope, free=free)


def _curve(
    device: SpectraDevice, groups: Sequence[_Group], fits: Sequence[SpectrumFit], study: SpectraStudy
) -> TorkanceCurve:
    """Torkance of one device from the lines of all its groups, correlations kept."""
    assert device.constants is not None  # noqa: S101
    rows = [i for group in groups for i in group.rows]
    n = len(rows)
    lines, covariance = np.empty((4, n)), np.zeros((4, n, 4, n))
    start = 0
    for group in groups:
        stop = start + len(group.rows)
        mode = fits[group.rows[0]].mode
        own = group.lines
        lines[:, start:stop] = [each[:, mode] for each in (own.centre, own.half_width, own.s, own.a)]
        raised = np.array([fits[i].inflation for i in group.rows])
        block = own.covariance[:, :, mode, :, :, mode] * raised[:, None, None] * raised
        covariance[:, start:stop, :, start:stop] = block
        start = stop
    bias = np.array([fits[i].spectrum.bias for i in rows])
    fixed = np.array([fits[i].spectrum.fixed for i in rows])
    fixed = np.abs(fixed) if study.against == "frequency" else fixed
    flagged = np.array([bool(fits[i].flags) for i in rows])
    return torkance_curve(device.name, lines, covariance, bias, fixed, study.against, device.constants, flagged)


def _background_ratio(device: SpectraDevice, fits: Sequence[SpectrumFit]) -> FloatArray | None:
    if device.constants is None or device.constants.V_II is None:
        return None
    expected = rectified_background(np.array([fit.spectrum.bias for fit in fits]), device.constants)
    none = np.zeros(1)
    found = [
        replace(fit, s=none * fit.s, a=none * fit.a).values(fit.centre[fit.mode : fit.mode + 1])[0] for fit in fits
    ]
    assert expected is not None  # noqa: S101
    return np.asarray(np.array(found) / np.where(expected == 0, np.nan, expected))
