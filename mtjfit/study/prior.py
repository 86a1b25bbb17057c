"""Proper prior distributions: density, distribution function, quantile and draws, all vectorised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

__all__ = ["AboutNominal", "Fixed", "LogNormal", "LogUniform", "Normal", "Prior", "Uniform"]

FloatArray: TypeAlias = NDArray[np.float64]
_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


class Prior(Protocol):
    """What the likelihood, the sampler and the plots need to know of a prior; every prior here is proper."""

    @property
    def support(self) -> tuple[float, float]: ...
    def logpdf(self, x: ArrayLike) -> FloatArray: ...
    def cdf(self, x: ArrayLike) -> FloatArray: ...
    def quantile(self, u: ArrayLike) -> FloatArray: ...
    def describe(self) -> str: ...


def _log_interval(low: float, high: float) -> float:
    """ln[Φ(high) − Φ(low)], without cancellation in either tail."""
    if low > 0:
        low, high = -high, -low
    upper, lower = float(log_ndtr(high)), float(log_ndtr(low))
    return upper + float(np.log1p(-np.exp(lower - upper))) if lower > -np.inf else upper


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ValueError(message)


@dataclass(frozen=True)
class Fixed:
    """A value that is taken as known."""

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

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        return np.where((x >= self.low) & (x <= self.high), -np.log(self.high - self.low), -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        return np.clip((np.asarray(x, dtype=float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def quantile(self, u: ArrayLike) -> FloatArray:
        return np.asarray(self.low + (self.high - self.low) * np.asarray(u, dtype=float))

    def describe(self) -> str:
        return f"uniform {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class LogUniform:
    """Flat in ln x between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require(0 < self.low < self.high < np.inf, "loguniform needs 0 < low < high, both finite")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        inside = (x >= self.low) & (x <= self.high)
        log_x = np.log(np.where(inside, x, 1.0))
        return np.where(inside, -log_x - np.log(np.log(self.high / self.low)), -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        x = np.clip(np.asarray(x, dtype=float), self.low, self.high)
        return np.asarray(np.log(x / self.low) / np.log(self.high / self.low))

    def quantile(self, u: ArrayLike) -> FloatArray:
        log_range = np.log(self.high / self.low)
        return np.asarray(self.low * np.exp(np.asarray(u, dtype=float) * log_range))

    def describe(self) -> str:
        return f"log-uniform {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Normal:
    """Normal with `mean` and `sd`, restricted to [`low`, `high`] where given (`low` = 0, `mean` = 0: half-normal)."""

    mean: float
    sd: float
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        _require(np.isfinite(self.mean), "normal needs a finite mean")
        _require(0 < self.sd < np.inf, "normal needs 0 < sd, finite")
        _require(self.low < self.high, "normal needs low < high")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def truncated(self) -> bool:
        """True where a bound restricts the distribution."""
        return bool(np.isfinite(self.low) or np.isfinite(self.high))

    @property
    def _log_mass(self) -> float:
        return _log_interval((self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd)

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        z = (x - self.mean) / self.sd
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -0.5 * z * z - _LOG_SQRT_2PI - np.log(self.sd) - self._log_mass, -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        x = np.clip(np.asarray(x, dtype=float), self.low, self.high)
        bounds = (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd
        z = (x - self.mean) / self.sd
        if bounds[0] > 0:
            mass = ndtr(-bounds[0]) - ndtr(-bounds[1])
            return np.asarray((ndtr(-bounds[0]) - ndtr(-z)) / mass)
        return np.asarray((ndtr(z) - ndtr(bounds[0])) / (ndtr(bounds[1]) - ndtr(bounds[0])))

    def quantile(self, u: ArrayLike) -> FloatArray:
        u = np.asarray(u, dtype=float)
        low, high = (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd
        if low > 0:
            z = -ndtri(ndtr(-low) + u * (ndtr(-high) - ndtr(-low)))
        else:
            z = ndtri(ndtr(low) + u * (ndtr(high) - ndtr(low)))
        return np.clip(self.mean + self.sd * z, self.low, self.high)

    def describe(self) -> str:
        bounds = f", restricted to {self.low:g} to {self.high:g}" if self.truncated else ""
        return f"normal {self.mean:g} ± {self.sd:g}{bounds}"


@dataclass(frozen=True)
class LogNormal:
    """ln x normal: `median`, and `factor` by which one standard deviation multiplies or divides."""

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
    """Normal about each device's nominal value, for thicknesses; restricted to positive values."""

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
