"""Coordinates that remove the correlation of sampled amplitudes with the lengths.

Where thicknesses are uncertain, shared amplitudes are sampled. Along the ridge of weak torque they grow as 1/|κ|, and
they turn with arg κ: a thin, bent posterior. Given the lengths they are almost normal, with a mean and a precision that
follow in closed form once each thickness is linearised about its nominal value. In

    v = Lᵀ (x − m),   m = (1 + I)⁻¹ h,   L Lᵀ = 1 + I,

x the normal scores of these amplitudes, I and h the information and the pull of the data, they are close to
independent standard normal numbers. It is a change of variables, so nothing is approximated: a poor linearisation costs
effective draws but no bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.amplitude_integral import solved
from mtjfit.model.layout import AmplitudeLayout

if TYPE_CHECKING:
    from mtjfit.model.amplitude_integral import DeviceIntegral


@dataclass(frozen=True, eq=False)
class Frame(ShownAsCard):
    """Normal distribution of some coordinates given all others, for each row.

    These coordinates have standard normal priors, whatever the others are.
    """

    columns: IntArray  # the coordinates; none of them where the posterior is straight already, shape (k,)
    information: FloatArray  # second derivatives of −ln L, shape (n, k, k)
    pull: FloatArray  # first derivatives of ln L where these coordinates are zero, shape (n, k)

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
        one = np.eye(self.columns.size)
        precision, pull = one + self.information, self.pull
        try:
            root = np.linalg.cholesky(precision)
        except np.linalg.LinAlgError:  # errors so small that the products of data and model have lost their digits
            lost = np.array([not _is_definite(each) for each in precision])
            precision, pull = np.where(lost[:, None, None], one, precision), np.where(lost[:, None], 0.0, pull)
            root = np.linalg.cholesky(precision)
        return solved(precision, pull), np.asarray(root, dtype=float)

    @property
    def mean(self) -> FloatArray:
        """Mean of these coordinates, shape (n, k)."""
        return self._mean_and_root[0]

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


def _is_definite(matrix: FloatArray) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def information(
    integral: DeviceIntegral,
    K: ComplexArray,
    slope: ComplexArray,
    thickness_sd: float,
    amplitudes: AmplitudeLayout,
    sampled: Sequence[int],
) -> tuple[FloatArray, FloatArray]:
    """Information (n, k, k) and pull (n, k) of the data about `sampled` amplitudes without bounds, as normal scores.

    Every device counts with its thickness, linearised at the nominal one, where K and slope = dK/dd are given,
    (n, n_devices), and with its own amplitudes integrated out. All other amplitudes are where `integral` has them.
    """
    serves = np.stack([amplitudes.column == a for a in sampled], axis=-1)  # (n_devices, T, k)
    a, b = np.ascontiguousarray(K.real), np.ascontiguousarray(K.imag)
    gram, (z_u, z_w) = integral.gram, integral.gram.z_terms
    # terms in front: G[t, s] and h[t] are of shape (n, n_devices)
    G, data = gram.between.square(a, b), a * z_u + b * z_w
    centre = np.moveaxis(np.broadcast_to(integral.centre, (*K.shape, amplitudes.power.size)), -1, 0)
    served = np.asarray(np.any(serves, axis=-1)).T[:, None]
    known = np.where(served, 0.0, centre)
    h = data - np.sum(G * known, axis=1)
    own = list(integral.own)
    sd = np.moveaxis(np.broadcast_to(integral.sd, (*K.shape, len(own))), -1, 0)
    # by how much each device may depart from the shared amplitudes, one sd each: products with terms, with the data,
    # and with each other
    with_terms = [sd[k] * G[:, o] for k, o in enumerate(own)]
    with_data = [sd[k] * h[o] for k, o in enumerate(own)]
    each_other = [[sd[k] * sd[m] * G[o, p] for m, p in enumerate(own)] for k, o in enumerate(own)]
    if thickness_sd > 0:
        c = _alone(G, data, centre, amplitudes) * thickness_sd
        da, db = np.ascontiguousarray(slope.real), np.ascontiguousarray(slope.imag)
        along = np.sum(gram.between.at(a, b, da, db) * c, axis=1)  # of each term with the thickness
        with_terms.append(along)
        with_data.append(np.sum(c * (da * z_u + db * z_w), axis=0) - np.sum(along * known, axis=0))
        square = np.sum(np.sum(gram.between.square(da, db) * c, axis=1) * c, axis=0)
        each_other = [[*row, sd[k] * along[o]] for k, (o, row) in enumerate(zip(own, each_other, strict=True))]
        each_other.append([*(row[-1] for row in each_other), square])
    if with_terms:
        E, e = np.stack(with_terms), np.stack(with_data)
        width = np.array(each_other) + np.eye(len(E))[:, :, None, None]
        both = np.concatenate([E, e[:, None]], axis=1)  # (directions, T + 1, n, n_devices)
        back = _solved(width, both)
        G = G - np.sum(E[:, :, None] * back[:, None, :-1], axis=0)
        h = h - np.sum(E * back[:, None, -1], axis=0)
    amplitude_sd, mean = amplitudes.sd[list(sampled)], amplitudes.mean[list(sampled)]
    scaled = serves * amplitude_sd
    total = np.zeros((K.shape[0], scaled.shape[-1] ** 2))
    for t, s in np.ndindex(len(G), len(G)):
        pairs = scaled[:, t, :, None] * scaled[:, s, None, :]
        if not pairs.any():
            continue
        total += np.broadcast_to(G[t, s], K.shape) @ pairs.reshape(K.shape[1], -1)
    total = total.reshape(K.shape[0], len(mean), len(mean))
    pull = sum(h[t] @ scaled[:, t] for t in range(h.shape[0])) - total @ (mean / amplitude_sd)
    return np.asarray(total), np.asarray(pull)


def _alone(G: FloatArray, data: FloatArray, centre: FloatArray, amplitudes: AmplitudeLayout) -> FloatArray:
    """Amplitudes that fit each device alone, with their priors, shape (T, n, n_devices)."""
    free = np.append(amplitudes.sd, 0.0)[amplitudes.column].T[:, None]  # in its units what is fixed stays where it is
    precision = free[:, None] * G * free[None] + np.eye(len(G))[:, :, None, None]
    pull = free * (data - np.sum(G * centre, axis=1))
    return np.asarray(centre + free * _solved(precision, pull[:, None])[:, 0])


def _solved(A: FloatArray, b: FloatArray) -> FloatArray:
    """A⁻¹b for A of shape (m, m, …) and b of shape (m, k, …); one and two rows by hand."""
    if A.shape[0] == 1:
        return np.asarray(b / A[0])
    if A.shape[0] == 2:
        determinant = A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]
        both = np.stack([A[1, 1] * b[0] - A[0, 1] * b[1], A[0, 0] * b[1] - A[1, 0] * b[0]])
        return np.asarray(both / determinant)
    matrices, vectors = np.moveaxis(A, (0, 1), (-2, -1)), np.moveaxis(b, (0, 1), (-2, -1))
    found = np.asarray(np.linalg.solve(matrices, vectors), dtype=float)
    return np.moveaxis(found, (-2, -1), (0, 1))
