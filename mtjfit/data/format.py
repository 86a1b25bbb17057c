"""Layout of data files as a person declares it: format, names that carry data, series side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainValidator

from mtjfit.errors import ConfigError, DataError, Problem

HeaderLine: TypeAlias = Literal["name", "unit", "comment", "skip"]
MAX_BYTES = 200_000_000
"""Largest file read by default; torque tables have kilobytes."""
SEPARATORS = (",", ";", "\t", "|")
"""Single characters that separate columns."""
SPACE = "space"
"""Any run of blanks and tabs as separator; blanks also occur inside names, so it is the last to be thought of."""
ENCODINGS = ("utf-8", "cp1252", "latin-1")
_BYTES_PER_CELL = 20


def _name_or_number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("is neither a name nor a number")
    return str(value)


@dataclass(frozen=True)
class ReadOptions:
    """How a file is written; a reader infers whatever is empty, and notes it in `Sheet.notes`.

    Attributes
    ----------
    separator : str
        ``,`` ``;`` TAB or ``|``; ``space``: any run of blanks and tabs.
    decimal : str
        ``.`` or ``,``.
    comment : str or None
        Character that starts a comment line; empty: there are none; None: ``%`` where the file begins with it, else
        ``#``.
    encoding : str
        ``utf-8``, ``cp1252`` or ``latin-1``.
    names : tuple of str
        Names of the columns of a file without a header line, units in brackets: ``("H (Oe)", "V_mix (V)")``.
    header : tuple of {"name", "unit", "comment", "skip"}
        Role of each header line, for files with several.
    sheet : str
        The sheet (Excel), run (QCoDeS), group (HDF5, TDMS, MATLAB) or segment (LabVIEW) to read; all of them if empty.
        A pattern such as ``*`` or ``A?_*``: those whose names fit; see `is_pattern`.
    max_bytes : int
        Larger files, and files that unpack to more, are refused.
    """

    separator: str = ""
    decimal: str = ""
    comment: str | None = None
    encoding: str = ""
    names: tuple[str, ...] = ()
    header: tuple[HeaderLine, ...] = ()
    sheet: Annotated[str, PlainValidator(_name_or_number)] = ""
    max_bytes: int = MAX_BYTES

    @property
    def is_pattern(self) -> bool:
        """True where `sheet` names several parts of a file, by ``*`` or ``?``."""
        return "*" in self.sheet or "?" in self.sheet

    @property
    def max_cells(self) -> int:
        """Largest number of cells to read; packed files can hold millions of them in a kilobyte."""
        return self.max_bytes // _BYTES_PER_CELL

    @property
    def max_lines(self) -> int:
        """Largest number of lines of a text; each takes some hundred bytes of memory, even a blank one."""
        return max(10_000, self.max_bytes // 80)

    @property
    def max_line(self) -> int:
        """Largest number of bytes in a line of a text."""
        return max(100_000, self.max_bytes // 100)

    @property
    def max_columns(self) -> int:
        """Largest number of columns; tables of measurements have dozens."""
        return max(1000, self.max_bytes // 10_000)


@dataclass(frozen=True)
class TableFormat(ReadOptions):
    """How a file of ``[[data]]`` is written: nothing is guessed but an empty separator.

    Attributes
    ----------
    separator : str
        Empty: the only one under which the header holds all declared columns.
    order : {"sorted", "any"}
        ``"sorted"``: the bias of each device ascends or descends, anything else is a problem.
    repeats : bool
        True where a device may have several points at one bias.
    reader : str
        Name of a reader in `mtjfit.data.readers.READERS`; empty: a tidy table, read as strictly as can be.
    """

    decimal: Literal[".", ","] = "."
    comment: str = "#"
    encoding: str = "utf-8"
    order: Literal["sorted", "any"] = "sorted"
    repeats: bool = False
    reader: str = ""

    @property
    def is_plain(self) -> bool:
        """True for a tidy table with one header line, which needs no other reader."""
        return self.reader in ("", "tidy") and not (self.names or self.header or self.sheet)


_FIELD = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(r"[+−-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")  # a point at its end begins .txt
_WITH_P = re.compile(r"[+−-]?[0-9]+p[0-9]+")
_LONGEST_NAME, _MAX_FIELDS = 1000, 20
_EXAMPLE = "write it like {device}_{frequency:GHz}_T{thickness:nm}_{bias:mV}.txt"

_Found: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Token:
    """Literal text, or a field: `unit` None stands for text, "" for a number without unit."""

    text: str = ""
    name: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class NamePattern:
    """A declared pattern of names.

    ``{device}`` stands for any text, ``{thickness:nm}`` for a number with its unit behind it (a space or ``_`` may
    stand between), ``{repeat:}`` for a number without unit, ``{*}`` for anything, which is dropped. A number may have
    ``p`` for its point: ``1p5nm``. Everything else stands for itself. A name that fits in two different ways is
    refused. ConfigError where the pattern has no field, an open brace, or two fields of one name.

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
        """Values of the fields in a file name without folders, or a column name; numbers with their units as in ``"2.1
        nm"``.

        `where` is the place for messages; the name itself if empty. DataError where the name fits in no way, or in
        several.
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
        # ways[i]: readings of name[i:] by the tokens already seen, from the last to the first.
        ways: dict[int, tuple[_Found, ...]] = {len(name): ((),)}
        for token in reversed(self._tokens):
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
    """Ends of a token that begins at `start`, each with the value of its field."""
    if token.name is None:
        end = start + len(token.text)
        return [(end, "")] if end in ways and name.startswith(token.text, start) else []
    if token.unit is None:
        return [(end, name[start:end]) for end in ways if end > start and name[start:end].strip()]
    ends = []
    for match in filter(None, (_NUMBER.match(name, start), _WITH_P.match(name, start))):
        for gap in ("", "_", " ") if token.unit else ("",):
            end = match.end() + len(gap) + len(token.unit)
            if end in ways and name.startswith(gap + token.unit, match.end()):
                ends.append((end, f"{match[0].replace('p', '.')} {token.unit}".strip()))
    return ends


@dataclass(frozen=True)
class Wide:
    """Layout of a wide table, several series side by side.

    ConfigError where neither or both of `columns` and `common` are given, or the pattern cannot be understood.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns of one block; the columns of the file repeat in such blocks.
    common : tuple of str
        In place of `columns`: columns that occur once and belong to every series; `name` distinguishes all others.
    name : str
        Pattern of the text that distinguishes the series; see `NamePattern`. A field ``{column}`` is the name of a
        column within its series. Empty: the text itself is the header parameter ``series``.
    name_in : {"name", "comment"}
        Place of that text: the name of the first column of a block, or the first comment in the block.
    within : float
        Series that belong together by their names but were read off at slightly different X are paired point by point
        where X differs by no more than this, in the unit of X.
    """

    columns: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    name: str = ""
    name_in: Literal["name", "comment"] = "name"
    within: float = 0.0

    def __post_init__(self) -> None:
        names = self.pattern_names  # a pattern that is none raises here
        problems = []
        if bool(self.columns) == bool(self.common):
            todo = "name the columns of each series, or those of all"
            problems.append(Problem("wide", "needs one of columns and common", todo))
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
        return self.pattern.names if self.pattern else ()
