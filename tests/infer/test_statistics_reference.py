"""Every statistic that cites a paper, against the program of somebody else: ArviZ, scipy, or the definition itself."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats
from test_diagnostics import ar1

from mtjfit.infer import Chains
from mtjfit.infer.convergence.diagnostics import (
    autocorrelation_time,
    ess,
    ess_bulk,
    ess_tail,
    nested_r_hat,
    r_hat,
    split_r_hat,
    superchain_r_hat,
)
from mtjfit.infer.convergence.gate import judge
from mtjfit.infer.convergence.importance import smoothed

SHAPES = [(4, 1000), (4, 1001), (1, 400), (7, 123), (2, 9), (3, 8), (5, 31)]


def kinds(m: int, n: int) -> dict[str, np.ndarray]:
    """Draws of every kind that a sampler may leave."""
    rng = np.random.default_rng([m, n])
    white = rng.standard_normal((m, n))
    ramp = np.linspace(0.0, 1.0, n)
    return {
        "white": white,
        "slow": ar1(0.9, m, n, seed=1),
        "antithetic": ar1(-0.7, m, n, seed=2),
        "drift 1": white + ramp,
        "drift 2": white + 2 * ramp,
        "apart": white + np.arange(m)[:, None],
        "widths": white * (1 + np.arange(m))[:, None],
        "heavy": rng.standard_cauchy((m, n)),
        "ties": np.round(white, 1),
        "tiny": 1e-30 * white,
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_ess_and_r_hat_are_those_of_arviz(shape: tuple[int, int]) -> None:
    for kind, x in kinds(*shape).items():
        # ArviZ takes all draws for equal if they lie within 1e-15 of each other, whatever their unit
        reference = x * 1e30 if kind == "tiny" else x
        for ours, method in ((ess, "mean"), (ess_bulk, "bulk")):
            assert ours(x) == pytest.approx(array_stats.ess(reference, method=method), rel=1e-9), (kind, method)
        tail = array_stats.ess(reference, method="tail", prob=0.05)
        assert ess_tail(x) == pytest.approx(tail, rel=1e-9), kind
        whole = x.size / array_stats.ess(reference, method="identity")
        assert autocorrelation_time(x) == pytest.approx(whole, rel=1e-9), kind
        if shape[0] > 1:
            assert split_r_hat(x) == pytest.approx(array_stats.rhat(reference, method="split"), rel=1e-9), kind
            assert r_hat(x) == pytest.approx(array_stats.rhat(reference, method="rank"), rel=1e-9), kind


def test_a_common_drift_costs_effective_draws() -> None:
    """Four chains of 1000 independent draws that drift alike; chains that are not split do not see much of it."""
    x = np.random.default_rng(0).standard_normal((4, 1000))
    for by, most in ((1.0, 0.7), (2.0, 0.25)):
        drifting = x + np.linspace(0.0, by, 1000)
        assert ess_bulk(drifting) < most * ess_bulk(x)
        assert ess_tail(drifting) < ess_tail(x)


@pytest.mark.parametrize("n", [200, 201])
def test_nested_r_hat_is_that_of_arviz(n: int) -> None:
    rng, ids = np.random.default_rng(n), np.repeat(np.arange(4), 6)
    for by in (0.0, 0.1, 1.0):
        x = ar1(0.7, 24, n, seed=n).reshape(4, 6, n) + by * rng.standard_normal((4, 1, 1))
        flat = x.reshape(24, n)
        rank = array_stats.rhat_nested(flat, ids, method="rank")
        assert nested_r_hat(x) == pytest.approx(rank, rel=1e-9)
        whole = array_stats.rhat_nested(flat, ids, method="identity")
        assert superchain_r_hat(x) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("n", [200, 201])
def test_the_gate_uses_the_same_definitions(n: int) -> None:
    walk = ar1(0.8, 4 * 16, n, seed=5).reshape(4, 16, n) + 0.002 * np.arange(n)
    theta = walk.swapaxes(1, 2)[..., None]
    chains = Chains(("x",), theta, -0.5 * theta[..., 0] ** 2, np.ones((4, 16)))
    verdict = judge(chains, 2000.0)
    walkers = chains.parameter(0)
    assert verdict.ess == pytest.approx(array_stats.ess(walkers, method="bulk"), rel=1e-9)
    says = {check.name: check.says for check in verdict.checks}
    tail = array_stats.ess(walkers, method="tail", prob=0.05)
    assert f"smallest tail ESS {tail:.0f}," in says["ess_tail"]
    nested = array_stats.rhat_nested(walkers, np.repeat(np.arange(4), 16), method="rank")
    assert f"their walkers {nested:.4f}," in says["nested_r_hat"]
    if n % 2 == 0:  # of an odd number the gate leaves out the middle step of every walker
        assert verdict.r_hat == pytest.approx(array_stats.rhat(theta.reshape(4, -1), method="rank"), rel=1e-9)


@pytest.mark.parametrize("n", [400, 2500, 10_000])
@pytest.mark.parametrize("k", [-0.3, 0.2, 0.5, 0.9])
def test_pareto_smoothing_is_that_of_arviz(n: int, k: float) -> None:
    """3√n is whole here: where it is not, ArviZ rounds the length of the tail down and we up, as the paper does."""
    u = np.random.default_rng(n).random(n)
    log_weights = np.log(np.expm1(-k * np.log(u)) / k + 1.0)
    weights, k_hat = smoothed(log_weights)
    reference, reference_k = array_stats.psislw(-log_weights)
    assert k_hat == pytest.approx(float(reference_k), abs=1e-9)
    np.testing.assert_allclose(weights / weights.sum(), np.exp(reference), rtol=1e-9)


def test_leaving_one_out_is_that_of_arviz() -> None:
    """ln p(y | others) from weights 1/L of posterior draws, of a normal mean: against ArviZ and the exact answer."""
    rng, y = np.random.default_rng(3), np.random.default_rng(4).normal(0.3, 1.0, 12)
    draws = rng.normal(y.mean(), 1 / np.sqrt(y.size), 40_000)
    for j, value in enumerate(y):
        log_l = stats.norm.logpdf(value, draws, 1.0)
        weights, k_hat = smoothed(-log_l)
        ours = -(np.max(-log_l) + np.log(weights.mean()))
        elpd, reference_k, _ = array_stats.loo(log_l[None])
        others = np.delete(y, j)
        exact = stats.norm.logpdf(value, others.mean(), np.sqrt(1 + 1 / others.size))
        assert k_hat == pytest.approx(float(reference_k), abs=0.02)
        assert ours == pytest.approx(float(elpd), abs=0.01)
        assert ours == pytest.approx(exact, abs=0.02)
