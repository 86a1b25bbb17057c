"""Integrals over amplitudes in closed form: of each device for given K(d), and over those that devices share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.compress import Bilinear, Gram, Products
from mtjfit.model.layout import AmplitudeLayout
from mtjfit.study import Normal
from mtjfit.study.normal_priors import between, log_interval


@dataclass(frozen=True)
class Bounded:
    """The one amplitude of a block with a bounded prior: its column, and its bounds in x."""

    column: int
    low: float
    high: float

    @classmethod
    def among(cls, priors: tuple[Normal, ...]) -> Bounded | None:
        """The bounded one among the priors of a block; ValueError where there are several."""
        bounded = [k for k, prior in enumerate(priors) if prior.truncated]
        if len(bounded) > 1:
            raise ValueError("more than one amplitude of a block is bounded")
        if not bounded:
            return None
        prior = priors[bounded[0]]
        return cls(bounded[0], *prior.bounds)


def solved(A: FloatArray, h: FloatArray) -> FloatArray:
    """A⁻¹h, shape (..., m); one and two amplitudes by hand, because LAPACK takes a microsecond for each matrix."""
    size = h.shape[-1]
    if size == 1:
        return np.asarray(h / A[..., 0, :])
    if size == 2:
        a, b, c = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1]
        determinant = a * c - b * b
        x = np.stack([c * h[..., 0] - b * h[..., 1], a * h[..., 1] - b * h[..., 0]]) / determinant
        return np.moveaxis(x, 0, -1)
    return np.asarray(np.linalg.solve(A, h[..., None])[..., 0], dtype=float)


def _inverse_column(A: FloatArray, k: int) -> FloatArray:
    unit = np.zeros(A.shape[:-1])
    unit[..., k] = 1.0
    return solved(A, unit)


def log_integral(A: FloatArray, h: FloatArray, bounded: Bounded | None = None) -> FloatArray:
    """ln of the integral over a block, shape (...,), for A (..., m, m) and h (..., m).

    Examples
    --------
    >>> float(log_integral(np.array([[4.0]]), np.array([2.0])))  # ½ 2²/4 − ½ ln 4
    -0.1931471805599453
    """
    size = h.shape[-1]
    if size == 0:
        return np.zeros(h.shape[:-1])
    if size == 1:
        squares, log_det = h[..., 0] ** 2 / A[..., 0, 0], np.log(A[..., 0, 0])
    elif size == 2:
        a, b, c, g, k = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1], h[..., 0], h[..., 1]
        determinant = a * c - b * b
        squares, log_det = (g * (c * g - 2 * b * k) + a * k * k) / determinant, np.log(determinant)
    else:
        squares, log_det = np.sum(h * solved(A, h), axis=-1), np.linalg.slogdet(A)[1]
    result = np.asarray(0.5 * (squares - log_det))
    if bounded is None:
        return result
    own = bounded.column
    x, sd = solved(A, h)[..., own], np.sqrt(_inverse_column(A, own)[..., own])
    inside = log_interval((bounded.low - x) / sd, (bounded.high - x) / sd)
    return np.asarray(result + inside - log_interval(bounded.low, bounded.high))


@dataclass(frozen=True)
class Mode:
    """The maximum of the integrand of a block, and its response to other linear parameters."""

    x: FloatArray  # inside the bounds, shape (..., m)
    A: FloatArray
    pinned: tuple[FloatArray, FloatArray] | None

    @classmethod
    def of(cls, A: FloatArray, h: FloatArray, bounded: Bounded | None = None) -> Mode:
        """The mode for A (..., m, m) and h (..., m)."""
        x = solved(A, h)
        if bounded is None:
            return cls(x, A, None)
        k = bounded.column
        column = _inverse_column(A, k)
        moved = np.clip(x[..., k], bounded.low, bounded.high) - x[..., k]
        return cls(x + column * (moved / column[..., k])[..., None], A, (column, (moved != 0) / column[..., k]))

    def explained(self, C: FloatArray) -> FloatArray:
        """CᵀA⁻¹C for C of shape (..., m), without the amplitude that its bound holds."""
        result = np.sum(C * solved(self.A, C), axis=-1)
        if self.pinned is None:
            return np.asarray(result)
        column, weight = self.pinned
        return np.asarray(result - weight * np.sum(C * column, axis=-1) ** 2)


def _scattered(A: FloatArray, noise: FloatArray) -> FloatArray:
    """Normal numbers of precision A from standard ones, both (..., m)."""
    size = noise.shape[-1]
    if size == 1:
        return np.asarray(noise / np.sqrt(A[..., 0]))
    if size == 2:
        a, b, c = A[..., 0, 0], A[..., 0, 1], A[..., 1, 1]
        second = noise[..., 1] / np.sqrt(c - b * b / a)
        return np.moveaxis(np.stack([noise[..., 0] / np.sqrt(a) - b / a * second, second]), 0, -1)
    chol = np.linalg.cholesky(A)
    return np.asarray(np.linalg.solve(np.swapaxes(chol, -1, -2), noise[..., None])[..., 0], dtype=float)


def draw_block(A: FloatArray, h: FloatArray, rng: np.random.Generator, bounded: Bounded | None = None) -> FloatArray:
    """One exact draw of x from each block, shape (..., m)."""
    noise = rng.standard_normal(h.shape)
    if h.shape[-1] == 0:
        return noise
    mean = solved(A, h)
    x = np.asarray(mean + _scattered(A, noise))
    if bounded is None:
        return x
    # the others given the bounded one depend on it linearly: replace its value and shift them along
    k = bounded.column
    column = _inverse_column(A, k)
    centre, sd = mean[..., k], np.sqrt(column[..., k])
    low, high = (bounded.low - centre) / sd, (bounded.high - centre) / sd
    u = 1 - rng.random(centre.shape)  # never 0
    with np.errstate(divide="ignore"):
        value = centre + sd * between(low, high, np.log(u), np.log1p(-u))
    return np.asarray(x + column * ((value - x[..., k]) / column[..., k])[..., None])


_NODE = (Ellipsis, None)


@dataclass(frozen=True)
class DeviceIntegral(ShownAsCard):
    """ln ∫ L_j(K, c, x) N(x) dx for all devices of a batch: shared amplitudes c given, own ones x integrated out."""

    gram: Gram
    # value of each term: shared amplitudes, fixed ones, and the prior means of own ones, shape (n or 1, n_devices, T)
    centre: FloatArray
    own: tuple[int, ...]  # terms of which each device has its own amplitude
    # prior standard deviations of own amplitudes about their centre, shape (n or 1, n_devices or 1, n_own)
    sd: FloatArray
    bounded: Bounded | None = None

    @cached_property
    def products(self) -> Products:
        """Inner products with the model at the centre."""
        return self.gram.products(self.centre)

    @cached_property
    def _square(self) -> Bilinear:
        return self.products.square.of(_NODE)

    @cached_property
    def _linear(self) -> tuple[FloatArray, FloatArray]:
        return self.products.z_U[_NODE], self.products.z_W[_NODE]

    @cached_property
    def _sd(self) -> FloatArray:
        """Standard deviations with the axis of own amplitudes in front, and one for nodes at the end."""
        return np.ascontiguousarray(np.moveaxis(self.sd, -1, 0))[_NODE]

    @cached_property
    def _z_own(self) -> tuple[FloatArray, FloatArray]:
        """z·u_o and z·w_o times the standard deviation, shape (n_own, n or 1, n_devices, 1)."""
        z_u, z_w = self.gram.z_terms
        own = list(self.own)
        return z_u[own][_NODE] * self._sd, z_w[own][_NODE] * self._sd

    @cached_property
    def _cross(self) -> Bilinear:
        """(a U + b W)·(a' u_o + b' w_o) times the standard deviation, shape (n_own, n, n_devices, 1)."""
        return self.products.terms.of(list(self.own)).of(_NODE).times(self._sd)

    @cached_property
    def _between(self) -> Bilinear:
        """(a u_o + b w_o)·(a' u_p + b' w_p) times both standard deviations, shape (n_own, n_own, n, n_devices, 1)."""
        return self.gram.between.of(np.ix_(self.own, self.own)).of(_NODE).times(self._sd[:, None] * self._sd)

    def __call__(self, K: ComplexArray) -> FloatArray:
        """−½ χ² with own amplitudes integrated out, shape (n, n_devices, n_nodes), for K of that shape."""
        a, b = np.ascontiguousarray(K.real), np.ascontiguousarray(K.imag)
        (z_U, z_W), square = self._linear, self._square
        result = a * (z_U - a * (0.5 * square.uu) - b * square.uw) + b * (z_W - b * (0.5 * square.ww))
        result -= 0.5 * self.gram.zz[_NODE]
        return result + log_integral(*self.block(a, b), self.bounded) if self.own else result

    def block(self, a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Precision (…, n_nodes, n_own, n_own) and linear term (…, n_nodes, n_own) of the own amplitudes in x."""
        (z_u, z_w), cross, between, m = self._z_own, self._cross, self._between, len(self.own)
        h = a * (z_u - a * cross.uu - b * cross.mixed) + b * (z_w - b * cross.ww)
        A = np.empty((m, *h.shape))
        for o in range(m):
            for p in range(o + 1):
                A[o, p] = between.of((o, p)).square(a, b)
                A[p, o] = A[o, p]
            A[o, o] += 1.0
        return np.moveaxis(A, (0, 1), (-2, -1)), np.moveaxis(h, 0, -1)

    def draw(self, K: ComplexArray, rng: np.random.Generator) -> FloatArray:
        """Own amplitudes given K of shape (n, n_devices), one exact draw each, shape (n, n_devices, n_own)."""
        A, h = self.block(K.real[_NODE], K.imag[_NODE])
        x = draw_block(A[..., 0, :, :], h[..., 0, :], rng, self.bounded)
        return np.asarray(self.centre[..., list(self.own)] + self.sd * x)

    def step(
        self, K: ComplexArray, slope: ComplexArray, offset: FloatArray, sd: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """One Gauss–Newton step in thickness and the width of its linearised posterior, each (n, n_devices).

        K and slope = dK/dd at the present thickness, (n, n_devices), which is `offset` nm from nominal; `sd` of its
        prior, (n or 1, 1). With D = dK/dd (U + iW) the change of the model, r what the data leave, and C_o its products
        with own terms,

            step = (D·r − offset/sd²) w²,  1/w² = D·D − Cᵀ A⁻¹ C + 1/sd².
        """
        a, b, da, db = (part[_NODE] for part in (K.real, K.imag, slope.real, slope.imag))
        (z_U, z_W), square = self._linear, self._square
        D_r = da * z_U + db * z_W - square.at(da, db, a, b)
        D_D = square.square(da, db)
        if self.own:
            # the model at the best own amplitudes x is that of U + Σ x_o u_o and W + Σ x_o w_o
            mode = Mode.of(*self.block(a, b), self.bounded)
            x = np.moveaxis(mode.x, -1, 0)
            (z_u, z_w), cross, between = self._z_own, self._cross, self._between
            C = cross.at(da, db, a, b) + np.sum(x[:, None] * between.at(da, db, a, b), axis=0)
            own_D = cross.square(da, db)
            D_r = D_r + np.sum(x * (da * z_u + db * z_w - cross.at(a, b, da, db) - C), axis=0)
            D_D = D_D + np.sum(x * (2 * own_D + np.sum(x[:, None] * between.square(da, db), axis=0)), axis=0)
            D_D = D_D - mode.explained(np.moveaxis(C, 0, -1))
        precision = D_D[..., 0] + 1 / sd**2
        return np.asarray((D_r[..., 0] - offset / sd**2) / precision), np.asarray(1 / np.sqrt(precision))


@dataclass(frozen=True)
class Arrow:
    """Shared amplitudes given all else, with own ones eliminated."""

    A: FloatArray  # precision of the whitened shared amplitudes, shape (n, S, S)
    h: FloatArray  # their linear term, shape (n, S)
    # the part without them: −½ χ² at the prior means, and the integrals over own amplitudes, shape (n,)
    rest: FloatArray
    mean: FloatArray  # of the priors of the shared amplitudes, shape (S,)
    sd: FloatArray  # likewise
    bounded: Bounded | None

    @classmethod
    def of(
        cls, integral: DeviceIntegral, K: ComplexArray, amplitudes: AmplitudeLayout, integrated: tuple[int, ...]
    ) -> Arrow:
        """From integrals with the prior means of the shared amplitudes in `centre`, at K of shape (n, n_devices).

        `integrated` are the places of the shared ones among all amplitudes; one of them may be bounded.
        """
        a, b = np.ascontiguousarray(K.real), np.ascontiguousarray(K.imag)
        products, sd = integral.products, np.moveaxis(integral.sd, -1, 0)
        chi2 = integral.gram.zz - 2 * (a * products.z_U + b * products.z_W) + products.square.square(a, b)
        z_u, z_w = integral.gram.z_terms
        by_term = a * (z_u - a * products.terms.uu - b * products.terms.mixed) + b * (z_w - b * products.terms.ww)
        between = integral.gram.between.square(a, b)
        # each shared amplitude belongs to one term, of those devices that it serves
        terms = [int(np.argmax(np.any(amplitudes.column == k, axis=0))) for k in integrated]
        serves = np.stack([amplitudes.sd[k] * (amplitudes.column == k).any(axis=1) for k in integrated])[:, None]
        h = np.moveaxis(serves * by_term[terms], 0, -1)
        A = np.moveaxis(serves[:, None] * serves * between[np.ix_(terms, terms)], (0, 1), (-2, -1))
        rest = -0.5 * chi2
        if integral.own:
            own = list(integral.own)
            A_own = np.moveaxis(sd[:, None] * sd * between[np.ix_(own, own)], (0, 1), (-2, -1)) + np.eye(len(own))
            h_own = np.moveaxis(sd * by_term[own], 0, -1)
            # columns: products of each shared amplitude with the own ones
            tie = np.moveaxis(sd * serves[:, None] * between[np.ix_(terms, own)], (0, 1), (-2, -1))
            freed = np.stack([solved(A_own, tie[..., s, :]) for s in range(len(terms))], axis=-2)
            rest = rest + log_integral(A_own, h_own)
            A = A - tie @ np.swapaxes(freed, -1, -2)
            h = h - np.sum(freed * h_own[..., None, :], axis=-1)
        columns = list(integrated)
        return cls(
            A=np.asarray(np.eye(len(terms)) + A.sum(axis=1)),
            h=np.asarray(h.sum(axis=1)),
            rest=np.asarray(rest.sum(axis=1)),
            mean=amplitudes.mean[columns],
            sd=amplitudes.sd[columns],
            bounded=Bounded.among(tuple(amplitudes.priors[k] for k in integrated)),
        )

    @property
    def log_integral(self) -> FloatArray:
        """ln of the integral over all amplitudes, shape (n,)."""
        return np.asarray(self.rest + log_integral(self.A, self.h, self.bounded))

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Shared amplitudes, one exact draw for each row, shape (n, S)."""
        return np.asarray(self.mean + self.sd * draw_block(self.A, self.h, rng, self.bounded))
