"""A lock on a run, which the operating system releases when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mtjfit.errors import MtjfitError

__all__ = ["Lock", "locked"]

_LONGEST = 200  # letters of the file that are shown; whoever shares the folder may write anything


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds.

    Attributes
    ----------
    identity : tuple of int or None
        Device and inode of the file, by which a replaced one is noticed.
    """

    path: Path
    identity: tuple[int, int] | None

    def check(self) -> None:
        """Raise MtjfitError if the file was deleted or replaced: another process may then hold a lock, too."""
        if _identity(self.path) != self.identity:
            raise MtjfitError(
                f"{self.path}: was taken away while this process was working on the run; it stops here and leaves the "
                "run as it was last saved. See that no other process works on it, then resume"
            )


@contextmanager
def locked(path: Path) -> Iterator[Lock]:
    """Hold a lock; a file that an ended process left behind does not matter.

    Raises
    ------
    MtjfitError
        Another process holds it, on this computer or on one that shares the folder.
    OSError
        The file cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder) / "lock") as lock:
    ...     try:
    ...         with locked(lock.path):
    ...             pass
    ...     except MtjfitError as error:
    ...         print("refused:", "is working on this run" in str(error))
    refused: True
    """
    from filelock import FileLock, Timeout

    try:
        held = FileLock(path).acquire(blocking=False)
    except Timeout:
        raise MtjfitError(
            f"{path}: {_holder(path)} is working on this run; wait for it, or stop it and resume"
        ) from None
    with held:
        with contextlib.suppress(OSError):  # for people only; Windows lets nobody write while it is locked
            path.write_text(f"process {os.getpid()} on the computer {platform.node()}", encoding="utf-8")
        lock = Lock(path, _identity(path))
        try:
            yield lock
        finally:
            with contextlib.suppress(OSError):  # Windows deletes it on release
                if _identity(path) == lock.identity:
                    path.unlink()


def _holder(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST)
    except OSError:
        text = ""
    return text if text.startswith("process ") else "another process, here or on a computer that shares the folder,"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
