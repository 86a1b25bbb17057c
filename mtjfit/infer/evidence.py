"""The evidence Z = ∫ prior · likelihood with a standard error, by bridge sampling and by adaptive importance sampling.

The coordinates must carry a normalised prior, as the normal scores of `MarginalPosterior` do. The evidence of a
parameter that the data do not determine depends on the width of its prior: compare models only under priors that are
meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.infer.convergence.diagnostics import MAX_DRAWS, ess, thinning
from mtjfit.infer.convergence.gate import Chains
from mtjfit.infer.convergence.importance import Weighted, importance_sample
from mtjfit.infer.ensembles.anneal import Annealed, anneal
from mtjfit.infer.ensembles.fit import Ridge, covering, fitted
from mtjfit.infer.ensembles.jumps import Jump, Straight, StraightFrom, TargetDensity
from mtjfit.infer.ensembles.mixture import Mixture, joined, wider

MAX_K_HAT = 0.7
_MAX_ROUNDS = 1000
_SETTLED = 1e-10  # change of ln Z
_LARGEST_EXPONENT = 700.0  # exp of more overflows


@dataclass(frozen=True)
class Evidence(ShownAsCard):
    """Log evidence, ln ∫ prior · likelihood, with its standard error."""

    value: float
    error: float
    method: str  # "bridge", "importance" or "exact"
    k_hat: float = float("nan")  # Pareto k̂ of the importance weights; NaN where there are none

    @property
    def reliable(self) -> bool:
        """False if the proposal misses so much of the posterior that the error may be far too small."""
        return bool(np.isfinite(self.value)) and not self.k_hat > MAX_K_HAT

    def _card(self) -> Card:
        return Card(f"Evidence: {self}")

    def __str__(self) -> str:
        doubt = "" if self.reliable else ", NOT reliable"
        return f"ln Z = {self.value:.2f} ± {self.error:.2g} ({self.method}{doubt})"


def log_evidence(
    target: TargetDensity,
    chains: Chains,
    rng: np.random.Generator,
    *,
    jump: Jump | None = None,
    n_proposals: int = 4000,
) -> Evidence:
    """Evidence by bridge sampling between converged draws and a mixture fitted to draws, in any dimension.

    Meng and Wong, Statistica Sinica 6, 831 (1996): with posterior draws x, draws y from the normalised proposal q and
    p = prior · likelihood, Z = ⟨p/(s₁p/Z + s₂q)⟩_y / ⟨q/(s₁p/Z + s₂q)⟩_x, solved by iteration, where s₁ and s₂ are
    the shares of the effective draws. No single draw can dominate either average, unlike in plain importance sampling.
    The standard error is that of Frühwirth-Schnatter, Econometrics Journal 7, 143 (2004), with the effective number of
    x.

    A proposal fitted to the same draws biases the result: `jump` must be fitted to others. By default it is fitted to
    the first half of `chains`, of which only the second half is then used.
    """
    theta, log_p = chains.theta, chains.log_posterior
    size = theta.shape[-1]
    if size == 0:
        return Evidence(float(log_p.flat[0]), 0.0, "exact")
    if jump is None:
        half = theta.shape[1] // 2
        straight = Straight(target)
        v, _ = straight.inward(theta[:, :half].reshape(-1, size))
        jump = Jump(fitted(v, rng, ridge=straight.ridge), straight)
        theta, log_p = theta[:, half:], log_p[:, half:]
    thin = thinning(log_p.size, 2 * MAX_DRAWS)
    theta, log_p = theta[:, ::thin], log_p[:, ::thin]
    log_x = log_p - jump.log_density(theta.reshape(-1, size)).reshape(log_p.shape)
    weighted = importance_sample(target, jump, n_proposals, rng)
    log_y = weighted.log_ratio
    n_x, n_y = _effective(log_x), float(log_y.size)
    log_z = float(np.median(log_x))
    for _ in range(_MAX_ROUNDS):
        of_y, of_x = _bounded(log_y - log_z, n_x, n_y), _bounded(log_z - log_x, n_y, n_x)
        step = float(np.log(of_y.mean() / of_x.mean()))
        log_z += step
        if abs(step) < _SETTLED:
            break
    variance = _relative_variance(of_y) / n_y + _relative_variance(of_x) / _effective(of_x)
    return Evidence(log_z, float(np.sqrt(variance)), "bridge", weighted.k_hat)


def _bounded(log_ratio: FloatArray, n: float, n_other: float) -> FloatArray:
    """r/(s r + 1 − s), with the share s = n/(n + n_other)."""
    share = n / (n + n_other)
    return np.asarray(1 / (share + (1 - share) * np.exp(np.minimum(-log_ratio, _LARGEST_EXPONENT))))


def _relative_variance(x: FloatArray) -> float:
    return float(np.var(x) / np.mean(x) ** 2)


def _effective(series: FloatArray) -> float:
    """ESS of a quantity of shape (n_ensembles, n_steps, n_walkers)."""
    return ess(series.swapaxes(1, 2).reshape(-1, series.shape[1]))


MAX_ERROR = 0.1
"""Largest error of an ln Z that is used."""
_MOST_DRAWS = 60_000
_EVEN = 0.35  # effective share of the draws of a proposal that needs no further round
_ROUNDS = 3
_MORE = 2  # times as many particles in a second annealing run
_PER_DRAW = 8  # particles of an annealed population for each effective draw
_COMPONENTS = 16
_SHARES = (0.7, 0.15, 0.15)  # of the proposals: fitted to the posterior, the same but wider, fitted to the tempered one
_WIDER = 1.7
_WARMER = (0.5, 0.15)  # inverse temperatures of the last, half of the share each


@dataclass(frozen=True)
class Effort:
    """Numbers of draws of an exploration, and when it is content."""

    particles: int = 80  # of annealing, times the square of the number of bent coordinates (bent ridges are thin)
    fewest: int = 6000  # of these
    from_part: int = 4000  # of these where annealing starts from the posterior of a part of the data
    draws: int = 4000  # from a proposal, the least
    enough: float = 150  # effective ones of these from a proposal that serves
    error: float = 0.02  # wanted of ln Z
    k_hat: float = 0.5  # below it the weights have a variance, so that the error is one
    rough: bool = False  # whether `enough` effective draws do, settled or not: for a start of something else


EFFORT = Effort()


@dataclass(frozen=True, eq=False)
class Exploration(ShownAsCard):
    """Draws from a proposal, weighted to a posterior."""

    weighted: Weighted
    evidence: Evidence
    jump: Jump | None = None  # None where nothing is left to sample
    annealed: Annealed | None = None  # None where a start was given that served

    @property
    def settled(self) -> bool:
        """True if the evidence is reliable and its error at most 0.1."""
        return bool(self.evidence.reliable and self.evidence.error <= MAX_ERROR)

    def population(self) -> Weighted:
        """Last annealed population, thinned to draws of equal weight that are effectively independent."""
        assert self.annealed is not None  # noqa: S101 - no start was given
        assert self.jump is not None  # noqa: S101 - something was sampled
        x, _ = self.jump.straight.outward(self.annealed.final.v[::_PER_DRAW])
        nothing = np.zeros(x.shape[0])
        return Weighted(x, nothing, np.ones(x.shape[0]), float("-inf"), nothing)

    def resampled(self, n: int, rng: np.random.Generator) -> FloatArray:
        """`n` draws of equal weight from the posterior, shape (n, size); some of them are repeated."""
        weights = self.weighted.weights / self.weighted.weights.sum()
        return self.weighted.x[rng.choice(weights.size, size=n, p=weights)]


def mean_and_error(log_terms: FloatArray) -> tuple[float, float]:
    """ln of the mean of exp(`log_terms`) and the standard error of that logarithm, for independent terms.

    >>> value, error = mean_and_error(np.log([1.0, 2.0, 3.0]))
    >>> round(float(np.exp(value)), 12), round(error, 3)
    (2.0, 0.289)
    """
    top = float(np.max(log_terms))
    if not np.isfinite(top):
        return -np.inf, np.inf
    terms = np.exp(np.maximum(log_terms - top, -_LARGEST_EXPONENT))
    mean = float(terms.mean())
    error = float(terms.std(ddof=1) / (mean * np.sqrt(terms.size))) if np.ptp(terms) > 0 else 0.0
    return top + float(np.log(mean)), error


def explore_posterior(
    target: TargetDensity,
    size: int,
    rng: np.random.Generator,
    *,
    start: FloatArray | None = None,
    on_level: Callable[[float], object] = lambda beta: None,
    effort: Effort = EFFORT,
) -> Exploration:
    """Evidence and weighted draws of a posterior with a normalised prior, by adaptive importance sampling.

    A population annealed from the prior finds the posterior, thin tails included. A heavy-tailed mixture is fitted to
    it, with wider parts that keep their share; fresh draws from the mixture, weighted, give the posterior and its
    evidence, with an error and a k̂ that tells whether to believe it. Where the weights are uneven the mixture is
    refitted to all draws so far: Cappé, Douc, Guillin, Marin and Robert, Stat. Comput. 18, 447 (2008).

    In up to about ten dimensions. Check `settled`: a posterior that no proposal fits is returned, too. `start`, draws
    from a similar posterior, shape (n, size), saves the annealing, which follows only where it was not similar at all.
    `on_level` is called with every inverse temperature that is reached.

    Examples
    --------
    >>> class Bell:  # prior N(0, 1), one measurement 1 ± 1: ln Z = ln N(1; 0, √2)
    ...     def log_prior(self, z): return -0.5 * (z[:, 0] ** 2 + np.log(2 * np.pi))
    ...     def log_posterior(self, z): return self.log_prior(z) - 0.5 * ((z[:, 0] - 1) ** 2 + np.log(2 * np.pi))
    ...     def prior_transform(self, u):
    ...         from scipy.special import ndtri
    ...         return ndtri(u)
    >>> found = explore_posterior(Bell(), 1, np.random.default_rng(0)).evidence
    >>> bool(abs(found.value - (-0.25 - 0.5 * np.log(4 * np.pi))) < 4 * found.error), found.method
    (True, 'importance')
    """
    if size == 0:
        value = float(target.log_posterior(np.zeros((1, 0)))[0])
        same = np.full(effort.draws, value)
        once = Weighted(np.zeros((effort.draws, 0)), same, np.ones(effort.draws), float("-inf"), same)
        return Exploration(once, Evidence(value, 0.0, "exact"))
    straight, found = Straight(target), None
    if start is not None:
        v, _ = straight.inward(start)
        narrow = fitted(v, rng, components=_COMPONENTS, ridge=straight.ridge)
        seen = _Seen(v, np.ones(v.shape[0]), straight.log_posterior(v))
        found = _adapted(target, seen, wider(narrow, 2 * _WIDER), rng, effort)
    begin, rough = straight, start is not None or effort.rough
    n_particles = max(effort.fewest, effort.particles * (size - straight.columns.size) ** 2)
    for more in (1, _MORE):
        if found is not None and (found.settled or (rough and found.weighted.n_effective > effort.enough)):
            return found
        if (part := _part(target, rng)) is not None:
            less = replace(effort, particles=0, rough=True)
            earlier = explore_posterior(part, size, rng, on_level=on_level, effort=less)
            assert earlier.jump is not None  # noqa: S101 - something is sampled
            begin, n_particles = StraightFrom(target, earlier.jump), effort.from_part
        annealed = anneal(begin, size, more * n_particles, rng, on_level)
        seen = _Seen(*annealed.weighted(1.0), annealed.log_posterior)
        warm = [
            fitted(v, rng, weights=w, components=_COMPONENTS, ridge=straight.ridge)
            for v, w in map(annealed.weighted, _WARMER)
        ]
        again = replace(_adapted(target, seen, joined(warm, (1.0,) * len(warm)), rng, effort), annealed=annealed)
        found = again if found is None or again.weighted.n_effective > found.weighted.n_effective else found
    return found  # type: ignore[return-value]


def _part(target: TargetDensity, rng: np.random.Generator) -> TargetDensity | None:
    of_some: Callable[[np.random.Generator], TargetDensity | None] | None = getattr(target, "part", None)
    return None if of_some is None else of_some(rng)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Weighted draws of the posterior in straight coordinates, to which proposals are fitted, and their log density."""

    v: FloatArray
    weights: FloatArray
    log_posterior: FloatArray

    def extended(self, v: FloatArray, weights: FloatArray, log_posterior: FloatArray) -> _Seen:
        """With further weighted draws, each set with the share of its effective draws."""
        scaled = [w * (w.sum() / (np.sum(w * w) or 1.0)) for w in (self.weights, weights)]
        pairs = ((self.v, v), scaled, (self.log_posterior, log_posterior))
        return _Seen(*(np.concatenate(each) for each in pairs))

    def proposal(self, components: int, warm: Mixture, rng: np.random.Generator, ridge: Ridge) -> Mixture:
        """Mixture fitted to the draws, with wider parts, and more components where it would be too thin."""
        narrow = fitted(self.v, rng, weights=self.weights, components=components, ridge=ridge)
        wide = () if ridge.bent.size else (wider(narrow, _WIDER),)  # with a ridge it has tails of its own
        mixture = joined((narrow, *wide, warm), (_SHARES[0], *_SHARES[1 : 1 + len(wide)], _SHARES[-1]))
        return covering(mixture, self.v, self.weights, self.log_posterior, rng, ridge)


