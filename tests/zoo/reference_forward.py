"""Eq. 12 once more, from the printed hyperbolic form, and the points of each curve, for the independent reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def kappa(d, lambda_J, lambda_phi, lambda_sf_F, Lambda):
    """κ(d) of Eq. 12, complex; everything broadcasts, lengths in nm.

    1/(cosh x + η sinh x) = 2 e⁻ˣ/[(1 + η) + (1 − η) e⁻²ˣ] does not overflow. For layers much thinner than 1/|q| the
    printed 1 − 1/(…) loses digits, about 1e-16/|κ|: none that matter to a likelihood.
    """
    precession = -1j / np.square(lambda_J) + 1 / np.square(lambda_phi)
    inverse = precession + 1 / np.square(lambda_sf_F)
    q = np.sqrt(inverse)  # the principal root has Re q > 0
    eta = Lambda * q
    decay = np.exp(-q * d)
    return precession / inverse * (1 - 2 * decay / ((1 + eta) + (1 - eta) * decay * decay))


def terms(powers, bias, quantity, factor):
    """Vⁿ (torque) or n Vⁿ⁻¹ (torkance) times sin θ where it counts, shape (n_bias, n_powers)."""
    columns = [bias**n if quantity == "torque" else (n * bias ** (n - 1) if n else 0 * bias) for n in powers]
    return factor * np.stack(columns, axis=-1)


def slopes(powers, bias, quantity, factor):
    """Derivatives of `terms` by V."""
    columns = []
    for n in powers:
        order = 1 if quantity == "torque" else 2
        weight = n if order == 1 else n * (n - 1)
        columns.append(weight * bias ** (n - order) if n >= order else 0 * bias)
    return factor * np.stack(columns, axis=-1)


@dataclass(frozen=True)
class DevicePoints:
    """Points in use of one device, in the unit of the first curve."""

    y: np.ndarray  # in-plane, then out-of-plane values, shape (2n,)
    used: np.ndarray  # which of them enter, the others mean nothing, shape (2n,)
    # y, then each term as it stands in the in-plane and in the out-of-plane component, shape (2n, 1 + 2T)
    rows: np.ndarray
    terms: np.ndarray  # shape (n, T)
    covariance: np.ndarray | None  # None where errors are to be fitted, shape (2n, 2n)

    @property
    def n(self):
        return self.terms.shape[0]

    def products(self):
        """rowsᵀ C⁻¹ rows and ln det C."""
        root = np.linalg.cholesky(self.covariance[self.used][:, self.used])
        white = np.linalg.solve(root, self.rows[self.used])
        return white.T @ white, 2 * np.sum(np.log(np.diagonal(root)))


def device_points(study, curve, powers):
    """The points of one curve.

    Errors of the bias enter as mtjfit defines it: by effective variance, with slopes of the curve's own weighted
    polynomials, which are fitted twice, first without and then with these errors.
    """
    used, scale = curve.used, study.scale_of(curve)
    V, n = curve.bias[used], curve.n_used
    p = terms(powers, V, curve.quantity, curve.angle_factor)
    zero = np.zeros_like(p)
    y = np.concatenate([curve.par[used], curve.perp[used]]) * scale
    enters = curve.used_values[:, used].ravel()
    design = np.block([[p, zero], [zero, p]])
    rows = np.column_stack([y, design])
    if curve.sigma_par is None:
        return DevicePoints(y, enters, rows, p, None)
    if curve.covariance is not None:
        both = np.flatnonzero(np.concatenate([used, used]))
        known = curve.covariance[both][:, both] * scale**2
    else:
        sd = np.concatenate([curve.sigma_par[used], curve.sigma_perp[used]]) * scale
        known = np.diag(sd**2)
        if curve.rho is not None:
            cross = np.diag(curve.rho[used] * sd[:n] * sd[n:])
            known[:n, n:], known[n:, :n] = cross, cross
    C = known
    if curve.sigma_bias is not None:
        s = slopes(powers, V, curve.quantity, curve.angle_factor)
        for _ in range(2):
            root = np.linalg.cholesky(C[enters][:, enters])
            X, given = np.linalg.solve(root, design[enters]), np.linalg.solve(root, y[enters])
            solved = np.linalg.lstsq(X, given, rcond=None)[0]
            slope = np.concatenate([s @ solved[: p.shape[1]], s @ solved[p.shape[1] :]]) * np.tile(
                curve.sigma_bias[used], 2
            )
            own = np.arange(n)
            C = known + np.diag(slope**2)
            C[own, n + own] += slope[:n] * slope[n:]
            C[n + own, own] += slope[:n] * slope[n:]
    return DevicePoints(y, enters, rows, p, C)


def robust_products(points, nu=4.0):
    """rowsᵀ W rows with weights from t residuals about the curve's own polynomials, and 0: for coordinates alone."""
    n, k = points.n, points.terms.shape[1]
    total = np.zeros((points.rows.shape[1],) * 2)
    for part, columns in ((slice(0, n), slice(1, 1 + k)), (slice(n, 2 * n), slice(1 + k, 1 + 2 * k))):
        mine = np.flatnonzero(points.used[part]) + part.start
        if mine.size == 0:
            continue
        y, X = points.y[mine], points.rows[mine, columns]
        known = points.covariance is not None
        sigma = np.sqrt(np.diagonal(points.covariance)[mine]) if known else np.full(mine.size, 1.0)
        w = np.ones(mine.size)
        for _ in range(30):
            root = np.sqrt(w) / sigma
            away = y - X @ np.linalg.lstsq(X * root[:, None], y * root, rcond=None)[0]
            if not known:
                sigma = np.full(mine.size, max(1.5 * np.median(np.abs(away)), 1e-3 * np.max(np.abs(y))))
            w = (nu + 1) / (nu + (away / sigma) ** 2)
        rows = points.rows[mine]
        total += (rows * (w / sigma**2)[:, None]).T @ rows
    return total[..., None], 0.0
