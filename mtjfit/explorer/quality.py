"""Agreement of the data with the model at the sliders, and the nearest least-squares minimum."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

import lmfit
import numpy as np
from scipy.stats import chi2

from mtjfit.arrays import FloatArray
from mtjfit.errors import NotDetermined
from mtjfit.explorer.state import AMPLITUDES, ExploredStudy, SliderState, projected
from mtjfit.model.likelihood import FullPosterior, whitened
from mtjfit.model.rank import Structure, structure
from mtjfit.study import JITTER, LENGTHS, Fixed, ParameterName, Study
from mtjfit.text import p_text

_EVALUATIONS = 100  # for each free parameter
_LOG_RANGE = (math.log(1e-3), math.log(1e5))
_SDS = 10.0


@dataclass(frozen=True)
class Agreement:
    """Agreement of the data of all devices with the model at the sliders.

    Attributes
    ----------
    chi2 : float
        Data, and thicknesses against their nominal values where these are uncertain.
    dof : int
        Values less the numbers that a fit of what is not held would determine.
    p_value : float
        Probability of a larger χ² after such a fit; NaN where the errors of the data are fitted.
    """

    chi2: float
    dof: int
    p_value: float

    def __str__(self) -> str:
        p = "the errors come from the scatter: no p-value" if math.isnan(self.p_value) else p_text(self.p_value)
        return f"χ² = {self.chi2:.1f} for {self.dof} degrees of freedom, {p}"


def _misfit(explored: ExploredStudy, state: SliderState) -> tuple[FloatArray, float]:
    """Whitened residuals of the data and of uncertain thicknesses, and χ²."""
    study, sd = explored.study, explored.study.parameters["thickness"].nominal_sd
    values, amplitudes = explored.vectors(state.values)
    design, target, rss, _ = whitened(explored.model, values[None, :])
    rows = target[0] - design[0] @ amplitudes
    if sd > 0:
        first, names = study.first_curves, study.names_of("thickness")
        d = np.array([state.values[names[j]] for j in first])
        rows = np.append(rows, (d - study.thicknesses[first]) / sd)
    return rows, float(rss[0] + rows @ rows)


def agreement(state: SliderState, explored: ExploredStudy, shape: Structure | None = None) -> Agreement:
    """χ² at the sliders, counted as in `mtjfit.fit`.

    `shape` is from `structure_of`, which takes a tenth of a second and depends only on what is held.
    """
    _, total = _misfit(explored, state)
    dof = explored.study.n_values - (shape or structure_of(state, explored)).rank
    jitter = [name for name in JITTER if name in explored.study.parameters]
    estimated = any(not explored.study.parameters[name].is_fixed for name in jitter)
    tests = dof > 0 and not explored.model.data.fitted.any() and not estimated
    p_value = float(chi2.sf(total, dof)) if tests else math.nan
    return Agreement(total, dof, p_value)


def structure_of(state: SliderState, explored: ExploredStudy) -> Structure:
    """Rank and null directions of a fit of everything that is not held."""
    model = FullPosterior(_held_study(explored, state))
    of_the_model = [name for name in model.layout.names if name.shapes_kappa]
    return structure(model) if of_the_model or model.amplitudes.names else Structure(0, 0, ())


def _held_study(explored: ExploredStudy, state: SliderState) -> Study:
    """The opened study with what is held fixed; thicknesses as the user's study has them."""
    parameters = dict(explored.normal.parameters) | {"thickness": explored.study.parameters["thickness"]}
    for name in state.held:
        value = next(each for label, each in state.values.items() if ParameterName(label).base == name)
        parameters[name] = replace(parameters[name], prior=Fixed(value), scope="shared")
    return explored.normal.replace(parameters=parameters)


def _free(explored: ExploredStudy, state: SliderState) -> list[int]:
    """Places in the vector of lengths and thicknesses that a fit may change."""
    uncertain = explored.study.parameters["thickness"].nominal_sd > 0
    names = [name.base for name in explored.model.layout.names]
    return [
        k
        for k, name in enumerate(names)
        if (name in LENGTHS and name not in state.held) or (name == "thickness" and uncertain)
    ]


def _bounds(explored: ExploredStudy, k: int) -> tuple[float, float]:
    """Range of a coordinate, as in `mtjfit.fit`: the support of the prior, and no wider than any length can be."""
    entry = explored.model.layout.entries[k]
    low, high = entry.prior.support
    if entry.log:
        low, high = (math.log(each) if each > 0 else -math.inf for each in (low, high))
        return max(low, _LOG_RANGE[0]), min(high, _LOG_RANGE[1])
    mean, sd = entry.prior.centre_and_sd
    return max(low, mean - _SDS * sd), min(high, mean + _SDS * sd)


def fit_from(state: SliderState, explored: ExploredStudy) -> SliderState:
    """The nearest minimum of χ²: local least squares by lmfit from the sliders.

    Lengths are moved within the support of their priors, thicknesses where the study calls them uncertain, amplitudes
    in closed form; nothing that is held moves. Unlike `mtjfit.fit` it looks for no other minimum. χ² never grows.

    Raises
    ------
    NotDetermined
        Everything is held.
    """
    free = _free(explored, state)
    if not free and set(AMPLITUDES) <= state.held and len(explored.open.amplitudes) == len(AMPLITUDES):
        raise NotDetermined("everything is held: release a parameter to fit it")
    layout = explored.model.layout
    theta0 = layout.coordinates(explored.vectors(state.values)[0])
    best = [(_misfit(explored, state)[1], state)]

    def residual(parameters: lmfit.Parameters) -> FloatArray:
        theta = theta0.copy()
        theta[free] = [parameters[f"x{k}"].value for k in free]
        found = _with(explored, state, theta)
        rows, total = _misfit(explored, found)
        if total < best[0][0]:
            best[0] = total, found
        return rows

    parameters = lmfit.Parameters()
    for k in free:
        low, high = _bounds(explored, k)
        margin = 1e-6 * (high - low)
        value = float(np.clip(theta0[k], low + margin, high - margin))
        parameters.add(f"x{k}", value=value, min=low, max=high)
    if not free:
        residual(parameters)
        return best[0][1]
    minimizer = lmfit.Minimizer(residual, parameters, calc_covar=False)
    with np.errstate(invalid="ignore", divide="ignore"):  # from lmfit's own covariance, which is not used here
        minimizer.minimize(method="least_squares", x_scale="jac", max_nfev=_EVALUATIONS * (len(free) + 1))
    return best[0][1]


def _with(explored: ExploredStudy, state: SliderState, theta: FloatArray) -> SliderState:
    """The state at other coordinates, with the amplitudes that then fit best."""
    model = explored.model
    values = model.layout.values(theta)
    changed = dict(zip(model.layout.names, values.tolist(), strict=True))
    fixed: dict[str, float] = {name: state.values[name] for name in model.amplitudes.names}
    return replace(state, values=MappingProxyType(changed | projected(model, values, fixed, state.held)))
