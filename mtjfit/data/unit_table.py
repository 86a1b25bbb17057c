"""Symbols, words and prefixes of units: the one table from which every unit of the program is read.

A prefix is allowed where the table says so, and each letter has one meaning at its place: m before a symbol is milli
and alone a metre, G before a symbol giga and alone gauss, T always tesla.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

Powers: TypeAlias = tuple[int, int, int, int, int]
"""Powers of kg, m, s, A and turn."""


class Symbol(NamedTuple):
    """A unit by its symbol: size in SI (fields: T of μ0 H; angles: turns), prefixes that it takes.

    `of_torque` is False for what alone cannot make a unit of torque: a coulomb is J/V, and yet no torkance.
    """

    size: Fraction
    powers: Powers
    prefixes: str = ""
    of_torque: bool = False


VOLT: Powers = (1, 2, -3, -1, 0)
TESLA: Powers = (1, 0, -2, -1, 0)
JOULE: Powers = (1, 2, -2, 0, 0)
OHM: Powers = (1, 2, -3, -2, 0)
METRE: Powers = (0, 1, 0, 0, 0)
AMPERE_PER_METRE: Powers = (0, -1, 0, 1, 0)
_NEWTON: Powers = (1, 1, -2, 0, 0)
_TURN: Powers = (0, 0, 0, 0, 1)

MU_0 = Symbol(Fraction("1.25663706127e-6"), (1, 1, -2, -2, 0))
_PI = Fraction("3.14159265358979323846264338327950288")
_E, _H = Fraction("1.602176634e-19"), Fraction("6.62607015e-34")  # exact in the SI

SYMBOLS: Mapping[str, Symbol] = MappingProxyType({
    "V": Symbol(Fraction(1), VOLT, "pnumkM"),
    "T": Symbol(Fraction(1), TESLA, "pnum", True),  # kT is an energy
    "Oe": Symbol(Fraction(1, 10_000), TESLA, "numk", True),
    "G": Symbol(Fraction(1, 10_000), TESLA, "numk", True),
    "N": Symbol(Fraction(1), _NEWTON, "zafpnumk", True),
    "dyn": Symbol(Fraction(1, 100_000), _NEWTON, "numk", True),
    "J": Symbol(Fraction(1), JOULE, "zafpnumkMG", True),
    "erg": Symbol(Fraction(1, 10**7), JOULE, "afpnumkM", True),
    "eV": Symbol(_E, JOULE, "npumkMG", True),
    "hbar": Symbol(_H / (2 * _PI), (1, 2, -1, 0, 0), "", True),
    "e": Symbol(_E, (0, 0, 1, 1, 0)),
    "A": Symbol(Fraction(1), (0, 0, 0, 1, 0), "fpnumkMG"),
    "ohm": Symbol(Fraction(1), OHM, "numkMG"),
    "S": Symbol(Fraction(1), (-1, -2, 3, 2, 0), "numk"),
    "C": Symbol(Fraction(1), (0, 0, 1, 1, 0), "fpnum"),
    "W": Symbol(Fraction(1), (1, 2, -3, 0, 0), "fpnumkM"),
    "m": Symbol(Fraction(1), METRE, "fpnumck"),
    "angstrom": Symbol(Fraction(1, 10**10), METRE),
    "s": Symbol(Fraction(1), (0, 0, 1, 0, 0), "fpnum"),
    "Hz": Symbol(Fraction(1), (0, 0, -1, 0, 1), "numkMG"),
    "emu": Symbol(Fraction(1, 1000), (0, 2, 0, 1, 0), "numk"),
    "rad": Symbol(1 / (2 * _PI), _TURN, "num"),
    "deg": Symbol(Fraction(1, 360), _TURN, "m"),
})  # fmt: skip

WORDS: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(("volt", "volts"), "V"), **dict.fromkeys(("tesla", "teslas"), "T"),
    **dict.fromkeys(("oersted", "oersteds", "örsted", "ørsted"), "Oe"), "gauss": "G", "hertz": "Hz",
    **dict.fromkeys(("amp", "amps", "ampere", "amperes"), "A"), **dict.fromkeys(("ohm", "ohms"), "ohm"),
    **dict.fromkeys(("meter", "metre", "meters", "metres"), "m"),
    **dict.fromkeys(("sec", "second", "seconds"), "s"), **dict.fromkeys(("watt", "watts"), "W"),
    **dict.fromkeys(("newton", "newtons"), "N"), **dict.fromkeys(("joule", "joules"), "J"),
    **dict.fromkeys(("electronvolt", "electronvolts"), "eV"), **dict.fromkeys(("dyne", "dynes"), "dyn"),
    **dict.fromkeys(("angstrom", "angstroms", "ångström", "ångströms", "ångstrom"), "angstrom"),
    **dict.fromkeys(("degree", "degrees", "deg"), "deg"), **dict.fromkeys(("radian", "radians"), "rad"),
    "hbar": "hbar",
})  # fmt: skip
"""Symbols by words for them, in lower case; any case is understood."""

OTHER_SIGNS: Mapping[str, str] = MappingProxyType({"Gs": "G", "Å": "angstrom", "°": "deg"})
"""Symbols by other signs for them."""

ANY_CASE: Mapping[str, str] = MappingProxyType({"oe": "Oe", "hz": "Hz", "v": "V"})
"""Symbols whose letters mean nothing else in lower or upper case."""

PREFIXES: Mapping[str, Fraction] = MappingProxyType({
    "": Fraction(1), **{letter: Fraction(10) ** power for letter, power in (
        ("z", -21), ("a", -18), ("f", -15), ("p", -12), ("n", -9), ("u", -6), ("m", -3), ("c", -2),
        ("k", 3), ("M", 6), ("G", 9),
    )},
})  # fmt: skip
SPOKEN: Mapping[str, str] = MappingProxyType({
    "": "", "zepto": "z", "atto": "a", "femto": "f", "pico": "p", "nano": "n", "micro": "u", "milli": "m", "centi": "c",
    "kilo": "k", "mega": "M", "giga": "G",
})  # fmt: skip
"""Prefixes by the words for them."""

QUANTITIES: Mapping[Powers, str] = MappingProxyType({
    VOLT: "voltage", TESLA: "field", (0, 0, -1, 0, 1): "frequency", (0, 0, 0, 1, 0): "current", OHM: "resistance",
    METRE: "length", (0, 0, 1, 0, 0): "time", (1, 2, -3, 0, 0): "power", JOULE: "energy", _TURN: "angle",
})  # fmt: skip
