"""The closed table of units of data files: spellings, dimension, factor to SI.

Units are read at the edge of the package and never guessed: a unit that contradicts the declared quantity or
normalisation is an error, because the contradiction is the only sign of a wrong declaration.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from scipy.constants import elementary_charge, hbar

from mtjfit.data.written_units import WrittenUnit, same_unit, written_unit
from mtjfit.errors import Problem, did_you_mean

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
_HBAR_2E_KOHM = hbar / (2 * elementary_charge) / 1e3
"""1 (ħ/2e) kΩ⁻¹ in N m/V: 3.29106e-19."""


@dataclass(frozen=True)
class Unit:
    """One row of the table.

    Attributes
    ----------
    name : str
        Canonical name, as it is stored and printed in text files.
    dimension : {"moment", "areal", "density", "field", "arb"}
        Torque of a device (N m), per area (J/m²), per volume (J/m³), effective field (T), or arbitrary. A torkance has
        the dimension of its torque.
    quantity : {"torque", "torkance"} or None
        None (``arb``): either.
    si : float
        Factor to N m, J/m², J/m³ or T, or to those per volt.
    any_case : bool
        True where no letter changes its meaning with its case; see `find_unit`.
    """

    name: str
    dimension: Dimension
    quantity: Quantity | None
    si: float
    spellings: tuple[str, ...] = ()
    any_case: bool = False

    @property
    def per(self) -> tuple[Per, ...]:
        """Normalisations that the unit can express."""
        return _PER[self.dimension]


UNITS: Mapping[str, Unit] = MappingProxyType({
    row.name: row for row in (
        Unit("N m", "moment", "torque", 1.0),
        Unit("1e-19 N m", "moment", "torque", 1e-19, ("10^-19 N m",)),
        Unit("aN m", "moment", "torque", 1e-18, ("aJ",)),
        Unit("J/m2", "areal", "torque", 1.0, ("J m^-2",)),
        Unit("mJ/m2", "areal", "torque", 1e-3, ("mJ m^-2",)),
        Unit("J/m3", "density", "torque", 1.0, ("J m^-3",)),
        Unit("T", "field", "torque", 1.0),
        Unit("mT", "field", "torque", 1e-3),
        Unit("Oe", "field", "torque", 1e-4, any_case=True),
        Unit("N m/V", "moment", "torkance", 1.0, ("N m V^-1",)),
        Unit("1e-19 N m/V", "moment", "torkance", 1e-19,
             ("1e-19 N m V^-1", "10^-19 N m/V", "10^-19 N m V^-1")),
        Unit("aN m/V", "moment", "torkance", 1e-18, ("aN m V^-1", "aJ/V")),
        Unit("hbar/2e/kohm", "moment", "torkance", _HBAR_2E_KOHM, ("hbar/2e kohm^-1",), any_case=True),
        Unit("J/m2/V", "areal", "torkance", 1.0, ("J m^-2 V^-1", "J/m2 V^-1")),
        Unit("mJ/m2/V", "areal", "torkance", 1e-3, ("mJ m^-2 V^-1", "mJ/m2 V^-1")),
        Unit("hbar/2e/kohm/um2", "areal", "torkance", _HBAR_2E_KOHM / 1e-12,
             ("hbar/2e kohm^-1 um^-2", "hbar/2e kohm^-1/um2"), any_case=True),
        Unit("J/m3/V", "density", "torkance", 1.0, ("J m^-3 V^-1", "J/m3 V^-1")),
        Unit("T/V", "field", "torkance", 1.0, ("T V^-1",)),
        Unit("mT/V", "field", "torkance", 1e-3, ("mT V^-1",)),
        Unit("Oe/V", "field", "torkance", 1e-4, ("Oe V^-1",), any_case=True),
        Unit("arb", "arb", None, 1.0, ("arb.", "arb. unit", "arb. units", "arbitrary"), any_case=True),
    )
})  # fmt: skip
"""Units of torque and torkance by canonical name. Oe counts as 1e-4 T of μ0 H."""

BIAS_UNITS: Mapping[str, float] = MappingProxyType({"V": 1.0, "mV": 1e-3})
"""Factor of each bias unit to V."""

THICKNESS_UNITS: Mapping[str, float] = MappingProxyType({"nm": 1.0, "angstrom": 0.1, "m": 1e9})
"""Factor of each thickness unit to nm."""

_SAME = str.maketrans({"ħ": "hbar", "Ω": "ohm", "μ": "u", "−": "-"}) | dict.fromkeys(map(ord, "·⋅∙*^() \t\xa0"))


def _key(text: str) -> str:
    """Spelling without spaces, products, powers' carets and Unicode variants; case stays."""
    return unicodedata.normalize("NFKC", text).translate(_SAME)


