"""Inner products of data and model of each curve: all that integrals over amplitudes and thickness need of them.

For K = a + ib the model of a curve is Σ_t c_t (a u_t + b w_t), one term for each coefficient c_t of J0(V), with
whitened vectors u_t and w_t that depend on the bias alone. χ² and its derivatives are polynomials in a, b and c with
the inner products of z, u_t and w_t as coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.compress import Compressed
from mtjfit.model.layout import AmplitudeLayout

__all__ = ["Gram", "Quadratic", "gram_by_component"]


def gram_by_component(data: Compressed, amplitudes: AmplitudeLayout) -> FloatArray:
    """Inner products of (z, u_1 …, w_1 …), shape (n_devices, 2, 1 + 2T, 1 + 2T): in-plane rows, out-of-plane rows."""
    P = data.powers.size
    position = np.searchsorted(data.powers, amplitudes.power)
    R_par, R_perp = data.R[:, :, position], data.R[:, :, P + position]
    u = amplitudes.phase.real * R_par + amplitudes.phase.imag * R_perp
    w = amplitudes.phase.real * R_perp - amplitudes.phase.imag * R_par
    X = np.concatenate([data.z[:, :, None], u, w], axis=2)
    X = X.reshape(X.shape[0], 2, P, X.shape[2])
    return np.asarray(np.einsum("jcra,jcrb->jcab", X, X))


@dataclass(frozen=True)
class Quadratic:
    """a² aa + ab ab + b² bb, for real arrays that broadcast."""

    aa: FloatArray
    ab: FloatArray
    bb: FloatArray

    def at(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Value at K = a + ib."""
        return a * a * self.aa + a * b * self.ab + b * b * self.bb


@dataclass(frozen=True)
class Gram:
    """Inner products for a batch of parameters, whitened by the noise scales of each.

    Attributes
    ----------
    table : ndarray, shape (n or 1, n_devices, 1 + 2T, 1 + 2T)
    """

    table: FloatArray

    @property
    def n_terms(self) -> int:
        """T."""
        return int((self.table.shape[-1] - 1) // 2)

    @property
    def zz(self) -> FloatArray:
        """|z|², shape (n or 1, n_devices)."""
        return self.table[..., 0, 0]

    def linear(self, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """z·U and z·W with U = Σ c_t u_t and W = Σ c_t w_t, for c of shape (n, n_devices, T)."""
        T = self.n_terms
        return np.sum(self.table[..., 0, 1 : 1 + T] * c, -1), np.sum(self.table[..., 0, 1 + T :] * c, -1)

    def linear_of(self, own: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """z·u_o and z·w_o of the terms `own`, shape (n or 1, n_devices, n_own)."""
        u, w = self._places(own)
        return self.table[..., 0, u], self.table[..., 0, w]

    def square(self, c: FloatArray) -> Quadratic:
        """|a U + b W|²."""
        T = self.n_terms
        uu, uw, ww = self.table[..., 1 : 1 + T, 1 : 1 + T], self.table[..., 1 : 1 + T, 1 + T :], self._ww
        by_u, by_w, by_ww = (np.sum(block * c[..., None, :], -1) for block in (uu, uw, ww))
        return Quadratic(np.sum(by_u * c, -1), 2 * np.sum(by_w * c, -1), np.sum(by_ww * c, -1))

    def products(self, c: FloatArray, own: tuple[int, ...]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """U·u_o, U·w_o, W·u_o and W·w_o, each of shape (n, n_devices, n_own)."""
        T, (u, w) = self.n_terms, self._places(own)
        rows_u, rows_w = self.table[..., 1 : 1 + T, :], self.table[..., 1 + T :, :]

        def summed(rows: FloatArray, columns: list[int]) -> FloatArray:
            return np.asarray(np.sum(rows[..., columns] * c[..., None], -2))

        return summed(rows_u, u), summed(rows_u, w), summed(rows_w, u), summed(rows_w, w)

    def cross(self, c: FloatArray, own: tuple[int, ...]) -> Quadratic:
        """(a U + b W)·(a u_o + b w_o), arrays of shape (n, n_devices, n_own)."""
        Uu, Uw, Wu, Ww = self.products(c, own)
        return Quadratic(Uu, Uw + Wu, Ww)

    def between(self, own: tuple[int, ...]) -> Quadratic:
        """(a u_o + b w_o)·(a u_p + b w_p), arrays of shape (n or 1, n_devices, n_own, n_own)."""
        u, w = self._places(own)

        def block(rows: list[int], columns: list[int]) -> FloatArray:
            return np.asarray(self.table[..., rows, :][..., columns])

        mixed = block(u, w)
        return Quadratic(block(u, u), mixed + np.swapaxes(mixed, -1, -2), block(w, w))

    @property
    def _ww(self) -> FloatArray:
        return self.table[..., 1 + self.n_terms :, 1 + self.n_terms :]

    def _places(self, own: tuple[int, ...]) -> tuple[list[int], list[int]]:
        return [1 + t for t in own], [1 + self.n_terms + t for t in own]
