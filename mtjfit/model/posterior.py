"""The posterior of what devices share, all that belongs to a single device integrated out: for studies and stacks.

Own amplitudes are integrated in closed form, own thicknesses by quadrature, device by device, so that neither adds a
dimension and time is linear in the number of devices. Coordinates are normal scores of the priors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.amplitude_integral import DeviceIntegral
from mtjfit.model.compress import Compressed, Gram, gram_by_component
from mtjfit.model.coordinates import DeviceCoordinates, Scores
from mtjfit.model.likelihood import THINNEST, where_possible
from mtjfit.model.thickness_integral import OfDevices, Thickness
from mtjfit.study import NOISE, Form, Prior
from mtjfit.study.prior import LN_2PI

_NODES = 14  # quadrature nodes of a device, about
_EVERYWHERE = 600  # nodes of the brute force that checks a quadrature
_CHECKED = 32  # rows, about


@dataclass(frozen=True, eq=False)
class Block:
    """Some devices, with their sufficient statistics."""

    devices: slice
    data: Compressed
    # inner products of each component, see `mtjfit.model.compress`, shape (n_devices, 2, 1 + 2T, 1 + 2T)
    by_component: FloatArray
    gram: Gram  # their sum: for noise that is known
    constant: float  # what ln L has beside −½ χ² of the polynomials

    @property
    def n(self) -> int:
        """Number of devices."""
        return self.data.fitted.size


@dataclass(frozen=True)
class Batch:
    """Input of the integrals of a block of devices, for n rows of sampled values; arrays of shape (n, …)."""

    values: FloatArray
    form: Form
    dead: FloatArray
    integral: DeviceIntegral
    thickness: Thickness
    constant: FloatArray


@dataclass(frozen=True)
class Piece:
    """Some rows and one block of devices: the smallest part of a likelihood, which nobody divides further."""

    rows: slice
    block: int


def in_this_process(model: SharedPosterior, values: FloatArray, pieces: Sequence[Piece]) -> Iterable[FloatArray]:
    """`SharedPosterior.log_integrals` of each piece."""
    return (model.log_integrals(values, piece) for piece in pieces)


Compute: TypeAlias = Callable[["SharedPosterior", FloatArray, Sequence[Piece]], Iterable[FloatArray]]


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedPosterior(ShownAsCard, ABC):
    """Prior and likelihood over what devices share, vectorised over rows of coordinates; as of `FullPosterior`."""

    # quadrature nodes of all rows and devices at a time, so that temporary arrays stay in cache
    nodes_at_once: int = 2**14
    # gives the integrals of pieces in their order, whoever computes them
    compute: Compute = field(default=in_this_process, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: what was declared, without what follows from it, to be computed where it arrives."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"compute": in_this_process}

    @property
    @abstractmethod
    def coordinates(self) -> DeviceCoordinates:
        """Names and priors of what is sampled, and what they mean for each device."""

    @property
    @abstractmethod
    def compressed(self) -> Compressed:
        """Sufficient statistics of all devices."""

    @property
    @abstractmethod
    def devices_at_once(self) -> int:
        """Largest number of devices in a block."""

    @abstractmethod
    def _thickness(self, values: FloatArray, block: Block) -> Thickness:
        """Priors of the thicknesses of a block."""

    @abstractmethod
    def _integral(self, values: FloatArray, block: Block, gram: Gram) -> DeviceIntegral:
        """Integrals over own amplitudes for given inner products."""

    @property
    def thickness_is_free(self) -> bool:
        """True where each device's thickness is integrated out."""
        return self.coordinates.thickness_is_free

    @property
    def scores(self) -> Scores:
        """Normal scores of the priors."""
        return self.coordinates.scores

    @property
    def names(self) -> tuple[str, ...]:
        """Sampled parameters."""
        return self.coordinates.names

    @property
    def size(self) -> int:
        """Dimension of the coordinates."""
        return self.scores.size

    @property
    def reach(self) -> FloatArray:
        """Farthest that each coordinate may be from zero, below and above, shape (2, size)."""
        return self.scores.reach

    @property
    def priors(self) -> dict[str, Prior]:
        """Prior of every parameter, in the order of tables."""
        return dict(self.coordinates.priors)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """All devices."""
        n = self.compressed.fitted.size
        step = min(self.devices_at_once, n)
        return tuple(self._block(slice(k, min(k + step, n))) for k in range(0, n, step))

    def _block(self, devices: slice) -> Block:
        data = self.compressed.chosen(devices)
        by_component = gram_by_component(data, *self.coordinates.phases_and_powers)
        constant = -0.5 * (float(data.rss.sum()) + int(data.n.sum()) * LN_2PI) - float(data.log_sigma.sum())
        return Block(devices, data, by_component, Gram(np.asarray(by_component.sum(axis=1)[None])), constant)

    def _pieces(self, n: int, per_device: int) -> Iterator[tuple[slice, Block]]:
        """Rows and devices at a time, so that memory is bounded; at least one piece, also without rows."""
        for block in self.blocks:
            length = self._rows_at_once(block, per_device)
            for start in range(0, max(n, 1), length):
                yield slice(start, min(start + length, n)), block

    def _rows_at_once(self, block: Block, per_device: int) -> int:
        return max(1, self.nodes_at_once // (block.n * (per_device if self.thickness_is_free else 1)))

    def _weighted(self, values: FloatArray, block: Block) -> tuple[Gram, FloatArray]:
        """Inner products and the constant of ln L, shape (n,), with the noise scales of each row."""
        data, n = block.data, values.shape[0]
        constant = np.full(n, block.constant)
        if not data.fitted.any():
            return block.gram, constant
        each = (np.broadcast_to(self.coordinates.of(name, values), (n, block.n)) for name in NOISE)
        scales = np.where(data.fitted[:, None], np.stack(list(each), axis=-1), 1.0)
        constant -= 0.5 * np.sum(data.rss * (scales**-2 - 1), axis=(-1, -2))
        constant -= np.sum(data.n * np.log(scales), axis=(-1, -2))
        return Gram(np.einsum("jcab,njc->njab", block.by_component, scales**-2)), constant

    def batch(self, values: FloatArray, block: Block) -> Batch:
        """Input of the integrals of a block for sampled values of shape (n, size)."""
        gram, constant = self._weighted(values, block)
        at = self.coordinates
        return Batch(
            values,
            at.form(values),
            at.dead_layer(values),
            self._integral(values, block, gram),
            self._thickness(values, block),
            constant,
        )

    def device_likelihood(self, batch: Batch) -> OfDevices:
        """ln L of each device as a function of K, up to the constant of the batch."""
        return batch.integral

    def _K(self, batch: Batch, d: FloatArray, n_devices: int) -> ComplexArray:
        """K at thicknesses `d`, shape (n, n_devices)."""
        magnetic = np.maximum(d - batch.dead, THINNEST)
        K = batch.thickness.K(batch.form, magnetic)
        return np.broadcast_to(K, (batch.values.shape[0], n_devices))

    def log_likelihood(self, z: FloatArray) -> FloatArray:
        """ln L with all that belongs to single devices integrated out, shape (n,), for coordinates (n, size).

        Where shared amplitudes are not among the coordinates they are integrated out as well.
        """
        values = self.scores.values(np.atleast_2d(z))
        result = np.zeros(values.shape[0])
        pieces = self.pieces(result.size)
        # in the order of the pieces: sums in another order have other last digits
        for piece, found in zip(pieces, self.compute(self, values, pieces), strict=True):
            result[piece.rows] += found
        return result

    def pieces(self, n: int) -> list[Piece]:
        """Parts of a likelihood of n rows: they depend on nothing but the devices and n."""
        return [Piece(rows, self.blocks.index(block)) for rows, block in self._pieces(n, _NODES)]

    def log_integrals(self, values: FloatArray, piece: Piece) -> FloatArray:
        """What a piece adds to ln L of its rows, for `values` of all rows."""
        return self._log_integrals(values[piece.rows], self.blocks[piece.block])

    def _log_integrals(self, values: FloatArray, block: Block) -> FloatArray:
        """ln of the integrals of a block of devices, shape (n,)."""
        if not self.thickness_is_free:
            return self._at_known_thickness(self.batch(values, block), block.n)
        out = np.empty(values.shape[0])
        wide = np.broadcast_to(self._thickness(values, block).wide_rows, out.shape)
        for rows in (wide, ~wide):  # so that no row depends on those that it happens to be computed with
            if rows.any():
                batch = self.batch(values[rows], block)
                each = batch.thickness.log_integral(batch.form, self.device_likelihood(batch), batch.dead)
                out[rows] = batch.constant + each.sum(axis=-1)
        return out

    def _at_known_thickness(self, batch: Batch, n_devices: int) -> FloatArray:
        K = self._K(batch, batch.thickness.nominal, n_devices)
        return np.asarray(batch.constant + self.device_likelihood(batch)(K[..., None])[..., 0].sum(axis=-1))

    def log_likelihood_everywhere(self, z: FloatArray, nodes: int = _EVERYWHERE) -> FloatArray:
        """`log_likelihood` by brute force over all that the priors of free thicknesses allow, for checks."""
        values = self.scores.values(np.atleast_2d(z))
        result = np.zeros(values.shape[0])
        for block in self.blocks:
            batch = self.batch(values, block)
            arguments = (batch.form, self.device_likelihood(batch), batch.dead)
            result += batch.constant + batch.thickness.log_integral_everywhere(*arguments, nodes).sum(axis=-1)
        return result

    def quadrature_error(self, z: FloatArray) -> float:
        """Largest error of ln L from the nodes of the thickness integrals, up to a constant, over some rows of `z`.

        Against brute force; 0 where thicknesses are known.
        """
        if not self.thickness_is_free:
            return 0.0
        z = np.atleast_2d(z)
        some = z[:: max(1, z.shape[0] // _CHECKED)]
        exact = np.concatenate([self.log_likelihood_everywhere(row) for row in some])
        return float(np.ptp(self.log_likelihood(some) - exact))

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
        z = np.atleast_2d(z)
        return where_possible(z, self.log_prior(z), self.log_likelihood, self.names, self.scores.values)

    def prior_transform(self, u: FloatArray) -> FloatArray:
        """Uniform numbers of shape (..., size) to coordinates drawn from the prior."""
        return self.scores.from_unit_cube(np.asarray(u, dtype=float))

    @abstractmethod
    def draw(self, z: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Every parameter by name, in natural units, one draw for each row of `z`, each of shape (n,).

        What was integrated out comes from its exact distribution given the coordinates.
        """

    def _draw_devices(
        self, values: FloatArray, block: Block, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
        """Thicknesses (n, n_devices), values of all terms (n, n_devices, T), and shared amplitudes that were drawn."""
        batch = self.batch(values, block)
        shape = (values.shape[0], block.n)
        # every row draws for itself, also where rows do not differ
        centre = np.broadcast_to(batch.integral.centre, (*shape, batch.integral.centre.shape[-1]))
        batch = replace(batch, integral=replace(batch.integral, centre=centre))
        d = np.broadcast_to(batch.thickness.of_curves(batch.thickness.nominal), shape)
        if self.thickness_is_free:
            drawn = batch.thickness.draw(batch.form, self.device_likelihood(batch), batch.dead, rng)
            d = batch.thickness.of_curves(drawn)
        centre, shared = self._draw_shared(batch, rng)
        terms = np.array(centre)
        if batch.integral.own:
            integral = replace(batch.integral, centre=centre)
            terms[..., list(integral.own)] = integral.draw(self._K(batch, d, block.n), rng)
        return d, terms, shared

    def _draw_shared(self, batch: Batch, rng: np.random.Generator) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Centres of all terms, (n, n_devices, T), with shared amplitudes that were integrated out, and these."""
        return batch.integral.centre, {}
