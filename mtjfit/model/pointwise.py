"""Noise models under which the data are no few sums: additive jitter and Student-t errors, every point at every call.

*Jitter*: σ² = σ_k² + s², with s of each component a parameter. Still Gaussian, so that amplitudes and thicknesses are
integrated out as ever; only the inner products of data and model are summed anew for each row of parameters.

*Student-t*: each value has the density of t with ν degrees of freedom about the model, in units of its σ. Nothing can
be integrated in closed form: all amplitudes and uncertain thicknesses are sampled, and the dimension grows with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from mtjfit.data import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.model.collapsed import CollapsedPosterior, _Batch
from mtjfit.model.forward import transfer
from mtjfit.model.gram import Gram
from mtjfit.model.layout import Entry, IntArray, Layout, layout
from mtjfit.model.likelihood import Conditional, MarginalPosterior
from mtjfit.model.points import Points
from mtjfit.model.split import Split
from mtjfit.model.straight import Frame, information
from mtjfit.study import DOF, JITTER, NOISE, Study
from mtjfit.study.prior import LN_2PI

__all__ = ["JitterPosterior", "StudentPosterior", "posterior_of"]

_AT_A_TIME = 2**20  # points times rows: temporary arrays stay below some ten megabytes


def posterior_of(study: Study) -> CollapsedPosterior:
    """The posterior that is sampled, under the noise model that the parameters of the study declare.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import Fixed, Parameter, load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> type(posterior_of(study)).__name__
    'CollapsedPosterior'
    >>> student = study.replace(parameters={**study.parameters, "noise_dof": Parameter("noise_dof", Fixed(4.0))})
    >>> posterior_of(student).names[-3:]
    ('thickness[F4.0nm]', 'a1', 'b2')
    """
    if DOF in study.parameters:
        return StudentPosterior(study)
    if any(name in study.parameters for name in JITTER):
        return JitterPosterior(study)
    return CollapsedPosterior(study)


def _extended(study: Study, names: tuple[str, ...]) -> Layout:
    """The layout of a study with more parameters at its end."""
    base = layout(study)
    entries, index, fixed, J = {e.name: e for e in base.entries}, dict(base.index), dict(base.fixed), len(study.curves)
    for name in names:
        if name not in study.parameters:
            continue
        parameter = study.parameters[name]
        if parameter.value is not None:
            index[name], fixed[name] = np.full(J, -1), np.full(J, parameter.value)
            continue
        of = study.names_of(name)
        for each in of:
            if parameter.free_prior is not None:
                entries.setdefault(each, Entry(each, parameter.free_prior))
        place = list(entries)
        index[name], fixed[name] = np.array([place.index(each) for each in of]), np.full(J, np.nan)
    return Layout(tuple(entries.values()), index, fixed)


@dataclass(frozen=True, eq=False)
class _WithNoise(MarginalPosterior):
    """Layout, amplitudes and Λ of a study whose likelihood is computed from the points."""

    @cached_property
    def layout(self) -> Layout:
        return _extended(self.study, (*JITTER, DOF))

    def conditional(self, theta: FloatArray) -> Conditional:
        raise MtjfitError("under this noise model the likelihood is no function of the compressed data")


@dataclass(frozen=True, eq=False)
class _Pointwise(CollapsedPosterior):
    """What both noise models share."""

    @cached_property
    def full(self) -> MarginalPosterior:
        """Layout with the parameters of the noise, amplitudes, and Λ; its own likelihood does not exist."""
        return _WithNoise(self.study)

    @cached_property
    def _points(self) -> Points:
        return Points.of(self.study, np.unique(self.full.amplitudes.power))

    def _of_devices(self, name: str, values: FloatArray) -> FloatArray:
        """A parameter of the noise for each row and device, shape (n, n_devices, 1); 0 where it is not declared."""
        shape = (values.shape[0], len(self.study.curves))
        if name not in self.full.layout.index:
            return np.zeros((*shape, 1))
        return np.broadcast_to(self.full.layout.by_device(name, values), shape)[..., None]

    def _chunks(self, z: FloatArray, nodes: int = 14) -> list[FloatArray]:
        length = max(1, _AT_A_TIME // self._points.counts.size)
        return [piece for part in super()._chunks(z, nodes)
                for piece in (part[k : k + length] for k in range(0, max(part.shape[0], 1), length))]  # fmt: skip


@dataclass(frozen=True, eq=False)
class JitterPosterior(_Pointwise):
    """`CollapsedPosterior` with σ² = σ_k² + s², s being ``jitter_par`` and ``jitter_perp``.

    The correlation between the components of a point stays as declared: s² is added to its two variances alone.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import LogNormal, Parameter, load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> jitter = {"jitter_par": Parameter("jitter_par", LogNormal(0.001, 3.0))}
    >>> model = JitterPosterior(study.replace(parameters={**study.parameters, **jitter}))
    >>> model.names
    ('lambda_J', 'lambda_phi', 'lambda_sf_F', 'lambda_sf_N', 'jitter_par', 'a1', 'b2')
    """

    @cached_property
    def _products(self) -> FloatArray:
        """Products of (z, u_1 …, w_1 …) at each point, par·par, perp·perp and both mixed ones.

        Shape (n_devices, 3 N, (1 + 2T)²), weighted by nothing.
        """
        points, amplitudes = self._points, self.full.amplitudes
        terms = points.design[..., np.searchsorted(np.unique(amplitudes.power), amplitudes.power)]
        real, imag = amplitudes.phase.real, amplitudes.phase.imag
        par = np.concatenate([points.par[..., None], real * terms, -imag * terms], axis=-1)
        perp = np.concatenate([points.perp[..., None], imag * terms, real * terms], axis=-1)
        mixed = par[..., :, None] * perp[..., None, :]
        pairs = (par[..., :, None] * par[..., None, :], perp[..., :, None] * perp[..., None, :],
                 mixed + np.swapaxes(mixed, -1, -2))  # fmt: skip
        return np.concatenate([each.reshape(*each.shape[:2], -1) for each in pairs], axis=1)

    def _batch(self, z: FloatArray) -> _Batch:
        batch, points, layout = super()._batch(z), self._points, self.full.layout
        values = np.full((z.shape[0], layout.size), np.nan)
        values[:, list(self.split.entries)] = batch.values[:, : len(self.split.entries)]
        A = points.var_par + self._of_devices("jitter_par", values) ** 2
        B = points.var_perp + self._of_devices("jitter_perp", values) ** 2
        determinant = A * B - points.cross**2
        weights = np.concatenate([B, A, np.broadcast_to(-points.cross, A.shape)], axis=-1)
        weights = weights * np.tile(points.counts / determinant, 3)
        table = np.swapaxes(np.swapaxes(weights, 0, 1) @ self._products, 0, 1)
        side = round(np.sqrt(table.shape[-1]))
        log_sigma = 0.5 * np.sum(np.log(determinant), axis=-1, where=points.counts).sum(axis=-1)
        return replace(
            batch,
            integral=replace(batch.integral, gram=Gram(table.reshape(*table.shape[:2], side, side))),
            constant=-0.5 * self.study.n_values * LN_2PI - log_sigma,
        )


@dataclass(frozen=True, eq=False)
class StudentPosterior(_Pointwise):
    """Student-t errors: a point far out moves the result little. Every free parameter of the study is a coordinate.

    σ is the scale of t, not its standard deviation: that is σ √(ν/(ν − 2)), and infinite for ν ≤ 2.
    """

    @cached_property
    def split(self) -> Split:
        """Nothing is integrated out."""
        everything, n_free = tuple(range(self.full.layout.size)), len(self.full.amplitudes.names)
        return Split(everything, tuple(range(n_free)), (), (), False, None, None)

    @cached_property
    def _straight_thicknesses(self) -> IntArray:
        """Coordinates of uncertain thicknesses, where amplitudes are straightened, too."""
        thicknesses = self.full.layout.index["thickness"]
        return thicknesses if self._straight_amplitudes.size and np.all(thicknesses >= 0) else thicknesses[:0]

    @property
    def straightened(self) -> IntArray:
        """Coordinates that are almost normal given all others: amplitudes without bounds, then thicknesses."""
        return np.concatenate([self._straight_amplitudes, self._straight_thicknesses])

    def _linearised(self, z: FloatArray) -> Frame:
        """As if the errors were normal, with the information that t errors have of the place."""
        batch, layout, amplitudes = self._batch(z), self.full.layout, self.full.amplitudes
        K, slope = self._at_nominal(batch)
        sampled, sd = [self.split.sampled[k - layout.size] for k in self._straight_amplitudes], 0.0
        for k in self._straight_thicknesses[:1]:  # one standard deviation for all
            _, sd = layout.entries[k].prior.centre_and_sd
        found = information(batch.integral, K, slope, sd, amplitudes, sampled, with_thickness=sd > 0)
        nu = self._of_devices(DOF, batch.values[:, : layout.size])[:, 0, 0]
        share = (nu + 1) / (nu + 3)
        return Frame(self.straightened, found[0] * share[:, None, None], found[1] * share[:, None])

    def log_likelihood(self, z: FloatArray) -> FloatArray:
        """ln L, shape (n,): Σ ln[t_ν((T_k − model)/σ_k)/σ_k] over both components of all points in use."""
        parts = self._chunks(np.atleast_2d(z))
        return np.concatenate([self._log_likelihood(self.scores.values(part)) for part in parts])

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of coordinates, shape (n,); −inf also for a device no thicker than its dead layer."""
        z = np.atleast_2d(z)
        result = super().log_prior(z)
        if "dead_layer" not in self.full.layout.index:
            return result
        entries = self.scores.values(z)[:, : self.full.layout.size]
        return np.where(np.all(self.full.layout.magnetic(entries) > 0, axis=-1), result, -np.inf)

    def _log_likelihood(self, values: FloatArray) -> FloatArray:
        full, points, amplitudes = self.full, self._points, self.full.amplitudes
        entries, free = np.split(values, [full.layout.size], axis=1)
        K = transfer(full.layout, entries, per_volume=full.per_volume)
        K = np.broadcast_to(K, (values.shape[0], len(self.study.curves)))
        c = np.where(amplitudes.column >= 0, np.pad(free, ((0, 0), (0, 1)))[:, amplitudes.column], amplitudes.constant)
        terms = points.design[..., np.searchsorted(np.unique(amplitudes.power), amplitudes.power)]
        T = np.einsum("njt,jkt->njk", K[..., None] * amplitudes.phase * c, terms)
        nu = self._of_devices(DOF, entries)
        constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
        fitted = np.array([curve.sigma_is_fitted for curve in self.study.curves])[:, None]
        total = np.zeros(values.shape[0])
        for name, y, model, variance in zip(
            NOISE, (points.par, points.perp), (T.real, T.imag), (points.var_par, points.var_perp), strict=True
        ):
            scale = np.where(fitted, self._of_devices(name, entries), np.sqrt(variance))
            each = constant - np.log(scale) - 0.5 * (nu + 1) * np.log1p(((y - model) / scale) ** 2 / nu)
            total += np.sum(each, axis=(-1, -2), where=points.counts)
        return total

    def _draw(self, z: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        found = dict(zip(self.names, self.scores.values(z).T, strict=True))
        return {name: np.asarray(found[name]) for name in self.names}
