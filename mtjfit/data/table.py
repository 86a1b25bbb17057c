"""From one or several files to curves, through the same checks for every reader.

Either every row is understood exactly as declared, or one DataError lists what is wrong, with file, line and column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from mtjfit.data.column_units import checked_unit
from mtjfit.data.covariance import Opener
from mtjfit.data.curve import TorqueCurve
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.format import NamePattern
from mtjfit.data.origin import metadata_comments
from mtjfit.data.plain_table import BLANK, Header, plain_sheet
from mtjfit.data.readers import Sheet, SourceFile, blocks, one_alone, read_source, settled, sheets_from_bytes
from mtjfit.data.readers.packed import unpacked
from mtjfit.data.readers.preamble import parameters_in_comments, with_preamble
from mtjfit.data.rows import TEXTS, Cell, collect, curves_of_devices
from mtjfit.data.tidy import COMMENT_AMONG_DATA, LETTERS, REPEATED
from mtjfit.errors import DataError, Line, Place, Problem, ProblemLog

_WITHOUT_COMMENTS = ("parquet", "netcdf", "hdf5", "matlab", "tdms")


_FIELD = re.compile(r"\{(\w+)\}")


def read_curves(path: str | Path, declaration: TableDeclaration, *, label: str = "") -> tuple[TorqueCurve, ...]:
    """Curves of one file, one for each device, in order of appearance.

    Bias is in V, thickness in nm, angle in degrees, torques in the unit of the file, `perp` along M × P. A comment line
    ``# origin: simulated; how it was made`` above the header (or ``reconstruction``, ``measured``) travels with the
    curves; no declaration overrules it.

    Parameters
    ----------
    path : str or Path
        CSV or TSV with a header line; covariances it declares are looked for in its folder.
    declaration : TableDeclaration
        Meaning of the columns; nothing is guessed.
    label : str
        Name of the file in messages and in `TorqueCurve.source`; the path as given if empty.

    Raises
    ------
    DataError
        With every problem of the file, as ``file:line: column 'x': what; what to do``.

    Examples
    --------
    >>> import tempfile
    >>> from mtjfit.data import Columns, ColumnUnits, TableDeclaration
    >>> declaration = TableDeclaration("torque", "device", "PxM", Columns("V", "T1", "T2"),
    ...                                ColumnUnits("mV", "1e-19 N m", "nm"), device="A1", thickness=2, sigma="fit")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a1.csv"
    ...     _ = path.write_text("V;T1;T2\\n-100;-1;-0.5\\n0;0;0\\n100;1;-0.5\\n")
    ...     curve, = read_curves(path, declaration)
    >>> curve.bias.tolist(), curve.perp.tolist()
    ([-0.1, 0.0, 0.1], [0.5, 0.0, 0.5])
    """
    label, limit, folder = label or str(path), declaration.format.max_bytes, Path(path).parent
    source = read_source(path, label, limit)
    return curves_from_sources([source], declaration, label, lambda name: read_source(folder / name, name, limit))


def curves_from_bytes(
    data: bytes, declaration: TableDeclaration, label: str, opened: Opener = None
) -> tuple[TorqueCurve, ...]:
    """Like `read_curves`, for the bytes of a file, so that a hash of them and the curves belong together.

    `opened` gives the bytes of a file that ``declaration.covariance`` names.

    Examples
    --------
    >>> from mtjfit.data import Columns, ColumnUnits, TableDeclaration
    >>> declaration = TableDeclaration("torque", "device", "MxP", Columns("V", "T1", "T2"),
    ...                                ColumnUnits("V", "arb", "nm"), device="A1", thickness=2, sigma="fit")
    >>> curves_from_bytes(b"V,T1,T2\\n0,0,0\\n0.1,1,x\\n0.2,2,0\\n", declaration, "a1.csv")
    Traceback (most recent call last):
    mtjfit.errors.DataError: a1.csv:3: column 'T2': 'x' is not a number; write a plain number such as -1.25e-3
    """
    return curves_from_sources([SourceFile(label, data, Path(label).name)], declaration, label, opened)


def curves_from_sources(
    sources: Sequence[SourceFile], declaration: TableDeclaration, label: str = "", opened: Opener = None
) -> tuple[TorqueCurve, ...]:
    """Curves of one or more files that one declaration describes, one for each device, whose rows may come from
    several.

    `label`, the name of the first file if empty, becomes the `TorqueCurve.source` of rows from several files; `opened`
    gives the bytes of a file that ``declaration.covariance`` names. DataError with all problems of all files.

    Examples
    --------
    >>> from mtjfit.data import Columns, ColumnUnits, TableFormat
    >>> declaration = TableDeclaration(
    ...     "torque", "device", "MxP", Columns("Bias", "par", "perp", device="device", thickness="thickness"),
    ...     ColumnUnits("mV", "arb", "nm"), sigma="fit", format=TableFormat(reader="pymeasure"),
    ...     name="{device}_T{thickness:nm}.csv")
    >>> text = b"#Parameters:\\n#Data:\\nBias (mV),par,perp\\n-100,-1,0.1\\n0,0,0\\n100,1,0.1\\n"
    >>> curve, = curves_from_sources([SourceFile("A1_T2.1nm.csv", text, "A1_T2.1nm.csv")], declaration)
    >>> curve.device, curve.thickness, curve.bias.tolist()
    ('A1', 2.1, [-0.1, 0.0, 0.1])
    """
    label = label or sources[0].label
    sheets: list[Sheet] = []
    log = ProblemLog(label)
    for source in sources:
        with log.catching():
            sheets += declared_sheets(source, declaration)
    log.refuse()
    return curves_from_sheets(sheets, declaration, label, opened)


def declared_sheets(source: SourceFile, declaration: TableDeclaration) -> tuple[Sheet, ...]:
    """The sheets of one file as declared, fields of its name among their header parameters, wide ones cut up."""
    form, wide = declaration.format, declaration.wide
    if form.is_pattern:
        named = _declared_parts(source, declaration)
    else:
        fields = _said_by_name(source.name, source.label, declaration)
        sheets: tuple[Sheet, ...]
        if form.is_plain and wide is None:
            plain = unpacked(source, form.max_bytes)
            given = fields | dict.fromkeys(parameters_in_comments(plain, form), "")
            sheets = (plain_sheet(plain, declaration, given),)
        else:
            sheets = sheets_from_bytes(source, form.reader or "tidy", form)
        left = {*declaration.columns.roles().values()} - fields.keys()
        if not all(sheet.named.places(name) for sheet in sheets for name in left):
            sheets = with_preamble(source, sheets, form.max_bytes, left)
        named = tuple(sheet.with_metadata(fields) for sheet in sheets)
    return blocks(named, wide) if wide is not None else tuple(map(_strict, named))


def _said_by_name(name: str, label: str, declaration: TableDeclaration) -> dict[str, str]:
    """Fields of the name of a file or part, and texts that `Columns` compose of them, as of ``"{thickness} {device}"``.

    DataError where the name does not fit.
    """
    fields = NamePattern(declaration.name).fields(name, label) if declaration.name else {}
    composed = {column for role, column in declaration.columns.roles().items() if role in TEXTS and "{" in column}
    known = {column for column in composed if set(_FIELD.findall(column)) <= fields.keys()}
    return fields | {column: _FIELD.sub(lambda match: fields[match[1]], column) for column in known}


def _declared_parts(source: SourceFile, declaration: TableDeclaration) -> tuple[Sheet, ...]:
    """The parts of a file that ``sheet = "*"`` names, each with the fields of its name, such as ``lot.xlsx[A1]``.

    Parts without any of the declared columns are no data, and named among `Sheet.unread`; DataError where all are.
    """
    form, columns = declaration.format, declaration.columns.roles().values()
    every = sheets_from_bytes(source, form.reader or "tidy", form)
    parts = [sheet for sheet in every if declaration.wide or any(map(sheet.named.places, columns))] or every
    others = tuple(f"{each.part} is not read: none of the declared columns is in it" for each in every
                   if not any(each is part for part in parts))  # fmt: skip
    log, named = ProblemLog(source.label), []
    for sheet in parts:
        with log.catching():
            label = f"{source.label}[{sheet.part}]"
            fields = _said_by_name(f"{source.name}[{sheet.part.strip('/')}]", label, declaration)
            named.append(replace(sheet, unread=(*sheet.unread, *others)).with_metadata(fields))
    log.refuse()
    return tuple(named)


_LINES_ARE_COUNTED = ("tidy", "excel", "pymeasure")
"""Formats whose lines follow one another, so that a missing one is blank or a comment."""


def _strict(sheet: Sheet) -> Sheet:
    """The same sheet, with what no tidy table may hold among its faults: repeated names, lines that are no rows."""
    log = ProblemLog(sheet.label)
    for name, count in Counter(sheet.named.full).items():
        if count > 1:
            log.add(f"stands {count} times in the header", REPEATED, sheet.header_line or None, name)
    log.refuse()
    return with_odd_lines(sheet)


def with_odd_lines(sheet: Sheet) -> Sheet:
    """The same sheet, with blank lines and comments below its header among its faults."""
    if sheet.faults or sheet.format not in _LINES_ARE_COUNTED:
        return sheet
    comments = {line for line, _ in sheet.comments}
    roles = sheet.form.header
    last = sheet.header_line + (len(roles) - 1 - roles.index("name") if "name" in roles else 0)
    header = [last] if sheet.header_line else []
    odd = [above + 1 for above, line in pairwise([*header, *sheet.lines]) if line > above + 1]
    said = [("is a comment among the data", COMMENT_AMONG_DATA) if line in comments else BLANK for line in odd]
    faults = [(line, Problem(f"{sheet.label}:{line}", *each)) for line, each in zip(odd, said, strict=True)]
    return replace(sheet, faults=tuple(faults))


def curves_from_sheets(
    sheets: Sequence[Sheet], declaration: TableDeclaration, label: str = "", opened: Opener = None
) -> tuple[TorqueCurve, ...]:
    """Like `curves_from_sources`, for sheets: their rows below one another, columns first, then header parameters."""
    roles = declaration.columns.roles()
    log = ProblemLog(label or sheets[0].label)
    numeric = [name for role, name in roles.items() if role not in TEXTS]
    sheets, log.notices = settled(sheets, numeric, declaration.format.decimal)
    line = sheets[0].header_line if len(sheets) == 1 else 0
    header = Header(line, tuple(roles.values()), "", {role: k for k, role in enumerate(roles)})
    picked, whole = [], []
    for sheet in sheets:
        before = log.count
        picked.append((sheet, [_picked(sheet, role, name, declaration, log) for role, name in roles.items()]))
        whole += [sheet] if log.count == before else []
    log.take(one_alone(log.label, whole) if log.count else ())
    for sheet in sheets:
        for name, fault in sheet.named.twice(roles):
            log.take([Problem(f"{sheet.where}: column {name!r}", *fault)])
    seen: dict[tuple[_Picked, ...], str] = {}
    for sheet, cells in picked:
        if seen.setdefault(tuple(cells), sheet.label) != sheet.label:
            what = f"holds the same rows as {seen[tuple(cells)]}, for the same device"
            log.take([Problem(sheet.label, what, "a copy counts twice: leave one out")])
    marks = {sheet.decimal: sheet for sheet in sheets}
    if len(marks) > 1:
        what = f"has decimal commas, {marks['.'].label} has points"
        log.take([Problem(marks[","].label, what, "put them under [[data]] of their own")])
    log.refuse()
    form = replace(declaration.format, decimal=sheets[0].decimal, separator="")
    declared = replace(declaration, format=form)
    devices = collect(_rows(picked, log), header, declared, log)
    comments = [comment for sheet in sheets for comment in comments_of(sheet)]
    files = [sheet.label.removesuffix(f"[{sheet.part}]") for sheet in sheets]
    log.notices += dict.fromkeys(f"{file}: {text}" for file, sheet in zip(files, sheets, strict=True)
                                 for text in sheet.unread)  # fmt: skip
    return curves_of_devices(devices, comments, declared, log, opened)


def comments_of(sheet: Sheet) -> list[tuple[Line, str]]:
    """Comments with their places; in formats without comments, the origin in the metadata."""
    said = metadata_comments(sheet.metadata) if sheet.format in _WITHOUT_COMMENTS else sheet.comments
    return [(Place(sheet.label, line), text) for line, text in said]


_Picked: TypeAlias = "tuple[str, ...] | str | float"
"""The cells of a column, or the value of a header parameter, which holds for all rows."""


def _picked(sheet: Sheet, role: str, name: str, declaration: TableDeclaration, log: ProblemLog) -> _Picked:
    found: _Picked = ""
    with log.catching():
        found, unit = column_or_parameter(sheet, role, name, as_text=role in TEXTS)
        if note := checked_unit(role, name, unit, declaration, sheet.where, log):
            log.notices.append(note)
    return found


def column_or_parameter(sheet: Sheet, role: str, name: str, *, as_text: bool = False) -> tuple[_Picked, str | None]:
    """Cells of a column, or else the header parameter of this name, with the unit as written.

    A parameter is a number, or `as_text` its text. DataError where there is neither, or several columns.
    """
    places = sheet.named.places(name)
    if len(places) == 1:
        column = sheet.columns[places[0]]
        return column.cells, column.unit
    if places or name not in sheet.metadata:
        fault = sheet.named.fault(name, role, sheet.metadata, LETTERS)
        raise DataError([Problem(f"{sheet.where}: column {name!r}", *fault)])
    return (sheet.metadata[name], None) if as_text else sheet.parameter(name)


def _rows(
    picked: Iterable[tuple[Sheet, Sequence[_Picked]]], log: ProblemLog
) -> Iterator[tuple[Line, Sequence[Cell] | None]]:
    """Rows and faulty lines in the order of the file; the problem of a faulty line is noted."""
    for sheet, columns in picked:
        here = sheet.label == log.label
        faults = [*reversed(sheet.faults)]
        for i, line in enumerate(sheet.lines):
            while faults and faults[-1][0] < line:
                yield _no_row(*faults.pop(), log)
            row = [each[i] if isinstance(each, tuple) else each for each in columns]
            yield line if here else Place(sheet.label, line), row
        while faults:
            yield _no_row(*faults.pop(), log)


def _no_row(line: int, fault: Problem, log: ProblemLog) -> tuple[Line, None]:
    log.take([fault])
    return line, None
