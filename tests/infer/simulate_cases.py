"""Studies of every kind of data and errors; their means from `mtjfit.physics`, their covariances entry by entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import LAWS, value_of
from model_studies import simulated as made
from scipy import stats

from mtjfit.data import TorqueCurve
from mtjfit.physics import Interface
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study, Uniform

CASES = {
    "torque": {},
    "torkance per volume, a length of each group": {
        "quantity": "torkance", "per": "volume", "lambda_phi": (LogNormal(1.2, 1.7), "group"),
    },
    "fitted errors of each device, thickness": {
        "fit_sigma": True, "noise_par": (LogNormal(0.02, 2.0), "device"), "Lambda": LogUniform(0.1, 50.0),
        "lambda_sf_N": None, "D_ratio": None, "thickness": AboutNominal(0.1),
    },
    "own amplitudes, a fixed one, dead layer": {
        "a1": (Normal(1.0, 0.5), "device"), "a2": Fixed(0.3), "b0": Normal(0.0, 0.1), "D_ratio": LogNormal(1.0, 2.0),
        "dead_layer": Uniform(0.0, 0.4),
    },
    "correlated components, errors of the bias": {"rho": 0.7, "sigma_bias": 0.01},
    "correlated points, errors of the bias": {"common": 0.02, "sigma_bias": 0.01},
    "jitter": {"rho": -0.5, "jitter_par": LogNormal(0.02, 2.0), "jitter_perp": (Uniform(0.0, 0.05), "device")},
    "amplitudes that scatter": {
        "a1": (Normal(1.0, 0.3), "group"), "scatter_a1": (LogNormal(0.05, 2.0), "group"), "scatter_b2": Fixed(0.1),
    },
    "Student-t": {"noise_dof": Uniform(2.5, 6.0)},
    "Student-t, fitted scale": {"fit_sigma": True, "noise_dof": Fixed(3.0)},
}  # fmt: skip
every_case = pytest.mark.parametrize("name", list(CASES))


def case(name: str) -> Study:
    """Three devices, the second in a unit ten or a thousand times larger and with a masked point."""
    changes = dict(CASES[name])
    errors = {key: changes.pop(key) for key in ("rho", "sigma_bias", "common") if key in changes}
    unit, larger = ("mT/V", "T/V") if changes.get("per") == "volume" else ("1e-19 N m", "aN m")
    study = made(n_bias=7, unit=unit, **changes)
    curves = [replace(each, **given(each, **errors)) for each in study.curves]
    factor = 1000.0 if larger == "T/V" else 10.0
    names = [n for n in ("sigma_par", "sigma_perp") if getattr(curves[1], n) is not None]
    smaller = {n: getattr(curves[1], n) / factor for n in names}
    if curves[1].covariance is not None:
        smaller["covariance"] = curves[1].covariance / factor**2
    curves[1] = replace(curves[1], unit=larger, **smaller).mask(np.arange(7) == 2, "a spike")
    return study.replace(curves=tuple(curves))


def given(curve: TorqueCurve, rho: float = 0.0, sigma_bias: float = 0.0, common: float = 0.0) -> dict[str, Any]:
    """Errors beyond standard ones; `common` is an error of all in-plane values in common."""
    found: dict[str, Any] = {"rho": np.full(7, rho)} if rho else {}
    if sigma_bias:
        found["sigma_bias"] = sigma_bias
    if common:
        in_plane = np.repeat([1.0, 0.0], 7)
        C = np.diag(np.concatenate([curve.sigma_par, curve.sigma_perp]) ** 2)
        found |= {"covariance": C + common**2 * np.outer(in_plane, in_plane), "sigma_par": None, "sigma_perp": None}
    return found


def amplitude(study: Study, curve: TorqueCurve, name: str, truth: dict[str, float]) -> float:
    if f"scatter_{name}" in study.parameters:
        return truth[f"{name}[{curve.device}]"]
    return value_of(study, curve, name, truth)


def mean_of(study: Study, curve: TorqueCurve, truth: dict[str, float], shift: float = 0.0) -> np.ndarray:
    """Complex torque or torkance of one device in its own unit."""
    has = study.parameters
    at = {n: value_of(study, curve, n, truth) for n in ("lambda_J", "lambda_phi", "lambda_sf_F")}
    at["lambda_sf_N"] = value_of(study, curve, "Lambda" if "Lambda" in has else "lambda_sf_N", truth)
    at["D_ratio"] = 1.0 if "Lambda" in has else value_of(study, curve, "D_ratio", truth)
    d = value_of(study, curve, "thickness", truth) - truth.get("dead_layer", 0.0)
    amplitudes = {n: amplitude(study, curve, n, truth) for n in study.amplitudes}
    T = LAWS[curve.quantity](curve.bias + shift, d, **at, interface=Interface.of(**amplitudes), per=curve.per)
    return np.asarray(T / study.scale_of(curve))


def covariance_of(study: Study, curve: TorqueCurve, truth: dict[str, float]) -> np.ndarray:
    """Of all values of one device in its own unit, entry by entry."""
    n, scale = curve.bias.size, study.scale_of(curve)
    if curve.covariance is not None:
        C = np.array(curve.covariance)
    elif curve.sigma_par is None:
        scales = [value_of(study, curve, name, truth) / scale for name in ("noise_par", "noise_perp")]
        C = np.diag(np.repeat(scales, n) ** 2)
    else:
        C = np.diag(np.concatenate([curve.sigma_par, curve.sigma_perp]) ** 2)
    slope = (mean_of(study, curve, truth, 1e-3) - mean_of(study, curve, truth, -1e-3)) / 2e-3
    for k in range(n):
        if curve.rho is not None:
            C[k, n + k] = C[n + k, k] = curve.rho[k] * curve.sigma_par[k] * curve.sigma_perp[k]
        if curve.sigma_bias is not None:
            both = np.array([slope[k].real, slope[k].imag]) * curve.sigma_bias[k]
            C[np.ix_([k, n + k], [k, n + k])] += np.outer(both, both)
        for c, name in enumerate(("jitter_par", "jitter_perp")):
            if name in study.parameters:
                C[c * n + k, c * n + k] += (value_of(study, curve, name, truth) / scale) ** 2
    return C


def whitened(study: Study, truth: dict[str, float]) -> tuple[np.ndarray, float]:
    """Independent residuals of all values in use, of unit scale, and ½ ln det of their covariance in the first unit."""
    z, log_sigma = [], 0.0
    for curve in study.curves:
        used = np.concatenate([curve.used, curve.used])
        T = mean_of(study, curve, truth)
        away = np.concatenate([curve.par - T.real, curve.perp - T.imag])[used]
        root = np.linalg.cholesky(covariance_of(study, curve, truth)[np.ix_(used, used)])
        z.append(np.linalg.solve(root, away))
        log_sigma += float(np.sum(np.log(np.diagonal(root) * study.scale_of(curve))))
    return np.concatenate(z), log_sigma


def law_of(study: Study, truth: dict[str, float]) -> Any:
    """Distribution of whitened residuals."""
    nu = study.parameters.get("noise_dof")
    return stats.norm if nu is None else stats.t(nu.prior.value if nu.is_fixed else truth["noise_dof"])
