"""Units of torque and torkance, and of bias, thickness, field and the like: what may be declared, and how it converts.

Units are read at the edge of the package and never guessed: a unit that contradicts the declared quantity or
normalisation is an error, because the contradiction is the only sign of a wrong declaration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, TypeAlias

from mtjfit.data.unit_kinds import KINDS, measure_of, name_to_declare, refusal_of_unit, unit_factor, unit_name
from mtjfit.data.unit_table import JOULE, TESLA, VOLT, Powers
from mtjfit.data.written_units import (
    Meaning,
    UnclearUnit,
    WrittenUnit,
    prefix_and_symbol,
    unit_understood,
    written_unit,
)
from mtjfit.errors import Problem

Quantity: TypeAlias = Literal["torque", "torkance"]
Per: TypeAlias = Literal["area", "volume", "device"]
Dimension: TypeAlias = Literal["moment", "areal", "density", "field", "arb"]

_PER: Mapping[Dimension, tuple[Per, ...]] = {
    "moment": ("device",), "areal": ("area",), "density": ("volume",), "field": ("volume",),
    "arb": ("area", "volume", "device"),
}  # fmt: skip
_MEANING: Mapping[Dimension, str] = {
    "moment": "of a whole device",
    "areal": "per area",
    "density": "per volume",
    "field": "an effective field, which is divided by M_s d",
    "arb": "in an arbitrary unit",
}
_SI: Mapping[Dimension, str] = {"moment": "N m", "areal": "J/m2", "density": "J/m3", "field": "T"}
_NEEDED: Mapping[frozenset[Dimension], str] = {
    frozenset(("moment", "areal")): "the area of the device",
    frozenset(("moment", "density")): "the volume of the free layer",
    frozenset(("moment", "field")): "the magnetic moment of the free layer",
    frozenset(("areal", "density")): "the thickness of the free layer",
    frozenset(("areal", "field")): "M_s and the thickness of the free layer",
    frozenset(("density", "field")): "M_s of the free layer",
}
"""What a conversion between two dimensions would take."""


@dataclass(frozen=True)
class Unit:
    """A unit of torque or torkance.

    Attributes
    ----------
    name : str
        Canonical name, as it is stored and printed in text files.
    dimension : {"moment", "areal", "density", "field", "arb"}
        Torque of a device (N m), per area (J/m²), per volume (J/m³), effective field (T), or arbitrary. A torkance has
        the dimension of its torque.
    quantity : {"torque", "torkance"} or None
        None (``arb``): either.
    size : Fraction
        Exact factor to N m, J/m², J/m³ or T, or to those per volt.
    """

    name: str
    dimension: Dimension
    quantity: Quantity | None
    size: Fraction

    @property
    def si(self) -> float:
        """`size` as a number."""
        return float(self.size)

    @property
    def per(self) -> tuple[Per, ...]:
        """Normalisations that the unit can express."""
        return _PER[self.dimension]


def _per_volt(powers: Powers) -> Powers:
    return Meaning(Fraction(1), powers).times(Meaning(Fraction(1), VOLT), -1).powers


_TORQUES: Mapping[Powers, Dimension] = {
    JOULE: "moment", (1, 0, -2, 0, 0): "areal", (1, -1, -2, 0, 0): "density", TESLA: "field",
}  # fmt: skip
_TORKANCES = {_per_volt(powers): dimension for powers, dimension in _TORQUES.items()}
_FIRST_NAMES = {"aJ": "aN m", "aJ/V": "aN m/V"}
_ARBITRARY = {"arb", "arbu", "arbunit", "arbunits", "arbitrary", "arbitraryunit", "arbitraryunits"}
_ARB = Unit("arb", "arb", None, Fraction(1))
_EXAMPLES = ("1e-19 N m", "hbar/2e/kohm", "J/m2", "mT/V", "arb")


@lru_cache(maxsize=512)
def _of_torque(text: str) -> Unit:
    """The unit of torque or torkance; UnclearUnit where it is none."""
    if _letters(text) in _ARBITRARY:
        return _ARB
    found = unit_understood(text)
    quantity: Quantity = "torkance" if found.powers in _TORKANCES else "torque"
    dimension = _TORKANCES.get(found.powers) or _TORQUES.get(found.powers)
    if dimension is None or not found.of_torque:
        raise UnclearUnit(f"{measure_of(text)}, none of torque or torkance")
    name = name_to_declare(found, found.size)
    return Unit(_FIRST_NAMES.get(name, name), dimension, quantity, found.size)


def _letters(text: str) -> str:
    return re.sub(r"[\s._]", "", text[:60]).casefold()


def find_unit(text: str) -> Unit:
    """The unit of torque or torkance that a text names; ValueError with the reason where it names none.

    SI prefixes with N m, J, eV, erg, dyn cm, T, Oe, G, A/m and ħ/2e, per area, per volume, and per volt. Spaces, ``·``
    and ``*``, ``^-1`` and ``⁻¹``, ``ħ`` and ``hbar``, ``µ`` and ``u``, ``Ω`` and ``ohm`` are the same. Case counts
    unless it cannot mean anything else: ``hbar/2e/kOhm`` is understood, ``mt`` is not.

    Examples
    --------
    >>> find_unit("(ħ/2e) kΩ⁻¹").name, find_unit("µJ·m⁻² per mV").name
    ('hbar/2e/kohm', 'uJ/m2/mV')
    """
    try:
        return _of_torque(text)
    except UnclearUnit as error:
        raise ValueError(refusal_of_unit(text, error, "", _of_torque_or_none, _EXAMPLES)) from None


def _of_torque_or_none(text: str) -> str | None:
    try:
        return _of_torque(text).name
    except UnclearUnit:
        return None


UNITS: Mapping[str, Unit] = MappingProxyType({name: find_unit(name) for name in (
    "N m", "1e-19 N m", "aN m", "J/m2", "mJ/m2", "J/m3", "T", "mT", "Oe",
    "N m/V", "1e-19 N m/V", "aN m/V", "hbar/2e/kohm", "J/m2/V", "mJ/m2/V", "hbar/2e/kohm/um2", "J/m3/V", "T/V", "mT/V",
    "Oe/V", "arb",
)})  # fmt: skip
"""Usual units of torque and torkance by canonical name; `find_unit` knows more. Oe counts as 1e-4 T of μ0 H."""


def bias_factor(unit: str) -> float:
    """Factor to V; ValueError for what is no unit of bias.

    Examples
    --------
    >>> bias_factor("mV")
    0.001
    """
    return unit_factor(unit, "bias")


def thickness_factor(unit: str) -> float:
    """Factor to nm; ValueError for what is no unit of length. A is ångström here.

    Examples
    --------
    >>> thickness_factor("Å"), thickness_factor("µm")
    (0.1, 1000.0)
    """
    return unit_factor(unit, "thickness")


def check_unit(unit: str, quantity: Quantity, per: Per, where: str = "unit") -> Problem | None:
    """Contradiction between a unit and the declared quantity and normalisation; None where they agree.

    `where` is the place for the problem, for example a key path.

    Examples
    --------
    >>> print(check_unit("mT", "torque", "volume"))
    None
    >>> print(check_unit("N m/V", "torque", "device").what)
    'N m/V' is a torkance, but quantity = "torque"
    """
    try:
        found = find_unit(unit)
    except ValueError as error:
        what, _, todo = str(error).partition("; ")
        return Problem(where, what, todo)
    if found.quantity not in (None, quantity):
        whole = found.name.removesuffix("/V")
        fitting = f"{whole}/V" if quantity == "torkance" else whole if whole != found.name else _SI[found.dimension]
        what = f'{unit!r} is a {found.quantity}, but quantity = "{quantity}"'
        todo = (f'set quantity = "{found.quantity}" if that is what was measured, '
                f"or give the unit of the {quantity}, such as {fitting!r}")  # fmt: skip
        return Problem(where, what, todo)
    if per not in found.per:
        what = f'{unit!r} is {_MEANING[found.dimension]}, but per = "{per}"'
        return Problem(where, what, f'set per = "{found.per[0]}" if the unit is right, or correct the unit')
    return None


def conversion(unit: str, to: str) -> float:
    """Factor that turns numbers in `unit` into numbers in `to`.

    A torque unit and a torkance unit of the same dimension convert with their SI factors: the amplitude a1 in torque
    unit per volt is the same number for dT/dV. ValueError where a unit is unknown, or the two differ in dimension;
    ``arb`` converts only to itself.

    Examples
    --------
    >>> round(conversion("hbar/2e/kohm", "1e-19 N m/V"), 5), conversion("Oe", "mT")
    (3.29106, 0.1)
    """
    one, other = find_unit(unit), find_unit(to)
    if one.dimension != other.dimension:
        needed = _NEEDED.get(frozenset((one.dimension, other.dimension)))
        without = f", without {needed}," if needed else ""
        raise ValueError(
            f"cannot convert {one.name!r} ({_MEANING[one.dimension]}){without} to {other.name!r} "
            f"({_MEANING[other.dimension]})"
        )
    return float(one.size / other.size)


def amplitude_unit(name: str, unit: str, quantity: Quantity, per: Per) -> str:
    """Unit in which a coefficient of J0(V) = Σ (a_n + i b_n) Vⁿ is reported; the digit in its name is the power n of V.

    Torque data: the torque unit per Vⁿ. Torkance data: the same numbers, as J0' = a1 + 2 (a2 + i b2) V + … in the
    torkance unit. ``per = "volume"``: times nm, since T = J0 κ/d with d in nm. ValueError where `name` is no amplitude,
    or `unit` is unknown.

    Examples
    --------
    >>> amplitude_unit("b2", "1e-19 N m", "torque", "device"), amplitude_unit("b2", "mT/V", "torkance", "volume")
    ('1e-19 N m/V^2', 'mT nm/V^2')
    """
    match = re.fullmatch(r"[ab](\d)", name)
    if match is None:
        raise ValueError(f"{name!r} is not an amplitude such as a1 or b2")
    written, power = find_unit(unit).name, int(match[1])
    base = written.removesuffix("/V")
    if base == written and quantity == "torkance":
        power -= 1
    if per == "volume":
        base += " nm"
    return f"V {base}" if power == -1 else base + ("" if power == 0 else "/V" if power == 1 else f"/V^{power}")


_MEANT_IN_WORDS: Mapping[str, WrittenUnit] = MappingProxyType({
    **dict.fromkeys((*_ARBITRARY, "au"), WrittenUnit("arbitrary", 1.0)),
    **dict.fromkeys(("%", "percent"), WrittenUnit("ratio", 0.01)), "ppm": WrittenUnit("ratio", 1e-6),
    **dict.fromkeys(("ml", "mls", "monolayer", "monolayers"), WrittenUnit("atomic layers", 1.0)),
})  # fmt: skip
"""Units of tables of torques that are no units of physics."""


def unit_meaning(unit: str, kind: str) -> WrittenUnit | None:
    """What a unit means beside a column of bias, thickness, torque or anything else; None where it is not understood.

    Examples
    --------
    >>> unit_meaning("milli-volts", "bias") == unit_meaning("mV", "bias"), unit_meaning("lab units", "bias")
    (True, None)
    >>> unit_meaning("A", "thickness").quantity, unit_meaning("A", "bias").quantity
    ('length', 'current')
    """
    key = re.sub(r"[\s._]", "", unit).casefold()
    if key in _MEANT_IN_WORDS:
        return _MEANT_IN_WORDS[key]
    if kind == "thickness" and unit.strip() == "A":
        return written_unit("angstrom")
    return written_unit(unit)


def canonical_unit(unit: str, kind: str) -> str:
    """The unit of bias, thickness or torque, as it is declared, that means what a file writes; empty if none does.

    >>> canonical_unit("volts", "bias"), canonical_unit("s/V", "torque"), canonical_unit("aJ V^-1", "torque")
    ('V', '', 'aN m/V')
    """
    if kind in KINDS:
        return unit_name(unit, kind) or ""
    return _of_torque_or_none(unit) or ""


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PRETTY = {"ohm": "Ω", "angstrom": "Å", "deg": "°"}
_PIECE = re.compile(r"(/?)(hbar/2?e(?![^\W\d])|1e-?\d+|[°%]|[^\W\d]+)\^?(\d*)")


def pretty(unit: str) -> str:
    """A unit, or the unit of an amplitude, as it is set on axes and in tables.

    Examples
    --------
    >>> pretty("hbar/2e/kohm"), pretty("1e-19 N m/V^2"), pretty("arb")
    ('(ħ/2e) kΩ⁻¹', '10⁻¹⁹ N m V⁻²', 'arb. units')
    >>> pretty("°"), pretty("%"), pretty("")
    ('°', '%', '')
    """
    if unit == "arb":
        return "arb. units"
    words = []
    for slash, symbol, power in _PIECE.findall(unit):
        if symbol.startswith("hbar/"):
            words.append(f"(ħ{symbol.removeprefix('hbar')})")
        elif symbol.startswith("1e"):
            words.append("10" + symbol.removeprefix("1e").translate(_SUPERSCRIPT))
        else:
            exponent = ("-" if slash else "") + (power or ("1" if slash else ""))
            words.append(_pretty_word(symbol) + exponent.translate(_SUPERSCRIPT))
    return " ".join(words)


def _pretty_word(word: str) -> str:
    prefix, symbol = prefix_and_symbol(word) or ("", word)
    if prefix + symbol != word:  # a word for the unit
        return word
    return {"u": "µ"}.get(prefix, prefix) + _PRETTY.get(symbol, symbol)
