"""How far χ² rises where one parameter is held away from its best value and all others follow.

For a model that is linear within the errors it rises by k² at k standard errors. Where it rises by much less, the
linearised error is too small: the likelihood has a long tail, like that of a diffusion length longer than the layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from mtjfit.data import FloatArray
from mtjfit.model.jacobian import jacobian
from mtjfit.model.likelihood import MarginalPosterior, whitened

__all__ = ["rises"]

_EVALUATIONS = 60  # of one search; a bent valley may need more, and the rise is then too large
_TOLERANCE = 1e-3  # of χ²
_FARTHEST = 20.0  # that a length may go, in ln(length)


@dataclass(frozen=True)
class _Point:
    """Natural values, the best amplitudes there, and how far the model then misses the data and the thicknesses."""

    values: FloatArray
    amplitudes: FloatArray
    residual: FloatArray


@dataclass(frozen=True)
class _Held:
    """The study with one parameter held: amplitudes follow exactly, lengths and thicknesses in a search."""

    model: MarginalPosterior
    name: str
    value: float

    def at(self, values: FloatArray) -> _Point:
        """The best point at lengths and thicknesses of shape (size,), whatever these say of the parameter held."""
        layout, names = self.model.layout, self.model.amplitudes.names
        values = np.where(np.array(layout.names) == self.name, self.value, values)
        design, target, _, _ = whitened(self.model, values[None, :])
        free = np.array([name != self.name for name in names], dtype=bool)
        amplitudes = np.where(free, 0.0, self.value)
        amplitudes[free] = np.linalg.lstsq(design[0][:, free], target[0] - design[0] @ amplitudes, rcond=None)[0]
        off = [
            (value - getattr(entry.prior, "mean", np.nan)) / getattr(entry.prior, "sd", np.nan)
            for value, entry in zip(values, layout.entries, strict=True)
            if entry.name.startswith("thickness")
        ]
        return _Point(values, amplitudes, np.append(design[0] @ amplitudes - target[0], off))

    def gradient(self, point: _Point, names: tuple[str, ...]) -> FloatArray:
        """Derivatives of the residual by relative changes of `names`, amplitudes following (Kaufman's form)."""
        J = jacobian(self.model, point.values, point.amplitudes)
        follow = [k for k, name in enumerate(J.names) if name in self.model.amplitudes.names and name != self.name]
        q, _ = np.linalg.qr(J.matrix[:, follow])
        matrix = J.matrix[:, [J.names.index(name) for name in names]]
        return np.asarray(matrix - q @ (q.T @ matrix))

    def lowest(self, start: FloatArray) -> float:
        """Smallest χ² near natural values `start`, lengths no farther than their priors allow."""
        layout = self.model.layout
        free = [
            k
            for k, entry in enumerate(layout.entries)
            if start[k] != 0 and entry.name != self.name and not entry.name.startswith("noise")
        ]
        if not free:
            return float(np.sum(self.at(start).residual ** 2))
        entries, origin = [layout.entries[k] for k in free], start[free]
        log = np.array([entry.log for entry in entries])
        support = np.array([entry.prior.support for entry in entries]).T / origin
        with np.errstate(divide="ignore"):
            low, high = np.where(log, np.log(np.maximum(support, 0.0)), np.maximum(support, 0.0) - 1)

        def point(x: FloatArray) -> _Point:
            values = start.copy()
            values[free] = origin * np.where(log, np.exp(np.where(log, x, 0.0)), 1 + x)
            return self.at(values)

        def residual(x: FloatArray) -> FloatArray:
            return point(x).residual

        def gradient(x: FloatArray) -> FloatArray:
            return self.gradient(point(x), tuple(entry.name for entry in entries))

        found = least_squares(
            residual,
            np.zeros(len(free)),
            gradient,
            bounds=(np.clip(low, -_FARTHEST, -1e-9), np.clip(high, 1e-9, _FARTHEST)),
            x_scale="jac",
            ftol=_TOLERANCE,
            max_nfev=_EVALUATIONS,
        )
        return float(2 * found.cost)


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
    lowest = float(np.sum(_Held(model, "", 0.0).at(values).residual ** 2))

    def rise(name: str, off: float) -> float:
        return _Held(model, name, float(at[name]) + off).lowest(values) - lowest

    return {name: (rise(name, -sds * error), rise(name, sds * error)) for name, error in errors.items()}
