"""Amplitudes that scatter between devices: the prior of one of them, and what a fit makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import qmc

from mtjfit.data import FloatArray
from mtjfit.study import SCATTER, AnyPrior, Normal, Parameter, Prior, Study

__all__ = ["Scattered", "with_own_amplitudes"]

_POINTS = 2**14


def with_own_amplitudes(study: Study) -> Study:
    """The study with an amplitude of its own for every device where amplitudes scatter: what least squares can do.

    A weaker statement than scatter about a shared value, but one that a misfit can test. Unchanged without scatter.
    """
    parameters = {name: one for name, one in study.parameters.items() if not name.startswith(SCATTER)}
    for name in set(study.parameters) - set(parameters):
        of = study.parameters[name.removeprefix(SCATTER)]
        mean, sd = (of.value, abs(of.value) or 1.0) if of.value is not None else of.prior.centre_and_sd
        parameters[of.name] = Parameter(of.name, Normal(mean, sd), "device")
    return study if len(parameters) == len(study.parameters) else study.replace(parameters=parameters)


@dataclass(frozen=True)
class Scattered(Prior):
    """a (1 + s ε) for a and s with priors of their own and standard normal ε.

    By quasi-random points: probabilities are right to about 1e-3, enough for tables and pictures. Nothing is sampled
    from it.

    Examples
    --------
    >>> from mtjfit.study import Fixed
    >>> prior = Scattered(Fixed(2.0), Fixed(0.1))
    >>> round(float(prior.cdf(2.2)), 2), prior.describe()
    (0.84, 'the shared one, with its scatter')
    """

    shared: AnyPrior
    scatter: AnyPrior

    @cached_property
    def _sorted(self) -> FloatArray:
        u = qmc.Sobol(3, rng=np.random.default_rng(0)).random(_POINTS).clip(1e-12, 1 - 1e-12)
        return np.sort(self.shared.quantile(u[:, 0]) * (1 + self.scatter.quantile(u[:, 1]) * ndtri(u[:, 2])))

    @property
    def _below(self) -> FloatArray:
        return np.asarray((np.arange(_POINTS) + 0.5) / _POINTS)

    @property
    def support(self) -> tuple[float, float]:
        return -np.inf, np.inf

    def cdf(self, x: ArrayLike) -> FloatArray:
        return np.asarray(np.interp(np.asarray(x, dtype=float), self._sorted, self._below, left=0.0, right=1.0))

    def quantile(self, u: ArrayLike) -> FloatArray:
        return np.asarray(np.interp(np.asarray(u, dtype=float), self._below, self._sorted))

    def logpdf(self, x: ArrayLike) -> FloatArray:
        """Log of the density, from differences of the distribution function over a tenth of its width."""
        step = 0.05 * float(self.quantile(0.84) - self.quantile(0.16))
        x = np.asarray(x, dtype=float)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log((self.cdf(x + step) - self.cdf(x - step)) / (2 * step)))

    def describe(self) -> str:
        return "the shared one, with its scatter"

    @property
    def spread(self) -> float:
        """Infinite: the shared amplitude says more than any fixed width could."""
        return np.inf
