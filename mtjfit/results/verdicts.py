"""Checks of a result, and its conclusions in plain sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mtjfit.data import pretty
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.causes import P_BAD
from mtjfit.infer.convergence.excess import DrawnChi2
from mtjfit.results.assumptions import assumptions_table, contradicted, hangs_on, nothing_hangs
from mtjfit.results.causes import cause_words
from mtjfit.results.headers import free_lengths, too_good
from mtjfit.results.patterns import pattern_words
from mtjfit.results.tables import bare_limit, interval_of
from mtjfit.study import ParameterName, is_amplitude
from mtjfit.text import counted, p_text, value_with_error

State: TypeAlias = Literal["yes", "partly", "no", "open"]
MARKS: dict[State, str] = {"yes": "✓", "partly": "◐", "no": "✗", "open": "–"}


@dataclass(frozen=True)
class Answer:
    """One line of the box: what was asked, the answer, and one sentence about it."""

    name: str
    state: State
    says: str

    @property
    def mark(self) -> str:
        """``✓``, ``◐``, ``✗``, or ``–`` where nothing was tested."""
        return MARKS[self.state]

    def __str__(self) -> str:
        return f"{self.mark} {self.name}: {self.says}"


def _leans_on_priors(fit: FitResult) -> bool:
    """True if the design leaves more open than how λ_sf^N and D_ratio share their product."""
    both_factors = {"lambda_sf_N", "D_ratio"} <= set(free_lengths(fit.study))
    return fit.identifiability.rank + int(both_factors) < fit.identifiability.n_parameters


def _by_answer(posterior: Posterior) -> dict[str, list[str]]:
    """Sampled lengths by the answer of `Posterior.determined`."""
    found: dict[str, list[str]] = {}
    for name in posterior.priors:
        if ParameterName(name).shapes_kappa:
            found.setdefault(posterior.determined(name), []).append(name)
    return found


def _determined(fit: FitResult, posterior: Posterior | None) -> Answer:
    lengths = free_lengths(fit.study)
    if not lengths:
        return Answer("determined", "open", "no length is free")
    if posterior is None:
        d = fit.study.thicknesses[0]
        return Answer(
            "determined", "no", f"one thickness ({d:g} nm) determines combinations, but none of {', '.join(lengths)}"
        )
    if not posterior.verdict.converged:
        return Answer("determined", "open", "unknown as long as the draws have not converged")
    if fit.p_value < P_BAD:
        return Answer("determined", "open", "of no meaning as long as the model does not describe the data")
    found, leaning = _by_answer(posterior), _leans_on_priors(fit)
    if set(found) == {"yes"} and not leaning:
        return Answer("determined", "yes", f"{', '.join(found['yes'])}: each by itself")
    yes = "with the priors of the others" if leaning else "by themselves"
    words = {"yes": yes, "lower limit": "lower limit only", "upper limit": "upper limit only"}
    says = [f"{word}: {', '.join(found[answer])}" for answer, word in words.items() if answer in found]
    if "no" in found:
        says.append(f"not determined: {', '.join(found['no'])}")
    return Answer("determined", "no" if set(found) == {"no"} else "partly", "; ".join(says))


def _converged(posterior: Posterior | None) -> Answer:
    if posterior is None:
        return Answer("converged", "open", "nothing was sampled: no length is determined")
    if posterior.verdict.converged:
        return Answer("converged", "yes", "every check of the gate holds")
    first, *others = posterior.verdict.reasons
    more = f", and {len(others)} more reason{'s' if len(others) > 1 else ''}" if others else ""
    return Answer("converged", "no", f"NOT CONVERGED: {first}{more}")


def _plausible(fit: FitResult) -> Answer:
    if math.isnan(fit.p_value):
        return Answer("χ² plausible", "open", "nothing is left to test: " + fit.chi2_says)
    if fit.p_value < P_BAD:
        return Answer("χ² plausible", "no", f"the model does not describe these data ({fit.chi2_says})")
    if says := too_good(fit):
        return Answer("χ² plausible", "partly", f"{says}: the errors may be overestimated; {fit.chi2_says}")
    return Answer("χ² plausible", "yes", fit.chi2_says)


def _noise(fit: FitResult) -> Answer:
    name = "residuals are noise"
    if not fit.patterns:
        nothing = "no further power of V, drift, difference of sweeps or runs of one sign"
        if fit.p_value < P_BAD:  # patterns are looked for about each device's own polynomials
            return Answer(name, "open", f"about the own polynomials of each device {nothing}; the best fit is refused")
        return Answer(name, "yes", nothing)
    first, *others = fit.patterns
    more = f", and {counted(len(others), 'more pattern')}" if others else ""
    return Answer(name, "no", pattern_words(fit.study, first) + more)


def _draws_fit(fit: FitResult, posterior: Posterior | None, drawn: DrawnChi2 | None) -> Answer:
    name = "draws fit the data"
    if posterior is None:
        return Answer(name, "open", "nothing was sampled")
    if drawn is None:
        return Answer(name, "open", "unknown as long as the draws have not converged")
    if math.isnan(drawn.p_value):
        return Answer(name, "open", f"nothing is left to test: {drawn.says}")
    if not drawn.ok:
        return Answer(name, "no", f"the draws miss what the best fit does not: {drawn.says} ({p_text(drawn.p_value)})")
    says = f"{drawn.says} ({p_text(drawn.p_value)})"
    if fit.p_value < P_BAD:
        return Answer(name, "open", f"draws lie as near to the data as the best fit, which is refused: {says}")
    return Answer(name, "yes", says)


def _priors_agree(fit: FitResult) -> Answer:
    name = "priors agree with the data"
    if fit.p_value < P_BAD:
        return Answer(name, "open", "of no meaning as long as the model does not describe the data")
    if fit.conflicts:
        return Answer(name, "no", "; ".join(each.says for each in fit.conflicts))
    return Answer(name, "yes", "no prior is further from what the data say without it than chance allows")


def _assumed(fit: FitResult) -> Answer:
    name, against = "assumptions hold", contradicted(fit)
    if fit.p_value < P_BAD:
        return Answer(name, "open", "of no meaning as long as the model does not describe the data")
    if against:
        return Answer(name, "no", against)
    if not assumptions_table(fit).rows:
        return Answer(name, "open", "nothing that the study takes as known shows in these data")
    says = hangs_on(fit)
    return Answer(name, "partly" if says else "yes", "; ".join(says) or nothing_hangs(fit))


def checks(fit: FitResult, posterior: Posterior | None, drawn: DrawnChi2 | None) -> tuple[Answer, ...]:
    """Determined, converged, χ² plausible, residuals are noise, draws fit the data, priors agree, assumptions hold.

    None is "yes" that compares with a best fit which the data refuse, but convergence, which asks the draws alone.
    `posterior` is None where one thickness made sampling pointless; `drawn` comes from
    `mtjfit.infer.convergence.excess.chi2_of_draws` of a posterior that converged.
    """
    return (
        _determined(fit, posterior),
        _converged(posterior),
        _plausible(fit),
        _noise(fit),
        _draws_fit(fit, posterior, drawn),
        _priors_agree(fit),
        _assumed(fit),
    )


def learned(fit: FitResult, posterior: Posterior | None) -> tuple[str, ...]:
    """Conclusions in one to three sentences; a run or a model that failed is named first."""
    failing, why = f"The model does not describe these data ({p_text(fit.p_value)})", ""
    if posterior is not None and not posterior.verdict.converged:
        if fit.p_value < P_BAD:
            return (f"{failing}, and the run did not converge; find the cause before more steps are made.",)
        return ("NOT CONVERGED: nothing may be concluded from these draws; raise sampling.max_steps and run again.",)
    sentences = _of_devices(fit) if posterior is None else (_of_lengths(fit, posterior),)
    if fit.p_value < P_BAD:
        likeliest = next((cause for cause in fit.causes if cause.explains), None)
        if likeliest is not None:
            why = f" The likeliest cause: {cause_words(fit, likeliest)}"
            why += "" if why.endswith("?") else "."
        return f"{failing}.{why}", f"If it did, this would follow: {' '.join(sentences)}"
    if fit.patterns:
        where = ", ".join(dict.fromkeys(each.device or "all devices" for each in fit.patterns))
        return f"The residuals of {where} show a pattern that the model lacks; the numbers below ignore it.", *sentences
    if fit.conflicts:
        names = ", ".join(each.name for each in fit.conflicts)
        return f"The data contradict the prior of {names}; the numbers below combine both all the same.", *sentences
    return sentences


def _of_lengths(fit: FitResult, posterior: Posterior) -> str:
    study, summary, level = fit.study, posterior.summary(), posterior.interval
    known, limits = [], []
    lengths = [
        name for name in posterior.priors if ParameterName(name).shapes_kappa
    ]  # a derived Lambda says nothing new
    wanted = lengths or [name for name in posterior.priors if is_amplitude(ParameterName(name).base)]
    for name, row in summary.iterrows():
        if name not in wanted:
            continue
        unit = pretty(str(row["unit"]))
        if row["determined"] == "yes":
            known.append(f"{name} = {interval_of(row, level)} {unit}".rstrip())
        elif row["determined"] != "no":
            limits.append(f"{name} {bare_limit(row, level)} {unit}".rstrip())
    n, d = study.n_thicknesses, study.thicknesses
    where = "One thickness" if n == 1 else f"{n} thicknesses from {d.min():g} to {d.max():g} nm"
    verb = "gives" if n == 1 else "give"
    bars = f"(medians and {level} intervals" + (
        ", leaning on the priors of the others)" if _leans_on_priors(fit) else ")"
    )
    sentences = [f"{where} {verb} {', '.join(known)} {bars}" if known
                 else f"{where} {verb} nothing by itself"]  # fmt: skip
    if limits:
        sentences.append(f"limits ({level.one_sided}): {', '.join(limits)}")
    return "; ".join(sentences) + "."


def _of_devices(fit: FitResult) -> tuple[str, ...]:
    lengths = ", ".join(free_lengths(fit.study))
    sentence = f"One thickness ({fit.study.thicknesses[0]:g} nm) determines combinations, none of {lengths}."
    ratios = fit.combinations[fit.combinations["quantity"] == "slope_ratio"]
    if ratios.empty:
        return (sentence,)
    listed = [f"{value_with_error(float(r.value), float(r.sd))} ({r.device})" for r in ratios.itertuples()]  # type: ignore[arg-type]
    more = f", and there are {len(listed) - 4} more devices" if len(listed) > 4 else ""
    return sentence, f"The slope ratio T_perp/T_par at small bias is {', '.join(listed[:4])}{more}."


def not_determined(fit: FitResult, posterior: Posterior | None) -> tuple[str, ...]:
    """Undetermined quantities in words, with the remedy last; one rule for draws and, without them, for the best fit.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> not_determined(fit(load_study(dataset("thickness-series").study_file)), None)
    ('lambda_sf_F: these data give only a lower limit; beyond it the prior decides',)
    """
    words, found = list(fit.identifiability.null_directions), dict[str, list[str]]()
    if posterior is not None and posterior.verdict.converged:
        found = _by_answer(posterior)
    elif posterior is None and fit.study.n_thicknesses > 1:
        for name, answer in fit.limits.items():
            found.setdefault(answer, []).append(name)
    words += [f"{name}: these data give only {kind}; beyond it the prior decides"
              for kind, answer in (("a lower limit", "lower limit"), ("an upper limit", "upper limit"))
              for name in found.get(answer, [])]  # fmt: skip
    words += [f"{name}: no limit from the data; the prior decides" for name in found.get("no", [])]
    if fit.study.n_thicknesses < 3 and free_lengths(fit.study):
        words.append("devices of three or more thicknesses are needed to determine all lengths")
    return tuple(words)
