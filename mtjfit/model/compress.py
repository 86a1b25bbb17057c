"""Each curve reduced, once and exactly, to the few sums through which it enters a Gaussian likelihood.

For fixed bias the model of a curve is a polynomial in V per component, T = Σ_n (α_n + i β_n) p_n(V) with p_n = Vⁿ for
a torque and n Vⁿ⁻¹ for a torkance. A QR decomposition of the whitened design keeps R, z and the residual sum of
squares: χ²(α, β) = rss + |R (α, β) − z|², for any number of bias points, without the cancellation of normal equations.

Where the errors of the two components, or of different points, are correlated, both components are whitened together.
R is then block upper triangular, and the residual sum of squares belongs to no single component.

Integrals over amplitudes and thickness need inner products only. For K = a + ib the model of a curve is
Σ_t c_t (a u_t + b w_t), one term for each coefficient c_t of J0(V), with whitened vectors u_t and w_t that depend on
the bias alone. χ² is a polynomial in a, b and c with the inner products of z, u_t and w_t as coefficients (`Gram`).
These products cancel in χ²: ln L is good to 1e-16 Σ (y/σ)², far below one as long as the errors are not a millionth of
the torque.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import TorqueCurve
from mtjfit.model.noise import PointErrors, effective_errors, values_in_use
from mtjfit.study import CurrentTerm, Study
from mtjfit.study.current_term import NO_TERMS, OWN_DIGITS


@dataclass(frozen=True)
class Compressed(ShownAsCard):
    """Sufficient statistics of all curves, in the unit of the first."""

    powers: IntArray  # powers of V that occur, shape (P,)
    # columns: in-plane, then out-of-plane coefficients. Rows likewise where the components' errors are independent.
    # Where they are correlated, the first P rows also depend on out-of-plane coefficients, shape (n_devices, 2P, 2P)
    R: FloatArray
    z: FloatArray  # shape (n_devices, 2P)
    # residual sum of squares of each component about its own polynomial. Where errors are correlated only the sum has
    # a meaning: all of it stands in the first place, shape (n_devices, 2)
    rss: FloatArray
    n: IntArray  # values in use, shape (n_devices, 2)
    # Σ ln σ over the values in use, or ½ ln det of their covariance, in the unit of the first curve, (n_devices,)
    log_sigma: FloatArray
    fitted: np.ndarray  # true where σ is not known: R, z and rss then belong to σ = 1, shape (n_devices,)

    def columns(self, power: IntArray) -> tuple[FloatArray, FloatArray]:
        """Columns of R of the in-plane and of the out-of-plane coefficients of T powers, (n_devices, 2P, T) each."""
        position = np.searchsorted(self.powers, power)
        return self.R[:, :, position], self.R[:, :, self.powers.size + position]

    def chosen(self, devices: slice | IntArray) -> Compressed:
        """The statistics of some of the devices."""
        R, z, rss, n = self.R[devices], self.z[devices], self.rss[devices], self.n[devices]
        return Compressed(self.powers, R, z, rss, n, self.log_sigma[devices], self.fitted[devices])


def polynomial_design(
    curve: TorqueCurve, powers: IntArray, bias: FloatArray, terms: Mapping[int, CurrentTerm] = NO_TERMS
) -> FloatArray:
    """p_n(V) for each bias and power, shape (n_bias, P): Vⁿ, or n Vⁿ⁻¹ for a torkance, times the curve's sin θ.

    sin θ only where the values carry it (`TorqueCurve.angle_factor`): amplitudes are then per sin θ. A power from 5 on
    is that of an own term of J0, with its function of V in place of Vⁿ; ValueError where `terms` lack it.
    """
    return _derivative(curve, powers, bias, 0 if curve.quantity == "torque" else 1, terms)


def polynomial_slope(
    curve: TorqueCurve, powers: IntArray, bias: FloatArray, terms: Mapping[int, CurrentTerm] = NO_TERMS
) -> FloatArray:
    """dp_n/dV for each bias and power, shape (n_bias, P), times the curve's sin θ as in `polynomial_design`."""
    return _derivative(curve, powers, bias, 1 if curve.quantity == "torque" else 2, terms)


