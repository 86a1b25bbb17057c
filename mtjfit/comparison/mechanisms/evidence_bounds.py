"""Between which values an evidence under other priors lies, where it could not be computed.

With Z = ∫ p L and Z' = ∫ p' L for normalised priors p and p', three bounds need nothing but what is there already:

- Z'/Z ≥ P(A) exp⟨ln p'/p⟩_A for any set A of parameters, P and the mean over the posterior (Jensen's inequality for
  the part of ⟨p'/p⟩ that comes from A). A is where p' does not vanish. Flat priors that open lose the ratio of their
  ranges at most, a normal prior three times as wide at most ln 3.
- Z'/Z ≤ sup p'/p, which is finite where a prior becomes narrower: ln 3 for a normal one three times as narrow.
- Z' ≤ sup L whatever p' is: no prior can make more of a model than its best fit. With thicknesses d = d₀ + t s whose
  normal priors stay what they are, ∫ N(t) L ≤ sup[L exp(−λ t²/2)] (1 − λ)^(−n/2) for n of them and any 0 < λ < 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import log_ndtr

from mtjfit.comparison.mechanisms.left_out_thickness import Width
from mtjfit.data import FloatArray
from mtjfit.infer.evidence import Exploration
from mtjfit.infer.optimum import optimum
from mtjfit.model.layout import Scattered, with_own_amplitudes
from mtjfit.model.likelihood import MarginalPosterior
from mtjfit.model.marginal import CollapsedPosterior
from mtjfit.study import DOF, JITTER, LENGTHS, NOISE, AboutNominal, LogUniform, ParameterName, Prior, Study
from mtjfit.study.prior import LN_2PI

__all__ = ["evidence_bounds", "largest_log_likelihood", "log_ratio_of_priors"]

_DRAWS = 4000
_CERTAIN = 3.0  # standard errors that a bound from draws gives way
_SHARE = 0.5  # λ: costs ½ ln 2 for each thickness, and a misfit by thickness counts half
_ANY_LENGTH = (1e-3, 1e5)  # nm, as in the search for the best fit


def log_ratio_of_priors(model: CollapsedPosterior, drawn: dict[str, FloatArray], changed: Study) -> FloatArray:
    """ln p'/p of the priors of `changed` over those of the model, at draws of every free parameter, shape (n,)."""
    total = np.zeros(next(iter(drawn.values())).shape) if drawn else np.zeros(1)
    for name, old, new in _changed(model, changed):
        total = total + new.logpdf(drawn[name]) - old.logpdf(drawn[name])
    return total


def _changed(model: CollapsedPosterior, changed: Study) -> list[tuple[str, Prior, Prior]]:
    """Name, old and new prior of every number whose prior changes, also of each device's own."""
    pairs = []
    for name, old in model.priors.items():
        new = changed.parameters[ParameterName(name).base].free_prior
        # thicknesses keep theirs; an amplitude that scatters about a shared one follows that one
        if new is not None and not isinstance(old, Scattered) and new != old:
            pairs.append((name, old, new))
    return pairs


