"""Noise models under which the data are no few sums: additive jitter and Student-t errors, every point at every call.

*Jitter*: σ² = σ_k² + s², with s of each component a parameter. Still Gaussian, so that amplitudes and thicknesses are
integrated out as ever; only the inner products of data and model are summed anew for each row of parameters.

*Student-t*: each value has the density of t with ν degrees of freedom about the model, in units of its σ. Thicknesses
are integrated out by quadrature as ever; amplitudes cannot be, and all of them are sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.model.compress import Points
from mtjfit.model.coordinates import Split
from mtjfit.model.gram import Gram
from mtjfit.model.layout import Entry, Layout, layout
from mtjfit.model.likelihood import Conditional, FullPosterior
from mtjfit.model.marginal import MarginalPosterior, _Batch
from mtjfit.model.straight import Frame
from mtjfit.model.student_integral import StudentIntegral, information_share
from mtjfit.model.thickness_integral import OfDevices, Thickness
from mtjfit.physics.diffusion import ComplexArray
from mtjfit.study import DOF, JITTER, NOISE, Study
from mtjfit.study.prior import LN_2PI

__all__ = ["JitterPosterior", "StudentPosterior", "make_posterior"]

_AT_A_TIME = 2**20  # points times rows: temporary arrays stay below some ten megabytes


def make_posterior(study: Study) -> MarginalPosterior:
    """The posterior that is sampled, under the noise model that the parameters of the study declare.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import Fixed, Parameter, load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> type(make_posterior(study)).__name__
    'MarginalPosterior'
    >>> student = study.replace(parameters={**study.parameters, "noise_dof": Parameter("noise_dof", Fixed(4.0))})
    >>> make_posterior(student).names[-3:]
    ('lambda_sf_N', 'a1', 'b2')
    """
    if DOF in study.parameters:
        return StudentPosterior(study)
    if any(name in study.parameters for name in JITTER):
        return JitterPosterior(study)
    return MarginalPosterior(study)


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
class _WithNoise(FullPosterior):
    """Layout, amplitudes and Λ of a study whose likelihood is computed from the points."""

    @cached_property
    def layout(self) -> Layout:
        return _extended(self.study, (*JITTER, DOF))

    def conditional(self, theta: FloatArray) -> Conditional:
        raise MtjfitError("under this noise model the likelihood is no function of the compressed data")


@dataclass(frozen=True, eq=False)
class _Pointwise(MarginalPosterior):
    """What both noise models share."""

    @cached_property
    def full(self) -> FullPosterior:
        """Layout with the parameters of the noise, amplitudes, and Λ; its own likelihood does not exist."""
        return _WithNoise(self.study)

    @cached_property
    def _points(self) -> Points:
        return Points.of(self.study, np.unique(self.full.amplitudes.power))

    @cached_property
    def _design(self) -> FloatArray:
        """Terms of J0(V) without their phases at each point, shape (n_devices, N, T)."""
        powers = self.full.amplitudes.power
        return self._points.design[..., np.searchsorted(np.unique(powers), powers)]

    def _chunks(self, z: FloatArray, nodes: int = 14) -> list[FloatArray]:
        nodes = nodes if self.split.thickness_is_free else 1
        length = max(1, _AT_A_TIME // (nodes * self._points.counts.size))
        return [piece for part in super()._chunks(z, nodes)
                for piece in (part[k : k + length] for k in range(0, max(part.shape[0], 1), length))]  # fmt: skip


@dataclass(frozen=True, eq=False)
class JitterPosterior(_Pointwise):
    """`MarginalPosterior` with σ² = σ_k² + s², s being ``jitter_par`` and ``jitter_perp``.

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
        terms, real, imag = self._design, amplitudes.phase.real, amplitudes.phase.imag
        par = np.concatenate([points.par[..., None], real * terms, -imag * terms], axis=-1)
        perp = np.concatenate([points.perp[..., None], imag * terms, real * terms], axis=-1)
        mixed = par[..., :, None] * perp[..., None, :]
        pairs = (par[..., :, None] * par[..., None, :], perp[..., :, None] * perp[..., None, :],
                 mixed + np.swapaxes(mixed, -1, -2))  # fmt: skip
        return np.concatenate([each.reshape(*each.shape[:2], -1) for each in pairs], axis=1)

    def _batch(self, z: FloatArray) -> _Batch:
        batch, points = super()._batch(z), self._points
        shape = (z.shape[0], *points.counts.shape)
        A = np.broadcast_to(points.var_par + self._jitter("jitter_par", batch) ** 2, shape)
        B = np.broadcast_to(points.var_perp + self._jitter("jitter_perp", batch) ** 2, shape)
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

    def _jitter(self, name: str, batch: _Batch) -> FloatArray | float:
        """s of each row and device, shape (n or 1, n_devices or 1, 1); 0 where it is not declared."""
        return self._coordinates.of(name, batch.values)[..., None] if name in self.full.layout.index else 0.0


@dataclass(frozen=True, eq=False)
class StudentPosterior(_Pointwise):
    """Student-t errors: a point far out moves the result little. Every free amplitude of the study is a coordinate.

    σ is the scale of t, not its standard deviation: that is σ √(ν/(ν − 2)), and infinite for ν ≤ 2.
    """

    @cached_property
    def split(self) -> Split:
        """Only thicknesses are integrated out."""
        layout, n_free = self.full.layout, len(self.full.amplitudes.names)
        thicknesses = layout.index["thickness"]
        entries = tuple(k for k in range(layout.size) if k not in thicknesses)
        free = bool(np.any(thicknesses >= 0))
        return Split(entries, tuple(range(n_free)), (), (), free, None, None)

    @cached_property
    def _thickness(self) -> Thickness:
        return replace(super()._thickness, steps=4)  # weights of points change with every step

    @cached_property
    def _terms(self) -> ComplexArray:
        """Terms of J0(V) with their phases at each point, shape (n_devices, N, T); 0 where there is no point."""
        return np.asarray(self.full.amplitudes.phase * self._design * self._points.counts[..., None])

    def _batch(self, z: FloatArray) -> _Batch:
        return replace(super()._batch(z), constant=np.zeros(z.shape[0]))

    def _likelihood(self, batch: _Batch) -> OfDevices:
        points, at = self._points, self._coordinates
        fitted = np.array([curve.sigma_is_fitted for curve in self.study.curves])[:, None]
        scales = []
        for name, variance in zip(NOISE, (points.var_par, points.var_perp), strict=True):
            scale = np.sqrt(variance)[None]
            scales.append(np.where(fitted, at.of(name, batch.values)[..., None], scale) if fitted.any() else scale)
        return StudentIntegral(
            centre=batch.integral.centre,
            terms=self._terms,
            values=np.where(points.counts, points.par + 1j * points.perp, 0.0),
            scales=np.stack(np.broadcast_arrays(*scales)),
            counts=points.counts,
            dof=at.of(DOF, batch.values),
        )

    def _linearised(self, z: FloatArray) -> Frame:
        """As if the errors were normal, with the information that t errors have of the place."""
        batch = self._batch(z)
        share = information_share(self._coordinates.of(DOF, batch.values))
        gram = Gram(batch.integral.gram.table * share[..., None, None])
        return self._frame_of(replace(batch, integral=replace(batch.integral, gram=gram)))
