"""From the sheets of any reader to curves, through the same checks as a tidy table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from mtjfit.data.curve import TorqueCurve
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.origin import metadata_comments
from mtjfit.data.pattern import NamePattern
from mtjfit.data.readers import Sheet, SourceFile, blocks, sheets_from_bytes
from mtjfit.data.rows import Cell, collect
from mtjfit.data.table import curves_from_bytes, curves_of_devices
from mtjfit.data.tidy import Header, Line, Place, ProblemLog
from mtjfit.data.units import find_unit
from mtjfit.errors import DataError, Problem, did_you_mean

__all__ = ["canonical_unit", "comments_of", "curves_from_sheets", "curves_from_sources", "declared_sheets"]

_OTHER_UNITS = {"GHz", "MHz", "Hz", "Oe", "T", "mT", "A/m", "kA/m", "A", "mA", "uA", "ohm", "rad", "dBm", "K", "s"}
_VOLTAGES = {"v": "V", "volt": "V", "volts": "V", "mv": "mV", "uv": "uV", "µv": "uV"}
_WITHOUT_COMMENTS = ("parquet", "netcdf")
_LENGTHS = {"nm": "nm", "angstrom": "angstrom", "å": "angstrom", "a": "angstrom", "m": "m", "um": "um", "µm": "um"}
_UNIT_OF = {"bias": "bias", "sigma_bias": "bias", "thickness": "thickness", "par": "torque", "perp": "torque",
            "sigma_par": "torque", "sigma_perp": "torque"}  # fmt: skip


def curves_from_sources(
    sources: Sequence[SourceFile],
    declaration: TableDeclaration,
    label: str = "",
    opened: Callable[[str], SourceFile] | None = None,
) -> tuple[TorqueCurve, ...]:
    """Curves of one or more files that one declaration describes.

    Parameters
    ----------
    label : str
        `TorqueCurve.source`; the name of the first file if empty.
    opened : callable, optional
        Gives the bytes of a file that ``declaration.covariance`` names.

    Returns
    -------
    tuple of TorqueCurve
        One for each device; a device may go on from file to file.

    Raises
    ------
    DataError
        With every problem that was found, each with its file and line.

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
    if len(sources) == 1 and declaration.format.is_plain and not (declaration.wide or declaration.name):
        return curves_from_bytes(sources[0].data, declaration, label, opened)
    sheets: list[Sheet] = []
    problems: list[Problem] = []
    for source in sources:
        try:
            sheets += declared_sheets(source, declaration)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return curves_from_sheets(sheets, declaration, label, opened)


def declared_sheets(source: SourceFile, declaration: TableDeclaration) -> tuple[Sheet, ...]:
    """The sheets of one file as declared, fields of its name among their header parameters, wide ones cut up.

    Raises
    ------
    DataError
        The file cannot be read so.
    """
    form = declaration.format
    sheets = sheets_from_bytes(source, form.reader or "tidy", form)
    fields = NamePattern(declaration.name).fields(source.name, source.label) if declaration.name else {}
    named = tuple(sheet.with_metadata(fields) for sheet in sheets)
    return blocks(named, declaration.wide) if declaration.wide is not None else named


def curves_from_sheets(
    sheets: Sequence[Sheet],
    declaration: TableDeclaration,
    label: str = "",
    opened: Callable[[str], SourceFile] | None = None,
) -> tuple[TorqueCurve, ...]:
    """Curves of sheets: their rows below one another, columns found by name, then header parameters.

    Raises
    ------
    DataError
        With every problem that was found, each with its file and line.
    """
    roles = declaration.columns.roles()
    log = ProblemLog(label or sheets[0].label)
    header = Header(0, tuple(roles.values()), "", {role: k for k, role in enumerate(roles)})
    picked = [
        (sheet, [_picked(sheet, role, name, declaration, log) for role, name in roles.items()]) for sheet in sheets
    ]
    marks = {sheet.decimal: sheet for sheet in sheets}
    if len(marks) > 1:
        what = f"has decimal commas, {marks['.'].label} has points"
        log.take(DataError([Problem(marks[","].label, what, "put them under [[data]] of their own")]))
    if log.count:
        raise log.error()
    form = replace(declaration.format, decimal=sheets[0].decimal, separator="")
    declared = replace(declaration, format=form)
    devices = collect(_rows(picked), header, declared, log)
    comments = [comment for sheet in sheets for comment in comments_of(sheet)]
    return curves_of_devices(devices, comments, declared, log, opened)


def comments_of(sheet: Sheet) -> list[tuple[Line, str]]:
    """Comments with their places; in formats without any, what programs wrote of the origin into the metadata."""
    said = metadata_comments(sheet.metadata) if sheet.format in _WITHOUT_COMMENTS else sheet.comments
    return [(Place(sheet.label, line), text) for line, text in said]


_Picked: TypeAlias = "tuple[str, ...] | str | float"
"""The cells of a column, or what one header parameter says for all rows."""


def _picked(sheet: Sheet, role: str, name: str, declaration: TableDeclaration, log: ProblemLog) -> _Picked:
    try:
        if name in sheet.names:
            column = sheet.column(name)
            unit: str | None = column.unit
            found: _Picked = column.cells
        elif name in sheet.metadata and role in ("device", "group"):
            return sheet.metadata[name]
        elif name in sheet.metadata:
            found, unit = sheet.parameter(name)
        else:
            what = f"no such column or header parameter ({role})"
            todo = did_you_mean(name, [*sheet.names, *sheet.metadata])
            raise DataError([Problem(f"{sheet.where}: column {name!r}", what, todo)])
    except DataError as error:
        log.take(error)
        return ""
    if unit is not None and (declared := _contradicted(role, unit, declaration)):
        what = f"is in {unit!r} in the file, but {declared} is declared"
        todo = "correct [data.units], or the file if its unit is wrong"
        log.take(DataError([Problem(f"{sheet.where}: column {name!r}", what, todo)]))
    return found


def _contradicted(role: str, unit: str, declaration: TableDeclaration) -> str:
    """What is declared in contradiction to the unit that a file writes; empty where it agrees or says nothing clear."""
    kind = _UNIT_OF.get(role)
    if kind is None:
        return (
            "" if role != "angle" or unit.casefold() in ("", "deg", "degree", "degrees", "°") else 'an angle in "deg"'
        )
    declared: str = getattr(declaration.units, kind)
    written = canonical_unit(unit, kind)
    wanted = canonical_unit(declared, kind) or declared
    return "" if written in ("", wanted) else f"units.{kind} = {declared!r}"


def canonical_unit(unit: str, kind: str) -> str:
    """One spelling of a unit that can be told for certain, else empty; a unit of another kind counts as itself.

    Examples
    --------
    >>> canonical_unit("volts", "bias"), canonical_unit("Oe", "bias"), canonical_unit("furlong", "thickness")
    ('V', 'Oe', '')
    """
    if kind != "torque":
        table = _VOLTAGES if kind == "bias" else _LENGTHS
        if unit.casefold() in table and unit not in _OTHER_UNITS:
            return table[unit.casefold()]
    try:
        name = find_unit(unit).name
    except ValueError:
        return unit if unit in _OTHER_UNITS else ""
    return name


def _rows(picked: Iterable[tuple[Sheet, Sequence[_Picked]]]) -> Iterator[tuple[Line, Sequence[Cell]]]:
    for sheet, columns in picked:
        for i, line in enumerate(sheet.lines):
            yield Place(sheet.label, line), [each[i] if isinstance(each, tuple) else each for each in columns]
