"""Figures of the page of spectra, not yet drawn: captions, alternative texts, and the calls that draw them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mtjfit.html import PlannedFigure
from mtjfit.spectra import SpectraResult, SpectrumFit
from mtjfit.spectra.calls import device_call, sheet_call
from mtjfit.spectra.plot import abscissa, plot_kittel, plot_lines, plot_sweeps, plot_thumbnails, plot_torkances
from mtjfit.text import counted

MOST_DEVICES = 12
"""Devices with figures of their own."""
_SHEET, _SHEET_FLAGGED = 48, 12
_BARS = (
    "Bars: one standard error, statistical and systematic (of the background) in quadrature; thick: statistical "
    "alone. Hollow: flagged spectra."
)
_PLOTS = {"lines": plot_lines, "torkances": plot_torkances, "sweeps": plot_sweeps, "kittel": plot_kittel}


def spectra_device_pictures(result: SpectraResult) -> Iterator[PlannedFigure]:
    """Figures of each of the first devices: lines, and what of torkances, sweeps and Kittel's formula there is."""
    for k, device in enumerate(list(result.study.devices)[:MOST_DEVICES]):
        yield _of_device(result, device, f"lines-{k}", "lines", "lines against bias, or against what was held")
        if device in result.curves:
            yield _of_device(result, device, f"torkance-{k}", "torkances", "torkance against bias")
        if any(each.spectrum.device == device for each in result.hysteresis):
            yield _of_device(result, device, f"sweeps-{k}", "sweeps", "sweeps up minus sweeps down")
        if device in result.kittel:
            what = "resonance against field, a check by Kittel's formula"
            yield _of_device(result, device, f"kittel-{k}", "kittel", what)


def _of_device(result: SpectraResult, device: str, name: str, kind: str, what: str) -> PlannedFigure:
    caption = f"{device}: {_shown(result, device, kind)}"
    return PlannedFigure(
        name, _marked(result, caption), f"{device}: {what}", partial(_PLOTS[kind], result, device),
        device_call(kind, device),
    )  # fmt: skip


def _shown(result: SpectraResult, device: str, kind: str) -> str:
    """What a figure of a device shows, for its caption."""
    fits = result.of(device)
    n = counted(len(fits), "spectrum", "spectra")
    if kind == "lines":
        against = _against(fits)
        return f"resonance, half width σ, symmetric and antisymmetric amplitude of {n} against {against}. {_BARS}"
    if kind == "torkances":
        return (
            f"in-plane torkance, along M × (P × M), and out-of-plane torkance, along M × P, of {n} against bias. "
            f"{_BARS} Line: smooth curve. Band: one standard error of the calibration, which moves a curve as a whole."
        )
    if kind == "sweeps":
        own = [each for each in result.hysteresis if each.spectrum.device == device]
        parts = "resonance, half width σ, amplitudes" + (" and background" if own[0].errors.size > 4 else "")
        pairs = counted(len(own), "pair of sweeps", "pairs of sweeps")
        return f"{parts} of {pairs}, {own[0].first} minus {own[0].second}. Bars: one statistical standard error."
    shown = counted(result.kittel[device].field.size, "spectrum", "spectra")
    return (
        f"resonance of {shown} against the magnitude of the field, with Kittel's formula for a field in the plane, "
        "and the measured field less that of the formula. Bars: one standard error of the line."
    )


def _against(fits: tuple[SpectrumFit, ...]) -> str:
    """The name of the abscissa of `plot_lines`, without its unit."""
    return abscissa([fit.spectrum for fit in fits])[1].partition(" (")[0]


def _marked(result: SpectraResult, caption: str) -> str:
    """A caption that says what was not measured: it travels without its page."""
    return f"{caption} {result.study.label}." if result.study.label else caption


def thumbnail_pictures(result: SpectraResult, flagged: bool, most: int) -> Iterator[tuple[PlannedFigure, int]]:
    """Sheets of thumbnails of at most so many flagged spectra, or others, each with the number of its spectra."""
    every = result.flagged if flagged else tuple(fit for fit in result.fits if not fit.flags)
    fits, size = every[:most], _SHEET_FLAGGED if flagged else _SHEET
    for first in range(0, len(fits), size):
        some = fits[first : first + size]
        after = first + len(some)
        part = f" ({first + 1} to {after} of {len(every)})" if len(some) < len(every) else ""
        devices = list(dict.fromkeys(fit.spectrum.device for fit in some))
        whose = f"{len(devices)} devices" if len(devices) > 1 else devices[0]
        against = "frequency" if result.study.against == "frequency" else "the magnitude of the field"
        caption = (
            f"{'Flagged' if flagged else 'Other'} spectra{part} of {whose}: voltage against {against}; measured "
            "points, grey where not used, and the fitted line."
        )
        if flagged:
            caption += (
                " Below each: residuals over their standard deviation, ±2 shaded, and their mean within a half width."
            )
        alt = f"{len(some)} spectra with their fits, from {some[0].spectrum.name}"
        draw = partial(plot_thumbnails, result, some, residuals=flagged)
        name = f"{'flagged' if flagged else 'spectra'}-{first // size}"
        yield PlannedFigure(name, _marked(result, caption), alt, draw, sheet_call(flagged, first, after)), len(some)
