"""Control chart: devices of each wafer with limits from the true spread, and the spread of each wafer."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from mtjfit.arrays import FloatArray
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import OKABE_ITO, finished, literal, name_axis
from mtjfit.wafer.plot.map import noted_figure, quantity_label, wafer_title
from mtjfit.wafer.survey.limits import REACH, WaferFindings, few_digits
from mtjfit.wafer.survey.survey import Survey

MOST_ON_CHART = 200
"""Wafers on one chart, the last ones."""
_LABELLED = 24
_Means: TypeAlias = dict[tuple[str, str], dict[str, Any]]  # rows of the table of wafers by population and wafer
_OF_SPREADS = 3  # entries of the legend for the lower panel, the last ones
_CUT = ("95", "68", "beyond", "flagged", "interval", "undetermined")
_POINTS = 1200  # single devices that are drawn in all, those farthest off


def plot_control(
    survey: Survey, quantity: str, found: WaferFindings | None = None, *, axes: AxesLike | None = None
) -> Figure:
    """Devices of each wafer against the control limits of their population; below, the spread of true values by wafer.

    Thick and thin bars hold 68 % and 95 % of the measured values, a dot is the robust mean with its error, a cross a
    device beyond the limits, a hollow diamond a flagged device; of many, the farthest are drawn. The limits are the
    robust mean of a population ± 3 standard deviations of the true values between devices of one wafer, without errors
    of measurement. A triangle is the upper end of a spread that is not determined.

    Parameters
    ----------
    found : WaferFindings, optional
        Of this quantity, if they are known.
    axes : Axes or array of Axes, optional
        Two of your own, one above the other; each has its part of the legend above its data.

    Raises
    ------
    DataError
        There is no such quantity.
    ValueError
        No unflagged device determines it, or the number of `axes` is wrong.
    """
    found = found or WaferFindings(survey, quantity)
    limits = found.limits
    if limits.empty:
        raise ValueError(f"no device without a flag determines {quantity}")
    means = cast(_Means, found.means.table.set_index(["population", "wafer"]).to_dict("index"))
    place = {name: k for k, name in enumerate(survey.populations)}
    every = dict.fromkeys(zip(survey.frame["population"], survey.frame["wafer"], strict=True))
    shown = sorted(every, key=lambda pair: place[pair[0]])[-MOST_ON_CHART:]  # by population, then as they appear
    with noted_figure(survey, 3.7, _note(limits, len(every) - len(shown)), axes, (2, 1)) as fig:
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[2.4, 1.0])
        _devices(top, survey, quantity, shown, limits, means)
        _populations(top, shown, limits)
        _spreads(bottom, shown, means)
        name_axis(top.yaxis, quantity_label(quantity), survey.unit(quantity))
        name_axis(bottom.yaxis, "spread", survey.unit(quantity))
        _ticks(bottom, shown)
        handles = _handles(limits)
        if axes is None:
            fig.legend(handles=handles, loc="outside upper center", ncols=(len(handles) + 1) // 2, fontsize=6.5,
                       columnspacing=0.9)  # fmt: skip
    whole = finished(fig)
    if axes is not None:
        for ax, own in ((top, handles[:-_OF_SPREADS]), (bottom, handles[-_OF_SPREADS:])):
            _legend_above_data(ax, own)
    return whole


def _note(limits: pd.DataFrame, more: int) -> str:
    said = [f"Limits: robust mean ± {REACH:g} standard deviations of the true values between devices of one wafer, "
            "without errors of measurement and flagged devices."]  # fmt: skip
    for name, row in limits.head(4).iterrows():
        whose = f"{name}: " if len(limits) > 1 else ""
        if row["determined"]:
            said.append(f"{whose}{row['beyond']:.0f} of {row['n']} measured values beyond them; errors and normal "
                        f"scatter put {few_digits(row['expected'])} there.")  # fmt: skip
        else:
            said.append(f"{whose}no limits, the spread is {row['says']}.")
    if more:
        said.append(f"{more} earlier wafers are not drawn.")
    return literal(" ".join(said))


def _devices(
    ax: Axes, survey: Survey, quantity: str, shown: list[tuple[str, str]], limits: pd.DataFrame, means: _Means
) -> None:
    values, usable, flagged = survey.values(quantity), survey.usable(quantity), survey.flagged
    key = pd.MultiIndex.from_frame(survey.frame[["population", "wafer"]])
    column = pd.Series(np.arange(len(shown)), index=pd.MultiIndex.from_tuples(shown)).reindex(key).to_numpy(dtype=float)
    most = max(_POINTS // (2 * len(shown)), 3)
    bars: list[tuple[float, ...]] = []
    points: dict[str, list[tuple[int, float]]] = {"beyond": [], "flagged": []}
    for k, pair in enumerate(shown):
        mine = values[(column == k) & usable]
        if not mine.size:
            continue
        row, mean = limits.loc[pair[0]], means[pair]
        bars.append((k, *np.quantile(mine, [0.025, 0.16, 0.84, 0.975]), mean["mean"], mean["sd_devices"]))
        beyond = mine[(mine < row["low"]) | (mine > row["high"])]
        marked = values[(column == k) & flagged & np.isfinite(values)]
        for gid, those in (("beyond", beyond), ("flagged", marked)):
            farthest = those[np.argsort(-np.abs(those - row["centre"]))][:most]
            points[gid] += [(k, each) for each in farthest]
    at, low, left, right, high, mean, sd = np.array(bars).T
    thick, blue = float(np.clip(120 / len(shown), 1.0, 4.0)), OKABE_ITO["blue"]
    ax.plot(*_upright(at, low, high), color=blue, lw=0.8, gid="95")
    ax.plot(*_upright(at, left, right), color=blue, lw=thick, solid_capstyle="butt", gid="68")
    ax.errorbar(at, mean, sd, fmt="o", ms=min(3.0, thick), mfc="white", mew=0.7, zorder=4, color=blue, gid="mean",
                ecolor=OKABE_ITO["black"], elinewidth=0.7)  # fmt: skip
    look: dict[str, dict[str, Any]] = {
        "beyond": {"marker": "x", "ms": 3.0, "color": OKABE_ITO["vermillion"]},
        "flagged": {"marker": "D", "ms": 2.4, "mfc": "none", "mec": "0.35"},
    }
    for gid, drawn in points.items():
        x, y = np.array(drawn).reshape(-1, 2).T
        aside = min(0.2, 0.02 * len(shown)) if gid == "flagged" else 0.0
        ax.plot(x + aside, y, ls="none", mew=0.7, gid=gid, **look[gid])
    everything = values[np.isfinite(column) & survey.known(quantity)]
    ax.set_ylim(*_range(everything, limits))
    outside = int(np.sum((everything < ax.get_ylim()[0]) | (everything > ax.get_ylim()[1])))
    if outside:
        ax.text(0.995, 0.985, f"{outside} beyond the axis", transform=ax.transAxes, ha="right", va="top", fontsize=6,
                color=OKABE_ITO["vermillion"], gid="outside")  # fmt: skip


def _upright(x: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One broken line for all upright pieces, which is a single element of a file."""
    gap = np.full_like(x, np.nan)
    return np.stack([x, x, gap], axis=1).ravel(), np.stack([low, high, gap], axis=1).ravel()


