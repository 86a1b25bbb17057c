"""Shared and own amplitudes integrated out together for known thicknesses: cost linear in the number of devices.

The precision of all amplitudes is an arrow: a block for each device, tied to the others through the shared ones only.
Eliminating the own amplitudes of each device leaves a small system for the shared ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.blocks import Bounded, draw_block, log_integral
from mtjfit.model.device_integral import DeviceIntegral
from mtjfit.model.layout import AmplitudeLayout
from mtjfit.model.split import Split
from mtjfit.physics.rates import ComplexArray

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
        a, b = K.real, K.imag
        T, S = integral.gram.n_terms, len(split.integrated)
        everything = tuple(range(T))
        z_U, z_W = integral.gram.linear(integral.centre)
        chi2 = integral.gram.zz - 2 * (a * z_U + b * z_W) + integral.gram.square(integral.centre).at(a, b)
        z_u, z_w = integral.gram.linear_of(everything)
        a, b = a[..., None], b[..., None]
        by_term = a * z_u + b * z_w - integral.gram.cross(integral.centre, everything).at(a, b)
        between = integral.gram.between(everything).at(a[..., None], b[..., None])
        # one column for each shared amplitude, one row for each device and term it enters
        place = np.zeros((K.shape[1], T, S))
        for k, column in enumerate(split.integrated):
            place[..., k] = (amplitudes.column == column) * amplitudes.sd[column]
        h = np.einsum("njt,jts->njs", by_term, place)
        A = np.einsum("jts,njtu,juv->njsv", place, between, place, optimize=True)
        rest = -0.5 * chi2
        if split.own:
            own = list(split.own)
            sd = integral.sd
            A_own = np.eye(len(own)) + sd[..., :, None] * between[..., own, :][..., own] * sd[..., None, :]
            h_own = sd * by_term[..., own]
            tie = sd[..., None] * np.einsum("njou,jus->njos", between[..., own, :], place)
            solved = np.linalg.solve(A_own, np.concatenate([tie, h_own[..., None]], axis=-1))
            rest = rest + log_integral(A_own, h_own)
            A = A - np.swapaxes(tie, -1, -2) @ solved[..., :-1]
            h = h - (np.swapaxes(tie, -1, -2) @ solved[..., -1:])[..., 0]
        columns = list(split.integrated)
        return cls(
            A=np.asarray(np.eye(S) + A.sum(axis=1)),
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