def _derivative(
    curve: TorqueCurve, powers: IntArray, bias: FloatArray, order: int, terms: Mapping[int, CurrentTerm]
) -> FloatArray:
    """The derivatives of Vⁿ, or of own terms, of some order, times sin θ."""
    own = [k for k, power in enumerate(powers) if power in OWN_DIGITS]
    if own:
        if not terms.keys() >= set(powers[own].tolist()):
            raise ValueError(f"{powers[own].tolist()} are own terms of J0(V), and not all of them are given")
        V = np.asarray(bias, dtype=float)
        out = np.empty((V.size, powers.size))
        rest = [k for k in range(powers.size) if k not in own]
        out[:, rest] = _derivative(curve, powers[rest], V, order, terms)
        for k in own:
            out[:, k] = curve.angle_factor * terms[int(powers[k])].order(V, order)
        return out
    factor: FloatArray = np.asarray(curve.angle_factor)
    for k in range(order):
        factor = factor * (powers - k)
    return np.asarray(factor * np.asarray(bias, dtype=float)[:, None] ** np.maximum(powers - order, 0))


def spanned(X: FloatArray, least: float | None = None) -> FloatArray:
    """Orthonormal basis of what columns span, shape (rows, rank); singular values below `least` of the largest are 0.

    By default those that are no more than rounding; columns count with unit norm.
    """
    norms = np.linalg.norm(X, axis=0)
    u, s, _ = np.linalg.svd(X / np.where(norms > 0, norms, 1.0), full_matrices=False)
    return np.asarray(u[:, s > s.max(initial=0.0) * (max(X.shape) * np.finfo(float).eps if least is None else least)])


def _jointly(
    curve: TorqueCurve, scale: float, powers: IntArray, terms: Mapping[int, CurrentTerm]
) -> tuple[FloatArray, FloatArray, float, float]:
    """R (2P, 2P), z (2P,), the residual sum of squares and ½ ln det of the covariance of a curve, both components.

    A basis of the in-plane columns first, then of what the out-of-plane ones add, so that each block of P rows has the
    rank of its own columns, and z holds nothing that the polynomials cannot reach.
    """
    P, used = powers.size, curve.used
    design = polynomial_design(curve, powers, curve.bias[used], terms)
    errors = effective_errors(curve, scale, design, polynomial_slope(curve, powers, curve.bias[used], terms))
    zero = np.zeros_like(design)
    y = values_in_use(curve, scale)[:, None]
    white = errors.whitened(np.hstack([np.block([[design, zero], [zero, design]]), y]))
    first = spanned(white[:, :P])
    beyond = white[:, P:-1] - first @ (first.T @ white[:, P:-1])
    R, z, rest = np.zeros((2 * P, 2 * P)), np.zeros(2 * P), white[:, -1]
    for start, basis in ((0, first), (P, spanned(beyond))):
        rows = slice(start, start + basis.shape[1])
        R[rows, start:], z[rows] = basis.T @ white[:, start:-1], basis.T @ rest
        rest = rest - basis @ z[rows]
    return R, z, float(rest @ rest), errors.log_sigma


