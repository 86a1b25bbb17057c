"""Tables of results, with error bars only where the data determine a number."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from mtjfit.data import pretty
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.causes import P_BAD
from mtjfit.infer.level import INTERVAL, Level
from mtjfit.results.headers import free_lengths, masked_points
from mtjfit.study import SCATTER, ParameterName, Prior, Study, is_amplitude
from mtjfit.study.current_term import OWN_DIGITS
from mtjfit.text import Table, decimals_of, number, p_text, power_of_ten, rounded, value_with_error

NARROWED = 0.9
"""A thickness is said to be narrowed by the data below this ratio of posterior to declared sd."""
_MOVED = 0.5  # or if it moved by more than this many declared sd

NOT_DETERMINED = "not determined"

_MEANING = {
    "lambda_J": "spin precession length",
    "lambda_phi": "spin dephasing length",
    "lambda_sf_F": "spin diffusion length of the free layer",
    "lambda_sf_N": "spin diffusion length of the metal behind it",
    "D_ratio": "ratio of the diffusion constants, D_F/D_N",
    "Lambda": "D_ratio · lambda_sf_N, as it enters the torque",
    "dead_layer": "part of the free layer that is not magnetic",
    "noise_par": "standard error of T_par, from the scatter",
    "noise_perp": "standard error of T_perp, from the scatter",
}


def meaning(name: str) -> str:
    """A parameter in words.

    >>> meaning("b2[dev1]")
    'out-of-plane coefficient of V^2 in J0(V)'
    """
    base = ParameterName(name).base
    if base == "thickness":
        return "thickness of the free layer"
    if base.startswith(SCATTER):
        return f"relative standard deviation of {base.removeprefix(SCATTER)} between devices"
    if is_amplitude(base):
        part, power = ("in-plane" if base[0] == "a" else "out-of-plane"), base[1]
        if int(power) in OWN_DIGITS:
            return f"{part} amplitude of own term {power} in J0(V)"
        return f"{part} coefficient of V^{power} in J0(V)" if power not in "01" else f"{part} " + (
            "coefficient of V in J0(V)" if power == "1" else "constant of J0(V)"
        )  # fmt: skip
    return _MEANING.get(base, "")


def interval(low: float, middle: float, high: float) -> str:
    """Median and interval, with the digits that mean something (PDG rounding of half its width).

    >>> interval(0.9432, 1.0266, 1.1034), interval(1.2e-12, 1.5e-12, 1.8e-12)
    ('1.03 (0.94 to 1.10)', '1.50e-12 (1.20e-12 to 1.80e-12)')
    """
    half = (high - low) / 2
    if not (math.isfinite(half) and half > 0):
        return f"{number(middle)} ({number(low)} to {number(high)})"
    texts, exponent = rounded((middle, low, high), decimals_of(half))
    return "{} ({} to {})".format(*(text + power_of_ten(exponent) for text in texts))


def limit(row: pd.Series, level: Level = INTERVAL) -> str:
    """The one-sided statement of a parameter that is open on one side, without unit: an end of its interval.

    >>> limit(pd.Series({"determined": "lower limit", "q05": 6.7006, "q95": 29.4}))
    '> 6.7 (95 %)'
    """
    return f"{bare_limit(row, level)} ({level.one_sided})"


def bare_limit(row: pd.Series, level: Level = INTERVAL) -> str:
    """A limit without what it holds."""
    low, _, high = level.names
    if row["determined"] == "lower limit":
        return f"> {number(float(row[low]), 2)}"
    return f"< {number(float(row[high]), 2)}"


def interval_of(row: pd.Series, level: Level = INTERVAL) -> str:
    """Median and interval in a row of a summary."""
    low, middle, high = (float(row[name]) for name in level.names)
    return interval(low, middle, high)


def _thickness(row: pd.Series, declared: Prior, level: Level) -> tuple[str, str]:
    """A thickness was declared with an error: it is a measurement, sharpened by the curves or left as it was."""
    mean, sd = float(row["mean"]), float(row["sd"])
    nominal, error = declared.centre_and_sd
    if sd > NARROWED * error and abs(mean - nominal) < _MOVED * error:
        return f"as declared: {nominal:g} ± {error:g}", ""
    return interval_of(row, level), value_with_error(mean, sd)


def result_text(posterior: Posterior, name: str, row: pd.Series) -> tuple[str, str]:
    """Interval or limit in a row of the summary, and its mean ± sd; the second empty where it would mislead."""
    prior = posterior.priors.get(name)
    if prior is not None and ParameterName(name).is_thickness:
        return _thickness(row, prior, posterior.interval)
    if row["determined"] == "yes":
        return interval_of(row, posterior.interval), value_with_error(float(row["mean"]), float(row["sd"]))
    if row["determined"] == "no":
        return f"not determined by the data (prior: {prior_text(posterior, name)})", ""
    return limit(row, posterior.interval), ""


def prior_text(posterior: Posterior, name: str) -> str:
    """The prior of a parameter in words; what it is derived from, or how a thickness was declared."""
    prior = posterior.priors.get(name)
    declared = posterior.study.parameters.get(ParameterName(name).base)
    if declared is not None and declared.tie is not None:
        return declared.tie.describe()
    if prior is None:
        return "derived: D_ratio · lambda_sf_N" if name == "Lambda" else "derived"
    if ParameterName(name).is_thickness:
        return "declared {:g} ± {:g}".format(*prior.centre_and_sd)
    return prior.describe()


def posterior_table(posterior: Posterior) -> Table:
    """Intervals, limits and priors of all parameters."""
    rows = []
    for name, row in posterior.summary().iterrows():
        result, mean = result_text(posterior, str(name), row)
        if not posterior.verdict.converged:
            mean = ""  # the spread of draws that have not converged is no error
        rows.append((str(name), result, mean, pretty(str(row["unit"])), prior_text(posterior, str(name))))
    title = "Parameters"
    note = "Limits hold with the prior beside them."
    if any(ParameterName(str(name)).is_thickness for name in posterior.names):
        note += " A thickness combines its declared error with the curves."
    if not posterior.verdict.converged:
        title = f"NOT CONVERGED, no result: {title[0].lower()}{title[1:]}"
    return Table(
        title, ("parameter", f"median ({posterior.interval} interval)", "mean ± sd", "unit", "prior"), tuple(rows), note
    )


def length_results_table(fit: FitResult, posterior: Posterior | None) -> Table:
    """Lengths that are not fixed, with interval, limit, or the words that the data do not determine them.

    Without a posterior they are those of the best fit. Draws that have not converged give no number, and a model that
    does not describe the data is named in the title.
    """
    if posterior is not None:
        summary, level = posterior.summary(), posterior.interval
        header = ("length", "meaning", f"median ({level} interval)")
        rows = tuple(
            (str(name), meaning(str(name)), _bare(posterior, row))
            for name, row in summary.iterrows()
            if str(name) in posterior.priors and ParameterName(str(name)).shapes_kappa
        )
    else:
        header = ("length", "meaning", "best fit ± standard error")
        rows = tuple(
            (name, meaning(name), _best(fit, name))
            for name in fit.values
            if ParameterName(name).base in free_lengths(fit.study)
        )
    title = "Lengths" if fit.p_value >= P_BAD or math.isnan(fit.p_value) else "Lengths, if the model described the data"
    if posterior is not None and not posterior.verdict.converged:
        title = "NOT CONVERGED, no result: lengths"
    return Table(title, header, rows)


def _bare(posterior: Posterior, row: pd.Series) -> str:
    if not posterior.verdict.converged:
        return "no result"
    level, unit = posterior.interval, pretty(str(row["unit"]))
    if row["determined"] == "yes":
        return f"{interval_of(row, level)} {unit}".rstrip()
    if row["determined"] == "no":
        return NOT_DETERMINED
    return " ".join(part for part in (bare_limit(row, level), unit, f"({level.one_sided})") if part)


def _best(fit: FitResult, name: str) -> str:
    error = fit.errors.get(name)
    if error is None or fit.study.n_thicknesses == 1:
        return NOT_DETERMINED
    return f"{value_with_error(fit.values[name], error)} {pretty(fit.study.unit_of(name))}".rstrip()


def prior_table(posterior: Posterior) -> Table:
    """Meanings and priors of all parameters, fixed ones included; ESS and R-hat of the draws."""
    summary = posterior.summary()
    rows = []
    for name, row in summary.iterrows():
        rows.append((
            str(name), meaning(str(name)), prior_text(posterior, str(name)),
            f"{float(row['ess']):.0f}", f"{float(row['r_hat']):.3f}",
        ))  # fmt: skip
    for name, parameter in posterior.study.parameters.items():
        if parameter.is_fixed:
            said = "nominal values, taken as exact" if name == "thickness" else parameter.prior.describe()
            rows.append((name, meaning(name), said, "", ""))
    note = "ESS: effective number of draws behind a median. R-hat: 1 where ensembles cannot be told apart."
    return Table("Priors, and draws", ("parameter", "meaning", "prior", "ESS", "R-hat"), tuple(rows), note)


def device_combinations_table(fit: FitResult) -> Table:
    """Combinations that each device determines without any length, with its constraint test and scatter test.

    The two tests are different: see `mtjfit.model.DeviceCombinations`.
    """
    tests = {
        device.device: tuple(
            p_text(p) if dof > 0 else ""
            for p, dof in ((device.p_value, device.dof), (device.scatter_p_value, device.scatter_dof))
        )
        for device in fit.devices
    }
    rows, seen = [], set()
    for found in fit.combinations.itertuples():
        device = str(found.device)
        both = ("", "") if device in seen else tests[device]
        seen.add(device)
        shown = value_with_error(float(found.value), float(found.sd))  # type: ignore[arg-type]
        rows.append((device, _quantity(str(found.quantity)), shown, pretty(str(found.unit)), *both))
    note = (
        "slope ratio: T_perp/T_par at small bias, tan arg κ, if J0 has no linear out-of-plane term. "
        "Constraint test: whether the coefficients of the device's own polynomials can come from "
        f"{fit.study.model.law} with any "
        "lengths; it does not look at the points. "
        "Scatter test: whether its points follow these polynomials at all, within their errors."
    )
    if not rows:
        note = "None: with these amplitudes no device determines the phase of κ on its own."
    title = "Determined by each device on its own, without any length"
    header = ("device", "combination", "value ± sd", "unit", "constraint test", "scatter test")
    return _without_empty(Table(title, header, tuple(rows), note), ("constraint test", "scatter test"))


def _quantity(name: str) -> str:
    return "slope ratio T_perp/T_par" if name == "slope_ratio" else name.replace("|kappa|", "|κ|")


def undetermined_table(fit: FitResult) -> Table:
    """Free parameters without an error bar, with reasons; for fits that nothing is sampled of."""
    known = fit.identifiability.determined
    one = fit.study.n_thicknesses == 1
    rows = []
    for name, row in known.iterrows():
        base = ParameterName(str(name)).base
        if base == "thickness" or (row["determined"] and not (one and ParameterName(base).shapes_kappa)):
            continue
        rows.append((str(name), str(row["reason"]) or "not separable with one thickness", meaning(base)))
    title = "Undetermined parameters" if one else "Parameters without an error bar"
    return Table(title, ("parameter", "reason", "meaning"), tuple(rows))


def masks_table(study: Study) -> Table:
    """Devices, their points and the points left out, with reasons."""
    rows = []
    for curve in study.curves:
        why = "; ".join(f"{n} {reason}" for reason, n in masked_points(curve).items())
        used = f"{curve.n_used} of {curve.bias.size}"
        if curve.n_values != 2 * curve.n_used:
            used += " ({} in-plane, {} out-of-plane)".format(*curve.used_values.sum(axis=1))
        rows.append((curve.name, curve.group, f"{curve.thickness:g}", used, why, curve.source))
    header = ("device", "group", "thickness (nm)", "points used", "left out", "file")
    return _without_empty(Table("Devices and masks", header, tuple(rows)), ("group",))


def _without_empty(given: Table, droppable: Iterable[str]) -> Table:
    """The table without those columns that say nothing."""
    gone = {k for k, name in enumerate(given.header) if name in droppable and not any(row[k] for row in given.rows)}
    keep = [k for k in range(len(given.header)) if k not in gone]
    rows = tuple(tuple(row[k] for k in keep) for row in given.rows)
    return Table(given.title, tuple(given.header[k] for k in keep), rows, given.note)
