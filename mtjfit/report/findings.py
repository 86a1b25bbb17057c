"""Findings of a study: every number, table and sentence of the report, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mtjfit.cards import ShownAsCard
from mtjfit.data import pretty
from mtjfit.html import PlannedFigure, Section
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.convergence.excess import DrawnChi2, chi2_of_draws
from mtjfit.infer.level import INTERVAL, Level
from mtjfit.lazy import wing
from mtjfit.plot import plot_accumulation_band, plot_combinations, plot_corner, plot_torque, plot_trace, plot_transfer
from mtjfit.plot.combinations import combinations_caption
from mtjfit.plot.draws import corner_caption, corner_names, trace_caption
from mtjfit.plot.torque import torque_caption
from mtjfit.plot.transfer import accumulation_caption, transfer_caption
from mtjfit.results.assumptions import assumptions_section
from mtjfit.results.headers import Notice, device_names, header_fields, measured_quantities, notices
from mtjfit.results.helps import Advice, helps_most
from mtjfit.results.identifiability import directions_table, model_test
from mtjfit.results.methods import methods
from mtjfit.results.predict import accumulation_draws, errors_of, kappa_in_words, shared_lengths, torque_at
from mtjfit.results.tables import (
    device_combinations_table,
    length_results_table,
    masks_table,
    posterior_table,
    prior_table,
    undetermined_table,
)
from mtjfit.results.verdicts import Answer, checks, learned, not_determined
from mtjfit.study import ParameterName
from mtjfit.text import Table, number, p_text, value_with_error

_NAMED = 6  # devices that alternative texts name one by one


@dataclass(frozen=True, eq=False)
class Findings(ShownAsCard):
    """A result and all that the report and ``result.json`` say of it.

    Attributes
    ----------
    posterior : Posterior or None
        None where one thickness determines combinations only.
    drawn : DrawnChi2 or None
        χ² of the draws of a posterior that converged.
    sections : tuple of Section
        In the order of the page, those of the wings among them.
    lengths : Table
        Lengths that are not fixed, for the first screen of the page.
    helps : Advice
        What would help most.
    frame : Section
        Tables and pictures that stand elsewhere on the page; the first picture is that of the first screen.
    """

    fit: FitResult
    posterior: Posterior | None
    provenance: Mapping[str, object]
    header: Mapping[str, str]
    notices: tuple[Notice, ...]
    checks: tuple[Answer, ...]
    learned: tuple[str, ...]
    not_determined: tuple[str, ...]
    lengths: Table
    helps: Advice
    model_test: str
    methods: str
    summary: pd.DataFrame
    drawn: DrawnChi2 | None
    sections: tuple[Section, ...]
    frame: Section

    @property
    def converged(self) -> bool:
        """True if there are draws that can be trusted."""
        return self.posterior is not None and self.posterior.verdict.converged

    @property
    def every_section(self) -> tuple[Section, ...]:
        """The sections and the frame of the page."""
        return *self.sections, self.frame

    @property
    def tables(self) -> dict[str, Table]:
        """All tables by the name of their file."""
        return {name: table for section in self.every_section for name, table in section.tables.items()}

    def section(self, id: str) -> Section | None:
        """One of the sections, or None if the wing that it belongs to is missing."""
        return next((section for section in self.sections if section.id == id), None)


def findings(
    fit: FitResult,
    posterior: Posterior | None,
    provenance: Mapping[str, object],
    mechanisms: object = None,
    *,
    level: float | None = None,
) -> Findings:
    """All that can be said of a result; nothing is fitted, sampled or drawn.

    Parameters
    ----------
    provenance : mapping
        From `mtjfit.results.provenance`.
    mechanisms : MechanismComparison, optional
        Of the same study; without one the page says how to get it.
    level : float, optional
        Share of the draws in intervals and bands, as `Posterior.level`. Comparisons of devices and mechanisms keep the
        levels that they name.

    Raises
    ------
    ValueError
        The level is not between 0.5 and 0.999.

    Examples
    --------
    >>> import mtjfit
    >>> fit = mtjfit.fit(mtjfit.load_study(mtjfit.dataset("thickness-series").study_file))
    >>> found = findings(fit, None, {})
    >>> found.converged, [section.id for section in found.sections][:3]
    (False, ['fit', 'values', 'assumptions'])
    """
    if posterior is not None and level is not None:
        posterior = replace(posterior, level=level)
    converged = posterior is not None and posterior.verdict.converged
    drawn = chi2_of_draws(fit, posterior) if posterior is not None and converged else None
    taught, versions = learned(fit, posterior), provenance.get("versions")
    answers = checks(fit, posterior, drawn)
    sections = _sections(fit, posterior, drawn, taught, answers[0].says, mechanisms)
    tables = {"directions": directions_table(fit.identifiability.directions), "devices": masks_table(fit.study)}
    if posterior is not None:
        tables["priors"] = prior_table(posterior)
    return Findings(
        fit=fit,
        posterior=posterior,
        provenance=provenance,
        header=header_fields(fit.study, fit),
        notices=notices(fit),
        checks=(*answers, *(each.check for each in sections if isinstance(each.check, Answer))),
        learned=taught,
        not_determined=not_determined(fit, posterior),
        lengths=length_results_table(fit, posterior),
        helps=helps_most(fit, posterior),
        model_test=model_test(fit.devices, fit.study.amplitudes, fit.study.model.law),
        methods=methods(fit, posterior, versions if isinstance(versions, Mapping) else {}),
        summary=summary_table(fit, posterior, INTERVAL if level is None else Level(level)),
        drawn=drawn,
        sections=sections,
        frame=Section(
            "frame",
            "",
            pictures=(_first(fit, posterior), *(() if posterior is None else (_trace(posterior),))),
            tables={name: table for name, table in tables.items() if table.rows},
        ),
    )


def summary_table(fit: FitResult, posterior: Posterior | None, level: Level = INTERVAL) -> pd.DataFrame:
    """The table of ``summary.csv``, by parameter: mean, sd, q05, q50, q95, ess, r_hat, unit and determined.

    The quantiles are those of the posterior's level. Without a posterior its rows are the combinations, with those of
    a normal distribution at `level`, and no ess and r_hat. After a run that did not converge, `determined` says
    ``"not converged"`` everywhere.
    """
    if posterior is not None:
        summary = posterior.summary()
        if not posterior.verdict.converged:
            summary["determined"] = "not converged"
        return summary
    found = fit.combinations
    names = [ParameterName(str(r.quantity), str(r.device)) for r in found.itertuples()]
    value, sd = found["value"].to_numpy(dtype=float), found["sd"].to_numpy(dtype=float)
    low, middle, high = level.names
    reach = float(ndtri(level.quantiles[2])) * sd
    columns = {
        "mean": value, "sd": sd, low: value - reach, middle: value, high: value + reach, "ess": np.nan,
        "r_hat": np.nan, "unit": found["unit"].to_numpy(), "determined": np.where(np.isfinite(sd), "yes", "no"),
    }  # fmt: skip
    return pd.DataFrame(columns, index=pd.Index(names, name="parameter", dtype=object))


def _sections(
    fit: FitResult,
    posterior: Posterior | None,
    drawn: DrawnChi2 | None,
    taught: tuple[str, ...],
    determined: str,
    mechanisms: object,
) -> tuple[Section, ...]:
    priors, comparison = wing("prior_influence.section"), wing("comparison.section")
    of_priors = None if priors is None else priors.prior_section(posterior)
    assumed = assumptions_section(fit)
    return (
        _of_fit(fit, posterior, drawn),
        _of_values(fit, posterior, taught, determined),
        *(() if of_priors is None else (of_priors,)),
        *(() if assumed is None else (assumed,)),
        _of_diffusion(fit, posterior),
        *(() if comparison is None else comparison.comparison_sections(fit, posterior, mechanisms)),
    )


def _first(fit: FitResult, posterior: Posterior | None) -> PlannedFigure:
    """All devices together, for the first screen."""
    arguments = "fit" if posterior is None else "fit, posterior"
    return PlannedFigure(
        "overview",
        torque_caption(fit, posterior, detail=False),
        _torque_in_words(fit),
        lambda **look: plot_torque(fit, posterior, detail=False, **look),
        f"mtjfit.plot.plot_torque({arguments}, detail=False)",
        posterior is not None,
    )


def _of_fit(fit: FitResult, posterior: Posterior | None, drawn: DrawnChi2 | None) -> Section:
    """χ² of the best fit and of the draws, and the torque."""
    of_draws = () if drawn is None else (f"{drawn.says} ({p_text(drawn.p_value)}).",)
    arguments = "fit" if posterior is None else "fit, posterior"
    torque = PlannedFigure(
        "torque",
        torque_caption(fit, posterior),
        _torque_in_words(fit),
        lambda **look: plot_torque(fit, posterior, **look),
        f"mtjfit.plot.plot_torque({arguments})",
        posterior is not None,
    )
    return Section("fit", "Data and fit", (f"Best fit: {fit.chi2_says}.", *of_draws), pictures=(torque,))


def _of_values(fit: FitResult, posterior: Posterior | None, taught: tuple[str, ...], determined: str) -> Section:
    """The table of parameters, or what is left open without a posterior."""
    words = (f"What the data determine – {determined}.",)
    if posterior is None:
        table = undetermined_table(fit)
        return Section("values", "Undetermined parameters", words, tables={"undetermined": table} if table.rows else {})
    corner = PlannedFigure(
        "corner",
        corner_caption(posterior),
        f"Corner plot of the posterior. {' '.join(taught)}",
        lambda **look: plot_corner(posterior, **look),
        "mtjfit.plot.plot_corner(posterior)",
        True,
    )
    return Section(
        "values",
        "Lengths and amplitudes" if posterior.verdict.converged else "Parameters: NOT CONVERGED",
        words,
        pictures=(corner,) if corner_names(posterior) else (),
        tables={"parameters": posterior_table(posterior)},
    )


def _of_diffusion(fit: FitResult, posterior: Posterior | None) -> Section:
    """κ(d), what each device determines without any length, and the spin accumulation."""
    combinations = PlannedFigure(
        "combinations",
        combinations_caption(fit),
        f"Plot of the combinations of each device. {_ratios_in_words(fit)}",
        lambda **look: plot_combinations(fit, **look),
        "mtjfit.plot.plot_combinations(fit)",
    )
    pictures = [] if fit.combinations.empty else [combinations]
    model = fit.study.model
    words: tuple[str, ...] = (_ratio_says(fit),)
    if not model.is_eq12:
        words += (f"κ is that of {model.law}, not of Eq. 12; it gives no spin accumulation and no spin current.",)
    if posterior is not None:
        transfer = PlannedFigure(
            "transfer",
            transfer_caption(posterior),
            f"Plot of kappa against thickness. {kappa_in_words(posterior)}",
            lambda **look: plot_transfer(posterior, fit, **look),
            "mtjfit.plot.plot_transfer(posterior, fit)",
            True,
        )
        pictures = [transfer, *pictures]
    if posterior is not None and model.is_eq12:
        accumulation = PlannedFigure(
            "accumulation",
            accumulation_caption(posterior),
            f"Plot of the spin accumulation against the distance from the barrier. {_accumulation_in_words(posterior)}",
            lambda **look: plot_accumulation_band(posterior, **look),
            "mtjfit.plot.plot_accumulation_band(posterior)",
            True,
        )
        pictures.append(accumulation)
    title = "Thickness dependence" if fit.study.n_thicknesses > 1 else "Combinations of each device"
    table = device_combinations_table(fit)
    tables = {"combinations": table} if table.rows or table.note else {}
    return Section("diffusion", title, words, pictures=tuple(pictures), tables=tables)


def _trace(posterior: Posterior) -> PlannedFigure:
    return PlannedFigure(
        "trace",
        trace_caption(posterior),
        f"Trace plot of {len(posterior.names)} parameters. {'; '.join(c.says for c in posterior.verdict.checks)}.",
        lambda **look: plot_trace(posterior, **look),
        "mtjfit.plot.plot_trace(posterior)",
        True,
    )


def _torque_in_words(fit: FitResult) -> str:
    """Devices, the range of each component, χ², and the largest residual."""
    curves = fit.study.curves
    first = [curve for curve in curves if curve.unit == curves[0].unit]
    unit, ranges = pretty(curves[0].unit), []
    for c, name in enumerate(("in-plane", "out-of-plane")):
        v = np.concatenate([curve.component(c)[0][curve.used_values[c]] for curve in first])
        said = f"from {number(v.min(), 3)} to {number(v.max(), 3)} {unit}" if v.size else "not measured"
        ranges.append(f"{name} {said}")
    largest = max(_largest_residual(fit, k) for k in range(len(curves)))
    return (
        f"Plot of {measured_quantities(fit.study)} against bias for {device_names(curves, _NAMED)}: "
        f"{', '.join(ranges)}. {fit.chi2_says}. "
        f"The point farthest from the best fit is {largest:.1f} standard errors away."
    )


def _largest_residual(fit: FitResult, k: int) -> float:
    curve = fit.study.curves[k]
    best = torque_at(fit.study, fit.values, curve, curve.bias)
    away = np.stack([curve.par - best.real, curve.perp - best.imag]) / np.stack(errors_of(fit.study, fit.values, curve))
    return float(np.max(np.abs(away[curve.used_values])))


def _ratios_in_words(fit: FitResult) -> str:
    """Slope ratio of each device, up to twelve of them."""
    ratios = fit.combinations[fit.combinations["quantity"] == "slope_ratio"]
    values = ", ".join(f"{r.device}: {float(r.value):.3g}" for r in ratios.head(12).itertuples())  # type: ignore[arg-type]
    return f"Slope ratio T_perp/T_par by device: {values}."


def _ratio_says(fit: FitResult) -> str:
    """Slope ratio of the thinnest and the thickest device that determine it."""
    found = fit.combinations[fit.combinations["quantity"] == "slope_ratio"]
    if found.empty:
        return "No device determines the phase of κ on its own."
    thickness = {curve.name: curve.thickness for curve in fit.study.curves}
    rows = sorted(found.itertuples(), key=lambda row: thickness[str(row.device)])
    said = [
        f"{value_with_error(float(r.value), float(r.sd))} at {thickness[str(r.device)]:g} nm ({r.device})"  # type: ignore[arg-type]
        for r in (rows if len(rows) == 1 else (rows[0], rows[-1]))
    ]
    says = f"is {said[0]}" if len(said) == 1 else f"goes from {said[0]} to {said[1]}"
    return f"The slope ratio T_perp/T_par at small bias {says}; it needs no length."


def _accumulation_in_words(posterior: Posterior) -> str:
    """Both components at the barrier and at the far side, for the thinnest and the thickest device."""
    of_stack = {device: stack for stack in shared_lengths(posterior) for device in stack.devices}
    curves = sorted(posterior.study.curves, key=lambda curve: curve.thickness)
    said = []
    for curve in curves if len(curves) == 1 else (curves[0], curves[-1]):
        stack = of_stack[curve.name]
        d = max(curve.thickness - float(np.median(stack.lengths["dead_layer"])), 1e-3)
        m = np.median(accumulation_draws(stack, [0.0, d], d), axis=0)
        said.append(
            f"{curve.name} ({curve.thickness:g} nm): in-plane {m[0].real:.3g} nm at the barrier and "
            f"{m[1].real:.3g} nm at the far side, out-of-plane {m[0].imag:.3g} and {m[1].imag:.3g} nm."
        )
    return " ".join(said)
