"""The files of ``tests/data/files``, one in each format, and what every reader must make of any bytes."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from mtjfit.data import SourceFile
from mtjfit.errors import DataError

FILES = Path(__file__).parent / "files"
EXTRAS = {
    "excel": ("excel", "openpyxl"), "parquet": ("parquet", "pyarrow"), "netcdf": ("netcdf", "h5netcdf"),
    "hdf5": ("netcdf", "h5py"), "tdms": ("tdms", "nptdms"),
}  # fmt: skip


def needs(reader: str) -> None:
    """Skip, with the reason, where the library of a format is not installed."""
    extra, module = EXTRAS.get(reader, ("", "mtjfit"))
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed: python -m pip install 'mtjfit[{extra}]'")


def database(script: str | None = None, *, array: bytes | None = None) -> bytes:
    """The bytes of a database made of SQL, by default two runs as QCoDeS stores them; `array` is measured in one."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript((FILES / "qcodes.sql").read_text(encoding="utf-8") if script is None else script)
        if script is None:
            measured = npy([1e-6, -2e-6, 3e-6]) if array is None else array
            db.execute('INSERT INTO "results-1-2" VALUES (1, ?, ?)', (npy([0.01, 0.02, 0.03]), measured))
        db.commit()
        data = db.serialize()
    return data[:18] + b"\x02\x02" + data[20:]  # as a database with a journal in another file says of itself


def npy(values: list[float]) -> bytes:
    """An array as bytes in NumPy's format 1.0, written by hand."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(values)},), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return start + struct.pack(f"<{len(values)}d", *values)


def file_bytes(name: str) -> bytes:
    """Bytes of a file, or of the database."""
    return database() if name == "qcodes.db" else (FILES / name).read_bytes()


def source(name: str, data: bytes | None = None) -> SourceFile:
    """A file as the readers take it."""
    return SourceFile(name, file_bytes(name) if data is None else data, name)


def faults_of(read: Callable[[SourceFile], object], given: SourceFile) -> list[str]:
    """Places of the problems of a `DataError`, none without one; whatever else is raised comes through."""
    try:
        read(given)
    except DataError as error:
        return [problem.where if problem.what and problem.todo else "" for problem in error.problems] or [""]
    return []
