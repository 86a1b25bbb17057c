"""A progress bar on a terminal: on stderr, deleted at its end, silent in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

from mtjfit.streams import BarStream


def bar(
    what: str, wanted: bool, over: Iterable[Any] | None = None, *, file: TextIO | None = None, **options: Any
) -> tqdm[Any]:
    """A bar of tqdm, silent also on a terminal if it is not wanted; without `over`, call its `update`."""
    stream, off = BarStream.over(file or sys.stderr), None if wanted else True
    return tqdm(over, desc=what, disable=off, leave=False, dynamic_ncols=True, file=stream, **options)
