"""Rows of a table as they come in, and their gathering into pieces of whole devices."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from mtjfit.data.curve import FloatArray
from mtjfit.errors import DataError, Problem
from mtjfit.wafer.read.chunk import IntArray

__all__ = ["BadCell", "Block", "Gathered", "NameIndex", "Numbers", "Runs", "gathered"]

_COPIES = 3  # of the numbers of a chunk: as parts, put together, and as a chunk


class BadCell(NamedTuple):
    """A cell that cannot be used, or (without role) a row that is none."""

    row: int
    role: str
    what: str
    todo: str


class Runs(NamedTuple):
    """A column of text as runs of equal cells: first row of each run, and its text."""

    start: IntArray
    text: list[str]

    def at(self, rows: IntArray) -> list[str]:
        """Text of some rows."""
        return [self.text[k] for k in np.searchsorted(self.start, rows, side="right") - 1]


Numbers: TypeAlias = tuple[dict[str, FloatArray], list[BadCell]]


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows.

    Attributes
    ----------
    line : ndarray of int, shape (n,)
        Line or record of each row.
    names : dict of str to Runs
        Columns of names by role.
    read : callable
        Gives the numbers by role, in V, nm, mm and degrees, NaN where a cell is bad, and the bad cells.
    broken : tuple of BadCell
        Rows that are none, each of them in the place of a row.
    share : float
        Part of the table up to the last row.
    """

    line: IntArray
    names: dict[str, Runs]
    read: Callable[[], Numbers]
    broken: tuple[BadCell, ...] = ()
    share: float = float("nan")


@dataclass(frozen=True, eq=False)
class Gathered:
    """Rows of whole devices, numbers as read.

    Attributes
    ----------
    number : int
        Of the chunk.
    start : ndarray of int, shape (J + 1,)
    line : ndarray of int, shape (rows,)
    split : ndarray of int, shape (rows,)
        Places in `splits`.
    numbers : dict of str to ndarray, shape (rows,)
    """

    number: int
    device: list[str]
    wafer: list[str]
    start: IntArray
    line: IntArray
    split: IntArray
    splits: list[str]
    numbers: dict[str, FloatArray]
    bad: list[BadCell]
    share: float


@dataclass
class NameIndex:
    """Names that occurred, as hashes in sorted runs: eight bytes for each, whatever its length.

    Two names among 1e8 share a hash of 64 bits with a probability of 3e-4.

    Examples
    --------
    >>> names = NameIndex()
    >>> names.repeated([("w1", "A"), ("w1", "B")]), names.repeated([("w1", "C"), ("w1", "A")])
    (None, 1)
    """

    runs: list[IntArray] = field(default_factory=list)

    def repeated(self, names: Sequence[tuple[str, str]]) -> int | None:
        """Place of the first name that occurred before, here or earlier; None, and all are kept, if there is none."""
        if not names:
            return None
        new = np.array([hash(name) for name in names], dtype=np.int64)
        known = np.zeros(new.size, dtype=bool)
        for run in self.runs:
            place = np.minimum(np.searchsorted(run, new), run.size - 1)
            known |= run[place] == new
        order = np.argsort(new, kind="stable")
        known[order[1:]] |= new[order[1:]] == new[order[:-1]]
        if known.any():
            return int(np.argmax(known))
        self.runs.append(new[order])
        while len(self.runs) > 1 and self.runs[-2].size <= 2 * self.runs[-1].size:
            last = self.runs.pop()
            self.runs[-1] = np.sort(np.concatenate([self.runs[-1], last]), kind="stable")
        return None


@dataclass
class _Pending:
    """A chunk while its rows come in."""

    number: int
    device: list[str] = field(default_factory=list)
    wafer: list[str] = field(default_factory=list)
    start: list[IntArray] = field(default_factory=list)
    line: list[IntArray] = field(default_factory=list)
    split: list[IntArray] = field(default_factory=list)
    numbers: list[dict[str, FloatArray]] = field(default_factory=list)
    bad: list[BadCell] = field(default_factory=list)
    rows: int = 0

    def take(
        self, low: int, begin: IntArray, names: list[tuple[str, str]], line: IntArray, split: IntArray,
        numbers: dict[str, FloatArray], bad: list[BadCell],
    ) -> None:  # fmt: skip
        """Add rows, those of the block from `low` on."""
        self.start.append(begin - low + self.rows)
        self.wafer += [wafer for wafer, _ in names]
        self.device += [device for _, device in names]
        self.line.append(line)
        self.split.append(split)
        self.numbers.append(numbers)
        self.bad += [each._replace(row=each.row - low + self.rows) for each in bad]
        self.rows += line.size

    def finished(self, splits: list[str], share: float) -> Gathered:
        numbers = {role: np.concatenate([part[role] for part in self.numbers]) for role in self.numbers[0]}
        start = np.append(np.concatenate(self.start), self.rows)
        return Gathered(self.number, self.device, self.wafer, start, np.concatenate(self.line),
                        np.concatenate(self.split), splits, numbers, self.bad, share)  # fmt: skip


