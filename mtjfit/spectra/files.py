"""Files of spectra: which ones a declaration names, and all their rows as spectra, masked, or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mtjfit.data.copies import copies, copy_notices
from mtjfit.data.curve import Origin
from mtjfit.data.format import NamePattern
from mtjfit.data.origin import declared_origin
from mtjfit.data.readers import Sheet, SourceFile, Wide, blocks, read_source, settled, sheets_from_bytes
from mtjfit.data.readers.preamble import with_preamble
from mtjfit.data.table import comments_of
from mtjfit.errors import ConfigError, DataError, Line, Problem, ProblemLog
from mtjfit.input import backslash_advice, files_fitting, files_nearly_fitting
from mtjfit.spectra.alike import grouped_notices, grouped_problems
from mtjfit.spectra.declaration import FilesTable, fits_name
from mtjfit.spectra.from_rows import TOO_FEW, cut_to, spectra_of
from mtjfit.spectra.notices import contradicting_bias
from mtjfit.spectra.rows import spectra_rows, unmasked
from mtjfit.spectra.spectrum import Against, Spectrum
from mtjfit.spectra.study import LineOptions, RowCount
from mtjfit.text import counted, some
from mtjfit.toml import prefixed

_MOST_FILES = 100_000
_LISTED = 3

Job = tuple[FilesTable, Path]


@dataclass
class FoundSpectra:
    """All spectra of a study as they are read, with what was found out on the way."""

    spectra: list[Spectrum] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    noticed: dict[str, list[str]] = field(default_factory=dict)  # places of what was noticed in many files
    rows: RowCount = field(default_factory=RowCount)
    said: list[tuple[Line, str]] = field(default_factory=list)
    origin: Origin = field(default_factory=Origin)


def files_of(tables: Sequence[FilesTable], folder: Path, notices: list[str]) -> list[Job]:
    """Files of each table; ConfigError where there are none, too many, or one twice.

    Files that a pattern nearly names, or that begin with a dot, are told in `notices`.
    """
    jobs: list[Job] = []
    problems: list[Problem] = []
    for i, table in enumerate(tables):
        found: dict[Path, None] = {}
        for name in table.file:
            try:
                matching = _matching(folder / table.folder, name, notices)
            except DataError as error:
                problems += prefixed(error.problems, f"files[{i}]: ")
                continue
            if not matching:
                shown = Path(table.folder, name).as_posix()
                todo = backslash_advice(shown) or "correct folder or file; * matches any text"
                problems.append(Problem(f"files[{i}]", f"no file fits {shown!r}", todo))
            found |= dict.fromkeys(matching)
        kept = [each for each in found if not any(fits_name(each.name, out) for out in table.leave_out)]
        missed = [out for out in table.leave_out if not any(fits_name(each.name, out) for each in found)]
        todo = "correct or remove it"
        problems += [Problem(f"files[{i}].leave_out", f"no file fits {out!r}", todo) for out in missed]
        if len(kept) < len(found):
            notices.append(
                f"{counted(len(found) - len(kept), 'file')} left out as declared: {_names(set(found) - set(kept))}"
            )
        if found and not kept:
            problems.append(Problem(f"files[{i}].leave_out", "leaves no file", todo))
        jobs += [(table, each) for each in kept]
    problems += _named_twice(jobs)
    if len(jobs) > _MOST_FILES and not problems:
        problems.append(Problem("files", f"are {len(jobs)} files", f"at most {_MOST_FILES} at a time"))
    if problems:
        raise ConfigError(problems)
    return jobs


def _matching(folder: Path, name: str, notices: list[str]) -> list[Path]:
    """Files that a pattern names, or the one that is called so, whatever brackets are in its name."""
    if (folder / name).is_file():
        return [folder / name]
    notices += files_nearly_fitting(folder, name, _MOST_FILES)
    return [each for each in files_fitting(folder, name, _MOST_FILES) if each.is_file() and each.suffix != ".toml"]


def _names(paths: set[Path] | Sequence[Path]) -> str:
    return some(sorted(each.name for each in paths))


def _named_twice(jobs: Sequence[Job]) -> Iterator[Problem]:
    """Files that two tables read alike: their points would count twice."""
    seen: set[tuple[Path, str, str, str, bool]] = set()
    for table, file in jobs:
        key = (file.resolve(), table.columns.x, table.columns.voltage, table.read.sheet, table.wide is None)
        if key in seen:
            todo = 'name it once; leave_out = ["…"] takes names out of a pattern'
            yield Problem("files", f"name {file.name} twice, with the same columns", todo)
        seen.add(key)


def read_spectra(
    jobs: Sequence[Job],
    folder: Path,
    against: Against,
    options: LineOptions,
    progress: Callable[[int, int], object] | None = None,
) -> FoundSpectra:
    """All spectra of some files; labels are relative to `folder`.

    DataError with every problem of every file.
    """
    found, problems = FoundSpectra(), list[Problem]()
    for done, (table, file) in enumerate(jobs, start=1):
        label = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
        try:
            source = read_source(file, label, table.read.max_bytes)
            found.hashes[label] = hashlib.sha256(source.data).hexdigest()
            for sheet in declared_spectra(source, table):
                found.notes += [f"{label}: {note}" for note in sheet.notes]
                found.notices += [f"{label}: {part}" for part in sheet.unread]
                found.said += comments_of(sheet)
                _take(sheet, table, file.name, against, options, found)
        except (DataError, ConfigError) as error:
            problems += error.problems
        if progress is not None:
            progress(done, len(jobs))
    log = ProblemLog("")
    found.origin = declared_origin(found.said, log)
    problems += log.error().problems if log.count else []
    problems += _counted_twice(found)
    if problems:
        raise DataError(grouped_problems(problems))
    found.notes, found.notices = list(dict.fromkeys(found.notes)), list(grouped_notices(found.notices))
    found.notices[:0] = [f"{_first(places)}: {text}" for text, places in found.noticed.items()]
    return found


def _first(places: Sequence[str]) -> str:
    return places[0] + (f" and {len(places) - 1} more" if len(places) > 1 else "")


def declared_spectra(source: SourceFile, table: FilesTable) -> tuple[Sheet, ...]:
    """The sheets of one file as declared, fields of its name among their header parameters, wide ones cut up."""
    sheets = sheets_from_bytes(source, table.read.reader, table.read)
    sheets = with_preamble(source, sheets, table.read.max_bytes, {*table.columns.model_dump().values()})
    if table.wide is not None:
        sheets = blocks(sheets, Wide(table.wide.columns, (), table.wide.name, table.wide.name_in))
    if not table.pattern:
        return sheets
    pattern = NamePattern(table.pattern)
    return tuple(sheet.with_metadata(pattern.fields(source.name, sheet.label)) for sheet in sheets)


def _take(
    sheet: Sheet, table: FilesTable, name: str, against: Against, options: LineOptions, found: FoundSpectra
) -> None:
    """Add all spectra of one sheet, and count its rows."""
    read, columns = len(sheet.lines), table.columns
    names = (columns.x, columns.voltage, columns.bias, columns.fixed)
    (sheet,), notices = settled([sheet], filter(None, names), table.read.decimal)
    found.notices += notices
    sheet = unmasked(sheet, table, name, against)
    if not sheet.lines:
        todo = "correct mask, or leave the file out with leave_out"
        raise DataError([Problem(sheet.label, "has no rows left: all are masked", todo)])
    notes: list[tuple[str, str]] = []
    least = options.model.n_parameters + 4
    problems: list[Problem] = []
    used = outside = 0
    parts = list(spectra_rows(sheet, table, against, least, notes))
    for rows in parts:
        found.notices += contradicting_bias(sheet, table, rows.bias)
        label = sheet.label if len(parts) == 1 else f"{sheet.label}[{rows.device}, {rows.bias:g} V]"
        try:
            for one in spectra_of(rows, sheet.label, label, against, options, notes):
                cut = one if options.range is None else cut_to(one, options.range)
                if cut.x.size <= options.model.n_parameters + 3:
                    what = f"has {cut.x.size} points for {options.model.n_parameters} parameters"
                    raise DataError([Problem(one.label, what, TOO_FEW)])
                weight = max(len(one.parts), 1)
                used, outside = used + weight * cut.x.size, outside + weight * (one.x.size - cut.x.size)
                found.spectra.append(cut)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    for place, note in notes:
        found.noticed.setdefault(note, []).append(place)
    found.rows += RowCount(read, used, outside, read - len(sheet.lines))


def _counted_twice(found: FoundSpectra) -> Iterator[Problem]:
    """Spectra whose points are those of another one, as copies of a file have them."""
    alike: list[tuple[str, str]] = []
    for first, again in copies(found.spectra, lambda each: (each.x, each.voltage)):
        if first.name == again.name and first.sign == again.sign:
            what = f"holds the same points as {first.label}, for the same device and bias"
            yield Problem(again.label, what, "a copy counts twice: leave one out with leave_out")
        else:
            alike.append((first.name, again.name))
    found.notices += copy_notices(alike)
