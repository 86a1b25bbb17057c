"""Named exceptions. Each says where, what is wrong and what to do, and carries the exit code of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from mtjfit.text import visible

_LISTED, _SHOWN = 50, 60
_PRINTED = 200  # problems of a message; there may be one of each line of a file


class MtjfitError(Exception):
    """Base of all errors that mtjfit raises on purpose; each argument is a line of the message."""

    exit_code = 3

    def __str__(self) -> str:
        return "\n".join(visible(str(line)) for line in self.args)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it is, what it is, what to do about it."""

    where: str
    what: str
    todo: str

    def __str__(self) -> str:
        return visible(f"{self.where}: {self.what}; {self.todo}")


class _Problems(MtjfitError):
    """An error that reports every problem found, not just the first."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        rest = ["more problems are not listed; mend these first"] if len(self.problems) > _PRINTED else []
        super().__init__(*map(str, self.problems[:_PRINTED]), *rest)

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class DataError(_Problems):
    """A data file cannot be used as declared."""


class ConfigError(_Problems):
    """A study file, or a declaration in Python, contradicts itself or cannot be understood."""


class NotDetermined(MtjfitError):
    """The data do not determine what was asked for; the message says what they do determine."""

    exit_code = 4


class NotConverged(MtjfitError):
    """The sampled posterior failed the convergence gate."""

    exit_code = 5


@dataclass(frozen=True)
class Place:
    """A line of a file, where rows of one table come from several files."""

    label: str
    line: int

    def __str__(self) -> str:
        return f"{self.label}:{self.line}"


Line: TypeAlias = int | Place


@dataclass
class ProblemLog:
    """The problems of one file, the first fifty kept and the rest counted, and `notices` of what is no problem.

    >>> log = ProblemLog("a.csv")
    >>> log.add("is empty", "give a number", line=3, column="V")
    >>> log.refuse()
    Traceback (most recent call last):
    mtjfit.errors.DataError: a.csv:3: column 'V': is empty; give a number
    """

    label: str
    problems: list[Problem] = field(default_factory=list)
    count: int = 0
    notices: list[str] = field(default_factory=list)

    def add(self, what: str, todo: str, line: Line | None = None, column: str | None = None) -> None:
        """Note one problem."""
        place = str(line) if isinstance(line, Place) else self.label if line is None else f"{self.label}:{line}"
        self.take([Problem(place if column is None else f"{place}: column {column!r}", what, todo)])

    def take(self, problems: Iterable[Problem]) -> None:
        """Note problems that have places of their own."""
        for problem in problems:
            self.count += 1
            if len(self.problems) < _LISTED:
                self.problems.append(problem)

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Note the problems of a `DataError` raised inside."""
        try:
            yield
        except DataError as error:
            self.take(error.problems)

    def refuse(self) -> None:
        """Raise a `DataError` with all problems, if there are any."""
        if self.count:
            raise self.error()

    def error(self) -> DataError:
        """One exception for all problems."""
        rest = self.count - len(self.problems)
        tail = [Problem(self.label, f"{rest} more problems are not listed", "mend these first")] if rest else []
        return DataError([*self.problems, *tail])


def did_you_mean(word: str, known: Iterable[str], letters: int | None = None) -> str:
    """Advice for an unknown word: the nearest known one if there is one, else the whole list.

    Of what is listed, only so many `letters` of each word are shown, if given: it may be a file that holds secrets.

    >>> did_you_mean("xyz", ["lambda_J", "lambda_phi"])
    "use one of 'lambda_J', 'lambda_phi'"
    """
    # A cap keeps a hostile header of a million columns from costing minutes in difflib.
    options = list(dict.fromkeys(known))[:500]
    folded = {option.casefold(): option for option in reversed(options)}
    close = get_close_matches(word.casefold()[:200], folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    if not options:
        return "there is none to choose from"
    short = [each if letters is None else _cut(each, letters) for each in options[:40]]
    listed = ", ".join(map(repr, short))
    return f"use one of {listed}" + (" …" if len(options) > 40 else "")


def _cut(text: str, letters: int) -> str:
    words = (word if len(word) <= letters else f"{word[:letters]}…" for word in text[:_SHOWN].split(" "))
    return " ".join(words)
