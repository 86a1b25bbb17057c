"""A progress bar on a terminal: on stderr, deleted at its end, silent in a pipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def bar(what: str, wanted: bool, over: Iterable[Any] | None = None, **options: Any) -> tqdm[Any]:
    """A bar of tqdm, silent also on a terminal if it is not wanted; without `over`, call its `update`."""
    return tqdm(over, desc=what, disable=None if wanted else True, leave=False, dynamic_ncols=True, **options)
