"""One process at a time on one run: a file that says which, and that a killed process does not hold for ever."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mtjfit.errors import MtjfitError

__all__ = ["Lock", "locked"]

_PATIENCE = 1.0  # seconds that a process may take to write its name into the file it has just made
_TRIES = 3


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds.

    Attributes
    ----------
    path : Path
    owner : str
        What the file says: process, computer and start of the process.
    """

    path: Path
    owner: str

    def check(self) -> None:
        """Make sure that it is still held, before anything is written.

        Raises
        ------
        MtjfitError
            The file was deleted or replaced.
        """
        if _read(self.path) != self.owner:
            raise MtjfitError(
                f"{self.path}: was taken away while this process was working on the run; it stops here and leaves the "
                "run as it was last saved. See that no other process works on it, then resume"
            )


@contextmanager
def locked(path: Path) -> Iterator[Lock]:
    """Hold a lock file; one that was left by a process of this computer that no longer runs is taken over.

    Raises
    ------
    MtjfitError
        Another process holds it.
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
    lock = Lock(path, _name(os.getpid()))
    for _ in range(_TRIES):
        with contextlib.suppress(FileExistsError):
            _make(lock)
            break
        _take_away_if_left_behind(path)
    else:
        raise MtjfitError(f"{path}: other processes keep taking this run; stop them and resume")
    try:
        yield lock
    finally:
        with contextlib.suppress(OSError):
            if _read(path) == lock.owner:
                path.unlink()


def _make(lock: Lock) -> None:
    handle = os.open(lock.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(lock.owner)
    except OSError:  # a full disk: an empty lock would hold up the next process
        with contextlib.suppress(OSError):
            lock.path.unlink()
        raise


def _name(pid: int) -> str:
    return json.dumps({"pid": pid, "host": platform.node(), "born": _born(pid)})


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _take_away_if_left_behind(path: Path) -> None:
    found, until = _read(path), time.monotonic() + _PATIENCE
    while not found and path.exists() and time.monotonic() < until:
        time.sleep(_PATIENCE / 20)
        found = _read(path)
    _refuse_if_held(path, found)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.replace(aside)
        if _read(aside) != found:  # somebody else was quicker: this is their lock, and they get it back
            aside.replace(path)
        else:
            aside.unlink()
    except FileNotFoundError:
        return


def _refuse_if_held(path: Path, found: str) -> None:
    """Say no unless the lock is empty, or its process ran on this computer and is gone."""
    if not found:
        return
    try:
        owner = json.loads(found)
        pid, host, born = int(owner["pid"]), str(owner["host"]), str(owner["born"])
    except (ValueError, TypeError, KeyError):
        raise MtjfitError(
            f"{path}: is no lock of mtjfit; if no other process works on this run, delete it and try again"
        ) from None
    if host != platform.node():
        raise MtjfitError(
            f"{path}: process {pid} on the computer {host!r} is working on this run, or was stopped there. Wait for "
            "it; if it no longer runs, delete this file and resume"
        )
    if _alive(pid) and _born(pid) == born:
        raise MtjfitError(f"{path}: process {pid} is working on this run; wait for it, or stop it and resume")


def _stat(pid: int) -> list[str]:
    """State, parent, … of a process, where Linux shows them; empty elsewhere, and for no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _born(pid: int) -> str:
    """When a process started, so that a number given to another process later is not taken for it; empty: unknown."""
    stat = _stat(pid)
    if not stat:
        return ""
    with contextlib.suppress(OSError):
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='utf-8').strip()} {stat[19]}"
    return ""


if sys.platform == "win32":

    def _alive(pid: int) -> bool:
        """True while a process runs; os.kill would end it here."""
        import ctypes

        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.OpenProcess.restype = ctypes.c_void_p
        handle = kernel32.OpenProcess(0x1000, False, ctypes.c_ulong(pid))  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return ctypes.get_last_error() == 5  # access denied: it runs, for another user
        code = ctypes.c_ulong()
        kernel32.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
        kernel32.CloseHandle(ctypes.c_void_p(handle))
        return code.value == 259  # STILL_ACTIVE

else:

    def _alive(pid: int) -> bool:
        """True while a process runs; one that ended and that nobody has asked about yet does not."""
        stat = _stat(pid)
        if stat:
            return stat[0] not in ("Z", "X")
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            return True
        return True
