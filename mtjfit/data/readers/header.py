"""Lines above the rows of a table: the one that names the columns, units and comments below it, and a preamble."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtjfit.data.format import HeaderLine, ReadOptions
from mtjfit.data.tidy import is_number
from mtjfit.data.units import canonical_unit
from mtjfit.data.written_units import written_unit

_UNIT = re.compile(r"[(\[]?[A-Za-zµμΩ°%Å][\w/^·*.µμΩ°%Å−-]{0,9}[)\]]?|-|a\.u\.|arb\. ?units?")
_KNOWN = ("-", "--", "1", "%", "a.u.", "arb", "counts", "emu")
_LOOKED_AT = 50
_KINDS = ("bias", "thickness", "torque")

Row = tuple[int, list[str]]
"""A line or row number, and its fields."""


def n_header_lines(options: ReadOptions, rows: Sequence[Row]) -> int:
    """Number of lines above the rows: as declared, else all before the first row of the table.

    A row is at least half of numbers. Settings such as ``Power,18``, a text and a number, are none where they are
    shorter than the last line, or end their first text with a colon, begin with texts that do not repeat, and stand
    above a line that names all columns.
    """
    if options.header or options.names:
        return len(options.header)
    first, settings, width = None, set[str](), _extent(rows[-1][1]) if rows else 0
    named = False  # whether a line below the first of numbers names all columns
    for n, (_, cells) in enumerate(rows):
        if not mostly_numbers(cells):
            named = named or (first is not None and _names_all(cells, width))
            continue
        first = n if first is None else first
        key = cells[0]
        is_short = len(list(filter(None, cells))) == 2 < width or key.endswith(":")
        if is_short and key and key not in settings and not is_number(key):
            settings.add(key)
        elif named:
            return n
        else:
            return 1 if first == 0 and _numbers_as_names(rows) else first
    return 1 if first is None else first


def mostly_numbers(cells: Sequence[str]) -> bool:
    """True where at least half of the filled fields are numbers."""
    filled = [cell for cell in cells if cell]
    return 2 * sum(map(is_number, filled)) >= len(filled)


def _numbers_as_names(rows: Sequence[Row]) -> bool:
    """True where a text stands above a column of numbers in a first line of numbers, as in ``V,0.8,1.2``."""
    below = [cells for _, cells in rows[1 : _LOOKED_AT + 1]]
    for k, above in enumerate(rows[0][1]):
        column = [cells[k] for cells in below if k < len(cells) and cells[k]]
        names = above and not is_number(above)  # in the next line, too: another table may follow
        if names and column and is_number(column[0]) and 2 * sum(map(is_number, column)) > len(column):
            return True
    return False


def roles_of(header: Sequence[Row], rows: Sequence[Row]) -> tuple[HeaderLine, ...]:
    """Likely role of each line above the rows.

    Names are the last line that has as many fields as the rows, or the last one above a line of units. Shorter lines
    above are a preamble.
    """
    width = max((_extent(cells) for _, cells in rows), default=0)
    lines = [cells for _, cells in header]
    names = _names_line(lines, width)
    roles: list[HeaderLine] = []
    for k, cells in enumerate(lines):
        if names is None or k < names:
            of_columns = names is not None and width < 2 * _extent(cells) and not _is_letters(cells)
            roles.append("comment" if of_columns and _extent(cells) <= width else "skip")
        elif k == names:
            roles.append("name")
        else:
            roles.append("unit" if "unit" not in roles and _is_units(cells) else "comment")
    return tuple(roles)


def _names_line(lines: Sequence[list[str]], width: int) -> int | None:
    full = [k for k, cells in enumerate(lines) if _names_all(cells, width) and not _is_letters(cells)]
    units = next((k for k in full[1:] if _is_units(lines[k])), None)
    if full:
        return full[-1] if units is None else [k for k in full if k < units][-1]
    # one with a column that has no name, or else one that is too long: the rows are then refused
    named = [k for k, cells in enumerate(lines) if len(cells) == width and len(list(filter(None, cells))) > 1]
    longer = [k for k in (len(lines) - 1,) if lines and _extent(lines[k]) > width]
    return next(reversed([*longer, *named]), None)


def _names_all(cells: Sequence[str], width: int) -> bool:
    return _extent(cells) == width > 0


def _extent(cells: Sequence[str]) -> int:
    """Number of fields without the empty ones at the end."""
    width = len(cells)
    while width and not cells[width - 1]:
        width -= 1
    return width


def _is_letters(cells: Sequence[str]) -> bool:
    """True for the letters that spreadsheets call columns by."""
    return len(cells) < 27 and "".join(cells) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(cells)]


def _is_units(cells: Sequence[str]) -> bool:
    """True where all fields look like units, and more than half of them are known ones."""
    filled = [cell for cell in cells if cell]
    known = [_is_known_unit(cell) for cell in filled]
    return 2 * sum(known) > len(filled) and all(a or _UNIT.fullmatch(b) for a, b in zip(known, filled, strict=True))


def _is_known_unit(cell: str) -> bool:
    plain = cell.strip("()[]")
    known = plain in _KNOWN or (plain != cell and _UNIT.fullmatch(cell) is not None)
    return known or written_unit(plain) is not None or any(canonical_unit(plain, kind) for kind in _KINDS)
