"""The data of single devices in whitened coordinates: z = A t + ε, with the coefficients t_n of its torque."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.model.likelihood import FullPosterior


@dataclass(frozen=True)
class Whitened:
    """The data of one device: t = (Re t_n …, Im t_n …), ε standard normal; shapes (r,), (r, 2P)."""

    z: FloatArray
    A: FloatArray


def whitened_data(model: FullPosterior, rows: FloatArray) -> Iterator[Whitened]:
    """Data of each device over the directions that its polynomials reach; rows are multiplied by `rows`."""
    for R, z, weight in zip(model.data.R, model.data.z, rows, strict=True):
        A = R * weight[:, None]
        norms = np.linalg.norm(A, axis=0)
        u, s, _ = np.linalg.svd(A / np.where(norms > 0, norms, 1.0))
        basis = u[:, s > s.max(initial=0.0) * s.size * np.finfo(float).eps]
        yield Whitened(basis.T @ (z * weight), basis.T @ A)
