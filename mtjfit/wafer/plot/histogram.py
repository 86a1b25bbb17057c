"""Histograms of a quantity by population with common bins, medians and true spreads; curves of single devices."""

from __future__ import annotations

from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mtjfit.arrays import FloatArray
from mtjfit.plot.own_axes import AxesLike, OwnAxes
from mtjfit.plot.style import OKABE_ITO, finished, footer, literal, name_axis, sheet, style
from mtjfit.study import Study
from mtjfit.wafer.plot.map import noted_figure, quantity_label
from mtjfit.wafer.survey.curves import DeviceCurve
from mtjfit.wafer.survey.limits import WaferFindings
from mtjfit.wafer.survey.spread import Spread, spread_of
from mtjfit.wafer.survey.survey import Survey

MOST_SPLITS = 12
"""Splits on one figure."""
_BINS = (8, 80)
_ROW = 0.95
_FAR = 5.0  # in units of the widest spread: farther devices would flatten the others

_WIDTH, _HEIGHT = 2.2, 1.45
_FINE = 120


def plot_device_curve(curve: DeviceCurve, survey: Survey, *, axes: AxesLike | None = None) -> Figure:
    """Both components of one device of a survey against bias; hollow points were not used.

    On `axes`: one of your own.
    """
    fine = np.linspace(float(curve.bias.min()), float(curve.bias.max()), _FINE) if curve.bias.size else np.empty(0)
    lines = curve.polynomial(fine)
    with style(axes):
        fig = sheet(axes, (1, 1), figsize=(_WIDTH, _HEIGHT), layout="constrained")
        ax = fig.subplots()
        ax.axhline(0, color="0.8", lw=0.5, zorder=0)
        for k, (name, colour, mark) in enumerate((("∥", "blue", "o"), ("⊥", "vermillion", "s"))):
            look = {"color": OKABE_ITO[colour], "ls": "none", "marker": mark, "ms": 2.0, "mew": 0.5}
            if curve.errors is not None:
                ax.errorbar(curve.bias, curve.values[k], curve.errors[k], fmt="none", ecolor=OKABE_ITO[colour],
                            elinewidth=0.5, alpha=0.6)  # fmt: skip
            ax.plot(curve.bias[curve.used], curve.values[k][curve.used], **look, label=name, gid=f"points-{k}")  # type: ignore[arg-type]
            ax.plot(curve.bias[~curve.used], curve.values[k][~curve.used], **look, mfc="none", gid=f"unused-{k}")  # type: ignore[arg-type]
            ax.plot(fine, lines[k], color=OKABE_ITO[colour], lw=0.8, gid=f"polynomial-{k}")
        ax.set_xlabel("bias (V)", fontsize=6)
        name_axis(ax.yaxis, curve.quantity, curve.unit, size=6)
        ax.tick_params(labelsize=5.5)
        ax.locator_params(nbins=4)
        ax.legend(loc="best", fontsize=6, ncols=2, columnspacing=0.8, handletextpad=0.2, borderpad=0.1)
        if isinstance(fig, OwnAxes):
            footer(fig, cast(Study, survey))
        elif survey.label:  # the figure has no room for the sentence
            kinds = " / ".join(dict.fromkeys(each.kind.upper() for each in survey.origins if each.label))
            text = fig.text(0.5, 0.55, kinds, ha="center", va="center", rotation=25, fontsize=14, weight="bold")
            text.set(color=OKABE_ITO["vermillion"], alpha=0.13, in_layout=False, gid="watermark")
    return finished(fig)


def shared_bins(values: FloatArray, centre: FloatArray, width: FloatArray) -> FloatArray:
    """Edges of common bins for several groups: Freedman and Diaconis's width for the narrowest, without far values.

    `values` are those of all groups, `centre` and `width` the robust centre and standard deviation of each.

    Examples
    --------
    >>> edges = shared_bins(np.linspace(-1, 1, 1000), np.array([0.0]), np.array([0.5]))
    >>> edges[[0, -1]].tolist(), len(edges)
    ([-1.0, 1.0], 16)
    """
    widest = float(width.max())
    low = max(float(values.min()), float(np.min(centre)) - _FAR * widest)
    high = min(float(values.max()), float(np.max(centre)) + _FAR * widest)
    if not high > low:
        half = 0.5 * (abs(low) or 1.0)
        return np.array([low - half, low + half])
    narrow = float(width[width > 0].min()) if np.any(width > 0) else high - low
    step = 2 * 1.35 * narrow / np.cbrt(values.size / width.size)
    return np.linspace(low, high, int(np.clip(np.ceil((high - low) / step), *_BINS)) + 1)