def _range(values: FloatArray, limits: pd.DataFrame) -> tuple[float, float]:
    """Range of all values, without those so far off that they would flatten the others."""
    reach = (limits[["spread", "error"]].fillna(0.0).max(axis=1) * 8).to_numpy()
    centre = limits["centre"].to_numpy()
    low = max(float(values.min()), float(np.min(centre - reach)))
    high = min(float(values.max()), float(np.max(centre + reach)))
    ends = limits[["low", "high"]].to_numpy(dtype=float)
    if np.isfinite(ends).any():
        low, high = min(low, float(np.nanmin(ends))), max(high, float(np.nanmax(ends)))
    pad = 0.06 * ((high - low) or abs(high) or 1.0)
    return low - pad, high + pad


def _populations(ax: Axes, shown: list[tuple[str, str]], limits: pd.DataFrame) -> None:
    """Centre and limits of each population over its columns, and its name if there are several."""
    names = [name for name, _ in shown]
    for name in dict.fromkeys(names):
        first, n = names.index(name), names.count(name)
        if name in limits.index:
            row, x = limits.loc[name], [first - 0.45, first + n - 0.55]
            ax.plot(x, [row["centre"]] * 2, color="0.25", lw=0.8, zorder=1, gid="centre")
            for end in ("low", "high") if row["determined"] else ():
                ax.plot(x, [row[end]] * 2, color="0.25", lw=0.9, ls=(0, (5, 2)), zorder=1, gid=f"limit-{end}")
        if n < len(names):
            ax.text(first + (n - 1) / 2, 1.0, literal(name or "no split"), transform=ax.get_xaxis_transform(),
                    ha="center", va="bottom", fontsize=6.5, color="0.25")  # fmt: skip
        if first:
            ax.axvline(first - 0.5, color="0.8", lw=0.6, zorder=0)


