"""Variable projection for many spectra at once: amplitudes and background are linear and solved for exactly."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.spectra.lineshape import line_derivatives
from mtjfit.spectra.spectrum import LineModel


@dataclass(frozen=True)
class ScaledSpectra:
    """N spectra of n points (shorter ones padded), scaled so that abscissa and voltage span about one."""

    t: FloatArray  # abscissa over -1 … 1, (N, n)
    y: FloatArray  # voltage over `scale`, zero at padded points, (N, n)
    weight: FloatArray  # 1, or 0 at padded points, (N, n)
    basis: FloatArray  # background polynomials, zero at padded points, (N, n, degree + 1)
    middle: FloatArray  # x = middle + half_span · t, (N,)
    half_span: FloatArray
    scale: FloatArray  # V = scale · y, (N,)
    spacing: FloatArray  # median distance of neighbours in t, (N,)

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray, degree: int, used: BoolArray) -> ScaledSpectra:
        """Scale x and y, shape (N, n), for backgrounds of a degree; `used` is False at padded points."""
        weight = used.astype(float)
        low, high = np.where(used, x, np.inf).min(axis=1), np.where(used, x, -np.inf).max(axis=1)
        middle, half_span = (low + high) / 2, (high - low) / 2
        t = np.where(used, (x - middle[:, None]) / half_span[:, None], 0.0)
        mean = (y * weight).sum(axis=1) / weight.sum(axis=1)
        scale = np.abs((y - mean[:, None]) * weight).max(axis=1)
        scale = np.where(scale > 0, scale, 1.0)
        flat = np.polynomial.legendre.legvander(t, degree) if degree >= 0 else np.empty((*t.shape, 0))
        spacing = np.nanmedian(np.diff(np.sort(np.where(used, t, np.nan), axis=1), axis=1), axis=1)
        spacing = np.where(spacing > 0, spacing, 1e-3)
        return cls(t, y * weight / scale[:, None], weight, flat * weight[..., None], middle, half_span, scale, spacing)

    def part(self, rows: NDArray[np.intp]) -> ScaledSpectra:
        """Some of the spectra."""
        return ScaledSpectra(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True)
class Projection:
    """Least squares at given centres and widths; N spectra, K modes, p linear parameters."""

    c: FloatArray  # best linear parameters: s, a, background, (N, p)
    rss: FloatArray  # (N,)
    gram: FloatArray  # ΦᵀΦ of the linear columns Φ, (N, p, p)
    cross: FloatArray  # ΦᵀD, D the derivatives of the voltage by centres and log widths, (N, p, 2K)
    curvature: FloatArray  # DᵀD, (N, 2K, 2K)
    gradient: FloatArray  # Dᵀr with the residual r, (N, 2K): −½ ∂rss exactly, since r is orthogonal to Φ
    residual: FloatArray  # in scaled units, never weighted, (N, n)

    def reduced(self) -> FloatArray:
        """Curvature with the linear parameters eliminated (Kaufman's approximation), shape (N, 2K, 2K)."""
        return self.curvature - np.swapaxes(self.cross, 1, 2) @ np.linalg.solve(self.gram, self.cross)


def project(
    data: ScaledSpectra,
    model: LineModel,
    centre: FloatArray,
    log_width: FloatArray,
    precision: FloatArray | None = None,
) -> Projection:
    """Solve for the linear parameters at centres and log widths, shape (N, K), in scaled units.

    `precision`, shape (N,), is the weight of each spectrum beside the others, 1/variance in scaled units.
    """
    width = np.exp(log_width)[:, None, :]
    modulation = None if model.modulation is None else (model.modulation / data.half_span)[:, None, None]
    # A driven oscillator depends on the distance to zero frequency; a Lorentzian does not.
    zero = 0.0 if model.form == "lorentzian" else (data.middle / data.half_span)[:, None, None]
    line, by_centre, by_width = line_derivatives(
        data.t[..., None] + zero, centre[:, None, :] + zero, width, modulation, model.form
    )
    k, weight = model.modes, data.weight[..., None]
    phi = np.concatenate([line.real * weight, line.imag * weight, data.basis], axis=2)
    transposed = np.swapaxes(phi, 1, 2)
    gram = transposed @ phi
    # A line far narrower than the spacing may fall between all points; the ridge keeps the system solvable there.
    index = np.arange(phi.shape[2])
    gram[:, index, index] *= 1 + 1e-14
    gram[:, index, index] += 1e-200
    c = np.linalg.solve(gram, transposed @ data.y[..., None])[..., 0]
    residual = data.y - (phi @ c[..., None])[..., 0]
    s, a = c[:, None, :k], c[:, None, k : 2 * k]
    slopes = [(s * each.real + a * each.imag) * weight for each in (by_centre, by_width)]
    D = np.concatenate(slopes, axis=2)
    D_transposed = np.swapaxes(D, 1, 2)
    rss, curvature = np.einsum("ij,ij->i", residual, residual), D_transposed @ D
    gradient = (D_transposed @ residual[..., None])[..., 0]
    if precision is None:
        return Projection(c, rss, gram, transposed @ D, curvature, gradient, residual)
    p1, p2 = precision[:, None], precision[:, None, None]
    return Projection(c, rss * precision, gram * p2, transposed @ D * p2, curvature * p2, gradient * p1, residual)
