"""Figure of a plan: expected error, or information, against thickness, and other possible steps."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mtjfit.planning import Plan
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    finished,
    footer,
    footer_height,
    literal,
    name_axis,
    sheet,
    style,
    symbol,
)
from mtjfit.study import Study

_HEIGHT = 2.5
_FEW = 8  # devices whose thicknesses find room under an axis
_WIDE = 10.0  # a range of errors beyond this factor is drawn on a logarithmic axis


def plot_plan(plan: Plan, *, axes: AxesLike | None = None) -> Figure:
    """The gain of candidates against thickness, and that of all that was chosen.

    Left, for one device: the expected error of the target with a device of each thickness, with the quartiles of the
    draws, and the errors from reweighting; the present devices are marked below. For several: the expected error with
    one of the chosen at each other thickness and the rest kept, which shows how exact the thicknesses need to be.
    Right: the error device by device; or, for one device of a study with data, what else could be done.
    ValueError if no candidate is a thickness. On `axes`: one of your own, or two where there is a right panel.
    """
    grid = plan.table[plan.table.kind == "thickness"].sort_values("thickness")
    if grid.empty:
        raise ValueError("no candidate is a new device: there is no thickness to draw against")
    others = plan.others
    several = len(plan.chosen) > 1
    note = _note(plan)
    study = cast(Study, plan.study)  # a design has a label, too: an empty one
    two = several or not others.empty
    with style(axes):
        height = _HEIGHT + footer_height(DOUBLE, study, note)
        fig = sheet(axes, (1, 1 + two), figsize=(DOUBLE, height), layout="constrained")
        panels = fig.subplots(1, 2 if two else 1, squeeze=False, width_ratios=[1.7, 1] if two else [1])[0]
        (_moved if several else _single)(panels[0], plan, grid)
        _there(panels[0], plan)
        _legend(panels[0])
        words = "thickness of one of them, the others kept (nm)" if several else "thickness of the free layer (nm)"
        panels[0].set_xlabel(words)
        _name(panels[0].yaxis, plan)
        if several:
            _path(panels[1], plan)
            _name(panels[1].yaxis, plan)
        elif two:
            _else(panels[1], plan, others)
            _name(panels[1].xaxis, plan)
        fig.suptitle(f"{plan.deed[0].upper()}{plan.deed[1:]}", fontsize=8.5, weight="bold")
        footer(fig, study, note)
    return finished(fig)


def _name(axis: Axis, plan: Plan) -> None:
    """Label and ticks of the common axis; the number of ticks does not depend on their width."""
    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if plan.of_everything:
        name_axis(axis, "expected information", "bits", exponent=0)
    else:
        text, relative = f"expected error of {symbol(plan.target.name)}", plan.target.relative
        name_axis(axis, text, "%" if relative else plan.unit, exponent=0 if relative else None)


def _note(plan: Plan) -> str:
    error = " Error of a length: sd of its logarithm." if plan.target.relative else ""
    draws = "posterior" if plan.has_data else "priors"
    band = "" if plan.of_everything else "; band: quartiles"
    return f"Mean over draws of the {draws}, each of which may be the truth{band}.{error}"


def _factor(plan: Plan) -> float:
    return 100.0 if plan.target.relative else 1.0


def _values(plan: Plan, frame: pd.DataFrame, column: str = "after") -> np.ndarray:
    """A column of a table in the unit of the axis."""
    return frame["bits" if plan.of_everything else column].to_numpy(dtype=float) * _factor(plan)


def _single(ax: Axes, plan: Plan, grid: pd.DataFrame) -> None:
    d = grid.thickness.to_numpy()
    if not plan.of_everything:
        low, high = (_values(plan, grid, side) for side in ("low", "high"))
        ax.fill_between(d, low, high, color=OKABE_ITO["sky"], alpha=0.35, lw=0)
    ax.plot(d, _values(plan, grid), color=OKABE_ITO["blue"], label="Gaussian", gid="expected")
    checked = grid[grid.reliable.map(lambda says: says is True)]
    column = "reweighted_bits" if plan.of_everything else "reweighted"
    if len(checked):
        error = checked.bits_error if plan.of_everything else None
        ax.errorbar(checked.thickness, checked[column] * _factor(plan), error, fmt="o", color=OKABE_ITO["vermillion"],
                    ms=4, mfc="white", mew=1.1, elinewidth=0.8, label="reweighted", gid="reweighted")  # fmt: skip
    if not plan.of_everything:
        ax.axhline(plan.now * _factor(plan), color="0.3", ls="--", lw=0.9, label="now", gid="now")
    chosen = grid.loc[list(plan.chosen)]
    ax.plot(chosen.thickness, _values(plan, chosen), "*", color="black", ms=9, label="chosen", gid="chosen", zorder=5)
    ax.margins(x=0.02)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.12 * (top - bottom), top + 0.04 * (top - bottom))


def _legend(ax: Axes) -> None:
    """Above the panel, where no curve can be."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=6, fontsize=6.5, columnspacing=1.2,
              handletextpad=0.4, borderaxespad=0.1)  # fmt: skip


