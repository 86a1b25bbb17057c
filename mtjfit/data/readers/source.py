"""What a reader is given: the bytes of a file, and what has been declared of how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

from mtjfit.data.format import HeaderLine, ReadOptions
from mtjfit.data.tidy import ProblemLog
from mtjfit.errors import DataError, Problem

__all__ = ["HeaderLine", "ReadOptions", "SourceFile", "cell_text", "needed", "third_party"]


@dataclass(frozen=True)
class SourceFile:
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


def needed(source: SourceFile, extra: str, *modules: str) -> ModuleType:
    """The first of some modules of an extra; DataError with the command that installs them."""
    try:
        for other in modules[1:]:
            import_module(other)
        return import_module(modules[0])
    except ImportError:
        todo = f'install it with: python -m pip install "mtjfit[{extra}]"'
        raise source.fault(f"needs {' and '.join(modules)} to be read", todo) from None


@contextmanager
def third_party(source: SourceFile, format: str, todo: str) -> Iterator[None]:
    """Whatever a library says of a broken file, as DataError with the file in it."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        # Libraries raise anything at all on damaged files: KeyError, struct.error, RecursionError.
        said = " ".join(str(error).split())[:200]
        what = f"is no {format} that can be read ({type(error).__name__}{': ' + said if said else ''})"
        raise source.fault(what, todo) from None


def cell_text(value: object) -> str:
    """A value of a binary format as the shortest text that gives it back; empty for none.

    Examples
    --------
    >>> cell_text(0.1), cell_text(3), cell_text(None), cell_text("A1 ")
    ('0.1', '3', '', 'A1')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(float(value))
    return str(value).strip()
