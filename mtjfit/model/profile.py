"""How far χ² rises where one parameter is held away from its best value and all others follow.

For a model that is linear within the errors it rises by k² at k standard errors. Where it rises by much less, the
linearised error is too small: the likelihood has a long tail, like that of a diffusion length longer than the layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import least_squares

from mtjfit.data import FloatArray
from mtjfit.model.combinations import noise_groups
from mtjfit.model.jacobian import jacobian, prior_width
from mtjfit.model.layout import IntArray
from mtjfit.model.likelihood import MarginalPosterior, whitened

__all__ = ["NEARLY_ZERO", "Point", "Search", "rises"]

_EVALUATIONS = 60  # of one search; a bent valley may need more, and the rise is then too large
_TOLERANCE = 1e-3  # of χ²
_FARTHEST = 20.0  # that a length may go, in ln(length)
_INWARD = 0.02  # from the edges of the range, in ln(length) or widths of a prior
NEARLY_ZERO = 1e-9  # of a prior's width: how close to zero a thickness or a dead layer may come
_NOISE_ROUNDS = 5
_NOISE_TOLERANCE = 1e-3  # of −2 ln L


@dataclass(frozen=True)
class Point:
    """Natural values, the best amplitudes there, and how far the model then misses the data and the thicknesses."""

    values: FloatArray
    amplitudes: FloatArray
    residual: FloatArray

    @property
    def chi2(self) -> float:
        """Of data and thicknesses, without the scatter of the points about each device's own polynomials."""
        return float(self.residual @ self.residual)


