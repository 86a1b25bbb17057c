"""Likelihoods of a study by brute force: raw points, `mtjfit.physics`, dense covariances and quadrature, no algebra.

Own amplitudes enter through the covariance of the data, a bounded amplitude and a thickness through Gauss–Legendre
quadrature. Nothing is shared with `mtjfit.model` but the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from model_studies import data, label, responses, value_of
from scipy import linalg, stats

from mtjfit.data import TorqueCurve
from mtjfit.study import AboutNominal, Fixed, Normal, Study

Point = Mapping[str, float]
_LN_2PI = np.log(2 * np.pi)


def is_own(study: Study, name: str) -> bool:
    """Whether every curve has an amplitude of its own: those of a device with several curves belong to all of them."""
    scope, several = study.parameters[name].scope, len({curve.device for curve in study.curves}) < len(study.curves)
    return (scope == "curve" or (scope == "device" and not several)) and not study.parameters[name].is_fixed


def scatter_variance(study: Study, curve: TorqueCurve, name: str, point: Point) -> float:
    """Variance of a device's amplitude about the shared one."""
    if f"scatter_{name}" not in study.parameters:
        return 0.0
    return (value_of(study, curve, name, point) * value_of(study, curve, f"scatter_{name}", point)) ** 2


def log_normal(r: np.ndarray, C: np.ndarray) -> np.ndarray:
    """ln N(r; 0, C) for r (..., n) and C (..., n, n)."""
    chol = np.linalg.cholesky(C)
    white = np.linalg.solve(chol, r[..., None])[..., 0]
    log_det = 2 * np.sum(np.log(np.diagonal(chol, axis1=-2, axis2=-1)), axis=-1)
    return np.asarray(-0.5 * (np.sum(white**2, axis=-1) + log_det + r.shape[-1] * _LN_2PI))


def interval_of(prior: Normal) -> tuple[float, float]:
    return max(prior.low, prior.mean - 12 * prior.sd), min(prior.high, prior.mean + 12 * prior.sd)


