"""Axes of one's own in place of the panels of a figure: handed out, labelled, and left in the style of their owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from mtjfit.arrays import BoolArray

AxesLike: TypeAlias = Axes | Sequence[Axes] | Mapping[str, Axes] | np.ndarray
"""One Axes, or as many as a picture needs: an array of any shape, a list, or what `subplot_mosaic` returns."""

_SIZE = 7.5  # of letters of usual size in the figures of mtjfit
_MARK = "#D55E00"
REFUSED = "NOT CONVERGED"
"""The words of a note that must not be lost with it."""


def checked_axes(axes: AxesLike, there: BoolArray) -> list[Axes]:
    """The axes in a list, row by row, as many as a grid of panels has.

    Raises
    ------
    TypeError
        Something is no Axes, or has no x and y.
    ValueError
        Their number is wrong, one is there twice, or they are in several figures.
    """
    held = list(axes.values()) if isinstance(axes, Mapping) else list(np.array(axes, dtype=object).ravel())
    for ax in held:
        if not isinstance(ax, Axes):
            raise TypeError(f"axes= takes Axes, as plt.subplots() makes them; there is a {type(ax).__name__}")
        if ax.name != "rectilinear":
            raise TypeError(f"axes= takes plain Axes with x and y; one has the projection {ax.name!r}")
    n, (rows, columns) = int(there.sum()), there.shape
    if not n:
        raise ValueError("there is no panel to draw, so axes= cannot be filled: without axes= the figure says why")
    if len(held) != n:
        grid = f"plt.subplots({rows}, {columns})" if n > 1 else "plt.subplots()"
        of = "" if n == there.size else f"{n} of those of "
        one = "1 Axes is" if n == 1 else f"{n} Axes are"
        raise ValueError(f"{one} needed, row by row, such as {of}{grid}; axes= has {len(held)}")
    if len(set(held)) < n:
        raise ValueError("axes= has the same Axes twice: each panel needs its own")
    if len({ax.figure.figure for ax in held}) > 1:
        raise ValueError("axes= has Axes of several figures: all must be in one")
    return held


class OwnAxes(Figure):
    """A figure that is never shown: its panels are axes of another one, in the places of `there`, row by row.

    What lies beside the panels stays on it, such as notes and the title; a legend goes into a panel. Use `finished`
    when all is drawn.
    """

    def __init__(self, axes: AxesLike, there: BoolArray, **figure: Any):
        super().__init__(**figure)
        held = checked_axes(axes, there)
        self._home = held[0].figure.figure
        self._own = dict(zip(map(tuple, np.argwhere(there).tolist()), held, strict=True))
        self._shape = there.shape
        self._before = {ax: _Look(ax) for ax in held}
        self._joined: set[Axis] = set()
        self._drawn: set[Axes] = set()
        self._legends: list[tuple[list[Any], list[str], str]] = []
        self._y = ""
        self._marks: list[str] = []

    def add_subplot(self, *args: Any, **kwargs: Any) -> Any:
        """One's own axes of this place, joined to those that it is to share; where there are none, a blank panel."""
        if isinstance(args[0], SubplotSpec):
            place = args[0].rowspan.start, args[0].colspan.start
        else:
            place = divmod(args[2] - 1, args[1])
        ax = self._own.get(place)
        if ax is None:
            return super().add_subplot(*args)
        self._drawn.add(ax)
        for which in "xy":
            other = kwargs.get(f"share{which}")
            if other is not None and other in self._before:
                self._join(ax, other, which)
        return ax

    def _join(self, ax: Axes, other: Axes, which: str) -> None:
        together = ax.get_shared_x_axes() if which == "x" else ax.get_shared_y_axes()
        if not together.joined(ax, other) and len(together.get_siblings(ax)) == 1:
            (ax.sharex if which == "x" else ax.sharey)(other)
            self._joined |= {getattr(each, f"{which}axis") for each in (ax, other)}

    def subplots(self, nrows: int = 1, ncols: int = 1, **kwargs: Any) -> Any:
        """Panels as of any figure; those that share an axis are joined, unless their owner has done so."""
        panels = np.empty((nrows, ncols), dtype=object)
        for k in range(panels.size):
            share = {each: panels[0, 0] for each in ("sharex", "sharey") if k and kwargs.get(each)}
            panels.flat[k] = self.add_subplot(nrows, ncols, k + 1, **share)
        if kwargs.get("squeeze", True):
            return panels.item() if panels.size == 1 else panels.squeeze()
        return panels

    def colorbar(
        self, mappable: Any, cax: Axes | None = None, ax: Any = None, use_gridspec: bool = True, **kwargs: Any
    ) -> Colorbar:
        """A colour bar beside one's own axes, which give it room as with any colour bar."""
        beside = [each for each in np.atleast_1d(np.array(ax, dtype=object)).ravel() if each in self._before]
        return self._home.colorbar(mappable, ax=beside or list(self._before), use_gridspec=use_gridspec, **kwargs)

    def legend(self, *args: Any, **kwargs: Any) -> Any:
        """Keep the entries for a legend inside a panel."""
        handles = list(args[0] if args else kwargs["handles"])
        labels = list(args[1]) if len(args) > 1 else [each.get_label() for each in handles]
        self._legends.append((handles, labels, kwargs.get("title", "")))

    def supylabel(self, t: str, **kwargs: Any) -> Any:
        """Keep the text for the vertical axis of every panel."""
        self._y = t

    def mark(self, kinds: Sequence[str], note: str) -> None:
        """Kinds of data that were not measured, and a verdict in the note, are written across every panel."""
        self._marks += [*kinds, *([REFUSED] if REFUSED in note else [])]

    def finished(self) -> Figure:
        """The figure of the axes, once labels, legend, marks and the sizes of letters are in place.

        Axes in which nothing is drawn are switched off.
        """
        self._label_panels()
        self._place_legend()
        for ax, before in self._before.items():
            before.restore(ax)
            if ax not in self._drawn:
                ax.set_axis_off()
            elif self._marks:
                _mark(ax, " / ".join(dict.fromkeys(self._marks)))
        return self._home

    def _label_panels(self) -> None:
        """Give each panel the labels that the figure has only at its edge; axes that their owner joined keep none."""
        rows, columns = self._shape
        for column in range(columns):
            text = ""
            for row in reversed(range(rows)):
                if (row, column) in self._own:
                    text = self._label_one(self._own[row, column].xaxis, text)
        for row in range(rows):
            text = self._y
            for column in range(columns):
                if (row, column) in self._own:
                    text = self._label_one(self._own[row, column].yaxis, text)

    def _label_one(self, axis: Axis, text: str) -> str:
        hidden = not axis.get_visible()
        axis.set_visible(True)
        if axis in self._joined:
            axis.axes.tick_params(labelbottom=True) if isinstance(axis, XAxis) else axis.axes.tick_params(
                labelleft=True
            )
        lacks = not axis.get_label_text()
        if lacks and text and (hidden or axis in self._joined or text == self._y):
            axis.set_label_text(text)
        return axis.get_label_text() or text

    def _place_legend(self) -> None:
        if not self._legends:
            return
        handles = [handle for each in self._legends for handle in each[0]]
        labels = [label for each in self._legends for label in each[1]]
        free = next((ax for ax in self._before if ax.get_legend() is None), None)
        ax = free or next(iter(self._before))
        earlier = ax.get_legend()
        ax.legend(handles, labels, title=self._legends[0][2] or None, loc="best")
        if earlier is not None:
            ax.add_artist(earlier)


