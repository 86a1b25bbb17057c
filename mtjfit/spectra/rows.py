"""Rows of one table as numbers in SI with the spectrum that each belongs to; rows that are masked by declaration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.data.readers import Sheet
from mtjfit.data.table import column_or_parameter
from mtjfit.data.tidy import is_missing
from mtjfit.data.unit_kinds import unit_factor
from mtjfit.data.written_units import WrittenUnit, agrees, written_unit
from mtjfit.errors import ConfigError, DataError, Problem
from mtjfit.spectra.calibration import factor_or_problem
from mtjfit.spectra.declaration import FilesTable, fits_name
from mtjfit.spectra.spectrum import Against
from mtjfit.text import counted, number

_RUN_ON = 5.0  # times `within`, the widest group of values that were read back
_MOST_SETTINGS = 200  # of a bias or field that is looked for in its readings
_FEW = 20  # different values, which are settings as long as nothing shows that they were read back
_CLEAR = 3.0  # ratio of the gaps between values and those within, to propose a `within`


@dataclass(frozen=True)
class SpectrumRows:
    """The rows of one spectrum in the order of the file, in SI; `lines` are their places in it, `unit` that of x."""

    device: str
    bias: float
    fixed: float
    x: FloatArray
    voltage: FloatArray
    lines: IntArray
    unit: float


def column_units(against: Against) -> dict[str, str]:
    """The kind of the unit of each kind of column."""
    fixed = "field" if against == "frequency" else "frequency"
    return {"x": against, "voltage": "voltage", "bias": "voltage", "fixed": fixed}


def unmasked(sheet: Sheet, table: FilesTable, name: str, against: Against) -> Sheet:
    """The rows of a sheet that no mask of the declaration leaves out."""
    masks = [each for each in table.mask if fits_name(name, each.file)]
    if not masks:
        return sheet
    keep = np.ones(len(sheet.lines), dtype=bool)
    lines = np.array(sheet.lines)
    cells = [sheet.column(column).cells for column in (table.columns.x, table.columns.voltage)]
    for mask in masks:
        if mask.lines is not None:
            keep &= (lines < mask.lines[0]) | (lines > mask.lines[1])
        if mask.missing:
            keep &= ~np.array([any(map(is_missing, row)) for row in zip(*cells, strict=True)], dtype=bool)
    sheet = sheet if keep.all() else sheet.at(np.flatnonzero(keep).tolist())
    intervals = [mask.x for mask in masks if mask.x is not None]
    if intervals and sheet.lines:
        x = sheet.numbers(table.columns.x)
        out = np.any([(x >= low) & (x <= high) for low, high in intervals], axis=0)
        sheet = sheet.at(np.flatnonzero(~out).tolist()) if np.any(out) else sheet
    return sheet


def spectra_rows(
    sheet: Sheet, table: FilesTable, against: Against, least: int, notes: list[tuple[str, str]]
) -> Iterator[SpectrumRows]:
    """The rows of each spectrum, one for each device, bias and value held, in order of appearance.

    `least` is the number of points that a spectrum needs. What was inferred goes into `notes`, with its place.
    DataError with the line of each fault.
    """
    _same_units(sheet, table, against, notes)
    units = column_units(against)
    unit = unit_factor(table.units.x, units["x"])
    x = sheet.numbers(table.columns.x) * unit
    voltage = sheet.numbers(table.columns.voltage) * unit_factor(table.units.voltage, "voltage")
    names, device = _devices(sheet, table)
    bias = _of_rows(sheet, table, "bias", units["bias"])
    fixed = _of_rows(sheet, table, "fixed", units["fixed"], "frequency" if against == "field" else "field")
    key = device
    for role, values, of in (("bias", bias, units["bias"]), ("fixed", fixed, units["fixed"])):
        code = _codes(sheet, table, role, values, of, notes)
        key = np.unique(key * (code.max() + 1) + code, return_inverse=True)[1]
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    parts = np.split(order, starts[1:])
    if len(parts) > 1:
        _refuse_readback(sheet, table, {"bias": bias, "fixed": fixed}, len(parts), least, units)
    lines = np.array(sheet.lines)
    for rows in sorted(parts, key=lambda rows: int(rows[0])):
        held, V = (_shared(values[rows]) for values in (fixed, bias))
        yield SpectrumRows(names[device[rows[0]]], V, held, x[rows], voltage[rows], lines[rows], unit)


def _shared(values: FloatArray) -> float:
    """The value of all rows, or the mean of values that were read back."""
    first = float(values[0])
    return first if math.isnan(first) or np.all(values == first) else float(np.mean(values))


def _devices(sheet: Sheet, table: FilesTable) -> tuple[list[str], IntArray]:
    """Names of devices, and the place of that of each row among them."""
    name = table.columns.device
    found = column_or_parameter(sheet, "device", name, as_text=True)[0] if name else ""
    if isinstance(found, tuple):
        index: dict[str, int] = {}
        codes = [index.setdefault(cell.strip(), len(index)) for cell in found]
        empty = next((sheet.lines[i] for i, code in enumerate(codes) if code == index.get("", -1)), None)
        if empty is not None:
            where = f"{sheet.label}:{empty}: column {name!r}"
            raise DataError([Problem(where, "is empty", "name the device of each row, or mask the row")])
        return list(index), np.array(codes, dtype=np.intp)
    named = sheet.metadata.get("device", "") if "device" in table.named else ""
    one = str(found) if name else table.device or named
    return [one.strip()], np.zeros(len(sheet.lines), dtype=np.intp)


def _of_rows(sheet: Sheet, table: FilesTable, role: str, units: str, field: str = "") -> FloatArray:
    """Bias, or what was held, at each row: a column, a constant, a header parameter, or part of the file name."""
    n = len(sheet.lines)
    column, constant, unit = (getattr(each, role) for each in (table.columns, table, table.units))
    if column:
        if not unit:
            raise ConfigError([Problem(f"files.units.{role}", "is missing", "give the unit of the column")])
        found = column_or_parameter(sheet, role, column)[0]
        values = sheet.numbers(column) if isinstance(found, tuple) else np.full(n, float(found))
        return np.asarray(values * unit_factor(unit, units))
    if constant is not None:
        return np.full(n, constant * unit_factor(unit, units))
    if (field or role) not in table.named or (field or role) not in sheet.metadata:
        return np.full(n, math.nan)
    named, problems = sheet.parameter(field or role), list[Problem]()
    scale = factor_or_problem(named.unit or unit, units, f"{sheet.label}: {field or role}", problems)
    if problems:
        raise DataError(problems)
    return np.full(n, named.value * scale)


def _same_units(sheet: Sheet, table: FilesTable, against: Against, notes: list[tuple[str, str]]) -> None:
    """DataError where a file names another unit than the declared one; a note where it cannot be understood."""
    problems = []
    written: dict[str, WrittenUnit | None] = {}
    for role, units in column_units(against).items():
        column, declared = getattr(table.columns, role), getattr(table.units, role)
        said = column_or_parameter(sheet, role, column)[1] if column else None
        if said is None or not declared:
            continue
        wanted = WrittenUnit(units, unit_factor(declared, units))
        same = agrees(said, wanted)
        if same is None:
            note = f"unit {said!r} of {column!r} is not understood; taken as {declared}, as declared"
            notes.append((sheet.where, note))
        elif not same:
            written[role] = written_unit(said)
            is_column = bool(sheet.named.places(column))
            todo = "correct whichever is wrong"
            todo += "; to overrule the file, rename its column with [files.read] names" if is_column else ""
            what = f"is in {said!r} in the file, but {declared!r} is declared"
            kind = "column" if is_column else "header parameter"
            problems.append(Problem(f"{sheet.where}: {kind} {column!r}", what, todo))
    x, voltage = (each.quantity if (each := written.get(role)) else "" for role in ("x", "voltage"))
    if (x, voltage) == ("voltage", against):
        what = f"x = {table.columns.x!r} is a voltage, voltage = {table.columns.voltage!r} a {against}"
        problems = [Problem(sheet.where, what, "exchange x and voltage in [files.columns]")]
    if problems:
        raise DataError(problems)


def _codes(
    sheet: Sheet,
    table: FilesTable,
    role: str,
    values: FloatArray,
    units: str,
    notes: list[tuple[str, str]],
) -> IntArray:
    """A number for each different value; values closer than the declared `within` are one."""
    different, code = np.unique(values, return_inverse=True)
    within = getattr(table.within, role)
    if within is None or different.size < 2:
        return np.asarray(code)
    unit = unit_factor(getattr(table.units, role), units)
    apart = np.diff(different, prepend=different[0]) > within * unit
    group, found = np.cumsum(apart), np.split(different, np.flatnonzero(apart))
    widest = max(found, key=np.ptp)
    if np.ptp(widest) > _RUN_ON * within * unit:
        what = f"runs on from {number(widest[0] / unit, 4)} to {number(widest[-1] / unit, 4)} in steps below {within:g}"
        todo = f"make within.{role} smaller than the distance of two settings"
        raise DataError([Problem(f"{sheet.where}: column {getattr(table.columns, role)!r}", what, todo)])
    notes.append((sheet.where, f"values of {role} that differ by less than {within:g} are one: {len(found)} of them"))
    return np.asarray(group[code])


def _refuse_readback(
    sheet: Sheet, table: FilesTable, values: Mapping[str, FloatArray], n: int, least: int,
    all_units: Mapping[str, str],
) -> None:  # fmt: skip
    """DataError where bias, or what was held, has so many values that spectra lack points."""
    rows = len(sheet.lines)
    if rows / n >= least:
        return
    problems = []
    for role in ("bias", "fixed"):
        column, different = getattr(table.columns, role), np.unique(values[role])
        if not column or different.size < 2 or rows / different.size >= least:
            continue
        unit = unit_factor(getattr(table.units, role), all_units[role])
        proposed = proposed_within(values[role] / unit, least)
        if proposed is None and different.size < _FEW:
            continue
        size = f"{proposed:g}" if proposed else "SIZE"
        what = f"has {different.size} different values in {counted(rows, 'row')}, too many to tell spectra apart"
        todo = (f"if an instrument read it back, take values that differ by less as one: within = {{ {role} = {size} }}"
                f" under [[files]]; or give {role} as a number, or in pattern")  # fmt: skip
        problems.append(Problem(f"{sheet.where}: column {column!r}", what, todo))
    if problems:
        raise DataError(problems)


def proposed_within(values: FloatArray, least: int) -> float | None:
    """A distance between that of readings of one setting and that of settings; None if none is clear."""
    different, counts = np.unique(values, return_counts=True)
    gaps = np.diff(different)
    falling = np.sort(gaps)[::-1]
    best, most = None, _CLEAR
    for k in range(min(different.size - 1, values.size // least, _MOST_SETTINGS)):
        inner = falling[k]
        split = np.flatnonzero(gaps > inner)
        in_group = np.add.reduceat(counts, [0, *(split + 1)])
        outer = falling[k - 1] if k else math.inf
        ratio = outer / inner if k else 0.1 * float(np.max(np.abs(different))) / float(np.ptp(different))
        if in_group.min() >= least and ratio > most:
            best, most = (2.0 * inner if k == 0 else math.sqrt(inner * outer)), ratio
    return None if best is None else float(f"{best:.1g}")


def line_of(label: str, lines: Sequence[int] | IntArray) -> str:
    """Place of some rows of a file, such as ``a.txt:12``."""
    return f"{label}:{int(lines[0])}" if len(lines) else label
