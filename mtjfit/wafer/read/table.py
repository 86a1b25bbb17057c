"""Chunks of a table of devices: Parquet, delimited text, or a folder of files that the readers of studies read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Iterator, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.column_units import checked_unit
from mtjfit.data.curve import Origin, TorqueCurve
from mtjfit.data.format import NamePattern
from mtjfit.data.origin import distinct, metadata_comments, origin_in
from mtjfit.data.readers import Sheet, read_source
from mtjfit.data.table import curves_from_sheets, declared_sheets
from mtjfit.data.tidy import parse_number
from mtjfit.errors import DataError, Problem, ProblemLog
from mtjfit.input import files_fitting, files_nearly_fitting, sha256_of
from mtjfit.wafer.declaration import WaferStudy
from mtjfit.wafer.read.blocks import NameIndex, gathered
from mtjfit.wafer.read.chunk import Chunk, Fault, TableSaid
from mtjfit.wafer.read.device_checks import checked_chunk
from mtjfit.wafer.read.parquet import is_parquet, parquet_blocks, parquet_said
from mtjfit.wafer.read.text import LARGEST_BLOCK, text_blocks, text_said

_MOST_FILES = 1_000_000
_FOR_ROWS = 4  # a quarter of the memory may be rows of one chunk; the rest is for reading and reducing


def chunks(study: WaferStudy, skip: Container[int] = (), *, block: int = LARGEST_BLOCK) -> Iterator[Chunk]:
    """Read a table chunk by chunk, in order, within the memory that ``[wafer]`` allows.

    Parameters
    ----------
    skip : container of int
        Numbers of chunks that are not wanted. Their numbers are not read, as far as the format allows.
    block : int
        Bytes of text that are read at once, at most; no result depends on it.

    Returns
    -------
    iterator of Chunk
        Which devices a chunk holds depends on the table and on ``[wafer] chunk`` alone.

    Raises
    ------
    DataError
        The table is not there, its header does not fit the declaration, a device begins again after others, or a chunk
        needs too much memory. Single cells and rows that cannot be used are no errors but `Fault` of their devices.
    """
    if _is_folder(study.table):
        for chunk in folder_chunks(study, skip):
            yield replace(chunk, origins=_with_declared(study, chunk.origins))
        return
    blocks = parquet_blocks(study) if is_parquet(study) else text_blocks(study, block)
    _check_format(study)
    origins = table_origins(study, block=block)
    label, memory = str(study.table), study.wafer.memory_bytes // _FOR_ROWS
    unknown = {mask.device for mask in study.declaration.mask if mask.device}
    for rows in gathered(blocks, label, study.wafer.chunk, memory, skip):
        unknown -= set(rows.device)
        yield replace(checked_chunk(study, rows, label), origins=origins)
    if unknown and isinstance(skip, Sized) and len(skip) == 0:
        what = f"has no device {min(unknown)!r}, which a mask names"
        raise DataError([Problem(label, what, "correct the mask in [[data]], or remove it")])


def table_origins(study: WaferStudy, *, block: int = LARGEST_BLOCK) -> tuple[Origin, ...]:
    """Origin of the devices that a table and ``[wafer] origin`` declare; of a folder, that of its first file.

    In a text table a comment line ``# origin: simulated; how`` above the header, in a Parquet file the key ``origin``
    of its metadata. A declaration never overrules a table that says it was not measured. DataError if the table is not
    there, its header does not fit the declaration, or it declares no known origin.
    """
    if _is_folder(study.table):
        return _with_declared(study, (first_origin(study),))
    return _with_declared(study, (origin_in(_said(study, block).comments, str(study.table)),))


def table_notes(study: WaferStudy) -> tuple[str, ...]:
    """What was inferred of a table, or of the first file of a folder, and the files that its pattern nearly names.

    DataError as `table_origins`.
    """
    if not _is_folder(study.table):
        return _said(study, LARGEST_BLOCK).notes
    found, near = (
        _device(study, folder_files(study.table)[0]),
        files_nearly_fitting(*_pattern(study.table), _MOST_FILES),
    )
    return (*near, *(() if isinstance(found, Fault) else found.curve.notices))


def _said(study: WaferStudy, block: int) -> TableSaid:
    return parquet_said(study) if is_parquet(study) else text_said(study, block)


def _with_declared(study: WaferStudy, found: tuple[Origin, ...]) -> tuple[Origin, ...]:
    declared = study.wafer.declared_origin
    if declared is None or not declared.label:
        return distinct(found)
    return distinct([declared, *(each for each in found if each.label)])


def chunk_count(study: WaferStudy) -> int | None:
    """Number of chunks of a folder; None for a table, whose devices are counted by reading it."""
    return -(-len(folder_files(study.table)) // study.wafer.chunk) if _is_folder(study.table) else None


def table_identity(study: WaferStudy) -> str:
    """sha256, in hex, of the bytes of the table; of a folder, of names and bytes of its files.

    Raises
    ------
    DataError
        The table is not there.
    """
    if _is_folder(study.table):
        each = (f"{path.name}\0{sha256_of(path)}\n" for path in folder_files(study.table))
        return hashlib.sha256("".join(each).encode()).hexdigest()
    return sha256_of(study.table)


def _is_folder(table: Path) -> bool:
    return table.is_dir() or (not table.exists() and any(mark in table.name for mark in "*?["))


def _check_format(study: WaferStudy) -> None:
    """Refuse formats that only the readers of single files know."""
    form = study.declaration.format
    if study.declaration.name or not (form.is_plain or form.reader == "parquet"):
        what = "is one table, but [[data]] declares file names or headers of many"
        what = f"cannot be read piece by piece with reader = {form.reader!r}" if form.reader else what
        todo = "give a table with one header line, or Parquet, or a folder with one file for each device"
        raise DataError([Problem(str(study.table), what, todo)])


@dataclass(frozen=True, eq=False)
class _One:
    """The device of one file, its position and names."""

    curve: TorqueCurve
    x: float
    y: float
    wafer: str
    split: str
    origin: Origin


def _pattern(table: Path) -> tuple[Path, str]:
    return (table, "*") if table.is_dir() else (table.parent, table.name)


def folder_files(table: Path) -> list[Path]:
    """Files of a folder, or of a pattern such as ``sweeps/*.csv``, by name, without hidden ones; DataError if none."""
    found = [path for path in files_fitting(*_pattern(table), _MOST_FILES) if path.is_file()]
    if not found:
        raise DataError([Problem(str(table), "fits no file", "give a folder, or a pattern such as 'sweeps/*.csv'")])
    return found


def folder_chunks(study: WaferStudy, skip: Container[int] = ()) -> Iterator[Chunk]:
    """Chunks of files; those of a skipped chunk are not opened. DataError if none is there, or two have one device."""
    files, size, seen = folder_files(study.table), study.wafer.chunk, NameIndex()
    for number, k in enumerate(range(0, len(files), size)):
        if number not in skip:
            some = files[k : k + size]
            found = [_device(study, path) for path in some]
            names = [(one.wafer, one.device if isinstance(one, Fault) else one.curve.device) for one in found]
            if (again := seen.repeated(names)) is not None:
                what = f"is the second file of device {names[again][1]!r}"
                todo = "give every device one file, or put all rows into one table"
                raise DataError([Problem(str(some[again]), what, todo)])
            yield _chunk(study, number, found, (k + len(some)) / len(files))


def first_origin(study: WaferStudy) -> Origin:
    """Origin that the first file of a folder declares; each chunk has those of its own files."""
    found = _device(study, folder_files(study.table)[0])
    return Origin() if isinstance(found, Fault) else found.origin


def _device(study: WaferStudy, path: Path) -> _One | Fault:
    """The device of one file, or why it cannot be used."""
    declaration = study.reading
    try:
        sheets = declared_sheets(read_source(path, str(path), declaration.format.max_bytes), declaration)
        curves = curves_from_sheets(sheets, study.declaration, str(path))
        if len(curves) != 1:
            todo = "give every device its own file, or put all rows into one table"
            raise DataError([Problem(str(path), f"holds {len(curves)} devices", todo)])
        left_out = [text for sheet in sheets for text in sheet.unread]
        left_out += curves[0].notices if curves[0].bias.size < sum(len(sheet.lines) for sheet in sheets) else ()
        if left_out:
            raise DataError([Problem(str(path), left_out[0], "remove what cannot be read")])
        roles = study.wafer.roles()
        x, y = (_position(study, sheets, role) if role in roles else math.nan for role in ("x", "y"))
        wafer, split = (_text(sheets, roles[role])[0] if role in roles else "" for role in ("wafer", "split"))
        for role, text in (("wafer", wafer), ("split", split)):
            if not text.isprintable():
                what = f"{text!r} holds characters that cannot be printed"
                raise DataError([Problem(str(path), what, f"name the {role}")])
        said = [each for sheet in sheets for each in metadata_comments(sheet.metadata)]
        origin = origin_in(said, str(path)) if said else curves[0].origin
        return _One(curves[0], x, y, wafer, split or curves[0].group, origin)
    except DataError as error:
        first = error.problems[0]
        return Fault(_name(study, path), "", "", first.where, first.what, first.todo)


def _name(study: WaferStudy, path: Path) -> str:
    """Name of the device of a file that cannot be used: as the file's name has it, or the file's name."""
    if study.declaration.name:
        with suppress(DataError):
            fields = NamePattern(study.declaration.name).fields(path.name)
            return fields.get(study.declaration.columns.device, path.name)
    return path.name


def _text(sheets: Sequence[Sheet], name: str) -> tuple[str, str | None, Sheet]:
    """The only text that a column or header parameter holds, its unit, and its sheet."""
    sheet = sheets[0]
    where = f"{sheet.where}: column {name!r}"
    places = sheet.named.places(name)
    if len(places) == 1:
        column = sheet.columns[places[0]]
        if len(set(column.cells)) != 1:
            raise DataError([Problem(where, "differs within the device", "a device has one")])
        return column.cells[0], column.unit, sheet
    if places or name not in sheet.metadata:
        raise DataError([Problem(where, *sheet.named.fault(name, "", sheet.metadata))])
    return sheet.metadata[name], None, sheet


def _position(study: WaferStudy, sheets: Sequence[Sheet], role: str) -> float:
    name = study.wafer.roles()[role]
    text, unit, sheet = _text(sheets, name)
    number, _, behind = text.partition(" ")
    value, fault = parse_number(number, sheet.decimal)
    if fault is not None:
        raise DataError([Problem(f"{sheet.where}: column {name!r}", *fault)])
    log = ProblemLog(sheet.label)
    checked_unit(role, name, unit or behind.strip() or None, study.declaration, sheet.where, log)
    log.refuse()
    return value


def _chunk(study: WaferStudy, number: int, found: Sequence[_One | Fault], share: float) -> Chunk:
    ones = [one for one in found if isinstance(one, _One)]
    curves = [one.curve for one in ones]

    def by_row(name: str) -> FloatArray:
        return np.concatenate([np.empty(0), *(getattr(curve, name) for curve in curves)])

    fitted, used = study.sigma_is_fitted, np.concatenate([np.empty(0, dtype=bool), *(each.used for each in curves)])
    factor = np.array([curve.angle_factor for curve in curves])
    return Chunk(
        number=number,
        device=tuple(curve.device for curve in curves),
        start=np.cumsum([0, *(curve.bias.size for curve in curves)]),
        bias=by_row("bias"),
        par=by_row("par"),
        perp=by_row("perp"),
        sigma_par=None if fitted else by_row("sigma_par"),
        sigma_perp=None if fitted else by_row("sigma_perp"),
        thickness=np.array([curve.thickness for curve in curves]),
        x=np.array([one.x for one in ones]),
        y=np.array([one.y for one in ones]),
        wafer=tuple(one.wafer for one in ones),
        split=tuple(one.split for one in ones),
        faults=tuple(one for one in found if isinstance(one, Fault)),
        used=None if used.all() else used,
        rho=by_row("rho") if study.is_correlated else None,
        angle_factor=factor if study.declaration.sin_theta == "included" else None,
        share=share,
        origins=distinct(one.origin for one in ones),
    )
