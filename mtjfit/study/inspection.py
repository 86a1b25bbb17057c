"""Inspection of a data file before anything is declared: its format, its columns, and what they seem to be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mtjfit.data.column_words import unit_in_name
from mtjfit.data.format import ReadOptions
from mtjfit.data.implausible import suspicious_units
from mtjfit.data.readers import Column, Sheet, read_source, recognised_in, share_of_commas, sheets_with_problems
from mtjfit.data.readers.packed import unpacked
from mtjfit.data.readers.preamble import with_preamble
from mtjfit.data.readers.text import NO_ROWS
from mtjfit.data.table import with_odd_lines
from mtjfit.data.tidy import parse_number
from mtjfit.data.units import canonical_unit
from mtjfit.errors import DataError, Problem
from mtjfit.study.commented_header import names_in_comment
from mtjfit.study.names import pattern_of_names
from mtjfit.study.roles import KINDS, NAMES, errors_left_out, guessed_roles, numbers_among
from mtjfit.text import counted, number, table, visible

_LARGEST_LOOKED_AT = 2**24


@dataclass(frozen=True)
class FileInspection:
    """Format and columns that a data file seems to have."""

    path: Path
    reader: str  # that the file seems to need
    says: str  # that reader, for people
    sheets: tuple[Sheet, ...]  # that can be read, with everything inferred
    faulty: tuple[Sheet, ...] = ()  # parts that cannot be read
    is_beginning: bool = False  # of a file that is too large to be looked at whole
    refuted: frozenset[str] = frozenset()  # roles that other files contradict

    @cached_property
    def sheet(self) -> Sheet:
        """The sheet with most roles, the first of several; of a wide table with names that repeat, its first series."""
        return max(map(first_series, self.sheets), key=lambda each: len(guessed_roles(each)[0]))

    @cached_property
    def others(self) -> tuple[str, ...]:
        """Parts of the file beside that of `sheet`."""
        parts = dict.fromkeys(each.part for each in (*self.sheets, *self.faulty))
        return tuple(part for part in parts if part != self.sheet.part)

    @cached_property
    def part(self) -> str:
        """The part to read, or a pattern of parts that hold a device each.

        Empty for all, where that is the only one or all hold different devices alike.
        """
        if not self.others:
            return ""
        if "device" in self.columns:
            together = not self.faulty and len(self.alike) == len(self.sheets) and self._devices_differ()
            return "" if together else self.sheet.part
        names = [each.part.strip("/") for each in self.alike]
        if len(names) == 1 or self.reader not in _OF_DEVICES or len(set(names)) < len(names):
            return self.sheet.part
        odd = [each for each in self.others if each.strip("/") not in names]
        return "*" if not self._hinder(odd) else pattern_of_names(names, [each.strip("/") for each in odd])

    def _hinder(self, parts: Collection[str]) -> bool:
        """Whether any of these parts is refused beside the others: it is broken, or has some of the columns."""
        broken = any(problem.what != NO_ROWS for each in self.faulty for problem in each.problems)
        named = [name for name in self.columns.values() if name in self.sheet.names]
        return broken or any(any(map(each.named.places, named)) for each in self.sheets if each.part in parts)

    @cached_property
    def alike(self) -> tuple[Sheet, ...]:
        """Parts with the columns, and the units, of `sheet`."""
        wanted = self.columns, _units(self.sheet, self.columns)
        return tuple(each for each in self.sheets
                     if (guessed_roles(each)[0], _units(each, self.columns)) == wanted)  # fmt: skip

    @property
    def is_of_parts(self) -> bool:
        """True where `part` is a pattern, and names of parts those of devices."""
        return ReadOptions(sheet=self.part).is_pattern

    @property
    def is_wide(self) -> bool:
        """True where series stand side by side, which other declarations tell apart."""
        return self.reader == "webplotdigitizer" or bool(period_of(self.names))

    @cached_property
    def read(self) -> tuple[Sheet, ...]:
        """What `part` means."""
        parts = self.sheets if not self.part else self.alike if self.is_of_parts else (self.sheet,)
        return tuple(map(first_series, parts))

    def _devices_differ(self) -> bool:
        name = self.columns["device"]
        found = [each.column(name).cells if name in each.names else (each.metadata[name],) for each in self.sheets]
        return sum(len(set(cells)) for cells in found) == len(set().union(*found))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the sheet, all series of a wide table."""
        return next(each.names for each in self.sheets if each.label == self.sheet.label)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Everything that the reader inferred."""
        return tuple(dict.fromkeys(note for sheet in self.sheets for note in sheet.notes))

    @property
    def places(self) -> dict[str, str]:
        """Columns of ``[wafer]``; none unless dies have both x and y."""
        return self._roles[1]

    @property
    def columns(self) -> dict[str, str]:
        """Column, or header parameter, that each role seems to have."""
        return self._roles[0]

    @cached_property
    def _roles(self) -> tuple[dict[str, str], dict[str, str]]:
        columns, places = guessed_roles(self.sheet)
        return {role: name for role, name in columns.items() if role not in self.refuted}, places

    def as_text(self) -> str:
        """Every column with its unit, range and likely meaning; guesses are marked, doubts begin with ``LOOK``."""
        return "\n".join(map(visible, _lines(self)))


def inspect_file(path: Path) -> FileInspection:
    """Infer the format of a data file and the roles of its columns, by the readers that also read it in a study.

    DataError where it cannot be read as anything, or has a name that TOML cannot hold.
    """
    label = str(path)
    if not label.isprintable():
        raise DataError([Problem(repr(label), "has characters in its name that cannot be written", "rename the file")])
    if path.is_dir():
        raise DataError([Problem(label, "is a folder", f"name the files in it: {(path / '*').as_posix()}")])
    source = unpacked(read_source(path, label), ReadOptions().max_bytes)
    reader = recognised_in(source)
    is_large = reader.name == "tidy" and len(source.data) > _LARGEST_LOOKED_AT  # a table of whole wafers
    if is_large:
        source = replace(source, data=source.data[: source.data.rfind(b"\n", 0, _LARGEST_LOOKED_AT) + 1])
    sheets = sheets_with_problems(source, reader)
    cells = (cell for sheet in sheets for column in sheet.columns for cell in column.cells)
    if reader.name in _TEXT_IN_CELLS and share_of_commas(cells) > 0.5:
        sheets = sheets_with_problems(source, reader, ReadOptions(decimal=","))
    line, names = names_in_comment(sheets[0])
    if names:
        said = f"header in a comment: line {line} names the columns"
        sheets = tuple(each.noting(said) for each in sheets_with_problems(source, reader, ReadOptions(names=names)))
    sheets = tuple(map(_without_odd_lines, with_preamble(source, sheets, ReadOptions().max_bytes)))
    good = tuple(sheet for sheet in sheets if not sheet.problems)
    if not good:
        raise DataError(problem for sheet in sheets for problem in sheet.problems)
    if all(len(sheet.columns) < _LEAST_COLUMNS and reader.name in _TABLES and not _is_pair(sheet) for sheet in good):
        todo = "spectra, V_mix against frequency or field, go to mtjfit spectra"
        raise source.fault(f"has {counted(len(good[0].columns), 'column')}, torques against bias need three", todo)
    return FileInspection(path, reader.name, reader.says, good, tuple(s for s in sheets if s.problems), is_large)


def _is_pair(sheet: Sheet) -> bool:
    """True for bias and one component of the torque."""
    roles = guessed_roles(sheet)[0]
    return "bias" in roles and bool({"par", "perp", "torque"} & set(roles))


def _without_odd_lines(sheet: Sheet) -> Sheet:
    """The sheet as `mtjfit check` takes it: with blank lines in it, only what is wrong."""
    faults = () if period_of(sheet.names) else with_odd_lines(sheet).faults
    return replace(sheet, columns=(), lines=(), problems=tuple(each for _, each in faults)) if faults else sheet


def _units(sheet: Sheet, columns: Mapping[str, str]) -> list[str | None]:
    return [sheet.column(name).unit if name in sheet.names else None for name in columns.values()]


_LEAST_COLUMNS, _TABLES = 3, ("tidy", "origin")
_OF_DEVICES = ("excel", "hdf5", "matlab", "tdms", "netcdf")
"""Formats whose parts have names that people gave them."""
_TEXT_IN_CELLS = ("excel", "parquet")  # formats whose numbers may be texts with decimal commas


def period_of(names: tuple[str, ...]) -> int:
    """Columns of one series where names repeat from series to series; 0 where they do not.

    >>> period_of(("V", "T", "V", "T")), period_of(("1 GHz", "1 GHz", "2 GHz", "2 GHz")), period_of(("V", "T", "T"))
    (2, 2, 0)
    """
    n = len(names)
    if len(set(names)) == n or not n:
        return 0
    run = next((k for k, name in enumerate(names) if name != names[0]), n)
    period = run if run > 1 else next((k for k in range(1, n) if names[k] == names[0]), n)
    blocks = {names[k : k + period] for k in range(0, n, period)}
    repeats = len(blocks) == 1 if run == 1 else all(len(set(block)) == 1 for block in blocks)
    return period if repeats and n % period == 0 and (run > 1 or n > period) else 0


def first_series(sheet: Sheet) -> Sheet:
    """The columns of the first series where names repeat; else the sheet."""
    period = period_of(sheet.names)
    return replace(sheet, columns=sheet.columns[:period]) if period else sheet


_MOST_SHEETS, _MOST_COLUMNS, _MOST_PARAMETERS, _LONGEST = 6, 20, 20, 60
_LONGEST_DOUBT = 300


def _lines(inspection: FileInspection) -> Iterator[str]:
    yield f"{inspection.path.name}: {inspection.says} (GUESS)"
    if inspection.is_beginning:
        yield "  only its beginning was looked at"
    for sheet in inspection.sheets[:_MOST_SHEETS]:
        yield from _sheet(sheet, inspection)
    if len(inspection.sheets) > _MOST_SHEETS:
        yield f"  and {len(inspection.sheets) - _MOST_SHEETS} more"
    for sheet in inspection.faulty[:_MOST_SHEETS]:
        first, more = sheet.problems[0], len(sheet.problems) - 1
        rest = f" ({counted(more, 'more problem')})" if more else ""
        yield f"  {_short(_last(sheet, inspection))}: cannot be read: {first.what}; {first.todo}{rest}"
    if len(inspection.faulty) > _MOST_SHEETS:
        yield f"  and {len(inspection.faulty) - _MOST_SHEETS} more that cannot be read"
    for note in inspection.notes:
        yield f"  found out: {note}"


def _last(sheet: Sheet, inspection: FileInspection) -> str:
    """The label without folders."""
    return inspection.path.name + sheet.label.removeprefix(str(inspection.path))


def _sheet(sheet: Sheet, inspection: FileInspection) -> Iterator[str]:
    size = f"{counted(len(sheet.lines), 'row')}, {counted(len(sheet.columns), 'column')}"
    yield f"  {_short(_last(sheet, inspection))}: {size}"
    taken = roles_by_column(inspection.columns | inspection.places)
    yield from ("    " + line for line in column_table(sheet, taken).splitlines())
    if len(sheet.columns) > _MOST_COLUMNS:
        yield f"    and {counted(len(sheet.columns) - _MOST_COLUMNS, 'more column')}"
    for key, value in list(sheet.metadata.items())[:_MOST_PARAMETERS]:
        role = f"  {' and '.join(taken[key])} (GUESS)" if key in taken and key not in sheet.names else ""
        yield f"    header: {_short(key)} = {_short(value)}{role}"
    yield from (f"  LOOK: {doubt}" for doubt in doubts(sheet, taken))
    if sheet is inspection.sheet and (left_out := errors_left_out(sheet)):
        yield f"  LOOK: {_short(left_out, _LONGEST_DOUBT)}; these columns are not used"


def roles_by_column(columns: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Roles of each column, or header parameter, from the column of each role."""
    return {name: tuple(role for role in columns if columns[role] == name) for name in columns.values()}


