"""The SQLite file of a catalogue: its tables, which earlier versions are brought up to, connections and errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mtjfit.errors import DataError, MtjfitError, Problem
from mtjfit.output import make_empty, refuse_file
from mtjfit.wafer.catalogue.files import discard_if_empty, identity_of, refuse_beside, sqlite_uri

Row: TypeAlias = tuple[Any, ...]
"""One row of SQLite: the type of each column is in the statement."""

_APPLICATION = 0x4D544A66

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
"""Version of the tables that this program writes; ``PRAGMA user_version`` of the file."""


@dataclass(frozen=True)
class Configuration:
    """Declarations under which devices were reduced; devices of two configurations are never mixed."""

    fingerprint: str  #: sha256 of all that changes numbers
    columns: tuple[str, ...]  #: quantities of each device, in order
    units: Mapping[str, str] = field(default_factory=dict)  #: of quantities; pure numbers may be missing
    flags: Mapping[str, int] = field(default_factory=dict)  #: bits of the column `flags`
    study: str = ""  #: text of the study file


@dataclass(frozen=True)
class Source:
    """A table of measured devices under one configuration."""

    id: int  #: in this catalogue
    configuration: Configuration
    name: str  #: path of the table when it was begun
    identity: str  #: sha256 of its content
    chunk_size: int  #: devices in a chunk, to which the numbers of chunks refer


@dataclass(frozen=True)
class Tally:
    """Numbers of devices of a table in the catalogue: reduced, unusable, and reduced ones by their bits of flags."""

    devices: int
    faults: int
    flags: Mapping[int, int]

    @property
    def all(self) -> int:
        """Devices of the table so far, usable and unusable."""
        return self.devices + self.faults


def quoted(name: str) -> str:
    """A name for SQL, whatever characters it has; values are always parameters."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is no name of a column")
    return '"' + name.replace('"', '""') + '"'


def device_columns(connection: sqlite3.Connection) -> list[str]:
    """Columns of the table of devices, in order."""
    return [str(row[1]) for row in connection.execute("PRAGMA table_xinfo(devices)")]


def _objects(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Kind, name, table and definition of everything in the file."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")
    return {tuple(" ".join(str(each).split()) for each in row) for row in rows}


def _refuse_foreign(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """DataError unless the file holds exactly what mtjfit makes: views and triggers run whatever their maker wrote."""
    found = _objects(connection)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as blank:
        for statement in (each for step in _STEPS[:version] for each in step):
            blank.execute(statement)
        for name in device_columns(connection)[len(OF_DEVICE) :]:
            blank.execute(f"ALTER TABLE devices ADD COLUMN {quoted(name)} REAL")
        ours = _objects(blank)
    if found != ours:
        named = ", ".join(sorted({f"{kind} {name[:60]!r}" for kind, name, *_ in found ^ ours})[:5])
        what = f"holds other tables, views or triggers than mtjfit made ({named})"
        raise DataError([Problem(str(path), what, _ANEW)])


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Version of the tables of a catalogue, 0 for an empty file; DataError for other files, later versions, and tables
    that are not those of their version.
    """
    own = not connection.in_transaction
    if own:  # another process may be making the file: all three are read in one transaction
        connection.execute("BEGIN")
    try:
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if application == 0 and version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return 0
        if application != _APPLICATION:
            raise DataError([Problem(str(path), "is an SQLite file of another program", "name another file")])
        if version > VERSION:
            what = f"was written by a later mtjfit (version {version} of the tables; this one knows {VERSION})"
            raise DataError([Problem(str(path), what, "update mtjfit")])
        _refuse_foreign(connection, path, version)
        return version
    finally:
        if own:
            roll_back(connection)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an empty file, or a catalogue of an earlier version, to the tables of today, in one transaction."""
    with transaction(connection, path):
        for step in _STEPS[_version(connection, path) :]:  # another process may have been quicker
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


_PATIENCE = 60.0  # seconds that a writer waits for another one; a chunk takes it a fraction of one
_RETRY = 0.05
_MAX_BYTES = 2**21  # of one value: the text of a study has a megabyte at most

_LOCAL = "on a network drive keep the catalogue on a local disk, and copy it when it is done"
_TODO = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free it and repeat; what was written before is whole"),
    sqlite3.SQLITE_READONLY: ("cannot be written", "see its permissions and its disk, or name another file"),
    sqlite3.SQLITE_PERM: ("cannot be written", "see its permissions, or name another file"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "see that its folder exists and may be written"),
    sqlite3.SQLITE_BUSY: (f"another process has been writing for {_PATIENCE:g} s", "wait for it, and repeat"),
    sqlite3.SQLITE_LOCKED: ("is locked", "wait for the other process, and repeat"),
    sqlite3.SQLITE_IOERR: ("the disk cannot read or write it", f"see the disk; {_LOCAL}"),
    sqlite3.SQLITE_PROTOCOL: ("its file system cannot lock files", _LOCAL),
}
_ANEW = "take an intact copy, or make it anew with mtjfit batch"
_BROKEN = {
    **dict.fromkeys(
        (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH), ("was changed or damaged", _ANEW)
    ),
    sqlite3.SQLITE_INTERRUPT: ("takes longer to read than any catalogue of its size", _ANEW),
    sqlite3.SQLITE_NOTADB: ("is no catalogue of mtjfit", "name another file"),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "copy it aside; `sqlite3 FILE .recover` may save devices, and mtjfit batch makes it anew",
    ),
}


