"""What is to be said of a device beside its numbers: one bit for each reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from mtjfit.data.curve import BoolArray
from mtjfit.wafer.chunk import IntArray

__all__ = ["ALARM", "FLAGS", "FLAG_MEANING", "flag_names", "flags_of"]

FLAGS: Mapping[str, int] = MappingProxyType(
    {"misfit_constraint": 1, "misfit_scatter": 2, "not_determined": 4, "few_points": 8, "no_slope": 16}
)
"""Bit of each reason."""

FLAG_MEANING: Mapping[str, str] = MappingProxyType({
    "misfit_constraint": "the coefficients of its polynomials do not come from one κ (constraint test)",
    "misfit_scatter": "its points do not follow polynomials of the declared powers of V (scatter test)",
    "not_determined": "its points do not determine the declared amplitudes",
    "few_points": "it has no more points than its polynomials have coefficients: nothing is left to test or to "
    "estimate errors from",
    "no_slope": "its amplitude a1 is within two errors of zero, so ratios by it have no meaningful error",
})  # fmt: skip
"""One phrase for each reason, to be said of a device."""

ALARM = 1e-6
"""p-value below which a misfit is flagged: one device in a million if all errors are right."""


def flags_of(**reasons: BoolArray) -> IntArray:
    """Bit masks from one array of bool for each reason, shape (J,).

    Examples
    --------
    >>> flags_of(misfit_scatter=np.array([True, False]), few_points=np.array([True, False])).tolist()
    [10, 0]
    """
    mask = np.zeros(next(iter(reasons.values())).shape, dtype=np.int64)
    for name, is_so in reasons.items():
        mask |= np.where(is_so, FLAGS[name], 0)
    return mask


def flag_names(mask: int) -> tuple[str, ...]:
    """Reasons in a bit mask.

    Examples
    --------
    >>> flag_names(10)
    ('misfit_scatter', 'few_points')
    """
    return tuple(name for name, bit in FLAGS.items() if int(mask) & bit)
