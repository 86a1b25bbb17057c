"""Numbers and tables for people: PDG rounding, tables of text for a terminal, tables of HTML for a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from html import escape
from itertools import chain, zip_longest
from unicodedata import category

_PLAIN = range(-5, 7)
"""Decimals of numbers that are written out; others, of torques in N m say, carry a power of ten."""
_EXACT = Context(prec=700)  # digits of any double
_CELL = "padding:.15em .7em .15em 0;text-align:left;vertical-align:top"
_RULED = f"{_CELL};border-bottom:1px solid currentColor"
_TITLE = "margin-top:.5em"
_LOUD = "border-left:.4em solid #b45309;padding:.2em .6em;font-weight:bold;margin:.3em 0"
_LONGEST, _LONGEST_NOTE = 300, 1500


def visible(text: str, keep: str = "") -> str:
    r"""Text with an escape for every character that is not printed but does something, except those to keep.

    These are control characters, marks that turn the direction of text round, marks of no width, separators of lines,
    and halves of surrogate pairs. Spaces of any width stay.

    >>> print(visible("\x1b[2J\u202eA1\n"))
    \x1b[2J\u202eA1\n
    """
    if text.isprintable():
        return text
    if "\n" in keep and "\n" in text:
        return "\n".join(visible(line, keep.replace("\n", "")) for line in text.split("\n"))
    return "".join(c if c.isprintable() or c in keep or category(c) == "Zs" else repr(c)[1:-1] for c in text)


def decimals_of(error: float) -> int:
    """Decimals to print for an error, by the PDG rule: two digits for 100–354, else one (950–999 rounds up to two).

    >>> [decimals_of(error) for error in (0.0234, 4.9, 0.0355, 3.55e-21, 2.3e20)]
    [3, 0, 2, 21, -19]
    """
    shortest = Decimal(repr(float(error)))
    exponent = shortest.adjusted()
    return (1 if round(shortest.scaleb(2 - exponent)) < 355 else 0) - exponent


def rounded(values: Sequence[float], decimals: int) -> tuple[tuple[str, ...], int]:
    """Finite numbers to so many decimals as texts, and the power of ten by which these are to be multiplied.

    Digits are those of the shortest decimal number that stands for each: the same in every decimal unit.

    >>> rounded((1.2346, -0.0004), 3), rounded((123.4, 4.0), -1), rounded((1.2346e-20, -4e-24), 23)
    ((('1.235', '0.000'), 0), (('120', '0'), 0), (('1.235', '0.000'), -20))
    """
    shortest = [Decimal(repr(float(value))) for value in values]
    exponent = 0 if decimals in _PLAIN else max(each.adjusted() for each in shortest if each)
    place = Decimal(1).scaleb(-decimals - exponent)
    shown = max(decimals + exponent, 0)
    return tuple(f"{_EXACT.quantize(each.scaleb(-exponent), place):z.{shown}f}" for each in shortest), exponent


def power_of_ten(exponent: int) -> str:
    """The end of a number, such as ``e-20``; empty for 0."""
    return f"e{exponent:+03d}" if exponent else ""


def value_with_error(value: float, error: float) -> str:
    """Value and error with the digits that mean something (PDG rounding).

    >>> value_with_error(1.23456, 0.0234), value_with_error(123.456, 4.9), value_with_error(-0.01, 0.4)
    ('1.235 ± 0.023', '123 ± 5', '0.0 ± 0.4')
    >>> value_with_error(1.23456e-20, 2.34e-22)
    '(1.235 ± 0.023)e-20'
    """
    if not (math.isfinite(error) and error > 0 and math.isfinite(value)):
        return f"{number(value)} ± {number(error)}"
    (shown, plus_minus), exponent = rounded((value, error), decimals_of(error))
    return f"({shown} ± {plus_minus}){power_of_ten(exponent)}" if exponent else f"{shown} ± {plus_minus}"


def vanishes(text: str, value: float) -> bool:
    """True where a number was written that is not zero, but too small for a computer to hold.

    >>> vanishes("1e-400", float("1e-400")), vanishes("-0.00e5", -0.0)
    (True, False)
    """
    return value == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0])


def number(value: float, digits: int = 4) -> str:
    """A number with a few significant digits, those of the shortest decimal number that stands for it.

    >>> number(0.000123456), number(12.0), number(float("nan")), number(2.675, 3), number(2.675e-19, 3)
    ('0.0001235', '12', 'n/a', '2.68', '2.68e-19')
    """
    if math.isnan(value):
        return "n/a"
    return f"{float(Context(prec=digits).create_decimal(repr(float(value)))):.{digits}g}"


def counted(n: int, noun: str, plural: str = "") -> str:
    """How many there are of something: ``1 row``, ``2 rows``."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few of some names, and how many more there are.

    >>> some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def p_text(p: float) -> str:
    """A p-value, with a loud verdict where it is tiny.

    >>> p_text(0.43), p_text(1e-30), p_text(0.0), p_text(math.nan)
    ('p = 0.43', 'p = 1e-30', 'p < 1e-300', 'no p-value')
    """
    if math.isnan(p):
        return "no p-value"
    if p < 1e-300:
        return "p < 1e-300"
    return f"p = {p:.2g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart, with a rule under the header. Cells may have several lines.

    >>> print(table(["name", "x"], [["a", "1.0"], ["long", "2.0\\n3.0"]]))
    name  x
    ----  ---
    a     1.0
    long  2.0
          3.0
    """
    cells = [[str(cell).split("\n") for cell in row] for row in (header, *rows)]
    widths = [max(map(len, chain(*column))) for column in zip(*cells, strict=True)]
    head, *body = (list(zip_longest(*row, fillvalue="")) for row in cells)
    lines = (*head, ["-" * width for width in widths], *chain(*body))
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def card(
    title: str,
    *,
    marks: Iterable[str] = (),
    facts: Mapping[str, str] | None = None,
    header: Sequence[str] = (),
    rows: Iterable[Sequence[str]] = (),
    notes: Iterable[str] = (),
) -> str:
    """An object in a notebook, as HTML: a title, loud marks, facts, a table, and notes; every text escaped.

    Colours are those of the notebook, light or dark. Empty marks and facts are left out; ValueError for a row of
    another length than the header.

    >>> print(card("<A1>")[34:])
    <strong>&lt;A1&gt;</strong></div></div>
    """
    parts = [f'<div style="{_TITLE}"><strong>{_text(title)}</strong></div>'] if title else []
    parts += [f'<div role="note" style="{_LOUD}">{_text(mark)}</div>' for mark in marks if mark]
    said = [(name, value) for name, value in (facts or {}).items() if value]
    if said:
        lines = (f'<tr><th scope="row" style="{_CELL}">{_text(name)}</th><td style="{_CELL}">{_text(value)}</td></tr>'
                 for name, value in said)  # fmt: skip
        parts.append(f"<table><tbody>{''.join(lines)}</tbody></table>")
    body = [_row(row, len(header)) for row in rows]
    if body:
        head = "".join(f'<th scope="col" style="{_RULED}">{_text(each)}</th>' for each in header)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>")
    parts += [f"<div><small>{_text(note, _LONGEST_NOTE)}</small></div>" for note in notes if note]
    return f"<div>{''.join(parts)}</div>"


def _row(cells: Sequence[str], n: int) -> str:
    if len(cells) != n:
        raise ValueError(f"a row of {counted(len(cells), 'cell')} under a header of {n}")
    return "<tr>" + "".join(f'<td style="{_CELL}">{_text(each)}</td>' for each in cells) + "</tr>"


def _text(text: str, longest: int = _LONGEST) -> str:
    # MathJax in a notebook reads dollars and \( as formulas, even in escaped text.
    shown = visible(text if len(text) <= longest else text[: longest - 1] + "…", "\n\t")
    return escape(shown).replace("$", "&#36;<span></span>").replace("\\", "&#92;<span></span>")


def shortened(rows: Sequence[Sequence[str]], most: int) -> list[Sequence[str]]:
    """The first and the last rows of a long table, with dots between them."""
    if len(rows) <= most:
        return list(rows)
    first = (most + 1) // 2
    return [*rows[:first], ["…"] * len(rows[0]), *rows[len(rows) - (most - first) :]]


@dataclass(frozen=True)
class Table:
    """Rows of text under a title, with a sentence below; the same rows go to the terminal and to the page."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __str__(self) -> str:
        parts = [self.title, table(self.header, self.rows), self.note]
        return "\n".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"Table {visible(self.title)[:80]!r} of {counted(len(self.rows), 'row')}"

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        return card(self.title, header=self.header, rows=shortened(self.rows, 60), notes=[self.note])