def _moved(ax: Axes, plan: Plan, grid: pd.DataFrame) -> None:
    """One line for each chosen device, through the choice itself."""
    moved = plan.moved.sort_values("thickness")
    factor = _factor(plan)
    lines = ("-", "--", "-.", ":")
    colours = [OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple", "orange")]
    for k, name in enumerate(plan.chosen):
        ax.plot(moved.thickness, moved[name] * factor, lines[k % 4], color=colours[k % 5], lw=1.1, gid=f"moved-{k}")
        at = float(plan.table.thickness[name])
        y = float(moved.loc[name, name]) * factor  # type: ignore[arg-type]
        ax.plot([at], [y], "*", color=colours[k % 5], ms=8, mec="black", mew=0.4, zorder=5, gid=f"chosen-{k}",
                label=f"{at:g} nm")  # fmt: skip
    levels = plan.moved[list(plan.chosen)].to_numpy() * factor
    if not plan.of_everything and levels.max() > _WIDE * levels.min():
        _logarithmic(ax)
    ax.margins(x=0.02)
    if ax.get_yscale() == "linear":
        bottom, top = ax.get_ylim()
        ax.set_ylim(bottom - 0.1 * (top - bottom), top)


def _path(ax: Axes, plan: Plan) -> None:
    """Error or information against the number of devices."""
    n = plan.path.index.to_numpy()
    y = _values(plan, plan.path)
    if not plan.of_everything:
        low, high = (_values(plan, plan.path, side) for side in ("low", "high"))
        ax.fill_between(n, low, high, color=OKABE_ITO["sky"], alpha=0.35, lw=0)
        ax.axhline(plan.now * _factor(plan), color="0.3", ls="--", lw=0.9, gid="now")
        ax.annotate("now" if plan.has_data else "prior", (n[-1], plan.now * _factor(plan)), xytext=(0, 2),
                    textcoords="offset points", ha="right", va="bottom", fontsize=6.5, color="0.3")  # fmt: skip
        if max(plan.now * _factor(plan), high.max()) > 3 * low.min():
            _logarithmic(ax)
    ax.plot(n, y, "o-", color=OKABE_ITO["blue"], gid="path")
    ax.set_xlabel("devices")
    if n.size > _FEW:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        added = [f"{plan.table.thickness[name]:g}" for name in plan.path.device]
        ax.set_xticks(n, [f"{number}\n+{d}" for number, d in zip(n, added, strict=True)])
        ax.set_xlabel("new devices, with thickness (nm)" if plan.has_data else "devices, with thickness (nm)")
    ax.margins(x=0.08, y=0.1)


def _logarithmic(ax: Axes) -> None:
    """Logarithmic, with plain numbers where there is room for them."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _else(ax: Axes, plan: Plan, others: pd.DataFrame) -> None:
    """The choice beside all that is no new device, as a dot plot, the best on top."""
    rows = {literal(str(name)): value for name, value in zip(others.index, _values(plan, others), strict=True)}
    rows[literal(plan.chosen[0])] = plan.bits if plan.of_everything else plan.after * _factor(plan)
    rows = dict(sorted(rows.items(), key=lambda row: row[1], reverse=not plan.of_everything))
    place = np.arange(len(rows))
    chosen = [name == literal(plan.chosen[0]) for name in rows]
    ax.hlines(place, 0, list(rows.values()), color="0.85", lw=0.6)
    for k, (value, own) in enumerate(zip(rows.values(), chosen, strict=True)):
        ax.plot([value], [k], "*" if own else "o", ms=9 if own else 4, color="black" if own else OKABE_ITO["green"])
    if not plan.of_everything:
        ax.axvline(plan.now * _factor(plan), color="0.3", ls="--", lw=0.9)
    ax.set_yticks(place, list(rows), fontsize=6.5)
    ax.set_xlim(left=0)


def _there(ax: Axes, plan: Plan) -> None:
    """Marks of the present devices, at the bottom."""
    if not isinstance(plan.study, Study):
        return
    d = plan.study.thicknesses
    ax.plot(d, np.full(d.size, 0.03), "^", color="0.35", ms=4.5, transform=ax.get_xaxis_transform(), gid="there",
            label="there", clip_on=False)  # fmt: skip
