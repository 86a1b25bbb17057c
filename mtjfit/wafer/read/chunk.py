"""A `Chunk`: the curves of some devices of a table, as they are read and before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtjfit.data.curve import BoolArray, FloatArray, Origin
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.units import bias_factor, thickness_factor

IntArray: TypeAlias = NDArray[np.int64]

NAMES = ("device", "wafer", "split")
"""Roles whose cells are names; all others are numbers."""

_BY_ROW = ("bias", "par", "perp", "sigma_par", "sigma_perp", "used", "rho")
_BY_DEVICE = ("device", "wafer", "split", "thickness", "x", "y", "angle_factor")


@dataclass(frozen=True)
class AllBut:
    """Contains all numbers of chunks except `left`."""

    left: frozenset[int]

    def __contains__(self, number: object) -> bool:
        return number not in self.left


@dataclass(frozen=True)
class Fault:
    """A device that cannot be used: kept and listed, never dropped.

    Attributes
    ----------
    where : str
        File and line, or record number.
    what, todo : str
        The first fault of its rows, and the remedy.
    """

    device: str
    wafer: str
    split: str
    where: str
    what: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.todo}"


@dataclass(frozen=True, eq=False)
class Chunk:
    """Curves of some devices, their rows below one another.

    Attributes
    ----------
    number : int
        Place in the table, from 0. It depends on the table and on ``[wafer] chunk`` alone.
    device : tuple of str, length J
        Usable devices, in the order of the table; those with faults are not among them.
    start : ndarray of int, shape (J + 1,)
        Rows ``start[j]:start[j + 1]`` belong to device j.
    bias : ndarray, shape (rows,)
        In V.
    par, perp : ndarray, shape (rows,)
        In the declared unit, `perp` along M × P.
    sigma_par, sigma_perp : ndarray, shape (rows,), or None
        Standard errors; None: not known, and declared to be fitted.
    thickness : ndarray, shape (J,)
        Nominal, in nm.
    x, y : ndarray, shape (J,)
        Position of the die in mm, NaN where it is not declared.
    wafer, split : tuple of str, length J
        Empty where they are not declared.
    faults : tuple of Fault
        Devices of this chunk that cannot be used.
    used : ndarray of bool, shape (rows,), or None
        False for masked points; None: no point is masked.
    rho : ndarray, shape (rows,), or None
        Correlation of the errors of the two components of each point, with `perp` along M × P.
    angle_factor : ndarray, shape (J,), or None
        sin θ where the values include it.
    share : float
        Part of the table that has been read with this chunk, from 0 to 1.
    origins : tuple of Origin
        Of the table, or of the files of this chunk.

    Examples
    --------
    >>> one = Chunk(0, ("A",), np.array([0, 3]), np.array([-0.1, 0.0, 0.1]), np.array([-1.0, 0.0, 1.0]), np.zeros(3),
    ...             None, None, np.array([2.0]), np.array([0.0]), np.array([0.0]), ("w1",), ("",))
    >>> one.devices(0, 1).bias.tolist(), one.points(one.bias > 0).start.tolist()
    ([-0.1, 0.0, 0.1], [0, 1])
    """

    number: int
    device: tuple[str, ...]
    start: IntArray
    bias: FloatArray
    par: FloatArray
    perp: FloatArray
    sigma_par: FloatArray | None
    sigma_perp: FloatArray | None
    thickness: FloatArray
    x: FloatArray
    y: FloatArray
    wafer: tuple[str, ...]
    split: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    used: BoolArray | None = None
    rho: FloatArray | None = None
    angle_factor: FloatArray | None = None
    share: float = float("nan")
    origins: tuple[Origin, ...] = (Origin(),)

    def _cut(self, names: tuple[str, ...], where: Any) -> dict[str, Any]:
        return {name: None if (each := getattr(self, name)) is None else each[where] for name in names}

    def devices(self, low: int, high: int) -> Chunk:
        """Devices low … high − 1 as a chunk, without faults."""
        rows = self._cut(_BY_ROW, slice(int(self.start[low]), int(self.start[high])))
        start = self.start[low : high + 1] - self.start[low]
        return replace(self, start=start, faults=(), **rows, **self._cut(_BY_DEVICE, slice(low, high)))

    def points(self, kept: BoolArray) -> Chunk:
        """All devices with some of their rows; `kept` has shape (rows,)."""
        return replace(self, start=np.append(0, np.cumsum(kept))[self.start], **self._cut(_BY_ROW, kept))


def in_units(role: str, values: FloatArray, declaration: TableDeclaration) -> FloatArray:
    """Bias in V and thickness in nm, each rounded once; all others as they are.

    Examples
    --------
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
