"""Profile likelihoods of the lengths, and well-known and open combinations."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from scipy.interpolate import PchipInterpolator

from mtjfit.arrays import FloatArray
from mtjfit.infer import Identification
from mtjfit.model.identifiability import Direction
from mtjfit.model.profile import LEVELS, Profile
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    finished,
    first_panels,
    footer,
    footer_height,
    name_axis,
    sheet,
    style,
    symbol,
)
from mtjfit.results.identifiability import known_to

_ACROSS = 4
_MOST = 12
_MOST_COLUMNS = 16
_ROW = 1.45  # height of a row of panels in inches
_BAR = 0.19  # height of a row of the matrix
_TOP = 1.9  # times the threshold of 95 %: how much of a profile is drawn
_OPEN = 6.0  # how far an open end is drawn, as a factor
_LEVEL = 0.05  # change of −2 ln L between points of a profile below which it is level
_SHADES = LinearSegmentedColormap.from_list("share", ["white", OKABE_ITO["blue"]])
_NOTE = (
    "Above: rise of −2 ln L where one parameter is held and all others follow; an arrow is an end that the data leave "
    "open. Below: share of each parameter in the independent combinations, the best known first."
)


def plot_identifiability(known: Identification, *, axes: AxesLike | None = None) -> Figure:
    """Profile likelihood of each length with its 68 % and 95 % levels, and what the combinations are made of.

    An end of an interval that the data leave open carries an arrow. Below, a matrix: squared weights of the parameters
    in each direction, the stiffest on top, with its standard deviation. Without free lengths the profiles are those of
    the amplitudes. Of more than 12 profiles the first are drawn, of more than 16 parameters those with the largest
    weights. On `axes`: one of your own for each profile, and one for the matrix.
    """
    chosen = [found for name, found in known.profiles.items() if name in known.lengths] or list(known.profiles.values())
    note = _NOTE if len(chosen) <= _MOST else f"{_NOTE} {len(chosen) - _MOST} further profiles are not drawn."
    chosen, drawn = chosen[:_MOST], known.directions
    across = max(1, min(_ACROSS, len(chosen)))
    rows = -(-len(chosen) // across)
    matrix = 0.55 + _BAR * max(len(drawn), 3) if drawn else 0.0
    there = first_panels(len(chosen), across)
    if drawn:
        there = np.vstack([there, np.arange(across) == 0])
    with style(axes):
        height = _ROW * rows + matrix + 0.15 + footer_height(DOUBLE, known.study, note)
        fig = sheet(axes, there, figsize=(DOUBLE, height), layout="constrained")
        ratios = [*([_ROW] * rows), *([matrix] if drawn else [])]
        grid = fig.add_gridspec(max(len(ratios), 1), across, height_ratios=ratios or None)
        for k, found in enumerate(chosen):
            ax = fig.add_subplot(grid[k // across, k % across])
            last = k % across == across - 1 or k == len(chosen) - 1
            first = axes is not None or k % across == 0
            _profile(ax, found, known.study.unit_of(found.name), first=first, last=last)
        if drawn:
            _matrix(fig.add_subplot(grid[-1, :]), drawn)
        if not ratios:
            fig.text(0.5, 0.5, "no length and no shared amplitude is free", ha="center")
        footer(fig, known.study, note)
    return finished(fig)


def _window(found: Profile) -> tuple[float, float]:
    """Values to draw: the 95 % interval and a little more, an open end not all the way."""
    one = found.interval(0.95)
    if not found.log:
        width = max(found.best - found.values[0], found.values[-1] - found.best)
        return found.best - width if one.low == -math.inf else found.values[0], found.values[-1]
    # a best value where the profile is level is none to draw to: the last place where the profile still moves is
    moves = np.flatnonzero(np.abs(np.diff(found.rise)) > _LEVEL)
    inner = [end for end in (one.low, one.high) if 0 < end < math.inf]
    inner += [*found.values[moves[found.rise[moves] < _TOP * found.thresholds[-1]]]] or [found.best]
    low = found.values[0] if one.low > 0 else max(found.values[0], min(inner) / _OPEN)
    high = found.values[-1] if one.high < math.inf else min(found.values[-1], max(inner) * _OPEN)
    top = _TOP * found.thresholds[-1]
    close = found.values[(found.rise <= top) & (found.values >= low) & (found.values <= high)]
    steep = 1.15
    return (
        max(low, close.min() / steep) if one.low > 0 else low,
        min(high, close.max() * steep) if one.high < math.inf else high,
    )


def _line(found: Profile, x: FloatArray) -> FloatArray:
    """The profile between its points: the root of the rise, with a sign, is nearly a straight line."""
    to = np.log if found.log else np.asarray
    values, kept = np.unique(found.values, return_index=True)
    root = np.sqrt(np.maximum(found.rise[kept], 0.0)) * np.sign(values - found.best)
    return np.asarray(PchipInterpolator(to(values), root)(to(x)) ** 2)


def _profile(ax: Axes, found: Profile, unit: str, *, first: bool, last: bool) -> None:
    low, high = _window(found)
    x = np.geomspace(low, high, 300) if found.log else np.linspace(low, high, 300)
    top = _TOP * found.thresholds[-1]
    one = found.interval(0.95)
    closed = max(one.low, low), min(one.high, high)
    ax.axvspan(*closed, color="0.93", lw=0, gid="interval")
    ax.plot(x, _line(found, x), color=OKABE_ITO["blue"], gid="profile")
    for level, threshold, dashes in zip(LEVELS, found.thresholds, ((1, 1.5), (4, 2)), strict=True):
        ax.axhline(threshold, color="0.45", lw=0.6, ls=(0, dashes), gid="threshold")
        if last:
            ax.annotate(f"{100 * level:.0f} %", (1, threshold), xycoords=("axes fraction", "data"), fontsize=6.3,
                        color="0.35", va="center", xytext=(2, 0), textcoords="offset points")  # fmt: skip
    if found.log:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(
            LogLocator(subs=(1, 2, 5) if high / low < 30 else (1,), numticks=8 if high / low < 30 else 6)
        )
        if high / low < 8:
            ax.set_xscale("linear")
            ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.set(xlim=(low, high), ylim=(-0.03 * top, top))
    name_axis(ax.xaxis, symbol(found.name), unit, exponent=0 if found.log else None)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ends = ((one.low in (0.0, -math.inf), 0.0, 1.0), (one.high == math.inf, 1.0, -1.0))
    for is_open, edge, inward in ends:
        if is_open:
            colour = OKABE_ITO["vermillion"]
            ax.annotate("", (edge, 0.93), (edge + 0.22 * inward, 0.93), "axes fraction", gid="open",
                        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.1})  # fmt: skip
            ax.annotate("open", (edge + 0.24 * inward, 0.93), xycoords="axes fraction", color=colour, fontsize=6.3,
                        ha="left" if inward > 0 else "right", va="center")  # fmt: skip
    if first:
        ax.set_ylabel(r"$\Delta(-2\,\ln L)$")


def _matrix(ax: Axes, drawn: tuple[Direction, ...]) -> None:
    drawn = tuple(sorted(drawn, key=lambda one: one.factor_sd))
    names = list(drawn[0].weights)
    share = np.array([[one.weights[name] ** 2 for name in names] for one in drawn])
    columns = np.sort(np.argsort(-share.max(axis=0), kind="stable")[:_MOST_COLUMNS])
    share, names = share[:, columns], [names[k] for k in columns]
    ax.imshow(share, aspect="auto", cmap=_SHADES, vmin=0, vmax=1, gid="share")
    for row, column in np.argwhere(share >= 0.03):
        value = share[row, column]
        ax.text(column, row, f"{100 * value:.0f} %", ha="center", va="center", fontsize=5.8,
                color="white" if value > 0.65 else "black", gid="percent")  # fmt: skip
    ax.set_xticks(range(len(names)), [symbol(name) for name in names])
    ax.set_yticks(range(len(drawn)), [known_to(one.factor_sd) for one in drawn])
    ax.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(drawn) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="0.85", lw=0.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    ax.xaxis.tick_top()
    ax.set_ylabel("known to")
