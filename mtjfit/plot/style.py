"""Style of all figures, watermark of data that were not measured, labels, saving."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import matplotlib.style
import numpy as np
from matplotlib import colormaps, font_manager
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FuncFormatter, ScalarFormatter

from mtjfit.arrays import BoolArray
from mtjfit.data import pretty
from mtjfit.output import DRAWN, replace_file
from mtjfit.plot.own_axes import AxesLike, OwnAxes
from mtjfit.plot.windows import has_windows, interactive_windows, open_window, show_in_notebook, warn_of_no_window
from mtjfit.results.publish import FORMULAS, formula_of_own
from mtjfit.study import SCATTER, ParameterName, Study, is_amplitude
from mtjfit.terminal import FORMATS

SINGLE, DOUBLE = 3.37, 6.75
"""Widths of one and two columns of a physics journal, in inches."""


def panels_across(width: float, most: int, least: float) -> int:
    """How many panels of at least so many inches stand in a row of a figure, at most `most` and at least one.

    >>> panels_across(DOUBLE, 3, 2.0), panels_across(SINGLE, 3, 2.0)
    (3, 1)
    """
    return max(1, min(most, int(width / least)))


OKABE_ITO = {
    "blue": "#0072B2", "vermillion": "#D55E00", "green": "#009E73", "purple": "#CC79A7", "orange": "#E69F00",
    "sky": "#56B4E9", "yellow": "#F0E442", "black": "#000000",
}  # fmt: skip
"""Colours that people with any colour vision can tell apart (Okabe and Ito 2008)."""

_LIMITS = (-3, 4)  # powers of ten from which on numbers are not written out
_FONT = "DejaVu Sans"  # comes with matplotlib: the same figure on every machine
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": [_FONT],
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.titley": 1.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 7.0,
    "mathtext.fontset": "dejavusans",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.limits": _LIMITS,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "figure.dpi": 100.0,
    "savefig.dpi": 300.0,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "mtjfit",
}
_SCREEN_DPI = 150.0  # of a figure on the page of a notebook: the smallest letters are 14 pixels high
_PLACES = 8  # of positions, as shares of the figure: far below what any file keeps
_LINE = 0.125  # height of a line of the footer in inches
_WIDE = 0.052  # width of one of its characters

Format: TypeAlias = Literal["svg", "pdf", "png"]
_ABOUT: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": DRAWN.decode()},
    "pdf": {"CreationDate": None, "Creator": DRAWN.decode()},
    "png": {"Software": DRAWN.decode()},
}


class NotebookFigure(Figure):
    """A figure that a notebook shows at the end of a cell, laid out as `render` and `save` do.

    At the prompt of IPython it opens its window, if those of pyplot do. Other figures are shown only through pyplot,
    which keeps each one until it is closed.
    """

    def show(self, warn: bool = True) -> None:
        """Show the figure in a window, or below the cell of a notebook.

        It is then one of pyplot's: a script that ends with `plt.show()` waits until its window is closed. Without
        windows a warning says so, unless `warn` is false.
        """
        if has_windows():
            open_window(self)
        elif not show_in_notebook(self) and warn:
            warn_of_no_window()

    def _ipython_display_(self) -> None:
        if not interactive_windows():
            raise NotImplementedError  # IPython goes on to the picture
        self.show()

    def _repr_png_(self) -> bytes:
        return render(self, "png", dpi=_SCREEN_DPI)


def style(axes: AxesLike | None = None) -> AbstractContextManager[None]:
    """Context manager with the style of all figures, independent of the user's matplotlibrc.

    On `axes` of one's own that of their owner stays.
    """
    return matplotlib.style.context(["default", _STYLE]) if axes is None else nullcontext()


def sheet(axes: AxesLike | None, panels: tuple[int, int] | BoolArray, **figure: Any) -> Figure:
    """What a picture is drawn on: a new figure, or the owner's `axes` in the places of its panels.

    `panels` is the shape of their grid, or an array of this shape that is true where a panel is. Errors are those of
    `checked_axes`. A picture returns `finished(sheet)`.
    """
    if axes is None:
        return NotebookFigure(**figure)
    return OwnAxes(axes, np.ones(panels, dtype=bool) if isinstance(panels, tuple) else panels, **figure)


def first_panels(n: int, across: int) -> BoolArray:
    """Grid of `n` panels, `across` in a row, for `sheet`.

    >>> first_panels(3, 2).tolist()
    [[True, True], [True, False]]
    """
    rows = -(-n // max(across, 1))
    return np.arange(rows * across).reshape(rows, across) < n


def finished(fig: Figure) -> Figure:
    """The figure that was drawn on: that of the owner's axes, if there are any."""
    return fig.finished() if isinstance(fig, OwnAxes) else fig


@cache
def _font() -> FT2Font:
    return FT2Font(font_manager.findfont(_FONT))


