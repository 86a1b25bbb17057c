"""How well the other thicknesses predict a left-out one: PSIS leave-one-out with refits where it is not reliable.

ln p(y_j | y_−j) = ln Z − ln Z_−j, and Z_−j is the mean weight of the draws that there are, taken as draws of the
posterior without y_j. Its tail shape k̂ says whether they reach that posterior (Vehtari, Gelman and Gabry, Stat.
Comput. 27, 1413 (2017)); where they do not, the posterior without y_j is explored anew, which is exact.
Amplitudes and thicknesses are integrated out on both sides: the prediction is of the whole curve, before any of it
is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.explore import Explored, explore, mean_and_error
from mtjfit.infer.importance import reliable_k_hat, smoothed
from mtjfit.model.collapsed import CollapsedPosterior
from mtjfit.model.pointwise import posterior_of
from mtjfit.study import Study

__all__ = ["LeftOut", "leave_out", "left_out_sets"]

_MAX_ERROR = 0.1
_START = 3000


@dataclass(frozen=True)
class LeftOut:
    """Prediction of the devices of one thickness from all others.

    Attributes
    ----------
    devices : tuple of str
    thickness : float
        Nominal, in nm.
    log_density : float
        ln of the probability density of their data, given those of all others.
    error : float
        Standard error of the computation.
    k_hat : float
        Pareto k̂ of the weights, whether they were used or not.
    method : {"PSIS", "refit"}
    reliable : bool
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
    model: CollapsedPosterior, explored: Explored, rng: np.random.Generator, *, refit: bool | None = None
) -> tuple[LeftOut, ...]:
    """Leave out each thickness in turn.

    Parameters
    ----------
    model : CollapsedPosterior
        Of two thicknesses or more.
    explored : Explored
        Its posterior.
    rng : numpy.random.Generator
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
    explored: Explored,
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
        again = explore(rest, rest.size, rng, start=start[:, columns] if rest.size else None)
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