@dataclass(frozen=True)
class Search:
    """The study with one parameter held: amplitudes follow exactly, lengths and thicknesses in a search.

    Attributes
    ----------
    model : MarginalPosterior
    name : str
        Parameter that is held; empty for none.
    value : float
        Where.
    tolerance : float
        Of χ², relative.
    """

    model: MarginalPosterior
    name: str = ""
    value: float = 0.0
    tolerance: float = _TOLERANCE

    @cached_property
    def _groups(self) -> tuple[IntArray, FloatArray]:
        """Which component of which device shares which fitted noise scale, and how many values each scale has."""
        group, dof = noise_groups(self.model)
        n = self.model.data.n
        return group, np.array([n[group == g].sum() for g in range(dof.size)], dtype=float)

    def at(self, values: FloatArray) -> Point:
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
        return Point(values, amplitudes, np.append(design[0] @ amplitudes - target[0], off))

    def screened(self, values: FloatArray) -> FloatArray:
        """χ² at many lengths and thicknesses of shape (n, size), amplitudes following; shape (n,)."""
        layout, names = self.model.layout, self.model.amplitudes.names
        values = np.where(np.array(layout.names) == self.name, self.value, values)
        design, target, _, _ = whitened(self.model, values)
        held = np.array([name == self.name for name in names], dtype=bool)
        target = target - np.sum(design[..., held] * self.value, axis=-1)
        q, _ = np.linalg.qr(design[..., ~held])
        left = target - (q @ (np.swapaxes(q, -1, -2) @ target[..., None]))[..., 0]
        return np.asarray(np.sum(left**2, axis=-1))

    def gradient(self, point: Point, names: tuple[str, ...]) -> FloatArray:
        """Derivatives of the residual by the logarithms of `names`, by their values where a prior is linear.

        Amplitudes follow (Kaufman's form).
        """
        J = jacobian(self.model, point.values, point.amplitudes)
        follow = [k for k, name in enumerate(J.names) if name in self.model.amplitudes.names and name != self.name]
        q, _ = np.linalg.qr(J.matrix[:, follow])
        asked = [J.names.index(name) for name in names]
        linear = [not self.model.layout.entries[self.model.layout.names.index(name)].log for name in names]
        matrix = J.matrix[:, asked] / np.where(linear, J.scale[asked], 1.0)
        return np.asarray(matrix - q @ (q.T @ matrix))

    def lowest(self, start: FloatArray) -> Point:
        """The point of smallest χ² near natural values `start`, lengths no farther than their priors allow.

        Noise scales stay as they are.
        """
        layout = self.model.layout
        free = [
            k
            for k, entry in enumerate(layout.entries)
            if entry.name != self.name and not entry.name.startswith("noise")
        ]
        if not free:
            return self.at(start)
        entries, origin = [layout.entries[k] for k in free], start[free]
        log = np.array([entry.log for entry in entries])
        unit = np.array([1.0 if entry.log else prior_width(entry) for entry in entries])
        support = np.array([entry.prior.support for entry in entries]).T
        lowest = np.where(support[0] == 0, NEARLY_ZERO * unit, support[0])
        safe = np.where(log, origin, 1.0)
        with np.errstate(divide="ignore"):
            low, high = np.where(log, np.log(np.maximum(support, 0.0) / safe), (support - origin) / unit)

        def point(x: FloatArray) -> Point:
            values = start.copy()
            values[free] = np.where(log, origin * np.exp(np.where(log, x, 0.0)), origin + unit * x)
            values[free] = np.clip(values[free], lowest, support[1])
            return self.at(values)

        def residual(x: FloatArray) -> FloatArray:
            return point(x).residual

        def gradient(x: FloatArray) -> FloatArray:
            return np.asarray(self.gradient(point(x), tuple(entry.name for entry in entries)) * unit)

        low, high = np.clip(low, -_FARTHEST, -1e-9), np.clip(high, 1e-9, _FARTHEST)
        inward = np.minimum(_INWARD, (high - low) / 4)
        found = least_squares(
            residual,
            np.clip(0.0, low + inward, high - inward),  # a search that starts at an edge hardly leaves it
            gradient,
            bounds=(low, high),
            x_scale="jac",
            ftol=self.tolerance,
            max_nfev=_EVALUATIONS,
        )
        return point(found.x)

    def minus_two_log_likelihood(self, point: Point) -> float:
        """At the noise scales that suit the point best: χ², and N ln S for N values with one fitted scale and misfit S.

        Up to a constant, which is the same for all points.
        """
        group, n = self._groups
        J = group.shape[0]
        rows = point.residual[: J * 2 * self.model.data.powers.size] ** 2
        known = np.repeat(group.ravel() < 0, self.model.data.powers.size)
        off = point.residual[rows.size :]
        return float(rows[known].sum() + off @ off + n @ np.log(self._misfits(point)))

    def _misfits(self, point: Point) -> FloatArray:
        """Sum of the squared residuals of all values behind each fitted noise scale, in the unit of the data."""
        group, n = self._groups
        P = self.model.data.powers.size
        rows = np.sum(point.residual[: group.size * P].reshape(*group.shape, P) ** 2, axis=-1)
        square = self.model.data.rss + rows * self._scales(point.values) ** 2
        return np.array([max(float(square[group == g].sum()), 1e-300) for g in range(n.size)])

    def _scales(self, values: FloatArray) -> FloatArray:
        """Fitted noise scales of each device and component, one elsewhere."""
        group, layout = self._groups[0], self.model.layout
        scales = np.ones(group.shape)
        for c, name in enumerate(("noise_par", "noise_perp")):
            if name in layout.index:
                scales[:, c] = np.where(group[:, c] >= 0, layout.by_device(name, values), 1.0)
        return scales

    def _with_noise_of(self, point: Point) -> FloatArray:
        """The values of a point with its noise scales set to what suits it best."""
        group, n = self._groups
        best, values = np.sqrt(self._misfits(point) / n), point.values.copy()
        for c, name in enumerate(("noise_par", "noise_perp")):
            for j in np.flatnonzero(group[:, c] >= 0):
                values[self.model.layout.index[name][j]] = best[group[j, c]]
        return values

    def most_likely(self, start: FloatArray) -> tuple[Point, float]:
        """The point of largest likelihood near `start`, fitted noise scales following, and its −2 ln L."""
        found = self.lowest(start)
        lowest = self.minus_two_log_likelihood(found)
        for _ in range(_NOISE_ROUNDS if self._groups[1].size else 0):
            again = self.lowest(self._with_noise_of(found))
            before, lowest = lowest, self.minus_two_log_likelihood(again)
            found = again
            if abs(before - lowest) < _NOISE_TOLERANCE:
                break
        return found, lowest


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
    lowest = Search(model).at(values).chi2

    def rise(name: str, off: float) -> float:
        return Search(model, name, float(at[name]) + off).lowest(values).chi2 - lowest

    return {name: (rise(name, -sds * error), rise(name, sds * error)) for name, error in errors.items()}
