"""Analysis of a study: the lines of every spectrum, what they share, Kittel's formula, torkances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.spectra.calibration import rectified_background
from mtjfit.spectra.hysteresis import DIFFERENT, hysteresis_of
from mtjfit.spectra.joint import DeviceLines, fit_together, separate
from mtjfit.spectra.judged import JudgedSpectrum, background_shifts, judged_spectrum, judged_together
from mtjfit.spectra.kittel import KittelFit, fit_kittel, held_groups, resonance_slope
from mtjfit.spectra.lines import fit_lines, stacked
from mtjfit.spectra.notices import analysis_notices, kittel_notices, sharing_notices, window_notice
from mtjfit.spectra.orders import MOST_ORDERS
from mtjfit.spectra.spectrum import LineFits, Spectrum, in_order
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


@dataclass(frozen=True)
class _Group:
    """Spectra that are fitted together: one device, one field or frequency, one branch.

    `shifts`, shape (orders, 4, M, K), are changes of the lines by further orders of the background.
    """

    name: str
    rows: tuple[int, ...]
    lines: DeviceLines
    shifts: FloatArray = field(default_factory=lambda: np.zeros((MOST_ORDERS, 4, 0, 0)))

    @property
    def systematic(self) -> FloatArray:
        """Systematic errors of the lines of each spectrum, shape (M, 4, K)."""
        return np.moveaxis(np.sqrt(np.sum(self.shifts**2, axis=0)), 1, 0)


def analyse(study: SpectraStudy, progress: Callable[[int], object] | None = None) -> SpectraResult:
    """Fit all spectra of a study and calibrate them where constants are declared.

    Fits are sorted by device, bias and what was held. Spectra that are not described by their lines are flagged, and
    stay. `progress` is called with the number of spectra that were just fitted.
    """
    spectra, options = sorted(study.spectra, key=in_order), study.options
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
    own: dict[str, list[int]] = {name: [] for name in study.devices}
    for i, one in enumerate(spectra):
        own[one.device].append(i)
    groups: list[_Group] = []
    found: dict[int, JudgedSpectrum] = {}
    for name, rows in _groups(spectra, options):
        groups.append(_Group(name, rows, _lines(rows, spectra, used, fits, options)))
        for place, i in enumerate(rows):
            found[i] = judged_spectrum(
                spectra[i], used[i], options.model, groups[-1].lines, place, bool(fits.converged[i])
            )
    seen = judged_together([found[i] for i in range(len(spectra))], own.values(), options.model.degree)
    groups = [replace(each, shifts=background_shifts(each.lines, [seen[i] for i in each.rows])) for each in groups]
    systematic = {i: sd for each in groups for i, sd in zip(each.rows, each.systematic, strict=True)}
    modes = {name: _mode([seen[i].fit for i in rows], options) for name, rows in own.items()}
    every = tuple(replace(each.fit, mode=modes[each.fit.spectrum.device], systematic=systematic[i])
                  for i, each in enumerate(seen))  # fmt: skip
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


def _lines(
    rows: Sequence[int],
    spectra: Sequence[Spectrum],
    used: Sequence[BoolArray],
    fits: LineFits,
    options: LineOptions,
) -> DeviceLines:
    """Lines of a group, fitted together where something is shared."""
    own = fits.part(rows)
    if not options.shares or len(rows) < 2:
        return separate(own)
    x, y, inside = _stack([spectra[i] for i in rows], [used[i] for i in rows])
    bias = np.array([spectra[i].bias for i in rows])
    return fit_together(x, y, bias, own, centre=options.centre, width=options.width, used=inside)


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
    sd = np.array([fit.sigma[0, fit.mode] for fit in own])
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
    lines, covariance, shifts = np.empty((4, n)), np.zeros((4, n, 4, n)), np.zeros((MOST_ORDERS, 4, n))
    start = 0
    for group in groups:
        stop = start + len(group.rows)
        mode = fits[group.rows[0]].mode
        own = group.lines
        lines[:, start:stop] = [each[:, mode] for each in (own.centre, own.half_width, own.s, own.a)]
        raised = np.array([fits[i].inflation for i in group.rows])
        block = own.covariance[:, :, mode, :, :, mode] * raised[:, None, None] * raised
        covariance[:, start:stop, :, start:stop] = block
        shifts[:, :, start:stop] = group.shifts[..., mode]
        start = stop
    bias = np.array([fits[i].spectrum.bias for i in rows])
    fixed = np.array([fits[i].spectrum.fixed for i in rows])
    fixed = np.abs(fixed) if study.against == "frequency" else fixed
    flagged = np.array([bool(fits[i].flags) for i in rows])
    return torkance_curve(device.name, lines, covariance, bias, fixed, study.against, device.constants, flagged, shifts)


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
