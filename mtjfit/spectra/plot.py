"""Figures of rectified spectra: thumbnails with lines and residuals, amplitudes, torkances, Kittel's formula."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.data import find_unit
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    finished,
    first_panels,
    footer,
    footer_height,
    literal,
    name_axis,
    sheet,
    style,
)
from mtjfit.spectra import SpectraResult, Spectrum, SpectrumFit, TorkanceCurve, resonance_field
from mtjfit.study import Study
from mtjfit.text import value_with_error

_ACROSS = 6
_ROW = 0.95  # height of a row of thumbnails in inches
_TALL = 1.5  # of a spectrum with its residuals
_LINE_POINTS = 400
_LONGEST = 12  # letters of a device name over a thumbnail
_BARS = "Bars: statistical and systematic errors (of the background) in quadrature; thick: statistical."
_PREFIXES = ((1.0, "V"), (1e3, "mV"), (1e6, "µV"), (1e9, "nV"))


@contextmanager
def _figure(
    result: SpectraResult, height: float, note: str, axes: AxesLike | None, panels: tuple[int, int] | BoolArray
) -> Iterator[Figure]:
    """A figure two columns wide, or `axes`, with a footer that marks what was not measured, added at the end."""
    study = cast(Study, result.study)
    with style(axes):
        size = (DOUBLE, height + footer_height(DOUBLE, study, note))
        fig = sheet(axes, panels, figsize=size, layout="constrained")
        yield fig
        footer(fig, study, note)


def plot_thumbnails(
    result: SpectraResult, fits: Sequence[SpectrumFit], *, residuals: bool = False, axes: AxesLike | None = None
) -> Figure:
    """Some spectra with their lines, small; flagged ones have a red frame.

    With `residuals`, those of each spectrum stand below it in units of the noise, with ±2 shaded. ValueError if there
    are no spectra. On `axes`: one of your own for each spectrum; with `residuals` rows of four spectra, each above a
    row of their residuals.
    """
    if not fits:
        raise ValueError("there are no spectra to draw")
    across = min(_ACROSS if not residuals else 4, len(fits))
    rows = -(-len(fits) // across)
    row = _TALL if residuals else _ROW
    x_unit = fits[0].spectrum.unit
    held = len({fit.spectrum.fixed for fit in result.fits if np.isfinite(fit.spectrum.fixed)}) > 1
    what = "frequency" if result.study.against == "frequency" else "|field|"
    note = f"Voltage against {what} ({x_unit}); dots: measured points, grey where not used; line: fit."
    if residuals:
        note += " Below: residuals over their standard deviation, ±2 shaded, and their mean within a half width."
    step = 2 if residuals else 1
    there = np.repeat(first_panels(len(fits), across), step, axis=0)
    with _figure(result, row * rows + 0.1, note, axes, there) as fig:
        ratios = [2.2, 1.0] * rows if residuals else [1.0] * rows
        panels = fig.subplots(len(ratios), across, squeeze=False, height_ratios=ratios)
        for k, ax in enumerate(panels[::step].flat):
            below = panels[1::2].flat[k] if residuals else None
            if k < len(fits):
                _thumbnail(ax, fits[k], held)
                if axes is not None:  # without the note that says it
                    ax.set(xlabel=f"{what} ({x_unit})", ylabel="voltage")
            else:
                ax.set_axis_off()
            if below is not None and k < len(fits):
                ax.set_xticklabels([])
                _residuals(below, fits[k])
                if axes is not None:
                    ax.set_xlabel("")
                    below.set(xlabel=f"{what} ({x_unit})", ylabel="residual/σ")
                ax.set_xlim(below.get_xlim())
            elif below is not None:
                below.set_axis_off()
    return finished(fig)


def _voltage(fit: SpectrumFit) -> tuple[float, str]:
    """Factor and unit in which a voltage reads well."""
    return _prefix(float(np.ptp(fit.spectrum.voltage)))


def _prefix(size: float) -> tuple[float, str]:
    size = size or 1.0
    return next(((scale, unit) for scale, unit in _PREFIXES if size * scale >= 0.5), _PREFIXES[-1])


def _thumbnail(ax: Axes, fit: SpectrumFit, held: bool) -> None:
    spectrum = fit.spectrum
    x = spectrum.x * spectrum.shown
    scale, unit = _voltage(fit)
    ax.plot(x[~fit.used], scale * spectrum.voltage[~fit.used], ".", color="0.75", ms=1.2, gid="unused")
    ax.plot(x[fit.used], scale * spectrum.voltage[fit.used], ".", color=OKABE_ITO["blue"], ms=1.6, gid="points")
    span = spectrum.x[fit.used]
    fine = np.linspace(span[0], span[-1], _LINE_POINTS)
    ax.plot(fine * spectrum.shown, scale * fit.values(fine), color=OKABE_ITO["vermillion"], lw=0.8, gid="line")
    title = ax.set_title(f"{literal(_short(fit, held))} ({unit})", fontsize=5.2, pad=2)
    _small_ticks(ax)
    ax.ticklabel_format(axis="both", useOffset=False, style="plain")
    if fit.flags:
        title.set_color(OKABE_ITO["vermillion"])
        for side in ax.spines.values():
            side.set(visible=True, color=OKABE_ITO["vermillion"], linewidth=1.2)


def _small_ticks(ax: Axes) -> None:
    ax.tick_params(labelsize=5, length=1.5, pad=1.5)
    ax.locator_params(axis="x", nbins=3)
    ax.locator_params(axis="y", nbins=3)


def _short(fit: SpectrumFit, held: bool) -> str:
    """Device and bias; what was held only where it is not the same for all."""
    spectrum = fit.spectrum
    parts = [f"{1e3 * spectrum.bias:.4g} mV".replace("-", "−")]
    if held and np.isfinite(spectrum.fixed):
        parts.append(
            f"{spectrum.fixed / 1e9:.4g} GHz" if spectrum.against == "field" else f"{1e3 * spectrum.fixed:.4g} mT"
        )
    if spectrum.sign < 0:
        parts.append("−B")
    if spectrum.sweep:
        parts.append(spectrum.sweep)
    device = spectrum.device if len(spectrum.device) <= _LONGEST else f"{spectrum.device[: _LONGEST - 1]}…"
    return ", ".join([device, *parts])


def _residuals(ax: Axes, fit: SpectrumFit) -> None:
    spectrum = fit.spectrum
    ax.axhspan(-2, 2, color="0.9", lw=0)
    ax.axhline(0, color="0.6", lw=0.5)
    over = fit.residual / fit.noise if fit.noise > 0 else fit.residual
    ax.plot(spectrum.x[fit.used] * spectrum.shown, over, ".-", color=OKABE_ITO["blue"], ms=1.6, lw=0.4, gid="residual")
    ax.plot(
        spectrum.x[fit.used] * spectrum.shown,
        _smoothed(fit, over),
        color=OKABE_ITO["vermillion"],
        lw=0.9,
        gid="smoothed",
    )
    most = max(3.5, 1.1 * float(np.max(np.abs(over))))
    ax.set_ylim(-most, most)
    _small_ticks(ax)


def _smoothed(fit: SpectrumFit, values: FloatArray) -> FloatArray:
    """Mean over all points within a half width of each, the narrowest line's, or over its two neighbours."""
    x = fit.spectrum.x[fit.used]
    reach = max(float(fit.half_width.min()), 1.5 * float(np.median(np.diff(np.unique(x)))))
    first, after = np.searchsorted(x, x - reach, "left"), np.searchsorted(x, x + reach, "right")
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((sums[after] - sums[first]) / (after - first))


