"""The likelihood of each device as a function of K(d), with its own amplitudes integrated out in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.blocks import Bounded, draw_block, log_integral
from mtjfit.model.gram import Gram, Quadratic
from mtjfit.physics.rates import ComplexArray

__all__ = ["DeviceIntegral"]


def _with_nodes(q: Quadratic, *, before: int) -> Quadratic:
    """One axis for quadrature nodes, in front of the last `before` axes."""
    index = (Ellipsis, None, *(slice(None),) * before)
    return Quadratic(q.aa[index], q.ab[index], q.bb[index])


@dataclass(frozen=True)
class DeviceIntegral:
    """ln ∫ L_j(K, c, x) N(x) dx for all devices of a batch: shared amplitudes c given, own ones x integrated out.

    Attributes
    ----------
    gram : Gram
    centre : ndarray, shape (n, n_devices, T)
        Value of each term: shared amplitudes, fixed ones, and the prior means of own ones.
    own : tuple of int
        Terms of which each device has its own amplitude.
    sd : ndarray, shape (n or 1, 1, n_own)
        Prior standard deviations of own amplitudes about their centre.
    bounded : Bounded or None
    """

    gram: Gram
    centre: FloatArray
    own: tuple[int, ...]
    sd: FloatArray
    bounded: Bounded | None = None

    def __call__(self, K: ComplexArray) -> FloatArray:
        """−½ χ² with own amplitudes integrated out, shape (n, n_devices, n_nodes), for K of that shape."""
        a, b = K.real, K.imag
        z_U, z_W = self.gram.linear(self.centre)
        square = _with_nodes(self.gram.square(self.centre), before=0)
        chi2 = self.gram.zz[..., None] - 2 * (a * z_U[..., None] + b * z_W[..., None]) + square.at(a, b)
        if not self.own:
            return np.asarray(-0.5 * chi2)
        A, h = self._block(K)
        return np.asarray(log_integral(A, h, self.bounded) - 0.5 * chi2)

    def _block(self, K: ComplexArray) -> tuple[FloatArray, FloatArray]:
        """Precision (…, n_nodes, n_own, n_own) and linear term (…, n_nodes, n_own) of the own amplitudes in x."""
        a, b = K.real[..., None], K.imag[..., None]
        sd = self.sd[..., None, :]
        z_u, z_w = (part[..., None, :] for part in self.gram.linear_of(self.own))
        crossed = _with_nodes(self.gram.cross(self.centre, self.own), before=1)
        h = sd * (a * z_u + b * z_w - crossed.at(a, b))
        between = _with_nodes(self.gram.between(self.own), before=2).at(a[..., None], b[..., None])
        A = np.eye(len(self.own)) + sd[..., :, None] * between * sd[..., None, :]
        return A, h

    def draw(self, K: ComplexArray, rng: np.random.Generator) -> FloatArray:
        """Own amplitudes given K of shape (n, n_devices), one exact draw each, shape (n, n_devices, n_own)."""
        A, h = self._block(K[..., None])
        x = draw_block(A[..., 0, :, :], h[..., 0, :], rng, self.bounded)
        return np.asarray(self.centre[..., list(self.own)] + self.sd * x)

    def step(
        self, K: ComplexArray, slope: ComplexArray, offset: FloatArray, sd: float
    ) -> tuple[FloatArray, FloatArray]:
        """One Gauss–Newton step in thickness and the width of its linearised posterior, each (n, n_devices).

        Parameters
        ----------
        K, slope : ndarray of complex, shape (n, n_devices)
            K and dK/dd at the present thickness.
        offset : ndarray, shape (n, n_devices)
            Present thickness minus nominal, in nm.
        sd : float
            Prior standard deviation of the thickness, in nm.
        """
        centre = self.centre
        if self.own:
            A, h = self._block(K[..., None])
            A, h = A[..., 0, :, :], h[..., 0, :]
            x = np.linalg.solve(A, h[..., None])[..., 0]
            centre = np.broadcast_to(centre, (*K.shape, centre.shape[-1])).copy()
            centre[..., list(self.own)] += self.sd * x
        a, b, da, db = K.real, K.imag, slope.real, slope.imag
        z_U, z_W = self.gram.linear(centre)
        square = self.gram.square(centre)
        D_r = da * (z_U - a * square.aa - 0.5 * b * square.ab) + db * (z_W - 0.5 * a * square.ab - b * square.bb)
        D_D = square.at(da, db)
        if self.own:
            Uu, Uw, Wu, Ww = self.gram.products(centre, self.own)
            da, db, a, b = (part[..., None] for part in (da, db, a, b))
            C_D = self.sd * (da * (a * Uu + b * Uw) + db * (a * Wu + b * Ww))
            D_D = D_D - np.sum(C_D * np.linalg.solve(A, C_D[..., None])[..., 0], axis=-1)
        precision = D_D + 1 / sd**2
        return np.asarray((D_r - offset / sd**2) / precision), np.asarray(1 / np.sqrt(precision))
