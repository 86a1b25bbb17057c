"""Intervals of lengths and amplitudes: fits of splits alone, and posteriors of their stacks."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
    symbol,
)
from mtjfit.study import Study
from mtjfit.wafer.stack.beside import POSTERIOR, FitsBesidePosterior

MOST_ROWS = 24
"""Fits and posteriors on one figure."""
_ACROSS = 3
_LONGEST = 22  # letters of a name
_WIDE = 10.0  # an interval so many times wider than the usual one must not flatten the others
_NOTE = "Best fit or median with its 90 % interval. Hollow: with the priors of others. Arrows: 95 % limits."


def plot_beside(compared: FitsBesidePosterior, *, axes: AxesLike | None = None) -> Figure:
    """Every length and amplitude: the fit of each split alone (blue), and the posterior (red, square).

    Medians with 90 % intervals; an arrow is a 95 % limit, a hollow mark a number that the priors of others help to
    determine. The first 24 fits and posteriors are drawn; a note gives the number of the others.

    Parameters
    ----------
    axes : Axes or array of Axes, optional
        Your own, one for each parameter.

    Raises
    ------
    ValueError
        There is nothing to draw, or the number of `axes` is wrong.
    """
    table = compared.table
    if table.empty:
        raise ValueError("there is neither a fit nor a posterior to draw")
    names = list(dict.fromkeys(table["parameter"]))
    labels = list(dict.fromkeys(zip(table["split"], table["source"], strict=True)))
    more, labels = max(0, len(labels) - MOST_ROWS), labels[:MOST_ROWS]
    note, study = _NOTE + (f" {more} more are not drawn." if more else ""), cast(Study, compared)
    across = min(_ACROSS, len(names))
    down = -(-len(names) // across)
    with style(axes):
        height = down * (0.2 * len(labels) + 0.62) + footer_height(DOUBLE, study, note)
        fig = sheet(axes, first_panels(len(names), across), figsize=(DOUBLE, height), layout="constrained")
        panels = fig.subplots(down, across, squeeze=False, sharey=True).ravel()
        for k, (ax, name) in enumerate(zip(panels, names, strict=False)):
            mine = table[table["parameter"] == name]
            _panel(ax, mine, labels)
            ax.set_yticks(range(len(labels)), [_label(*label) for label in labels])
            ax.tick_params(axis="y", length=0, labelleft=k % across == 0)
            name_axis(ax.xaxis, symbol(name), str(mine["unit"].iloc[0]))
        for ax in panels[len(names) :]:
            ax.set_axis_off()
        footer(fig, study, note)
    return finished(fig)


def _label(split: str, source: str) -> str:
    shown = split if len(split) <= _LONGEST else f"{split[: _LONGEST - 1]}…"
    return f"{literal(shown)}, {source}" if shown else source


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Range of an axis: all intervals, but for those that are far wider than usual."""
    known = rows.dropna(subset=["q05", "q95"])
    if known.empty:
        return -1.0, 1.0
    width = (known["q95"] - known["q05"]).to_numpy(dtype=float)
    usual = known[width <= _WIDE * float(np.median(width))]
    low = min(float(usual["q05"].min()), float(known["q50"].min()))
    high = max(float(usual["q95"].max()), float(known["q50"].max()))
    room = 0.08 * (high - low) or 0.1 * (abs(high) or 1.0)
    return low - room, high + room


def _panel(ax: Axes, rows: pd.DataFrame, labels: list[tuple[str, str]]) -> None:
    ends = _limits(rows)
    ax.set(xlim=ends, ylim=(len(labels) - 0.5, -0.5))
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    by_label = {(row["split"], row["source"]): row for row in rows.to_dict("records")}
    for y, label in enumerate(labels):
        if label in by_label:
            row = by_label[label]
            low, middle, high = (float(row[each]) for each in ("q05", "q50", "q95"))
            _interval(ax, y, (low, middle, high), str(row["determined"]), label[1] == POSTERIOR)
    if not np.isfinite(rows["q50"].to_numpy(dtype=float)).any():
        ax.set_xticks([])


def _interval(ax: Axes, y: int, numbers: tuple[float, float, float], determined: str, posterior: bool) -> None:
    (low, middle, high), ends = numbers, ax.get_xlim()
    colour, marker = (OKABE_ITO["vermillion"], "s") if posterior else (OKABE_ITO["blue"], "o")
    limit = {"lower limit": (low, ends[1], ">"), "upper limit": (high, ends[0], "<")}.get(determined)
    if limit is not None:
        start, end, arrow = limit
        ax.plot([start, end], [y, y], color=colour, lw=1.1, gid="limit", solid_capstyle="butt")
        ax.plot([start], [y], "|", color=colour, ms=5, mew=1.1, gid="limit")
        ax.plot([end], [y], arrow, color=colour, ms=3.5, clip_on=False, gid="limit")
    elif determined == "no" or not np.isfinite(middle):
        ax.text(0.5, y, "not determined", transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=6,
                color="0.35", gid="none")  # fmt: skip
    else:
        ax.plot([low, high], [y, y], color=colour, lw=1.1, gid="interval", solid_capstyle="butt")
        ax.plot([middle], [y], marker, color=colour, mfc=colour if determined == "yes" else "white", ms=3.6, mew=0.9,
                gid="median")  # fmt: skip
        for beyond, x, arrow in ((low < ends[0], ends[0], "<"), (high > ends[1], ends[1], ">")):
            if beyond:
                ax.plot([x], [y], arrow, color=colour, ms=3.5, clip_on=False, gid="beyond")
