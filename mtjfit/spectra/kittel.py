"""Kittel's formula, resonance against field for a film magnetised in its plane, as a check of the line fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard

Free: TypeAlias = Literal["Meff", "Bk", "gamma"]

_ALIKE = 1e-3  # relative difference of two readings of one field
_SINGULAR = 1e3  # condition of the matrix, columns of size one, from which on parameters cannot be told apart

GAMMA = 1.76e11
"""Gyromagnetic ratio of a free electron's spin, rad/(s T), to three digits."""


def resonance_frequency(field: ArrayLike, Meff: float, Bk: float = 0.0, gamma: float = GAMMA) -> FloatArray:
    """Kittel's formula in Hz: f = (γ/2π) √[(B + B_k)(B + B_k + μ0 M_eff)].

    It is 0 where the film is not magnetised in its plane. `field` is |B| along the easy axis in the plane of the film;
    it, μ0 M_eff (negative for perpendicular anisotropy) and the in-plane anisotropy field B_k are in T, γ in rad/(s T).

    Examples
    --------
    >>> round(float(resonance_frequency(0.08, 1.1)) / 1e9, 2)
    8.61
    """
    total = np.asarray(field, dtype=float) + Bk
    return np.asarray(gamma / (2 * np.pi) * np.sqrt(np.maximum(total * (total + Meff), 0.0)))


def resonance_field(frequency: ArrayLike, Meff: float, Bk: float = 0.0, gamma: float = GAMMA) -> FloatArray:
    """Field in T of the resonance at a frequency in Hz: the inverse of `resonance_frequency`.

    Examples
    --------
    >>> round(float(resonance_field(8.61e9, 1.1)), 3)
    0.08
    """
    w = 2 * np.pi * np.asarray(frequency, dtype=float) / gamma
    half = Meff / 2
    # For a large positive Meff the root minus Meff/2 cancels; this form does not.
    root = np.sqrt(half * half + w * w)
    return np.asarray((w * w / (root + half) if half > 0 else root - half) - Bk)


def resonance_slope(field: ArrayLike, Meff: float, Bk: float = 0.0, gamma: float = GAMMA) -> FloatArray:
    """dω/dB = γ² (2B + 2B_k + μ0 M_eff)/(2ω) in rad/(s T): turns half widths in field into those in frequency.

    Examples
    --------
    >>> round(float(resonance_slope(0.08, 1.1)) / 1.76e11, 2)
    2.05
    """
    total = np.asarray(field, dtype=float) + Bk
    omega = 2 * np.pi * resonance_frequency(field, Meff, Bk, gamma)
    return np.asarray(gamma * gamma * (2 * total + Meff) / (2 * omega))


@dataclass(frozen=True)
class KittelFit(ShownAsCard):
    """Kittel's formula through n resonances: μ0 M_eff and in-plane anisotropy field in T, γ in rad/(s T).

    `errors` are standard errors of those that were free, from the scatter about the formula. `frequency` (Hz) and
    `field` (T) were fitted; `residual` is field minus formula and `sigma` the error of the field by its line fit, in T.
    `chi2_red`, residuals over these, is usually far above one: lines are found to a hundredth of their width, where the
    formula of a perfect macrospin is no longer true.

    `fault` says why the resonances do not determine what was free; errors are NaN then, and values mean nothing.
    """

    Meff: float
    Bk: float
    gamma: float
    errors: Mapping[str, float]
    frequency: FloatArray
    field: FloatArray
    residual: FloatArray
    sigma: FloatArray
    chi2_red: float
    fault: str = ""


def held_groups(values: FloatArray) -> IntArray:
    """A number for each field or frequency that was held; readings within a thousandth are of one, NaN too.

    Examples
    --------
    >>> held_groups(np.array([0.4, 0.40002, 0.5, -0.4])).tolist()
    [1, 1, 2, 0]
    """
    order = np.argsort(values, kind="stable")
    found, group, first = np.zeros(values.size, dtype=np.intp), -1, -np.inf
    for i in order:
        value = float(values[i])
        new = not np.isnan(first) if np.isnan(value) else value - first > _ALIKE * max(abs(value), abs(first))
        if group < 0 or new:
            group, first = group + 1, value
        found[i] = group
    return found


