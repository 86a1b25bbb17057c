"""p-values of many tests at once, adjusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import false_discovery_control

from mtjfit.arrays import FloatArray

FALSE_ALARM = 0.05
"""Adjusted p-value below which a device, or a difference, counts as found."""


def holm(p: Sequence[float] | FloatArray) -> FloatArray:
    """p-values adjusted by Holm's method, NaN left alone: below α for any true null with probability α at most.

    Whatever the dependence between the tests (Holm, Scand. J. Statist. 6, 65, 1979).
    """
    return _adjusted(p, _step_down)


def benjamini_hochberg(p: Sequence[float] | FloatArray) -> FloatArray:
    """p-values adjusted by Benjamini and Hochberg (1995): below α for false alarms that make up α of all on average."""
    return _adjusted(p, false_discovery_control)


def _step_down(p: FloatArray) -> FloatArray:
    order, out = np.argsort(p), np.empty(p.size)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return out


def _adjusted(p: Sequence[float] | FloatArray, method: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Adjust finite p-values; NaN marks a test that was not made."""
    out = np.array(p, dtype=float)
    made = np.isfinite(out)
    out[made] = method(out[made])
    return out