def evidence_bounds(
    model: CollapsedPosterior, explored: Exploration, width: Width | None, ceiling: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Smallest and largest ln Z' under changed priors.

    Parameters
    ----------
    explored : Exploration
        Its posterior under the declared priors. Where that is not settled only `ceiling` bounds anything.
    width : Width or None
        The change; None for the declared priors.
    ceiling : float
        From `largest_log_likelihood`.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer.evidence import explore_posterior
    >>> from mtjfit.comparison.mechanisms.models import MECHANISMS, mechanism_study
    >>> from mtjfit.comparison.mechanisms.left_out_thickness import WIDTHS
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> model = CollapsedPosterior(mechanism_study(study, MECHANISMS["ballistic"]))
    >>> rng = np.random.default_rng(0)
    >>> found = explore_posterior(model, model.size, rng)
    >>> low, high = evidence_bounds(model, found, WIDTHS[3], np.inf, rng)  # amplitudes x 3
    >>> round(low, 1), high  # -8208.9, less almost ln 3 for each of two amplitudes
    (-8211.0, inf)
    """
    if not explored.settled:
        return -np.inf, ceiling
    value, error = explored.evidence.value, _CERTAIN * explored.evidence.error
    if width is None:
        return value - error, min(value + error, ceiling)
    changed = width.study(model.study)
    drawn = model.draw(explored.resampled(_DRAWS, rng), rng)
    ratio = log_ratio_of_priors(model, drawn, changed)
    inside = np.isfinite(ratio)
    share = float(inside.mean())
    share -= _CERTAIN * float(np.sqrt(share * (1 - share) / inside.size))
    low = -np.inf
    if share > 0:
        kept = ratio[inside]
        low = value - error + float(np.log(share) + kept.mean() - _CERTAIN * kept.std() / np.sqrt(kept.size))
    most = sum(_largest_log_ratio(old, new) for _, old, new in _changed(model, changed))
    return low, min(value + error + most, ceiling)


def _largest_log_ratio(old: Prior, new: Prior) -> float:
    """sup ln p'/p; infinite where the new prior reaches where the old one does not, or hardly."""
    if new.support[0] < old.support[0] or new.support[1] > old.support[1]:
        return np.inf
    if new.centre_and_sd[1] > old.centre_and_sd[1]:
        return np.inf
    return float(new.logpdf(new.peak) - old.logpdf(new.peak))


def largest_log_likelihood(study: Study, width: Width) -> float:
    """An upper bound of ln Z under any prior of lengths and amplitudes inside the ranges that `width` leaves.

    By the best fit, found from many starts; infinite where noise is free, whose likelihood a fit does not maximise.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.comparison.mechanisms.models import MECHANISMS, mechanism_study
    >>> from mtjfit.comparison.mechanisms.left_out_thickness import WIDTHS
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> round(largest_log_likelihood(mechanism_study(study, MECHANISMS["ballistic"]), WIDTHS[-1]))  # ln Z is -8209
    -8192
    """
    free = [name for name, one in study.parameters.items() if not one.is_fixed]
    if any(name in free for name in (*NOISE, *JITTER)) or DOF in study.parameters:
        return np.inf
    if any(curve.sigma_bias is not None for curve in study.curves):
        return np.inf  # the errors follow the torque, and so does their normalisation
    widened = width.study(study)
    thickness, paid = study.parameters["thickness"], 0.0
    if thickness.nominal_sd > 0:
        softer = AboutNominal(float(thickness.nominal_sd / np.sqrt(_SHARE)))
        widened = widened.replace(parameters={**widened.parameters, "thickness": replace(thickness, prior=softer)})
        # their priors end at zero, which raises them a little everywhere else
        ends = float(log_ndtr(study.thicknesses / thickness.nominal_sd).sum())
        paid = -0.5 * len(study.curves) * float(np.log(1 - _SHARE)) - ends
    # starts from the prior miss a mode far out in its tails, where it may still beat everything else
    models = [MarginalPosterior(with_own_amplitudes(each)) for each in (widened, _everywhere(widened))]
    best = min((optimum(model) for model in models), key=lambda one: one.chi2_data + one.chi2_thickness)
    misfit = best.chi2_data + best.chi2_thickness + study.n_values * LN_2PI
    return paid - 0.5 * misfit - float(models[0].data.log_sigma.sum())


def _everywhere(study: Study) -> Study:
    """The study with lengths that have no largest value spread over all that a length can be: only starts change."""
    wide = {
        name: replace(one, prior=LogUniform(*_ANY_LENGTH))
        for name, one in study.parameters.items()
        if name in LENGTHS and one.free_prior is not None and not np.isfinite(one.free_prior.support[1])
    }
    return study.replace(parameters={**study.parameters, **wide})
