"""ASCII exports of Origin: several header lines, as a rule long name, units and comments."""

from __future__ import annotations

from mtjfit.data.readers.sheet import Sheet
from mtjfit.data.readers.source import ReadOptions, SourceFile
from mtjfit.data.readers.text import as_sheet, grid_of
from mtjfit.errors import DataError

__all__ = ["read_origin", "recognises_origin"]


def read_origin(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A table with several header lines; which they are is noted unless `ReadOptions.header` declares it.

    Names repeat where several data sets stand side by side; the comment tells them apart.

    Examples
    --------
    >>> text = b"Field\\tV mix\\nOe\\tuV\\n\\tdev A\\n10\\t1.5\\n20\\t2\\n"
    >>> sheet, = read_origin(SourceFile("a.txt", text), ReadOptions())
    >>> [(column.name, column.unit, column.comment) for column in sheet.columns]
    [('Field', 'Oe', ''), ('V mix', 'uV', 'dev A')]
    """
    return (as_sheet(source, options, grid_of(source, options), "origin"),)


def recognises_origin(source: SourceFile) -> bool:
    """True for two to eight header lines."""
    try:
        return len(grid_of(source, ReadOptions()).header) > 1
    except DataError:
        return False
