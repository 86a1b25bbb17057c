"""Wide tables, series side by side, cut into one sheet for each series by a declared rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.data.format import Wide
from mtjfit.data.readers.sheet import Column, Sheet
from mtjfit.errors import DataError, Place, Problem, ProblemLog
from mtjfit.text import counted


def blocks(sheets: Sheet | Sequence[Sheet], wide: Wide) -> tuple[Sheet, ...]:
    """One sheet for each series of one or more wide ones, its fields among the header parameters.

    Rows in which a series has no cell at all are left out of it: series may differ in length. DataError where the
    columns do not divide into blocks, a name does not fit the pattern, or points find no partner.

    Examples
    --------
    >>> cells = [("62.5",), ("6.8E-6",), ("69.3",), ("2.7E-6",)]
    >>> names = ["2f_1.0_GHz", "2f_1.0_GHz", "2f_2.0_GHz", "2f_2.0_GHz"]
    >>> columns = tuple(Column(name, None, each) for name, each in zip(names, cells))
    >>> for one in blocks(Sheet("a.csv", "wide", columns, (3,)), Wide(("H", "V"), name="2f_{frequency:GHz}")):
    ...     print(one.label, one.names, one.parameter("frequency").value, one.numbers("H"))
    a.csv[2f_1.0_GHz] ('H', 'V') 1.0 [62.5]
    a.csv[2f_2.0_GHz] ('H', 'V') 2.0 [69.3]
    """
    every = [sheets] if isinstance(sheets, Sheet) else sheets
    cut = _by_place if wide.columns else _by_name
    found = [each for sheet in every for each in cut(sheet, wide)]
    if "column" in wide.pattern_names:
        found = _joined(found, wide.within)
    return tuple(found)


def _fields(wide: Wide, text: str, sheet: Sheet, column: Column) -> dict[str, str]:
    if wide.pattern is None:
        return {"series": text}
    return wide.pattern.fields(text, f"{sheet.where}: column {column.name!r}")


def _by_place(sheet: Sheet, wide: Wide) -> list[Sheet]:
    width = len(wide.columns)
    if len(sheet.columns) % width:
        what = f"has {counted(len(sheet.columns), 'column')}, which do not divide into blocks of {width}"
        raise DataError([Problem(sheet.where, what, "correct columns in [data.wide]")])
    found, texts = [], []
    for k in range(0, len(sheet.columns), width):
        block = sheet.columns[k : k + width]
        text = block[0].name if wide.name_in == "name" else next((c.comment for c in block if c.comment), "")
        named = tuple(replace(column, name=name) for column, name in zip(block, wide.columns, strict=True))
        one = _filled(replace(sheet, columns=named)).with_metadata(_fields(wide, text, sheet, block[0]))
        texts.append(text)
        found.append(replace(one, label=f"{sheet.label}[{text}]") if text and text not in sheet.label else one)
    # Series of one name, such as Origin's, are distinguished by their place.
    repeated = {text for text in texts if texts.count(text) > 1}
    return [
        replace(one, label=f"{sheet.label}[{k}]") if text in repeated else one
        for k, (one, text) in enumerate(zip(found, texts, strict=True), start=1)
    ]


def _filled(sheet: Sheet, common: int = 0) -> Sheet:
    """Without the rows in which no column behind the common ones has a cell."""
    own = sheet.columns[common:]
    kept = [i for i in range(len(sheet.lines)) if any(column.cells[i] for column in own)]
    if not kept:
        raise DataError([Problem(sheet.where, f"series {own[0].name!r} has no rows", "remove its columns")])
    return sheet.at(kept)


def _by_name(sheet: Sheet, wide: Wide) -> list[Sheet]:
    shared = tuple(sheet.column(name) for name in wide.common)
    groups: dict[tuple[tuple[str, str], ...], list[Column]] = {}
    for column in sheet.columns:
        if any(column is each for each in shared):
            continue
        text = column.name if wide.name_in == "name" else column.comment
        fields = _fields(wide, text, sheet, column)
        group = groups.setdefault(tuple((k, v) for k, v in fields.items() if k != "column"), [])
        if any(each.name == fields["column"] for each in group):
            what, todo = f"is a second column {fields['column']!r} of its series", "correct the pattern or rename it"
            raise DataError([Problem(f"{sheet.where}: column {column.name!r}", what, todo)])
        group.append(replace(column, name=fields["column"]))
    found = []
    for fields_of, columns in groups.items():
        one = _filled(replace(sheet, columns=(*shared, *columns)), len(shared)).with_metadata(dict(fields_of))
        said = ", ".join(value for _, value in fields_of)
        found.append(replace(one, label=f"{sheet.label}[{said}]") if said and len(groups) > 1 else one)
    return found


def _joined(sheets: Sequence[Sheet], within: float) -> list[Sheet]:
    """Series of (X, Y) that differ in ``column`` only, as one sheet with a column for each."""
    if any(sheet.names[-1] == sheet.metadata.get("column") or "column" not in sheet.metadata for sheet in sheets):
        return list(sheets)
    groups: dict[tuple[tuple[str, str], ...], list[Sheet]] = {}
    for sheet in sheets:
        key = tuple((k, v) for k, v in sheet.metadata.items() if k not in ("column", "dataset"))
        groups.setdefault(key, []).append(sheet)
    return [_paired(key, group, within) for key, group in groups.items()]


def _paired(key: tuple[tuple[str, str], ...], group: Sequence[Sheet], within: float) -> Sheet:
    first, *others = group
    x = first.numbers(first.names[0])
    order = np.argsort(x, kind="stable")
    if len(x) > 1 and within > 0 and np.min(np.diff(x[order])) <= 2 * within:
        what = f"has points closer than twice within = {within:g}"
        raise DataError([Problem(first.label, what, "make within smaller: partners must be beyond doubt")])
    columns = [replace(first.columns[-1], name=first.metadata["column"])]
    total = x.copy()
    for other in others:
        partner = _partners(first, x, order, other, within)
        total += other.numbers(other.names[0])[partner]
        columns.append(replace(other.columns[-1].at(partner), name=other.metadata["column"]))
    mean = total / len(group)
    exact = all(np.array_equal(np.sort(x), np.sort(other.numbers(other.names[0]))) for other in others)
    cells = first.columns[0].cells if exact else tuple(repr(float(v)).replace(".", first.decimal) for v in mean)
    notes = first.notes if exact else (*first.notes, f"X of points paired within {within:g} is their mean")
    bias = replace(first.columns[0], cells=cells)
    said = ", ".join(value for _, value in key)
    label = first.label.rpartition("[")[0] or first.label
    return replace(first, label=f"{label}[{said}]" if said else label, columns=(bias, *columns), metadata=dict(key),
                   notes=notes)  # fmt: skip


def _partners(first: Sheet, x: FloatArray, order: IntArray, other: Sheet, within: float) -> list[int]:
    """Row of `other` that belongs to each row of `first`; DataError for rows without partner."""
    z = other.numbers(other.names[0])
    log = ProblemLog(other.label)
    for ours, theirs, sheet, partners in ((z, x, other, first), (x, z, first, other)):
        for value, line in zip(ours, sheet.lines, strict=True):
            if not np.any(np.abs(theirs - value) <= within):
                what = f"X = {value:g} has no partner within {within:g} in {partners.label}"
                todo = "remove the point, or raise within in [data.wide]"
                log.add(what, todo, Place(sheet.label, line), sheet.names[0])
    if not log.count and len(z) != len(x):
        log.add(f"has {counted(len(z), 'point')}, {first.label} has {len(x)}", "give each point one partner")
    log.refuse()
    partner = np.empty(len(x), dtype=np.intp)
    partner[order] = np.argsort(z, kind="stable")
    return partner.tolist()
