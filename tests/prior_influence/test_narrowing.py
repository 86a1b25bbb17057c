"""Gains in bits: right, and wrong by as much as they say, for draws of any shape; closed forms; a real likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from evidence_targets import gaussian
from model_studies import simulated
from narrowing_cases import (
    CONVERGED,
    SHAPE,
    diffusing,
    normal_draws,
    posterior_from,
    prior_draws,
    walked,
    with_scattered_a1,
)
from scipy import integrate, stats
from scipy.special import ndtr, ndtri

from mtjfit.infer import Evidence, Posterior, log_evidence
from mtjfit.model import MarginalPosterior
from mtjfit.prior_influence import FROM_PRIOR, gain_over_normal, joint_gain, narrowing
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Product, Uniform

TWO_DECADES, ONE = LogUniform(0.1, 10.0), LogUniform(1.0, 10.0)
Map = Callable[[np.ndarray], np.ndarray]
Chains = Callable[[int, np.random.Generator], np.ndarray]


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


def standing(n: int, rng: np.random.Generator, accepted: float = 0.25) -> np.ndarray:
    """Chains that stand still until a quarter of the jumps is accepted: τ = 7, n effective draws."""
    y = rng.standard_normal((20, round(n * (2 / accepted - 1) / 20)))
    moved = rng.random(y.shape) < accepted
    for t in range(1, y.shape[1]):
        y[:, t] = np.where(moved[:, t], y[:, t], y[:, t - 1])
    return y


CHAINS = {"independent": independent, "diffusing": diffusing, "standing": standing}


def found(name: str, chains: Chains, n: int, repeats: int, seed: int = 1, **seam: Any) -> tuple[np.ndarray, np.ndarray]:
    """Deviations from the exact gain in bits, and the errors that go with them."""
    rng, (move, exact) = np.random.default_rng(seed), CASES[name]
    gains = [gain_over_normal(move(chains(n, rng)), **seam) for _ in range(repeats)]
    return np.array([gain.bits - exact for gain in gains]), np.array([gain.error for gain in gains])


def assert_right(name: str, chains: Chains, repeats: int = 8, **seam: Any) -> None:
    """Within 0.05 bit (root mean square), and within twice what the errors say (8 repeats: one false alarm in 1e6)."""
    off, errors = found(name, chains, 2000, repeats, **seam)
    assert np.sqrt(np.mean(off**2)) < 0.05
    assert np.sqrt(np.mean((off / errors) ** 2)) < 2.2
    assert errors.mean() < 0.05


CORRELATED = [(name, chains) for name in ("narrow", "prior", "lower limit") for chains in ("diffusing", "standing")]


@pytest.mark.parametrize(("name", "chains"), [*((name, "independent") for name in CASES), *CORRELATED])
def test_gains_are_right_to_a_twentieth_of_a_bit_at_2000_draws(name: str, chains: str) -> None:
    assert_right(name, CHAINS[chains], repeats=8 if chains == "independent" else 5)


@pytest.mark.slow  # 120 gains for each of 33 cases
@pytest.mark.parametrize("chains", list(CHAINS))
@pytest.mark.parametrize("name", list(CASES))
def test_errors_are_calibrated(name: str, chains: str) -> None:
    """At 2000 and 500 draws; of two narrow modes the error is twice too large."""
    for n in (2000, 500):
        off, errors = found(name, CHAINS[chains], n, 60, seed=2)
        ratio = float(np.sqrt(np.mean((off / errors) ** 2)))
        assert ratio < 1.6
        assert name == "two modes" or ratio > 0.6


def test_closed_forms_agree_with_quadrature() -> None:
    """The references themselves: N(0.5, 0.6²) from its likelihood, and a cut as the limit of steep steps."""
    mean, sd = 0.5, 0.6
    width = 1 / (1 / sd**2 - 1)
    measured = mean * width / sd**2
    exact = of_normal(mean, sd)[1]
    assert of_likelihood(lambda z: np.exp(-0.5 * (z - measured) ** 2 / width))[1] == pytest.approx(exact, abs=1e-9)
    low, high = ndtri(0.4), ndtri(0.6)
    steep = of_likelihood(lambda z: ndtr((z - low) / 5e-4) * ndtr((high - z) / 5e-4))[1]
    assert steep == pytest.approx(CASES["cut in the middle"][1], abs=0.004)


def test_turning_the_coordinate_round_changes_nothing() -> None:
    """The score of a rate 1/λ² is minus that of λ. Draws that are all equal have no finite gain."""
    z = CASES["lower limit"][0](independent(2000, np.random.default_rng(3)))
    one, other = gain_over_normal(z), gain_over_normal(-z)
    assert other.bits == pytest.approx(one.bits, abs=1e-6)
    assert other.error == pytest.approx(one.error, rel=1e-3)
    assert gain_over_normal(np.full((4, 50), 0.3)).bits == np.inf


def shuffled(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws that hide that they stand still: gains of the prior are too large, errors of narrow ones too small."""
    return rng.permuted(standing(n, rng).reshape(1, -1), axis=1).reshape(20, -1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "chains", "seam"),
    [("prior", shuffled, {}), ("narrow", shuffled, {}), ("prior", independent, {"mean_log": np.log})],
)
def test_sabotage_draws_taken_as_independent_or_an_entropy_without_its_correction_are_seen(
    name: str, chains: Chains, seam: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError):
        assert_right(name, chains, **seam)


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
    log, squared = normal_draws(0.4, 0.2), LogUniform(0.01, 100.0)
    flat = Uniform(float(np.log(0.1)), float(np.log(10.0)))
    forms = [(np.exp(log), TWO_DECADES), (log, flat), (np.exp(2 * log), squared), (np.exp(-2 * log), squared)]
    posteriors = (replace(posterior_from({"a1": x}), priors={"a1": prior}) for x, prior in forms)
    first, *rest = (narrowing(each).loc["a1", ["shrinkage", "gain_bits"]].to_numpy(dtype=float) for each in posteriors)
    np.testing.assert_allclose(rest, [first] * 3, atol=1e-6)