def column_table(sheet: Sheet, taken: Mapping[str, tuple[str, ...]]) -> str:
    """The first columns with units, ranges and roles; `taken` holds the roles of each column that has any."""
    return table(["column", "unit", "from", "to", "taken as"],
                 [_described(column, sheet, taken) for column in sheet.columns[:_MOST_COLUMNS]])  # fmt: skip


def _described(column: Column, sheet: Sheet, taken: Mapping[str, tuple[str, ...]]) -> list[str]:
    values = numbers_among(column.cells, sheet)
    ends = [number(min(values)), number(max(values))] if values else ["text", ""]
    role = f"{' and '.join(taken[column.name])} (GUESS)" if column.name in taken else "-"
    return [_short(column.name), _short(_unit(column, _kind(column, taken)) or "not said"), *ends, role]


def _unit(column: Column, kind: str) -> str:
    """The unit that a column says, in its name if need be."""
    return column.unit or unit_in_name(column.name, kind)


def _kind(column: Column, taken: Mapping[str, tuple[str, ...]]) -> str:
    """Kind of unit of the roles of a column; empty where they have none."""
    return next((KINDS[role] for role in taken.get(column.name, ()) if role in KINDS), "")


def doubts(sheet: Sheet, taken: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Cells that a range does not show because they are no numbers, and numbers that are unlikely in their unit."""
    is_padded = len(set(sheet.names)) < len(sheet.names)  # series side by side differ in length
    for k, column in enumerate(sheet.columns[:_MOST_COLUMNS]):
        roles, kind = taken.get(column.name, ()), _kind(column, taken)
        if kind or not {"device", "group", "wafer", "split", "component", "condition"} & {*roles}:
            yield from _no_numbers(column, sheet, roles, is_padded)
        if column.name in sheet.names[:k]:
            continue
        unit = canonical_unit(_unit(column, kind), kind) if kind else ""
        if kind != "torque" and unit:
            yield from suspicious_units(kind, numbers_among(column.cells, sheet), unit)


def _no_numbers(column: Column, sheet: Sheet, roles: Collection[str], is_padded: bool) -> Iterator[str]:
    parsed = (parse_number(cell, sheet.decimal)[1] if cell or not is_padded else None for cell in column.cells)
    faults = [(line, fault[0]) for line, fault in zip(sheet.lines, parsed, strict=True) if fault is not None]
    if faults and (NAMES.keys() & {*roles} or len(faults) < len(column.cells)):
        line, what = faults[0]
        every = f"{counted(len(column.cells), 'row')}, {len(faults)} of them no numbers"
        yield f"column {_short(column.name)!r}: {every}, the first in line {line}: {what}"


def _short(text: str, longest: int = _LONGEST) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
