"""The readers by name, the one that a file needs, and its sheets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from mtjfit.data.format import MAX_BYTES
from mtjfit.data.readers.excel import read_excel, recognises_excel
from mtjfit.data.readers.hdf5_tables import read_hdf5, recognises_hdf5
from mtjfit.data.readers.labview import read_labview, recognises_labview
from mtjfit.data.readers.matlab import read_matlab, recognises_matlab
from mtjfit.data.readers.netcdf import read_netcdf, recognises_netcdf
from mtjfit.data.readers.packed import unpacked, unpacked_head
from mtjfit.data.readers.parquet import read_parquet, recognises_parquet
from mtjfit.data.readers.pymeasure import read_pymeasure, recognises_pymeasure
from mtjfit.data.readers.qcodes import read_qcodes, recognises_qcodes
from mtjfit.data.readers.quantum_design import read_quantum_design, recognises_quantum_design
from mtjfit.data.readers.reader import Reader, installed_readers
from mtjfit.data.readers.sheet import ReadOptions, Sheet, SourceFile
from mtjfit.data.readers.tdms import read_tdms, recognises_tdms
from mtjfit.data.readers.text import NO_ROWS, read_origin, read_tidy, read_wide, recognises_origin, recognises_wide
from mtjfit.data.readers.webplotdigitizer import read_webplotdigitizer, recognises_webplotdigitizer
from mtjfit.errors import ConfigError, DataError, Problem, did_you_mean
from mtjfit.input import read_bytes
from mtjfit.text import counted
from mtjfit.toml import toml_string

_LISTED = 10
_OF_ANYTHING = ("qcodes",)  # files whose parts need not belong together: those that cannot be read are named


_BUILT_IN = (
    Reader("excel", "Excel workbook", recognises_excel, read_excel),
    Reader("parquet", "Parquet table", recognises_parquet, read_parquet),
    Reader("qcodes", "QCoDeS database", recognises_qcodes, read_qcodes),
    Reader("hdf5", "tables in HDF5", recognises_hdf5, read_hdf5),
    Reader("netcdf", "netCDF file", recognises_netcdf, read_netcdf),
    Reader("matlab", "MATLAB file", recognises_matlab, read_matlab),
    Reader("tdms", "LabVIEW TDMS file", recognises_tdms, read_tdms),
    Reader("pymeasure", "PyMeasure results", recognises_pymeasure, read_pymeasure),
    Reader("lvm", "LabVIEW text file", recognises_labview, read_labview),
    Reader("quantum_design", "Quantum Design file", recognises_quantum_design, read_quantum_design),
    Reader("webplotdigitizer", "WebPlotDigitizer export", recognises_webplotdigitizer, read_webplotdigitizer),
    Reader("origin", "table with several header lines (Origin)", recognises_origin, read_origin),
    Reader("wide", "wide table with repeating names", recognises_wide, read_wide),
    Reader("tidy", "tidy table", lambda source: True, read_tidy),
)


class _Readers(Mapping[str, Reader]):
    """Found on first use: packages that bring readers import this one."""

    @cached_property
    def _by_name(self) -> dict[str, Reader]:
        installed = installed_readers([reader.name for reader in _BUILT_IN])
        return {reader.name: reader for reader in (*installed, *_BUILT_IN)}

    def __getitem__(self, name: str) -> Reader:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


READERS: Mapping[str, Reader] = _Readers()
"""Readers by name, in the order in which they are asked whether a file is theirs: those of other packages first (see
`mtjfit.data.readers.reader`); the last takes anything."""


def reader_named(name: str) -> Reader:
    """The reader of this name; ConfigError for an unknown one."""
    if name not in READERS:
        raise ConfigError([Problem("format.reader", f"is {name!r}", did_you_mean(name, READERS))])
    return READERS[name]


def read_source(path: str | Path, label: str = "", max_bytes: int = MAX_BYTES) -> SourceFile:
    """The bytes of a file; DataError where it cannot be read, is too large, or is still being written.

    In messages it is called `label`; the path as given if empty.
    """
    path = Path(path)
    label = label or str(path)
    data = read_bytes(path, label, max_bytes)
    journal = path.with_name(path.name + "-wal")
    if recognises_qcodes(SourceFile(label, data)) and journal.is_file() and journal.stat().st_size:
        what = f"has results in {journal.name} that are not in the file itself yet"
        raise DataError([Problem(label, what, "close the program that measures, then read it")])
    return SourceFile(label, data, path.name)


def recognised_in(source: SourceFile) -> Reader:
    """The reader that a file seems to need."""
    head = unpacked_head(source)
    return next(reader for reader in READERS.values() if reader.recognises(head))


def sheets_from_bytes(source: SourceFile, reader: str = "", options: ReadOptions | None = None) -> tuple[Sheet, ...]:
    """The sheets in the bytes of a file; otherwise like `read_sheet`."""
    found = reader_named(reader) if reader else recognised_in(source)
    parts = sheets_with_problems(source, found, options)
    sheets, faulty = [part for part in parts if not part.problems], [part for part in parts if part.problems]
    refused = [] if sheets and found.name in _OF_ANYTHING else faulty
    if sheets and options is not None and options.is_pattern:  # a workbook may hold a sheet of notes, too
        refused = [part for part in refused if any(problem.what != NO_ROWS for problem in part.problems)]
    problems = list(dict.fromkeys(problem for part in refused for problem in part.problems))
    if problems:
        raise DataError([*problems, *one_alone(source.label, sheets)])
    unread = tuple(f"{part.label.rpartition('[')[2].rstrip(']')} is not read: {each.what}; {each.todo}"
                   for part in faulty for each in part.problems)  # fmt: skip
    noted = () if reader else (f"read as {found.says}",)
    return tuple(replace(sheet, unread=unread, notes=(*noted, *sheet.notes)) for sheet in sheets)


def one_alone(label: str, sheets: Iterable[Sheet]) -> Iterator[Problem]:
    """How to read one of the parts of a file that can be read, where others cannot."""
    if whole := list(dict.fromkeys(toml_string(sheet.part) for sheet in sheets if sheet.part)):
        todo = f"to read one of them alone, set sheet = {' or '.join(whole[:_LISTED])}"
        yield Problem(label, f"has {counted(len(whole), 'part')} that can be read", todo)


def sheets_with_problems(source: SourceFile, reader: Reader, options: ReadOptions | None = None) -> tuple[Sheet, ...]:
    """Like `sheets_from_bytes`, with parts that cannot be read among them: `Sheet.problems` say why."""
    options = options or ReadOptions()
    several = replace(options, sheet="") if options.is_pattern else options
    try:
        sheets = reader.read(unpacked(source, options.max_bytes), several)
    except MemoryError:
        raise source.fault("does not fit into memory", "cut the file") from None
    return _fitting(source, sheets, options.sheet) if options.is_pattern else sheets


def _fitting(source: SourceFile, sheets: Sequence[Sheet], pattern: str) -> tuple[Sheet, ...]:
    """The parts of a file whose names fit a pattern; DataError where there are none."""
    if not all(sheet.part for sheet in sheets):
        raise source.fault(f"has no parts that sheet = {toml_string(pattern)} may name", "remove it")
    found = tuple(each for each in sheets if fnmatchcase(each.part.strip("/"), pattern.strip("/")))
    if not found:
        parts = list(dict.fromkeys(each.part for each in sheets))
        raise source.fault(f"has no part that fits {pattern!r}", did_you_mean(pattern, parts))
    return found


def read_sheet(
    path: str | Path, reader: str = "", *, label: str = "", max_bytes: int = MAX_BYTES, **options: Any
) -> tuple[Sheet, ...]:
    """The sheets of a file: one as a rule, several where it holds several tables.

    Parameters
    ----------
    reader : str
        Name of a reader; empty: the one that the file seems to need, which is noted.
    label : str
        Name of the file in messages; the path as given if empty.
    max_bytes : int
        Larger files, and files that unpack to more, are refused.
    **options
        Of `ReadOptions`.

    Raises
    ------
    DataError
        With file and line of each fault; ConfigError where there is no such reader.
    """
    source = read_source(path, label, max_bytes)
    return sheets_from_bytes(source, reader, ReadOptions(max_bytes=max_bytes, **options))