def plot_lines(result: SpectraResult, device: str, *, axes: AxesLike | None = None) -> Figure:
    """Resonance, half width and both amplitudes of one device against bias, or against what was held.

    On `axes`: four of your own.
    """
    fits = result.of(device)
    x, label = abscissa([fit.spectrum for fit in fits])
    note = f"Hollow: flagged spectra. {_BARS}"
    unit = fits[0].spectrum.unit
    shown = fits[0].spectrum.shown
    scale, volt = _voltage(max(fits, key=lambda fit: float(np.ptp(fit.spectrum.voltage))))
    names = [("resonance", unit, shown), ("half width σ", unit, shown), ("symmetric s", volt, scale),
             ("antisymmetric a", volt, scale)]  # fmt: skip
    with _figure(result, 1.75, note, axes, (1, 4)) as fig:
        for k, (ax, (name, of, factor)) in enumerate(zip(fig.subplots(1, 4), names, strict=True)):
            values = factor * np.array([(fit.centre, fit.half_width, fit.s, fit.a)[k][fit.mode] for fit in fits])
            total = factor * np.array([fit.sigma[k, fit.mode] for fit in fits])
            statistical = factor * np.array([fit.errors[k, fit.mode] for fit in fits])
            hollow = np.array([bool(fit.flags) for fit in fits])
            _points(ax, x, values, total, hollow, OKABE_ITO["blue"], statistical)
            if k >= 2:
                ax.axhline(0, color="0.6", lw=0.5, zorder=0)
            ax.set(xlabel=label, title=f"{name} ({of})")
            ax.ticklabel_format(axis="y", useOffset=False)
            ax.locator_params(axis="x", nbins=4)
            ax.locator_params(axis="y", nbins=5)
    return finished(fig)


