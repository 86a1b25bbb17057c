"""What the data of a stack will leave to the priors, said before minutes of sampling are spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from mtjfit.arrays import FloatArray
from mtjfit.model.posterior import in_this_process
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.sample import OpenDirection, observed_information, open_directions

_DEVICES = 100
_DRAWS = 512  # of the prior, of which the best ones are starts
_STARTS = 2
_SLOPE, _ITERATIONS = 1.0, 200  # where a search ends; rounds of Newton's method do the rest
_STEP = 1e-4  # of slopes, in standard deviations of the prior
_SHARES = (0.0, 0.1, 0.3, 1.0)  # of a step of Newton's method, of which the best is taken
_LOOKED_AT = 9  # points at which directions are judged, as of a posterior
_ROUNDS = 4  # of Newton's method, each with the steps that the round before has found to fit


def undetermined(model: WaferPosterior) -> tuple[OpenDirection, ...]:
    """Combinations of shared parameters that the data will leave to the priors, the most open one first.

    From the information of the data about the peak of the posterior, in seconds. At most 100 devices are looked at, of
    all nominal thicknesses, and count for all; a smooth part that each wafer has for itself counts as one of the stack.
    `StackPosterior.open_directions` says the same of the draws of a posterior.

    Raises
    ------
    MtjfitError
        The likelihood is not finite somewhere inside the priors.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> from mtjfit.wafer import Hierarchy, WaferDevices
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> devices = WaferDevices.of(study, np.zeros(5), np.zeros(5))
    >>> of_all, of_one = (WaferPosterior(some, study.parameters, Hierarchy())
    ...                   for some in (devices, devices.chosen(np.array([2]))))
    >>> len(undetermined(of_all)), len(undetermined(of_one)) > 0
    (0, True)
    """
    if not model.size:
        return ()
    some, weight = _fewer(model)
    low, high = some.reach * [[-1.0], [1.0]]

    def log_likelihood(z: FloatArray) -> FloatArray:
        inside = np.clip(z, low, high)  # steps of a search may lead out of a prior
        return np.asarray(weight * (some.log_posterior(inside) - some.log_prior(inside)))

    def log_posterior(z: FloatArray) -> FloatArray:
        return np.asarray(log_likelihood(z) - 0.5 * np.sum(z * z, axis=-1))

    z, root = _highest(log_posterior, some.size)
    for _ in range(_ROUNDS):
        root = _root(observed_information(log_likelihood, z[None], root)[0])
        z = _towards(log_posterior, z, root)
    likely = _about(log_posterior, z, root)
    return open_directions(observed_information(log_likelihood, likely, root), some.names)


def _fewer(model: WaferPosterior) -> tuple[WaferPosterior, float]:
    """The model of some of the devices, and how many each of them stands for; thin and thick ones take their share."""
    n = model.devices.n
    hierarchy = replace(model.hierarchy, each="stack")
    if hierarchy.smooth:  # without it devices may have no positions
        hierarchy = replace(hierarchy, radius=model.coordinates.radius)
    order = np.argsort(model.devices.thickness, kind="stable")
    chosen = order[np.linspace(0, n - 1, min(n, _DEVICES)).round().astype(int)]
    devices = model.devices.chosen(np.sort(chosen))
    return replace(model, devices=devices, hierarchy=hierarchy, compute=in_this_process), n / len(chosen)


def _highest(log_posterior: Callable[[FloatArray], FloatArray], size: int) -> tuple[FloatArray, FloatArray]:
    """The highest point that searches from the best of some draws of the prior find, and a root of its covariance."""
    draws = np.random.default_rng(0).standard_normal((_DRAWS, size))
    height = log_posterior(draws)

    def fall(z: FloatArray) -> float:
        return -float(log_posterior(z[None])[0])

    def rise(z: FloatArray) -> FloatArray:
        return -_slope(log_posterior, z)

    found = [
        minimize(fall, draws[k], jac=rise, method="BFGS", options={"gtol": _SLOPE, "maxiter": _ITERATIONS})
        for k in np.argsort(-height)[:_STARTS]
    ]
    best = min(found, key=lambda one: float(one.fun))
    return best.x, _root(np.linalg.inv(np.asarray(best.hess_inv)) - np.eye(size))


def _slope(log_posterior: Callable[[FloatArray], FloatArray], z: FloatArray) -> FloatArray:
    """Slopes of the log posterior by central differences, shape (size,)."""
    steps = _STEP * np.eye(z.size)
    return np.asarray((log_posterior(z + steps) - log_posterior(z - steps)) / (2 * _STEP))


def _root(H: FloatArray) -> FloatArray:
    """A root of the covariance (1 + H)⁻¹, shape (size, size)."""
    known, vectors = np.linalg.eigh(H)
    return np.asarray(vectors / np.sqrt(1 + np.maximum(known, 0.0)))


def _towards(log_posterior: Callable[[FloatArray], FloatArray], z: FloatArray, root: FloatArray) -> FloatArray:
    """The best point of a step of Newton's method."""
    points = z + np.array(_SHARES)[:, None] * (root @ root.T @ _slope(log_posterior, z))
    return np.asarray(points[np.argmax(log_posterior(points))])


def _about(log_posterior: Callable[[FloatArray], FloatArray], z: FloatArray, root: FloatArray) -> FloatArray:
    """Some points of the posterior, by importance resampling of a normal one about its peak, (n, size)."""
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((_DRAWS, z.size))
    points = z + noise @ root.T
    weights = softmax(log_posterior(points) + 0.5 * np.sum(noise**2, axis=1))
    return np.asarray(rng.choice(points, _LOOKED_AT, p=weights))
