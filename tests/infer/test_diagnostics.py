"""ESS and R-hat against processes whose autocorrelation is known and against slow, plain code."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from scipy import stats

from mtjfit.infer.convergence.diagnostics import (
    autocorrelation_time,
    ess,
    ess_bulk,
    ess_tail,
    longest_standstill,
    nested_r_hat,
    normal_scores,
    r_hat,
    rank_normalised,
    superchain_r_hat,
)


def ar1(rho: float, m: int, n: int, seed: int = 0) -> np.ndarray:
    """Stationary AR(1) chains with unit variance: τ = (1 + ρ)/(1 − ρ)."""
    rng = np.random.default_rng(seed)
    x = np.empty((m, n))
    x[:, 0] = rng.standard_normal(m)
    for t in range(1, n):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(m)
    return x


def plain_halves(chains: np.ndarray) -> np.ndarray:
    half = chains.shape[1] // 2
    return np.array([c[:half] for c in chains] + [c[-half:] for c in chains])


def plain_ess(chains: np.ndarray) -> float:
    """Geyer's initial monotone sequence with explicit sums, after Vehtari et al. (2021), section 3.2, and Stan.

    The last pair that is looked at, at most the one before the end, gives only its first term, once.
    """
    m, n = chains.shape
    means = [float(np.mean(c)) for c in chains]
    each = list(zip(chains, means, strict=True))
    covariance = [
        np.mean([sum((c[i] - mu) * (c[i + t] - mu) for i in range(n - t)) / n for c, mu in each]) for t in range(n)
    ]
    W = covariance[0] * n / (n - 1)
    variance = W * (n - 1) / n + (np.var(means, ddof=1) if m > 1 else 0.0)
    rho = [1.0] + [1 - (W - covariance[t]) / variance for t in range(1, n)]
    total, previous, t = 0.0, np.inf, 0
    while rho[t] + rho[t + 1] > 0 and t + 3 < n - 1 + n % 2:
        previous = min(previous, rho[t] + rho[t + 1])
        total += previous
        t += 2
    rest = rho[t] if rho[t] + rho[t + 1] >= 0 else max(rho[t], 0.0)
    return m * n / max(2 * total - 1 + rest, 1 / np.log10(m * n))


def plain_r_hat(chains: np.ndarray) -> float:
    """Rank-normalised split R-hat with explicit loops, the larger of location and scale."""

    def score(x: np.ndarray) -> np.ndarray:
        flat = x.ravel()
        ranks = np.array([np.sum(flat < v) + (np.sum(flat == v) + 1) / 2 for v in flat])
        return stats.norm.ppf((ranks - 3 / 8) / (flat.size + 1 / 4)).reshape(x.shape)

    def basic(x: np.ndarray) -> float:
        n = x.shape[1]
        B, W = n * np.var(x.mean(axis=1), ddof=1), np.mean([np.var(c, ddof=1) for c in x])
        return float(np.sqrt(((n - 1) / n * W + B / n) / W))

    half = chains.shape[1] // 2
    split = np.array([part for c in chains for part in (c[:half], c[-half:])])
    return max(basic(score(split)), basic(score(np.abs(split - np.median(split)))))


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


@pytest.mark.parametrize(("rho", "m", "n"), [(0.0, 4, 50), (0.6, 3, 81), (0.9, 1, 120), (-0.6, 4, 60), (0.99, 5, 40)])
def test_ess_and_r_hat_equal_plain_code(rho: float, m: int, n: int) -> None:
    chains = ar1(rho, m, n, seed=1)
    split = plain_halves(chains)
    assert ess(chains) == pytest.approx(plain_ess(split), rel=1e-9)
    assert autocorrelation_time(chains) == pytest.approx(chains.size / plain_ess(chains), rel=1e-9)
    assert r_hat(chains) == pytest.approx(plain_r_hat(chains), rel=1e-9)
    assert ess_bulk(chains) == pytest.approx(plain_ess(rank_normalised(split)), rel=1e-9)
    flags = [plain_halves(chains <= q).astype(float) for q in np.quantile(chains, [0.05, 0.95])]
    assert ess_tail(chains) == pytest.approx(min(plain_ess(each) for each in flags), rel=1e-9)


def test_antithetic_chains_have_more_effective_draws_than_draws() -> None:
    """ρ = −0.5: τ = 1/3; and the gain is capped at log10 of the number of draws."""
    chains = ar1(-0.5, 10, 4000)
    assert ess(chains) == pytest.approx(3 * chains.size, rel=0.1)
    alternating = np.tile([1.0, -1.0], (4, 500))
    assert ess(alternating) == pytest.approx(4000 * np.log10(4000), rel=1e-9)


def test_r_hat_of_good_chains_is_one_and_of_bad_ones_is_not() -> None:
    """sd of R-hat − 1 for 4 good chains of 2000 is below 1e-3; the bad ones are off by tens of that."""
    rng = np.random.default_rng(0)
    good = rng.standard_normal((4, 2000))
    assert 0.999 < r_hat(good) < 1.005
    assert r_hat(good + np.array([0.0, 0.0, 0.0, 1.0])[:, None]) > 1.05  # one elsewhere
    assert r_hat(good * np.array([1.0, 1.0, 1.0, 3.0])[:, None]) > 1.05  # one wider: only the folded part sees it
    assert r_hat(good + np.linspace(0.0, 2.0, 2000)) > 1.05  # all drift alike: only the halves see it
    assert r_hat(stats.cauchy.rvs(size=(4, 2000), random_state=1)) < 1.01  # no moments needed


def test_chains_that_do_not_mix_have_few_effective_draws() -> None:
    chains = np.random.default_rng(0).standard_normal((4, 1000)) + 10.0 * np.arange(4)[:, None]
    assert ess(chains) < 10


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


def test_ties_share_a_rank_and_ranks_become_normal() -> None:
    scores = rank_normalised(np.array([[3.0, 1.0], [1.0, 2.0]]))
    assert scores[0, 1] == scores[1, 0] < scores[1, 1] < scores[0, 0]
    z = rank_normalised(np.random.default_rng(0).exponential(size=(4, 500)))
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.99


def plain_nested(x: np.ndarray) -> float:
    """Nested R-hat with explicit loops, after the definitions of Margossian et al. (2022), section 3."""
    K, M, N = x.shape
    of_chains = [[sum(x[k, m]) / N for m in range(M)] for k in range(K)]
    of_superchains = [sum(of_chains[k]) / M for k in range(K)]
    grand = sum(of_superchains) / K
    B = sum((mean - grand) ** 2 for mean in of_superchains) / (K - 1)
    W = 0.0
    for k in range(K):
        between = sum((mean - of_superchains[k]) ** 2 for mean in of_chains[k]) / (M - 1) if M > 1 else 0.0
        within = sum(sum((v - of_chains[k][m]) ** 2 for v in x[k, m]) / (N - 1) for m in range(M)) / M
        W += (between + within) / K
    return float(np.sqrt(1 + B / W))


@pytest.mark.parametrize(("rho", "shape"), [(0.0, (4, 5, 30)), (0.8, (3, 4, 41)), (0.5, (2, 1, 50))])
def test_nested_r_hat_equals_plain_code(rho: float, shape: tuple[int, int, int]) -> None:
    x = ar1(rho, shape[0] * shape[1], shape[2], seed=2).reshape(shape) + 0.3 * np.arange(shape[0])[:, None, None]
    assert superchain_r_hat(x) == pytest.approx(plain_nested(x), rel=1e-12)
    split = np.array([plain_halves(each) for each in x])
    folded = rank_normalised(np.abs(split - np.median(split)))
    expected = max(plain_nested(rank_normalised(split)), plain_nested(folded))
    assert nested_r_hat(x) == pytest.approx(expected, rel=1e-12)


def test_nested_r_hat_squared_less_one_is_the_inverse_ess_of_an_ensemble() -> None:
    """B/W of K stationary ensembles is χ²/(K − 1) over the effective draws in each: mean over 200 sets, 4 sd."""
    K, M, n, rho = 4, 10, 200, 0.6
    sets = ar1(rho, 200 * K * M, n, seed=3).reshape(200, K, M, n)
    excess = np.array([superchain_r_hat(one) ** 2 - 1 for one in sets])
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
    assert superchain_r_hat(flat * np.arange(4)[:, None, None]) == np.inf
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
