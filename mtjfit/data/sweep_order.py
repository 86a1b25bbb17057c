"""Order of the biases of a curve: which stand twice, and where a sweep turns round."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from mtjfit.data.declaration import TableDeclaration
from mtjfit.errors import Line, ProblemLog
from mtjfit.text import counted, some

_TWICE = (
    "one device at several temperatures or in several sweeps: name these in columns.condition; several devices: give "
    "each its own name; repeats of one sweep: average them, or set repeats = true in [data.format]"
)


class Sweep(NamedTuple):
    """Biases of a curve and their places; of each component on its own where a row holds one."""

    name: str
    bias: Sequence[float]
    lines: Sequence[Line]


def refuse_repeats(sweeps: Sequence[Sweep], declaration: TableDeclaration, log: ProblemLog) -> set[str]:
    """One problem for all biases that stand twice; the curves in which several do, whose order says nothing more."""
    if declaration.format.repeats:
        return set()
    found: list[tuple[str, float, Line, Line]] = []
    for name, bias, lines in sweeps:
        first: dict[float, Line] = {}
        for value, line in zip(bias, lines, strict=True):
            if value in first:
                found.append((name, value, first[value], line))
            first.setdefault(value, line)
    if not found:
        return set()
    name, value, above, line = found[0]
    what = f"device {name!r} has bias {value:g} V already in line {above}"
    if len(found) == 1:
        todo = "average the points, or set repeats = true in [data.format]"
        log.add(what, todo, line, declaration.columns.bias)
        return set()
    names = [*dict.fromkeys(name for name, *_ in found)]
    of = f" of {some([repr(each) for each in names])}" if len(names) > 1 else ""
    log.add(f"{what}, and {counted(len(found) - 1, 'more row', 'more rows')}{of} repeat a bias", _TWICE, line,
            declaration.columns.bias)  # fmt: skip
    return set(names)


def check_turns(sweep: Sweep, declaration: TableDeclaration, log: ProblemLog) -> None:
    """A problem in the log where the bias turns round, unless it may."""
    if declaration.format.order == "any":
        return
    steps = [(b > a, line) for (a, b), line in zip(pairwise(sweep.bias), sweep.lines[1:], strict=True) if a != b]
    turn = next((line for up, line in steps if up != steps[0][0]), None)
    if turn is not None:
        todo = 'sort it, or set order = "any" in [data.format] if sweeps go back and forth'
        log.add(f"the bias of device {sweep.name!r} turns round here", todo, turn, declaration.columns.bias)
