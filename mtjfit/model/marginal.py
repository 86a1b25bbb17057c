"""The posterior that is sampled: only what all devices share, everything that belongs to one device integrated out.

Own amplitudes are integrated in closed form, own thicknesses by quadrature, device by device, so that neither adds a
dimension. Shared amplitudes are integrated in closed form too, where thicknesses are known; where they are not, the
devices are independent only for given amplitudes, which are then sampled. An amplitude that scatters between devices is
sampled, and what each device makes of it integrated out. Coordinates are normal scores of the priors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.amplitude_integral import Bounded, DeviceIntegral, draw_block, log_integral, solved
from mtjfit.model.coordinates import Coordinates, Split, scattered_terms, split
from mtjfit.model.forward import THINNEST
from mtjfit.model.gram import Gram, gram_by_component
from mtjfit.model.layout import AmplitudeLayout, IntArray
from mtjfit.model.likelihood import FullPosterior
from mtjfit.model.scores import Scores
from mtjfit.model.straight import Frame, information
from mtjfit.model.thickness_integral import OfDevices, Thickness
from mtjfit.physics.derivatives import ExponentialForm
from mtjfit.physics.diffusion import ComplexArray
from mtjfit.study import NOISE, Prior, Study
from mtjfit.study.prior import LN_2PI

__all__ = ["Arrow", "MarginalPosterior"]


@dataclass(frozen=True)
class Arrow:
    """Shared amplitudes given all else, own ones eliminated.

    Attributes
    ----------
    A, h : ndarray, shapes (n, S, S) and (n, S)
        Precision and linear term of the whitened shared amplitudes.
    rest : ndarray, shape (n,)
        What does not depend on them: −½ χ² at the prior means, and the integrals over own amplitudes.
    mean, sd : ndarray, shape (S,)
        Priors of the shared amplitudes.
    """

    A: FloatArray
    h: FloatArray
    rest: FloatArray
    mean: FloatArray
    sd: FloatArray
    bounded: Bounded | None

    @classmethod
    def of(cls, integral: DeviceIntegral, K: ComplexArray, amplitudes: AmplitudeLayout, split: Split) -> Arrow:
        """From integrals with the prior means of the shared amplitudes in `centre`, at K of shape (n, n_devices)."""
        a, b = np.ascontiguousarray(K.real), np.ascontiguousarray(K.imag)
        products, sd = integral.products, np.moveaxis(integral.sd, -1, 0)
        chi2 = integral.gram.zz - 2 * (a * products.z_U + b * products.z_W) + products.square.square(a, b)
        z_u, z_w = integral.gram.z_terms
        by_term = a * (z_u - a * products.terms.uu - b * products.terms.mixed) + b * (z_w - b * products.terms.ww)
        between = integral.gram.between.square(a, b)
        # each shared amplitude belongs to one term, of those devices that it serves
        terms = [int(np.argmax(np.any(amplitudes.column == k, axis=0))) for k in split.integrated]
        serves = np.stack([amplitudes.sd[k] * (amplitudes.column == k).any(axis=1) for k in split.integrated])[:, None]
        h = np.moveaxis(serves * by_term[terms], 0, -1)
        A = np.moveaxis(serves[:, None] * serves * between[np.ix_(terms, terms)], (0, 1), (-2, -1))
        rest = -0.5 * chi2
        if split.own:
            own = list(split.own)
            A_own = np.moveaxis(sd[:, None] * sd * between[np.ix_(own, own)], (0, 1), (-2, -1)) + np.eye(len(own))
            h_own = np.moveaxis(sd * by_term[own], 0, -1)
            # columns: how each shared amplitude pulls at the own ones
            tie = np.moveaxis(sd * serves[:, None] * between[np.ix_(terms, own)], (0, 1), (-2, -1))
            freed = np.stack([solved(A_own, tie[..., s, :]) for s in range(len(terms))], axis=-2)
            rest = rest + log_integral(A_own, h_own)
            A = A - tie @ np.swapaxes(freed, -1, -2)
            h = h - np.sum(freed * h_own[..., None, :], axis=-1)
        columns = list(split.integrated)
        return cls(
            A=np.asarray(np.eye(len(terms)) + A.sum(axis=1)),
            h=np.asarray(h.sum(axis=1)),
            rest=np.asarray(rest.sum(axis=1)),
            mean=amplitudes.mean[columns],
            sd=amplitudes.sd[columns],
            bounded=split.bounded_shared,
        )

    @property
    def log_integral(self) -> FloatArray:
        """ln of the integral over all amplitudes, shape (n,)."""
        return np.asarray(self.rest + log_integral(self.A, self.h, self.bounded))

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Shared amplitudes, one exact draw for each row, shape (n, S)."""
        return np.asarray(self.mean + self.sd * draw_block(self.A, self.h, rng, self.bounded))


