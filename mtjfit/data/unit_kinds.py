"""Units of bias, thickness, field and other quantities that are declared beside torques: names, factors, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from mtjfit.data.unit_table import SYMBOLS
from mtjfit.data.written_units import LONGEST, Meaning, UnclearUnit, respelled, unit_understood, written_unit

_SHOWN = 60


@dataclass(frozen=True)
class Kind:
    """Units of one quantity: the one that numbers are turned into, examples, sizes that make sense in it."""

    of: str
    reference: str
    examples: tuple[str, ...]
    least: float = 0.0
    most: float = math.inf


KINDS: Mapping[str, Kind] = MappingProxyType({
    "bias": Kind("bias", "V", ("V", "mV", "uV"), 1e-9, 1e3),
    "thickness": Kind("thickness", "nm", ("nm", "angstrom", "pm", "um", "m")),
    "voltage": Kind("voltage", "V", ("V", "mV", "uV", "nV")),
    "frequency": Kind("frequency", "Hz", ("GHz", "MHz", "kHz", "Hz"), least=1.0),
    "field": Kind("field", "T", ("T", "mT", "Oe", "kOe", "G", "A/m", "kA/m")),
    "current": Kind("current", "A", ("A", "mA", "uA")),
    "resistance": Kind("resistance", "ohm", ("ohm", "kohm")),
    "angle": Kind("angle", "deg", ("deg", "rad")),
    "resistance per angle": Kind("resistance per angle", "ohm/rad", ("ohm/rad", "kohm/rad")),
    "resistance per current": Kind("resistance per current", "ohm/A", ("ohm/A", "V/A2", "kohm/A")),
    "moment": Kind("moment", "A m2", ("A m2", "emu")),
    "gamma": Kind("gyromagnetic ratio", "rad/s/T", ("rad/s/T", "GHz/T")),
})  # fmt: skip
"""Kinds of units that are declared beside those of torque; numbers are turned into the reference."""


def _of_kind(text: str, kind: str) -> tuple[str, Fraction]:
    """Name and exact factor of a unit of a kind; UnclearUnit where it is none."""
    row = KINDS[kind]
    if kind == "thickness" and text.strip() == "A":
        text = "angstrom"
    found, reference = unit_understood(text), unit_understood(row.reference)
    if found.powers != reference.powers:
        raise UnclearUnit(measure_of(text))
    factor = found.size / reference.size
    name = name_to_declare(found, factor)
    if not row.least <= factor <= row.most:
        raise UnclearUnit(f"is {float(factor):g} {row.reference}, which cannot be meant")
    return name, factor


def unit_factor(text: str, kind: str) -> float:
    """Factor of a unit to the reference of its kind in `KINDS`; ValueError where it is no unit of this kind.

    Examples
    --------
    >>> unit_factor("µV", "bias"), unit_factor("kOe", "field"), unit_factor("MHz", "frequency")
    (1e-06, 0.1, 1000000.0)
    """
    try:
        return float(_of_kind(text, kind)[1])
    except UnclearUnit as error:
        row = KINDS[kind]
        of = f" of {row.of}" if kind in ("bias", "thickness") else ""
        raise ValueError(refusal_of_unit(text, error, of, lambda one: unit_name(one, kind), row.examples)) from None


def unit_name(text: str, kind: str) -> str | None:
    """Name of a unit as this program writes it; None where it is no unit of the kind.

    >>> unit_name("nanometres", "thickness"), unit_name("µOe", "field"), unit_name("s", "field")
    ('nm', 'uOe', None)
    """
    try:
        return _of_kind(text, kind)[0]
    except UnclearUnit:
        return None


def name_of_size(size: float, kind: str) -> str | None:
    """Name of the unit of a kind that has this factor to its reference, a usual one before others; None without one.

    >>> name_of_size(1e-4, "field"), name_of_size(1e-6, "field"), name_of_size(2.0, "field")
    ('Oe', 'uT', None)
    """
    others = (prefix + symbol for symbol, row in SYMBOLS.items() for prefix in ("", *row.prefixes))
    for each in (*KINDS[kind].examples, *others):
        if (name := unit_name(each, kind)) is not None and math.isclose(unit_factor(name, kind), size, rel_tol=1e-9):
            return name
    return None


def measure_of(text: str) -> str:
    """What a unit is one of, as a part of a sentence.

    >>> measure_of("Oe"), measure_of("kg/s")
    ('is a unit of field', 'is a unit of another kind')
    """
    found = written_unit(text)
    return f"is a unit of {found.quantity if found is not None and found.quantity.isalpha() else 'another kind'}"


def name_to_declare(found: Meaning, size: Fraction) -> str:
    """Name of a unit that can be declared; UnclearUnit where it has none, or is of no size that a computer can hold."""
    if not found.name:
        raise UnclearUnit("holds a number that is no power of ten")
    if len(found.name) > LONGEST:
        raise UnclearUnit("is of too many parts")
    if not Fraction(1, 10**60) < size < 10**60:
        raise UnclearUnit("is of no sensible size")
    return found.name


def refusal_of_unit(
    text: str, error: UnclearUnit, of: str, name: Callable[[str], str | None], examples: Iterable[str]
) -> str:
    """Message on a unit that is none of its kind; what it proposes differs in spelling only, and never in size."""
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    why = error.args[0]
    said = f"unknown unit{of} {shown!r}" + ("" if why == "is not understood" else f": it {why}")
    if len(error.args) > 1:
        return f"{said}; {error.args[1]}"
    found = {one for each in respelled(text) if (one := name(each)) is not None}
    if len(found) == 1:
        return f"{said}; did you mean {found.pop()!r}?"
    return f"{said}; use a unit such as {', '.join(map(repr, examples))}"
