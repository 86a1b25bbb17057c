"""Annealing, then weighted draws from one adapted proposal: posterior and evidence in a second or two.

A population that is annealed from the prior finds where the posterior is, thin tails and all. A heavy-tailed mixture is
fitted to it, with wider parts that keep their share, and fresh draws from the mixture, weighted, give the posterior and
its evidence with an error and a k̂ that tells when not to believe it. Where the weights are uneven the mixture is fitted
anew to all that has been seen. Adaptive importance sampling: Cappé, Douc, Guillin, Marin and Robert, Stat. Comput. 18,
447 (2008).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.convergence.importance import Weighted, importance_sample
from mtjfit.infer.ensembles.anneal import Annealed, anneal
from mtjfit.infer.ensembles.jumps import Jump, Straight, Target
from mtjfit.infer.ensembles.mixture import Mixture, covering, fitted, joined, wider
from mtjfit.infer.evidence.bridge import Evidence

__all__ = ["Explored", "explore", "mean_and_error"]

MAX_ERROR = 0.1
"""Of ln Z, beyond which an evidence is not used."""
_WANTED_ERROR = 0.02
_WANTED_K_HAT = 0.5  # below it the weights have a variance, and the error is one
_DRAWS, _MOST_DRAWS = 4000, 60_000
_EVEN = 0.35  # effective share of the draws of a proposal that needs no further round
_ENOUGH = 150  # effective draws of `_DRAWS` from a proposal that serves
_ROUNDS = 3
_PARTICLES, _FEWEST = 80, 6000  # times the square of the coordinates that are not straightened; bent ridges are thin
_MORE = 2  # times as many in a second annealing run
_COMPONENTS = 16
_SHARES = (0.7, 0.15, 0.15)  # of the proposals: fitted to the posterior, the same but wider, and to the tempered one
_WIDER = 1.7
_WARMER = (0.5, 0.15)  # inverse temperatures of the last, half of the share each
_FARTHEST = 700.0  # exp of less underflows


@dataclass(frozen=True, eq=False)
class Explored:
    """Draws from a proposal, weighted to a posterior.

    Attributes
    ----------
    evidence : Evidence
        By importance sampling, or exact where nothing is left to sample.
    jump : Jump or None
        The proposal; None where nothing is left to sample.
    annealed : Annealed or None
        None where a start was given that served.
    """

    weighted: Weighted
    evidence: Evidence
    jump: Jump | None = None
    annealed: Annealed | None = None

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


def explore(
    target: Target,
    size: int,
    rng: np.random.Generator,
    *,
    start: FloatArray | None = None,
    told: Callable[[float], object] = lambda beta: None,
) -> Explored:
    """Evidence and weighted draws of a posterior with a normalised prior.

    Parameters
    ----------
    target : Target
        `log_posterior`, `log_prior` (normalised) and `prior_transform`, vectorised over rows.
    size : int
        Dimension of the coordinates; up to about ten.
    start : ndarray, shape (n, size), optional
        Draws from a posterior that is close, to save the annealing, which follows only where it was not close at all.
    told : callable
        Called with every inverse temperature that is reached.

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
        same = np.full(_DRAWS, value)
        once = Weighted(np.zeros((_DRAWS, 0)), same, np.ones(_DRAWS), float("-inf"), same)
        return Explored(once, Evidence(value, 0.0, "exact"))
    straight, found = Straight(target), None
    if start is not None:
        v, _ = straight.inward(start)
        narrow = fitted(v, rng, components=_COMPONENTS)
        seen = _Seen(v, np.ones(v.shape[0]), straight.log_posterior(v))
        found = _adapted(target, seen, wider(narrow, 2 * _WIDER), rng)
    for more in (1, _MORE):
        if found is not None and (found.settled or (start is not None and found.weighted.n_effective > _ENOUGH)):
            return found
        bent = size - straight.columns.size
        annealed = anneal(straight, size, more * max(_FEWEST, _PARTICLES * bent**2), rng, told)
        seen = _Seen(*annealed.weighted(1.0), annealed.log_posterior)
        warm = [fitted(v, rng, weights=w, components=_COMPONENTS) for v, w in map(annealed.weighted, _WARMER)]
        again = _adapted(target, seen, joined(warm, (1.0,) * len(warm)), rng)
        again = replace(again, annealed=annealed)
        found = again if found is None or again.weighted.n_effective > found.weighted.n_effective else found
    return found  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class _Seen:
    """Weighted draws of the posterior in straight coordinates, to which proposals are fitted, and their log density."""

    v: FloatArray
    weights: FloatArray
    log_posterior: FloatArray

    def and_also(self, v: FloatArray, weights: FloatArray, log_posterior: FloatArray) -> _Seen:
        """With weighted draws more, each set with the share of its effective draws."""
        scaled = [w * (w.sum() / np.sum(w * w)) for w in (self.weights, weights)]
        return _Seen(
            np.concatenate([self.v, v]),
            np.concatenate(scaled),
            np.concatenate([self.log_posterior, log_posterior]),
        )

    def fitted(self, components: int, warm: Mixture, rng: np.random.Generator) -> Mixture:
        """A proposal fitted to all of them, with wider parts, and more where it would be too thin."""
        narrow = fitted(self.v, rng, weights=self.weights, components=components)
        mixture = joined((narrow, wider(narrow, _WIDER), warm), _SHARES)
        return covering(mixture, self.v, self.weights, self.log_posterior, rng)


def _adapted(target: Target, seen: _Seen, warm: Mixture, rng: np.random.Generator) -> Explored:
    """Fit the proposal to all that was seen until the weights are even, then draw anew."""
    straight = Straight(target)
    best: Explored | None = None
    for k in range(_ROUNDS):
        jump = Jump(seen.fitted((2 if k > 1 else 1) * _COMPONENTS, warm, rng), straight)
        weighted = importance_sample(target, jump, _DRAWS, rng)
        even = weighted.k_hat < _WANTED_K_HAT and weighted.n_effective > _EVEN * _DRAWS
        if even or k == _ROUNDS - 1 or (k == 1 and weighted.n_effective > 4 * _ENOUGH):
            # drawn anew where draws that chose the proposal would flatter it
            if k or _n_draws(weighted) > _DRAWS:
                weighted = importance_sample(target, jump, _n_draws(weighted), rng)
            value, error = mean_and_error(weighted.log_ratio)
            found = Explored(weighted, Evidence(value, error, "importance", weighted.k_hat), jump)
            if best is None or found.weighted.n_effective > best.weighted.n_effective:
                best = found
            if best.settled:
                break
        v, log_volume = straight.inward(weighted.x)
        seen = seen.and_also(v, weighted.weights, weighted.log_posterior - log_volume)
    return best  # type: ignore[return-value]


def _n_draws(weighted: Weighted) -> int:
    """How many draws bring the error down to what is wanted, within limits."""
    _, error = mean_and_error(weighted.log_ratio)
    wanted = _DRAWS * min(error / _WANTED_ERROR, 10.0) ** 2
    return int(np.clip(wanted, _DRAWS, _MOST_DRAWS))