class _Look:
    """Sizes of letters of axes before anything is drawn on them."""

    def __init__(self, ax: Axes):
        self.sizes = {text: text.get_fontsize() for text in _texts(ax)}
        self.ticks = {axis: _tick_size(axis) for axis in (ax.xaxis, ax.yaxis)}

    def restore(self, ax: Axes) -> None:
        """Letters that were there keep their size; new ones of another size than usual are scaled to the owner's."""
        usual = (_points(mpl.rcParams["font.size"]), _points(mpl.rcParams["legend.fontsize"]))
        for text in _texts(ax):
            if text in self.sizes:
                text.set_fontsize(self.sizes[text])
            elif text.get_fontsize() not in usual:
                text.set_fontsize(_points(text.get_fontsize()) * usual[0] / _SIZE)
        for axis, size in self.ticks.items():
            axis.set_tick_params(labelsize=size)


def _texts(ax: Axes) -> Iterator[Text]:
    """Texts of axes: titles, labels, annotations and those of the legend; not those of ticks and insets."""
    yield from (ax.xaxis.label, ax.yaxis.label)
    for child in ax.get_children():
        if isinstance(child, Text):
            yield child
        elif isinstance(child, mpl.legend.Legend):
            yield from (*child.get_texts(), child.get_title())


def _points(size: float | str) -> float:
    return float(mpl.font_manager.FontProperties(size=size).get_size_in_points())


def _tick_size(axis: Axis) -> float:
    usual = mpl.rcParams["xtick.labelsize" if isinstance(axis, XAxis) else "ytick.labelsize"]
    return _points((axis.get_tick_params() or {}).get("labelsize", usual))


def _mark(ax: Axes, words: str) -> None:
    width = ax.get_window_extent().width / cast(Figure, ax.figure).dpi
    size = 72 * min(width / (0.95 * len(words)), 0.8)
    across = ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", rotation=30, fontsize=size)
    across.set(color=_MARK, alpha=0.12, weight="bold", in_layout=False, gid="watermark", zorder=9)
    across.set_path_effects([withStroke(linewidth=size / 12, foreground="white", alpha=0.2)])
