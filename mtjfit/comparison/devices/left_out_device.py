"""Prediction of the other devices for one that is left out, in the whitened coordinates of its own data.

The data of a device enter through z = A t + ε, with the coefficients t_n of its torque and ε standard normal
(`mtjfit.model.compress`). Its posterior prediction m ± C contains its own z, which is removed again:

- *by weights* 1/L_j of the draws, Pareto-smoothed, with the device's own thickness and amplitudes integrated over their
  priors; exact for many draws, and k̂ says whether there were enough (Vehtari, Gelman, Gabry, arXiv:1507.04544);
- *in the normal approximation*, where k̂ is too large, or after least squares: a direction of z in which C is c leaves
  (m − c z)/(1 − c) ± √(c/(1 − c)) for the others, and z minus it has the variance 1/(1 − c). Exact for a linear model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.infer import FitResult
from mtjfit.infer.convergence.importance import reliable_k_hat, smoothed
from mtjfit.model.coordinates import scattered_terms
from mtjfit.model.device_combinations import noise_estimate
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.model.jacobian import jacobian
from mtjfit.model.likelihood import FullPosterior, amplitude_design, row_scale, transfer, whitened
from mtjfit.results.predict import parameter_draws
from mtjfit.study import SCATTER, Study

BY_WEIGHTS, NORMAL, LINEAR = "reweighted draws", "normal approximation", "linearised fit"
_NODES = 5  # of the integral over a device's own thickness: κ is close to a parabola within its tolerance
_OWN_SHARE = 0.95  # of the knowledge of a direction that comes from the device itself: others cannot judge it


@dataclass(frozen=True)
class Whitened:
    """The data of one device: z = A t + ε, t = (Re t_n …, Im t_n …); shapes (r,), (r, 2P).

    `basis`, shape (2P, r), turns rows of the compressed data into the coordinates of z.
    """

    z: FloatArray
    A: FloatArray
    basis: FloatArray

    def coefficients(self, z: FloatArray) -> FloatArray:
        """t of smallest size for each row of z, shape (n, 2P)."""
        return np.asarray(z @ np.linalg.pinv(self.A).T)


@dataclass(frozen=True)
class LeftOutDevice:
    """Prediction of the others for one device: z without its noise has `mean`, (r,), and `covariance`, (r, r).

    chi2 = (z − mean)ᵀ (1 + covariance)⁻¹ (z − mean) over the `dof` directions that the others predict. `k_hat` is NaN
    where nothing was weighted.
    """

    own: Whitened
    mean: FloatArray
    covariance: FloatArray
    chi2: float
    dof: int
    method: str
    k_hat: float

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Coefficients t that the others predict, normal, shape (n, 2P)."""
        variances, axes = np.linalg.eigh(self.covariance)
        root = axes * np.sqrt(np.maximum(variances, 0.0))
        return self.own.coefficients(self.mean + rng.standard_normal((n, self.mean.size)) @ root.T)


def whitened_data(model: FullPosterior, rows: FloatArray) -> Iterator[Whitened]:
    """Data of each device over the directions that its polynomials reach; rows are multiplied by `rows`."""
    for R, z, weight in zip(model.data.R, model.data.z, rows, strict=True):
        A = R * weight[:, None]
        norms = np.linalg.norm(A, axis=0)
        u, s, _ = np.linalg.svd(A / np.where(norms > 0, norms, 1.0))
        basis = u[:, s > s.max(initial=0.0) * s.size * np.finfo(float).eps]
        yield Whitened(basis.T @ (z * weight), basis.T @ A, basis)


def without_own_data(
    own: Whitened, mean: FloatArray, covariance: FloatArray, method: str, k_hat: float
) -> LeftOutDevice:
    """The normal approximation: the others' prediction from that of all, `mean` ± `covariance`, which contains z.

    Directions of which more than 95 % is known from the device itself are left out of χ².
    """
    c, axes = np.linalg.eigh(covariance)
    kept = c < _OWN_SHARE
    c = np.where(kept, np.maximum(c, 0.0), 0.5)
    away = axes.T @ (own.z - mean) * np.where(kept, 1.0, 0.0)
    return LeftOutDevice(
        own=own,
        mean=own.z - axes @ (away / (1 - c)),
        covariance=(axes * (c / (1 - c))) @ axes.T,
        chi2=float(np.sum(away**2 / (1 - c))),
        dof=int(kept.sum()),
        method=method,
        k_hat=k_hat,
    )


def from_fit(fit: FitResult) -> tuple[LeftOutDevice, ...]:
    """Prediction of the others for every device from a least-squares fit, linearised at its best values.

    Thickness and amplitudes of the device itself are free but for its declared thickness, as in the fit.
    """
    model = least_squares_model(fit.study)
    best, (J, two_P) = fit.optimum, model.data.z.shape
    values = best.values[None]
    rows = row_scale(model, values)[0][0] if model.data.fitted.any() else np.ones((J, two_P))
    design, target, _, _ = whitened(model, values)
    misfit = (target[0] - design[0] @ best.amplitudes).reshape(J, two_P)
    M = jacobian(model, best.values, best.amplitudes).matrix
    u, s, _ = np.linalg.svd(M / np.maximum(np.linalg.norm(M, axis=0), 1e-300), full_matrices=False)
    taken = u[:, s > 1e-10 * s.max(initial=0.0)][: J * two_P].reshape(J, two_P, -1)
    return tuple(
        without_own_data(own, own.z - own.basis.T @ e, own.basis.T @ (h @ h.T) @ own.basis, LINEAR, float("nan"))
        for own, e, h in zip(whitened_data(model, rows), misfit, taken, strict=True)
    )


