"""Decimal commas that nobody declared, and minus signs of word processors, in the cells of any format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from mtjfit.data.readers.sheet import Sheet
from mtjfit.data.tidy import MINUS, is_number

_THOUSANDS = re.compile(r"[+−-]?[1-9][0-9]{0,2}(,[0-9]{3})+")
_TYPED = ("excel", "parquet", "netcdf", "qcodes", "hdf5", "matlab", "tdms")  # whose numbers have no decimal mark


def settled(sheets: Sequence[Sheet], names: Iterable[str], declared: str) -> tuple[list[Sheet], list[str]]:
    """The sheets with decimal commas beyond doubt as points; notices of these and of minus signs.

    None of the columns `names` may have a point then, or of a format that keeps numbers apart from text, no other cell
    of the column. `declared` is the decimal mark that a person gave.

    >>> from mtjfit.data.readers.sheet import Column
    >>> column = Column("V", None, ("-0,4", "1,234"))
    >>> (sheet,), notices = settled([Sheet("a.csv", "tidy", (column,), (2, 3))], ["V"], ".")
    >>> sheet.numbers("V").tolist(), notices
    ([-0.4, 1.234], ["a.csv:2: '-0,4' has a decimal comma: all numbers are read so"])
    """
    names, found = list(dict.fromkeys(names)), list(sheets)
    commas = list(_cells(sheets, names, ",")) if declared != "," else []
    if commas and all(sheet.decimal == "." for sheet in sheets):
        places = [[place for each in names for place in sheet.named.places(each)] for sheet in sheets]
        every = [sheet.columns[k].cells for sheet, own in zip(sheets, places, strict=True) for k in own]
        is_sure = share_of_commas(chain(*every)) == 1.0
        found = [_with_points(sheet, own, is_sure) for sheet, own in zip(sheets, places, strict=True)]
        commas = commas if found != list(sheets) else []
    told = [f"{place}: {cell!r} has a decimal comma: all numbers are read so" for place, cell in commas[:1]]
    return found, [*told, *minus_notice(_cells(sheets, names, MINUS))]


def _with_points(sheet: Sheet, places: Sequence[int], is_sure: bool) -> Sheet:
    columns = list(sheet.columns)
    for k in places:
        cells = columns[k].cells
        if is_sure or (sheet.format in _TYPED and share_of_commas(cells) == 1.0):
            changed = tuple(cell.replace(",", ".") if is_number(cell) else cell for cell in cells)
            columns[k] = replace(columns[k], cells=changed)
    return replace(sheet, columns=tuple(columns))


def minus_notice(cells: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A notice of the numbers that have the minus sign of a word processor, among cells behind their places."""
    minus = [each for each in cells if MINUS in each[1] and is_number(each[1].partition(" ")[0])]
    if minus:
        more = f" and {len(minus) - 1} more" if len(minus) > 1 else ""
        yield f"{minus[0][0]}: {minus[0][1]!r}{more}: a word processor's minus sign (U+2212) is read as '-'"


def share_of_commas(cells: Iterable[str]) -> float:
    """Share of decimal commas among decimal marks; 0 where every comma may stand between thousands.

    >>> [share_of_commas(cells) for cells in (("1,5", "1,234"), ("1,234", "2"), ("0,5", "1.5"))]
    [1.0, 0.0, 0.5]
    """
    marked = [cell for cell in cells if ("," in cell or "." in cell) and is_number(cell)]
    commas = [cell for cell in marked if "," in cell]
    return 0.0 if all(map(_THOUSANDS.fullmatch, commas)) else len(commas) / len(marked)


def _columns(sheet: Sheet, names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    return (sheet.columns[places[0]].cells for name in names if len(places := sheet.named.places(name)) == 1)


def _cells(sheets: Iterable[Sheet], names: Iterable[str], mark: str) -> Iterator[tuple[str, str]]:
    """Cells and header parameters with a mark in them, each behind its place."""
    for sheet in sheets:
        for cells in _columns(sheet, names):
            if mark in "".join(cells):
                yield from ((f"{sheet.label}:{line}", cell)
                            for line, cell in zip(sheet.lines, cells, strict=True) if mark in cell)  # fmt: skip
        for name in names:
            if not sheet.named.places(name) and mark in (said := sheet.metadata.get(name, "")):
                yield f"{sheet.label}: header parameter {name!r}", said
