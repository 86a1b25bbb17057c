"""Units as files and people write them, understood by what they mean: products, quotients, powers, prefixes, words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from mtjfit.data.unit_table import (
    AMPERE_PER_METRE,
    ANY_CASE,
    MU_0,
    OTHER_SIGNS,
    PREFIXES,
    QUANTITIES,
    SPOKEN,
    SYMBOLS,
    VOLT,
    WORDS,
    Powers,
)

_NONE: Powers = (0, 0, 0, 0, 0)
_RAISED, _PLAIN = "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789"
_SUPERSCRIPT = re.compile(f"[{_RAISED}]+")
_SAME = str.maketrans({"Ω": "ohm", "\N{OHM SIGN}": "ohm", "−": "-", "–": "-", "ħ": "hbar", "ℏ": "hbar", "∕": "/",
                       "{": "(", "}": ")", **dict.fromkeys("·⋅∙×", "*"),
                       **dict(zip(_RAISED, _PLAIN, strict=True))})  # fmt: skip
_TEN = re.compile(r"(?<![\w.])10\s*\^\s*(?:\(\s*([+-]?\d{1,2})\s*\)|([+-]?\d{1,2}))(?!\d)")
_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<over>/)|(?P<times>\*)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3}(?!\d))?)"
    r"|(?P<word>°|[^\W\d_]+)(?:\s*\^\s*(?:\(\s*(?P<inside>[+-]?\d)\s*\)|(?P<raised>[+-]?\d))|(?P<power>-?\d))?)"
)
LONGEST = 60
"""Letters of a unit that is read."""


class WrittenUnit(NamedTuple):
    """What a unit measures, such as "voltage", and its factor to SI; fields are μ0 H in T, angles degrees."""

    quantity: str
    si: float


@dataclass(frozen=True)
class Meaning:
    """A unit that was understood: exact size in SI (fields: T of μ0 H), powers, and the symbols it is made of.

    `number` is the plain number in it, which `size` includes; `symbols` are names with prefix, and their powers.
    """

    size: Fraction
    powers: Powers = _NONE
    number: Fraction = Fraction(1)
    symbols: tuple[tuple[str, int], ...] = ()
    of_torque: bool = False

    def times(self, other: Meaning, sign: int = 1) -> Meaning:
        """The product with another one, or the quotient."""
        powers = dict(self.symbols)
        for symbol, power in other.symbols:
            powers[symbol] = powers.get(symbol, 0) + sign * power
        a, b, c, d, e = (x + sign * y for x, y in zip(self.powers, other.powers, strict=True))
        return Meaning(
            self.size * other.size**sign, (a, b, c, d, e), self.number * other.number**sign,
            tuple((symbol, power) for symbol, power in powers.items() if power), self.of_torque or other.of_torque,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The unit as this program writes it, such as ``mJ/m2/V``; empty where a number in it is no power of ten."""
        powers, number, over = dict(self.symbols), self.number, list[str]()
        if powers.get("hbar") == 1 and powers.get("e") == -1:
            halved = _exponent(number) is None
            number *= 2 if halved else 1
            del powers["hbar"], powers["e"]
            powers["hbar/2e" if halved else "hbar/e"] = 1  # last: what stands behind a slash is not understood
        ten = _exponent(number)
        if ten is None:
            return ""
        above = [f"1e{ten}"] if ten else []
        for symbol, power in sorted(powers.items(), key=lambda each: each[0].endswith("V") and each[1] < 0):
            raised = str(abs(power)) if abs(power) != 1 else ""
            (above if power > 0 else over).append(symbol + raised)
        return "/".join([" ".join(above) or "1", *over])


def _exponent(number: Fraction) -> int | None:
    """The power of ten that a number is; None where it is none."""
    large, sign = (number.numerator, 1) if number.denominator == 1 else (number.denominator, -1)
    digits = str(large)
    return sign * (len(digits) - 1) if digits.strip("0") == "1" and 1 in number.as_integer_ratio() else None


class UnclearUnit(ValueError):
    """A unit that is not understood; the arguments say why and, where there is one, the remedy."""


_WHOLE: Mapping[str, WrittenUnit] = MappingProxyType({
    **dict.fromkeys(("K", "kelvin", "Kelvin", "°C", "degC"), WrittenUnit("temperature", 1.0)),
    "min": WrittenUnit("time", 60.0), "h": WrittenUnit("time", 3600.0),
    **dict.fromkeys(("dBm", "dB"), WrittenUnit("power level", 1.0)),
})  # fmt: skip
"""Units that stand alone, without prefixes and powers."""


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
    if text.strip() in _WHOLE:
        return _WHOLE[text.strip()]
    try:
        found = unit_understood(text)
        quantity = QUANTITIES.get(found.powers) or " ".join(map(str, found.powers))
        si = float(found.size * (360 if quantity == "angle" else 1))
    except (UnclearUnit, OverflowError):
        return None
    return WrittenUnit(quantity, si) if 0 < si < math.inf else None


