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
from mtjfit.model.profile import rises

__all__ = ["LINEAR_RISE", "MAX_RELATIVE_ERROR", "Identifiability", "Structure", "determined_table", "structure"]

MAX_RELATIVE_ERROR = 0.5
"""A linearised error above 50 % of its parameter is no error bar: two of them reach zero, and the far side is open."""

LINEAR_RISE = (2.0, 8.0)
"""How far χ² may rise at two linearised errors, where a linear model has 4: half and twice of it.

Below, the error is too small to print: for lambda_sf_F in simulated series of five devices, a third to two thirds of
such errors missed the truth by more than twice their size. Above, it is too large on that side. A profile that is
normal in ln(parameter) stays above the lower end up to errors of 47 %.
"""

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
        By parameter: value, relative_error (linearised, inf if none), determined (bool): whether that is an error bar,
        reason: why not, or that it is one of a model that is not linear within it.
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

    An error is no bar where it is too large, or where χ² rises by less than half of what a linear model has at two
    errors (`LINEAR_RISE`): of lengths and amplitudes, with all other parameters following.

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
    verdicts = {name: _as_error(name in at_bound, error) for name, error in zip(J.names, errors, strict=True)}
    # A thickness is declared with an error, which the curves only sharpen: that is linear enough.
    absolute = zip(J.names[: J.n_model], np.abs(J.scale) * errors, strict=False)
    known = {name: float(error) for name, error in absolute if verdicts[name][0]}
    verdicts |= {name: _as_linear(*rise) for name, rise in rises(model, values, amplitudes, known).items()}
    rows = [(by_name[name], error, *verdicts[name]) for name, error in zip(J.names, errors, strict=True)]
    table = pd.DataFrame(
        rows, index=pd.Index(J.names, name="parameter"), columns=["value", "relative_error", "determined", "reason"]
    )
    return table, correlation


def _as_error(at_bound: bool, error: float) -> tuple[bool, str]:
    """Whether a linearised relative error may be an error bar, and why not."""
    if at_bound:
        return False, "the fit ran to the edge of its range"
    if error > 1e6:
        return False, "no measured value depends on it alone"
    return error <= MAX_RELATIVE_ERROR, "" if error <= MAX_RELATIVE_ERROR else "its error would exceed 50 %"


def _as_linear(below: float, above: float) -> tuple[bool, str]:
    """Whether an error is a bar, judged by the rise of χ² at two errors on either side, and what to say of it."""
    smallest, largest = min(below, above), max(below, above)
    if smallest < LINEAR_RISE[0]:
        return False, f"not linear: χ² rises by only {max(smallest, 0.0):.1f} at two errors; the posterior says more"
    return True, "not linear: the posterior says more" if largest > LINEAR_RISE[1] else ""
