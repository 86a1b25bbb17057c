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
from scipy.special import ndtr, ndtri

from mtjfit.data import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.study.prior import EDGE, LN_2PI, Prior

__all__ = ["Scores"]


@dataclass(frozen=True)
class Scores:
    """The coordinates of several priors.

    Examples
    --------
    >>> from mtjfit.study import LogNormal, LogUniform
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
        return np.array([prior.reach for prior in self.priors], dtype=float).reshape(-1, 2).T

    @cached_property
    def _forms(self) -> tuple[FloatArray, ...]:
        """Offset, scale, whether of Φ(z), whether a logarithm, low, high: of priors that are a line in z or Φ(z)."""
        return tuple(np.array([prior.score_form for prior in self.priors], dtype=float).reshape(-1, 6).T)

    @cached_property
    def _others(self) -> tuple[tuple[int, Prior], ...]:
        return tuple((k, prior) for k, prior in enumerate(self.priors) if prior.truncated)

    def values(self, z: FloatArray) -> FloatArray:
        """Natural values, shape (n, size), of scores of the same shape."""
        offset, scale, of_phi, log, low, high = self._forms
        x = offset + scale * np.where(of_phi, ndtr(z), z)
        x = np.minimum(np.maximum(np.where(log, np.exp(np.where(log, x, 0.0)), x), low), high)
        for k, prior in self._others:
            x[:, k] = prior.at_score(z[:, k])
        return np.asarray(x)

    def of(self, values: FloatArray) -> FloatArray:
        """Scores, shape (n, size), of natural values; those at a bound come out at the end of their `reach`."""
        columns = [prior.score(values[:, k]) for k, prior in enumerate(self.priors)]
        return np.stack(columns, axis=-1) if columns else np.zeros((values.shape[0], 0))

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of scores, shape (n,): standard normal, cut at their `reach`."""
        below, above = self.reach
        inside = np.all((-below <= z) & (z <= above), axis=-1)
        return np.where(inside, -0.5 * (np.sum(z * z, axis=-1) + self.size * LN_2PI), -np.inf)

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
        return np.asarray(np.clip(ndtri(u), -EDGE, EDGE))
