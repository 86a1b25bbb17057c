"""Reweighting: exact where the posterior is Gaussian, against nested Monte Carlo and scipy where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_studies import TRUTH, simulated
from plan_cases import FIXED, design, gaussian, measurement
from scipy import stats

from mtjfit.infer import DeviceModel
from mtjfit.model import MarginalPosterior
from mtjfit.planning import (
    Candidate,
    Design,
    Outcomes,
    Response,
    draws_from_posterior,
    draws_from_priors,
    linear_gaussian,
    log_density,
    outcomes_of,
    simulated_outcomes,
    target_of,
    targets,
)
from mtjfit.study import AboutNominal, Fixed, LogNormal, Noise, Normal, Parameter


@pytest.mark.parametrize("q", [0, 1, 3])
def test_the_density_of_an_outcome_is_that_of_scipy(q: int) -> None:
    rng = np.random.default_rng(q)
    predicted = Response(rng.normal(size=(5, 4)), np.zeros((5, 4, 0)), rng.normal(size=(5, 4, q)))
    y = rng.normal(size=(3, 4))
    covariances = [np.eye(4) + N @ N.T for N in predicted.own]
    normals = [stats.multivariate_normal(mu, C) for mu, C in zip(predicted.mean, covariances, strict=True)]
    expected = [[normal.logpdf(each) for normal in normals] for each in y]
    found = log_density(predicted, y) - 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_outcomes_scatter_as_predicted() -> None:
    """Mean and covariance of 40 000 outcomes of one draw; 5 sd of each of 14 entries, false-alarm rate 1e-5."""
    rng = np.random.default_rng(4)
    mean, own = np.array([1.0, -2.0, 0.5, 0.0]), rng.normal(size=(4, 2))
    many = Response(np.tile(mean, (40_000, 1)), np.zeros((40_000, 4, 0)), np.tile(own, (40_000, 1, 1)))
    y = simulated_outcomes(many, rng)
    covariance = np.eye(4) + own @ own.T
    error = np.sqrt((np.outer(np.diagonal(covariance), np.diagonal(covariance)) + covariance**2) / 40_000)
    assert np.all(np.abs(np.cov(y.T) - covariance) < 5 * error)
    assert np.all(np.abs(y.mean(axis=0) - mean) < 5 * np.sqrt(np.diagonal(covariance) / 40_000))


def test_a_gaussian_posterior_comes_out_as_it_is() -> None:
    """Spreads to 2 % and bits to 0.15: about four standard errors of 4000 draws and 200 outcomes."""
    draws = gaussian(4000)[1]
    candidate = Candidate("3 nm", "thickness", (measurement(3.0),))
    aims = tuple(targets(draws).values())
    found = outcomes_of(draws, candidate, aims, 200, np.random.default_rng(2))
    report = linear_gaussian(draws.thinned(2), aims[0], [candidate])
    information = report.information(candidate)
    exact = [report.ratio(information, aim)[0] * np.std(draws.values[aim.name]) for aim in aims]
    np.testing.assert_allclose(np.sqrt(np.mean(found.spread**2, axis=1)), exact, rtol=0.02)
    assert found.bits == pytest.approx(float(report.bits(information)[0]), abs=0.15)
    assert found.reliable


def moderate(thickness_sd: float = 0.05) -> Design:
    """Priors so narrow that a single device leaves many draws, and not so narrow that the model were linear in them."""
    narrow = {name: LogNormal(TRUTH[name], 1.15) for name in ("lambda_J", "lambda_phi", "lambda_sf_N")}
    return design(**narrow, lambda_sf_F=Fixed(10.0), a1=Normal(1.0, 0.05), b2=Normal(0.6, 0.05),
                    thickness=AboutNominal(thickness_sd))  # fmt: skip


def nested(design: Design, n_outer: int, n_inner: int) -> tuple[float, float]:
    """Mutual information of outcome and shared parameters in bits by brute force, and its standard error.

    E[ln p(y|θ) − ln p(y)]; the likelihood of single points by the simulations' own forward model, the thickness by
    forty nodes of quadrature inside and by draws outside.
    """
    rng = np.random.default_rng(7)
    sd = design.parameters["thickness"].prior.sd  # type: ignore[union-attr]
    curve = measurement(1.5).curve()
    names = [name for name, p in design.parameters.items() if not p.is_fixed and name != "thickness"]
    study = simulated((1.0,)).replace(parameters=design.parameters, curves=(curve,))

    def signal(n: int, d: np.ndarray, draws: dict[str, np.ndarray]) -> np.ndarray:
        T = DeviceModel(study, curve, {**draws, f"thickness[{curve.device}]": d}).torque(curve.bias)
        return np.concatenate([T.real / 0.02, T.imag / 0.03], axis=1)

    inner = {name: design.parameters[name].prior.quantile(rng.random(n_inner)) for name in names}  # type: ignore[union-attr]
    outer = {name: design.parameters[name].prior.quantile(rng.random(n_outer)) for name in names}  # type: ignore[union-attr]
    signals = signal(n_inner, 1.5 + sd * rng.standard_normal(n_inner), inner)
    y = signal(n_outer, 1.5 + sd * rng.standard_normal(n_outer), outer)
    y = y + rng.standard_normal(y.shape)
    nodes = stats.norm.ppf((np.arange(40) + 0.5) / 40)
    given = np.stack(
        [-0.5 * np.sum((y - signal(n_outer, np.full(n_outer, 1.5 + sd * t), outer)) ** 2, 1) for t in nodes]
    )
    given = np.logaddexp.reduce(given, axis=0) - np.log(40)
    square = np.sum(y**2, 1)[:, None] - 2 * y @ signals.T + np.sum(signals**2, 1)
    marginal = np.logaddexp.reduce(-0.5 * square, axis=1) - np.log(n_inner)
    gain = (given - marginal) / np.log(2)
    return float(gain.mean()), float(gain.std() / np.sqrt(n_outer))


def test_information_agrees_with_nested_monte_carlo_where_it_is_moderate() -> None:
    """Some bits, thickness uncertain: both approximations within 0.15 bits and four standard errors of brute force."""
    exact, error = nested(moderate(), 400, 8000)
    assert 2.5 < exact < 6.0
    draws = draws_from_priors(moderate(), 4096, np.random.default_rng(1))
    candidate = Candidate("1.5 nm", "thickness", (measurement(1.5),))
    found = outcomes_of(draws, candidate, (target_of(draws, "lambda_phi"),), 400, np.random.default_rng(3))
    report = linear_gaussian(draws.thinned(256), target_of(draws, "everything"), [candidate])
    bits = float(report.bits(report.information(candidate)).mean())
    assert abs(bits - exact) < 0.15 + 4 * error
    assert abs(found.bits - exact) < 0.15 + 6 * error


@pytest.mark.slow
def test_sabotage_forgetting_the_own_thickness_is_seen_by_nested_monte_carlo() -> None:
    exact, error = nested(moderate(0.2), 400, 8000)
    draws = draws_from_priors(moderate(0.2), 256, np.random.default_rng(1))
    forgetful = replace(
        draws, parameters={**draws.parameters, "thickness": Parameter("thickness", Fixed(0.0), "device")}
    )
    candidate = Candidate("1.5 nm", "thickness", (measurement(1.5),))
    bits = []
    for each in (draws, forgetful):
        report = linear_gaussian(each, target_of(each, "everything"), [candidate])
        bits.append(float(report.bits(report.information(candidate)).mean()))
    assert abs(bits[0] - exact) < 0.2 + 4 * error
    assert bits[1] > exact + 0.2 + 4 * error


def test_too_few_draws_for_a_measurement_that_tells_much_are_noticed() -> None:
    draws = draws_from_priors(design(), 1024, np.random.default_rng(1))
    precise = measurement(1.5, noise_par=Noise(1e-4), noise_perp=Noise(1e-4))
    aim = (target_of(draws, "lambda_phi"),)
    found = outcomes_of(draws, Candidate("1.5 nm", "thickness", (precise,)), aim, 50, np.random.default_rng(3))
    assert isinstance(found, Outcomes)
    assert not found.reliable


def test_a_device_measured_again_has_no_bits_but_a_spread() -> None:
    study = simulated((1.0, 2.5), n_bias=7, **FIXED, b1=Normal(0.0, 0.1), thickness=AboutNominal(0.05))
    model = MarginalPosterior(study)
    z = 0.05 * np.random.default_rng(0).standard_normal((500, model.size))
    draws = draws_from_posterior(study, model.draw(z, np.random.default_rng(1)), model.priors)
    aim = (target_of(draws, "b1"),)
    found = outcomes_of(
        draws, Candidate("A again", "again", (measurement(1.0, device="A"),)), aim, 20, np.random.default_rng(1)
    )
    assert np.isnan(found.bits)
    assert np.all(found.spread > 0)
