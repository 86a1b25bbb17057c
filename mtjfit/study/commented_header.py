"""Names of columns in a comment above a table without a header line, as numpy.savetxt writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mtjfit.data.column_names import ColumnNames, split_unit
from mtjfit.data.format import SPACE
from mtjfit.data.readers import Column, Sheet
from mtjfit.data.tidy import is_missing, is_number, try_split
from mtjfit.study.roles import guessed_roles
from mtjfit.toml import PLACEHOLDER

_LONGEST_NAME = 100
_GAP = re.compile(r"\t| {2,}")


def is_torque_by_comment(sheet: Sheet) -> bool:
    """Whether a comment names two columns as bias and torque; without names they could be a spectrum."""
    names = names_in_comment(sheet)[1]
    roles = guessed_roles(_named(sheet, names))[0] if len(names) == 2 else {}
    return "bias" in roles and bool({"par", "perp", "torque"} & set(roles))


def names_in_comment(sheet: Sheet) -> tuple[int, tuple[str, ...]]:
    """Line and names of the last comment above the numbers, if it has one name for each column; else 0 and none.

    A remark may have as many cells by chance: one of the names must mean something.
    """
    nothing = 0, ()
    if sheet.format != "tidy" or sheet.header_line or sheet.form.header or not sheet.lines:
        return nothing
    above = [(n, text) for n, text in sheet.comments if n < sheet.lines[0] and re.search(r"[^\W\d_]", text)]
    if not above:
        return nothing
    line, text = above[-1]
    width, separator = len(sheet.columns), sheet.form.separator
    if len(text) > width * _LONGEST_NAME:
        return nothing
    text = text.lstrip("#% ")
    cells = try_split(text, separator)
    if separator == SPACE and len(cells) != width:
        cells = _GAP.split(text.strip())
    names = ColumnNames.of_header(cells)
    if len(cells) != width or len(set(names.full)) < width or not all(map(_is_name, cells)):
        return nothing
    return (line, tuple(cells)) if guessed_roles(_named(sheet, cells))[0] else nothing


def _named(sheet: Sheet, names: Sequence[str]) -> Sheet:
    columns = (Column(*split_unit(each), old.cells) for each, old in zip(names, sheet.columns, strict=True))
    return replace(sheet, columns=tuple(columns))


def _is_name(cell: str) -> bool:
    """False for numbers, for settings such as ``T = 295 K``, and for what no study file can hold."""
    is_text = bool(cell) and cell.isprintable() and len(cell) <= _LONGEST_NAME and PLACEHOLDER.fullmatch(cell) is None
    return is_text and "=" not in cell and not is_number(cell) and not is_missing(cell)
