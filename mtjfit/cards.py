"""Results in hand: one description of an object, shown as short text in a terminal and as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from numbers import Number
from pathlib import PurePath

import numpy as np

from mtjfit.text import Table, card, counted, number, shortened, some, table, visible

LINES, WIDTH = 12, 120
"""Largest size of a `repr`."""
REFUSED = "NOT CONVERGED, no result"
_MARKS, _CELL, _ROWS = 3, 40, 40


@dataclass(frozen=True)
class Card:
    """What an object says of itself: a title, loud marks, facts, a table, more tables, and notes.

    Empty marks and facts are left out. Text has the first table only, and no notes.
    """

    title: str
    marks: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()

    def html(self) -> str:
        """A closed block of HTML."""
        rows, notes = shortened(self.rows, _ROWS), () if self.tables else self.notes
        head = card(self.title, marks=self.marks, facts=self.facts, header=self.header, rows=rows, notes=notes)
        if not self.tables:
            return head
        return f"<div>{head}{''.join(one._repr_html_() for one in self.tables)}{card('', notes=self.notes)}</div>"

    def text(self) -> str:
        """At most `LINES` lines of at most `WIDTH` characters: marks first, then as much as there is room for.

        >>> print(Card("Fit of A1", marks=["NOT CONVERGED"], facts={"χ²": "3"}, header=["name"], rows=[["a1"]]).text())
        Fit of A1
          NOT CONVERGED
          χ²: 3
          name
          a1
        """
        header, rows = self.header, self.rows
        if self.tables and not rows:
            header, rows = self.tables[0].header, self.tables[0].rows
        lines = [self.title, *(f"  {mark}" for mark in _few([mark for mark in self.marks if mark], _MARKS))]
        facts = [f"  {name}: {value}" for name, value in self.facts.items() if value]
        lines += _few(facts, LINES - len(lines) - (3 if rows else 0))
        room = LINES - len(lines) - 1
        if rows and room > 0:
            shown = shortened(rows, room if len(rows) <= room else room - 1)
            cells = [[_line(cell, _CELL) for cell in row] for row in shown]
            head, _, *body = table(header, cells).split("\n")
            lines += [f"  {line}" for line in (head, *body)]
        return "\n".join(_line(line, WIDTH) for line in lines)


class ShownAsCard:
    """An object that Python and notebooks show by its card; by default a line for each field of a dataclass."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        # in the class itself, or `dataclass` makes one that prints every array
        if "__repr__" not in vars(cls):
            cls.__repr__ = ShownAsCard.__repr__  # type: ignore[method-assign]

    def _card(self) -> Card:
        """Its name, marked as refused or as simulated where the object says so, and its fields."""
        refused = REFUSED if getattr(self, "converged", True) is False else ""
        marks = [getattr(getattr(self, "verdict", None), "refusal", refused), getattr(self, "label", "")]
        return Card(_named(self), marks=[mark for mark in marks if isinstance(mark, str)], facts=dict(_facts(self)))

    def __repr__(self) -> str:
        return self._card().text()

    def _repr_html_(self) -> str:
        return self._card().html()


def _few(lines: Sequence[str], most: int) -> list[str]:
    """The first lines, the last of them the number of those left out if there are more."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], f"  … and {len(lines) - most + 1} more"]


def _line(text: str, longest: int) -> str:
    """One line without anything that acts on a terminal, cut to a length."""
    shown = " ".join(visible(text, "\n\t").split("\n"))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _named(one: object) -> str:
    name = getattr(one, "name", "")
    return f"{type(one).__name__} {name}" if isinstance(name, str) and name else type(one).__name__


def _facts(one: object) -> Iterator[tuple[str, str]]:
    for each in fields(one) if is_dataclass(one) else ():
        value = getattr(one, each.name, None)
        if each.repr and each.name != "name" and value is not None:
            yield each.name, _short(value)


def _short(value: object) -> str:
    """A value on one line: what it is and how much of it there is."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, np.ndarray):
        return _short_array(value)
    if isinstance(value, str | Number | PurePath):
        return str(value)
    if hasattr(value, "columns") and hasattr(value, "index"):
        return f"table of {counted(len(value.index), 'row')}: {some([str(name) for name in value.columns], 8)}"
    if isinstance(value, Mapping):
        plain = [f"{key} = {_short(one)}" if isinstance(one, Number | str) else str(key) for key, one in value.items()]
        return some(plain, 6) if plain else "none"
    if isinstance(value, list | tuple | set | frozenset):
        return _short_sequence(list(value))
    return _named(value) if is_dataclass(value) else type(value).__name__


def _short_sequence(values: list[object]) -> str:
    if not values:
        return "none"
    if all(isinstance(one, str | Number) for one in values):
        return some([_short(one) for one in values], 6)
    names = [_named(one) for one in values]
    return some(names, 4) if len(set(names)) > 1 else f"{len(values)} × {names[0]}"


def _short_array(values: np.ndarray) -> str:
    size = " × ".join(str(n) for n in values.shape)
    if values.size == 0 or values.ndim == 0 or values.dtype.kind not in "if":
        return str(values) if values.ndim == 0 else f"array of {size}"
    if values.size == 1:
        return number(float(values.flat[0]))
    known = values[np.isfinite(values)]
    return f"array of {size}" + (f", {number(known.min())} to {number(known.max())}" if known.size else ", all NaN")
