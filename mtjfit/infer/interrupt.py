"""Ctrl-C during a run that is saved: the first lets the block finish, the second stops at once."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupted", "finishing_blocks"]

_SAYS = "\nCtrl-C: finishing this block and saving it; press Ctrl-C again to stop at once.\n"


class Interrupted(KeyboardInterrupt):
    """A run was interrupted between two blocks; everything that it computed is saved."""


@contextmanager
def finishing_blocks(wanted: bool) -> Iterator[Callable[[], None]]:
    """Within the context the first Ctrl-C only leaves a note, which the function that is handed out turns into an end.

    Parameters
    ----------
    wanted : bool
        False: Ctrl-C does what it always does. It also does so outside the main thread, where no handler can be set,
        and where Ctrl-C is ignored or handled by somebody else already.

    Raises
    ------
    Interrupted
        By the function, called between blocks, and at the end of the context.
    KeyboardInterrupt
        On the second Ctrl-C, wherever the program is.

    Examples
    --------
    >>> with finishing_blocks(wanted=True) as end_if_asked:
    ...     end_if_asked()
    """
    asked = False

    def end_if_asked() -> None:
        if asked:
            raise Interrupted

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        _say()

    in_main = threading.current_thread() is threading.main_thread()
    if not (wanted and in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
        yield end_if_asked
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield end_if_asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    end_if_asked()


def _say() -> None:
    # A handler may interrupt a write to the same stream, and there may be no stream at all.
    with contextlib.suppress(RuntimeError, ValueError, OSError, AttributeError):
        sys.stderr.write(_SAYS)
        sys.stderr.flush()
