"""Devices of a study compared: the quantities that each determines, pairs, odd devices, repeated thicknesses."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mtjfit.cards import REFUSED, Card, ShownAsCard
from mtjfit.comparison.devices.freedoms import DeviceTests
from mtjfit.comparison.devices.odd import Lengths, OddDevice, find_odd_devices
from mtjfit.comparison.devices.outliers import outliers
from mtjfit.comparison.devices.quantities import (
    DeterminedQuantity,
    determined_quantities,
    pairwise,
    quantity_table,
    usual_bias,
)
from mtjfit.comparison.devices.refit import Refits
from mtjfit.comparison.devices.repeated import repeats
from mtjfit.data import pretty
from mtjfit.infer import FitResult, Posterior
from mtjfit.model.equivalent_noise import declares_noise
from mtjfit.multiple_tests import FALSE_ALARM
from mtjfit.results.coefficients import ALONE, Coefficients, own_coefficients, posterior_coefficients
from mtjfit.results.tables import interval
from mtjfit.study import Study
from mtjfit.text import Table, p_text, value_with_error

_DRAWS = 4000
_LISTED = 3  # pairs of each quantity that are listed one by one
_LOPSIDED = 0.1  # an interval whose halves differ by more than this share is written out
_SHORT = 40
_KAPPA = ("|kappa", "|κ")
_TESTED = (
    "Tried for every device: polynomials, an amplitude factor or a thickness of its own, and T_perp of the other sign. "
    f"p (all tests) is corrected for these four and for the number of devices; a device is odd below {FALSE_ALARM:g}."
)


def marked(tables: tuple[Table, ...], converged: bool) -> tuple[Table, ...]:
    """The tables, with titles that refuse them if the draws have not converged."""
    if converged:
        return tables
    refused = f"{REFUSED}: "
    return tuple(replace(one, title=f"{refused}{one.title[0].lower()}{one.title[1:]}") for one in tables)


def _cell(row: dict[Hashable, Any]) -> str:
    low, middle, high, share = row["q16"], row["median"], row["q84"], row["share"]
    if not share:
        return "none in range"
    upper, lower = high - middle, middle - low
    lopsided = abs(upper - lower) > _LOPSIDED * (upper + lower)
    shown = interval(low, middle, high) if lopsided else value_with_error(middle, (high - low) / 2)
    some = f" in {100 * share:.0f} % of draws" if share < 0.995 else ""
    return f"{shown}{some}{'*' if row['extrapolated'] else ''}"


def device_quantities_table(found: DeviceComparison) -> Table:
    """One row for each device in the order of thickness, one column for each quantity."""
    cells = {(row["quantity"], row["device"]): _cell(row) for row in found.table.to_dict("records")}
    curves = [found.study.curves[j] for j in np.argsort(found.study.thicknesses, kind="stable")]
    rows = tuple(
        (curve.name, f"{curve.thickness:g}", *(cells[each.name, curve.name] for each in found.quantities))
        for curve in curves
    )
    header = [each.name.replace(*_KAPPA) + (f" ({pretty(each.unit)})" if each.unit else "")
              for each in found.quantities]  # fmt: skip
    note = "Median ± half of the central 68 %, or median (68 % interval) where that is lopsided."
    return Table(f"What each device determines, {found.source}", ("device", "d (nm)", *header), rows, note)


def device_pairs_table(pairs: pd.DataFrame) -> Table:
    """Differences one by one for up to three devices; for more, how many pairs of each quantity differ."""
    title = "Differences between devices"
    if len(pairs) <= _LISTED * pairs["quantity"].nunique():
        rows = [
            (row["quantity"].replace(*_KAPPA), f"{row['A']} − {row['B']}",
             interval(row["q025"], row["difference"], row["q975"]), pretty(row["unit"]), f"{row['p_greater']:.3f}",
             "yes" if row["clear"] else "")
            for row in pairs.to_dict("records") if np.isfinite(row["difference"]) and row["q975"] > row["q025"]
        ]  # fmt: skip
        note = "95 % intervals; clear: zero lies outside a band that holds all pairs of the quantity at once with 95 %."
        return Table(title, ("quantity", "pair", "difference", "unit", "P(> 0)", "clear"), tuple(rows), note)
    counts = []
    for name in dict.fromkeys(pairs["quantity"]):
        mine = pairs[pairs["quantity"] == name]
        lone = int(((mine["p_greater"] > 0.975) | (mine["p_greater"] < 0.025)).sum())
        chance = f"{0.05 * len(mine):.0f}" if len(mine) >= 20 else f"{0.05 * len(mine):.1f}"
        counts.append((name.replace(*_KAPPA), str(len(mine)), str(lone), chance, str(int(mine["clear"].sum()))))
    note = (
        "One sided: pairs whose direction has more than 97.5 %, looked at one by one; beside it how many of them "
        "chance alone makes if no two devices differ. Clear: zero lies outside a band that holds all pairs of the "
        "quantity at once with 95 %."
    )
    return Table(title, ("quantity", "pairs", "one sided", "by chance", "clear"), tuple(counts), note)


def outliers_table(found: pd.DataFrame, odd: tuple[OddDevice, ...]) -> Table:
    """Odd devices as they were taken out, and the lengths without them; else the device with the largest departure."""
    if odd:
        return _taken_out(found, odd)
    ordered = sorted(found.to_dict("records"), key=lambda row: (row["p_holm"], row["p"], -row["chi2"]))
    rows = tuple(
        (row["device"], f"{row['thickness']:g}", f"{row['chi2']:.1f}", str(row["dof"]), _p(row["p"]), _p(row["p_holm"]))
        for row in ordered[:1]
    )
    note = f"The device with the largest departure of all from what the others predict. {_TESTED}"
    return Table("No device is odd", ("device", "d (nm)", "χ²", "dof", "p", "p (all tests)"), rows, note)


def _taken_out(found: pd.DataFrame, odd: tuple[OddDevice, ...]) -> Table:
    reasons = dict(zip(found["device"], found["reason"].str.replace(*_KAPPA, regex=False), strict=True))
    names = [name for name in odd[0].lengths_with if any(_of_length(one, name) for one in odd)]

    def cells(lengths: Lengths) -> tuple[str, ...]:
        return tuple(_length(*lengths[name]) for name in names)

    rows = [("none", "", "", "", *cells(odd[0].lengths_with))]
    for one in odd:
        rivals = f"; or it is {' or '.join(one.rivals)} instead" if one.rivals else ""
        rows.append((one.device, f"{one.nominal:g}", _p(one.p_value), f"{reasons[one.device]}{rivals}",
                     *cells(one.lengths_without)))  # fmt: skip
    note = (
        "The worst is taken out first, and all others are fitted again. Lengths: without this device and those above "
        f"it. {_TESTED}"
    )
    if (found.loc[~found["outlier"].astype(bool), "p_holm"] < FALSE_ALARM).any():
        note += " Those that are left do not agree either; more than half of all devices are never called odd."
    header = ("taken out", "d (nm)", "p (all tests)", "what is odd", *(f"{name} (nm)".replace("D_ratio (nm)", "D_ratio")
                                                                      for name in names))  # fmt: skip
    return Table("Odd devices", header, tuple(rows), note)


def _p(p: float) -> str:
    return p_text(p).removeprefix("p ").removeprefix("= ")


def _of_length(one: OddDevice, name: str) -> bool:
    """Whether a length has an error with the device or without it."""
    return any(lengths[name][1] is not None for lengths in (one.lengths_with, one.lengths_without))


def _length(value: float, sd: float | None) -> str:
    return "not determined" if sd is None else value_with_error(value, sd)


def repeats_table(found: pd.DataFrame) -> Table:
    """Agreement of the devices of each thickness that has several."""
    rows = tuple(
        (f"{row['thickness']:g}", str(row["n"]),
         row["devices"] if len(row["devices"]) < _SHORT else f"{row['devices'][: _SHORT - 3]}…",
         f"{row['chi2']:.1f}", str(row["dof"]), p_text(row["p"]), "yes" if row["agree"] else "NO",
         f"{100 * row['scatter']:.2g} %", row["reason"])
        for row in found.to_dict("records")
    )  # fmt: skip
    note = (
        "Do devices of one nominal thickness have the same torque within the errors of the data? Without any length; "
        "tolerances of thickness are not counted. Scatter: of |κ| a1 between them beyond those errors. Odd: differs "
        "from the rest of three or more; of two that differ neither can be called so."
    )
    header = ("d (nm)", "n", "devices", "χ²", "dof", "p", "agree", "scatter", "odd")
    return Table("Repeated devices", header, rows, note)


@dataclass(frozen=True, eq=False)
class DeviceComparison(ShownAsCard):
    """Every device of a study compared with the others.

    Attributes
    ----------
    source : str
        ``"each device alone"``: the device's own data, no lengths, no priors. ``"with the common lengths"``: the
        posterior of the study, in which every device also learns from the others.
    bias : float
        Of T_perp/T_par and the odd part of T_perp, in V.
    converged : bool
        False for a posterior that the gate refused: then nothing here is a result.
    quantities : tuple of DeterminedQuantity
        With their draws.
    table : DataFrame
        One row for each quantity and device: quantiles q025, q16, median, q84, q975, the share of draws that have it,
        unit, extrapolated, source.
    pairs, outliers, repeats : DataFrame
        One row for each quantity and pair, each device, and each thickness with several devices: see `pairwise`,
        `outliers` and `repeats` in `mtjfit.comparison.devices`.
    odd_devices : tuple of OddDevice
        Those that the others contradict, in the order in which they were taken out.
    """

    study: Study
    source: str
    bias: float
    converged: bool
    quantities: tuple[DeterminedQuantity, ...]
    table: pd.DataFrame
    pairs: pd.DataFrame
    outliers: pd.DataFrame
    odd_devices: tuple[OddDevice, ...]
    repeats: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def odd(self) -> tuple[str, ...]:
        """Names of the odd devices."""
        return tuple(self.outliers.loc[self.outliers["outlier"].astype(bool), "device"])

    def tables(self) -> tuple[Table, ...]:
        """The comparison for people: quantities, differences, odd devices, repeated thicknesses; no empty ones."""
        others = (
            device_pairs_table(self.pairs),
            outliers_table(self.outliers, self.odd_devices),
            repeats_table(self.repeats),
        )
        return marked(tuple(one for one in (device_quantities_table(self), *others) if one.rows), self.converged)

    def _card(self) -> Card:
        """The comparison, marked if the posterior behind it was refused."""
        title, refused = f"Devices of {self.study.name}, {self.source}", "" if self.converged else REFUSED
        return Card(title, [refused, self.study.label], tables=self.tables(), notes=self.notes)

    def __str__(self) -> str:
        return "\n\n".join([*(str(one) for one in self.tables()), "\n".join(self.notes)])


def compare_devices(
    found: Posterior | FitResult, *, bias: float | None = None, rng: np.random.Generator | None = None
) -> DeviceComparison:
    """Compare the devices of a study, draw by draw.

    Parameters
    ----------
    found : Posterior or FitResult
        A posterior compares devices with the common lengths; a fit compares what each determines alone, also for one
        thickness, where no length is determined.
    bias : float, optional
        In V, > 0; by default 0.2 V, or less if not every device was measured there with both signs.
    rng : numpy.random.Generator, optional
        By default from the seed of the study.

    Raises
    ------
    ValueError
        The bias is not positive.
    NotDetermined
        Errors are to be fitted, but a device has no more points than powers of V.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> compared = compare_devices(fit(load_study(dataset("thickness-series").study_file)))
    >>> compared.source, compared.bias, len(compared.pairs), bool(compared.outliers["outlier"].any())
    ('each device alone', 0.2, 60, False)
    """
    study = found.study
    rng = rng or np.random.default_rng(study.sampling.seed)
    V = usual_bias(study) if bias is None else bias
    if isinstance(found, Posterior):
        coefficients, converged = posterior_coefficients(study, found.spaced(_DRAWS)), found.verdict.converged
    else:
        coefficients, converged = own_coefficients(study, _DRAWS, rng), True
    quantities = determined_quantities(coefficients, V)
    tests = DeviceTests(Refits.of(found))
    odd = find_odd_devices(tests)
    return DeviceComparison(
        study=study,
        source=coefficients.source,
        bias=V,
        converged=converged,
        quantities=quantities,
        table=quantity_table(coefficients, quantities),
        pairs=pairwise(quantities, study.devices),
        outliers=outliers(tests, odd, V, rng),
        odd_devices=odd,
        repeats=repeats(study, rng),
        notes=tuple(_notes(coefficients, quantities, V, converged)),
    )


def _notes(t: Coefficients, quantities: tuple[DeterminedQuantity, ...], bias: float, converged: bool) -> Iterator[str]:
    study = t.study
    if not converged:
        yield "NOT CONVERGED: nothing here is a result."
    if t.source == ALONE:
        yield "Each device alone: from its own polynomials in V; no lengths, no priors, no other device."
        if declares_noise(study):
            yield "Jitter and Student-t errors are those that the scatter about each device's polynomials shows."
    else:
        yield "With the common lengths: from the posterior; every device also learns from the others, by way of Eq. 12."
        same = [each.name for each in quantities if np.allclose(each.values, each.values[:, :1], rtol=1e-12, atol=0.0)]
        if same and len(study.curves) > 1:
            yield f"Equal for all devices by the declaration of the study, not by the data: {', '.join(same)}."
    if any(curve.quantity == "torkance" for curve in study.curves):
        yield (
            "Torkance was measured: the torque is the integral of the fitted polynomial, with the constant b0 that it "
            "lacks declared to be 0. T_perp/T_par depends on that; slopes, odd parts and extrema do not."
        )
    if any(curve.angle_factor != 1 for curve in study.curves):
        yield "All torques are per sin θ."
    beyond = [j for each in (quantities[-1], *quantities) for j in np.flatnonzero(each.extrapolated)]
    if names := ", ".join(dict.fromkeys(study.devices[j] for j in beyond)):
        yield f"* {bias:g} V of one sign or the other lies outside the measured bias range of {names}: extrapolated."
