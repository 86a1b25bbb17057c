"""Excel workbooks (.xlsx): saved values only, no formula is computed and no link followed."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import Any

from mtjfit.data.foreign import foreign
from mtjfit.data.readers.header import Row, n_header_lines
from mtjfit.data.readers.sheet import (
    ReadOptions,
    Sheet,
    SourceFile,
    Unpacked,
    cell_text,
    declared_decimal,
    needed,
    third_party,
    whole_or_faulty,
)
from mtjfit.data.readers.text import TextGrid, as_sheet
from mtjfit.data.tidy import FORMULA
from mtjfit.errors import did_you_mean

_TODO = "save it anew as an Excel workbook (.xlsx), or as CSV"
_LEAST, _LONGEST = 50_000, 1_000_000
_LONG_MARK = re.compile(rb"(?:\A|<)[^<]{%d}" % _LONGEST)
_SPECIAL = re.compile(rb"<\?|<!-|<!\[")


def read_excel(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for each sheet of the workbook that holds anything; places in messages are Excel's row numbers.

    A workbook that unpacks to more than ``options.max_bytes`` is refused before it is unpacked.
    """
    openpyxl = needed(source, "excel", "openpyxl")
    with third_party(source, "Excel workbook", _TODO):
        formulas = _checked(source, options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and validation that openpyxl does not know hold no data
            how = {"read_only": True, "keep_links": False}
            book = openpyxl.load_workbook(io.BytesIO(source.data), data_only=True, **how)
            written = openpyxl.load_workbook(io.BytesIO(source.data), data_only=False, **how) if formulas else None
            names = [sheet.title for sheet in book.worksheets]
            hidden = [sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"]
            wanted = [options.sheet] if options.sheet else names
            if options.sheet and options.sheet not in names:
                raise source.fault(f"has no sheet {options.sheet!r}", did_you_mean(options.sheet, names))
            found = [(name, _rows(source, book[name], options, written and written[name])) for name in wanted]
        book.close()
    filled = [(name, rows) for name, rows in found if rows]
    if not filled:
        raise source.fault("holds no cells", "give a header and rows of data")
    notes = ["values of formulas are those that were saved; none is computed"] if formulas else []
    sheets: list[Sheet] = []
    for name, rows in filled:
        one = source if len(names) == 1 else replace(source, label=f"{source.label}[{name}]")
        own = [*notes, f"sheet {name!r} is hidden in the workbook"] if name in hidden else notes
        sheets += whole_or_faulty(one.label, "excel", name, partial(_tables, one, rows, options, own))
    return tuple(sheets)


def _tables(source: SourceFile, rows: Sequence[Row], options: ReadOptions, notes: Sequence[str]) -> Iterator[Sheet]:
    n = n_header_lines(options, rows)
    width = max(len(cells) for _, cells in rows)
    padded = [(number, cells + [""] * (width - len(cells))) for number, cells in rows]
    grid = TextGrid("", declared_decimal(options), padded[:n], padded[n:], [], list(notes))
    yield as_sheet(source, options, grid, "excel")


def recognises_excel(source: SourceFile) -> bool:
    """True for a zip archive named like a workbook."""
    return source.data.startswith(b"PK") and source.name.casefold().endswith((".xlsx", ".xlsm"))


def _checked(source: SourceFile, options: ReadOptions) -> bool:
    """Refuse workbooks that take gigabytes or hours to be parsed; True where a sheet holds formulas."""
    formulas = False
    if not source.data.startswith(b"PK") and (named := foreign(source.data)) is not None:
        raise source.fault(*named)
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        members = archive.infolist()
        # zipfile never unpacks more of a member than the directory says.
        size = sum(member.file_size for member in members)
        if size > options.max_bytes:
            what = f"unpacks to {size} bytes, more than the limit of {options.max_bytes}"
            raise source.fault(what, "cut the workbook or raise max_bytes")
        for member in members:
            data = archive.read(member)
            if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
                is_table = member.filename.startswith("xl/worksheets/") or member.filename == "xl/sharedStrings.xml"
                most = options.max_cells if is_table else max(_LEAST, options.max_cells // 20)
                if fault := _slow_to_parse(data, most):
                    raise source.fault(f"{fault} in {member.filename[:100]}", _TODO)
                formulas |= is_table and (b"<f>" in data or b"<f " in data)
    return formulas


def _slow_to_parse(data: bytes, most: int) -> str:
    """Why XML would take too long, or too much memory; empty where it would not.

    Parsers keep what is not closed yet, and some read it again with every piece that they get: a time that grows with
    the square of its length.
    """
    if b"\0" in data or b"<!DOCTYPE" in data:
        return "has a document type, or is not UTF-8,"
    if data.count(b"<") > most:
        return f"has more than {most} marks"
    if _LONG_MARK.search(data) is not None:
        return f"has more than {_LONGEST} bytes without a mark"
    for n, found in enumerate(_SPECIAL.finditer(data)):
        end = {b"<?": b"?>", b"<!-": b"-->", b"<![": b"]]>"}[found[0]]
        if n > _LEAST or data.find(end, found.end(), found.end() + _LONGEST) < 0:
            return "has too many, or too long, comments"
    return ""


def _rows(source: SourceFile, sheet: Any, options: ReadOptions, written: Any = None) -> list[Row]:
    """Rows with anything in them; a cell far out must not make millions of empty ones.

    A formula without a saved value stands as `written`, which is no number.
    """
    rows: list[Row] = []
    unpacked = Unpacked(source, max(_LEAST, options.max_cells // 4), options.max_bytes)
    sheet.reset_dimensions()  # the written size may be a lie
    if written is not None:
        written.reset_dimensions()
    formulas = repeat(()) if written is None else written.iter_rows()
    for number, (values, cells) in enumerate(zip(sheet.iter_rows(values_only=True), formulas, strict=False), start=1):
        # before they are copied; each row counts as a cell
        unpacked.count((None, *values), number)
        texts = [cell_text(value, declared_decimal(options)) for value in values]
        for k, cell in enumerate(cells[: len(texts)]):
            if not texts[k] and cell.data_type == "f":
                texts[k] = FORMULA
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            rows.append((number, texts))
    return rows
