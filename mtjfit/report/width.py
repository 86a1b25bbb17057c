"""The width of the figures of a report, as a person writes it."""

from __future__ import annotations

import re

_MM = {"mm": 1.0, "cm": 10.0, "in": 25.4}
_WRITTEN = re.compile(r"\s*(?P<number>[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(?P<unit>mm|cm|in)\s*")
_LEAST, _MOST = 80.0, 300.0  # mm
_TODO = "give a number with its unit, such as 86mm (one column of a journal), 178mm (two), 8.6cm or 3.4in"


def figure_width(text: str) -> float:
    """Inches of a width such as ``86mm``, ``8.6 cm`` or ``3.4in``.

    Raises
    ------
    ValueError
        It is no such width, or not between 80 and 300 mm.

    Examples
    --------
    >>> figure_width("5.08 cm")
    Traceback (most recent call last):
    ValueError: '5.08 cm' is 50.8 mm: letters keep their size, so figures need 80 to 300 mm
    >>> figure_width("101.6mm"), figure_width("4 in")
    (4.0, 4.0)
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no width: {_TODO}")
    mm = float(found["number"]) * _MM[found["unit"]]
    if not _LEAST <= mm <= _MOST:
        raise ValueError(
            f"{text[:40]!r} is {mm:g} mm: letters keep their size, so figures need {_LEAST:g} to {_MOST:g} mm"
        )
    return mm / _MM["in"]
