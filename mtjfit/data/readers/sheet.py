"""A file as readers get it, and a table as they return it: named columns of text, header parameters, places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data.column_names import ColumnNames, split_unit
from mtjfit.data.format import ReadOptions
from mtjfit.data.tidy import parse_number, plain_numbers
from mtjfit.errors import DataError, Problem, ProblemLog, did_you_mean

__all__ = [
    "Column",
    "Decimal",
    "HeaderParameter",
    "ReadOptions",
    "Sheet",
    "SourceFile",
    "Unpacked",
    "cell_text",
    "declared_decimal",
    "needed",
    "split_unit",
    "third_party",
    "whole_or_faulty",
]

_HEAD = 2**18
_JOINED = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)([^\W\d_]{1,9})")  # a number and its unit

Decimal: TypeAlias = Literal[".", ","]


@dataclass(frozen=True)
class SourceFile(ShownAsCard):
    """A file as read: its name for messages, its bytes, and its own name without folders."""

    label: str
    data: bytes = field(repr=False)
    name: str = ""

    @property
    def head(self) -> SourceFile:
        """Its first lines, of 256 kB at most: they show what is in it."""
        head = self.data[:_HEAD]
        return self if len(head) == len(self.data) else replace(self, data=head[: head.rfind(b"\n") + 1] or head)

    def fault(self, what: str, todo: str, line: int | None = None) -> DataError:
        """One problem of this file as an exception."""
        log = ProblemLog(self.label)
        log.add(what, todo, line)
        return log.error()


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
        As written in the file; None where none is written.
    cells : tuple of str
        One text for each row. Numbers of binary formats are written as their shortest exact text.
    comment : str
        The rest of the header of the column, such as Origin's third line.
    """

    name: str
    unit: str | None
    cells: tuple[str, ...]
    comment: str = ""

    def at(self, rows: Sequence[int]) -> Column:
        """The same column with only these rows, in this order."""
        return replace(self, cells=tuple(self.cells[i] for i in rows))


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
        Everything that the reader inferred because it was not declared, for people.
    decimal : {".", ","}
        Decimal mark of the cells.
    comments : tuple of (int, str)
        Comment lines with their line numbers.
    form : ReadOptions
        How the table is written, as declared or inferred: what `notes` say, for programs. Names only where no header
        line gives them.
    part : str
        What ``sheet = "…"`` calls it in a file of several.
    problems : tuple of Problem
        Why this part of the file cannot be read; it has no columns then.
    unread : tuple of str
        Other parts of the file that could not be read, each with the reason.
    faults : tuple of (int, Problem)
        Lines that are no rows of the table, with what is wrong; the rows alone must not be used then.

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
    form: ReadOptions = field(default_factory=ReadOptions)
    part: str = ""
    problems: tuple[Problem, ...] = ()
    unread: tuple[str, ...] = ()
    faults: tuple[tuple[int, Problem], ...] = ()

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

    @cached_property
    def named(self) -> ColumnNames:
        """Names of the columns with their units, by which they are found."""
        return ColumnNames(tuple((column.name, column.unit) for column in self.columns))

    def column(self, name: str) -> Column:
        """The only column of this name, with its unit or without; DataError where there is none, or several."""
        places = self.named.places(name)
        if len(places) == 1:
            return self.columns[places[0]]
        raise DataError([Problem(f"{self.where}: column {name!r}", *self.named.fault(name, ""))])

    def numbers(self, name: str) -> FloatArray:
        """All numbers of a column, shape (rows,); DataError with the line of every cell that is none."""
        column, log = self.column(name), ProblemLog(self.label)
        if self.decimal == "." and (plain := plain_numbers(column.cells)) is not None:
            return plain
        values = np.empty(len(column.cells))
        for i, (line, cell) in enumerate(zip(self.lines, column.cells, strict=True)):
            values[i], fault = parse_number(cell, self.decimal)
            if fault is not None:
                log.add(*fault, line, name)
        log.refuse()
        return values

    def parameter(self, name: str) -> HeaderParameter:
        """A header parameter as a number with its unit; DataError where it is missing or no number."""
        where = f"{self.label}: header parameter {name!r}"
        if name not in self.metadata:
            raise DataError([Problem(where, "is missing", did_you_mean(name, self.metadata))])
        number, _, unit = self.metadata[name].partition(" ")
        value, fault = parse_number(number, ".")
        if fault is not None:
            value, fault = parse_number(number, self.decimal)
        if fault is not None and (joined := _JOINED.fullmatch(self.metadata[name])) is not None:
            where = f"{self.label}: {name!r}, in its header or its name"
            todo = f"in a pattern of names write {{{name}:{joined[1]}}}; in a header put a space before the unit"
            raise DataError([Problem(where, fault[0], todo)])
        if fault is not None:
            raise DataError([Problem(where, *fault)])
        return HeaderParameter(value, unit.strip() or None)

    def noting(self, *notes: str) -> Sheet:
        """The same sheet with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def with_metadata(self, more: Mapping[str, str]) -> Sheet:
        """The same sheet with more parameters, for example from its file name; a new one replaces one of its name."""
        return replace(self, metadata={**self.metadata, **more})

    def at(self, rows: Sequence[int]) -> Sheet:
        """The same sheet with only these rows, in this order."""
        columns = tuple(column.at(rows) for column in self.columns)
        return replace(self, columns=columns, lines=tuple(self.lines[i] for i in rows))


def whole_or_faulty(label: str, format: str, part: str, read: Callable[[], Iterable[Sheet]]) -> tuple[Sheet, ...]:
    """The sheets of one part of a file; one with the problems in it where the part cannot be read."""
    try:
        return tuple(replace(sheet, part=part) for sheet in read())
    except DataError as error:
        return (Sheet(label, format, (), (), part=part, problems=tuple(error.problems)),)


def needed(source: SourceFile, extra: str, *modules: str) -> ModuleType:
    """The first of some modules of an extra; DataError with the command that installs them."""
    try:
        first, *_ = [import_module(module) for module in modules]
        return first
    except ImportError:
        todo = f'install it with: python -m pip install "mtjfit[{extra}]"'
        raise source.fault(f"needs {' and '.join(modules)} to be read", todo) from None


@dataclass
class Unpacked:
    """Cells and characters of a packed file, counted as they are read: a kilobyte can hold gigabytes of them."""

    source: SourceFile
    most_cells: int
    most_characters: int
    cells: int = 0
    characters: int = 0

    def count(self, values: Sequence[object], line: int | None = None) -> None:
        """Add the cells of a row or column, before they are copied."""
        self.add(len(values), sum(len(each) for each in values if isinstance(each, str | bytes)), line)

    def add(self, cells: int, characters: int = 0, line: int | None = None) -> None:
        """Add some cells; DataError where there are too many, or they are too long together."""
        if fault := self.too_many(cells, characters):
            raise self.source.fault(*fault, line)
        self.cells += cells
        self.characters += characters

    def too_many(self, cells: int, characters: int) -> tuple[str, str] | None:
        """Fault and remedy where that many more are too many."""
        todo = "read less of it, or raise max_bytes"
        if self.cells + cells > self.most_cells:
            return f"has more than {self.most_cells} cells", todo
        if self.characters + characters > self.most_characters:
            return f"unpacks to more than {self.most_characters} bytes", todo
        return None


def declared_decimal(options: ReadOptions) -> Decimal:
    """Decimal mark of the text cells of a binary format."""
    return "," if options.decimal == "," else "."


@contextmanager
def third_party(source: SourceFile, format: str, todo: str) -> Iterator[None]:
    """Turn the errors that a library raises on a broken file into a DataError with the file in it."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        # Libraries raise anything at all on damaged files: KeyError, struct.error, RecursionError.
        said = " ".join(str(error).split())[:200]
        what = f"is no {format} that can be read ({type(error).__name__}{': ' + said if said else ''})"
        raise source.fault(what, todo) from None


def cell_text(value: object, decimal: Decimal = ".") -> str:
    """A value of a binary format as the shortest text that gives it back; empty for none.

    Numbers get the decimal mark that is declared for cells that hold text.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(float(value)).replace(".", decimal)
    return str(value).strip()
