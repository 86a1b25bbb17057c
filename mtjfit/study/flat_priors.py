"""Priors that are flat between two bounds, in the value or in its logarithm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import FloatArray
from mtjfit.study.prior import LogPrior, PlainPrior, clip, require, rounded_sum

_DECADES = 1000.0  # a log-uniform prior cannot begin at zero


@dataclass(frozen=True)
class Uniform(PlainPrior):
    """Flat between `low` and `high`.

    Examples
    --------
    >>> prior = Uniform(0.0, 4.0)
    >>> float(prior.quantile(0.25)), prior.widened(1.4), prior.on_other_scale()
    (1.0, Uniform(low=0.0, high=4.8), LogUniform(low=0.004, high=4.0))
    """

    low: float
    high: float

    kind: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        require(-np.inf < self.low < self.high < np.inf, "uniform needs finite low < high")
        require(math.isfinite(self.high - self.low), "uniform needs a finite range")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        return np.where((x >= self.low) & (x <= self.high), -np.log(self.high - self.low), -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        return clip((np.asarray(x, dtype=float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def quantile(self, u: ArrayLike) -> FloatArray:
        # Clipped, because the rounded end point may lie outside, where the density is zero.
        return clip(self.low + (self.high - self.low) * np.asarray(u, dtype=float), self.low, self.high)

    def describe(self) -> str:
        return f"uniform {self.low:g} to {self.high:g}"

    @property
    def spread(self) -> float:
        return (self.high - self.low) / math.sqrt(12)

    @property
    def score_form(self) -> tuple[float, float, bool, bool, float, float]:
        return self.low, self.high - self.low, True, False, self.low, self.high

    def widened(self, factor: float) -> Uniform:
        added = (self.high - self.low) * (factor - 1) / 2
        low = rounded_sum(self.low, -added)
        return Uniform(max(low, 0.0) if self.low >= 0 else low, rounded_sum(self.high, added))

    def stretched(self, factor: float) -> Uniform:
        low, high = self.low / factor, self.high * factor
        return Uniform(low, high) if low < high else self

    def on_other_scale(self) -> LogUniform | None:
        return LogUniform(max(self.low, self.high / _DECADES), self.high) if self.low >= 0 else None


@dataclass(frozen=True)
class LogUniform(LogPrior):
    """Flat in ln x between `low` and `high`.

    Examples
    --------
    >>> prior = LogUniform(0.1, 100.0)
    >>> round(float(prior.quantile(0.5)), 3), prior.widened(1.4), prior.stretched(1 / 2), prior.on_other_scale()
    (3.162, LogUniform(low=0.0251, high=398.0), LogUniform(low=0.2, high=50.0), Uniform(low=0.1, high=100.0))
    """

    low: float
    high: float

    kind: ClassVar[str] = "loguniform"

    def __post_init__(self) -> None:
        require(0 < self.low < self.high < np.inf, "loguniform needs 0 < low < high, both finite")
        above = np.log(self.low) < np.log(self.high)
        require(bool(above), "loguniform needs high above low by more than a rounding error")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def of_log(self) -> Uniform:
        return Uniform(float(np.log(self.low)), float(np.log(self.high)))

    def describe(self) -> str:
        return f"log-uniform {self.low:g} to {self.high:g}"

    def widened(self, factor: float) -> LogUniform:
        reach = (self.high / self.low) ** ((factor - 1) / 2)
        low, high = self.low / reach, self.high * reach
        return LogUniform(rounded_sum(self.low, low - self.low), rounded_sum(self.high, high - self.high))

    def stretched(self, factor: float) -> LogUniform:
        low, high = self.low / factor, self.high * factor
        return LogUniform(low, high) if low < high else self

    def on_other_scale(self) -> Uniform:
        return Uniform(self.low, self.high)
