"""A plan for people and for programs: tables of what candidates would bring, and the same as a document."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from mtjfit.data import pretty
from mtjfit.plain import plain, records
from mtjfit.planning import Plan, spread_text
from mtjfit.results.tables import meaning
from mtjfit.text import Table

__all__ = ["candidates_table", "parameters_table", "path_table", "plan_document", "plan_tables"]

_SHOWN = 13  # thicknesses in the table on a terminal; the file has all


def plan_tables(plan: Plan) -> tuple[Table, ...]:
    """What the choice brings, how it builds up if there are several devices, and what single candidates bring."""
    several = (path_table(plan),) if len(plan.chosen) > 1 else ()
    return (parameters_table(plan), *several, candidates_table(plan))


def parameters_table(plan: Plan) -> Table:
    """Every parameter that devices share, before and after what was chosen."""
    rows = []
    for name, row in plan.parameters.iterrows():
        now, after, low, high = (
            spread_text(float(row[key]), bool(row["relative"])) for key in ("now", "after", "low", "high")
        )
        rows.append((str(name), now, after, f"{low} to {high}", pretty(str(row["unit"])), meaning(str(name))))
    before = "now" if plan.has_data else "prior"
    title = f"Expected errors with {' and '.join(plan.chosen) if len(plan.chosen) < 3 else 'all of them'}"
    return Table(
        title, ("parameter", before, "after", "half of all cases", "unit", "meaning"), tuple(rows), _what_errors(plan)
    )


def _what_errors(plan: Plan) -> str:
    cases = "draws of the posterior" if plan.has_data else "draws from the priors"
    return (
        "Errors of lengths are standard deviations of their logarithm; after: the geometric mean over "
        f"{cases}, any of which may be the truth."
    )


def path_table(plan: Plan) -> Table:
    """How the error falls from device to device, in the order in which each adds most."""
    rows = []
    for number, row in plan.path.iterrows():
        after = () if plan.of_everything else (plan.text(float(row["after"])),)
        rows.append((str(number), f"+ {row['device']}", *after, f"{float(row['bits']):.3g}"))
    target = () if plan.of_everything else (f"{plan.target.name} after",)
    return Table("Device by device", ("devices", "", *target, "bits"), tuple(rows))


def candidates_table(plan: Plan) -> Table:
    """What each candidate brings on its own: some of the thicknesses, all else."""
    rows = []
    for name, row in _some(plan).iterrows():
        after = () if plan.of_everything else (plan.text(float(row["after"])),)
        checked: tuple[str, ...] = ()
        if plan.has_data:
            value = row["reweighted_bits"] if plan.of_everything else row["reweighted"]
            shown = "" if math.isnan(value) else f"{value:.2g}" if plan.of_everything else plan.text(float(value))
            checked = (shown if row["reliable"] is not False else f"{shown} (unreliable)",)
        mark = "*" if name in plan.chosen else ""
        rows.append((f"{name}{mark}", *after, f"{float(row['bits']):.2g}", *checked))
    target = () if plan.of_everything else (f"{plan.target.name} after",)
    header = ("candidate", *target, "bits", *(("by reweighting",) if plan.has_data else ()))
    note = "* chosen. Bits: information about all parameters that devices share."
    return Table("Each candidate on its own", header, tuple(rows), note)


def _some(plan: Plan) -> pd.DataFrame:
    """Rows of the table: evenly spread thicknesses, those chosen, and the best of every other kind of step."""
    grid = plan.table[plan.table.kind == "thickness"]
    spread = np.linspace(0, len(grid) - 1, min(_SHOWN, len(grid))).round().astype(int)
    wanted = set(grid.index[spread]) | set(plan.chosen) | set(plan.others.index)
    return plan.table.loc[[name in wanted for name in plan.table.index]]


def plan_document(plan: Plan) -> dict[str, Any]:
    """Everything a program may want of a plan, ready for JSON: NaN becomes null."""
    return {
        "program": "mtjfit",
        "kind": "plan",
        "sentence": plan.sentence,
        "notes": list(plan.notes),
        "target": plan.target.name,
        "relative": plan.target.relative,
        "unit": plan.unit,
        "before": "posterior" if plan.has_data else "prior",
        "now": plain(plan.now),
        "chosen": list(plan.chosen),
        "search": {"method": plan.choice.method, "combinations": plan.choice.n_combinations},
        "path": records(plan.path),
        "parameters": records(plan.parameters),
        "candidates": records(plan.table),
    }
