"""Coordinates of a stack: lengths, amplitudes, scatter and smooth parts, and what they mean for each device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.amplitude_integral import Bounded
from mtjfit.model.coordinates import DeviceCoordinates
from mtjfit.model.forward import THINNEST
from mtjfit.model.scores import Scores
from mtjfit.study import (
    LENGTHS,
    NOISE,
    SCATTER,
    Fixed,
    Normal,
    Parameter,
    ParameterName,
    Prior,
)
from mtjfit.wafer.stack.devices import WaferDevices
from mtjfit.wafer.stack.hierarchy import Hierarchy, shapes_at

__all__ = ["THICKNESS_SCATTER", "WaferCoordinates"]

THICKNESS_SCATTER = "thickness_scatter"
"""Name in tables of the standard deviation of thicknesses about the smooth part, in nm."""
_NARROWEST = 1e-6  # nm; less scatter of thicknesses acts as none, and would have no digits beside the thickness


@dataclass(frozen=True, eq=False)
class WaferCoordinates(DeviceCoordinates):
    """What is sampled of a stack: lengths, noise, amplitudes, what scatters by how much, smooth coefficients.

    Their number does not depend on the number of devices.
    """

    devices: WaferDevices
    parameters: dict[str, Parameter]
    hierarchy: Hierarchy

    @property
    def declared(self) -> Mapping[str, Parameter]:
        return self.parameters

    def _is_own(self, name: str) -> bool:
        """True where each device has its own amplitude, independent of the others."""
        return self.parameters[name].scope == "device" and not self.parameters[name].is_fixed

    @cached_property
    def own(self) -> tuple[int, ...]:
        return tuple(t for t, name in enumerate(self.terms) if SCATTER + name in self.parameters or self._is_own(name))

    @cached_property
    def bounded(self) -> Bounded | None:
        """The one own amplitude with a bounded prior."""
        own = [(k, self.parameters[self.terms[t]].prior) for k, t in enumerate(self.own) if self._is_own(self.terms[t])]
        found = Bounded.among(tuple(prior for _, prior in own if isinstance(prior, Normal)))
        return None if found is None else Bounded(own[found.column][0], found.low, found.high)

    def _labels(self, name: str) -> tuple[str, ...]:
        """Names of the smooth coefficients of a parameter: shape by shape, wafer by wafer."""
        shapes = self.hierarchy.smooth.get(name, ())
        if self.hierarchy.each == "stack":
            return tuple(f"{name}_{shape}" for shape in shapes)
        return tuple(ParameterName(f"{name}_{shape}", wafer) for shape in shapes for wafer in self.devices.wafers)

    @cached_property
    def priors(self) -> dict[str, Prior]:
        """Prior of everything that is sampled, in the order of the coordinates."""
        own = {name for name in self.terms if self._is_own(name)}
        shared = [*LENGTHS, *NOISE, *self.terms, *(SCATTER + name for name in self.terms)]
        found: dict[str, Prior] = {}
        for name in shared:
            prior = self.parameters[name].free_prior if name in self.parameters and name not in own else None
            if prior is not None:
                found[name] = prior
        scatter = self.hierarchy.thickness_scatter
        if isinstance(scatter, Prior):
            found[THICKNESS_SCATTER] = scatter
        for name in self.hierarchy.smooth:
            found |= dict.fromkeys(self._labels(name), Normal(0.0, self.hierarchy.sd_of(name)))
        return found

    @cached_property
    def scores(self) -> Scores:
        return Scores(tuple(self.priors.values()))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.priors)

    @cached_property
    def radius(self) -> float:
        """Of the wafer, in mm: as declared, or how far out the outermost device lies."""
        if self.hierarchy.radius is not None:
            return self.hierarchy.radius
        return float(np.max(np.hypot(self.devices.x, self.devices.y))) or 1.0

    def basis(self, name: str) -> FloatArray:
        """What the smooth coefficients of a parameter are multiplied by, shape (n_devices, n_coefficients)."""
        devices = self.devices
        shapes = shapes_at(self.hierarchy.smooth.get(name, ()), devices.x / self.radius, devices.y / self.radius)
        if self.hierarchy.each == "stack":
            return shapes
        on = np.array([[mine == wafer for wafer in devices.wafers] for mine in devices.wafer], dtype=float)
        return np.asarray((shapes[:, :, None] * on[:, None, :]).reshape(devices.n, -1))

    @cached_property
    def bases(self) -> dict[str, FloatArray]:
        """`basis` of every parameter that varies smoothly."""
        return {name: self.basis(name) for name in self.hierarchy.smooth}

    def of(self, name: str, values: FloatArray) -> FloatArray:
        """A shared parameter, shape (n or 1, 1), from sampled `values` of shape (n, size)."""
        if name in self.names:
            return values[:, [self.names.index(name)]]
        if name == THICKNESS_SCATTER:
            prior = self.hierarchy.thickness_scatter
            known = prior.value if isinstance(prior, Fixed) else self._declared_sd
            return np.full((1, 1), known)
        return np.full((1, 1), self.parameters[name].prior.centre_and_sd[0])  # of own amplitudes: the mean of the prior

    @property
    def _declared_sd(self) -> float:
        return self.parameters["thickness"].nominal_sd

    @property
    def thickness_is_free(self) -> bool:
        """True where each device's thickness is integrated out."""
        return self.hierarchy.thickness_scatter is not None or self._declared_sd > 0

    def sd(self, values: FloatArray) -> FloatArray:
        """Standard deviation of thicknesses about the smooth part in nm, shape (n or 1, 1)."""
        return np.maximum(self.of(THICKNESS_SCATTER, values), _NARROWEST)

    def smooth(self, name: str, values: FloatArray, block: slice) -> FloatArray:
        """1 + Σ g P of some devices, shape (n or 1, n_devices or 1)."""
        if name not in self.hierarchy.smooth:
            return np.ones((1, 1))
        columns = [self.names.index(label) for label in self._labels(name)]
        return np.asarray(1 + values[:, columns] @ self.bases[name][block].T)

    def expected(self, values: FloatArray, block: slice) -> FloatArray:
        """Thickness that the smooth part gives to each device in nm, shape (n or 1, n_devices)."""
        d = self.devices.thickness[None, block] * self.smooth("thickness", values, block)
        return np.asarray(np.maximum(d, THINNEST))

    def centre(self, values: FloatArray, block: slice) -> FloatArray:
        """Value of each term, shape (n or 1, n_devices, T): about it where devices scatter."""
        each = [self.of(name, values) * self.smooth(name, values, block) for name in self.terms]
        shape = np.broadcast_shapes(*(one.shape for one in each), (1, len(self.devices.thickness[block])))
        return np.stack([np.broadcast_to(one, shape) for one in each], axis=-1)
