"""Control limits of a quantity, and a table of all odd and flagged devices with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import pretty
from mtjfit.multiple_tests import FALSE_ALARM, benjamini_hochberg, holm
from mtjfit.text import counted, number, p_text
from mtjfit.wafer.reduce.reduced import FLAG_MEANING
from mtjfit.wafer.survey.compare import WaferMeans, has_many_pairs, odd_wafers, pairs_of, wafer_means
from mtjfit.wafer.survey.deviations import Comparison, against_place, against_wafer
from mtjfit.wafer.survey.smooth import CLEAR, Surface, smooth_surfaces
from mtjfit.wafer.survey.spread import Spread, pooled_spread, spread_of
from mtjfit.wafer.survey.survey import Survey

REACH = 3.0
"""Distance of the control limits from the centre, in standard deviations of the true values."""

Control = Literal["holm", "fdr"]
CORRECTIONS = {"holm": holm, "fdr": benjamini_hochberg}
"""Adjustments of p-values for many comparisons."""


@dataclass(frozen=True, eq=False)
class OddDevices:
    """Devices to look at.

    Attributes
    ----------
    table : DataFrame
        One row for each device that has a flag or differs from what is expected: device, wafer, population, x, y,
        flags (names), quantity, value, sd, expected, deviation (standard deviations), p, p_adjusted, reason. Flagged
        devices come last.
    """

    table: pd.DataFrame
    tests: int  # number of comparisons
    control: Control
    alone: int = 0  # devices with a value and too few others to compare it with

    @property
    def beyond(self) -> int:
        """Number of odd devices, flagged or not."""
        return int((self.table["p_adjusted"] < FALSE_ALARM).sum())

    def among(self, survey: Survey) -> BoolArray:
        """True for odd devices, in the rows of the survey: what maps mark by a ring."""
        beyond = self.table[self.table["p_adjusted"] < FALSE_ALARM]
        names = pd.MultiIndex.from_frame(survey.frame[["wafer", "device"]])
        return np.asarray(names.isin(pd.MultiIndex.from_frame(beyond[["wafer", "device"]])))

    @property
    def says(self) -> str:
        """Number of odd devices, and the bound on false alarms, in a sentence."""
        n, share = self.beyond, f"{100 * FALSE_ALARM:.0f} %"
        chance = f"the chance of a single false alarm among them is {share} at most (Holm's correction)"
        if self.control == "fdr":
            chance = f"{share} of them at most are false alarms on average, here {few_digits(FALSE_ALARM * n)} "
            chance += "(Benjamini and Hochberg)"
        said = f"{self.tests} comparisons, {counted(n, 'device')} beyond what is expected: {chance}"
        said += ", if true values scatter normally."
        alone = f" {counted(self.alone, 'device')} had too few others to be compared with."
        return said + (alone if self.alone else "")


def few_digits(expected: float) -> str:
    """An expected number of devices, with decimals only if it is small.

    Examples
    --------
    >>> few_digits(371.4), few_digits(0.0312)
    ('371', '0.031')
    """
    return f"{expected:.0f}" if expected >= 10 else number(expected, 2)


def control_limits(survey: Survey, quantity: str, *, means: WaferMeans | None = None) -> pd.DataFrame:
    """Centre ± 3 standard deviations of the *true* values between devices of one wafer, for each population.

    The spread is that of the values without their errors of measurement (`spread_of`), so that a noisier measurement
    does not widen the limits. It is about the centre of each wafer, so that a shifted wafer does not widen them either;
    the centre is the robust mean of the wafers' means. Odd devices move neither, and flagged ones are left out.

    Parameters
    ----------
    means : WaferMeans, optional
        Of this quantity, if they are known.

    Returns
    -------
    DataFrame
        Index population (`Survey`). n, centre, centre_sd, spread, spread_low, spread_high (95 %, if wafers scatter
        alike), p_equal (of equal spreads on all wafers; NaN for one), determined, error (median error of measurement),
        dof, low, high (NaN where the spread is not determined), beyond (measured values outside), expected (number of
        values outside due to errors and normal scatter).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"device": np.arange(500).astype(str), "b": rng.normal(5, 0.5, 500), "b_sd": 0.3})
    >>> found = control_limits(Survey("w", frame), "b").iloc[0]
    >>> bool(found["determined"]), round(float(found["spread"]), 1), round(float(found["high"] - found["low"]), 1)
    (True, 0.4, 2.3)
    """
    rows = {}
    values, errors, usable = survey.values(quantity), survey.errors(quantity), survey.usable(quantity)
    wafer, rows_of = survey.frame["wafer"].to_numpy(), survey.rows_of("population")
    means = means or wafer_means(survey, quantity)
    of_wafers = {} if means.table.empty else dict(list(means.table.groupby("population", sort=False)))
    for name in survey.populations:
        mine = rows_of[name][usable[rows_of[name]]]
        if mine.size:
            q, s = values[mine], errors[mine]
            within = pooled_spread(q, s, np.unique(wafer[mine], return_inverse=True)[1])
            rows[name] = _row(q, s, within, _centre(of_wafers[name]), means.p_equal[name])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("population")


def _centre(wafers: pd.DataFrame) -> tuple[float, float]:
    """Robust mean of the means of wafers, and its error with their scatter."""
    mean, sd = (wafers[name].to_numpy(dtype=float) for name in ("mean", "sd_devices"))
    found = spread_of(mean, sd)
    return found.centre, found.centre_sd


def _row(
    q: FloatArray, s: FloatArray, within: Spread, centre: tuple[float, float], p_equal: float
) -> dict[str, object]:
    reach = REACH * within.spread if within.determined else math.nan
    low, high = centre[0] - reach, centre[0] + reach
    beyond = expected = math.nan
    if within.determined:
        beyond = float(np.sum((q < low) | (q > high)))
        expected = float(np.sum(2 * norm.sf(reach / np.hypot(within.spread, s))))
    says = within.says
    if within.determined and p_equal < CLEAR:
        says = f"{number(within.spread, 3)} on average; wafers differ ({p_text(p_equal)} if not)"
    return {
        "n": q.size, "centre": centre[0], "centre_sd": centre[1], "spread": within.spread, "spread_low": within.low,
        "spread_high": within.high, "p_equal": p_equal, "determined": within.determined, "error": within.error,
        "dof": within.dof, "low": low, "high": high, "beyond": beyond, "expected": expected, "says": says,
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class WaferFindings(ShownAsCard):
    """Numbers of one quantity of a survey, each computed once, when it is first needed.

    `own` and `common` are relative errors of wafers, as for `mtjfit.wafer.survey.compare.wafer_means`.
    """

    survey: Survey
    quantity: str
    own: float | Mapping[str, float] = 0.0
    common: float = 0.0

    @cached_property
    def limits(self) -> pd.DataFrame:
        """Control limits by population."""
        return control_limits(self.survey, self.quantity, means=self.means)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Smooth part of each wafer that has one."""
        return smooth_surfaces(self.survey, self.quantity)

    @cached_property
    def means(self) -> WaferMeans:
        """Mean of each wafer."""
        return wafer_means(self.survey, self.quantity, own=self.own, common=self.common)

    @cached_property
    def pairs(self) -> pd.DataFrame | None:
        """Differences between wafers; None for more than `MOST_PAIRS`."""
        return None if has_many_pairs(self.means) else pairs_of(self.means)

    @cached_property
    def odd_wafers(self) -> pd.DataFrame | None:
        """Each wafer against all; None where all pairs are compared."""
        return odd_wafers(self.means) if has_many_pairs(self.means) else None


