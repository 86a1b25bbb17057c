"""How far χ² rises where one parameter is held away from its best value and all others follow.

For a model that is linear within the errors it rises by k² at k standard errors. Where it rises by much less, the
linearised error is too small: the likelihood has a long tail, like that of a diffusion length longer than the layers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.descent import Descent
from mtjfit.model.likelihood import MarginalPosterior

__all__ = ["rises"]


def rises(
    model: MarginalPosterior, values: FloatArray, amplitudes: FloatArray, errors: Mapping[str, float], sds: float = 2.0
) -> dict[str, tuple[float, float]]:
    """Rise of χ² where a parameter is held `sds` of its errors below and above its best value, all others following.

    Parameters
    ----------
    model : MarginalPosterior
    values : ndarray, shape (size,)
        Natural values of the non-linear parameters at the optimum.
    amplitudes : ndarray, shape (n_free,)
    errors : mapping of str to float
        Standard errors, in the parameters' own units, of the parameters to look at; `sds` of them must leave lengths
        positive.
    sds : float

    Returns
    -------
    dict of str to (float, float)
        Below and above; sds² for a linear model. Never too small, unless `values` are no minimum.

    Examples
    --------
    With all lengths known the model is linear in the amplitudes:

    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import Fixed, Parameter, load_study
    >>> study = load_study(dataset("sankey2008").study_file)
    >>> known = {name: Parameter(name, Fixed(1.0)) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")}
    >>> linear = fit(study.replace(parameters={**study.parameters, **known}))
    >>> best, errors = linear.optimum, {"a1": linear.errors["a1"]}
    >>> np.round(rises(MarginalPosterior(linear.study), best.values, best.amplitudes, errors)["a1"], 6).tolist()
    [4.0, 4.0]
    """
    at = dict(zip((*model.layout.names, *model.amplitudes.names), (*values, *amplitudes), strict=True))
    start = np.asarray(values, dtype=float)[None, :]
    lowest = float(Descent(model, noise=False).at(np.zeros(1), start).height[0])

    def rise(name: str, error: float) -> tuple[float, float]:
        held = float(at[name]) + sds * error * np.array([-1.0, 1.0])
        below, above = Descent(model, name, noise=False).lowest(held, np.repeat(start, 2, axis=0)).height - lowest
        return float(below), float(above)

    return {name: rise(name, error) for name, error in errors.items()}
