r"""Each device of a stack against what the other devices predict for it.

Given what devices share, the data z of a device – its polynomials, whitened – are z = R β(d, c) + noise, with its
thickness d and amplitudes c drawn from the scatter about the smooth surface, not fitted to it: a fit could not fail.
Their mean m and covariance V follow exactly, over d by Gauss–Hermite nodes, over amplitudes in closed form.

Draws θ_i of the stack get weights 1/L_j(θ_i), Pareto-smoothed, which take the likelihood of device j out of them. Over
these the prediction has the mean m̄ and the covariance V̄ = Σ_i w_i (V_i + (m_i − m̄)(m_i − m̄)ᵀ), and

    D = (z − m̄)ᵀ V̄⁻¹ (z − m̄),  p = Σ_i w_i P(D' ≥ D | θ_i),

where D' is a quadratic form in normal numbers, of which the first two moments are matched by a gamma distribution. With
θ known D is χ² distributed; an uncertain scatter makes the tail heavier, and p takes that into account.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import gamma

from mtjfit.arrays import FloatArray
from mtjfit.infer.convergence.importance import reliable_k_hat
from mtjfit.model.likelihood import THINNEST
from mtjfit.multiple_tests import FALSE_ALARM, holm
from mtjfit.study import NOISE
from mtjfit.wafer.stack.deviations import N_DRAWS, spaced
from mtjfit.wafer.stack.hierarchy import WaferDevices
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.sample import StackPosterior
from mtjfit.wafer.stack.some_devices import SomeDevices, log_likelihood_by_device
from mtjfit.wafer.stack.without import WithoutDevices, normalised, without_devices

_NODES = 9  # of Gauss and Hermite over the scatter of thicknesses
_MIDDLES = (np.arange(400) + 0.5) / 400  # quantiles of a bounded prior
_NUMBERS_AT_ONCE = 2**22  # of covariances: bounds the memory
BY_OTHERS, BY_ALL = "the others", "all, itself included"


@dataclass(frozen=True)
class Predicted:
    """Moments of the data of some devices, whitened, for given draws; M numbers for each device."""

    mean: FloatArray  # shape (n, n_devices, M)
    covariance: FloatArray  # zero for numbers that carry no data, shape (n, n_devices, M, M)


def predicted(model: WaferPosterior, values: FloatArray, devices: slice) -> Predicted:
    """Moments of the data of some devices for rows of sampled values (n, size), over their scatter and the noise."""
    at, data = model.coordinates, model.devices.data.chosen(devices)
    a, b, aa, ab, bb = _transfer_moments(model, values, devices)
    phase, power = at.phases_and_powers
    R_par, R_perp = data.columns(power)
    u, w = phase.real * R_par + phase.imag * R_perp, phase.real * R_perp - phase.imag * R_par
    centre, sd = _amplitudes(model, values, devices)
    U, W = (np.einsum("njt,jmt->njm", centre, each) for each in (u, w))
    covariance = _outer(aa - a * a, U, U) + _outer(bb - b * b, W, W)
    mixed = _outer(ab - a * b, U, W)
    covariance += mixed + np.swapaxes(mixed, -1, -2)
    for k, t in enumerate(at.own):
        var, u_t, w_t = sd[..., k] ** 2, u[None, ..., t], w[None, ..., t]
        mixed = _outer(var * ab, u_t, w_t)
        covariance += _outer(var * aa, u_t, u_t) + _outer(var * bb, w_t, w_t) + mixed + np.swapaxes(mixed, -1, -2)
    diagonal = np.arange(data.z.shape[1])
    covariance[..., diagonal, diagonal] += _noise(model, values, devices)
    return Predicted(a[..., None] * U + b[..., None] * W, covariance)


def _outer(factor: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(factor[..., None, None] * x[..., :, None] * y[..., None, :])


def _transfer_moments(model: WaferPosterior, values: FloatArray, devices: slice) -> tuple[FloatArray, ...]:
    """Means of a, b, a², ab and b² over the scatter of thicknesses, K = a + ib, each of shape (n, n_devices)."""
    at = model.coordinates
    form, dead, nominal = at.form(values), at.dead_layer(values), at.expected(values, devices)
    shape = (len(values), nominal.shape[1])
    x, weights = np.polynomial.hermite_e.hermegauss(_NODES) if model.thickness_is_free else (np.zeros(1), np.ones(1))
    sums, total = np.zeros((5, *shape)), np.zeros(shape)
    for node, weight in zip(x, weights, strict=True):
        d = nominal + (node * at.sd(values) if model.thickness_is_free else 0.0)
        magnetic = np.maximum(d - dead, THINNEST)
        K = np.broadcast_to(form.at(magnetic) / (magnetic if model.devices.per_volume else 1.0), shape)
        mass = np.where(d > 0, weight, 0.0)  # thicknesses are positive
        sums += mass * np.stack([K.real, K.imag, K.real**2, K.real * K.imag, K.imag**2])
        total += mass
    return tuple(sums / total)


def _amplitudes(model: WaferPosterior, values: FloatArray, devices: slice) -> tuple[FloatArray, FloatArray]:
    """Mean of each term, (n, n_devices, T), and standard deviations of own ones, (n or 1, n_devices or 1, n_own)."""
    at = model.coordinates
    centre = at.centre(values, devices)
    sd = at.own_sd(values, centre)
    centre = np.array(np.broadcast_to(centre, (len(values), *centre.shape[1:])))
    if at.bounded is not None:  # its moments are not those of the normal distribution that is cut
        sd, drawn = np.array(sd), at.declared[at.terms[at.own[at.bounded.column]]].prior.quantile(_MIDDLES)
        centre[..., at.own[at.bounded.column]], sd[..., at.bounded.column] = drawn.mean(), drawn.std()
    return centre, sd


def _noise(model: WaferPosterior, values: FloatArray, devices: slice) -> FloatArray:
    """Variance of each whitened number, shape (n or 1, n_devices, M); zero where it is no datum."""
    data = model.devices.data.chosen(devices)
    live = np.any(data.R != 0, axis=-1) | (data.z != 0)
    if not data.fitted.any():
        return np.asarray(live[None].astype(float))
    each = [np.broadcast_to(model.coordinates.of(name, values) ** 2, (len(values), data.n.shape[0])) for name in NOISE]
    variance = np.repeat(np.stack(each, axis=-1), data.powers.size, axis=-1)
    return np.asarray(live * np.where(data.fitted[:, None], variance, 1.0))


def predictive_check(
    posterior: StackPosterior, devices: WaferDevices | None = None, *, n_draws: int = N_DRAWS
) -> pd.DataFrame:
    """Each device against the prediction of the others: χ², p-value, and p-value corrected for their number.

    p-values of right devices are uniform. The scatter of points about the device's own polynomial plays no part: it is
    judged where devices are reduced.

    Parameters
    ----------
    devices : WaferDevices, optional
        Others of the same stack, such as those that were left out of the posterior. Default: its own.
    n_draws : int
        At most so many draws of the posterior, evenly spaced.

    Returns
    -------
    DataFrame
        One row for each device: device, wafer, chi2, dof, p_value, p_adjusted (Holm), odd (p_adjusted below 5 %: of
        right stacks one in twenty has any), k_hat (of the weights), predicted_by: ``"the others"``, or ``"all, itself
        included"`` where k̂ says that draws cannot do without it. The p-value is then too large, not too small.

    Raises
    ------
    ValueError
        A device lies on a wafer with a smooth part of its own of which the posterior knows nothing.

    Examples
    --------
    >>> found = predictive_check(posterior)                                     # doctest: +SKIP
    >>> found[found["odd"]]                                                     # doctest: +SKIP
    """
    z = spaced(posterior, n_draws)
    whole, own = posterior.model, set(zip(posterior.model.devices.wafer, posterior.model.devices.device, strict=True))
    judged = SomeDevices.of(whole, whole.devices if devices is None else devices)
    model, mine = judged.model, judged.coordinates(z)
    names = list(zip(model.devices.wafer, model.devices.device, strict=True))
    log_L, values = log_likelihood_by_device(model, mine), model.scores.values(mine)
    weights, k_hat, by = np.full(log_L.shape, 1 / len(z)), np.full(len(names), -np.inf), np.full(len(names), BY_OTHERS)
    for j in np.flatnonzero([name in own for name in names]):
        weights[:, j], k_hat[j] = normalised(-log_L[:, j])
    found = np.empty((3, len(names)))
    for some in _slices(model, len(z)):
        found[:, some] = judged_by(predicted(model, values, some), model.devices.data.z[some], weights[:, some])
    enough = reliable_k_hat(len(z))
    for j in np.flatnonzero(k_hat > enough):
        alone = SomeDevices.at(model, np.array([j]))
        of_whole = SomeDevices(alone.model, judged.columns[alone.columns])
        rest = without_devices(z, whole.log_posterior, of_whole, log_L[:, j], enough)
        if rest.k_hat > enough:
            rest, by[j] = WithoutDevices(z, np.full(len(z), 1 / len(z)), rest.k_hat), BY_ALL
        k_hat[j] = rest.k_hat
        prediction = predicted(alone.model, alone.model.scores.values(of_whole.coordinates(rest.z)), slice(None))
        found[:, [j]] = judged_by(prediction, alone.model.devices.data.z, rest.weights[:, None])
    chi2, dof, p = found
    adjusted = holm(p)
    return pd.DataFrame({
        "device": model.devices.device, "wafer": model.devices.wafer, "chi2": chi2, "dof": dof.astype(int),
        "p_value": p, "p_adjusted": adjusted, "odd": adjusted < FALSE_ALARM, "k_hat": k_hat, "predicted_by": by,
    })  # fmt: skip


def _slices(model: WaferPosterior, n: int) -> Iterator[slice]:
    step = max(1, _NUMBERS_AT_ONCE // (n * model.devices.data.z.shape[1] ** 2))
    return (slice(k, min(k + step, model.devices.n)) for k in range(0, model.devices.n, step))


def judged_by(prediction: Predicted, z: FloatArray, weights: FloatArray) -> FloatArray:
    """χ², degrees of freedom and p-value of each device, shape (3, n_devices), for data (n_devices, M)."""
    m, V = prediction.mean, prediction.covariance
    mean = np.einsum("nj,njm->jm", weights, m)
    away = m - mean
    total = np.einsum("nj,njab->jab", weights, V) + np.einsum("nj,nja,njb->jab", weights, away, away)
    diagonal = np.arange(z.shape[1])
    live = total[:, diagonal, diagonal] > 0
    total[:, diagonal, diagonal] += ~live
    inverse = np.linalg.inv(np.linalg.cholesky(total))
    white = np.einsum("jab,njbc,jdc->njad", inverse, V, inverse, optimize=True)
    shift = np.einsum("jab,njb->nja", inverse, away)
    chi2 = np.sum(np.einsum("jab,jb->ja", inverse, z - mean) ** 2, axis=-1)
    expected = np.einsum("njaa->nj", white) + np.sum(shift**2, axis=-1)
    variance = 2 * np.einsum("njab,njab->nj", white, white) + 4 * np.einsum("nja,njab,njb->nj", shift, white, shift)
    p = np.sum(weights * gamma.sf(chi2, expected**2 / variance, scale=variance / expected), axis=0)
    return np.stack([chi2, live.sum(axis=-1), p])
