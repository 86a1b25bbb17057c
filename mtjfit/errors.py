"""Named exceptions. Each says where, what is wrong and what to do, and carries the exit code of the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ConfigError", "DataError", "MtjfitError", "NotConverged", "NotDetermined", "Problem"]


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
