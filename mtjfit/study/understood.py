"""What a look at data files showed, as tables for people: every column with its unit, range and likely meaning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtjfit.data.readers import Column, Sheet
from mtjfit.data.readers.sheet import split_unit
from mtjfit.data.sanity import suspicious_units
from mtjfit.data.sheets import canonical_unit
from mtjfit.data.tidy import parse_number
from mtjfit.study.sight import Sight
from mtjfit.text import number, table

__all__ = ["understood"]

_MOST_SHEETS, _MOST_COLUMNS, _MOST_PARAMETERS, _LONGEST = 6, 20, 20, 60
_KINDS = {"bias": "bias", "sigma_bias": "bias", "thickness": "thickness"}


def understood(sight: Sight) -> str:
    """Text that says how a file was understood; each guess is marked, each doubt begins with ``LOOK``.

    Parameters
    ----------
    sight : Sight

    Returns
    -------
    str
        Several lines.
    """
    return "\n".join(_lines(sight))


def _lines(sight: Sight) -> Iterator[str]:
    yield f"{sight.path.name}: {sight.says} (GUESS)"
    if not sight.sheets:
        yield "  cannot be read in full as it stands: mtjfit check will say why"
    for sheet in sight.sheets[:_MOST_SHEETS]:
        yield from _sheet(sheet, sight)
    if len(sight.sheets) > _MOST_SHEETS:
        yield f"  and {len(sight.sheets) - _MOST_SHEETS} more"
    for note in sight.notes:
        yield f"  found out: {note}"


def _sheet(sheet: Sheet, sight: Sight) -> Iterator[str]:
    rows = len(sheet.lines)
    yield f"  {_short(sheet.label.rpartition('/')[2])}: {rows} rows, {len(sheet.columns)} columns"
    taken = {name: role for role, name in sight.columns.items()}
    taken |= {split_unit(name)[0]: role for role, name in sight.places.items()}
    cells = [_described(column, sheet, taken) for column in sheet.columns[:_MOST_COLUMNS]]
    yield from ("    " + line for line in table(["column", "unit", "from", "to", "taken as"], cells).splitlines())
    if len(sheet.columns) > _MOST_COLUMNS:
        yield f"    and {len(sheet.columns) - _MOST_COLUMNS} more columns"
    for key, value in list(sheet.metadata.items())[:_MOST_PARAMETERS]:
        role = f"  {taken[key]} (GUESS)" if key in taken and key not in sheet.names else ""
        yield f"    header: {_short(key)} = {_short(value)}{role}"
    yield from (f"  LOOK: {doubt}" for doubt in _doubts(sheet, taken))


def _described(column: Column, sheet: Sheet, taken: dict[str, str]) -> list[str]:
    values = _numbers(column, sheet)
    ends = [number(float(np.min(values))), number(float(np.max(values)))] if values.size else ["text", ""]
    role = f"{taken[column.name]} (GUESS)" if column.name in taken else "-"
    return [_short(column.name), _short(column.unit or "not said"), *ends, role]


def _numbers(column: Column, sheet: Sheet) -> np.ndarray:
    parsed = (parse_number(cell, sheet.decimal) for cell in column.cells)
    return np.array([value for value, fault in parsed if fault is None])


def _doubts(sheet: Sheet, taken: dict[str, str]) -> Iterator[str]:
    for column in sheet.columns:
        kind = _KINDS.get(taken.get(column.name, ""))
        unit = canonical_unit(column.unit, kind) if kind and column.unit else ""
        if kind and unit:
            yield from suspicious_units(kind, _numbers(column, sheet), unit)


def _short(text: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
