"""Blocks of rows as they are read, gathered into chunks of whole devices."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.errors import DataError, Problem
from mtjfit.wafer.read.chunk import IntArray

_COPIES = 3  # of the numbers of a chunk: as parts, put together, and as a chunk


class BadCell(NamedTuple):
    """A cell that cannot be used, or (without role) an invalid row."""

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
class RowBlock:
    """Consecutive rows of a table; numbers are read on demand."""

    line: IntArray  # number of the line or record of each row
    names: dict[str, Runs]  # by role
    read: Callable[[], Numbers]  # in V, nm, mm and degrees by role, NaN where a cell is bad, and the bad cells
    broken: tuple[BadCell, ...] = ()  # invalid rows, each in the place of a row
    share: float = float("nan")  # part of the table up to the last row


@dataclass(frozen=True, eq=False)
class Gathered:
    """Rows of a chunk, numbers as read; device j has the rows ``start[j]:start[j + 1]``."""

    number: int  # of the chunk
    device: list[str]
    wafer: list[str]
    start: IntArray
    line: IntArray
    split: IntArray  # places in `splits`, of each row
    splits: list[str]
    numbers: dict[str, FloatArray]
    bad: list[BadCell]
    share: float = float("nan")


@dataclass
class NameIndex:
    """Detects repeated names by sorted hashes, eight bytes for each name.

    Two names among 1e8 share a hash of 64 bits with a probability of 3e-4.
    """

    runs: list[IntArray] = field(default_factory=list)

    def repeated(self, names: Sequence[tuple[str, str]]) -> int | None:
        """Place of the first name that occurred before, here or earlier; if there is none, all are kept."""
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
class _Gatherer:
    """State between blocks: the last device, the number of devices, the names so far, and the unfinished chunk."""

    label: str
    size: int
    memory: int
    skip: Container[int]
    seen: NameIndex = field(default_factory=NameIndex)
    key: tuple[str, str] | None = None
    count: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    parts: list[Gathered] = field(default_factory=list)

    def pieces(self, block: RowBlock) -> Iterator[Gathered]:
        """Chunks that end inside a block."""
        n, before = block.line.size, self.count
        begin, names, nameless = self._devices(block)
        full = [int(row) for k, row in enumerate(begin) if (before + k) % self.size == 0 and row > 0]
        split, found = self._splits(block), None
        for low, high in pairwise([0, *full, n]):
            number = (before - 1 + int(np.searchsorted(begin, low, side="right"))) // self.size
            if self.parts and self.parts[-1].number != number:
                yield self.finished(block.share)
            if number in self.skip:
                continue
            if found is None:
                found = block.read()
            inside = (begin >= low) & (begin < high)
            some = [name for name, is_in in zip(names, inside, strict=True) if is_in]
            bad = [each for each in (*block.broken, *nameless, *found[1]) if low <= each.row < high]
            self.parts.append(Gathered(
                number, [device for _, device in some], [wafer for wafer, _ in some],
                np.append(begin[inside], high) - low, block.line[low:high], split[low:high], [],
                {role: each[low:high] for role, each in found[0].items()},
                [each._replace(row=each.row - low) for each in bad],
            ))  # fmt: skip
            self._check_size(int(block.line[low]))

    def finished(self, share: float) -> Gathered:
        """All parts of the chunk as one; the next chunk begins without any."""
        parts, self.parts = self.parts, []
        above = np.cumsum([0, *(part.line.size for part in parts)]).tolist()
        placed = list(zip(parts, above[:-1], strict=True))
        return Gathered(
            parts[0].number, [name for part in parts for name in part.device],
            [name for part in parts for name in part.wafer],
            np.concatenate([*(part.start[:-1] + rows for part, rows in placed), above[-1:]]),
            np.concatenate([part.line for part in parts]), np.concatenate([part.split for part in parts]),
            list(self.splits),
            {role: np.concatenate([part.numbers[role] for part in parts]) for role in parts[0].numbers},
            [each._replace(row=each.row + rows) for part, rows in placed for each in part.bad], share,
        )  # fmt: skip

    def _devices(self, block: RowBlock) -> tuple[IntArray, list[tuple[str, str]], list[BadCell]]:
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
        if (again := self.seen.repeated(names)) is not None:
            of = f" of wafer {names[again][0]!r}" if names[again][0] else ""
            what = f"device {names[again][1]!r}{of} begins again here, after other devices"
            todo = "sort the table so that the rows of a device stand together, and give every device its own name"
            raise DataError([Problem(f"{self.label}:{block.line[begin[again]]}", what, todo)])
        self.count += len(names)
        return np.array(begin, dtype=np.int64), names, nameless

    def _splits(self, block: RowBlock) -> IntArray:
        n, runs = block.line.size, block.names.get("split")
        if runs is None:
            return np.zeros(n, dtype=np.int64)
        codes = np.array([self.splits.setdefault(text, len(self.splits)) for text in runs.text], dtype=np.int64)
        return np.repeat(codes, np.diff(np.append(runs.start, n)))

    def _check_size(self, line: int) -> None:
        rows, columns = sum(part.line.size for part in self.parts), len(self.parts[0].numbers) + 2
        if _COPIES * 8 * columns * rows > self.memory:
            what = f"chunk {self.parts[0].number} of {self.size} devices needs more than {self.memory / 2**20:.0f} MiB"
            todo = "set a smaller chunk in [wafer], or a larger memory"
            raise DataError([Problem(f"{self.label}:{line}", what, todo)])


def gathered(
    blocks: Iterable[RowBlock], label: str, size: int, memory: int, skip: Container[int] = ()
) -> Iterator[Gathered]:
    """Chunks of `size` devices from blocks in which the rows of a device stand together; those to `skip` are not read.

    DataError if a device begins again after others, or the rows of a chunk take more than `memory` bytes.
    """
    state, share = _Gatherer(label, size, memory, skip), 1.0
    for block in blocks:
        if block.line.size:
            yield from state.pieces(block)
            share = block.share
    if state.parts:
        yield state.finished(share)
