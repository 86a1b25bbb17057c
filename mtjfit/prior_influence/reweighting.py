"""Posterior under other priors, by weighting its draws.

Draws are weighted by the ratio of the other prior to the declared one, Pareto-smoothed; the likelihood is the same, so
nothing is computed anew. The shape k̂ of the weights' tail says whether that can be trusted. Where the other prior
allows values that the declared one excludes, there are no draws: the missing share of the posterior is estimated, and
above a hundredth the answer is to sample again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.infer.convergence.diagnostics import ess
from mtjfit.infer.convergence.importance import reliable_k_hat, smoothed
from mtjfit.infer.posterior import Posterior
from mtjfit.study import ParameterName, Prior, Study, is_amplitude
from mtjfit.study.correlated import joint_log_factor

WIDER = 1.4


@dataclass(frozen=True)
class Alternative:
    """Other priors, "wider" or "other scale", by declared name without device or group; only those that differ."""

    name: str
    priors: Mapping[str, Prior]

    def study(self, study: Study) -> Study:
        """The study with these priors declared, to sample where draws cannot be weighted to them."""
        changed = {name: replace(study.parameters[name], prior=prior) for name, prior in self.priors.items()}
        return study.replace(parameters={**study.parameters, **changed})

    def describe(self) -> str:
        """The priors in words."""
        return "; ".join(f"{name}: {prior.describe()}" for name, prior in self.priors.items())


def alternatives(posterior: Posterior) -> tuple[Alternative, ...]:
    """The alternatives "wider" and "other scale" to the priors of a study; one that changes nothing is left out."""
    wide: dict[str, Prior] = {}
    other: dict[str, Prior] = {}
    for name, parameter in posterior.study.parameters.items():
        prior = parameter.free_prior
        if prior is None or not (ParameterName(name).shapes_kappa or (is_amplitude(name) and not parameter.is_own)):
            continue
        wide[name] = prior.widened(WIDER)
        turned = None if is_amplitude(name) else prior.on_other_scale()
        if turned is not None:
            other[name] = turned
    both = Alternative("wider", wide), Alternative("other scale", other)
    return tuple(one for one in both if one.priors)


MIN_EFFECTIVE = 100.0  # with fewer a 5 % quantile is a draw or two
MAX_MISSING = 0.01  # a median then moves by 0.013 sd, a 5 % quantile by 0.1 sd
_EDGE = 0.02  # width of the outermost slices of prior probability


@dataclass(frozen=True, eq=False)
class Reweighted:
    """Draws of a posterior with weights that make them draws under other priors.

    `weights`, shape (n_ensembles, n_kept, n_walkers), are Pareto-smoothed with mean one; `k_hat` is the shape of their
    tail: −∞ for equal ones, ∞ where the draws cannot answer. `missing` is the share of the posterior, under the other
    priors, beyond the range of the declared prior of each parameter whose range is left, if the likelihood out there is
    what it is at the edge.
    """

    alternative: Alternative
    weights: FloatArray
    k_hat: float
    missing: dict[str, float]

    @property
    def outside(self) -> tuple[str, ...]:
        """Parameters whose declared range is too narrow for an answer."""
        return tuple(name for name, share in self.missing.items() if share > MAX_MISSING)

    @property
    def trusted(self) -> bool:
        """Whether k̂ allows an answer for this number of draws."""
        return self.k_hat <= reliable_k_hat(self.weights.size)


def reweighted(posterior: Posterior, alternative: Alternative) -> Reweighted:
    """Weights w ∝ p_other(x)/p_declared(x) of all parameters that have another prior, for each draw."""
    shape = posterior.chain.shape[:-1]
    log_weights, missing = np.zeros(shape), {}
    changed: dict[str, Prior] = {}
    for label, declared in posterior.priors.items():
        name = ParameterName(label).base
        # an own amplitude that scatters about a shared one follows that one, and has no prior to change
        if name not in alternative.priors or declared != posterior.study.parameters[name].prior:
            continue
        other = alternative.priors[name]
        x = posterior.chain[..., posterior.names.index(label)]
        log_ratio = other.logpdf(x) - declared.logpdf(x)
        log_weights += log_ratio
        changed[label] = other
        if other.support[0] < declared.support[0] or other.support[1] > declared.support[1]:
            missing[label] = _missing(declared, other, x, log_ratio)
    drawn = {
        label: posterior.chain[..., posterior.names.index(label)]
        for label in posterior.priors
        if label in posterior.names
    }
    log_weights += joint_log_factor({**posterior.priors, **changed}, drawn) - joint_log_factor(posterior.priors, drawn)
    weights, k_hat = smoothed(log_weights.ravel())
    if any(share > MAX_MISSING for share in missing.values()) or not weights.any():
        k_hat = float("inf")
    return Reweighted(alternative, (weights / (weights.mean() or 1.0)).reshape(shape), k_hat, missing)


def _missing(declared: Prior, other: Prior, x: FloatArray, log_ratio: FloatArray) -> float:
    """Share of the posterior under `other` beyond the range of `declared`.

    In prior probability the density of the draws is the likelihood over the evidence; its mean over the outermost
    slice, times the probability that `other` puts beyond that edge, is what is missing.
    """
    u = declared.cdf(x)
    low, high = declared.support
    below = float(np.mean(u < _EDGE)) / _EDGE * float(other.cdf(low))
    above = float(np.mean(u > 1 - _EDGE)) / _EDGE * float(1 - other.cdf(high))
    inside = float(np.mean(np.exp(log_ratio)))
    return (below + above) / (inside + below + above)


def weighted_quantiles(x: FloatArray, weights: FloatArray, q: Sequence[float]) -> FloatArray:
    """Quantiles of weighted draws, shape (len(q),); those of `numpy.quantile` but for 1/n if weights are equal."""
    order = np.argsort(x, axis=None)
    w = weights.ravel()[order]
    return np.interp(q, (np.cumsum(w) - 0.5 * w) / w.sum(), x.ravel()[order])


def _n_effective(x: FloatArray, median: float, weights: FloatArray) -> float:
    """Effective number of weighted, correlated draws for the share below `median`."""
    influence = weights * ((x <= median) - 0.5)
    variance = float(np.var(influence)) / ess(influence.swapaxes(1, 2).reshape(-1, x.shape[1]))
    return 0.25 / variance if variance > 0 else 0.0


def sensitivity(
    posterior: Posterior,
    others: Sequence[Alternative] | None = None,
    *,
    weigh: Callable[[Posterior, Alternative], Reweighted] = reweighted,
) -> pd.DataFrame:
    """Medians and limits under other priors, by default `alternatives`, all priors of one changed at once.

    One row for each alternative and each parameter with a prior; columns parameter, prior (name of the alternative),
    declared (the prior that was changed to, in words; empty where the parameter kept its own), q05, q50, q95,
    shift_q05, shift_q50, shift_q95 (in sd of the posterior, in normal scores of the declared prior), k_hat, n_effective
    (independent draws behind the median), reliable. The quantiles are those of `Posterior.interval`, NaN where k̂ is ∞:
    sample again with ``alternative.study(posterior.study)``. `weigh` makes the weights of the draws under an
    alternative.
    """
    others = alternatives(posterior) if others is None else others
    scores = {
        name: prior.score(posterior.walkers(name))
        for name in posterior.names
        if (prior := posterior.prior_of(name)) is not None
    }
    weighted = [weigh(posterior, other) for other in others]
    rows = [_row(posterior, name, z, one) for one in weighted for name, z in scores.items()]
    ends = posterior.interval.names
    columns = ["parameter", "prior", "declared", *ends, *(f"shift_{end}" for end in ends)]
    return pd.DataFrame(rows, columns=[*columns, "k_hat", "n_effective", "reliable"])


def _row(posterior: Posterior, name: str, z: FloatArray, one: Reweighted) -> tuple[object, ...]:
    changed = one.alternative.priors.get(ParameterName(name).base)
    head = (name, one.alternative.name, "" if changed is None else changed.describe())
    if one.k_hat == np.inf:
        return (*head, *[np.nan] * 6, one.k_hat, 0.0, False)
    x = posterior.chain[..., posterior.names.index(name)]
    ends = posterior.interval.quantiles
    found = weighted_quantiles(x, one.weights, ends)
    weights = one.weights.swapaxes(1, 2).reshape(z.shape)
    equal = np.ones(z.shape)
    shift = (weighted_quantiles(z, weights, ends) - weighted_quantiles(z, equal, ends)) / z.std()
    n_effective = _n_effective(x, float(found[1]), one.weights)
    return (*head, *found, *shift, one.k_hat, n_effective, one.trusted and n_effective >= MIN_EFFECTIVE)