def fit_kittel(
    frequency: FloatArray,
    field: FloatArray,
    sigma: FloatArray,
    free: Sequence[Free] = ("Meff", "Bk"),
    gamma: float = GAMMA,
) -> KittelFit:
    """Fit M_eff, the in-plane anisotropy and the gyromagnetic ratio, as wanted, to resonances.

    Every resonance counts alike: its error as a line is far smaller than its distance from the formula. The formula
    stays the same if B_k and B_k + μ0 M_eff change places; of the two solutions that with the smaller B_k is given.

    Arrays of shape (n,): frequency in Hz, |B| and its errors in T (those of frequencies over df/dB). What is not `free`
    stays, B_k at 0, γ at `gamma`. Errors are NaN, and `KittelFit.fault` says why, where fewer fields than parameters
    differ, the matrix is singular, or the resonances are those of a film along its normal. ValueError without Meff, or
    for no more resonances than free parameters.

    Examples
    --------
    >>> B = np.array([0.05, 0.1, 0.2, 0.3])
    >>> fit = fit_kittel(resonance_frequency(B, 1.1, 0.01), B, np.full(4, 1e-4))
    >>> round(fit.Meff, 6), round(fit.Bk, 6)
    (1.1, 0.01)
    """
    if frequency.size <= len(free) or "Meff" not in free:
        raise ValueError(f"{frequency.size} resonances for {', '.join(free)}: give more of them, and fit Meff")

    def of(p: FloatArray) -> tuple[float, float, float]:
        values = dict(zip(free, p.tolist(), strict=True))
        return values["Meff"], values.get("Bk", 0.0), gamma * values.get("gamma", 1.0)

    def residual(p: FloatArray) -> FloatArray:
        return np.asarray(field - resonance_field(frequency, *of(p)))

    size = np.array([{"Meff": 1.0, "Bk": 0.1, "gamma": 1.0}[name] for name in free])
    tries = []
    for Meff in (1.0, 0.1, -0.3):
        start = np.array([{"Meff": Meff, "Bk": 0.0, "gamma": 1.0}[name] for name in free])
        tries.append(least_squares(residual, start, x_scale=size, xtol=1e-14, ftol=1e-14, gtol=1e-14))
    best = min(tries, key=lambda each: float(each.cost))
    Meff, Bk, _ = of(best.x)
    if "Bk" in free and abs(Bk) > abs(Bk + Meff):
        # The formula is the same with B_k and B_k + M_eff exchanged; the anisotropy is the smaller of the two.
        other = best.x.copy()
        other[free.index("Meff")], other[free.index("Bk")] = -Meff, Bk + Meff
        best = least_squares(residual, other, x_scale=size, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    left, dof = np.asarray(best.fun, dtype=float), frequency.size - len(free)
    jacobian = np.asarray(best.jac, dtype=float)
    fault = _fault(of(best.x), jacobian, held_groups(field), held_groups(frequency), free)
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    sd = np.full(len(free), np.nan) if fault else np.sqrt(np.diagonal(inverse) * float(left @ left) / dof)
    errors = {str(name): float(each) * (gamma if name == "gamma" else 1.0) for name, each in zip(free, sd, strict=True)}
    chi2 = float(np.sum((left / sigma) ** 2)) / dof
    return KittelFit(*of(best.x), MappingProxyType(errors), frequency, field, left, sigma, chi2, fault)


def _fault(
    values: tuple[float, float, float], jacobian: FloatArray, fields: IntArray, frequencies: IntArray,
    free: Sequence[Free],
) -> str:  # fmt: skip
    """Reason why resonances do not determine the parameters; empty if they do."""
    different = min(int(fields.max()), int(frequencies.max())) + 1
    if different <= len(free):
        n = "no two resonances" if different == 1 else f"only {different} resonances"
        return f"{n} differ by more than a thousandth, which does not determine {' and '.join(free)}"
    size = np.linalg.norm(jacobian, axis=0)
    if not np.all(size > 0) or np.linalg.cond(jacobian / np.where(size > 0, size, 1.0)) > _SINGULAR:
        return f"the fields are too alike to tell {' and '.join(free)} apart"
    if values[1] < -abs(values[0]):
        return "the resonances are those of a film magnetised along its normal, and the formula is for one in its plane"
    return ""
