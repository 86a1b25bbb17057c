"""Coordinates in which amplitudes that are sampled do not follow the lengths: straight where the posterior was bent.

Where thicknesses are uncertain, shared amplitudes are sampled. Along the ridge of weak torque they grow as 1/|κ|, and
they turn with arg κ: a thin, bent posterior. Given the lengths they are almost normal, with a mean and a precision that
follow in closed form once each thickness is linearised about its nominal value. In

    v = Lᵀ (x − m),   m = (1 + I)⁻¹ h,   L Lᵀ = 1 + I,

x the normal scores of these amplitudes, I and h the information and the pull of the data, they are close to
independent standard normal numbers. It is a change of variables, so nothing is approximated: a poor linearisation costs
draws, not truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.blocks import solved
from mtjfit.model.layout import AmplitudeLayout, IntArray
from mtjfit.physics.rates import ComplexArray

if TYPE_CHECKING:
    from mtjfit.model.device_integral import DeviceIntegral

__all__ = ["Frame", "information"]


@dataclass(frozen=True, eq=False)
class Frame:
    """What the data say of some coordinates given all others, for each row.

    These coordinates have standard normal priors, whatever the others are.

    Attributes
    ----------
    columns : ndarray of int, shape (k,)
        The coordinates; none of them where the posterior is straight already.
    information : ndarray, shape (n, k, k)
        Second derivatives of −ln L.
    pull : ndarray, shape (n, k)
        First derivatives of ln L where these coordinates are zero.
    """

    columns: IntArray
    information: FloatArray
    pull: FloatArray

    @classmethod
    def trivial(cls, n: int) -> Frame:
        """The frame of n rows that leaves every coordinate as it is."""
        return cls(np.zeros(0, dtype=np.intp), np.zeros((n, 0, 0)), np.zeros((n, 0)))

    @classmethod
    def joined(cls, frames: Sequence[Frame]) -> Frame:
        """One after the other."""
        return cls(
            frames[0].columns,
            np.concatenate([each.information for each in frames]),
            np.concatenate([each.pull for each in frames]),
        )

    @cached_property
    def _mean_and_root(self) -> tuple[FloatArray, FloatArray]:
        precision = np.eye(self.columns.size) + self.information
        return solved(precision, self.pull), np.asarray(np.linalg.cholesky(precision), dtype=float)

    @property
    def log_volume(self) -> FloatArray:
        """ln |dv/dz|, shape (n,)."""
        if not self.columns.size:
            return np.zeros(self.pull.shape[0])
        root = self._mean_and_root[1]
        return np.asarray(np.sum(np.log(np.diagonal(root, axis1=-2, axis2=-1)), axis=-1))

    def inward(self, z: FloatArray) -> FloatArray:
        """Straight coordinates of `z`, shape (n, size)."""
        if not self.columns.size:
            return z
        mean, root = self._mean_and_root
        v = z.copy()
        v[:, self.columns] = np.einsum("nji,nj->ni", root, z[:, self.columns] - mean)
        return v

    def outward(self, v: FloatArray) -> FloatArray:
        """Coordinates of straight ones, shape (n, size)."""
        if not self.columns.size:
            return v
        mean, root = self._mean_and_root
        z = v.copy()
        back = np.linalg.solve(np.swapaxes(root, -1, -2), v[:, self.columns, None])[..., 0]
        z[:, self.columns] = mean + back
        return z


def information(
    integral: DeviceIntegral,
    K: ComplexArray,
    slope: ComplexArray,
    thickness_sd: float,
    amplitudes: AmplitudeLayout,
    sampled: Sequence[int],
) -> tuple[FloatArray, FloatArray]:
    """Information (n, k, k) and pull (n, k) of the data about some shared amplitudes, as normal scores.

    Every device counts with its thickness, linearised, and with its own amplitudes integrated out.

    Parameters
    ----------
    integral : DeviceIntegral
        With all other amplitudes where they are; those of `sampled` do not matter.
    K, slope : ndarray of complex, shape (n, n_devices)
        K and dK/dd at the nominal thicknesses.
    thickness_sd : float
        Prior standard deviation of each thickness in nm, 0 where it is known.
    amplitudes : AmplitudeLayout
    sampled : sequence of int
        Free amplitudes without bounds.
    """
    T, (n, J) = amplitudes.power.size, K.shape
    table = integral.gram.table
    full, z_all = table[..., 1:, 1:], table[..., 0, 1:]
    serves = np.stack([amplitudes.column == a for a in sampled], axis=-1)  # (n_devices, T, k)
    centre = np.broadcast_to(integral.centre, (n, J, T))
    known = np.where(serves.any(axis=-1), 0.0, centre)
    a, b = K.real[..., None, None], K.imag[..., None, None]
    uu, uw, ww = full[..., :T, :T], full[..., :T, T:], full[..., T:, T:]
    G = a * a * uu + a * b * (uw + np.swapaxes(uw, -1, -2)) + b * b * ww
    data = a[..., 0] * z_all[..., :T] + b[..., 0] * z_all[..., T:]
    h = data - np.einsum("njts,njs->njt", G, known)
    directions = _directions(integral, K, slope, thickness_sd, (G, data), amplitudes, centre)
    if directions.shape[2]:
        along = directions @ full  # products with every u_t and w_t
        with_terms = a * along[..., :T] + b * along[..., T:]
        with_rest = np.einsum("njk,njek->nje", np.broadcast_to(z_all, (n, J, 2 * T)), directions)
        with_rest = with_rest - np.einsum("njet,njt->nje", with_terms, known)
        width = along @ np.swapaxes(directions, -1, -2) + np.eye(directions.shape[2])
        both = np.concatenate([with_terms, with_rest[..., None]], axis=-1)
        back = both / width if directions.shape[2] == 1 else np.linalg.solve(width, both)
        G = G - np.swapaxes(with_terms, -1, -2) @ back[..., :T]
        h = h - np.einsum("njet,nje->njt", with_terms, back[..., T])
    sd, mean = amplitudes.sd[list(sampled)], amplitudes.mean[list(sampled)]
    scaled = serves * sd
    total = np.einsum("njts,jta,jsb->nab", G, scaled, scaled, optimize=True)
    pull = np.einsum("njt,jta->na", h, scaled) - np.einsum("nab,b->na", total, mean / sd)
    return np.asarray(total), np.asarray(pull)


def _directions(
    integral: DeviceIntegral,
    K: ComplexArray,
    slope: ComplexArray,
    thickness_sd: float,
    normal: tuple[FloatArray, FloatArray],
    amplitudes: AmplitudeLayout,
    centre: FloatArray,
) -> FloatArray:
    """By how much of each u_t and w_t a device may depart, one sd each, shape (n, n_devices, n_directions, 2T).

    Its thickness, for the amplitudes that fit the device alone, and its own amplitudes about their centre.
    """
    T, (n, J), own = amplitudes.power.size, K.shape, list(integral.own)
    found = np.zeros((n, J, (thickness_sd > 0) + len(own), 2 * T))
    if thickness_sd > 0:
        column = amplitudes.column
        free = np.append(amplitudes.sd, 0.0)[column]
        G, data = normal
        # in units of the prior's sd, so that what is fixed stays where it is
        precision = free[:, :, None] * G * free[:, None, :] + np.eye(T)
        pull = free * (data - np.einsum("njts,njs->njt", G, centre))
        c = centre + free * solved(precision, pull)
        found[:, :, 0, :T] = c * (slope.real * thickness_sd)[..., None]
        found[:, :, 0, T:] = c * (slope.imag * thickness_sd)[..., None]
    sd = np.broadcast_to(integral.sd, (n, J, len(own)))
    for k, t in enumerate(own, start=found.shape[2] - len(own)):
        found[:, :, k, t] = sd[..., k - found.shape[2]] * K.real
        found[:, :, k, T + t] = sd[..., k - found.shape[2]] * K.imag
    return found
