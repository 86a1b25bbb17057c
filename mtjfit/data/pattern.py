"""Declared patterns of names that carry data, such as ``A1_3.0GHz_T2.1nm_-150mV.txt``, and of wide tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mtjfit.errors import ConfigError, DataError, Problem

__all__ = ["NamePattern", "Wide"]

_FIELD = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST_NAME, _MAX_FIELDS = 1000, 20
_EXAMPLE = "write it like {device}_{frequency:GHz}_T{thickness:nm}_{bias:mV}.txt"

_Found = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Token:
    """Literal text, or a field; of a field, `unit` None means text, and "" a number without unit."""

    text: str = ""
    name: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class NamePattern:
    """A declared pattern of names.

    ``{device}`` stands for any text, ``{thickness:nm}`` for a number with its unit behind it (a space or ``_`` may
    stand between), ``{repeat:}`` for a number without unit, ``{*}`` for anything, which is dropped. Everything else
    stands for itself. A name that fits in two different ways is refused.

    Raises
    ------
    ConfigError
        The pattern has no field, an open brace, or two fields of one name.

    Examples
    --------
    >>> NamePattern("{device}_T{thickness:nm}_{bias:mV}.txt").fields("run_7_A1_T2.1nm_-150mV.txt")
    {'device': 'run_7_A1', 'thickness': '2.1 nm', 'bias': '-150 mV'}
    >>> NamePattern("{device}_{part}.txt").fields("A_1_left.txt")
    Traceback (most recent call last):
    mtjfit.errors.DataError: A_1_left.txt: fits '{device}_{part}.txt' in two ways: device = 'A', part = '1_left', or \
device = 'A_1', part = 'left'; write more of the name into the pattern, such as a unit: {frequency:GHz}
    """

    text: str

    def __post_init__(self) -> None:
        names = [token.name for token in self._tokens if token.name]
        faults = []
        if any(c in _FIELD.sub("", self.text) for c in "{}"):
            faults.append(("has an open brace", _EXAMPLE))
        elif not names:
            faults.append(("has no field", _EXAMPLE))
        elif len(self._tokens) > 2 * _MAX_FIELDS:
            faults.append((f"has more than {_MAX_FIELDS} fields", _EXAMPLE))
        faults += [(f"has a field {name!r}", "use letters, digits and _") for name in names if not name.isidentifier()]
        if len(set(names)) < len(names):
            faults.append(("has two fields of one name", "name each field differently"))
        if faults:
            raise ConfigError(Problem(f"pattern {self.text!r}", what, todo) for what, todo in faults)

    @property
    def _tokens(self) -> tuple[_Token, ...]:
        tokens, end = [], 0
        for match in _FIELD.finditer(self.text):
            tokens.append(_Token(self.text[end : match.start()]))
            name, colon, unit = match[1].partition(":")
            tokens.append(_Token("", "" if name.strip() == "*" else name.strip(), unit.strip() if colon else None))
            end = match.end()
        tokens.append(_Token(self.text[end:]))
        return tuple(token for token in tokens if token.text or token.name is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(token.name for token in self._tokens if token.name)

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each field that has one."""
        return {token.name: token.unit for token in self._tokens if token.name and token.unit}

    def fields(self, name: str, where: str = "") -> dict[str, str]:
        """What a name says, numbers with their units as in ``"2.1 nm"``.

        Parameters
        ----------
        name : str
            File name without folders, or name of a column.
        where : str
            Place for messages; the name itself if empty.

        Raises
        ------
        DataError
            The name does not fit, or in more than one way.
        """
        where = where or name
        if len(name) > _LONGEST_NAME:
            raise DataError([Problem(where[:80], f"has a name of {len(name)} characters", "shorten it")])
        found = self._matches(name)
        if len(found) == 1:
            return dict(found[0])
        if not found:
            what = f"{'' if where == name else repr(name) + ' '}does not fit {self.text!r}"
            raise DataError([Problem(where, what, "correct the pattern or rename it; units stand behind numbers")])
        one, other = (", ".join(f"{key} = {value!r}" for key, value in each) for each in found)
        todo = "write more of the name into the pattern, such as a unit: {frequency:GHz}"
        raise DataError([Problem(where, f"fits {self.text!r} in two ways: {one}, or {other}", todo)])

    def _matches(self, name: str) -> tuple[_Found, ...]:
        """At most two different ways to read a name; work grows with its length squared, never faster."""
        tokens = self._tokens
        # ways[i]: readings of name[i:] by the tokens already seen, from the last to the first.
        ways: dict[int, tuple[_Found, ...]] = {len(name): ((),)}
        for token in reversed(tokens):
            before: dict[int, tuple[_Found, ...]] = {}
            for start in range(len(name) + 1):
                found: dict[_Found, None] = {}
                for end, value in _ends(token, name, start, ways):
                    for rest in ways[end]:
                        found[((token.name, value), *rest) if token.name else rest] = None
                    if len(found) > 1:
                        break
                if found:
                    before[start] = tuple(found)[:2]
            ways = before
        return ways.get(0, ())


def _ends(token: _Token, name: str, start: int, ways: Mapping[int, object]) -> list[tuple[int, str]]:
    """Where a token that begins at `start` may end, and what it then says."""
    if token.name is None:
        end = start + len(token.text)
        return [(end, "")] if end in ways and name.startswith(token.text, start) else []
    if token.unit is None:
        return [(end, name[start:end]) for end in ways if end > start and name[start:end].strip()]
    match = _NUMBER.match(name, start)
    if match is None:
        return []
    ends = []
    for gap in ("", "_", " ") if token.unit else ("",):
        end = match.end() + len(gap) + len(token.unit)
        if end in ways and name.startswith(gap + token.unit, match.end()):
            ends.append((end, f"{match[0]} {token.unit}".strip()))
    return ends


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
