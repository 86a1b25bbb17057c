"""What a file holds before anybody says what it means: named columns of text, header parameters, and their places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtjfit.data.tidy import ProblemLog, parse_number
from mtjfit.errors import DataError, Problem, did_you_mean

__all__ = ["Column", "Decimal", "HeaderParameter", "Sheet", "fault_free", "split_unit"]

Decimal: TypeAlias = Literal[".", ","]


class HeaderParameter(NamedTuple):
    """A number from a header or a file name, and its unit as written there; None where none is written."""

    value: float
    unit: str | None


@dataclass(frozen=True)
class Column:
    """One column of a file.

    Attributes
    ----------
    name : str
        As written, without its unit; several columns of a sheet may share it.
    unit : str or None
        As written in the file; None where the file says none.
    cells : tuple of str
        One text for each row. Numbers of binary formats stand by their shortest exact text.
    comment : str
        What else the header says of the column, such as Origin's third line.
    """

    name: str
    unit: str | None
    cells: tuple[str, ...]
    comment: str = ""


@dataclass(frozen=True)
class Sheet:
    """One table of a file, nothing in it interpreted.

    Attributes
    ----------
    label : str
        The file as named in messages, with the sheet, run or segment in brackets where a file has several.
    format : str
        Name of the reader.
    lines : tuple of int
        Line (text), row (Excel) or record (SQLite, Parquet, netCDF) of each row, counted from 1.
    header_line : int
        Line of the column names; 0 where there is none.
    metadata : mapping of str to str
        Header parameters, units kept: ``{"Frequency": "3.0 GHz"}``.
    notes : tuple of str
        Everything that was found out rather than declared, for people.
    decimal : {".", ","}
        Decimal mark of the cells.
    comments : tuple of (int, str)
        Comment lines with their line numbers.

    Examples
    --------
    >>> sheet = Sheet("a.txt", "lvm", (Column("field", "Oe", ("100", "2O0")),), (8, 9), metadata={"Power": "18 dBm"})
    >>> sheet.parameter("Power")
    HeaderParameter(value=18.0, unit='dBm')
    >>> sheet.numbers("field")
    Traceback (most recent call last):
    mtjfit.errors.DataError: a.txt:9: column 'field': '2O0' is not a number; write a plain number such as -1.25e-3
    """

    label: str
    format: str
    columns: tuple[Column, ...]
    lines: tuple[int, ...]
    header_line: int = 0
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    decimal: Decimal = "."
    comments: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        if any(len(column.cells) != len(self.lines) for column in self.columns):
            raise ValueError("columns and lines differ in length")
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def where(self) -> str:
        """Place of the header, for messages."""
        return f"{self.label}:{self.header_line}" if self.header_line else self.label

    def column(self, name: str) -> Column:
        """The only column of this name; DataError where there is none, or several."""
        found = [column for column in self.columns if column.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            what = f"stands {len(found)} times in the header"
            problem = Problem(f"{self.where}: column {name!r}", what, "say how the columns repeat in [data.wide]")
        else:
            problem = Problem(f"{self.where}: column {name!r}", "no such column", did_you_mean(name, self.names))
        raise DataError([problem])

    def numbers(self, name: str) -> NDArray[np.float64]:
        """All numbers of a column, shape (rows,); DataError with the line of every cell that is none."""
        log = ProblemLog(self.label)
        values = _parsed(self.column(name), self.lines, self.decimal, log)
        return fault_free(values, log)

    def parameter(self, name: str) -> HeaderParameter:
        """A header parameter as a number with its unit; DataError where it is missing or no number."""
        where = f"{self.label}: header parameter {name!r}"
        if name not in self.metadata:
            raise DataError([Problem(where, "is missing", did_you_mean(name, self.metadata))])
        text = self.metadata[name]
        number, _, unit = text.partition(" ")
        value, fault = parse_number(number, ".")
        if fault is not None:
            value, fault = parse_number(number, self.decimal)
        if fault is not None:
            raise DataError([Problem(where, *fault)])
        return HeaderParameter(value, unit.strip() or None)

    def noting(self, *notes: str) -> Sheet:
        """The same sheet with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def with_metadata(self, more: Mapping[str, str]) -> Sheet:
        """The same sheet with more parameters, for example from its file name; a new one replaces one of its name."""
        return replace(self, metadata={**self.metadata, **more})


def _parsed(column: Column, lines: Iterable[int], decimal: Decimal, log: ProblemLog) -> NDArray[np.float64]:
    values = np.empty(len(column.cells))
    for i, (line, cell) in enumerate(zip(lines, column.cells, strict=True)):
        values[i], fault = parse_number(cell, decimal)
        if fault is not None:
            log.add(*fault, line, column.name)
    return values


def fault_free(values: NDArray[np.float64], log: ProblemLog) -> NDArray[np.float64]:
    """The values where nothing is wrong; otherwise DataError with everything in the log."""
    if log.count:
        raise log.error()
    return values


_IN_BRACKETS = re.compile(r"([^()\[\]]*[^()\[\]\s])\s*(?:\(([^()\[\]]*)\)|\[([^()\[\]]*)\])")


def split_unit(name: str) -> tuple[str, str | None]:
    """A column name and the unit in brackets at its end.

    Examples
    --------
    >>> split_unit("Voltage (mV)"), split_unit("Field [Oe]"), split_unit("dT/dV")
    (('Voltage', 'mV'), ('Field', 'Oe'), ('dT/dV', None))
    """
    match = _IN_BRACKETS.fullmatch(name.strip())
    if match is None:
        return name.strip(), None
    return match[1].strip(), (match[2] if match[2] is not None else match[3]).strip() or None
