"""The file of a catalogue, and those that SQLite keeps beside it: what may lie there, and what is taken back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path, PurePath
from urllib.parse import quote

from mtjfit.errors import MtjfitError
from mtjfit.output import OTHER_FILE, delete, not_written, refuse_file, regular_file

_JOURNAL, _WAL, _SHARED = "-journal", "-wal", "-shm"
_MARK = bytes.fromhex("d9d505f920a163d7")  # begins a journal, and ends one of a transaction over several files
_PAGES = slice(16, 20)  # in the head of a journal: the size of the file before the transaction
_HEAD = 28


def sqlite_uri(path: PurePath) -> str:
    r"""Address of an absolute path as SQLite takes it: no machine stands in it, also not that of a share of Windows.

    >>> from pathlib import PureWindowsPath
    >>> sqlite_uri(PureWindowsPath(r"\\server\lots\50 %.db"))
    'file:////server/lots/50%20%25.db'
    """
    text = path.as_posix()
    return f"file://{'' if text.startswith('/') else '/'}{quote(os.fsencode(text), safe='/:')}"


def refuse_beside(path: Path) -> None:
    """Refuse links, and files of others, under the names that SQLite writes beside a catalogue.

    It would put the content of theirs into a catalogue that is empty, and delete the file. A journal may also name one
    more file, which it deletes, wherever that lies, once the catalogue is restored.
    """
    found = [each for ending in (_JOURNAL, _WAL, _SHARED) if os.path.lexists(each := Path(f"{path}{ending}"))]
    for each in found:
        refuse_file(each, b"")
        if each.name.endswith(_JOURNAL) and _ends_of(each)[1] == _MARK:
            raise MtjfitError(f"{each}: names a file that SQLite would delete; move it away, mtjfit did not write it")
    if not found or (size := _size(path)):
        return
    foreign = [each for each in found if size is None or not _begins_a_catalogue(each)]
    if foreign:
        what = "not there" if size is None else "empty, so another program wrote it"
        raise MtjfitError(f"{foreign[0]}: lies beside a catalogue that is {what}; move it away, or name another file")


def _begins_a_catalogue(file: Path) -> bool:
    """True for a journal by which an empty file becomes a catalogue: it holds no pages, for there were none.

    Until it is on the disk, its mark is zeros.
    """
    head, _ = _ends_of(file) if file.name.endswith(_JOURNAL) else (b"no journal", b"")
    return head == b"" or (head[: len(_MARK)] in (_MARK, bytes(len(_MARK))) and head[_PAGES] == bytes(4))


def _ends_of(path: Path) -> tuple[bytes, bytes]:
    """The first and the last bytes of a file; nothing where another process has deleted it meanwhile."""
    try:
        with regular_file(path) as stream:
            head = stream.read(_HEAD)
            stream.seek(max(stream.seek(0, os.SEEK_END) - len(_MARK), 0))
            return head, stream.read()
    except FileNotFoundError:
        return b"", b""
    except OSError as error:
        raise not_written(path, error, OTHER_FILE) from error


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


def identity_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, by which a replaced one is noticed; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def discard_if_empty(connection: sqlite3.Connection, path: Path) -> None:
    """Delete a catalogue without devices, unless another process has it open; only closing may follow.

    Whoever has a write-ahead log open holds a lock, against which SQLite does not leave that mode. Whoever comes
    between that and the deletion finds another file, or none, under the name once this process has closed its own.
    """
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'devices'").fetchone()[0]
        if tables and connection.execute("SELECT 1 FROM devices LIMIT 1").fetchone():
            return
        if os.name == "nt":  # which deletes nothing that is open
            connection.close()
        delete(path)
