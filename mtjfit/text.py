"""Numbers and tables for people: PDG rounding, fixed-width tables that survive a pipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from itertools import chain, zip_longest

__all__ = ["decimals_of", "number", "p_text", "power_of_ten", "rounded", "table", "value_with_error"]


_PLAIN = range(-5, 7)
"""Decimals of numbers that are written out; others, of torques in N m say, carry a power of ten."""
_EXACT = Context(prec=700)  # digits of any double


def decimals_of(error: float) -> int:
    """Decimals to print for an error, by the PDG rule: two digits for 100–354, else one (950–999 rounds up to two).

    Examples
    --------
    >>> [decimals_of(error) for error in (0.0234, 4.9, 0.0355, 3.55e-21, 2.3e20)]
    [3, 0, 2, 21, -19]
    """
    shortest = Decimal(repr(float(error)))
    exponent = shortest.adjusted()
    return (1 if round(shortest.scaleb(2 - exponent)) < 355 else 0) - exponent


def rounded(values: Sequence[float], decimals: int) -> tuple[tuple[str, ...], int]:
    """Finite numbers to so many decimals as texts, and the power of ten by which these are to be multiplied.

    Digits are those of the shortest decimal number that stands for each: the same in every decimal unit.

    Examples
    --------
    >>> rounded((1.2346, -0.0004), 3), rounded((123.4, 4.0), -1), rounded((1.2346e-20, -4e-24), 23)
    ((('1.235', '0.000'), 0), (('120', '0'), 0), (('1.235', '0.000'), -20))
    """
    shortest = [Decimal(repr(float(value))) for value in values]
    exponent = 0 if decimals in _PLAIN else max(each.adjusted() for each in shortest if each)
    place = Decimal(1).scaleb(-decimals - exponent)
    shown = max(decimals + exponent, 0)
    return tuple(f"{_EXACT.quantize(each.scaleb(-exponent), place):z.{shown}f}" for each in shortest), exponent


def power_of_ten(exponent: int) -> str:
    """The end of a number.

    Examples
    --------
    >>> power_of_ten(-20), power_of_ten(0)
    ('e-20', '')
    """
    return f"e{exponent:+03d}" if exponent else ""


def value_with_error(value: float, error: float) -> str:
    """Value and error with the digits that mean something (PDG rounding).

    Examples
    --------
    >>> value_with_error(1.23456, 0.0234), value_with_error(123.456, 4.9), value_with_error(-0.01, 0.4)
    ('1.235 ± 0.023', '123 ± 5', '0.0 ± 0.4')
    >>> value_with_error(1.23456e-20, 2.34e-22)
    '(1.235 ± 0.023)e-20'
    """
    if not (math.isfinite(error) and error > 0 and math.isfinite(value)):
        return f"{number(value)} ± {number(error)}"
    (shown, plus_minus), exponent = rounded((value, error), decimals_of(error))
    return f"({shown} ± {plus_minus}){power_of_ten(exponent)}" if exponent else f"{shown} ± {plus_minus}"


def number(value: float, digits: int = 4) -> str:
    """A number with a few significant digits.

    Examples
    --------
    >>> number(0.000123456), number(12.0), number(float("nan"))
    ('0.0001235', '12', 'n/a')
    """
    return "n/a" if math.isnan(value) else f"{value:.{digits}g}"


def p_text(p: float) -> str:
    """A p-value, with a verdict that nobody can overlook where it is tiny.

    Examples
    --------
    >>> p_text(0.43)
    'p = 0.43'
    >>> p_text(1e-30)
    'p = 1e-30'
    """
    if math.isnan(p):
        return "no p-value"
    if p < 1e-300:
        return "p < 1e-300"
    return f"p = {p:.2g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart, with a rule under the header. Cells may have several lines.

    Examples
    --------
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
