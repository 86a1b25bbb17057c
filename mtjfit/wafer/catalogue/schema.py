"""The tables of a catalogue and their rows: a file of an earlier version takes the steps that it lacks."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mtjfit.errors import DataError, Problem

__all__ = [
    "ABOUT",
    "APPLICATION",
    "OF_DEVICE",
    "VERSION",
    "WITH_ORIGIN",
    "Configuration",
    "Row",
    "Source",
    "Tally",
    "migrate",
    "quoted",
    "refuse_foreign",
    "value_columns",
]

Row: TypeAlias = tuple[Any, ...]
"""One row of SQLite: the type of each column is in the statement."""

ABOUT = ("device", "wafer", "split", "flags")
"""Columns of every frame, before the quantities."""
WITH_ORIGIN = ("device", "wafer", "split", "origin", "flags")
"""The same in exported files, which travel alone."""

APPLICATION = 0x4D544A66
"""In the header of the file, so that no other SQLite file is taken for a catalogue: MTJf."""

OF_DEVICE = ("configuration", "device", "wafer", "split", "source", "chunk", "place", "flags", "sums")
"""Columns of `devices` that every configuration has; the others hold the quantities of the configurations."""

# A step is never changed once a version with it was released: files hold what it was.
_STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE configurations (
            id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, study TEXT NOT NULL, columns TEXT NOT NULL,
            begun_at TEXT NOT NULL)""",
        """CREATE TABLE sources (
            id INTEGER PRIMARY KEY, configuration INTEGER NOT NULL REFERENCES configurations (id),
            name TEXT NOT NULL, identity TEXT NOT NULL, chunk_size INTEGER NOT NULL, begun_at TEXT NOT NULL,
            UNIQUE (configuration, identity))""",
        """CREATE TABLE chunks (
            source INTEGER NOT NULL REFERENCES sources (id), number INTEGER NOT NULL, devices INTEGER NOT NULL,
            done_at TEXT NOT NULL, PRIMARY KEY (source, number)) WITHOUT ROWID""",
        """CREATE TABLE devices (
            configuration INTEGER NOT NULL REFERENCES configurations (id), device TEXT NOT NULL, wafer TEXT NOT NULL,
            split TEXT NOT NULL, source INTEGER NOT NULL REFERENCES sources (id), chunk INTEGER NOT NULL,
            place INTEGER NOT NULL, flags INTEGER NOT NULL, sums BLOB NOT NULL,
            UNIQUE (configuration, wafer, device))""",
        "CREATE INDEX devices_in_order ON devices (source, chunk, place)",
        """CREATE TABLE faults (
            source INTEGER NOT NULL REFERENCES sources (id), chunk INTEGER NOT NULL, place INTEGER NOT NULL,
            device TEXT NOT NULL, wafer TEXT NOT NULL, split TEXT NOT NULL, at TEXT NOT NULL, what TEXT NOT NULL,
            todo TEXT NOT NULL, PRIMARY KEY (source, chunk, place)) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE configurations ADD COLUMN units TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE configurations ADD COLUMN flags TEXT NOT NULL DEFAULT '{}'",
        "CREATE INDEX devices_by_split ON devices (configuration, split)",
    ),
    ("ALTER TABLE chunks ADD COLUMN origins TEXT NOT NULL DEFAULT ''",),
)

VERSION = len(_STEPS)
"""Of the tables that this program writes; ``PRAGMA user_version`` of the file."""


@dataclass(frozen=True)
class Configuration:
    """How devices were reduced: devices of two configurations never stand in one table of results.

    Attributes
    ----------
    fingerprint : str
        sha256 of all that changes numbers.
    columns : tuple of str
        Names of the quantities of each device, in order.
    units : mapping
        Unit of a quantity; those without one may be missing.
    flags : mapping of str to int
        Bits of the column `flags`.
    study : str
        Text of the study file.
    """

    fingerprint: str
    columns: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    study: str = ""


@dataclass(frozen=True)
class Source:
    """A table of measured devices under one configuration.

    Attributes
    ----------
    id : int
        In this catalogue.
    name : str
        Where the table was when it was begun.
    identity : str
        sha256 of its content.
    chunk_size : int
        Devices in a chunk: the numbers of chunks mean nothing without it.
    """

    id: int
    configuration: Configuration
    name: str
    identity: str
    chunk_size: int


@dataclass(frozen=True)
class Tally:
    """How many devices of a table are in the catalogue.

    Attributes
    ----------
    devices : int
        Reduced.
    faults : int
        That could not be used.
    flags : mapping of int to int
        Reduced devices by the value of their column `flags`.
    """

    devices: int
    faults: int
    flags: Mapping[int, int]

    @property
    def all(self) -> int:
        """Devices of the table so far, usable or not."""
        return self.devices + self.faults


def quoted(name: str) -> str:
    """A name for SQL, whatever letters it has; values never get into SQL, they are parameters.

    Examples
    --------
    >>> quoted("|kappa|·a1"), quoted('x" REAL); DROP TABLE devices; --')
    ('"|kappa|·a1"', '"x"" REAL); DROP TABLE devices; --"')
    """
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is no name of a column")
    return '"' + name.replace('"', '""') + '"'


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> int:
    """Version of the tables of a catalogue; 0 for an empty file.

    Raises
    ------
    DataError
        The file is no catalogue, or one of a later version.
    sqlite3.Error
        It cannot be read, or is no SQLite file.
    """
    own = not connection.in_transaction
    if own:  # another process may be making the file: all three are to be of one moment
        connection.execute("BEGIN")
    try:
        application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
        blank = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    finally:
        if own:
            connection.execute("ROLLBACK")
    if application == 0 and version == 0 and blank:
        return 0
    if application != APPLICATION:
        raise DataError([Problem(str(path), "is an SQLite file of another program", "name another file")])
    if version > VERSION:
        raise DataError(
            [Problem(str(path), f"was written by a later mtjfit (version {version} of the tables; this one knows "
                                f"{VERSION})", "update mtjfit")]
        )  # fmt: skip
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an empty file, or a catalogue of an earlier version, to the tables of today, in one transaction.

    Raises
    ------
    DataError
        As `refuse_foreign`.
    sqlite3.Error
        It cannot be written; the file is as it was.
    """
    if refuse_foreign(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in _STEPS[refuse_foreign(connection, path) :]:  # another process may have been quicker
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def value_columns(connection: sqlite3.Connection) -> set[str]:
    """Names of the quantities that `devices` has columns for."""
    names = {str(row[1]) for row in connection.execute("PRAGMA table_info(devices)")}
    return names - set(OF_DEVICE)
