"""Chunks of a table of devices: Parquet, delimited text, or a folder of files."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path

from mtjfit.data.curve import Origin
from mtjfit.data.origin import distinct, origin_in
from mtjfit.errors import DataError, Problem, did_you_mean
from mtjfit.wafer.declaration import WaferStudy
from mtjfit.wafer.read.blocks import gathered
from mtjfit.wafer.read.chunk import Chunk
from mtjfit.wafer.read.device_checks import checked_chunk
from mtjfit.wafer.read.folder import first_origin, folder_chunks, folder_files
from mtjfit.wafer.read.parquet import is_parquet, parquet_blocks, parquet_comments
from mtjfit.wafer.read.text import LARGEST_BLOCK, text_blocks, text_comments

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
    _check_there(study.table)
    blocks = parquet_blocks(study) if is_parquet(study) else text_blocks(study, block)
    _check_format(study)
    origins = table_origins(study, block=block)
    label, memory = str(study.table), study.wafer.memory_bytes // _FOR_ROWS
    unknown = {mask.device for mask in study.declaration.mask if mask.device}
    for rows in gathered(blocks, label, study.wafer.chunk, memory, skip):
        unknown -= set(rows.device)
        yield replace(checked_chunk(study, rows, label), origins=origins)
    if unknown and not skip:
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
    _check_there(study.table)
    comments = parquet_comments(study) if is_parquet(study) else text_comments(study, block)
    return _with_declared(study, (origin_in(comments, str(study.table)),))


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
        each = (f"{path.name}\0{_sha256(path)}\n" for path in folder_files(study.table))
        return hashlib.sha256("".join(each).encode()).hexdigest()
    _check_there(study.table)
    return _sha256(study.table)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_folder(table: Path) -> bool:
    return table.is_dir() or (not table.exists() and any(mark in table.name for mark in "*?["))


def _check_there(table: Path) -> None:
    if table.is_file():
        return
    neighbours = [each.name for each in table.parent.iterdir()] if table.parent.is_dir() else []
    todo = did_you_mean(table.name, neighbours) if neighbours else f"there is no folder {str(table.parent)!r}"
    raise DataError([Problem(str(table), "no such file", todo)])


def _check_format(study: WaferStudy) -> None:
    """Refuse formats that only the readers of single files know."""
    form = study.declaration.format
    if study.declaration.name or not (form.is_plain or form.reader == "parquet"):
        what = "is one table, but [[data]] declares file names or headers of many"
        what = f"cannot be read piece by piece with reader = {form.reader!r}" if form.reader else what
        todo = "give a table with one header line, or Parquet, or a folder with one file for each device"
        raise DataError([Problem(str(study.table), what, todo)])
