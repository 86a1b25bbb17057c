"""Weighted posterior draws and the evidence from one adapted proposal: seconds where chains take minutes.

A comparison of mechanisms needs the posteriors of models that do not fit, too. Those are ridges on which chains crawl,
while nothing but their evidence is wanted. Here annealing finds the posterior, a heavy-tailed mixture is adapted to
it, and fresh draws from the mixture, weighted, give the evidence with an error and a k̂ that tells when not to
believe it. Adaptive importance sampling: Cappé, Douc, Guillin, Marin and Robert, Stat. Comput. 18, 447 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from mtjfit.data import FloatArray
from mtjfit.infer.evidence import Evidence
from mtjfit.infer.importance import Weighted, importance_sample
from mtjfit.infer.proposal import Jump, fitted_jump, joined
from mtjfit.infer.starts import Target, anneal

__all__ = ["Explored", "explore", "mean_and_error"]

MAX_ERROR = 0.1
"""Of ln Z, beyond which an evidence is not used."""
_WANTED_ERROR = 0.02
_WANTED_K_HAT = 0.5  # below it the weights have a variance, and the error is one
_DRAWS, _MOST_DRAWS = 4000, 60_000
_ENOUGH = 150  # effective draws of `_DRAWS` from a proposal that serves
_KEPT = 400  # effective draws that a new proposal is fitted to
_ROUNDS = 8
_PARTICLES = 80  # times the square of the dimension, of the first annealing run: thin bent ridges lose fewer
_MORE = 2  # times as many in the second one
_SHARES = (0.7, 0.3)  # of the proposals: fitted to the posterior, and wider
_BROAD = 2.0  # times the width of all draws together
_WIDER = 2.0  # times the width of what was found: a tail that was missed is seen in the next round
_FARTHEST = 700.0  # exp of less underflows


@dataclass(frozen=True, eq=False)
class Explored:
    """Draws from a proposal, weighted to a posterior.

    Attributes
    ----------
    weighted : Weighted
    evidence : Evidence
        By importance sampling, or exact where nothing is left to sample.
    """

    weighted: Weighted
    evidence: Evidence

    @property
    def settled(self) -> bool:
        """True if the evidence is reliable and its error at most 0.1."""
        return bool(self.evidence.reliable and self.evidence.error <= MAX_ERROR)

    def resampled(self, n: int, rng: np.random.Generator) -> FloatArray:
        """`n` draws of equal weight from the posterior, shape (n, size); some of them are repeated."""
        weights = self.weighted.weights / self.weighted.weights.sum()
        return self.weighted.x[rng.choice(weights.size, size=n, p=weights)]


def mean_and_error(log_terms: FloatArray) -> tuple[float, float]:
    """ln of the mean of exp(`log_terms`) and the standard error of that logarithm, for independent terms.

    Examples
    --------
    >>> value, error = mean_and_error(np.log([1.0, 2.0, 3.0]))
    >>> round(float(np.exp(value)), 12), round(error, 3)
    (2.0, 0.289)
    """
    top = float(np.max(log_terms))
    if not np.isfinite(top):
        return -np.inf, np.inf
    terms = np.exp(np.maximum(log_terms - top, -_FARTHEST))
    mean = float(terms.mean())
    error = float(terms.std(ddof=1) / (mean * np.sqrt(terms.size))) if np.ptp(terms) > 0 else 0.0
    return top + float(np.log(mean)), error


def explore(target: Target, size: int, rng: np.random.Generator, *, start: FloatArray | None = None) -> Explored:
    """Evidence and weighted draws of a posterior with a normalised prior.

    Parameters
    ----------
    target : Target
        `log_posterior`, `log_prior` (normalised) and `prior_transform`, vectorised over rows.
    size : int
        Dimension of the coordinates; up to about ten.
    rng : numpy.random.Generator
    start : ndarray, shape (n, size), optional
        Draws from a posterior that is close, to save the annealing, which follows only where it was not close at all.

    Returns
    -------
    Explored
        Look at `settled`: a posterior that no proposal fits is returned, too.

    Examples
    --------
    >>> class Bell:  # prior N(0, 1), one measurement 1 ± 1: ln Z = ln N(1; 0, √2)
    ...     def log_prior(self, z): return -0.5 * (z[:, 0] ** 2 + np.log(2 * np.pi))
    ...     def log_posterior(self, z): return self.log_prior(z) - 0.5 * ((z[:, 0] - 1) ** 2 + np.log(2 * np.pi))
    ...     def prior_transform(self, u):
    ...         from scipy.special import ndtri
    ...         return ndtri(u)
    >>> found = explore(Bell(), 1, np.random.default_rng(0)).evidence
    >>> bool(abs(found.value - (-0.25 - 0.5 * np.log(4 * np.pi))) < 4 * found.error), found.method
    (True, 'importance')
    """
    if size == 0:
        value = float(target.log_posterior(np.zeros((1, 0)))[0])
        once = Weighted(np.zeros((_DRAWS, 0)), np.full(_DRAWS, value), np.ones(_DRAWS), float("-inf"))
        return Explored(once, Evidence(value, 0.0, "exact"))
    found: Explored | None = None
    if start is not None:
        narrow = fitted_jump(start, rng)
        found = _adapted(target, narrow, joined((_wider(narrow), _broad(start)), (0.7, 0.3)), rng)
    for more in (1, _MORE):
        if found is not None and (found.settled or (start is not None and found.weighted.n_effective > _ENOUGH)):
            return found
        annealed = anneal(target, size, more * _PARTICLES * max(size, 3) ** 2, rng)
        wide = joined((fitted_jump(annealed.tempered, rng), _broad(annealed.tempered)), (0.8, 0.2))
        again = _adapted(target, fitted_jump(annealed.final, rng), wide, rng)
        found = again if found is None or again.weighted.n_effective > found.weighted.n_effective else found
    return found  # type: ignore[return-value]


def _adapted(target: Target, narrow: Jump, wide: Jump, rng: np.random.Generator) -> Explored:
    """Fit the narrow part of the proposal to weighted draws until the weights are even, then draw anew."""
    found: Explored | None = None
    first = wide
    for k in range(_ROUNDS):
        jump = joined((narrow, wide), _SHARES)
        weighted = importance_sample(target, jump, _DRAWS, rng)
        if (weighted.k_hat < _WANTED_K_HAT and weighted.n_effective > _ENOUGH) or k == _ROUNDS - 1:
            # drawn anew: draws that chose the proposal would flatter it
            weighted = importance_sample(target, jump, _n_draws(weighted), rng)
            value, error = mean_and_error(weighted.log_ratio)
            found = Explored(weighted, Evidence(value, error, "importance", weighted.k_hat))
            if found.settled:
                break
        draws = _tempered(weighted, rng)
        narrow = fitted_jump(draws, rng, finer=min(k + 1, 2))
        wide = joined((first, _wider(narrow), _broad(draws)), (0.4, 0.4, 0.2))
    return found  # type: ignore[return-value]


def _n_draws(weighted: Weighted) -> int:
    """How many draws bring the error down to what is wanted, within limits."""
    _, error = mean_and_error(weighted.log_ratio)
    wanted = _DRAWS * min(error / _WANTED_ERROR, 10.0) ** 2
    return int(np.clip(wanted, 2 * _DRAWS, _MOST_DRAWS))


def _broad(draws: FloatArray) -> Jump:
    """One t over all of them, so that no weight grows without limit where the mixture is thin."""
    covariance = np.atleast_2d(np.cov(draws.T))
    root = np.linalg.cholesky(covariance + np.diag(1e-9 * np.diagonal(covariance) + 1e-300))
    return Jump(np.ones(1), draws.mean(axis=0)[None], np.asarray(_BROAD * root[None], dtype=float))


def _wider(jump: Jump) -> Jump:
    return Jump(jump.weights, jump.centres, _WIDER * jump.roots)


def _tempered(weighted: Weighted, rng: np.random.Generator) -> FloatArray:
    """Draws by weights to the largest power, up to one, that leaves enough of them effective."""
    possible = np.flatnonzero(np.isfinite(weighted.log_ratio))
    log_ratio = weighted.log_ratio[possible] - np.max(weighted.log_ratio)

    def shares(power: float) -> FloatArray:
        weights = np.exp(np.maximum(power * log_ratio, -_FARTHEST))
        return np.asarray(weights / weights.sum())

    def surplus(power: float) -> float:
        return float(1 / np.sum(shares(power) ** 2)) - _KEPT

    power = 1.0
    if surplus(1.0) < 0:
        power = float(brentq(surplus, 0.0, 1.0, xtol=1e-12)) if surplus(0.0) > 0 else 0.0
    return weighted.x[possible[rng.choice(possible.size, size=_DRAWS, p=shares(power))]]
