"""Draws of known distributions in normal scores, chains correlated in two ways, and posteriors made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from model_studies import simulated
from scipy import integrate, stats
from scipy.special import ndtr, ndtri

from mtjfit.infer import Check, Posterior, Verdict
from mtjfit.infer.evidence import Evidence
from mtjfit.study import Prior

Map = Callable[[np.ndarray], np.ndarray]
CONVERGED = Verdict((Check("made", True, "made by hand"),), {})


def of_normal(mean: float, sd: float) -> tuple[Map, float]:
    """Normal posterior in scores: the map from a standard normal, and its gain in bits in closed form."""
    return lambda y: mean + sd * y, float((-np.log(sd) + (sd**2 + mean**2 - 1) / 2) / np.log(2))


def of_cut(low: float, high: float) -> tuple[Map, float]:
    """The prior cut to a range of its probability."""
    return lambda y: ndtri(low + (high - low) * ndtr(y)), float(-np.log2(high - low))


def of_likelihood(likelihood: Map) -> tuple[Map, float]:
    """Any likelihood of the score: the map by a fine table, the gain by adaptive quadrature."""

    def weight(z: float) -> float:
        return float(stats.norm.pdf(z) * likelihood(np.array(z)))

    points = np.linspace(-9, 9, 19)
    total = sum(integrate.quad(weight, a, b, epsabs=1e-13)[0] for a, b in pairwise(points))

    def term(z: float) -> float:
        ratio = float(likelihood(np.array(z))) / total
        return float(stats.norm.pdf(z)) * ratio * np.log2(ratio) if ratio > 0 else 0.0

    gain = sum(integrate.quad(term, a, b, epsabs=1e-12)[0] for a, b in pairwise(points))
    z = np.linspace(-9, 9, 200_001)
    cdf = integrate.cumulative_trapezoid(stats.norm.pdf(z) * likelihood(z), z, initial=0.0)
    return lambda y: np.interp(ndtr(y), cdf / cdf[-1], z), gain


CASES: dict[str, tuple[Map, float]] = {
    "narrow": of_normal(0.7, 0.01),
    "half": of_normal(0.0, 0.5),
    "far": of_normal(2.0, 0.3),
    "moved": of_normal(0.37, 1.0),
    "prior": of_normal(0.0, 1.0),
    "cut in the middle": of_cut(0.4, 0.6),
    "cut at the edge": of_cut(0.0, 0.1),
    "most of it": of_cut(0.3, 1.0),
    "lower limit": of_likelihood(lambda z: ndtr((z - 0.5) / 0.2)),
    "soft limit": of_likelihood(lambda z: ndtr((z + 1.0) / 0.8)),
    "two modes": of_likelihood(lambda z: np.exp(-0.5 * ((np.abs(z) - 1.0) / 0.1) ** 2) * np.where(z > 0, 1.0, 0.4)),
}


def independent(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((20, n // 20))


def diffusing(n: int, rng: np.random.Generator, rho: float = 0.8) -> np.ndarray:
    """Standard normal AR(1) chains of τ = 9, n effective draws."""
    y = rng.standard_normal((20, 9 * n // 20))
    for t in range(1, y.shape[1]):
        y[:, t] = rho * y[:, t - 1] + np.sqrt(1 - rho**2) * y[:, t]
    return y


def standing(n: int, rng: np.random.Generator, accepted: float = 0.25) -> np.ndarray:
    """Chains that stand still until a quarter of the jumps is accepted: τ = 7, n effective draws."""
    y = rng.standard_normal((20, round(n * (2 / accepted - 1) / 20)))
    moved = rng.random(y.shape) < accepted
    for t in range(1, y.shape[1]):
        y[:, t] = np.where(moved[:, t], y[:, t], y[:, t - 1])
    return y


CHAINS = {"independent": independent, "diffusing": diffusing, "standing": standing}


def posterior_from(columns: Mapping[str, np.ndarray], evidence: Evidence | None = None, **priors: Any) -> Posterior:
    """A posterior with these draws, each of shape (n_ensembles, n_kept, n_walkers), of a study with these priors."""
    study = simulated(noise=0.01, n_bias=5, **priors)
    of: dict[str, Prior] = {
        name: study.parameters[name.split("[")[0]].prior for name in columns if "Lambda" not in name
    }
    chain = np.stack(list(columns.values()), axis=-1)
    log_likelihood = np.zeros(chain.shape[:-1])
    return Posterior(study, CONVERGED, tuple(columns), chain, log_likelihood, of, {"seed": 1}, evidence)
