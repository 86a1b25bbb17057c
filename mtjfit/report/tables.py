"""Tables of the page, and the numbers with all digits that lie beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtjfit.comparison.devices.comparison import (
    DeviceComparison,
    device_pairs_table,
    outliers_table,
    quantities_table,
    repeats_table,
)
from mtjfit.comparison.free_layer.consequences import Consequences
from mtjfit.comparison.mechanisms.comparison import MechanismComparison
from mtjfit.comparison.mechanisms.tables import mechanism_tables
from mtjfit.data import pretty
from mtjfit.infer import FitResult, Posterior
from mtjfit.plain import csv_bytes
from mtjfit.prior_influence.tables import narrowing_table, sensitivity_table
from mtjfit.report.findings import Findings
from mtjfit.results.headers import device_names
from mtjfit.results.identify_text import directions_table
from mtjfit.results.predict import errors_of, torque_at
from mtjfit.results.tables import (
    combinations_table,
    devices_table,
    interval,
    posterior_table,
    prior_table,
    undetermined_table,
)
from mtjfit.results.transfer import accumulation_draws, stacks
from mtjfit.text import Table, number, value_with_error

__all__ = [
    "accumulation_in_words",
    "consequences_table",
    "devices_in_words",
    "mechanisms_in_words",
    "number_files",
    "ratios_in_words",
    "report_tables",
    "torque_in_words",
]

_MOST = 6  # devices that are named one by one
_QUANTITIES = 3


def torque_in_words(fit: FitResult) -> str:
    """Devices, the range of each component, χ², and the largest residual."""
    curves = fit.study.curves
    what = " and ".join(dict.fromkeys(curve.quantity for curve in curves))
    first = [curve for curve in curves if curve.unit == curves[0].unit]
    measured = {
        "in-plane": np.concatenate([curve.par[curve.used] for curve in first]),
        "out-of-plane": np.concatenate([curve.perp[curve.used] for curve in first]),
    }
    unit = pretty(curves[0].unit)
    ranges = [f"{name} from {number(v.min(), 3)} to {number(v.max(), 3)} {unit}" for name, v in measured.items()]
    largest = max(_largest_residual(fit, k) for k in range(len(curves)))
    return (
        f"Plot of {what} against bias for {device_names(curves, _MOST)}: {', '.join(ranges)}. {fit.chi2_says}. "
        f"The point farthest from the best fit is {largest:.1f} standard errors away."
    )


def _largest_residual(fit: FitResult, k: int) -> float:
    curve = fit.study.curves[k]
    best = torque_at(fit.study, fit.values, curve, curve.bias)
    par, perp = errors_of(fit.study, fit.values, curve)
    away = np.maximum(np.abs(curve.par - best.real) / par, np.abs(curve.perp - best.imag) / perp)
    return float(np.max(away[curve.used]))


def ratios_in_words(fit: FitResult) -> str:
    """Slope ratio of each device, up to twelve of them."""
    ratios = fit.combinations[fit.combinations["quantity"] == "slope_ratio"]
    values = ", ".join(f"{r.device}: {float(r.value):.3g}" for r in ratios.head(12).itertuples())  # type: ignore[arg-type]
    return f"Slope ratio T_perp/T_par by device: {values}."


def accumulation_in_words(posterior: Posterior) -> str:
    """Both components at the barrier and at the far side, for the thinnest and the thickest device."""
    of_stack = {device: stack for stack in stacks(posterior) for device in stack.devices}
    curves = sorted(posterior.study.curves, key=lambda curve: curve.thickness)
    said = []
    for curve in curves if len(curves) == 1 else (curves[0], curves[-1]):
        stack = of_stack[curve.device]
        d = max(curve.thickness - float(np.median(stack.lengths["dead_layer"])), 1e-3)
        m = np.median(accumulation_draws(stack, [0.0, d], d), axis=0)
        said.append(
            f"{curve.device} ({curve.thickness:g} nm): in-plane {m[0].real:.3g} nm at the barrier and "
            f"{m[1].real:.3g} nm at the far side, out-of-plane {m[0].imag:.3g} and {m[1].imag:.3g} nm."
        )
    return " ".join(said)


def devices_in_words(compared: DeviceComparison) -> str:
    """Medians with half of the central 68 % of the first quantities, device by device; which devices are odd."""
    said = []
    for name in [each.name for each in compared.quantities][:_QUANTITIES]:
        rows = compared.table[compared.table["quantity"] == name].to_dict("records")
        listed = [
            f"{r['device']} {value_with_error(r['median'], (r['q84'] - r['q16']) / 2)}"
            for r in rows[:_MOST]
            if np.isfinite(r["median"])
        ]
        rest = f" and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
        said.append(f"{name}: {', '.join(listed)}{rest}.")
    odd = compared.outliers.loc[compared.outliers["outlier"].astype(bool), "device"]
    return " ".join([*said, f"Odd devices: {', '.join(map(str, odd))}." if len(odd) else "No device is odd."])


def mechanisms_in_words(found: MechanismComparison) -> str:
    """ln Z of each mechanism below the best."""
    best = found.best
    others = ", ".join(
        f"{one.name} {one.evidence.value - best.evidence.value:.1f}" for one in found.results if one is not best
    )
    return f"The best is {best.name}; ln Z of the others minus that of the best: {others}."


_MECHANISMS = ("evidence", "bayes_factors", "left_out", "criteria", "predictive_checks")
_SHOWN = ("absorbed in F, 1 − |J(d)/J0|", "to the moments, Re κ", "to the lattice, Re f", "into N, Re J(d)/J0", "arg κ",
          "T_perp/T_par", "odd part of T_perp over T_par")  # fmt: skip
_BEYOND, _INHERITED = "†", "*"


def report_tables(found: Findings) -> dict[str, Table]:
    """Every table of the page that says anything, by the name of its file."""
    fit, posterior = found.fit, found.posterior
    tables = {}
    if posterior is not None:
        tables = {
            "parameters": posterior_table(posterior),
            "narrowing": narrowing_table(posterior, found.narrowing),
            "sensitivity": sensitivity_table(posterior, found.sensitivity),
            "priors": prior_table(posterior),
        }
    tables["combinations"] = combinations_table(fit)
    if posterior is None:
        tables["undetermined"] = undetermined_table(fit)
    tables["directions"] = directions_table(fit.identifiability.directions)
    tables["devices"] = devices_table(fit.study)
    if found.alone is not None:
        tables |= _of_devices(found.alone, found.common)
    if found.implied is not None:
        tables["consequences"] = consequences_table(found.implied)
    if found.mechanisms is not None:
        tables |= dict(zip(_MECHANISMS, mechanism_tables(found.mechanisms), strict=True))
    return {name: table for name, table in tables.items() if table.rows or table.note}


def _of_devices(alone: DeviceComparison, common: DeviceComparison | None) -> dict[str, Table]:
    """What each device determines alone; odd ones as all others with the common lengths see them, if they can."""
    tables = {
        "determined": quantities_table(alone.study, alone.quantities, alone.table, alone.source),
        "pairs": device_pairs_table(alone.pairs),
        "odd": outliers_table((common or alone).outliers),
        "repeats": repeats_table(alone.repeats),
    }
    return {name: table for name, table in tables.items() if table.rows}


def consequences_table(implied: Consequences) -> Table:
    """One column for each thickness; what is extrapolated, or inherits a prior, is marked."""
    rows = implied.table[implied.table["quantity"].isin(_SHOWN)]
    places = list(dict.fromkeys((str(r["quantity"]), _at(r["bias"]), str(r["unit"])) for r in rows.to_dict("records")))
    cells = {(str(r["quantity"]), _at(r["bias"]), r["thickness"]): _cell(r) for r in rows.to_dict("records")}  # type: ignore[arg-type]
    body = tuple(
        (
            f"{name}{at}" + (f" ({pretty(unit)})" if unit else ""),
            *(cells.get((name, at, d), "") for d in implied.thickness),
        )
        for name, at, unit in places
    )
    header = ("quantity", *(f"{d:g} nm" for d in implied.thickness))
    return Table("Where the spin current goes, and what the torques do", header, body, _remarks(rows))


def _at(bias: float) -> str:
    return "" if pd.isna(bias) else f" at {bias:+g} V"


def _cell(row: dict[str, object]) -> str:
    low, middle, high = (float(row[name]) for name in ("q025", "median", "q975"))  # type: ignore[arg-type]
    marks = (_BEYOND if row["extrapolated"] else "") + (_INHERITED if row["leans_on"] else "")
    return f"{interval(low, middle, high)}{' ' if marks else ''}{marks}"


def _remarks(rows: pd.DataFrame) -> str:
    parts = ["Medians and 95 % intervals."]
    if (rows["extrapolated"] != "").any():
        parts.append(f"{_BEYOND}: extrapolated, nobody measured there.")
    leaning = dict.fromkeys(name for each in rows["leans_on"] if each for name in str(each).split(", "))
    if leaning:
        parts.append(f"{_INHERITED}: inherited from the priors of {', '.join(leaning)}, which the data left alone.")
    return " ".join([*parts, "More quantities and all digits: consequences.csv."])


def number_files(found: Findings) -> dict[str, bytes]:
    """Numbers with all digits behind the tables of devices, consequences and mechanisms, by file name."""
    files = {}
    compared = [one for one in (found.alone, found.common) if one is not None]
    if compared:
        files["devices.csv"] = _csv(pd.concat([one.table for one in compared]), "quantity")
        files["pairs.csv"] = _csv(pd.concat([one.pairs.assign(source=one.source) for one in compared]), "quantity")
    if found.implied is not None:
        files["consequences.csv"] = _csv(found.implied.table, "quantity")
    if found.mechanisms is not None:
        rows = [
            {"mechanism": one.name, "log_evidence": one.evidence.value, "error": one.evidence.error,
             "log_prediction": one.log_prediction, "chi2": one.fit.chi2, "dof": one.fit.dof, "k": one.n_determined,
             "aic": one.aic, "bic": one.bic}
            for one in found.mechanisms.results
        ]  # fmt: skip
        files["mechanisms.csv"] = _csv(pd.DataFrame(rows), "mechanism")
    return files


def _csv(frame: pd.DataFrame, first: str) -> bytes:
    return csv_bytes(frame.set_index(first))
