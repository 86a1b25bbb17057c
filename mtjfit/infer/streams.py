"""Random streams of a run, one for each purpose, so that what one of them draws never moves another."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = ["Stream", "stream"]


class Stream(IntEnum):
    """What random numbers are drawn for, besides the walkers."""

    REFIT = 1
    DRAW_BACK = 2
    SECOND_METHOD = 3
    EVIDENCE = 4


def stream(seed: int, purpose: Stream, k: int = 0) -> np.random.Generator:
    """The k-th generator of a purpose; same seed, same numbers.

    Examples
    --------
    >>> first, again, other = (stream(1, Stream.REFIT, k) for k in (0, 0, 1))
    >>> bool(first.random() == again.random()), bool(again.random() == other.random())
    (True, False)
    """
    return np.random.default_rng(np.random.SeedSequence([seed, int(purpose), k]))
