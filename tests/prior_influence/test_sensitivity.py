"""Other priors by weights: conjugate posteriors in closed form, and runs with the other prior really declared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from model_studies import simulated
from narrowing_cases import SHAPE, posterior_from, prior_draws, walked, with_scattered_a1
from scipy import integrate, stats

import mtjfit
from mtjfit.infer import Posterior
from mtjfit.prior_influence import WIDER, Alternative, reweighted, sensitivity, weighted_quantiles
from mtjfit.prior_influence import alternatives as alternatives_of
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Prior, Sampling, Uniform

Q = np.array([0.05, 0.5, 0.95])
FLAT = LogUniform(1e-3, 1e3)
DECLARED = {"lambda_J": FLAT, "lambda_sf_F": LogNormal(10.0, 2.0), "a1": Normal(0.0, 1.0)}
MEASURED = {"lambda_J": (0.2, 0.3), "lambda_sf_F": (np.log(8.0), 0.5), "a1": (0.6, 0.4)}
"""Likelihoods: normal in ln λ, ln λ and a1, with these means and standard deviations."""


def conjugate(prior: Prior, mean: float, sd: float) -> tuple[float, float]:
    """Mean and sd of the posterior of ln λ, or of an amplitude, for priors that are wide or normal."""
    if isinstance(prior, Uniform):  # in λ, which is e^x in x = ln λ
        return mean + sd**2, sd
    if isinstance(prior, LogUniform):
        return mean, sd
    centre, width = (prior.mean, prior.sd) if isinstance(prior, Normal) else np.log([prior.median, prior.factor])
    precision = 1 / sd**2 + 1 / width**2
    return (mean / sd**2 + centre / width**2) / precision, precision**-0.5


def toy(seed: int = 1, walks: bool = False) -> Posterior:
    """2000 or so effective draws, independent or in chains that diffuse."""
    rng, columns = np.random.default_rng(seed), {}
    for name, prior in DECLARED.items():
        mean, sd = conjugate(prior, *MEASURED[name])
        y = walked(rng) if walks else rng.standard_normal((4, 500, 4))
        columns[name] = mean + sd * y if name == "a1" else np.exp(mean + sd * y)
    fixed = {"lambda_phi": Fixed(1.0), "lambda_sf_N": Fixed(1.0), "b2": Fixed(0.1)}
    return posterior_from(columns, **DECLARED, **fixed)


def assert_conjugate(posterior: Posterior, found: pd.DataFrame, other: str) -> None:
    """All quantiles within 4.5 standard errors of the exact ones, and shifts that fit to them."""
    (alternative,) = [one for one in alternatives_of(posterior) if one.name == other]
    rows = found[found["prior"] == other].set_index("parameter")
    assert list(rows.index) == list(DECLARED)
    for name, row in rows.iterrows():
        prior = alternative.priors.get(name, DECLARED[name])
        start = conjugate(DECLARED[name], *MEASURED[name])
        if name == "lambda_sf_F" and other == "other scale":
            log_x = quantiles_of(prior, *MEASURED[name])
        else:
            log_x = stats.norm.ppf(Q, *conjugate(prior, *MEASURED[name]))
        x = row[["q05", "q50", "q95"]].to_numpy(dtype=float)
        off = ((x if name == "a1" else np.log(x)) - log_x) / start[1]
        errors = np.sqrt(Q * (1 - Q) / row["n_effective"]) / stats.norm.pdf(stats.norm.ppf(Q))
        assert np.all(np.abs(off) < 4.5 * errors)
        assert row["reliable"]
        if name != "lambda_J":  # flat in ln λ: its scores are no straight line of ln λ
            exact = (log_x - stats.norm.ppf(Q, *start)) / start[1]
            assert row[["shift_q05", "shift_q50", "shift_q95"]].to_numpy(dtype=float) == pytest.approx(exact, abs=0.15)


def quantiles_of(prior: Prior, mean: float, sd: float) -> np.ndarray:
    """Of ln λ under any prior, by quadrature."""
    x = np.linspace(mean - 8 * sd, mean + 8 * sd, 20_001)
    density = np.exp(prior.logpdf(np.exp(x)) + x) * stats.norm.pdf(x, mean, sd)
    cdf = integrate.cumulative_trapezoid(density, x, initial=0.0)
    return np.interp(Q, cdf / cdf[-1], x)


@pytest.mark.parametrize("walks", [False, True])
@pytest.mark.parametrize("other", ["wider", "other scale"])
def test_conjugate_posteriors_become_those_of_the_other_prior(other: str, walks: bool) -> None:
    posterior = toy(walks=walks)
    assert_conjugate(posterior, sensitivity(posterior), other)


def test_sabotage_a_density_of_the_logarithm_is_seen() -> None:
    """Weights that take a density in ln λ for one in λ."""
    posterior = toy()
    right = reweighted(posterior, alternatives_of(posterior)[1])
    wrong = replace(right, weights=right.weights / posterior.chain[..., 0])
    with pytest.raises(AssertionError):
        assert_conjugate(posterior, sensitivity(posterior, weigh=lambda *_: wrong), "other scale")


def test_k_hat_is_that_of_the_theory_and_refuses_twice_the_width() -> None:
    """Of draws from a normal prior itself: 1 − 1/s², 0.49 for what is called wider, 0.75 for twice the width."""
    a1 = np.random.default_rng(2).standard_normal((4, 2500, 20))
    posterior = posterior_from({"a1": a1}, a1=Normal(0.0, 1.0))
    for s, believed in ((1.4, True), (2.0, False)):
        found = reweighted(posterior, Alternative("wider", {"a1": Normal(0.0, s)}))
        assert found.k_hat == pytest.approx(1 - 1 / s**2, abs=0.15)
        assert found.trusted == believed
    narrower = reweighted(posterior, Alternative("narrower", {"a1": Normal(0.0, 0.5)}))
    assert narrower.k_hat < 0.1


def piled(high: float) -> Posterior:
    """ln λ normal about ln 3 with sd 0.4 but cut at `high`: the data leave λ open where that is low."""
    rng = np.random.default_rng(3)
    at = stats.truncnorm(-np.inf, (np.log(high) - np.log(3.0)) / 0.4, np.log(3.0), 0.4)
    return posterior_from({"lambda_J": np.exp(at.rvs(SHAPE, random_state=rng))}, lambda_J=LogUniform(0.01, high))


def test_what_lies_outside_the_declared_range_is_not_answered_but_named() -> None:
    """Cut in the middle of its mass the draws cannot say what is beyond; cut far out there is nothing to say."""
    found = sensitivity(piled(3.0))
    wide, other = (found[found["prior"] == name].iloc[0] for name in ("wider", "other scale"))
    assert wide["k_hat"] == np.inf
    assert not wide["reliable"]
    assert np.isnan(wide["q50"])
    assert other["reliable"]  # the same range
    assert reweighted(piled(3.0), alternatives_of(piled(3.0))[0]).outside == ("lambda_J",)
    free = sensitivity(piled(100.0)).iloc[0]
    assert free["k_hat"] == -np.inf
    assert free["reliable"]
    assert free["shift_q50"] == pytest.approx(0.0, abs=1e-9)


def test_what_is_missing_is_the_share_of_the_wider_prior_where_the_data_say_nothing() -> None:
    """Posterior = prior over three decades; 1.4 times as wide has 0.4/1.4 of its probability outside."""
    for prior, seed, share in ((LogUniform(0.1, 100.0), 4, 0.4 / 1.4), (Uniform(0.0, 4.0), 5, 0.8 / 4.8)):
        blind = posterior_from({"lambda_J": prior_draws(prior, seed)}, lambda_J=prior)
        missing = reweighted(blind, alternatives_of(blind)[0]).missing["lambda_J"]
        assert missing == pytest.approx(share, abs=4.5 * 0.02)


def test_effective_draws_count_correlation_and_weights() -> None:
    """Against the τ of the sign of an AR(1) process, and Kish's number where weights have nothing to do with x."""
    rng = np.random.default_rng(6)
    y = walked(rng)
    posterior = posterior_from({"a1": y, "b2": rng.standard_normal(y.shape)}, a1=Normal(0.0, 1.0), b2=Normal(0.0, 1.0))
    plain = sensitivity(posterior, [Alternative("same", {"a1": Normal(0.0, 1.0)})]).set_index("parameter")
    # τ of the sign of an AR(1) process: 1 + 2 Σ (2/π) asin ρᵗ
    tau = 1 + 2 * np.sum(2 / np.pi * np.arcsin(0.8 ** np.arange(1, 200)))
    assert plain.loc["a1", "n_effective"] == pytest.approx(y.size / tau, rel=0.15)
    assert plain.loc["b2", "n_effective"] == pytest.approx(y.size, rel=0.1)
    posterior = replace(posterior, chain=rng.standard_normal(posterior.chain.shape))
    narrow = Alternative("narrow", {"b2": Normal(0.0, 0.5)})
    # ⟨w⟩² / ⟨w²⟩ for w = e^{−3z²/2} and standard normal z: √7/4
    found = sensitivity(posterior, [narrow]).set_index("parameter").loc["a1", "n_effective"]
    assert found == pytest.approx(y.size * np.sqrt(7) / 4, rel=0.1)


