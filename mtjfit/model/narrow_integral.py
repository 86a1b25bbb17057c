"""Thicknesses that scatter little, integrated out for many devices at once.

Over a prior that is narrow beside the layer κ(d) is a short polynomial, and the integrand of a device nearly a bell
curve. Parabolas through three points find its place and width, Gauss and Hermite do the rest. `Thickness` does the same
for any prior, and its brute force checks both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.amplitude_integral import DeviceIntegral
from mtjfit.model.kappa_table import LocalKappa

MOST_OWN = 2
"""Own amplitudes of a device, at most."""
_LN_SQRT_2PI = 0.5 * float(np.log(2 * np.pi))
_NODES, _WEIGHTS = (each[:, None, None] for each in np.polynomial.hermite_e.hermegauss(5))
_LOG_WEIGHTS = np.log(_WEIGHTS) + 0.5 * _NODES**2 - _LN_SQRT_2PI
_THREE = np.array([-1.0, 0.0, 1.0])[:, None, None]
_FLATTEST = 0.25  # least curvature of ln of an integrand, of that of the prior
_FARTHEST = 9.0  # of a step, in standard deviations of the prior
_NEAR = 2.5  # widths of the bell: a parabola that moves it by no more is good enough
_ROUNDS = 6
_LARGEST_EXPONENT = 100.0
_TOGETHER = 4
_SMALLEST = 1e-70  # four of them are no underflow


@dataclass(frozen=True)
class NodesFirst(ShownAsCard):
    """`DeviceIntegral` for up to two own amplitudes without bounds, with the axis of nodes before those of devices.

    All that it needs are forms a² uu + a b uw + b² ww, and a u + b w, of K = a + ib: of −½ χ², then of the linear terms
    of own amplitudes, then (without u and w) of their precisions 11, or 11, 12, 22.
    """

    linear: FloatArray  # u and w, shape (2, 1 + n_own, 1, n, n_devices)
    square: FloatArray  # uu, uw and ww, shape (3, 1 + n_own + pairs, 1, n, n_devices)
    constant: FloatArray  # −½ |z|², shape (n or 1, n_devices)

    @classmethod
    def of(cls, integral: DeviceIntegral) -> NodesFirst:
        """The same integrals."""
        products, own = integral.products, list(integral.own)
        sd, given, cross = np.moveaxis(integral.sd, -1, 0), products.square, products.terms.of(own)
        rows, columns = np.triu_indices(len(own))
        pairs = integral.gram.between.of((np.array(own, dtype=int)[rows], np.array(own, dtype=int)[columns]))
        both = sd[rows] * sd[columns]
        shape = np.broadcast_shapes(products.z_U.shape, sd.shape[1:])
        linear = np.empty((2, 1 + len(own), 1, *shape))
        linear[:, 0, 0] = products.z_U, products.z_W
        square = np.empty((3, 1 + len(own) + rows.size, 1, *shape))
        square[:, 0, 0] = -0.5 * given.uu, -given.uw, -0.5 * given.ww
        first = slice(1, 1 + len(own))
        for z, with_z in zip(integral.gram.z_terms, linear, strict=True):
            np.multiply(z[own], sd, out=with_z[first, 0])
        crosses, precisions = (cross.uu, cross.mixed, cross.ww), (pairs.uu, pairs.mixed, pairs.ww)
        for mine, between, both_sides in zip(crosses, precisions, square, strict=True):
            np.multiply(mine, -sd, out=both_sides[first, 0])
            np.multiply(between, both, out=both_sides[first.stop :, 0])
        return cls(linear, square, -0.5 * integral.gram.zz)

    def __call__(self, a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """−½ (χ² − |z|²) at the best own amplitudes, and |A|, at K = a + ib of shape (nodes, n, n_devices).

        A is the precision of own amplitudes, prior included; None without any. The integral over them is the
        exponential of the first over the root of the second.
        """
        forms = (a * a) * self.square[0]
        forms += (a * b) * self.square[1]
        forms += (b * b) * self.square[2]
        n_own = self.linear.shape[1] - 1
        with_data = forms[: 1 + n_own]
        with_data += a * self.linear[0]
        with_data += b * self.linear[1]
        if not n_own:
            return forms[0], None
        explained, determinant = _one(*forms[1:]) if n_own == 1 else _two(*forms[1:])
        explained *= 0.5
        explained += forms[0]
        return explained, determinant


def _one(h: FloatArray, A: FloatArray) -> tuple[FloatArray, FloatArray]:
    """h²/(1 + A), and 1 + A; overwrites both."""
    A += 1.0
    h *= h
    h /= A
    return h, A


def _two(g: FloatArray, h: FloatArray, A: FloatArray, B: FloatArray, C: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(g, h) M⁻¹ (g, h) and |M| for M = (1 + A, B; B, 1 + C); overwrites all."""
    A += 1.0
    C += 1.0
    determinant = A * C
    determinant -= B * B
    C *= g
    B *= h
    B *= 2.0
    C -= B
    C *= g
    h *= h
    h *= A
    h += C
    h /= determinant
    return h, determinant


