"""A `Chunk`: the curves of some devices of a table, as they are read and before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtjfit.cards import ShownAsCard
from mtjfit.data.curve import BoolArray, FloatArray, Origin
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.units import bias_factor, thickness_factor
from mtjfit.errors import Line, Problem

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
    """A device that cannot be used, with the first fault of its rows: kept and listed, never dropped."""

    device: str
    wafer: str
    split: str
    where: str  #: file and line, or record number
    what: str
    todo: str

    @property
    def problem(self) -> Problem:
        """The fault without the names of its device."""
        return Problem(self.where, self.what, self.todo)

    def __str__(self) -> str:
        return str(self.problem)


@dataclass(frozen=True)
class TableSaid:
    """What a table says above its rows: comments with their places, and units that are not understood, for people."""

    comments: Sequence[tuple[Line, str]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Chunk(ShownAsCard):
    """Curves of J devices, their rows below one another: ``start[j]:start[j + 1]`` are those of device j.

    Attributes
    ----------
    number : int
        Place in the table, from 0. It depends on the table and on ``[wafer] chunk`` alone.
    device : tuple of str, length J
        Usable devices, in the order of the table; those with faults are in `faults` only.
    start : ndarray of int, shape (J + 1,)
    bias : ndarray, shape (rows,)
        In V.
    par, perp : ndarray, shape (rows,)
        In the declared unit, `perp` along M × P.
    sigma_par, sigma_perp : ndarray, shape (rows,), or None
        Standard errors; None: not known, and declared to be fitted.
    thickness, x, y : ndarray, shape (J,)
        Nominal thickness in nm, and position of the die in mm, NaN where it is not declared.
    wafer, split : tuple of str, length J
        Empty where they are not declared.
    used : ndarray of bool, shape (rows,), or None
        False for masked points; None: no point is masked.
    rho : ndarray, shape (rows,), or None
        Correlation of the errors of the two components of each point.
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
    """Bias in V and thickness in nm, each rounded once as by `mtjfit.data.rows.scaled`; all others as they are."""
    units = declaration.units
    factors = {"bias": bias_factor(units.bias), "thickness": thickness_factor(units.thickness)}
    factor = factors.get(role, 1.0)
    return values if factor == 1.0 else values * factor if factor > 1 else values / round(1 / factor)
