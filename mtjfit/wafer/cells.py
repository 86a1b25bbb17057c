"""Fields of plain lines of text as arrays of bytes, and the numbers they hold, exactly as Python would read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtjfit.data.curve import FloatArray
from mtjfit.data.format import TableFormat
from mtjfit.data.tidy import parse_number
from mtjfit.wafer.chunk import IntArray
from mtjfit.wafer.lines import INSIDE

__all__ = ["Cells", "Fields", "fields_of", "numbers_in"]

_LF, _CR = 10, 13
_WIDE = 64  # bytes; a longer cell is no number that anybody wrote on purpose


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of one column, padded with zeros to a width that eight divides, shape (n, width)."""

    bytes: NDArray[np.uint8]

    def changes(self) -> IntArray:
        """Rows whose cell differs from the one above, the first row among them."""
        words = self.bytes.view(np.uint64)
        return np.flatnonzero(np.append(True, np.any(words[1:] != words[:-1], axis=1))[: words.shape[0]])

    def texts(self, rows: IntArray, encoding: str, separator: str = "") -> list[str]:
        """Text of some cells, without spaces at the ends."""
        found = [self.bytes[row].tobytes().rstrip(b"\0").decode(encoding).strip() for row in rows.tolist()]
        return [text.replace(INSIDE, separator) for text in found] if separator else found


@dataclass(frozen=True, eq=False)
class Fields:
    """Begin and end of every field of plain lines, shape (n, columns)."""

    buffer: NDArray[np.uint8]
    begin: IntArray
    end: IntArray

    def length(self, column: int) -> IntArray:
        """Bytes of each cell, shape (n,)."""
        return np.asarray(self.end[:, column] - self.begin[:, column])

    def cells(self, column: int) -> Cells:
        """Cells of a column."""
        length = self.length(column)
        width = -(-max(int(length.max(initial=0)), 1) // 8) * 8
        padded = np.concatenate([self.buffer, np.zeros(width, np.uint8)])
        windows = np.ndarray((self.buffer.size + 1, width), np.uint8, padded, strides=(1, 1))
        cells = windows[self.begin[:, column]]
        cells[np.arange(width) >= length[:, None]] = 0
        return Cells(cells)


def fields_of(data: bytes, separator: str, width: int) -> Fields:
    """Fields of plain lines.

    Examples
    --------
    >>> found = fields_of(b"A,1.5\\nA,20\\n", ",", 2)
    >>> found.cells(0).changes().tolist(), numbers_in(found.cells(1), TableFormat())[0].tolist()
    ([0], [1.5, 20.0])
    """
    buffer = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(buffer == _LF)
    inner = np.flatnonzero(buffer == ord(separator)).reshape(ends.size, width - 1)
    first = np.concatenate([[0], ends[:-1] + 1])[: ends.size]
    last = ends - (buffer[np.maximum(ends - 1, 0)] == _CR)
    begin = np.concatenate([first[:, None], inner + 1], axis=1)
    return Fields(buffer, begin, np.concatenate([inner, last[:, None]], axis=1))


def _allowed(decimal: str) -> NDArray[np.bool_]:
    """Bytes that a number may hold, spaces and padding among them."""
    table = np.zeros(256, dtype=bool)
    table[list(b"0123456789+-eE \0" + decimal.encode())] = True
    return table


def numbers_in(cells: Cells, form: TableFormat, separator: str = "") -> tuple[FloatArray, list[tuple[int, str, str]]]:
    """Numbers of cells, NaN where there is none; and row, fault and remedy of each of those.

    Parameters
    ----------
    cells : Cells
    form : TableFormat
        Its decimal mark and encoding.
    separator : str
        Of the table, for messages.
    """
    text = cells.bytes
    plain = _allowed(form.decimal)[text].all(axis=1) & (text[:, _WIDE:] == 0).all(axis=1)
    values = np.full(text.shape[0], np.nan)
    some = text[plain][:, :_WIDE]
    if form.decimal == ",":
        some = np.where(some == ord(","), np.uint8(ord(".")), some)
    try:
        values[plain] = np.ascontiguousarray(some).view(f"S{some.shape[1]}")[:, 0].astype(float)
    except ValueError:  # one of them is none: find out which
        plain[:] = False
    doubtful = np.flatnonzero(~plain | ~np.isfinite(values))
    faults = []
    for row, cell in zip(doubtful.tolist(), cells.texts(doubtful, form.encoding, separator), strict=True):
        values[row], fault = parse_number(cell, form.decimal)
        if fault is not None:
            faults.append((row, *fault))
    return values, faults
