"""Shared and own amplitudes integrated out together for known thicknesses: cost linear in the number of devices.

The precision of all amplitudes is an arrow: a block for each device, tied to the others through the shared ones only.
Eliminating the own amplitudes of each device leaves a small system for the shared ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.blocks import Bounded, draw_block, log_integral, solved
from mtjfit.model.device_integral import DeviceIntegral
from mtjfit.model.layout import AmplitudeLayout
from mtjfit.model.split import Split
from mtjfit.physics.diffusion import ComplexArray

__all__ = ["Arrow"]


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
    bounded : Bounded or None
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
