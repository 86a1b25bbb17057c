"""Output files and folders: written whole or not at all, and never over files that mtjfit did not write."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtjfit.errors import MtjfitError

OTHER_FILE = "free the disk, or name another file"
OTHER_FOLDER = "free the disk, or name another folder with --output"
_TRIES = 5
_WAIT = 0.05  # seconds between tries


@dataclass(frozen=True)
class OutputFolder:
    """A folder that is new, empty, or holds what mtjfit wrote earlier.

    With a marker, a JSON file, the folder is recognised by it: the marker is written first, as incomplete, and last,
    with the sha256 of every other file. So an interrupted writing can be repeated, and files changed by hand are kept.
    Without a marker the folder is recognised by the names in it.

    >>> with tempfile.TemporaryDirectory() as path:
    ...     folder = OutputFolder(Path(path) / "new", "marks", None, "marks.json", {"program": "mtjfit"})
    ...     folder.write({"a.csv": b"1"}, {"n": 1})
    ...     sorted(each.name for each in folder.path.iterdir())
    ['a.csv', 'marks.json']
    """

    path: Path
    kind: str  # of the files, in one word, for messages
    ours: Callable[[str], bool] | None  # True for names that may ever be written; None: the marker lists them
    marker: str = ""  # its name; empty: there is none
    mark: Mapping[str, str] = field(default_factory=dict)  # content by which the marker is recognised
    beside: Callable[[Path], bool] = lambda file: False  # True for other files that may lie in the folder

    def prepare(self) -> None:
        """Make the folder and check, before anything is computed, that it can be written and that all files in it
        are ours.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_foreign()
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise not_written(self.path, error) from error

    def write(self, files: Mapping[str, bytes], document: Mapping[str, Any] | None = None) -> None:
        """Write each file atomically, in the order given, and remove those of an earlier time.

        Without a marker the last file is written after the removals: where it is new, all others are. `document` goes
        into the marker, with `mark`, ``status`` and ``files``. ValueError for a name that is not one of this folder,
        and for a document that is not strict JSON.
        """
        if self.ours is not None and (unknown := [name for name in files if not self.ours(name)]):
            raise ValueError(f"not among the names of this folder: {', '.join(sorted(unknown))}")
        names, earlier, last = [*files], self._earlier(), dict([*files.items()][-1:])
        if self.marker:
            hashes = {name: _sha256(data) for name, data in files.items()}
            marked = {**self.mark, **(document or {}), "status": "complete", "files": hashes}
            last = {self.marker: json_bytes(marked)}  # fails, if it does, before anything is touched
            self.prepare()
            # names of both times: whichever of them a crash leaves behind are ours
            listed = {} if self.ours else {"files": dict.fromkeys(sorted({*_files(earlier), *names}))}
            write_file(self.path / self.marker, json_bytes({**self.mark, "status": "incomplete", **listed}))
        for name in names:
            if name not in last:
                write_file(self.path / name, files[name])
        self._clean(self._known(earlier, names), {*names, *last})
        for name, data in last.items():
            write_file(self.path / name, data)

    def _clean(self, known: Callable[[str | None], bool], written: Collection[str]) -> None:
        """Remove files of an earlier time and temporary copies, so that a folder never mixes two results."""
        for each in sorted(self.path.iterdir()):
            if (known(each.name) and each.name not in written) or known(temporary_of(each.name)):
                try:
                    each.unlink(missing_ok=True)
                except OSError as error:
                    raise not_written(each, error) from error

    def _refuse_foreign(self) -> None:
        earlier, present = self._earlier(), sorted(self.path.iterdir())
        known = self._known(earlier)
        unmarked = bool(self.marker) and earlier is None  # not even files of our names are ours then
        foreign = [
            each.name
            for each in present
            if (unmarked or not known(each.name)) and not known(temporary_of(each.name)) and not self.beside(each)
        ]
        if foreign and (earlier is None or self.ours is None):
            shown = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
            what = f"holds files that are no earlier {self.kind} of mtjfit ({shown})"
            raise MtjfitError(f"{self.path}: {what}; name a new or empty folder")
        if earlier is None or earlier.get("status") != "complete":
            return
        written = _files(earlier)
        for each in present:
            ours = known(each.name) and each.name != self.marker
            if ours and written.get(each.name) != _sha256(each.read_bytes()):
                what = "was changed or added since mtjfit wrote this folder"
                raise MtjfitError(f"{each}: {what}; move it away, or name a new folder")

    def _known(self, earlier: Mapping[str, Any] | None, files: Iterable[str] = ()) -> Callable[[str | None], bool]:
        """True for names of ours: those that may be written, or those listed earlier and now."""
        listed = {*_files(earlier), *files, self.marker} - {""}
        return lambda name: name is not None and (name in listed or (self.ours is not None and self.ours(name)))

    def _earlier(self) -> dict[str, Any] | None:
        """Content of an earlier marker, or None if there is none of ours."""
        if not self.marker:
            return None
        try:
            document = json.loads((self.path / self.marker).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        ours = isinstance(document, dict) and all(document.get(key) == value for key, value in self.mark.items())
        return document if ours else None


def _files(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Files that a marker lists; names that lead out of the folder are no files of ours."""
    found = document.get("files") if document is not None else None
    return {name: each for name, each in found.items() if Path(name).name == name} if isinstance(found, dict) else {}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as strict JSON, whose strings cannot steer a terminal; ValueError for NaN and infinity."""
    lines = json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1).split("\n")
    shown = (line if line.isprintable() else "".join(map(_in_json, line)) for line in lines)
    return ("\n".join(shown) + "\n").encode()


def _in_json(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]


def write_file(path: Path, data: bytes, todo: str = OTHER_FOLDER) -> None:
    """`replace_file` for commands: MtjfitError with the advice `todo` where the file cannot be written."""
    try:
        replace_file(path, data)
    except OSError as error:
        raise not_written(path, error, todo) from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a crash, a power cut or an OSError."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place at the end and is removed after an error."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # mkstemp makes files that colleagues cannot read
        _rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def not_written(path: Path, error: OSError, todo: str = OTHER_FOLDER) -> MtjfitError:
    """The error for a file or folder that cannot be written."""
    return MtjfitError(f"{path}: cannot be written: {error.strerror or type(error).__name__}; {todo}")


def _rename(temporary: Path, path: Path) -> None:
    """Rename over `path`, with a few tries: on Windows a viewer may hold the old file for a moment."""
    for _ in range(_TRIES - 1):
        try:
            temporary.replace(path)
            return
        except PermissionError:
            time.sleep(_WAIT)
    temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the platform can do that (Windows cannot)."""
    if os.name != "posix":
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
