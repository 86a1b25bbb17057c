"""Evidence under narrower and wider priors: computed from the draws, explored anew, or bounded.

With Z = ∫ p L and Z' = ∫ p' L for normalised priors p and p', three bounds follow from what is known already:

- Z'/Z ≥ P(A) exp⟨ln p'/p⟩_A for any set A of parameters, P and the mean over the posterior (Jensen's inequality for
  the part of ⟨p'/p⟩ that comes from A). A is where p' does not vanish. Flat priors that open lose the ratio of their
  ranges at most, a normal prior three times as wide at most ln 3.
- Z'/Z ≤ sup p'/p, which is finite where a prior becomes narrower: ln 3 for a normal one three times as narrow.
- Z' ≤ sup L whatever p' is: no prior can make more of a model than its best fit. With thicknesses d = d₀ + t s whose
  normal priors stay what they are, ∫ N(t) L ≤ sup[L exp(−λ t²/2)] (1 − λ)^(−n/2) for n of them and any 0 < λ < 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr

from mtjfit.arrays import FloatArray
from mtjfit.infer.convergence.importance import reliable_k_hat, smoothed
from mtjfit.infer.evidence import Exploration, explore_posterior
from mtjfit.infer.optimum import optimum
from mtjfit.model.layout import Scattered, with_own_amplitudes
from mtjfit.model.likelihood import FullPosterior
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.study import (
    DOF,
    JITTER,
    NOISE,
    AboutNominal,
    Correlated,
    LogUniform,
    ParameterName,
    Prior,
    Study,
    is_amplitude,
)
from mtjfit.study.correlated import joint_log_factor
from mtjfit.study.prior import LN_2PI

FACTOR = 3.0
START = 3000
"""Posterior draws from which another posterior is explored."""
_DRAWS = 4000
_CERTAIN = 3.0  # standard errors that a bound from draws gives way
_SHARE = 0.5  # λ: costs ½ ln 2 for each thickness, and a misfit by thickness counts half
_ANY_LENGTH = (1e-3, 1e5)  # nm, as in the search for the best fit


@dataclass(frozen=True)
class PriorWidth:
    """One change of priors: of b1, all amplitudes or all lengths, to `factor` times their width."""

    name: str
    of: str
    factor: float

    def study(self, study: Study) -> Study:
        """The study under these priors."""
        meant = {"b1": ("b1",), "amplitudes": filter(is_amplitude, study.parameters), "lengths": study.lengths}[self.of]
        changed = {
            name: replace(one, prior=one.free_prior.stretched(self.factor))
            for name in meant
            if (one := study.parameters.get(name)) is not None and one.free_prior is not None
        }
        return study.replace(parameters={**study.parameters, **changed})

    def log_evidence_change(
        self, model: MarginalPosterior, explored: Exploration, rng: np.random.Generator
    ) -> tuple[float, bool]:
        """ln Z' − ln Z under these priors, and whether it is reliable; `explored` under the declared ones."""
        study = model.study
        changed = self.study(study)
        if all(changed.parameters[name].prior == one.prior for name, one in study.parameters.items()):
            return 0.0, True
        if self.of != "lengths":
            weighted = explored.weighted
            log_weights = np.where(np.isfinite(weighted.log_ratio), weighted.log_ratio, -np.inf)
            log_weights = log_weights + _amplitude_ratio(model, explored, changed, rng)
            weights, k_hat = smoothed(log_weights)
            if k_hat <= reliable_k_hat(weights.size):
                return float(np.max(log_weights)) + float(np.log(weights.mean())) - explored.evidence.value, True
        target = make_posterior(changed)
        start = _translated(model, explored, target, rng) if target.size else None
        again = explore_posterior(target, target.size, rng, start=start)
        return again.evidence.value - explored.evidence.value, again.settled


WIDTHS = tuple(
    PriorWidth(f"{of} {words}", of, factor)
    for of in ("b1", "amplitudes", "lengths")
    for words, factor in (("1/3", 1 / FACTOR), ("x 3", FACTOR))
)
"""All changes of priors under which mechanisms are compared."""


def _amplitude_ratio(
    model: MarginalPosterior, explored: Exploration, changed: Study, rng: np.random.Generator
) -> FloatArray:
    """ln of the new prior density of all amplitudes over the old one, at amplitudes drawn for each draw."""
    drawn = model.draw(explored.weighted.x, rng)
    total = np.zeros(explored.weighted.weights.size)
    for name, old in zip(model.full.amplitudes.names, model.full.amplitudes.priors, strict=True):
        new = changed.parameters[name.base].free_prior
        if new is not None and new != old:
            total += new.logpdf(drawn[name]) - old.logpdf(drawn[name])
    return total


def _translated(
    model: MarginalPosterior, explored: Exploration, target: MarginalPosterior, rng: np.random.Generator
) -> FloatArray:
    """Posterior draws in the coordinates of the same study under other priors, without those that these exclude."""
    z = explored.resampled(START, rng)
    values = model.scores.values(z)
    supports = [prior.support for prior in target.scores.priors]
    allowed = np.all([(low <= values[:, k]) & (values[:, k] <= high) for k, (low, high) in enumerate(supports)], axis=0)
    kept = target.scores.of(values)[allowed] if allowed.sum() >= START // 10 else z
    return np.asarray(kept + rng.normal(0.0, 1e-6, kept.shape))


