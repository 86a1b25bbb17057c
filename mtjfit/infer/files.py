"""Files that a reader, or a run after a crash, finds either whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import time
from pathlib import Path

from mtjfit.errors import MtjfitError

__all__ = ["leftover_of", "not_written", "replace_file", "sync_folder"]

_TRIES = 5
_WAIT = 0.05  # seconds between tries


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a crash or a power cut.

    Parameters
    ----------
    path : Path
    data : bytes

    Raises
    ------
    OSError
        The disk is full, read-only, or the folder is missing; the old file is whole then.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_file(Path(folder) / "a.txt", b"new")
    ...     (Path(folder) / "a.txt").read_bytes(), len(os.listdir(folder))
    (b'new', 1)
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # mkstemp makes files that colleagues cannot read
        _put(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def not_written(path: Path, error: OSError) -> MtjfitError:
    """What to say of a file or folder that cannot be written.

    Examples
    --------
    >>> str(not_written(Path("a.csv"), OSError(28, "No space left on device")))
    'a.csv: cannot be written: No space left on device; free the disk, or name another folder with --output'
    """
    reason = error.strerror or type(error).__name__
    return MtjfitError(f"{path}: cannot be written: {reason}; free the disk, or name another folder with --output")


def _put(temporary: Path, path: Path) -> None:
    """Rename over `path`; on Windows a virus scanner or a viewer may hold the old file for a moment."""
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


def leftover_of(name: str) -> str | None:
    """The file that was being written when `replace_file` was killed and left the file `name`; None for other files.

    Examples
    --------
    >>> leftover_of(".a.txt.x8_w1.tmp"), leftover_of("a.txt")
    ('a.txt', None)
    """
    found = re.fullmatch(r"\.(.+)\.\w+\.tmp", name)
    return found[1] if found else None
