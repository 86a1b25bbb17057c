"""Loading of a file for ``mtjfit spectra``, and of the files of spectra that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtjfit.data.curve import Origin
from mtjfit.data.format import NamePattern
from mtjfit.data.unit_kinds import unit_name
from mtjfit.data.units import check_unit
from mtjfit.errors import ConfigError, Problem
from mtjfit.other_kind import refuse_other_kind
from mtjfit.spectra.calibration import factor_or_problem
from mtjfit.spectra.declaration import (
    ADVICE,
    FilesTable,
    SpectraDocument,
    SpectraTable,
    devices_from,
    kept,
    line_from,
)
from mtjfit.spectra.files import files_of, read_spectra
from mtjfit.spectra.rows import column_units
from mtjfit.spectra.spectrum import Against, Spectrum
from mtjfit.spectra.study import SpectraDevice, SpectraStudy
from mtjfit.toml import placeholders, prefixed, read_toml, validated
from mtjfit.toml_lines import placed


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
    ...         print(str(error).removeprefix(folder))
    /spectra.toml: files: is missing; add a [[files]] table
    """
    path = Path(path)
    text, raw = read_toml(path)
    return study_of(text, raw, path, progress)


def study_of(
    text: str, raw: Mapping[str, Any], path: Path, progress: Callable[[int, int], object] | None = None
) -> SpectraStudy:
    """Like `load_spectra`, for the text of a file `path` and its content as `tomllib` gives it."""
    refuse_other_kind(raw, ("spectra", "files"), path.name)
    problems: list[Problem] = list(placeholders(raw))
    if problems:
        raise ConfigError(placed(problems, path, text, "files"))
    kept(validated(SpectraDocument, raw, "", ADVICE), problems)
    head = validated(SpectraTable, raw.get("spectra", {}), "spectra", ADVICE)
    if isinstance(head, list):
        problems += head if "spectra" in raw else []
        raise ConfigError(placed(dict.fromkeys(problems), path, text, "files"))
    problems += _head_problems(head)
    tables = _file_tables(raw.get("files"), head.against, problems)
    units = {unit_name(table.units.x, head.against) or table.units.x for table in tables}
    options = line_from(raw.get("line", {}), next(iter(units)) if len(units) == 1 else "?", head.against, problems)
    if options is not None and options.range is not None and len(units) > 1:
        problems.append(Problem("line.range", "is in no one unit: the [[files]] differ in it", "use one unit of x"))
    devices = devices_from(raw.get("devices", []), raw.get("constants", {}), head.against, problems)
    if problems or options is None:
        raise ConfigError(placed(dict.fromkeys(problems), path, text, "files"))
    notices: list[str] = []
    jobs = files_of(tables, path.parent, notices)
    found = read_spectra(jobs, path.parent, head.against, replace(options, sweeps=head.sweeps), progress)
    origin = _origin(head.origin, found.origin, str(path))
    every = _all_devices(found.spectra, devices, str(path))
    try:
        return SpectraStudy(
            head.name, head.against, head.torkance_unit, origin, tuple(found.spectra), options, every, text,
            found.hashes, tuple(found.notes), (*notices, *found.notices), found.rows,
        )  # fmt: skip
    except ConfigError as error:
        raise ConfigError(placed(error.problems, path, text, "files")) from None


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
    for name, units in column_units(against).items():
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
    if Path(table.folder).is_absolute() or any(
        ".." in Path(each).parts or Path(each).is_absolute() for each in table.file
    ):
        todo = "give a folder relative to the file"
        problems.append(Problem(f"{where}.folder", "leaves the folder of the study", todo))
    return [*problems, *_mask_problems(table, where)]


def _mask_problems(table: FilesTable, where: str) -> Iterator[Problem]:
    for k, mask in enumerate(table.mask):
        given = (mask.x is not None, mask.lines is not None, mask.missing)
        if sum(given) != 1:
            todo = "give x = [low, high] in the unit of x, lines = [first, last], or missing = true"
            yield Problem(f"{where}.mask[{k}]", "needs one of x, lines and missing", todo)
        for limits in (mask.x, mask.lines):
            if limits is not None and not limits[0] <= limits[1]:
                yield Problem(f"{where}.mask[{k}]", f"[{limits[0]:g}, {limits[1]:g}] is empty", "give [low, high]")
        if not mask.reason.strip():
            yield Problem(f"{where}.mask[{k}].reason", "is empty", "say why the rows are left out")
    for role in ("bias", "fixed"):
        if getattr(table.within, role) is not None and not getattr(table.columns, role):
            what = f"is declared without columns.{role}"
            yield Problem(f"{where}.within.{role}", what, "remove it: only a column is read back")


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
