"""Proper prior distributions: density, distribution function and quantile, all vectorised.

A draw is ``prior.quantile(rng.random(n))``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtri_exp

__all__ = ["AboutNominal", "Fixed", "LogNormal", "LogUniform", "Normal", "Prior", "Uniform", "log_interval"]

FloatArray: TypeAlias = NDArray[np.float64]
_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


class Prior(Protocol):
    """What the likelihood, the sampler and the plots need to know of a prior; every prior here is proper."""

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""

    def logpdf(self, x: ArrayLike) -> FloatArray:
        """Log of the normalised density, −inf outside the support."""

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Probability of values up to x."""

    def quantile(self, u: ArrayLike) -> FloatArray:
        """Inverse of `cdf`, for u in [0, 1]; never outside the support."""

    def describe(self) -> str:
        """The prior in words, for tables."""


def log_interval(low: ArrayLike, high: ArrayLike) -> FloatArray:
    """ln[Φ(high) − Φ(low)] for low ≤ high, without cancellation in either tail."""
    a, b = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    left, right = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
    upper, lower = log_ndtr(right), log_ndtr(left)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lower > -np.inf, upper + np.log1p(-np.exp(lower - upper)), upper)


def _clip(x: ArrayLike, low: float, high: float) -> FloatArray:
    return np.asarray(np.clip(np.asarray(x, dtype=float), low, high))


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ValueError(message)


@dataclass(frozen=True)
class Fixed:
    """A value that is taken as known; for the thickness ``Fixed(0.0)``, no departure from the nominal values."""

    value: float

    def describe(self) -> str:
        return f"fixed at {self.value:g}"


