"""The likelihood of each device under Student-t errors as a function of K(d), point by point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from mtjfit.data import FloatArray
from mtjfit.physics.diffusion import ComplexArray

__all__ = ["StudentIntegral", "information_share"]


def information_share(dof: FloatArray) -> FloatArray:
    """Fisher information about the place of a t distribution, (ν + 1)/(ν + 3) of that of a normal one of its scale."""
    return (dof + 1) / (dof + 3)


@dataclass(frozen=True)
class StudentIntegral:
    """ln L_j(K) for all devices of a batch, all amplitudes given: what `DeviceIntegral` is for normal errors.

    Points that are missing have `terms` and `values` of zero.

    Attributes
    ----------
    centre : ndarray, shape (n or 1, n_devices, T)
        Value of each term.
    terms : ndarray of complex, shape (n_devices, N, T)
        Terms of J0(V), with their phases, at each point.
    values : ndarray of complex, shape (n_devices, N)
        Measured par + i perp.
    scales : ndarray, shape (2, n or 1, n_devices, N)
        σ of par and of perp.
    counts : ndarray of bool, shape (n_devices, N)
    dof : ndarray, shape (n or 1, n_devices)
        ν.
    """

    centre: FloatArray
    terms: ComplexArray
    values: ComplexArray
    scales: FloatArray
    counts: np.ndarray
    dof: FloatArray

    @cached_property
    def _current(self) -> ComplexArray:
        """J0(V) at each point, shape (n, n_devices, N)."""
        return np.asarray((self.terms @ self.centre[..., None])[..., 0])

    @cached_property
    def _constant(self) -> FloatArray:
        """ln of the height of all densities of a device, shape (n, n_devices)."""
        nu, n_values = self.dof, 2 * self.counts.sum(axis=-1)
        height = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
        return np.asarray(n_values * height - np.sum(np.log(self.scales), axis=(0, -1), where=self.counts))

    @cached_property
    def _scaled(self) -> tuple[tuple[FloatArray, FloatArray, FloatArray], ...]:
        """For par and perp: what Re K and Im K multiply, and the values, over √ν σ, shape (n, n_devices, N)."""
        current, (par, perp) = self._current, 1 / (self.scales * np.sqrt(self.dof)[..., None])
        return (
            (current.real * par, -current.imag * par, self.values.real * par),
            (current.imag * perp, current.real * perp, self.values.imag * perp),
        )

    def __call__(self, K: ComplexArray) -> FloatArray:
        """ln L_j, shape (n, n_devices, n_nodes), for K of that shape."""
        a, b = (np.ascontiguousarray(part)[..., None] for part in (K.real, K.imag))
        both = np.ones(())
        for with_a, with_b, y in self._scaled:
            away = a * with_a[:, :, None]
            away += b * with_b[:, :, None]
            away -= y[:, :, None]
            away *= away
            away += 1.0
            both = np.multiply(both, away, out=away)
        # one logarithm for both components: it is what this costs
        total = np.log(both, out=both).sum(axis=-1)
        return np.asarray(self._constant[..., None] - 0.5 * (self.dof[..., None] + 1) * total)

    def step(
        self, K: ComplexArray, slope: ComplexArray, offset: FloatArray, sd: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """One step of Fisher scoring in thickness, and the width of the posterior there, each (n, n_devices).

        Each point counts with its weight (ν + 1)/(ν + r²), so that outliers do not pull. Parameters as those of
        `DeviceIntegral.step`.
        """
        pull, stiffness = np.zeros(K.shape), np.zeros(K.shape)
        for with_a, with_b, y in self._scaled:
            away = y - K.real[..., None] * with_a - K.imag[..., None] * with_b
            along = slope.real[..., None] * with_a + slope.imag[..., None] * with_b
            weighted = along / (1 + away**2)
            pull = pull + np.sum(weighted * away, axis=-1)
            stiffness = stiffness + np.sum(weighted * along, axis=-1)
        count = self.dof + 1  # the scale of t has taken ν out
        precision = count * information_share(self.dof) * stiffness + 1 / sd**2
        return np.asarray((count * pull - offset / sd**2) / precision), np.asarray(1 / np.sqrt(precision))
