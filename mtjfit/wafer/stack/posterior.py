"""The hierarchical posterior of a wafer: what a stack shares, with smooth and random parts over its devices.

Device j at (x, y) has the thickness and, say, the amplitude

    d_j = d_nominal,j (1 + Σ_k g_k P_k(x, y)) + δ_j,  δ_j ~ N(0, thickness_scatter),
    a1_j = a1 (1 + Σ_k h_k P_k(x, y)) (1 + scatter_a1 ε_j),  ε_j ~ N(0, 1).

Lengths, a1, b2, g, h and the scatter are sampled. Every δ_j and ε_j is integrated out, device by device, as in
`MarginalPosterior`: amplitudes in closed form, the thickness by quadrature. One likelihood costs a time linear in the
number of devices, none of which adds a dimension.

What can be told apart: a smooth amplitude changes no phase, a smooth thickness turns the phase of κ by g ∂arg κ/∂ln d
and its modulus by g ∂ln|κ|/∂ln d. With one nominal thickness the lengths, which decide both slopes, are known only as
far as their priors tell, and so then is the size of g. `StackPosterior` says which numbers that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.amplitude_integral import DeviceIntegral
from mtjfit.model.forward import THINNEST
from mtjfit.model.gram import Gram, gram_by_component
from mtjfit.model.scores import Scores
from mtjfit.model.thickness_integral import Thickness
from mtjfit.physics.derivatives import ExponentialForm
from mtjfit.physics.diffusion import ComplexArray
from mtjfit.study import NOISE, Parameter, ParameterName, Prior, unit_of
from mtjfit.study.prior import LN_2PI
from mtjfit.wafer.stack.coordinates import WaferCoordinates
from mtjfit.wafer.stack.devices import WaferDevices
from mtjfit.wafer.stack.hierarchy import Hierarchy, checked

__all__ = ["WaferPosterior"]

_BLOCK = 1024  # devices at a time
_CHUNK = 2**14  # quadrature nodes at a time: temporary arrays stay in cache
_NODES = 14  # of a device, about
_EVERYWHERE = 600  # nodes of the brute force that checks a quadrature
_CHECKED = 32  # rows, about


@dataclass(frozen=True)
class _Batch:
    """Everything that the integrals of some devices need at some coordinates."""

    form: ExponentialForm
    dead: FloatArray
    integral: DeviceIntegral
    thickness: Thickness


@dataclass(frozen=True, eq=False)
class WaferPosterior:
    """Prior and likelihood of one stack over what its devices share, vectorised over rows of coordinates.

    The coordinates are normal scores of the priors, as those of `MarginalPosterior`, so that the same sampler, gate
    and cross-check apply.

    Attributes
    ----------
    parameters : mapping of str to Parameter
        As declared in a study: shared lengths, amplitudes, their scatter, noise, thickness.

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

    def __post_init__(self) -> None:
        checked(self.hierarchy, self.parameters, self.devices)

    @cached_property
    def coordinates(self) -> WaferCoordinates:
        """What is sampled, and what it says of each device."""
        return WaferCoordinates(self.devices, dict(self.parameters), self.hierarchy)

    @property
    def scores(self) -> Scores:
        """Coordinates of what is sampled."""
        return self.coordinates.scores

    @property
    def names(self) -> tuple[str, ...]:
        """Sampled parameters; ``thickness_bowl`` is the bowl of the thickness."""
        return self.coordinates.names

    @property
    def size(self) -> int:
        """Dimension of the coordinates."""
        return len(self.names)

    @property
    def priors(self) -> dict[str, Prior]:
        """Prior of every sampled parameter."""
        return dict(self.coordinates.priors)

    def unit_of(self, name: str) -> str:
        """Unit of a parameter as it appears in tables; ``""`` for relative ones."""
        if ParameterName(name).base in self._smooth_names:
            return ""
        return unit_of(name, self.devices.unit, self.devices.quantity, self.devices.per)

    @cached_property
    def _smooth_names(self) -> set[str]:
        return {f"{name}_{shape}" for name, shapes in self.hierarchy.smooth.items() for shape in shapes}

    @cached_property
    def _gram(self) -> FloatArray:
        return gram_by_component(self.devices.data, self.coordinates.layout)

    @cached_property
    def _known_gram(self) -> FloatArray:
        return np.asarray(self._gram.sum(axis=1)[None])

    def _scales(self, values: FloatArray) -> FloatArray | None:
        """Noise scales of the components, shape (n, 2), where they are fitted."""
        if not self.devices.data.fitted.any():
            return None
        each = [np.broadcast_to(self.coordinates.of(name, values), (values.shape[0], 1)) for name in NOISE]
        return np.concatenate(each, axis=-1)

    def _constant(self, values: FloatArray) -> FloatArray:
        """What does not depend on any device's amplitudes and thickness, shape (n,)."""
        data = self.devices.data
        known = -0.5 * (float(data.rss.sum()) + self.devices.n_values * LN_2PI) - float(data.log_sigma.sum())
        scales = self._scales(values)
        if scales is None:
            return np.full(values.shape[0], known)
        rss, n = (np.sum(each[data.fitted], axis=0) for each in (data.rss, data.n))
        return np.asarray(known - 0.5 * (scales**-2 - 1) @ rss - np.log(scales) @ n)

    def _batch(self, values: FloatArray, block: slice) -> _Batch:
        at = self.coordinates
        centre, scales = at.centre(values, block), self._scales(values)
        gram = self._known_gram[:, block]
        if scales is not None:
            each = np.where(self.devices.data.fitted[block, None], scales[:, None], 1.0)
            gram = np.einsum("jcab,njc->njab", self._gram[block], each**-2)
        integral = DeviceIntegral(Gram(gram), centre, at.own, at.own_sd(values, centre), at.bounded)
        return _Batch(at.form(values), at.dead_layer(values), integral, self._thickness(values, block))

    def _thickness(self, values: FloatArray, block: slice) -> Thickness:
        at = self.coordinates
        return Thickness(at.expected(values, block), at.sd(values), self.devices.per_volume)

    def _K(self, batch: _Batch, d: FloatArray, shape: tuple[int, int]) -> ComplexArray:
        """K of some devices at thicknesses `d`, of that shape."""
        magnetic = np.maximum(d - batch.dead, THINNEST)
        return np.broadcast_to(batch.thickness.K(batch.form, magnetic, np.exp(-batch.form.q * magnetic)), shape)

    def _pieces(self, n: int, per_device: int) -> Iterator[tuple[slice, slice]]:
        """Rows and devices at a time, so that temporary arrays stay in cache and memory bounded."""
        J = self.devices.n
        for first in range(0, J, _BLOCK):
            block = slice(first, min(first + _BLOCK, J))
            length = max(1, _CHUNK // ((block.stop - block.start) * per_device))
            for start in range(0, n, length):
                yield slice(start, min(start + length, n)), block

    def log_likelihood(self, z: FloatArray) -> FloatArray:
        """ln L with all that belongs to single devices integrated out, shape (n,), for coordinates (n, size)."""
        values = self.scores.values(np.atleast_2d(z))
        result = self._constant(values)
        free = self.coordinates.thickness_is_free
        for rows, block in self._pieces(values.shape[0], _NODES if free else 1):
            result[rows] += self._log_integrals(values[rows], block)
        return result

    def _log_integrals(self, values: FloatArray, block: slice) -> FloatArray:
        """Sum over some devices of ln of their integrals, shape (n,)."""
        if not self.coordinates.thickness_is_free:
            batch = self._batch(values, block)
            K = self._K(batch, batch.thickness.nominal, (values.shape[0], block.stop - block.start))
            return np.asarray(batch.integral(K[..., None])[..., 0].sum(axis=-1))
        out = np.empty(values.shape[0])
        wide = np.broadcast_to(self._thickness(values, block).wide_rows, out.shape)
        for rows in (wide, ~wide):  # so that no row depends on those that it happens to be computed with
            if rows.any():
                batch = self._batch(values[rows], block)
                out[rows] = batch.thickness.log_integral(batch.form, batch.integral, batch.dead).sum(axis=-1)
        return out

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of coordinates, shape (n,)."""
        return self.scores.log_prior(np.atleast_2d(z))

    def log_posterior(self, z: FloatArray) -> FloatArray:
        """Log prior + log likelihood, shape (n,).

        Raises
        ------
        MtjfitError
            The likelihood is not finite inside the support of the prior; names the values.
        """
        return self.scores.log_posterior(np.atleast_2d(z), self.names, self.log_likelihood)

    def prior_transform(self, u: FloatArray) -> FloatArray:
        """Uniform numbers of shape (..., size) to coordinates drawn from the prior."""
        return self.scores.from_unit_cube(np.asarray(u, dtype=float))

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
        """What differs between devices, one exact draw for each row, each of shape (n, n_devices).

        Returns
        -------
        dict of str to ndarray
            ``thickness`` in nm where it is not known, and each amplitude that is not the same for all.
        """
        values, at = self.scores.values(np.atleast_2d(z)), self.coordinates
        names = [t.name for k, t in enumerate(at.terms) if k in at.own or t.name in self.hierarchy.smooth]
        if at.thickness_is_free or "thickness" in self.hierarchy.smooth:
            names.insert(0, "thickness")
        found = {name: np.empty((values.shape[0], self.devices.n)) for name in names}
        for rows, block in self._pieces(values.shape[0], _NODES):
            for name, drawn in self._draw_devices(values[rows], block, rng).items():
                if name in found:
                    found[name][rows, block] = drawn
        return found

    def _draw_devices(self, values: FloatArray, block: slice, rng: np.random.Generator) -> dict[str, FloatArray]:
        batch, at = self._batch(values, block), self.coordinates
        shape = (values.shape[0], block.stop - block.start)
        # every row draws for itself, also where rows do not differ
        centre = np.broadcast_to(batch.integral.centre, (*shape, len(at.terms)))
        integral = DeviceIntegral(batch.integral.gram, centre, at.own, batch.integral.sd, at.bounded)
        d = np.broadcast_to(batch.thickness.nominal, shape)
        if at.thickness_is_free:
            d = batch.thickness.draw(batch.form, integral, batch.dead, rng)
        found = {"thickness": d} | {term.name: centre[..., k] for k, term in enumerate(at.terms)}
        if at.own:
            own = integral.draw(self._K(batch, d, shape), rng)
            found |= {at.terms[t].name: own[..., k] for k, t in enumerate(at.own)}
        return found

    def quadrature_error(self, z: FloatArray) -> float:
        """Largest error of ln L from the nodes of the thickness integrals, up to a constant, over some rows of `z`.

        Against brute force over all that the priors of the thicknesses allow; 0 where thicknesses are known.
        """
        if not self.coordinates.thickness_is_free:
            return 0.0
        values = self.scores.values(np.atleast_2d(z))
        differences = []
        for row in values[:: max(1, values.shape[0] // _CHECKED)]:
            difference = 0.0
            for _, block in self._pieces(1, _EVERYWHERE):
                batch = self._batch(row[None], block)
                exact = batch.thickness.log_integral_everywhere(batch.form, batch.integral, batch.dead, _EVERYWHERE)
                difference += float(self._log_integrals(row[None], block)[0] - exact.sum())
            differences.append(difference)
        return float(np.ptp(differences))
