"""What a reader is given: the bytes of a file, and what has been declared of how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtjfit.data.format import HeaderLine, ReadOptions
from mtjfit.data.tidy import ProblemLog
from mtjfit.errors import DataError, Problem

__all__ = ["HeaderLine", "ReadOptions", "Source"]


@dataclass(frozen=True)
class Source:
    """A file as read: its name for messages, its bytes, and its own name without folders."""

    label: str
    data: bytes = field(repr=False)
    name: str = ""

    def log(self) -> ProblemLog:
        """An empty log for this file."""
        return ProblemLog(self.label)

    def fault(self, what: str, todo: str, line: int | None = None) -> DataError:
        """One problem of this file as an exception."""
        where = self.label if line is None else f"{self.label}:{line}"
        return DataError([Problem(where, what, todo)])
