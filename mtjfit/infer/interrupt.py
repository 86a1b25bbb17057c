"""Ctrl-C during work that is saved block by block: the first lets the block finish, the second stops at once."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupted", "graceful_interrupt"]

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
