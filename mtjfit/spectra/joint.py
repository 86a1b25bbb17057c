"""Spectra of one device fitted together: centres and widths free, shared by all biases, or polynomials of the bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import chi2 as chi2_distribution

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.spectra.projection import Projection, ScaledSpectra, project
from mtjfit.spectra.spectrum import LineFits, LineModel

Sharing: TypeAlias = Literal["free"] | int
"""``"free"``: a value for each spectrum. A whole number: polynomial of this degree in the bias; 0 is one value for all.
Of the half width it is the logarithm that is a polynomial."""

_MOST_STEPS = 200
_SMALL = 1e-10


@dataclass(frozen=True)
class DeviceLines(ShownAsCard):
    """Lines of one device at M biases, K modes: centre, half_width, s, a of shape (M, K), background (M, degree + 1).

    `covariance`, shape (4, M, K, 4, M, K), is that of centre, half width, s, a; correlations between biases come from
    what they share. `chi2` is that of all residuals, over the noise of each spectrum fitted on its own. `p_sharing` is
    the probability of so large a rise of χ² if the sharing were true, NaN where nothing is shared. Check this first:
    residuals of spectra that wrongly share a parameter are not noise.
    """

    centre: FloatArray
    half_width: FloatArray
    s: FloatArray
    a: FloatArray
    background: FloatArray
    covariance: FloatArray
    chi2: float
    dof: int
    p_sharing: float
    converged: bool


def separate(fits: LineFits) -> DeviceLines:
    """The same for spectra of one device that were fitted each on its own."""
    n, k = fits.centre.shape
    covariance = np.zeros((4, n, k, 4, n, k))
    block = fits.covariance[:, : 4 * k, : 4 * k].reshape(n, 4, k, 4, k)
    index = np.arange(n)
    covariance[:, index, :, :, index, :] = block
    dof = int(np.sum(fits.n - fits.model.n_parameters))
    return DeviceLines(
        fits.centre, fits.half_width, fits.s, fits.a, fits.background, covariance,
        float(dof), dof, float("nan"), bool(np.all(fits.converged)),
    )  # fmt: skip


def fit_together(
    x: FloatArray,
    y: FloatArray,
    bias: FloatArray,
    fits: LineFits,
    *,
    centre: Sharing = "free",
    width: Sharing = 0,
    used: BoolArray | None = None,
) -> DeviceLines:
    """Fit all spectra of a device together, from the fits of each on its own, weighted by their noise.

    x and y have the shape (M, n), the bias (M,); `used` is False at padded points. `centre` and `width` say what is
    shared, see `Sharing`.

    Examples
    --------
    >>> from mtjfit.spectra.lines import fit_lines
    >>> f, V = np.linspace(4.0, 6.0, 101), np.array([-0.1, 0.0, 0.1])
    >>> u = (f - 5.0 - 0.2 * V[:, None]) / 0.1
    >>> y = (1.0 + V[:, None] * u) / (1 + u * u) + 1e-3 * np.cos(1e3 * f)
    >>> lines = fit_together(np.tile(f, (3, 1)), y, V, fit_lines(f, y), centre=1, width=0)
    >>> bool(np.ptp(lines.half_width) < 1e-12), (lines.a[:, 0].round(2) + 0.0).tolist()
    (True, [-0.1, 0.0, 0.1])
    """
    model = fits.model
    data = ScaledSpectra.of(x, y, model.degree, np.ones(x.shape, dtype=bool) if used is None else used)
    noise = np.where(fits.noise > 0, fits.noise, np.finfo(float).tiny)
    precision = (data.scale / noise) ** 2
    transform, beta = _coordinates(bias, fits, data, centre, width)
    at, beta, converged = _search(data, model, transform, beta, precision)
    return _result(data, model, fits, transform, beta, at, converged)


def _basis(bias: FloatArray, sharing: Sharing) -> FloatArray:
    if sharing == "free":
        return np.eye(bias.size)
    size = np.max(np.abs(bias), initial=0.0) or 1.0
    return np.vander(bias / size, min(sharing, np.unique(bias).size - 1) + 1, increasing=True)


def _coordinates(
    bias: FloatArray, fits: LineFits, data: ScaledSpectra, centre: Sharing, width: Sharing
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of scaled centres and log widths by the free coordinates, shape (M, 2K, Q), and a start (Q,).

    Coordinates are centres over the mean half span, and log widths over the same, so that all are of order one.
    """
    n, k = fits.centre.shape
    unit = float(data.half_span.mean())
    of_centre, of_width = _basis(bias, centre), _basis(bias, width)
    qc, qw = of_centre.shape[1], of_width.shape[1]
    transform = np.zeros((n, 2 * k, k * (qc + qw)))
    start = np.empty(k * (qc + qw))
    # Spectra with a weak line say least about its position.
    trust = 1 / np.maximum(fits.errors()[0], 1e-12 * unit)
    for m in range(k):
        columns = slice(m * qc, (m + 1) * qc)
        transform[:, m, columns] = of_centre * (unit / data.half_span)[:, None]
        start[columns] = _weighted(of_centre, fits.centre[:, m] / unit, trust[:, m])
        columns = slice(k * qc + m * qw, k * qc + (m + 1) * qw)
        transform[:, k + m, columns] = of_width
        start[columns] = _weighted(of_width, np.log(fits.half_width[:, m] / unit), trust[:, m])
    return transform, start


