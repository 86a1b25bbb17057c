"""Simulation-based calibration on a small scale: truths from the prior must rank uniformly among their posteriors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_studies import simulated
from scipy import stats

import mtjfit
from mtjfit.model import MarginalPosterior
from mtjfit.physics import Interface, torque
from mtjfit.study import LogNormal, Normal, Sampling, Study

N, BINS = 100, 10
PRIORS = {
    "lambda_J": LogNormal(1.2, 1.7), "lambda_phi": LogNormal(1.2, 1.7), "lambda_sf_F": LogNormal(8.0, 2.0),
    "lambda_sf_N": LogNormal(2.0, 2.0), "a1": Normal(1.0, 0.3), "b2": Normal(0.6, 0.3),
}  # fmt: skip


def experiment(rng: np.random.Generator, template: Study, noise: float) -> tuple[Study, dict[str, float]]:
    """Truth from the prior, data from the truth."""
    truth = {name: float(prior.quantile(rng.random())) for name, prior in PRIORS.items()}
    lengths = {name: truth[name] for name in truth if name.startswith("lambda")}
    curves = []
    for curve in template.curves:
        T = torque(curve.bias, curve.thickness, **lengths, interface=Interface.of(a1=truth["a1"], b2=truth["b2"]))
        away = noise * rng.standard_normal((2, curve.bias.size))
        curves.append(replace(curve, par=T.real + away[0], perp=T.imag + away[1]))
    return template.replace(curves=tuple(curves)), truth


def ranks(believed_noise: float, true_noise: float, seed: int, n: int) -> dict[str, list[float]]:
    """Share of draws below the truth, for every parameter and for the log-likelihood of the lengths."""
    rng = np.random.default_rng(seed)
    template = simulated(noise=believed_noise, **PRIORS)
    template = template.replace(sampling=Sampling(target_ess=400, walkers=16))
    out: dict[str, list[float]] = {name: [] for name in (*PRIORS, "log_likelihood")}
    for k in range(n):
        study, truth = experiment(rng, template, true_noise)
        posterior = mtjfit.sample(study, seed=k, progress=False)
        model = MarginalPosterior(study)
        at = np.log([[truth[name] for name in model.layout.names]])
        for name in PRIORS:
            out[name].append(float(np.mean(posterior.draws[name] < truth[name])))
        out["log_likelihood"].append(float(np.mean(posterior.log_likelihood < model.log_likelihood(at)[0])))
    return out


def p_uniform(shares: list[float]) -> float:
    counts = np.histogram(shares, bins=BINS, range=(0.0, 1.0))[0]
    return float(stats.chisquare(counts).pvalue)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_truths_rank_uniformly() -> None:
    """χ² of 10 bins for 7 quantities, each with a false-alarm rate of 1e-3."""
    found = ranks(0.04, 0.04, seed=1, n=N)
    for name, shares in found.items():
        assert p_uniform(shares) > 1e-3, (name, sorted(shares))


@pytest.mark.slow
def test_sabotage_wrong_errors_are_noticed_by_the_log_likelihood() -> None:
    """Errors taken 1.7 times too large: 30 truths rank too high in log-likelihood, KS below 1e-3."""
    found = ranks(0.068, 0.04, seed=2, n=30)
    assert stats.kstest(found["log_likelihood"], "uniform").pvalue < 1e-3