def plot_splits(
    survey: Survey, quantity: str, found: WaferFindings | None = None, *, axes: AxesLike | None = None
) -> Figure:
    """A histogram for each population, with common bins.

    Blue: devices without a flag; hatched on top: flagged ones. Line: the median; bars: ± one standard deviation of
    measured values, and in black of true values. Devices beyond the axis are counted at its ends.

    Parameters
    ----------
    found : WaferFindings, optional
        Of this quantity, if they are known.
    axes : Axes or array of Axes, optional
        Your own, one for each population.

    Raises
    ------
    DataError
        There is no such quantity.
    ValueError
        No unflagged device determines it, or the number of `axes` is wrong.
    """
    values, known, usable = survey.values(quantity), survey.known(quantity), survey.usable(quantity)
    of = survey.frame["population"].to_numpy()
    there = set(of[usable])
    names = [name for name in survey.populations if name in there]
    if not names:
        raise ValueError(f"no device without a flag determines {quantity}")
    shown = names[:MOST_SPLITS]
    seen = {name: spread_of(values[m], np.zeros(m.sum())) for name in shown for m in [usable & (of == name)]}
    centre, width = np.array([(each.centre, each.spread) for each in seen.values()]).T
    edges = shared_bins(values[known & np.isin(of, shown)], centre, width)
    limits = (found or WaferFindings(survey, quantity)).limits
    spread, says = limits["spread"].where(limits["determined"].astype(bool), 0.0).to_dict(), limits["says"].to_dict()
    note = (
        "Grey bar: robust standard deviation of measured values. Black bar: that of true values between devices of one "
        "wafer, without errors of measurement; none where it is not determined."
    )
    if len(names) > len(shown):
        note += f" {len(names) - len(shown)} more are not drawn."
    with noted_figure(survey, _ROW * len(shown) + 0.65, note, axes, (len(shown), 1)) as fig:
        panels = fig.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
        for ax, name in zip(panels, shown, strict=True):
            mine = of == name
            plain, marked = values[mine & usable], values[mine & known & survey.flagged]
            _histogram(ax, edges, plain, marked)
            _middle(ax, float(np.median(plain)), seen[name], spread[name])
            unknown, title = int(np.sum(mine & ~known)), name if len(names) > 1 else ""
            _words(ax, title, plain.size, marked.size, unknown, says[name])
        panels[-1].set_xlim(edges[0] - 0.03 * np.ptp(edges), edges[-1] + 0.03 * np.ptp(edges))
        name_axis(panels[-1].xaxis, quantity_label(quantity), survey.unit(quantity))
        fig.supylabel("devices", fontsize=7.5)
        fig.legend(handles=_handles(), loc="outside upper center", ncols=5, fontsize=6.5, columnspacing=1.2)
    return finished(fig)


def _histogram(ax: Axes, edges: FloatArray, values: FloatArray, flagged: FloatArray) -> None:
    counts, marked = (np.histogram(each, edges)[0] for each in (values, flagged))
    ax.stairs(counts, edges, fill=True, color=OKABE_ITO["sky"], gid="devices")
    there = marked > 0
    ax.bar(edges[:-1][there], marked[there], np.diff(edges)[there], counts[there], align="edge", fc="white", ec="0.3",
           lw=0.5, hatch="////", gid="flagged")  # fmt: skip
    top = float((counts + marked).max())
    ax.set_ylim(0, 1.3 * top or 1)
    both = np.concatenate([values, flagged])
    for n, x, side in ((np.sum(both < edges[0]), 0.0, "left"), (np.sum(both > edges[-1]), 1.0, "right")):
        if n:
            arrow = f"← {n}" if side == "left" else f"{n} →"
            ax.text(x, 0.06, arrow, transform=ax.transAxes, ha=side, va="bottom", fontsize=6,
                    color=OKABE_ITO["vermillion"], weight="bold", gid=f"far-{side}")  # fmt: skip


def _middle(ax: Axes, median: float, seen: Spread, spread: float) -> None:
    ax.axvline(median, ymax=1 / 1.3, color=OKABE_ITO["black"], lw=1.0, gid="median")
    y = 1.12 * ax.get_ylim()[1] / 1.3
    for sd, colour, width, gid in ((seen.spread, "0.65", 3.5, "seen"), (spread, "black", 1.4, "spread")):
        if sd or gid == "seen":
            ax.plot([seen.centre - sd, seen.centre + sd], [y, y], color=colour, lw=width, solid_capstyle="butt",
                    gid=gid)  # fmt: skip


def _words(ax: Axes, name: str, n: int, flagged: int, unknown: int, says: str) -> None:
    counts = [f"{n} devices"]
    counts += [f"{m} {what}" for m, what in ((flagged, "flagged"), (unknown, "not determined")) if m]
    short = says if says[0].isdigit() else "not determined"
    said = f"{', '.join(counts)}; spread of true values {short}"
    ax.set_title(literal(f"{name}: {said}" if name else said), loc="left", fontsize=6.5, pad=2, gid="words")


def _handles() -> list[Line2D | Patch]:
    return [
        Patch(fc=OKABE_ITO["sky"], label="devices without a flag"),
        Patch(fc="white", ec="0.3", hatch="////", lw=0.5, label="flagged devices, on top"),
        Line2D([], [], color="black", lw=1.0, marker="|", ls="none", ms=7, label="median"),
        Line2D([], [], color="0.65", lw=3.5, label="± sd of measured values"),
        Line2D([], [], color="black", lw=1.4, label="± sd of true values"),
    ]