def odd_devices(
    survey: Survey,
    quantities: Sequence[str] = (),
    *,
    control: Control = "holm",
    smooth: bool = True,
    findings: Sequence[WaferFindings] = (),
) -> OddDevices:
    """Every device against the others of its kind on its wafer, and against its place there.

    A value is compared with the devices of its population (`Survey`) on the same wafer, so that neither wafers that
    lie elsewhere nor wafers that scatter more make devices odd; where devices have positions and the wafer is not
    flat, also with the smooth surface. Wafers with fewer than four devices of a population are put together. The
    deviation is from what all others say, in standard deviations of true values and of the device's own error
    together; p is that of Student's t, because the spread is estimated (`mtjfit.wafer.survey.robust.Estimates`).
    Flagged devices are always listed.

    Parameters
    ----------
    quantities : sequence of str
        By default all of them.
    control : {"holm", "fdr"}
        Against false alarms among many comparisons: bound the chance of any one (Holm), or their share among the listed
        devices (false discovery rate).
    smooth : bool
        False: no comparison with a smooth surface.
    findings : sequence of WaferFindings
        In place of `quantities`, if their numbers are known already.

    Raises
    ------
    DataError
        There is no such quantity.
    ValueError
        Another control.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"device": [f"D{k}" for k in range(99)], "b": rng.normal(5, 0.5, 99), "b_sd": 0.1})
    >>> frame.loc[7, "b"] = 9.0
    >>> odd_devices(Survey("w", frame)).table[["device", "reason"]].values.tolist()
    [['D7', 'b is 9, 5.04 ± 0.48 is expected of its kind: 8.1 sd']]
    """
    if control not in CORRECTIONS:
        raise ValueError(f"control is holm or fdr, not {control!r}")
    found = []
    for each in findings or [WaferFindings(survey, quantity) for quantity in quantities or survey.quantities]:
        found.append(against_wafer(each.survey, each.quantity))
        if smooth and any(surface.clear for surface in each.surfaces):
            found.append(against_place(each.survey, each.quantity, each.surfaces))
    p = np.array([each.p for each in found]) if found else np.empty((0, len(survey.frame)))
    adjusted = CORRECTIONS[control](p.ravel()).reshape(p.shape)
    worst, smallest = (np.where(np.isfinite(a), a, np.inf).min(axis=0, initial=np.inf) for a in (adjusted, p))
    listed = np.flatnonzero((worst < FALSE_ALARM) | survey.flagged)
    listed = listed[np.lexsort((smallest[listed], survey.flagged[listed]))]
    rows = [_listed(survey, found, adjusted, int(j)) for j in listed]
    columns = ["device", "wafer", "population", "x", "y", "flags", "quantity", "value", "sd", "expected", "deviation",
               "p", "p_adjusted", "reason"]  # fmt: skip
    known = [survey.known(each.quantity) for each in found]
    alone = int(np.sum(np.any(known, axis=0) & ~np.isfinite(p).any(axis=0))) if found else 0
    return OddDevices(pd.DataFrame(rows, columns=columns), int(np.isfinite(p).sum()), control, alone)