def _changed(model: MarginalPosterior, changed: Study) -> list[tuple[str, Prior, Prior]]:
    """Name, old and new prior of every number whose prior changes, also of each device's own."""
    pairs = []
    for name, old in model.priors.items():
        new = changed.parameters[ParameterName(name).base].free_prior
        # thicknesses keep theirs; an amplitude that scatters about a shared one follows that one
        if new is not None and not isinstance(old, Scattered) and new != old:
            pairs.append((name, old, new))
    return pairs


def largest_log_ratio(old: Prior, new: Prior) -> float:
    """sup ln p'/p; infinite where the new prior is wider than the old one on either side, and where it is not known."""
    if not (new.plain and old.plain) or isinstance(new, Correlated):
        return np.inf
    if new.support[0] < old.support[0] or new.support[1] > old.support[1]:
        return np.inf
    if new.centre_and_sd[1] > old.centre_and_sd[1]:
        return np.inf
    return float(new.logpdf(new.peak) - old.logpdf(new.peak))


def evidence_bounds(
    model: MarginalPosterior,
    explored: Exploration,
    width: PriorWidth | None,
    ceiling: float,
    rng: np.random.Generator,
    *,
    supremum: Callable[[Prior, Prior], float] = largest_log_ratio,
) -> tuple[float, float]:
    """Smallest and largest ln Z' under changed priors, or those declared if `width` is None.

    `explored` is the posterior under the declared priors. If it is not settled, only `ceiling`, from
    `largest_log_likelihood`, is a bound. `supremum` is sup ln p'/p of an old and a new prior.
    """
    if not explored.settled:
        return -np.inf, ceiling
    value, error = explored.evidence.value, _CERTAIN * explored.evidence.error
    if width is None:
        return value - error, min(value + error, ceiling)
    pairs = _changed(model, width.study(model.study))
    drawn = model.draw(explored.resampled(_DRAWS, rng), rng)
    ratio = np.zeros(next(iter(drawn.values())).shape) if drawn else np.zeros(1)
    for name, old, new in pairs:
        ratio = ratio + new.logpdf(drawn[name]) - old.logpdf(drawn[name])
    changed = {name: new for name, _, new in pairs}
    ratio = ratio + joint_log_factor(dict(model.priors) | changed, drawn) - joint_log_factor(model.priors, drawn)
    inside = np.isfinite(ratio)
    share = float(inside.mean())
    share -= _CERTAIN * float(np.sqrt(share * (1 - share) / inside.size))
    low = -np.inf
    if share > 0:
        kept = ratio[inside]
        low = value - error + float(np.log(share) + kept.mean() - _CERTAIN * kept.std() / np.sqrt(kept.size))
    return low, min(value + error + sum(supremum(old, new) for _, old, new in pairs), ceiling)


def largest_log_likelihood(study: Study, width: PriorWidth, *, share: float = _SHARE) -> float:
    """An upper bound of ln Z under any prior of lengths and amplitudes inside the ranges that `width` leaves.

    By the best fit, found from many starts; infinite where noise is free, whose likelihood a fit does not maximise.
    `share` is λ of the bound for uncertain thicknesses, between 0 and 1.
    """
    free = [name for name, one in study.parameters.items() if not one.is_fixed]
    if any(name in free for name in (*NOISE, *JITTER)) or DOF in study.parameters:
        return np.inf
    if any(curve.sigma_bias is not None for curve in study.curves):
        return np.inf  # the errors follow the torque, and so does their normalisation
    widened = width.study(study)
    thickness, paid = study.parameters["thickness"], 0.0
    if thickness.nominal_sd > 0:
        softer = AboutNominal(float(thickness.nominal_sd / np.sqrt(share)))
        widened = widened.replace(parameters={**widened.parameters, "thickness": replace(thickness, prior=softer)})
        # their priors end at zero, which raises them a little everywhere else
        ends = float(log_ndtr(study.thicknesses[study.first_curves] / thickness.nominal_sd).sum())
        paid = -0.5 * study.n_devices * float(np.log(1 - share)) - ends
    # starts from the prior miss a mode far out in its tails, where it may still beat everything else
    models = [FullPosterior(with_own_amplitudes(each)) for each in (widened, _everywhere(widened))]
    best = min((optimum(model) for model in models), key=lambda one: one.chi2_data + one.chi2_thickness)
    misfit = best.chi2_data + best.chi2_thickness + study.n_values * LN_2PI
    return paid - 0.5 * misfit - float(models[0].data.log_sigma.sum())


def _everywhere(study: Study) -> Study:
    """The study with unbounded priors of lengths spread over all that a length can be: only starts change."""
    wide = {
        name: replace(one, prior=LogUniform(*_ANY_LENGTH))
        for name, one in study.parameters.items()
        if name in study.lengths and one.free_prior is not None and not np.isfinite(one.free_prior.support[1])
    }
    return study.replace(parameters={**study.parameters, **wide})