def agrees(said: str, wanted: WrittenUnit) -> bool | None:
    """True where a unit in a file means the wanted one, False where it means another; None if it is not understood."""
    found = written_unit(said)
    return None if found is None else same_unit(found, wanted)


def same_unit(one: WrittenUnit, other: WrittenUnit) -> bool:
    """True for units of one quantity and one size."""
    return one.quantity == other.quantity and abs(one.si - other.si) <= 1e-9 * abs(other.si)


@lru_cache(maxsize=512)
def unit_understood(text: str) -> Meaning:
    """What a text means as a unit; UnclearUnit where it is not understood, with the reason.

    >>> [unit_understood(text).name for text in ("mJ·m⁻²·V⁻¹", "milli-joules per (V m**2)", "µOe")]
    ['mJ/m2/V', 'mJ/m2/V', 'uOe']
    """
    if len(text) > LONGEST:
        raise UnclearUnit(f"is longer than {LONGEST} letters")
    found = _understood(_spelled(text))
    if found.powers == _NONE:
        raise UnclearUnit("is without a unit")
    if found.powers in _FIELDS_H:
        return replace(found.times(_MU_0), of_torque=True)
    return found


_MU_0 = Meaning(MU_0.size, MU_0.powers)
_FIELDS_H = (AMPERE_PER_METRE, Meaning(Fraction(1), AMPERE_PER_METRE).times(Meaning(Fraction(1), VOLT), -1).powers)


def _spelled(text: str) -> str:
    """ASCII with one sign for products, quotients and powers; words joined to their spoken prefixes."""
    plain = _SUPERSCRIPT.sub(lambda run: "^" + run[0], text.strip()).translate(_SAME)
    plain = unicodedata.normalize("NFKC", plain).translate(_SAME).replace("μ", "u").replace("**", "^").strip()
    plain = _TEN.sub(lambda match: f"1e{match[1] or match[2]}", plain)
    plain = re.sub(r"^[x*]\s*(?=1e)", "", plain)
    plain = re.sub(r"^[eE](?=[+-]?\d\d)", "1e", plain)
    plain = re.sub(r"\s+x\s+|(?<=\d)x(?=1e)", "*", plain)
    plain = re.sub(r"electron[-\s]+volt", "electronvolt", plain, flags=re.IGNORECASE)
    plain = re.sub(r"(?:^|\s+)per\s+|(?<=[\d)])per\s+", "/", plain)
    plain = re.sub(r"(?<![^\W\d])([kM]?A)m(?=\^?-)", r"\1 m", plain)
    plain = re.sub(rf"\b({'|'.join(filter(None, SPOKEN))})[-\s]+(?=[^\W\d])", r"\1", plain, flags=re.IGNORECASE)
    return re.sub(r"(?<=[^\W\d])[-.](?=[^\W\d])|_|\.$", " ", plain)


def _understood(text: str) -> Meaning:
    """The value of a product or quotient, brackets included."""
    tokens, at = [], 0
    while at < len(text) and text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise UnclearUnit("is not understood")
        tokens.append(match)
        at = match.end()
    found, end = _expression(tokens, 0)
    if end != len(tokens):
        raise UnclearUnit("has brackets that do not match")
    return found


def _expression(tokens: list[re.Match[str]], k: int) -> tuple[Meaning, int]:
    """Value of the tokens from `k` to the end or to a closing bracket, and where that is."""
    value = Meaning(Fraction(1))
    inverse = divided = False
    start = k
    while k < len(tokens) and not tokens[k]["close"]:
        token = tokens[k]
        if token["over"] or token["times"]:
            if inverse or k == start:
                raise UnclearUnit("is not understood")
            inverse, k = bool(token["over"]), k + 1
            continue
        part, k = _factor(tokens, k)
        if divided and not inverse and _sign(token) > 0:
            raise UnclearUnit("can be read in two ways", "put the divisor in brackets, as in J/(m2 V)")
        value, divided, inverse = value.times(part, -1 if inverse else 1), divided or inverse, False
    if inverse or k == start:
        raise UnclearUnit("is empty" if not tokens else "is not understood")
    return value, k


