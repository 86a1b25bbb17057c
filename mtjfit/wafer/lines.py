"""Lines of a delimited table made plain: one row to a line, the same number of fields in each, no quotes."""

from __future__ import annotations

import csv
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtjfit.data.format import TableFormat
from mtjfit.data.tidy import split
from mtjfit.wafer.chunk import IntArray

__all__ = ["INSIDE", "NoRow", "Plain", "plain_lines"]

INSIDE = "\x1f"
"""Stands for a separator that was inside quotes."""
_QUOTE, _LF, _CR, _SPACE = b'"\n\r '


class NoRow(NamedTuple):
    """A line that is no row of the table, in whose place the row before it stands again."""

    row: int
    line: int
    what: str
    todo: str


class Plain(NamedTuple):
    """Plain lines.

    Attributes
    ----------
    data : bytes
    line : ndarray of int
        Number of each line in the file.
    broken : list of NoRow
    blank : list of (int, int)
        Row behind each blank line, and the number of that line.
    """

    data: bytes
    line: IntArray
    broken: list[NoRow]
    blank: list[tuple[int, int]]


def plain_lines(data: bytes, width: int, separator: str, form: TableFormat, line: int, last: bytes = b"") -> Plain:
    """Whole lines of a table, each with `width` fields.

    Parameters
    ----------
    data : bytes
        Ends with a line feed.
    width : int
        Fields that a row must have.
    separator : str
    form : TableFormat
        Its comment mark and encoding.
    line : int
        Number of the first line.
    last : bytes
        The plain line before.

    Examples
    --------
    >>> found = plain_lines(b'"a, b",1\\n2\\n\\nc,3\\n', 2, ",", TableFormat(), 5)
    >>> found.data, found.line.tolist(), found.blank
    (b'a\\x1f b,1\\na\\x1f b,1\\nc,3\\n', [5, 6, 8], [(2, 7)])
    >>> print(found.broken[0].what)
    has 1 fields, the header has 2
    """
    data = _without_plain_quotes(data, separator)
    buffer = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(buffer == _LF)
    begins = np.concatenate([[0], ends[:-1] + 1])
    odd = _counts(np.flatnonzero(buffer == ord(separator)), begins, ends) != width - 1
    if b'"' in data:
        odd |= _counts(np.flatnonzero(buffer == _QUOTE), begins, ends) > 0
    if form.comment and form.comment.encode(form.encoding) in data:
        odd |= (buffer[begins] == ord(form.comment)) | (buffer[begins] == _SPACE)
    numbers = line + np.arange(ends.size)
    if not odd.any():
        return Plain(data, numbers, [], [])
    return _one_by_one(data, begins, ends, odd, numbers, width, separator, form, last)


def _counts(at: IntArray, begins: IntArray, ends: IntArray) -> IntArray:
    """How many of some places lie in each line."""
    return np.asarray(np.searchsorted(at, ends) - np.searchsorted(at, begins))


def _without_plain_quotes(data: bytes, separator: str) -> bytes:
    """Without quotes where each of them begins or ends a field that holds no separator; otherwise as it was."""
    if b'"' not in data:
        return data
    buffer = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(buffer == _QUOTE)
    if at.size % 2:
        return data
    opening, closing = at[::2], at[1::2]
    edge = np.zeros(256, dtype=bool)
    edge[[ord(separator), _LF, _CR]] = True
    before = edge[buffer[np.maximum(opening - 1, 0)]] | (opening == 0)
    separators = np.flatnonzero((buffer == ord(separator)) | (buffer == _LF))
    same_field = np.searchsorted(separators, opening) == np.searchsorted(separators, closing)
    if np.all(before & edge[buffer[closing + 1]] & same_field):
        return data.replace(b'"', b"")
    return data


def _one_by_one(
    data: bytes, begins: IntArray, ends: IntArray, odd: NDArray[np.bool_], numbers: IntArray, width: int,
    separator: str, form: TableFormat, last: bytes,
) -> Plain:  # fmt: skip
    """Plain lines as they are, and each of the others mended, taken out, or replaced."""
    parts: list[bytes] = []
    broken: list[NoRow] = []
    blank: list[tuple[int, int]] = []
    kept = np.ones(ends.size, dtype=bool)
    row = done = 0
    sound = np.flatnonzero(~odd)
    stand_in = last or (data[begins[sound[0]] : ends[sound[0]]] if sound.size else (separator * (width - 1)).encode())
    for k in np.flatnonzero(odd).tolist():
        parts.append(data[begins[done] : begins[k]])
        row += k - done
        done = k + 1
        text = data[begins[k] : ends[k]].decode(form.encoding)
        cells, fault = _cells(text, width, separator, form)
        if cells is not None and not any(cells):
            kept[k] = False
            blank.append((row, int(numbers[k])))
            continue
        if cells is None:
            before = next((part for part in reversed(parts) if part), b"")[:-1].rpartition(b"\n")[2]
            broken.append(NoRow(row, int(numbers[k]), *fault))
            parts.append((before or stand_in) + b"\n")
        else:
            mended = separator.join(cell.replace(separator, INSIDE) for cell in cells)
            parts.append(mended.encode(form.encoding) + b"\n")
        row += 1
    parts.append(data[begins[done] :] if done < ends.size else b"")
    return Plain(b"".join(parts), numbers[kept], broken, blank)


def _cells(text: str, width: int, separator: str, form: TableFormat) -> tuple[list[str] | None, tuple[str, str]]:
    """Cells of a line, or None and what is wrong with it and what to do."""
    if form.comment and text.lstrip().startswith(form.comment):
        return None, ("is a comment among the data", "move it above the header")
    try:
        cells = split(text.rstrip("\r"), separator)
    except csv.Error as error:
        return None, (f"cannot be split into fields ({error})", "mend the quotes")
    if any(cells) and len(cells) != width:
        return None, (f"has {len(cells)} fields, the header has {width}", "give every column one field")
    return cells, ("", "")
