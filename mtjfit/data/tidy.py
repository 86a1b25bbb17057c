"""Text files as numbered lines, fields and numbers.

Nothing is skipped and nothing is guessed. Every fault goes into a `ProblemLog` with its line and column.
"""

from __future__ import annotations

import csv
import math
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.foreign import foreign
from mtjfit.data.format import SEPARATORS, SPACE, ReadOptions
from mtjfit.errors import ProblemLog
from mtjfit.text import vanishes

_MARK = b"\xef\xbb\xbf"  # that Windows writes above UTF-8
_BLOCK = 2**20
_BLANKS = re.compile(" {2,}")
_EXCEL = re.compile(r'\s*"?sep=(.)\1*"?\s*', re.IGNORECASE)
LETTERS = 16
"""Letters shown of each word of a name in a file that is not the declared one."""


def numbered_lines(data: bytes, encoding: str, label: str, limits: ReadOptions) -> Iterator[tuple[int, str]]:
    """Lines of a text without their ends (LF, CRLF or CR), counted from 1.

    DataError with the line of the first byte that is no text, and, while they are read, of one that is too many or too
    long.
    """
    log = ProblemLog(label)
    if (named := foreign(data)) is not None:
        log.add(*named)
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        log.add("is UTF-16", 'save it as UTF-8 ("CSV UTF-8" in Excel)')
    elif encoding != "utf-8" and data.startswith(_MARK):
        what = f"begins with the mark of UTF-8, but encoding = {encoding!r}"
        log.add(what, 'set encoding = "utf-8" in [data.format]', 1)
    elif (nul := data.find(b"\0")) >= 0:
        log.add("holds a NUL byte: not a text file, or UTF-16", "save it as UTF-8 text", data.count(b"\n", 0, nul) + 1)
    elif (bad := undecodable(data, encoding)) is not None:
        todo = 'save the file as UTF-8, or set encoding = "cp1252" (Windows) or "latin-1" in [data.format]'
        log.add(f"byte 0x{data[bad]:02x} is not {encoding}", todo, data.count(b"\n", 0, bad) + 1)
    log.refuse()
    return _lines(data.removeprefix(_MARK), encoding, log, limits)


def undecodable(data: bytes, encoding: str) -> int | None:
    """Place of the first byte that does not fit the encoding; the text, up to four times as large, is not kept."""
    if data.isascii():
        return None
    decoder = getincrementaldecoder(encoding)()
    for start in range(0, len(data), _BLOCK):
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + _BLOCK], start + _BLOCK >= len(data))
        except UnicodeDecodeError as error:
            return start - kept + error.start
    return None


def _lines(data: bytes, encoding: str, log: ProblemLog, limits: ReadOptions) -> Iterator[tuple[int, str]]:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    most, longest = limits.max_lines, limits.max_line
    start, number, end = 0, 0, data.find(b"\n")
    while end >= 0 or start < len(data):
        number, end = number + 1, end if end >= 0 else len(data)
        if number > most or end - start > longest:
            if number > most:
                log.add(f"has more than {most} lines", "cut the file or raise max_bytes", number)
            else:
                todo = "is this a table? else raise max_bytes"
                log.add(f"has more than {longest} bytes in a line", todo, number)
            raise log.error()
        yield number, data[start:end].decode(encoding)
        start = end + 1
        end = data.find(b"\n", start)


def split_fields(line: str, separator: str) -> list[str]:
    """Fields of one line, quotes removed, without spaces at the ends; csv.Error for an open quote.

    >>> split_fields('"dev 1, left"; 0.1 ;2', ";"), split_fields('  "dev 1"   0.1 2', "space")
    (['dev 1, left', '0.1', '2'], ['dev 1', '0.1', '2'])
    """
    if separator == SPACE:
        line, separator = line.replace("\t", " ").strip(" "), " "
        if '"' not in line:
            line = _BLANKS.sub(" ", line)
    if '"' not in line and len(line) <= csv.field_size_limit():  # five times faster, and the same without quotes
        return [cell.strip() for cell in line.split(separator)] if line else []
    fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True), [])
    return [cell.strip() for cell in fields]


def try_split(line: str, separator: str) -> list[str]:
    """Fields of one line; none where it cannot be split."""
    try:
        return split_fields(line, separator)
    except csv.Error:
        return []


def excel_separator(line: str, declared: str, log: ProblemLog, number: int) -> str:
    """The separator that Excel's own first line names, ``sep=;``; empty for any other line.

    A problem in `log` where it is none, or not the declared one.
    """
    match = _EXCEL.fullmatch(line)
    if match is None:
        return ""
    if match[1] not in SEPARATORS:
        log.add(f"names the separator {match[1]!r}, which is not read", "save the table with commas or tabs", number)
    elif declared and declared != match[1]:
        what = f"names the separator {match[1]!r}, but separator = {declared!r}"
        log.add(what, "remove the one that is wrong", number)
    return match[1]


