"""Tables, sentences and alternative texts of the page of wafers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from mtjfit.data import pretty
from mtjfit.text import Table, counted, number, p_text, value_with_error
from mtjfit.wafer.reduce.reduced import FLAG_MEANING
from mtjfit.wafer.survey.limits import REACH, OddDevices, WaferFindings, few_digits
from mtjfit.wafer.survey.survey import Survey

_MOST_ROWS = 40
_MOST_WORDS = 8  # wafers or splits in an alternative text


def quantity_title(quantity: str) -> str:
    """A quantity as a title."""
    return {"slope_ratio": "Slope ratio T⊥/T∥"}.get(quantity, quantity.replace("|kappa|", "|κ|"))


def _chance(p: float) -> str:
    """A probability in per cent, with trustworthy digits only."""
    return "< 0.01 %" if p < 1e-4 else "> 99.99 %" if p > 1 - 1e-4 else f"{100 * p:.3g} %"


def _with_unit(found: WaferFindings) -> str:
    unit, name = pretty(found.survey.unit(found.quantity)), found.quantity.replace("|kappa|", "|κ|")
    return f"{name} ({unit})" if unit else name


def survey_says(survey: Survey, odd: OddDevices, faults: int) -> list[str]:
    """Sentences on the numbers of devices, flags, faults and odd devices."""
    flagged = int(survey.flagged.sum())
    splits = f" in {counted(len(survey.splits), 'split')}" if any(survey.splits) else ""
    wafers = f" on {counted(len(survey.wafers), 'wafer')}" if any(survey.wafers) else ""
    said = [f"{counted(len(survey.frame), 'device')}{wafers}{splits}; {flagged or 'none'} of them flagged."]
    if faults:
        said.append(f"{counted(faults, 'more device')} could not be used; see the end of this page.")
    mixed = []  # too many thicknesses to be separate populations
    if "thickness" in survey.frame:
        n = survey.frame.groupby("population", sort=False)["thickness"].nunique()
        mixed = [str(name) or "all devices" for name in n.index[n > 1]]
    if mixed:
        said.append(
            f"{', '.join(mixed[:_MOST_WORDS])}: devices of many thicknesses, so limits and spreads include the effect "
            "of thickness and may hide odd devices. Nominal thicknesses in place of measured ones show them."
        )
    elif len(survey.populations) > len(survey.splits):
        said.append("Limits are those of devices of one split and one nominal thickness.")
    return [*said, odd.says]


def flags_table(survey: Survey) -> Table:
    """Flagged devices by reason."""
    flags = survey.frame["flags"].to_numpy()
    counts = {name: int(np.sum((flags & bit) != 0)) for name, bit in survey.flags.items()}
    rows = tuple((name, f"{n}", f"{100 * n / len(flags):.3g} %", FLAG_MEANING.get(name, ""))
                 for name, n in counts.items() if n)  # fmt: skip
    return Table("Flags", ("flag", "devices", "share", "meaning"), rows, "A device may have several.")


def quantity_tables(found: WaferFindings) -> tuple[Table, ...]:
    """Tables of the section of a quantity that have rows."""
    return tuple(table for table in (limits_table(found), means_table(found), wafers_table(found)) if table.rows)


def limits_table(found: WaferFindings) -> Table:
    """Control limits by population."""
    rows = []
    for name, row in found.limits.iterrows():
        ends = f"{number(row['low'])} to {number(row['high'])}" if row["determined"] else "none"
        beyond = f"{row['beyond']:.0f} ({few_digits(row['expected'])})" if row["determined"] else ""
        rows.append((str(name) or "all", f"{row['n']}", value_with_error(row["centre"], row["centre_sd"]),
                     str(row["says"]), number(row["error"], 3), ends, beyond))  # fmt: skip
    note = (
        f"Limits: robust mean of the wafers ± {REACH:g} times the spread of true values between devices of one wafer, "
        "without errors of measurement; odd devices move neither. In brackets: number of values beyond them due to "
        "errors and normal scatter."
    )
    header = ("population", "devices", "robust mean", "spread of true values", "median error", "limits", "beyond")
    return Table(f"Control limits of {_with_unit(found)}", header, tuple(rows), note)


def means_table(found: WaferFindings) -> Table:
    """Wafers and their means."""
    means, rows = found.means, []
    for name, row in means.table.head(_MOST_ROWS).iterrows():
        shrunk = value_with_error(row["shrunk"], row["shrunk_sd"]) if np.isfinite(row["shrunk"]) else ""
        spread = number(row["spread"], 3) if row["determined"] else f"0 to {number(row['spread_high'], 2)}"
        rows.append((str(name) or "all", f"{row['n']}", value_with_error(row["mean"], row["sd"]), spread,
                     number(row["error"], 3), shrunk))  # fmt: skip
    note = "Errors include the scatter between devices and the declared error that all devices of a wafer share."
    if not np.any(means.table["sd_wafer"] > 0):
        note = note.replace("the declared error", "no error")[:-1] + ": declare that with --own-error."
    if len(means.table) > 1:
        note += " Given all: the mean given those of all wafers of its population (shrunk)."
        note += f" Spread of the true means between wafers: {means.between.says}."
    note += _more(len(means.table), "wafers", "wafers.csv")
    header = ("wafer", "devices", "robust mean", "spread of true values", "median error", "given all")
    return Table(f"{_with_unit(found)} by wafer", header, tuple(rows), note)


def wafers_table(found: WaferFindings) -> Table:
    """Wafers against each other, or against all where they have too many pairs."""
    if (pairs := found.pairs) is not None:
        return _pairs_table(found, pairs)
    return _odd_table(found, cast(pd.DataFrame, found.odd_wafers))


def _odd_table(found: WaferFindings, wafers: pd.DataFrame) -> Table:
    rows = []
    for name, row in wafers.sort_values("p", kind="stable").head(_MOST_ROWS).iterrows():
        expected = f"{number(row['expected'])} ± {number(row['spread'], 2)}"
        rows.append((str(name), value_with_error(row["mean"], row["sd"]), expected, f"{row['deviation']:.1f} sd",
                     p_text(row["p_fdr"]), "yes" if row["odd"] else "no"))  # fmt: skip
    note = (
        f"{len(wafers)} wafers have too many pairs: each is compared with all of its population, in standard "
        f"deviations of the true means between wafers and of its own error. {int(wafers['odd'].sum())} are odd; 5 % of "
        "those at most are false alarms on average (Benjamini and Hochberg). In Python, "
        "mtjfit.wafer.survey.compare.compare_wafers compares the pairs of chosen wafers."
    )
    note += _more(len(wafers), "wafers", "odd-wafers.csv")
    header = ("wafer", "robust mean", "expected", "deviation", "no difference (FDR)", "odd")
    return Table(f"{_with_unit(found)}: wafers against all others", header, tuple(rows), note)


def _pairs_table(found: WaferFindings, pairs: pd.DataFrame) -> Table:
    """Pairs of wafers, by p-value."""
    rows = []
    for _, row in pairs.sort_values("p", kind="stable").head(_MOST_ROWS).iterrows():
        greater = float(row["p_greater"])
        rows.append((f"{row['A'] or 'all'} − {row['B'] or 'all'}", value_with_error(row["difference"], row["sd"]),
                     _chance(greater), p_text(float(row["p_holm"])), "yes" if row["clear"] else "no"))  # fmt: skip
    note = "Each wafer with its own spread (Welch's test). "
    note += "Clear: below 5 % after Holm's correction for all pairs. First greater: the probability, of one pair."
    note += _more(len(pairs), "pairs", "pairs.csv")
    header = ("pair", "difference", "first greater", "no difference (Holm)", "clear")
    return Table(f"{_with_unit(found)}: wafers against each other", header, tuple(rows), note)


def _more(n: int, what: str, file: str) -> str:
    return f" {n - _MOST_ROWS} more {what} in {file}." if n > _MOST_ROWS else ""


def faults_table(faults: pd.DataFrame) -> Table:
    """Devices that could not be used."""
    shown = faults.head(_MOST_ROWS)[["device", "wafer", "where", "what", "todo"]]
    rows = tuple(tuple(map(str, row)) for row in shown.itertuples(index=False))
    note = _more(len(faults), "devices", "faults.csv").strip()
    return Table("Devices that could not be used", ("device", "wafer", "where", "what", "what to do"), rows, note)


def _first(sentences: Sequence[str], n: int, what: str) -> str:
    """The first sentences, and how many there would be more of `n`."""
    return " ".join(sentences) + (f" And {n - len(sentences)} more {what}." if n > len(sentences) else "")


def beyond_says(found: WaferFindings) -> str:
    """How many devices are beyond the limits of their population, where populations have limits."""
    if found.limits.empty:
        return "No device without a flag determines it."
    limited = found.limits[found.limits["determined"].astype(bool)]
    if limited.empty:
        return "There are no limits: the spread of true values is not determined in any population."
    beyond, n = int(limited["beyond"].sum()), int(limited["n"].sum())
    return f"{beyond} of {counted(n, 'device')} {'is' if beyond == 1 else 'are'} beyond the limits of their population."


def limits_alt(found: WaferFindings) -> str:
    """The control chart in words."""
    said = []
    for name, row in found.limits.head(_MOST_WORDS).iterrows():
        ends = f"no limits, the spread is {row['says']}"
        if row["determined"]:
            low, high = number(row["low"]), number(row["high"])
            ends = f"limits {low} to {high}, {row['beyond']:.0f} of {row['n']} devices beyond"
        said.append(f"{str(name) or 'All devices'}: robust mean {number(row['centre'])}, {ends}.")
    return f"Control chart of {_with_unit(found)} by wafer. {_first(said, len(found.limits), 'populations')}"


def map_alt(found: WaferFindings) -> str:
    """Maps in words: median and quartiles of each wafer, and medians of its inner and outer half."""
    survey = found.survey
    values, known = survey.values(found.quantity), survey.known(found.quantity) & survey.placed
    radius = np.hypot(survey.frame["x"].to_numpy(dtype=float), survey.frame["y"].to_numpy(dtype=float))
    there = {name: mine[known[mine]] for name, mine in survey.rows_of("wafer").items() if known[mine].any()}
    said = []
    for name, mine in list(there.items())[:_MOST_WORDS]:
        low, middle, high = (number(each, 3) for each in np.quantile(values[mine], [0.25, 0.5, 0.75]))
        outer = radius[mine] >= np.median(radius[mine])
        rim = number(np.median(values[mine][outer]), 3)
        inner = f", {number(np.median(values[mine][~outer]), 3)} inside" if np.any(~outer) else ""
        said.append(f"{name or 'All devices'}: median {middle}, half of them from {low} to {high}; {rim} in the outer "
                    f"half{inner}.")  # fmt: skip
    return f"Map of {_with_unit(found)} over the wafer. {_first(said, len(there), 'wafers')}"


def smooth_alt(found: WaferFindings) -> str:
    """Smooth parts in words."""
    said = []
    for each in found.surfaces[:_MOST_WORDS]:
        span = number(float(np.ptp(each.value)), 3)
        said.append(f"{each.says}, range {span}; spread of the residuals {each.spread.says}.")
    return f"Smooth part of {_with_unit(found)} and residuals. {_first(said, len(found.surfaces), 'wafers')}"


def splits_alt(found: WaferFindings) -> str:
    """Histograms in words."""
    survey, quantity = found.survey, found.quantity
    values, usable, of = survey.values(quantity), survey.usable(quantity), survey.frame["population"].to_numpy()
    said = [
        f"{str(name) or 'All'}: {counted(int(row['n']), 'device')}, median "
        f"{number(float(np.median(values[usable & (of == name)])))}, spread of true values {row['says']}."
        for name, row in found.limits.head(_MOST_WORDS).iterrows()
    ]
    return f"Histogram of {_with_unit(found)} by population. {_first(said, len(found.limits), 'populations')}"
