"""Priors as normal scores: coordinates in which every prior is the standard normal distribution.

A flat prior has edges at which proposals and walkers stop, and a parameter that the data do not determine fills its
range up to them. In z = Φ⁻¹(F(x)), with F the prior's distribution function, there are no edges, what the data leave
open is a bell curve, and log lengths come by themselves. All that is integrated exactly is integrated in x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from mtjfit.data import FloatArray
from mtjfit.study import LogNormal, LogUniform, Normal, Prior, Uniform

__all__ = ["Scores"]

_LN_2PI = float(np.log(2 * np.pi))
_FARTHEST = 8.0  # Φ(8.3) rounds to one: no score beyond it can be told from the edge


@dataclass(frozen=True)
class Scores:
    """The coordinates of several priors.

    Examples
    --------
    >>> scores = Scores((LogUniform(0.1, 10.0), LogNormal(10.0, 2.0)))
    >>> scores.values(np.array([[0.0, 1.0]]))
    array([[ 1., 20.]])
    """

    priors: tuple[Prior, ...]

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.priors)

    def values(self, z: FloatArray) -> FloatArray:
        """Natural values, shape (n, size), of scores of the same shape."""
        columns = [_value(prior, z[:, k]) for k, prior in enumerate(self.priors)]
        return np.stack(columns, axis=-1) if columns else np.zeros((z.shape[0], 0))

    def of(self, values: FloatArray) -> FloatArray:
        """Scores, shape (n, size), of natural values; those at an edge of the prior come out at ±8."""
        columns = [_score(prior, values[:, k]) for k, prior in enumerate(self.priors)]
        return np.stack(columns, axis=-1) if columns else np.zeros((values.shape[0], 0))

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of scores, shape (n,): standard normal, cut where Φ has no digits left."""
        inside = np.all(np.abs(z) <= _FARTHEST, axis=-1)
        return np.where(inside, -0.5 * (np.sum(z * z, axis=-1) + self.size * _LN_2PI), -np.inf)

    def from_unit_cube(self, u: FloatArray) -> FloatArray:
        """Uniform numbers to scores drawn from the prior, same shape."""
        return np.asarray(np.clip(ndtri(u), -_FARTHEST, _FARTHEST))


def _value(prior: Prior, z: FloatArray) -> FloatArray:
    if isinstance(prior, Normal) and not prior.truncated:
        return np.asarray(prior.mean + prior.sd * z)
    if isinstance(prior, LogNormal):
        return np.asarray(prior.median * np.exp(np.log(prior.factor) * z))
    if isinstance(prior, LogUniform | Uniform | Normal):
        return prior.quantile(ndtr(z))
    return np.asarray(prior.quantile(ndtr(z)))


def _score(prior: Prior, x: FloatArray) -> FloatArray:
    if isinstance(prior, Normal) and not prior.truncated:
        return np.asarray((x - prior.mean) / prior.sd)
    if isinstance(prior, LogNormal):
        return np.asarray(np.log(x / prior.median) / np.log(prior.factor))
    return np.asarray(np.clip(ndtri(prior.cdf(x)), -_FARTHEST, _FARTHEST))
