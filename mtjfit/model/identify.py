"""What a study determines: error bars at the optimum, and why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.data import FloatArray
from mtjfit.model.directions import Direction
from mtjfit.model.jacobian import jacobian, relative_errors
from mtjfit.model.likelihood import MarginalPosterior
from mtjfit.model.rises import rises
from mtjfit.model.structure import Structure, structure

__all__ = ["LINEAR_RISE", "MAX_RELATIVE_ERROR", "Identifiability", "Structure", "determined_table", "structure"]

MAX_RELATIVE_ERROR = 0.5
"""A linearised error above 50 % of its parameter is no error bar: two of them reach zero, and the far side is open."""

LINEAR_RISE = (2.0, 8.0)
"""How far χ² may rise at two linearised errors, where a linear model has 4: half and twice of it.

Below, the error is too small to print: for lambda_sf_F in simulated series of five devices, a third to two thirds of
such errors missed the truth by more than twice their size. Above, it is too large on that side. A profile that is
normal in ln(parameter) stays above the lower end up to errors of 47 %.
"""


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
    directions : tuple of Direction
        Combinations of lengths and amplitudes from the stiffest to the sloppiest at the best fit; amplitudes that each
        device has for itself, and thicknesses within their declared errors, follow.
    """

    rank: int
    n_parameters: int
    null_directions: tuple[str, ...]
    determined: pd.DataFrame
    directions: tuple[Direction, ...]


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
