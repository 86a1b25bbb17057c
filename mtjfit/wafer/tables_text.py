"""Tables as delimited text, read in pieces of some megabytes: every cell understood exactly, or named with its line.

A piece is cut into fields in array code, and numbers are those that Python reads from the same text, to the last bit.
Only lines that are not plain (the wrong number of fields, misplaced quotes, blanks, comments) are taken one by one. A
line that is no row may have belonged to the device before it or to the one behind it: both are faulty then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtjfit.data.tidy import Header, Line, ProblemLog, decode, find_header, numbered_lines
from mtjfit.errors import DataError, Problem
from mtjfit.wafer.block import BadCell, Block, Numbers, Runs
from mtjfit.wafer.cells import Cells, Fields, fields_of, numbers_in
from mtjfit.wafer.declared import WaferStudy
from mtjfit.wafer.lines import NoRow, Plain, plain_lines
from mtjfit.wafer.scale import NAMES, in_units

__all__ = ["text_blocks", "text_comments"]

_HEAD = 2**20
_LARGEST_BLOCK, _SMALLEST_BLOCK = 2**23, 2**18
_SHARE = 128  # of the memory, for one block of text: fields and numbers take many times its size
_LONGEST_LINE = 2**24
_LONGEST_NAME = 1000
_CONSTANT = ("thickness", "x", "y", "angle", "sigma_par", "sigma_perp")


def text_blocks(study: WaferStudy) -> Iterator[Block]:
    """Blocks of the rows of a delimited table.

    Raises
    ------
    DataError
        There is no such file, its header does not fit the declaration, or it is not text as declared.
    """
    label, size = str(study.table), study.table.stat().st_size
    piece = min(max(study.wafer.memory // _SHARE, _SMALLEST_BLOCK), _LARGEST_BLOCK)
    with study.table.open("rb") as file:
        header, offset = _header(study, label, file.read(_HEAD))
        file.seek(offset)
        reader, rest, empty = _Reader(study, label, header, header.line + 1), b"", True
        while data := file.read(piece):
            whole, newline, tail = (rest + data).rpartition(b"\n")
            rest = tail
            if len(rest) > _LONGEST_LINE:
                raise reader.error(reader.line, f"has more than {_LONGEST_LINE} bytes", "is this a table of text?")
            if newline:
                block = reader.block(whole + newline, file.tell() / size)
                empty &= not block.line.size
                yield block
        if rest.strip():
            block = reader.block(rest + b"\n", 1.0)
            empty &= not block.line.size
            yield block
    if empty:
        raise reader.error(header.line, "has a header and no data", "give one row per bias point")


def text_comments(study: WaferStudy) -> tuple[tuple[Line, str], ...]:
    """Comment lines above the header, with their numbers.

    Raises
    ------
    DataError
        As `text_blocks`.
    """
    with study.table.open("rb") as file:
        return _header(study, str(study.table), file.read(_HEAD))[0].comments


def _header(study: WaferStudy, label: str, head: bytes) -> tuple[Header, int]:
    """The header, and where the rows begin."""
    whole = head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1]
    log = ProblemLog(label)
    if whole.count(b"\r") != whole.count(b"\r\n"):
        log.add("has lines that end with a carriage return alone", "save it with line feeds")
        raise log.error()
    text = decode(whole, study.declaration.format.encoding, label)
    header = find_header(numbered_lines(text), study.reading, log)
    if header is None:
        raise log.error()
    offset = 0
    for _ in range(header.line):
        offset = whole.find(b"\n", offset) + 1 or len(whole)
    return header, offset


@dataclass
class _Reader:
    """What must be known of the lines before: how many there were, the last of them, and what it leaves open."""

    study: WaferStudy
    label: str
    header: Header
    line: int
    last: bytes = b""
    loose: NoRow | None = None
    blank: int | None = None

    def error(self, line: int, what: str, todo: str) -> DataError:
        return DataError([Problem(f"{self.label}:{line}", what, todo)])

    def block(self, data: bytes, share: float) -> Block:
        """The rows of whole lines."""
        form = self.study.declaration.format
        self._check_text(data, form.encoding)
        plain = plain_lines(data, len(self.header.names), self.header.separator, form, self.line, self.last)
        self.line += data.count(b"\n")
        broken = self._broken(plain)
        fields = fields_of(plain.data, self.header.separator, len(self.header.names))
        if plain.line.size:
            self.last = plain.data[:-1].rpartition(b"\n")[2]
        names = {role: self._runs(fields, place, plain) for role, place in self.header.place.items() if role in NAMES}
        return Block(plain.line, names, lambda: self._numbers(fields), tuple(broken), share)

    def _check_text(self, data: bytes, encoding: str) -> None:
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

    def _broken(self, plain: Plain) -> list[BadCell]:
        """Rows that are none, and the rows behind them, which may be those of another device."""
        n, found = plain.line.size, []
        for row, line, what, todo in ([] if self.loose is None else [self.loose]) + plain.broken:
            own = row >= 0
            if own:
                found.append(BadCell(row, "", what, todo))
            follows = row + 1
            if follows < n:
                found.append(BadCell(follows, "", f"line {line} above {what}; it may belong to this device", todo))
        self.loose = None
        if n and plain.broken and plain.broken[-1][0] == n - 1:
            self.loose = plain.broken[-1]._replace(row=-1)
        blanks = ([] if self.blank is None else [(0, self.blank)]) + plain.blank
        self.blank = None
        for row, line in blanks:
            if row < n:
                found.append(BadCell(row, "", f"line {line} above is blank", "remove the blank line"))
            elif self.blank is None:
                self.blank = line
        return sorted(found)

    def _runs(self, fields: Fields, place: int, plain: Plain) -> Runs:
        """A column of names as runs of equal cells."""
        longest = int(np.argmax(fields.length(place))) if plain.line.size else 0
        if plain.line.size and fields.length(place)[longest] > _LONGEST_NAME:
            raise self.error(int(plain.line[longest]), f"has a name of more than {_LONGEST_NAME} bytes", "shorten it")
        cells = fields.cells(place)
        start = cells.changes()
        return Runs(start, cells.texts(start, self.study.declaration.format.encoding, self.header.separator))

    def _numbers(self, fields: Fields) -> Numbers:
        form, separator, numbers, bad = self.study.declaration.format, self.header.separator, {}, []
        for role, place in self.header.place.items():
            if role in NAMES:
                continue
            cells = fields.cells(place)
            start = cells.changes() if role in _CONSTANT else None
            values, faults = numbers_in(cells if start is None else Cells(cells.bytes[start]), form, separator)
            rows = np.arange(values.size) if start is None else start
            bad += [BadCell(int(rows[k]), role, what, todo) for k, what, todo in faults]
            if start is not None:
                values = np.repeat(values, np.diff(np.append(start, len(cells.bytes))))
            numbers[role] = in_units(role, values, self.study.declaration)
        return numbers, bad
