"""Positions of dies: the grid on which they lie, if any, and the radius of their wafer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray

DIAMETERS = (25.4, 50.8, 76.2, 100.0, 125.0, 150.0, 200.0, 300.0, 450.0)
"""Standard diameters of wafers in mm."""
_TOLERANCE = 0.1  # of the pitch: positions farther off a grid are none of a stepper
_MOST = 4000  # dies along one axis
_TRIES = 12
_FULLEST = 0.1  # share of the places of a grid that must hold a device


@dataclass(frozen=True, eq=False)
class DieGrid:
    """Rows and columns of dies; the origin is the middle of the die in column 0 and row 0."""

    pitch: FloatArray  # of x and y in mm, (2,)
    origin: FloatArray  # in mm, (2,)
    shape: tuple[int, int]  # rows and columns
    row: np.ndarray  # of each device, (devices,)
    column: np.ndarray

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top edge in mm."""
        low = self.origin - self.pitch / 2
        high = low + self.pitch * self.shape[::-1]
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    def coarser(self, factor: int) -> DieGrid:
        """The grid with squares of dies combined."""
        shape = (-(-self.shape[0] // factor), -(-self.shape[1] // factor))
        origin = self.origin + self.pitch * (factor - 1) / 2
        return DieGrid(self.pitch * factor, origin, shape, self.row // factor, self.column // factor)

    def image(self, values: FloatArray) -> FloatArray:
        """Mean of the finite values at each place, NaN where there is none, shape `shape`."""
        place = self.row * self.shape[1] + self.column
        known = np.isfinite(values)
        size = self.shape[0] * self.shape[1]
        count = np.bincount(place[known], minlength=size)
        total = np.bincount(place[known], values[known], minlength=size)
        out = np.full(size, np.nan)
        out[count > 0] = total[count > 0] / count[count > 0]
        return out.reshape(self.shape)


def die_grid(x: FloatArray, y: FloatArray) -> DieGrid | None:
    """The grid of finite positions in mm, or None if they lie on none.

    The pitch is the least distance along each axis. At least 90 % of all positions must lie within a tenth of the pitch
    of the grid, the others within a quarter, and a tenth of the places must hold devices.

    Examples
    --------
    >>> die_grid(*np.random.default_rng(0).uniform(-50, 50, (2, 300))) is None
    True
    """
    if x.size == 0:
        return None
    (across, left, column), (along, bottom, row) = _axis(x), _axis(y)
    if min(across, along) < 0 or max(across, along) == 0:
        return None
    # Devices in a single row: their dies are as high as they are wide.
    pitch = np.array([across or along, along or across])
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    if max(shape) > _MOST or np.unique(row * shape[1] + column).size < _FULLEST * shape[0] * shape[1]:
        return None
    return DieGrid(pitch, np.array([left, bottom]), shape, row, column)


def square_bins(x: FloatArray, y: FloatArray, side: float) -> DieGrid:
    """Square bins of some side in mm over positions without a grid.

    Examples
    --------
    >>> square_bins(np.array([0.0, 0.3, 5.0]), np.zeros(3), 1.0).column.tolist()
    [0, 0, 5]
    """
    origin = np.array([x.min(), y.min()])
    column, row = (np.floor((u - low) / side).astype(np.intp) for u, low in zip((x, y), origin, strict=True))
    return DieGrid(np.full(2, side), origin + side / 2, (int(row.max()) + 1, int(column.max()) + 1), row, column)


def _axis(u: FloatArray) -> tuple[float, float, np.ndarray]:
    """Pitch (0: all the same, negative: no grid), first position, and number of each position."""
    low, span = float(u.min()), float(np.ptp(u))
    steps = np.sort(np.diff(np.unique(u)))
    steps = steps[steps > 1e-4 * span]
    if span == 0 or not steps.size:
        return 0.0, low, np.zeros(u.size, dtype=np.intp)
    # Positions of one column may differ by errors of the stepper or rounding; the pitch is then above a jump.
    jumps = np.flatnonzero(steps[1:] > 2 * steps[:-1]) + 1
    for step in steps[np.concatenate([[0], jumps])][:_TRIES]:
        found = _numbered(u, float(step)) if span / step <= 2 * _MOST else None
        if found is not None:
            return found
    return -1.0, low, np.zeros(u.size, dtype=np.intp)


def _numbered(u: FloatArray, step: float) -> tuple[float, float, np.ndarray] | None:
    """Pitch, place of column 0 and column of each position, if gaps of half a step separate columns; else None."""
    known, back = np.unique(u, return_inverse=True)
    column = np.concatenate([[0], np.cumsum(np.diff(known) > step / 2)])
    if column[-1] == 0:
        return None
    middles = np.bincount(column, known) / np.bincount(column)
    apart = np.diff(middles)
    pitch = float(np.median(apart[apart < 1.5 * apart.min()]))
    place = np.concatenate([[0.0], np.cumsum(np.round(apart / pitch))])[column]
    if place[-1] > _MOST:
        return None
    pitch, low = (float(each) for each in np.polyfit(place, known, 1))
    off = np.abs((known - low) / pitch - place)[back]
    if np.mean(off < _TOLERANCE) < 0.9 or off.max() > 0.25:
        return None
    return pitch, low, place[back].astype(np.intp)


def wafer_radius(x: FloatArray, y: FloatArray, pitch: FloatArray | None = None) -> float:
    """Radius in mm of the smallest standard wafer about (0, 0) that holds all dies; NaN if there is none.

    Examples
    --------
    >>> wafer_radius(np.array([-60.0, 60.0]), np.array([0.0, 3.0])), wafer_radius(np.array([80.0, 90.0]), np.zeros(2))
    (62.5, nan)
    """
    half = np.zeros(2) if pitch is None else pitch / 2
    reach = float(np.hypot(np.abs(x) + half[0], np.abs(y) + half[1]).max())
    middle = np.hypot((x.min() + x.max()) / 2, (y.min() + y.max()) / 2)
    fitting = (d / 2 for d in DIAMETERS if reach <= d / 2 and middle <= 0.25 * reach)
    return next(fitting, float("nan"))
