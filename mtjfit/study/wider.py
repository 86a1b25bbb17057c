"""Priors that have no form of their own when they are made wider: all distances from the median grow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import FloatArray
from mtjfit.study.prior import Prior


@dataclass(frozen=True)
class Wider(Prior):
    """Another prior with all distances from its median, in its own coordinate, multiplied by `factor`."""

    of: Prior
    factor: float

    @property
    def is_log(self) -> bool:
        return self.of.is_log

    @property
    def _median(self) -> float:
        return float(self.of.quantile(0.5))

    def _outward(self, x: ArrayLike, factor: float) -> FloatArray:
        x, middle = np.asarray(x, dtype=float), self._median
        with np.errstate(all="ignore"):
            return np.asarray(middle * (x / middle) ** factor if self.is_log else middle + factor * (x - middle))

    @property
    def support(self) -> tuple[float, float]:
        low, high = self._outward(np.array(self.of.support), self.factor).tolist()
        return low, high

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x, (low, high) = np.asarray(x, dtype=float), self.support
        inside = (x >= low) & (x <= high) & ((x > 0) | (not self.is_log))
        at = np.where(inside, x, self._median)
        back = self._outward(at, 1 / self.factor)
        stretched = np.log(back / at) if self.is_log else 0.0
        return np.where(inside, self.of.logpdf(back) + stretched - math.log(self.factor), -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        low, high = self.support
        return self.of.cdf(self._outward(np.clip(x, low, high), 1 / self.factor))

    def quantile(self, u: ArrayLike) -> FloatArray:
        return self._outward(self.of.quantile(u), self.factor)

    def score(self, x: FloatArray) -> FloatArray:
        return self.of.score(self._outward(x, 1 / self.factor))

    def at_score(self, z: FloatArray) -> FloatArray:
        return self._outward(self.of.at_score(z), self.factor)

    def describe(self) -> str:
        return f"{self.of.describe()}, {self.factor:.3g} times as wide"
