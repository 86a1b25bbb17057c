"""A lock on a run, which the operating system releases when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mtjfit.errors import MtjfitError

__all__ = ["Interrupted", "Lock", "graceful_interrupt", "locked"]

_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_MESSAGES = {
    signal.SIGINT: "\nCtrl-C: finishing this block and saving it; press Ctrl-C again to stop at once.\n",
    signal.SIGTERM: "\nAsked to end: finishing this block and saving it.\n",
}


class Interrupted(KeyboardInterrupt):
    """A run was interrupted between two blocks; everything that it computed is saved."""


@contextmanager
def graceful_interrupt(
    wanted: bool = True, signals: tuple[signal.Signals, ...] = (signal.SIGINT,)
) -> Iterator[Callable[[], bool]]:
    """Within the context the first signal is only noted; the function that is handed out says whether there was one.

    Parameters
    ----------
    wanted : bool
        False: signals do what they always do. They also do so outside the main thread, where no handler can be set,
        and where they are ignored or handled by other code already.
    signals : tuple of Signals
        SIGINT (Ctrl-C), SIGTERM.

    Raises
    ------
    Interrupted
        At the end of the context, after a first signal.
    KeyboardInterrupt
        On the second signal, wherever the program is.

    Examples
    --------
    >>> with graceful_interrupt() as asked_to_end:
    ...     asked_to_end()
    False
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        # A handler may interrupt a write to the same stream, and there may be no stream at all.
        with contextlib.suppress(RuntimeError, ValueError, OSError, AttributeError):
            sys.stderr.write(_MESSAGES[signal.Signals(number)])
            sys.stderr.flush()

    can = wanted and threading.current_thread() is threading.main_thread()
    before = {each: found for each in signals if can and (found := signal.getsignal(each)) is _DEFAULTS[each]}
    for each in before:
        signal.signal(each, handle)
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if asked:
        raise Interrupted


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