def without_mark(line: str, mark: str) -> str | None:
    """Text of a comment line behind its mark; None for other lines, and for all where the mark is empty."""
    return line.lstrip()[len(mark) :].strip() if mark and line.lstrip().startswith(mark) else None


SET_SPACE = 'set separator = "space" in [data.format]'
"""Remedy for a table whose columns are separated by blanks."""

COMMENT_AMONG_DATA = "move it above the header; leave points out with mask, which keeps the reason"
"""Remedy for a comment line below the header."""
REPEATED = 'rename the columns, or set reader = "wide" in [data.format] and say how they repeat in [data.wide]'
"""Remedy for names that stand several times in a header."""

MINUS = "\N{MINUS SIGN}"
"""What word processors make of a hyphen in front of a number; it means nothing else."""
_DASH = re.compile("[\u2010-\u2015\ufe63\uff0d]")  # also mean a range, or that there is nothing
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
FORMULA = "=formula"
"""Text of a cell with a formula that no program has computed."""
_NOT_FINITE = {"nan", "inf", "infinity", "na", "n/a", "null", "none", "#n/a", "--"}


def parse_number(text: str, decimal: str) -> tuple[float, tuple[str, str] | None]:
    """The number a field holds, or NaN and (what is wrong, what to do).

    >>> parse_number("-1.5e-3", "."), parse_number("\N{MINUS SIGN}2", "."), parse_number("1,25", ".")[1]
    ((-0.0015, None), (-2.0, None), ("'1,25' looks like a decimal comma", 'set decimal = "," in [data.format]'))
    """
    plain = text if decimal == "." else text.replace(",", ".") if "." not in text else ""
    plain = plain.replace(MINUS, "-")
    if _NUMBER.fullmatch(plain) and math.isfinite(value := float(plain)) and not vanishes(plain, value):
        return value, None
    return math.nan, _why_not(text, plain, decimal)


def is_number(cell: str) -> bool:
    """True for a number with a decimal point or comma, and for what programs write in place of one.

    >>> is_number("62.5E+0"), is_number("1,5"), is_number("nan"), is_number("2.1nm")
    (True, True, True, False)
    """
    plain = cell if "," not in cell else cell.replace(",", ".") if "." not in cell else ""
    plain = plain.replace(MINUS, "-")
    if _NUMBER.fullmatch(plain):
        return math.isfinite(value := float(plain)) and not vanishes(plain, value)
    return cell.strip().lower().lstrip("+-") in ("nan", "inf", "--")


_PLAIN_CELLS = re.compile(r"[0-9+\-.eE]*")


def plain_numbers(cells: Sequence[str]) -> FloatArray | None:
    """Numbers of cells that are all plain and finite with a decimal point; None where one is not.

    >>> plain_numbers(("1", "-2.5e-3")), plain_numbers(("1", "1,5")), plain_numbers(("1_0",))
    (array([ 1.    , -0.0025]), None, None)
    """
    if _PLAIN_CELLS.fullmatch("".join(cells)) is None:  # what float() takes beyond `parse_number` has other letters
        return None
    try:
        values = np.fromiter(map(float, cells), dtype=float, count=len(cells))
    except ValueError:
        return None
    if any(vanishes(cells[i], 0.0) for i in np.flatnonzero(values == 0).tolist()):
        return None
    return values if bool(np.all(np.isfinite(values))) else None


def is_missing(text: str) -> bool:
    """True for an empty cell, and for what programs write in place of a number that they do not have."""
    return not text.strip() or text.strip().lower().lstrip("+-") in _NOT_FINITE


def _why_not(text: str, plain: str, decimal: str) -> tuple[str, str]:
    shown = repr(text if len(text) <= 40 else text[:39] + "…")
    if not text:
        return "is empty", "give a number; a point without data has no row"
    if text == FORMULA:
        return "holds a formula without a stored value", "open the workbook in a spreadsheet program and save it"
    if _NUMBER.fullmatch(plain):
        return f"{shown} is too {'small' if float(plain) == 0 else 'large'}", "correct the number or its unit"
    if text.lower().lstrip("+-") in _NOT_FINITE:
        return f"{shown} is not a finite number", "remove the row, or measure the point again"
    if decimal == "." and _NUMBER.fullmatch(text.replace(",", ".", 1).replace(MINUS, "-")):
        return f"{shown} looks like a decimal comma", 'set decimal = "," in [data.format]'
    if decimal == "," and _NUMBER.fullmatch(text.replace(MINUS, "-")):
        return f"{shown} has a decimal point", 'set decimal = "." in [data.format]'
    if (dash := _DASH.search(text)) and _NUMBER.fullmatch(_DASH.sub("-", text.replace(",", "."))):
        return f"{shown} has a dash (U+{ord(dash[0]):04X})", "write '-' in its place if it is a minus sign"
    if _NUMBER.fullmatch(re.sub(r"[,.'_\s]", "", text)):
        return f"{shown} is not a number", "write it without thousands separators and spaces, such as 1250.5"
    return f"{shown} is not a number", "write a plain number such as -1.25e-3"
