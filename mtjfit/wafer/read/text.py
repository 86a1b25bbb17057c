"""Tables as delimited text, read in blocks of some megabytes; every cell is read exactly, or named with its line.

pandas reads the lines that are plain; lines with the wrong number of fields, misplaced quotes, blanks or comments are
split one by one, and so are the lines around a cell that is no number. An invalid line may have belonged to the device
before it or to the one after it: both are faulty then.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.data.column_names import ColumnNames
from mtjfit.data.column_units import checked_unit
from mtjfit.data.format import SPACE, TableFormat
from mtjfit.data.plain_table import Header, find_header
from mtjfit.data.readers import share_of_commas
from mtjfit.data.tidy import MINUS, numbered_lines, parse_number, split_fields, try_split
from mtjfit.errors import DataError, Problem, ProblemLog
from mtjfit.input import opened
from mtjfit.wafer.declaration import WaferStudy
from mtjfit.wafer.read.blocks import BadCell, Numbers, RowBlock, Runs
from mtjfit.wafer.read.chunk import NAMES, IntArray, TableSaid, in_units

_TINY = re.compile(rb"[eE]-0*[1-9]\d\d|0{300}")  # in every number that is too small to be kept
_OLD = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)  # does not round correctly, unless asked to


def numbers_in(
    data: bytes, form: TableFormat, header: Header, places: Sequence[int]
) -> tuple[dict[int, FloatArray], list[tuple[int, int, str, str]]]:
    """Numbers of some columns of plain lines by place, shape (n,), exactly as Python reads them from the same text.

    Where a cell is no number they are NaN, and row, place, fault and remedy are in the list.
    """
    table, found, faults = _table(data, form, header, places), {}, []
    tiny = _TINY.search(data) is not None
    for place in places:
        values = table[place].to_numpy()
        if values.dtype.kind in "iuf" and np.isfinite(values).all() and not (tiny and (values == 0).any()):
            found[place] = values.astype(float)
            continue
        cells = _table(data, form, header, [place], object)[place].tolist()
        read = {text: parse_number(text.strip(), form.decimal) for text in set(cells)}
        found[place] = np.array([read[text][0] for text in cells])
        faults += [(row, place, *fault) for row, text in enumerate(cells) if (fault := read[text][1]) is not None]
    return found, faults


def _table(
    data: bytes, form: TableFormat, header: Header, places: Sequence[int], dtype: type | None = None
) -> pd.DataFrame:
    """Some columns of plain lines; without a type, columns of numbers become numbers."""
    return pd.read_csv(
        io.BytesIO(data), sep=header.separator, header=None, names=range(len(header.names)), usecols=list(places),
        index_col=False, dtype=dtype, na_filter=False, skipinitialspace=True, skip_blank_lines=False,
        decimal=form.decimal, encoding=form.encoding, low_memory=False, float_precision="round_trip" if _OLD else None,
    )  # fmt: skip


LARGEST_BLOCK = 2**23
"""Bytes of text that are read at once, at most."""
_SMALLEST_BLOCK = 2**18
_HEAD = 2**20, 2**12  # bytes in which the header must end: at most, and where blocks are smaller
_SHARE = 128  # of the memory, for one block of text: fields and numbers take many times its size
_LONGEST_LINE = 2**24
_LONGEST_NAME = 1000
_LOOKED_AT = 1000  # rows that show whether numbers have decimal commas
_MINUS = MINUS.encode()


def text_blocks(study: WaferStudy, largest: int = LARGEST_BLOCK) -> Iterator[RowBlock]:
    """Blocks of the rows of a delimited table, of `largest` bytes at most.

    DataError if its header does not fit the declaration, or it is not text as declared.
    """
    piece = min(max(study.wafer.memory_bytes // _SHARE, _SMALLEST_BLOCK), largest)
    with opened(study.table) as file:
        size = os.fstat(file.fileno()).st_size
        header, offset, form, _ = _header(study, file, largest)
        file.seek(offset)
        reader, empty = _Reader(study, header, form, header.line + 1), True
        for data in reader.whole_lines(file, piece):
            block = reader.block(data, file.tell() / size)
            empty &= not block.line.size
            yield block
    if empty:
        raise reader.error(header.line, "has a header and no data", "give one row per bias point")


def text_said(study: WaferStudy, largest: int = LARGEST_BLOCK) -> TableSaid:
    """What a table says above its rows; raises DataError as `text_blocks`."""
    with opened(study.table) as file:
        header, offset, form, notes = _header(study, file, largest)
        file.seek(offset)
        if form.encoding == "utf-8" and any(_MINUS in line for line in file):
            notes.append(f"{study.table}: minus signs of a word processor (U+2212) in numbers are read as '-'")
        return TableSaid(header.comments, tuple(notes))


def _header(study: WaferStudy, file: BinaryIO, largest: int) -> tuple[Header, int, TableFormat, list[str]]:
    """The header, where the rows begin, their format, and notes on it and on units."""
    label, most = str(study.table), min(_HEAD[0], max(largest, _HEAD[1]))
    head = file.read(most)
    whole = head if len(head) < most else head[: head.rfind(b"\n") + 1]
    log = ProblemLog(label)
    form = study.declaration.format
    lines = numbered_lines(whole, form.encoding, label, form)
    if whole.count(b"\r") != whole.count(b"\r\n"):
        log.add("has lines that end with a carriage return alone", "save it with line feeds")
        raise log.error()
    header = find_header(lines, study.reading, log)
    if header is not None and header.separator == SPACE:
        log.add("is separated by spaces, which is not read for whole wafers", "save it with tabs", header.line)
    if header is None or log.count:
        raise log.error()
    units, place = ColumnNames.of_header(header.names).columns, f"{label}:{header.line}"
    roles = study.reading.columns.roles()
    notes = [checked_unit(role, name, units[header.place[role]][1], study.reading, place, log)
             for role, name in roles.items()]  # fmt: skip
    log.refuse()
    offset = 0
    for _ in range(header.line):
        offset = whole.find(b"\n", offset) + 1 or len(whole)
    places = [place for role, place in header.place.items() if role not in NAMES]
    rows = [cells for _, line in islice(lines, _LOOKED_AT) if (cells := try_split(line, header.separator))]
    if form.decimal == "." and share_of_commas(cells[k] for cells in rows for k in places if k < len(cells)) == 1.0:
        form = replace(form, decimal=",")
        notes.append(f"{label}: has decimal commas: all numbers are read so")
    return header, offset, form, list(filter(None, notes))


class _NoRow(NamedTuple):
    """An invalid line; the row before it is repeated as a placeholder."""

    row: int
    line: int
    what: str
    todo: str


class _Plain(NamedTuple):
    """Lines that all have the right number of fields, and the invalid and blank lines among them."""

    data: bytes
    line: IntArray  # number of each line in the file
    broken: list[_NoRow]
    blank: list[tuple[int, int]]  # row after each blank line, and the number of that line


@dataclass
class _Reader:
    """State between blocks: the number of lines, the last line, and faults that reach the next row."""

    study: WaferStudy
    header: Header
    form: TableFormat
    line: int
    last: bytes = b""
    loose: _NoRow | None = None
    blank: int | None = None
    n_odd: int = 0

    def error(self, line: int, what: str, todo: str) -> DataError:
        return DataError([Problem(f"{self.study.table}:{line}", what, todo)])

    def whole_lines(self, file: BinaryIO, piece: int) -> Iterator[bytes]:
        """A file in pieces that end with a line feed."""
        rest = b""
        while data := file.read(piece):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise self.error(self.line, f"has more than {_LONGEST_LINE} bytes", "is this a table of text?")
            if newline:
                yield whole + newline
        if rest.strip():
            yield rest + b"\n"

    def block(self, data: bytes, share: float) -> RowBlock:
        """The rows of whole lines."""
        self._check_text(data)
        plain = self._plain(data)
        self.line += data.count(b"\n")
        broken = self._broken(plain)
        if plain.data:
            self.last = plain.data[plain.data.rfind(b"\n", 0, -1) + 1 :]
        return RowBlock(plain.line, self._names(plain), partial(self._numbers, plain.data), broken, share)

    def _plain(self, data: bytes) -> _Plain:
        """Lines as they are, odd ones mended, removed or replaced."""
        line, odd = self.line + np.arange(data.count(b"\n")), self._odd(data)
        if not odd.any():
            return _Plain(data, line, [], [])
        self.n_odd += int(np.count_nonzero(odd))
        if self.n_odd > self.form.max_lines:
            what = f"or lines above hold more than {self.form.max_lines} blank, or otherwise odd, lines"
            raise self.error(int(line[-1]), what, "remove them, or raise max_bytes in [data.format]")
        lines = data.splitlines(keepends=True)
        broken: list[_NoRow] = []
        blank: list[tuple[int, int]] = []
        stand_in = self.last or next((each for each, is_odd in zip(lines, odd, strict=True) if not is_odd), None)
        for k in np.flatnonzero(odd).tolist():
            row, cells, fault = k - len(blank), *self._cells(lines[k])
            if cells is not None and not any(cells):
                lines[k] = b""
                blank.append((row, int(line[k])))
            elif cells is not None:
                lines[k] = self._joined(cells)
            else:
                broken.append(_NoRow(row, int(line[k]), *fault))
                above = next((each for each in reversed(lines[:k]) if each), stand_in)
                lines[k] = above or self._joined([""] * len(self.header.names))
        return _Plain(b"".join(lines), line[[each != b"" for each in lines]], broken, blank)

    def _odd(self, data: bytes) -> BoolArray:
        """Lines with the wrong number of fields, a comment mark, or quotes that do not enclose a field."""
        buffer, mark = np.frombuffer(data, np.uint8), self.form.comment.encode(self.form.encoding)
        ends, cuts = buffer == ord("\n"), buffer == ord(self.header.separator)
        lines, odd = np.flatnonzero(ends), np.zeros(np.count_nonzero(ends), dtype=bool)
        if b'"' in data:
            quotes = buffer == ord('"')
            at, edges = np.flatnonzero(quotes), np.concatenate([[True], cuts | ends | (buffer == ord("\r"))])
            inside = np.logical_xor.accumulate(quotes)
            if at.size % 2 or not (edges[at[::2]] & edges[at[1::2] + 2]).all() or np.any(inside & ends):
                odd[np.searchsorted(lines, at)] = True
            else:
                cuts &= ~inside
        odd |= np.diff(np.searchsorted(np.flatnonzero(cuts), lines), prepend=0) != len(self.header.names) - 1
        if mark and mark in data:
            first = buffer[np.append(True, ends[:-1])]
            odd |= (first == ord(mark)) | (first == ord(" "))
        return odd

    def _joined(self, cells: list[str]) -> bytes:
        stream = io.StringIO()
        csv.writer(stream, delimiter=self.header.separator, lineterminator="\n").writerow(cells)
        return stream.getvalue().encode(self.form.encoding)

    def _cells(self, data: bytes) -> tuple[list[str] | None, tuple[str, str]]:
        """Cells of a line, or None and what is wrong with it and what to do."""
        text = data.decode(self.form.encoding).rstrip("\r\n")
        width, mark = len(self.header.names), self.form.comment
        if mark and text.lstrip().startswith(mark):
            return None, ("is a comment among the data", "move it above the header")
        try:
            cells = split_fields(text, self.header.separator)
        except csv.Error as error:
            return None, (f"cannot be split into fields ({error})", "mend the quotes")
        if any(cells) and len(cells) != width:
            return None, (f"has {len(cells)} fields, the header has {width}", "give every column one field")
        return cells, ("", "")

    def _check_text(self, data: bytes) -> None:
        encoding = self.form.encoding
        try:
            data.decode(encoding)
        except UnicodeDecodeError as error:
            line = self.line + data.count(b"\n", 0, error.start)
            what = f"byte 0x{data[error.start]:02x} is not {encoding}"
            raise self.error(line, what, "set the encoding in [data.format], or save the table as UTF-8") from None
        if (nul := data.find(b"\0")) >= 0:
            raise self.error(self.line + data.count(b"\n", 0, nul), "holds a NUL byte", "save it as UTF-8 text")
        if data.count(b"\r") != data.count(b"\r\n"):
            raise self.error(self.line, "or a line below ends with a carriage return alone", "save it with line feeds")

    def _broken(self, plain: _Plain) -> tuple[BadCell, ...]:
        """Invalid rows, and the rows after them, which may be those of another device."""
        n, found = plain.line.size, []
        for row, line, what, todo in ([] if self.loose is None else [self.loose]) + plain.broken:
            if row >= 0:
                found.append(BadCell(row, "", what, todo))
            if row + 1 < n:
                found.append(BadCell(row + 1, "", f"line {line} above {what}; it may belong to this device", todo))
        self.loose = None
        if n and plain.broken and plain.broken[-1].row == n - 1:
            self.loose = plain.broken[-1]._replace(row=-1)
        blanks = ([] if self.blank is None else [(0, self.blank)]) + plain.blank
        self.blank = None
        for row, line in blanks:
            if row < n:
                found.append(BadCell(row, "", f"line {line} above is blank", "remove the blank line"))
            elif self.blank is None:
                self.blank = line
        return tuple(sorted(found))

    def _names(self, plain: _Plain) -> dict[str, Runs]:
        """Columns of names as runs of equal cells."""
        places = {role: place for role, place in self.header.place.items() if role in NAMES}
        if not plain.line.size or not places:
            return {}
        table, names = _table(plain.data, self.form, self.header, sorted(set(places.values())), object), {}
        for role, place in places.items():
            cells = table[place].to_numpy()
            start = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
            names[role] = Runs(start, [text.strip() for text in cells[start].tolist()])
            for row, name in zip(start.tolist(), names[role].text, strict=True):
                if len(name) > _LONGEST_NAME:
                    what = f"has a name of more than {_LONGEST_NAME} letters"
                    raise self.error(int(plain.line[row]), what, "shorten it")
        return names

    def _numbers(self, data: bytes) -> Numbers:
        places = {role: place for role, place in self.header.place.items() if role not in NAMES}
        values, faults = numbers_in(data, self.form, self.header, list(dict.fromkeys(places.values())))
        numbers = {role: in_units(role, values[place], self.study.declaration) for role, place in places.items()}
        return numbers, [BadCell(row, role, what, todo) for row, at, what, todo in faults
                         for role, place in places.items() if place == at]  # fmt: skip
