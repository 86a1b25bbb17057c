"""From one or several files to curves, through the same checks for every reader.

Either every row is understood exactly as declared, or one DataError lists what is wrong, with file, line and column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from mtjfit.data.covariance import Opener
from mtjfit.data.curve import TorqueCurve
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.format import NamePattern
from mtjfit.data.origin import metadata_comments
from mtjfit.data.readers import Sheet, SourceFile, blocks, read_source, sheets_from_bytes
from mtjfit.data.readers.packed import unpacked
from mtjfit.data.rows import Cell, collect, curves_of_devices
from mtjfit.data.tidy import LETTERS, Header, body, find_header, named_alike, numbered_lines
from mtjfit.data.units import canonical_unit
from mtjfit.errors import DataError, Line, Place, Problem, ProblemLog, did_you_mean
from mtjfit.input import read_bytes

_WITHOUT_COMMENTS = ("parquet", "netcdf", "hdf5", "matlab", "tdms")
_UNIT_OF = {"bias": "bias", "sigma_bias": "bias", "thickness": "thickness", "par": "torque", "perp": "torque",
            "sigma_par": "torque", "sigma_perp": "torque"}  # fmt: skip


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
    data = read_bytes(Path(path), label, limit)
    return curves_from_bytes(data, declaration, label, lambda name: read_source(folder / name, name, limit))


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
    log = ProblemLog(label)
    data = unpacked(SourceFile(label, data), declaration.format.max_bytes).data
    lines = numbered_lines(data, declaration.format.encoding, label, declaration.format)
    header = find_header(lines, declaration, log)
    if header is None:
        raise log.error()
    devices = collect(body(lines, header, declaration, log), header, declaration, log)
    return curves_of_devices(devices, header.comments, declaration, log, opened)


def curves_from_sources(
    sources: Sequence[SourceFile], declaration: TableDeclaration, label: str = "", opened: Opener = None
) -> tuple[TorqueCurve, ...]:
    """Curves of one or more files that one declaration describes, one for each device, whose rows may come from
    several.

    `label` becomes `TorqueCurve.source`, the name of the first file if empty; `opened` gives the bytes of a file that
    ``declaration.covariance`` names. DataError with all problems of all files.

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
    log = ProblemLog(label)
    for source in sources:
        with log.catching():
            sheets += declared_sheets(source, declaration)
    log.refuse()
    return curves_from_sheets(sheets, declaration, label, opened)


def declared_sheets(source: SourceFile, declaration: TableDeclaration) -> tuple[Sheet, ...]:
    """The sheets of one file as declared, fields of its name among their header parameters, wide ones cut up."""
    form = declaration.format
    sheets = sheets_from_bytes(source, form.reader or "tidy", form)
    fields = NamePattern(declaration.name).fields(source.name, source.label) if declaration.name else {}
    named = tuple(sheet.with_metadata(fields) for sheet in sheets)
    return blocks(named, declaration.wide) if declaration.wide is not None else named


def curves_from_sheets(
    sheets: Sequence[Sheet], declaration: TableDeclaration, label: str = "", opened: Opener = None
) -> tuple[TorqueCurve, ...]:
    """Like `curves_from_sources`, for sheets: their rows below one another, columns first, then header parameters."""
    roles = declaration.columns.roles()
    log = ProblemLog(label or sheets[0].label)
    header = Header(0, tuple(roles.values()), "", {role: k for k, role in enumerate(roles)})
    picked = [
        (sheet, [_picked(sheet, role, name, declaration, log) for role, name in roles.items()]) for sheet in sheets
    ]
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
    devices = collect(_rows(picked), header, declared, log)
    comments = [comment for sheet in sheets for comment in comments_of(sheet)]
    log.notices += dict.fromkeys(f"{sheet.label}: {text}" for sheet in sheets for text in sheet.unread)
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
        found, unit = column_or_parameter(sheet, role, name, as_text=role in ("device", "group"))
        if unit is not None and (declared := contradicted_unit(role, unit, declaration)):
            what = f"is in {unit!r} in the file, but {declared} is declared"
            todo = "correct [data.units], or the file if its unit is wrong"
            raise DataError([Problem(f"{sheet.where}: column {name!r}", what, todo)])
    return found


def column_or_parameter(sheet: Sheet, role: str, name: str, *, as_text: bool = False) -> tuple[_Picked, str | None]:
    """Cells of a column, or else the header parameter of this name, with the unit as written.

    A parameter is a number, or `as_text` its text. DataError where there is neither, or several columns.
    """
    if named_alike(name, sheet.names):
        column = sheet.column(name)
        return column.cells, column.unit
    if name not in sheet.metadata:
        todo = did_you_mean(name, [*sheet.names, *sheet.metadata], LETTERS)
        raise DataError(
            [Problem(f"{sheet.where}: column {name!r}", f"no such column or header parameter ({role})", todo)]
        )
    return (sheet.metadata[name], None) if as_text else sheet.parameter(name)


def contradicted_unit(role: str, unit: str, declaration: TableDeclaration) -> str:
    """The declaration that the unit in a file contradicts; empty where they agree or the unit is not clear."""
    kind = _UNIT_OF.get(role)
    if kind is None:
        degrees = unit.casefold() in ("", "deg", "degree", "degrees", "°")
        return "" if role != "angle" or degrees else 'an angle in "deg"'
    declared: str = getattr(declaration.units, kind)
    written = canonical_unit(unit, kind)
    wanted = canonical_unit(declared, kind) or declared
    return "" if written in ("", wanted) else f"units.{kind} = {declared!r}"


def _rows(picked: Iterable[tuple[Sheet, Sequence[_Picked]]]) -> Iterator[tuple[Line, Sequence[Cell]]]:
    for sheet, columns in picked:
        for i, line in enumerate(sheet.lines):
            yield Place(sheet.label, line), [each[i] if isinstance(each, tuple) else each for each in columns]
