"""Quantities that a single device determines, as functions of the coefficients t_n of its torque, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.results.coefficients import Coefficients, torque_unit
from mtjfit.study import Study

LEVELS = {"q025": 0.025, "q16": 0.16, "median": 0.5, "q84": 0.84, "q975": 0.975}
"""Columns of quantiles in every table of intervals: 68 and 95 %."""

_USUAL = 0.2  # V; where the literature quotes T_perp/T_par
_AGREE = 1e-12  # V
_DRAWS = 2000
_SIMULTANEOUS = 0.95
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class DeterminedQuantity(ShownAsCard):
    """One number of each device, with draws of shape (n_draws, n_devices), NaN where it does not exist.

    `extrapolated`, shape (n_devices,), is True where it needs a bias at which the device was not measured.
    """

    name: str
    unit: str
    values: FloatArray
    extrapolated: np.ndarray


def usual_bias(study: Study) -> float:
    """0.2 V, or less where some device was not measured there with both signs; the largest |bias| if none was so."""
    used = [curve.bias[curve.used] for curve in study.curves]
    both = min(min(float(V.max()), -float(V.min())) for V in used)
    reach = both if both > 0 else max(float(np.abs(V).max()) for V in used)
    return min(_USUAL, reach)


def extremum(t: Coefficients) -> FloatArray:
    """Bias (V) at which T_perp has its extremum nearest to V = 0, within the bias range of each device; NaN for none.

    A root of Σ n Im t_n Vⁿ⁻¹, shape (n_draws, n_devices); with V and V² alone V = −Im t_1/(2 Im t_2).
    """
    top = int(t.powers.max(initial=0))
    shape = t.values.shape[:2]
    if top < 2:
        return np.full(shape, np.nan)
    slope = np.stack([n * t.of(n).imag for n in range(1, top + 1)], axis=-1)
    lead = np.where(slope[..., -1] == 0, np.finfo(float).tiny, slope[..., -1])
    with np.errstate(over="ignore"):
        monic = np.clip(slope[..., :-1] / lead[..., None], -1e100, 1e100)
    if top == 2:
        roots = -monic.astype(complex)
    else:
        companion = np.zeros((*shape, top - 1, top - 1))
        k = np.arange(top - 2)
        companion[..., k + 1, k] = 1.0
        companion[..., :, -1] = -monic
        roots = np.linalg.eigvals(companion).astype(complex)
    low, high = t.reach.T[:, :, None]
    real = np.abs(roots.imag) <= 1e-9 * np.maximum(np.abs(roots.real), 1e-9)
    inside = real & (roots.real >= low) & (roots.real <= high)
    nearest = np.argmin(np.where(inside, np.abs(roots.real), np.inf), axis=-1)[..., None]
    found = np.take_along_axis(roots.real, nearest, axis=-1)[..., 0]
    return np.where(inside.any(axis=-1), found, np.nan)


def determined_quantities(t: Coefficients, bias: float) -> tuple[DeterminedQuantity, ...]:
    """Slope ratio, amplitude, b2/a1, T_perp/T_par and the odd part of T_perp at ±`bias` (V), bias of the extremum.

    Those that the declared powers of V allow, in terms of T = Σ t_n Vⁿ, for t_n = K c_n:

    - ``slope_ratio``: Im t_1/Re t_1, the slopes of T_perp and T_par at V = 0; tan arg κ where J0 has no b1;
    - ``|kappa|·a1``: |t_1| with the sign of Re t_1, per area or device; divided by d per volume;
    - ``b2/a1``: Im (t_2/t_1); κ drops out, but with a b1 it is the imaginary part of (a2 + i b2)/(a1 + i b1);
    - ``T_perp/T_par``: Im T/Re T at `bias`;
    - ``odd part of T_perp``: [T_perp(V) − T_perp(−V)]/2 at `bias`, which no constant of T_perp enters;
    - ``extremum of T_perp``: its bias, in draws that have one inside the bias range of the device.

    `ValueError` where the bias is not positive and finite.
    """
    if not (np.isfinite(bias) and bias > 0):
        raise ValueError(f"bias = {bias:g}: give a positive one, the odd part is that between + and −")
    study, (low, high) = t.study, t.reach.T
    nowhere = np.zeros(low.size, dtype=bool)
    beyond = bias > high + _AGREE
    both = beyond | (-bias < low - _AGREE)
    t1, t2 = t.of(1), t.of(2)
    at, opposite = (t.torque([V])[..., 0] for V in (bias, -bias))
    with_b1 = "b1" in study.amplitudes
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, of_slopes, of_powers = at.imag / at.real, t1.imag / t1.real, (t2 / t1).imag
    found = []
    if 1 in t.powers:
        slope = "|kappa·(a1 + i b1)|" if with_b1 else "|kappa|·a1"
        found += [
            DeterminedQuantity("slope_ratio", "", of_slopes, nowhere),
            DeterminedQuantity(slope, torque_unit(study, 1), np.copysign(np.abs(t1), t1.real), nowhere),
        ]
    if {1, 2} <= set(t.powers.tolist()):
        found.append(DeterminedQuantity("Im c2/c1" if with_b1 else "b2/a1", "1/V", of_powers, nowhere))
    odd = (at.imag - opposite.imag) / 2
    found += [
        DeterminedQuantity(f"T_perp/T_par at {bias:g} V", "", ratio, beyond),
        DeterminedQuantity(f"odd part of T_perp at {bias:g} V", torque_unit(study), odd, both),
    ]
    if t.powers.max(initial=0) >= 2:
        found.append(DeterminedQuantity("extremum of T_perp", "V", extremum(t), nowhere))
    return tuple(found)


def quantity_table(t: Coefficients, quantities: tuple[DeterminedQuantity, ...]) -> pd.DataFrame:
    """One row for each quantity and device: quantiles, the share of draws they are of, source, extrapolation."""
    curves = t.study.curves
    frames = []
    for each in quantities:
        exists = np.isfinite(each.values)
        quantiles = np.array([
            np.quantile(values[there], list(LEVELS.values())) if there.any() else np.full(len(LEVELS), np.nan)
            for values, there in zip(each.values.T, exists.T, strict=True)
        ])  # fmt: skip
        frames.append(pd.DataFrame({
            "quantity": each.name,
            "device": [curve.name for curve in curves],
            "group": [curve.group for curve in curves],
            "thickness": [curve.thickness for curve in curves],
            **dict(zip(LEVELS, quantiles.T, strict=True)),
            "share": exists.mean(axis=0),
            "unit": each.unit,
            "extrapolated": each.extrapolated,
            "source": t.source,
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _clear(difference: FloatArray, middle: FloatArray, half: FloatArray) -> np.ndarray:
    """True for pairs whose difference excludes zero in bands that hold 95 % of the draws of all pairs at once."""
    moves = half > 0
    if not moves.any():
        return np.zeros(half.size, dtype=bool)
    away = np.abs(difference[:, moves] - middle[moves]) / half[moves]
    width = float(np.quantile(away.max(axis=1), _SIMULTANEOUS))
    return np.asarray(moves & (np.abs(middle) > width * half))


def pairwise_quantity(quantity: DeterminedQuantity, devices: tuple[str, ...]) -> pd.DataFrame:
    """A − B of one quantity for every pair of devices: median and 95 % interval, one row each.

    p_greater = P(A > B) with ties counted half, of one pair looked at alone; share of the draws in which both exist;
    clear: zero lies outside a band that holds 95 % of the draws of *all* pairs of this quantity at once.
    """
    n = len(quantity.values)
    values = quantity.values[np.linspace(0, n - 1, min(n, _DRAWS)).round().astype(int)]
    first, second = np.triu_indices(len(devices), k=1)
    values = np.where(np.isfinite(values), values, np.nan)
    difference = values[:, first] - values[:, second]
    # what the model makes equal differs by rounding errors
    difference[np.abs(difference) <= _ROUNDING * np.abs(values[:, first])] = 0.0
    exists = np.isfinite(difference)
    share = exists.mean(axis=0) if len(difference) else np.zeros(first.size)
    whole = share == 1
    quantiles, greater = np.full((len(LEVELS), first.size), np.nan), np.full(first.size, np.nan)
    clear = np.zeros(first.size, dtype=bool)
    for chosen in (np.flatnonzero(whole), *(np.array([k]) for k in np.flatnonzero(~whole & (share > 0)))):
        if not chosen.size:
            continue
        part = difference[np.all(exists[:, chosen], axis=1)][:, chosen]
        quantiles[:, chosen] = np.quantile(part, list(LEVELS.values()), axis=0)
        greater[chosen] = np.mean((part > 0) + 0.5 * (part == 0), axis=0)
    low, q16, middle, q84, high = quantiles
    if whole.any():
        clear[whole] = _clear(difference[:, whole], middle[whole], (q84[whole] - q16[whole]) / 2)
    names = np.array(devices, dtype=object)
    return pd.DataFrame({
        "quantity": quantity.name, "A": names[first], "B": names[second], "difference": middle, "q025": low,
        "q975": high, "unit": quantity.unit, "p_greater": greater, "share": share, "clear": clear,
    })  # fmt: skip


def pairwise(quantities: tuple[DeterminedQuantity, ...], devices: tuple[str, ...]) -> pd.DataFrame:
    """`pairwise_quantity` of all quantities, one after the other."""
    return pd.concat([pairwise_quantity(each, devices) for each in quantities], ignore_index=True)