_EXACT = {_key(spelling): unit for unit in UNITS.values() for spelling in (unit.name, *unit.spellings)}
_FOLDED = {key.casefold(): unit for key, unit in _EXACT.items() if unit.any_case}
_THICKNESS_KEYS = {"nm": "nm", "m": "m", **dict.fromkeys(("angstrom", "Angstrom", "A", "Å"), "angstrom")}


def _known(text: str) -> Unit | None:
    key = _key(text)
    return _EXACT.get(key) or _FOLDED.get(key.casefold())


def find_unit(text: str) -> Unit:
    """The unit of torque or torkance that a text names; ValueError with the nearest one if it is none of the table.

    Spaces, ``·`` and ``*``, ``^-1`` and ``⁻¹``, ``ħ`` and ``hbar``, ``µ`` and ``u``, ``Ω`` and ``ohm`` are the same.
    Case counts unless it cannot mean anything else: ``hbar/2e/kOhm`` is understood, ``mt`` is not.

    Examples
    --------
    >>> find_unit("(ħ/2e) kΩ⁻¹").name
    'hbar/2e/kohm'
    """
    unit = _known(text)
    if unit is None:
        raise ValueError(f"unknown unit {text!r}; {did_you_mean(text, UNITS)}")
    return unit


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
        fitting = next(u.name for u in UNITS.values() if u.quantity == quantity and u.dimension == found.dimension)
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
        raise ValueError(
            f"cannot convert {one.name!r} ({_MEANING[one.dimension]}) to {other.name!r} ({_MEANING[other.dimension]})"
        )
    # 1e-4 / 1e-3 is 0.1 only after rounding to the 15 digits that the factors are known to.
    return 1.0 if one.si == other.si else float(f"{one.si / other.si:.15g}")


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


def bias_factor(unit: str) -> float:
    """Factor to V; ValueError for anything but V and mV.

    Examples
    --------
    >>> bias_factor("mV")
    0.001
    """
    if unit.strip() not in BIAS_UNITS:
        raise ValueError(f"unknown unit of bias {unit!r}; {did_you_mean(unit, BIAS_UNITS)}")
    return BIAS_UNITS[unit.strip()]


def thickness_factor(unit: str) -> float:
    """Factor to nm; ValueError for anything but nm, angstrom (A, Å) and m.

    Examples
    --------
    >>> thickness_factor("Å")
    0.1
    """
    name = _THICKNESS_KEYS.get(unicodedata.normalize("NFKC", unit.strip()))
    if name is None:
        raise ValueError(f"unknown unit of thickness {unit!r}; {did_you_mean(unit, THICKNESS_UNITS)}")
    return THICKNESS_UNITS[name]


_ARBITRARY = {"arb", "arbu", "arbunit", "arbunits", "arbitrary", "arbitraryunit", "arbitraryunits", "au"}
_MEANT_IN_WORDS: Mapping[str, WrittenUnit] = MappingProxyType({
    **dict.fromkeys(_ARBITRARY, WrittenUnit("arbitrary", 1.0)),
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
    known = _known(unit) if kind == "torque" else None
    return written_unit(known.name if known else unit)


def canonical_unit(unit: str, kind: str) -> str:
    """The unit of bias, thickness or torque, as it is declared, that means what a file writes; empty if none does.

    >>> canonical_unit("volts", "bias"), canonical_unit("fJ/V", "torque"), canonical_unit("aJ V^-1", "torque")
    ('V', '', 'aN m/V')
    """
    found = unit_meaning(unit, kind)
    named = {"bias": BIAS_UNITS, "thickness": THICKNESS_UNITS}.get(kind, UNITS)
    meant = ((name, unit_meaning(name, kind)) for name in named)
    return next((name for name, each in meant if found is not None and each is not None and same_unit(found, each)), "")


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PRETTY = {"kohm": "kΩ", "um": "µm", "angstrom": "Å"}


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
    for slash, symbol, power in re.findall(r"(/?)(hbar/2e|1e-19|[°%]|[^\W\d]+)\^?(\d*)", unit):
        if symbol == "hbar/2e":
            words.append("(ħ/2e)")
        elif symbol == "1e-19":
            words.append("10⁻¹⁹")
        else:
            exponent = ("-" if slash else "") + (power or ("1" if slash else ""))
            words.append(_PRETTY.get(symbol, symbol) + exponent.translate(_SUPERSCRIPT))
    return " ".join(words)
