"""Tables as text: tidy ones with one header line, and wide ones whose names repeat."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from mtjfit.data.readers.options import ReadOptions, Source
from mtjfit.data.readers.sheet import Sheet
from mtjfit.data.readers.text import as_sheet, grid_of
from mtjfit.data.tidy import ProblemLog
from mtjfit.errors import DataError

__all__ = ["read_tidy", "read_wide", "recognises_wide"]


def read_tidy(source: Source, options: ReadOptions) -> tuple[Sheet, ...]:
    """A table with one header line and a name of its own for each column; comments stand above the header.

    Examples
    --------
    >>> sheet, = read_tidy(Source("a.csv", b"V (mV);T\\n-100;1,5\\n0;0,0\\n"), ReadOptions())
    >>> sheet.columns[0].unit, sheet.numbers("T").tolist(), sheet.notes
    ('mV', [1.5, 0.0], ("separator ';'", 'decimal comma'))
    """
    grid = grid_of(source, options, blank_lines=False)
    log = ProblemLog(source.label)
    first = grid.header[0][0] if grid.header else grid.rows[0][0] if grid.rows else 0
    for number, _ in grid.comments:
        if number > first:
            todo = "move it above the header; leave points out with mask, which keeps the reason"
            log.add("is a comment among the data", todo, number)
    sheet = as_sheet(source, options, grid, "tidy")
    for name, count in Counter(sheet.names).items():
        if count > 1:
            todo = 'rename the columns, or set reader = "wide" in [data.format]'
            log.add(f"stands {count} times in the header", todo, sheet.header_line or None, name)
    if log.count:
        raise log.error()
    return (sheet,)


def read_wide(source: Source, options: ReadOptions) -> tuple[Sheet, ...]:
    """A table of several series side by side: names may repeat, blank lines may stand anywhere.

    Examples
    --------
    >>> text = b"2f_1_GHz\\t2f_1_GHz\\t2f_2_GHz\\t2f_2_GHz\\n\\n62.5E+0\\t6.8E-6\\t69.3\\t2.7E-6\\n"
    >>> sheet, = read_wide(Source("a.csv", text), ReadOptions())
    >>> sheet.names, sheet.lines
    (('2f_1_GHz', '2f_1_GHz', '2f_2_GHz', '2f_2_GHz'), (3,))
    """
    grid = grid_of(source, options)
    return (as_sheet(source, options, grid, "wide"),)


def recognises_wide(source: Source) -> bool:
    """True where a name of the only header line repeats."""
    try:
        grid = grid_of(source, ReadOptions())
        (sheet,) = (as_sheet(source, ReadOptions(), replace(grid, rows=grid.rows[:1]), "wide"),)
    except DataError:
        return False
    return len(grid.header) == 1 and len(set(sheet.names)) < len(sheet.names)
