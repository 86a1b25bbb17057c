"""Draws of the posterior of a stack without some of its devices, from those with them, by importance sampling.

The posterior without some devices is that with them, divided by their likelihood: exact weights of the draws there are,
and Pareto k̂ says whether these suffice. Where they do not, the draws are moved to the weighted mean, and widened to the
weighted covariance, as long as k̂ falls (Paananen, Piironen, Bürkner, Vehtari, Stat. Comput. 31, 16 (2021)). A linear
map changes their density by a constant factor, so that the weights of moved draws are exact, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.infer.convergence.importance import smoothed
from mtjfit.wafer.stack.some_devices import SomeDevices

_TRIES = 12  # likelihoods of all draws


@dataclass(frozen=True, eq=False)
class WithoutDevices:
    """Weighted draws of a stack without some of its devices, in the coordinates of the whole stack."""

    z: FloatArray  # shape (n, size)
    weights: FloatArray  # Pareto-smoothed, summing to one, shape (n,)
    k_hat: float

    @property
    def n_effective(self) -> float:
        """1/Σ w²."""
        return float(1 / np.sum(self.weights**2))

    def resampled(self, n: int, rng: np.random.Generator) -> FloatArray:
        """`n` draws of equal weight, evenly spread over the weights, in random order, shape (n, size)."""
        u = (np.arange(n) + rng.random()) / n
        places = np.searchsorted(np.cumsum(self.weights), u)
        return np.asarray(self.z[rng.permutation(np.minimum(places, self.weights.size - 1))])


def normalised(log_weights: FloatArray) -> tuple[FloatArray, float]:
    """Pareto-smoothed weights that sum to one, and k̂."""
    weights, k_hat = smoothed(log_weights)
    total = weights.sum()
    return (weights / total if total > 0 else np.full(weights.shape, 1 / weights.size)), k_hat


def without_devices(
    z: FloatArray,
    log_posterior: Callable[[FloatArray], FloatArray],
    removed: SomeDevices,
    log_removed: FloatArray,
    enough: float,
) -> WithoutDevices:
    """Draws without some devices from `z`, shape (n, size), which are draws with them; moved until k̂ is `enough`.

    `log_posterior` is that of the whole stack, `log_removed` ln L of the removed devices at `z`. Look at `k_hat`: it
    may be too large all the same.
    """
    found = WithoutDevices(z, *normalised(-log_removed))
    before, tries = log_posterior(z) if found.k_hat > enough else z, _TRIES
    while found.k_hat > enough and tries > 0:
        for moved in _moves(found):
            tries -= 1
            candidate = WithoutDevices(moved, *normalised(_log_weights(moved, log_posterior, removed) - before))
            if better := candidate.k_hat < found.k_hat:
                found = candidate
                break
        if not better:
            break
    return found


def _log_weights(z: FloatArray, log_posterior: Callable[[FloatArray], FloatArray], removed: SomeDevices) -> FloatArray:
    """ln of the posterior without the removed devices, up to a constant; −∞ where it vanishes."""
    found = np.array(log_posterior(z))
    inside = np.isfinite(found)
    found[inside] -= removed.log_likelihood(z[inside])
    return found


def _moves(found: WithoutDevices) -> Iterator[FloatArray]:
    """The draws about the weighted mean; with the weighted covariance, too, where that is wider.

    Never narrower in any direction: variances of few effective draws are too small, and k̂ does not see tails that no
    draw has reached.
    """
    z, w = found.z, found.weights
    mean, to = z.mean(axis=0), w @ z
    about, goal = z - mean, z - to
    yield about + to
    covariance = about.T @ about / len(z)
    root = np.linalg.cholesky(covariance + 1e-9 * np.diag(np.maximum(np.diag(covariance), 1e-9)))
    white, target = np.linalg.solve(root, about.T), np.linalg.solve(root, goal.T)
    variance, axes = np.linalg.eigh((w * target) @ target.T)
    wider = (axes * np.sqrt(np.maximum(variance, 1.0))) @ axes.T
    yield (root @ wider @ white).T + to
