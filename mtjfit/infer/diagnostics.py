"""Effective sample size and R-hat, rank-normalised, of parallel chains.

After Vehtari, Gelman, Simpson, Carpenter, Bürkner, Bayesian Analysis 16, 667 (2021). `chains` have the shape
(n_chains, n_draws) throughout.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import next_fast_len
from scipy.special import ndtri
from scipy.stats import rankdata

from mtjfit.data import FloatArray

__all__ = ["autocorrelation_time", "ess", "ess_bulk", "ess_tail", "r_hat", "rank_normalised"]


def rank_normalised(chains: FloatArray) -> FloatArray:
    """Normal scores of the ranks among all draws (ties share their rank)."""
    ranks = rankdata(chains, method="average").reshape(chains.shape)
    return np.asarray(ndtri((ranks - 0.375) / (chains.size + 0.25)))


def _autocovariance(chains: FloatArray) -> FloatArray:
    n = chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    size = next_fast_len(2 * n, real=True)
    spectrum = np.fft.rfft(centred, size, axis=1)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, size, axis=1)[:, :n] / n)


def ess(chains: FloatArray) -> float:
    """Effective number of independent draws of the mean, with Geyer's initial monotone sequence.

    Differences between the chains count as correlation, so chains that do not mix have few effective draws.
    NaN if a chain is not finite; 1 for draws that are all equal.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4, 2000))
    >>> bool(7000 < ess(x) < 9000)
    True
    """
    m, n = chains.shape
    if n < 4 or not np.all(np.isfinite(chains)):
        return float("nan")
    covariance = _autocovariance(chains)
    within = float(np.mean(covariance[:, 0])) * n / (n - 1)
    between = float(np.var(chains.mean(axis=1), ddof=1)) if m > 1 else 0.0
    variance = within * (n - 1) / n + between
    if variance <= 0:
        return 1.0
    rho = 1 - (within - np.mean(covariance, axis=0)) / variance
    rho[0] = 1.0
    pairs = rho[: n - n % 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if negative.size else pairs.size])
    tau = max(2 * float(pairs.sum()) - 1, 1 / np.log10(m * n))
    return float(m * n / tau)


def autocorrelation_time(chains: FloatArray) -> float:
    """Steps between independent draws, τ = n_chains · n_draws / ESS; NaN for chains that are not finite."""
    return float(chains.size / ess(chains))


def ess_bulk(chains: FloatArray) -> float:
    """ESS of the rank-normalised draws: how well the centre is known."""
    return ess(rank_normalised(chains))


def ess_tail(chains: FloatArray) -> float:
    """Smaller ESS of the indicators of the 5 % and 95 % quantiles: how well the interval is known."""
    quantiles = np.quantile(chains, [0.05, 0.95])
    return min(ess((chains <= q).astype(float)) for q in quantiles)


def _r_hat(chains: FloatArray) -> float:
    n = chains.shape[1]
    within = float(np.mean(np.var(chains, axis=1, ddof=1)))
    between = n * float(np.var(chains.mean(axis=1), ddof=1))
    if within == 0:
        return 1.0 if between == 0 else float("inf")
    return float(np.sqrt(((n - 1) * within + between) / (n * within)))


def r_hat(chains: FloatArray) -> float:
    """Rank-normalised split R-hat, the larger of that for location and that for scale.

    Give it one chain for each independent ensemble (its walkers one after the other in each step): inside an
    ensemble walkers depend on each other and prove nothing.
    """
    if not np.all(np.isfinite(chains)):
        return float("nan")
    half = chains.shape[1] // 2
    split = np.concatenate([chains[:, :half], chains[:, -half:]])
    folded = np.abs(split - np.median(split))
    return max(_r_hat(rank_normalised(split)), _r_hat(rank_normalised(folded)))
