"""Likely causes of a misfit in words: what to look at, and what the p-value would be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from mtjfit.infer import FitResult
from mtjfit.infer.causes import P_BAD, Cause
from mtjfit.study import SCATTER
from mtjfit.text import p_text

_MOST = 3
_PATTERNS = {
    "points": "single points far off their curves: without them",
    "drift": "a drift along the order of the points: without it",
    "sweeps": "upward and downward sweeps that differ: without the difference",
}


def _what(fit: FitResult, cause: Cause) -> tuple[str, str]:
    """What may be wrong, and what to do about it."""
    first = fit.study.curves[0]
    if cause.kind == "quantity":
        other = {"torque": "torkance", "torkance": "torque"}[first.quantity]
        return f'the values may be {other}s: with quantity = "{other}"', "which of the two was measured?"
    if cause.kind == "perp_axis":
        other = "PxM" if first.declared_perp_axis == "MxP" else "MxP"
        return "T_perp may be flipped: with the other perp_axis", f'is perp_axis = "{other}" right?'
    if cause.kind == "components":
        where, also = "[data.columns]", "sigma_par and sigma_perp with them"
        if cause.name:
            where = f"{where} of its file, or its values in a table of several devices"
        whose = f" of device {cause.name}" if cause.name else ""
        return (
            f"T_par and T_perp{whose} may be exchanged: with the columns the other way round",
            f"exchange par and perp in {where}, and {also}",
        )
    if cause.kind == "amplitude":
        also = ", or take the offset of the instrument off" if cause.name == "b0" else ""
        return f"{cause.name} is not declared: with it", f"declare {cause.name}{also}"
    if cause.kind == "pattern":
        return _PATTERNS[cause.name], "see the residuals below"
    if cause.kind == "scatter":
        names = cause.name.replace(", ", " and ")
        return f"{names} may differ between the devices: if so,", f"declare {_scatters(cause)}"
    of_points = next((one for one in fit.devices if one.device == cause.name and one.scatter_p_value < P_BAD), None)
    if of_points is not None:
        times = math.sqrt(of_points.scatter_chi2 / of_points.scatter_dof)
        return (
            f"the errors of device {cause.name} may be too small: its points scatter {times:.2g} times as far about "
            "its own curve; without it",
            "enlarge them, or look for outliers, drift or a power of V that is not declared",
        )
    return (
        f"device {cause.name} does not belong to the others: without it",
        "look at its area, thickness and sign, or leave it out with the reason",
    )


def _scatters(cause: Cause) -> str:
    return " and ".join(SCATTER + name for name in cause.name.split(", "))


def cause_words(fit: FitResult, cause: Cause) -> str:
    """One cause: what may be wrong, the p-value without it, and what to do.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.infer.causes import Outcome
    >>> from mtjfit.study import load_study
    >>> series = fit(load_study(dataset("thickness-series").study_file))
    >>> print(cause_words(series, Cause("amplitude", "a2", Outcome(0.4, 1.0, False), True)))
    a2 is not declared: with it p would be 0.4; declare a2
    """
    what, todo = _what(fit, cause)
    p = cause.outcome.p_value
    if cause.explains:
        return f"{what} p would be {p:.2g}; {todo}"
    return f"{what} the misfit would be smaller, but still bad ({p_text(p)}); {todo}"


def cause_lines(fit: FitResult) -> tuple[str, ...]:
    """The likeliest causes: those that explain everything, else those that help, and what was tried in vain."""
    found = [cause for cause in fit.causes if cause.explains] or [cause for cause in fit.causes if cause.helps]
    lines = [cause_words(fit, cause) for cause in found[:_MOST]]
    if not any(cause.explains for cause in found) and fit.causes:
        lines.append("nothing explains it alone of what was tried: " + ", ".join(_tried(fit.causes)))
    return tuple(lines)


def _tried(causes: Iterable[Cause]) -> Iterator[str]:
    """Each thing that was tried, devices as one."""
    yield from dict.fromkeys(_trial(cause) for cause in causes)


def _trial(cause: Cause) -> str:
    names = {"quantity": "the other quantity", "perp_axis": "the other perp_axis", "device": "leaving out one device"}
    if cause.kind == "components":
        return f"T_par and T_perp exchanged{' in one device' if cause.name else ''}"
    if cause.kind in names:
        return names[cause.kind]
    if cause.kind == "scatter":
        return f"with {_scatters(cause)}"
    words = {"points": "without single points", "drift": "without drift", "sweeps": "without differences of sweeps"}
    return words.get(cause.name, f"with {cause.name}")
