"""Prior against posterior: closed forms for draws made by hand, and two methods that agree on a real likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_targets import gaussian
from model_studies import simulated
from narrowing_cases import CASES, CONVERGED, diffusing, posterior_from
from scipy import integrate, stats
from scipy.special import ndtr

from mtjfit.infer import Posterior
from mtjfit.infer.evidence import Evidence, log_evidence
from mtjfit.model import MarginalPosterior
from mtjfit.model.layout import Scattered
from mtjfit.prior_influence.information import FROM_PRIOR, joint_gain, narrowing
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Product, Uniform

SHAPE = (4, 125, 16)
TWO_DECADES, ONE = LogUniform(0.1, 10.0), LogUniform(1.0, 10.0)


def normal_draws(mean: float, sd: float, seed: int = 1) -> np.ndarray:
    return mean + sd * np.random.default_rng(seed).standard_normal(SHAPE)


def test_closed_forms_of_a_log_normal_length_and_a_normal_amplitude() -> None:
    """Posterior of ln λ: N(ln 12, 0.3²), prior N(ln 10, ln² 2); of a1 N(0.5, 0.1²), prior N(0, 2²); 4.5 sd."""
    log, a1 = normal_draws(np.log(12.0), 0.3), normal_draws(0.5, 0.1, 2)
    posterior = posterior_from(
        {"lambda_sf_F": np.exp(log), "a1": a1}, lambda_sf_F=LogNormal(10.0, 2.0), a1=Normal(0.0, 2.0)
    )
    found = narrowing(posterior)
    for name, prior, mean, sd in (("lambda_sf_F", (np.log(10.0), np.log(2.0)), np.log(12.0), 0.3),
                                  ("a1", (0.0, 2.0), 0.5, 0.1)):  # fmt: skip
        row, m, s = found.loc[name], (mean - prior[0]) / prior[1], sd / prior[1]
        exact = (-np.log(s) + (s**2 + m**2 - 1) / 2) / np.log(2)
        assert row["gain_bits"] == pytest.approx(exact, abs=4.5 * row["gain_error"])
        assert row["gain_error"] < 0.02
        assert row["shrinkage"] == pytest.approx(1 - s, abs=4.5 * s / np.sqrt(2 * log.size))
        assert not row["from_prior"]
    row = found.loc["lambda_sf_F"]
    before = [10.0 * 2.0**z for z in stats.norm.ppf([0.05, 0.5, 0.95])]
    assert list(row[["prior_q05", "prior_q50", "prior_q95"]]) == pytest.approx(before)
    assert list(row[["q05", "q50", "q95"]]) == pytest.approx(list(np.quantile(np.exp(log), [0.05, 0.5, 0.95])))


def test_the_same_gain_for_a_length_in_any_parametrisation() -> None:
    """λ flat in its logarithm, ln λ flat, λ² flat in its logarithm: one gain, one shrinkage."""
    log = normal_draws(0.4, 0.2)
    flat = Uniform(float(np.log(0.1)), float(np.log(10.0)))
    forms = [
        (np.exp(log), TWO_DECADES), (log, flat), (np.exp(2 * log), LogUniform(0.01, 100.0)),
        (np.exp(-2 * log), LogUniform(0.01, 100.0)),
    ]  # fmt: skip
    found = []
    for x, prior in forms:
        posterior = replace(posterior_from({"a1": x}), priors={"a1": prior})
        found.append(narrowing(posterior).loc["a1", ["shrinkage", "gain_bits"]].to_numpy(dtype=float))
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], atol=1e-6)


def test_draws_of_the_prior_come_from_the_prior_alone() -> None:
    u = np.random.default_rng(4).random(SHAPE)
    posterior = posterior_from({"lambda_J": TWO_DECADES.quantile(u), "lambda_phi": TWO_DECADES.quantile(0.2 + 0.3 * u)},
                               lambda_J=TWO_DECADES, lambda_phi=TWO_DECADES)  # fmt: skip
    found = narrowing(posterior)
    assert list(found["from_prior"]) == [True, False]
    assert 0 <= found.loc["lambda_J", "gain_bits"] < 4.5 * found.loc["lambda_J", "gain_error"] < FROM_PRIOR
    assert found.loc["lambda_J", "shrinkage"] == pytest.approx(0, abs=4.5 / np.sqrt(2 * u.size))
    assert found.loc["lambda_phi", "gain_bits"] == pytest.approx(-np.log2(0.3), abs=0.03)


def test_a_product_has_the_distribution_of_the_product() -> None:
    """ln of two flat logarithms: a trapezium. The density is the derivative; draws fall below as often as they should.

    KS of 20 000 draws, false-alarm rate 1e-4.
    """
    prior = Product(TWO_DECADES, ONE)
    x = np.array([0.15, 1.0, 3.0, 10.0, 60.0])
    a, wide, narrow = np.log(x / 0.1), np.log(100.0), np.log(10.0)
    area = (a**2 - np.maximum(a - narrow, 0) ** 2 - np.maximum(a - wide, 0) ** 2) / 2
    np.testing.assert_allclose(prior.cdf(x), area / (wide * narrow), atol=1e-5)
    assert prior.support == pytest.approx((0.1, 100.0))
    t = np.linspace(-2, 1, 2001)
    along = integrate.trapezoid(np.exp(prior.logpdf(np.exp(t)) + t), t)
    assert along == pytest.approx(float(prior.cdf(np.exp(1)) - prior.cdf(np.exp(-2))), abs=1e-3)
    rng = np.random.default_rng(5)
    draws = TWO_DECADES.quantile(rng.random(20_000)) * ONE.quantile(rng.random(20_000))
    assert stats.kstest(draws, prior.cdf).pvalue > 1e-4
    np.testing.assert_allclose(prior.cdf(prior.quantile(np.array([0.05, 0.5, 0.95]))), [0.05, 0.5, 0.95], atol=1e-3)
    assert prior.logpdf(200.0) == -np.inf
    known = Product(TWO_DECADES, Fixed(3.0))
    np.testing.assert_allclose(known.cdf(known.quantile(np.array([0.1, 0.7]))), [0.1, 0.7])
    np.testing.assert_allclose(np.exp(known.logpdf(2.0)), np.exp(TWO_DECADES.logpdf(2.0 / 3.0)) / 3.0)
    assert known.support == pytest.approx((0.3, 30.0))
    assert known.describe() == "(log-uniform 0.1 to 10) × (fixed at 3)"


def test_lambda_has_the_prior_of_its_product_with_and_without_a_free_factor() -> None:
    N = normal_draws(0.3, 0.1)
    columns = {"lambda_sf_N": np.exp(N), "Lambda": 2.0 * np.exp(N)}
    found = narrowing(posterior_from(columns, lambda_sf_N=TWO_DECADES, D_ratio=Fixed(2.0)))
    one, other = found.loc["lambda_sf_N"], found.loc["Lambda"]
    assert other["gain_bits"] == pytest.approx(one["gain_bits"], abs=1e-9)
    assert other["prior_q50"] == pytest.approx(2 * one["prior_q50"])
    D = np.exp(normal_draws(0.1, 0.2, 6))
    free = posterior_from({**columns, "D_ratio": D, "Lambda": np.exp(N) * D}, lambda_sf_N=TWO_DECADES, D_ratio=ONE)
    prior = free.prior_of("Lambda")
    assert prior == Product(TWO_DECADES, ONE)
    np.testing.assert_array_equal(prior.cdf(free.draws["Lambda"]), free.prior_cdf("Lambda"))
    assert narrowing(free).loc["Lambda", "gain_bits"] > 1


def test_own_amplitudes_that_scatter_have_no_prior_of_their_own() -> None:
    posterior = posterior_from({"a1": normal_draws(0.0, 1.0), "a1[A]": normal_draws(0.0, 1.0, 7)})
    posterior = replace(posterior, priors={**posterior.priors, "a1[A]": Scattered(Normal(0.0, 1.0), Fixed(0.1))})
    assert posterior.prior_of("a1[A]") is None
    assert list(narrowing(posterior).index) == ["a1"]


@pytest.mark.parametrize(("known", "free"), [("D_ratio", "lambda_sf_N"), ("lambda_sf_N", "D_ratio")])
def test_a_factor_of_zero_leaves_no_prior_of_lambda(known: str, free: str) -> None:
    x = np.exp(normal_draws(0.3, 0.1))
    posterior = posterior_from({free: x, "Lambda": 0 * x}, **{known: Fixed(0.0), free: TWO_DECADES})
    assert posterior.prior_of("Lambda") is None
    assert list(narrowing(posterior).index) == [free]
    assert np.all(posterior.prior_cdf("Lambda") == 0)


def with_joint(log_likelihood: np.ndarray, evidence: Evidence | None) -> Posterior:
    start = posterior_from({"lambda_J": np.ones(log_likelihood.shape)}, evidence, lambda_J=TWO_DECADES)
    return replace(start, log_likelihood=log_likelihood)


def exact_joint(size: int) -> float:
    """KL of the posterior of `evidence_targets.gaussian` from N(0, 1), from its covariance and mean alone."""
    draws = gaussian(size).draws(400_000, np.random.default_rng(8))
    S, m = np.cov(draws.T), draws.mean(axis=0)
    return float(0.5 * (np.trace(S) + m @ m - size - np.linalg.slogdet(S)[1]) / np.log(2))


@pytest.mark.parametrize("size", [2, 5])
def test_the_joint_gain_of_a_gaussian_is_that_of_its_covariance(size: int) -> None:
    """ln Z by bridge sampling; five runs, all within 4.5 errors, and on average within twice the errors."""
    target, rng = gaussian(size), np.random.default_rng(9)
    exact, ratios = exact_joint(size), []
    for _ in range(5):
        chains = target.chains(40, rng)
        log_likelihood = chains.log_posterior - target.log_prior(chains.theta)
        gain = joint_gain(with_joint(log_likelihood, log_evidence(target, chains, rng, n_proposals=1000)))
        assert gain.reliable
        assert gain.error < 0.1
        ratios.append((gain.bits - exact) / gain.error)
    assert np.max(np.abs(ratios)) < 4.5
    assert np.sqrt(np.mean(np.square(ratios))) < 2.2


def test_sabotage_an_evidence_of_another_prior_is_seen_in_the_joint_gain() -> None:
    target, rng = gaussian(2), np.random.default_rng(10)
    chains = target.chains(40, rng)
    log_likelihood = chains.log_posterior - target.log_prior(chains.theta)
    wrong = Evidence(target.log_evidence - np.log(2.0), 0.01, "exact")
    gain = joint_gain(with_joint(log_likelihood, wrong))
    assert abs(gain.bits - exact_joint(2)) > 10 * gain.error


def test_an_evidence_that_is_not_reliable_makes_no_reliable_gain() -> None:
    shaky = Evidence(0.0, 0.1, "bridge", 0.9)
    assert not joint_gain(with_joint(np.ones(SHAPE), shaky)).reliable


def test_of_one_free_length_the_joint_gain_is_its_own() -> None:
    """A real likelihood in one coordinate: draws and ln Z from quadrature, spacings against ⟨ln L⟩ − ln Z."""
    known = {"lambda_J": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 2.0}
    study = simulated(noise=0.05, **{name: Fixed(value) for name, value in known.items()})
    model = MarginalPosterior(study)
    assert model.names == ("lambda_phi",)
    z = np.linspace(-6, 6, 4001)
    log = model.log_posterior(z[:, None])
    top = log.max()
    log_z = top + np.log(integrate.trapezoid(np.exp(log - top), z))
    cdf = integrate.cumulative_trapezoid(np.exp(log - log_z), z, initial=0.0)
    drawn = np.interp(ndtr(diffusing(2000, np.random.default_rng(11))), cdf / cdf[-1], z)
    drawn = drawn.reshape(4, 5, -1).swapaxes(1, 2)  # ensembles, steps, walkers
    log_likelihood = model.log_likelihood(drawn.reshape(-1, 1)).reshape(drawn.shape)
    x = model.scores.values(drawn.reshape(-1, 1)).reshape(*drawn.shape, 1)
    posterior = Posterior(study, CONVERGED, ("lambda_phi",), x, log_likelihood,
                          {"lambda_phi": model.priors["lambda_phi"]}, {"seed": 1})  # fmt: skip
    relative = np.exp(log - log_z)
    exact = integrate.trapezoid(relative * (log - log_z - stats.norm.logpdf(z)), z) / np.log(2)
    single = narrowing(posterior).loc["lambda_phi"]
    assert single["gain_bits"] == pytest.approx(exact, abs=4.5 * single["gain_error"])
    for evidence in (Evidence(float(log_z), 1e-6, "grid"), None):
        joint = joint_gain(replace(posterior, evidence=evidence))
        assert joint.names == ("lambda_phi",)
        assert joint.bits == pytest.approx(exact, abs=4.5 * joint.error)
        assert joint.error < 0.05


def test_gains_of_the_cases_come_through_the_table() -> None:
    """From scores to natural values and back: a half-open posterior of a log-uniform length."""
    move, exact = CASES["lower limit"]
    z = move(np.random.default_rng(12).standard_normal(SHAPE))
    posterior = posterior_from({"lambda_phi": TWO_DECADES.quantile(ndtr(z))}, lambda_phi=TWO_DECADES)
    row = narrowing(posterior).loc["lambda_phi"]
    assert row["gain_bits"] == pytest.approx(exact, abs=4.5 * row["gain_error"])
