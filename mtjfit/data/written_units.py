"""Units as files write them, understood by what they mean: symbols, words, prefixes, powers, products, quotients."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from scipy.constants import elementary_charge, hbar


class WrittenUnit(NamedTuple):
    """What a unit measures, such as "voltage", and its factor to SI; fields are μ0 H in T."""

    quantity: str
    si: float


_Powers: TypeAlias = tuple[int, int, int, int]
"""Powers of kg, m, s and A."""
_Factor: TypeAlias = tuple[float, _Powers]

_VOLT, _TESLA, _JOULE, _OHM, _METRE = (1, 2, -3, -1), (1, 0, -2, -1), (1, 2, -2, 0), (1, 2, -3, -2), (0, 1, 0, 0)
_FIELD_H, _MU0 = (0, -1, 0, 1), (1.25663706127e-6, (1, 1, -2, -2))
_SYMBOLS: Mapping[str, _Factor] = {
    "V": (1.0, _VOLT), "T": (1.0, _TESLA), "Oe": (1e-4, _TESLA), "G": (1e-4, _TESLA), "Gs": (1e-4, _TESLA),
    "Hz": (1.0, (0, 0, -1, 0)), "A": (1.0, (0, 0, 0, 1)), "ohm": (1.0, _OHM), "m": (1.0, _METRE),
    "s": (1.0, (0, 0, 1, 0)), "W": (1.0, (1, 2, -3, 0)), "N": (1.0, (1, 1, -2, 0)), "J": (1.0, _JOULE),
    "Nm": (1.0, _JOULE), "C": (1.0, (0, 0, 1, 1)), "S": (1.0, (-1, -2, 3, 2)), "eV": (elementary_charge, _JOULE),
    "erg": (1e-7, _JOULE), "dyn": (1e-5, (1, 1, -2, 0)),
}  # fmt: skip
_CONSTANTS: Mapping[str, _Factor] = {
    "e": (elementary_charge, (0, 0, 1, 1)), "hbar": (hbar, (1, 2, -1, 0)), "Å": (1e-10, _METRE),
}  # fmt: skip
_WORDS: Mapping[str, _Factor] = {
    **dict.fromkeys(("volt", "volts"), _SYMBOLS["V"]),
    **dict.fromkeys(("tesla", "teslas"), _SYMBOLS["T"]),
    **dict.fromkeys(("oersted", "oersteds", "örsted", "ørsted"), _SYMBOLS["Oe"]),
    "gauss": _SYMBOLS["G"], "hertz": _SYMBOLS["Hz"],
    **dict.fromkeys(("amp", "amps", "ampere", "amperes"), _SYMBOLS["A"]),
    **dict.fromkeys(("ohm", "ohms"), _SYMBOLS["ohm"]),
    **dict.fromkeys(("meter", "metre", "meters", "metres"), _SYMBOLS["m"]),
    **dict.fromkeys(("sec", "second", "seconds"), _SYMBOLS["s"]),
    **dict.fromkeys(("watt", "watts"), _SYMBOLS["W"]),
    **dict.fromkeys(("newton", "newtons"), _SYMBOLS["N"]), **dict.fromkeys(("joule", "joules"), _SYMBOLS["J"]),
    **dict.fromkeys(("angstrom", "angstroms", "ångström", "ångströms", "ångstrom"), _CONSTANTS["Å"]),
}  # fmt: skip
_ANY_CASE = {"oe": _SYMBOLS["Oe"], "hz": _SYMBOLS["Hz"], "v": _SYMBOLS["V"]}
"""Letters that mean nothing else in lower or upper case."""
_PREFIXES = {"": 1.0, "a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "k": 1e3,
             "K": 1e3, "M": 1e6, "G": 1e9}  # fmt: skip
_SPOKEN = {"": 1.0, "femto": 1e-15, "pico": 1e-12, "nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "centi": 1e-2,
           "kilo": 1e3, "mega": 1e6, "giga": 1e9}  # fmt: skip
_WHOLE = {
    **dict.fromkeys(("K", "kelvin", "Kelvin", "°C", "degC"), WrittenUnit("temperature", 1.0)),
    "min": WrittenUnit("time", 60.0),
    "h": WrittenUnit("time", 3600.0),
    **dict.fromkeys(("dBm", "dB"), WrittenUnit("power level", 1.0)),
    **dict.fromkeys(("deg", "degree", "degrees", "Deg", "Degree", "Degrees", "°"), WrittenUnit("angle", 1.0)),
    **dict.fromkeys(("rad", "radian", "radians"), WrittenUnit("angle", 57.29577951308232)),
}
_QUANTITIES: Mapping[_Powers, str] = {
    _VOLT: "voltage", _TESLA: "field", (0, 0, -1, 0): "frequency", (0, 0, 0, 1): "current", _OHM: "resistance",
    _METRE: "length", (0, 0, 1, 0): "time", (1, 2, -3, 0): "power", _JOULE: "energy",
}  # fmt: skip
_RAISED, _PLAIN = "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789"
_SUPERSCRIPT = re.compile(f"[{_RAISED}]+")
_SAME = str.maketrans({"Ω": "ohm", "\N{OHM SIGN}": "ohm", "−": "-", "ħ": "hbar", "ℏ": "hbar",
                       **dict.fromkeys("·⋅∙×", "*"), **dict(zip(_RAISED, _PLAIN, strict=True))})  # fmt: skip
_POWER = re.compile(r"[x*]?\s*(?:10\s*\^\s*\(?([+-]?\d{1,2})\)?|1?[eE]([+-]?\d{1,2}))(?!\w)\s*[x*]?\s*(.*)")
_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<over>/)|(?P<times>\*)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[^\W\d_]+)(?:\s*\^\s*(?:\((?P<inside>[+-]?\d)\)|(?P<raised>[+-]?\d))|(?P<power>-?\d))?)"
)
_LONGEST = 60


def written_unit(text: str) -> WrittenUnit | None:
    """The unit that a file writes beside a column or a parameter; None where it is not understood.

    Case counts where it can mean something else: MV is a megavolt, mt nothing. A product behind a slash, as in J/m2 V,
    can be read in two ways and is not understood.

    Examples
    --------
    >>> written_unit("Gauss") == written_unit("G") == written_unit("10^-3 kOe")
    True
    >>> written_unit("µVolt"), written_unit("kA m⁻¹").quantity, written_unit("a.u.")
    (WrittenUnit(quantity='voltage', si=1e-06), 'field', None)
    >>> written_unit("(ħ/2e) kΩ⁻¹") == written_unit("hbar/(2 e)/kohm") == written_unit("0.5 hbar/e/kohm")
    True
    """
    if len(text) > _LONGEST:
        return None
    plain = _SUPERSCRIPT.sub(lambda run: "^" + run[0], text.strip()).translate(_SAME)
    plain = unicodedata.normalize("NFKC", plain).replace("μ", "u").replace("**", "^").strip()
    power, match = 0, _POWER.fullmatch(plain)
    if match is not None:
        power, plain = int(match[1] or match[2]), match[3]
    if plain in _WHOLE:
        return _WHOLE[plain] if not power else None
    found = _understood(_spelled(plain))
    if found is None or not any(found[1]):
        return None
    si, powers = found
    if powers in (_FIELD_H, _quotient(_FIELD_H, _VOLT)):  # A/m as μ0 H
        si, powers = si * _MU0[0], _product(powers, _MU0[1])
    si = float(f"{si * 10.0**power:.15g}")
    quantity = _QUANTITIES.get(powers) or " ".join(map(str, powers))
    return WrittenUnit(quantity, si) if 0 < si < math.inf else None


def agrees(said: str, wanted: WrittenUnit) -> bool | None:
    """True where a unit in a file means the wanted one, False where it means another; None if it is not understood."""
    found = written_unit(said)
    return None if found is None else same_unit(found, wanted)


def same_unit(one: WrittenUnit, other: WrittenUnit) -> bool:
    """True for units of one quantity and one size."""
    return one.quantity == other.quantity and abs(one.si - other.si) <= 1e-9 * abs(other.si)


def _spelled(text: str) -> str:
    """Words joined to their spoken prefixes, "per" as a slash, hyphens and points between letters as products."""
    text = re.sub(r"\s+per\s+", "/", text)
    text = re.sub(r"(?<![^\W\d])([kM]?A)m(?=\^?-)", r"\1 m", text)
    text = re.sub(rf"\b({'|'.join(filter(None, _SPOKEN))})[-\s]+(?=[^\W\d])", r"\1", text, flags=re.IGNORECASE)
    return re.sub(r"(?<=[^\W\d])[-.](?=[^\W\d])|_|\.$", " ", text)


def _understood(text: str) -> _Factor | None:
    """The value of a product or quotient, brackets included; None where a part of it is unknown."""
    tokens, at = [], 0
    while at < len(text) and text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match)
        at = match.end()
    found = _expression(tokens, 0)
    return found[0] if found is not None and found[1] == len(tokens) else None


def _expression(tokens: list[re.Match[str]], k: int) -> tuple[_Factor, int] | None:
    """Value of the tokens from `k` to the end or to a closing bracket, and where that is."""
    si, powers = 1.0, (0, 0, 0, 0)
    inverse = divided = False
    start = k
    while k < len(tokens) and not tokens[k]["close"]:
        token = tokens[k]
        if token["over"] or token["times"]:
            if inverse or k == start:
                return None
            inverse, k = bool(token["over"]), k + 1
            continue
        part = _factor(tokens, k)
        if part is None:
            return None
        (factor, raised), k = part
        if not factor:
            return None  # too small a number for a computer
        if divided and not inverse and _sign(token) > 0:
            return None  # J/m2 V: over V, or times V?
        si, powers = (si / factor, _quotient(powers, raised)) if inverse else (si * factor, _product(powers, raised))
        divided, inverse = divided or inverse, False
    return None if inverse or k == start else ((si, powers), k)


def _sign(token: re.Match[str]) -> int:
    return int(token["inside"] or token["raised"] or token["power"] or 1)


def _factor(tokens: list[re.Match[str]], k: int) -> tuple[_Factor, int] | None:
    """One factor: brackets, a word with its power, or a number with the word that stands directly behind it."""
    token = tokens[k]
    if token["open"]:
        found = _expression(tokens, k + 1)
        return None if found is None or found[1] == len(tokens) else (found[0], found[1] + 1)
    if token["number"]:
        size, end = float(token["number"]), token.end()
        behind = tokens[k + 1] if k + 1 < len(tokens) else None
        word = _word(behind) if behind is not None and behind["word"] and behind.start("word") == end else None
        if not size or (word is None and behind is not None and behind.start("word") == end):
            return None
        return ((size, (0, 0, 0, 0)), k + 1) if word is None else ((size * word[0], word[1]), k + 2)
    word = _word(token)
    return None if word is None else (word, k + 1)


def _word(token: re.Match[str]) -> _Factor | None:
    """A symbol or a word with prefix and power."""
    found = _CONSTANTS.get(token["word"]) or _symbol(token["word"]) or _spoken(token["word"])
    if found is None:
        return None
    n = _sign(token)
    a, b, c, d = found[1]
    return found[0] ** n, (a * n, b * n, c * n, d * n)


def _symbol(word: str) -> _Factor | None:
    for end in (word[k:] for k in range(min(2, len(word)))):
        prefix, symbol = word.removesuffix(end), _SYMBOLS.get(end)
        if symbol is not None and prefix in _PREFIXES:
            return symbol[0] * _PREFIXES[prefix], symbol[1]
        found = _ANY_CASE.get(end.casefold())
        if found is not None and end.casefold() == "hz":
            prefix = {"g": "G", "m": "?"}.get(prefix, prefix)  # mhz is unclear
        if found is not None and prefix in _PREFIXES:
            return found[0] * _PREFIXES[prefix], found[1]
    return None


def _spoken(word: str) -> _Factor | None:
    folded = word.casefold()
    for name, unit in _WORDS.items():
        if folded.endswith(name):
            factor = _SPOKEN.get(folded.removesuffix(name)) or _PREFIXES.get(word[: len(word) - len(name)])
            if factor is not None:
                return unit[0] * factor, unit[1]
    return None


def _product(one: _Powers, other: _Powers) -> _Powers:
    a, b, c, d = (x + y for x, y in zip(one, other, strict=True))
    return a, b, c, d


def _quotient(one: _Powers, other: _Powers) -> _Powers:
    a, b, c, d = (x - y for x, y in zip(one, other, strict=True))
    return a, b, c, d
