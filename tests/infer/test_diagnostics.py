"""ESS and R-hat against ArviZ, and against processes whose autocorrelation is known."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from mtjfit.infer import Chains, ess, ess_bulk, judge
from mtjfit.infer.convergence.diagnostics import (
    autocorrelation_time,
    ess_tail,
    longest_standstill,
    nested_r_hat,
    normal_scores,
    r_hat,
    rank_normalised,
    split_r_hat,
    split_superchain_r_hat,
)

SHAPES = [(4, 1000), (4, 1001), (1, 400), (7, 123), (2, 9), (3, 8), (5, 31)]


def ar1(rho: float, m: int, n: int, seed: int = 0) -> np.ndarray:
    """Stationary AR(1) chains with unit variance: τ = (1 + ρ)/(1 − ρ)."""
    rng = np.random.default_rng(seed)
    x = np.empty((m, n))
    x[:, 0] = rng.standard_normal(m)
    for t in range(1, n):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(m)
    return x


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
        else:  # ArviZ wants two chains: its plain R-hat gets the halves
            half = np.stack([x[0, : shape[1] // 2], x[0, -(shape[1] // 2) :]])
            scores = [rank_normalised(each) for each in (half, np.abs(half - np.median(half)))]
            expected = [array_stats.rhat(each, method="identity") for each in scores]
            assert r_hat(x) == pytest.approx(max(expected), rel=1e-9), kind


@pytest.mark.parametrize("shape", [(4, 6, 200), (4, 6, 201), (3, 4, 41), (2, 1, 50)])
def test_nested_r_hat_is_that_of_arviz(shape: tuple[int, int, int]) -> None:
    superchains, walkers, n = shape
    rng, ids = np.random.default_rng(n), np.repeat(np.arange(superchains), walkers)
    for by in (0.0, 0.1, 1.0):
        x = ar1(0.7, ids.size, n, seed=n).reshape(shape) + by * rng.standard_normal((superchains, 1, 1))
        flat = x.reshape(-1, n)
        rank = array_stats.rhat_nested(flat, ids, method="rank")
        assert nested_r_hat(x) == pytest.approx(rank, rel=1e-9)
        plain = array_stats.rhat_nested(flat, ids, method="split")
        assert split_superchain_r_hat(x) == pytest.approx(plain, rel=1e-9)


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


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.97])
def test_ar1_has_the_known_time(rho: float) -> None:
    """The estimate scatters by about √(2 · 6τ/(m n)) for a window of 3 τ: 5 sd, false-alarm rate below 1e-5."""
    tau = (1 + rho) / (1 - rho)
    m, n = 20, 5000
    assert autocorrelation_time(ar1(rho, m, n)) == pytest.approx(tau, rel=5 * np.sqrt(12 * tau / (m * n)))


def test_the_variance_of_the_mean_is_what_ess_says() -> None:
    """300 means of AR(1) sets scatter as variance/ESS: χ² with 299 degrees within its central 99.9 %."""
    sets = ar1(0.8, 300 * 4, 500, seed=5).reshape(300, 4, 500)
    predicted = 1 / np.mean([ess(one) for one in sets])
    means = sets.mean(axis=(1, 2))
    assert 5e-4 < stats.chi2.cdf(299 * np.var(means, ddof=1) / predicted, 299) < 1 - 5e-4


def test_antithetic_chains_have_more_effective_draws_than_draws() -> None:
    """ρ = −0.5: τ = 1/3; and the gain is capped at log10 of the number of draws."""
    chains = ar1(-0.5, 10, 4000)
    assert ess(chains) == pytest.approx(3 * chains.size, rel=0.1)
    alternating = np.tile([1.0, -1.0], (4, 500))
    assert ess(alternating) == pytest.approx(4000 * np.log10(4000), rel=1e-9)


def test_constants_and_nan() -> None:
    flat = np.ones((4, 100))
    assert ess(flat) == 1.0
    assert r_hat(flat) == 1.0
    assert autocorrelation_time(flat) == 400.0
    apart = flat * np.arange(4)[:, None]
    assert ess(apart) < 5  # four values, whatever the length
    assert r_hat(apart) > 2
    one_stuck = np.random.default_rng(0).standard_normal((4, 100))
    one_stuck[2] = 0.0
    for bad in (np.nan, np.inf):
        broken = one_stuck.copy()
        broken[1, 7] = bad
        assert np.isnan(ess(broken))
        assert np.isnan(r_hat(broken))
        assert np.isnan(autocorrelation_time(broken))
    assert np.isnan(ess(np.ones((4, 3))))


def test_nested_r_hat_squared_less_one_is_the_inverse_ess_of_an_ensemble() -> None:
    """B/W of K stationary ensembles is χ²/(K − 1) over the effective draws in each: mean over 200 sets, 4 sd."""
    K, M, n, rho = 4, 10, 200, 0.6
    sets = ar1(rho, 200 * K * M, n, seed=3).reshape(200, K, M, n)
    excess = np.array([split_superchain_r_hat(one) ** 2 - 1 for one in sets])
    expected = (1 + rho) / (1 - rho) / (M * n)
    assert np.mean(excess) == pytest.approx(expected, rel=4 * np.sqrt(2 / (K - 1) / 200))
    assert stats.kstest(excess * (K - 1) / expected, stats.chi2(K - 1).cdf).pvalue > 1e-3


def test_nested_r_hat_sees_what_superchains_do_not_share() -> None:
    """Walkers that disagree inside every ensemble alike are no evidence; ensembles that disagree are, also in width."""
    good = np.random.default_rng(0).standard_normal((4, 8, 500))
    assert nested_r_hat(good + 5.0 * np.arange(8)[:, None]) < 1.001
    assert nested_r_hat(good + 0.5 * np.arange(4)[:, None, None]) > 1.05
    assert nested_r_hat(good * np.array([1.0, 1.0, 1.0, 2.0])[:, None, None]) > 1.02
    flat = np.ones((4, 3, 10))
    assert nested_r_hat(flat) == 1.0
    assert split_superchain_r_hat(flat * np.arange(4)[:, None, None]) == np.inf
    assert nested_r_hat(flat * np.arange(4)[:, None, None]) > 1e6
    broken = good.copy()
    broken[1, 2, 3] = np.nan
    assert np.isnan(nested_r_hat(broken))
    assert all(np.isnan(scores).all() for scores in normal_scores(broken))


def test_the_longest_standstill_equals_counting() -> None:
    moved = np.random.default_rng(1).random((30, 40)) < np.linspace(0.0, 1.0, 30)[:, None]
    runs = [[len(list(same)) for move, same in groupby(row) if not move] for row in moved]
    expected = [max(run, default=0) for run in runs]
    np.testing.assert_array_equal(longest_standstill(moved), expected)
    assert longest_standstill(moved[:, :0]).tolist() == [0] * 30
