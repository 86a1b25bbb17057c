"""The likelihood of each device as a function of K(d), with its own amplitudes integrated out in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.blocks import Bounded, Mode, draw_block, log_integral
from mtjfit.model.gram import Bilinear, Gram, Products
from mtjfit.physics.diffusion import ComplexArray

__all__ = ["DeviceIntegral"]

_NODE = (Ellipsis, None)


@dataclass(frozen=True)
class DeviceIntegral:
    """ln ∫ L_j(K, c, x) N(x) dx for all devices of a batch: shared amplitudes c given, own ones x integrated out.

    Attributes
    ----------
    gram : Gram
    centre : ndarray, shape (n or 1, n_devices, T)
        Value of each term: shared amplitudes, fixed ones, and the prior means of own ones.
    own : tuple of int
        Terms of which each device has its own amplitude.
    sd : ndarray, shape (n or 1, n_devices or 1, n_own)
        Prior standard deviations of own amplitudes about their centre.
    bounded : Bounded or None
    """

    gram: Gram
    centre: FloatArray
    own: tuple[int, ...]
    sd: FloatArray
    bounded: Bounded | None = None

    @cached_property
    def products(self) -> Products:
        """Inner products with the model at the centre."""
        return self.gram.products(self.centre)

    @cached_property
    def _square(self) -> Bilinear:
        return self.products.square.of(_NODE)

    @cached_property
    def _linear(self) -> tuple[FloatArray, FloatArray]:
        return self.products.z_U[_NODE], self.products.z_W[_NODE]

    @cached_property
    def _sd(self) -> FloatArray:
        """Standard deviations with the axis of own amplitudes in front, and one for nodes at the end."""
        return np.ascontiguousarray(np.moveaxis(self.sd, -1, 0))[_NODE]

    @cached_property
    def _z_own(self) -> tuple[FloatArray, FloatArray]:
        """z·u_o and z·w_o times the standard deviation, shape (n_own, n or 1, n_devices, 1)."""
        z_u, z_w = self.gram.z_terms
        own = list(self.own)
        return z_u[own][_NODE] * self._sd, z_w[own][_NODE] * self._sd

    @cached_property
    def _cross(self) -> Bilinear:
        """(a U + b W)·(a' u_o + b' w_o) times the standard deviation, shape (n_own, n, n_devices, 1)."""
        return self.products.terms.of(list(self.own)).of(_NODE).times(self._sd)

    @cached_property
    def _between(self) -> Bilinear:
        """(a u_o + b w_o)·(a' u_p + b' w_p) times both standard deviations, shape (n_own, n_own, n, n_devices, 1)."""
        return self.gram.between.of(np.ix_(self.own, self.own)).of(_NODE).times(self._sd[:, None] * self._sd)

    def __call__(self, K: ComplexArray) -> FloatArray:
        """−½ χ² with own amplitudes integrated out, shape (n, n_devices, n_nodes), for K of that shape."""
        a, b = np.ascontiguousarray(K.real), np.ascontiguousarray(K.imag)
        (z_U, z_W), square = self._linear, self._square
        result = a * (z_U - a * (0.5 * square.uu) - b * square.uw) + b * (z_W - b * (0.5 * square.ww))
        result -= 0.5 * self.gram.zz[_NODE]
        return result + log_integral(*self._block(a, b), self.bounded) if self.own else result

    def _block(self, a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Precision (…, n_nodes, n_own, n_own) and linear term (…, n_nodes, n_own) of the own amplitudes in x."""
        (z_u, z_w), cross, between, m = self._z_own, self._cross, self._between, len(self.own)
        h = a * (z_u - a * cross.uu - b * cross.mixed) + b * (z_w - b * cross.ww)
        A = np.empty((m, *h.shape))
        for o in range(m):
            for p in range(o + 1):
                A[o, p] = between.of((o, p)).square(a, b)
                A[p, o] = A[o, p]
            A[o, o] += 1.0
        return np.moveaxis(A, (0, 1), (-2, -1)), np.moveaxis(h, 0, -1)

    def draw(self, K: ComplexArray, rng: np.random.Generator) -> FloatArray:
        """Own amplitudes given K of shape (n, n_devices), one exact draw each, shape (n, n_devices, n_own)."""
        A, h = self._block(K.real[_NODE], K.imag[_NODE])
        x = draw_block(A[..., 0, :, :], h[..., 0, :], rng, self.bounded)
        return np.asarray(self.centre[..., list(self.own)] + self.sd * x)

    def step(
        self, K: ComplexArray, slope: ComplexArray, offset: FloatArray, sd: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """One Gauss–Newton step in thickness and the width of its linearised posterior, each (n, n_devices).

        With D = dK/dd (U + iW) the change of the model, r what the data leave, and C_o its products with own terms,

            step = (D·r − offset/sd²) w²,  1/w² = D·D − Cᵀ A⁻¹ C + 1/sd².

        Parameters
        ----------
        K, slope : ndarray of complex, shape (n, n_devices)
            K and dK/dd at the present thickness.
        offset : ndarray, shape (n, n_devices)
            Present thickness minus nominal, in nm.
        sd : ndarray, shape (n or 1, 1)
            Prior standard deviation of the thickness, in nm.
        """
        a, b, da, db = (part[_NODE] for part in (K.real, K.imag, slope.real, slope.imag))
        (z_U, z_W), square = self._linear, self._square
        D_r = da * z_U + db * z_W - square.at(da, db, a, b)
        D_D = square.square(da, db)
        if self.own:
            # the model at the best own amplitudes x is that of U + Σ x_o u_o and W + Σ x_o w_o
            mode = Mode.of(*self._block(a, b), self.bounded)
            x = np.moveaxis(mode.x, -1, 0)
            (z_u, z_w), cross, between = self._z_own, self._cross, self._between
            C = cross.at(da, db, a, b) + np.sum(x[:, None] * between.at(da, db, a, b), axis=0)
            own_D = cross.square(da, db)
            D_r = D_r + np.sum(x * (da * z_u + db * z_w - cross.at(a, b, da, db) - C), axis=0)
            D_D = D_D + np.sum(x * (2 * own_D + np.sum(x[:, None] * between.square(da, db), axis=0)), axis=0)
            D_D = D_D - mode.explained(np.moveaxis(C, 0, -1))
        precision = D_D[..., 0] + 1 / sd**2
        return np.asarray((D_r[..., 0] - offset / sd**2) / precision), np.asarray(1 / np.sqrt(precision))
