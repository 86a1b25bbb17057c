"""How well a design would determine its parameters if the truth were any point of the prior: before there are data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtjfit.data import FloatArray
from mtjfit.model.jacobian import jacobian, relative_errors
from mtjfit.model.likelihood import MarginalPosterior
from mtjfit.model.structure import prior_points

__all__ = ["GRADES", "expected_errors", "grade"]

GRADES = (0.1, 0.3, 1.0)
"""Relative errors that a parameter can be known to."""

_POINTS = 128
_NOTHING = 1e6  # a larger relative error is none


def grade(error: float) -> str:
    """The best of `GRADES` that a relative error reaches, in words; "prior only" if none.

    Examples
    --------
    >>> grade(0.07), grade(0.9), grade(5.0)
    ('10 %', '100 %', 'prior only')
    """
    reached = [f"{100 * each:.0f} %" for each in GRADES if error <= each]
    return reached[0] if reached else "prior only"


def expected_errors(model: MarginalPosterior, n: int = _POINTS) -> pd.DataFrame:
    """Linearised relative errors at points that fill the central 90 % of every prior; no measured value is used.

    Bias points, errors of the data, thicknesses with their errors and priors are; where noise scales are fitted, those
    of the prior. Where the model is not linear within its errors this is the better case.

    Parameters
    ----------
    model : MarginalPosterior
    n : int
        Number of points, a power of two.

    Returns
    -------
    DataFrame
        Index parameter: lengths and amplitudes, and Lambda where D_ratio and lambda_sf_N are shared and free. Columns
        median, low, high: of the relative error over the prior, low and high its deciles; within_10, within_30,
        within_100: share of the prior in which it is that many per cent or less.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> table = expected_errors(MarginalPosterior(study))
    >>> bool(table.loc["lambda_J", "median"] < table.loc["lambda_sf_F", "median"])
    True
    """
    rows: list[FloatArray] = []
    names: tuple[str, ...] = ()
    for values, amplitudes in prior_points(model, n):
        J = jacobian(model, values, amplitudes)
        names = J.names[: J.n_model]
        errors = relative_errors(J.matrix)[0][: J.n_model]
        if {"lambda_sf_N", "D_ratio"} <= set(names):  # both columns are the one of Λ
            alone = relative_errors(np.delete(J.matrix, names.index("D_ratio"), axis=1))[0]
            names, errors = (*names, "Lambda"), np.append(errors, alone[names.index("lambda_sf_N")])
        rows.append(np.where(errors > _NOTHING, np.inf, errors))
    found = np.array(rows)
    # of the sorted values themselves: between a number and infinity there is nothing to interpolate
    low, median, high = np.quantile(found, [0.1, 0.5, 0.9], axis=0, method="inverted_cdf")
    columns = {"median": median, "low": low, "high": high}
    columns |= {f"within_{100 * each:.0f}": np.mean(found <= each, axis=0) for each in GRADES}
    return pd.DataFrame(columns, index=pd.Index(names, name="parameter"))
