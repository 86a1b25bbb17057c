"""Densities that are known exactly, each with a map that turns its draws into independent standard normals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mtjfit.infer import Jump, Mixture, Straight, ess
from mtjfit.infer.ensembles.fit import fitted


def jump_of(mixture: Mixture) -> Jump:
    """In coordinates that are taken as they are."""
    return Jump(mixture, Straight(object()))  # type: ignore[arg-type]


def fitted_jump(draws: np.ndarray, rng: np.random.Generator, components: int = 16) -> Jump:
    """Fitted to draws of shape (n, size)."""
    return jump_of(fitted(draws, rng, components=components))


def three_bells(size: int) -> Mixture:
    """Three components of different weights, widths and correlations."""
    rng = np.random.default_rng(1)
    roots = np.tril(rng.uniform(0.3, 1.0, (3, size, size)))
    return Mixture(np.array([0.5, 0.3, 0.2]), rng.normal(0.0, 2.0, (3, size)), roots)


@dataclass(frozen=True)
class Exact:
    """log density, draws, and the map to independent standard normals."""

    size: int
    log_density: Callable[[np.ndarray], np.ndarray]
    draws: Callable[[int, np.random.Generator], np.ndarray]
    white: Callable[[np.ndarray], np.ndarray]


_ROOT = np.array([[1.0, 0, 0, 0], [9.0, 4.4, 0, 0], [0.02, -0.05, 0.09, 0], [1.0, 1.0, 1.0, 1.0]])


def _gaussian(x: np.ndarray) -> np.ndarray:
    return np.asarray(-0.5 * np.sum(np.linalg.solve(_ROOT, x.T) ** 2, axis=0))


GAUSSIAN = Exact(
    4, _gaussian, lambda n, rng: rng.standard_normal((n, 4)) @ _ROOT.T, lambda x: np.linalg.solve(_ROOT, x.T).T
)
"""Four dimensions, scales from 0.1 to 10, correlations up to 0.9."""


def _straight(x: np.ndarray) -> np.ndarray:
    return np.stack([x[:, 0], (x[:, 1] - x[:, 0] ** 2) / 0.5], axis=1)


def _bent(z: np.ndarray) -> np.ndarray:
    return np.stack([z[:, 0], 0.5 * z[:, 1] + z[:, 0] ** 2], axis=1)


BANANA = Exact(
    2,
    lambda x: -0.5 * np.sum(_straight(x) ** 2, axis=1),
    lambda n, rng: _bent(rng.standard_normal((n, 2))),
    _straight,
)
"""A ridge along a parabola."""

EXPONENTIAL = Exact(
    2,
    lambda x: np.where(np.all(x > 0, axis=1), -np.sum(x, axis=1), -np.inf),
    lambda n, rng: rng.exponential(size=(n, 2)),
    lambda x: stats.norm.isf(np.exp(-x)),
)
"""Largest density at a hard edge."""

TARGETS = {"gaussian": GAUSSIAN, "banana": BANANA, "exponential": EXPONENTIAL}


def z_scores(white: np.ndarray) -> dict[str, float]:
    """Mean, variance and three quantiles of draws (n_chains, n_draws, size) that should be standard normal.

    Each in units of its own standard error, from the ESS of exactly that statistic.
    """
    out = {}
    for k in range(white.shape[-1]):
        z = white[..., k]
        statistics = {"mean": (z, 0.0, 1.0), "variance": (z**2, 1.0, np.sqrt(2.0))}
        for p in (0.05, 0.5, 0.95):
            statistics[f"{p:.0%}"] = ((z <= stats.norm.ppf(p)).astype(float), p, np.sqrt(p * (1 - p)))
        for name, (series, expected, sd) in statistics.items():
            n = ess(series)
            assert n > 150, f"too few effective draws ({n:.0f}) to say anything about {name} of {k}"
            out[f"{name} of {k}"] = float((series.mean() - expected) * np.sqrt(n) / sd)
    return out
