"""Mechanisms compared on one data set: evidence, prediction of left-out thicknesses, criteria, predictive checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import call

import numpy as np
import pandas as pd

from mtjfit.cards import Card, ShownAsCard
from mtjfit.comparison.mechanisms.models import (
    MECHANISMS,
    Mechanism,
    mechanism_study,
    own_mechanism,
    refuse_one_thickness_for_mechanisms,
)
from mtjfit.comparison.mechanisms.predictive import LeftOutThickness, PredictiveCheck, leave_out_each, predictive_checks
from mtjfit.comparison.mechanisms.prior_widths import WIDTHS, PriorWidth, evidence_bounds, largest_log_likelihood
from mtjfit.errors import ConfigError, MtjfitError, Problem
from mtjfit.infer.evidence import Evidence, Exploration, explore_posterior
from mtjfit.infer.least_squares import FitResult, fit
from mtjfit.infer.store.fingerprint import describe
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.parallel import WorkerKilled, in_parallel
from mtjfit.study import Study

DECISIVE = 3.0
"""ln of the Bayes factor, 20 to 1, that must be exceeded under every prior width, two errors included."""
MISFIT = 1e-3
"""A mechanism whose χ² is this unlikely does not describe the data."""
_CERTAIN = 2.0
_DRAWS, _SIMULATIONS = 1000, 200


@dataclass(frozen=True, eq=False)
class MechanismResult(ShownAsCard):
    """Evidence, predictions and fit of one mechanism.

    `changes` are ln Z' − ln Z by the name of each change of priors, `WIDTHS`, NaN where not reliable; `bounds` the
    smallest and largest possible ln Z' for each change that could not be computed, and by ``""`` for the declared
    priors if their evidence is not reliable, see `mtjfit.comparison.mechanisms.prior_widths`. `settled` is False if
    the posterior could not be explored well enough for any of the numbers.
    """

    mechanism: Mechanism
    study: Study
    evidence: Evidence
    settled: bool
    changes: Mapping[str, float]
    left_out: tuple[LeftOutThickness, ...]
    checks: tuple[PredictiveCheck, ...]
    fit: FitResult
    draws: pd.DataFrame
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.mechanism.name

    def log_evidence(self, under: str = "") -> tuple[float, float]:
        """Smallest and largest possible ln Z under a change of priors, or those declared; equal where computed."""
        change = 0.0 if under == "" else self.changes[under]
        if self.settled and not np.isnan(change):
            return (self.evidence.value + change,) * 2
        return self.bounds.get(under, (-np.inf, np.inf))

    @property
    def not_computed(self) -> tuple[str, ...]:
        """Changes of priors under which the evidence could not be computed; ``""`` are the declared priors."""
        if not self.settled:
            return ("",)
        return tuple(name for name, change in self.changes.items() if np.isnan(change))

    @property
    def n_determined(self) -> int:
        """k of AIC and BIC: combinations of lengths and amplitudes that the design determines; no thicknesses."""
        return self.fit.identifiability.rank

    @property
    def aic(self) -> float:
        """χ² + 2 k, up to a constant of the data."""
        return self.fit.chi2 + 2 * self.n_determined

    @property
    def bic(self) -> float:
        """χ² + k ln n with n the number of measured values, up to a constant of the data."""
        return float(self.fit.chi2 + self.n_determined * np.log(self.study.n_values))

    @property
    def log_prediction(self) -> float:
        """Σ ln p(left-out thickness | the others)."""
        return float(sum(one.log_density for one in self.left_out))


@dataclass(frozen=True)
class BayesFactor(ShownAsCard):
    """ln of the Bayes factor of the best mechanism over another.

    `value` and its standard error are those under the declared priors, `lowest` and `highest` those over all changes of
    priors, with the bounds of an evidence where it could not be computed: under the changes `bounded`, ``""`` for the
    declared priors. `lowest_computed` is over the others, infinite if there are none.
    """

    against: str
    value: float
    error: float
    lowest: float
    highest: float
    lowest_under: str
    bounded: tuple[str, ...] = ()
    lowest_computed: float = np.inf

    @property
    def depends_on_bounds(self) -> bool:
        """True if it would be decisive but for evidences that could not be computed."""
        return not self.decisive and bool(self.lowest_computed - _CERTAIN * self.error > DECISIVE)

    @property
    def decisive(self) -> bool:
        """True if it stays above 20 to 1 under all priors that were tried, bounds included."""
        return bool(self.lowest - _CERTAIN * self.error > DECISIVE)


@dataclass(frozen=True, eq=False)
class MechanismComparison(ShownAsCard):
    """Several mechanisms on the same data.

    Attributes
    ----------
    added : mapping of str to str
        Amplitudes that the study does not declare, with the priors they were given.
    """

    study: Study
    results: tuple[MechanismResult, ...]
    seed: int
    added: Mapping[str, str]

    def __getitem__(self, name: str) -> MechanismResult:
        return next(one for one in self.results if one.name == name)

    @property
    def best(self) -> MechanismResult:
        """Of the highest evidence."""
        return max(self.results, key=lambda one: one.evidence.value)

    @property
    def settled(self) -> bool:
        """False if some number could not be computed well enough; `decided` may hold all the same."""
        predicted = (one.reliable for result in self.results for one in result.left_out)
        return not any(result.not_computed for result in self.results) and all(predicted)

    @cached_property
    def bayes_factors(self) -> tuple[BayesFactor, ...]:
        """Of the best over each of the others."""
        return tuple(self.bayes_factor(self.best, other) for other in self.results if other is not self.best)

    def bayes_factor(self, one: MechanismResult, other: MechanismResult) -> BayesFactor:
        """Of one mechanism over another, each change of priors made in both."""
        lowest, highest, bounded = {}, {}, []
        for name in ("", *one.changes):
            mine, its = one.log_evidence(name), other.log_evidence(name)
            lowest[name], highest[name] = mine[0] - its[1], -(its[0] - mine[1])
            if mine[0] < mine[1] or its[0] < its[1]:
                bounded.append(name)
        value = one.evidence.value - other.evidence.value
        # an evidence that is known by bounds has no error: they are certain
        error = float(np.linalg.norm([each.evidence.error if each.settled else 0.0 for each in (one, other)]))
        worst = min(lowest, key=lambda name: lowest[name])
        computed = min((x for name, x in lowest.items() if name not in bounded), default=np.inf)
        return BayesFactor(
            other.name, value, error, lowest[worst], max(highest.values()), worst, tuple(bounded), computed
        )

    @property
    def rivals(self) -> tuple[str, ...]:
        """Mechanisms that are not excluded under every prior width that was tried."""
        return tuple(factor.against for factor in self.bayes_factors if not factor.decisive)

    @property
    def described(self) -> bool:
        """True unless χ² of the best one is absurdly large; also True where errors are fitted."""
        return bool(not self.best.fit.p_value < MISFIT)

    @property
    def decided(self) -> bool:
        """True if one mechanism is left and describes the data; a number that decides nothing may be missing."""
        return self.described and not self.rivals

    def _card(self) -> Card:
        """The comparison in a notebook: the evidence of every mechanism, and a warning if it decides nothing."""
        refused = {
            "NOT RELIABLE: some number could not be computed well enough": not self.settled and not self.decided,
            f"No mechanism describes these data ({self.best.fit.chi2_says})": not self.described,
            f"NOT DECIDED: {self.best.name} is not distinguished from {', '.join(self.rivals)}": bool(self.rivals),
        }
        rows = []
        for one in sorted(self.results, key=lambda each: -each.evidence.value):
            factor = next((each for each in self.bayes_factors if each.against == one.name), None)
            over = ("", "") if factor is None else (
                f"{factor.value:.2f} ± {factor.error:.2g}", f"{factor.lowest:.2f} to {factor.highest:.2f}"
            )  # fmt: skip
            rows.append([one.name, one.mechanism.says, f"{one.evidence.value:.2f}", *over, one.fit.chi2_says])
        return Card(
            f"Mechanisms of {self.study.name}", marks=[*(words for words, true in refused.items() if true),
                                                       self.study.label],
            header=("mechanism", "meaning", "ln Z", f"ln B of {self.best.name} over it", "under other priors",
                    "best fit"), rows=rows,
            notes=[f"A mechanism is excluded if ln B stays above {DECISIVE:g} (20 to 1) under all priors tried."],
        )  # fmt: skip

    def prediction_difference(self, name: str) -> tuple[float, float]:
        """Σ ln p of left-out thicknesses, the best by evidence minus another, and √n times its sd over thicknesses."""
        pairs = zip(self.best.left_out, self[name].left_out, strict=True)
        each = np.array([one.log_density - other.log_density for one, other in pairs])
        return float(each.sum()), float(np.sqrt(each.size) * each.std(ddof=1))


def task_generators(seed: int, place: int, widths: Sequence[PriorWidth] = WIDTHS) -> dict[str, np.random.Generator]:
    """One random generator for each task of a mechanism, by its place in `MECHANISMS`.

    How many numbers a task draws may depend on a last digit; neither this nor leaving out a mechanism moves the rest.
    """
    tasks = ("draws", "left out", "checks", "bounds", *(width.name for width in widths))
    root = np.random.SeedSequence((seed, 3, place))
    spawned = zip(tasks, root.spawn(len(tasks)), strict=True)
    return {"explore": np.random.default_rng(root)} | {task: np.random.default_rng(seed) for task, seed in spawned}


def mechanism_result(
    study: Study,
    mechanism: Mechanism,
    rng: Mapping[str, np.random.Generator],
    extra: Sequence[str] = (),
    widths: Sequence[PriorWidth] = WIDTHS,
    n_simulations: int = _SIMULATIONS,
) -> MechanismResult:
    """Everything about one mechanism; `rng` from `task_generators`, the rest as in `compare_mechanisms`."""
    model = make_posterior(mechanism_study(study, mechanism, extra))
    explored = explore_posterior(model, model.size, rng["explore"])
    changes = dict.fromkeys((width.name for width in widths), float("nan"))
    # draws that are not the posterior's are no basis for anything else
    for width in widths if explored.settled else ():
        change, reliable = width.log_evidence_change(model, explored, rng[width.name])
        changes[width.name] = change if reliable else float("nan")
    bounds = _bounds(model, explored, [width for width in widths if np.isnan(changes[width.name])], rng["bounds"])
    drawn = pd.DataFrame(model.draw(explored.resampled(_DRAWS, rng["draws"]), rng["draws"]))
    rows = [{str(k): float(v) for k, v in row.items()} for row in drawn.iloc[:n_simulations].to_dict("records")]
    return MechanismResult(
        mechanism=mechanism,
        study=model.study,
        evidence=explored.evidence,
        settled=explored.settled,
        changes=changes,
        left_out=leave_out_each(model, explored, rng["left out"], refit=None if explored.settled else False),
        checks=predictive_checks(model.study, rows, rng["checks"]),
        fit=fit(model.study),
        draws=drawn,
        bounds=bounds,
    )


def _bounds(
    model: MarginalPosterior, explored: Exploration, missing: Sequence[PriorWidth], rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Bounds of the evidences that could not be computed."""
    if not missing:
        return {}
    # one fit, in the widest ranges of lengths that are tried: it bounds the evidence in all others, too
    widest = max(WIDTHS, key=lambda width: (width.of == "lengths", width.factor))
    ceiling = largest_log_likelihood(model.study, widest)
    bounds = {width.name: evidence_bounds(model, explored, width, ceiling, rng) for width in missing}
    if not explored.settled:
        bounds[""] = evidence_bounds(model, explored, None, ceiling, rng)
    return bounds


