"""Parquet tables: names, units from the metadata of the fields, and numbers to the last bit."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from mtjfit.data.readers.sheet import (
    Column,
    Decimal,
    ReadOptions,
    Sheet,
    SourceFile,
    Unpacked,
    cell_text,
    declared_decimal,
    needed,
    split_unit,
    third_party,
)

_MAGIC = b"PAR1"
_BATCH = 4096


def read_parquet(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """One sheet; places in messages are record numbers. A field's unit is its metadata ``unit`` or ``units``."""
    pyarrow = needed(source, "parquet", "pyarrow", "pyarrow.parquet")
    with third_party(source, "Parquet file", "write it anew, or save the table as CSV"):
        unpacked = Unpacked(source, options.max_cells, options.max_bytes)
        texts, batch = refuse_parquet(pyarrow.parquet.ParquetFile(pyarrow.BufferReader(source.data)), unpacked)
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(source.data), read_dictionary=texts)
        schema, n = file.schema_arrow, file.metadata.num_rows
        if n * len(schema) > options.max_cells:
            what = f"has {n} records of {len(schema)} fields, more than the limit of {options.max_cells} cells"
            raise source.fault(what, "cut the table or raise max_bytes")
        nested = [each.name for each in schema if pyarrow.types.is_nested(each.type)]
        if nested:
            raise source.fault(f"field {nested[0]!r} holds tables in its cells", "write one number to each cell")
        cells = _cells(file, len(schema), unpacked, batch, declared_decimal(options))
        if any(len(each) != n for each in cells):
            raise source.fault(f"says that it has {n} records, and holds more or fewer", "write it anew")
        names = [name_and_unit(each) for each in schema]
        metadata = {
            _text(k): _text(v) for k, v in (schema.metadata or {}).items() if k not in (b"pandas", b"ARROW:schema")
        }
    if not n:
        raise source.fault("has no rows of data", "give one record per point")
    columns = tuple(Column(name, unit, tuple(texts)) for (name, unit), texts in zip(names, cells, strict=True))
    lines, decimal = tuple(range(1, n + 1)), declared_decimal(options)
    return (Sheet(source.label, "parquet", columns, lines, metadata=metadata, decimal=decimal),)


def recognises_parquet(source: SourceFile) -> bool:
    """True for the mark at the beginning, unless it begins a text."""
    return source.data.startswith(_MAGIC) and b"\0" in source.data


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def name_and_unit(field: Any) -> tuple[str, str | None]:
    """Name of a field, and its unit: that of its metadata, else the one in brackets at the end of its name."""
    written = {key.lower(): _text(value) for key, value in (field.metadata or {}).items()}
    unit = written.get(b"unit") or written.get(b"units")
    return (field.name, unit) if unit else split_unit(field.name)


def refuse_parquet(file: Any, unpacked: Unpacked) -> tuple[list[str], int]:
    """Columns of text, to be read as dictionaries, and how many rows to read at once, from the metadata of a file.

    DataError where columns are said to unpack to too much; text that repeats is stored once, whole or its beginning.
    """
    described = file.metadata
    columns = [described.schema.column(k) for k in range(len(described.schema))]
    unpacked.add(0, sum(described.num_rows * max(each.length, 0) for each in columns
                        if each.physical_type == "FIXED_LEN_BYTE_ARRAY"))  # fmt: skip
    for group in map(described.row_group, range(described.num_row_groups)):
        unpacked.add(0, max(group.total_byte_size, 0))
    beginnings = shared_beginnings(file)
    texts = [each.path for each in columns if each.physical_type == "BYTE_ARRAY" and each.path not in beginnings]
    return texts, min(_BATCH, max(1, unpacked.most_characters // max(beginnings.values(), default=1)))


def shared_beginnings(file: Any) -> dict[str, int]:
    """Bytes of each column of text whose cells hold only what differs from the cell before: each may be as long."""
    found: dict[str, int] = {}
    for k in range(file.metadata.num_row_groups):
        # Where statistics of a column are damaged, this raises; asking for the column's metadata would end Python.
        next(file.iter_batches(1, row_groups=[k], use_threads=False), None)
    for group in map(file.metadata.row_group, range(file.metadata.num_row_groups)):
        for each in map(group.column, range(group.num_columns)):
            if "DELTA_BYTE_ARRAY" in each.encodings:
                found[each.path_in_schema] = max(1, each.total_uncompressed_size, found.get(each.path_in_schema, 0))
    return found


def _cells(file: Any, width: int, unpacked: Unpacked, batch_size: int, decimal: Decimal) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(width)]
    unpacked = replace(unpacked, characters=0)
    for batch in file.iter_batches(batch_size=batch_size):
        for column, values in zip(columns, batch.columns, strict=True):
            unpacked.add(0, expanded_size(values))
            column += [cell_text(value, decimal) for value in values.to_pylist()]
    return columns


def expanded_size(values: Any) -> int:
    """Bytes of the text of a column, each repetition counted; 0 for numbers."""
    types, compute = import_module("pyarrow.types"), import_module("pyarrow.compute")
    is_packed = types.is_dictionary(values.type)
    kind = values.type.value_type if is_packed else values.type
    if not any(fits(kind) for fits in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)):
        return 0
    lengths = compute.binary_length(values.dictionary if is_packed else values)
    return int(compute.sum(lengths.take(values.indices) if is_packed else lengths).as_py() or 0)