@dataclass(frozen=True)
class Uniform:
    """Flat between `low` and `high`.

    Examples
    --------
    >>> float(Uniform(0.0, 4.0).quantile(0.25))
    1.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _require(-np.inf < self.low < self.high < np.inf, "uniform needs finite low < high")
        _require(math.isfinite(self.high - self.low), "uniform needs a finite range")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        return np.where((x >= self.low) & (x <= self.high), -np.log(self.high - self.low), -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        return _clip((np.asarray(x, dtype=float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def quantile(self, u: ArrayLike) -> FloatArray:
        # Clipped, because the rounded end point may lie outside, where the density is zero.
        return _clip(self.low + (self.high - self.low) * np.asarray(u, dtype=float), self.low, self.high)

    def describe(self) -> str:
        return f"uniform {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class LogUniform:
    """Flat in ln x between `low` and `high`.

    Examples
    --------
    >>> round(float(LogUniform(0.1, 10.0).quantile(0.5)), 12)
    1.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _require(0 < self.low < self.high < np.inf, "loguniform needs 0 < low < high, both finite")
        _require(self._log_range > 0, "loguniform needs high above low by more than a rounding error")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def _log_range(self) -> float:
        return float(np.log(self.high) - np.log(self.low))

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        inside = (x >= self.low) & (x <= self.high)
        log_x = np.log(np.where(inside, x, 1.0))
        return np.where(inside, -log_x - np.log(self._log_range), -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        x = np.clip(np.asarray(x, dtype=float), self.low, self.high)
        return _clip((np.log(x) - np.log(self.low)) / self._log_range, 0.0, 1.0)

    def quantile(self, u: ArrayLike) -> FloatArray:
        log_x = np.log(self.low) + np.asarray(u, dtype=float) * self._log_range
        # Clipped, because the rounded end point may lie outside, where the density is zero.
        return _clip(np.exp(log_x), self.low, self.high)

    def describe(self) -> str:
        return f"log-uniform {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Normal:
    """Normal with `mean` and `sd`, restricted to [`low`, `high`] where given (`low` = 0, `mean` = 0: half-normal).

    The bounds may lie far out in a tail.

    Examples
    --------
    >>> float(Normal(0.0, 1.0, low=40.0).quantile(0.0))
    40.0
    """

    mean: float
    sd: float
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        _require(np.isfinite(self.mean), "normal needs a finite mean")
        _require(0 < self.sd < np.inf, "normal needs 0 < sd, finite")
        _require(self.low < self.high, "normal needs low < high")
        _require(bool(np.isfinite(self._log_mass)), "normal needs bounds that leave some probability between them")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def truncated(self) -> bool:
        """True where a bound restricts the distribution."""
        return bool(np.isfinite(self.low) or np.isfinite(self.high))

    @property
    def _bounds(self) -> tuple[float, float]:
        return (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd

    @property
    def _log_mass(self) -> float:
        return float(log_interval(*self._bounds))

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        z = (x - self.mean) / self.sd
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -0.5 * z * z - _LOG_SQRT_2PI - np.log(self.sd) - self._log_mass, -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        z = (_clip(x, self.low, self.high) - self.mean) / self.sd
        log_part = log_interval(self._bounds[0], z)
        return _clip(np.exp(log_part - self._log_mass), 0.0, 1.0)

    def quantile(self, u: ArrayLike) -> FloatArray:
        low, high = self._bounds
        with np.errstate(divide="ignore"):
            log_u, log_rest = np.log(np.asarray(u, dtype=float)), np.log1p(-np.asarray(u, dtype=float))
        # Logarithms of probabilities, in the smaller tail: Φ itself underflows beyond 38 sd.
        if low > 0:
            z = -ndtri_exp(np.minimum(np.logaddexp(log_ndtr(-low) + log_rest, log_ndtr(-high) + log_u), 0.0))
        else:
            z = ndtri_exp(np.minimum(np.logaddexp(log_ndtr(low) + log_rest, log_ndtr(high) + log_u), 0.0))
        return _clip(self.mean + self.sd * z, self.low, self.high)

    def describe(self) -> str:
        bounds = f", restricted to {self.low:g} to {self.high:g}" if self.truncated else ""
        return f"normal {self.mean:g} ± {self.sd:g}{bounds}"


@dataclass(frozen=True)
class LogNormal:
    """ln x normal: `median`, and `factor` by which one standard deviation multiplies or divides.

    Examples
    --------
    >>> round(float(LogNormal(10.0, 2.0).cdf(20.0)), 4)
    0.8413
    """

    median: float
    factor: float

    def __post_init__(self) -> None:
        _require(0 < self.median < np.inf, "lognormal needs a positive, finite median")
        _require(1 < self.factor < np.inf, "lognormal needs factor > 1 (2 means: one sd is a factor of two)")

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, np.inf

    @property
    def _log(self) -> Normal:
        return Normal(float(np.log(self.median)), float(np.log(self.factor)))

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        positive = (x > 0) & (x < np.inf)
        log_x = np.log(np.where(positive, x, 1.0))
        return np.where(positive, self._log.logpdf(log_x) - log_x, -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        return np.where(x > 0, self._log.cdf(np.log(np.where(x > 0, x, 1.0))), 0.0)

    def quantile(self, u: ArrayLike) -> FloatArray:
        return np.asarray(np.exp(self._log.quantile(u)))

    def describe(self) -> str:
        return f"log-normal, median {self.median:g}, factor {self.factor:g}"


@dataclass(frozen=True)
class AboutNominal:
    """Normal about each device's nominal value, for thicknesses; `sd` in nm; restricted to positive values."""

    sd: float

    def __post_init__(self) -> None:
        _require(0 < self.sd < np.inf, "normal needs 0 < sd, finite")

    def about(self, nominal: float) -> Normal:
        """The prior of one device.

        Examples
        --------
        >>> AboutNominal(0.1).about(2.0)
        Normal(mean=2.0, sd=0.1, low=0.0, high=inf)
        """
        return Normal(nominal, self.sd, low=0.0)

    def describe(self) -> str:
        return f"normal, nominal ± {self.sd:g}"