def _sign(token: re.Match[str]) -> int:
    return int(token["inside"] or token["raised"] or token["power"] or 1)


def _factor(tokens: list[re.Match[str]], k: int) -> tuple[Meaning, int]:
    """One factor: brackets, a word with its power, or a number with the word that stands directly behind it."""
    token = tokens[k]
    if token["open"]:
        found, end = _expression(tokens, k + 1)
        if end == len(tokens):
            raise UnclearUnit("has brackets that do not match")
        return found, end + 1
    if token["word"]:
        return _word(token), k + 1
    size, end = Fraction(token["number"]), token.end()
    if not size:
        raise UnclearUnit("holds a zero")
    number = Meaning(size, number=size)
    behind = tokens[k + 1] if k + 1 < len(tokens) else None
    if behind is None or not behind["word"] or behind.start("word") != end:
        return number, k + 1
    return number.times(_word(behind)), k + 2


def _word(token: re.Match[str]) -> Meaning:
    """A symbol or a word with prefix and power."""
    found = next(_readings(token["word"]), None)
    if found is None:
        raise UnclearUnit("is not understood")
    n, value = _sign(token), Meaning(Fraction(1))
    for prefix, symbol in found:
        size, powers, _, of_torque = SYMBOLS[symbol]
        one = Meaning(size * PREFIXES[prefix], powers, symbols=((prefix + symbol, 1),), of_torque=of_torque)
        for _ in range(abs(n)):
            value = value.times(one, 1 if n > 0 else -1)
    return value


def prefix_and_symbol(word: str) -> tuple[str, str] | None:
    """Prefix and symbol of one unit, such as ``("u", "m")``; None where it is none.

    >>> prefix_and_symbol("kohm"), prefix_and_symbol("mTesla"), prefix_and_symbol("kT")
    (('k', 'ohm'), ('m', 'T'), None)
    """
    found = next(_readings(word), None)
    return found[0] if found is not None and len(found) == 1 else None


def _readings(word: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """Prefix and symbol of a word, in the order in which it is tried: as it stands, with a prefix, spoken."""
    for k in range(min(2, len(word))):
        prefix, end = {"K": "k"}.get(word[:k], word[:k]), word[k:]
        if end == "Nm":
            yield from (((prefix, "N"), ("", "m")) for _ in range(_takes(prefix, "N")))
        symbol = OTHER_SIGNS.get(end, end)
        if symbol not in SYMBOLS:
            symbol = ANY_CASE.get(end.casefold(), "")
            if symbol == "Hz" and end != "Hz":
                prefix = {"g": "G", "m": "?"}.get(prefix, prefix)  # mhz is unclear
        if symbol and _takes(prefix, symbol):
            yield ((prefix, symbol),)
    folded = word.casefold()
    for name, symbol in WORDS.items():
        if folded.endswith(name):
            before = word[: len(word) - len(name)]
            prefix = SPOKEN.get(before.casefold(), before)
            if _takes(prefix, symbol):
                yield ((prefix, symbol),)


def _takes(prefix: str, symbol: str) -> bool:
    return not prefix or prefix in (*SYMBOLS[symbol].prefixes,)


_PREFIXED = (*((symbol, row.prefixes) for symbol, row in SYMBOLS.items()), ("Nm", SYMBOLS["N"].prefixes))
_SPELLINGS = tuple((prefix, prefix + symbol) for symbol, prefixes in _PREFIXED for prefix in ("", *prefixes))
_SI_PREFIXES = "yzafpnumcdhkMGTPEZY"
_MOST_RESPELLED = 3


def respelled(text: str) -> Iterator[str]:
    """A text with other case where its words are not understood as they stand; no letter that is a prefix changes.

    >>> list(respelled("mt/v")), list(respelled("MT")), list(respelled("furlong"))
    (['mT/v'], [], [])
    """
    if len(text) > LONGEST:
        return
    pieces = re.split(r"([^\W\d_]+)", _spelled(text))
    choices = [[piece] if k % 2 == 0 or any(_readings(piece)) else _cased(piece) for k, piece in enumerate(pieces)]
    if sum(len(each) != 1 or each[0] != piece for each, piece in zip(choices, pieces, strict=True)) <= _MOST_RESPELLED:
        yield from ("".join(words) for words in product(*choices) if list(words) != pieces)


def _cased(word: str) -> list[str]:
    folded = word.casefold()
    return [spelling for prefix, spelling in _SPELLINGS if spelling.casefold() == folded
            and (not prefix or word[0] == prefix or word[0] not in _SI_PREFIXES)]  # fmt: skip
