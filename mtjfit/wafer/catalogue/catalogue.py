"""The catalogue of reduced devices, an SQLite file that is written chunk by chunk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.cards import ShownAsCard
from mtjfit.data.origin import to_json
from mtjfit.errors import DataError, Problem
from mtjfit.wafer.catalogue.files import discard_if_empty
from mtjfit.wafer.catalogue.queries import Queries
from mtjfit.wafer.catalogue.schema import (
    OF_DEVICE,
    Configuration,
    Row,
    Source,
    changed,
    connect,
    device_columns,
    quoted,
    transaction,
)

if TYPE_CHECKING:
    from mtjfit.wafer.reduce.reduced import Reduced


def open_catalogue(path: str | Path, *, write: bool = False) -> Catalogue:
    """Open a catalogue, to be closed again or used in a ``with`` block.

    Several processes of one computer may read and write it at once: SQLite's write-ahead log needs memory that they
    share. Keep no catalogue on a network drive while it is written.

    Parameters
    ----------
    write : bool
        Make the file where there is none, and allow writing. False: the file, which may be write-protected, is only
        changed to bring the tables of an earlier version up to date.

    Raises
    ------
    DataError
        There is no such file, it is damaged, it is no catalogue, or a later mtjfit wrote it.
    MtjfitError
        It cannot be opened, or its file system cannot hold a catalogue.

    Examples
    --------
    >>> open_catalogue("nowhere.db")
    Traceback (most recent call last):
    mtjfit.errors.DataError: nowhere.db: there is no such catalogue; make it with mtjfit batch
    """
    path = Path(path)
    connection, new = connect(path, write=write)
    return Catalogue(path, connection, new)


@dataclass(frozen=True, eq=False)
class Catalogue(ShownAsCard, Queries):
    """Reduced devices by configuration, wafer and name; `open_catalogue` opens one.

    A *configuration* is all that changes numbers: declarations, amplitudes, version of the model. Where a catalogue
    holds several, queries need the beginning of a fingerprint; configurations are never mixed.
    """

    is_new: bool = False  #: by this opening; if its block ends early and without devices, the file is deleted

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None and self.is_new:
            discard_if_empty(self.connection, self.path)
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def begin(self, configuration: Configuration, name: str, identity: str, chunk_size: int) -> Source:
        """The table of content `identity` under a configuration, known or new; `name` is its path.

        DataError if it is known with other content, MtjfitError if the catalogue cannot be written.
        """
        _refuse_names(configuration.columns)
        with transaction(self.connection, self.path) as connection:
            number = _configuration(connection, configuration)
            _add_columns(connection, configuration.columns)
            known = "SELECT id, name, chunk_size FROM sources WHERE configuration = ? AND identity = ?"
            for place, begun, size in self._all("ITI", known, number, identity):
                if size < 1:
                    raise changed(self.path, "column 'chunk_size'", f"it holds {size}")
                return Source(place, configuration, begun, identity, size)
            _refuse_changed(connection, self.path, number, name)
            made = connection.execute(
                "INSERT INTO sources (configuration, name, identity, chunk_size, begun_at) VALUES (?, ?, ?, ?, ?)",
                (number, name, identity, chunk_size, _now()),
            )
            return Source(int(made.lastrowid or 0), configuration, name, identity, chunk_size)

    def write(self, source: Source, reduced: Reduced) -> None:
        """Write a chunk of a table, whole or not at all, in place of an earlier one of its number.

        DataError if another chunk or table has a device of the same name and wafer, MtjfitError if the catalogue cannot
        be written; it is as it was.
        """
        columns = (*OF_DEVICE, *source.configuration.columns)
        names, marks = ", ".join(map(quoted, columns)), ", ".join("?" * len(columns))
        key = (source.id, reduced.number)
        with transaction(self.connection, self.path) as connection:
            configuration = _number(connection, source)
            for table, number in (("devices", "chunk"), ("faults", "chunk"), ("chunks", "number")):
                connection.execute(f"DELETE FROM {table} WHERE source = ? AND {number} = ?", key)  # noqa: S608 - from here
            insert = f"INSERT INTO devices ({names}) VALUES ({marks})"  # noqa: S608 - quoted above
            try:
                connection.executemany(insert, _rows(configuration, source, reduced))
            except sqlite3.IntegrityError as error:
                raise _twice(connection, self.path, source, reduced) from error
            faults = [
                (*key, place, each.device, each.wafer, each.split, each.where, each.what, each.todo)
                for place, each in enumerate(reduced.faults)
            ]
            connection.executemany("INSERT INTO faults VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", faults)
            chunk = (*key, len(reduced.device), _now(), to_json(reduced.origins))
            connection.execute("INSERT INTO chunks VALUES (?, ?, ?, ?, ?)", chunk)

    def forget(self, source: Source) -> None:
        """Remove a table and its devices; MtjfitError if the catalogue cannot be written."""
        with transaction(self.connection, self.path) as connection:
            for table in ("devices", "faults", "chunks"):
                connection.execute(f"DELETE FROM {table} WHERE source = ?", (source.id,))  # noqa: S608 - from here
            connection.execute("DELETE FROM sources WHERE id = ?", (source.id,))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _rows(configuration: int, source: Source, reduced: Reduced) -> list[Row]:
    """One tuple for each device, in the order of the columns."""
    J = len(reduced.device)
    blobs = [row.tobytes() for row in np.ascontiguousarray(reduced.sums, dtype="<f8")]
    own = ([configuration] * J, reduced.device, reduced.wafer, reduced.split, [source.id] * J, [reduced.number] * J,
           range(J), np.asarray(reduced.flags).tolist(), blobs)  # fmt: skip
    values = (np.asarray(reduced.values[name], dtype=float).tolist() for name in source.configuration.columns)
    return list(zip(*own, *values, strict=True))


def _configuration(connection: sqlite3.Connection, configuration: Configuration) -> int:
    found = connection.execute(
        "SELECT id FROM configurations WHERE fingerprint = ?", (configuration.fingerprint,)
    ).fetchone()
    if found:
        return int(found[0])
    own = configuration.columns, dict(configuration.units), dict(configuration.flags)
    texts = [json.dumps(each, ensure_ascii=False) for each in own]
    made = connection.execute(
        "INSERT INTO configurations (fingerprint, study, begun_at, columns, units, flags) VALUES (?, ?, ?, ?, ?, ?)",
        (configuration.fingerprint, configuration.study, _now(), *texts),
    )
    return int(made.lastrowid or 0)


def _number(connection: sqlite3.Connection, source: Source) -> int:
    found = connection.execute("SELECT configuration FROM sources WHERE id = ?", (source.id,)).fetchone()
    if found is None:
        raise ValueError(f"source {source.id} is not in this catalogue")
    return int(found[0])


def _add_columns(connection: sqlite3.Connection, columns: Sequence[str]) -> None:
    known = device_columns(connection)
    for name in columns:
        if name not in known:
            connection.execute(f"ALTER TABLE devices ADD COLUMN {quoted(name)} REAL")


def _refuse_names(columns: Sequence[str]) -> None:
    """SQLite does not tell names apart by case."""
    seen = {name.casefold() for name in OF_DEVICE}
    for name in columns:
        quoted(name)
        if name.casefold() in seen:
            raise ValueError(f"{name!r} stands twice among the columns of a catalogue")
        seen.add(name.casefold())


def _refuse_changed(connection: sqlite3.Connection, path: Path, configuration: int, name: str) -> None:
    # A table that was refused before any of its devices was written may be mended.
    connection.execute(
        "DELETE FROM sources WHERE configuration = ? AND name = ? AND id NOT IN (SELECT source FROM chunks)",
        (configuration, name),
    )
    found = connection.execute(
        "SELECT begun_at FROM sources WHERE configuration = ? AND name = ?", (configuration, name)
    ).fetchone()
    if found:
        what = f"has changed since {path} began to hold its devices ({found[0]})"
        todo = "name another catalogue with --output, or put the table back as it was"
        raise DataError([Problem(name, what, todo)])


def _twice(connection: sqlite3.Connection, path: Path, source: Source, reduced: Reduced) -> DataError:
    """Devices of a chunk that were in the catalogue, or are twice in the chunk."""
    problems, seen = [], set()
    todo = "a device has one name on its wafer: declare the column of wafers, or name another catalogue"
    for device, wafer in zip(reduced.device, reduced.wafer, strict=True):
        found = connection.execute(
            "SELECT name FROM devices JOIN sources ON sources.id = source "
            "WHERE devices.configuration = ? AND wafer = ? AND device = ? AND NOT (source = ? AND chunk = ?)",
            (_number(connection, source), wafer, device, source.id, reduced.number),
        ).fetchone()
        where = found[0] if found else "this chunk" if (device, wafer) in seen else ""
        seen.add((device, wafer))
        if where:
            named = f"device {device!r}" + (f" of wafer {wafer!r}" if wafer else "")
            problems.append(Problem(str(path), f"{named} came before, from {where}", todo))
    return DataError(problems[:10])
