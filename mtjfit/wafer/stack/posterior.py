"""The hierarchical posterior of a wafer: what a stack shares, with smooth and random parts over its devices.

Device j at (x, y) has the thickness and, say, the amplitude

    d_j = d_nominal,j (1 + Σ_k g_k P_k(x, y)) + δ_j,  δ_j ~ N(0, thickness_scatter),
    a1_j = a1 (1 + Σ_k h_k P_k(x, y)) (1 + scatter_a1 ε_j),  ε_j ~ N(0, 1).

Lengths, a1, b2, g, h and the scatter are sampled. Every δ_j and ε_j is integrated out, device by device: amplitudes in
closed form, the thickness by quadrature. One likelihood costs a time linear in the number of devices.

A smooth amplitude changes no phase; a smooth thickness turns the phase of κ by g ∂arg κ/∂ln d and its modulus by
g ∂ln|κ|/∂ln d. With one nominal thickness the lengths, which decide both slopes, are known only as far as their priors
say, and so is the size of g. `StackPosterior` shows for which parameters that matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.amplitude_integral import DeviceIntegral
from mtjfit.model.compress import Compressed
from mtjfit.model.gram import Gram
from mtjfit.model.posterior import Block, SharedPosterior
from mtjfit.model.thickness_integral import Thickness
from mtjfit.study import Parameter, ParameterName, parameter_unit
from mtjfit.wafer.stack.coordinates import WaferCoordinates
from mtjfit.wafer.stack.devices import WaferDevices
from mtjfit.wafer.stack.hierarchy import Hierarchy, checked

__all__ = ["WaferPosterior"]

_NODES = 14  # quadrature nodes of a device when it is drawn


@dataclass(frozen=True, eq=False)
class WaferPosterior(SharedPosterior):
    """Prior and likelihood of one stack over what its devices share.

    Attributes
    ----------
    parameters : mapping of str to Parameter
        As declared in a study: shared lengths, amplitudes, their scatter, noise, thickness.
    devices_at_once : int
        Largest number of devices in a temporary array.

    Raises
    ------
    ConfigError
        The declarations do not fit together, or a device without a position has a smooth part. All problems at once.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> devices = WaferDevices.of(study, x=[-40.0, -20.0, 0.0, 20.0, 40.0], y=np.zeros(5))
    >>> model = WaferPosterior(devices, study.parameters, Hierarchy({"thickness": ("bowl",)}, radius=50.0))
    >>> model.names
    ('lambda_J', 'lambda_phi', 'lambda_sf_F', 'lambda_sf_N', 'a1', 'b2', 'thickness_bowl')
    >>> model.log_posterior(np.zeros((3, model.size))).shape
    (3,)
    """

    devices: WaferDevices
    parameters: Mapping[str, Parameter]
    hierarchy: Hierarchy
    devices_at_once: int = 1024

    def __post_init__(self) -> None:
        checked(self.hierarchy, self.parameters, self.devices)

    @cached_property
    def coordinates(self) -> WaferCoordinates:
        """Names and priors of what is sampled, and what they mean for each device."""
        return WaferCoordinates(self.devices, dict(self.parameters), self.hierarchy)

    @property
    def compressed(self) -> Compressed:
        """Sufficient statistics of all devices."""
        return self.devices.data

    @property
    def thickness_is_free(self) -> bool:
        """True where each device's thickness is integrated out."""
        return self.coordinates.thickness_is_free

    def unit_of(self, name: str) -> str:
        """Unit of a parameter as it appears in tables; ``""`` for relative ones."""
        smooth = {f"{of}_{shape}" for of, shapes in self.hierarchy.smooth.items() for shape in shapes}
        if ParameterName(name).base in smooth:
            return ""
        return parameter_unit(name, self.devices.unit, self.devices.quantity, self.devices.per)

    def _thickness(self, values: FloatArray, block: Block) -> Thickness:
        at = self.coordinates
        return Thickness(at.expected(values, block.devices), at.sd(values), self.devices.per_volume)

    def _integral(self, values: FloatArray, block: Block, gram: Gram) -> DeviceIntegral:
        at = self.coordinates
        centre = at.centre(values, block.devices)
        return DeviceIntegral(gram, centre, at.own, at.own_sd(values, centre), at.bounded)

    def draw(self, z: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Every parameter by name, in natural units, one draw for each row of `z`, each of shape (n,).

        Those of single devices, as ``thickness[A1]`` and ``a1[A1]``, come from their exact distribution given the
        coordinates; they need memory for n times the number of devices.
        """
        values = self.scores.values(np.atleast_2d(z))
        found = dict(zip(self.names, values.T, strict=True))
        for name, each in self.draw_devices(z, rng).items():
            found |= {ParameterName(name, device): each[:, j] for j, device in enumerate(self.devices.device)}
        return found

    def draw_devices(self, z: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Numbers that differ between devices, one exact draw for each row, each of shape (n, n_devices).

        Returns
        -------
        dict of str to ndarray
            ``thickness`` in nm where it is not known, and each amplitude that is not the same for all.
        """
        values, at = self.scores.values(np.atleast_2d(z)), self.coordinates
        differ = [t for t, name in enumerate(at.terms) if t in at.own or name in self.hierarchy.smooth]
        shape = (values.shape[0], self.devices.n)
        thickness, terms = np.empty(shape), np.empty((*shape, len(at.terms)))
        for rows, block in self._pieces(shape[0], _NODES):
            thickness[rows, block.devices], terms[rows, block.devices], _ = self._draw_devices(values[rows], block, rng)
        found = {at.terms[t]: terms[..., t] for t in differ}
        return {"thickness": thickness} | found if self._thickness_differs else found

    @property
    def _thickness_differs(self) -> bool:
        return self.thickness_is_free or "thickness" in self.hierarchy.smooth
