"""Output files and folders: written whole or not at all, and never over files that mtjfit did not write."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from mtjfit.errors import MtjfitError

_FREE = "free the disk, or "
OTHER_FILE = f"{_FREE}name another file"
DRAWN = b"drawn by mtjfit"  # in every figure, by which it is recognised
OTHER_FOLDER = f"{_FREE}name another folder with --output"
_LONGEST_MARKER = 2**25  # bytes
_NEAR = 2**16  # bytes at either end of a file, in which a mark is looked for
_POSIX = os.name == "posix"
_TRIES = 5
_WAIT = 0.05  # seconds between tries


@dataclass(frozen=True)
class OutputFolder:
    """A folder that is new, empty, or holds what mtjfit wrote earlier.

    It is recognised by its marker, a JSON file with the sha256 of every other file. The marker is written first, as
    incomplete, with the sums of both times, and last. So an interrupted writing can be repeated, and files that were
    changed or added by hand are kept.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as path:
    ...     folder = OutputFolder(Path(path) / "new", "marks", None, "marks.json")
    ...     folder.write({"a.csv": b"1"}, {"n": 1})
    ...     sorted(each.name for each in folder.path.iterdir())
    ['a.csv', 'marks.json']
    """

    path: Path
    kind: str  # of the files, in one word, for messages
    ours: Callable[[str], bool] | None  # True for names that may ever be written; None: any, so no others may be there
    marker: str = "mtjfit.json"
    mark: Mapping[str, str] | None = None  # what a marker of ours holds; None: program and kind
    beside: Callable[[Path], bool] = lambda file: False  # True for other files that may lie in the folder

    @property
    def _mark(self) -> Mapping[str, str]:
        return {"program": "mtjfit", "kind": self.kind} if self.mark is None else self.mark

    def prepare(self) -> None:
        """Make the folder and check, before anything is computed, that it can be written and that all files in it
        are ours.
        """
        self._checked()

    def write(self, files: Mapping[str, bytes], document: Mapping[str, Any] | None = None) -> None:
        """Write each file atomically, in the order given, and remove those of an earlier time.

        `document` goes into the marker, with `mark`, ``status`` and ``files``. ValueError for a name that is not one of
        this folder, and for a document that is not strict JSON.
        """
        if self.ours is not None and (unknown := [name for name in files if not self.ours(name)]):
            raise ValueError(f"not among the names of this folder: {', '.join(sorted(unknown))}")
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        marked = {**self._mark, **(document or {}), "status": "complete", "files": hashes}
        last = json_bytes(marked)  # fails, if it does, before anything is touched
        earlier = self._checked(files)
        # sums of both times: whichever of them a crash leaves behind are ours
        both = {name: sorted({*earlier.get(name, ()), hashes.get(name, "")} - {""}) for name in {**earlier, **hashes}}
        write_file(self.path / self.marker, json_bytes({**self._mark, "status": "incomplete", "files": both}))
        for name, data in files.items():
            write_file(self.path / name, data)
        self._clean(earlier, files)
        write_file(self.path / self.marker, last)

    def _clean(self, earlier: Collection[str], written: Collection[str]) -> None:
        """Remove files of an earlier time and temporary copies, so that a folder never mixes two results."""
        for each in sorted(self.path.iterdir()):
            stale = each.name in earlier and each.name not in written
            if stale or self._known(temporary_of(each.name), {*earlier, *written}):
                with _saying(each):
                    each.unlink(missing_ok=True)

    def _checked(self, written: Collection[str] | None = None) -> dict[str, list[str]]:
        """Make the folder, refuse what is not ours in it, and return the sums that each of our files may have.

        With names to be `written` other files may be there: one that appeared meanwhile must not cost a computation.
        """
        prepare_folder(self.path)
        with _saying(self.path):
            earlier, present = self._earlier(), sorted(self.path.iterdir())
            _refuse_other_case(present, (self.marker, *(earlier or ()), *(written or ())))
        marked, earlier = ([], {}) if earlier is None else ([self.marker], earlier)
        listed = {*earlier, *marked}

        def other(file: Path) -> bool:
            known = file.name in listed or self.beside(file) or self._known(temporary_of(file.name), listed)
            return not known and (written is None or self._known(file.name, written))

        if marked:
            added = other if self.ours is None else lambda file: False
            _refuse_changed(self.path, [each for each in present if self._is_changed(each, earlier) or added(each)])
        else:  # not even files of our names are ours
            refuse_others(self.path, self.kind, lambda file: not other(file))
        return earlier

    def _is_changed(self, file: Path, earlier: Mapping[str, Collection[str]]) -> bool:
        """True for a file with a name of ours and none of the sums that it may have."""
        known = self._known(file.name, earlier) and file.name != self.marker
        return known and sum_of(file) not in earlier.get(file.name, ())

    def _known(self, name: str | None, listed: Collection[str]) -> bool:
        """True for names of ours: those that may be written, or those listed."""
        return name is not None and (
            name == self.marker or name in listed or (self.ours is not None and self.ours(name))
        )

    def _earlier(self) -> dict[str, list[str]] | None:
        """Sums that each file may have, by an earlier marker, or None if there is none of ours.

        Names that lead out of the folder are no files of ours.
        """
        try:
            with regular_file(self.path / self.marker) as stream:
                document = json.loads(stream.read(_LONGEST_MARKER))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(document, dict) or any(document.get(key) != value for key, value in self._mark.items()):
            return None
        found = document.get("files")
        return {
            name: [sums] if isinstance(sums, str) else [each for each in sums if isinstance(each, str)]
            for name, sums in (found.items() if isinstance(found, dict) else ())
            if Path(name).name == name and isinstance(sums, str | list)
        }


def prepare_folder(path: Path, todo: str = OTHER_FOLDER) -> None:
    """Make a folder, and see that files can be written in it; MtjfitError with the advice `todo` if not."""
    with _saying(path, todo):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise OSError(error.errno, "a file is in the place of a folder") from error
        with tempfile.TemporaryFile(dir=path):
            pass


def _refuse_other_case(present: Iterable[Path], names: Iterable[str]) -> None:
    """Refuse ``Report.html`` where the file system takes it for the ``report.html`` that is to be written."""
    spelt = {name.casefold(): name for name in names}
    for each in present:
        ours = each.with_name(spelt.get(each.name.casefold(), each.name))
        if ours.name != each.name and os.path.lexists(ours) and ours.samefile(each):
            what = f"would be written over as {ours.name}, which is the same name here"
            raise MtjfitError(f"{each}: {what}; move it away, or name a new folder")


def _refuse_changed(path: Path, changed: Sequence[Path]) -> None:
    """MtjfitError with all files that were changed or added, so that they are moved away in one go."""
    what = "changed or added since mtjfit wrote this folder; move"
    if len(changed) == 1:
        raise MtjfitError(f"{changed[0]}: was {what} it away, or name a new folder")
    if changed:
        names = ", ".join(each.name for each in changed)
        raise MtjfitError(f"{path}: {names}: were {what} them away, or name a new folder")


def refuse_others(path: Path, kind: str, known: Callable[[Path], bool]) -> None:
    """MtjfitError where a folder holds a file that is not known."""
    foreign = [each.name for each in sorted(path.iterdir()) if not known(each)]
    if foreign:
        shown = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        what = f"holds files that are no earlier {kind} of mtjfit ({shown})"
        raise MtjfitError(f"{path}: {what}; name a new or empty folder")


@contextlib.contextmanager
def _saying(path: Path, todo: str = OTHER_FOLDER) -> Iterator[None]:
    """Turn an OSError, or the ValueError of a name with NUL, into MtjfitError with the path and advice."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise not_written(path, error, todo) from error


