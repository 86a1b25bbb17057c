"""Inspection of a data file before anything is declared: its format, its columns, and what they seem to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path

import numpy as np

from mtjfit.data.format import SEPARATORS, SPACE, ReadOptions
from mtjfit.data.implausible import suspicious_units
from mtjfit.data.readers import Column, Sheet, SourceFile, read_source, recognised_in, sheets_from_bytes
from mtjfit.data.readers.packed import unpacked
from mtjfit.data.readers.sheet import split_unit
from mtjfit.data.readers.text import comment_mark, encoding_of, uses_commas
from mtjfit.data.tidy import excel_separator, numbered_lines, parse_number, try_split, without_mark
from mtjfit.data.units import canonical_unit
from mtjfit.errors import DataError, Problem, ProblemLog
from mtjfit.text import counted, number, table, visible

NAMES = {
    "bias": ("bias", "v", "voltage", "vbias", "biasv", "vdc", "dcbias", "biasmv", "u"),
    "par": ("par", "taupar", "tpar", "torquepar", "torkancepar", "inplane", "tauinplane", "parallel", "dtaupar",
            "tauip", "ip", "dampinglike", "dl", "tau1"),
    "perp": ("perp", "tauperp", "tperp", "torqueperp", "torkanceperp", "outofplane", "tauoutofplane", "perpendicular",
             "dtauperp", "tauop", "op", "fieldlike", "fl", "tau2"),
    "sigma_par": ("sigmapar", "errpar", "parerr", "parerror", "tauparerr", "sdpar", "separ", "dpar",
                  "errorpar", "tauparerror", "sigmataupar", "uncertaintypar"),
    "sigma_perp": ("sigmaperp", "errperp", "perperr", "perperror", "tauperperr", "sdperp", "seperp", "dperp",
                   "errorperp", "tauperperror", "sigmatauperp", "uncertaintyperp"),
    "rho": ("rho", "corr", "correlation", "corrparperp"),
    "sigma_bias": ("sigmabias", "biaserr", "errbias", "biaserror", "sigmav", "verr", "errv"),
    "device": ("device", "sample", "name", "id", "mtj", "junction", "deviceid", "devicename",
               "die", "dieid"),
    "thickness": ("thickness", "d", "dnm", "t", "tnm", "thicknessnm", "tfree", "tfreenm", "tfl", "dfree", "tcofeb",
                  "dangstrom"),
    "group": ("group", "wafer", "stack", "split", "batch", "series"),
}  # fmt: skip
"""Names, without case and punctuation, that columns of each role go by."""
PLACES = {
    "x": ("x", "xmm", "diex", "xdie", "posx", "xpos"),
    "y": ("y", "ymm", "diey", "ydie", "posy", "ypos"),
    "wafer": ("wafer", "waferid", "wafername"),
    "split": ("split", "stack", "group"),
}
"""The same for columns that only a table of whole wafers has."""
_SIMILAR = 0.8
_MOST_COMPARED = 500


@dataclass(frozen=True)
class FileInspection:
    """Format and columns that a data file seems to have."""

    path: Path
    reader: str  # that the file seems to need; empty for a plain table
    says: str  # that reader, for people
    sheets: tuple[Sheet, ...]  # with everything inferred; none for a plain table that would be refused as it is
    decimal: str
    names: tuple[str, ...]  # columns of the file, or of its first sheet
    encoding: str = ""
    comment: str = ""
    separator: str = ""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Everything that the reader inferred; what a plain table shows, the template says itself."""
        said = (note for sheet in self.sheets for note in (*sheet.unread, *sheet.notes))
        return tuple(dict.fromkeys(said)) if self.reader else ()

    @cached_property
    def places(self) -> dict[str, str]:
        """Columns of ``[wafer]``, by exact names; none unless dies have both x and y."""
        found = {}
        for role, likely in PLACES.items():
            plain = ((_plain_name(name), name) for name in self.names)
            fitting = sorted((likely.index(short), name) for short, name in plain if short in likely)
            if fitting:
                found[role] = fitting[0][1]
        return found if {"x", "y"} <= set(found) else {}

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column, or header parameter, that each role seems to have."""
        names = (*self.names, *(self.sheets[0].metadata if self.sheets else ()))
        return _columns(tuple(name for name in names if name not in self.places.values()))

    def as_text(self) -> str:
        """Every column with its unit, range and likely meaning; guesses are marked, doubts begin with ``LOOK``."""
        return "\n".join(map(visible, _lines(self)))


def inspect_file(path: Path) -> FileInspection:
    """Infer the format of a data file and the roles of its columns.

    DataError where it cannot be read as anything, has no header, or has a name that TOML cannot hold.
    """
    label = str(path)
    if not label.isprintable():
        raise DataError([Problem(repr(label), "has characters in its name that cannot be written", "rename the file")])
    source = unpacked(read_source(path, label), ReadOptions().max_bytes)
    reader = recognised_in(source)
    if reader.name == "tidy":
        return _plain(path, source)
    sheets = sheets_from_bytes(source, reader.name)
    return FileInspection(path, reader.name, reader.says, sheets, sheets[0].decimal, sheets[0].names)


def _plain(path: Path, source: SourceFile) -> FileInspection:
    encoding = encoding_of(source.data)
    lines = numbered_lines(source.head.data, encoding, source.label, ReadOptions())
    numbered = [each for each in lines if each[1].strip()]
    comment = comment_mark(numbered)
    numbered = [each for each in numbered if each[0] > 1 or not excel_separator(each[1], "", ProblemLog(""), 1)]
    header, *rows = [line for _, line in numbered if without_mark(line, comment) is None] or [""]
    fields = {separator: try_split(header, separator) for separator in SEPARATORS}
    separator = max(fields, key=lambda each: len(fields[each]))
    if len(fields[separator]) < 3:
        separator = SPACE
    names = tuple(fields.get(separator) or try_split(header, separator))
    if len(names) < 3:
        what = "has no header with three columns separated by comma, semicolon, tab, | or spaces"
        todo = "give it a header line; spectra, V_mix against frequency or field, go to mtjfit spectra"
        raise source.fault(what, todo)
    if len(names) > (most := ReadOptions().max_columns):
        raise source.fault(f"has more than {most} columns", "cut the table, or declare it in a study file")
    commas = uses_commas(cell for row in rows[:20] for cell in try_split(row, separator))
    decimal = "," if commas and separator != "," else "."
    try:
        sheets = sheets_from_bytes(source, "tidy")
    except DataError:
        sheets = ()
    return FileInspection(path, "", "tidy table", sheets, decimal, names, encoding, comment, separator)


def _plain_name(name: str) -> str:
    """A name without case, punctuation and unit in brackets."""
    return re.sub(r"[\W_]", "", re.sub(r"\s*[(\[][^()\[\]]*[)\]]\s*$", "", name).casefold())[:40]


def _columns(names: tuple[str, ...]) -> dict[str, str]:
    """Most similar column of each role, every column once; names without similarity stay out."""
    scores, known = [], {each for likely in NAMES.values() for each in likely}
    for name in dict.fromkeys(name for name in names if name):
        key = re.sub(r"[\W_]", "", name.casefold())[:40]
        if len(names) > _MOST_COMPARED and key not in known:  # of very many, similar ones are not looked for
            continue
        for role, likely in NAMES.items():
            # "torkance_perp" is similar to "torkance_par": never propose one for the other.
            if (role.endswith("par") and "perp" in key) or (role.endswith("perp") and "par" in key):
                continue
            # Short names must match exactly: "t" is similar to everything.
            best = max(
                1.0 if key == each else SequenceMatcher(None, key, each).ratio() if min(len(key), len(each)) > 3 else 0
                for each in likely
            )
            scores.append((best, role, name))
    columns: dict[str, str] = {}
    for score, role, name in sorted(scores, key=lambda each: -each[0]):
        if score >= _SIMILAR and role not in columns and name not in columns.values():
            columns[role] = name
    return columns


_MOST_SHEETS, _MOST_COLUMNS, _MOST_PARAMETERS, _LONGEST = 6, 20, 20, 60
_KINDS = {"bias": "bias", "sigma_bias": "bias", "thickness": "thickness"}


def _lines(inspection: FileInspection) -> Iterator[str]:
    yield f"{inspection.path.name}: {inspection.says} (GUESS)"
    if not inspection.sheets:
        yield "  cannot be read in full as it stands: mtjfit check will say why"
    for sheet in inspection.sheets[:_MOST_SHEETS]:
        yield from _sheet(sheet, inspection)
    if len(inspection.sheets) > _MOST_SHEETS:
        yield f"  and {len(inspection.sheets) - _MOST_SHEETS} more"
    for note in inspection.notes:
        yield f"  found out: {note}"


def _sheet(sheet: Sheet, inspection: FileInspection) -> Iterator[str]:
    size = f"{counted(len(sheet.lines), 'row')}, {counted(len(sheet.columns), 'column')}"
    yield f"  {_short(sheet.label.rpartition('/')[2])}: {size}"
    taken = {name: role for role, name in inspection.columns.items()}
    taken |= {split_unit(name)[0]: role for role, name in inspection.places.items()}
    cells = [_described(column, sheet, taken) for column in sheet.columns[:_MOST_COLUMNS]]
    yield from ("    " + line for line in table(["column", "unit", "from", "to", "taken as"], cells).splitlines())
    if len(sheet.columns) > _MOST_COLUMNS:
        yield f"    and {counted(len(sheet.columns) - _MOST_COLUMNS, 'more column')}"
    for key, value in list(sheet.metadata.items())[:_MOST_PARAMETERS]:
        role = f"  {taken[key]} (GUESS)" if key in taken and key not in sheet.names else ""
        yield f"    header: {_short(key)} = {_short(value)}{role}"
    yield from (f"  LOOK: {doubt}" for doubt in _doubts(sheet, taken))


def _described(column: Column, sheet: Sheet, taken: dict[str, str]) -> list[str]:
    values = _numbers(column, sheet)
    ends = [number(float(np.min(values))), number(float(np.max(values)))] if values.size else ["text", ""]
    role = f"{taken[column.name]} (GUESS)" if column.name in taken else "-"
    return [_short(column.name), _short(column.unit or "not said"), *ends, role]


def _numbers(column: Column, sheet: Sheet) -> np.ndarray:
    parsed = (parse_number(cell, sheet.decimal) for cell in column.cells)
    return np.array([value for value, fault in parsed if fault is None])


def _doubts(sheet: Sheet, taken: dict[str, str]) -> Iterator[str]:
    for column in sheet.columns:
        kind = _KINDS.get(taken.get(column.name, ""))
        unit = canonical_unit(column.unit, kind) if kind and column.unit else ""
        if kind and unit:
            yield from suspicious_units(kind, _numbers(column, sheet), unit)


def _short(text: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
