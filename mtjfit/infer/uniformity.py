"""Are ranks uniform? Two tests, what departures mean, and what the tests could not have seen.

Ranks r of n truths among L draws each are 0 … L, all equally likely if draws and truth come from the same distribution
(Talts et al., arXiv:1804.06788). The χ² test of their histogram sees any local excess; the simultaneous band of their
distribution function (Säilynoja, Bürkner and Vehtari, Stat. Comput. 32, 32, 2022) sees broad shifts with fewer ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from mtjfit.data import FloatArray

__all__ = ["EcdfTest", "chi2_p", "detectable_width", "n_bins", "shape_of"]

_EXPECTED = 10  # ranks in a bin: χ² is then right to a fifth at p = 3e-4
_CLEAR = 3.0  # standard errors from which a shape is given a name
_SEEN = 0.9


def n_bins(n: int, n_draws: int) -> int:
    """Largest number of equal bins, up to 20, of the n_draws + 1 possible ranks that expect 10 ranks or more each.

    Examples
    --------
    >>> n_bins(300, 99), n_bins(100, 99)
    (20, 10)
    """
    fits = [k for k in range(2, 21) if (n_draws + 1) % k == 0 and n >= _EXPECTED * k]
    return max(fits, default=2 if (n_draws + 1) % 2 == 0 else 1)


def chi2_p(ranks: Sequence[int] | np.ndarray, n_draws: int) -> float:
    """p-value of the χ² test of the histogram of ranks, 0 … n_draws.

    Examples
    --------
    >>> chi2_p(np.arange(100), 99)
    1.0
    """
    ranks = np.asarray(ranks)
    bins = n_bins(ranks.size, n_draws)
    counts = np.bincount(ranks.astype(int) * bins // (n_draws + 1), minlength=bins)
    return float(stats.chisquare(counts).pvalue) if bins > 1 else 1.0


@dataclass(frozen=True)
class EcdfTest:
    """The simultaneous test of the distribution function of n ranks 0 … n_draws.

    At z_i = i/(n_draws + 1), i = 1 … n_draws, the number of ranks below i is binomial (n, z_i). The statistic is the
    smallest of the two-sided binomial p-values; its own distribution is computed exactly, by going through all counts
    from each z_i to the next, which are Poisson steps conditioned on their total.

    Examples
    --------
    >>> test = EcdfTest(n=300, n_draws=99)
    >>> ranks = np.random.default_rng(0).integers(0, 100, 300)
    >>> test.p_value(ranks) > 0.05, test.p_value(ranks // 2) < 1e-9
    (True, True)
    """

    n: int
    n_draws: int

    @property
    def z(self) -> FloatArray:
        """Where the distribution function is looked at, shape (n_draws,)."""
        return np.arange(1, self.n_draws + 1) / (self.n_draws + 1)

    @cached_property
    def _pointwise(self) -> FloatArray:
        """Two-sided p-value of every count, shape (n_draws, n + 1)."""
        counts, z = np.arange(self.n + 1), self.z[:, None]
        below, above = stats.binom.cdf(counts, self.n, z), stats.binom.sf(counts - 1, self.n, z)
        return np.asarray(np.minimum(1.0, 2 * np.minimum(below, above)))

    @cached_property
    def _step(self) -> FloatArray:
        mean = self.n / (self.n_draws + 1)
        weights = stats.poisson.pmf(np.arange(self.n + 1), mean)
        return np.asarray(weights[: int(np.flatnonzero(weights > 1e-40)[-1]) + 1])

    def _inside(self, gamma: float) -> float:
        """Probability that all pointwise p-values exceed gamma."""
        allowed = self._pointwise > gamma * (1 + 1e-9)  # both tails of the same p must count as equal
        weights = np.ones(1)
        for mask in (*allowed, np.ones(self.n + 1, dtype=bool)):
            weights = np.convolve(weights, self._step)[: self.n + 1]
            weights = weights * mask[: weights.size]
        total = weights[self.n] if weights.size > self.n else 0.0
        return float(min(total / stats.poisson.pmf(self.n, self.n), 1.0))

    def counts(self, ranks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Ranks below each of 1 … n_draws, shape (n_draws,)."""
        found = np.bincount(np.asarray(ranks).astype(int), minlength=self.n_draws + 1)
        return np.asarray(np.cumsum(found)[:-1])

    def p_value(self, ranks: Sequence[int] | np.ndarray) -> float:
        """Probability that uniform ranks stray as far somewhere; below 1e-10 only an upper bound of it."""
        gamma = float(self._pointwise[np.arange(self.n_draws), self.counts(ranks)].min())
        p = 1.0 - self._inside(gamma)
        return p if p > 1e-10 else min(self.n_draws * gamma, 1e-10)

    def band(self, coverage: float) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest share of ranks below each z, so that uniform ranks stay inside all with `coverage`."""
        low, high = np.log(1e-30), np.log(1.0)
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._inside(float(np.exp(middle))) >= coverage else (low, middle)
        allowed = self._pointwise > np.exp(low)
        return allowed.argmax(axis=1) / self.n, (self.n - allowed[:, ::-1].argmax(axis=1)) / self.n


def shape_of(ranks: Sequence[int] | np.ndarray, n_draws: int) -> str:
    """``"narrow"``, ``"wide"``, ``"low"``, ``"high"`` or ``"other"``: what the posterior is, from the ranks of truths.

    Examples
    --------
    >>> shape_of([0, 99] * 20, 99), shape_of([50] * 40, 99), shape_of([90, 99] * 20, 99)
    ('narrow', 'wide', 'low')
    """
    u = (np.asarray(ranks) + 0.5) / (n_draws + 1)
    shift = (u.mean() - 0.5) * np.sqrt(12 * u.size)
    spread = (np.mean((u - 0.5) ** 2) - 1 / 12) * np.sqrt(180 * u.size)
    if max(abs(shift), abs(spread)) < _CLEAR:
        return "other"
    if abs(shift) > 0.5 * abs(spread):  # a posterior far off the truths also has them in its outer parts
        return "low" if shift > 0 else "high"
    return "narrow" if spread > 0 else "wide"


def detectable_width(n: int, n_draws: int, level: float) -> float:
    """Factor by which a normal posterior must be too narrow for the χ² test at `level` to see it nine times in ten.

    Examples
    --------
    >>> 1.3 < detectable_width(300, 99, 0.01 / 20) < 1.6
    True
    """
    bins = n_bins(n, n_draws)
    edges = stats.norm.ppf(np.linspace(0, 1, bins + 1))
    critical = stats.chi2.isf(level, bins - 1)

    def power(factor: float) -> float:
        shares = np.diff(stats.norm.cdf(edges / factor))
        away = n * bins * float(np.sum((shares - 1 / bins) ** 2))
        return float(stats.ncx2.sf(critical, bins - 1, away)) if away > 0 else level

    low, high = 1.0, 1e3
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if power(middle) < _SEEN else (low, middle)
    return high