def test_quantiles_of_weighted_draws_are_those_of_repeated_ones() -> None:
    rng = np.random.default_rng(7)
    x, counts = rng.standard_normal(500), rng.integers(0, 6, 500)
    np.testing.assert_allclose(weighted_quantiles(x, counts, Q), np.quantile(np.repeat(x, counts), Q), atol=0.03)


def test_groups_change_together_and_own_or_scattered_amplitudes_keep_their_priors() -> None:
    prior = LogUniform(0.1, 100.0)
    rng = np.random.default_rng(8)
    draws = {f"lambda_J[g{k}]": np.exp(0.3 * rng.standard_normal(SHAPE)) for k in (0, 1)}
    draws |= {name: rng.standard_normal(SHAPE) for name in ("a1", "a1[A]", "b2[A]")}
    posterior = posterior_from(draws, lambda_J=(prior, "group"), b2=(Normal(0.0, 3.0), "device"))
    posterior = with_scattered_a1(posterior, 3.0)
    wide, other = alternatives_of(posterior)
    assert "b2" not in wide.priors
    assert "a1" not in other.priors
    found = reweighted(posterior, Alternative("other", {"lambda_J": Uniform(0.1, 100.0)}))
    product = posterior.chain[..., 0] * posterior.chain[..., 1]
    np.testing.assert_allclose(found.weights / found.weights.min(), product / product.min(), rtol=0.3)
    again = reweighted(posterior, Alternative("wider", {"a1": Normal(0.0, 4.5)}))
    ratio = stats.norm.pdf(draws["a1"], scale=4.5) / stats.norm.pdf(draws["a1"], scale=3.0)
    np.testing.assert_allclose(again.weights, ratio / ratio.mean(), rtol=0.05)


