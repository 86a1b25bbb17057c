"""Prediction of a left-out thickness by the others: PSIS leave-one-out, with refits where it is not reliable.

ln p(y_j | y_−j) = ln Z − ln Z_−j, and Z_−j is the mean weight of the posterior draws, taken as draws of the posterior
without y_j. The tail shape k̂ of the weights says whether they reach that posterior (Vehtari, Gelman and Gabry, Stat.
Comput. 27, 1413 (2017)); where they do not, the posterior without y_j is explored anew, which is exact. Amplitudes and
thicknesses are integrated out on both sides: the prediction is of the whole curve, before any of it is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mtjfit.comparison.mechanisms.prior_widths import START
from mtjfit.data import FloatArray
from mtjfit.infer.convergence.importance import reliable_k_hat, smoothed
from mtjfit.infer.evidence import Exploration, explore_posterior, mean_and_error
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.study import Study

_MAX_ERROR = 0.1


@dataclass(frozen=True)
class LeftOutThickness:
    """Prediction of the devices of one nominal thickness (nm) by all others.

    `log_density` is ln of the probability density of their data, given those of all others, `error` the standard error
    of the computation, `k_hat` the Pareto k̂ of the weights, whether they were used or not.
    """

    devices: tuple[str, ...]
    thickness: float
    log_density: float
    error: float
    k_hat: float
    method: Literal["PSIS", "refit"]
    reliable: bool


def left_out_sets(study: Study) -> tuple[tuple[int, ...], ...]:
    """Places of the devices of each thickness, from the thinnest: these are left out together.

    A second device of the same thickness would predict the first one without any model.
    """
    d = np.round(study.thicknesses, 6)
    return tuple(tuple(np.flatnonzero(d == value).tolist()) for value in np.unique(d))


def leave_out(
    model: MarginalPosterior,
    explored: Exploration,
    start: FloatArray,
    gone: tuple[int, ...],
    rng: np.random.Generator,
    refit: bool | None = None,
    *,
    limit: Callable[[int], float] = reliable_k_hat,
) -> LeftOutThickness:
    """Leave out the devices at the places `gone`; `explored` is the posterior of `model`.

    `start`, shape (n, size), are draws of it from which a refit starts: always or never with `refit`, by default where
    k̂ is above `limit` of the number of draws, or the error above 0.1.
    """
    study = model.study
    devices, thickness = tuple(study.devices[j] for j in gone), float(study.thicknesses[gone[0]])
    rest = make_posterior(study.replace(curves=tuple(curve for j, curve in enumerate(study.curves) if j not in gone)))
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
    good = bool(k_hat <= limit(weights.size))
    if refit or (refit is None and not (good and error <= _MAX_ERROR)):
        again = explore_posterior(rest, rest.size, rng, start=start[:, columns] if rest.size else None)
        value = explored.evidence.value - again.evidence.value
        error = float(np.hypot(explored.evidence.error, again.evidence.error))
        return LeftOutThickness(devices, thickness, value, error, k_hat, "refit", again.settled)
    return LeftOutThickness(devices, thickness, value, error, k_hat, "PSIS", good)


def leave_out_each(
    model: MarginalPosterior,
    explored: Exploration,
    rng: np.random.Generator,
    *,
    refit: bool | None = None,
    one: Callable[..., LeftOutThickness] = leave_out,
) -> tuple[LeftOutThickness, ...]:
    """Leave out each thickness in turn by `one`, from the thinnest to the thickest; `refit` as in `leave_out`."""
    start, sets = explored.resampled(START, rng), left_out_sets(model.study)
    # a generator for each: whether one thickness needs a refit does not move the others
    each = zip(sets, rng.spawn(len(sets)), strict=True)
    return tuple(one(model, explored, start, gone, own, refit) for gone, own in each)


def _error_of_ratio(without: FloatArray, log_with: FloatArray) -> float:
    """Standard error of ln(mean of one weight / mean of the other) over the same draws."""
    centre, _ = mean_and_error(log_with)
    with_ = np.exp(np.maximum(log_with - centre, -700.0))
    influence = without / without.mean() - with_
    return float(influence.std() / np.sqrt(influence.size))