def _weighted(basis: FloatArray, values: FloatArray, trust: FloatArray) -> FloatArray:
    weight = trust / trust.max()
    return np.asarray(np.linalg.lstsq(basis * weight[:, None], values * weight, rcond=None)[0])


def _local(data: ScaledSpectra, transform: FloatArray, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
    values = transform @ beta
    k = values.shape[1] // 2
    unit = data.half_span.mean()
    wider = np.log(unit / data.half_span)[:, None]
    return values[:, :k] - (data.middle / data.half_span)[:, None], values[:, k:] + wider


def _search(
    data: ScaledSpectra, model: LineModel, transform: FloatArray, beta: FloatArray, precision: FloatArray
) -> tuple[Projection, FloatArray, bool]:
    at = project(data, model, *_local(data, transform, beta), precision)
    damping = 1e-3
    for _ in range(_MOST_STEPS):
        curvature = np.einsum("iaq,iab,ibr->qr", transform, at.reduced(), transform, optimize=True)
        gradient = np.einsum("iaq,ia->q", transform, at.gradient)
        diagonal = np.diagonal(curvature)
        damped = curvature + np.diag(damping * np.maximum(diagonal, 1e-12 * diagonal.max()))
        step = np.clip(np.linalg.solve(damped, gradient), -0.5, 0.5)
        there = project(data, model, *_local(data, transform, beta + step), precision)
        better = there.rss.sum() <= at.rss.sum()
        # The step in units of the errors.
        moved = float(np.sqrt(step @ curvature @ step))
        if better:
            at, beta = there, beta + step
        damping = max(damping * 0.1, 1e-12) if better else damping * 8
        if moved < _SMALL * max(1.0, np.sqrt(at.rss.sum())) or damping > 1e10:
            return at, beta, True
    return at, beta, False


def _result(
    data: ScaledSpectra,
    model: LineModel,
    fits: LineFits,
    transform: FloatArray,
    beta: FloatArray,
    at: Projection,
    converged: bool,
) -> DeviceLines:
    n, k = fits.centre.shape
    centre, log_width = _local(data, transform, beta)
    curvature = np.einsum("iaq,iab,ibr->qr", transform, at.reduced(), transform, optimize=True)
    of_beta = np.linalg.inv(curvature)
    # Linear parameters follow the centres and widths by -G^-1 E, and scatter about that on their own.
    follow = -np.linalg.solve(at.gram, at.cross)[:, : 2 * k] @ transform
    every = np.concatenate([transform, follow], axis=1)
    width = np.exp(log_width)
    span, scale = data.half_span[:, None], data.scale[:, None]
    units = np.concatenate([np.broadcast_to(span, (n, k)), span * width, np.broadcast_to(scale, (n, 2 * k))], axis=1)
    scaled = every * units[..., None]
    covariance = np.einsum("iaq,qr,jbr->iajb", scaled, of_beta, scaled, optimize=True)
    own = np.linalg.inv(at.gram)[:, : 2 * k, : 2 * k] * data.scale[:, None, None] ** 2
    index = np.arange(n)
    covariance[index, 2 * k :, index, 2 * k :] += own
    ordered = covariance.reshape(n, 4, k, n, 4, k).transpose(1, 0, 2, 4, 3, 5)
    linear = at.c * scale
    dof = int(np.sum(fits.n - model.n_linear)) - beta.size
    alone = int(np.sum(fits.n - model.n_parameters))
    chi2 = float(at.rss.sum())
    # χ² of the separate fits equals their dof, as the noise comes from their residuals.
    shared = dof - alone
    p = float(chi2_distribution.sf(max(chi2 - alone, 0.0), shared)) if shared > 0 else float("nan")
    return DeviceLines(
        data.middle[:, None] + span * centre, span * width, linear[:, :k], linear[:, k : 2 * k], linear[:, 2 * k :],
        ordered, chi2, dof, p, converged,
    )  # fmt: skip