PRIORS = [
    LogUniform(0.1, 100.0), LogNormal(10.0, 2.0), LogNormal(1.5, 1.05), Uniform(0.0, 50.0), Uniform(2.0, 3.0),
    Uniform(-1.0, 1.0), Normal(0.0, 1.0), Normal(1.0, 0.1, low=0.0), Normal(0.0, 2.0, low=0.0),
    Normal(1.0, 5.0, low=0.2, high=4.0), LogUniform(1.0, 1.001),
]  # fmt: skip


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.describe())
def test_alternatives_are_what_they_are_called(prior: Prior) -> None:
    """1.4 times as wide in its own scale, by quantiles; on the other scale the same range or the same centre."""
    broad, turned = prior.widened(WIDER), prior.on_other_scale()
    assert type(broad) is type(prior)
    log = isinstance(prior, LogUniform | LogNormal)

    def width(one: Prior) -> float:
        low, high = one.quantile(np.array([0.25, 0.75]))
        return float(np.log(high / low) if log else high - low)

    if not isinstance(prior, Normal) or not prior.truncated:
        kept = 6 / 7 if prior == Uniform(0.0, 50.0) else 1.0  # it cannot grow below zero
        assert width(broad) / width(prior) == pytest.approx(1.4 * kept, rel=0.03)
    assert broad.support[0] <= prior.support[0] < prior.support[1] <= broad.support[1]
    if prior.support[0] < 0:
        assert turned is None
        return
    assert broad.support[0] >= 0
    assert isinstance(turned, LogUniform | LogNormal) != log
    middle, own = float(turned.quantile(0.5)), float(prior.quantile(0.5))
    if isinstance(prior, Normal | LogNormal):  # what is cut below zero pushes it up
        assert own * (1 - 1e-6) <= middle < own * (1 + 1e-6 if isinstance(prior, Normal) else 1.4)
    elif prior.low > 0:
        assert turned.support == prior.support


def test_alternatives_can_be_declared_and_are_left_out_where_nothing_changes() -> None:
    posterior = toy()
    for one in alternatives_of(posterior):
        study = one.study(posterior.study)
        assert {name: study.parameters[name].prior for name in one.priors} == dict(one.priors)
        assert study.parameters["lambda_phi"] == posterior.study.parameters["lambda_phi"]
    assert "lambda_J: uniform 0.001 to 1000" in alternatives_of(posterior)[1].describe()
    fixed = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"), Fixed(1.0))
    assert [one.name for one in alternatives_of(posterior_from({"a1": np.ones(SHAPE)}, **fixed))] == ["wider"]


@pytest.mark.slow  # three real runs
@pytest.mark.parametrize("d", [(0.8, 1.5, 2.5, 4.0), (1.0, 3.0)], ids=["four", "two"])
def test_weights_agree_with_runs_that_declare_the_other_prior(d: tuple[float, ...]) -> None:
    """Shares below the weighted 5, 50 and 95 % quantiles, within 4.5 joint errors; and there are shifts to be seen.

    One study leaves λ_sf^F half open, and one of two thicknesses leans on priors.
    """
    lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_N"), LogNormal(2.0, 3.0))
    study = simulated(d, noise=0.02, lambda_sf_F=LogNormal(10.0, 2.0), **lengths)
    posterior = mtjfit.sample(study.replace(sampling=Sampling(seed=3, target_ess=2000)), progress=False)
    found = sensitivity(posterior)
    assert len(alternatives_of(posterior)) == 2
    seen = 0.0
    for one in alternatives_of(posterior):
        again = mtjfit.sample(one.study(posterior.study), seed=4, progress=False)
        assert again.verdict.converged
        for _, row in found[found["prior"] == one.name].iterrows():
            assert row["reliable"]
            x, y = (each.draws[row["parameter"]].to_numpy() for each in (again, posterior))
            n = again.summary().loc[row["parameter"], "ess"]
            for q in Q:
                w = float(row[f"q{100 * q:02.0f}"])
                below = float(np.mean(x <= w))
                error = np.sqrt(q * (1 - q) * (1 / n + 1 / row["n_effective"]))
                assert abs(below - q) < 4.5 * error + 0.005, (one.name, row["parameter"], q)
            seen = max(seen, abs(float(np.median(x) - np.median(y))) / float(y.std()))
    assert seen > 0.2
