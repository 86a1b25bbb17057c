"""Analytic Jacobian of the whitened model of a study in scaled coordinates, and the errors that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.model.layout import Entry
from mtjfit.model.likelihood import FullPosterior, amplitude_design, row_scale, transfer, transfer_gradient

_ZERO = 1e-6  # of the prior's width


@dataclass(frozen=True)
class Jacobian:
    """Derivatives of the whitened model with respect to relative changes of the parameters."""

    names: tuple[str, ...]  # columns: lengths, then amplitudes, then thicknesses
    # ∂(model/σ)/∂ ln(parameter); for parameters at zero, per prior standard deviation, shape (n_rows, n_columns)
    matrix: FloatArray
    scale: FloatArray  # what one unit of a column is in the parameter's own unit, shape (n_columns,)
    n_model: int  # columns before the thicknesses: the parameters of the model

    @property
    def model(self) -> FloatArray:
        """The data rows and model columns alone: thicknesses taken as known."""
        n_thickness = len(self.names) - self.n_model
        return self.matrix[: self.matrix.shape[0] - n_thickness, : self.n_model]


def jacobian(model: FullPosterior, values: FloatArray, amplitudes: FloatArray) -> Jacobian:
    """Jacobian at natural `values` of the non-linear parameters, shape (size,), and free `amplitudes`.

    A thickness with a prior adds one row, its deviation from nominal over its standard deviation.
    """
    layout, linear, data = model.layout, model.amplitudes, model.data
    J, two_P = data.z.shape
    rows = row_scale(model, values[None, :])[0][0] if data.fitted.any() else np.ones((J, two_P))

    def respond(K: np.ndarray) -> FloatArray:
        return amplitude_design(data, linear, K) * rows[..., None]

    per_term = linear.of_terms(amplitudes)
    K = np.broadcast_to(transfer(layout, values, per_volume=model.per_volume), (J,))
    dK = transfer_gradient(layout, values, per_volume=model.per_volume)
    per_coordinate = [np.einsum("jrt,jt->jr", respond(dK[:, k]), per_term).ravel() for k in range(layout.size)]
    found: list[tuple[str, float, FloatArray]] = []  # name, scale and column of each parameter
    for k, entry in enumerate(layout.entries):
        if not (entry.name.is_noise or entry.name.is_thickness):
            unit = values[k] if entry.log else _unit(entry, values[k])
            found.append((entry.name, unit, per_coordinate[k] * (1.0 if entry.log else unit)))
    terms = respond(K)
    for a, name in enumerate(linear.names):
        unit = abs(amplitudes[a]) or linear.sd[a]
        serves = (linear.column == a).astype(float)
        found.append((name, unit, np.einsum("jrt,jt->jr", terms, serves).ravel() * unit))
    n_model = len(found)
    own = [k for k, entry in enumerate(layout.entries) if entry.name.is_thickness]
    found += [(layout.names[k], values[k], per_coordinate[k] * values[k]) for k in own]
    matrix = np.stack([column for *_, column in found], axis=1) if found else np.zeros((J * two_P, 0))
    nominal = np.zeros((len(own), len(found)))
    for row, k in enumerate(own):
        nominal[row, n_model + row] = values[k] / float(getattr(layout.entries[k].prior, "sd", np.inf))
    scale = np.array([unit for _, unit, _ in found])
    return Jacobian(tuple(name for name, *_ in found), np.vstack([matrix, nominal]), scale, n_model)


def prior_width(entry: Entry) -> float:
    """Half of the central 68 % of a prior, the unit of a parameter that may be zero."""
    low, high = entry.prior.quantile(np.array([0.16, 0.84]))
    return float(high - low) / 2


def _unit(entry: Entry, value: float) -> float:
    """Of a parameter with a linear coordinate: its size, or its prior's width at zero, which a dead layer may reach."""
    width = prior_width(entry)
    return abs(float(value)) if abs(value) > _ZERO * width else width


def relative_errors(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standard deviations of the columns (huge where not determined) and their correlation matrix.

    By singular values, so that a direction without information makes numbers of order 1e8 or more instead of an
    exception; the caller decides from which size on a number is no error bar.
    """
    norms = np.linalg.norm(matrix, axis=0)
    safe = np.where(norms > 0, norms, 1.0)
    _, s, vt = np.linalg.svd(matrix / safe, full_matrices=True)
    full = np.zeros(matrix.shape[1])
    full[: s.size] = s
    floor = 1e-12 * (float(full.max(initial=0.0)) or 1.0)
    root = vt.T / np.maximum(full, floor)
    covariance = root @ root.T
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    return np.where(norms > 0, sd / safe, np.inf), correlation