def _listed(survey: Survey, found: Sequence[Comparison], adjusted: FloatArray, j: int) -> tuple[object, ...]:
    """A row of the table of odd devices."""
    row = survey.frame.iloc[j]
    flags = survey.flag_names(int(row["flags"]))
    reasons = [FLAG_MEANING.get(name, f"flag: {name}") for name in flags]
    compared = [k for k in range(len(found)) if not math.isnan(found[k].p[j])]
    compared.sort(key=lambda k: found[k].p[j])
    named: dict[str, Comparison] = {}  # the worst comparison of each quantity
    for k in compared:
        if adjusted[k, j] < FALSE_ALARM:
            named.setdefault(found[k].quantity, found[k])
    for name, one in named.items():
        unit = f" {pretty(survey.unit(name))}".rstrip()
        reasons.append(f"{name} is {number(survey.values(name)[j], 3)}{unit}, {number(one.expected[j], 3)} ± "
                       f"{number(one.spread[j], 2)} is expected {one.whom[j]}: {abs(one.z[j]):.1f} sd")  # fmt: skip
    worst: tuple[object, ...] = ("", *([math.nan] * 6))
    if compared:
        one, name = found[compared[0]], found[compared[0]].quantity
        worst = (name, survey.values(name)[j], survey.errors(name)[j], one.expected[j], one.z[j], one.p[j],
                 adjusted[compared[0], j])  # fmt: skip
    start = (row[name] for name in ("device", "wafer", "population", "x", "y"))
    return (*start, ", ".join(flags), *worst, "; ".join(reasons))
