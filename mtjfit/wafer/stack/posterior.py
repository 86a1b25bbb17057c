"""The hierarchical posterior of a wafer: a stack with smooth and random parts over its devices.

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
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.infer.ensembles.fit import Ridge
from mtjfit.model.amplitude_integral import Bounded, DeviceIntegral
from mtjfit.model.compress import Compressed, Gram
from mtjfit.model.coordinates import DeviceCoordinates
from mtjfit.model.kappa_table import KappaTable
from mtjfit.model.likelihood import THINNEST
from mtjfit.model.narrow_integral import MOST_OWN, Narrow, NodesFirst
from mtjfit.model.posterior import Block, SharedPosterior, in_this_process
from mtjfit.model.thickness_integral import Thickness
from mtjfit.study import LENGTHS, NOISE, SCATTER, Fixed, Normal, Parameter, ParameterName, Prior, parameter_unit
from mtjfit.wafer.stack.hierarchy import Hierarchy, WaferDevices, checked, shapes_at

THICKNESS_SCATTER = "thickness_scatter"
"""Name in tables of the standard deviation of thicknesses about the smooth part, in nm."""
_NARROWEST = 1e-6  # nm; less scatter of thicknesses acts as none, and would have no digits beside the thickness


@dataclass(frozen=True, eq=False)
class WaferCoordinates(DeviceCoordinates):
    """Coordinates of a stack: lengths, noise, amplitudes, their scatter, smooth coefficients.

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
        return self.parameters[name].is_own and not self.parameters[name].is_fixed

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
    def sampled(self) -> dict[str, Prior]:
        own = {name for name in self.terms if self._is_own(name)}
        shared = [*LENGTHS, *NOISE, *self.terms, *(SCATTER + name for name in self.terms)]
        priors = {name: self.parameters[name].free_prior for name in shared if name in self.parameters.keys() - own}
        found = {name: prior for name, prior in priors.items() if prior is not None}
        scatter = self.hierarchy.thickness_scatter
        if isinstance(scatter, Prior):
            found[THICKNESS_SCATTER] = scatter
        for name in self.hierarchy.smooth:
            found |= dict.fromkeys(self._labels(name), Normal(0.0, self.hierarchy.sd_of(name)))
        return found

    @cached_property
    def radius(self) -> float:
        """Of the wafer, in mm: as declared, or how far out the outermost device lies."""
        if self.hierarchy.radius is not None:
            return self.hierarchy.radius
        return float(np.max(np.hypot(self.devices.x, self.devices.y))) or 1.0

    @cached_property
    def bases(self) -> dict[str, FloatArray]:
        """Shapes that the smooth coefficients of each parameter multiply, (n_devices, n_coefficients)."""
        devices, smooth = self.devices, self.hierarchy.smooth
        x, y = devices.x / self.radius, devices.y / self.radius
        shapes = {name: shapes_at(smooth[name], x, y) for name in smooth}
        if self.hierarchy.each == "stack":
            return shapes
        on = np.array([[mine == wafer for wafer in devices.wafers] for mine in devices.wafer], dtype=float)
        return {name: (P[:, :, None] * on[:, None, :]).reshape(devices.n, -1) for name, P in shapes.items()}

    def of(self, name: str, values: FloatArray) -> FloatArray:
        """A shared parameter, shape (n or 1, 1), from sampled `values` of shape (n, size)."""
        if name in self.names:
            return values[:, [self.names.index(name)]]
        if name == THICKNESS_SCATTER:
            prior = self.hierarchy.thickness_scatter
            known = prior.value if isinstance(prior, Fixed) else self.parameters["thickness"].nominal_sd
            return np.full((1, 1), known)
        return np.full((1, 1), self.parameters[name].prior.centre_and_sd[0])  # of own amplitudes: the mean of the prior

    @property
    def thickness_is_free(self) -> bool:
        return self.hierarchy.thickness_scatter is not None or self.parameters["thickness"].nominal_sd > 0

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


_NODES = 14  # quadrature nodes of a device when it is drawn
_ONE_IN, _FEWEST = 5, 30  # devices of a part
_NARROW = 0.05  # scatter of thicknesses, of the thinnest one: a bell over which κ(d) is a short polynomial
_BELOW, _ABOVE = 0.6, 1.3  # of the nominal thicknesses: what smooth parts and dead layers leave of them, as a rule


