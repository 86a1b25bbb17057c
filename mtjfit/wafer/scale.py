"""Roles of columns of a table of devices, and their numbers in the units of the package."""

from __future__ import annotations

from mtjfit.data.curve import FloatArray
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.units import bias_factor, thickness_factor

__all__ = ["NAMES", "in_units"]

NAMES = ("device", "wafer", "split")
"""Roles whose cells are names; all others are numbers."""


def in_units(role: str, values: FloatArray, declaration: TableDeclaration) -> FloatArray:
    """Bias in V and thickness in nm, each rounded once; all others as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from mtjfit.data import Columns, ColumnUnits
    >>> declaration = TableDeclaration("torque", "area", "MxP", Columns("V", "T1", "T2"),
    ...                                ColumnUnits("mV", "arb", "nm"), device="A", thickness=2.0, sigma="fit")
    >>> in_units("bias", np.array([70.0]), declaration).tolist()
    [0.07]
    """
    units = declaration.units
    factors = {"bias": bias_factor(units.bias), "thickness": thickness_factor(units.thickness)}
    factor = factors.get(role, 1.0)
    # as mtjfit.data.rows.scaled: dividing by the integer rounds once
    return values if factor == 1.0 else values * factor if factor > 1 else values / round(1 / factor)
