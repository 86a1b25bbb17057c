"""Header parameters of plain text files: lines such as ``DC bias: -150 mV`` or ``# Field = 50 mT`` above a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import takewhile

from mtjfit.data.column_names import split_unit
from mtjfit.data.readers.packed import unpacked
from mtjfit.data.readers.sheet import ReadOptions, Sheet, SourceFile
from mtjfit.data.readers.text import lines_of
from mtjfit.data.tidy import without_mark
from mtjfit.errors import DataError, Problem

_PLAIN = ("tidy", "origin", "wide")
"""Readers whose files have no header parameters of their own."""
_LINE = re.compile(r"[#%;\s]*([^\W\d][^:=,;|\t]{0,79}?)\s*[:=]\s*([^=]+)")
_NUMBER = re.compile(r"([+−-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*((?:[^\W\d_]|[%°(\[]).*)")


def parameters_in(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Lines ``key: value`` or ``key = value`` among some lines, all different values of each key in order.

    >>> parameters_in(["# DC bias: -150mV", "Field (mT) = 50", "lab 3, T = 295 K", "# t: 1 s", "# t: 2 s"])
    {'DC bias': ('-150 mV',), 'Field': ('50 mT',), 't': ('1 s', '2 s')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        match = _LINE.fullmatch(line.strip(" \t,;|"))
        if match is None:
            continue
        key, unit = split_unit(match[1])
        value = " ".join(match[2].strip(" \t,;|").split())
        number = _NUMBER.fullmatch(value)
        if number is not None:
            value = f"{number[1]} {number[2].strip('()[]')}"
        value = f"{value} {unit}" if unit else value
        found[key] = tuple(dict.fromkeys((*found.get(key, ()), value)))
    return found


def parameters_in_comments(source: SourceFile, options: ReadOptions) -> dict[str, tuple[str, ...]]:
    """The same in the comments with which a plain table begins."""
    lines = lines_of(source, options, [])
    texts = (without_mark(line, options.comment or "") for _, line in lines)
    return parameters_in(takewhile(lambda text: text is not None, texts))  # type: ignore[arg-type]


def with_preamble(
    source: SourceFile, sheets: Iterable[Sheet], max_bytes: int, used: Collection[str] = ()
) -> tuple[Sheet, ...]:
    """The sheets of a file with the parameters that stand above their tables, where the format has none of its own.

    A key with two different values is none; DataError where it is `used`.
    """
    return tuple(_with_own(source, sheet, max_bytes, used) if sheet.format in _PLAIN else sheet for sheet in sheets)


def _with_own(source: SourceFile, sheet: Sheet, max_bytes: int, used: Collection[str]) -> Sheet:
    end = sheet.header_line or (sheet.lines[0] if sheet.lines else 0)
    if end < 2:
        return sheet
    lines = lines_of(unpacked(source, max_bytes), sheet.form, [])
    found = parameters_in(line for _, line in takewhile(lambda each: each[0] < end, lines))
    twice = {key: values for key, values in found.items() if len(values) > 1}
    refused = [key for key in twice if key in used and not sheet.named.places(key)]
    if refused:
        raise DataError(_twice(sheet, key, twice) for key in refused)
    notes = [f"header parameter {key!r} has different values: {', '.join(twice[key])}" for key in twice]
    return sheet.with_metadata({key: values[0] for key, values in found.items() if key not in twice}).noting(*notes)


def _twice(sheet: Sheet, key: str, twice: Mapping[str, tuple[str, ...]]) -> Problem:
    what = f"has different values above the table: {', '.join(twice[key])}"
    return Problem(f"{sheet.label}: header parameter {key!r}", what, "keep the line that is right")