def abscissa(spectra: Sequence[Spectrum]) -> tuple[FloatArray, str]:
    """Bias, or what was held where there is one bias and several fields or frequencies, with its name."""
    bias = np.array([1e3 * each.bias for each in spectra])
    fixed = np.array([each.fixed for each in spectra])
    against_bias = np.unique(bias).size > 1 or np.unique(fixed[np.isfinite(fixed)]).size < 2
    held = (1e-9, "frequency (GHz)") if spectra[0].against == "field" else (1e3, "field (mT)")
    return (bias, "bias (mV)") if against_bias else (fixed * held[0], held[1])


def _points(
    ax: Axes,
    x: FloatArray,
    y: FloatArray,
    errors: FloatArray,
    hollow: BoolArray,
    colour: str,
    statistical: FloatArray | None = None,
) -> None:
    ax.errorbar(x, y, errors, fmt="none", ecolor=colour, elinewidth=0.7, zorder=2)
    if statistical is not None:
        ax.errorbar(x, y, statistical, fmt="none", ecolor=colour, elinewidth=1.6, zorder=2)
    ax.plot(x[~hollow], y[~hollow], "o", ms=2.6, color=colour, zorder=3, gid="points")
    ax.plot(x[hollow], y[hollow], "o", ms=2.6, mfc="white", mec=colour, mew=0.7, zorder=3, gid="flagged")


def plot_torkances(result: SpectraResult, device: str, *, axes: AxesLike | None = None) -> Figure:
    """Both torkances of a device against bias: errors of each point, and what the calibration moves together.

    Bars are statistical and systematic errors in quadrature, their thick part the statistical ones alone.

    The band is the smooth curve with the common errors added in quadrature: the whole curve moves in it, up or down.
    KeyError for a device that was not calibrated. On `axes`: two of your own.
    """
    curve: TorkanceCurve = result.curves[device]
    unit = find_unit(result.study.unit)
    note = f"{_BARS} Band: errors of the calibration, which move each curve as a whole. Hollow: flagged spectra."
    n = curve.bias.size
    vectors = [curve.vector(error) for error in curve.common]
    statistical = np.sqrt(np.diagonal(curve.statistical)).reshape(2, n)
    common = np.sqrt(np.sum(np.square(vectors), axis=0)) if vectors else np.zeros(2 * n)
    x = 1e3 * curve.bias
    with _figure(result, 2.2, note, axes, (1, 2)) as fig:
        parts = (("in-plane", curve.par, OKABE_ITO["blue"]), ("out-of-plane", curve.perp, OKABE_ITO["vermillion"]))
        for k, (ax, (name, values, colour)) in enumerate(zip(fig.subplots(1, 2), parts, strict=True)):
            band = common[k * n : (k + 1) * n]
            low, high = curve.smooth[k] - band, curve.smooth[k] + band
            ax.fill_between(x, low / unit.si, high / unit.si, color=colour, alpha=0.2, lw=0, gid="common")
            ax.plot(x, curve.smooth[k] / unit.si, color=colour, lw=0.8, gid="smooth")
            _points(ax, x, values / unit.si, curve.sigma[k] / unit.si, curve.flagged, colour, statistical[k] / unit.si)
            ax.axhline(0, color="0.6", lw=0.5, zorder=0)
            symbol = r"$\mathrm{d}\tau_\parallel/\mathrm{d}V$" if k == 0 else r"$\mathrm{d}\tau_\perp/\mathrm{d}V$"
            ax.set(xlabel="bias (mV)", title=f"{name} torkance")
            ax.locator_params(axis="x", nbins=5)
            name_axis(ax.yaxis, symbol, unit.name)
    return finished(fig)