def _own_amplitudes(model: FullPosterior, draws: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Value of each term for each draw and device, and its standard deviation where the device has its own.

    Shapes (n, n_devices, T): shared amplitudes from the draws, own ones by the mean and width of their priors.
    """
    study, linear = model.study, model.amplitudes
    scattered = scattered_terms(study)
    shape = (len(draws), len(study.curves), linear.power.size)
    value, sd = np.zeros(shape), np.zeros(shape)
    middle = (np.arange(2000) + 0.5) / 2000
    for t, name in enumerate(study.amplitudes):
        for j, column in enumerate(linear.column[:, t]):
            if column < 0:
                value[:, j, t] = linear.constant[t]
            elif linear.own[t]:
                prior = linear.priors[column].quantile(middle)
                value[:, j, t], sd[:, j, t] = prior.mean(), prior.std()
            else:
                value[:, j, t] = draws[linear.names[column]]
        if t in scattered:
            relative = [parameter_draws(study, draws, curve, SCATTER + name) for curve in study.curves]
            sd[..., t] = np.abs(value[..., t]) * np.stack(relative, axis=1)
    return value, sd


def _own_thicknesses(model: FullPosterior, values: FloatArray) -> Iterator[tuple[float, FloatArray]]:
    """Nodes and weights of an integral over the prior of every device's own thickness: weight, values with it."""
    index = model.layout.index["thickness"]
    if np.all(index < 0):
        yield 1.0, values
        return
    priors = [model.layout.entries[k].prior for k in index]
    x, w = np.polynomial.hermite_e.hermegauss(_NODES)
    for node, weight in zip(x, w / w.sum(), strict=True):
        moved = values.copy()
        for k, prior in zip(index, priors, strict=True):
            mean, sd = prior.centre_and_sd
            moved[:, k] = max(mean + node * sd, 0.0)
        yield float(weight), moved


def predicted_data(model: FullPosterior, draws: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Mean, (n, n_devices, 2P), and covariance of R t at each draw over all that belongs to a device alone."""
    shape = (len(draws), len(model.study.curves))
    c, sd = _own_amplitudes(model, draws)
    own = np.flatnonzero(np.any(sd > 0, axis=(0, 1)))
    # thicknesses are set at the nodes
    values = np.stack([
        np.zeros(len(draws)) if name.is_thickness else draws[name].to_numpy() for name in model.layout.names
    ], axis=-1) if model.layout.names else np.zeros((len(draws), 0))  # fmt: skip
    weights, means, spread = [], [], np.zeros(())
    for weight, moved in _own_thicknesses(model, values):
        K = np.broadcast_to(transfer(model.layout, moved, per_volume=model.per_volume), shape)
        design = amplitude_design(model.data, model.amplitudes, K)
        weights.append(weight)
        means.append((design @ c[..., None])[..., 0])
        if own.size:
            B = design[..., own] * sd[:, :, None, own]
            spread = spread + weight * (B @ np.swapaxes(B, -1, -2))
    mean = np.tensordot(weights, np.array(means), axes=1)
    two_P = mean.shape[-1]
    covariance = np.zeros((*shape, two_P, two_P)) + spread
    for weight, each in zip(weights, means, strict=True):
        away = each - mean
        covariance += weight * away[..., :, None] * away[..., None, :]
    return mean, covariance


def from_posterior(study: Study, draws: pd.DataFrame) -> tuple[LeftOutDevice, ...]:
    """Prediction of the others for every device from draws, named as in `Posterior.draws`, of the posterior of all.

    `study` has normal errors, see `mtjfit.model.equivalent_noise.as_normal`.
    """
    model = FullPosterior(study)
    P = model.data.powers.size
    rows = np.repeat(1 / noise_estimate(model), P, axis=1)
    means, spreads = predicted_data(model, draws)
    found = []
    for j, own in enumerate(whitened_data(model, rows)):
        basis = own.basis * rows[j][:, None]
        found.append(_left_out(own, means[:, j] @ basis, np.asarray(basis.T @ spreads[:, j] @ basis)))
    return tuple(found)


def _left_out(own: Whitened, mean: FloatArray, spread: FloatArray) -> LeftOutDevice:
    """One device: mean (n, r) and covariance (n, r, r) of z for each draw, own noise not yet in it."""
    r = own.z.size
    whole = spread + np.eye(r)
    away = own.z - mean
    log_likelihood = -0.5 * (
        np.sum(away * np.linalg.solve(whole, away[..., None])[..., 0], axis=-1) + np.linalg.slogdet(whole)[1]
    )
    weights, k_hat = smoothed(-log_likelihood)
    if k_hat <= reliable_k_hat(weights.size):
        w = weights / weights.sum()
        middle = w @ mean
        covariance = np.tensordot(w, spread, axes=1) + (mean - middle).T @ ((mean - middle) * w[:, None])
        distance = own.z - middle
        chi2 = float(distance @ np.linalg.solve(covariance + np.eye(r), distance))
        return LeftOutDevice(own, middle, covariance, chi2, r, BY_WEIGHTS, k_hat)
    # in coordinates in which noise and what belongs to the device alone are standard normal together
    root = np.linalg.cholesky(whole.mean(axis=0))
    inverse = np.linalg.inv(root)
    turned = Whitened(inverse @ own.z, inverse @ own.A, own.basis)
    found = without_own_data(turned, inverse @ mean.mean(axis=0), np.cov(mean @ inverse.T, rowvar=False).reshape(r, r),
                             NORMAL, k_hat)  # fmt: skip
    covariance = root @ (found.covariance + np.eye(r)) @ root.T - np.eye(r)
    return LeftOutDevice(own, root @ found.mean, covariance, found.chi2, found.dof, NORMAL, k_hat)