def literal(text: str) -> str:
    r"""Literal text for matplotlib: no mathematics in a device name, no character without a glyph.

    >>> literal("$x_1$"), literal("a_b"), literal("two\nlines")
    ('\\$x_1\\$', 'a_b', 'two lines')
    """
    shown = "".join(c if c.isprintable() else " " for c in text)
    # A missing glyph is drawn as a box in any case, but with a warning.
    shown = "".join(c if _font().get_char_index(ord(c)) else "□" for c in shown)
    return shown.replace("$", r"\$")


def unit_of(unit: str, exponent: int = 0) -> str:
    """A unit in brackets for the end of a label, with a space before it, times a power of ten; empty if there is none.

    >>> unit_of("nm"), unit_of(""), unit_of("N m", -20), unit_of("1e-19 N m", 4)
    (' (nm)', '', ' (10⁻²⁰ N m)', ' (10⁴ · 10⁻¹⁹ N m)')
    """
    shown = pretty(unit)
    if exponent:
        power = "10" + str(exponent).translate(_RAISED)
        shown = f"{power}{' ·' if shown.startswith('10') else ''} {shown}".strip()
    return "" if not shown else f" [{shown}]" if "(" in shown else f" ({shown})"


def decade(values: Sequence[float] | np.ndarray) -> int:
    """Power of ten that the numbers of an axis are divided by: 0 for those of usual size.

    >>> decade([-0.02, 0.5]), decade([-1e-20, 3e-20]), decade([0.0])
    (0, -20, 0)
    """
    largest = float(np.max(np.abs(values), initial=0.0))
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    return 0 if _LIMITS[0] < exponent < _LIMITS[1] else exponent


def name_axis(
    axis: Axis, text: str, unit: str, *, below: bool = False, size: float | None = None, exponent: int | None = None
) -> None:
    """Label an axis with its unit, and this with the power of ten of its numbers, once everything is drawn.

    A power of ten at the end of the axis, where matplotlib puts it, moves titles, and panels in their places.
    `below`: the unit in a line of its own. `exponent`: that of several axes together.
    """
    exponent = decade(axis.get_view_interval()) if exponent is None else exponent
    formatter = axis.get_major_formatter()
    if exponent and isinstance(formatter, ScalarFormatter):
        formatter.set_powerlimits((exponent, exponent))
        formatter.set_useOffset(False)
        axis.get_offset_text().set_visible(False)
    elif exponent and isinstance(formatter, FuncFormatter):
        shown = formatter.func
        axis.set_major_formatter(FuncFormatter(lambda x, place: shown(x / 10.0**exponent, place)))
    shown_unit = unit_of(unit, exponent)
    axis.set_label_text(f"{text}\n{shown_unit.strip()}" if below else text + shown_unit)
    if size is not None:
        axis.label.set_fontsize(size)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def symbol(name: str) -> str:
    """A parameter as it is written in formulas; the device or group follows as it is.

    >>> symbol("lambda_J"), symbol("a1[dev $1$]")
    ('$\\\\lambda_J$', '$a_1$ [dev \\\\$1\\\\$]')
    """
    base, owner = ParameterName(name).base, ParameterName(name).owner
    if base.startswith(SCATTER):
        return f"scatter of {symbol(name.removeprefix(SCATTER))}"
    shown = f"${FORMULAS.get(base) or (f'{base[0]}_{base[1:]}' if is_amplitude(base) else formula_of_own(base))}$"
    return shown if owner is None else f"{shown} [{literal(owner)}]"


def colours_of(thicknesses: Sequence[float] | np.ndarray) -> list[str]:
    """A colour for each device, dark for thin and light for thick layers, the same for equal thicknesses.

    >>> colours_of([1.0, 2.0, 1.0])
    ['#440154', '#5ec962', '#440154']
    """
    different, order = np.unique(np.round(np.asarray(thicknesses, dtype=float), 6), return_inverse=True)
    if different.size == 1:
        return [OKABE_ITO["blue"]] * order.size
    # Beyond 0.75 viridis is too light for thin lines on white paper.
    return [to_hex(colormaps["viridis"](0.75 * k / (different.size - 1))) for k in order]


def footer(fig: Figure, study: Study, note: str = "") -> float:
    """Write a note and, for data that were not measured, the `watermark` at the bottom of a figure.

    Returns their height in inches; under constrained layout it is kept free of axes. On axes of one's own the kinds of
    data are written across each, without the note.
    """
    if isinstance(fig, OwnAxes):
        fig.mark([origin.kind.upper() for origin in study.origins if origin.label], note)
        return 0.0
    lines = _note_lines(fig.get_figwidth(), note)
    height = watermark(fig, study)
    for k, line in enumerate(reversed(lines)):
        y = (height + (k + 0.25) * _LINE) / fig.get_figheight()
        fig.text(0.5, y, line, ha="center", va="bottom", fontsize=6.5, color="0.35", parse_math=True)
    height = footer_height(fig.get_figwidth(), study, note)
    engine = fig.get_layout_engine()
    if engine is not None and height:
        share = height / fig.get_figheight()
        engine.set(rect=(0.0, share, 1.0, 1.0 - share))  # type: ignore[call-arg]
    return height


