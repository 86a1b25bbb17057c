"""Tables of several data sets: their form, their common lengths, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from mtjfit.comparison.studies.tension import DISAGREE, StudyComparison
from mtjfit.data import conversion, pretty
from mtjfit.infer import FitResult
from mtjfit.model.noise import noise_words
from mtjfit.plain import plain
from mtjfit.results.tables import interval
from mtjfit.study import Study
from mtjfit.text import Table, number, p_text, value_with_error

_WIDE = 3.0


def footing_table(studies: Mapping[str, Study]) -> Table:
    """Devices, quantity, unit, sign and errors of each data set; one row each."""
    rows = []
    for label, study in studies.items():
        curves = study.curves
        d, first = study.thicknesses, curves[0]
        low = min(float(c.bias[c.used].min()) for c in curves)
        high = max(float(c.bias[c.used].max()) for c in curves)
        rows.append((
            label, f"{study.n_devices}", f"{d.min():g}" + (f" to {d.max():g}" if np.ptp(d) > 0 else ""),
            _kinds(c.quantity for c in curves), first.per, _kinds(pretty(c.unit) for c in curves),
            _kinds(c.declared_perp_axis for c in curves), f"{low:g} to {high:g}", noise_words(study).partition(".")[0],
            study.label or "measured",
        ))  # fmt: skip
    header = ("data set", "devices", "d (nm)", "quantity", "per", "unit", "declared perp_axis", "bias (V)", "errors",
              "origin")  # fmt: skip
    note = "All are counted along M × P here, whatever axis was declared. Nothing is rescaled."
    return Table("Data sets on one footing", header, tuple(rows), note)


def _kinds(values: Any) -> str:
    return ", ".join(dict.fromkeys(values))


def reconciled(studies: Mapping[str, Study]) -> tuple[str, ...]:
    """Quantities that can be compared between data sets of different form, and those that cannot, with the reason."""
    curves = [curve for study in studies.values() for curve in study.curves]
    said = ["lengths, slope ratio T_perp/T_par and b2/a1 do not depend on the unit: they are compared"]
    if len({curve.per for curve in curves}) > 1:
        said.append(
            "amplitudes are not compared: they are per " + " and per ".join(dict.fromkeys(c.per for c in curves))
        )
    elif not _of_one_kind(curves):
        units = " and ".join(dict.fromkeys(pretty(c.unit) for c in curves))
        said.append(f"amplitudes are not compared: {units} cannot be converted into each other")
    else:
        area = "; per device they grow with its area" if curves[0].per == "device" else ""
        said.append(f"amplitudes are compared in {pretty(curves[0].unit)}{area}")
    if len({curve.quantity for curve in curves}) > 1:
        said.append("torque and torkance are each fitted as they were measured; b0 leaves no trace in a torkance")
    if len({curve.declared_perp_axis for curve in curves}) > 1:
        said.append("T_perp of data declared along P × M was turned to M × P on reading")
    if len({curve.sin_theta for curve in curves}) > 1:
        said.append("amplitudes per sin θ and amplitudes at an angle are different quantities")
    return tuple(said)


def _of_one_kind(curves: list[Any]) -> bool:
    try:
        for curve in curves[1:]:
            conversion(curve.unit, curves[0].unit)
    except ValueError:
        return False
    return True


def device_quantities(fits: Mapping[str, FitResult]) -> Table:
    """Quantities that each device determines without any length, in the unit of the first data set where possible."""
    curves = [curve for fit in fits.values() for curve in fit.study.curves]
    same = len({curve.per for curve in curves}) == 1 and _of_one_kind(curves)
    rows = []
    for label, fit in fits.items():
        factor = conversion(fit.study.curves[0].unit, curves[0].unit) if same else np.nan
        for curve, one in zip(fit.study.curves, fit.devices, strict=True):
            cells = [label, curve.name, f"{curve.thickness:g}"]
            for name, scale in (("slope_ratio", 1.0), ("b2/a1", 1.0), ("|kappa|·a1", factor)):
                known = name in one.values and np.isfinite(scale)
                cells.append(value_with_error(one.values[name] * scale, one.sd[name] * scale) if known else "")
            p = "" if np.isnan(one.p_value) else p_text(one.p_value)
            rows.append((*cells, p))
    amplitude = f"|κ| a1 ({pretty(curves[0].unit)} …)" if same else "|κ| a1"
    header = ("data set", "device", "d (nm)", "T_perp/T_par", "b2/a1 (1/V)", amplitude, "constraint test")
    return Table("Devices, each on its own, ± 1 standard error", header, tuple(rows))


def _spread(draws: np.ndarray) -> str:
    """Median and 90 % interval; of a wide one each end with its own digits."""
    low, middle, high = (float(x) for x in np.quantile(draws, (0.05, 0.5, 0.95)))
    if high > _WIDE * low:
        return f"{number(middle, 2)} ({number(low, 2)} to {number(high, 2)})"
    return interval(low, middle, high)


def lengths_table(found: StudyComparison) -> Table:
    """Median and 90 % interval of every common length, from each data set alone and from all together."""
    draws = found.lengths
    rows = [(name, *(_spread(each[name].to_numpy()) for each in draws.values())) for name in found.model.shared]
    note = "nm; medians and 90 % intervals, with the same priors. An interval as wide as its prior says nothing."
    return Table("Common lengths", ("length", *draws), tuple(rows), note)


def length_ratios_table(found: StudyComparison) -> Table:
    """Ratio of each common length between every two data sets, and the probability of its direction."""
    draws, rows = found.lengths, []
    labels = list(found.single)
    for name in found.model.shared:
        for k, one in enumerate(labels):
            for other in labels[k + 1 :]:
                n = min(len(draws[one]), len(draws[other]))
                ratio = draws[one][name].to_numpy()[:n] / draws[other][name].to_numpy()[:n]
                above = float(np.mean(ratio > 1))
                rows.append((
                    name, f"{one} / {other}", _spread(ratio),
                    f"{max(above, 1 - above):.3g} {'larger' if above > 0.5 else 'smaller'}",
                ))  # fmt: skip
    note = "From independent draws of both posteriors. Direction: probability that the first is larger or smaller."
    return Table("Differences", ("length", "ratio of", "median (90 %)", "direction"), tuple(rows), note)


def study_sentences(found: StudyComparison) -> Iterator[str]:
    """The tension in sentences, or which runs did not converge."""
    if not found.converged:
        failed = [label for label, one in found.runs.items() if not one.verdict.converged]
        yield f"NOT CONVERGED: {', '.join(failed)}; nothing may be concluded."
        return
    said = str(found.tension)
    yield said[0].upper() + said[1:] + "."
    if found.tension.p_value < DISAGREE:
        yield "The joint posterior describes no single stack: look for what differs before using it."


def studies_document(found: StudyComparison, studies: Mapping[str, Study]) -> dict[str, Any]:
    """Everything as JSON types."""
    t = found.tension
    of_draws = {
        label: {name: dict(zip(("q05", "q50", "q95"), np.quantile(each[name], (0.05, 0.5, 0.95)), strict=True))
                for name in each}
        for label, each in found.lengths.items()
    }  # fmt: skip
    evidence = {label: one.evidence.value for label, one in found.runs.items()}
    return dict(plain({
        "origin": {label: study.label for label, study in studies.items()},
        "shared": found.model.shared,
        "converged": found.converged,
        "lengths": of_draws,
        "log_evidence": evidence,
        "tension": {"p_value": t.p_value, "sigma": t.sigma, **asdict(t)},
    }))  # fmt: skip
