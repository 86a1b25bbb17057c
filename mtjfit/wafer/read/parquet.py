"""Tables as Parquet, read by record batches; of skipped chunks only the names are read."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from mtjfit.data.column_names import ColumnNames
from mtjfit.data.column_units import checked_unit
from mtjfit.data.origin import metadata_comments
from mtjfit.data.readers.parquet import name_and_unit, shared_beginnings
from mtjfit.data.readers.sheet import SourceFile, needed, third_party
from mtjfit.data.tidy import REPEATED
from mtjfit.errors import ProblemLog
from mtjfit.input import opened
from mtjfit.wafer.declaration import WaferStudy
from mtjfit.wafer.read.blocks import Numbers, RowBlock, Runs
from mtjfit.wafer.read.chunk import NAMES, TableSaid, in_units

_MAGIC = b"PAR1"
_BATCH = 2**16
_LONGEST_NAME = 1000
_TODO = "write it anew, or save the table as CSV"


def is_parquet(study: WaferStudy) -> bool:
    """True where the table is declared to be Parquet, or begins with its mark."""
    if study.declaration.format.reader:
        return study.declaration.format.reader == "parquet"
    with opened(study.table) as file:
        return file.read(len(_MAGIC)) == _MAGIC


def parquet_blocks(study: WaferStudy) -> Iterator[RowBlock]:
    """Blocks of the rows of a Parquet table; lines are record numbers.

    DataError if file or columns cannot be used as declared, or the extra ``parquet`` is not installed.
    """
    source = SourceFile(str(study.table), b"")
    parquet = needed(source, "parquet", "pyarrow.parquet", "pyarrow")
    with opened(study.table) as stream, third_party(source, "Parquet table", _TODO):
        schema = parquet.read_schema(stream)
        fields, _ = _fields(study, schema, source)
        names = {role: name for role, name in fields.items() if role in NAMES}
        numbers = {role: name for role, name in fields.items() if role not in NAMES}
        beginnings = shared_beginnings(parquet.ParquetFile(stream))
        longest = max((beginnings.get(name, 1) for name in names.values()), default=1)
        at_once = min(_BATCH, max(1, study.wafer.memory_bytes // longest))
        text = [name for name in names.values()
                if str(schema.field(name).type) in ("string", "large_string") and name not in beginnings]  # fmt: skip
        with parquet.ParquetFile(stream, read_dictionary=text, buffer_size=2**20) as file:
            total, line = file.metadata.num_rows, 0
            if not total:
                raise source.fault("has no rows of data", "give one record per point")
            for group in range(file.metadata.num_row_groups):
                rows = _Numbers(file, group, numbers, study)
                for n, runs in _names(file, group, names, at_once):
                    yield RowBlock(line + 1 + np.arange(n), runs, rows.next(n), (), (line + n) / total)
                    line += n


def parquet_said(study: WaferStudy) -> TableSaid:
    """What the metadata of a Parquet table say of origin and units; raises DataError as `parquet_blocks`."""
    source = SourceFile(str(study.table), b"")
    parquet = needed(source, "parquet", "pyarrow.parquet", "pyarrow")
    with opened(study.table) as stream, third_party(source, "Parquet table", _TODO):
        schema = parquet.read_schema(stream)
        notes = _fields(study, schema, source)[1]
    metadata = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in (schema.metadata or {}).items()}
    return TableSaid(metadata_comments(metadata), notes)


def _fields(study: WaferStudy, schema: Any, source: SourceFile) -> tuple[dict[str, str], tuple[str, ...]]:
    """Name of the field of each role, its type and unit checked, and notes on units."""
    kinds = import_module("pyarrow.types")
    log, notes = ProblemLog(source.label), []
    fields = {}
    names = ColumnNames(tuple(map(name_and_unit, schema)))
    for role, column in study.reading.columns.roles().items():
        places = names.places(column)
        if len(places) != 1:
            log.add(*names.fault(column, role), None, column)
            continue
        field = schema.field(places[0])
        fields[role] = field.name
        is_number = kinds.is_floating(field.type) or kinds.is_integer(field.type) or kinds.is_decimal(field.type)
        if schema.names.count(field.name) > 1:
            log.add("shares its name with another field", REPEATED, None, column)
        elif role not in NAMES and not is_number:
            log.add(f"holds {field.type}, not numbers", "write it as floating-point numbers", None, column)
        elif role in NAMES and kinds.is_fixed_size_binary(field.type):
            log.add(f"holds {field.type}, not names", "write it as text", None, column)
        else:
            notes.append(checked_unit(role, column, names.columns[places[0]][1], study.reading, source.label, log))
    for column, fault in names.twice(study.reading.columns.roles()):
        log.add(*fault, None, column)
    log.refuse()
    return fields, tuple(filter(None, notes))


def _names(file: Any, group: int, names: dict[str, str], at_once: int) -> Iterator[tuple[int, dict[str, Runs]]]:
    """Number of rows and runs of names of each batch of a row group."""
    if not names:
        rows = file.metadata.row_group(group).num_rows
        yield from ((min(_BATCH, rows - k), {}) for k in range(0, rows, _BATCH))
        return
    columns = list(dict.fromkeys(names.values()))
    for batch in file.iter_batches(at_once, use_threads=False, row_groups=[group], columns=columns):
        yield batch.num_rows, {role: _runs(batch.column(name)) for role, name in names.items()}


def _runs(column: Any) -> Runs:
    pa, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    if pa.types.is_string(column.dictionary.type) or pa.types.is_large_string(column.dictionary.type):
        longest = compute.max(compute.utf8_length(column.dictionary)).as_py()
        if longest is not None and longest > _LONGEST_NAME:
            raise ValueError(f"a name has more than {_LONGEST_NAME} letters")
    codes = column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    start = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: codes.size])
    each = codes[start]
    words = column.dictionary.take(pa.array(np.maximum(each, 0))).to_pylist() if len(column.dictionary) else []
    return Runs(start, ["" if k < 0 else str(word or "").strip() for k, word in zip(each, words or each, strict=True)])


class _Numbers:
    """Numbers of a row group in pieces, read in order and on demand."""

    def __init__(self, file: Any, group: int, numbers: dict[str, str], study: WaferStudy):
        self.study, self.numbers = study, numbers
        columns = list(dict.fromkeys(numbers.values()))
        self.batches: Iterator[Any] = file.iter_batches(_BATCH, use_threads=False, row_groups=[group], columns=columns)
        self.rest: list[Any] = []
        self.passed = self.at = 0

    def next(self, n: int) -> Any:
        """A function that reads the next n rows."""
        begin, self.at = self.at, self.at + n
        return lambda: self._read(begin, n)

    def _read(self, begin: int, n: int) -> Numbers:
        self._take(begin - self.passed)
        parts = self._take(n)
        self.passed = begin + n
        double, found = import_module("pyarrow").float64(), {}
        for role, name in self.numbers.items():
            columns = [part.column(name).cast(double).to_numpy(zero_copy_only=False) for part in parts]
            found[role] = in_units(role, np.concatenate(columns), self.study.declaration)
        return found, []

    def _take(self, n: int) -> list[Any]:
        parts = []
        while n > 0:
            batch = self.rest.pop() if self.rest else next(self.batches)
            if batch.num_rows > n:
                self.rest.append(batch.slice(n))
                batch = batch.slice(0, n)
            parts.append(batch)
            n -= batch.num_rows
        return parts
