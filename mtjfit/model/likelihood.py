"""The model of a study, and its likelihood with the amplitudes integrated out exactly.

Given lengths and thicknesses the model is linear in the amplitudes, and their priors are normal: the integral over
them is a Gaussian one, done here in whitened variables c = mean + sd x, x ~ N(0, 1):

    ln L(θ) = −½ [rss + |z − D x̂|² + |x̂|² + ln det A + N ln 2π] − Σ ln σ,   A = 1 + DᵀD,   x̂ = A⁻¹Dᵀz,

and the amplitudes given θ are normal with mean x̂ and covariance A⁻¹, from which they are drawn back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.model.compress import Compressed, compress
from mtjfit.model.layout import AmplitudeLayout, Layout, amplitude_layout, layout, once_per_study
from mtjfit.study import Study
from mtjfit.study.prior import LN_2PI

_BY_THICKNESS = {"thickness": 1.0, "dead_layer": -1.0}  # d of κ(d) grows with one and shrinks with the other
THINNEST = 1e-6  # nm; thicknesses at or below zero have no prior mass and only need to stay finite


def Lambda_of(layout: Layout, values: FloatArray) -> FloatArray:
    """Λ = D_ratio λ_sf^N of each device in nm, shape (..., n_devices), whichever way it was declared."""
    if "Lambda" in layout.index:
        return layout.by_device("Lambda", values)
    return layout.by_device("lambda_sf_N", values) * layout.by_device("D_ratio", values)


def transfer(layout: Layout, values: FloatArray, *, per_volume: bool) -> ComplexArray:
    """K(d) = κ(d), or κ(d)/d per volume, of each device, shape (..., n_devices); d without the dead layer."""
    d = np.maximum(layout.magnetic(values), THINNEST)
    kappa = layout.model.kappa(d, layout.of_kappa(values))
    return np.asarray(kappa / d if per_volume else kappa)


def transfer_gradient(layout: Layout, values: FloatArray, *, per_volume: bool) -> ComplexArray:
    """∂K/∂(coordinate) of each device and entry, shape (..., n_devices, layout.size), at points of shape (..., size).

    Coordinates are logarithms where the layout says so; entries that do not act on K (noise scales) give zero.
    """
    d = np.maximum(layout.magnetic(values), THINNEST)
    free = [name for name in layout.model.parameters if name in layout.index and np.any(layout.index[name] >= 0)]
    gradient = layout.model.slopes(d, layout.of_kappa(values), free)
    by_log = gradient.by_log
    scale = 1 / d if per_volume else np.ones_like(d)
    by_d = gradient.d * scale - (gradient.kappa / d**2 if per_volume else 0.0)
    shape = (*values.shape[:-1], d.shape[-1])
    out = np.zeros((*shape, layout.size), dtype=complex)
    for name, index in layout.index.items():
        if name in _BY_THICKNESS:
            slope = np.broadcast_to(_BY_THICKNESS[name] * by_d, shape)
        elif name in by_log:
            slope = np.broadcast_to(by_log[name] * scale, shape)
        else:
            continue
        devices = np.flatnonzero(index >= 0)
        entries, value = index[devices], values[..., index[devices]]
        if name in _BY_THICKNESS:
            unit = np.where(layout.log[entries], value, 1.0)
        else:
            unit = 1 / np.where(layout.log[entries], 1.0, value)
        out[..., devices, entries] += slope[..., devices] * unit
    return out


def amplitude_design(compressed: Compressed, amplitudes: AmplitudeLayout, K: ComplexArray) -> FloatArray:
    """Whitened design of each device and term of J0, shape (..., n_devices, 2P, n_terms), for K (..., n_devices).

    α_n = Re[K (a_n + i b_n)], β_n = Im[K (a_n + i b_n)], whitened by the R of each curve.
    """
    turned = K[..., None] * amplitudes.phase
    R_par, R_perp = compressed.columns(amplitudes.power)
    return np.asarray(R_par * turned.real[..., None, :] + R_perp * turned.imag[..., None, :])


_FARTHEST = 1e4  # standard errors
_CHUNK = 4096  # rows: temporary arrays stay in cache


@dataclass(frozen=True)
class Conditional(ShownAsCard):
    """Amplitudes given the non-linear parameters: normal in x, amplitude = mean + sd x."""

    x: FloatArray  # conditional mean, shape (n, n_free)
    chol: FloatArray  # lower Cholesky factor of the precision A, shape (n, n_free, n_free)
    log_likelihood: FloatArray  # amplitudes integrated out, shape (n,)


def row_scale(model: FullPosterior, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """1/σ of each row, shape (n, J, 2P), and Σ N ln σ, for curves whose noise scale is fitted."""
    data, P = model.data, model.data.powers.size
    shape = (values.shape[0], data.fitted.size)
    each = [np.broadcast_to(model.layout.by_device(name, values), shape) for name in ("noise_par", "noise_perp")]
    scales = np.stack(each, axis=-1)
    scales = np.where(data.fitted[:, None], scales, 1.0)
    return np.repeat(1 / scales, P, axis=-1), np.sum(data.n * np.log(scales), axis=(-1, -2))


def whitened(model: FullPosterior, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Design (n, rows, n_free), target (n, rows), rss (n,) and Σ ln σ (n,) for natural `values` of shape (n, size)."""
    data, amplitudes = model.data, model.amplitudes
    K = transfer(model.layout, values, per_volume=model.per_volume)
    K = np.broadcast_to(K, (values.shape[0], K.shape[-1]))
    terms = amplitude_design(data, amplitudes, K)
    target = np.broadcast_to(data.z, terms.shape[:-1]) - terms @ amplitudes.constant
    rss, log_sigma = np.full(values.shape[0], data.rss.sum()), np.full(values.shape[0], data.log_sigma.sum())
    if data.fitted.any():
        rows, extra = row_scale(model, values)
        terms, target = terms * rows[..., None], target * rows
        rss = np.sum(data.rss * rows[..., :: data.powers.size] ** 2, axis=(-1, -2))
        log_sigma = log_sigma + extra
    n, J, two_P, _ = terms.shape
    design = np.zeros((n, J, two_P, len(amplitudes.names)))
    for t in range(amplitudes.power.size):
        if amplitudes.column[0, t] >= 0:
            design[:, np.arange(J), :, amplitudes.column[:, t]] += terms[..., t].transpose(1, 0, 2)
    return design.reshape(n, J * two_P, -1), target.reshape(n, J * two_P), rss, log_sigma


