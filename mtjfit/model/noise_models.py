"""Noise models without sufficient statistics: additive jitter and Student-t errors, computed from every point.

*Jitter*: σ² = σ_k² + s², with s of each component a parameter. Still Gaussian, so that amplitudes and thicknesses are
integrated out as usual; only the inner products of data and model are summed anew for each row of parameters.

*Student-t*: each value has the density of t with ν degrees of freedom about the model, in units of its σ. Thicknesses
are integrated out by quadrature as usual; amplitudes cannot be, and all of them are sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.model.compress import Compressed, Gram, PointTable
from mtjfit.model.coordinates import Split
from mtjfit.model.layout import Layout, layout_of, once_per_study
from mtjfit.model.likelihood import Conditional, FullPosterior, full_posterior, refuse_far_out
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.posterior import Batch, Block
from mtjfit.model.straight import Frame
from mtjfit.model.thickness_integral import OfDevices, Thickness
from mtjfit.study import DOF, JITTER, NOISE, Study
from mtjfit.study.prior import LN_2PI

_AT_A_TIME = 2**20  # points times rows: temporary arrays stay below some ten megabytes


@once_per_study
def make_posterior(study: Study) -> MarginalPosterior:
    """The posterior that is sampled, under the noise model that the parameters of the study declare.

    MtjfitError where points lie so far from every polynomial in V that no sampler gets from the prior to the posterior.

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
    refuse_far_out(full_posterior(study))
    return MarginalPosterior(study)


@dataclass(frozen=True, eq=False)
class _WithNoise(FullPosterior):
    """Layout, amplitudes and Λ of a study whose likelihood is computed from the points."""

    @cached_property
    def layout(self) -> Layout:
        return layout_of(self.study, (*super().layout.index, *JITTER, DOF))

    @property
    def data(self) -> Compressed:
        """Sufficient statistics of the curves without that noise."""
        return full_posterior(self.study).data

    def conditional(self, theta: FloatArray) -> Conditional:
        raise MtjfitError("under this noise model the likelihood is no function of the compressed data")


