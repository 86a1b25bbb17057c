"""Tables of the page, and the numbers with all digits that lie beside it."""

from __future__ import annotations

import pandas as pd

from mtjfit.data import pretty
from mtjfit.plain import csv_bytes
from mtjfit.report.findings import Findings
from mtjfit.results.consequences import Consequences
from mtjfit.results.device_tables import outliers_table, pairs_table, quantities_table, repeats_table
from mtjfit.results.devices import DeviceComparison
from mtjfit.results.identify_text import directions_table
from mtjfit.results.mechanisms import mechanism_tables
from mtjfit.results.narrowing import narrowing_table, sensitivity_table
from mtjfit.results.tables import (
    combinations_table,
    devices_table,
    interval,
    posterior_table,
    prior_table,
    undetermined_table,
)
from mtjfit.text import Table

__all__ = ["consequences_table", "number_files", "report_tables"]

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
        "pairs": pairs_table(alone.pairs),
        "odd": outliers_table((common or alone).outliers),
        "repeats": repeats_table(alone.repeats),
    }
    return {name: table for name, table in tables.items() if table.rows}


def consequences_table(implied: Consequences) -> Table:
    """One column for each thickness; what is extrapolated, or inherits a prior, is marked.

    Parameters
    ----------
    implied : Consequences
    """
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
