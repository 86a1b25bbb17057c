"""Differences between devices, draw by draw, with the probability of their direction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtjfit.data import FloatArray
from mtjfit.results.determined import DeterminedQuantity

__all__ = ["pairwise", "pairwise_quantity"]

_DRAWS = 2000
_SIMULTANEOUS = 0.95
_ROUNDING = 1e-12


def _spaced(values: FloatArray) -> FloatArray:
    rows = np.linspace(0, len(values) - 1, min(len(values), _DRAWS)).round().astype(int)
    return np.asarray(values[rows])


def _clear(difference: FloatArray, middle: FloatArray, half: FloatArray) -> np.ndarray:
    """Pairs whose difference excludes zero in bands that hold 95 % of the draws of all pairs at once."""
    moves = half > 0
    if not moves.any():
        return np.zeros(half.size, dtype=bool)
    away = np.abs(difference[:, moves] - middle[moves]) / half[moves]
    width = float(np.quantile(away.max(axis=1), _SIMULTANEOUS))
    return np.asarray(moves & (np.abs(middle) > width * half))


def pairwise_quantity(quantity: DeterminedQuantity, devices: tuple[str, ...]) -> pd.DataFrame:
    """A − B of one quantity for every pair of devices.

    Parameters
    ----------
    quantity : DeterminedQuantity
    devices : tuple of str

    Returns
    -------
    DataFrame
        quantity, A, B, difference (median), q025, q975, p_greater = P(A > B) with ties counted half, share of the
        draws in which both exist, and clear: whether zero lies outside a band that holds 95 % of the draws of *all*
        pairs of this quantity at once. p_greater is that of one pair looked at alone.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.standard_normal((4000, 3)) + np.array([0.0, 0.0, 9.0])
    >>> nowhere = np.zeros(3, dtype=bool)
    >>> found = pairwise_quantity(DeterminedQuantity("x", "", values, "", nowhere), ("A", "B", "C"))
    >>> found["clear"].tolist(), round(float(found["p_greater"][0]), 1), float(found["p_greater"][1])
    ([False, True, True], 0.5, 0.0)
    """
    values = _spaced(quantity.values)
    first, second = np.triu_indices(len(devices), k=1)
    difference = values[:, first] - values[:, second]
    with np.errstate(invalid="ignore"):  # what the model makes equal differs by rounding errors
        difference[np.abs(difference) <= _ROUNDING * np.abs(values[:, first])] = 0.0
    exists = np.isfinite(difference)
    share = exists.mean(axis=0) if len(difference) else np.zeros(first.size)
    whole = share == 1
    low, middle, high, half, clear, greater = (np.full(first.size, np.nan) for _ in range(6))
    clear = np.zeros(first.size, dtype=bool)
    for chosen in (np.flatnonzero(whole), *(np.array([k]) for k in np.flatnonzero(~whole & (share > 0)))):
        if not chosen.size:
            continue
        part = (
            difference[:, chosen]
            if chosen.size > 1 or whole[chosen[0]]
            else difference[exists[:, chosen[0]]][:, chosen]
        )
        q = np.quantile(part, [0.025, 0.16, 0.5, 0.84, 0.975], axis=0)
        low[chosen], middle[chosen], high[chosen] = q[0], q[2], q[4]
        half[chosen] = (q[3] - q[1]) / 2
        greater[chosen] = np.mean((part > 0) + 0.5 * (part == 0), axis=0)
    if whole.any():
        clear[whole] = _clear(difference[:, whole], middle[whole], half[whole])
    names = np.array(devices, dtype=object)
    return pd.DataFrame({
        "quantity": quantity.name, "A": names[first], "B": names[second], "difference": middle, "q025": low,
        "q975": high, "unit": quantity.unit, "p_greater": greater, "share": share, "clear": clear,
    })  # fmt: skip


def pairwise(quantities: tuple[DeterminedQuantity, ...], devices: tuple[str, ...]) -> pd.DataFrame:
    """`pairwise_quantity` of all quantities, one after the other."""
    return pd.concat([pairwise_quantity(each, devices) for each in quantities], ignore_index=True)
