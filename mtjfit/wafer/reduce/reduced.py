"""Results of the reduction of a chunk: columns of numbers, flags, and sums from which groups are fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data.curve import Origin
from mtjfit.data.units import find_unit
from mtjfit.model.phase import Terms
from mtjfit.wafer.read.chunk import Fault, IntArray

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy

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
"""Meaning of each flag of a device."""

ALARM = 1e-6
"""p-value below which a misfit is flagged: one device in a million if all errors are right."""


@dataclass(frozen=True, eq=False)
class Reduced(ShownAsCard):
    """A `Chunk` after reduction.

    Attributes
    ----------
    device, wafer, split : tuple of str, length J
        Of the usable devices; `faults` lists the others.
    values : dict of str to ndarray, shape (J,)
        By the names that `column_names` gives; NaN where a number is not determined.
    flags : ndarray of int, shape (J,)
        Bit masks of `FLAGS`.
    sums : ndarray, shape (J, n_sums)
        Sufficient statistics; `mtjfit.wafer.compressed` converts them to the form of the model.
    """

    number: int
    device: tuple[str, ...]
    wafer: tuple[str, ...]
    split: tuple[str, ...]
    values: dict[str, FloatArray]
    flags: IntArray
    sums: FloatArray
    faults: tuple[Fault, ...] = ()
    origins: tuple[Origin, ...] = (Origin(),)


def coefficient_names(terms: Terms) -> tuple[str, ...]:
    """Coefficients of the device's own polynomials, in-plane ones first."""
    return tuple(f"{part}·V^{power}" for part in ("par", "perp") for power in terms.powers)


def correlation(one: str, other: str) -> str:
    """Name of the correlation between two determined numbers."""
    return f"corr({one}, {other})"


def column_names(study: WaferStudy) -> tuple[str, ...]:
    """Names of the columns of a reduced chunk, in order.

    Thickness and position; determined numbers, each with its error; their correlations; the tests; coefficients of the
    device's own polynomials, each with its error; and standard errors of its values where these are fitted.
    """
    names = study.terms.quantities
    columns = ["thickness", "x", "y", "n_points"]
    columns += [each for name in names for each in (name, f"{name}_sd")]
    columns += [correlation(one, other) for one, other in combinations(names, 2)]
    columns += ["chi2", "dof", "noise_dof", "p_value", "scatter_chi2", "scatter_dof", "scatter_p_value"]
    columns += [each for name in coefficient_names(study.terms) for each in (name, f"{name}_sd")]
    return (*columns, "sigma_par", "sigma_perp") if study.sigma_is_fitted else tuple(columns)


def units_of(study: WaferStudy) -> dict[str, str]:
    """Unit of each column of `column_names`; empty for pure numbers.

    Coefficients are those of the torque, also for a measured torkance.
    """
    unit = find_unit(study.declaration.units.torque).name
    torkance, base = unit.endswith("/V"), unit.removesuffix("/V")

    def per_volt(power: int) -> str:
        if not torkance and study.declaration.quantity == "torkance":  # arb stands for a torque and for a torkance
            power -= 1
        return base if power == 0 else f"V {base}" if power == -1 else base + ("/V" if power == 1 else f"/V^{power}")

    units = {"thickness": "nm", "x": "mm", "y": "mm", "b2/a1": "1/V"}
    power_of = dict(zip(study.terms.names, study.terms.power, strict=True))
    units |= {f"|kappa|·{name}": per_volt(int(power)) for name, power in power_of.items()}
    units |= {name: per_volt(int(name.rpartition("^")[2])) for name in coefficient_names(study.terms)}
    units |= {"sigma_par": unit, "sigma_perp": unit}
    return {name: units.get(name, units.get(name.removesuffix("_sd"), "")) for name in column_names(study)}


def flags_of(**reasons: BoolArray) -> IntArray:
    """Bit masks from one array of bool for each reason, shape (J,)."""
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
