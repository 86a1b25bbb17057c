"""What a fit says point by point and in tables of its errors, for work in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

import lmfit
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from uncertainties import UFloat, correlated_values_norm, ufloat

from mtjfit.arrays import FloatArray
from mtjfit.data import COMPONENTS
from mtjfit.infer.simulate import DeviceModel, free_names
from mtjfit.model.equivalent_noise import noise_of_points
from mtjfit.study import EqualTo, ParameterName, Study

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
    j, V = _asked(study, device, bias)
    curve = study.curves[j]
    T = fitted_device(study, values, j).torque(V)[0] / study.scale_of(curve)
    return pd.DataFrame({"bias": V, "par": T.real, "perp": T.imag, "unit": curve.unit})


def _asked(study: Study, device: str, bias: ArrayLike | None) -> tuple[int, FloatArray]:
    """The place of a curve, and the biases in V, by default its own; ValueError for a curve that is not there."""
    if device not in study.devices:
        raise ValueError(f"there is no curve {device!r}: choose from {', '.join(map(repr, study.devices))}")
    j = study.devices.index(device)
    V = np.atleast_1d(np.asarray(study.curves[j].bias if bias is None else bias, dtype=float))
    if V.ndim != 1 or not np.all(np.isfinite(V)):
        raise ValueError(f"bias must be finite numbers in volts, one or a list, not {bias!r:.80}")
    return j, V


def band_table(study: Study, draws: pd.DataFrame, device: str, bias: ArrayLike | None, level: float) -> pd.DataFrame:
    """Medians and central intervals of both components of one device at some biases, see `Posterior.curve`."""
    if not 0 < level < 1:
        raise ValueError(f"level is the share of the draws in the band, between 0 and 1, such as 0.95, not {level!r}")
    j, V = _asked(study, device, bias)
    curve = study.curves[j]
    values = {str(name): draws[name].to_numpy(dtype=float) for name in draws}
    T = np.broadcast_to(DeviceModel(study, curve, values).torque(V) / study.scale_of(curve), (len(draws), V.size))
    found = {"bias": V}
    for name, part in (("par", T.real), ("perp", T.imag)):
        low, found[name], high = np.quantile(part, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)
        found |= {f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame({**found, "unit": curve.unit})


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


def uncertain_values(
    parameters: lmfit.Parameters, tied: Iterable[tuple[ParameterName, ParameterName, EqualTo]]
) -> dict[str, float | UFloat]:
    """Values with correlated errors, those of ties a number times their targets, see `FitResult.uvalues`."""
    ties = {name: (of, tie.ratio) for name, of, tie in tied}
    known = [one for one in _with_errors(parameters) if one.user_data not in ties]
    pairs, names = [(one.value, one.stderr) for one in known], [one.user_data for one in known]
    sure = correlated_values_norm(pairs, correlations(parameters).loc[names, names].to_numpy()) if known else ()
    found: dict[str, float | UFloat] = {}
    for one in parameters.values():
        exact = not one.vary and one.stderr is None
        found[one.user_data] = one.value if exact else ufloat(one.value, np.nan)
    found |= dict(zip(names, sure, strict=True))
    return found | {name: ratio * found[of] for name, (of, ratio) in ties.items() if of in found}
