"""The HTML page of wafers, its figures as SVG, and all its tables as CSV."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from mtjfit.arrays import BoolArray
from mtjfit.html import inline_svg, program_of, template
from mtjfit.plain import csv_bytes
from mtjfit.plot.style import render
from mtjfit.text import counted, number, visible
from mtjfit.version import __version__
from mtjfit.wafer.page.calls import Beginnings, curve_call, quantity_call
from mtjfit.wafer.page.stacks import STACK_TABLES, StackResults
from mtjfit.wafer.page.text import (
    beyond_says,
    faults_table,
    flags_table,
    limits_alt,
    map_alt,
    quantity_tables,
    quantity_title,
    smooth_alt,
    splits_alt,
    survey_says,
)  # fmt: skip
from mtjfit.wafer.plot import plot_control, plot_device_curve, plot_smooth, plot_splits, plot_wafer_map
from mtjfit.wafer.survey.curves import Curves
from mtjfit.wafer.survey.limits import OddDevices, WaferFindings
from mtjfit.wafer.survey.survey import Survey

KINDS = {"control": "control chart", "map": "map", "smooth": "smooth part", "histogram": "histogram"}
"""Pictures of a quantity in the order of the page, by the beginning of their file names."""
MOST_CURVES = 20
"""Curves of odd devices on the page."""
_MOST_ODD = 120
_CURVE_DPI = 120.0
_IMAGE_DPI = 150.0  # of images of many marks: enough for the page, where they take most of the bytes
_OF_QUANTITY: dict[str, Callable[[WaferFindings], pd.DataFrame | None]] = {
    "limits.csv": lambda one: one.limits.drop(columns="says", errors="ignore").reset_index(),
    "wafers.csv": lambda one: one.means.table.reset_index(),
    "pairs.csv": lambda one: one.pairs,
    "odd-wafers.csv": lambda one: one.odd_wafers,
}
_TABLES = (*_OF_QUANTITY, "odd.csv", "faults.csv")
_NAME = re.compile(r"(control|map|smooth|histogram|stack)-[a-z0-9_-]+\.(svg|pdf)")


def is_wafer_file(name: str) -> bool:
    """True for the names of files of `wafer_files`."""
    return name in ("wafer.html", *_TABLES, *STACK_TABLES) or _NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class _Picture:
    """A figure of the page."""

    name: str
    caption: str
    alt: str
    content: str
    width: float
    files: Mapping[str, bytes] = field(default_factory=dict)
    call: str = ""
    program: str = ""


def wafer_files(
    survey: Survey,
    findings: Sequence[WaferFindings],
    odd: OddDevices,
    curves: Curves,
    faults: pd.DataFrame,
    *,
    stacks: StackResults | None = None,
    pdf: bool = False,
    beginnings: Beginnings | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> dict[str, bytes]:
    """All files that ``mtjfit wafer`` writes, by name: ``wafer.html``, figures, tables.

    With up to three quantities, a section of `findings` each, the page stays below 5 MB for any number of devices and
    wafers. `faults` are unusable devices: columns device, wafer, where, what, todo. Without `beginnings` no figure has
    the Python that draws it. `progress` is called with the name of each figure before it is drawn.
    """
    rings = odd.among(survey)
    pictures = [tuple(_pictures(one, rings, pdf, beginnings, progress)) for one in findings]
    of_stacks = () if stacks is None else tuple(_stack_pictures(stacks, pdf, beginnings, progress))
    files = {name: data for drawn in (*pictures, of_stacks) for each in drawn for name, data in each.files.items()}
    tables = {name: (frame, "quantity") for name, frame in wafer_quantity_tables(findings).items()}
    tables |= {"odd.csv": (odd.table, "device"), "faults.csv": (faults, "device")}
    if stacks is not None:
        tables |= {name: (frame, "split") for name, frame in stacks.frames().items()}
    # every row has its origin, because tables travel alone
    files |= {name: csv_bytes(frame.assign(origin=survey.origin).set_index(first))
              for name, (frame, first) in tables.items()}  # fmt: skip
    shown = dict(_curves(survey, odd, curves, beginnings, progress))
    html = template("wafer/page/wafer.html.j2").render(
        program=f"mtjfit {__version__}",
        survey=survey,
        says=survey_says(survey, odd, len(faults)),
        sections=[
            {
                "title": quantity_title(one.quantity),
                "take": beyond_says(one),
                "pictures": drawn,
                "tables": quantity_tables(one),
            }
            for one, drawn in zip(findings, pictures, strict=True)
        ],
        flags=flags_table(survey),
        odd=list(_rows(odd, shown)),
        n_odd=len(odd.table),
        curves=list(shown.values()),
        missing=curves.missing,
        n_more=max(0, len(odd.table) - len(shown)) if shown else 0,
        faults=faults_table(faults),
        words=lambda text: text,
        safe=lambda picture: Markup(picture.content),  # noqa: S704 - drawn here, texts in it escaped
        stack_tables=() if stacks is None else stacks.tables(),
        stack_pictures=of_stacks,
        stack_notes=() if stacks is None else stacks.notes(),
        table_files=sorted(tables),
    )
    return {**files, "wafer.html": html.encode()}


def _pictures(
    found: WaferFindings,
    rings: BoolArray,
    pdf: bool,
    beginnings: Beginnings | None,
    progress: Callable[[str], object],
) -> Iterator[_Picture]:
    """Pictures of one quantity; none if no unflagged device determines it."""
    slug = re.sub(r"[^a-z0-9_]+", "-", found.quantity.lower()).strip("-") or "quantity"
    for kind in () if found.limits.empty else KINDS:
        progress(f"{KINDS[kind]} of {quantity_title(found.quantity)}")
        if (drawn := _figure(found, kind, rings)) is not None:
            picture = _drawn(f"{kind}-{slug}", *drawn, pdf)
            beginning = beginnings.of_quantities() if beginnings else ""
            yield _with_call(picture, quantity_call(kind, found.quantity), beginning)


def _with_call(picture: _Picture, call: str, beginning: str) -> _Picture:
    """A picture with the Python that draws it, if there are first lines."""
    if not beginning:
        return picture
    return replace(picture, call=call, program=program_of(picture.name, call, beginning))


def _stack_pictures(
    stacks: StackResults, pdf: bool, beginnings: Beginnings | None, progress: Callable[[str], object]
) -> Iterator[_Picture]:
    """Pictures of the section on stacks."""
    for each in stacks.pictures():
        progress(each.caption.partition(".")[0])
        picture = _drawn(each.name, each.draw(), each.caption, each.alt, pdf)
        yield _with_call(picture, each.call, beginnings.of_stacks(each.reading) if beginnings else "")


def _drawn(name: str, figure: Figure, caption: str, alt: str, pdf: bool) -> _Picture:
    svg = render(figure, "svg", dpi=_IMAGE_DPI)
    files = {f"{name}.svg": svg} | ({f"{name}.pdf": render(figure, "pdf")} if pdf else {})
    return _Picture(name, caption, alt, inline_svg(svg, name, alt), figure.get_figwidth(), files)


def _figure(found: WaferFindings, kind: str, rings: BoolArray) -> tuple[Figure, str, str] | None:
    """Figure, caption and alternative text; None if devices have no positions, or too few for a smooth part."""
    survey, quantity = found.survey, found.quantity
    title = quantity_title(quantity).replace("Slope", "slope")  # here in the middle of a sentence
    who = f"{title} of {counted(int(survey.usable(quantity).sum()), 'device')} of {survey.name}"
    if kind == "control":
        caption = (
            f"Control chart of {who}: devices of each wafer with the limits of their population, and the spread of "
            "true values by wafer."
        )
        return plot_control(survey, quantity, found), caption, limits_alt(found)
    if kind == "histogram":
        caption = f"Histogram of {who} by population, in common bins."
        return plot_splits(survey, quantity, found), caption, splits_alt(found)
    if not np.any(survey.placed & survey.known(quantity)):
        return None
    if kind == "map":
        return (
            plot_wafer_map(survey, quantity, odd=rings),
            f"Map of {who}; rings: odd devices, ×: flagged ones.",
            map_alt(found),
        )
    if not found.surfaces:
        return None
    caption = (
        f"Smooth part of {who}: a polynomial of second order over each wafer, fitted robustly, and its residuals; "
        "rings: odd devices."
    )
    return plot_smooth(survey, quantity, found.surfaces, odd=rings), caption, smooth_alt(found)


def wafer_quantity_tables(findings: Sequence[WaferFindings]) -> dict[str, pd.DataFrame]:
    """Tables of all quantities below one another, by name of file: limits, wafers, and their pairs or odd ones."""
    found = {}
    for name, table in _OF_QUANTITY.items():
        frames = [frame.assign(quantity=one.quantity) for one in findings if (frame := table(one)) is not None]
        if frames:
            found[name] = pd.concat([each for each in frames if len(each)] or frames)
    return found


def _curves(
    survey: Survey,
    odd: OddDevices,
    curves: Curves,
    beginnings: Beginnings | None,
    progress: Callable[[str], object],
) -> Iterator[tuple[tuple[str, str], _Picture]]:
    """Small figures of odd devices by wafer and name, in the order of the list."""
    for k, row in enumerate(odd.table.head(MOST_CURVES).itertuples()):
        key = (str(row.wafer), str(row.device))
        if key not in curves.found:
            continue
        progress(f"curve of {key[1]}")
        curve = curves.found[key]
        who = ", ".join(str(part) for part in (row.device, row.wafer) if part)
        parts = [f"{number(np.nanmin(each), 3)} to {number(np.nanmax(each), 3)}" for each in curve.values]
        alt = (
            f"{curve.quantity.capitalize()} of {who} against bias: {int(curve.used.sum())} points from "
            f"{curve.bias.min():.3g} to {curve.bias.max():.3g} V, in-plane {parts[0]}, out-of-plane {parts[1]}."
        )
        figure = plot_device_curve(curve, survey)
        # As images: with their letters as outlines, drawings of this size are five times larger.
        png = base64.b64encode(render(figure, "png", dpi=_CURVE_DPI)).decode()
        content = f'<img alt="{Markup.escape(visible(alt))}" src="data:image/png;base64,{png}">'
        picture = _Picture(f"curve-{k}", f"{who}: {row.reason}", alt, content, figure.get_figwidth())
        yield key, _with_call(picture, curve_call(curve), beginnings.of_curve(curve) if beginnings else "")


def _rows(odd: OddDevices, drawn: Mapping[tuple[str, str], _Picture]) -> Iterator[dict[str, str]]:
    """Rows of the list of odd devices, with the name of the curve on the page, if there is one."""
    for row in odd.table.head(_MOST_ODD).itertuples():
        picture = drawn.get((str(row.wafer), str(row.device)))
        x, y = float(row.x), float(row.y)  # type: ignore[arg-type]
        place = f"({x:g}, {y:g})" if np.isfinite(x) and np.isfinite(y) else ""
        words = {name: str(getattr(row, name)) for name in ("device", "wafer", "population", "reason")}
        yield {**words, "place": place, "curve": picture.name if picture is not None else ""}
