"""Expected gain of a measurement by simulation: outcomes are drawn, and the draws are reweighted to each of them.

No distribution is assumed to be normal. Each outcome y comes from one draw; all draws are weighted by the likelihood of
y, and the weighted spread of the target is what the posterior would have after it. What belongs to a new device alone,
its thickness and amplitudes, is integrated out, the thickness to first order in its departure from the nominal one. The
information is the mutual one of y and what devices share, by nested Monte Carlo, E[ln p(y|θ) − ln p(y)] (Rainforth,
Foster, Ivanova, Bickford Smith, Statistical Science 39, 100 (2024)). Weights are Pareto-smoothed; k̂ of their tail says
whether the draws suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.infer.convergence.importance import reliable_k_hat, smoothed
from mtjfit.planning.candidates import Candidate
from mtjfit.planning.draws import ParameterDraws
from mtjfit.planning.expected_gain import Target
from mtjfit.planning.response import Response, respond, setting

_NOTHING = 600.0  # −ln of a weight that counts as zero
_ONE_DRAW = 1e-12  # where a single draw has all the weight there is no spread
_RELIABLE = 0.9  # of the outcomes must have a k̂ that is small enough


@dataclass(frozen=True, eq=False)
class Outcomes(ShownAsCard):
    """Gain of one candidate by reweighting.

    `spread`, shape (n_targets, n_outcomes): standard deviation of each target after each simulated outcome. `bits`:
    mutual information with what devices share, and `bits_error`, its standard error from the number of outcomes; NaN
    where a device of the study is measured again. `k_hat`, shape (n_outcomes,): of the weights.
    """

    spread: FloatArray
    bits: float
    bits_error: float
    k_hat: FloatArray
    n_draws: int

    @property
    def reliable(self) -> bool:
        """True if the weights of nine outcomes in ten may be trusted."""
        return bool(np.mean(self.k_hat <= reliable_k_hat(self.n_draws)) >= _RELIABLE)


def log_density(response: Response, y: FloatArray) -> FloatArray:
    """ln p(y_i|draw_k) up to a constant, shape (n_outcomes, n_draws), for y of shape (n_outcomes, r).

    y = μ + N x + noise, with x and the noise standard normal, and N by what is the device's own. With A = 1 + NᵀN:
    −½ |y − μ|² + ½ |A^(−1/2) Nᵀ (y − μ)|² − ½ ln det A.
    """
    mean, own = response.mean, response.own
    square = np.sum(y**2, axis=1)[:, None] - 2 * y @ mean.T + np.sum(mean**2, axis=1)
    if own.shape[-1] == 0:
        return np.asarray(-0.5 * square)
    Nt = np.swapaxes(own, -1, -2)
    root = np.linalg.cholesky(np.eye(Nt.shape[1]) + Nt @ own)
    scaled = np.linalg.solve(root, Nt)  # shape (n_draws, q, r)
    seen = np.einsum("kqr,ir->qik", scaled, y) - np.einsum("kqr,kr->qk", scaled, mean)[:, None, :]
    log_det = np.sum(np.log(np.diagonal(root, axis1=-2, axis2=-1)), axis=-1)
    return np.asarray(-0.5 * (square - np.sum(seen**2, axis=0)) - log_det)


def simulated_outcomes(response: Response, rng: np.random.Generator) -> FloatArray:
    """One outcome of each draw, shape (n, r)."""
    own = response.own @ rng.standard_normal((*response.own.shape[:1], response.own.shape[2], 1))
    return np.asarray(response.mean + own[..., 0] + rng.standard_normal(response.mean.shape))


def outcomes_of(
    draws: ParameterDraws, candidate: Candidate, targets: tuple[Target, ...], n_outcomes: int, rng: np.random.Generator
) -> Outcomes:
    """Simulate a candidate from some draws of a posterior and reweight all others to each outcome."""
    which = np.linspace(0, draws.n - 1, min(n_outcomes, draws.n)).round().astype(int)
    log_weights, log_given = np.zeros((which.size, draws.n)), np.zeros(which.size)
    for measurement in candidate.measurements:
        whole = respond(draws, setting(draws, measurement))
        some = Response(whole.mean[which], whole.shared[which], whole.own[which])
        y = simulated_outcomes(some, rng)
        log_weights += log_density(whole, y)
        log_given += np.diagonal(log_density(some, y))
    # the draw that made an outcome would be too good an answer to it
    log_weights[np.arange(which.size), which] = -np.inf
    top = log_weights.max(axis=1)
    log_marginal = np.log(np.sum(np.exp(log_weights - top[:, None]), axis=1) / (draws.n - 1)) + top
    weights, k_hat = np.zeros_like(log_weights), np.zeros(which.size)
    for i, row in enumerate(log_weights):
        weights[i], k_hat[i] = smoothed(np.where(row < top[i] - _NOTHING, -np.inf, row))
    weights /= weights.sum(axis=1, keepdims=True)
    spread = np.stack([_spread(weights, target.values(draws)) for target in targets])
    one_new = len(candidate.measurements) == 1 and draws.is_new(candidate.measurements[0])
    gain = (log_given - log_marginal) / np.log(2) if one_new else np.full(which.size, np.nan)
    return Outcomes(spread, float(gain.mean()), float(gain.std() / np.sqrt(which.size)), k_hat, draws.n)


def _spread(weights: FloatArray, x: FloatArray) -> FloatArray:
    """Weighted standard deviation for each outcome, shape (n_outcomes,)."""
    # about the mean of each outcome: where one draw has nearly all the weight, a difference of squares is rounding
    mean = weights @ x
    variance = np.einsum("ik,ik->i", weights, (x - mean[:, None]) ** 2)
    degrees = np.maximum(1 - np.sum(weights**2, axis=1), _ONE_DRAW)
    return np.asarray(np.sqrt(variance / degrees))
