"""The one place that opens input files: regular files of a readable name, within a size; and patterns of them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from fnmatch import fnmatch
from io import BufferedReader
from itertools import islice
from pathlib import Path, PurePath

from mtjfit.errors import DataError, Problem, did_you_mean
from mtjfit.text import counted, some

_MAGIC = ("*", "?", "[")
BACKSLASH = "a \\ in \"…\" quotes begins a special character: write / in place of it, or put the text in '…' quotes"
"""Advice for paths of Windows in TOML."""
_LONGEST_PATTERN = 1000
_LONGEST_LABEL = 200
_SIMILAR = 0.6  # names without their endings
_ENTRIES_PER_FILE = 10  # of folders, to be looked at for each file that may be found
_IRREGULAR = "is not a regular file", "save the data to a file"
_VIRTUAL = ("/proc/", "/sys/")  # their files call themselves regular, and may never end


@contextmanager
def opened(path: Path, label: str = "") -> Iterator[BufferedReader]:
    """A regular file, open to be read; DataError for anything else, and where it cannot be read inside the block.

    In messages it is called `label`; the path as given if empty.
    """
    label = label or str(path)
    refuse_names_not_utf8([str(path)])
    try:
        _refuse(label, path.stat().st_mode)  # opening alone can block, or rewind a tape
        if os.path.realpath(path).startswith(_VIRTUAL):
            raise _fault(label, *_IRREGULAR)
        # It may have been replaced since: even a pipe does not block then, and what is open is looked at again.
        flags = (getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
        file = open(os.open(path, os.O_RDONLY | sum(flags)), "rb")  # noqa: PTH123, SIM115 - of a descriptor, closed below
    except FileNotFoundError:
        raise _fault(label, "no such file", backslash_advice(str(path)) or _neighbours(path)) from None
    except (OSError, ValueError) as error:
        raise _unreadable(label, error) from None
    with file:
        _refuse(label, os.fstat(file.fileno()).st_mode)
        try:
            yield file
        except OSError as error:
            raise _unreadable(label, error) from None


def read_bytes(path: Path, label: str, max_bytes: int) -> bytes:
    """The bytes of a regular file of at most `max_bytes`; DataError for anything else."""
    with opened(path, label) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            todo = "cut the file or raise max_bytes"
            raise _fault(label, f"has {size} bytes, more than the limit of {max_bytes}", todo)
        try:
            data = file.read(size + 1)
            # whatever was said of its size, it may still be growing
            data += file.read(max_bytes + 1 - size) if len(data) > size else b""
        except MemoryError:
            raise _fault(label, f"of {size} bytes does not fit into memory", "cut the file") from None
        if len(data) > max_bytes:
            raise _fault(label, f"grows beyond the limit of {max_bytes} bytes", "wait until it is complete")
        return data


def begins_with(path: Path, mark: bytes) -> bool:
    """True for a regular file that begins with these bytes."""
    try:
        with opened(path) as file:
            return file.read(len(mark)) == mark
    except DataError:
        return False


def sha256_of(path: Path) -> str:
    """sha256, in hex, of a regular file of any size; DataError for anything else."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def backslash_advice(name: str) -> str:
    """What to do about a path with a control character, as ``"raw\\new.csv"`` has in TOML; empty for others."""
    return "" if name.isprintable() else BACKSLASH


