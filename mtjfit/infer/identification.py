"""Identifiability of the parameters of a study, from the design to intervals with open ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.cards import Card
from mtjfit.infer.least_squares import FitResult, fit
from mtjfit.model.descent import FARTHEST
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.model.identifiability import Identifiability, determined_table
from mtjfit.model.layout import joint_scope
from mtjfit.model.likelihood import FullPosterior, refuse_far_out
from mtjfit.model.profile import LEVELS, SEARCH, Profile, Profiles, Search, profiles, reference
from mtjfit.model.rank import expected_errors, grade
from mtjfit.progress import bar
from mtjfit.study import DOF, JITTER, SCATTER, LogUniform, Parameter, ParameterName, Study
from mtjfit.study.correlation_checks import without_the_gone
from mtjfit.text import number

_BETTER = 0.02  # in −2 ln L: improvement of the profiles over the fit that is reported
_ENDS = ("low_68", "high_68", "low_95", "high_95")


@dataclass(frozen=True, eq=False)
class Identification(Identifiability):
    """Parameters that a study determines, by its design, at the best fit, and by profile likelihoods.

    Attributes
    ----------
    rank, n_parameters, null_directions, directions
        As of `Identifiability`.
    determined : DataFrame
        As of `Identifiability`, with the ends low_68, high_68, low_95, high_95 of the profile likelihood intervals (0
        or −inf and inf where open, NaN where there is no profile) and `known_to`: "10 %", "30 %", "100 %" or
        "over 100 %", by the farther end of the 68 % interval; "lower limit" or "upper limit" if the 95 % interval has
        that end only, "prior only" if it has none. Of parameters without a profile, by the linearised error.
    expected : DataFrame
        Relative errors over the prior, independent of the data (`mtjfit.model.rank.expected_errors`).
    profiles : mapping of str to Profile
        Of lengths and of shared amplitudes; of Lambda in place of D_ratio and lambda_sf_N where both are free.
    notes : tuple of str
        Limitations of these numbers.
    """

    expected: pd.DataFrame
    profiles: Mapping[str, Profile]
    fit: FitResult
    notes: tuple[str, ...]

    @property
    def study(self) -> Study:
        """The study."""
        return self.fit.study

    @property
    def lengths(self) -> tuple[str, ...]:
        """Rows of `determined` that are lengths, their ratio or a dead layer, one for each scope."""
        return tuple(str(name) for name in self.determined.index if ParameterName(name).shapes_kappa)

    @property
    def answered(self) -> bool:
        """True if the data bound at least one length, or if no length was asked for."""
        known = self.determined.loc[list(self.lengths), "known_to"]
        return known.empty or bool((known != "prior only").any())

    def _card(self) -> Card:
        """Every parameter with its profile interval, in a notebook."""
        rows = []
        for name, row in self.determined.iterrows():
            low, high = (number(float(row[end])) for end in ("low_95", "high_95"))
            ends = "" if "n/a" in (low, high) else f"{low} to {high}".replace("to inf", "or more")
            rows.append([str(name), number(float(row["value"])), ends, str(row["known_to"])])
        return Card(
            f"What {self.study.name} determines", marks=[self.study.label],
            facts={"design": f"{self.rank} of {self.n_parameters} parameters, thicknesses known",
                   "χ²": self.fit.chi2_says},
            header=("parameter", "best fit", "95 % profile interval", "known to"), rows=rows,
            notes=[*self.null_directions, *self.notes],
        )  # fmt: skip


def _lengths_by_product(study: Study) -> Study:
    """The study in terms of Λ in place of D_ratio and λ_sf^N where both are free; else unchanged."""
    pair = [study.parameters[name] for name in ("lambda_sf_N", "D_ratio") if name in study.parameters]
    low, high = 1.0, 1.0
    for one in pair:
        if one.free_prior is None:
            return study
        low, high = (side * end for side, end in zip((low, high), np.clip(one.prior.support, *FARTHEST), strict=True))
    if len(pair) < 2:
        return study
    scope = joint_scope(study, {one.scope for one in pair})
    parameters = {name: one for name, one in study.parameters.items() if name not in ("lambda_sf_N", "D_ratio")}
    parameters["Lambda"] = Parameter("Lambda", LogUniform(float(low), float(high)), scope)
    return study.replace(parameters=without_the_gone(parameters))


def _by_product(full: FullPosterior, values: FloatArray) -> tuple[FullPosterior, FloatArray]:
    """The model in terms of Λ where both factors are free, and points (n, size) in its layout."""
    model = FullPosterior(_lengths_by_product(full.study))
    if model.study is full.study:
        return full, values
    by_device = full.Lambda(values)
    columns = []
    for k, entry in enumerate(model.layout.entries):
        if entry.name.base == "Lambda":
            columns.append(by_device[:, np.flatnonzero(model.layout.index["Lambda"] == k)[0]])
        else:
            columns.append(values[:, full.layout.names.index(entry.name)])
    return model, np.stack(columns, axis=1)


def _profiles(model: FullPosterior, starts: FloatArray, progress: bool, search: Search) -> Profiles:
    """Of lengths and shared amplitudes, from fits of shape (n, size), the best one first."""
    own = {name for name, mine in zip(model.study.amplitudes, model.amplitudes.own, strict=True) if mine}
    names = [name for name in (*model.layout.names, *model.amplitudes.names)
             if name.base not in own and not (name.is_noise or name.is_thickness)]  # fmt: skip
    shown = partial(bar, "profiles", progress, unit="parameter")
    return profiles(model, names, reference(model, starts[0]), starts, shown, search)


def precision_of(row: Mapping[str, Any]) -> str:
    """Precision of a parameter, by its intervals; by its linearised error where it has none."""
    value = row["value"]
    if math.isnan(row["high_95"]):
        return grade(row["relative_error"])
    below, above = row["low_95"] not in (0.0, -math.inf), row["high_95"] != math.inf
    if below and above:
        farthest = max(row["high_68"] - value, value - row["low_68"])
        reached = grade(farthest / abs(value)) if value else "prior only"
        return "over 100 %" if reached == "prior only" else reached
    return "lower limit" if below else "upper limit" if above else "prior only"


def _table(determined: pd.DataFrame, found: Mapping[str, Profile], by_product: pd.DataFrame) -> pd.DataFrame:
    """The linearised table with intervals and `known_to`; Λ follows its factors, which cannot be separated."""
    rows: dict[str, dict[str, Any]] = {}
    for name in determined.index.astype(str):
        ends = _ends(found[name]) if name in found else dict.fromkeys(_ENDS, math.nan)
        rows[name] = dict(determined.loc[name]) | ends
        blind = ParameterName(name).base in ("lambda_sf_N", "D_ratio") and not by_product.empty
        rows[name]["known_to"] = "prior only" if blind else precision_of(rows[name])
    for name in by_product.index.astype(str):
        rows[name] = dict(by_product.loc[name]) | _ends(found[name])
        rows[name]["known_to"] = precision_of(rows[name])
    first = [name for name in rows if ParameterName(name).shapes_kappa]
    columns = [*determined.columns, *_ENDS, "known_to"]  # named, for there may be no row to take them from
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.loc[[*first, *(name for name in rows if name not in first)]].rename_axis("parameter")


def _ends(found: Profile) -> dict[str, float]:
    both = [found.interval(level) for level in LEVELS]
    return dict(zip(_ENDS, (end for one in both for end in (one.low, one.high)), strict=True))


def _notes(fit: FitResult, better: float, beaten: Mapping[str, float]) -> tuple[str, ...]:
    left_out: dict[str | tuple[str, ...], str] = {
        DOF: "Student-t errors are taken as normal ones of the same information; only the posterior uses their tails",
        JITTER: "jitter is held at its estimate from the scatter of the points; only the posterior includes its "
        "uncertainty",
        SCATTER: "amplitudes that scatter are free for every device here; only the posterior restricts their scatter",
    }
    notes = [says for start, says in left_out.items() if any(name.startswith(start) for name in fit.study.parameters)]
    if better > _BETTER:
        notes.append(f"the profiles found a better point than the fit: χ² is lower by {better:.2g}")
    for name, short in beaten.items():
        notes.append(
            f"the profile of {name} lies above another fit of this study, by {short:.2g} of −2 ln L: its intervals may "
            "be too narrow"
        )
    return tuple(notes)


def identify(study: Study, *, progress: bool = False, search: Search = SEARCH) -> Identification:
    """Identifiability of the parameters of a study, in four steps from the design to the data.

    1. The rank of the design and the directions it cannot determine, from Jacobians at points of the prior.
    2. Relative errors over the prior, independent of the data.
    3. At the best fit (`mtjfit.fit`): linearised errors, stiff and sloppy directions.
    4. Profile likelihoods and their intervals. Priors of lengths and amplitudes enter only by the ends of their ranges;
       the declared error of a thickness is a measurement. Fitted noise scales are optimised. `search` says from how
       many starts.

    Raises
    ------
    NotDetermined
        The errors of the data are to be fitted and there is no scatter to fit them from.
    MtjfitError
        Points lie so far from every polynomial in V that no search arrives.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> known = identify(load_study(dataset("sankey2008").study_file))
    >>> known.rank, known.n_parameters, known.answered
    (3, 6, False)
    """
    full = least_squares_model(study)
    refuse_far_out(full)
    best = fit(study)
    shape = best.identifiability
    model, starts = _by_product(full, best.optimum.starts)
    found = _profiles(model, starts, progress, search)
    by_product = shape.determined.iloc[:0]
    if model is not full:
        table, _ = determined_table(model, found.best.values, found.best.amplitudes)
        by_product = table.loc[[ParameterName(name).base == "Lambda" for name in table.index]]
    lowest = reference(full, best.optimum.values).lowest
    return Identification(
        rank=shape.rank,
        n_parameters=shape.n_parameters,
        null_directions=shape.null_directions,
        determined=_table(shape.determined, found.profiles, by_product),
        directions=shape.directions,
        expected=expected_errors(full),
        profiles=found.profiles,
        fit=best,
        notes=_notes(best, lowest - found.best.lowest, found.beaten),
    )
