"""Wide tables, series side by side, cut into one sheet for each series by a declared rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mtjfit.data.readers.pattern import NamePattern
from mtjfit.data.readers.sheet import Column, Sheet
from mtjfit.data.tidy import parse_number
from mtjfit.errors import ConfigError, DataError, Problem

__all__ = ["Wide", "blocks"]


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
    name_in : {"name", "comment", "series"}
        Where that text stands: the name or comment of the first column of a block that has one, or the name of the
        sheet (a data set of WebPlotDigitizer).
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
        if bool(self.columns) == bool(self.common):
            problems.append(Problem("wide", "needs one of columns and common", "name the columns of each series, or those of all"))
        if self.common and "column" not in self.pattern_names:
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


def blocks(sheet: Sheet, wide: Wide) -> tuple[Sheet, ...]:
    """One sheet for each series of a wide one, its fields among the header parameters.

    Rows in which a series has no cell at all are left out of it: series may differ in length.

    Raises
    ------
    DataError
        The columns do not divide into blocks, a name does not fit the pattern, or points find no partner.

    Examples
    --------
    >>> cells = [("62.5",), ("6.8E-6",), ("69.3",), ("2.7E-6",)]
    >>> names = ["2f_1.0_GHz", "2f_1.0_GHz", "2f_2.0_GHz", "2f_2.0_GHz"]
    >>> columns = tuple(Column(name, None, each) for name, each in zip(names, cells))
    >>> for one in blocks(Sheet("a.csv", "wide", columns, (3,)), Wide(("H", "V"), name="2f_{frequency:GHz}")):
    ...     print(one.label, one.names, one.parameter("frequency").value, one.numbers("H"))
    a.csv[2f_1.0_GHz] ('H', 'V') 1.0 [62.5]
    a.csv[2f_2.0_GHz] ('H', 'V') 2.0 [69.3]
    """
    found = _by_place(sheet, wide) if wide.columns else _by_name(sheet, wide)
    if "column" in wide.pattern_names:
        found = joined(found, wide.within)
    return tuple(found)
