"""Mechanisms in tables and sentences, and as a document."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from mtjfit.comparison.mechanisms.comparison import DECISIVE, BayesFactor, MechanismComparison, MechanismResult
from mtjfit.comparison.mechanisms.predictive import STATISTICS
from mtjfit.data import pretty
from mtjfit.plain import plain
from mtjfit.results.methods import provenance
from mtjfit.results.tables import interval
from mtjfit.text import Table, p_text


def mechanism_tables(found: MechanismComparison) -> tuple[Table, ...]:
    """Evidence, Bayes factors, prediction of left-out thicknesses, criteria, predictive checks."""
    return _evidence_table(found), _factor_table(found), _left_out_table(found), _criteria_table(found), _checks(found)


def _evidence_table(found: MechanismComparison) -> Table:
    rows = []
    for one in sorted(found.results, key=lambda one: -one.evidence.value):
        Z = one.evidence
        shown = f"{Z.value:.2f} ± {Z.error:.2g}" if Z.error else f"{Z.value:.2f}"
        method = Z.method + ("" if one.settled else ", NOT reliable")
        rows.append((one.name, shown, method, f"{Z.value - found.best.evidence.value:.2f}", one.mechanism.says))
    note = (
        "Z: probability of the data with all parameters integrated over their priors, computed, not estimated by BIC."
    )
    if found.added:
        priors = "; ".join(f"{name}: {prior}" for name, prior in found.added.items())
        note += f" Not declared in the study, prior taken from the amplitude of the same power of V: {priors}."
    return Table("Evidence", ("mechanism", "ln Z", "method", "minus best", "meaning"), tuple(rows), note)


def _factor_table(found: MechanismComparison) -> Table:
    names = list(found.best.changes)
    rows = []
    for factor in found.bayes_factors:
        other = found[factor.against]
        under = [_under(found.best, other, name) for name in ("", *names)]
        verdict = "excluded" if factor.decisive else "NOT excluded"
        rows.append((factor.against, *under, verdict))
    note = (
        f"Every change is made in both. A mechanism is excluded if ln B stays above {DECISIVE:g} (20 to 1) under "
        "all of them. Width of a length: both ends of a flat range by that factor, or the factor of a log-normal."
    )
    if any(factor.bounded for factor in found.bayes_factors):
        note += " ≥: an evidence could not be computed there, and this is the least that ln B can be."
    title = f"ln of the Bayes factor of {found.best.name} over the others, by width of priors"
    return Table(title, ("over", "declared", *names, ""), tuple(rows), note)


def _under(best: MechanismResult, other: MechanismResult, name: str) -> str:
    """ln B under a change of priors, or the least that it can be."""
    mine, its = best.log_evidence(name), other.log_evidence(name)
    if mine[0] == mine[1] and its[0] == its[1]:
        return f"{mine[0] - its[0]:+.2f}"
    return f"≥ {mine[0] - its[1]:+.2f}" if math.isfinite(mine[0]) and math.isfinite(its[1]) else "not known"


def _left_out_table(found: MechanismComparison) -> Table:
    several = {one.thickness: f" ({len(one.devices)})" if len(one.devices) > 1 else "" for one in found.best.left_out}
    header = ("mechanism", *(f"{thickness:g} nm{more}" for thickness, more in several.items()), "sum")
    rows = []
    for result in sorted(found.results, key=lambda one: -one.log_prediction):
        cells = []
        for best, one in zip(found.best.left_out, result.left_out, strict=True):
            shown = one.log_density if result is found.best else one.log_density - best.log_density
            how = "refit" if one.method == "refit" else f"k̂ {one.k_hat:z.2f}" if math.isfinite(one.k_hat) else "exact"
            cells.append(f"{shown:.2f} [{how}]" if result is found.best else f"{shown:+.2f} [{how}]")
        total = f"{result.log_prediction:.2f}"
        if result is not found.best:
            value, error = found.prediction_difference(result.name)
            total = f"{-value:+.2f} ± {error:.2g}"
        rows.append((result.name, *cells, total))
    note = (
        "ln p(data of this thickness | all others), predicted before any of it is seen; differences from "
        f"{found.best.name} except in its own row. PSIS-LOO with its k̂; refit where k̂ is above 0.7. "
        "± of a sum: √n times the sd of its terms; with few thicknesses a rough guide."
    )
    title = "Prediction of a left-out thickness"
    return Table(title, header, tuple(rows), note)


def _criteria_table(found: MechanismComparison) -> Table:
    least = {name: min(getattr(one, name) for one in found.results) for name in ("aic", "bic")}
    rows = []
    for one in found.results:
        p = p_text(one.fit.p_value).removeprefix("p ").removeprefix("= ")
        criteria = (f"{getattr(one, name) - smallest:.1f}" for name, smallest in least.items())
        rows.append((one.name, f"{one.fit.chi2:.1f}", str(one.fit.dof), p, str(one.n_determined), *criteria))
    note = (
        "AIC = χ² + 2 k, BIC = χ² + k ln n, each minus its smallest value. χ² at the best fit, thicknesses with a "
        "prior counted as measurements. k: combinations of lengths and amplitudes that the design determines, not the "
        f"number of names; n = {found.study.n_values} measured values. Neither knows a prior."
    )
    header = ("mechanism", "χ²", "dof", "p", "k", "ΔAIC", "ΔBIC")
    return Table("Best fits and criteria", header, tuple(rows), note)


def _checks(found: MechanismComparison) -> Table:
    rows = []
    for result in found.results:
        cells = [f"p = {one.p:.2g}{'' if one.ok else ' FAILS'}" for one in result.checks]
        rows.append((result.name, *cells))
    observed = "; ".join(f"{one.name}: {one.observed:.4g}" for one in found.best.checks)
    note = (
        "Share of data simulated from the posterior in which the number is at least as large as in the measured data. "
        + " ".join(f"{name}: {words}." for name, words in STATISTICS.items())
        + f" In the data, as sums of squares in units of errors: {observed}."
    )
    return Table("Posterior-predictive checks", ("mechanism", *STATISTICS), tuple(rows), note)


def conclusions(found: MechanismComparison) -> tuple[str, ...]:
    """Conclusions in sentences; the first is the verdict, or that there is none."""
    best = found.best
    said = [_verdict(found), *_not_computed(found)]
    said += [_rival(found, factor) for factor in found.bayes_factors if not factor.decisive]
    predicted = max(found.results, key=lambda one: one.log_prediction)
    if predicted is not best:
        value, error = found.prediction_difference(predicted.name)
        words = (
            "by no more than its error" if -value <= 2 * error else "AGAINST the evidence: look at single thicknesses"
        )
        said.append(
            f"Left-out thicknesses are best predicted by {predicted.name}, by {-value:.2f} ± {error:.2g}; {words}."
        )
    said += _of_b1(found)
    failing = [one.name for one in best.checks if not one.ok]
    if failing:
        said.append(f"{best.name} would hardly have made these data: {', '.join(failing)}.")
    if "a2" not in best.study.parameters and any(one.mechanism.b1 for one in found.results):
        said.append(
            "None of these mechanisms has an in-plane V^2 term of its own (a2), which asymmetric electrodes may have: "
            "check the verdict with a2 added."
        )
    return tuple(said)


def _verdict(found: MechanismComparison) -> str:
    best = found.best
    if not found.described:
        return (
            f"No verdict: {best.name} has the highest evidence, but does not describe the data either "
            f"(p = {best.fit.p_value:.2g} of its chi2)."
        )
    if found.rivals:
        missing = [factor for factor in found.bayes_factors if factor.depends_on_bounds]
        if missing:
            against = ", ".join(factor.against for factor in missing)
            return (
                f"No verdict: {best.name} has the highest evidence, but a number that would decide against {against} "
                "could not be computed."
            )
        return f"The data cannot decide between {', '.join((best.name, *found.rivals))}."
    others = ", ".join(factor.against for factor in found.bayes_factors)
    return f"The data favour {best.name} over {others}, by more than 20 to 1 under every width of priors tried."


def _priors(name: str) -> str:
    return f"priors of {name}" if name else "the declared priors"


def _not_computed(found: MechanismComparison) -> list[str]:
    """Missing numbers by name, with their bounds, and whether the verdict depends on them."""
    said = []
    for one in found.results:
        for name in one.not_computed:
            low, high = one.log_evidence(name)
            least = f"at least {low:.2f}" if math.isfinite(low) else ""
            most = f"at most {high:.2f}" if math.isfinite(high) else ""
            known = " and ".join(part for part in (least, most) if part) or "not known at all"
            said.append(f"ln Z of {one.name} under {_priors(name)} could not be computed; it is {known}.")
        left = [f"{each.thickness:g} nm" for each in one.left_out if not each.reliable]
        if left:
            said.append(
                f"The prediction of {', '.join(left)} by {one.name} could not be computed reliably; "
                "the verdict does not depend on it."
            )
    bounded = [factor for factor in found.bayes_factors if factor.bounded and factor.decisive]
    if bounded and any(one.not_computed for one in found.results):
        nearest = min(bounded, key=lambda factor: factor.lowest)
        said.append(
            f"The missing numbers cannot change that {', '.join(factor.against for factor in bounded)} "
            f"{'is' if len(bounded) == 1 else 'are'} excluded: ln B is {nearest.lowest:.2f} at the least"
            + (f" ({nearest.against})." if len(bounded) > 1 else ".")
        )
    return said


def _rival(found: MechanismComparison, factor: BayesFactor) -> str:
    value = f"{factor.value:.2f} ± {factor.error:.2g}"
    if factor.depends_on_bounds:
        known = f"may be as low as {factor.lowest:.2f}" if math.isfinite(factor.lowest) else "is not known"
        return (
            f"{factor.against} is not excluded: ln B of {found.best.name} over it is {value}, but under "
            f"{_priors(factor.lowest_under)}, where it could not be computed, it {known}; {DECISIVE:g} would be needed."
        )
    under = f" (under priors of {factor.lowest_under})" if factor.lowest_under else ""
    return (
        f"{factor.against} is not excluded: ln B of {found.best.name} over it is {value}"
        f", and {factor.lowest:.2f} at the least{under}; {DECISIVE:g} would be needed."
    )


def _of_b1(found: MechanismComparison) -> list[str]:
    """Interval of b1 beside diffusion: a Bayes factor against it depends on its prior."""
    richer = [one for one in found.results if one.mechanism.b1 and one.mechanism.transport == "layer"]
    if not richer or "b1" not in richer[0].draws or found.best.mechanism.transport != "layer":
        return []
    one = richer[0]
    plain = [other for other in found.results if other.mechanism.transport == "layer" and not other.mechanism.b1]
    if plain and one.n_determined == plain[0].n_determined:
        return [
            "Beside diffusion and the other amplitudes this design does not determine b1: a common phase of all "
            "amplitudes acts as a change of lambda_phi and lambda_sf_F does, at every thickness."
        ]
    if not one.settled:
        return []
    low, middle, high = np.quantile(one.draws["b1"], [0.05, 0.5, 0.95])
    middle = 0.0 if abs(middle) < 0.02 * (high - low) else middle
    unit = pretty(one.study.unit_of("b1"))
    return [
        f"Beside diffusion, b1 is {interval(float(low), float(middle), float(high))} {unit} (median, 90 %); the data "
        "do not exclude a b1 inside this interval, whatever the Bayes factor against a free one."
    ]


def mechanism_frame(found: MechanismComparison) -> pd.DataFrame:
    """Evidence, fit and criteria with all digits, for ``mechanisms.csv``."""
    rows = [
        {"mechanism": one.name, "log_evidence": one.evidence.value, "error": one.evidence.error,
         "log_prediction": one.log_prediction, "chi2": one.fit.chi2, "dof": one.fit.dof, "k": one.n_determined,
         "aic": one.aic, "bic": one.bic}
        for one in found.results
    ]  # fmt: skip
    return pd.DataFrame(rows)


def mechanism_document(found: MechanismComparison) -> dict[str, Any]:
    """All numbers for JSON, with the conclusions and provenance."""
    factors = [
        {"best_over": f.against, "ln": f.value, "error": f.error, "lowest": f.lowest, "highest": f.highest,
         "excluded": f.decisive, "known_by_bounds": f.bounded}
        for f in found.bayes_factors
    ]  # fmt: skip
    return dict(plain({
        "program": "mtjfit",
        "kind": "mechanisms",
        "decided": found.decided,
        "best": found.best.name,
        "not_excluded": found.rivals,
        "conclusions": conclusions(found),
        "added_priors": found.added,
        "mechanisms": [_entry(one) for one in found.results],
        "bayes_factors": factors,
        "provenance": provenance(found.study, found.seed),
    }))  # fmt: skip


def _entry(one: MechanismResult) -> dict[str, object]:
    return {
        "name": one.name,
        "means": one.mechanism.says,
        "priors": {name: each.prior.describe() for name, each in one.study.parameters.items()},
        "log_evidence": one.evidence.value,
        "error": one.evidence.error,
        "method": one.evidence.method,
        "k_hat": one.evidence.k_hat,
        "reliable": one.settled,
        "bounds_where_not_computed": one.bounds,
        "change_under_other_priors": one.changes,
        "left_out": [{"thickness_nm" if k == "thickness" else k: v for k, v in asdict(each).items()}
                     for each in one.left_out],
        "chi2": one.fit.chi2,
        "dof": one.fit.dof,
        "k": one.n_determined,
        "n": one.study.n_values,
        "aic": one.aic,
        "bic": one.bic,
        "checks": [asdict(check) for check in one.checks],
    }  # fmt: skip
