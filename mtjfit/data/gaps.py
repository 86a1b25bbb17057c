"""Rows of a table that are left out, and why; what a person should know of them and of names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mtjfit.data.curve import Component
from mtjfit.data.declaration import TableDeclaration
from mtjfit.errors import Line
from mtjfit.text import counted, some

_MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DATE = re.compile(rf"(\d{{4}}-\d\d-\d\d )?\d\d:\d\d:\d\d|\d\d?[-. ]{{1,2}}{_MONTH}|{_MONTH}[-. ]{{1,2}}\d\d")
"""What spreadsheets make of names such as 1-2 and 1:2, as a value and as it is shown."""


class Gap(NamedTuple):
    """A row that is left out because numbers are missing in it.

    Its bias in V is NaN if that is missing, too; the reason is that of a mask over it, empty where there is none.
    """

    line: Line
    bias: float
    reason: str


def masked_because(
    device: str, condition: str, bias: float, declaration: TableDeclaration, component: Component | None = None
) -> str:
    """Why a mask, or else the window, leaves out a bias in V of a device under a condition; empty where none does.

    Masks of one component count only for that `component`.
    """
    for mask in declaration.mask:
        if mask.component not in (None, component):
            continue
        if mask.covers(device, condition) and mask.bias[0] <= bias <= mask.bias[1]:
            return mask.reason
    low, high = declaration.bias_window or (-math.inf, math.inf)
    return "" if low <= bias <= high else f"outside the bias window {low:g} to {high:g} V"


def gap_notices(gaps: Mapping[str, Sequence[Gap]], declaration: TableDeclaration) -> Iterator[str]:
    """How many rows of each device were left out, for each reason."""
    every = [(gap, device) for device, some_gaps in gaps.items() for gap in some_gaps]
    for reason in dict.fromkeys(gap.reason for gap, _ in every):
        found = [(gap, device) for gap, device in every if gap.reason == reason]
        columns = declaration.columns
        empty = [repr(each) for each in (columns.par, columns.perp, columns.torque) if each]
        nothing = f"both {' and '.join(empty)} are nan or empty" if len(empty) > 1 else f"{empty[0]} is nan or empty"
        why = f"masked: {reason}" if reason else nothing
        of = some([f"{n} of {device!r}" for device, n in Counter(device for _, device in found).items()])
        without = "without a number that is needed" if reason else "without numbers"
        rows = counted(len(found), f"row {without} is", f"rows {without} are")
        yield f"{rows} left out, from {_line(found[0][0].line)} on, {of}; {why}"


def _line(line: Line) -> str:
    return f"line {line}" if isinstance(line, int) else str(line)


def gone_notices(devices: Sequence[str]) -> Iterator[str]:
    """Devices of which no row is left."""
    if devices:
        yield f"without any numbers, and not in the study: {some([repr(each) for each in devices])}"


def date_notices(names: Iterable[str]) -> Iterator[str]:
    """Names of devices or groups that a spreadsheet may have changed."""
    if dates := [repr(name) for name in dict.fromkeys(names) if _DATE.fullmatch(name)]:
        yield f"a spreadsheet may have made a date or time of a name: {some(dates)}; is it what you wrote?"
