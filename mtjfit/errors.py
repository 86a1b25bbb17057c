"""Named exceptions. Each says where, what is wrong and what to do, and carries the exit code of the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = ["ConfigError", "DataError", "MtjfitError", "NotConverged", "NotDetermined", "Problem", "did_you_mean"]


class MtjfitError(Exception):
    """Base of all errors that mtjfit raises on purpose."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it is, what it is, what to do about it."""

    where: str
    what: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.todo}"


class _Problems(MtjfitError):
    """An error that reports every problem found, not just the first."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class DataError(_Problems):
    """A data file cannot be used as declared."""


class ConfigError(_Problems):
    """A study file, or a declaration in Python, contradicts itself or cannot be understood."""


class NotDetermined(MtjfitError):
    """The data do not determine what was asked for; says what they do determine."""

    exit_code = 4


class NotConverged(MtjfitError):
    """The convergence gate said no."""

    exit_code = 5


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Advice for an unknown word: the nearest known one if there is one, else the whole list.

    Examples
    --------
    >>> did_you_mean("lambda_j", ["lambda_J", "lambda_phi"])
    "did you mean 'lambda_J'?"
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
    listed = ", ".join(repr(option) for option in options[:40])
    return f"use one of {listed}" + (" …" if len(options) > 40 else "")
