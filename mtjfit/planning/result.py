"""The answer of a plan: numbers, the choice in a sentence, tables for people, a document for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mtjfit.cards import Card, ShownAsCard
from mtjfit.data import pretty
from mtjfit.plain import plain, records
from mtjfit.planning import Design
from mtjfit.planning.candidates import Candidate
from mtjfit.planning.choose import Choice
from mtjfit.planning.expected_gain import EVERYTHING, Target, geometric_mean, spread_text
from mtjfit.planning.reweighting import Outcomes
from mtjfit.results.tables import meaning
from mtjfit.study import Study
from mtjfit.text import Table, value_with_error

_AGREE = 1.15  # the two methods are said to differ beyond this factor
_LITTLE = 0.9  # a gain that leaves more than this of an error is small
_SHOWN = 13  # thicknesses in the table on a terminal; the file has all


@dataclass(frozen=True, eq=False)
class Plan(ShownAsCard):
    """Expected gain of candidates, and the choice among them.

    Attributes
    ----------
    unit : str
        Of the errors of an amplitude; empty for lengths, whose errors are those of the logarithm.
    table : DataFrame
        By candidate, each on its own: kind, thickness (nm), after (expected standard deviation of the target, the
        geometric mean over draws; NaN for everything), low and high (quartiles), bits (about all that devices share);
        reweighted, reweighted_bits, bits_error, k_hat and reliable (by reweighting, where that was done).
    chosen : tuple of str
        Names of the candidates to choose together.
    path : DataFrame
        By number of devices, in the order in which each adds most: device, after, low, high, bits.
    parameters : DataFrame
        By parameter that devices share, with all that was chosen: now, after, low, high, relative, unit.
    moved : DataFrame
        Column thickness, and one for each chosen device: the expected error (bits for everything) with this one at that
        thickness and the others kept. Empty where one device is chosen.
    now : float
        Standard deviation of the target before; NaN for everything.
    confirmed : Outcomes or None
        Of what was chosen, by reweighting.
    open_sides : str
        ``"lower limit"``, ``"upper limit"`` or ``"no"`` where the data leave the target open; else empty.
    """

    study: Study | Design
    target: Target
    unit: str
    candidates: tuple[Candidate, ...]
    table: pd.DataFrame
    chosen: tuple[str, ...]
    path: pd.DataFrame
    parameters: pd.DataFrame
    moved: pd.DataFrame
    now: float
    choice: Choice
    confirmed: Outcomes | None
    open_sides: str = ""

    @property
    def best(self) -> Candidate:
        """The candidate that is best on its own; a new device if there is one among them."""
        growable = self.table[self.table.kind == "thickness"]
        among = growable if len(growable) else self.table
        name = among.bits.idxmax() if self.of_everything else among.after.idxmin()
        return next(each for each in self.candidates if each.name == name)

    @property
    def others(self) -> pd.DataFrame:
        """The best candidate of every kind other than a new device."""
        rest = self.table[self.table.kind != "thickness"]
        ranked = rest.sort_values("bits", ascending=False) if self.of_everything else rest.sort_values("after")
        return ranked.drop_duplicates("kind")

    @property
    def of_everything(self) -> bool:
        """True if the target is no single parameter."""
        return self.target.name == EVERYTHING

    @property
    def has_data(self) -> bool:
        """True if the plan started from a posterior."""
        return isinstance(self.study, Study)

    @property
    def after(self) -> float:
        """Expected standard deviation of the target with all that was chosen; NaN for everything."""
        return float(self.path.after.iloc[-1])

    @property
    def bits(self) -> float:
        """Expected information about all that devices share, of all that was chosen."""
        return float(self.path.bits.iloc[-1])

    def text(self, sd: float) -> str:
        """A standard deviation of the target in words."""
        return spread_text(sd, self.target.relative, self.unit)

    @property
    def sentence(self) -> str:
        """The recommendation with its expected gain."""
        return f"{self.deed}: {_gain(self)}"

    @property
    def deed(self) -> str:
        """The recommendation without its gain."""
        if {str(self.table.kind[name]) for name in self.chosen} != {"thickness"}:
            return f"do next: {' and '.join(self.chosen)}"
        numbers = [f"{self.table.thickness[name]:g}" for name in self.chosen]
        listed = " and ".join([", ".join(numbers[:-1]), numbers[-1]]) if len(numbers) > 1 else numbers[0]
        return f"grow {listed} nm" + (" next" if self.has_data else "")

    @property
    def notes(self) -> tuple[str, ...]:
        """Caveats."""
        every = (_check, _open, _little, _edge, _other, _search, _independent)
        return tuple(note for about in every if (note := about(self)))

    def _card(self) -> Card:
        """The plan in a notebook: the choice, the gain of each next device, and caveats."""
        rows = []
        for step, row in enumerate(self.path.itertuples(), 1):
            after = "" if self.of_everything else self.text(float(row.after))  # type: ignore[arg-type]
            rows.append([f"{step}", str(row.device), after, f"{row.bits:.2g}"])
        return Card(
            f"Plan for {self.target.name}: {self.sentence}",
            marks=[self.study.label if isinstance(self.study, Study) else ""],
            facts={f"error of {self.target.name} now": "" if self.of_everything else self.text(self.now)},
            header=("", "device", "" if self.of_everything else f"expected error of {self.target.name}",
                    "bits about all"), rows=rows,
            notes=self.notes,
        )  # fmt: skip


def _independent(plan: Plan) -> str:
    if not isinstance(plan.study, Study) or not any(curve.is_correlated for curve in plan.study.curves):
        return ""
    return "Errors of a new sweep are taken as independent of each other; those of the data are not."


def _gain(plan: Plan) -> str:
    if plan.of_everything:
        words = f"{plan.bits:.2g} bits about everything that devices share"
        if plan.confirmed is not None and np.isfinite(plan.confirmed.bits) and plan.confirmed.reliable:
            words += f" ({value_with_error(plan.confirmed.bits, plan.confirmed.bits_error)} by reweighting)"
        return words
    words = f"{plan.target.name} from {plan.text(plan.now)} to {plan.text(plan.after)}"
    if plan.confirmed is not None and plan.confirmed.reliable:
        return f"{words} ({plan.text(geometric_mean(plan.confirmed.spread[0]))} by reweighting)"
    if not plan.has_data:
        low, high = (plan.text(float(plan.path[side].iloc[-1])) for side in ("low", "high"))
        words += f" (half of all truths that the priors allow: {low} to {high})"
    return words


def _check(plan: Plan) -> str:
    found = plan.confirmed
    if found is None:
        return ""
    if not found.reliable:
        return (
            "Too few draws are left after the chosen measurements to check their gain by reweighting "
            f"(k-hat {float(np.median(found.k_hat)):.1f}): the numbers are those of the Gaussian approximation alone."
        )
    ratio = 1.0 if plan.of_everything else geometric_mean(found.spread[0]) / plan.after
    if max(ratio, 1 / ratio) > _AGREE:
        return (
            f"The posterior of {plan.target.name} is not normal: use the reweighted number, "
            f"{plan.text(plan.after * ratio)}, not the Gaussian {plan.text(plan.after)}."
        )
    return ""


def _open(plan: Plan) -> str:
    if plan.open_sides == "no":
        return f"These data do not determine {plan.target.name}: its error before is that of its prior."
    if plan.open_sides:
        return (
            f"These data give {plan.target.name} a {plan.open_sides} only: its errors, before and after, are as much "
            "those of its prior, and expected ones are rough."
        )
    return ""


def _little(plan: Plan) -> str:
    if plan.of_everything or not plan.after > _LITTLE * plan.now:
        return ""
    return f"This is little: it leaves {100 * plan.after / plan.now:.0f} % of the error of {plan.target.name}."


def _edge(plan: Plan) -> str:
    """Warning if the choice lies at an end of the candidates."""
    d = plan.table.thickness[plan.table.kind == "thickness"]
    ends = [end for end in (d.min(), d.max()) if any(plan.table.thickness[name] == end for name in plan.chosen)]
    if len(d) < 3 or not ends:
        return ""
    return (
        f"{' and '.join(f'{end:g} nm' for end in ends)}: the end of the candidates. Beyond it the gain may "
        "increase, but there may be no such film, or no diffusion in it."
    )


def _other(plan: Plan) -> str:
    """The best step other than a new device with the present cap."""
    others = plan.others
    if others.empty or set(plan.chosen) & set(others.index):
        return ""
    name = str(others.index[0])
    brings = f"{others.bits[name]:.2g} bits" if plan.of_everything else plan.text(float(others.after[name]))
    return f"Of other steps, “{name}” brings most: {brings}."


def _search(plan: Plan) -> str:
    choice = plan.choice
    if choice.method == "exhaustive":
        return ""
    number = f"{choice.n_combinations:,}".replace(",", " ")
    return (
        f"There are {number} combinations of {len(choice.chosen)}; this one was found by exchanging one thickness at a "
        "time, and no single exchange betters it."
    )


def plan_tables(plan: Plan) -> tuple[Table, ...]:
    """Tables of the choice, of its steps if there are several devices, and of single candidates."""
    several = (path_table(plan),) if len(plan.chosen) > 1 else ()
    return (parameters_table(plan), *several, candidates_table(plan))


def parameters_table(plan: Plan) -> Table:
    """Errors of every parameter that devices share, before and after the choice."""
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
    """Error after each device, in the order in which each adds most."""
    rows = []
    for number, row in plan.path.iterrows():
        after = () if plan.of_everything else (plan.text(float(row["after"])),)
        rows.append((str(number), f"+ {row['device']}", *after, f"{float(row['bits']):.3g}"))
    target = () if plan.of_everything else (f"{plan.target.name} after",)
    return Table("Device by device", ("devices", "", *target, "bits"), tuple(rows))


def candidates_table(plan: Plan) -> Table:
    """Gain of each candidate on its own: some of the thicknesses, all other steps."""
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
    """The plan for programs, ready for JSON: NaN becomes null."""
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
