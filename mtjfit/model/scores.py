"""Priors as normal scores: coordinates in which every prior is the standard normal distribution.

A flat prior has edges at which proposals and walkers stop, and a parameter that the data do not determine fills its
range up to them. In z = Φ⁻¹(F(x)), with F the prior's distribution function, there are no edges, what the data leave
open is a bell curve, and log lengths come by themselves. All that is integrated exactly is integrated in x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

from mtjfit.data import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.model.blocks import between
from mtjfit.study import LogNormal, LogUniform, Normal, Prior, Uniform
from mtjfit.study.prior import log_interval

__all__ = ["Scores"]

_LN_2, _LN_2PI = float(np.log(2)), float(np.log(2 * np.pi))
_EDGE = 8.0  # Φ(8.3) rounds to one: no score beyond it can be told from the end of a range
_OPEN = 37.0  # Φ(−37) is the smallest that is not zero
_NORMAL = 1e6  # a line: nothing is lost, however far the data lie from the prior
_LN_FARTHEST = 150.0  # of a log-normal value over its median: its square stays finite


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

    @cached_property
    def reach(self) -> FloatArray:
        """How far from zero each score may be, below and above, shape (2, size).

        Scores end where values can no longer be told from a bound: 6e-16, or Φ(−8), of the range of a flat prior, or
        of a standard deviation. Normal priors go on where they are open: data may contradict them by any number of
        standard deviations, and a mode out there is a mode.
        """
        return np.array([_reach(prior) for prior in self.priors], dtype=float).reshape(-1, 2).T

    @cached_property
    def _forms(self) -> tuple[FloatArray, ...]:
        """Offset, scale, whether of Φ(z), whether a logarithm, low, high: of priors that are a line in z or Φ(z)."""
        return tuple(np.array([_form(prior) for prior in self.priors], dtype=float).reshape(-1, 6).T)

    @cached_property
    def _others(self) -> tuple[tuple[int, Normal], ...]:
        return tuple((k, prior) for k, prior in enumerate(self.priors) if isinstance(prior, Normal) and prior.truncated)

    def values(self, z: FloatArray) -> FloatArray:
        """Natural values, shape (n, size), of scores of the same shape."""
        offset, scale, of_phi, log, low, high = self._forms
        x = offset + scale * np.where(of_phi, ndtr(z), z)
        x = np.minimum(np.maximum(np.where(log, np.exp(np.where(log, x, 0.0)), x), low), high)
        for k, prior in self._others:
            x[:, k] = _between_bounds(prior, z[:, k])
        return np.asarray(x)

    def of(self, values: FloatArray) -> FloatArray:
        """Scores, shape (n, size), of natural values; those at a bound come out at the end of their `reach`."""
        columns = [_score(prior, values[:, k]) for k, prior in enumerate(self.priors)]
        return np.stack(columns, axis=-1) if columns else np.zeros((values.shape[0], 0))

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of scores, shape (n,): standard normal, cut at their `reach`."""
        below, above = self.reach
        inside = np.all((-below <= z) & (z <= above), axis=-1)
        return np.where(inside, -0.5 * (np.sum(z * z, axis=-1) + self.size * _LN_2PI), -np.inf)

    def log_posterior(
        self, z: FloatArray, names: Sequence[str], log_likelihood: Callable[[FloatArray], FloatArray]
    ) -> FloatArray:
        """Log prior + log likelihood, shape (n,); the likelihood is asked only inside the support of the prior.

        Raises
        ------
        MtjfitError
            The likelihood is not finite there; names the values.
        """
        result = self.log_prior(z)
        inside = np.isfinite(result)
        if inside.any():
            found = log_likelihood(z[inside])
            if not np.all(np.isfinite(found)):
                bad = self.values(z[inside][~np.isfinite(found)][:1])[0]
                where = ", ".join(f"{n} = {v:.6g}" for n, v in zip(names, bad, strict=True))
                raise MtjfitError(f"the likelihood is not finite at {where}; check the data for extreme numbers")
            result[inside] += found
        return result

    def from_unit_cube(self, u: FloatArray) -> FloatArray:
        """Uniform numbers to scores drawn from the prior, same shape."""
        return np.asarray(np.clip(ndtri(u), -_EDGE, _EDGE))


def _reach(prior: Prior) -> tuple[float, float]:
    if isinstance(prior, LogNormal):
        return (_LN_FARTHEST / float(np.log(prior.factor)),) * 2
    if not isinstance(prior, Normal):
        return _EDGE, _EDGE
    if not prior.truncated:
        return _NORMAL, _NORMAL
    low, high = _bounds(prior)
    mass = log_interval(low, high)
    beside = log_interval(low, min(low + 1, high)) - mass, log_interval(max(high - 1, low), high) - mass
    below, above = np.minimum(-ndtri_exp(log_ndtr(-_EDGE) + np.array(beside)), _OPEN)
    return float(below), float(above)


def _form(prior: Prior) -> tuple[float, float, bool, bool, float, float]:
    if isinstance(prior, LogNormal):
        return float(np.log(prior.median)), float(np.log(prior.factor)), False, True, 0.0, np.inf
    if isinstance(prior, LogUniform):
        low = float(np.log(prior.low))
        return low, float(np.log(prior.high)) - low, True, True, prior.low, prior.high
    if isinstance(prior, Uniform):
        return prior.low, prior.high - prior.low, True, False, prior.low, prior.high
    if isinstance(prior, Normal):
        return prior.mean, prior.sd, False, False, prior.low, prior.high
    raise TypeError(f"no scores of a prior that is {prior.describe()}")


def _between_bounds(prior: Normal, z: FloatArray) -> FloatArray:
    # by both tails of z, because Φ(z) itself has no digits left near one; for the upper half from the upper bound
    low, high = _bounds(prior)
    upper = z > 0
    below, above = log_ndtr(np.where(upper, -z, z)), log_ndtr(np.where(upper, z, -z))
    from_low, from_high = between(low, high, below, above), -between(-high, -low, below, above)
    x = prior.mean + prior.sd * np.where(upper, from_high, from_low)
    return np.asarray(np.clip(x, prior.low, prior.high))


def _score(prior: Prior, x: FloatArray) -> FloatArray:
    if isinstance(prior, LogNormal):
        return np.asarray(np.log(x / prior.median) / np.log(prior.factor))
    if not isinstance(prior, Normal):
        return np.asarray(np.clip(ndtri(prior.cdf(x)), -_EDGE, _EDGE))
    white = (x - prior.mean) / prior.sd
    if not prior.truncated:
        return np.asarray(white)
    low, high = _bounds(prior)
    white, mass = np.clip(white, low, high), log_interval(low, high)
    under, over = (np.minimum(log_interval(*ends) - mass, 0.0) for ends in ((low, white), (white, high)))
    z = np.where(under < over, ndtri_exp(np.minimum(under, -_LN_2)), -ndtri_exp(np.minimum(over, -_LN_2)))
    below, above = _reach(prior)
    return np.asarray(np.clip(z, -below, above))


def _bounds(prior: Normal) -> tuple[float, float]:
    return (prior.low - prior.mean) / prior.sd, (prior.high - prior.mean) / prior.sd
