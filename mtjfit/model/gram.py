"""Inner products of data and model of each curve: all that integrals over amplitudes and thickness need of them.

For K = a + ib the model of a curve is Σ_t c_t (a u_t + b w_t), one term for each coefficient c_t of J0(V), with
whitened vectors u_t and w_t that depend on the bias alone. χ² and its derivatives are polynomials in a, b and c with
the inner products of z, u_t and w_t as coefficients. Axes of terms come first, so that each coefficient of a
polynomial is one contiguous array over rows and devices.

Unlike R and z themselves the products cancel in χ²: ln L is good to 1e-16 Σ (y/σ)², far below one as long as the errors
are not a millionth of the torque.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.compress import Compressed
from mtjfit.model.layout import IntArray
from mtjfit.physics.diffusion import ComplexArray

__all__ = ["Bilinear", "Gram", "Products", "gram_by_component"]


def gram_by_component(data: Compressed, phase: ComplexArray, power: IntArray) -> FloatArray:
    """Inner products of (z, u_1 …, w_1 …), shape (n_devices, 2, 1 + 2T, 1 + 2T): in-plane rows, out-of-plane rows.

    Parameters
    ----------
    phase : ndarray of complex, shape (T,)
        1 for in-plane, i for out-of-plane terms of J0(V).
    power : ndarray of int, shape (T,)
        Power of V of each.
    """
    P = data.powers.size
    position = np.searchsorted(data.powers, power)
    R_par, R_perp = data.R[:, :, position], data.R[:, :, P + position]
    u = phase.real * R_par + phase.imag * R_perp
    w = phase.real * R_perp - phase.imag * R_par
    X = np.concatenate([data.z[:, :, None], u, w], axis=2)
    X = X.reshape(X.shape[0], 2, P, X.shape[2])
    return np.asarray(np.einsum("jcra,jcrb->jcab", X, X))


@dataclass(frozen=True)
class Bilinear:
    """(a U + b W)·(a' u + b' w) = a a' uu + a b' uw + b a' wu + b b' ww, for real arrays that broadcast."""

    uu: FloatArray
    uw: FloatArray
    wu: FloatArray
    ww: FloatArray

    @cached_property
    def mixed(self) -> FloatArray:
        """uw + wu."""
        return np.asarray(self.uw + self.wu)

    def at(self, a: FloatArray, b: FloatArray, a2: FloatArray, b2: FloatArray) -> FloatArray:
        """Value for a + ib on the left and a2 + i b2 on the right."""
        return np.asarray(a * (a2 * self.uu + b2 * self.uw) + b * (a2 * self.wu + b2 * self.ww))

    def square(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Value for the same a + ib on both sides."""
        return np.asarray(a * (a * self.uu + b * self.mixed) + b * b * self.ww)

    def times(self, factor: FloatArray) -> Bilinear:
        """All coefficients multiplied."""
        return Bilinear(self.uu * factor, self.uw * factor, self.wu * factor, self.ww * factor)

    def of(self, index: Any) -> Bilinear:
        """Some of the coefficients."""
        return Bilinear(self.uu[index], self.uw[index], self.wu[index], self.ww[index])


@dataclass(frozen=True)
class Products:
    """Inner products of U = Σ c_t u_t and W = Σ c_t w_t for given coefficients c.

    Attributes
    ----------
    z_U, z_W : ndarray, shape (n, n_devices)
        With the data.
    square : Bilinear
        With themselves, same shape.
    terms : Bilinear
        With every u_t and w_t, shape (T, n, n_devices).
    """

    z_U: FloatArray
    z_W: FloatArray
    square: Bilinear
    terms: Bilinear


@dataclass(frozen=True)
class Gram:
    """Inner products for a batch of parameters, whitened by the noise scales of each.

    Attributes
    ----------
    table : ndarray, shape (n or 1, n_devices, 1 + 2T, 1 + 2T)
    """

    table: FloatArray

    @cached_property
    def _first(self) -> FloatArray:
        return np.ascontiguousarray(np.moveaxis(self.table, (2, 3), (0, 1)))

    @cached_property
    def _u(self) -> slice:
        return slice(1, 1 + (self.table.shape[-1] - 1) // 2)

    @cached_property
    def _w(self) -> slice:
        return slice(self._u.stop, None)

    @property
    def zz(self) -> FloatArray:
        """|z|², shape (n or 1, n_devices)."""
        return np.asarray(self._first[0, 0])

    @property
    def z_terms(self) -> tuple[FloatArray, FloatArray]:
        """z·u_t and z·w_t, shape (T, n or 1, n_devices)."""
        return self._first[0, self._u], self._first[0, self._w]

    @cached_property
    def between(self) -> Bilinear:
        """(a u_t + b w_t)·(a' u_s + b' w_s), arrays of shape (T, T, n or 1, n_devices)."""
        u, w = self._u, self._w
        return Bilinear(self._first[u, u], self._first[u, w], self._first[w, u], self._first[w, w])

    def products(self, c: FloatArray) -> Products:
        """Inner products with U and W, for c of shape (n, n_devices, T)."""
        u, w, c = self._u, self._w, np.moveaxis(c, -1, 0)
        with_U = np.sum(c[:, None] * self._first[u], axis=0)
        with_W = np.sum(c[:, None] * self._first[w], axis=0)
        UU, UW, WW = (np.sum(c * part, axis=0) for part in (with_U[u], with_U[w], with_W[w]))
        terms = Bilinear(with_U[u], with_U[w], with_W[u], with_W[w])
        return Products(with_U[0], with_W[0], Bilinear(UU, UW, UW, WW), terms)