def _adapted(
    target: TargetDensity, seen: _Seen, warm: Mixture, rng: np.random.Generator, effort: Effort
) -> Exploration:
    """Refit the proposal to all draws so far until the weights are even, then draw anew."""
    straight = Straight(target)
    best: Exploration | None = None
    for k in range(_ROUNDS):
        jump = Jump(seen.proposal((2 if k > 1 else 1) * _COMPONENTS, warm, rng, straight.ridge), straight)
        weighted = importance_sample(target, jump, effort.draws, rng)
        even = weighted.k_hat < effort.k_hat and weighted.n_effective > _EVEN * effort.draws
        if even or k == _ROUNDS - 1 or (k == 1 and weighted.n_effective > 4 * effort.enough):
            # drawn anew, because the draws that chose the proposal flatter it
            n = _n_draws(weighted, effort)
            if k or n > effort.draws:
                weighted = importance_sample(target, jump, n, rng)
            value, error = mean_and_error(weighted.log_ratio)
            found = Exploration(weighted, Evidence(value, error, "importance", weighted.k_hat), jump)
            if best is None or found.weighted.n_effective > best.weighted.n_effective:
                best = found
            if best.settled:
                break
        v, log_volume = straight.inward(weighted.x)
        seen = seen.extended(v, weighted.weights, weighted.log_posterior - log_volume)
    return best  # type: ignore[return-value]


def _n_draws(weighted: Weighted, effort: Effort) -> int:
    """Draws that reduce the error to the wanted one, within limits."""
    _, error = mean_and_error(weighted.log_ratio)
    wanted = effort.draws * min(error / effort.error, 10.0) ** 2
    return int(np.clip(wanted, effort.draws, _MOST_DRAWS))
