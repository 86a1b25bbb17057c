"""Each device's own thickness, normal about its nominal value, integrated out by quadrature.

Curves of one device have one thickness: their likelihoods are multiplied at each node before the sum is taken.

Two Gauss–Newton steps find where the integrand of a device lies and how wide it is; the trapezoidal rule on equidistant
nodes, which converges faster than any power for a bell curve, does the rest. At equidistant thicknesses exp(−d/L) is a
geometric series, so that the nodes cost multiplications only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.interpolate import CubicSpline

from mtjfit.arrays import ComplexArray, FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.likelihood import THINNEST
from mtjfit.study import Form, Normal
from mtjfit.study.normal_priors import log_interval

_REACH = 4.6  # half range of the nodes in standard deviations of the integrand
_FARTHEST = 9.0  # no integrand is looked for farther from nominal, in standard deviations of the prior
_DEPTH = 50.0  # below its maximum ln of an integrand is as good as −∞
_WIDE = 0.15  # of the thinnest layer: the prior is wide, and the integrands are no bell curves
_WIDE_REACH = 7.0
_FOR_DRAWS = 14
_LN_SQRT_2PI = float(0.5 * np.log(2 * np.pi))


class OfDevices(Protocol):
    """The likelihood of each device as a function of K: `DeviceIntegral`, or `StudentIntegral` for t errors."""

    def __call__(self, K: ComplexArray) -> FloatArray: ...

    def step(
        self, K: ComplexArray, slope: ComplexArray, offset: FloatArray, sd: FloatArray
    ) -> tuple[FloatArray, FloatArray]: ...


@dataclass(frozen=True)
class Nodes:
    """Equidistant thicknesses: d = first + k · spacing, arrays of shape (n, n_devices), k = 0 … count − 1."""

    first: FloatArray
    spacing: FloatArray
    count: int

    @property
    def d(self) -> FloatArray:
        """All thicknesses in nm, shape (n, n_devices, count)."""
        return np.asarray(self.first[..., None] + self.spacing[..., None] * np.arange(self.count))

    @property
    def log_weights(self) -> FloatArray:
        """ln of the trapezoidal weights, shape (n, n_devices, count)."""
        ends = np.zeros(self.count)
        ends[[0, -1]] = -np.log(2.0)
        return np.asarray(np.log(self.spacing)[..., None] + ends)


@dataclass(frozen=True)
class Thickness(ShownAsCard):
    """Priors of the thicknesses of devices, and integrals over them."""

    # centre of each prior in nm; it is normal and restricted to positive values, shape (n or 1, n_devices)
    nominal: FloatArray
    sd: FloatArray  # standard deviation of all devices of a row, in nm, shape (n or 1, 1)
    per_volume: bool  # true where the data carry 1/d
    count: int = 10  # nodes of each integral
    steps: int = 2  # gauss–Newton steps to find where an integrand lies
    wide_count: int = 24  # nodes of each integral where the prior is wide
    cells: int = 48  # of the cumulative distribution that draws are read from
    # place of the device of each curve, shape (n_curves,); None: one curve for each device, in the same order
    device: IntArray | None = None

    @classmethod
    def about(cls, priors: Sequence[Normal], per_volume: bool, device: IntArray | None = None) -> Thickness:
        """From the priors of all devices, which have one standard deviation in common."""
        return cls(np.array([[prior.mean for prior in priors]]), np.array([[priors[0].sd]]), per_volume, device=device)

    def of_curves(self, values: FloatArray) -> FloatArray:
        """Numbers of each device, shape (n, n_devices), as numbers of each curve, shape (n, n_curves)."""
        return values if self.device is None else values[:, self.device]

    def _together(self, values: FloatArray) -> FloatArray:
        """Numbers of each curve, shape (n, n_curves, ...), summed over the curves of each device."""
        if self.device is None:
            return values
        order, starts = self._by_device
        return np.asarray(np.add.reduceat(values[:, order], starts, axis=1))

    @cached_property
    def _by_device(self) -> tuple[IntArray, IntArray]:
        """Places of all curves in the order of their devices, and where each device begins."""
        device = np.zeros(0, dtype=np.intp) if self.device is None else self.device
        order = np.argsort(device, kind="stable")
        return order, np.searchsorted(device[order], np.arange(self.nominal.shape[1]))

    def _dead(self, dead: FloatArray) -> FloatArray:
        """Largest dead layer of the curves of each device, shape (n or 1, n_devices or 1)."""
        if self.device is None or dead.shape[1] == 1:
            return dead
        order, starts = self._by_device
        return np.asarray(np.maximum.reduceat(dead[:, order], starts, axis=1))

    def K(self, form: Form, d: FloatArray) -> ComplexArray:
        """κ, or κ/d per volume, at magnetic thicknesses `d`."""
        kappa = form.at(d)
        return np.asarray(kappa / d if self.per_volume else kappa)

    def K_and_slope(self, form: Form, d: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """K and dK/dd at magnetic thicknesses `d`."""
        K, slope = form.at_and_slope(d)
        return (K / d, slope / d - K / d**2) if self.per_volume else (K, slope)

    def _along(self, form: Form, nodes: Nodes, dead: FloatArray) -> ComplexArray:
        """K at all nodes, shape (n, n_curves, count), of curves of which `dead` nm are not magnetic."""
        first, spacing = np.maximum(self.of_curves(nodes.first) - dead, THINNEST), self.of_curves(nodes.spacing)
        kappa = form.along(first, spacing, nodes.count)
        if not self.per_volume:
            return kappa
        return np.asarray(kappa / (first[..., None] + spacing[..., None] * np.arange(nodes.count)))

    def nodes(self, form: Form, integral: OfDevices, dead: FloatArray, count: int) -> Nodes:
        """Nodes about each integrand, found by Gauss–Newton steps from the nominal thickness."""
        offset = np.zeros(self._shape(form))
        width = offset + self.sd
        limit = _FARTHEST * self.sd
        for _ in range(self.steps):
            step, width = self._step(form, integral, offset, dead)
            offset = np.clip(offset + step, -limit, limit)
        low = np.maximum(self.nominal + offset - _REACH * width, self._lowest(dead))
        # where zero thickness or the dead layer cuts the range off, the integrand is highest at that end
        high = np.maximum(self.nominal + offset + _REACH * width, low + _REACH * width)
        return Nodes(low, (high - low) / (count - 1), count)

    def _shape(self, form: Form) -> tuple[int, ...]:
        """(n, n_devices)."""
        rows = form.shape if self.device is None else (form.shape[0], 1)
        return np.broadcast_shapes(rows, self.nominal.shape, self.sd.shape)

    def _lowest(self, dead: FloatArray) -> FloatArray:
        """Smallest thickness of which something is magnetic in every curve of a device."""
        return np.asarray(np.maximum(self._dead(dead), 0.0) + THINNEST)

    def _step(
        self, form: Form, integral: OfDevices, offset: FloatArray, dead: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Gauss–Newton step of each device and its width there, shape (n, n_devices) each.

        The prior is in the step and in the precision of every curve, and may count once for each device only.
        """
        at = self.of_curves(offset)
        d = np.maximum(self.of_curves(self.nominal) + at - dead, THINNEST)
        step, width = integral.step(*self.K_and_slope(form, d), at, self.sd)
        if self.device is None:
            return step, width
        precision, prior = 1 / width**2, 1 / self.sd**2
        pull = self._together(np.asarray(step * precision + at * prior)) - offset * prior
        total = self._together(np.asarray(precision - prior)) + prior
        return np.asarray(pull / total), np.asarray(1 / np.sqrt(total))

    def log_density(self, form: Form, integral: OfDevices, nodes: Nodes, dead: FloatArray) -> FloatArray:
        """ln[L_j p(d)] at all nodes, without the constants of the likelihood, shape (n, n_devices, count)."""
        z = (nodes.d - self.nominal[..., None]) / self.sd[..., None]
        likelihood = self._together(integral(self._along(form, nodes, dead)))
        return np.asarray(likelihood - 0.5 * z * z + self._constant[..., None])

    @cached_property
    def _constant(self) -> FloatArray:
        """ln of the density of each prior at its nominal thickness."""
        return np.asarray(-_LN_SQRT_2PI - np.log(self.sd) - log_interval(-self.nominal / self.sd, np.inf))

    @np.errstate(divide="ignore", invalid="ignore")
    def log_integral(self, form: Form, integral: OfDevices, dead: FloatArray) -> FloatArray:
        """ln ∫ L_j(d) p(d) dd of each device, shape (n, n_devices); NaN if it is narrower than doubles are apart."""
        nodes, log_density = self._explored(form, integral, dead, self.count)
        return _log_sum(log_density + nodes.log_weights)

    def _explored(self, form: Form, integral: OfDevices, dead: FloatArray, count: int) -> tuple[Nodes, FloatArray]:
        """Nodes about each integrand, and `log_density` there."""
        nodes = self.nodes(form, integral, dead, count)
        log_density = self.log_density(form, integral, nodes, dead)
        if self.wide_rows.any():
            nodes = self._refined(nodes, log_density, dead)
            log_density = self.log_density(form, integral, nodes, dead)
        return nodes, log_density

    @cached_property
    def wide_rows(self) -> np.ndarray:
        """True for rows in which K(d) is not linear enough over the prior to find the integrands, shape (n or 1,)."""
        return np.asarray(np.any(self.sd > _WIDE * self.nominal.min(axis=-1, keepdims=True), axis=-1))

    def _refined(self, nodes: Nodes, log_density: FloatArray, dead: FloatArray) -> Nodes:
        """More nodes, over the region that the first ones found, with room for tails."""
        weights = np.exp(log_density - log_density.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        place = np.arange(nodes.count)
        mean = np.sum(weights * place, axis=-1)
        # 1/12: of an integrand between two nodes no more is known than in which cell it lies
        sd = np.sqrt(np.sum(weights * (place - mean[..., None]) ** 2, axis=-1) + 1 / 12)
        centre, reach = nodes.first + nodes.spacing * mean, _WIDE_REACH * nodes.spacing * sd
        low = np.maximum(centre - reach, self._lowest(dead))
        return Nodes(low, (centre + reach - low) / (self.wide_count - 1), self.wide_count)

    def log_integral_everywhere(self, form: Form, integral: OfDevices, dead: FloatArray, count: int) -> FloatArray:
        """The same by brute force: `count` nodes over all that the prior allows, and `count` more where it matters.

        The first are to find the integrand wherever it lies, also where it is narrower than their spacing.
        """
        shape = self._shape(form)
        reach = (_FARTHEST + _REACH) * self.sd
        low = np.broadcast_to(np.maximum(self.nominal - reach, self._lowest(dead)), shape)
        high = np.broadcast_to(self.nominal + reach, shape)
        nodes = Nodes(low, (high - low) / (count - 1), count)
        log_density = self.log_density(form, integral, nodes, dead)
        expected = self.nodes(form, integral, dead, 2).spacing / (2 * _REACH)
        # a peak between two nodes is higher than either by up to ½ (½ spacing/width)²
        depth = _DEPTH + (nodes.spacing / expected) ** 2 / 8
        seen = log_density > (log_density.max(axis=-1) - depth)[..., None]
        first = np.maximum(np.argmax(seen, axis=-1) - 1, 0)
        last = np.minimum(count - np.argmax(seen[..., ::-1], axis=-1), count - 1)
        nodes = Nodes(low + nodes.spacing * first, nodes.spacing * (last - first) / (count - 1), count)
        return _log_sum(self.log_density(form, integral, nodes, dead) + nodes.log_weights)

    def draw(self, form: Form, integral: OfDevices, dead: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Thickness of each device from its conditional posterior, one draw for each row, shape (n, n_devices) in nm.

        By inverting the cumulative distribution on a fine grid.
        """
        nodes, log_density = self._explored(form, integral, dead, _FOR_DRAWS)
        log_density = np.maximum(log_density - log_density.max(axis=-1, keepdims=True), -_DEPTH)
        # ln of the density is close to a parabola: cubic splines follow it between the nodes
        place = np.linspace(0.0, nodes.count - 1.0, 2 * self.cells + 1)
        density = np.exp(log_density @ CubicSpline(np.arange(nodes.count), np.eye(nodes.count))(place).T)
        edges, middles = density[..., ::2], density[..., 1::2]
        mass = np.cumsum(edges[..., :-1] + 4 * middles + edges[..., 1:], axis=-1) / 6
        target = rng.random(mass.shape[:-1]) * mass[..., -1]
        cell = np.minimum(np.sum(mass < target[..., None], axis=-1), self.cells - 1)

        def pick(table: FloatArray, k: np.ndarray) -> FloatArray:
            return np.asarray(np.take_along_axis(table, k[..., None], axis=-1)[..., 0])

        below = np.where(cell > 0, pick(mass, np.maximum(cell - 1, 0)), 0.0)
        share = (target - below) / np.maximum(pick(mass, cell) - below, 1e-300)
        left, right = pick(edges, cell), pick(edges, cell + 1)
        # inside a cell the density is taken for a straight line
        root = np.sqrt(left * left + share * (right * right - left * left))
        fraction = np.clip(share * (left + right) / np.maximum(left + root, 1e-300), 0.0, 1.0)
        return np.asarray(nodes.first + nodes.spacing * ((nodes.count - 1) / self.cells) * (cell + fraction))


def _log_sum(log_terms: FloatArray) -> FloatArray:
    top = log_terms.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.sum(np.exp(log_terms - top), axis=-1)) + top[..., 0])
