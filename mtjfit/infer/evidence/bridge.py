"""The evidence, ∫ prior · likelihood, with an error that can be trusted: what compares one model with another.

The coordinates must carry a normalised prior, as the normal scores of `MarginalPosterior` do. The evidence of a
parameter that the data do not determine hangs on the width of its prior: compare models only under priors that are
meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.convergence.diagnostics import MAX_DRAWS, ess, thinning
from mtjfit.infer.convergence.gate import Chains
from mtjfit.infer.convergence.importance import importance_sample
from mtjfit.infer.ensembles.jumps import Jump, Straight, Target
from mtjfit.infer.ensembles.mixture import fitted
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior

if TYPE_CHECKING:
    from mtjfit.infer.posterior import Posterior

__all__ = ["Evidence", "chains_of", "log_evidence"]

MAX_K_HAT = 0.7
_MAX_ROUNDS = 1000
_SETTLED = 1e-10  # change of ln Z
_LARGEST_EXPONENT = 700.0  # exp of more overflows


@dataclass(frozen=True)
class Evidence:
    """Log evidence.

    Attributes
    ----------
    value : float
        ln ∫ prior · likelihood.
    error : float
        Standard error.
    method : str
        ``"bridge"``, ``"importance"``, or ``"exact"``.
    k_hat : float
        Pareto k̂ of the importance weights behind ``"bridge"``, NaN for other methods.
    """

    value: float
    error: float
    method: str
    k_hat: float = float("nan")

    @property
    def reliable(self) -> bool:
        """False if the proposal misses so much of the posterior that the error may be far too small."""
        return bool(np.isfinite(self.value)) and not self.k_hat > MAX_K_HAT

    def __str__(self) -> str:
        doubt = "" if self.reliable else ", NOT reliable"
        return f"ln Z = {self.value:.2f} ± {self.error:.2g} ({self.method}{doubt})"


def chains_of(posterior: Posterior) -> tuple[MarginalPosterior, Chains]:
    """The density behind a posterior, and its draws in the coordinates of that density, thinned as they were kept."""
    model = make_posterior(posterior.study)
    shape = posterior.chain.shape[:-1]
    z = model.scores.of(posterior.draws[list(model.names)].to_numpy()) if model.size else np.zeros((np.prod(shape), 0))
    log_posterior = posterior.log_likelihood + model.log_prior(z).reshape(shape)
    theta = z.reshape(*shape, model.size)
    moved = np.any(theta[:, 1:] != theta[:, :-1], axis=-1)
    return model, Chains(model.names, theta, log_posterior, moved.mean(axis=1))


def log_evidence(
    target: Target, chains: Chains, rng: np.random.Generator, *, jump: Jump | None = None, n_proposals: int = 4000
) -> Evidence:
    """Evidence by bridge sampling between the draws and a mixture fitted to draws, in any dimension.

    Meng and Wong, Statistica Sinica 6, 831 (1996): with posterior draws x, draws y from the normalised proposal q and
    p = prior · likelihood, Z = ⟨p/(s₁p/Z + s₂q)⟩_y / ⟨q/(s₁p/Z + s₂q)⟩_x, solved by iteration, where s₁ and s₂ are
    the shares of the effective draws. Neither average can be ruled by a single draw, unlike in plain importance
    sampling. The standard error is that of Frühwirth-Schnatter, Econometrics Journal 7, 143 (2004), with the
    effective number of x.

    Parameters
    ----------
    target : Target
        With a normalised `log_prior`.
    chains : Chains
        Converged draws with their log density.
    jump : Jump, optional
        Fitted to draws other than `chains`. Default: fitted to the first half of `chains`, and only the second half
        is used, because a proposal that has seen the draws biases the result.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import sample
    >>> from mtjfit.study import load_study
    >>> posterior = sample(load_study(dataset("thickness-series").study_file))  # doctest: +SKIP
    >>> print(log_evidence(*chains_of(posterior), np.random.default_rng(0)))  # doctest: +SKIP
    ln Z = 1832.86 ± 0.011 (bridge)
    """
    theta, log_p = chains.theta, chains.log_posterior
    size = theta.shape[-1]
    if size == 0:
        return Evidence(float(log_p.flat[0]), 0.0, "exact")
    if jump is None:
        half = theta.shape[1] // 2
        straight = Straight(target)
        jump = Jump(fitted(straight.inward(theta[:, :half].reshape(-1, size))[0], rng), straight)
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