def _spreads(ax: Axes, shown: list[tuple[str, str]], means: _Means) -> None:
    names = ("spread_low", "spread", "spread_high", "error", "determined")
    rows = [(k, *(means[pair][name] for name in names)) for k, pair in enumerate(shown) if pair in means]
    at, low, middle, high, error, determined = np.array(rows, dtype=float).T
    yes, blue = determined > 0, OKABE_ITO["blue"]
    no = ~yes & np.isfinite(high)
    ax.plot(*_upright(at[yes], low[yes], high[yes]), color=blue, lw=0.8, gid="interval")
    ax.plot(*_upright(at[no], np.zeros(no.sum()), high[no]), color="0.6", lw=0.8, gid="interval")
    ax.plot(at[yes], middle[yes], "o", ms=3, color=blue, gid="spread")
    ax.plot(at[no], high[no], "v", ms=3.4, mfc="none", mec="0.35", gid="undetermined")
    flat = np.stack([at - 0.3, at + 0.3, np.full_like(at, np.nan)], axis=1).ravel()
    ax.plot(flat, np.repeat(error, 3), color=OKABE_ITO["orange"], lw=1.2, gid="error")
    ax.set_ylim(0, 1.12 * float(max(middle.max(), error.max(), high[yes].max(initial=0.0))) or 1.0)


def _legend_above_data(ax: Axes, handles: list[Line2D | Patch]) -> None:
    """A legend in a panel, whose axis is made so much longer at its upper end that it covers nothing."""
    low, high = ax.get_ylim()
    whole = ax.figure.figure
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    for columns, share in ((2, 1.0), (1, 1.0), (1, 0.8), (1, 0.6)):
        legend = ax.legend(handles=handles, loc="upper center", ncols=columns, fontsize=share * size,
                           columnspacing=0.9, borderaxespad=0.2)  # fmt: skip
        legend.set_in_layout(False)  # else one that is too wide takes the room of the panels
        whole.draw_without_rendering()  # sizes are known only then
        panel, taken = ax.get_window_extent(), legend.get_window_extent()
        if taken.width <= panel.width:
            break
    left = float(np.clip((taken.y0 - panel.y0) / panel.height - 0.03, 0.1, 1.0))
    ax.set_ylim(low, low + (high - low) / left)
    for each in ax.get_children():
        if each.get_gid() in _CUT:  # else points that are counted as beyond the axis come to lie below the legend
            each.set_clip_path(Rectangle((0, 0), 1, left, transform=ax.transAxes))
        elif each.get_gid() == "outside":
            cast(Text, each).set_y(left - 0.015)


def _ticks(ax: Axes, shown: list[tuple[str, str]]) -> None:
    step = -(-len(shown) // _LABELLED)
    at = np.arange(0, len(shown), step)
    names = [wafer_title(shown[k][1]) for k in at]
    turned = sum(len(name) for name in names) > 90
    ax.set_xticks(at, names, rotation=60 if turned else 0, ha="right" if turned else "center",
                  rotation_mode="anchor" if turned else "default")  # fmt: skip
    ax.set_xlim(-0.7, len(shown) - 0.3)
    ax.set_xlabel("wafer")


def _handles(limits: pd.DataFrame) -> list[Line2D | Patch]:
    blue, red = OKABE_ITO["blue"], OKABE_ITO["vermillion"]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=blue, lw=3, label="68 % (thick) and 95 % of devices"),
        Line2D([], [], ls="none", marker="o", ms=3, mfc="white", color=blue, label="robust mean of the wafer"),
        Line2D([], [], color="0.25", lw=0.9, ls=(0, (5, 2)), label="control limits"),
        Line2D([], [], ls="none", marker="x", ms=3, color=red, label="device beyond the limits"),
        Line2D([], [], ls="none", marker="D", ms=2.4, mfc="none", mec="0.35", label="flagged device"),
        Line2D([], [], ls="-", marker="o", ms=3, lw=0.8, color=blue, label="spread of true values, 95 %"),
        Line2D([], [], ls="none", marker="v", ms=3.4, mfc="none", mec="0.35", label="not determined: upper end"),
        Line2D([], [], color=OKABE_ITO["orange"], lw=1.2, label="median error of measurement"),
    ]
    return handles if limits["determined"].any() else [each for k, each in enumerate(handles) if k not in (2, 3)]
