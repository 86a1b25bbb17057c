"""Errors of the sweeps that are there, and what of them a new one may be expected to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mtjfit.data import TorqueCurve
from mtjfit.model.compress import polynomial_design, polynomial_slope
from mtjfit.model.layout import IntArray
from mtjfit.model.noise import PointErrors, effective_errors
from mtjfit.study import Noise

__all__ = ["point_errors", "typical_noise"]


def point_errors(curve: TorqueCurve, scale: float, powers: IntArray, noise: Mapping[str, float]) -> PointErrors:
    """Errors of the points in use as the likelihood knows them, correlations and errors of the bias included.

    Parameters
    ----------
    curve : TorqueCurve
    scale : float
        What turns its numbers into the unit of the study.
    powers : ndarray of int
        Powers of V in J0.
    noise : mapping of str to float
        See `measurement_like`.
    """
    if curve.sigma_is_fitted:
        par, perp = (np.full(curve.n_used, noise[f"noise_{part}"] ** 2) for part in ("par", "perp"))
        errors = PointErrors(par, perp, np.zeros(curve.n_used))
    else:
        used = curve.bias[curve.used]
        errors = effective_errors(
            curve, scale, polynomial_design(curve, powers, used), polynomial_slope(curve, powers, used)
        )
        extra = [noise.get(f"jitter_{part}", 0.0) ** 2 for part in ("par", "perp")]
        errors = replace(errors, par=errors.par + extra[0], perp=errors.perp + extra[1])
    worse = noise.get("student", 1.0) ** 2
    return errors if worse == 1 else replace(errors, par=errors.par * worse, perp=errors.perp * worse)


def typical_noise(errors: PointErrors) -> tuple[Noise, Noise]:
    """The one error of each component that carries as much information as those of the points, were these independent.

    Examples
    --------
    >>> [each.value for each in typical_noise(PointErrors(np.full(3, 4.0), np.full(3, 1.0), np.zeros(3)))]
    [2.0, 1.0]
    """
    rest = np.zeros((2, errors.par.size)) if errors.rest is None else np.diagonal(errors.rest).reshape(2, -1)
    par, perp = (float(np.mean(1 / each) ** -0.5) for each in (errors.par + rest[0], errors.perp + rest[1]))
    return Noise(par), Noise(perp)
