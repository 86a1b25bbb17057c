"""What a study determines: structural rank from the design alone, error bars from the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import qmc

from mtjfit.data import FloatArray
from mtjfit.model.jacobian import jacobian, relative_errors
from mtjfit.model.likelihood import MarginalPosterior

__all__ = ["MAX_RELATIVE_ERROR", "Identifiability", "Structure", "determined_table", "structure"]

MAX_RELATIVE_ERROR = 0.5
"""A linearised error above 50 % of its parameter is no error bar: two of them reach zero, and the far side is open."""

_DRAWS = 32
_RANK_TOLERANCE = 1e-10  # the Jacobian is good to 1e-13 of its columns' norms
_TAKES_PART = 1e-3


@dataclass(frozen=True)
class Structure:
    """Rank of the model for a design, whatever the noise: thicknesses taken as known.

    Attributes
    ----------
    rank, n_parameters : int
    null_directions : tuple of str
        Changes of parameters that no measurement of this design can see, in words.
    """

    rank: int
    n_parameters: int
    null_directions: tuple[str, ...]


@dataclass(frozen=True)
class Identifiability:
    """What the data determine.

    Attributes
    ----------
    rank : int
        Number of independent combinations that the design determines, thicknesses taken as known.
    n_parameters : int
        Free lengths and amplitudes.
    null_directions : tuple of str
        In words, what cannot be seen.
    determined : DataFrame
        By parameter: value, relative_error (linearised, inf if none), determined (bool), reason.
    """

    rank: int
    n_parameters: int
    null_directions: tuple[str, ...]
    determined: pd.DataFrame


def _null_space(matrix: FloatArray) -> tuple[int, FloatArray]:
    """Rank and an orthonormal basis of the null space, columns scaled to unit norm."""
    norms = np.linalg.norm(matrix, axis=0)
    scaled = matrix / np.where(norms > 0, norms, 1.0)
    _, s, vt = np.linalg.svd(scaled, full_matrices=True)
    rank = int(np.sum(s > _RANK_TOLERANCE * max(float(s.max(initial=0.0)), 1e-300)))
    basis = vt[rank:] / np.where(norms > 0, norms, 1.0)
    return rank, basis / np.maximum(np.linalg.norm(basis, axis=1, keepdims=True), 1e-300)


def _in_words(names: Sequence[str], basis: FloatArray, n_thicknesses: int) -> list[str]:
    words, rest = [], basis.shape[0]
    product = [k for k, name in enumerate(names) if name.split("[")[0] in ("lambda_sf_N", "D_ratio")]
    if len({names[k].split("[")[0] for k in product}) == 2:
        words.append("lambda_sf_N and D_ratio enter only as Lambda = D_ratio · lambda_sf_N")
        rest -= 1
    if rest > 0:
        taking_part = [name for k, name in enumerate(names) if np.max(basis[:, k]) > _TAKES_PART]
        number = "1 combination" if rest == 1 else f"{rest} independent combinations"
        where = "one thickness" if n_thicknesses == 1 else f"{n_thicknesses} thicknesses"
        words.append(f"with {where}, {number} of {', '.join(taking_part)} cannot be seen in any measured value")
    return words


def structure(model: MarginalPosterior) -> Structure:
    """Structural rank: the largest rank of the Jacobian over draws from the prior.

    Returns
    -------
    Structure
    """
    size, n_amplitudes = model.layout.size, len(model.amplitudes.names)
    draws = qmc.Sobol(max(size, 1), rng=np.random.default_rng(0)).random(_DRAWS)
    draws = 0.05 + 0.9 * draws
    nominal = model.prior_transform(np.full((1, size), 0.5))[0]
    rng = np.random.default_rng(1)
    found: list[tuple[int, FloatArray]] = []
    names: tuple[str, ...] = ()
    for theta in model.prior_transform(draws[:, :size]):
        for k, entry in enumerate(model.layout.entries):
            if entry.name.startswith("thickness"):
                theta[k] = nominal[k]
        amplitudes = model.amplitudes.mean + model.amplitudes.sd * rng.uniform(0.5, 1.5, n_amplitudes)
        matrix = jacobian(model, model.layout.values(theta), amplitudes)
        names = matrix.names[: matrix.n_model]
        found.append(_null_space(matrix.model))
    rank = max(r for r, _ in found)
    # a parameter takes part in what cannot be seen if it does so anywhere
    basis = np.max([np.abs(b) for r, b in found if r == rank], axis=0)
    words = _in_words(names, basis, model.study.n_thicknesses) if rank < len(names) else []
    return Structure(rank, len(names), tuple(words))


def determined_table(
    model: MarginalPosterior, values: FloatArray, amplitudes: FloatArray, at_bound: Sequence[str] = ()
) -> tuple[pd.DataFrame, FloatArray]:
    """Linearised relative errors at a point and which of them are error bars; also their correlations.

    Parameters
    ----------
    model : MarginalPosterior
    values : ndarray, shape (size,)
        Natural values of the non-linear parameters.
    amplitudes : ndarray, shape (n_free,)
    at_bound : sequence of str
        Parameters that the fit left at the edge of their range; they get no error bar.

    Returns
    -------
    table : DataFrame
        Index parameter; columns value, relative_error, determined, reason.
    correlation : ndarray
        In the order of the table.
    """
    J = jacobian(model, values, amplitudes)
    errors, correlation = relative_errors(J.matrix)
    by_name = dict(zip(model.layout.names, values, strict=True)) | dict(
        zip(model.amplitudes.names, amplitudes, strict=True)
    )
    rows = []
    for name, error in zip(J.names, errors, strict=True):
        if name in at_bound:
            why = "the fit ran to the edge of its range"
        elif error > 1e6:
            why = "no measured value depends on it alone"
        elif error > MAX_RELATIVE_ERROR:
            why = "its error would exceed 50 %"
        else:
            why = ""
        rows.append((by_name[name], error, not why, why))
    table = pd.DataFrame(
        rows, index=pd.Index(J.names, name="parameter"), columns=["value", "relative_error", "determined", "reason"]
    )
    return table, correlation
