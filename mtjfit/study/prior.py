"""Priors that are flat in the value or in its logarithm, values that are taken as known, and the base of all priors.

A draw is ``prior.quantile(rng.random(n))``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError

LN_2PI = float(np.log(2 * np.pi))
EDGE = 8.0
"""Largest normal score: Φ(8.3) rounds to one, the end of a range."""
_MOMENTS = 4096  # nodes of a variance


class Prior(ABC):
    """A proper prior of one number. Density, distribution function and quantile are vectorised.

    One of one's own needs no more than the five that are abstract: sampled, it is exact; least squares use its support,
    and where they use priors as measurements, its normal score. Its own coordinate is the value or its logarithm.
    """

    kind: ClassVar[str] = ""
    """Its name in a study file."""

    @property
    def is_log(self) -> bool:
        """True where its own coordinate is the logarithm of the value: that of positive numbers, if nothing is said."""
        return self.support[0] >= 0

    @property
    def plain(self) -> bool:
        """True where the density in its own coordinate is flat or normal between two bounds."""
        return False

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""

    @abstractmethod
    def logpdf(self, x: ArrayLike) -> FloatArray:
        """Log of the normalised density, −inf outside the support."""

    @abstractmethod
    def cdf(self, x: ArrayLike) -> FloatArray:
        """Probability of values up to x."""

    @abstractmethod
    def quantile(self, u: ArrayLike) -> FloatArray:
        """Inverse of `cdf`, for u in [0, 1]; never outside the support."""

    @abstractmethod
    def describe(self) -> str:
        """The prior in words, for tables."""

    @property
    def centre_and_sd(self) -> tuple[float, float]:
        """Centre and standard deviation of a normal density in its own coordinate, bounds aside; 0 and inf if flat."""
        return 0.0, math.inf

    @property
    def peak(self) -> float:
        """Value at which the density in its own coordinate is largest."""
        return float(self.quantile(0.5))

    @property
    def spread(self) -> float:
        """Standard deviation in its own coordinate, bounds included."""
        x = self.quantile((np.arange(_MOMENTS) + 0.5) / _MOMENTS)
        return float(np.std(np.log(x) if self.is_log else x))

    @property
    def truncated(self) -> bool:
        """True where a bound restricts a normal density."""
        return False

    @property
    def score_form(self) -> tuple[float, float, bool, bool, float, float]:
        """Offset, scale, whether of Φ(z), whether ln x, low, high: how a value follows from its normal score z.

        For `plain` priors; a truncated one has the form that it has without bounds.
        """
        return 0.0, 1.0, False, False, -math.inf, math.inf

    @property
    def reach(self) -> tuple[float, float]:
        """How far from zero its normal score may be, below and above."""
        return EDGE, EDGE

    def score(self, x: FloatArray) -> FloatArray:
        """Normal score Φ⁻¹(F(x)) of values; those at a bound come out at the end of the `reach`."""
        return np.asarray(np.clip(ndtri(self.cdf(x)), -EDGE, EDGE))

    def at_score(self, z: FloatArray) -> FloatArray:
        """Values of normal scores."""
        return self.quantile(ndtr(z))

    def widened(self, factor: float) -> Prior:
        """A prior `factor` times as wide in its own coordinate, its numbers rounded.

        Log-normal: the factor to the power `factor`. Normal: sd times `factor`. Flat: the range times `factor`, to both
        sides. Others: all distances from the median. Positive priors stay positive.
        """
        return Wider(self, factor)

    def stretched(self, factor: float) -> Prior:
        """A prior that lets values be `factor` times as far away.

        Normal: sd times `factor`, bounds kept. Flat, also in ln x: the lower end divided and the upper one multiplied
        by `factor`; kept where nothing would be left between them. Log-normal: one sd in ln x grows by ln `factor`,
        or, for a factor below one, shrinks in the same ratio; likewise others.
        """
        if not self.is_log:
            return Wider(self, factor)
        grown = 1 + abs(math.log(factor)) / self.spread
        return Wider(self, grown if factor > 1 else 1 / grown)

    def on_other_scale(self) -> Prior | None:
        """A prior of the same range on the other scale, ln x in place of x or the reverse; None where there is none."""
        return None

    def to_toml(self) -> dict[str, str | float]:
        """The prior as a study file writes it; MtjfitError where it has no form there."""
        if not self.kind:
            raise MtjfitError(f"a study file cannot hold a prior of the class {type(self).__name__} "
                              f"({self.describe()}); those of scipy.stats and of mtjfit have a form there")  # fmt: skip
        return {"prior": self.kind, **numbers_of(self)}


@dataclass(frozen=True)
class Fixed:
    """A value that is taken as known; for the thickness ``Fixed(0.0)``, no departure from the nominal values."""

    value: float

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return self.value, self.value

    @property
    def centre_and_sd(self) -> tuple[float, float]:
        """The value, and no width."""
        return self.value, 0.0

    def quantile(self, u: ArrayLike) -> FloatArray:
        """The value, in the shape of u."""
        return np.full(np.shape(u), self.value)

    def describe(self) -> str:
        """The value in words, for tables."""
        return f"fixed at {self.value:g}"

    def to_toml(self) -> dict[str, str | float]:
        """The value as a study file writes it."""
        return {"fixed": self.value}


def numbers_of(prior: object) -> dict[str, str | float]:
    """The numbers of a prior by their keys in a study file, without bounds that bound nothing."""
    each = ((one.name, getattr(prior, one.name), one.default) for one in fields(prior))  # type: ignore[arg-type]
    return {key: value for key, value, default in each if value != default}


def rounded_sum(x: float, by: float) -> float:
    """x + by, with `by` rounded to three digits, as one would write it into a study file."""
    return float(f"{x + float(f'{by:.3g}'):.12g}")


def clip(x: ArrayLike, low: float, high: float) -> FloatArray:
    """x between two bounds, as an array."""
    return np.asarray(np.clip(np.asarray(x, dtype=float), low, high))


def require(ok: bool, message: str) -> None:
    """Raise ValueError with this message unless all is well."""
    if not ok:
        raise ValueError(message)


_DECADES = 1000.0  # a log-uniform prior cannot begin at zero


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


class PlainPrior(Prior):
    """A prior whose density in its own coordinate is flat or normal between two bounds."""

    @property
    def is_log(self) -> bool:
        return False

    @property
    def plain(self) -> bool:
        return True


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


class LogPrior(PlainPrior):
    """A prior that is declared in the logarithm of the value."""

    @property
    def is_log(self) -> bool:
        return True

    @property
    @abstractmethod
    def of_log(self) -> Prior:
        """Prior of ln x."""

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x, (low, high) = np.asarray(x, dtype=float), self.support
        inside = (x >= low) & (x <= high) & (x > 0) & (x < np.inf)
        log_x = np.log(np.where(inside, x, 1.0))
        return np.where(inside, self.of_log.logpdf(log_x) - log_x, -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        return np.where(x <= 0, 0.0, self.of_log.cdf(np.log(np.where(x <= 0, 1.0, x))))

    def quantile(self, u: ArrayLike) -> FloatArray:
        return clip(np.exp(self.of_log.quantile(u)), *self.support)

    @property
    def centre_and_sd(self) -> tuple[float, float]:
        return self.of_log.centre_and_sd

    @property
    def spread(self) -> float:
        return self.of_log.spread

    @property
    def score_form(self) -> tuple[float, float, bool, bool, float, float]:
        return *self.of_log.score_form[:3], True, *self.support


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
