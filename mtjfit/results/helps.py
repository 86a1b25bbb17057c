"""What would help most after a result: one sentence, the first that applies."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.causes import P_BAD
from mtjfit.lazy import wing
from mtjfit.results.assumptions import contradicted, hangs_on
from mtjfit.results.causes import cause_words
from mtjfit.results.headers import free_lengths
from mtjfit.results.patterns import pattern_words
from mtjfit.study import ParameterName

_THREE = 3  # thicknesses that determine all lengths


@dataclass(frozen=True)
class Advice:
    """What to do next in one sentence, and what to type for it, if anything."""

    says: str
    command: str = ""


def helps_most(fit: FitResult, posterior: Posterior | None) -> Advice:
    """What would help most, in one sentence: what is wrong comes first, then what is open, then what can become better.

    Examples
    --------
    >>> import mtjfit
    >>> fit = mtjfit.fit(mtjfit.load_study(mtjfit.dataset("thickness-series").study_file))
    >>> helps_most(fit, None).command
    'mtjfit run STUDY.toml --output DIR'
    """
    wrong = _wrong(fit, posterior)
    return Advice(wrong) if wrong else _open(fit, posterior)


def _wrong(fit: FitResult, posterior: Posterior | None) -> str:
    if fit.p_value < P_BAD:
        likeliest = next((cause for cause in fit.causes if cause.explains), None)
        if likeliest is not None:
            said = cause_words(fit, likeliest)
            return f"Look at this first, it would explain the misfit: {said}{'' if said.endswith('?') else '.'}"
        return "Find out first why the model does not describe the data; possible causes are listed above."
    if posterior is not None and not posterior.verdict.converged:
        return "Raise sampling.max_steps and run again: nothing follows from draws that have not converged."
    if fit.patterns:
        return f"Find the origin of the pattern in the residuals: {pattern_words(fit.study, fit.patterns[0])}."
    if fit.conflicts:
        return f"Correct the prior of {fit.conflicts[0].name} or the data: they contradict each other."
    if against := contradicted(fit):
        return f"Correct what the study takes as known: {against}."
    return ""


def _open(fit: FitResult, posterior: Posterior | None) -> Advice:
    study = fit.study
    lengths = free_lengths(study)
    if not lengths:
        return Advice("No length is free: nothing that could be measured would change one.")
    if study.n_thicknesses < _THREE:
        thin, thick = study.thicknesses.min(), study.thicknesses.max()
        have = f"{thin:g} nm" if thin == thick else f"{thin:g} and {thick:g} nm"
        return Advice(f"Devices of other thicknesses than {have}: three or more are needed to determine all lengths.")
    if posterior is None:
        return Advice("The posterior, whose intervals assume no linear model:", "mtjfit run STUDY.toml --output DIR")
    if hanging := hangs_on(fit):
        return Advice(f"A measurement of what the study takes as known: {hanging[0]}.")
    return _next_device(posterior)


def _next_device(posterior: Posterior) -> Advice:
    """The length that is known worst, and the command that says which device would change that."""
    summary = posterior.summary()
    names = [name for name in posterior.priors if ParameterName(name).shapes_kappa]
    left = [name for name in names if summary.loc[name, "determined"] != "yes"]
    low, middle, high = posterior.interval.names

    def width(name: str) -> float:
        bottom, centre, top = (float(summary[column].loc[name]) for column in (low, middle, high))
        return (top - bottom) / abs(centre) if centre else math.inf

    worst = max(left or names, key=width)
    which = "which these data leave open" if left else "the least certain of the lengths"
    if wing("planning") is None:
        return Advice(f"A measurement that bounds {worst}, {which}.")
    return Advice(
        f"A device that bounds {worst}, {which}. This says which one:", f"mtjfit plan STUDY.toml --target {worst}"
    )
