"""What an evidence becomes under wider and narrower priors: how much of a verdict the priors made.

Z'/Z is the posterior mean of the ratio of the priors. For amplitudes, whose priors are normal, it is taken over the
draws that there are. A range of lengths that opens further may let in what no draw has seen: there, and where the
ratio is heavy-tailed, the posterior is explored anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.explore import Explored, explore
from mtjfit.infer.importance import reliable_k_hat, smoothed
from mtjfit.model.collapsed import CollapsedPosterior
from mtjfit.model.pointwise import posterior_of
from mtjfit.study import LENGTHS, Study, is_amplitude

__all__ = ["FACTOR", "WIDTHS", "Width", "log_evidence_change"]

FACTOR = 3.0
_START = 3000


@dataclass(frozen=True)
class Width:
    """One change of priors.

    Attributes
    ----------
    name : str
    of : {"b1", "amplitudes", "lengths"}
        Which priors: that of b1, of all amplitudes, of all lengths.
    factor : float
        Times their width.
    """

    name: str
    of: str
    factor: float

    def concerns(self, parameter: str) -> bool:
        """Whether the prior of a parameter changes."""
        if self.of == "b1":
            return parameter == "b1"
        return parameter in LENGTHS if self.of == "lengths" else is_amplitude(parameter)

    def study(self, study: Study) -> Study:
        """The study under these priors."""
        changed = {
            name: replace(one, prior=one.free_prior.stretched(self.factor))
            for name, one in study.parameters.items()
            if self.concerns(name) and one.free_prior is not None
        }
        return study.replace(parameters={**study.parameters, **changed})


WIDTHS = tuple(
    Width(f"{of} {words}", of, factor)
    for of in ("b1", "amplitudes", "lengths")
    for words, factor in (("1/3", 1 / FACTOR), ("x 3", FACTOR))
)
"""Every change that is looked at."""


def log_evidence_change(
    model: CollapsedPosterior, explored: Explored, width: Width, rng: np.random.Generator
) -> tuple[float, bool]:
    """ln Z' − ln Z under changed priors, and whether it can be relied on.

    Parameters
    ----------
    model : CollapsedPosterior
    explored : Explored
        Its posterior under the declared priors.
    width : Width
    rng : numpy.random.Generator
    """
    study = model.study
    changed = width.study(study)
    if all(changed.parameters[name].prior == one.prior for name, one in study.parameters.items()):
        return 0.0, True
    if width.of != "lengths":
        ratio = _amplitude_ratio(model, explored, changed, rng)
        inside = np.isfinite(explored.weighted.log_ratio)
        log_weights = np.where(inside, explored.weighted.log_ratio, -np.inf)
        weights, k_hat = smoothed(log_weights + ratio)
        if k_hat <= reliable_k_hat(weights.size):
            top = float(np.max(log_weights + ratio))
            return top + float(np.log(weights.mean())) - explored.evidence.value, True
    target = posterior_of(changed)
    start = _translated(model, explored, target, rng) if target.size else None
    again = explore(target, target.size, rng, start=start)
    return again.evidence.value - explored.evidence.value, again.settled


def _amplitude_ratio(
    model: CollapsedPosterior, explored: Explored, changed: Study, rng: np.random.Generator
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
    model: CollapsedPosterior, explored: Explored, target: CollapsedPosterior, rng: np.random.Generator
) -> FloatArray:
    """Posterior draws in the coordinates of the same study under other priors; those it excludes are left out."""
    z = explored.resampled(_START, rng)
    values = model.scores.values(z)
    moved = target.scores.of(values)
    allowed = np.all([_inside(prior.support, values[:, k]) for k, prior in enumerate(target.scores.priors)], axis=0)
    kept = moved[allowed] if allowed.sum() >= _START // 10 else z
    nudge: Callable[..., FloatArray] = rng.normal
    return kept + nudge(0.0, 1e-6, kept.shape)


def _inside(support: tuple[float, float], x: FloatArray) -> np.ndarray:
    return np.asarray((x >= support[0]) & (x <= support[1]))
