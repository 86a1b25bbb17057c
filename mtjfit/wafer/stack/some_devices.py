"""The likelihood of some devices of a stack in the coordinates of the whole stack."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.wafer.stack.hierarchy import WaferDevices
from mtjfit.wafer.stack.posterior import WaferPosterior


@dataclass(frozen=True, eq=False)
class SomeDevices:
    """A model of some devices, and the places of its coordinates among those of the whole stack."""

    model: WaferPosterior
    columns: IntArray

    @classmethod
    def of(cls, whole: WaferPosterior, devices: WaferDevices) -> SomeDevices:
        """Of devices that belong to the stack, whether they are in the model or not; shapes keep their radius.

        Raises ValueError for a wafer with a smooth part of its own of which the stack knows nothing.
        """
        hierarchy = replace(whole.hierarchy, radius=whole.coordinates.radius)
        model = replace(whole, devices=devices, hierarchy=hierarchy)
        if strange := set(model.names) - set(whole.names):
            raise ValueError(f"the stack has no {', '.join(sorted(strange))}")
        return cls(model, np.array([whole.names.index(name) for name in model.names], dtype=np.intp))

    @classmethod
    def at(cls, whole: WaferPosterior, places: np.ndarray) -> SomeDevices:
        """Those at some places, or where a mask is true."""
        return cls.of(whole, whole.devices.chosen(places))

    def coordinates(self, z: FloatArray) -> FloatArray:
        """Coordinates of these devices, shape (n, size), from those of the stack, shape (n, size of the stack)."""
        return np.asarray(z[:, self.columns])

    def log_likelihood(self, z: FloatArray) -> FloatArray:
        """ln L of these devices alone, shape (n,), at coordinates of the stack; that of all is a sum of such."""
        return self.model.log_likelihood(self.coordinates(z))


def log_likelihood_by_device(model: WaferPosterior, z: FloatArray) -> FloatArray:
    """ln L of each device, shape (n, n_devices), at coordinates of shape (n, size); their sum is that of the stack."""
    each = [SomeDevices.at(model, np.array([k])).log_likelihood(z) for k in range(model.devices.n)]
    return np.stack(each, axis=-1)
