"""Sweeps of one file told apart: where the abscissa turns round, and the mean of sweeps over the same points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.errors import DataError, Problem
from mtjfit.spectra.spectrum import Spectrum

Sweeps: TypeAlias = Literal["separate", "average"]
"""What becomes of a sweep that turns round: a spectrum for each sweep, or their mean."""

_TURN = 0.1  # of the span: a smaller way back is the readback of an instrument, no turn
_MANY = 4  # sweeps of a few points each, from which on rows are in no order


@dataclass(frozen=True)
class Leg:
    """Rows of one sweep, from `start` to before `stop`; `name` is such as "up" or "down 2", empty if it is alone."""

    start: int
    stop: int
    name: str = ""


def legs(x: FloatArray, least: int) -> tuple[Leg, ...]:
    """Sweeps of an abscissa in the order of its rows; none where most have not even half of `least` points.

    Examples
    --------
    >>> x = np.array([0, 1, 2, 3, 4, 3, 2, 1, 0.0])
    >>> [(leg.start, leg.stop, leg.name) for leg in legs(x, 3)]
    [(0, 5, 'up'), (5, 9, 'down')]
    >>> legs(np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5.0]), 10)
    ()
    """
    step = np.diff(x)
    if np.all(step >= 0) or np.all(step <= 0):
        return (Leg(0, x.size),)
    turns = _turns(x)
    if len(turns) > _MANY and x.size / len(turns) < least / 2:
        return ()
    # the way back to the beginning, in a step or two, is no sweep, but the begin of the next one or the end of the last
    starts = [0, *(start for before, start in pairwise(turns) if start - before > 2)]
    starts = starts[:-1] if len(starts) > 1 and x.size - starts[-1] <= 2 else starts
    ends = [*starts[1:], x.size]
    up = [bool(x[stop - 1] > x[start]) for start, stop in zip(starts, ends, strict=True)]
    return tuple(map(Leg, starts, ends, _names(up)))


def _names(up: Sequence[bool]) -> Iterator[str]:
    """Such as "up", "down 1" and "down 2", in one pass: a file may hold a hundred thousand sweeps."""
    words = ["up" if each else "down" for each in up]
    of, passed = Counter(words), Counter[str]()
    for word in words:
        passed[word] += 1
        yield "" if len(up) == 1 else word if of[word] == 1 else f"{word} {passed[word]}"


def _turns(x: FloatArray) -> list[int]:
    """The first row, and that behind each extreme from which the abscissa went back by a tenth of its span."""
    enough = _TURN * float(np.ptp(x))
    values = x.tolist()
    extreme, direction, turns = 0, 0, [0]
    for i, value in enumerate(values):
        ahead = value - values[extreme]
        if direction == 0:
            direction = (ahead > enough) - (ahead < -enough)
            extreme = i if direction else extreme
        elif ahead * direction > 0:
            extreme = i
        elif -ahead * direction > enough:
            turns.append(extreme + 1)
            extreme, direction = i, -direction
    return turns


def mean_of(parts: Sequence[Spectrum]) -> Spectrum:
    """The mean of sweeps, point by point; DataError where they are not over the same abscissas.

    Abscissas that differ by less than half their distance are the same, read back.
    """
    first = parts[0]
    if len(parts) == 1:
        return replace(first, sweep="")
    spacing = float(np.median(np.diff(first.x)))
    alike = all(each.x.size == first.x.size for each in parts)
    if alike:
        x = np.array([each.x for each in parts])
        alike = bool(np.all(np.ptp(x, axis=0) <= spacing / 2))
    if not alike:
        sizes = " and ".join(str(each.x.size) for each in parts)
        what = f"has sweeps of {sizes} points over different abscissas, which have no mean"
        raise DataError([Problem(first.label, what, 'set sweeps = "separate"')])
    voltage = np.mean([each.voltage for each in parts], axis=0)
    return replace(first, x=np.mean(x, axis=0), voltage=voltage, sweep="", parts=tuple(parts))
