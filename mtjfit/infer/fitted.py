"""What a fit says point by point and in tables of its errors, for work in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import lmfit
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from uncertainties import UFloat, correlated_values_norm, ufloat

from mtjfit.data import COMPONENTS
from mtjfit.infer.simulate import DeviceModel, free_names
from mtjfit.model.equivalent_noise import noise_of_points
from mtjfit.study import Study

_IN_LMFIT = {
    "aic": "mtjfit.compare(study), by evidence: criteria that count parameters need all of them to be determined",
    "best_fit": "curve(device), or the column model of residuals()", "best_values": "values",
    "bic": "mtjfit.compare(study), by evidence: criteria that count parameters need all of them to be determined",
    "chisqr": "chi2", "ci_out": "mtjfit.identify(study)", "conf_interval": "mtjfit.identify(study)",
    "correl": "covar, or params[name].correl", "eval": "curve(device, bias)", "fit_report": "report()",
    "ndata": "study.n_values", "nfree": "dof", "nvarys": "identifiability.n_parameters", "redchi": "chi2 / fit.dof",
    "residual": "residuals()", "summary": "report()", "uvars": "uvalues", "var_names": "covar.index",
}  # fmt: skip
"""Names that users of lmfit type, and what a fit has in their place."""


def refuse_name(kind: str, name: str) -> NoReturn:
    """AttributeError for a name that a fit does not have, with its own name for what lmfit calls so."""
    instead = f"; use fit.{_IN_LMFIT[name]}" if name in _IN_LMFIT else ""
    raise AttributeError(f"{kind!r} object has no attribute {name!r}{instead.replace('fit.mtjfit.', 'mtjfit.')}")


def fitted_device(study: Study, values: Mapping[str, float], j: int) -> DeviceModel:
    """The curve `j` at the best values, with jitter as it was taken from the scatter."""
    # noise of a component that was not measured has no value
    unknown = dict.fromkeys(free_names(study), np.nan)
    return DeviceModel(study, study.curves[j], {**unknown, **noise_of_points(study), **values})


def residual_table(study: Study, values: Mapping[str, float]) -> pd.DataFrame:
    """One row for each measured value of a study, see `FitResult.residuals`."""
    tables = []
    for j, curve in enumerate(study.curves):
        device, scale = fitted_device(study, values, j), study.scale_of(curve)
        model = device.torque(curve.bias)[0] / scale
        for c, component in enumerate(COMPONENTS):
            there, measured = curve.measured[c], curve.component(c)[0]
            if not there.any():
                continue
            sigma = np.broadcast_to(np.hypot(device.sigma[c], device.jitter[c]) / scale, measured.shape)
            T = (model.real, model.imag)[c]
            tables.append(pd.DataFrame({
                "device": curve.device, "condition": curve.condition, "component": component, "bias": curve.bias,
                "measured": measured, "model": T, "sigma": sigma, "residual": measured - T,
                "used": curve.used_values[c], "unit": curve.unit,
            })[there])  # fmt: skip
    found: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return found


def curve_table(study: Study, values: Mapping[str, float], device: str, bias: ArrayLike | None) -> pd.DataFrame:
    """Both components of one device at some biases, see `FitResult.curve`."""
    if device not in study.devices:
        raise ValueError(f"there is no curve {device!r}: choose from {', '.join(map(repr, study.devices))}")
    j = study.devices.index(device)
    curve = study.curves[j]
    V = curve.bias if bias is None else np.atleast_1d(np.asarray(bias, dtype=float))
    T = fitted_device(study, values, j).torque(V)[0] / study.scale_of(curve)
    return pd.DataFrame({"bias": V, "par": T.real, "perp": T.imag, "unit": curve.unit})


def _with_errors(parameters: lmfit.Parameters) -> list[lmfit.Parameter]:
    """Those with a standard error and its correlations with all others."""
    return [one for one in parameters.values() if one.stderr is not None and one.correl is not None]


def correlations(parameters: lmfit.Parameters) -> pd.DataFrame:
    """Correlations of the parameters that have errors, by their names in tables."""
    known = _with_errors(parameters)
    matrix = [[1.0 if one is other else one.correl[other.name] for other in known] for one in known]
    names = [one.user_data for one in known]
    return pd.DataFrame(np.array(matrix).reshape(len(names), len(names)), index=names, columns=names)


def covariance_table(parameters: lmfit.Parameters) -> pd.DataFrame:
    """Covariance of the parameters that have errors, by their names in tables."""
    sd = np.array([one.stderr for one in _with_errors(parameters)], dtype=float)
    found: pd.DataFrame = correlations(parameters) * np.outer(sd, sd)
    return found


def uncertain_values(parameters: lmfit.Parameters) -> dict[str, float | UFloat]:
    """Values with correlated errors, see `FitResult.uvalues`."""
    known = _with_errors(parameters)
    pairs = [(one.value, one.stderr) for one in known]
    sure = correlated_values_norm(pairs, correlations(parameters).to_numpy()) if known else ()
    found: dict[str, float | UFloat] = {}
    for one in parameters.values():
        exact = not one.vary and one.stderr is None
        found[one.user_data] = one.value if exact else ufloat(one.value, np.nan)
    return found | {one.user_data: value for one, value in zip(known, sure, strict=True)}
