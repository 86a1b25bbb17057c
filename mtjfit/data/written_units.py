"""Units of measured quantities as files write them: symbols, words, prefixes, powers of ten."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple


class WrittenUnit(NamedTuple):
    """What a unit measures, such as "voltage", and its factor to SI; fields are μ0 H in T."""

    quantity: str
    si: float


_OERSTED, _PER_METRE = 1e-4, 1.25663706127e-6  # Oe and A/m as μ0 H in T
_PREFIXES = {"": 1.0, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_SPOKEN = {"": 1.0, "pico": 1e-12, "nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "centi": 1e-2, "kilo": 1e3, "mega": 1e6,
           "giga": 1e9}  # fmt: skip
_SYMBOLS = {
    "V": WrittenUnit("voltage", 1.0), "T": WrittenUnit("field", 1.0), "Oe": WrittenUnit("field", _OERSTED),
    "G": WrittenUnit("field", 1e-4), "Gs": WrittenUnit("field", 1e-4), "A/m": WrittenUnit("field", _PER_METRE),
    "Am^-1": WrittenUnit("field", _PER_METRE), "Am-1": WrittenUnit("field", _PER_METRE),
    "Hz": WrittenUnit("frequency", 1.0), "A": WrittenUnit("current", 1.0), "ohm": WrittenUnit("resistance", 1.0),
    "m": WrittenUnit("length", 1.0), "s": WrittenUnit("time", 1.0), "W": WrittenUnit("power", 1.0),
}  # fmt: skip
_WORDS = {
    **dict.fromkeys(("volt", "volts"), _SYMBOLS["V"]),
    **dict.fromkeys(("tesla", "teslas"), _SYMBOLS["T"]),
    **dict.fromkeys(("oersted", "oersteds", "örsted", "ørsted"), _SYMBOLS["Oe"]),
    "gauss": _SYMBOLS["G"], "hertz": _SYMBOLS["Hz"],
    **dict.fromkeys(("amp", "amps", "ampere", "amperes"), _SYMBOLS["A"]),
    **dict.fromkeys(("ampere/meter", "ampere/metre", "amperes/meter", "amps/meter", "amp/meter"), _SYMBOLS["A/m"]),
    **dict.fromkeys(("ohm", "ohms"), _SYMBOLS["ohm"]), **dict.fromkeys(("meter", "metre", "meters"), _SYMBOLS["m"]),
    **dict.fromkeys(("sec", "second", "seconds"), _SYMBOLS["s"]), **dict.fromkeys(("watt", "watts"), _SYMBOLS["W"]),
}  # fmt: skip
_WHOLE = {
    **dict.fromkeys(("K", "kelvin", "°C", "degC"), WrittenUnit("temperature", 1.0)),
    **dict.fromkeys(("min", "h"), WrittenUnit("time", 60.0)),
    **dict.fromkeys(("dBm", "dB"), WrittenUnit("power", 1.0)),
    **dict.fromkeys(("deg", "degree", "degrees", "°", "rad"), WrittenUnit("angle", 1.0)),
}
_ANY_CASE = {"oe": "Oe", "hz": "Hz", "v": "V"}  # letters that mean nothing else in lower or upper case
_SUPERSCRIPT = {ord(c): f"^{plain}" for c, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)}
_SUPERSCRIPT |= {ord("⁻"): "^-", ord("Ω"): "ohm", ord("Ω"): "ohm", ord("−"): "-"}
_POWER = re.compile(r"[x×*]?\s*(?:10\s*(?:\^|\*\*)\s*\(?([+-]?\d{1,2})\)?|1?[eE]([+-]?\d{1,2}))\s*[x×*·]?\s*(.*)")


def written_unit(text: str) -> WrittenUnit | None:
    """The unit that a file writes beside a column or a parameter; None where it is not understood.

    Case counts where it can mean something else: MV is a megavolt, mt nothing.

    Examples
    --------
    >>> written_unit("Gauss") == written_unit("G") == written_unit("10^-3 kOe")
    True
    >>> written_unit("µVolt"), written_unit("kA m⁻¹").quantity, written_unit("a.u.")
    (WrittenUnit(quantity='voltage', si=1e-06), 'field', None)
    """
    plain = re.sub(r"(\^-?\d?)\^", r"\1", text.strip().translate(_SUPERSCRIPT))
    plain = unicodedata.normalize("NFKC", plain).replace("μ", "u").strip()
    power, match = 0, _POWER.fullmatch(plain)
    if match is not None:
        power, plain = int(match[1] or match[2]), match[3]
    key = re.sub(r"[\s·*_]|\.(?=\w)|\.$|(?<=[A-Za-z])-(?=[A-Za-z])", "", plain).replace(" per ", "/")
    found = _WHOLE.get(key) or _symbol(key) or _word(key.casefold(), key)
    return found if found is None or not power else WrittenUnit(found.quantity, float(f"{found.si * 10.0**power:.15g}"))


def _symbol(key: str) -> WrittenUnit | None:
    for end in (*_SYMBOLS, *_ANY_CASE, *(each.upper() for each in ("oe", "hz"))):
        prefix = key.removesuffix(end)
        symbol = end if end in _SYMBOLS else _ANY_CASE[end.casefold()]
        if prefix == key or (prefix + end != key):
            continue
        if end not in _SYMBOLS and symbol == "Hz":
            prefix = {"g": "G", "G": "G", "k": "k", "K": "k", "M": "M", "": ""}.get(prefix, "?")  # mhz is unclear
        if prefix in _PREFIXES:
            unit = _SYMBOLS[symbol]
            return WrittenUnit(unit.quantity, float(f"{unit.si * _PREFIXES[prefix]:.15g}"))
    return None


def _word(folded: str, key: str) -> WrittenUnit | None:
    for word, unit in _WORDS.items():
        if not folded.endswith(word):
            continue
        spoken = folded.removesuffix(word)
        prefix = key[: len(key) - len(word)]
        factor = _SPOKEN.get(spoken) or _PREFIXES.get(prefix)
        if factor is not None:
            return WrittenUnit(unit.quantity, float(f"{unit.si * factor:.15g}"))
    return None