def _component(design: FloatArray, y: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """R (P, P), z (P,) and the residual sum of squares of one component."""
    P = design.shape[1]
    q, r = np.linalg.qr(design / sigma[:, None])
    white = y / sigma
    z = q.T @ white
    R, Z = np.zeros((P, P)), np.zeros(P)
    R[: r.shape[0]], Z[: z.size] = r, z
    return R, Z, float(np.sum((white - q @ z) ** 2))


def compress(study: Study, powers: IntArray) -> Compressed:
    """Sufficient statistics of a study for the given powers of V; masked points do not enter.

    Exact for independent and for correlated errors. Errors of the bias enter by effective variance, an approximation
    (`mtjfit.model.noise.effective_errors`).
    """
    J, P = len(study.curves), powers.size
    R, z = np.zeros((J, 2 * P, 2 * P)), np.zeros((J, 2 * P))
    rss, n, log_sigma = np.zeros((J, 2)), np.zeros((J, 2), dtype=int), np.zeros(J)
    for j, curve in enumerate(study.curves):
        scale = study.scale_of(curve)
        n[j] = curve.used_values.sum(axis=1)
        if curve.is_correlated:
            R[j], z[j], rss[j, 0], log_sigma[j] = _jointly(curve, scale, powers, study.model.terms)
            continue
        for c, used in enumerate(curve.used_values):
            y, known = curve.component(c)
            design = polynomial_design(curve, powers, curve.bias[used], study.model.terms)
            block = slice(c * P, (c + 1) * P)
            sigma = np.ones(n[j, c]) if known is None else known[used] * scale
            R[j, block, block], z[j, block], rss[j, c] = _component(design, y[used] * scale, sigma)
            log_sigma[j] += float(np.sum(np.log(sigma)))
    fitted = np.array([curve.sigma_is_fitted for curve in study.curves])
    return Compressed(powers, R, z, rss, n, log_sigma, fitted)


@dataclass(frozen=True)
class PointTable:
    """Points in use of all devices in the unit of the first, padded to equal numbers."""

    counts: np.ndarray  # false where there is no value, in-plane and out-of-plane, shape (2, n_devices, N)
    par: FloatArray  # 0 where there is no value, shape (n_devices, N)
    perp: FloatArray  # likewise
    design: FloatArray  # terms of the polynomials in V, shape (n_devices, N, P)
    var_par: FloatArray  # variance of each value, 1 where it is not known or there is none, shape (n_devices, N)
    var_perp: FloatArray  # likewise
    cross: FloatArray  # covariance of the two, 0 where it is not known

    @classmethod
    def of(cls, study: Study, powers: IntArray) -> PointTable:
        """The points of a study for P powers of V."""
        most = max(curve.n_used for curve in study.curves)
        table = np.stack([_padded(_point_table(study, curve, powers), most) for curve in study.curves])
        design, errors = table[..., 2:-5], np.moveaxis(table[..., -5:-2], -1, 0)
        return cls(np.moveaxis(table[..., -2:], -1, 0) > 0, table[..., 0], table[..., 1], design, *errors)


def _point_table(study: Study, curve: TorqueCurve, powers: IntArray) -> FloatArray:
    """Columns: par, perp, the design, var_par, var_perp, cross, and 1 for each component that there is."""
    used, scale, one, terms = curve.used, study.scale_of(curve), np.ones(curve.n_used), study.model.terms
    design = polynomial_design(curve, powers, curve.bias[used], terms)
    errors = PointErrors(one, one, 0 * one)
    if not curve.sigma_is_fitted:
        errors = effective_errors(curve, scale, design, polynomial_slope(curve, powers, curve.bias[used], terms))
    y, counts = values_in_use(curve, scale).reshape(2, -1), curve.used_values[:, used]
    variance = np.where(counts, np.stack([errors.par, errors.perp]), 1.0)
    return np.column_stack([*y, design, *variance, errors.cross, *counts])


def _padded(table: FloatArray, length: int) -> FloatArray:
    out = np.zeros((length, table.shape[1]))
    out[:, -5:-3] = 1.0  # a variance that can be divided by; such a point has no weight
    out[: table.shape[0]] = table
    return out


def gram_by_component(data: Compressed, phase: ComplexArray, power: IntArray) -> FloatArray:
    """Inner products of (z, u_1 …, w_1 …), shape (n_devices, 2, 1 + 2T, 1 + 2T): in-plane rows, out-of-plane rows.

    Of T terms of J0(V) with phase 1 (in-plane) or i (out-of-plane) and their powers of V.
    """
    R_par, R_perp = data.columns(power)
    u = phase.real * R_par + phase.imag * R_perp
    w = phase.real * R_perp - phase.imag * R_par
    X = np.concatenate([data.z[:, :, None], u, w], axis=2)
    X = X.reshape(X.shape[0], 2, -1, X.shape[2])
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
    """Inner products of U = Σ c_t u_t and W = Σ c_t w_t for given coefficients c."""

    z_U: FloatArray  # with the data, shape (n, n_devices)
    z_W: FloatArray  # likewise
    square: Bilinear  # with themselves, same shape
    terms: Bilinear  # with every u_t and w_t, shape (T, n, n_devices)


@dataclass(frozen=True)
class Gram:
    """Inner products for a batch of parameters, whitened by the noise scales of each.

    Axes of terms come first in what follows from them, so that each coefficient is one contiguous array.
    """

    table: FloatArray  # shape (n or 1, n_devices, 1 + 2T, 1 + 2T)

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
