"""Sections of the report about devices, consequences and mechanisms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtjfit.comparison.devices.comparison import (
    DeviceComparison,
    compare_devices,
    device_pairs_table,
    device_quantities_table,
    outliers_table,
    repeats_table,
)
from mtjfit.comparison.devices.freedoms import AMPLITUDE
from mtjfit.comparison.devices.odd import OddDevice
from mtjfit.comparison.devices.plot import forest_caption, plot_forest
from mtjfit.comparison.free_layer.consequences import Consequences, consequences, leaned_on, of_band
from mtjfit.comparison.free_layer.layer import shares_one_layer
from mtjfit.comparison.free_layer.plot import consequences_caption, plot_consequences
from mtjfit.comparison.mechanisms.comparison import MechanismComparison
from mtjfit.comparison.mechanisms.plot import mechanisms_caption, plot_mechanisms
from mtjfit.comparison.mechanisms.tables import conclusions, mechanism_document, mechanism_frame, mechanism_tables
from mtjfit.data import pretty
from mtjfit.errors import NotDetermined
from mtjfit.html import PlannedFigure, Section
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.causes import P_BAD
from mtjfit.infer.level import Level
from mtjfit.plain import csv_bytes
from mtjfit.results.tables import interval
from mtjfit.results.verdicts import Answer
from mtjfit.text import Table, p_text, value_with_error

_MOST_DEVICES = 60  # pairs grow with the square of the number of devices
_NAMED, _QUANTITIES = 6, 3  # devices and quantities that alternative texts list
_SHOWN = ("absorbed in F, 1 − |J(d)/J0|", "to the moments, Re κ", "to the lattice, Re f", "into N, Re J(d)/J0", "arg κ",
          "T_perp/T_par", "odd part of T_perp over T_par")  # fmt: skip
_EXTRAPOLATED, _FROM_PRIOR = "†", "*"
_MECHANISM_TABLES = ("evidence", "bayes_factors", "left_out", "criteria", "predictive_checks")
_COMMAND = "mtjfit run STUDY.toml --output DIR --mechanisms"


def comparison_sections(
    fit: FitResult, posterior: Posterior | None, mechanisms: MechanismComparison | None
) -> tuple[Section, Section, Section]:
    """Device comparison, consequences and mechanisms; each says so where there is nothing to compare.

    `posterior` is None where one thickness determines combinations only, `mechanisms` if they were not compared.
    """
    converged = posterior if posterior is not None and posterior.verdict.converged else None
    return _of_devices(fit, converged), _of_layer(fit, posterior, converged), _of_mechanisms(fit, mechanisms)


def _of_devices(fit: FitResult, posterior: Posterior | None) -> Section:
    n = len(fit.study.curves)
    alone, common = (_compared(found) if 1 < n <= _MOST_DEVICES else None for found in (fit, posterior))
    compared = [one for one in (alone, common) if one is not None]
    files = {}
    if compared:
        pairs = pd.concat([one.pairs.assign(source=one.source) for one in compared])
        files["devices.csv"] = csv_bytes(pd.concat([one.table for one in compared]).set_index("quantity"))
        files["pairs.csv"] = csv_bytes(pairs.set_index("quantity"))
    if alone is None:
        if n == 1:
            words = "There is only one device."
        elif n > _MOST_DEVICES:
            words = f"{n} devices are too many for this page: mtjfit compare STUDY.toml --devices --output DIR."
        else:
            words = (
                "Errors are to be fitted, but some device has no more points than powers of V, so that it determines "
                "nothing alone."
            )
        return Section("devices", "Device comparison", (words,), files=files)
    tables = {
        "determined": device_quantities_table(alone),
        "pairs": device_pairs_table(alone.pairs),
        "odd": outliers_table(alone.outliers, alone.odd_devices),
        "repeats": repeats_table(alone.repeats),
    }
    both = ", ".join(f"mtjfit.comparison.compare_devices({name})" for name, one in
                     (("fit", alone), ("posterior", common)) if one is not None)  # fmt: skip
    picture = PlannedFigure(
        "forest",
        forest_caption(alone, common),
        f"Forest plot of {len(alone.quantities)} quantities by device. {_devices_in_words(alone)}",
        lambda **look: plot_forest(alone, common, **look),
        f"mtjfit.plot.plot_forest({both})",
    )
    return Section(
        "devices",
        "Device comparison",
        (_odd_says(alone), *dict.fromkeys(note for one in compared for note in one.notes)),
        pictures=(picture,),
        tables={name: table for name, table in tables.items() if table.rows},
        files=files,
        check=devices_agree(fit, alone.odd_devices),
    )


def devices_agree(fit: FitResult, odd: tuple[OddDevice, ...]) -> Answer:
    """Whether each device is as the others predict; of no meaning where the model describes none of them."""
    name = "devices agree"
    if fit.p_value < P_BAD:
        return Answer(name, "open", "of no meaning as long as the model does not describe the data")
    if not odd:
        return Answer(name, "yes", "no device differs from what the others predict")
    said = [f"{one.device} differs from the others ({p_text(one.p_value)}){one.why and ': '}{one.why}" for one in odd]
    scatters = any(one.kind == AMPLITUDE for one in odd) and "scatter_a1" not in fit.study.parameters
    todo = ["if areas or currents differ between all devices, declare scatter_a1"] if scatters else []
    return Answer(name, "partly", "; ".join([*said, *todo]))


def _compared(found: FitResult | Posterior | None) -> DeviceComparison | None:
    """None where devices have too few points to be judged alone."""
    try:
        return None if found is None else compare_devices(found)
    except NotDetermined:
        return None


def _devices_in_words(compared: DeviceComparison) -> str:
    """Medians with half of the central 68 % of the first quantities, device by device, and the odd devices."""
    said = []
    for name in [each.name for each in compared.quantities][:_QUANTITIES]:
        rows = compared.table[compared.table["quantity"] == name].to_dict("records")
        listed = [
            f"{r['device']} {value_with_error(r['median'], (r['q84'] - r['q16']) / 2)}"
            for r in rows[:_NAMED]
            if np.isfinite(r["median"])
        ]
        rest = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        said.append(f"{name}: {', '.join(listed)}{rest}.")
    return " ".join([*said, _odd_says(compared)])


def _odd_says(compared: DeviceComparison) -> str:
    return f"Odd devices: {', '.join(compared.odd)}." if compared.odd else "No device is odd."


def _of_layer(fit: FitResult, posterior: Posterior | None, converged: Posterior | None) -> Section:
    if posterior is None:
        words = "One thickness determines no length, so that nothing follows for other thicknesses."
    elif converged is None:
        words = "Nothing follows from draws that have not converged."
    elif fit.study.model.identity:
        words = f"Spin current and effective lengths are those of Eq. 12, not of the model {fit.study.model.name!r}."
    elif not fit.study.amplitudes or not shares_one_layer(fit.study):
        words = "Parameters differ between devices: see mtjfit.comparison.consequences(posterior, device=...)."
    else:
        implied = consequences(converged)
        picture = PlannedFigure(
            "consequences",
            consequences_caption(implied),
            f"Plot of torques against bias and thickness. {' '.join(implied.says)}",
            lambda **look: plot_consequences(implied, **look),
            "mtjfit.plot.plot_consequences(mtjfit.comparison.consequences(posterior))",
            True,
        )
        return Section(
            "consequences",
            "Consequences",
            implied.says,
            pictures=(picture,),
            tables={"consequences": consequences_table(implied)},
            files={"consequences.csv": csv_bytes(implied.table.set_index("quantity"))},
        )
    return Section("consequences", "Consequences", (words,))


def consequences_table(implied: Consequences) -> Table:
    """One column for each thickness; extrapolated cells and those that lean on a prior are marked."""
    shown = implied.table[implied.table["quantity"].isin(_SHOWN)]
    rows = [{str(name): value for name, value in row.items()} for row in shown.to_dict("records")]
    cells = {(row["quantity"], _at(row["bias"]), row["thickness"]): _cell(row, implied.posterior.band) for row in rows}
    places = dict.fromkeys((row["quantity"], _at(row["bias"]), row["unit"]) for row in rows)
    body = tuple(
        (
            f"{name}{at}" + (f" ({pretty(unit)})" if unit else ""),
            *(cells.get((name, at, d), "") for d in implied.thickness),
        )
        for name, at, unit in places
    )
    header = ("quantity", *(f"{d:g} nm" for d in implied.thickness))
    remarks = [f"Medians and {implied.posterior.band} intervals."]
    if (shown["extrapolated"] != "").any():
        remarks.append(f"{_EXTRAPOLATED}: extrapolated beyond the measured range.")
    if leaning := leaned_on(shown):
        remarks.append(
            f"{_FROM_PRIOR}: inherited from the priors of {leaning}, which the data bound on one side at most."
        )
    remarks.append("More quantities and all digits: consequences.csv.")
    return Table("Spin current and torques", header, body, " ".join(remarks))


def _at(bias: float) -> str:
    return "" if np.isnan(bias) else f" at {bias:+g} V"


def _cell(row: dict[str, object], level: Level) -> str:
    marks = (_EXTRAPOLATED if row["extrapolated"] else "") + (_FROM_PRIOR if row["leans_on"] else "")
    return f"{interval(*of_band(row, level))}{' ' if marks else ''}{marks}"


def _of_mechanisms(fit: FitResult, found: MechanismComparison | None) -> Section:
    if found is None:
        one = (
            "One thickness cannot distinguish diffusion from asymmetric electrodes (b1): both give the torque one "
            "phase."
        )
        several = (
            "Not compared in this run: whether asymmetric electrodes (b1) would explain these data as well as spin "
            "diffusion does, or better.",
            "This takes half a minute more:",
        )
        words, command = ((one,), "") if fit.study.n_thicknesses == 1 else (several, _COMMAND)
        return Section("mechanisms", "Other mechanisms", words, command)
    best = found.best
    others = ", ".join(
        f"{one.name} {one.evidence.value - best.evidence.value:.1f}" for one in found.results if one is not best
    )
    picture = PlannedFigure(
        "mechanisms",
        mechanisms_caption(found),
        f"Plot of the evidence. The best is {best.name}; ln Z of the others minus that of the best: {others}.",
        lambda **look: plot_mechanisms(found, **look),
        f"mtjfit.plot.plot_mechanisms(mtjfit.comparison.compare_mechanisms(fit.study, seed={found.seed}))",
    )
    return Section(
        "mechanisms",
        "Other mechanisms",
        conclusions(found),
        pictures=(picture,),
        tables=dict(zip(_MECHANISM_TABLES, mechanism_tables(found), strict=True)),
        files={"mechanisms.csv": csv_bytes(mechanism_frame(found).set_index("mechanism"))},
        record={"mechanisms": mechanism_document(found)},
    )
