"""Forest plots: what each device determines, one panel for each quantity, devices sorted by thickness."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mtjfit.comparison.devices.comparison import DeviceComparison
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    colours_of,
    finished,
    first_panels,
    footer,
    footer_height,
    literal,
    name_axis,
    panels_across,
    sheet,
    style,
)

_ACROSS = 3
_LONG_NAME, _LONG_UNIT = 20, 5  # characters: a longer unit behind a longer name has its own line
_LONGEST = 16  # characters of a device name
_GROUPS = ("blue", "orange", "green", "purple", "sky", "black")
_MARKERS = "osD^vP"
_WIDE = 10.0  # an interval so many times wider than the usual one must not flatten the others
_LABELS = {
    "slope_ratio": r"slope ratio of $T_\perp$ and $T_\parallel$",
    "|kappa|·a1": r"$|\kappa|\,a_1$",
    "|kappa·(a1 + i b1)|": r"$|\kappa\,(a_1 + \mathrm{i}\,b_1)|$",
    "b2/a1": "$b_2/a_1$",
    "Im c2/c1": r"Im $c_2/c_1$",
    "extremum of T_perp": r"bias of the extremum of $T_\perp$",
}


def _label(name: str, per_volume: bool) -> str:
    shown = _LABELS.get(name, name.replace("T_perp", r"$T_\perp$").replace("T_par", r"$T_\parallel$"))
    return shown + ("$/d$" if per_volume and name.startswith("|kappa") else "")


def plot_forest(
    compared: DeviceComparison,
    against: DeviceComparison | None = None,
    *,
    width: float = DOUBLE,
    axes: AxesLike | None = None,
) -> Figure:
    """Every determined quantity of every device: median, 68 % (thick) and 95 % (thin) interval.

    Thin layers are at the top. Colours and markers distinguish the groups, or the thicknesses of one group.
    A hollow marker was extrapolated in bias; the name of an odd device is red, with a ×. Where only some draws have the
    quantity their share is given beside it.

    Parameters
    ----------
    against : DeviceComparison, optional
        The same devices from the other source, drawn in grey below each.
    axes : Axes or array of Axes, optional
        Your own, one for each quantity.

    Raises
    ------
    ValueError
        `against` is of other devices or of the same source; the number of `axes` is wrong.
    """
    if against is not None and (against.source == compared.source or against.study.devices != compared.study.devices):
        raise ValueError("against must hold the same devices from the other source: of a fit, or of a posterior")
    study = compared.study
    n = len(study.curves)
    order = np.argsort(study.thicknesses, kind="stable")
    across = panels_across(width, min(_ACROSS, len(compared.quantities)), 2.2)
    rows = -(-len(compared.quantities) // across)
    note = _note(compared)
    step = float(np.clip(2.4 / n, 0.088, 0.24))
    with style(axes):
        legend = _legend_handles(compared, against)
        height = rows * (step * n + 0.58) + 0.2 * bool(legend) + footer_height(width, study, note)
        there = first_panels(len(compared.quantities), across)
        fig = sheet(axes, there, figsize=(width, height), layout="constrained")
        panels = fig.subplots(rows, across, squeeze=False, sharey=True).ravel()
        for ax, quantity in zip(panels, compared.quantities, strict=False):
            mine = compared.table[compared.table["quantity"] == quantity.name].iloc[order]
            other = against.table[against.table["quantity"] == quantity.name].iloc[order] if against else None
            _panel(ax, compared, mine, other)
            below = len(quantity.name) > _LONG_NAME and len(quantity.unit) > _LONG_UNIT
            name_axis(ax.xaxis, _label(quantity.name, study.curves[0].per == "volume"), quantity.unit, below=below)
        for ax in panels[len(compared.quantities) :]:
            ax.set_axis_off()
        _names(panels[::across], compared, order, 72 * min(step, 0.1) * 0.95)
        if legend:
            fig.legend(handles=legend, loc="outside upper center",
                       ncols=len(legend) if width >= DOUBLE else panels_across(width, len(legend), 1.1))  # fmt: skip
        footer(fig, study, note)
    return finished(fig)


def forest_caption(compared: DeviceComparison, against: DeviceComparison | None = None) -> str:
    """What `plot_forest` shows, as a caption for a paper."""
    grey = "" if against is None else " Grey: with the lengths that all devices share."
    return f"Quantities that each of {compared.study.counted} determines, thin layers on top. {_note(compared)}{grey}"


def _styles(compared: DeviceComparison) -> dict[str, tuple[str, str]]:
    """Colour and marker of each device."""
    study = compared.study
    if len(study.groups) == 1:
        return {c.name: (x, "o") for c, x in zip(study.curves, colours_of(study.thicknesses), strict=True)}
    place = {group: k for k, group in enumerate(study.groups)}
    return {
        c.name: (OKABE_ITO[_GROUPS[place[c.group] % len(_GROUPS)]], _MARKERS[place[c.group] % len(_MARKERS)])
        for c in study.curves
    }


def _limits(rows: pd.DataFrame) -> tuple[float, float] | None:
    """Range of an axis: all 95 % intervals, but for those that are far wider than usual."""
    known = rows[np.isfinite(rows["median"].to_numpy(dtype=float))]
    if known.empty:
        return None
    width = (known["q975"] - known["q025"]).to_numpy(dtype=float)
    usual = known[width <= _WIDE * max(float(np.median(width)), 1e-300)]
    low, high = float(usual["q025"].min()), float(usual["q975"].max())
    low, high = min(low, float(known["median"].min())), max(high, float(known["median"].max()))
    room = 0.06 * (high - low) or 0.1 * max(abs(high), 1e-300)
    return low - room, high + room


def _panel(ax: Axes, compared: DeviceComparison, rows: pd.DataFrame, other: pd.DataFrame | None) -> None:
    styles = _styles(compared)
    limits = _limits(rows if other is None else pd.concat([rows, other]))
    thickness = rows["thickness"].to_numpy()
    shaded = np.cumsum(np.diff(np.round(thickness, 6), prepend=thickness[0]) > 0) % 2 == 1
    for y in np.flatnonzero(shaded).tolist():
        ax.axhspan(y - 0.5, y + 0.5, color="0.95", lw=0, zorder=0)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:.6g}".replace("-", "−"))
    if limits is None:
        ax.set_xlim(-1, 1)
        ax.set_xticks([])
        limits = (-1.0, 1.0)
    ax.set_xlim(*limits)
    if limits[0] < 0 < limits[1]:
        ax.axvline(0, color="0.6", lw=0.6, ls=":", zorder=1)
    up = 0.16 if other is not None else 0.0
    for y, row in enumerate(rows.to_dict("records")):
        colour, marker = styles[str(row["device"])]
        _bar(ax, row, y - up, colour, marker, limits)  # type: ignore[arg-type]
    if other is not None:
        for y, row in enumerate(other.to_dict("records")):
            _bar(ax, row, y + 0.22, "0.6", ".", limits)  # type: ignore[arg-type]


def _bar(
    ax: Axes, row: dict[str, float | bool], y: float, colour: str, marker: str, limits: tuple[float, float]
) -> None:
    crowd = ax.get_ylim()[0] > 25
    if not np.isfinite(row["median"]):
        if colour != "0.6":
            ax.text(0.5, y, "none in range", transform=ax.get_yaxis_transform(), ha="center", va="center",
                    fontsize=4.5 if crowd else 6, color="0.35", gid="none")  # fmt: skip
        return
    size = 2.2 if crowd else 2.8
    ax.plot([row["q025"], row["q975"]], [y, y], color=colour, lw=0.6, zorder=2, gid="q95", solid_capstyle="butt")
    ax.plot([row["q16"], row["q84"]], [y, y], color=colour, lw=1.8, zorder=2, gid="q68", solid_capstyle="butt")
    ax.plot(
        [row["median"]], [y], marker, color=colour, ms=size, mfc="white" if row["extrapolated"] else colour, mew=0.6,
        zorder=3, gid="median",
    )  # fmt: skip
    for beyond, x, arrow in ((row["q025"] < limits[0], limits[0], "<"), (row["q975"] > limits[1], limits[1], ">")):
        if beyond:
            ax.plot([x], [y], arrow, color=colour, ms=size, clip_on=False, zorder=3, gid="beyond")
    if row["share"] < 0.995 and colour != "0.6":
        ax.text(1.0, y, f"{100 * row['share']:.0f} %", transform=ax.get_yaxis_transform(), ha="right", va="center",
                fontsize=4.5 if crowd else 5.5, color="0.35", gid="share")  # fmt: skip


def _names(axes: np.ndarray, compared: DeviceComparison, order: np.ndarray, size: float) -> None:
    """Names of devices with their thickness, once for each row of panels; odd ones in red."""
    curves = [compared.study.curves[j] for j in order]
    short = [c.name if len(c.name) <= _LONGEST else f"{c.name[: _LONGEST - 1]}…" for c in curves]
    odd = set(compared.odd)
    for ax in axes:
        ax.set_yticks(range(len(curves)))
        ax.tick_params(axis="y", labelleft=True)
        texts = [f"{'× ' if c.device in odd else ''}{literal(s)}, {c.thickness:.3g} nm"
                 for c, s in zip(curves, short, strict=True)]  # fmt: skip
        ax.set_yticklabels(texts, fontsize=min(size, 6.5))
        for label, curve in zip(ax.get_yticklabels(), curves, strict=True):
            if curve.device in odd:
                label.set(color=OKABE_ITO["vermillion"], weight="bold")


def _legend_handles(compared: DeviceComparison, against: DeviceComparison | None) -> list[Line2D]:
    handles = []
    if len(compared.study.groups) > 1:
        styles = _styles(compared)
        first = {c.group: styles[c.name] for c in reversed(compared.study.curves)}
        handles = [
            Line2D([], [], color=first[g][0], marker=first[g][1], ms=3, lw=1.2, label=literal(g) or "no group")
            for g in compared.study.groups
        ]
    if against is not None:
        handles.append(Line2D([], [], color="0.6", marker=".", ms=3, lw=1.2, label=against.source))
    return handles


def _note(compared: DeviceComparison) -> str:
    parts = [
        "" if compared.converged else "NOT CONVERGED: nothing here is a result.",
        f"{compared.source[0].upper()}{compared.source[1:]}. Median, 68 % (thick) and 95 % (thin).",
        "Hollow: extrapolated in bias." if compared.table["extrapolated"].any() else "",
        "Percentages: share of draws with an extremum in the bias range." if compared.table["share"].between(
            1e-9, 0.995).any() else "",
        "× red: odd device, see the table." if compared.odd else "",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)
