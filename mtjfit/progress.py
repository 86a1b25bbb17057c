"""A progress bar on a terminal: on stderr, deleted at its end, silent in a pipe."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

from mtjfit.streams import BarStream


class _Bar(tqdm):  # type: ignore[type-arg]  # it takes no parameters at run time
    """A bar with a lock of this process alone: tqdm's own is a semaphore, which a killed process leaves behind."""


_Bar.set_lock(threading.RLock())


def bar(
    what: str, wanted: bool, over: Iterable[Any] | None = None, *, file: TextIO | None = None, **options: Any
) -> tqdm[Any]:
    """A bar of tqdm, silent also on a terminal if it is not wanted; without `over`, call its `update`."""
    stream, off = BarStream.over(file or sys.stderr), None if wanted else True
    return _Bar(over, desc=what, disable=off, leave=False, dynamic_ncols=True, file=stream, **options)
