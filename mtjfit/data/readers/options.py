"""What a reader is given: the bytes of a file, and what has been declared of how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtjfit.data.declaration import MAX_BYTES, HeaderLine
from mtjfit.data.tidy import ProblemLog
from mtjfit.errors import DataError, Problem

__all__ = ["HeaderLine", "ReadOptions", "Source"]

_BYTES_PER_CELL = 20


@dataclass(frozen=True)
class ReadOptions:
    """How a file is written; whatever is empty is found out by the reader, which says so in `Sheet.notes`.

    Attributes
    ----------
    separator : str
        ``,`` ``;`` TAB or ``|``.
    decimal : str
        ``.`` or ``,``.
    comment : str or None
        Character that starts a comment line; empty: there are none; None: ``%`` where the file begins with it, else
        ``#``.
    encoding : str
        ``utf-8``, ``cp1252`` or ``latin-1``.
    names : tuple of str
        Names of the columns of a file without a header line, units in brackets: ``("H (Oe)", "V_mix (V)")``.
    header : tuple of {"name", "unit", "comment", "skip"}
        What each header line holds, for files with several.
    sheet : str
        The sheet (Excel), run (QCoDeS), group (netCDF) or segment (LabVIEW) to read; all of them if empty.
    max_bytes : int
        Larger files, and files that unpack to more, are refused.
    """

    separator: str = ""
    decimal: str = ""
    comment: str | None = None
    encoding: str = ""
    names: tuple[str, ...] = ()
    header: tuple[HeaderLine, ...] = ()
    sheet: str = ""
    max_bytes: int = MAX_BYTES

    @property
    def max_cells(self) -> int:
        """Largest number of cells to read; packed files can hold millions of them in a kilobyte."""
        return self.max_bytes // _BYTES_PER_CELL


@dataclass(frozen=True)
class Source:
    """A file as read: its name for messages, its bytes, and its own name without folders."""

    label: str
    data: bytes = field(repr=False)
    name: str = ""

    def log(self) -> ProblemLog:
        """An empty log for this file."""
        return ProblemLog(self.label)

    def fault(self, what: str, todo: str, line: int | None = None) -> DataError:
        """One problem of this file as an exception."""
        where = self.label if line is None else f"{self.label}:{line}"
        return DataError([Problem(where, what, todo)])