def test_draws_of_the_prior_come_from_the_prior_alone() -> None:
    draws = {"lambda_J": prior_draws(TWO_DECADES, 4), "lambda_phi": prior_draws(TWO_DECADES, 4, 0.2, 0.5)}
    found = narrowing(posterior_from(draws, lambda_J=TWO_DECADES, lambda_phi=TWO_DECADES))
    assert list(found["from_prior"]) == [True, False]
    assert 0 <= found.loc["lambda_J", "gain_bits"] < 4.5 * found.loc["lambda_J", "gain_error"] < FROM_PRIOR
    assert found.loc["lambda_J", "shrinkage"] == pytest.approx(0, abs=4.5 / np.sqrt(2 * np.prod(SHAPE)))
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
    N, D = np.exp(normal_draws(0.3, 0.1)), np.exp(normal_draws(0.1, 0.2, 6))
    found = narrowing(
        posterior_from({"lambda_sf_N": N, "Lambda": 2.0 * N}, lambda_sf_N=TWO_DECADES, D_ratio=Fixed(2.0))
    )
    one, other = found.loc["lambda_sf_N"], found.loc["Lambda"]
    assert other["gain_bits"] == pytest.approx(one["gain_bits"], abs=1e-9)
    assert other["prior_q50"] == pytest.approx(2 * one["prior_q50"])
    columns = {"lambda_sf_N": N, "Lambda": N * D, "D_ratio": D}
    free = posterior_from(columns, lambda_sf_N=TWO_DECADES, D_ratio=ONE)
    prior = free.prior_of("Lambda")
    assert prior == Product(TWO_DECADES, ONE)
    np.testing.assert_array_equal(prior.cdf(free.draws["Lambda"]), free.prior_cdf("Lambda"))
    assert narrowing(free).loc["Lambda", "gain_bits"] > 1


def test_own_amplitudes_that_scatter_have_no_prior_of_their_own() -> None:
    draws = {"a1": normal_draws(0.0, 1.0), "a1[A]": normal_draws(0.0, 1.0, 7)}
    posterior = with_scattered_a1(posterior_from(draws), 1.0)
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


@pytest.mark.parametrize("size", [2, 5])
def test_the_joint_gain_of_a_gaussian_is_that_of_its_covariance(size: int) -> None:
    """KL from N(0, 1), from covariance and mean alone, against ln Z by bridge sampling.

    Five runs, all within 4.5 errors, and on average within twice the errors. An evidence of another prior is seen.
    """
    target, rng, ratios = gaussian(size), np.random.default_rng(9), []
    draws = target.draws(400_000, np.random.default_rng(8))
    S, m = np.cov(draws.T), draws.mean(axis=0)
    exact = float(0.5 * (np.trace(S) + m @ m - size - np.linalg.slogdet(S)[1]) / np.log(2))
    for _ in range(5):
        chains = target.chains(40, rng)
        log_likelihood = chains.log_posterior - target.log_prior(chains.theta)
        gain = joint_gain(with_joint(log_likelihood, log_evidence(target, chains, rng, n_proposals=1000)))
        assert gain.reliable
        assert gain.error < 0.1
        ratios.append((gain.bits - exact) / gain.error)
    assert np.max(np.abs(ratios)) < 4.5
    assert np.sqrt(np.mean(np.square(ratios))) < 2.2
    wrong = joint_gain(with_joint(log_likelihood, Evidence(target.log_evidence - np.log(2.0), 0.01, "exact")))
    assert abs(wrong.bits - exact) > 10 * wrong.error
    assert not joint_gain(with_joint(log_likelihood, Evidence(0.0, 0.1, "bridge", 0.9))).reliable


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
    drawn = np.interp(ndtr(walked(np.random.default_rng(11))), cdf / cdf[-1], z)
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
