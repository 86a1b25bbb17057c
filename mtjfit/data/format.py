"""How a data file is written: what has to be known before its cells can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainValidator

__all__ = ["ENCODINGS", "MAX_BYTES", "SEPARATORS", "HeaderLine", "ReadOptions", "TableFormat"]

HeaderLine: TypeAlias = Literal["name", "unit", "comment", "skip"]
MAX_BYTES = 200_000_000
"""Largest file read by default; torque tables have kilobytes."""
SEPARATORS = (",", ";", "\t", "|")
"""What may separate columns; white space may not, because it also stands inside names."""
ENCODINGS = ("utf-8", "cp1252", "latin-1")
_BYTES_PER_CELL = 20


def _name_or_number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("is neither a name nor a number")
    return str(value)


@dataclass(frozen=True)
class ReadOptions:
    """How a file is written; a reader finds out what is empty, and says so in `Sheet.notes`.

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
    sheet: Annotated[str, PlainValidator(_name_or_number)] = ""
    max_bytes: int = MAX_BYTES

    @property
    def max_cells(self) -> int:
        """Largest number of cells to read; packed files can hold millions of them in a kilobyte."""
        return self.max_bytes // _BYTES_PER_CELL


@dataclass(frozen=True)
class TableFormat(ReadOptions):
    """How a file of ``[[data]]`` is written: nothing is guessed but an empty separator.

    Attributes
    ----------
    separator : str
        Empty: the only one under which the header holds all declared columns.
    order : {"sorted", "any"}
        ``"sorted"``: the bias of each device ascends or descends, anything else is a problem.
    repeats : bool
        True where a device may have several points at one bias.
    reader : str
        Name of a reader in `mtjfit.data.readers.READERS`; empty: a tidy table, read as strictly as can be.
    """

    decimal: Literal[".", ","] = "."
    comment: str = "#"
    encoding: str = "utf-8"
    order: Literal["sorted", "any"] = "sorted"
    repeats: bool = False
    reader: str = ""

    @property
    def is_plain(self) -> bool:
        """True for a tidy table with one header line, which needs no other reader."""
        return self.reader in ("", "tidy") and not (self.names or self.header or self.sheet)
