"""Devices of a study beside each other: what each determines, which pairs differ, which are odd, which agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.data import pretty
from mtjfit.infer import FitResult, Posterior
from mtjfit.results.coefficients import ALONE, Coefficients, own_coefficients, posterior_coefficients
from mtjfit.results.determined import DeterminedQuantity, determined_quantities, quantity_table, usual_bias
from mtjfit.results.outliers import FALSE_ALARM, outliers, repeats, spaced
from mtjfit.results.pairs import pairwise
from mtjfit.results.tables import Table, interval
from mtjfit.study import DOF, JITTER, Study
from mtjfit.text import number, p_text, value_with_error

__all__ = ["DeviceComparison", "compare_devices"]

_DRAWS = 4000
_LISTED = 3  # pairs of each quantity that are listed one by one
_LOPSIDED = 0.1  # an interval whose halves differ by more than this share is written out


@dataclass(frozen=True, eq=False)
class DeviceComparison:
    """Every device of a study beside the others.

    Attributes
    ----------
    study : Study
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
    pairs : DataFrame
        One row for each quantity and pair, see `mtjfit.results.pairs.pairwise_quantity`.
    outliers : DataFrame
        One row for each device, see `mtjfit.results.outliers.outliers`.
    repeats : DataFrame
        One row for each thickness with several devices, see `mtjfit.results.outliers.repeats`.
    notes : tuple of str
        What must be known to read the numbers.
    """

    study: Study
    source: str
    bias: float
    converged: bool
    quantities: tuple[DeterminedQuantity, ...]
    table: pd.DataFrame
    pairs: pd.DataFrame
    outliers: pd.DataFrame
    repeats: pd.DataFrame
    notes: tuple[str, ...]

    def tables(self) -> tuple[Table, ...]:
        """The comparison for people: quantities, differences, odd devices, repeated thicknesses; empty ones left out."""
        made = (_quantities_table(self), _pairs_table(self), _outliers_table(self), _repeats_table(self))
        return tuple(one for one in made if one.rows)

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

    Returns
    -------
    DeviceComparison

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
        coefficients, converged = posterior_coefficients(study, spaced(found.draws, _DRAWS)), found.verdict.converged
    else:
        coefficients, converged = own_coefficients(study, _DRAWS, rng), True
    quantities = determined_quantities(coefficients, V)
    return DeviceComparison(
        study=study,
        source=coefficients.source,
        bias=V,
        converged=converged,
        quantities=quantities,
        table=quantity_table(coefficients, quantities),
        pairs=pairwise(quantities, study.devices),
        outliers=outliers(found, V, rng),
        repeats=repeats(study, rng),
        notes=tuple(_notes(coefficients, quantities, V, converged)),
    )


def _notes(t: Coefficients, quantities: tuple[DeterminedQuantity, ...], bias: float, converged: bool) -> Iterator[str]:
    study = t.study
    if not converged:
        yield "NOT CONVERGED: nothing here is a result."
    if t.source == ALONE:
        yield "Each device alone: from its own polynomials in V; no lengths, no priors, no other device."
        if any(name in study.parameters for name in (*JITTER, DOF)):
            yield "Jitter or Student-t errors, which the study declares, are not in these intervals."
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
    far = [c.device for c, beyond in zip(study.curves, quantities[-1].extrapolated, strict=True) if beyond]
    for each in quantities:
        far += [c.device for c, beyond in zip(study.curves, each.extrapolated, strict=True) if beyond]
    if far:
        names = ", ".join(dict.fromkeys(far))
        yield f"* {bias:g} V of one sign or the other lies outside the measured bias range of {names}: extrapolated."


def _cell(row: pd.Series) -> str:
    low, middle, high, share = (float(row[name]) for name in ("q16", "median", "q84", "share"))
    if not share:
        return "none in range"
    upper, lower = high - middle, middle - low
    lopsided = abs(upper - lower) > _LOPSIDED * (upper + lower)
    shown = interval(low, middle, high) if lopsided else value_with_error(middle, (high - low) / 2)
    some = f" in {100 * share:.0f} % of draws" if share < 0.995 else ""
    return f"{shown}{some}{'*' if row['extrapolated'] else ''}"


def _marked(compared: DeviceComparison, title: str) -> str:
    return title if compared.converged else f"NOT CONVERGED, no result: {title[0].lower()}{title[1:]}"


def _quantities_table(compared: DeviceComparison) -> Table:
    cells = {(row["quantity"], row["device"]): _cell(row) for row in compared.table.to_dict("records")}  # type: ignore[arg-type]
    names = [each.name for each in compared.quantities]
    order = np.argsort(compared.study.thicknesses, kind="stable")
    rows = [
        (compared.study.curves[j].device, f"{compared.study.curves[j].thickness:g}",
         *(cells[name, compared.study.curves[j].device] for name in names))
        for j in order
    ]  # fmt: skip
    header = [
        each.name.replace("|kappa|", "|κ|").replace("|kappa·", "|κ·") + (f" ({pretty(each.unit)})" if each.unit else "")
        for each in compared.quantities
    ]
    title = _marked(compared, f"What each device determines, {compared.source}")
    note = "Median ± half of the central 68 %, or median (68 % interval) where that is lopsided."
    return Table(title, ("device", "d (nm)", *header), tuple(rows), note)


def _pairs_table(compared: DeviceComparison) -> Table:
    pairs = compared.pairs
    each = pairs["quantity"].value_counts(sort=False)
    title = _marked(compared, "Differences between devices")
    if not len(pairs) or each.max() <= _LISTED:
        rows = [
            (row.quantity, f"{row.A} − {row.B}", interval(row.q025, row.difference, row.q975), pretty(str(row.unit)),
             f"{row.p_greater:.3f}", "yes" if row.clear else "")
            for row in pairs.itertuples() if np.isfinite(row.difference) and row.q975 > row.q025
        ]  # type: ignore[operator, arg-type]  # fmt: skip
        note = "95 % intervals; clear: zero lies outside a band that holds all pairs of the quantity at once with 95 %."
        return Table(title, ("quantity", "pair", "difference", "unit", "P(> 0)", "clear"), tuple(rows), note)  # type: ignore[arg-type]
    rows = []
    for name, mine in pairs.groupby("quantity", sort=False):
        lone = ((mine["p_greater"] > 0.975) | (mine["p_greater"] < 0.025)).sum()
        rows.append((str(name), str(len(mine)), str(lone), f"{0.05 * len(mine):.0f}", str(int(mine["clear"].sum()))))
    note = (
        "One sided: pairs whose direction has more than 97.5 %, looked at one by one; beside it how many of them chance "
        "alone would make if no two devices differed. Clear: zero lies outside a band that holds all pairs of the "
        "quantity at once with 95 %."
    )
    return Table(title, ("quantity", "pairs", "one sided", "by chance", "clear"), tuple(rows), note)


def _outliers_table(compared: DeviceComparison) -> Table:
    found = compared.outliers.sort_values("p", kind="stable") if len(compared.outliers) else compared.outliers
    odd = found[found["outlier"].astype(bool)] if len(found) else found
    shown = odd if len(odd) else found[:1]
    rows = tuple(
        (row.device, f"{row.thickness:g}", f"{row.chi2:.1f}", str(row.dof), number(row.p, 2), number(row.p_holm, 2),
         row.reason or "none: the largest departure of all", row.method)
        for row in shown.itertuples()
    )  # type: ignore[str-bytes-safe, arg-type]  # fmt: skip
    note = (
        f"Every device against what all others predict for it; odd where p stays below {FALSE_ALARM:g} after Holm's "
        "correction for their number. An odd device also moves what is predicted for its neighbours: judge the first, "
        "leave it out, and fit again."
    )
    if (found["method"] == "normal approximation").any() if len(found) else False:
        note += (
            " Normal approximation: too few draws represent the posterior without the device (k̂ in the table of "
            "outliers), so that only its mean and width count."
        )
    header = ("device", "d (nm)", "χ²", "dof", "p", "p (Holm)", "reason", "left out by")
    title = "Odd devices" if len(odd) else "No device is odd"
    return Table(_marked(compared, title), header, rows, note)


def _repeats_table(compared: DeviceComparison) -> Table:
    rows = tuple(
        (f"{row.thickness:g}", str(row.n), row.devices if len(row.devices) < 40 else f"{row.devices[:37]}…",
         f"{row.chi2:.1f}", str(row.dof), p_text(row.p), "yes" if row.agree else "NO", f"{100 * row.scatter:.2g} %")
        for row in compared.repeats.itertuples()
    )  # type: ignore[str-bytes-safe, arg-type]  # fmt: skip
    note = (
        "Do devices of one nominal thickness have the same torque within the errors of the data? Without any length; "
        "tolerances of thickness are not counted. Scatter: of |κ| a1 between them beyond those errors."
    )
    header = ("d (nm)", "n", "devices", "χ²", "dof", "p", "agree", "scatter")
    return Table("Repeated devices", header, rows, note)