@dataclass(frozen=True)
class Narrow(ShownAsCard):
    """Integrals over the thicknesses of a batch, normal about `d` with one standard deviation for each row."""

    kappa: LocalKappa
    d: FloatArray  # magnetic thickness at the centre of each prior in nm, shape (n, n_devices)
    sd: FloatArray  # nm, shape (n or 1, 1)
    devices: NodesFirst

    def log_likelihood(self) -> FloatArray:
        """Sum over devices of ln ∫ L_j(d) p(d) dd, shape (n,)."""
        scale = self.sd / self.kappa.centre
        at = scale, self.d / self.kappa.centre - 1
        place, width = self._bells(at)
        log_terms, determinant = self._log_density(at, place + width * _NODES)
        log_terms += _LOG_WEIGHTS
        top = log_terms[_NODES.size // 2].copy()
        log_terms -= top
        np.minimum(log_terms, _LARGEST_EXPONENT, out=log_terms)
        terms = np.exp(log_terms, out=log_terms)
        if determinant is not None:
            terms /= np.sqrt(determinant, out=determinant)
        total = terms.sum(axis=0)
        total *= width
        top += self.devices.constant
        return np.asarray(top.sum(axis=-1) + _sum_of_logs(total))

    def _log_density(self, at: tuple[FloatArray, FloatArray], t: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """ln of the integrand, own amplitudes as in `NodesFirst`, at t standard deviations, (nodes, n, n_devices)."""
        scale, offset = at
        u = t * scale
        u += offset
        found, determinant = self.devices(*self.kappa(u))
        t = t * t
        t *= 0.5
        found -= t
        return found, determinant

    def _bells(self, at: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Place and width of each integrand, in standard deviations of the prior.

        As many parabolas as the row needs, so that no row depends on those that it is computed with. How the precision
        of own amplitudes changes with the thickness is left out: it moves the place by little.
        """
        place, width = np.zeros(self.d.shape), np.ones(self.d.shape)
        left = np.ones((self.d.shape[0], 1), dtype=bool)
        for _ in range(_ROUNDS):
            shift, narrower = self._parabola(at, place, width)
            place = np.where(left, place + width * shift, place)
            moved = np.abs(shift)
            moved /= narrower
            width = np.where(left, width * narrower, width)
            left &= np.max(moved, axis=1, keepdims=True) > _NEAR
            if not left.any():
                break
        return place, width

    def _parabola(
        self, at: tuple[FloatArray, FloatArray], place: FloatArray, width: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Maximum and width of the parabola through three points of each integrand, in widths from its place."""
        (low, middle, high), _ = self._log_density(at, place + width * _THREE)
        bend = 2 * middle
        bend -= low
        bend -= high
        np.maximum(bend, _FLATTEST * width * width, out=bend)
        limit = _FARTHEST / width
        shift = high - low
        shift /= 2 * bend
        np.clip(shift, -limit, limit, out=shift)
        return shift, 1 / np.sqrt(bend)


def _sum_of_logs(x: FloatArray) -> FloatArray:
    """Σ ln x over the last axis: logarithms of products of a few, which cost a multiplication in place of a logarithm.

    >>> x = np.full((1, 100), 1e-30)
    >>> bool(np.isclose(_sum_of_logs(x)[0], 100 * np.log(1e-30)))
    True
    """
    if x.min(initial=1.0) < _SMALLEST:
        return np.asarray(np.log(x).sum(axis=-1))
    n = x.shape[-1] // _TOGETHER
    together = np.multiply.reduce(x[..., : n * _TOGETHER].reshape(*x.shape[:-1], _TOGETHER, n), axis=-2)
    return np.asarray(np.log(together).sum(axis=-1) + np.log(x[..., n * _TOGETHER :]).sum(axis=-1))