def refuse_names_not_utf8(names: Iterable[str]) -> None:
    """Refuse names of files that are no Unicode, which no page, table or catalogue could hold; a DataError."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = name.encode("utf-8", "backslashreplace").decode()
            raise _fault(shown, "has bytes in its name that are not UTF-8", "rename it") from None


def files_fitting(folder: Path, pattern: str, most: int) -> list[Path]:
    """Files and folders below `folder` that fit a pattern such as ``sweeps/*.txt``, sorted; at most `most` of them.

    ``**`` stands for folders of any depth; it may occur once, and not after ``..``. Names that begin with a dot fit
    only where the pattern writes the dot. DataError for other patterns, too many files, names that are not UTF-8, and
    folders too large to be looked through.
    """
    return _fitting(folder, pattern, most, loosely=False)


def files_nearly_fitting(folder: Path, pattern: str, most: int) -> list[str]:
    """What a person may miss among `files_fitting`: files that differ from the pattern in case, or begin with a dot."""
    fitting = set(files_fitting(folder, pattern, most))
    near = [each for each in _fitting(folder, pattern, 2 * most, loosely=True) if each not in fitting]
    hidden = [each for each in near if each.name.startswith(".") and each.is_file()]
    other = [each for each in near if not each.name.startswith(".") and each.is_file()]
    found = []
    for files, noun, why in (
        (hidden, "hidden file", ""), (other, "file", f", other than {pattern!r} in upper and lower case only")
    ):  # fmt: skip
        if files:
            found.append(f"{counted(len(files), noun)} not read{why}: {some([each.name for each in files])}")
    return found


def _fitting(folder: Path, pattern: str, most: int, *, loosely: bool) -> list[Path]:
    """Files that fit; `loosely` in upper and lower case alike, with hidden ones in folders that are not hidden."""
    parts, shown = PurePath(pattern).parts, pattern[:80]
    todo = 'write it like "sweeps/*.txt", relative to the study file'
    if len(pattern) > _LONGEST_PATTERN or not parts or PurePath(pattern).anchor or "\0" in pattern:
        raise _fault(shown, "is no pattern of files", todo)
    deep = parts.count("**")
    if deep > 1 or (deep and ".." in parts) or any("**" in part for part in parts if part != "**"):
        raise _fault(shown, "may hold ** once, alone between two /, and without ..", todo)
    left = iter(range(_ENTRIES_PER_FILE * most))
    found: Iterable[Path] = [folder]
    for k, part in enumerate(parts):
        found = _step(found, part, left, fold=loosely, hidden=part.startswith(".") or (loosely and k == len(parts) - 1))
    try:
        fitting = list(islice(filter(os.path.lexists, found), most + 1))
    except OSError as error:
        raise _unreadable(shown, error) from None
    if len(fitting) > most:
        raise _fault(shown, f"fits more than {most} files", "make it narrower")
    if next(left, None) is None:
        what = f"leads through more than {_ENTRIES_PER_FILE * most} files and folders"
        raise _fault(shown, what, "make it narrower")
    refuse_names_not_utf8(map(str, fitting))
    return sorted(fitting)


def _step(folders: Iterable[Path], part: str, left: Iterator[int], *, fold: bool, hidden: bool) -> Iterator[Path]:
    """What fits one part of a pattern in each of some folders; it ends with the entries that are `left`.

    `fold` takes upper and lower case alike, `hidden` names that begin with a dot.
    """
    wanted = part.casefold() if fold else part
    for folder in folders:
        if part == "**":
            waiting = [folder]
            while waiting:
                yield (current := waiting.pop())
                inside = (each for each in _entries(current, left) if each.is_dir(follow_symlinks=False))
                waiting += (Path(each) for each in inside if not each.name.startswith("."))
        elif any(mark in part for mark in _MAGIC) or (fold and part != ".."):
            names = (each for each in _entries(folder, left) if hidden or not each.name.startswith("."))
            yield from (Path(each) for each in names if fnmatch(each.name.casefold() if fold else each.name, wanted))
        elif next(left, None) is not None:
            yield folder / part


def _entries(folder: Path, left: Iterator[int]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (each for each, _ in zip(entries, left, strict=False))
    except OSError:  # no folder, or one that may not be looked into, holds nothing that fits
        return


def _refuse(label: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise _fault(label, "is a folder", "name a file in it")
    if not stat.S_ISREG(mode):
        raise _fault(label, *_IRREGULAR)


def _unreadable(label: str, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return _fault(label, f"cannot be read: {reason}", "check the name and the permissions")


def _neighbours(path: Path) -> str:
    try:
        names = sorted(each.name for each, _ in zip(os.scandir(path.parent), range(500), strict=False)
                       if path.name.startswith(".") or not each.name.startswith("."))  # fmt: skip
    except OSError:
        return f"there is no folder {str(path.parent)[:_LONGEST_LABEL]!r}"
    # the same ending makes any two short names similar
    stem = path.stem[:_LONGEST_LABEL].casefold()
    near = [each for each in names if SequenceMatcher(None, stem, Path(each).stem.casefold()).ratio() >= _SIMILAR]
    return did_you_mean(path.name if near else "", near or names) if names else "its folder holds no files"


def _fault(label: str, what: str, todo: str) -> DataError:
    shown = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
    return DataError([Problem(shown, what, todo)])