@dataclass(frozen=True, eq=False)
class _Pointwise(MarginalPosterior):
    """Base of both noise models: a likelihood computed from the points."""

    @cached_property
    def full(self) -> FullPosterior:
        """Layout with the parameters of the noise, amplitudes, and Λ; its own likelihood does not exist."""
        return _WithNoise(self.study)

    @cached_property
    def _points(self) -> PointTable:
        return PointTable.of(self.study, np.unique(self.full.amplitudes.power))

    @cached_property
    def _design(self) -> FloatArray:
        """Terms of J0(V) without their phases at each point, shape (n_devices, N, T)."""
        powers = self.full.amplitudes.power
        return self._points.design[..., np.searchsorted(np.unique(powers), powers)]

    def _rows_at_once(self, block: Block, per_device: int) -> int:
        points = self._points.par.size * (per_device if self.thickness_is_free else 1)
        return min(super()._rows_at_once(block, per_device), max(1, _AT_A_TIME // points))


@dataclass(frozen=True, eq=False)
class JitterPosterior(_Pointwise):
    """`MarginalPosterior` with σ² = σ_k² + s², s being ``jitter_par`` and ``jitter_perp``.

    The correlation between the components of a point stays as declared: s² is added to its two variances alone.
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

    def _weighted(self, values: FloatArray, block: Block) -> tuple[Gram, FloatArray]:
        points = self._points
        shape, (par, perp) = (values.shape[0], *points.par.shape), points.counts
        # a variance of 1 where there is no value leaves the other's weight as it is
        A = np.broadcast_to(np.where(par, points.var_par + self._jitter("jitter_par", values) ** 2, 1.0), shape)
        B = np.broadcast_to(np.where(perp, points.var_perp + self._jitter("jitter_perp", values) ** 2, 1.0), shape)
        determinant = A * B - points.cross**2
        weights = np.concatenate([B * par, A * perp, np.broadcast_to(-points.cross, shape)], axis=-1)
        weights = weights / np.tile(determinant, 3)
        table = np.swapaxes(np.swapaxes(weights, 0, 1) @ self._products, 0, 1)
        side = round(np.sqrt(table.shape[-1]))
        log_sigma = 0.5 * np.sum(np.log(determinant), axis=(-1, -2))
        gram = Gram(table.reshape(*table.shape[:2], side, side))
        return gram, -0.5 * self.study.n_values * LN_2PI - log_sigma

    def _jitter(self, name: str, values: FloatArray) -> FloatArray | float:
        """s of each row and device, shape (n or 1, n_devices or 1, 1); 0 where it is not declared."""
        return self.coordinates.of(name, values)[..., None] if name in self.full.layout.index else 0.0


def information_share(dof: FloatArray) -> FloatArray:
    """Information about the location of a t distribution, (ν + 1)/(ν + 3) of that of a normal one of its scale."""
    return (dof + 1) / (dof + 3)


@dataclass(frozen=True)
class StudentIntegral:
    """ln L_j(K) for all devices of a batch, all amplitudes given: what `DeviceIntegral` is for normal errors."""

    centre: FloatArray  # value of each term, shape (n or 1, n_devices, T)
    terms: ComplexArray  # terms of J0(V), with their phases, at each point, shape (n_devices, N, T)
    values: ComplexArray  # measured par + i perp, shape (n_devices, N)
    scales: FloatArray  # σ of par and of perp, infinite where there is no value, shape (2, n or 1, n_devices, N)
    counts: np.ndarray  # values that there are, shape (2, n_devices, N)
    dof: FloatArray  # ν, shape (n or 1, n_devices)

    @cached_property
    def _current(self) -> ComplexArray:
        """J0(V) at each point, shape (n, n_devices, N)."""
        return np.asarray((self.terms @ self.centre[..., None])[..., 0])

    @cached_property
    def _constant(self) -> FloatArray:
        """ln of the height of all densities of a device, shape (n, n_devices)."""
        nu, n_values = self.dof, self.counts.sum(axis=(0, -1))
        height = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
        return np.asarray(n_values * height - np.sum(np.log(self.scales), axis=(0, -1), where=self.counts[:, None]))

    @cached_property
    def _scaled(self) -> tuple[tuple[FloatArray, FloatArray, FloatArray], ...]:
        """For par and perp: what Re K and Im K multiply, and the values, over √ν σ, shape (n, n_devices, N)."""
        current, (par, perp) = self._current, 1 / (self.scales * np.sqrt(self.dof)[..., None])
        return (
            (current.real * par, -current.imag * par, self.values.real * par),
            (current.imag * perp, current.real * perp, self.values.imag * perp),
        )

    def __call__(self, K: ComplexArray) -> FloatArray:
        """ln L_j, shape (n, n_devices, n_nodes), for K of that shape."""
        a, b = (np.ascontiguousarray(part)[..., None] for part in (K.real, K.imag))
        both = np.ones(())
        for with_a, with_b, y in self._scaled:
            away = a * with_a[:, :, None]
            away += b * with_b[:, :, None]
            away -= y[:, :, None]
            away *= away
            away += 1.0
            both = np.multiply(both, away, out=away)
        # one logarithm for both components: it is what this costs
        total = np.log(both, out=both).sum(axis=-1)
        return np.asarray(self._constant[..., None] - 0.5 * (self.dof[..., None] + 1) * total)

    def step(
        self, K: ComplexArray, slope: ComplexArray, offset: FloatArray, sd: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """One step of Fisher scoring in thickness, and the width of the posterior there, each (n, n_devices).

        Each point counts with its weight (ν + 1)/(ν + r²), so that outliers do not pull. Parameters as those of
        `DeviceIntegral.step`.
        """
        pull, stiffness = np.zeros(K.shape), np.zeros(K.shape)
        for with_a, with_b, y in self._scaled:
            away = y - K.real[..., None] * with_a - K.imag[..., None] * with_b
            along = slope.real[..., None] * with_a + slope.imag[..., None] * with_b
            weighted = along / (1 + away**2)
            pull = pull + np.sum(weighted * away, axis=-1)
            stiffness = stiffness + np.sum(weighted * along, axis=-1)
        count = self.dof + 1  # the scale of t has taken ν out
        precision = count * information_share(self.dof) * stiffness + 1 / sd**2
        return np.asarray((count * pull - offset / sd**2) / precision), np.asarray(1 / np.sqrt(precision))


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
        return Split(entries, tuple(range(n_free)), (), (), free, None)

    @cached_property
    def thickness_priors(self) -> Thickness:
        """Priors of all thicknesses, with one standard deviation; 0 where they are known."""
        return replace(super().thickness_priors, steps=4)  # weights of points change with every step

    @cached_property
    def _terms(self) -> ComplexArray:
        """Terms of J0(V) with their phases at each point, shape (n_devices, N, T)."""
        return np.asarray(self.full.amplitudes.phase * self._design)

    def _weighted(self, values: FloatArray, block: Block) -> tuple[Gram, FloatArray]:
        return super()._weighted(values, block)[0], np.zeros(values.shape[0])

    def device_likelihood(self, batch: Batch) -> OfDevices:
        """ln L of each device as a function of K."""
        points, at = self._points, self.coordinates
        fitted = np.array([curve.sigma_is_fitted for curve in self.study.curves])[:, None]
        scales = []
        for name, variance, counts in zip(NOISE, (points.var_par, points.var_perp), points.counts, strict=True):
            scale = np.sqrt(variance)[None]
            if fitted.any():
                scale = np.where(fitted, at.of(name, batch.values)[..., None], scale)
            scales.append(np.where(counts, scale, np.inf))
        return StudentIntegral(
            centre=batch.integral.centre,
            terms=self._terms,
            values=points.par + 1j * points.perp,
            scales=np.stack(np.broadcast_arrays(*scales)),
            counts=points.counts,
            dof=at.of(DOF, batch.values),
        )

    def _linearised(self, values: FloatArray, block: Block) -> Frame:
        """For normal errors with the information that t errors have of the place."""
        batch = self.batch(values, block)
        share = information_share(self.coordinates.of(DOF, values))
        gram = Gram(batch.integral.gram.table * share[..., None, None])
        return self._frame_of(replace(batch, integral=replace(batch.integral, gram=gram)))