def _refuse_others(study: Study, others: Sequence[Study]) -> None:
    """MtjfitError for a study that is no Eq. 12; ConfigError for others that cannot be compared with it."""
    if study.model.identity:
        raise MtjfitError(
            f"the mechanisms are limits of Eq. 12, but the study has the model {study.model.name!r}: compare that of "
            "Eq. 12 on the same data, with this one among `others`"
        )
    data, problems = _data_of(study), []
    taken = list(MECHANISMS)
    for each in others:
        name = own_mechanism(each).name
        if _data_of(each) != data:
            problems.append(Problem(f"others: {each.name}", "holds other data", "use study.with_model(model)"))
        if not each.model.identity:
            problems.append(Problem(f"others: {each.name}", "has no model of its own", "use study.with_model(model)"))
        elif name in taken:
            problems.append(Problem(f"others: {each.name}", f"is called {name!r} like another", "give name = …"))
        taken.append(name)
    if problems:
        raise ConfigError(problems)


def _data_of(study: Study) -> dict[str, str]:
    return {key: words for key, words in describe(study, 0).items() if key.startswith("device")}


def compare_mechanisms(
    study: Study,
    seed: int | None = None,
    *,
    names: Sequence[str] = tuple(MECHANISMS),
    extra: Sequence[str] = (),
    widths: Sequence[PriorWidth] = WIDTHS,
    n_simulations: int = _SIMULATIONS,
    others: Sequence[Study] = (),
    workers: int = 1,
    progress: bool = True,
    run: Callable[..., list[MechanismResult]] = in_parallel,
) -> MechanismComparison:
    """Compare possible causes of a linear out-of-plane torque.

    Parameters
    ----------
    study : Study
        Two thicknesses or more; three for lengths.
    seed : int, optional
        Default: the seed of the study. The same seed gives the same numbers.
    names : sequence of str
        Keys of `MECHANISMS`.
    extra : sequence of str
        Amplitudes to add to every mechanism, such as ``"a2"``.
    widths : sequence of PriorWidth
        Changes of priors that a verdict must survive.
    n_simulations : int
        Data sets that are simulated for predictive checks.
    others : sequence of Study
        Studies of the same data with models of one's own, each one more mechanism, named by its model.
    workers : int
        Processes; the numbers are the same, and one continues alone if others are killed. With more than one a script
        needs ``if __name__ == "__main__":``.
    run : callable
        Called as `mtjfit.parallel.in_parallel`.

    Returns
    -------
    MechanismComparison
        `decided` comes first, then `rivals`: a best mechanism with rivals is no verdict.

    Raises
    ------
    NotDetermined
        One thickness, which cannot distinguish diffusion from asymmetric electrodes.
    ConfigError
        An amplitude has no prior, or others are of other data or have names that are taken.
    MtjfitError
        The study itself has an own model: the mechanisms are limits of Eq. 12.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> found = compare_mechanisms(study, names=["ballistic", "ballistic+b1"], progress=False)
    >>> found.best.name, found.rivals, found.described
    ('ballistic+b1', (), False)
    """
    refuse_one_thickness_for_mechanisms(study)
    unknown = [name for name in names if name not in MECHANISMS]
    if unknown or not names:
        raise ValueError(f"no mechanism {', '.join(unknown)}; choose from {', '.join(MECHANISMS)}")
    _refuse_others(study, others)
    seed = study.sampling.seed if seed is None else seed
    chosen = [(place, each) for place, each in enumerate(MECHANISMS.values()) if each.name in names]
    # all of them at once, so that a prior that is missing is found before anything is computed
    studies = [mechanism_study(study, each, extra) for _, each in chosen]
    added = {
        name: one.prior.describe()
        for each in studies
        for name, one in each.parameters.items()
        if name in each.amplitudes and name not in study.parameters
    }
    tasks = [(place, study, each) for place, each in chosen]
    tasks += [(place, each, own_mechanism(each)) for place, each in enumerate(others, len(MECHANISMS))]
    jobs = [
        partial(mechanism_result, of, each, task_generators(seed, at, widths), extra, widths, n_simulations)
        for at, of, each in reversed(tasks)  # those with more parameters first
    ]
    try:
        found = run(call, jobs, min(workers, len(jobs)), says="mechanisms", progress=progress)
    except WorkerKilled:  # most likely memory ran out: one after the other they need less
        found = run(call, jobs, 1, says="mechanisms", progress=progress)
    return MechanismComparison(study, tuple(reversed(found)), seed, added)
