"""How well the other thicknesses predict a left-out one: PSIS leave-one-out with refits where it is not reliable.

ln p(y_j | y_−j) = ln Z − ln Z_−j, and Z_−j is the mean weight of the draws that there are, taken as draws of the
posterior without y_j. Its tail shape k̂ says whether they reach that posterior (Vehtari, Gelman and Gabry, Stat.
Comput. 27, 1413 (2017)); where they do not, the posterior without y_j is explored anew, which is exact.
Amplitudes and thicknesses are integrated out on both sides: the prediction is of the whole curve, before any of it
is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.convergence.importance import reliable_k_hat, smoothed
from mtjfit.infer.evidence import Exploration, explore_posterior, mean_and_error
from mtjfit.model.marginal import CollapsedPosterior
from mtjfit.model.noise_models import posterior_of
from mtjfit.study import LENGTHS, Study, is_amplitude

__all__ = ["FACTOR", "WIDTHS", "LeftOut", "Width", "leave_out", "left_out_sets", "log_evidence_change"]

FACTOR = 3.0
_START = 3000


@dataclass(frozen=True)
class Width:
    """One change of priors.

    Attributes
    ----------
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
    model: CollapsedPosterior, explored: Exploration, width: Width, rng: np.random.Generator
) -> tuple[float, bool]:
    """ln Z' − ln Z under changed priors, and whether it can be relied on.

    Parameters
    ----------
    explored : Exploration
        Its posterior under the declared priors.
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
    again = explore_posterior(target, target.size, rng, start=start)
    return again.evidence.value - explored.evidence.value, again.settled


def _amplitude_ratio(
    model: CollapsedPosterior, explored: Exploration, changed: Study, rng: np.random.Generator
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
    model: CollapsedPosterior, explored: Exploration, target: CollapsedPosterior, rng: np.random.Generator
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


_MAX_ERROR = 0.1


@dataclass(frozen=True)
class LeftOut:
    """Prediction of the devices of one thickness from all others.

    Attributes
    ----------
    thickness : float
        Nominal, in nm.
    log_density : float
        ln of the probability density of their data, given those of all others.
    error : float
        Standard error of the computation.
    k_hat : float
        Pareto k̂ of the weights, whether they were used or not.
    method : {"PSIS", "refit"}
    """

    devices: tuple[str, ...]
    thickness: float
    log_density: float
    error: float
    k_hat: float
    method: Literal["PSIS", "refit"]
    reliable: bool


def left_out_sets(study: Study) -> tuple[tuple[int, ...], ...]:
    """Places of the devices of each thickness, from the thinnest: what is left out together.

    A second device of the same thickness would tell too much of the first.
    """
    d = np.round(study.thicknesses, 6)
    return tuple(tuple(np.flatnonzero(d == value).tolist()) for value in np.unique(d))


def _without(study: Study, gone: tuple[int, ...]) -> Study:
    return study.replace(curves=tuple(curve for j, curve in enumerate(study.curves) if j not in gone))


def leave_out(
    model: CollapsedPosterior, explored: Exploration, rng: np.random.Generator, *, refit: bool | None = None
) -> tuple[LeftOut, ...]:
    """Leave out each thickness in turn.

    Parameters
    ----------
    model : CollapsedPosterior
        Of two thicknesses or more.
    explored : Exploration
        Its posterior.
    refit : bool, optional
        Always or never explore anew; by default where k̂ is too large or the error above 0.1.

    Returns
    -------
    tuple of LeftOut
        From the thinnest to the thickest.
    """
    start, sets = explored.resampled(_START, rng), left_out_sets(model.study)
    # a generator for each: whether one thickness needs a refit does not move the others
    each = zip(sets, rng.spawn(len(sets)), strict=True)
    return tuple(_one(model, explored, start, gone, own, refit) for gone, own in each)


def _one(
    model: CollapsedPosterior,
    explored: Exploration,
    start: FloatArray,
    gone: tuple[int, ...],
    rng: np.random.Generator,
    refit: bool | None,
) -> LeftOut:
    devices = tuple(model.study.devices[j] for j in gone)
    thickness = float(model.study.thicknesses[gone[0]])
    rest = posterior_of(_without(model.study, gone))
    # what only the left-out devices have keeps its prior, which integrates to one
    columns = [model.names.index(name) for name in rest.names]
    x, log_with = explored.weighted.x, explored.weighted.log_ratio
    inside = np.isfinite(log_with)
    log_without = np.full(log_with.shape, -np.inf)
    change = rest.log_likelihood(x[inside][:, columns]) - model.log_likelihood(x[inside])
    log_without[inside] = log_with[inside] + change
    weights, k_hat = smoothed(log_without)
    value = explored.evidence.value - (float(np.max(log_without)) + float(np.log(weights.mean())))
    error = _error_of_ratio(weights, log_with)
    good = bool(k_hat <= reliable_k_hat(weights.size))
    if refit or (refit is None and not (good and error <= _MAX_ERROR)):
        again = explore_posterior(rest, rest.size, rng, start=start[:, columns] if rest.size else None)
        value = explored.evidence.value - again.evidence.value
        error = float(np.hypot(explored.evidence.error, again.evidence.error))
        return LeftOut(devices, thickness, value, error, k_hat, "refit", again.settled)
    return LeftOut(devices, thickness, value, error, k_hat, "PSIS", good)


def _error_of_ratio(without: FloatArray, log_with: FloatArray) -> float:
    """Standard error of ln(mean of one weight / mean of the other) over the same draws."""
    centre, _ = mean_and_error(log_with)
    with_ = np.exp(np.maximum(log_with - centre, -700.0))
    influence = without / without.mean() - with_
    return float(influence.std() / np.sqrt(influence.size))
