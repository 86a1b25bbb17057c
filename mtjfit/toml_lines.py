"""Lines of a TOML file in which its keys stand, for messages; `tomllib` keeps none."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtjfit.errors import Problem

_LONGEST, _MOST_PARSED = 30_000, 100  # characters, and beginnings of a file
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def placed(problems: Iterable[Problem], path: str | Path, text: str, several: str = "data") -> list[Problem]:
    """The problems of a file, each with its path as it was given and its line.

    Tables of the list `several`, which counts from zero, are named in words where there is more than one.

    >>> text = "[[data]]\\nfile = 'a'\\n[[data]]\\nper = 1\\n"
    >>> for where in ("data[1].per", "data[0].per", "study"):
    ...     print(*placed([Problem(where, "is none", "mend it")], Path("in/s.toml"), text))
    in/s.toml:4: data[1].per (in the second [[data]]): is none; mend it
    in/s.toml:1: data[0].per (in the first [[data]]): is none; mend it
    in/s.toml: study: is none; mend it
    """
    lines = _Lines(text)
    found = []
    for problem in problems:
        line, where = lines.of(problem.where), problem.where
        table = re.match(rf"{several}\[(\d+)\]", where)
        if table and lines.of(f"{several}[1]") != lines.of(f"{several}[0]"):
            k = int(table[1])
            where += f" (in the {_ORDINALS[k] if k < len(_ORDINALS) else f'{k + 1}th'} [[{several}]])"
        found.append(replace(problem, where=f"{path}:{line}: {where}" if line else f"{path}: {where}"))
    return found


class _Lines:
    """Lines of keys: a key stands in the first line with which the beginning of the file holds it.

    A beginning that ends inside a string or a list is no TOML, so that nothing in these is taken for a key.
    """

    def __init__(self, text: str):
        self._lines = text.split("\n")
        self._parsed: dict[int, dict[str, Any] | None] = {}
        self._left = _MOST_PARSED if len(text) <= _LONGEST else 0

    def of(self, where: str) -> int | None:
        """The line of a key path, or of the innermost table there is of it, counted from one; None where none is."""
        keys = re.findall(r"[^.\[\]]+|\[\d+\]", where)
        try:
            depth = _depth(self._whole(len(self._lines))[1], keys)
            if not depth:
                return None
            ends = range(len(self._lines) + 1)
            end = bisect_left(ends, depth, key=lambda n: _depth(self._whole(n)[1], keys))
            return self._whole(end - 1)[0] + 1
        except _TooManyParsed:
            return None

    def _whole(self, n: int) -> tuple[int, dict[str, Any]]:
        """The longest beginning of at most n lines that is TOML, and what it holds."""
        while (found := self._beginning(n)) is None:
            n -= 1
        return n, found

    def _beginning(self, n: int) -> dict[str, Any] | None:
        if n not in self._parsed:
            if not self._left:
                raise _TooManyParsed
            self._left -= 1
            try:
                self._parsed[n] = tomllib.loads("\n".join(self._lines[:n]))
            except (ValueError, RecursionError):
                self._parsed[n] = None
        return self._parsed[n]


class _TooManyParsed(Exception):
    """A file that is no longer worth the time."""


def _depth(raw: object, keys: list[str]) -> int:
    """How many keys of a path there are, one inside the other."""
    for depth, key in enumerate(keys):
        if isinstance(raw, dict) and key in raw:
            raw = raw[key]
        elif isinstance(raw, list) and key[0] == "[" and int(key[1:-1]) < len(raw):
            raw = raw[int(key[1:-1])]
        else:
            return depth
    return len(keys)
