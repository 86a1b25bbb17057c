"""Least squares of a study in which devices are left out or changed, and what all others predict for one of them.

Sufficient statistics stay what they are (`mtjfit.model.compress`). A device that is left out has none; a factor of its
torque multiplies the columns that its coefficients act on. Each refit is a search from a warm start.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.infer import FitResult, Posterior
from mtjfit.model.compress import Compressed, spanned
from mtjfit.model.descent import Descent
from mtjfit.model.device_combinations import noise_estimate
from mtjfit.model.equivalent_noise import as_normal, least_squares_model
from mtjfit.model.jacobian import jacobian
from mtjfit.model.layout import Entry, Layout, with_own_amplitudes
from mtjfit.model.likelihood import FullPosterior, full_posterior, row_scale, whitened
from mtjfit.study import DOF, JITTER, ParameterName, Study

_STARTS = 3
_DRAWN = 8
_RANK = 1e-9  # of a column of unit norm: what is left of it beside the others, below which it is no column of its own
_UNKNOWN = 1e-6  # at the least of a column of unit norm, so that what the others leave open is wide, but finite


def curves_by_device(study: Study) -> dict[str, IntArray]:
    """Numbers of the curves of each physical device, in the order of the study."""
    found: dict[str, list[int]] = {}
    for k, curve in enumerate(study.curves):
        found.setdefault(curve.device, []).append(k)
    return {device: np.array(numbers) for device, numbers in found.items()}


def _normalised(M: FloatArray) -> FloatArray:
    return np.asarray(M / np.maximum(np.linalg.norm(M, axis=0), 1e-300))


@dataclass(frozen=True)
class Change:
    """What a device is taken to be: a factor of both torques, one of T_perp, another nominal thickness in nm."""

    factor: float = 1.0
    perp: float = 1.0
    thickness: float | None = None


@dataclass(frozen=True, eq=False)
class _Changed(FullPosterior):
    """A model with other sufficient statistics and thicknesses than those of its study."""

    statistics: Compressed
    moved: Layout

    @cached_property
    def data(self) -> Compressed:
        return self.statistics

    @cached_property
    def layout(self) -> Layout:
        return self.moved


@dataclass(frozen=True, eq=False)
class Refit:
    """Best values (size,) and amplitudes (n_free,); χ² without the scatter of points about their polynomials."""

    model: FullPosterior
    values: FloatArray
    amplitudes: FloatArray
    chi2: float

    @cached_property
    def slopes(self) -> FloatArray:
        """Derivatives of the whitened data, then of the thickness terms, by all parameters; columns of unit norm."""
        return _normalised(jacobian(self.model, self.values, self.amplitudes).matrix)

    @cached_property
    def rank(self) -> int:
        """Number of parameters that the data determine."""
        return int(np.sum(np.linalg.svd(self.slopes, compute_uv=False) > _RANK))


@dataclass(frozen=True, eq=False)
class Prediction:
    """Whitened data z of one device, shape (rows,), and what the others predict: `mean` ± `root` rootᵀ, (rows, n)."""

    z: FloatArray
    mean: FloatArray
    root: FloatArray

    @property
    def covariance(self) -> FloatArray:
        """Of the prediction alone, without the noise of z."""
        return np.asarray(self.root @ self.root.T)

    @property
    def square(self) -> float:
        """χ² of the data about the prediction, with the errors of both.

        By singular values: what the others leave open has errors so wide that 1 + root rootᵀ cannot be inverted.
        """
        away = self.z - self.mean
        u, s, _ = np.linalg.svd(self.root, full_matrices=False)
        inside = u.T @ away
        outside = away - u @ inside
        return float(outside @ outside + np.sum(inside**2 / (1 + s**2)))

    def times(self, factor: FloatArray | float) -> Prediction:
        """With the rows of the prediction multiplied."""
        factor = np.broadcast_to(factor, self.mean.shape)
        return Prediction(self.z, factor * self.mean, factor[:, None] * self.root)


@dataclass(frozen=True, eq=False)
class Refits(ShownAsCard):
    """Fits of one study without some devices, or with some of them changed.

    `starts`, shape (n, size), are natural values. Fitted errors stay at the scatter about free polynomials.
    """

    model: FullPosterior
    starts: FloatArray
    _known: dict[frozenset[str], Refit] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, found: FitResult | Posterior) -> Self:
        """From the best starts of a fit, or from draws of a posterior, whose jitter and degrees of freedom count."""
        if isinstance(found, FitResult):
            return cls(least_squares_model(found.study), found.optimum.starts[:_STARTS])
        noise = [name for name in map(str, found.draws.columns) if ParameterName(name).base in (*JITTER, DOF)]
        normal = as_normal(found.study, {name: float(found.draws[name].median()) for name in noise})
        model = full_posterior(with_own_amplitudes(normal))
        values = found.spaced(_DRAWN)[list(model.layout.names)].to_numpy(dtype=float, copy=True)
        sigma = noise_estimate(model)
        for c, name in enumerate(("noise_par", "noise_perp")):
            index = model.layout.index.get(name, np.full(len(sigma), -1))
            values[:, index[index >= 0]] = sigma[index >= 0, c]
        return cls(model, values)

    @cached_property
    def devices(self) -> dict[str, IntArray]:
        """Numbers of the curves of each device."""
        return curves_by_device(self.model.study)

    def nominal(self, device: str) -> float:
        """Nominal thickness in nm."""
        return float(self.model.study.curves[self.devices[device][0]].thickness)

    def without(self, out: Set[str]) -> Refit:
        """The best fit without some devices; found once.

        Also from the fits in which one of them is still in: what is left out cannot make χ² larger.
        """
        out = frozenset(out)
        if out not in self._known:
            before = [self._known[out - {one}].values[None] for one in out if out - {one} in self._known]
            self._known[out] = self._lowest(self._model(out, {}), np.concatenate([*before, self.starts]))
        return self._known[out]

    def improve(self, out: Set[str], near: Refit) -> bool:
        """Search once more from the values of another fit; true if that is better, and then kept."""
        out = frozenset(out)
        better = self.changed(out, {}, near)
        if better.chi2 >= self.without(out).chi2:
            return False
        self._known[out] = better
        return True

    def changed(self, out: Set[str], changes: Mapping[str, Change], *near: Refit) -> Refit:
        """The best fit without some devices and with others changed, from the values of other fits."""
        return self._lowest(self._model(out, changes), np.array([one.values for one in near]))

    def linearised(self, out: Set[str]) -> dict[str, tuple[float, int]]:
        """By how much χ² falls if a device is left out, and the degrees of freedom of that, without a refit.

        For each device that is in: Σ e²/(1 − c) over the directions of its residuals in which the fit takes up c.
        """
        fit = self.without(out)
        shape = self.model.data.z.shape
        design, target, _, _ = whitened(fit.model, fit.values[None])
        e = (target[0] - design[0] @ fit.amplitudes).reshape(shape)
        u, s, _ = np.linalg.svd(fit.slopes, full_matrices=False)
        taken = u[: e.size, s > _RANK].reshape(*shape, -1)
        found = {}
        for device in self.devices.keys() - out:
            at = self.devices[device]
            block = taken[at].reshape(at.size * shape[1], -1)
            c, axes = np.linalg.eigh(block @ block.T)
            judged = c < 1 - _RANK
            reach = sum(spanned(R).shape[1] for R in self.model.data.R[at])
            square = float(np.sum((axes.T @ e[at].ravel())[judged] ** 2 / (1 - c[judged])))
            found[device] = square, reach - int(np.sum(~judged))
        return found

    def _lowest(self, model: FullPosterior, starts: FloatArray) -> Refit:
        found = Descent(model, noise=False).lowest(np.zeros(len(starts)), starts)
        best = int(np.argmin(found.height))
        return Refit(model, found.values[best], found.amplitudes[best], float(found.height[best]))

    def _model(self, out: Set[str], changes: Mapping[str, Change]) -> FullPosterior:
        data, layout, P = self.model.data, self.model.layout, self.model.data.powers.size
        R, z = data.R.copy(), data.z.copy()
        for device in out:
            R[self.devices[device]], z[self.devices[device]] = 0.0, 0.0
        for device, change in changes.items():
            R[self.devices[device]] *= change.factor * np.repeat([1.0, change.perp], P)
            if change.thickness is not None:
                layout = self._with_thickness(layout, device, change.thickness)
        return _Changed(self.model.study, replace(data, R=R, z=z), layout)

    def _with_thickness(self, layout: Layout, device: str, nominal: float) -> Layout:
        entries, fixed = list(layout.entries), layout.fixed["thickness"].copy()
        for k in self.devices[device]:
            entry = int(layout.index["thickness"][k])
            prior = self.model.study.parameters["thickness"].prior_at(nominal)
            if entry < 0 or prior is None:
                fixed[k] = nominal
            else:
                entries[entry] = Entry(entries[entry].name, prior)
        return replace(layout, entries=tuple(entries), fixed=layout.fixed | {"thickness": fixed})

    def prediction(self, out: Set[str], device: str, thickness: float | None = None) -> Prediction:
        """What all devices but those of `out`, and but this one, predict for its data, linearised at their best fit.

        Its own thickness is free as declared, about another nominal one if that is given.
        """
        rest = self.without(out | {device})
        model = self._model(out - {device}, {device: Change(thickness=thickness)})
        values = rest.values.copy()
        if thickness is not None:
            index = model.layout.index["thickness"][self.devices[device]]
            values[index[index >= 0]] = thickness
        shape, at = model.data.z.shape, self.devices[device]
        design, target, _, _ = whitened(model, values[None])
        away = (target[0] - design[0] @ rest.amplitudes).reshape(shape)[at].ravel()
        rows = row_scale(model, values[None])[0][0] if model.data.fitted.any() else np.ones(shape)
        z = (model.data.z * rows)[at].ravel()
        M = _normalised(jacobian(model, values, rest.amplitudes).matrix)
        mine = np.zeros(len(M), dtype=bool)
        mine[: shape[0] * shape[1]].reshape(shape)[at] = True
        _, s, vt = np.linalg.svd(M[~mine])
        known = np.zeros(M.shape[1])
        known[: s.size] = s
        return Prediction(z, z - away, M[mine] @ vt.T / np.maximum(known, _UNKNOWN))