@dataclass(frozen=True, eq=False)
class WaferPosterior(SharedPosterior):
    """Prior and likelihood of one stack over what its devices share: lengths, amplitudes, their scatter, noise.

    Raises ConfigError with all problems at once if the declarations do not fit together, or a device without a position
    has a smooth part.

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
    devices_at_once: int = 1024  # in a temporary array
    nodes_at_once: int = field(default=2**17, kw_only=True)

    def __post_init__(self) -> None:
        checked(self.hierarchy, self.parameters, self.devices)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"parameters": dict(self.parameters)}  # a read-only view cannot be sent

    @cached_property
    def coordinates(self) -> WaferCoordinates:
        """Names and priors of what is sampled, and what they mean for each device."""
        return WaferCoordinates(self.devices, dict(self.parameters), self.hierarchy)

    @property
    def compressed(self) -> Compressed:
        """Sufficient statistics of all devices."""
        return self.devices.data

    @property
    def ridge(self) -> Ridge:
        """Lengths bend the posterior; a scatter may be anything that is small enough."""
        bent = [k for k, name in enumerate(self.names) if name in LENGTHS]
        tailed = [k for k, name in enumerate(self.names) if name.startswith(SCATTER) or name == THICKNESS_SCATTER]
        return Ridge(np.array(bent, dtype=np.intp), np.array(tailed, dtype=np.intp))

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

    def part(self, rng: np.random.Generator) -> WaferPosterior | None:
        """The posterior of one device in five, drawn wafer by wafer; None where they would be fewer than 30."""
        if self.devices.n < _ONE_IN * _FEWEST:
            return None
        place = {name: k for k, name in enumerate(self.devices.wafers)}
        wafer = np.array([place[name] for name in self.devices.wafer])
        shuffled = rng.permutation(self.devices.n)
        by_wafer = shuffled[np.argsort(wafer[shuffled], kind="stable")]
        hierarchy = self.hierarchy
        if hierarchy.smooth:
            hierarchy = replace(hierarchy, radius=self.coordinates.radius)
        some = self.devices.chosen(by_wafer[::_ONE_IN])
        found = replace(self, devices=some, hierarchy=hierarchy, compute=in_this_process)  # others hold all devices
        return found if found.names == self.names else None

    @cached_property
    def _table(self) -> KappaTable:
        """κ at the thicknesses that devices of narrow rows may have."""
        nominal = self.devices.thickness
        # powers of two, so that the polynomials about a thickness hardly depend on the other devices
        low = np.exp2(np.floor(np.log2(_BELOW * nominal.min())))
        high = np.exp2(np.ceil(np.log2(_ABOVE * nominal.max())))
        return KappaTable(float(low), float(high), self.devices.per_volume)

    def _log_integrals(self, values: FloatArray, block: Block) -> FloatArray:
        at = self.coordinates
        if not self.thickness_is_free or at.bounded is not None or len(at.own) > MOST_OWN:
            return super()._log_integrals(values, block)
        d, sd = at.expected(values, block.devices) - at.dead_layer(values), at.sd(values)
        thinnest, thickest = d.min(axis=1), d.max(axis=1)
        narrow = (sd[:, 0] <= _NARROW * thinnest) & (thinnest >= self._table.low) & (thickest <= self._table.high)
        narrow = np.broadcast_to(narrow, values.shape[0])
        found = np.empty(values.shape[0])
        if not narrow.all():
            found[~narrow] = super()._log_integrals(values[~narrow], block)
        if narrow.any():
            found[narrow] = self._narrow(values[narrow], block)
        return found

    def _narrow(self, values: FloatArray, block: Block) -> FloatArray:
        """`_log_integrals` where κ(d) changes little over the scatter of the thicknesses."""
        at = self.coordinates
        gram, constant = self._weighted(values, block)
        d = at.expected(values, block.devices) - at.dead_layer(values)
        d = np.broadcast_to(d, (values.shape[0], block.n))
        kappa = self._table.about(at.form(values), d)
        devices = NodesFirst.of(self._integral(values, block, gram))
        return np.asarray(constant + Narrow(kappa, d, at.sd(values), devices).log_likelihood())

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

        These are ``thickness`` in nm where it is not known, and each amplitude that is not the same for all.
        """
        values, at = self.scores.values(np.atleast_2d(z)), self.coordinates
        differ = [t for t, name in enumerate(at.terms) if t in at.own or name in self.hierarchy.smooth]
        shape = (values.shape[0], self.devices.n)
        thickness, terms = np.empty(shape), np.empty((*shape, len(at.terms)))
        for rows, block in self._pieces(shape[0], _NODES):
            thickness[rows, block.devices], terms[rows, block.devices], _ = self._draw_devices(values[rows], block, rng)
        found = {at.terms[t]: terms[..., t] for t in differ}
        differs = self.thickness_is_free or "thickness" in self.hierarchy.smooth
        return {"thickness": thickness} | found if differs else found
