"""Stacks on the page of wafers: fits and posteriors of the lengths that the devices of a split share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from mtjfit.data import pretty
from mtjfit.results.tables import interval
from mtjfit.study import LENGTHS
from mtjfit.text import Table, number, p_text, value_with_error
from mtjfit.wafer.page.stack_devices import (
    DEVICE_TABLES,
    StackPicture,
    device_frames,
    device_notes,
    device_pictures,
    device_tables,
)
from mtjfit.wafer.reduce.reduced import ALARM
from mtjfit.wafer.stack.beside import FitsBesidePosterior, fits_beside_posterior
from mtjfit.wafer.stack.groups import GroupFits, GroupPosteriors
from mtjfit.wafer.stack.outputs import StackOutputs

_OF_STACKS = ("stacks.csv", "stack-fits.csv", "stack-posteriors.csv")
STACK_TABLES = (*_OF_STACKS, *DEVICE_TABLES)
_MOST_ROWS = 200
# The catalogue keeps the study file that its devices were first reduced with.
DECLARE = "declare it in wafer.toml, and repeat the command with --study wafer.toml"
_KNOWN = ("yes", "lower limit", "upper limit")


@dataclass(frozen=True, eq=False)
class StackResults:
    """Fits, posteriors if sampled, splits that were not fitted with the reason, outputs of posteriors by split."""

    fits: GroupFits
    posteriors: GroupPosteriors | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, StackOutputs] = field(default_factory=dict)

    @cached_property
    def beside(self) -> FitsBesidePosterior:
        """Fits beside posteriors; without rows where none was sampled that converged."""
        if self.posteriors is None or not any(each.verdict.converged for each in self.posteriors.posteriors.values()):
            return fits_beside_posterior(GroupFits({}, {}), GroupPosteriors({}, {}))
        return fits_beside_posterior(self.fits, self.posteriors)

    def pictures(self) -> tuple[StackPicture, ...]:
        """Intervals of lengths, and maps of the devices."""
        return tuple(device_pictures(self.outputs, self.beside, self.fits.origins))

    @property
    def determines_a_length(self) -> bool:
        """True if a free length of some stack is determined, or has a limit; or if none is free."""
        known = False
        if self.fits.fits:
            fits = self.fits.table()
            of_lengths = fits[fits["parameter"].isin(LENGTHS)]
            known = of_lengths.empty or bool(of_lengths["determined"].any())
        if self.posteriors is not None:
            rows = self.posteriors.table()
            converged = rows["parameter"].isin(LENGTHS) & rows["converged"].astype(bool)
            known |= bool((rows["determined"].isin(_KNOWN) & converged).any())
        return known

    def tables(self) -> tuple[Table, ...]:
        """For the page and the terminal."""
        found = [_summary(self), _fits(self.fits)]
        if self.posteriors is not None:
            found.append(_posteriors(self.posteriors))
        found += device_tables(self.outputs, self.beside)
        return tuple(_begun(table) for table in found if table.rows)

    def notes(self) -> tuple[str, ...]:
        """Sentences beside the tables: misfits, posteriors that did not converge, undetermined combinations."""
        said = [
            f"{split or 'all devices'}: the fit does not describe the devices as declared (misfit "
            f"{p_text(one.misfit_p_value)}), so its errors are too small. Let amplitudes scatter (scatter_a1), "
            f"or thicknesses (thickness_scatter): {DECLARE}."
            for split, one in self.fits.fits.items() if one.misfit_p_value < ALARM
        ]  # fmt: skip
        if self.posteriors is None:
            return tuple(said)
        for split, one in self.posteriors.posteriors.items():
            who = split or "all devices"
            if not one.verdict.converged:
                said.append(f"{who}: NOT CONVERGED, no result: {'; '.join(one.verdict.reasons)}")
            said += [f"{who}: {direction}" for direction in one.open_directions]
        return (*said, *device_notes(self.outputs))

    def frames(self) -> dict[str, pd.DataFrame]:
        """Tables with all digits by file name."""
        known = self.fits.summary().assign(refused="")
        lost = pd.DataFrame({"split": list(self.refused), "refused": list(self.refused.values())})
        found = [pd.concat([known, lost], ignore_index=True) if len(known) else lost, self.fits.table()]
        if self.posteriors is not None:
            found.append(self.posteriors.table())
        of_stacks = dict(zip(_OF_STACKS, found, strict=False))
        return of_stacks | device_frames(self.outputs, self.beside, self.fits.origins)


def _begun(table: Table) -> Table:
    """A table with its first rows only, if it has too many for a page."""
    more = len(table.rows) - _MOST_ROWS
    note = f"{table.note} {more} more rows in {', '.join(STACK_TABLES)}."
    return table if more <= 0 else replace(table, rows=table.rows[:_MOST_ROWS], note=note)


def _name(split: object) -> str:
    return str(split) or "all"


def _summary(results: StackResults) -> Table:
    rows = []
    for _, row in results.fits.summary().iterrows():
        fit = f"{row['chi2']:.1f} / {row['dof']}, {p_text(row['p_value'])}"
        misfit = f"{row['misfit_chi2']:.1f} / {row['misfit_dof']}, {p_text(row['misfit_p_value'])}"
        rows.append((_name(row["split"]), f"{row['devices']}", f"{row['left_out']}", fit, misfit))
    rows += [(_name(split), "", "", f"not fitted: {why}", "") for split, why in results.refused.items()]
    note = (
        "Without flagged devices. Misfit: without the scatter of points about each device's own polynomials, a test "
        "that many points do not dilute."
    )
    return Table("Stacks", ("split", "devices", "flagged", "χ² / dof", "misfit χ² / dof"), tuple(rows), note)


def _fits(fits: GroupFits) -> Table:
    rows = []
    for _, row in fits.table().iterrows():
        known = bool(row["determined"])
        shown = value_with_error(row["value"], row["sd"]) if known else "–"
        rows.append((_name(row["split"]), str(row["parameter"]), shown, pretty(str(row["unit"])),
                     "yes" if known else "no", str(row["reason"])))  # fmt: skip
    header = ("split", "parameter", "best fit ± sd", "unit", "determined", "remark")
    return Table("Global fits by split", header, tuple(rows), "Errors are given only for determined parameters.")


def _posteriors(posteriors: GroupPosteriors) -> Table:
    rows = []
    for _, row in posteriors.table().iterrows():
        q05, q50, q95 = (float(row[name]) for name in ("q05", "q50", "q95"))
        low, high = number(q05, 3), number(q95, 3)
        says = str(row["determined"]) if row["converged"] else "not converged"
        known = {"lower limit": f"> {low}", "upper limit": f"< {high}", "with priors": f"({low} to {high})"}
        shown = interval(q05, q50, q95) if says == "yes" else known.get(says, "–")
        rows.append((_name(row["split"]), str(row["parameter"]), shown, pretty(str(row["unit"])), says))
    note = (
        "Median and 90 % interval, or a 95 % limit. With priors: priors of other parameters cause most of the variance "
        "that remains. No interval for undetermined parameters."
    )
    header = ("split", "parameter", "median (90 %)", "unit", "determined")
    return Table("Posteriors by split", header, tuple(rows), note)
