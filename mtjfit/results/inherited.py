"""How much of an interval comes from the data, and how much it inherits from priors that the data left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import qmc, rankdata

from mtjfit.data import FloatArray
from mtjfit.infer import Posterior

__all__ = ["explained_by", "half_width", "prior_draws", "undetermined"]

_PRIOR_DRAWS = 2**11


def prior_draws(posterior: Posterior, names: tuple[str, ...]) -> pd.DataFrame:
    """Quasi-random draws of some parameters from their priors, the same every time."""
    if not names:
        return pd.DataFrame(index=range(_PRIOR_DRAWS))
    u = qmc.Sobol(len(names), rng=np.random.default_rng(0)).random(_PRIOR_DRAWS)
    return pd.DataFrame({name: posterior.priors[name].quantile(u[:, k]) for k, name in enumerate(names)})


def undetermined(posterior: Posterior, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those parameters that the data leave open on one side or on both."""
    return tuple(name for name in names if posterior.determined(name) != "yes")


def half_width(draws: FloatArray) -> FloatArray:
    """Half of the central 68 % of each column, shape (n_columns,)."""
    low, high = np.quantile(draws, [0.16, 0.84], axis=0)
    return np.asarray((high - low) / 2)


def _scores(column: FloatArray) -> FloatArray:
    """Normal scores of the ranks, mean 0."""
    return np.asarray(ndtri((rankdata(column) - 0.5) / column.size))


def explained_by(draws: FloatArray, parameters: FloatArray) -> FloatArray:
    """Share of the variance of each column of `draws` that a smooth function of each parameter explains.

    In normal scores of the ranks, by a sum of cubic polynomials.

    Parameters
    ----------
    draws : ndarray, shape (n, n_columns)
    parameters : ndarray, shape (n, n_parameters)

    Returns
    -------
    ndarray, shape (n_columns, n_parameters + 1)
        The last column is that of all parameters together.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4000, 2))
    >>> share = explained_by(np.exp(x[:, :1]), x)
    >>> share.round(2).tolist()
    [[1.0, 0.0, 1.0]]
    """
    n, k = parameters.shape
    moves = np.ptp(draws, axis=0) > 1e-12 * np.max(np.abs(draws), axis=0, initial=1e-300)
    y = np.stack([_scores(column) for column in draws.T], axis=1)
    total = np.where(moves, np.sum(y**2, axis=0), 1.0)
    s = [_scores(column) for column in parameters.T]
    bases = [np.stack([np.ones(n), one, one**2, one**3], axis=1) for one in s]
    share = np.zeros((draws.shape[1], k + 1))
    for place, basis in enumerate([*bases, np.hstack(bases) if bases else np.ones((n, 1))]):
        fitted = basis @ np.linalg.lstsq(basis, y)[0]
        share[:, place] = 1 - np.sum((y - fitted) ** 2, axis=0) / total
    return np.where(moves[:, None], np.clip(share, 0.0, 1.0), 0.0)
