"""A second opinion: the posterior explored anew, from the prior, by somebody who has never seen the run.

Another annealing with random numbers of its own finds where the posterior is, another proposal is fitted to it, and
draws from that, weighted with the density, are compared with those of the ensembles: quantiles, the evidence, and
whether the run's proposal reaches every place where the second one finds mass. All that both share is the density. A
region that neither finds stays unknown to both, but each has looked for it on its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.infer.convergence.diagnostics import ess
from mtjfit.infer.convergence.gate import Chains, Check
from mtjfit.infer.convergence.importance import Weighted
from mtjfit.infer.ensembles.jumps import Jump
from mtjfit.infer.evidence import Evidence, Exploration

__all__ = ["Difference", "cross_check", "quantile_differences"]

QUANTILES = (0.05, 0.5, 0.95)
MAX_ERRORS = 4.5  # 7e-6 for each comparison of normal statistics: 1e-4 for all of six coordinates
HEAVY_K_HAT = 0.5  # above it the weights have no variance, and errors come out too small
MIN_EFFECTIVE = 400  # twenty of them below a 5 % quantile; with fewer the share below it is not normal
UNREACHED = 100.0  # times denser than the run proposes: a walker that gets there stays for as many steps
MAX_UNREACHED = 0.01  # of the mass
_PER_PARTICLE = 1 / 8  # effective draws for each particle of an annealed population
_NAME = "second method"


@dataclass(frozen=True)
class Difference:
    """One quantile of one coordinate, importance sample minus draws.

    Attributes
    ----------
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


def quantile_differences(chains: Chains, weighted: Weighted) -> tuple[Difference, ...]:
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


def cross_check(chains: Chains, jump: Jump, evidence: Evidence, second: Exploration) -> Check:
    """Compare the draws of a run with a new exploration of the same posterior, for the verdict.

    Parameters
    ----------
    chains : Chains
        After warm-up.
    jump : Jump
        Proposal of the run.
    evidence : Evidence
        Of the run.
    second : Exploration
        From the prior, with random numbers of its own.

    Returns
    -------
    Check
        ``"second method"``: fails if a quantile or ln Z differs by more than 4.5 joint errors (9 where k̂ is above 1/2),
        or if the second method finds more than one per cent of the mass where the run hardly ever proposes to go.
        Where the new draws are too uneven, quantiles are compared with those of the annealed population instead.

    Examples
    --------
    >>> from mtjfit.infer.evidence import log_evidence
    >>> from mtjfit.infer.evidence import explore_posterior
    >>> class Bell:
    ...     def log_prior(self, z): return -0.5 * (z[:, 0] / 2) ** 2 - np.log(2 * np.sqrt(2 * np.pi))
    ...     def log_posterior(self, z): return self.log_prior(z) - 0.375 * z[:, 0] ** 2
    ...     def prior_transform(self, u):
    ...         from scipy.special import ndtri
    ...         return 2 * ndtri(u)
    >>> rng = np.random.default_rng(0)
    >>> theta = rng.standard_normal((4, 200, 32, 1))
    >>> second = explore_posterior(Bell(), 1, rng)
    >>> def check(theta):
    ...     log_posterior = Bell().log_posterior(theta.reshape(-1, 1)).reshape(4, 200, 32)
    ...     chains = Chains(("x",), theta, log_posterior, np.ones((4, 32)))
    ...     return cross_check(chains, second.jump, log_evidence(Bell(), chains, rng, jump=second.jump), second)
    >>> check(theta).ok, check(0.8 * theta).ok
    (True, False)
    """
    if not chains.names:
        return Check(_NAME, True, "no second method is needed: nothing was sampled")
    weighted = second.weighted
    even = weighted.reliable and weighted.n_effective >= MIN_EFFECTIVE
    if not even:
        weighted = _population(second)
    found = quantile_differences(chains, weighted)
    allowed = MAX_ERRORS if even and weighted.k_hat <= HEAVY_K_HAT else 2 * MAX_ERRORS
    worst = max(found, key=lambda one: np.inf if np.isnan(one.in_errors) else abs(one.in_errors))
    against = []
    if not abs(worst.in_errors) <= allowed:
        against.append(
            f"{_which(worst)} differs by {worst.in_sd:.2f} sd, {abs(worst.in_errors):.0f} of its errors "
            f"({allowed:g} allowed)"
        )
    if even:
        apart = second.evidence.value - evidence.value
        error = float(np.hypot(second.evidence.error, evidence.error))
        if not abs(apart) <= allowed * error:
            against.append(
                f"ln Z differs by {apart:+.2f}, {abs(apart) / error:.0f} of its errors ({allowed:g} allowed)"
            )
        unreached = _unreached(jump, weighted, evidence)
        if not unreached <= MAX_UNREACHED:
            against.append(f"{100 * unreached:.0f} % of the mass lies where the run hardly goes")
    if against:
        return Check(_NAME, False, f"a second method, annealed anew from the prior, disagrees: {'; '.join(against)}")
    largest = max(found, key=lambda one: abs(one.in_sd))
    how = f"largest difference {abs(largest.in_sd):.2f} sd, {_which(largest)}"
    by = f"importance sampling, k̂ = {weighted.k_hat:z.2f}" if even else "its population; weights were too uneven"
    return Check(_NAME, True, f"a second method, annealed anew from the prior, agrees: {how} ({by})")


def _population(second: Exploration) -> Weighted:
    """The annealed population as draws of equal weight; for a start that served there is none, and no opinion."""
    assert second.annealed is not None  # noqa: S101 - a second opinion is never given a start
    assert second.jump is not None  # noqa: S101 - nor is it asked for where nothing is left to sample
    thin, _ = second.jump.straight.outward(second.annealed.final.v[:: round(1 / _PER_PARTICLE)])
    nothing = np.zeros(thin.shape[0])
    return Weighted(thin, nothing, np.ones(thin.shape[0]), float("-inf"), nothing)


def _unreached(jump: Jump, weighted: Weighted, evidence: Evidence) -> float:
    """Share of the mass where the posterior is so much denser than the run's proposal that walkers get stuck there."""
    inside = np.isfinite(weighted.log_ratio) & (weighted.weights > 0)
    # the weighted draws know their density by their own proposal only up to its evidence
    x, weights = weighted.x[inside], weighted.weights[inside]
    log_p = weighted.log_posterior[inside] - evidence.value
    beyond = log_p - jump.log_density(x) > np.log(UNREACHED)
    return float(weights[beyond].sum() / weights.sum())


def _which(one: Difference) -> str:
    return f"{100 * one.quantile:.0f} % quantile of {one.name}"