def changed(path: Path, where: str, what: object) -> DataError:
    """The error for content that mtjfit does not write."""
    return DataError([Problem(f"{path}: {where}", f"was changed or damaged: {what}", _ANEW)])


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into DataError, for a damaged file, or MtjfitError, each with a remedy."""
    try:
        yield
    except UnicodeDecodeError as error:  # sqlite3 cannot say what is wrong, in words that are damaged, too
        raise DataError([Problem(str(path), "is damaged: it holds text that is not UTF-8", _ANEW)]) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest says which kind of it
        if code in _BROKEN:
            what, todo = _BROKEN[code]
            said = f" ({error})" if todo == _ANEW else ""
            raise DataError([Problem(str(path), what + said, todo)]) from error
        what, todo = _TODO.get(code, ("cannot be used", "see that no other program changes it"))
        raise MtjfitError(f"{path}: {what} ({error}); {todo}") from error


def connect(path: Path, *, write: bool) -> tuple[sqlite3.Connection, bool]:
    """Open the file as `mtjfit.wafer.catalogue.open_catalogue` says; True if it is new."""
    with plainly(path):
        if path.exists() and not path.is_file():
            raise DataError([Problem(str(path), "cannot be opened: is not a regular file", "name a catalogue")])
        if write:
            refuse_file(path, b"")
            refuse_beside(path.resolve())
            new = make_empty(path)  # by SQLite it would not have the permissions of the umask
            return _opened(path, "mode=rwc", write=True, new=new), new
        if not path.is_file():
            raise DataError([Problem(str(path), "there is no such catalogue", "make it with mtjfit batch")])
        refuse_beside(path.resolve())
        try:
            return _opened(path, "mode=rw", write=False), False
        except sqlite3.OperationalError:
            if path.with_name(f"{path.name}-wal").exists():
                raise
            # SQLite keeps two files beside a reader; where it cannot make them, nobody else writes either.
            return _opened(path, "immutable=1", write=False), False


def _opened(path: Path, how: str, *, write: bool, new: bool = False) -> sqlite3.Connection:
    uri = f"{sqlite_uri(path.resolve())}?{how}"
    before = identity_of(path)
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        version = _version(connection, path)  # before anything is written into somebody else's file
        if write:
            _write_ahead(connection, path)  # from here on nobody deletes it: see `discard_if_empty`
            if identity_of(path) != before:
                raise MtjfitError(f"{path}: was deleted while it was opened; repeat the command")
            connection.execute("PRAGMA synchronous = FULL")  # a power cut, too, takes no more than a chunk
        elif version == 0:
            raise DataError([Problem(str(path), "is empty", "fill it with mtjfit batch")])
        if version < VERSION:
            _migrate(connection, path)
        if not write:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        if new:
            discard_if_empty(connection, path)
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to write-ahead logging, so that readers and a writer do not wait for each other."""
    until = time.monotonic() + _PATIENCE
    while True:  # SQLite does not wait in this one step for another process that makes the same file
        try:
            mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_RETRY)
    if mode != "wal":
        raise MtjfitError(
            f"{path}: its file system cannot hold a catalogue (SQLite's write-ahead log needs memory that processes "
            "share; network drives have none); keep it on a local disk, and copy it when it is done"
        )


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Write all of a block or nothing, whatever ends the block or the process; errors as `plainly`."""
    with plainly(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise


def roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction, unless a full or failing disk has ended it already, whose error then is what to say."""
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")
