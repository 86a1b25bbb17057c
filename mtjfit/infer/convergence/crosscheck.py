"""Cross-check of a run by a second, independent exploration of its posterior.

Another annealing from the prior, with its own random numbers, and another proposal give weighted draws, which are
compared with those of the ensembles: quantiles, the evidence, and whether the run's proposal reaches all the mass that
the second one finds. Only the density is common to both. A region that neither finds remains unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.infer.convergence.diagnostics import ess
from mtjfit.infer.convergence.gate import Chains, Check
from mtjfit.infer.convergence.importance import Weighted
from mtjfit.infer.ensembles.jumps import Jump
from mtjfit.infer.evidence import Evidence, Exploration

QUANTILES = (0.05, 0.5, 0.95)
MAX_ERRORS = 4.5  # 7e-6 for each comparison of normal statistics: 1e-4 for all of six coordinates
HEAVY_K_HAT = 0.5  # above it the weights have no variance, and errors come out too small
MIN_EFFECTIVE = 400  # twenty of them below a 5 % quantile; with fewer the share below it is not normal
UNREACHED = 100.0  # times denser than the proposal: a walker that gets there stays for as many steps
MAX_UNREACHED = 0.01  # of the mass
_NAME = "second method"


@dataclass(frozen=True)
class Difference:
    """One quantile of one coordinate, importance sample minus draws."""

    name: str
    quantile: float
    in_sd: float  # difference of the quantiles in standard deviations of the draws
    in_errors: float  # of the probabilities below the quantile of the draws, in their joint Monte-Carlo error

    def __str__(self) -> str:
        return f"{100 * self.quantile:.0f} % quantile of {self.name}"


def quantile_differences(chains: Chains, weighted: Weighted) -> tuple[Difference, ...]:
    """Differences of the 5, 50 and 95 % quantiles of all coordinates.

    A share F of the weighted draws lies below the quantile x of the draws. The variance of F is Σ w² (1[y ≤ x] − F)²
    with weights that sum to one; that of the draws is p (1 − p) over the effective number of this very indicator.
    Shares are compared, not quantiles, because their errors need no density.
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
    """Compare the draws, proposal and evidence of a run with an independent exploration of the same posterior.

    ``"second method"`` fails if a quantile or ln Z differs by more than 4.5 joint errors (9 where k̂ is above 1/2), or
    if more than one per cent of the mass lies where the run hardly ever proposes to go. Where the weights are too
    uneven, quantiles are compared with those of the annealed population instead.
    """
    if not chains.names:
        return Check(_NAME, True, "no second method is needed: nothing was sampled")
    weighted = second.weighted
    even = weighted.reliable and weighted.n_effective >= MIN_EFFECTIVE
    if not even:
        weighted = second.population()
    found = quantile_differences(chains, weighted)
    allowed = MAX_ERRORS if even and weighted.k_hat <= HEAVY_K_HAT else 2 * MAX_ERRORS
    worst = max(found, key=lambda one: np.inf if np.isnan(one.in_errors) else abs(one.in_errors))
    against = []
    if not abs(worst.in_errors) <= allowed:
        against.append(
            f"{worst} differs by {worst.in_sd:.2f} sd, {abs(worst.in_errors):.0f} of its errors ({allowed:g} allowed)"
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
    how = f"largest difference {abs(largest.in_sd):.2f} sd, {largest}"
    by = f"importance sampling, k̂ = {weighted.k_hat:z.2f}" if even else "its population; weights were too uneven"
    return Check(_NAME, True, f"a second method, annealed anew from the prior, agrees: {how} ({by})")


def _unreached(jump: Jump, weighted: Weighted, evidence: Evidence) -> float:
    """Share of the mass where the posterior is so much denser than the run's proposal that walkers get stuck."""
    inside = np.isfinite(weighted.log_ratio) & (weighted.weights > 0)
    x, weights = weighted.x[inside], weighted.weights[inside]
    log_p = weighted.log_posterior[inside] - evidence.value
    beyond = log_p - jump.log_density(x) > np.log(UNREACHED)
    return float(weights[beyond].sum() / weights.sum())
