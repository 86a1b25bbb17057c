"""The two components of a device from rows, tables or files that hold one each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from scipy.linalg import block_diag

from mtjfit.arrays import FloatArray
from mtjfit.data.curve import COMPONENTS, Component, TorqueCurve
from mtjfit.data.units import conversion
from mtjfit.errors import DataError, Problem

COMPONENT_WORDS: Mapping[str, Component] = MappingProxyType(
    {**dict.fromkeys(("par", "parallel", "in-plane", "inplane", "ip"), "par"),
     **dict.fromkeys(("perp", "perpendicular", "out-of-plane", "outofplane", "oop"), "perp")}
)  # fmt: skip
"""Words, in any case, that say which component a row holds."""
_SAME = ("quantity", "per", "thickness", "group", "angle", "sin_theta")
"""What both components of a device have in common."""


def joined_components(curves: Iterable[TorqueCurve]) -> tuple[TorqueCurve, ...]:
    """Curves with both components of a device under one condition in one, where one curve holds each.

    All others as they are.

    The second component is converted to the unit of the first. DataError where the two contradict each other.

    >>> shared = dict(thickness=2.0, quantity="torque", per="device", sigma_par=None)
    >>> par = TorqueCurve("A1", [-0.1, 0.0, 0.1], [-1, 0, 1], np.nan, **shared)
    >>> perp = TorqueCurve("A1", [-0.1, 0.05, 0.1], np.nan, [0.1, 0.0, 0.1], **shared)
    >>> one, = joined_components([par, perp])
    >>> one.bias.tolist(), one.par.tolist(), one.perp.tolist()
    ([-0.1, 0.0, 0.1, 0.05], [-1.0, 0.0, 1.0, nan], [0.1, nan, 0.1, 0.0])
    """
    found_of: dict[tuple[str, str], list[TorqueCurve]] = {}
    for curve in curves:
        found_of.setdefault((curve.device, curve.condition), []).append(curve)
    problems: list[Problem] = []
    found: list[TorqueCurve] = []
    for each in found_of.values():
        if sorted(map(_held, each)) != ["par", "perp"]:
            found += each
        elif faults := [*_contradictions(*each)]:
            problems += [Problem(f"device {each[0].name!r}", what, todo) for what, todo in faults]
        else:
            par, perp = sorted(each, key=_held)
            found.append(paired(_below(par, perp, first=each[0])))
    if problems:
        raise DataError(problems)
    return tuple(found)


def _held(curve: TorqueCurve) -> str:
    """The component that a curve holds alone; empty where it holds both."""
    held = [name for name, there in zip(COMPONENTS, np.any(curve.measured, axis=1).tolist(), strict=True) if there]
    return held[0] if len(held) == 1 else ""


def _contradictions(first: TorqueCurve, second: TorqueCurve) -> Iterable[tuple[str, str]]:
    where = f"in {first.source or 'one curve'} and in {second.source or 'the other'}"
    for name in _SAME:
        values = getattr(first, name), getattr(second, name)
        if values[0] != values[1]:
            yield f"has {name} = {values[0]!r} and {values[1]!r} {where}", "declare the same for both components"
    if first.quantity == second.quantity and first.per == second.per:
        try:
            conversion(second.unit, first.unit)
        except ValueError as error:
            yield f"{error} {where}", "declare units of one kind for both components"
    if first.sigma_is_fitted != second.sigma_is_fitted:
        yield "has errors of one component only", 'give sigma for both, or sigma = "fit" for both'
    if first.origin != second.origin and {first.origin.kind, second.origin.kind} == {"measured"}:
        yield f"has two origins {where}", "write the same origin into both files"


def _below(par: TorqueCurve, perp: TorqueCurve, first: TorqueCurve) -> TorqueCurve:
    """The rows of both, one below the other, in the unit of the `first`."""
    n, m = np.full(par.bias.size, np.nan), np.full(perp.bias.size, np.nan)
    scales = conversion(par.unit, first.unit), conversion(perp.unit, first.unit)
    sigma_par, sigma_perp, sigma_bias = par.sigma_par, perp.sigma_perp, None
    if par.sigma_bias is not None or perp.sigma_bias is not None:
        sigma_bias = np.append(*(np.zeros(c.bias.size) if c.sigma_bias is None else c.sigma_bias for c in (par, perp)))
    return replace(
        first,
        bias=np.append(par.bias, perp.bias),
        par=np.append(par.par * scales[0], m),
        perp=np.append(n, perp.perp * scales[1]),
        sigma_par=None if sigma_par is None else np.append(sigma_par * scales[0], m),
        sigma_perp=None if sigma_perp is None else np.append(n, sigma_perp * scales[1]),
        covariance=_covariance(par, perp, scales),
        sigma_bias=sigma_bias,
        rho=None,
        used=np.append(par.used, perp.used),
        used_values=np.hstack([par.used_values, perp.used_values]),
        reasons=(*par.reasons, *perp.reasons),
        declared_perp_axis=perp.declared_perp_axis,
        origin=par.origin if par.origin.kind != "measured" else perp.origin,
        source=", ".join(dict.fromkeys(filter(None, (par.source, perp.source)))),
        notices=tuple(dict.fromkeys((*par.notices, *perp.notices))),
    )


def _covariance(par: TorqueCurve, perp: TorqueCurve, scales: tuple[float, float]) -> FloatArray | None:
    """Covariance of all values of both, those of the two independent of each other; None where neither has one."""
    if par.covariance is None and perp.covariance is None:
        return None
    n, m, blocks = par.bias.size, perp.bias.size, []
    for c, (curve, scale) in enumerate(zip((par, perp), scales, strict=True)):
        mine = slice(c * curve.bias.size, (c + 1) * curve.bias.size)
        variance = np.square(np.asarray(curve.component(c)[1]))
        blocks.append(scale**2 * (np.diag(variance) if curve.covariance is None else curve.covariance[mine, mine]))
    whole = np.full((2 * (n + m),) * 2, np.nan)
    values = np.append(np.arange(n), n + m + n + np.arange(m))
    whole[np.ix_(values, values)] = block_diag(*blocks)
    return whole


def paired(curve: TorqueCurve) -> TorqueCurve:
    """The curve with two rows of the same bias in one, where one holds each component; the others as they are.

    Not where the bias has errors: those of two measurements are independent.
    """
    if curve.sigma_bias is not None:
        return curve
    rows = [dict[float, int](), dict[float, int]()]
    counts = Counter(curve.bias.tolist())
    alone = curve.measured & ~curve.measured[::-1]
    for c in range(2):
        rows[c] = {float(curve.bias[k]): int(k) for k in np.flatnonzero(alone[c])}
    pairs = {rows[0][V]: rows[1][V] for V in rows[0] if V in rows[1] and counts[V] == 2}
    of_par = [k for k in range(curve.bias.size) if k not in set(pairs.values())]
    return _rows(curve, of_par, [pairs.get(k, k) for k in of_par]) if pairs else curve


def _rows(curve: TorqueCurve, of_par: Sequence[int], of_perp: Sequence[int]) -> TorqueCurve:
    """Rows whose in-plane values come from some rows of a curve, and out-of-plane values from others."""
    p, q, n = np.array(of_par), np.array(of_perp), curve.bias.size
    values = np.append(p, n + q)
    return replace(
        curve,
        bias=curve.bias[p],
        par=curve.par[p],
        perp=curve.perp[q],
        sigma_par=None if curve.sigma_par is None else curve.sigma_par[p],
        sigma_perp=None if curve.sigma_perp is None else curve.sigma_perp[q],
        covariance=None if curve.covariance is None else curve.covariance[np.ix_(values, values)],
        rho=None if curve.rho is None else curve.rho[p],
        used=curve.used[p] | curve.used[q],
        used_values=np.stack([curve.used_values[0][p], curve.used_values[1][q]]),
        reasons=tuple(curve.reasons[i] or curve.reasons[k] for i, k in zip(of_par, of_perp, strict=True)),
    )
