"""Single points of a study, for noise models under which no few sums stand for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray, TorqueCurve
from mtjfit.model.compress import polynomial_design, polynomial_slope
from mtjfit.model.layout import IntArray
from mtjfit.model.noise import PointErrors, effective_errors
from mtjfit.study import Study

__all__ = ["Points"]


@dataclass(frozen=True)
class Points:
    """Points in use of all devices in the unit of the first, padded to equal numbers.

    Attributes
    ----------
    counts : ndarray of bool, shape (n_devices, N)
        False where there is no point.
    par, perp : ndarray, shape (n_devices, N)
    design : ndarray, shape (n_devices, N, P)
        Terms of the polynomials in V.
    var_par, var_perp, cross : ndarray, shape (n_devices, N)
        Covariance of each point, 1, 1 and 0 where it is not known.
    """

    counts: np.ndarray
    par: FloatArray
    perp: FloatArray
    design: FloatArray
    var_par: FloatArray
    var_perp: FloatArray
    cross: FloatArray

    @classmethod
    def of(cls, study: Study, powers: IntArray) -> Points:
        """Points of a study for the given powers of V.

        Parameters
        ----------
        study : Study
        powers : ndarray of int, shape (P,)
        """
        most = max(curve.n_used for curve in study.curves)
        rows = [_padded(_point_table(study, curve, powers), most) for curve in study.curves]
        table = np.stack(rows)
        k = powers.size
        return cls(
            counts=table[..., -1] > 0,
            par=table[..., 0],
            perp=table[..., 1],
            design=table[..., 2 : 2 + k],
            var_par=table[..., 2 + k],
            var_perp=table[..., 3 + k],
            cross=table[..., 4 + k],
        )


def _point_table(study: Study, curve: TorqueCurve, powers: IntArray) -> FloatArray:
    """Columns: par, perp, the design, var_par, var_perp, cross, 1."""
    used, scale, one = curve.used, study.scale_of(curve), np.ones(curve.n_used)
    design = polynomial_design(curve, powers, curve.bias[used])
    errors = PointErrors(one, one, 0 * one)
    if not curve.sigma_is_fitted:
        errors = effective_errors(curve, scale, design, polynomial_slope(curve, powers, curve.bias[used]))
    y = (curve.par[used] * scale, curve.perp[used] * scale)
    return np.column_stack([*y, design, errors.par, errors.perp, errors.cross, one])


def _padded(table: FloatArray, length: int) -> FloatArray:
    out = np.zeros((length, table.shape[1]))
    out[:, -4:-2] = 1.0  # a variance that can be divided by; such a point has no weight
    out[: table.shape[0]] = table
    return out