def footer_height(width: float, study: Study, note: str = "") -> float:
    """Height in inches that `footer` takes in a figure of some width in inches."""
    parts = (_mark_lines(width, study), _note_lines(width, note))
    return sum(len(lines) * _LINE + 0.05 for lines in parts if lines)


def _note_lines(width: float, note: str) -> list[str]:
    return textwrap.wrap(note, int(width / (0.93 * _WIDE)))


def _mark_lines(width: float, study: Study) -> list[str]:
    return textwrap.wrap(study.label, int(width / (1.12 * _WIDE)))


def panel_grid(
    fig: Figure,
    rows: int,
    columns: int,
    *,
    left: float,
    bottom: float,
    across: float = 0.0,
    down: float = 0.0,
    top: float = 0.12,
    right: float = 0.1,
    sharey: bool = False,
) -> np.ndarray:
    """Panels at fixed distances in inches, shape (rows, columns): a layout engine would double the time."""
    W, H = fig.get_size_inches()
    width = (W - left - right - (columns - 1) * across) / columns
    height = (H - top - bottom - (rows - 1) * down) / rows
    places = {"left": left / W, "right": 1 - right / W, "top": 1 - top / H, "bottom": bottom / H,
              "wspace": across / width, "hspace": down / height}  # fmt: skip
    return np.asarray(fig.subplots(rows, columns, squeeze=False, sharey=sharey, gridspec_kw=places))


def watermark(fig: Figure, study: Study) -> float:
    """Mark a figure of data that were not measured, in full at the bottom and across it; returns the height in inches.

    Nothing happens if every curve was measured.
    """
    if not study.label:
        return 0.0
    lines = _mark_lines(fig.get_figwidth(), study)
    for k, line in enumerate(reversed(lines)):
        y = (k + 0.3) * _LINE / fig.get_figheight()
        text = fig.text(0.5, y, _drawable(line), ha="center", va="bottom", fontsize=7, parse_math=False)
        text.set(color=OKABE_ITO["vermillion"], weight="bold", gid=f"watermark-{k}")
    kinds = " / ".join(dict.fromkeys(o.kind.upper() for o in study.origins if o.label))
    size = 72 * min(fig.get_figwidth() / (0.95 * len(kinds)), 0.8)
    across = fig.text(0.5, 0.5, kinds, ha="center", va="center", rotation=30, fontsize=size, weight="bold")
    across.set(color=OKABE_ITO["vermillion"], alpha=0.10, gid="watermark", in_layout=False)
    return len(lines) * _LINE + 0.05


def _drawable(text: str) -> str:
    return literal(text).replace(r"\$", "$")


def render(fig: Figure, format: Format = "svg", *, dpi: float | None = None) -> bytes:
    """A figure as the bytes of a file; the same figure gives the same bytes.

    The first rendering lays the figure out and keeps it so: with many panels that takes most of the time. `dpi` is the
    resolution of all that is drawn as an image, 300 if it is not given. ValueError for a format other than svg, pdf,
    png.
    """
    if format not in get_args(Format):
        raise ValueError(f"figures are saved as {', '.join(get_args(Format))}, not {format!r}")
    buffer = io.BytesIO()
    with style():
        _lay_out(fig)
        fig.savefig(buffer, format=format, metadata=_ABOUT[format], dpi=dpi)
    return buffer.getvalue()


def _lay_out(fig: Figure) -> None:
    """Place everything once; an engine that stays would do it at each saving, even the one that is called "none".

    Positions are rounded: the engine's last digits differ from run to run, and with them names in SVG files.
    """
    engine = fig.get_layout_engine()
    if engine is not None and fig.axes:
        FigureCanvasSVG(fig)  # measures letters as the SVG file does, which spares half of the formulas
        with warnings.catch_warnings():  # where words leave no room for pictures, these overlap
            warnings.filterwarnings("ignore", "constrained_layout not applied")
            engine.execute(fig)
        fig.set_layout_engine(None)
        for ax in fig.axes:
            ax.set_position(tuple(np.round(ax.get_position(original=True).bounds, _PLACES).tolist()))


def save(fig: Figure, path: str | Path) -> Path:
    """Save a figure in the format of the suffix, .svg, .pdf or .png (else ValueError); returns the path.

    It takes the place of an earlier file of this name; MtjfitError if that is a link or no regular file.
    """
    path = Path(path)
    replace_file(path, render(fig, path.suffix.removeprefix(".").lower()))  # type: ignore[arg-type]
    return path


def picture_files(figures: Mapping[str, Figure], pdf: bool) -> dict[str, bytes]:
    """SVG and PNG of figures by file name, and PDF if wanted."""
    formats = [suffix for suffix in FORMATS if pdf or suffix != "pdf"]
    return {f"{name}.{suffix}": render(fig, suffix) for name, fig in figures.items() for suffix in formats}