_CHUNK = 2**14  # quadrature nodes at a time: temporary arrays stay in cache
_EVERYWHERE = 600  # nodes of the brute force that checks a quadrature
_CHECKED = 32  # rows, about


@dataclass(frozen=True)
class _Batch:
    """Everything the integrals need at some coordinates; arrays of shape (n, …)."""

    values: FloatArray
    form: ExponentialForm
    dead: FloatArray
    integral: DeviceIntegral
    constant: FloatArray


@dataclass(frozen=True, eq=False)
class MarginalPosterior:
    """Prior and likelihood of a study over what its devices share, vectorised over rows of coordinates.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> model = MarginalPosterior(load_study(dataset("thickness-series").study_file))
    >>> model.names
    ('lambda_J', 'lambda_phi', 'lambda_sf_F', 'lambda_sf_N', 'a1', 'b2')
    >>> model.log_posterior(np.zeros((3, model.size))).shape
    (3,)
    """

    study: Study

    @cached_property
    def full(self) -> FullPosterior:
        """The posterior with every thickness as a coordinate: its layout, its amplitudes, its compressed data.

        Its own likelihood is the same only for amplitudes without bounds and without scatter between devices.
        """
        return FullPosterior(self.study)

    @cached_property
    def split(self) -> Split:
        """Which parameters are sampled and which are integrated out."""
        return split(self.full.layout, self.full.amplitudes, scattered_terms(self.study))

    @cached_property
    def _coordinates(self) -> Coordinates:
        return Coordinates(self.study, self.full.layout, self.full.amplitudes, self.split)

    @property
    def scores(self) -> Scores:
        """Coordinates of what is sampled."""
        return self._coordinates.scores

    @property
    def names(self) -> tuple[str, ...]:
        """Sampled parameters."""
        return self._coordinates.names

    @property
    def size(self) -> int:
        """Dimension of the coordinates."""
        return self.scores.size

    @property
    def reach(self) -> FloatArray:
        """How far from zero each coordinate may be, below and above, shape (2, size)."""
        return self.scores.reach

    @property
    def priors(self) -> dict[str, Prior]:
        """Prior of every free parameter, sampled or integrated out."""
        return dict(self._coordinates.priors)

    @cached_property
    def _gram(self) -> FloatArray:
        return gram_by_component(self.full.data, self.full.amplitudes)

    @cached_property
    def _known_gram(self) -> FloatArray:
        return np.asarray(self._gram.sum(axis=1)[None])

    @cached_property
    def _thickness(self) -> Thickness:
        layout, index = self.full.layout, self.full.layout.index["thickness"]
        priors = tuple(layout.entries[k].prior for k in index)
        return Thickness.about(priors, self.full.per_volume)

    @cached_property
    def _known_integral(self) -> DeviceIntegral:
        """For amplitudes at their prior means and noise that is known."""
        nothing = np.zeros((1, self.size))
        centre = self._coordinates.centre(nothing)
        sd = self._coordinates.own_sd(nothing, centre)
        return DeviceIntegral(Gram(self._known_gram), centre, self.split.own, sd, self.split.bounded_own)

    @cached_property
    def _known_constant(self) -> float:
        data = self.full.data
        return -0.5 * (float(data.rss.sum()) + self.study.n_values * LN_2PI) - float(data.log_sigma.sum())

    def _batch(self, z: FloatArray) -> _Batch:
        parts, data, at, values = self.split, self.full.data, self._coordinates, self.scores.values(z)
        n = z.shape[0]
        integral, constant = self._known_integral, np.full(n, self._known_constant)
        if parts.sampled or parts.scattered:
            centre = at.centre(values)
            integral = replace(integral, centre=centre, sd=at.own_sd(values, centre))
        if data.fitted.any():
            scales = np.stack([np.broadcast_to(at.of(c, values), (n, data.fitted.size)) for c in NOISE], axis=-1)
            scales = np.where(data.fitted[:, None], scales, 1.0)
            integral = replace(integral, gram=Gram(np.einsum("jcab,njc->njab", self._gram, scales**-2)))
            constant -= 0.5 * np.sum(data.rss * (scales**-2 - 1), axis=(-1, -2))
            constant -= np.sum(data.n * np.log(scales), axis=(-1, -2))
        return _Batch(values, at.form(values), at.dead_layer(values), integral, constant)

    def _K(self, batch: _Batch, d: FloatArray) -> ComplexArray:
        """K of all devices at thicknesses `d`, shape (n, n_devices)."""
        magnetic = np.maximum(d - batch.dead, THINNEST)
        form, n = batch.form, batch.values.shape[0]
        kappa = form.kappa(np.exp(-form.q * magnetic))
        K = kappa / magnetic if self.full.per_volume else kappa
        return np.broadcast_to(K, (n, len(self.study.curves)))

    def _likelihood(self, batch: _Batch) -> OfDevices:
        """Of each device as a function of K, up to the constant of the batch."""
        return batch.integral

    def _arrow(self, batch: _Batch) -> Arrow:
        K = self._K(batch, self.study.thicknesses)
        return Arrow.of(batch.integral, K, self.full.amplitudes, self.split)

    def log_likelihood(self, z: FloatArray) -> FloatArray:
        """ln L with all that belongs to single devices integrated out, shape (n,), for coordinates of shape (n, size).

        Where shared amplitudes are not among the coordinates they are integrated out as well.
        """
        parts = []
        for chunk in self._chunks(np.atleast_2d(z)):
            batch = self._batch(chunk)
            if self.split.thickness_is_free:
                each = self._thickness.log_integral(batch.form, self._likelihood(batch), batch.dead)
                parts.append(batch.constant + each.sum(axis=-1))
            elif self.split.integrated:
                arrow = self._arrow(batch)
                parts.append(batch.constant + arrow.log_integral)
            else:
                each = self._likelihood(batch)(self._K(batch, self.study.thicknesses)[..., None])[..., 0]
                parts.append(batch.constant + each.sum(axis=-1))
        return np.concatenate(parts)

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of coordinates, shape (n,)."""
        return self.scores.log_prior(np.atleast_2d(z))

    def log_posterior(self, z: FloatArray) -> FloatArray:
        """Log prior + log likelihood, shape (n,).

        Raises
        ------
        MtjfitError
            The likelihood is not finite inside the support of the prior; names the values.
        """
        return self.scores.log_posterior(np.atleast_2d(z), self.names, self.log_likelihood)

    @cached_property
    def _straight_amplitudes(self) -> IntArray:
        """Coordinates of sampled amplitudes without bounds."""
        priors = self.full.amplitudes.priors
        first = len(self.split.entries)
        free = [first + k for k, a in enumerate(self.split.sampled) if not priors[a].truncated]
        return np.array(free, dtype=np.intp)

    @property
    def straightened(self) -> IntArray:
        """Coordinates that are almost normal given all others: sampled amplitudes without bounds."""
        return self._straight_amplitudes

    def frame(self, z: FloatArray) -> Frame:
        """Where `straightened` coordinates lie given all others, for `z` of shape (n, size)."""
        if not self.straightened.size:
            return Frame.trivial(z.shape[0])
        return Frame.joined([self._frame(chunk) for chunk in self._chunks(z, nodes=2)])

    def _frame(self, z: FloatArray) -> Frame:
        at = z.copy()
        at[:, self.straightened] = 0.0
        frame = self._linearised(at)
        if self.split.scattered:  # by a share of what the amplitudes are, which is known only now
            at[:, self.straightened] = frame.mean
            frame = self._linearised(at)
        return frame

    def _linearised(self, z: FloatArray) -> Frame:
        return self._frame_of(self._batch(z))

    def _frame_of(self, batch: _Batch) -> Frame:
        """What normal errors say of `straightened` coordinates, devices integrated out."""
        K, slope = self._at_nominal(batch)
        sd = float(self._thickness.sd[0, 0]) if self.split.thickness_is_free else 0.0
        sampled = [self.split.sampled[k - len(self.split.entries)] for k in self.straightened]
        return Frame(self.straightened, *information(batch.integral, K, slope, sd, self.full.amplitudes, sampled))

    def _at_nominal(self, batch: _Batch) -> tuple[ComplexArray, ComplexArray]:
        """K and dK/dd of all devices at their nominal thicknesses, shape (n, n_devices)."""
        magnetic = np.maximum(self.study.thicknesses - batch.dead, THINNEST)
        t = np.exp(-batch.form.q * magnetic)
        K, slope = batch.form.kappa(t), batch.form.slope(t)
        if self.full.per_volume:
            K, slope = K / magnetic, slope / magnetic - K / magnetic**2
        shape = (batch.values.shape[0], len(self.study.curves))
        return np.broadcast_to(K, shape), np.broadcast_to(slope, shape)

    def prior_transform(self, u: FloatArray) -> FloatArray:
        """Uniform numbers of shape (..., size) to coordinates drawn from the prior."""
        return self.scores.from_unit_cube(np.asarray(u, dtype=float))

    def draw(self, z: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Every parameter of the study by name, in natural units, one draw for each row of `z`, each of shape (n,).

        What was integrated out comes from its exact distribution given the coordinates.
        """
        pieces = [self._draw(chunk, rng) for chunk in self._chunks(np.atleast_2d(z), nodes=8)]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def _draw(self, z: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        batch, full, parts = self._batch(z), self.full, self.split
        amplitudes, names = full.amplitudes, full.amplitudes.names
        found = dict(zip(self.names, batch.values.T, strict=True))
        shape = (z.shape[0], len(self.study.curves))
        # every row draws for itself, also where rows do not differ
        centre = np.broadcast_to(batch.integral.centre, (*shape, amplitudes.power.size))
        batch = replace(batch, integral=replace(batch.integral, centre=centre))
        d = np.broadcast_to(self.study.thicknesses, shape)
        if parts.thickness_is_free:
            d = self._thickness.draw(batch.form, self._likelihood(batch), batch.dead, rng)
            index = full.layout.index["thickness"]
            found |= {full.layout.names[entry]: d[:, j] for j, entry in enumerate(index)}
        if parts.integrated:
            shared = self._arrow(batch).draw(rng)
            for k, a in enumerate(parts.integrated):
                found[names[a]] = shared[:, k]
                centre = np.where(amplitudes.column == a, shared[:, k, None, None], centre)
        if parts.own:
            own = replace(batch.integral, centre=centre).draw(self._K(batch, d), rng)
            for k, mine in enumerate(self._coordinates.own_names):
                found |= {name: own[:, j, k] for j, name in enumerate(mine)}
        return {name: np.asarray(found[name]) for name in self.priors}

    def quadrature_error(self, z: FloatArray) -> float:
        """Largest error of ln L from the nodes of the thickness integrals, up to a constant, over some rows of `z`.

        Against brute force over all that the priors of the thicknesses allow; 0 where thicknesses are known.
        """
        if not self.split.thickness_is_free:
            return 0.0
        z = np.atleast_2d(z)
        differences = []
        for row in z[:: max(1, z.shape[0] // _CHECKED)]:
            batch = self._batch(row[None])
            arguments = (batch.form, self._likelihood(batch), batch.dead)
            exact = self._thickness.log_integral_everywhere(*arguments, _EVERYWHERE)
            differences.append(float(np.sum(self._thickness.log_integral(*arguments) - exact)))
        return float(np.ptp(differences))

    def _chunks(self, z: FloatArray, nodes: int = 14) -> list[FloatArray]:
        """Pieces that keep temporary arrays in cache and memory bounded."""
        per_row = len(self.study.curves) * (nodes if self.split.thickness_is_free else 1)
        length = max(1, _CHUNK // per_row)
        return [z[k : k + length] for k in range(0, max(z.shape[0], 1), length)]
