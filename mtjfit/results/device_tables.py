"""Tables for people of a comparison of devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mtjfit.data import pretty
from mtjfit.multiple_tests import FALSE_ALARM
from mtjfit.results.determined import DeterminedQuantity
from mtjfit.results.leave_out import NORMAL
from mtjfit.results.tables import interval
from mtjfit.study import Study
from mtjfit.text import Table, p_text, value_with_error

__all__ = ["marked", "outliers_table", "pairs_table", "quantities_table", "repeats_table"]

_LISTED = 3  # pairs of each quantity that are listed one by one
_LOPSIDED = 0.1  # an interval whose halves differ by more than this share is written out
_SHORT = 40


def marked(one: Table) -> Table:
    """The table of draws that have not converged."""
    return replace(one, title=f"NOT CONVERGED, no result: {one.title[0].lower()}{one.title[1:]}")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _cell(row: dict[str, Any]) -> str:
    low, middle, high, share = row["q16"], row["median"], row["q84"], row["share"]
    if not share:
        return "none in range"
    upper, lower = high - middle, middle - low
    lopsided = abs(upper - lower) > _LOPSIDED * (upper + lower)
    shown = interval(low, middle, high) if lopsided else value_with_error(middle, (high - low) / 2)
    some = f" in {100 * share:.0f} % of draws" if share < 0.995 else ""
    return f"{shown}{some}{'*' if row['extrapolated'] else ''}"


def quantities_table(
    study: Study, quantities: tuple[DeterminedQuantity, ...], table: pd.DataFrame, source: str
) -> Table:
    """One row for each device in the order of thickness, one column for each quantity."""
    cells = {(row["quantity"], row["device"]): _cell(row) for row in _records(table)}
    curves = [study.curves[j] for j in np.argsort(study.thicknesses, kind="stable")]
    rows = tuple(
        (curve.device, f"{curve.thickness:g}", *(cells[each.name, curve.device] for each in quantities))
        for curve in curves
    )
    header = [
        each.name.replace("|kappa", "|κ") + (f" ({pretty(each.unit)})" if each.unit else "") for each in quantities
    ]
    note = "Median ± half of the central 68 %, or median (68 % interval) where that is lopsided."
    return Table(f"What each device determines, {source}", ("device", "d (nm)", *header), rows, note)


def pairs_table(pairs: pd.DataFrame) -> Table:
    """Differences one by one for up to three devices; for more, how many pairs of each quantity differ."""
    title = "Differences between devices"
    if len(pairs) <= _LISTED * pairs["quantity"].nunique():
        rows = [
            (row["quantity"].replace("|kappa", "|κ"), f"{row['A']} − {row['B']}",
             interval(row["q025"], row["difference"], row["q975"]), pretty(row["unit"]), f"{row['p_greater']:.3f}",
             "yes" if row["clear"] else "")
            for row in _records(pairs) if np.isfinite(row["difference"]) and row["q975"] > row["q025"]
        ]  # fmt: skip
        note = "95 % intervals; clear: zero lies outside a band that holds all pairs of the quantity at once with 95 %."
        return Table(title, ("quantity", "pair", "difference", "unit", "P(> 0)", "clear"), tuple(rows), note)
    counts = []
    for name in dict.fromkeys(pairs["quantity"]):
        mine = pairs[pairs["quantity"] == name]
        lone = int(((mine["p_greater"] > 0.975) | (mine["p_greater"] < 0.025)).sum())
        chance = f"{0.05 * len(mine):.0f}" if len(mine) >= 20 else f"{0.05 * len(mine):.1f}"
        counts.append((name.replace("|kappa", "|κ"), str(len(mine)), str(lone), chance, str(int(mine["clear"].sum()))))
    note = (
        "One sided: pairs whose direction has more than 97.5 %, looked at one by one; beside it how many of them "
        "chance alone makes if no two devices differ. Clear: zero lies outside a band that holds all pairs of the "
        "quantity at once with 95 %."
    )
    return Table(title, ("quantity", "pairs", "one sided", "by chance", "clear"), tuple(counts), note)


def _p(p: float) -> str:
    return p_text(p).removeprefix("p ").removeprefix("= ")


def outliers_table(found: pd.DataFrame) -> Table:
    """Odd devices, the worst first; without any, the device that comes closest."""
    ordered = sorted(_records(found), key=lambda row: (row["p"], -row["chi2"]))
    odd = [row for row in ordered if row["outlier"]]
    rows = tuple(
        (row["device"], f"{row['thickness']:g}", f"{row['chi2']:.1f}", str(row["dof"]), _p(row["p"]),
         _p(row["p_holm"]), row["reason"].replace("|kappa", "|κ") or "none: the largest departure of all",
         row["method"])
        for row in odd or ordered[:1]
    )  # fmt: skip
    note = (
        f"Every device against what all others predict for it; odd where p stays below {FALSE_ALARM:g} after Holm's "
        "correction for their number. An odd device also moves what is predicted for its neighbours: judge the first, "
        "leave it out, and fit again."
    )
    if any(row["method"] == NORMAL for row in ordered):
        note += (
            " Normal approximation: too few draws represent the posterior without the device (k̂ is too large), so that "
            "only its mean and width count."
        )
    header = ("device", "d (nm)", "χ²", "dof", "p", "p (Holm)", "reason", "left out by")
    return Table("Odd devices" if odd else "No device is odd", header, rows, note)


def repeats_table(found: pd.DataFrame) -> Table:
    """Thicknesses with several devices: whether these agree."""
    rows = tuple(
        (f"{row['thickness']:g}", str(row["n"]),
         row["devices"] if len(row["devices"]) < _SHORT else f"{row['devices'][: _SHORT - 3]}…",
         f"{row['chi2']:.1f}", str(row["dof"]), p_text(row["p"]), "yes" if row["agree"] else "NO",
         f"{100 * row['scatter']:.2g} %")
        for row in _records(found)
    )  # fmt: skip
    note = (
        "Do devices of one nominal thickness have the same torque within the errors of the data? Without any length; "
        "tolerances of thickness are not counted. Scatter: of |κ| a1 between them beyond those errors."
    )
    header = ("d (nm)", "n", "devices", "χ²", "dof", "p", "agree", "scatter")
    return Table("Repeated devices", header, rows, note)
