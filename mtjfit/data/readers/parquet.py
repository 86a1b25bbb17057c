"""Parquet tables: names, units from the metadata of the fields, and numbers to the last bit."""

from __future__ import annotations

from typing import Any

from mtjfit.data.readers.sheet import Column, ReadOptions, Sheet, SourceFile, cell_text, needed, split_unit, third_party

_MAGIC = b"PAR1"
_BATCH = 4096


def read_parquet(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """One sheet; places in messages are record numbers. A field's unit is its metadata ``unit`` or ``units``."""
    pyarrow = needed(source, "parquet", "pyarrow", "pyarrow.parquet")
    with third_party(source, "Parquet file", "write it anew, or save the table as CSV"):
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(source.data))
        schema, n = file.schema_arrow, file.metadata.num_rows
        if n * len(schema) > options.max_cells:
            what = f"has {n} records of {len(schema)} fields, more than the limit of {options.max_cells} cells"
            raise source.fault(what, "cut the table or raise max_bytes")
        nested = [each.name for each in schema if pyarrow.types.is_nested(each.type)]
        if nested:
            raise source.fault(f"field {nested[0]!r} holds tables in its cells", "write one number to each cell")
        cells = _cells(source, file, len(schema), options)
        names = [_named(each) for each in schema]
        metadata = {
            _text(k): _text(v) for k, v in (schema.metadata or {}).items() if k not in (b"pandas", b"ARROW:schema")
        }
    if not n:
        raise source.fault("has no rows of data", "give one record per point")
    columns = tuple(Column(name, unit, tuple(texts)) for (name, unit), texts in zip(names, cells, strict=True))
    return (Sheet(source.label, "parquet", columns, tuple(range(1, n + 1)), metadata=metadata),)


def recognises_parquet(source: SourceFile) -> bool:
    """True for the mark at the beginning."""
    return source.data.startswith(_MAGIC)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _named(field: Any) -> tuple[str, str | None]:
    written = {key.lower(): _text(value) for key, value in (field.metadata or {}).items()}
    unit = written.get(b"unit") or written.get(b"units")
    return (field.name, unit) if unit else split_unit(field.name)


def _cells(source: SourceFile, file: Any, width: int, options: ReadOptions) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(width)]
    size = 0
    # Text that repeats is stored once: what it unpacks to is known only batch by batch.
    for batch in file.iter_batches(batch_size=_BATCH):
        size += batch.nbytes
        if size > options.max_bytes:
            raise source.fault(f"unpacks to more than {options.max_bytes} bytes", "cut the table or raise max_bytes")
        for column, values in zip(columns, batch.columns, strict=True):
            column += [cell_text(value) for value in values.to_pylist()]
    return columns
