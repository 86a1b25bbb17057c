"""Studies, posteriors and truths for the comparison of devices and studies, made without sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from model_studies import AMPLITUDES, TRUTH, simulated

from mtjfit.comparison import Sampled
from mtjfit.infer import Chains, Check, Evidence, Posterior, Verdict
from mtjfit.model import FullPosterior, MarginalPosterior
from mtjfit.physics import kappa
from mtjfit.study import Fixed, Normal, Study

FIXED_LENGTHS = {name: Fixed(TRUTH[name]) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")}


def linear_study(d: Sequence[float], seed: int, **changes: Any) -> Study:
    """All lengths and thicknesses known: the posterior of a1 and b2 is exactly normal."""
    return simulated(d, seed=seed, **{**FIXED_LENGTHS, "a1": Normal(0.0, 100.0), "b2": Normal(0.0, 100.0), **changes})


def true_kappa(d: float) -> complex:
    return complex(kappa(d, *(TRUTH[n] for n in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"))))


def true_coefficients(d: float, names: Sequence[str] = ("a1", "b2")) -> dict[int, complex]:
    """t_n of a device from the definitions."""
    out: dict[int, complex] = {}
    for name in names:
        n = int(name[1])
        out[n] = out.get(n, 0) + true_kappa(d) * AMPLITUDES[name] * (1 if name[0] == "a" else 1j)
    return out


def posterior_of(study: Study, draws: pd.DataFrame, *, converged: bool = True) -> Posterior:
    """A posterior with given draws."""
    model = FullPosterior(study)
    priors = {entry.name: entry.prior for entry in model.layout.entries}
    priors |= dict(zip(model.amplitudes.names, model.amplitudes.priors, strict=True))
    chain = draws.to_numpy()[None, :, None, :]
    verdict = Verdict((Check("made", converged, "made by hand"),), {})
    return Posterior(study, verdict, tuple(draws.columns), chain, np.zeros(chain.shape[:3]), priors, {})


def draws_about(
    study: Study, n: int = 400, width: float = 0.02, truth: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Draws about the truth of `model_studies`, every free parameter by itself."""
    model, rng = FullPosterior(study), np.random.default_rng(11)
    names = (*model.layout.names, *model.amplitudes.names)
    known = {**TRUTH, **AMPLITUDES, **{f"thickness[{c.device}]": c.thickness for c in study.curves}, **(truth or {})}
    centre = {name: known[name] if name in known else known[name.split("[")[0]] for name in names}
    return pd.DataFrame({name: centre[name] * np.exp(width * rng.standard_normal(n)) for name in names})


def exact_posterior(study: Study, n: int = 1000) -> Posterior:
    """Of a study in which only amplitudes, and what belongs to single devices, are free: independent draws."""
    drawn = MarginalPosterior(study).draw(np.zeros((n, 0)), np.random.default_rng(5))
    return posterior_of(study, pd.DataFrame(drawn))


def sampled_from(
    theta: np.ndarray, log_likelihood: np.ndarray, log_evidence: float = 1.0, *, converged: bool = True
) -> Sampled:
    """A run that left these draws, of shape (n_ensembles, n_steps, n_walkers, size)."""
    chains = Chains(tuple("abcdefghij"[: theta.shape[-1]]), theta, np.zeros(theta.shape[:-1]), np.ones((4, 10)))
    verdict = Verdict((Check("x", converged, "made"),), {})
    return Sampled(chains, log_likelihood, verdict, Evidence(log_evidence, 0.1, "made"))


def drawn(size: int, rng: np.random.Generator, shift: float = 0.0, *, converged: bool = True) -> Sampled:
    """Draws of a joint or single posterior, made by hand."""
    return sampled_from(shift + 0.1 * rng.standard_normal((4, 100, 10, size)), np.zeros(4000), converged=converged)
