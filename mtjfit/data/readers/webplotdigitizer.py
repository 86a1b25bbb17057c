"""Exports of WebPlotDigitizer: points read off a figure, one data set or several side by side, without errors."""

from __future__ import annotations

from dataclasses import replace

from mtjfit.data.readers.sheet import Column, ReadOptions, Sheet, SourceFile
from mtjfit.data.readers.text import TextGrid, as_sheet, ends_of, grid_of
from mtjfit.errors import DataError
from mtjfit.text import counted

_NO_ERRORS = "digitised points carry no errors: declare them"


def read_webplotdigitizer(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet with columns X and Y for each data set; its name is their comment and the header parameter
    ``dataset``.
    """
    grid = grid_of(source, options)
    # One data set alone is exported without any header.
    names = grid.header[0][1] if grid.header else [source.name.rpartition(".")[0] or "data set", ""]
    whole = as_sheet(source, options, replace(grid, header=[], comments=[]), "webplotdigitizer")
    width = len(whole.columns)
    if width % 2 or (grid.header and not _is_pairs(grid)):
        what = f"has {counted(width, 'column')}, not a pair X, Y for each data set"
        raise source.fault(
            what, "export all data sets as CSV, or declare another reader", (grid.header or grid.rows)[0][0]
        )
    sheets = []
    for k in range(0, width, 2):
        name = names[k] if k < len(names) else ""
        if not name:
            raise source.fault(f"data set {k // 2 + 1} has no name", "name it above its X column", grid.header[0][0])
        sheets.append(_series(whole, k, name, grid.header[0][0] if grid.header else 0))
    return tuple(sheets)


def _is_pairs(grid: TextGrid) -> bool:
    first = grid.header[0][1]
    below = [cell.casefold() for cell in grid.header[1][1]] if len(grid.header) == 2 else []
    return not any(first[1::2]) and all(cell in ("x", "y", "") for cell in below)


def _series(whole: Sheet, k: int, name: str, header_line: int) -> Sheet:
    x, y = whole.columns[k], whole.columns[k + 1]
    # The shorter of several data sets ends in empty cells.
    kept = [i for i, (a, b) in enumerate(zip(x.cells, y.cells, strict=True)) if a or b]
    columns = tuple(Column(role, None, tuple(each.cells[i] for i in kept), name) for role, each in (("X", x), ("Y", y)))
    lines = tuple(whole.lines[i] for i in kept)
    notes = (*(note for note in whole.notes if not note.startswith("no header")), _NO_ERRORS)
    form = replace(whole.form, header=(), names=())
    return Sheet(f"{whole.label}[{name}]", "webplotdigitizer", columns, lines, header_line, {"dataset": name}, notes,
                 whole.decimal, form=form)  # fmt: skip


def recognises_webplotdigitizer(source: SourceFile) -> bool:
    """True for pairs below names of data sets, and for a file of two columns without header that is named so."""
    try:
        grid = grid_of(ends_of(source), ReadOptions())
    except DataError:
        return False
    if grid.header:
        return len(grid.header) == 2 and _is_pairs(grid)
    named_so = any(word in source.name.casefold() for word in ("dataset", "wpd"))
    return named_so and all(len(cells) == 2 for _, cells in grid.rows)
