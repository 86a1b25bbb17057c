"""A catalogue as one CSV or Parquet file, written piece by piece and seen only when it is whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from mtjfit.errors import ConfigError, Problem
from mtjfit.output import OTHER_FILE, not_written, replacing
from mtjfit.plain import harmless
from mtjfit.wafer.catalogue.schema import WITH_ORIGIN, Row

__all__ = ["export_rows", "refuse_export"]

_FORMATS = (".csv", ".parquet")
_TEXTS = len(WITH_ORIGIN) - 1  # of the columns before the quantities only the flags are no text


def refuse_export(path: Path) -> None:
    """Say no to a file name that `export_rows` could not write, before any work is done.

    Raises
    ------
    ConfigError
        Neither CSV nor Parquet, no such folder, or the reader of Parquet is missing.

    Examples
    --------
    >>> refuse_export(Path("wafer.xlsx"))
    Traceback (most recent call last):
    mtjfit.errors.ConfigError: wafer.xlsx: is neither .csv nor .parquet; give the file one of these endings
    """
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError([Problem(str(path), "is neither .csv nor .parquet", "give the file one of these endings")])
    if not path.parent.is_dir():
        raise ConfigError([Problem(str(path.parent), "there is no such folder", "make it first")])
    if path.suffix.lower() == ".parquet":
        try:
            import_module("pyarrow.parquet")
        except ImportError:
            todo = "pip install 'mtjfit[parquet]', or export .csv"
            raise ConfigError([Problem(str(path), "Parquet needs pyarrow, which is not installed", todo)]) from None


def export_rows(pieces: Iterator[list[Row]], columns: Sequence[str], path: Path) -> int:
    """Write rows of a catalogue; the ending of the file name says in which format.

    CSV holds all digits, nothing where a quantity is not determined, and quotes text that a spreadsheet would run as a
    formula. Memory is that of one piece.

    Parameters
    ----------
    pieces : iterator of lists of tuples
        Columns `WITH_ORIGIN` and the quantities.
    columns : sequence of str
        Names of the quantities in them.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    ConfigError
        As `refuse_export`.
    MtjfitError
        The file cannot be written; an older one of this name is whole then.
    """
    refuse_export(path)
    write = _write_csv if path.suffix.lower() == ".csv" else _write_parquet
    try:
        with replacing(path) as draft:
            return write(pieces, columns, draft)
    except OSError as error:
        raise not_written(path, error, OTHER_FILE) from error


def _write_csv(pieces: Iterator[list[Row]], columns: Sequence[str], path: Path) -> int:
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*WITH_ORIGIN, *columns))
        for piece in pieces:
            writer.writerows([(*(harmless(str(each)) for each in row[:_TEXTS]), *row[_TEXTS:]) for row in piece])
            rows += len(piece)
    return rows


def _write_parquet(pieces: Iterator[list[Row]], columns: Sequence[str], path: Path) -> int:
    pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    types = [*[pa.string()] * _TEXTS, pa.int64(), *[pa.float64()] * len(columns)]
    schema = pa.schema(list(zip((*WITH_ORIGIN, *columns), types, strict=True)))
    rows = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for piece in pieces:
            listed = list(zip(*piece, strict=True))
            texts = [pa.array(each, field.type) for each, field in zip(listed[:_TEXTS], schema, strict=False)]
            numbers = [np.array(each, dtype=float) for each in listed[_TEXTS + 1 :]]  # None is NaN
            arrays = [*texts, pa.array(listed[_TEXTS], pa.int64()), *(pa.array(each) for each in numbers)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += len(piece)
    return rows
