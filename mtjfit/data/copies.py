"""Data that were read twice, under one name or several."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from mtjfit.arrays import FloatArray

T = TypeVar("T")

_LISTED = 3


def copies(items: Iterable[T], points: Callable[[T], Sequence[FloatArray]]) -> Iterator[tuple[T, T]]:
    """Each item whose points are those of one before it, behind that one.

    >>> [(a, b) for a, b in copies("abc", lambda name: [np.zeros(2) if name in "ac" else np.ones(2)])]
    [('a', 'c')]
    """
    seen: dict[bytes, T] = {}
    for each in items:
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in points(each))).digest()
        if digest in seen:
            yield seen[digest], each
        seen.setdefault(digest, each)


def copy_notices(names: Iterable[tuple[str, str]]) -> list[str]:
    """What to say of pairs that hold the same points under different names.

    >>> copy_notices([("A1", "A2")])
    ['A1 and A2 hold the same points: is one a copy?']
    """
    said = list(dict.fromkeys(f"{first} and {again} hold the same points: is one a copy?" for first, again in names))
    more = [f"and {len(said) - _LISTED} more pairs hold the same points"] if len(said) > _LISTED else []
    return said[:_LISTED] + more
