"""Numbers and tables for people: PDG rounding, fixed-width tables that survive a pipe."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["number", "p_text", "table", "value_with_error"]


def _decimals(error: float) -> int:
    """Decimals to print for an error, by the PDG rule: two digits for 100–354, else one (950–999 rounds up to two)."""
    exponent = math.floor(math.log10(error))
    leading = round(error / 10**exponent * 100)
    return 1 - exponent if leading < 355 else -exponent


def value_with_error(value: float, error: float) -> str:
    """Value and error with the digits that mean something (PDG rounding).

    Examples
    --------
    >>> value_with_error(1.23456, 0.0234), value_with_error(123.456, 4.9), value_with_error(-0.01, 0.4)
    ('1.235 ± 0.023', '123 ± 5', '0.0 ± 0.4')
    """
    if not (math.isfinite(error) and error > 0 and math.isfinite(value)):
        return f"{number(value)} ± {number(error)}"
    decimals = _decimals(error)
    if decimals > 6:
        return f"({value:.4g} ± {error:.2g})"
    shown = max(decimals, 0)
    return f"{round(value, decimals):z.{shown}f} ± {round(error, decimals):.{shown}f}"


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
    """Left-aligned columns, two spaces apart, with a rule under the header.

    Examples
    --------
    >>> print(table(["name", "x"], [["a", "1.0"], ["long", "2.0"]]))
    name  x
    ----  ---
    a     1.0
    long  2.0
    """
    widths = [max(len(str(row[k])) for row in (header, *rows)) for k in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(str(c).ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)
