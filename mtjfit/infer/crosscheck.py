"""A second opinion: quantiles of the draws against those of an independent importance sample.

The ensembles hand their draws on from step to step; the importance sample is drawn anew from the proposal and weighted
with the density, and no draw knows of another. What they share is the density, and where the proposal looks: a region
that neither the ensembles nor annealing ever found stays unknown to both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.infer.diagnostics import ess
from mtjfit.infer.gate import Chains, Check
from mtjfit.infer.importance import Weighted, importance_sample
from mtjfit.infer.proposal import Jump
from mtjfit.infer.starts import Target

__all__ = ["Difference", "cross_check", "differences"]

QUANTILES = (0.05, 0.5, 0.95)
MAX_ERRORS = 4.5  # 7e-6 for each comparison of normal statistics: 1e-4 for all of six coordinates
HEAVY_K_HAT = 0.5  # above it the weights have no variance, and errors come out too small
MIN_EFFECTIVE = 400  # twenty of them below a 5 % quantile; with fewer the share below it is not normal
_DRAWS = 4000
_NAME = "second method"


@dataclass(frozen=True)
class Difference:
    """One quantile of one coordinate, importance sample minus draws.

    Attributes
    ----------
    name : str
    quantile : float
        0.05, 0.5 or 0.95.
    in_sd : float
        Difference of the quantiles in standard deviations of the draws.
    in_errors : float
        Difference of the probabilities below the quantile of the draws, in units of their joint Monte-Carlo error.
    """

    name: str
    quantile: float
    in_sd: float
    in_errors: float


def differences(chains: Chains, weighted: Weighted) -> tuple[Difference, ...]:
    """All coordinates, quantiles 5, 50 and 95 %.

    At the quantile x of the draws the weighted draws have a share F below x. The variance of F is
    Σ w² (1[y ≤ x] − F)² with weights that sum to one; that of the draws is p (1 − p) over the effective number of
    exactly this indicator. Shares are compared, not quantiles, because their errors need no density.
    """
    weights = weighted.weights / weighted.weights.sum()
    found = []
    for k, name in enumerate(chains.names):
        walkers, other = chains.parameter(k), weighted.x[:, k]
        order = np.argsort(other)
        cumulated = np.cumsum(weights[order]) - 0.5 * weights[order]
        sd = float(np.std(walkers))
        for p in QUANTILES:
            x = float(np.quantile(walkers, p))
            below = walkers <= x
            there = other <= x
            share = float(weights[there].sum()) if np.isfinite(x) else float("nan")
            error = np.sqrt(p * (1 - p) / ess(below.astype(float)) + np.sum((weights * (there - share)) ** 2))
            in_sd = (float(np.interp(p, cumulated, other[order])) - x) / sd
            found.append(Difference(name, p, in_sd, (p - share) / float(error)))
    return tuple(found)


def cross_check(target: Target, chains: Chains, jump: Jump, rng: np.random.Generator, n: int = _DRAWS) -> Check:
    """Compare the draws with a new importance sample, for the verdict.

    Parameters
    ----------
    target : Target
    chains : Chains
        After warm-up.
    jump : Jump
        Proposal of the run. What it was fitted to does not matter: weights undo it.
    rng : numpy.random.Generator
        Of its own, so that the check does not change what the ensembles draw.
    n : int
        New draws; their cost is that of as many posteriors.

    Returns
    -------
    Check
        ``"second method"``: fails if a quantile differs by more than 4.5 joint errors, or by 9 where k̂ is above 1/2.
        Does not fail, but says so, where the importance sample is no basis for an opinion.

    Examples
    --------
    >>> from mtjfit.infer.proposal import fitted_jump
    >>> class Bell:
    ...     def log_prior(self, z): return -0.5 * z[:, 0] ** 2
    ...     def log_posterior(self, z): return -0.5 * z[:, 0] ** 2
    ...     def prior_transform(self, u): return u
    >>> rng = np.random.default_rng(0)
    >>> theta = rng.standard_normal((4, 200, 32, 1))
    >>> chains = Chains(("x",), theta, -0.5 * theta[..., 0] ** 2, np.ones((4, 32)))
    >>> jump = fitted_jump(theta.reshape(-1, 1), rng)
    >>> cross_check(Bell(), chains, jump, rng).ok
    True
    >>> narrow = Chains(("x",), 0.8 * theta, chains.log_posterior, chains.acceptance)
    >>> cross_check(Bell(), narrow, jump, rng).ok
    False
    """
    if not chains.names:
        return Check(_NAME, True, "no second method is needed: nothing was sampled")
    weighted = importance_sample(target, jump, n, rng)
    heavy = f"a second method is not available: k̂ = {weighted.k_hat:.2f}, the importance sample is too heavy-tailed"
    if not weighted.reliable:
        return Check(_NAME, True, heavy)
    if weighted.n_effective < MIN_EFFECTIVE:
        why = f"{weighted.n_effective:.0f} effective draws are too few to check ({MIN_EFFECTIVE} needed)"
        return Check(_NAME, True, f"a second method is not available: {why}")
    found = differences(chains, weighted)
    worst = max(found, key=lambda one: np.inf if np.isnan(one.in_errors) else abs(one.in_errors))
    if abs(worst.in_errors) <= MAX_ERRORS:
        largest = max(found, key=lambda one: abs(one.in_sd))
        how = f"largest difference {abs(largest.in_sd):.2f} sd, {_which(largest)}"
        return Check(_NAME, True, f"a second method agrees: {how} (importance sampling, k̂ = {weighted.k_hat:z.2f})")
    if weighted.k_hat > HEAVY_K_HAT and abs(worst.in_errors) <= 2 * MAX_ERRORS:
        return Check(_NAME, True, heavy)
    how = f"{_which(worst)} differs by {worst.in_sd:.2f} sd, {abs(worst.in_errors):.0f} of its errors (4.5 allowed)"
    return Check(_NAME, False, f"a second method disagrees: {how}")


def _which(one: Difference) -> str:
    return f"{100 * one.quantile:.0f} % quantile of {one.name}"
