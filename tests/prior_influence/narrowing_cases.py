"""Draws of known distributions, and posteriors made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from model_studies import simulated

from mtjfit.infer import Check, Posterior, Verdict
from mtjfit.model import Scattered
from mtjfit.study import Fixed, Normal, Prior

CONVERGED = Verdict((Check("made", True, "made by hand"),), {})
SHAPE = (4, 125, 16)
LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")


def diffusing(n: int, rng: np.random.Generator, rho: float = 0.8) -> np.ndarray:
    """Standard normal AR(1) chains of τ = 9, n effective draws."""
    y = rng.standard_normal((20, 9 * n // 20))
    for t in range(1, y.shape[1]):
        y[:, t] = rho * y[:, t - 1] + np.sqrt(1 - rho**2) * y[:, t]
    return y


def normal_draws(mean: float, sd: float, seed: int = 1) -> np.ndarray:
    return mean + sd * np.random.default_rng(seed).standard_normal(SHAPE)


def prior_draws(prior: Prior, seed: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Of a prior, or of the part of it between two quantiles."""
    return prior.quantile(low + (high - low) * np.random.default_rng(seed).random(SHAPE))


def walked(rng: np.random.Generator) -> np.ndarray:
    """Diffusing chains of 2000 effective draws: ensembles, steps, walkers."""
    return diffusing(2000, rng).reshape(4, 5, -1).swapaxes(1, 2)


def posterior_from(columns: Mapping[str, np.ndarray], evidence: Any = None, **priors: Any) -> Posterior:
    """A posterior with these draws, each of shape (n_ensembles, n_kept, n_walkers), of a study with these priors."""
    study = simulated(noise=0.01, n_bias=5, **priors)
    of: dict[str, Prior] = {
        name: study.parameters[name.split("[")[0]].prior for name in columns if "Lambda" not in name
    }
    chain = np.stack(list(columns.values()), axis=-1)
    log_likelihood = np.zeros(chain.shape[:-1])
    return Posterior(study, CONVERGED, tuple(columns), chain, log_likelihood, of, {"seed": 1}, evidence)


def with_scattered_a1(posterior: Posterior, sd: float) -> Posterior:
    """Amplitudes of device A that scatter about the shared ones."""
    return replace(posterior, priors={**posterior.priors, "a1[A]": Scattered(Normal(0.0, sd), Fixed(0.1))})
