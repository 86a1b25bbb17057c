"""Quantities whose ranks are taken, and the log-likelihood among them, from dense matrices and compressed data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_studies import simulated as made
from simulate_cases import CASES, amplitude, case, every_case, law_of, whitened

from mtjfit.calibration.ranks import log_likelihood, quantities
from mtjfit.infer import draw_truth, priors_of, simulated
from mtjfit.model import FullPosterior
from mtjfit.physics import kappa
from mtjfit.study import Fixed, LogNormal


@every_case
def test_the_log_likelihood_is_that_of_dense_matrices(name: str) -> None:
    study, rng = case(name), np.random.default_rng(12)
    truth = draw_truth(study, rng)
    study = simulated(study, truth, rng)
    found = log_likelihood(study, {key: np.array([each, each]) for key, each in truth.items()})
    z, log_sigma = whitened(study, truth)
    np.testing.assert_allclose(found, np.sum(law_of(study, truth).logpdf(z)) - log_sigma, rtol=1e-7)


@pytest.mark.parametrize(
    "name", [name for name in CASES if not {"noise_dof", "sigma_bias", "jitter_par"} & {*CASES[name]}]
)
def test_the_log_likelihood_is_that_of_the_compressed_data(name: str) -> None:
    study, rng, total = case(name), np.random.default_rng(13), 0.0
    truth = draw_truth(study, rng)
    study = simulated(study, truth, rng)
    found = log_likelihood(study, {key: np.array([each]) for key, each in truth.items()})
    for curve in study.curves:  # one at a time, with all amplitudes fixed at what this device has
        own = {
            n: replace(study.parameters[n], prior=Fixed(amplitude(study, curve, n, truth))) for n in study.amplitudes
        }
        scale = study.scale_of(curve)
        numbers = ("par", "perp") if curve.sigma_par is None else ("par", "perp", "sigma_par", "sigma_perp")
        curve = replace(curve, unit=study.curves[0].unit, **{n: getattr(curve, n) * scale for n in numbers})
        others = {n: each for n, each in study.parameters.items() if not n.startswith("scatter_")}
        model = FullPosterior(study.replace(curves=(curve,), parameters=others | own))
        values = np.array([[truth[entry] for entry in model.layout.names]])
        total += float(model.log_likelihood(model.layout.coordinates(values))[0])
    np.testing.assert_allclose(found, total, rtol=1e-9)


def test_quantities_are_those_that_can_vary() -> None:
    lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"), Fixed(1.0))
    known, free = made(**lengths), made(D_ratio=LogNormal(1.0, 2.0), a1=Fixed(0.0))
    values = {name: np.full(2, 0.5) for study in (known, free) for name in priors_of(study)}
    assert set(quantities(known, values)) == {*priors_of(known), "log_likelihood"}
    found = quantities(free, values)
    assert set(found) == {*priors_of(free), "Lambda", "log_likelihood", "slope_ratio[A]", "|kappa|·b2[A]"}
    assert found["Lambda"].tolist() == [0.25, 0.25]
    K = kappa(1.0, 0.5, 0.5, 0.5, 0.5, 0.5)
    assert found["slope_ratio[A]"] == pytest.approx(np.tan(np.angle(K)))
    assert found["|kappa|·b2[A]"] == pytest.approx(0.5 * abs(K))