@dataclass
class _Gatherer:
    """What must be known of all rows before: the last device, how many there were, and which names are taken."""

    label: str
    size: int
    memory: int
    skip: Container[int]
    seen: NameIndex = field(default_factory=NameIndex)
    key: tuple[str, str] | None = None
    count: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    pending: _Pending | None = None

    def pieces(self, block: Block) -> Iterator[Gathered]:
        """Chunks that end inside a block."""
        n, before = block.line.size, self.count
        begin, names, nameless = self._devices(block)
        full = [int(row) for k, row in enumerate(begin) if (before + k) % self.size == 0 and row > 0]
        cuts, split, found = [0, *full, n], self._splits(block), None
        for low, high in pairwise(cuts):
            number = (before - 1 + int(np.searchsorted(begin, low, side="right"))) // self.size
            if self.pending is not None and self.pending.number != number:
                yield self.pending.finished(list(self.splits), block.share)
                self.pending = None
            if number in self.skip:
                continue
            if found is None:
                found = block.read()
            self.pending = self.pending or _Pending(number)
            inside = (begin >= low) & (begin < high)
            bad = [each for each in (*block.broken, *nameless, *found[1]) if low <= each.row < high]
            numbers = {role: each[low:high] for role, each in found[0].items()}
            some = [name for name, is_in in zip(names, inside, strict=True) if is_in]
            self.pending.take(low, begin[inside], some, block.line[low:high], split[low:high], numbers, bad)
            self._check_size(self.pending, int(block.line[low]))

    def _devices(self, block: Block) -> tuple[IntArray, list[tuple[str, str]], list[BadCell]]:
        """Rows that begin a device, wafer and name of each, and a fault for each that has no name."""
        device, wafer = block.names.get("device"), block.names.get("wafer")
        starts = [runs.start for runs in (device, wafer) if runs is not None]
        at = np.unique(np.concatenate([[0], *starts]).astype(np.int64))
        wafers = [""] * at.size if wafer is None else wafer.at(at)
        devices = [self.label] * at.size if device is None else device.at(at)
        begin, names, nameless = [], [], []
        for row, *key in zip(at.tolist(), wafers, devices, strict=True):
            if tuple(key) == self.key:
                continue
            self.key = key[0], key[1]
            begin.append(row)
            if not key[1]:
                nameless.append(BadCell(row, "device", "is empty", "name the device"))
            names.append((key[0], key[1] or f"(line {block.line[row]})"))
        self._check_new(block, begin, names)
        self.count += len(names)
        return np.array(begin, dtype=np.int64), names, nameless

    def _check_new(self, block: Block, begin: list[int], names: list[tuple[str, str]]) -> None:
        repeated = self.seen.repeated(names)
        if repeated is not None:
            wafer, device = names[repeated]
            what = f"device {device!r}{f' of wafer {wafer!r}' if wafer else ''} begins again here, after other devices"
            todo = "sort the table so that the rows of a device stand together, and give every device its own name"
            raise DataError([Problem(f"{self.label}:{block.line[begin[repeated]]}", what, todo)])

    def _splits(self, block: Block) -> IntArray:
        n, runs = block.line.size, block.names.get("split")
        if runs is None:
            return np.zeros(n, dtype=np.int64)
        codes = np.array([self.splits.setdefault(text, len(self.splits)) for text in runs.text], dtype=np.int64)
        return np.repeat(codes, np.diff(np.append(runs.start, n)))

    def _check_size(self, pending: _Pending, line: int) -> None:
        need = _COPIES * 8 * (len(pending.numbers[0]) + 2) * pending.rows
        if need > self.memory:
            what = f"chunk {pending.number} of {self.size} devices needs more than {self.memory / 2**20:.0f} MiB"
            todo = "set a smaller chunk in [wafer], or a larger memory"
            raise DataError([Problem(f"{self.label}:{line}", what, todo)])


def gathered(
    blocks: Iterable[Block], label: str, size: int, memory: int, skip: Container[int] = ()
) -> Iterator[Gathered]:
    """Blocks of rows to chunks of whole devices.

    Parameters
    ----------
    blocks : iterable of Block
        Rows of a device stand together.
    label : str
        Of the table, for messages.
    size : int
        Devices to a chunk; the last may have fewer.
    memory : int
        Bytes that the rows of one chunk may take.
    skip : container of int
        Numbers of chunks that are not wanted; numbers of blocks that hold nothing else are not read.

    Raises
    ------
    DataError
        A device begins again after others, or a chunk is too large.
    """
    state, share = _Gatherer(label, size, memory, skip), 1.0
    for block in blocks:
        if block.line.size:
            yield from state.pieces(block)
            share = block.share
    if state.pending is not None:
        yield state.pending.finished(list(state.splits), share)