def where_possible(
    theta: FloatArray,
    log_prior: FloatArray,
    log_likelihood: Callable[[FloatArray], FloatArray],
    names: Sequence[str],
    values: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Log prior + log likelihood, shape (n,); the likelihood is computed only inside the support of the prior.

    MtjfitError, which names the values, where it is not finite there.
    """
    inside = np.isfinite(log_prior)
    result = np.where(inside, log_prior, -np.inf)
    if inside.any():
        found = log_likelihood(theta[inside])
        if not np.all(np.isfinite(found)):
            bad = values(theta[inside][~np.isfinite(found)][:1])[0]
            where = ", ".join(f"{n} = {v:.6g}" for n, v in zip(names, bad, strict=True))
            raise MtjfitError(f"the likelihood is not finite at {where}; check the data for extreme numbers")
        result[inside] += found
    return result


@dataclass(frozen=True, eq=False)
class FullPosterior(ShownAsCard):
    """Prior and marginal likelihood of one study over its non-linear coordinates, vectorised.

    Any optimiser, ensemble sampler or nested sampler plugs into `log_likelihood`, `log_prior`, `log_posterior` and
    `prior_transform`. Coordinates are logarithms of parameters with log-uniform or log-normal priors, and the values of
    all others.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> model = FullPosterior(load_study(dataset("thickness-series").study_file))
    >>> theta = model.prior_transform(np.full((2, model.layout.size), 0.5))
    >>> model.log_posterior(theta).shape
    (2,)
    """

    study: Study

    @cached_property
    def layout(self) -> Layout:
        """Non-linear parameters."""
        return layout(self.study)

    @cached_property
    def amplitudes(self) -> AmplitudeLayout:
        """Linear parameters."""
        return amplitude_layout(self.study)

    @cached_property
    def data(self) -> Compressed:
        """Sufficient statistics of the curves."""
        return compress(self.study, np.unique(self.amplitudes.power))

    @property
    def per_volume(self) -> bool:
        """True where the data carry 1/d."""
        return self.study.curves[0].per == "volume"

    def conditional(self, theta: FloatArray) -> Conditional:
        """Amplitudes given `theta` of shape (n, size), and the likelihood with them integrated out."""
        values = self.layout.values(theta)
        design, target, rss, log_sigma = whitened(self, values)
        scaled = design * self.amplitudes.sd
        target = target - design @ self.amplitudes.mean
        transposed = np.swapaxes(scaled, -1, -2)
        precision = transposed @ scaled + np.eye(scaled.shape[-1])
        chol = np.linalg.cholesky(precision)
        x = np.asarray(np.linalg.solve(precision, transposed @ target[..., None])[..., 0], dtype=float)
        misfit = target - (scaled @ x[..., None])[..., 0]
        log_det = 2 * np.sum(np.log(np.diagonal(chol, axis1=-2, axis2=-1)), axis=-1)
        square = rss + np.sum(misfit**2, axis=-1) + np.sum(x**2, axis=-1)
        log_likelihood = -0.5 * (square + log_det + self.study.n_values * LN_2PI) - log_sigma
        return Conditional(x, np.asarray(chol, dtype=float), log_likelihood)

    def log_likelihood(self, theta: FloatArray) -> FloatArray:
        """ln L with amplitudes integrated out, shape (n,), for coordinates of shape (n, size)."""
        theta = np.atleast_2d(theta)
        pieces = range(0, max(theta.shape[0], 1), _CHUNK)
        return np.concatenate([self.conditional(theta[k : k + _CHUNK]).log_likelihood for k in pieces])

    def log_prior(self, theta: FloatArray) -> FloatArray:
        """Log prior density of coordinates, shape (n,); −inf outside the support."""
        return self.layout.log_prior(np.atleast_2d(theta))

    def log_posterior(self, theta: FloatArray) -> FloatArray:
        """Log prior + log likelihood, shape (n,).

        Raises
        ------
        MtjfitError
            The likelihood is not finite inside the support of the prior; names the values.
        """
        theta = np.atleast_2d(theta)
        return where_possible(theta, self.log_prior(theta), self.log_likelihood, self.layout.names, self.layout.values)

    def prior_transform(self, u: FloatArray) -> FloatArray:
        """Uniform numbers of shape (..., size) to coordinates drawn from the prior."""
        return self.layout.from_unit_cube(np.asarray(u, dtype=float))

    def Lambda(self, values: FloatArray) -> FloatArray:
        """Λ of each device in nm, shape (..., n_devices), from natural values."""
        return Lambda_of(self.layout, values)


@once_per_study
def full_posterior(study: Study) -> FullPosterior:
    """The `FullPosterior` of a study, with the layouts and sums that it has built so far."""
    return FullPosterior(study)


def refuse_far_out(model: FullPosterior) -> None:
    """MtjfitError where points lie so far from every polynomial in V that no search and no sampler arrives."""
    data = model.data
    away = np.where(data.fitted, 0.0, np.sqrt(data.rss.sum(axis=1) / data.n.sum(axis=1)))
    worst = int(np.argmax(away))
    if away[worst] > _FARTHEST:
        raise MtjfitError(
            f"device {model.study.devices[worst]!r}: its points are {away[worst]:.1g} standard errors (r.m.s.) from "
            "the best polynomial in V; look for values that are far out, or errors that are far too small"
        )
