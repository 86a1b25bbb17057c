"""Clean stops by Ctrl-C, SIGTERM and SIGHUP. Imports nothing slow: every command begins here."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_HANGUP = getattr(signal, "SIGHUP", None)  # of a terminal that was closed; Windows has none
_ENDING = frozenset({signal.SIGINT, signal.SIGTERM, *([] if _HANGUP is None else [_HANGUP])})


class Interrupted(KeyboardInterrupt):
    """A run stopped between two blocks, on request; everything it computed is saved."""


@contextmanager
def signals_postponed() -> Iterator[None]:
    """Hear of SIGINT, SIGTERM and SIGHUP at the end of the block; processes started in it never do.

    Windows has no such thing: there SIGINT is ignored.
    """
    if hasattr(signal, "pthread_sigmask"):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in _ENDING - {signal.SIGINT}:  # a closed terminal sends two: the second must not end the clearing up
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(f"Ended by {signal.Signals(number).name}")


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt within the block, with their name, unless they are ignored."""
    main = threading.current_thread() is threading.main_thread()
    ours = [each for each in _ENDING - {signal.SIGINT} if main and signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _interrupt)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


def _is_usual(number: signal.Signals) -> bool:
    """True where a signal has the handler of Python or of `interrupted_by_signals`."""
    usual = (signal.default_int_handler,) if number == signal.SIGINT else (signal.SIG_DFL, _interrupt)
    return signal.getsignal(number) in usual


@contextmanager
def graceful_interrupt(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Postpone the first SIGINT, SIGTERM or SIGHUP within the block; the yielded function tells whether there was one.

    Interrupted is raised at the end of the block after a first signal, KeyboardInterrupt at once at the second unless
    that is SIGHUP, of which a closed terminal sends two. Signals are left alone if not `wanted`, outside the main
    thread, where Python allows no handlers, and where they are ignored or have a handler of other code.

    >>> with graceful_interrupt() as interrupted:
    ...     interrupted()
    False
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number != _HANGUP:
            raise KeyboardInterrupt
        if asked:
            return
        asked = True
        # A handler may interrupt a write to the same stream, and there may be no stream at all.
        with contextlib.suppress(RuntimeError, ValueError, OSError, AttributeError):
            sys.stderr.write(
                "\nCtrl-C: finishing this block and saving it; press Ctrl-C again to stop at once.\n"
                if number == signal.SIGINT
                else f"\nAsked to end ({signal.Signals(number).name}): finishing this block and saving it.\n"
            )
            sys.stderr.flush()

    can = wanted and threading.current_thread() is threading.main_thread()
    before = {each: signal.getsignal(each) for each in _ENDING if can and _is_usual(each)}
    for each in before:
        signal.signal(each, handle)
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if asked:
        raise Interrupted