@contextlib.contextmanager
def regular_file(path: Path, mode: Literal["rb", "r+b"] = "rb") -> Iterator[BinaryIO]:
    """Open a regular file that exists; OSError for links, and for pipes and devices, on which nothing waits."""
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(path, mode, opener=lambda name, flags: os.open(name, flags | extra)) as stream:
        if path.is_symlink() or not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        yield stream


def sum_of(path: Path) -> str | None:
    """The sum of a file; None for what is no regular file."""
    try:
        with regular_file(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto
    except OSError:
        return None


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as strict JSON, whose strings cannot steer a terminal; ValueError for NaN and infinity."""
    lines = json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1).split("\n")
    return ("\n".join(map(shown_json, lines)) + "\n").encode()


def shown_json(text: str) -> str:
    """JSON in one line with the same content, in which all that cannot be printed is escaped.

    >>> shown_json('"\u00df\u202e"')
    '"ß\\\\u202e"'
    """
    return text if text.isprintable() else "".join(map(_in_json, text))


def _in_json(char: str) -> str:
    if char.isprintable():
        return char
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]


def write_file(path: Path, data: bytes, todo: str = OTHER_FOLDER, over: bytes | None = b"") -> None:
    """`replacing` for commands: MtjfitError with the advice `todo` where the file cannot be written."""
    with _saying(path, todo), replacing(path, over) as stream:
        stream.write(data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a crash, a power cut or an OSError."""
    with replacing(path) as stream:
        stream.write(data)


def make_empty(path: Path) -> bool:
    """Make an empty file, for a library to fill; False where something has its name, or no file can be made."""
    try:
        with path.open("xb"):
            return True
    except OSError:
        return False


def delete(path: Path) -> None:
    """Delete a file of ours, if that is possible."""
    with contextlib.suppress(OSError):
        path.unlink()


@contextlib.contextmanager
def replacing(path: Path, over: bytes | None = b"") -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` at the end, and is removed after an error.

    It is made beside `path` under a name that nobody can foresee, and never opened through a link. MtjfitError where
    `refuse_file` refuses `path`.
    """
    refuse_file(path, over)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as stream:  # exclusive: fails where anything, also a link, has this name
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        refuse_file(path, over)
        if over == b"" or os.path.lexists(path):
            _moved(lambda: temporary.replace(path))
        else:
            _take_free_name(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def refuse_file(path: Path, over: bytes | None) -> None:
    """Refuse to write over what mtjfit did not write: MtjfitError for links, pipes, folders, and files of others.

    Files of mtjfit have the bytes `over` near their beginning or end; every file has b"", none has None.
    """
    with _saying(path, OTHER_FILE):
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        what = ""
        if stat.S_ISLNK(mode):
            what = "is a link, and nothing is written through links"
        elif not stat.S_ISREG(mode):
            what = "is no regular file"
        elif over is None:
            what = "exists already"
        elif over and not _holds(path, over):
            what = "exists already, and mtjfit did not write it"
    if what:
        raise MtjfitError(f"{path}: {what}; move it away, or name another file")


def _holds(path: Path, mark: bytes) -> bool:
    with regular_file(path) as stream:
        found = mark in stream.read(_NEAR)
        stream.seek(-min(_NEAR, stream.seek(0, os.SEEK_END)), os.SEEK_END)
        return found or mark in stream.read(_NEAR)


def _take_free_name(temporary: Path, path: Path) -> None:
    """Rename to a name that must be free; FileExistsError if somebody took it a moment ago."""
    if _POSIX:  # where a rename would replace what is there, a second name does not
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # a file system without second names
            _moved(lambda: temporary.replace(path))
        else:
            temporary.unlink()
    else:
        _moved(lambda: temporary.rename(path))


def not_written(path: Path, error: OSError | ValueError, todo: str = OTHER_FOLDER) -> MtjfitError:
    """The error for a file or folder that cannot be written; only a full disk is one to be freed."""
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if number not in (errno.ENOSPC, errno.EDQUOT):
        denied = number in (errno.EACCES, errno.EPERM)
        todo = ("check the permissions, or " if denied else "") + todo.removeprefix(_FREE)
    return MtjfitError(f"{path}: cannot be written: {reason}; {todo}")


def _moved(move: Callable[[], object]) -> None:
    """Rename, with a few tries: on Windows a viewer or a virus scanner may hold either file for a moment."""
    for _ in range(_TRIES - 1):
        try:
            move()
            return
        except PermissionError:
            time.sleep(_WAIT)
    move()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the platform can do that (Windows cannot)."""
    if not _POSIX:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no such thing
            raise
    finally:
        os.close(handle)


def temporary_of(name: str) -> str | None:
    """The file whose temporary copy `name` is, left by a killed `replace_file`; None for other files.

    >>> temporary_of(".a.txt.x8_w1.tmp"), temporary_of("a.txt")
    ('a.txt', None)
    """
    found = re.fullmatch(r"\.(.+)\.\w+\.tmp", name)
    return found[1] if found else None
