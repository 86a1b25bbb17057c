"""p-values of many tests at once, adjusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

FALSE_ALARM = 0.05
"""Adjusted p-value below which a device, or a difference, counts as found."""

_Array: TypeAlias = NDArray[np.float64]


def holm(p: Sequence[float] | _Array) -> _Array:
    """p-values adjusted by Holm's method, NaN left alone: below α for any true null with probability α at most.

    Whatever the dependence between the tests (Holm, Scand. J. Statist. 6, 65, 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, np.nan, 0.03]).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    return _adjusted(p, _step_down)


def benjamini_hochberg(p: Sequence[float] | _Array) -> _Array:
    """p-values adjusted by Benjamini and Hochberg (1995): below α for false alarms that make up α of all on average.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, np.nan, 0.03]).round(3).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    return _adjusted(p, false_discovery_control)


def _step_down(p: _Array) -> _Array:
    order, out = np.argsort(p), np.empty(p.size)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return out


def _adjusted(p: Sequence[float] | _Array, method: Callable[[_Array], _Array]) -> _Array:
    """Adjust finite p-values; NaN marks a test that was not made."""
    out = np.array(p, dtype=float)
    made = np.isfinite(out)
    out[made] = method(out[made])
    return out
