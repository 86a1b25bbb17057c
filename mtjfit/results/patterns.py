"""Patterns in the residuals in words: what was found, the likely cause, what to do."""

from __future__ import annotations

from mtjfit.model.patterns import Pattern
from mtjfit.study import Study
from mtjfit.text import counted, p_text

_SYMBOL = {"par": "T_par", "perp": "T_perp"}
_MOST_PLACES = 8
_LETTER = {"par": "a", "perp": "b"}


def _power(study: Study, pattern: Pattern) -> str:
    power, symbol = int(pattern.kind[-1]), _SYMBOL[pattern.component]
    name = f"{_LETTER[pattern.component]}{power}"
    if power == 0:
        declared = "b0 is" if name == "b0" else "the lengths mix it in from b0, which is"
        cause = f"{declared} not declared, or the instrument has an offset: declare b0, or take the offset off"
        return f"a constant of {symbol} that no power of V explains; {cause}"
    slope = "" if all(curve.quantity == "torque" for curve in study.curves) else f" (in dT/dV: V^{power - 1})"
    return f"a term of {symbol} in V^{power}{slope} that is not declared; declare {name}, or narrow bias_window"


def _places(pattern: Pattern) -> str:
    """Device and bias of the first few points."""
    of_device: dict[str, list[str]] = {}
    for device, V in pattern.points[:_MOST_PLACES]:
        of_device.setdefault(device, []).append(f"{V:.4g}")
    named = "; ".join(
        f"{'' if pattern.device else device + ' '}at {', '.join(at)} V" for device, at in of_device.items()
    )
    rest = len(pattern.points) - _MOST_PLACES
    return named + (f"; and {rest} more" if rest > 0 else "")


def pattern_words(study: Study, pattern: Pattern) -> str:
    """One pattern: where it is, the likely cause with the remedy, and its p-value.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> print(pattern_words(study, Pattern("drift", "par", "dev1", 1e-7, 1e-5)))
    dev1: a drift of T_par along the order of the points, beside its course with bias; measure again, or mask the \
points of the drift (p = 1e-05 among all tests)
    """
    symbol = _SYMBOL[pattern.component]
    if pattern.kind.startswith("V^"):
        says = _power(study, pattern)
    elif pattern.kind == "drift":
        says = (
            f"a drift of {symbol} along the order of the points, beside its course with bias; "
            "measure again, or mask the points of the drift"
        )
    elif pattern.kind == "sweeps":
        says = (
            f"upward and downward sweeps differ in {symbol} (hysteresis, or a shift of the bias); "
            'give each direction a condition and amplitudes of scope "curve", or mask one'
        )
    elif pattern.kind == "points":
        says = (
            f"{counted(len(pattern.points), 'point')} of {symbol} far off the curve ({_places(pattern)}); "
            "mask them with the reason, or declare Student-t errors, which allow for such points"
        )
    else:
        says = (
            f"neighbouring points of {symbol} deviate together; "
            "more powers of V are needed, or the curve drifts, or errors are correlated (declare a covariance)"
        )
    return f"{pattern.device or 'all devices'}: {says} ({p_text(pattern.p_holm)} among all tests)"
