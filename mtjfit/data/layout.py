"""How the series of a wide table stand side by side, as declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mtjfit.data.pattern import NamePattern
from mtjfit.errors import ConfigError, Problem

__all__ = ["Wide"]


@dataclass(frozen=True)
class Wide:
    """How the series of a wide table stand side by side.

    Attributes
    ----------
    columns : tuple of str
        The columns of the file repeat in blocks of so many, and are called so in each block.
    common : tuple of str
        In place of `columns`: these stand once and belong to every series; all others are told apart by `name`.
    name : str
        Pattern of the text that tells the series apart; see `NamePattern`. A field ``{column}`` says what a column is
        within its series. Empty: the text itself is the header parameter ``series``.
    name_in : {"name", "comment"}
        Where that text stands: it is the name of the first column of a block, or the first comment in the block.
    within : float
        Series that belong together by their names but were read off at slightly different X are paired point by point
        where X differs by no more than this, in the unit of X.

    Raises
    ------
    ConfigError
        Neither or both of `columns` and `common` are given, or the pattern cannot be understood.
    """

    columns: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    name: str = ""
    name_in: Literal["name", "comment"] = "name"
    within: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        names = self.pattern_names
        if bool(self.columns) == bool(self.common):
            problems.append(
                Problem("wide", "needs one of columns and common", "name the columns of each series, or those of all")
            )
        if self.common and "column" not in names:
            problems.append(Problem("wide.name", "has no field {column}", 'write it like "{device}_{column}"'))
        if len(set(self.columns)) < len(self.columns):
            problems.append(Problem("wide.columns", "names a column twice", "name each column of a series differently"))
        if not 0 <= self.within < float("inf"):
            problems.append(Problem("wide.within", f"is {self.within:g}", "give the largest difference in X, or 0"))
        if problems:
            raise ConfigError(problems)

    @property
    def pattern(self) -> NamePattern | None:
        """The pattern, if one is declared."""
        return NamePattern(self.name) if self.name else None

    @property
    def pattern_names(self) -> tuple[str, ...]:
        """Names of the fields of the pattern."""
        return self.pattern.names if self.pattern is not None else ()
