"""What is compared between a truth and the draws of its posterior: functions of the parameters and of the data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from mtjfit.data import FloatArray
from mtjfit.infer.simulate import Device, free_names
from mtjfit.study import DOF, LENGTHS, ParameterName, Study
from mtjfit.study.prior import LN_2PI

__all__ = ["log_likelihood", "quantities"]

_STEP = 1e-4  # V; the torque is a polynomial of low order


def log_likelihood(study: Study, values: Mapping[str, FloatArray]) -> FloatArray:
    """ln L of all parameters, nothing integrated out, shape (n,), point by point.

    Errors of the bias enter by effective variance, with the slopes of the model itself.

    Parameters
    ----------
    study : Study
    values : mapping of str to ndarray, shape (n,)
        Every free parameter.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer.simulate import draw_truth
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> truth = draw_truth(study, np.random.default_rng(0))
    >>> log_likelihood(study, {name: np.full(2, value) for name, value in truth.items()}).shape
    (2,)
    """
    total = np.zeros(1)
    for curve in study.curves:
        device = Device(study, curve, values)
        T, scale = device.torque(curve.bias), study.scale_of(curve)
        residuals = np.broadcast_arrays(curve.par * scale - T.real, curve.perp * scale - T.imag)
        if device.declares(DOF):
            each = [stats.t.logpdf(r / s, device[DOF][..., None]) - np.log(s)
                    for r, s in zip(residuals, device.sigma, strict=True)]  # fmt: skip
            total = total + np.sum((each[0] + each[1])[:, curve.used], axis=-1)
        elif curve.covariance is None:
            total = total + _of_points(device, residuals)
        else:
            total = total + _of_curve(device, np.concatenate(residuals, axis=-1))
    return np.asarray(total)


def _by_bias(device: Device) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Variances of both components of each point and their covariance, from errors of its bias."""
    curve = device.curve
    if curve.sigma_bias is None:
        zero = np.zeros((1, curve.bias.size))
        return zero, zero, zero
    slope = (device.torque(curve.bias + _STEP) - device.torque(curve.bias - _STEP)) / (2 * _STEP)
    moved = slope * curve.sigma_bias
    return moved.real**2, moved.imag**2, moved.real * moved.imag


def _of_points(device: Device, residuals: tuple[FloatArray, ...]) -> FloatArray:
    """Points that are independent of each other: a bivariate normal density each."""
    (s_par, s_perp), (j_par, j_perp), (b_par, b_perp, b_cross) = device.sigma, device.jitter, _by_bias(device)
    par, perp = s_par**2 + j_par**2 + b_par, s_perp**2 + j_perp**2 + b_perp
    cross = device.rho * s_par * s_perp + b_cross
    determinant = par * perp - cross**2
    r_par, r_perp = residuals
    square = (perp * r_par**2 - 2 * cross * r_par * r_perp + par * r_perp**2) / determinant
    each = -0.5 * square - 0.5 * np.log(determinant) - LN_2PI
    return np.asarray(np.sum(each[:, device.curve.used], axis=-1))


def _of_curve(device: Device, residual: FloatArray) -> FloatArray:
    """All points of a curve that depend on each other: one multivariate normal density."""
    curve, k = device.curve, np.arange(device.curve.bias.size)
    assert curve.covariance is not None  # noqa: S101 - asked for in no other case
    par, perp, cross = _by_bias(device)
    C = np.repeat(curve.covariance[None] * device.study.scale_of(curve) ** 2, par.shape[0], axis=0)
    C[:, k, k] += par
    C[:, k.size + k, k.size + k] += perp
    C[:, k, k.size + k] += cross
    C[:, k.size + k, k] += cross
    used = np.flatnonzero(np.concatenate([curve.used, curve.used]))
    C, residual = C[:, used[:, None], used], residual[:, used]
    square = np.sum(residual * np.linalg.solve(C, residual[..., None])[..., 0], axis=-1)
    return np.asarray(-0.5 * (square + np.linalg.slogdet(C)[1] + used.size * LN_2PI))


def quantities(study: Study, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """What ranks are taken of, each of shape (n,).

    Every free parameter, Λ where both of its factors are free, ``log_likelihood``, and what a single device determines
    without any length, for the thinnest one, where diffusion acts most: ``slope_ratio`` = tan arg κ and |κ| times the
    first amplitude that is not zero (divided by d per volume); both only where κ is not known.

    Parameters
    ----------
    study : Study
        With the data that the log-likelihood belongs to.
    values : mapping of str to ndarray, shape (n,)
        Every free parameter.
    """
    free = free_names(study)
    out = {name: np.asarray(values[name], dtype=float) for name in free}
    if "lambda_sf_N" in free and "D_ratio" in free:
        out["Lambda"] = out["lambda_sf_N"] * out["D_ratio"]
    out["log_likelihood"] = log_likelihood(study, values)
    if any(ParameterName(name).base in (*LENGTHS, "thickness") for name in free):
        thinnest = min(study.curves, key=lambda curve: curve.thickness)
        device = Device(study, thinnest, values)
        first = next(name for name in study.amplitudes if np.any(device.amplitude(name) != 0))
        K, shape = device.K, out["log_likelihood"].shape
        each = {"slope_ratio": K.imag / K.real, f"|kappa|·{first}": np.abs(K) * device.amplitude(first)}
        out |= {ParameterName(name, thinnest.device): np.broadcast_to(x, shape) for name, x in each.items()}
    return out
