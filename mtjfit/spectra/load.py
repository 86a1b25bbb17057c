"""Loading of a file for ``mtjfit spectra``, and of the files of spectra that it names."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.curve import Origin
from mtjfit.data.format import NamePattern
from mtjfit.data.origin import declared_origin
from mtjfit.data.readers import Sheet, Wide, blocks, read_source, sheets_from_bytes
from mtjfit.data.table import comments_of
from mtjfit.data.units import check_unit
from mtjfit.errors import ConfigError, DataError, Line, Problem, ProblemLog
from mtjfit.input import files_fitting
from mtjfit.spectra.calibration import FIELD_UNITS, FREQUENCY_UNITS, VOLTAGE_UNITS, factor, factor_or_problem
from mtjfit.spectra.declaration import (
    ADVICE,
    FilesTable,
    SpectraDocument,
    SpectraTable,
    devices_from,
    kept,
    line_from,
)
from mtjfit.spectra.spectrum import Against, Spectrum, branches
from mtjfit.spectra.study import LineOptions, SpectraDevice, SpectraStudy
from mtjfit.toml import prefixed, read_toml, validated

_MOST_FILES = 100_000


def _column_units(against: Against) -> dict[str, Mapping[str, float]]:
    """The table of units of each kind of column."""
    x, fixed = (FREQUENCY_UNITS, FIELD_UNITS) if against == "frequency" else (FIELD_UNITS, FREQUENCY_UNITS)
    return {"x": x, "voltage": VOLTAGE_UNITS, "bias": VOLTAGE_UNITS, "fixed": fixed}


def _jobs(tables: list[FilesTable], folder: Path) -> list[tuple[FilesTable, Path]]:
    """Files of each table; ConfigError where there are none, or too many."""
    jobs: list[tuple[FilesTable, Path]] = []
    problems: list[Problem] = []
    for i, table in enumerate(tables):
        try:
            paths = files_fitting(folder / table.folder, table.file, _MOST_FILES)
        except DataError as error:
            problems += prefixed(error.problems, f"files[{i}]: ")
            continue
        found = [each for each in paths if each.is_file() and each.suffix != ".toml"]
        if not found:
            todo = "correct folder or file; * matches any text"
            problems.append(Problem(f"files[{i}]", f"no file fits {Path(table.folder, table.file).as_posix()!r}", todo))
        jobs += [(table, each) for each in found]
    if len(jobs) > _MOST_FILES and not problems:
        problems.append(Problem("files", f"are {len(jobs)} files", f"at most {_MOST_FILES} at a time"))
    if problems:
        raise ConfigError(problems)
    return jobs


def _read(
    jobs: list[tuple[FilesTable, Path]],
    folder: Path,
    against: Against,
    options: LineOptions,
    progress: Callable[[int, int], object] | None,
) -> tuple[list[Spectrum], dict[str, str], list[str], Origin]:
    """All spectra, sha256 by file, notes on what was found out, and the origin that comments declare.

    DataError with every problem of every file.
    """
    problems: list[Problem] = []
    spectra: list[Spectrum] = []
    hashes: dict[str, str] = {}
    notes: list[str] = []
    said: list[tuple[Line, str]] = []
    for done, (table, file) in enumerate(jobs, start=1):
        label = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
        try:
            source = read_source(file, label, table.read.max_bytes)
            hashes[label] = hashlib.sha256(source.data).hexdigest()
            sheets = sheets_from_bytes(source, table.read.reader, table.read)
            if table.wide is not None:
                sheets = blocks(sheets, Wide(table.wide.columns, (), table.wide.name, table.wide.name_in))
            for sheet in sheets:
                notes += [f"{label}: {note}" for note in sheet.notes]
                said += comments_of(sheet)
                spectra += _spectra(sheet, table, file.name, against, options)
        except (DataError, ConfigError) as error:
            problems += error.problems
        if progress is not None:
            progress(done, len(jobs))
    log = ProblemLog("")
    origin = declared_origin(said, log)
    problems += log.error().problems if log.count else []
    if problems:
        raise DataError(problems)
    return spectra, hashes, list(dict.fromkeys(notes)), origin


def _spectra(sheet: Sheet, table: FilesTable, name: str, against: Against, options: LineOptions) -> list[Spectrum]:
    """All spectra of one sheet: one, or one for each device, bias and fixed value in its columns."""
    if table.pattern:
        sheet = sheet.with_metadata(NamePattern(table.pattern).fields(name, sheet.label))
    _same_units(sheet, table, against)
    units = _column_units(against)
    x = sheet.numbers(table.columns.x) * factor(table.units.x, units["x"])
    voltage = sheet.numbers(table.columns.voltage) * factor(table.units.voltage, VOLTAGE_UNITS) * options.output
    bias = _of_rows(sheet, table, "bias", units["bias"])
    fixed = _of_rows(sheet, table, "fixed", units["fixed"], "frequency" if against == "field" else "field")
    if table.columns.device:
        devices = np.array([cell.strip() for cell in sheet.column(table.columns.device).cells])
    else:
        devices = np.full(x.size, table.device or sheet.metadata.get("device", ""))
    found: list[Spectrum] = []
    # As text, since NaN differs from itself.
    held_as = np.array([repr(each) for each in fixed.tolist()])
    keys = list(dict.fromkeys(zip(devices.tolist(), bias.tolist(), held_as.tolist(), strict=True)))
    for device, V, held_at in keys:
        rows = (devices == device) & (bias == V) & (held_as == held_at)
        label = sheet.label if len(keys) == 1 else f"{sheet.label}[{device}, {V:g} V]"
        sweep = Spectrum(device, V, against, x[rows], voltage[rows], float(held_at), 1, label)
        for branch in branches(sweep, options.model.n_parameters + 4):
            one = branch if options.range is None else _cut(branch, options.range)
            if one.x.size <= options.model.n_parameters + 3:
                what = f"has {one.x.size} points for {options.model.n_parameters} parameters"
                raise DataError([Problem(one.label, what, "leave it out, widen line.range, or fit fewer modes")])
            found.append(one)
    return found


def _cut(spectrum: Spectrum, limits: tuple[float, float]) -> Spectrum:
    inside = (spectrum.x >= limits[0]) & (spectrum.x <= limits[1])
    if np.unique(spectrum.x[inside]).size < 3:
        todo = "correct line.range; it is in the unit of x"
        raise DataError([Problem(spectrum.label, "has no points in line.range", todo)])
    return spectrum.within(*limits)


def _same_units(sheet: Sheet, table: FilesTable, against: Against) -> None:
    """DataError where a file names another unit than the declared one."""
    problems = []
    for name, units in _column_units(against).items():
        column, declared = getattr(table.columns, name), getattr(table.units, name)
        said = sheet.column(column).unit if column else None
        if said is None:
            continue
        try:
            same = factor(said, units) == factor(declared or said, units)
        except ValueError:
            same = False
        if not same:
            todo = "correct whichever is wrong; to overrule the file, rename its column with [files.read] names"
            what = f"is in {said!r} in the file, but {declared!r} is declared"
            problems.append(Problem(f"{sheet.where}: column {column!r}", what, todo))
    if problems:
        raise DataError(problems)


def _of_rows(sheet: Sheet, table: FilesTable, name: str, units: Mapping[str, float], field: str = "") -> FloatArray:
    """Bias, or what was held, at each row: from a column, a constant, or a header parameter or file name."""
    n = len(sheet.lines)
    column, constant, unit = (getattr(each, name) for each in (table.columns, table, table.units))
    if column:
        if not unit:
            raise ConfigError([Problem(f"files.units.{name}", "is missing", "give the unit of the column")])
        return np.asarray(sheet.numbers(column) * factor(unit, units))
    if constant is not None:
        return np.full(n, constant * factor(unit, units))
    if (field or name) not in sheet.metadata:
        return np.full(n, math.nan)
    found, problems = sheet.parameter(field or name), list[Problem]()
    scale = factor_or_problem(found.unit or unit, units, f"{sheet.label}: {field or name}", problems)
    if problems:
        raise DataError(problems)
    return np.full(n, found.value * scale)


def load_spectra(path: str | Path, progress: Callable[[int, int], object] | None = None) -> SpectraStudy:
    """Read a file for ``mtjfit spectra`` and all files of spectra that it names; folders in it are relative to it.

    `progress` is called with the number of files that were read and the number of all. ConfigError if the file cannot
    be understood or contradicts itself, with every problem at its key path; DataError if only files of spectra have
    problems.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "spectra.toml"
    ...     _ = file.write_text("[spectra]\\nname = 'series'\\nagainst = 'frequency'\\n")
    ...     try:
    ...         load_spectra(file)
    ...     except ConfigError as error:
    ...         print(error)
    spectra.toml: files: is missing; add a [[files]] table
    """
    path = Path(path)
    text, raw = read_toml(path)
    problems: list[Problem] = []
    kept(validated(SpectraDocument, raw, "", ADVICE), problems)
    head = validated(SpectraTable, raw.get("spectra", {}), "spectra", ADVICE)
    if isinstance(head, list):
        problems += head if "spectra" in raw else []
        raise ConfigError(prefixed(dict.fromkeys(problems), f"{path.name}: "))
    problems += _head_problems(head)
    tables = _file_tables(raw.get("files"), head.against, problems)
    units = {table.units.x for table in tables}
    options = line_from(raw.get("line", {}), next(iter(units)) if len(units) == 1 else "?", head.against, problems)
    if options is not None and options.range is not None and len(units) > 1:
        problems.append(Problem("line.range", "is in no one unit: the [[files]] differ in it", "use one unit of x"))
    devices = devices_from(raw.get("devices", []), raw.get("constants", {}), head.against, problems)
    if problems or options is None:
        raise ConfigError(prefixed(dict.fromkeys(problems), f"{path.name}: "))
    spectra, files, notes, origin = _read(_jobs(tables, path.parent), path.parent, head.against, options, progress)
    return SpectraStudy(
        head.name, head.against, head.torkance_unit, _origin(head.origin, origin, path.name), tuple(spectra),
        options, _all_devices(spectra, devices, path.name), text, files, tuple(notes),
    )  # fmt: skip


def _origin(declared: str, of_files: Origin, name: str) -> Origin:
    """Origin declared by the study, or else by its files.

    ConfigError where the two contradict each other: data that were not measured must not lose their mark.
    """
    if not declared:
        return of_files
    kind, _, note = declared.partition(";")
    if of_files.label and kind.strip() != of_files.kind:
        what = f"is {kind.strip()!r}, but a file declares {of_files.kind!r}"
        raise ConfigError([Problem(f"{name}: spectra.origin", what, "remove it, or correct the file")])
    return Origin(kind.strip(), " ".join(note.split()))  # type: ignore[arg-type]


def _head_problems(head: SpectraTable) -> list[Problem]:
    problems = []
    if not head.name.strip() or not head.name.isprintable():
        problems.append(Problem("spectra.name", f"is {head.name!r}", "give it a printable name"))
    fault = check_unit(head.torkance_unit, "torkance", "device", "spectra.torkance_unit")
    problems += [fault] if fault else []
    if head.origin and head.origin.partition(";")[0].strip() not in ("measured", "simulated", "reconstruction"):
        todo = 'write "measured", or "simulated; how it was made"'
        problems.append(Problem("spectra.origin", f"is {head.origin!r}", todo))
    return problems


def _file_tables(raw: object, against: Against, problems: list[Problem]) -> list[FilesTable]:
    if not isinstance(raw, list) or not raw:
        if raw is not None:
            problems.append(Problem("files", "is not a list of tables", "add a [[files]] table"))
        return []
    tables = []
    for i, each in enumerate(raw):
        table = kept(validated(FilesTable, each, f"files[{i}]", ADVICE), problems)
        found = [] if table is None else _table_problems(table, f"files[{i}]", against)
        problems += found
        tables += [] if table is None or found else [table]
    return tables


def _table_problems(table: FilesTable, where: str, against: Against) -> list[Problem]:
    problems: list[Problem] = []
    for name, units in _column_units(against).items():
        if (unit := getattr(table.units, name)) or name != "fixed":
            factor_or_problem(unit, units, f"{where}.units.{name}", problems)
    named: set[str] = set()
    for key, pattern in (("pattern", table.pattern), ("wide.name", table.wide.name if table.wide else "")):
        if pattern:
            try:
                named |= set(NamePattern(pattern).names)
            except ConfigError as error:
                problems.append(Problem(f"{where}.{key}", error.problems[0].what, error.problems[0].todo))
    for name in ("device", "bias"):
        given = [bool(getattr(table.columns, name)), getattr(table, name) not in ("", None), name in named]
        if sum(given) != 1:
            what = "is declared twice" if any(given) else "is declared nowhere"
            todo = f"give one of a constant, columns.{name}, and {{{name}}} in pattern"
            problems.append(Problem(f"{where}.{name}", what, todo))
    if table.fixed is not None and not table.units.fixed:
        todo = f"give the unit of the {'frequency' if against == 'field' else 'field'} that was held"
        problems.append(Problem(f"{where}.units.fixed", "is missing", todo))
    if against == "field" and table.fixed is None and not table.columns.fixed and "frequency" not in named:
        todo = "give fixed, columns.fixed, or {frequency:GHz} in pattern"
        problems.append(Problem(f"{where}.fixed", "the frequency is declared nowhere", todo))
    if Path(table.folder).is_absolute() or ".." in Path(table.file).parts:
        todo = "give a folder relative to the file"
        problems.append(Problem(f"{where}.folder", "leaves the folder of the study", todo))
    return problems


def _all_devices(
    spectra: Sequence[Spectrum], declared: Mapping[str, SpectraDevice], name: str
) -> dict[str, SpectraDevice]:
    problems = []
    seen = list(dict.fromkeys(each.device for each in spectra))
    for each in seen:
        if not each:
            problems.append(Problem("files", "a spectrum has no device", "declare device, or {device} in pattern"))
        if declared and each not in declared:
            todo = f"declared are {', '.join(declared)}; add [[devices]], or correct the pattern"
            problems.append(Problem("devices", f"has no device {each!r}, which files name", todo))
    problems += [Problem("devices", f"no file holds device {each!r}", "remove it, or correct the pattern")
                 for each in declared if each not in seen]  # fmt: skip
    if problems:
        raise ConfigError(prefixed(dict.fromkeys(problems), f"{name}: "))
    return {each: declared.get(each, SpectraDevice(each)) for each in seen}