def plot_sweeps(result: SpectraResult, device: str, *, axes: AxesLike | None = None) -> Figure:
    """Differences of the lines between sweeps up and down of one device, against bias, or against what was held.

    KeyError for a device without such sweeps. On `axes`: five of your own, or four without a background.
    """
    own = [each for each in result.hysteresis if each.spectrum.device == device]
    if not own:
        raise KeyError(device)
    spectra = [each.spectrum for each in own]
    x, label = abscissa(spectra)
    first = spectra[0]
    largest = max(float(np.ptp(each.voltage)) for each in spectra)
    scale, volt = _prefix(largest)
    names = [("resonance", first.unit, first.shown), ("half width σ", first.unit, first.shown),
             ("symmetric s", volt, scale), ("antisymmetric a", volt, scale), ("background", volt, scale)]  # fmt: skip
    names = names[: own[0].errors.size]
    note = f"Sweeps {own[0].first} minus sweeps {own[0].second}, with statistical errors."
    with _figure(result, 1.75, note, axes, (1, len(names))) as fig:
        for k, (ax, (name, of, factor)) in enumerate(zip(fig.subplots(1, len(names)), names, strict=True)):
            values = factor * np.array([each.difference[k] for each in own])
            errors = factor * np.array([each.errors[k] for each in own])
            _points(ax, x, values, errors, np.zeros(x.size, dtype=bool), OKABE_ITO["blue"])
            ax.axhline(0, color="0.6", lw=0.5, zorder=0)
            ax.set(xlabel=label, title=f"Δ {name} ({of})")
            ax.ticklabel_format(axis="y", useOffset=False)
            ax.locator_params(axis="x", nbins=3)
            ax.locator_params(axis="y", nbins=5)
    return finished(fig)


def plot_kittel(result: SpectraResult, device: str, *, axes: AxesLike | None = None) -> Figure:
    """Resonance against field with Kittel's formula, and the distance from it; KeyError for too few fields.

    On `axes`: two of your own.
    """
    fit = result.kittel[device]
    parts = [f"μ0 Meff = {value_with_error(fit.Meff, fit.errors['Meff'])} T"]
    if "Bk" in fit.errors:
        parts.append(f"Bk = {value_with_error(1e3 * fit.Bk, 1e3 * fit.errors['Bk'])} mT")
    gamma = fit.gamma / (2e9 * np.pi)
    free = "gamma" in fit.errors
    shown = value_with_error(gamma, fit.errors["gamma"] / (2e9 * np.pi)) if free else f"{gamma:.4g}"
    parts.append(f"γ/2π = {shown} GHz/T")
    note = f"{', '.join(parts)}; errors from the scatter. χ²/dof over the errors of the lines: {fit.chi2_red:.3g}."
    with _figure(result, 2.2, note, axes, (1, 2)) as fig:
        left, right = fig.subplots(1, 2)
        fine = np.linspace(0.02, 1.08, 200) * float(fit.frequency.max())
        field = resonance_field(fine, fit.Meff, fit.Bk, fit.gamma)
        left.plot(1e3 * field[field >= 0], fine[field >= 0] / 1e9, color=OKABE_ITO["vermillion"], gid="kittel")
        left.plot(1e3 * fit.field, fit.frequency / 1e9, "o", ms=2.6, color=OKABE_ITO["blue"], gid="points")
        left.set(xlabel="|field| (mT)", ylabel="resonance (GHz)", title="Kittel's formula, in-plane")
        right.axhline(0, color="0.6", lw=0.5)
        right.errorbar(fit.frequency / 1e9, 1e3 * fit.residual, 1e3 * fit.sigma, fmt="o", ms=2.6, elinewidth=0.7,
                       color=OKABE_ITO["blue"], gid="residual")  # fmt: skip
        right.set(xlabel="frequency (GHz)", ylabel="difference (mT)", title="measured field − that of the formula")
    return finished(fig)