def gauss(low: float, high: float, panels: int, order: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss–Legendre on equal panels."""
    t, w = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(low, high, panels + 1)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (t + 1)).ravel(), (half * w).ravel()


def log_sum(log_terms: np.ndarray, weights: np.ndarray) -> float:
    return float(np.log(np.sum(weights * np.exp(log_terms - log_terms.max()))) + log_terms.max())


def student_given_thickness(study: Study, curve: TorqueCurve, point: Point, d: np.ndarray) -> np.ndarray:
    """ln L of one device under Student-t errors at thicknesses d, every amplitude known, shape (n_d,)."""
    rows = responses(study, curve, point, d)
    T = sum(row * value_of(study, curve, name, point) for name, row in rows.items())
    y, C = data(study, curve, point)
    nu = value_of(study, curve, "noise_dof", point)
    return np.sum(stats.t.logpdf(y - T, nu, 0.0, np.sqrt(np.diagonal(C))), axis=-1)


def given_thickness(study: Study, curve: TorqueCurve, point: Point, d: np.ndarray) -> np.ndarray:
    """ln L of one device at thicknesses d, own amplitudes integrated out, shape (n_d,)."""
    rows = responses(study, curve, point, d)
    y, C = data(study, curve, point)
    r = np.broadcast_to(y, (d.size, y.size))
    bounded: tuple[str, Normal] | None = None
    for name, row in rows.items():
        prior: Any = study.parameters[name].prior
        if not is_own(study, name):
            r = r - row * value_of(study, curve, name, point)
            C = C + scatter_variance(study, curve, name, point) * row[:, :, None] * row[:, None, :]
        elif prior.truncated:
            bounded = name, prior
        else:
            r = r - row * prior.mean
            C = C + prior.sd**2 * row[:, :, None] * row[:, None, :]
    C = np.broadcast_to(C, (d.size, y.size, y.size))
    if bounded is None:
        return log_normal(r, C)
    name, prior = bounded
    chol = np.linalg.cholesky(C)
    w, v = (np.linalg.solve(chol, x[..., None])[..., 0] for x in (r, rows[name]))
    best, sd = np.sum(w * v, axis=1) / np.sum(v**2, axis=1), 1 / np.linalg.norm(v, axis=1)
    low, high = interval_of(prior)
    first, last = np.clip(best - 12 * sd, low, high - 1e-9), np.clip(best + 12 * sd, low + 1e-9, high)
    t, weights = gauss(0.0, 1.0, 6)
    length = np.minimum(np.maximum(last - first, 12 * sd), high - low)
    first = np.minimum(first, high - length)
    c = first[:, None] + length[:, None] * t
    chi2 = np.sum((w[:, None, :] - c[..., None] * v[:, None, :]) ** 2, axis=-1)
    log_det = 2 * np.sum(np.log(np.diagonal(chol, axis1=1, axis2=2)), axis=1)[:, None]
    log = prior.logpdf(c) - 0.5 * (chi2 + log_det + y.size * _LN_2PI)
    return np.array([log_sum(one, weights * step) for one, step in zip(log, length, strict=True)])


def own_given_thickness(
    study: Study, curve: TorqueCurve, point: Point, d: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (n_d, n) and covariance (n_d, n, n) of a device's own amplitudes at thicknesses d, before any bounds.

    In the form that inverts the covariance of the data.
    """
    rows = responses(study, curve, point, d)
    y, C = data(study, curve, point)
    D = np.stack([rows[name] for name in names], axis=-1)
    mean, variance = np.zeros(len(names)), np.zeros(len(names))
    for k, name in enumerate(names):
        prior: Any = study.parameters[name].prior
        if is_own(study, name):
            mean[k], variance[k] = prior.mean, prior.sd**2
        else:
            mean[k] = value_of(study, curve, name, point)
            variance[k] = scatter_variance(study, curve, name, point)
    S = np.diag(variance)
    r = y - D @ mean
    for name, row in rows.items():
        if name not in names:
            r = r - row * value_of(study, curve, name, point)
    gain = np.swapaxes(np.linalg.solve(C + D @ S @ np.swapaxes(D, 1, 2), D @ S), 1, 2)
    return mean + (gain @ r[..., None])[..., 0], S - gain @ D @ S


def peak(log_density: Any, low: float, high: float, depth: float = 45.0) -> tuple[float, float]:
    """Where a density is above e^−depth of its largest value, by scans that zoom in, with one step of margin."""
    for _ in range(6):
        x = np.linspace(low, high, 65)
        log = log_density(x)
        seen = np.flatnonzero(log > log.max() - depth)
        low, high = x[max(seen[0] - 1, 0)], x[min(seen[-1] + 1, x.size - 1)]
        if seen.size > 30:
            break
    return float(low), float(high)


def with_thickness_integrated(study: Study, curve: TorqueCurve, point: Point, panels: int = 12) -> float:
    """ln of ∫ L(d) p(d) dd over all positive magnetic thicknesses, L of all curves of the device of this one.

    Under Student-t errors where they are declared.
    """
    curves = [each for each in study.curves if each.device == curve.device]
    likelihood = student_given_thickness if "noise_dof" in study.parameters else given_thickness
    declared = study.parameters["thickness"].prior
    assert isinstance(declared, AboutNominal)
    prior = declared.about(curve.thickness)
    dead = value_of(study, curve, "dead_layer", point) if "dead_layer" in study.parameters else 0.0

    def log_density(d: np.ndarray) -> np.ndarray:
        return np.asarray(sum(likelihood(study, each, point, d) for each in curves) + prior.logpdf(d))

    low, high = interval_of(prior)
    d, w = gauss(*peak(log_density, max(low, dead), high), panels)
    return log_sum(log_density(d), w)


def all_devices(study: Study, point: Point) -> float:
    """ln L for given shared parameters, shared amplitudes among them; what belongs to one device integrated out."""
    likelihood = student_given_thickness if "noise_dof" in study.parameters else given_thickness
    if isinstance(study.parameters["thickness"].prior, Fixed):
        return sum(float(likelihood(study, c, point, np.array([c.thickness]))[0]) for c in study.curves)
    first = {curve.device: curve for curve in reversed(study.curves)}
    return sum(with_thickness_integrated(study, curve, point) for curve in first.values())


def shared_integrated(study: Study, point: Point) -> float:
    """ln L with the free amplitudes that `point` does not give integrated out, at the thicknesses that it gives.

    One shared amplitude may be bounded; own ones may not.
    """
    labels: list[str] = []
    blocks, ys, covariances, scattered = [], [], [], []
    for curve in study.curves:
        y, errors = data(study, curve, point)
        mine, d = {}, np.array([value_of(study, curve, "thickness", point)])
        for name, row in responses(study, curve, point, d).items():
            known = label(study, curve, name)
            if study.parameters[name].is_fixed or known in point:
                y = y - row[0] * value_of(study, curve, name, point)
                scattered.append((len(ys), row[0] * np.sqrt(scatter_variance(study, curve, name, point))))
            else:
                mine[known] = row[0]
        labels += [one for one in mine if one not in labels]
        blocks.append(mine)
        ys.append(y)
        covariances.append(errors)
    r, C = np.concatenate(ys), linalg.block_diag(*covariances)
    for j, row in scattered:
        column = np.concatenate([row if i == j else np.zeros(y.size) for i, y in enumerate(ys)])
        C = C + np.outer(column, column)
    bounded = None
    for one in labels:
        column = np.concatenate([b.get(one, np.zeros(y.size)) for b, y in zip(blocks, ys, strict=True)])
        prior: Any = study.parameters[one.split("[")[0]].prior
        if prior.truncated:
            bounded = column, prior
        else:
            r, C = r - column * prior.mean, C + prior.sd**2 * np.outer(column, column)
    if bounded is None:
        return float(log_normal(r, C))
    column, prior = bounded

    def log_density(c: np.ndarray) -> np.ndarray:
        return np.asarray(log_normal(r - c[:, None] * column, np.broadcast_to(C, (c.size, *C.shape))) + prior.logpdf(c))

    c, w = gauss(*peak(log_density, *interval_of(prior)), 12)
    return log_sum(log_density(c), w)
