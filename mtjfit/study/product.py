"""The prior of a product of two parameters, as of Λ = D_ratio λ_sf^N."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.study.parameter import AnyPrior
from mtjfit.study.prior import Fixed, FloatArray, Prior

__all__ = ["Product"]

_NODES = 256


@dataclass(frozen=True)
class Product(Prior):
    """Prior of a product of two independent positive parameters.

    By quantiles of the second factor at equal distances in probability: right to about 1e-4 in probability.

    Examples
    --------
    >>> from mtjfit.study import LogUniform
    >>> prior = Product(LogUniform(0.1, 10.0), LogUniform(0.1, 10.0))
    >>> round(float(prior.cdf(1.0)), 6), [round(float(x), 2) for x in prior.quantile([0.125, 0.5])]
    (0.5, [0.1, 1.0])
    """

    one: Prior
    other: AnyPrior

    @cached_property
    def _factors(self) -> FloatArray:
        nodes = 1 if isinstance(self.other, Fixed) else _NODES
        return self.other.quantile((np.arange(nodes) + 0.5) / nodes)

    @property
    def support(self) -> tuple[float, float]:
        (a, b), (c, d) = self.one.support, self.other.support
        return a * c, b * d

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        density = np.mean([np.exp(self.one.logpdf(x / factor)) / factor for factor in self._factors], axis=0)
        return np.log(density, out=np.full(density.shape, -np.inf), where=density > 0)

    def cdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        return np.asarray(np.mean([self.one.cdf(x / factor) for factor in self._factors], axis=0))

    def quantile(self, u: ArrayLike) -> FloatArray:
        if isinstance(self.other, Fixed):
            return np.asarray(self.one.quantile(u) * self.other.value)
        values = np.outer(self.one.quantile((np.arange(_NODES) + 0.5) / _NODES), self._factors)
        return np.asarray(np.quantile(values, np.asarray(u, dtype=float)))

    def describe(self) -> str:
        return f"({self.one.describe()}) × ({self.other.describe()})"
