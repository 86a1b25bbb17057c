"""From a file for ``mtjfit spectra``, and the files of spectra it names, to a `SpectraStudy`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mtjfit.data.curve import Origin
from mtjfit.data.pattern import NamePattern
from mtjfit.data.units import check_unit
from mtjfit.errors import ConfigError, Problem
from mtjfit.spectra.calibration import factor
from mtjfit.spectra.declared import devices_from, line_from
from mtjfit.spectra.files import read_spectra, units_of
from mtjfit.spectra.schema import FilesTable, SpectraDocument, SpectraTable, validated
from mtjfit.spectra.spectrum import Against, Spectrum
from mtjfit.spectra.study import Device, LineOptions, SpectraStudy
from mtjfit.toml import prefixed, read_toml

__all__ = ["load_spectra"]


def load_spectra(path: str | Path, progress: Callable[[int, int], object] | None = None) -> SpectraStudy:
    """Read a file for ``mtjfit spectra`` and all files of spectra that it names.

    Parameters
    ----------
    path : str or Path
        The TOML file; folders are relative to it.
    progress : callable, optional
        Called with the number of files that were read and the number of all.

    Returns
    -------
    SpectraStudy

    Raises
    ------
    ConfigError
        The file cannot be understood or contradicts itself; every problem at its key path.
    DataError
        Only files of spectra have problems.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "spectra.toml"
    ...     _ = file.write_text("[spectra]\\nname = 'series'\\nagainst = 'frequenzy'\\n")
    ...     try:
    ...         load_spectra(file)
    ...     except ConfigError as error:
    ...         print(*error.problems[:2], sep="\\n")
    spectra.toml: files: is missing; add a [[files]] table
    spectra.toml: spectra.against: is 'frequenzy'; write against = "frequency" or "field": what the abscissa of the \
spectra is
    """
    path = Path(path)
    text, raw = read_toml(path)
    problems: list[Problem] = []
    outline = validated(SpectraDocument, raw, "")
    problems += outline if isinstance(outline, list) else []
    head = validated(SpectraTable, raw.get("spectra", {}), "spectra")
    if isinstance(head, list):
        problems += head if "spectra" in raw else []
        raise ConfigError(prefixed(dict.fromkeys(problems), f"{path.name}: "))
    problems += _head_problems(head)
    tables = _file_tables(raw.get("files"), head.against, problems)
    units = {table.units.x for table in tables}
    x_unit = next(iter(units)) if len(units) == 1 else "?"
    options = line_from(raw.get("line", {}), x_unit, head.against)
    if isinstance(options, LineOptions) and options.range is not None and len(units) > 1:
        problems.append(Problem("line.range", "is in no one unit: the [[files]] differ in it", "use one unit of x"))
    problems += options if isinstance(options, list) else []
    devices = devices_from(raw.get("devices", []), raw.get("constants", {}), head.against)
    problems += devices if isinstance(devices, list) else []
    if problems or isinstance(options, list) or isinstance(devices, list):
        raise ConfigError(prefixed(dict.fromkeys(problems), f"{path.name}: "))
    read = read_spectra(tables, path.parent, head.against, options, progress)
    return SpectraStudy(
        head.name, head.against, head.torkance_unit, _origin(head.origin, read.origin, path.name), read.spectra,
        options, _all_devices(read.spectra, devices, path.name), text, read.hashes, read.notes,
    )  # fmt: skip


def _origin(declared: str, of_files: Origin, name: str) -> Origin:
    """What the study declares, or else its files.

    Raises
    ------
    ConfigError
        The two contradict each other: data that were not measured must not lose their mark.
    """
    if not declared:
        return of_files
    kind, _, note = declared.partition(";")
    if of_files.label and kind.strip() != of_files.kind:
        what = f"is {kind.strip()!r}, but a file says {of_files.kind!r} of itself"
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
        table = validated(FilesTable, each, f"files[{i}]")
        if isinstance(table, list):
            problems += table
            continue
        found = list(_table_problems(table, f"files[{i}]", against))
        problems += found
        tables += [] if found else [table]
    return tables


def _table_problems(table: FilesTable, where: str, against: Against) -> Iterable[Problem]:
    for name, units in units_of(against).items():
        unit = getattr(table.units, name)
        if unit or name != "fixed":
            try:
                factor(unit, units)
            except ValueError as error:
                what, _, todo = str(error).partition("; ")
                yield Problem(f"{where}.units.{name}", what, todo)
    named: set[str] = set()
    for key, pattern in (("pattern", table.pattern), ("wide.name", table.wide.name if table.wide else "")):
        if pattern:
            try:
                named |= set(NamePattern(pattern).names)
            except ConfigError as error:
                yield Problem(f"{where}.{key}", str(error.problems[0].what), error.problems[0].todo)
    for name in ("device", "bias"):
        constant = getattr(table, name)
        given = [bool(getattr(table.columns, name)), constant not in ("", None), name in named]
        if sum(given) != 1:
            what = "is declared nowhere" if not any(given) else "is declared twice"
            yield Problem(f"{where}.{name}", what, f"give one of a constant, columns.{name}, and {{{name}}} in pattern")
    if table.fixed is not None and not table.units.fixed:
        what = "frequency" if against == "field" else "field"
        yield Problem(f"{where}.units.fixed", "is missing", f"give the unit of the {what} that was held")
    if against == "field" and table.fixed is None and not table.columns.fixed and "frequency" not in named:
        todo = "give fixed, columns.fixed, or {frequency:GHz} in pattern"
        yield Problem(f"{where}.fixed", "the frequency is declared nowhere", todo)
    if Path(table.folder).is_absolute() or ".." in Path(table.file).parts:
        yield Problem(f"{where}.folder", "leaves the folder of the study", "give a folder relative to the file")


def _all_devices(spectra: Sequence[Spectrum], declared: Mapping[str, Device], name: str) -> dict[str, Device]:
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
    return {each: declared.get(each, Device(each)) for each in seen}
