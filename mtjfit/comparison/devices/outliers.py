"""Outliers among the devices, with the reason, and agreement of devices of one thickness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray
from mtjfit.comparison.devices.left_out_device import from_fit, from_posterior, whitened_data
from mtjfit.comparison.devices.quantities import determined_quantities
from mtjfit.infer import FitResult, Posterior
from mtjfit.model.device_combinations import combinations, denominator_dof, noise_estimate, noise_groups
from mtjfit.model.equivalent_noise import as_normal, least_squares_model
from mtjfit.model.layout import with_own_amplitudes
from mtjfit.model.likelihood import FullPosterior
from mtjfit.multiple_tests import FALSE_ALARM, holm
from mtjfit.results.coefficients import Coefficients, own_coefficients
from mtjfit.study import DOF, JITTER, ParameterName, Study
from mtjfit.text import number, p_text

_DRAWS = 2000
_COLUMNS = (
    "device", "thickness", "chi2", "dof", "p", "p_holm", "outlier", "quantity", "own", "expected", "deviation",
    "method", "k_hat", "reason",
)  # fmt: skip
_NONE = ("", np.nan, np.nan, np.nan)


def _sampled_noise(draws: pd.DataFrame) -> dict[str, float]:
    """Medians of jitter and degrees of freedom."""
    names = [name for name in map(str, draws.columns) if ParameterName(name).base in (*JITTER, DOF)]
    return {name: float(draws[name].median()) for name in names}


def outliers(found: Posterior | FitResult, bias: float, rng: np.random.Generator) -> pd.DataFrame:
    """Test every device against the prediction of all others; a table with a row for each, empty for a single device.

    The statistic is the distance between the polynomials of the device's own data and their prediction by the others,
    in units of both uncertainties together: χ² over the directions that the others predict (F where errors come from
    the scatter). Its own thickness and amplitudes are free within their priors. For `method` see
    `mtjfit.comparison.devices.left_out_device`. p_holm is after Holm's correction, an outlier has p_holm < 0.05;
    quantity is that which departs most at `bias` (V), with its own and its expected median and the deviation in
    68 % half-widths of the difference.

    An odd device also moves the prediction for its neighbours. Of several flagged ones judge the worst, leave it out,
    and fit again.
    """
    if len(found.study.curves) < 2:
        return pd.DataFrame(columns=list(_COLUMNS))
    if isinstance(found, Posterior):
        study = as_normal(found.study, _sampled_noise(found.draws))
        left = from_posterior(study, found.spaced(_DRAWS))
    else:
        study, left = as_normal(found.study), from_fit(found)
    model = FullPosterior(with_own_amplitudes(study))
    group, dof = noise_groups(model)
    p = np.array([_p_value(one.chi2, one.dof, group[j], dof) for j, one in enumerate(left)])
    adjusted = holm(p)
    own = own_coefficients(study, _DRAWS, rng)
    half = own.powers.size
    predicted = np.stack([t[:, :half] + 1j * t[:, half:] for t in (one.draws(_DRAWS, rng) for one in left)], axis=1)
    deviations = _deviations(own, replace(own, values=predicted), bias)
    own_tests = {one.device: one.p_value for one in combinations(model)} if np.any(adjusted < FALSE_ALARM) else {}
    rows = []
    for j, (curve, one) in enumerate(zip(study.curves, left, strict=True)):
        mine = [(name, float(x[j]), float(y[j]), float(away[j])) for name, x, y, away in deviations]
        worst = max(mine, key=lambda each: abs(each[-1]), default=_NONE)
        odd = bool(adjusted[j] < FALSE_ALARM)
        reason = _reason(*worst, own_tests[curve.name]) if odd else ""
        rows.append((curve.name, curve.thickness, one.chi2, one.dof, p[j], adjusted[j], odd, *worst, one.method,
                     one.k_hat, reason))  # fmt: skip
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _p_value(square: float, n: int, group: np.ndarray, dof: FloatArray) -> float:
    """Of χ² in n directions; of F where errors come from the scatter, in groups of components with `dof`."""
    if n == 0:
        return float("nan")
    noise_dof = denominator_dof(np.array([np.sum(group == g) for g in range(-1, dof.size)], dtype=float), dof)
    return float(chi2.sf(square, n) if np.isinf(noise_dof) else f.sf(square / n, n, noise_dof))


def _deviations(
    own: Coefficients, predicted: Coefficients, bias: float
) -> list[tuple[str, FloatArray, FloatArray, FloatArray]]:
    """Name, own median, expected median and deviation of every quantity that exists in all draws."""
    found = []
    for mine, theirs in zip(determined_quantities(own, bias), determined_quantities(predicted, bias), strict=True):
        if not (np.all(np.isfinite(mine.values)) and np.all(np.isfinite(theirs.values))):
            continue
        q16, q50, q84 = np.quantile(mine.values - theirs.values, [0.16, 0.5, 0.84], axis=0)
        with np.errstate(over="ignore"):  # infinite where draws have no spread
            deviation = q50 / np.maximum((q84 - q16) / 2, 1e-300)
        found.append((mine.name, np.median(mine.values, axis=0), np.median(theirs.values, axis=0), deviation))
    return found


def _reason(quantity: str, own: float, expected: float, deviation: float, own_test: float) -> str:
    if own_test < 0.01:
        return f"its own coefficients come from no single κ, whatever the lengths (constraint test {p_text(own_test)})"
    if abs(deviation) < 2:
        return "no single quantity, but all its coefficients together"
    return (
        f"{quantity} is {number(own, 3)}, the others predict {number(expected, 3)} ({abs(deviation):.1f} half-widths)"
    )


def repeats(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    """Test whether devices of one nominal thickness agree, without any length; a table with a row for each set.

    The coefficients of free polynomials of all devices of one thickness (and one group, where parameters belong to
    groups) under one condition are set equal; χ² is what that costs. Only errors of the data count: tolerances of
    thickness and of amplitude, where they are declared, would make agreement likelier. ``agree`` is p_holm ≥ 0.05,
    ``scatter`` the relative standard deviation of |κ| a1 between the devices beyond their errors.
    """
    model = least_squares_model(study)
    P, (group, dof) = model.data.powers.size, noise_groups(model)
    rows = np.repeat(1 / noise_estimate(model), P, axis=1)
    data = list(whitened_data(model, rows))
    own = own_coefficients(study, _DRAWS, rng)
    by_group = any(parameter.scope == "group" for parameter in study.parameters.values())
    sets: dict[tuple[float, str, str], list[int]] = {}
    for j, curve in enumerate(study.curves):
        sets.setdefault((round(curve.thickness, 6), curve.group if by_group else "", curve.condition), []).append(j)
    table = []
    for (thickness, of, _), members in sorted(sets.items()):
        if len(members) < 2:
            continue
        A, z = np.vstack([data[j].A for j in members]), np.concatenate([data[j].z for j in members])
        scale = np.maximum(np.linalg.norm(A, axis=0), 1e-300)
        t, _, rank, _ = np.linalg.lstsq(A / scale, z)
        square, n = float(np.sum((z - A / scale @ t) ** 2)), z.size - int(rank)
        p = _p_value(square, n, group[members], dof)
        names = ", ".join(study.curves[j].name for j in members)
        table.append((thickness, of, names, len(members), square, n, p, _scatter_of(own, members)))
    columns = ["thickness", "group", "devices", "n", "chi2", "dof", "p", "scatter"]
    out = pd.DataFrame(table, columns=columns)
    out["p_holm"] = holm(out["p"].to_numpy(dtype=float))
    out["agree"] = ~(out["p_holm"] < FALSE_ALARM)
    return out


def _scatter_of(own: Coefficients, members: list[int]) -> float:
    """Relative standard deviation of |t_1| between devices, what their own errors explain taken off; 0 if all of it."""
    size = np.abs(own.of(1)[:, members])
    middle = np.median(size, axis=0)
    errors = size - middle
    between = float(np.var(middle, ddof=1)) - float(np.mean(errors**2))
    return float(np.sqrt(max(between, 0.0)) / np.mean(middle))
