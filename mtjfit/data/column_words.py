"""Words in the name of a column: the component, the quantity, whether it holds errors, and a unit behind ``_``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import normalize

from mtjfit.data.units import canonical_unit

_ERRORS = ("sigma", "std", "stddev", "stdev", "deviation", "err", "error", "errors", "uncertainty", "uncertainties",
           "stderr", "unc", "δ", "delta", "sd", "se", "sem")  # fmt: skip
_WORDS = {
    **dict.fromkeys(("par", "parallel", "inplane", "ip", "dl", "dampinglike"), "par"),
    **dict.fromkeys(("perp", "perpendicular", "outofplane", "oop", "op", "fl", "fieldlike"), "perp"),
    **dict.fromkeys(("torkance", "torkances", "dtdv"), "torkance"),
    **dict.fromkeys(("torque", "torques"), "torque"),
    **dict.fromkeys(("t", "tau", "stt"), "either"),
    **dict.fromkeys(_ERRORS, "error"),
    **dict.fromkeys(("bias", "v", "voltage", "vbias", "vdc", "dc"), "bias"),
    **dict.fromkeys(("of", "the", "component", "standard", "bar", "bars"), "nothing"),
    "d": "d",
    "dv": "per volt",
}
"""What each word means, in small letters and without hyphens."""
_LONGEST_FIRST = sorted(_WORDS, key=len, reverse=True)
_AT_AN_END = ("sigma", "std", "err", "error", "uncertainty", "delta", "δ")
_NOT_OF_BIAS = {"sd", "se", "δ", "delta"}  # V_sd is a voltage from source to drain, ΔV a difference
_SIGNS = {"σ": "sigma", "τ": "tau", "∂": "d", "±": " err ", "∥": " par ", "‖": " par ", "⊥": " perp "}
_ONE_WORD = re.compile(r"(?<![^\W_])(in|out[\W_]?of)[\W_]?(plane)(?![^\W_])|(damping|field)[\W_]?(like)")
_LONG, _LONGEST = 3, 40


@dataclass(frozen=True)
class NameSays:
    """What a name says; empty where it says nothing, or two things."""

    component: str = ""  # par or perp
    quantity: str = ""  # torque or torkance
    is_error: bool = False
    role: str = ""  # of a column of a torque, or of its errors


@lru_cache(maxsize=10_000)
def name_says(name: str) -> NameSays:
    """What the words in the name of a column say, in any order and however they are joined.

    Examples
    --------
    >>> [name_says(name).role for name in ("dT_par/dV", "out-of-plane torque", "std out-of-plane", "err V", "par x")]
    ['par', 'perp', 'sigma_perp', 'sigma_bias', '']
    >>> name_says("torkance_ip_err")
    NameSays(component='par', quantity='torkance', is_error=True, role='sigma_par')
    """
    words = [*_words(name)]
    said = {_WORDS.get(word, "") for word in words}
    components = said & {"par", "perp"}
    component = components.pop() if len(components) == 1 else ""
    derived = {"d", "per volt"} <= said or "torkance" in said
    quantities = {"torkance"} if derived else set[str]()
    quantities |= said & {"torque"} - ({"torque"} if "d" in said else set[str]())  # dtorque/dV
    quantity = quantities.pop() if len(quantities) == 1 else ""
    is_error = "error" in said or any(word.startswith(_AT_AN_END) or word.endswith(_AT_AN_END)
                                      for word in words if word not in _WORDS)  # fmt: skip
    known, is_torque = "" not in said, bool(said & {"torque", "torkance", "either"})
    role = ""
    if components:  # both
        pass
    elif is_error and component:
        role = "" if "bias" in said else f"sigma_{component}"
    elif is_error and known and "bias" in said and not is_torque:
        role = "" if _NOT_OF_BIAS & {*words} else "sigma_bias"
    elif known and "bias" not in said and ("d" in said) == ("per volt" in said):
        role = "sigma_torque" if is_error else component or ("torque" if is_torque else "")
    return NameSays(component, quantity, is_error, role)


def _words(name: str) -> Iterator[str]:
    text = normalize("NFKC", name.replace("∥", " par ")[:200]).casefold().replace("ς", "σ")
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = _ONE_WORD.sub(lambda found: re.sub(r"[\W_]", "", found[0]), text)
    for word in filter(None, re.split(r"[\W_]+", text)):
        yield from _pieces(word) or (word,)


def _pieces(word: str) -> tuple[str, ...]:
    """Known words that are joined in one, a long one or the d of a derivative among them; none where more is in it."""
    found = _cut(word) if len(word) <= _LONGEST else ()
    return found if len(found) == 1 or any(len(each) >= _LONG or each == "d" for each in found) else ()


@lru_cache(maxsize=10_000)
def _cut(word: str) -> tuple[str, ...]:
    for first in _LONGEST_FIRST:
        if word == first:
            return (first,)
        if word.startswith(first) and (rest := _cut(word[len(first) :])):
            return first, *rest
    return ()


def stem_and_unit(name: str) -> tuple[str, str]:
    """What stands before and behind the last ``_`` or ``/`` of a name; nothing before where it has none of them.

    >>> stem_and_unit("d_nm"), stem_and_unit("T_par / mT"), stem_and_unit("bias")
    (('d', 'nm'), ('T_par', 'mT'), ('', 'bias'))
    """
    at = max(name.rfind("_"), name.rfind("/"))
    return name[: max(at, 0)].rstrip(), name[at + 1 :].lstrip()


def unit_in_name(name: str, kind: str) -> str:
    """The unit of a kind that stands behind the last ``_`` or ``/`` of a name; empty where none does.

    >>> [unit_in_name(name, "bias") for name in ("V_mV", "V/mV", "V_low", "V")]
    ['mV', 'mV', '', '']
    """
    stem, unit = stem_and_unit(name)
    return unit if stem and kind and canonical_unit(unit, kind) else ""
