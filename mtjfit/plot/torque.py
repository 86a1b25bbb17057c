"""Torque or torkance against bias: all devices together, then each with its band and its residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from mtjfit.data import COMPONENTS, Component, Quantity, TorqueCurve
from mtjfit.infer import FitResult, Posterior
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.panels import (
    Drawn,
    draw_band,
    draw_line,
    draw_points,
    draw_residuals,
    drawn_device,
    in_words,
    place,
    say_not_measured,
    symbol_of,
    y_label,
)
from mtjfit.plot.style import (
    DOUBLE,
    colours_of,
    decade,
    finished,
    footer,
    footer_height,
    literal,
    name_axis,
    panels_across,
    sheet,
    style,
)
from mtjfit.text import some

_ONE_A_ROW, _TWO_A_ROW = 6, 12  # devices up to which there is one, two a row; beyond them one map of residuals
_NAMED = 8  # devices that a legend can name
_MARKERS = "os^Dvp<>"
_CAPTION: dict[Quantity, str] = {"torque": "torque T", "torkance": "torkance dT/dV"}
_KEYS = 4  # entries in a row of the legend
# inches
_KEY = 1.55  # of an entry of the legend
_LEFT = 0.74  # of every panel, for ticks and label
_OVERVIEW, _TITLE, _MAIN, _GAP, _STRIP, _MAP_ROW = 2.15, 0.2, 0.78, 0.05, 0.27, 0.13


def plot_torque(
    fit: FitResult,
    posterior: Posterior | None = None,
    *,
    detail: bool = True,
    width: float = DOUBLE,
    axes: AxesLike | None = None,
) -> Figure:
    """Data, best fit and, with a posterior, the band of what it predicts, for both components.

    At the top all devices together, coloured by thickness. Below each device on its own with its residuals in units
    of σ; more than twelve devices share one map of residuals instead. Masked points are hollow. Units are those of the
    first curve of a quantity. ValueError if fit and posterior are of different devices.

    Without `detail` all devices together only, with their bands: a figure of one row for a first look. On `axes`, two
    of your own, the same: in-plane and out-of-plane. A study of torques and torkances needs two for each.

    Examples
    --------
    >>> import mtjfit
    >>> study = mtjfit.load_study(mtjfit.dataset("sankey2008").study_file)
    >>> figure = plot_torque(mtjfit.fit(study))
    """
    if posterior is not None and posterior.study.devices != fit.study.devices:
        raise ValueError("fit and posterior are of different devices")
    with style(axes):
        drawn = _drawn(fit, posterior)
        kinds: list[Quantity] = list(dict.fromkeys(one.curve.quantity for one in drawn))
        exponents = {kind: _exponent(drawn, kind) for kind in kinds}
        note = _note(drawn, posterior, residuals=detail)
        handles, labels = _key(drawn, posterior)
        if axes is not None:
            own = sheet(axes, (len(kinds), 2))
            for k, component in enumerate(COMPONENTS):
                for r, kind in enumerate(kinds):
                    ax = own.add_subplot(len(kinds), 2, 2 * r + k + 1)
                    _together(ax, drawn, kind, component, exponents[kind], banded=True)
            own.legend(handles, labels)
            if len(drawn) > _NAMED:
                _colour_bar(own, None, drawn)
            footer(own, fit.study, " ".join(labels))
            return finished(own)
        keys = panels_across(width, _KEYS, _KEY)
        top = 0.12 + 0.165 * -(-len(handles) // keys)
        together = len(drawn) > 1 or not detail
        overview = _OVERVIEW * len(kinds) * (1 if _beside(width) else 2) if together else 0.0
        below = _detail_height(len(drawn), width) if detail else 0.0
        height = top + overview + below + footer_height(width, fit.study, note)
        # Everything is placed in inches: a layout engine takes ten times as long for this many panels.
        fig = sheet(None, (1, 1), figsize=(width, height))
        fig.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(0.05 / width, 1 - 0.05 / height), borderaxespad=0.0,
            ncols=min(keys, len(handles)), columnspacing=1.4,
        )  # fmt: skip
        if together:
            _overview(fig, top, drawn, exponents, banded=not detail)
        if detail and len(drawn) > _TWO_A_ROW:
            _residual_map(fig, top + overview, drawn)
        elif detail:
            _multiples(fig, top + overview, drawn, exponents)
        footer(fig, fit.study, note)
    return fig


def _drawn(fit: FitResult, posterior: Posterior | None) -> list[Drawn]:
    curves = sorted(fit.study.curves, key=lambda curve: curve.thickness)
    colours = colours_of([curve.thickness for curve in curves])
    units: dict[Quantity, str] = {}
    for curve in fit.study.curves:
        units.setdefault(curve.quantity, curve.unit)
    shown = posterior if len(curves) <= _TWO_A_ROW else None
    return [
        drawn_device(fit, shown, curve, units[curve.quantity], colour, _MARKERS[k % len(_MARKERS)])
        for k, (curve, colour) in enumerate(zip(curves, colours, strict=True))
    ]


def _unit(drawn: Sequence[Drawn], quantity: Quantity) -> str:
    return next(one.unit for one in drawn if one.curve.quantity == quantity)


def _exponent(drawn: Sequence[Drawn], quantity: Quantity) -> int:
    """One power of ten for all devices, so that their numbers can be compared."""
    return decade([np.abs(y).max() for one in drawn if one.curve.quantity == quantity for y in one.points.values()])


def _beside(width: float) -> bool:
    """Whether both components of all devices together stand in one row."""
    return panels_across(width, 2, 2.4) == 2


def _detail_height(n: int, width: float) -> float:
    if n > _TWO_A_ROW:
        return 0.7 + _MAP_ROW * n
    main = _MAIN if n > 1 else 2 * _MAIN
    return -(-n // _across(n, width)) * (_TITLE + main + _GAP + _STRIP) + 0.42


def _across(n: int, width: float) -> int:
    return 1 if n <= _ONE_A_ROW else panels_across(width, 2, 2.4)


def _overview(
    fig: Figure, top: float, drawn: Sequence[Drawn], exponents: Mapping[Quantity, int], *, banded: bool
) -> None:
    barred, whole = len(drawn) > _NAMED, fig.get_figwidth()
    columns = 2 if _beside(whole) else 1
    width = (whole - (0.75 if barred else 0.08)) / columns - _LEFT
    for r, (kind, exponent) in enumerate(exponents.items()):
        for c, component in enumerate(COMPONENTS):
            row, column = divmod(2 * r + c, columns)
            left = _LEFT + column * (width + _LEFT)
            ax = place(fig, left, top + row * _OVERVIEW + 0.05, width, _OVERVIEW - 0.47)
            _together(ax, drawn, kind, component, exponent, banded=banded)
            y_label(ax, 0.55)
    if barred:
        _colour_bar(fig, place(fig, whole - 0.6, top + 0.05, 0.1, _OVERVIEW - 0.47), drawn)


def _together(
    ax: Axes, drawn: Sequence[Drawn], kind: Quantity, component: Component, exponent: int, *, banded: bool
) -> None:
    """All devices of a quantity in one panel."""
    shown = [one for one in drawn if one.curve.quantity == kind]
    for one in shown:
        if banded:
            draw_band(ax, one, component)
        draw_points(ax, one, component)
        draw_line(ax, one, component, colour=one.colour)
    say_not_measured(ax, shown, component)
    low, high = ax.get_ylim()
    if low < 0 < high:
        ax.axhline(0, color="0.8", lw=0.5, zorder=0)
    name_axis(ax.yaxis, in_words(kind, component), _unit(drawn, kind), exponent=exponent)
    ax.set_xlabel("bias $V$ (V)")


def _colour_bar(fig: Figure, ax: Axes | None, drawn: Sequence[Drawn]) -> None:
    steps = dict(sorted((one.curve.thickness, one.colour) for one in drawn))
    mappable = ScalarMappable(cmap=ListedColormap(list(steps.values())))
    mappable.set_clim(-0.5, len(steps) - 0.5)
    bar = fig.colorbar(mappable, cax=ax)
    every = -(-len(steps) // 12)
    bar.set_ticks(list(range(0, len(steps), every)), labels=[f"{d:.4g}" for d in list(steps)[::every]])
    bar.set_label("thickness $d$ (nm)")
    bar.outline.set_visible(False)


def _multiples(fig: Figure, top: float, drawn: Sequence[Drawn], exponents: Mapping[Quantity, int]) -> None:
    n = len(drawn)
    across = _across(n, fig.get_figwidth())
    width = (fig.get_figwidth() - 0.08) / (2 * across) - _LEFT
    main = _MAIN if n > 1 else 2 * _MAIN
    for k, one in enumerate(drawn):
        row, block = divmod(k, across)
        y = top + row * (_TITLE + main + _GAP + _STRIP) + _TITLE
        for c, component in enumerate(COMPONENTS):
            left = _LEFT + (2 * block + c) * (width + _LEFT)
            ax = place(fig, left, y, width, main)
            strip = place(fig, left, y + main + _GAP, width, _STRIP, sharex=ax)
            draw_band(ax, one, component)
            draw_points(ax, one, component)
            draw_line(ax, one, component, colour="black")
            draw_residuals(strip, one, component)
            say_not_measured(ax, [one], component)
            ax.xaxis.set_visible(False)
            ax.yaxis.set_major_locator(MaxNLocator(3))
            kind = one.curve.quantity
            name_axis(ax.yaxis, symbol_of(kind, component), one.unit, below=True, exponent=exponents[kind])
            y_label(ax, 0.55, 6.5)
            strip.set_ylabel(r"$\Delta/\sigma$")
            y_label(strip, 0.55, 6.5)
            if c == 0:
                ax.set_title(_title(one), loc="left", pad=2.5, fontsize=7)
            if k + across >= n:
                strip.set_xlabel("bias $V$ (V)")
            else:  # one axis of bias for a column: ticks take most of the time of a figure
                strip.xaxis.set_visible(False)


def _title(one: Drawn) -> str:
    return f"{_short(one.curve.name)}, $d$ = {one.curve.thickness:g} nm"


def _short(device: str, length: int = 28) -> str:
    return literal(device if len(device) <= length else device[: length - 1] + "…")


def _residual_map(fig: Figure, top: float, drawn: Sequence[Drawn]) -> None:
    norm = TwoSlopeNorm(0.0, -4.0, 4.0)
    left, height = 1.15, _MAP_ROW * len(drawn)
    width = (fig.get_figwidth() - left - 0.75 - 0.1) / 2
    for c, component in enumerate(COMPONENTS):
        ax = place(fig, left + c * (width + 0.1), top + 0.25, width, height)
        for j, one in enumerate(drawn):
            used = one.curve.used_values[c]
            ax.scatter(
                one.curve.bias[used], np.full(used.sum(), j), c=one.residuals[component][used], cmap="RdBu_r",
                norm=norm, marker="s", s=9, lw=0.15, edgecolors="0.4", rasterized=used.sum() > 100, gid="residuals",
            )  # fmt: skip
        ax.set_xlabel("bias $V$ (V)")
        ax.set_title(("in-plane", "out-of-plane")[c])
        _device_ticks(ax, drawn, labelled=c == 0)
    bar = fig.colorbar(
        ScalarMappable(norm, "RdBu_r"), cax=place(fig, fig.get_figwidth() - 0.6, top + 0.25, 0.1, height), extend="both"
    )
    bar.set_label(r"(data − best fit)/$\sigma$")


def _device_ticks(ax: Axes, drawn: Sequence[Drawn], *, labelled: bool) -> None:
    names = [f"{_short(one.curve.name, 14)} ({one.curve.thickness:g} nm)" for one in drawn]
    ax.set_yticks(range(len(drawn)), labels=names if labelled else [])
    ax.tick_params(axis="y", labelsize=5.5)
    ax.set_ylim(len(drawn) - 0.4, -0.6)


def _key(drawn: Sequence[Drawn], posterior: Posterior | None) -> tuple[list[Line2D | Patch], list[str]]:
    """Handles and labels of the legend."""
    handles: list[Line2D | Patch] = []
    labels: list[str] = []
    if 1 < len(drawn) <= _NAMED:
        for one in drawn:
            handles.append(Line2D([], [], color=one.colour, marker=one.marker, ms=3.5))
            labels.append(f"{one.curve.thickness:g} nm ({_short(one.curve.name, 16)})")
    handles.append(Line2D([], [], color="black", lw=1.0))
    labels.append("best fit")
    if any(np.any(one.curve.measured & ~one.curve.used_values) for one in drawn):
        handles.append(Line2D([], [], color="0.3", marker="o", mfc="white", ls="none", ms=3.5, mew=0.6))
        labels.append("masked, not fitted")
    if posterior is not None and drawn[0].band:
        handles.append(Patch(color="0.45", alpha=0.3, lw=0))
        kind = "predictive band" if posterior.verdict.converged else "band, NOT CONVERGED"
        labels.append(f"{posterior.band} {kind}")
    return handles, labels


def _note(drawn: Sequence[Drawn], posterior: Posterior | None, *, residuals: bool) -> str:
    band = ""
    if posterior is not None and drawn[0].band:
        band = f"; band: {posterior.band} of points that the posterior would predict, noise included"
    bars = literal(_error_bars([one.curve for one in drawn], "noise scale fitted from the scatter"))
    axes = r"$\parallel$ along M × (P × M), $\perp$ along M × P"
    away = "; Δ/σ: (data − best fit)/standard error" if residuals else ""
    return f"{axes}; error bars: {bars}{away}{band}."


def _error_bars(curves: Sequence[TorqueCurve], scatter: str) -> str:
    """What error bars show, in the words for fitted ones where all are fitted."""
    fitted = [curve.name for curve in curves if curve.sigma_is_fitted]
    if not fitted:
        return "1 σ"
    return scatter if len(fitted) == len(curves) else f"1 σ ({some(fitted)}: {scatter})"


def torque_caption(fit: FitResult, posterior: Posterior | None = None, *, detail: bool = True) -> str:
    """What `plot_torque` shows, as a caption for a paper."""
    curves = fit.study.curves
    what = " and ".join(_CAPTION[quantity] for quantity in dict.fromkeys(curve.quantity for curve in curves))
    masked = any(np.any(curve.measured & ~curve.used_values) for curve in curves)
    bars = _error_bars(curves, "from the scatter of the points")
    said = [
        f"In-plane (∥) and out-of-plane (⊥) {what} against bias V of {fit.study.counted}; "
        f"n = {fit.study.n_values} values. Points: data, error bars {bars}. "
        f"Lines: best fit of {fit.study.model.law}, {fit.chi2_says}.",
        "Hollow points were masked and not fitted." if masked else "",
    ]
    if posterior is not None and len(curves) <= _TWO_A_ROW:
        said.append(f"Bands: where the posterior predicts {posterior.band} of points, noise included.")
    if detail:
        said.append(f"{'Panels' if len(curves) > _TWO_A_ROW else 'Strips'} of Δ/σ: (data − best fit)/standard error.")
    return " ".join(each for each in said if each)
