"""Smooth shapes over a wafer: low orders of the polynomials that are orthogonal on the disc (Zernike)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from mtjfit.data import FloatArray

__all__ = ["SHAPES", "shapes_at"]

SHAPES: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = MappingProxyType({
    "level": lambda x, y: np.ones_like(x + y),
    "tilt_x": lambda x, y: x + 0 * y,
    "tilt_y": lambda x, y: y + 0 * x,
    "bowl": lambda x, y: 2 * (x * x + y * y) - 1,
    "saddle": lambda x, y: x * x - y * y,
    "saddle_xy": lambda x, y: 2 * x * y,
    "edge": lambda x, y: 6 * (x * x + y * y) ** 2 - 6 * (x * x + y * y) + 1,
})  # fmt: skip
"""Shapes P(x, y) by name, for positions in units of the wafer's radius.

All but ``level`` have no mean over the disc, and the largest value of each is 1, at the edge. A bowl of 0.02 therefore
means: 2 % less than the mean in the centre, 2 % more at the edge.
"""


def shapes_at(names: Sequence[str], x: FloatArray, y: FloatArray) -> FloatArray:
    """Values of some shapes at positions in units of the wafer's radius, shape (n_devices, n_names).

    Raises
    ------
    KeyError
        A name is not in `SHAPES`.

    Examples
    --------
    >>> shapes_at(("tilt_x", "bowl"), np.array([0.0, 1.0]), np.array([0.0, 0.0])).tolist()
    [[0.0, -1.0], [1.0, 1.0]]
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return np.stack([SHAPES[name](x, y) for name in names], axis=-1) if names else np.zeros((x.size, 0))
