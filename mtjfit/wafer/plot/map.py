"""Maps of wafers: values in colour, marks for flagged and odd devices; smooth parts and their residuals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from mtjfit.arrays import BoolArray, FloatArray
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
    unit_of,
)
from mtjfit.study import Study
from mtjfit.text import counted
from mtjfit.wafer.survey.dies import DieGrid, die_grid, square_bins, wafer_radius
from mtjfit.wafer.survey.smooth import Surface, smooth_surfaces
from mtjfit.wafer.survey.survey import Survey

MOST_WAFERS = 24
"""Wafers on one figure of maps."""
_MOST_SURFACES = 4  # wafers on one figure of smooth parts
_ACROSS = 4
_SQUARES = 120  # per inch of an image: the eye does not resolve smaller ones
_SHOWN = (0.01, 0.99)  # quantiles between which colours run
_MOST_DOTS = 3000  # single dots or marks on a figure: more of them are drawn as images
_MOST_ON_MAP = 500  # the same of one map
_COLOURS = 64  # the eye does not resolve more on a map, and files are half as large
_LONGEST = 18  # letters of the name of a wafer
_NAMES = {
    "slope_ratio": r"slope ratio $T_\perp/T_\parallel$",
    "b2/a1": "$b_2/a_1$",
    "p_value": "p of the constraint test",
    "scatter_p_value": "p of the scatter test",
}

Kind = Literal["sequential", "diverging"]


def quantity_label(name: str, unit: str = "") -> str:
    r"""A quantity of devices as a formula, with its unit.

    Examples
    --------
    >>> quantity_label("|kappa|·b2", "1/V"), quantity_label("b2/a1")
    ('$|\\kappa|\\,b_2$ (V⁻¹)', '$b_2/a_1$')
    """
    if name in _NAMES:
        shown = _NAMES[name]
    elif re.fullmatch(r"\|kappa\|·[a-z][0-9]+", name):
        shown = rf"$|\kappa|\,{name[8]}_{name[9:]}$"
    else:
        shown = symbol(name) if name == "thickness" else literal(name)
    return shown + unit_of(unit)


def wafer_title(name: str) -> str:
    """Name of a wafer as a title; long names are shortened in the middle."""
    if not name:
        return "all devices"
    return literal(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 7]}…{name[-6:]}")


@contextmanager
def noted_figure(
    survey: Survey, height: float, note: str, axes: AxesLike | None, panels: tuple[int, int]
) -> Iterator[Figure]:
    """A figure in double width, or `axes`.

    Below its `height` (inches) there is room for a note and the mark of simulated data.
    """
    study = cast(Study, survey)  # the footer needs its label and origins only
    with style(axes):
        size = (DOUBLE, height + footer_height(DOUBLE, study, note))
        fig = sheet(axes, panels, figsize=size, layout="constrained")
        yield fig
        footer(fig, study, note)


@dataclass(frozen=True)
class Scale:
    """Colours of values, the same for all maps of a figure; `extend` names the ends that values exceed."""

    colours: Colormap
    norm: Normalize
    extend: Literal["neither", "min", "max", "both"]

    @classmethod
    def of(cls, values: FloatArray, kind: Kind = "sequential") -> Scale:
        """Colours between the 1 % and the 99 % quantile; diverging ones from −x to x."""
        known = values[np.isfinite(values)]
        low, high = (float(each) for each in np.quantile(known, _SHOWN)) if known.size else (0.0, 1.0)
        if kind == "diverging":
            high = max(abs(low), abs(high))
            low = -high
        if not high > low:
            half = 0.5 * (abs(low) or 1.0)
            low, high = low - half, high + half
        under, over = bool(np.any(known < low)), bool(np.any(known > high))
        extend = (("neither", "max"), ("min", "both"))[under][over]
        # both maps keep their order in grey and for any colour vision
        colours = colormaps["viridis" if kind == "sequential" else "RdBu_r"].resampled(_COLOURS)
        return cls(colours, Normalize(low, high), cast(Literal["neither"], extend))

    def bar(self, fig: Figure, axes: list[Axes], label: str, unit: str, *, below: bool = False) -> None:
        """A colour bar beside some panels, or below them, with a power of ten of its numbers in the label."""
        mappable = ScalarMappable(self.norm, self.colours)
        where: dict[str, Any] = {"aspect": 28, "pad": 0.015, "fraction": 0.035}
        if below:
            where = {"location": "bottom", "aspect": 34, "shrink": 0.85, "pad": 0.01, "fraction": 0.03}
        bar = fig.colorbar(mappable, ax=axes, extend=self.extend, **where)
        axis = bar.ax.xaxis if below else bar.ax.yaxis
        name_axis(axis, label, unit)
        bar.set_label(axis.get_label_text(), loc="left" if below else "center")
        bar.outline.set_linewidth(0.5)


def plot_wafer_map(
    survey: Survey, quantity: str, *, odd: BoolArray | None = None, kind: Kind = "sequential", most: int = MOST_WAFERS,
    axes: AxesLike | None = None,
) -> Figure:  # fmt: skip
    """A quantity over each wafer: a square for each die, or a dot for each device if positions lie on no grid.

    Flagged devices carry a ×, devices that do not determine the quantity are empty squares, odd ones have a ring. All
    wafers share one scale of colours; the circle is the smallest standard wafer about (0, 0) that holds all dies.

    Parameters
    ----------
    quantity : str
        Any column of numbers.
    odd : array of bool, shape (devices,), optional
        Devices to mark by a ring.
    kind : {"sequential", "diverging"}
        Diverging: zero in the middle of the scale.
    most : int
        Wafers to draw; a note gives the number of the others.
    axes : Axes or array of Axes, optional
        Your own, one for each wafer; the colour bar takes its room from them.

    Raises
    ------
    DataError
        There is no such column.
    ValueError
        No device has a position, or the number of `axes` is wrong.
    """
    values, placed, study = survey.values(quantity), survey.placed, cast(Study, survey)
    if not placed.any():
        raise ValueError("no device has a position: declare the columns x and y")
    there = {name: mine[placed[mine]] for name, mine in survey.rows_of("wafer").items()}
    names = [name for name, mine in there.items() if mine.size]
    rows = {name: there[name] for name in names[:most]}
    place = survey.frame[["x", "y"]].to_numpy(dtype=float)
    ringed = np.zeros(len(values), dtype=bool) if odd is None else odd
    across = min(_ACROSS, len(rows))
    down = -(-len(rows) // across)
    side = min((DOUBLE - 1.25) / across, 3.4)
    width = side * across + 1.25
    of_all = np.concatenate(list(rows.values()))
    around, scale = _Around.of(place[of_all], side), Scale.of(values[of_all], kind)
    with style(axes):
        engine = ConstrainedLayoutEngine(w_pad=0.07)
        fig = sheet(axes, first_panels(len(rows), across), figsize=(width, 1.0), layout=engine)
        panels = list(fig.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel())
        edge = f"Circle: a wafer of {2 * around.radius:g} mm about (0, 0), the smallest usual one that holds all dies."
        notes = dict.fromkeys([edge] if np.isfinite(around.radius) else [])
        for ax, (name, mine) in zip(panels, rows.items(), strict=False):
            said = _draw_map(ax, around, place[mine], values[mine], scale, survey.flagged[mine], ringed[mine])
            notes |= dict.fromkeys(said)
            ax.set_title(f"{wafer_title(name)}: {counted(mine.size, 'device')}", pad=3)
        for k, ax in enumerate(panels):
            if k >= len(rows):
                ax.set_axis_off()
                continue
            lowest = k + across >= len(rows)
            ax.set(xlabel="x (mm)" if lowest else "", ylabel="y (mm)" if k % across == 0 else "")
            ax.xaxis.set_tick_params(labelbottom=lowest)
        scale.bar(fig, panels, quantity_label(quantity), survey.unit(quantity))
        handles = _map_legend(survey.flagged, ~np.isfinite(values), ringed, of_all)
        _add_legend(fig, handles)
        note = " ".join(notes) + _not_drawn(len(names) - len(rows))
        if unplaced := int(np.sum(~placed)):
            note += f" {counted(unplaced, 'device')} without a position."
        fig.set_figheight(down * (side + 0.22) + 0.35 + 0.2 * bool(handles) + footer_height(width, study, note))
        footer(fig, study, note)
    return finished(fig)


def _not_drawn(wafers: int) -> str:
    return f" {wafers} more {'wafer is' if wafers == 1 else 'wafers are'} not drawn." if wafers > 0 else ""


@dataclass(frozen=True)
class _Around:
    """The same for all maps of a figure: radius of the circle in mm or NaN, side of a panel in inches, many devices."""

    radius: float
    side: float
    many: bool

    @classmethod
    def of(cls, place: FloatArray, side: float) -> _Around:
        """The smallest standard wafer that holds all places, shape (devices, 2)."""
        x, y = place.T
        grid = die_grid(x, y)
        return cls(wafer_radius(x, y, grid.pitch if grid is not None else None), side, len(place) > _MOST_DOTS)


def _draw_map(
    ax: Axes, around: _Around, place: FloatArray, values: FloatArray, scale: Scale, flagged: BoolArray, odd: BoolArray
) -> tuple[str, ...]:
    """Draw one wafer; `place` (devices, 2) in mm. Returns sentences for the note of the figure."""
    x, y = place.T
    known = np.isfinite(values)
    grid = die_grid(x, y)
    notes = []
    if grid is not None:
        factor = -(-max(grid.shape) // max(int(_SQUARES * around.side), 1))
        if factor > 1:
            grid = grid.coarser(factor)
            notes.append(f"Squares of {factor} × {factor} dies, their mean.")
        elif np.unique(grid.row * grid.shape[1] + grid.column).size < values.size:
            notes.append("Dies with several devices: their mean.")
        _squares(ax, grid, values, scale)
    elif around.many:
        # squares about as large as the area of one device
        side = max(np.sqrt(np.ptp(x) * np.ptp(y) / len(x)), np.hypot(np.ptp(x), np.ptp(y)) / (_SQUARES * around.side))
        _squares(ax, square_bins(x, y, float(side)), values, scale)
        notes.append("Positions keep to no grid: mean of the devices in each square.")
    else:
        area = float(np.clip(0.3 * (72 * around.side) ** 2 / len(place), 0.5, 30.0))
        ax.scatter(x[known], y[known], area, values[known], cmap=scale.colours, norm=scale.norm, linewidths=0,
                   gid="devices", rasterized=len(x) > _MOST_ON_MAP)  # fmt: skip
        notes.append("Positions keep to no grid: a dot for each device.")
    size = float(np.clip(1.6 * around.side * np.sqrt(300 / max(values.size, 1)), 1.6, 4.0))
    for rows, mark in ((~known, "empty"), (flagged & known, "flagged"), (odd, "odd")):
        if rows.any():
            _marked(ax, x[rows], y[rows], mark, size * (1.5 if mark == "odd" else 1.0), around.many)
    ax.set_aspect("equal")
    if np.isfinite(around.radius):
        ax.add_patch(Circle((0, 0), around.radius, fill=False, ec="0.45", lw=0.7, gid="wafer"))
        reach = 1.04 * around.radius
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    ax.locator_params(nbins=5)
    return tuple(notes)


def _marked(ax: Axes, x: FloatArray, y: FloatArray, mark: str, size: float, many: bool) -> None:
    look, image = _MARKS[mark], x.size > (20 if many else _MOST_ON_MAP)
    if mark != "empty":  # a white rim separates a mark from any colour below
        rim = look | {"color": "white", "mec": "white", "mew": 2.4 * look["mew"]}
        ax.plot(x, y, ls="none", rasterized=image, ms=size, gid="rim", **rim)
    ax.plot(x, y, ls="none", rasterized=image, ms=size, gid=mark, **look)


_MARKS: dict[str, dict[str, Any]] = {
    "empty": {"marker": "s", "mfc": "none", "mec": "0.35", "mew": 0.5},
    "flagged": {"marker": "x", "color": OKABE_ITO["black"], "mew": 0.8},
    "odd": {"marker": "o", "mfc": "none", "mec": OKABE_ITO["vermillion"], "mew": 0.9},
}


def _map_legend(flagged: BoolArray, empty: BoolArray, odd: BoolArray, rows: np.ndarray) -> list[Line2D]:
    """Handles of the marks that occur in some rows."""
    of = (("flagged", flagged & ~empty, "flagged"), ("empty", empty, "not determined"),
          ("odd", odd, "beyond what is expected"))  # fmt: skip
    return [
        Line2D([], [], ls="none", ms=4, label=label, **_MARKS[mark]) for mark, which, label in of if which[rows].any()
    ]


def _add_legend(fig: Figure, handles: list[Line2D]) -> None:
    if handles:
        fig.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=6.5)


def _squares(ax: Axes, grid: DieGrid, values: FloatArray, scale: Scale) -> None:
    # one pixel for each die, so that the size of the file does not depend on that of the figure
    means = grid.image(values)
    image = scale.colours(scale.norm(np.ma.masked_invalid(means)), bytes=True)
    image[..., 3] = np.where(np.isfinite(means), 255, 0)
    ax.imshow(image, extent=grid.extent, origin="lower", interpolation="none", gid="dies")


def plot_smooth(
    survey: Survey, quantity: str, surfaces: Sequence[Surface] | None = None, *, odd: BoolArray | None = None,
    axes: AxesLike | None = None,
) -> Figure:  # fmt: skip
    """Measured values, the fitted polynomial and the residuals, one row for each wafer.

    Parameters
    ----------
    surfaces : sequence of Surface, optional
        From `smooth_surfaces`, by default of second order. The first four are drawn.
    odd : array of bool, shape (devices,), optional
        Devices to mark by a ring.
    axes : Axes or array of Axes, optional
        Your own, three for each wafer; the colour bars take their room from them.

    Raises
    ------
    ValueError
        No wafer has enough devices with a position, or the number of `axes` is wrong.
    """
    found = smooth_surfaces(survey, quantity) if surfaces is None else surfaces
    if not found:
        raise ValueError("no wafer has enough devices with a position for a surface")
    shown = found[:_MOST_SURFACES]
    values, flagged = survey.values(quantity), survey.flagged
    ringed = np.zeros(len(values), dtype=bool) if odd is None else odd
    place = survey.frame[["x", "y"]].to_numpy(dtype=float)
    rows = np.concatenate([surface.rows for surface in shown])
    side = (DOUBLE - 0.7) / 3
    around, measured = _Around.of(place[rows], side), Scale.of(values[rows])
    left = Scale.of(np.concatenate([values[each.rows] - each.value for each in shown]), "diverging")
    said = ". ".join([*(each.says for each in shown), "Residuals: measured value − smooth part."])
    with style(axes):  # the sizes of marks in a legend depend on it
        handles = _map_legend(flagged, ~np.isfinite(values), ringed, rows)
    height = len(shown) * (side + 0.22) + 0.85 + 0.2 * bool(handles)
    with noted_figure(
        survey, height, literal(said + _not_drawn(len(found) - len(shown))), axes, (len(shown), 3)
    ) as fig:
        panels = fig.subplots(len(shown), 3, squeeze=False, sharex=True, sharey=True)
        nothing = np.zeros(len(values), dtype=bool)
        for row, surface in zip(panels, shown, strict=True):
            mine = surface.rows
            what = (("measured", values[mine], measured), ("smooth part", surface.value, measured),
                    ("residual", values[mine] - surface.value, left))  # fmt: skip
            for k, (ax, (name, shown_values, scale)) in enumerate(zip(row, what, strict=True)):
                marks = (nothing[mine], nothing[mine]) if k == 1 else (flagged[mine], ringed[mine])
                _draw_map(ax, around, place[mine], shown_values, scale, *marks)
                ax.set_title(f"{wafer_title(surface.wafer)}: {name}", pad=3)
            row[0].set_ylabel("y (mm)")
        for ax in panels[-1]:
            ax.set_xlabel("x (mm)")
        unit = survey.unit(quantity)
        measured.bar(fig, list(panels[:, :2].ravel()), quantity_label(quantity), unit, below=True)
        left.bar(fig, list(panels[:, 2]), "residual", unit, below=True)
        _add_legend(fig, handles)
    return finished(fig)
