"""The one way to read rows of a catalogue: typed, some thousand at a time, within a budget."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from mtjfit.wafer.catalogue.schema import Row, changed, plainly, roll_back

_PIECE = 5000  # rows in memory at a time
_TYPES: dict[str, set[type]] = {
    "T": {str},
    "N": {str},
    "I": {int},
    "S": {int, type(None)},
    "R": {float, type(None)},
    "B": {bytes},
}
"""Text, a Name, Integer, a Sum, Real or null, and Bytes."""
_LONGEST_NAME = 1000  # characters, as in tables: a page repeats each name a hundred times
_STEPS = 10**6  # of SQLite's machine, which takes some milliseconds for them
_LEAST, _PAGES = 1000, 4  # so many steps of any statement, and once more for so many pages of the file


@dataclass(frozen=True, eq=False)
class Reading:
    """An open catalogue, and statements whose results are checked."""

    path: Path
    connection: sqlite3.Connection

    def _pieces(self, types: str, statement: str, *values: object) -> Iterator[list[Row]]:
        """Rows, some thousand at a time; DataError unless each cell has its type: a letter of `_TYPES`.

        SQLite keeps any type in any column. The budget is a method of C, in which Ctrl-C waits for the end of it.
        """
        with plainly(self.path):
            pages = int(self.connection.execute("PRAGMA page_count").fetchone()[0])
            budget = chain(repeat(0, _LEAST + pages // _PAGES), repeat(1))
            self.connection.set_progress_handler(budget.__next__, _STEPS)
            rows = self.connection.execute(statement, values)
            while piece := rows.fetchmany(_PIECE):
                for k, (kind, cells) in enumerate(zip(types, zip(*piece, strict=True), strict=True)):
                    if not _TYPES[kind].issuperset(map(type, cells)):
                        where = f"column {rows.description[k][0]!r}"
                        raise changed(self.path, where, "it holds another kind of values")
                    if kind == "N" and max(map(len, cells)) > _LONGEST_NAME:
                        where = f"column {rows.description[k][0]!r}"
                        raise changed(self.path, where, f"a name in it has more than {_LONGEST_NAME} characters")
                yield piece

    def _all(self, types: str, statement: str, *values: object) -> list[Row]:
        return [row for piece in self._pieces(types, statement, *values) for row in piece]

    @contextmanager
    def at_one_time(self) -> Iterator[None]:
        """Several statements that see the same content, whoever writes meanwhile."""
        if self.connection.in_transaction:
            yield
            return
        with plainly(self.path):
            self.connection.execute("BEGIN")
        try:
            yield
        finally:
            roll_back(self.connection)
