"""Symbols of parameters in prose: λ_J in place of lambda_J, as text and as HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

from markupsafe import Markup, escape

from mtjfit.results.publish import FORMULAS, formula_of_own
from mtjfit.study import ParameterName, Study, is_amplitude
from mtjfit.text import visible

_COMPONENTS = {"T_par": "T_∥", "T_perp": "T_⊥", "J_par": "J_∥", "J_perp": "J_⊥", "J0": "J_0", "kappa": "κ"}
_COMPONENTS |= {"slope_ratio": "slope ratio", "V^2": "V²", "V^3": "V³", "V^4": "V⁴"}
_WORD = "thickness"  # a parameter, but a word of most sentences
_POWER = re.compile(r"\^(-?\d+(?:\.\d+)?)")
_TAGS = {"_": "sub", "^": "sup"}


def plain_symbol(name: str) -> str:
    """A parameter as it is written where there is no LaTeX.

    >>> plain_symbol("lambda_J"), plain_symbol("lambda_sf_F"), plain_symbol("D_ratio"), plain_symbol("b2")
    ('λ_J', 'λ_sf^F', 'D_F/D_N', 'b_2')
    """
    formula = FORMULAS.get(name) or (f"{name[0]}_{name[1:]}" if is_amplitude(name) else formula_of_own(name))
    bare = re.sub(r"\\mathrm\{([^{}]*)\}", r"\1", formula)
    return re.sub(r"\\([A-Za-z]+)", lambda found: unescape(f"&{found[1]};"), bare).replace("\\_", "_")


def symbols_of(study: Study) -> dict[str, str]:
    """Symbols by the names that stand for them in sentences about a study.

    A name that is part of the name of a study, a device or a group stays what it is, and so does ``thickness``.
    """
    own = " ".join([study.name, *study.devices, *(curve.group or "" for curve in study.curves)])
    names = dict.fromkeys(ParameterName(name).base for name in (*study.parameters, *study.lengths, *FORMULAS))
    amplitudes = [f"{kind}{power}" for kind in "ab" for power in range(5)]
    found = {name: plain_symbol(name) for name in (*names, *amplitudes) if name != _WORD} | _COMPONENTS
    return {name: symbol for name, symbol in found.items() if symbol != name and name not in own}


def _pattern(symbols: Mapping[str, str]) -> re.Pattern[str]:
    # not within another name or the name of a file
    return re.compile(rf"(?<![\w.\\-])({'|'.join(map(re.escape, symbols)) or '(?!)'})(?!\w|[\w/\\-]*\.\w)")


def in_symbols(words: str, symbols: Mapping[str, str]) -> str:
    """A sentence with symbols in place of names; parts of other names, and names of files, stay.

    >>> in_symbols("lambda_J = 1 nm (lambda_J.csv, x-lambda_J)", {"lambda_J": "λ_J"})
    'λ_J = 1 nm (lambda_J.csv, x-lambda_J)'
    """
    return _pattern(symbols).sub(lambda found: symbols[found[1]], words)


def symbols_as_html(words: str, symbols: Mapping[str, str]) -> Markup:
    """A sentence as HTML, escaped, with indices of its symbols set low and high.

    >>> str(symbols_as_html("<lambda_sf_F>", {"lambda_sf_F": "λ_sf^F"}))
    '&lt;λ<sub>sf</sub><sup>F</sup>&gt;'
    >>> str(symbols_as_html("lambda_J^0.26", {"lambda_J": "λ_J"}))
    'λ<sub>J</sub><sup>0.26</sup>'
    """
    first, *rest = _pattern(symbols).split(visible(words, "\n\t"))
    found = escape(first)
    for name, after in zip(rest[::2], rest[1::2], strict=True):
        symbol, power = symbols[name], _POWER.match(after)
        shown = Markup("({})").format(_set(symbol)) if power and "^" in symbol else _set(symbol)
        found += shown + (Markup("<sup>{}</sup>").format(power[1]) if power else "")
        found += escape(after[power.end() :] if power else after)
    return found


def _set(symbol: str) -> Markup:
    parts = re.findall(r"[_^][^_^/\s]+|[^_^]+|[_^]", symbol)
    index = Markup("<{0}>{1}</{0}>")
    return Markup("").join(index.format(_TAGS[each[0]], each[1:]) if each[0] in _TAGS else each for each in parts)
