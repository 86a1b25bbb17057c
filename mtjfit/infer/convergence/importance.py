"""Importance sampling with Pareto-smoothed weights.

Vehtari, Simpson, Gelman, Yao, Gabry, arXiv:1507.02646, JMLR 25, 72 (2024): the upper tail of the weights is replaced by
the expected order statistics of a generalised Pareto distribution fitted to it. Its shape k̂ tells whether the result
is reliable: moments of the weights above the order 1/k̂ do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.infer.ensembles.jumps import Jump, TargetDensity

_PRIOR_DRAWS = 10.0  # weight of the prior k = 1/2 of Vehtari et al. (2024), in draws of the tail
_GRID = 30  # nodes of Zhang and Stephens (2009), besides the square root of the number of draws
_NO_SHAPE = 1e-9  # below it the Pareto distribution is the exponential one
_LARGEST_EXPONENT = 700.0  # exp of more overflows
_MIN_TAIL = 5  # with fewer there is no tail to fit


def pareto_fit(excess: FloatArray) -> tuple[float, float]:
    """Shape k and scale σ of a Pareto distribution, density (1 + k y/σ)^(−1/k − 1)/σ, fitted to five or more draws y.

    Zhang and Stephens, Technometrics 51, 316 (2009): with θ = −k/σ the likelihood at fixed θ is largest at
    k = mean ln(1 − θ y). θ is averaged with the profile likelihood over a prior set by the largest draw and the first
    quartile; k is then shrunk towards 1/2 with the weight of ten draws.
    """
    y = np.sort(excess)
    n = y.size
    m = _GRID + int(np.sqrt(n))
    quartile = y[int(n / 4 + 0.5) - 1]
    theta = 1 / y[-1] + (1 - np.sqrt(m / (np.arange(m) + 0.5))) / (3 * quartile)
    k = np.mean(np.log1p(-theta[:, None] * y), axis=1)
    log_likelihood = n * (np.log(-theta / k) - k - 1)
    weights = np.exp(log_likelihood - log_likelihood.max())
    mean = float(weights @ theta / weights.sum())
    shape = float(np.mean(np.log1p(-mean * y)))
    sigma = -shape / mean
    return (n * shape + 0.5 * _PRIOR_DRAWS) / (n + _PRIOR_DRAWS), sigma


def smoothed(log_weights: FloatArray) -> tuple[FloatArray, float]:
    """Pareto-smoothed weights, shape (n,), in units of the largest raw weight, and k̂.

    From ln(posterior / proposal) up to a constant, −∞ where the posterior vanishes. The largest min(n/5, 3√n) weights
    are replaced, in their order, by quantiles of the Pareto distribution fitted to them, none above the largest raw
    weight (Vehtari et al. 2024). k̂ is −∞ for weights that are all equal, ∞ if too few differ from zero to fit a tail.

    >>> weights, k_hat = smoothed(-0.5 * np.log(np.random.default_rng(0).random(10_000)))  # u^(−1/2): no variance
    >>> bool(0.4 < k_hat < 0.6)
    True
    """
    top = float(np.max(log_weights))
    if not np.isfinite(top):
        return np.zeros(log_weights.shape), float("inf")
    weights = np.exp(log_weights - top)
    n_tail = int(np.ceil(min(0.2 * weights.size, 3 * np.sqrt(weights.size))))
    order = np.argsort(weights)
    tail, cut = order[-n_tail:], float(weights[order[-n_tail - 1]])
    if cut > 1 - 1e-12:
        return weights, float("-inf")
    excess = weights[tail] - cut
    if n_tail < _MIN_TAIL or excess[n_tail // 4 - 1] <= 0:
        return weights, float("inf")
    k, sigma = pareto_fit(excess)
    exponential = -np.log1p(-(np.arange(n_tail) + 0.5) / n_tail)
    quantiles = exponential if abs(k) < _NO_SHAPE else np.expm1(np.minimum(k * exponential, _LARGEST_EXPONENT)) / k
    weights[tail] = np.minimum(cut + sigma * quantiles, 1.0)
    return weights, k


def reliable_k_hat(n: int) -> float:
    """Largest k̂ at which `n` smoothed weights may be trusted, min(1 − 1/log₁₀ n, 0.7) (Vehtari et al. 2024)."""
    return float(min(1 - 1 / np.log10(n), 0.7))


@dataclass(frozen=True)
class Weighted(ShownAsCard):
    """n weighted draws from a posterior; the mean of exp(`log_ratio`) is its evidence."""

    x: FloatArray  # shape (n, size)
    log_ratio: FloatArray  # ln(prior · likelihood / normalised proposal), shape (n,)
    weights: FloatArray  # exp(log_ratio), Pareto-smoothed, in units of its largest value, shape (n,)
    k_hat: float
    log_posterior: FloatArray  # ln(prior · likelihood), shape (n,)

    @property
    def reliable(self) -> bool:
        """True if k̂ is small enough for this number of draws."""
        return self.k_hat <= reliable_k_hat(self.weights.size)

    @property
    def n_effective(self) -> float:
        """(Σ w)² / Σ w²."""
        return float(self.weights.sum() ** 2 / np.sum(self.weights**2))


def importance_sample(target: TargetDensity, jump: Jump, n: int, rng: np.random.Generator) -> Weighted:
    """`n` new draws, a hundred or more, from a proposal, weighted to the posterior."""
    x, log_q = jump.drawn(n, rng)
    log_posterior = target.log_posterior(x)
    log_ratio = log_posterior - log_q
    weights, k_hat = smoothed(log_ratio)
    return Weighted(x, log_ratio, weights, k_hat, log_posterior)
