"""Effective sample size and R-hat, rank-normalised, of parallel chains.

Vehtari, Gelman, Simpson, Carpenter, Bürkner, Bayesian Analysis 16, 667 (2021), and for nested R-hat Margossian et al.,
arXiv:2110.13017 (2022). Every chain is split into halves, which count as separate chains, so that a common drift shows;
the middle one of an odd number of draws is left out. The tests compare the numbers with ArviZ. `chains` have the shape
(n_chains, n_draws) unless stated otherwise.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import next_fast_len
from scipy.special import ndtri
from scipy.stats import rankdata

from mtjfit.arrays import FloatArray

MAX_DRAWS = 10_000
"""Draws that are kept of a run; more would not be more precise."""


def thinning(n: int, most: int = MAX_DRAWS) -> int:
    """Smallest step with which at most `most` of n draws are kept."""
    return max(1, -(-n // most))


def rank_normalised(chains: FloatArray) -> FloatArray:
    """Normal scores of the ranks among all draws, same shape (ties share their rank)."""
    ranks = rankdata(chains, method="average").reshape(chains.shape)
    return np.asarray(ndtri((ranks - 0.375) / (chains.size + 0.25)))


def normal_scores(chains: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Normal scores of the draws (location) and of their distances from the median (scale).

    Each has the shape of `chains`, of any dimension; all NaN if a draw is not finite.
    """
    if not np.all(np.isfinite(chains)):
        nothing = np.full(chains.shape, np.nan)
        return nothing, nothing
    return rank_normalised(chains), rank_normalised(np.abs(chains - np.median(chains)))


def _autocovariance(chains: FloatArray) -> FloatArray:
    n = chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    size = next_fast_len(2 * n, real=True)
    spectrum = np.fft.rfft(centred, size, axis=1)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, size, axis=1)[:, :n] / n)


def _ess_of_whole(chains: FloatArray) -> float:
    """Effective number of draws of the mean of chains that are not split, with Geyer's initial monotone sequence.

    The first pair of autocorrelations whose sum is not positive ends the sequence; the first of that pair counts once
    if it is positive (as in Stan), as an estimate of the rest.
    """
    m, n = chains.shape
    if n < 2 or not np.all(np.isfinite(chains)):
        return float("nan")
    covariance = _autocovariance(chains)
    within = float(np.mean(covariance[:, 0])) * n / (n - 1)
    between = float(np.var(chains.mean(axis=1), ddof=1)) if m > 1 else 0.0
    variance = within * (n - 1) / n + between
    if variance <= 0:
        return 1.0
    rho = 1 - (within - np.mean(covariance, axis=0)) / variance
    rho[0] = 1.0
    pairs = rho[: 2 * max(1, (n - 1) // 2)].reshape(-1, 2).sum(axis=1)
    ended = np.flatnonzero(pairs <= 0)
    last = int(ended[0]) if ended.size else pairs.size - 1
    rest = float(rho[2 * last])
    if pairs[last] < 0:
        rest = max(rest, 0.0)
    tau = 2 * float(np.minimum.accumulate(pairs)[:last].sum()) - 1 + rest
    return float(m * n / max(tau, 1 / np.log10(m * n)))


def halves(chains: FloatArray) -> FloatArray:
    """Both halves of each chain as separate chains, shape (2 n_chains, n_draws // 2), all first halves first."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, chains.shape[1] - half :]])


def ess(chains: FloatArray) -> float:
    """Effective number of independent draws of the mean of split chains.

    Differences between the chains, and between their halves, count as correlation. NaN if a chain is not finite or has
    fewer than four draws; 1 if all draws are equal.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4, 2000))
    >>> bool(7000 < ess(x) < 9000)
    True
    >>> bool(ess(x + np.linspace(0.0, 1.0, 2000)) < 200)
    True
    """
    return _ess_of_whole(halves(chains)) if chains.shape[1] >= 4 else float("nan")


def autocorrelation_time(chains: FloatArray) -> float:
    """Autocorrelation time τ in steps, of chains that are not split; NaN for chains that are not finite."""
    return float(chains.size / _ess_of_whole(chains)) if chains.shape[1] >= 4 else float("nan")


def ess_bulk(chains: FloatArray) -> float:
    """ESS of the rank-normalised draws of split chains: the precision of the centre."""
    if not np.all(np.isfinite(chains)) or chains.shape[1] < 4:
        return float("nan")
    return _ess_of_whole(rank_normalised(halves(chains)))


def ess_tail(chains: FloatArray) -> float:
    """Smaller ESS of the indicators of the 5 % and 95 % quantiles: the precision of the interval."""
    if not np.all(np.isfinite(chains)):
        return float("nan")
    quantiles = np.quantile(chains, [0.05, 0.95])
    return min(ess((chains <= q).astype(float)) for q in quantiles)


def split_r_hat(chains: FloatArray) -> float:
    """Split R-hat of draws that are not rank-normalised."""
    split = halves(chains)
    half = split.shape[1]
    within = float(np.mean(np.var(split, axis=1, ddof=1)))
    between = half * float(np.var(split.mean(axis=1), ddof=1))
    if within == 0:
        return 1.0 if between == 0 else float("inf")
    return float(np.sqrt(((half - 1) * within + between) / (half * within)))


def r_hat(chains: FloatArray) -> float:
    """Rank-normalised split R-hat, the larger of that for location and that for scale.

    Use one chain for each independent ensemble (its walkers in turn in each step): the walkers of an ensemble depend on
    each other.
    """
    return max(split_r_hat(scores) for scores in normal_scores(even_steps(chains)))


def even_steps(chains: FloatArray) -> FloatArray:
    """Draws along the last axis without the middle one of an odd number, which belongs to neither half."""
    n = chains.shape[-1]
    return np.delete(chains, n // 2, axis=-1) if n % 2 else chains


def split_superchain_r_hat(chains: FloatArray) -> float:
    """Nested R-hat, as in `nested_r_hat`, of draws that are not rank-normalised."""
    chains = np.stack([halves(each) for each in chains])
    means = chains.mean(axis=2)
    within = float(np.mean(np.var(means, axis=1, ddof=1) + np.var(chains, axis=2, ddof=1).mean(axis=1)))
    between = float(np.var(means.mean(axis=1), ddof=1))
    if within == 0:
        return 1.0 if between == 0 else float("inf")
    return float(np.sqrt(1 + between / within))


def nested_r_hat(chains: FloatArray) -> float:
    """Rank-normalised nested R-hat of (n_superchains, n_chains, n_draws), the larger of those for location and scale.

    √(1 + B/W), where B is the variance between the means of superchains, and W the mean over superchains of the
    variance between and within their split chains (Margossian et al. 2022). A superchain is an ensemble, its chains are
    the walkers. Only independent starts can disagree, so only the number of superchains is evidence; many walkers make
    the mean of each precise. For independent stationary ensembles B/W is about one over the effective number of draws
    in one of them. NaN if a draw is not finite.
    """
    return max(split_superchain_r_hat(scores) for scores in normal_scores(even_steps(chains)))


def longest_standstill(moved: FloatArray) -> FloatArray:
    """Longest run of steps without a move, shape (n_chains,), of bools of shape (n_chains, n_steps)."""
    steps = np.arange(1, moved.shape[1] + 1)
    last_move = np.maximum.accumulate(np.where(moved, steps, 0), axis=1)
    return np.asarray(np.max(steps - last_move, axis=1, initial=0))
