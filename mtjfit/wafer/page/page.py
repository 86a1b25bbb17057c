"""One HTML page of wafers, its figures as SVG, and all its tables as CSV."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

import mtjfit
from mtjfit.data.curve import BoolArray
from mtjfit.html import template
from mtjfit.multiple_tests import FALSE_ALARM
from mtjfit.plain import csv_bytes
from mtjfit.plot.style import render
from mtjfit.text import Table, number
from mtjfit.wafer.page.pictures import Picture, pictures, title_of
from mtjfit.wafer.page.stacks import STACK_TABLES, StackResults
from mtjfit.wafer.page.text import faults_table, flags_table, limits_table, means_table, pairs_table, survey_says
from mtjfit.wafer.plot import plot_device_curve
from mtjfit.wafer.survey.curves import Curves
from mtjfit.wafer.survey.limits import OddDevices, WaferFindings
from mtjfit.wafer.survey.survey import Survey

__all__ = ["MOST_CURVES", "is_wafer_file", "wafer_files"]

MOST_CURVES = 20
"""Curves of odd devices on the page."""
_MOST_ODD = 120
_CURVE_DPI = 120.0
_TABLES = ("limits.csv", "wafers.csv", "pairs.csv", "odd.csv", "faults.csv")
_NAME = re.compile(r"(control|map|smooth|histogram)-[a-z0-9_-]+\.(svg|pdf)")


def is_wafer_file(name: str) -> bool:
    """True for names that `wafer_files` gives.

    Examples
    --------
    >>> is_wafer_file("map-kappa-a1.svg"), is_wafer_file("thesis.tex")
    (True, False)
    """
    return name in ("wafer.html", *_TABLES, *STACK_TABLES) or _NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class _Section:
    """All about one quantity."""

    title: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class _Odd:
    """A row of the list of odd devices, with the name of its curve on the page, if there is one."""

    device: str
    wafer: str
    population: str
    place: str
    reason: str
    curve: str


def wafer_files(
    survey: Survey,
    findings: Sequence[WaferFindings],
    odd: OddDevices,
    curves: Curves,
    faults: pd.DataFrame,
    *,
    stacks: StackResults | None = None,
    pdf: bool = False,
    progress: Callable[[str], object] | None = None,
) -> dict[str, bytes]:
    """Everything that ``mtjfit wafer`` writes, by file name: ``wafer.html``, figures, tables.

    Up to three quantities the page stays below 5 MB, whatever the number of devices and wafers.

    Parameters
    ----------
    findings : sequence of WaferFindings
        A section of the page each.
    curves : Curves
        Of some of them.
    faults : DataFrame
        Devices that could not be used: columns device, wafer, where, what, todo.
    stacks : StackResults, optional
        Fits and posteriors by split.
    pdf : bool
        Give each figure a PDF file, too.
    progress : callable, optional
        Called with the name of each figure before it is drawn.
    """
    rings = _rings(survey, odd)
    drawn_of = pictures(findings, rings, pdf=pdf, progress=progress)
    sections = [_Section(title_of(one.quantity), drawn_of[one.quantity], _tables(one)) for one in findings]
    files = {name: data for section in sections for each in section.pictures for name, data in each.files.items()}
    tables = _numbers(findings) | {"odd.csv": (odd.table, "device"), "faults.csv": (faults, "device")}
    if stacks is not None:
        tables |= {name: (frame.reset_index(), "split") for name, frame in stacks.frames().items()}
    # whoever gets one of these tables alone sees in every row whether it was measured
    files |= {name: _csv(frame.assign(origin=survey.origin), first) for name, (frame, first) in tables.items()}
    drawn = dict(_curves(survey, odd, curves, progress))
    html = template("mtjfit.wafer.page", "wafer.html.j2").render(
        program=f"mtjfit {mtjfit.__version__}",
        survey=survey,
        says=survey_says(survey, odd, len(faults)),
        sections=sections,
        flags=flags_table(survey),
        odd=list(_rows(odd, drawn)),
        n_odd=len(odd.table),
        curves=list(drawn.values()),
        missing=curves.missing,
        n_more=max(0, len(odd.table) - len(drawn)) if drawn else 0,
        faults=faults_table(faults),
        safe=lambda picture: Markup(picture.content),  # noqa: S704 - drawn here, texts in it escaped
        stack_tables=() if stacks is None else stacks.tables(),
        stack_notes=() if stacks is None else stacks.notes(),
        table_files=sorted(tables),
    )
    return {**files, "wafer.html": html.encode()}


def _numbers(findings: Sequence[WaferFindings]) -> dict[str, tuple[pd.DataFrame, str]]:
    """Tables of all quantities below one another, with the name of their first column."""
    named = {
        "limits.csv": [one.limits.drop(columns="says", errors="ignore").reset_index() for one in findings],
        "wafers.csv": [one.means.table.reset_index() for one in findings],
        "pairs.csv": [one.pairs for one in findings],
    }
    found = {}
    for name, frames in named.items():
        whose = [frame.assign(quantity=one.quantity) for frame, one in zip(frames, findings, strict=True)]
        if whose:
            found[name] = pd.concat([each for each in whose if len(each)] or whose), "quantity"
    return found


def _csv(frame: pd.DataFrame, first: str) -> bytes:
    return csv_bytes(frame.set_index(first))


def _rings(survey: Survey, odd: OddDevices) -> BoolArray:
    """Devices beyond what is expected, as rows of the survey."""
    beyond = odd.table[odd.table["p_adjusted"] < FALSE_ALARM]
    names = pd.MultiIndex.from_frame(survey.frame[["wafer", "device"]])
    return np.asarray(names.isin(pd.MultiIndex.from_frame(beyond[["wafer", "device"]])))


def _tables(found: WaferFindings) -> tuple[Table, ...]:
    return tuple(table for table in (limits_table(found), means_table(found), pairs_table(found)) if table.rows)


def _curves(
    survey: Survey, odd: OddDevices, curves: Curves, progress: Callable[[str], object] | None
) -> Iterator[tuple[tuple[str, str], Picture]]:
    """Small figures of odd devices, by wafer and name, in the order of the list."""
    for k, row in enumerate(odd.table.head(MOST_CURVES).itertuples()):
        key = (str(row.wafer), str(row.device))
        if key not in curves.found:
            continue
        if progress is not None:
            progress(f"curve of {key[1]}")
        curve = curves.found[key]
        who = ", ".join(str(part) for part in (row.device, row.wafer) if part)
        alt = (
            f"{curve.quantity.capitalize()} of {who} against bias: {int(curve.used.sum())} points from "
            f"{curve.bias.min():.3g} to {curve.bias.max():.3g} V, in-plane {_range(curve.values[0])}, out-of-plane "
            f"{_range(curve.values[1])}."
        )
        figure = plot_device_curve(curve, survey)
        # As images: with their letters as outlines, drawings of this size are five times larger.
        png = base64.b64encode(render(figure, "png", dpi=_CURVE_DPI)).decode()
        content = f'<img alt="{Markup.escape(alt)}" src="data:image/png;base64,{png}">'
        yield key, Picture(f"curve-{k}", f"{who}: {row.reason}", alt, content, figure.get_figwidth())


def _range(values: np.ndarray) -> str:
    return f"{number(np.nanmin(values), 3)} to {number(np.nanmax(values), 3)}"


def _rows(odd: OddDevices, drawn: Mapping[tuple[str, str], Picture]) -> Iterator[_Odd]:
    for row in odd.table.head(_MOST_ODD).itertuples():
        picture = drawn.get((str(row.wafer), str(row.device)))
        x, y = float(row.x), float(row.y)  # type: ignore[arg-type]
        place = f"({x:g}, {y:g})" if np.isfinite(x) and np.isfinite(y) else ""
        yield _Odd(str(row.device), str(row.wafer), str(row.population), place, str(row.reason),
                   picture.name if picture is not None else "")  # fmt: skip
