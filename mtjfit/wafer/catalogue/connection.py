"""An open SQLite file in WAL mode, and its errors in words that say what to do."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtjfit.errors import DataError, MtjfitError, Problem
from mtjfit.wafer.catalogue.schema import VERSION, migrate, refuse_foreign

__all__ = ["connect", "plainly", "transaction"]

_PATIENCE = 60.0  # seconds that a writer waits for another one; a chunk takes it a fraction of one
_RETRY = 0.05

_TODO = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free it and repeat; what was written before is whole"),
    sqlite3.SQLITE_READONLY: ("cannot be written", "see its permissions and its disk, or name another file"),
    sqlite3.SQLITE_PERM: ("cannot be written", "see its permissions, or name another file"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "see that its folder exists and may be written"),
    sqlite3.SQLITE_BUSY: (f"another process has been writing for {_PATIENCE:g} s", "wait for it, and repeat"),
    sqlite3.SQLITE_LOCKED: ("is locked", "wait for the other process, and repeat"),
    sqlite3.SQLITE_IOERR: (
        "the disk cannot read or write it",
        "see the disk; on a network drive keep the catalogue on a local disk, and copy it when it is done",
    ),
    sqlite3.SQLITE_PROTOCOL: (
        "its file system cannot lock files",
        "on a network drive keep the catalogue on a local disk, and copy it when it is done",
    ),
}
_BROKEN = {
    sqlite3.SQLITE_NOTADB: ("is no catalogue of mtjfit", "name another file"),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "copy it aside; `sqlite3 FILE .recover` may save devices, and mtjfit batch makes it anew",
    ),
}


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into those of mtjfit.

    Raises
    ------
    DataError
        The file is damaged, or no SQLite file.
    MtjfitError
        It cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest says which kind of it
        if code in _BROKEN:
            raise DataError([Problem(str(path), *_BROKEN[code])]) from error
        what, todo = _TODO.get(code, ("cannot be used", "see that no other program changes it"))
        raise MtjfitError(f"{path}: {what} ({error}); {todo}") from error


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open a catalogue; for writing, make it where there is none.

    Parameters
    ----------
    write : bool
        False: nothing can be written through the connection. The file may then lie on a medium that cannot be written.

    Raises
    ------
    DataError
        There is no such file, it is damaged, or it is no catalogue.
    MtjfitError
        It cannot be opened, or its file system cannot hold a catalogue.
    """
    with plainly(path):
        return _for_writing(path) if write else _for_reading(path)


def _opened(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?{how}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)


def _for_writing(path: Path) -> sqlite3.Connection:
    connection = _opened(path, "mode=rwc")
    try:
        refuse_foreign(connection, path)  # before anything is written into somebody else's file
        _write_ahead(connection, path)
        connection.execute("PRAGMA synchronous = FULL")  # a power cut, too, takes no more than a chunk
        migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _for_reading(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise DataError([Problem(str(path), "there is no such catalogue", "make it with mtjfit batch")])
    try:
        return _checked(path, "mode=rw")
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        # Beside a reader SQLite keeps two files; where it cannot make them, nobody else can, and the file lies still.
        return _checked(path, "immutable=1")


def _checked(path: Path, how: str) -> sqlite3.Connection:
    connection = _opened(path, how)
    try:
        version = refuse_foreign(connection, path)
        if version == 0:
            raise DataError([Problem(str(path), "is empty", "fill it with mtjfit batch")])
        if version < VERSION:
            migrate(connection, path)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to WAL: readers and a writer do not wait for each other.

    Two processes that make the same file do not wait for each other in this one step, so it is repeated.
    """
    until = time.monotonic() + _PATIENCE
    while True:
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
    """All that is written in the block, or nothing of it, whatever ends the block or the process.

    Raises
    ------
    DataError, MtjfitError
        As `plainly`.
    """
    with plainly(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk has ended the transaction already
                connection.execute("ROLLBACK")
            raise
