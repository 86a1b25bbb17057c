"""Priors that are normal in the value or in its logarithm, with or without bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr, ndtri_exp

from mtjfit.arrays import FloatArray
from mtjfit.study.prior import EDGE, LogPrior, PlainPrior, clip, numbers_of, require, rounded_sum

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)
_LN_2 = float(np.log(2))
_OPEN = 37.0  # Φ(−37) is the smallest that is not zero
_NORMAL = 1e6  # a line: nothing is lost, however far the data lie from the prior
_LN_FARTHEST = 150.0  # of a log-normal value over its median: its square stays finite


def log_interval(low: ArrayLike, high: ArrayLike) -> FloatArray:
    """ln[Φ(high) − Φ(low)] for low ≤ high, without cancellation in either tail."""
    a, b = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    left, right = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
    upper, lower = log_ndtr(right), log_ndtr(left)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lower > -np.inf, upper + np.log1p(-np.exp(np.minimum(lower - upper, 0.0))), upper)


def between(low: ArrayLike, high: ArrayLike, log_u: FloatArray, log_rest: FloatArray) -> FloatArray:
    """Quantile u of the standard normal distribution between two bounds, from ln u and ln(1 − u).

    From logarithms of probabilities, in the smaller tail, because Φ itself underflows beyond 38 standard deviations.

    >>> half = np.log(0.5)
    >>> float(between(-1.0, 1.0, half, half)), round(float(between(40.0, np.inf, half, half)), 3)
    (0.0, 40.017)
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    mirrored = low > 0
    a, b = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    v, rest = np.where(mirrored, log_rest, log_u), np.where(mirrored, log_u, log_rest)
    z = ndtri_exp(np.minimum(np.logaddexp(log_ndtr(a) + rest, log_ndtr(b) + v), 0.0))
    return np.asarray(np.clip(np.where(mirrored, -z, z), low, high))


@dataclass(frozen=True)
class Normal(PlainPrior):
    """Normal with `mean` and `sd`, restricted to [`low`, `high`] where given (`low` = 0, `mean` = 0: half-normal).

    The bounds may lie far out in a tail.

    Examples
    --------
    >>> float(Normal(0.0, 1.0, low=40.0).quantile(0.0))
    40.0
    >>> Normal(0.0, 1.0, low=0.0).widened(1.4), Normal(1.0, 0.1).on_other_scale()
    (Normal(mean=0.0, sd=1.4, low=0.0, high=inf), None)
    """

    mean: float
    sd: float
    low: float = -np.inf
    high: float = np.inf

    kind: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        require(bool(np.isfinite(self.mean)), "normal needs a finite mean")
        require(0 < self.sd < np.inf, "normal needs 0 < sd, finite")
        require(self.low < self.high, "normal needs low < high")
        require(bool(np.isfinite(self._log_mass)), "normal needs bounds that leave some probability between them")

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def truncated(self) -> bool:
        return bool(np.isfinite(self.low) or np.isfinite(self.high))

    @property
    def bounds(self) -> tuple[float, float]:
        """The bounds in standard deviations from the mean."""
        return (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd

    @property
    def _log_mass(self) -> float:
        return float(log_interval(*self.bounds))

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        z = (x - self.mean) / self.sd
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -0.5 * z * z - _LOG_SQRT_2PI - np.log(self.sd) - self._log_mass, -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        z = (clip(x, self.low, self.high) - self.mean) / self.sd
        log_part = log_interval(self.bounds[0], z)
        return clip(np.exp(log_part - self._log_mass), 0.0, 1.0)

    def quantile(self, u: ArrayLike) -> FloatArray:
        with np.errstate(divide="ignore"):
            log_u, log_rest = np.log(np.asarray(u, dtype=float)), np.log1p(-np.asarray(u, dtype=float))
        return clip(self.mean + self.sd * between(*self.bounds, log_u, log_rest), self.low, self.high)

    def describe(self) -> str:
        bounds = f", restricted to {self.low:g} to {self.high:g}" if self.truncated else ""
        return f"normal {self.mean:g} ± {self.sd:g}{bounds}"

    @property
    def centre_and_sd(self) -> tuple[float, float]:
        return self.mean, self.sd

    @property
    def peak(self) -> float:
        return min(max(self.mean, self.low), self.high)

    @property
    def spread(self) -> float:
        return super().spread if self.truncated else self.sd

    @property
    def score_form(self) -> tuple[float, float, bool, bool, float, float]:
        return self.mean, self.sd, False, False, self.low, self.high

    @property
    def reach(self) -> tuple[float, float]:
        if not self.truncated:
            return _NORMAL, _NORMAL
        low, high = self.bounds
        mass = log_interval(low, high)
        beside = log_interval(low, min(low + 1, high)) - mass, log_interval(max(high - 1, low), high) - mass
        below, above = np.minimum(-ndtri_exp(log_ndtr(-EDGE) + np.array(beside)), _OPEN)
        return float(below), float(above)

    def score(self, x: FloatArray) -> FloatArray:
        white = (x - self.mean) / self.sd
        if not self.truncated:
            return np.asarray(white)
        low, high = self.bounds
        white, mass = np.clip(white, low, high), log_interval(low, high)
        under, over = (np.minimum(log_interval(*ends) - mass, 0.0) for ends in ((low, white), (white, high)))
        z = np.where(under < over, ndtri_exp(np.minimum(under, -_LN_2)), -ndtri_exp(np.minimum(over, -_LN_2)))
        below, above = self.reach
        return np.asarray(np.clip(z, -below, above))

    def at_score(self, z: FloatArray) -> FloatArray:
        # by both tails of z, because Φ(z) itself has no digits left near one; for the upper half from the upper bound
        low, high = self.bounds
        upper = z > 0
        below, above = log_ndtr(np.where(upper, -z, z)), log_ndtr(np.where(upper, z, -z))
        from_low, from_high = between(low, high, below, above), -between(-high, -low, below, above)
        x = self.mean + self.sd * np.where(upper, from_high, from_low)
        return np.asarray(np.clip(x, self.low, self.high))

    def widened(self, factor: float) -> Normal:
        return replace(self, sd=self.sd * factor)

    def stretched(self, factor: float) -> Normal:
        return replace(self, sd=self.sd * factor)

    def on_other_scale(self) -> LogNormal | None:
        if self.low < 0:
            return None
        median, upper = (float(x) for x in self.quantile(np.array([0.5, ndtr(1.0)])))
        return LogNormal(median, upper / median)


@dataclass(frozen=True)
class LogNormal(LogPrior):
    """ln x normal: `median`, and `factor` by which one standard deviation multiplies or divides.

    Restricted to [`low`, `high`] where given; `median` and `factor` are those without bounds.

    Examples
    --------
    >>> prior = LogNormal(10.0, 2.0)
    >>> round(float(prior.cdf(20.0)), 4), prior.widened(1.4).factor, prior.stretched(3.0).factor
    (0.8413, 2.64, 6.0)
    >>> prior.stretched(3.0).stretched(1 / 3) == prior, prior.on_other_scale()
    (True, Normal(mean=10.0, sd=10.0, low=0.0, high=inf))
    >>> LogNormal(10.0, 2.0, high=30.0).describe()
    'log-normal, median 10, factor 2, restricted to 0 to 30'
    """

    median: float
    factor: float
    low: float = 0.0
    high: float = np.inf

    kind: ClassVar[str] = "lognormal"

    def __post_init__(self) -> None:
        require(0 < self.median < np.inf, "lognormal needs a positive, finite median")
        require(1 < self.factor < np.inf, "lognormal needs factor > 1 (2 means: one sd is a factor of two)")
        require(0 <= self.low < self.high, "lognormal needs 0 <= low < high")
        if self.truncated:
            narrow = "lognormal needs bounds that leave some probability between them"
            above = self.low == 0 or self.high == np.inf or np.log(self.low) < np.log(self.high)
            require(bool(above), narrow)
            require(bool(np.isfinite(log_interval(*self._bounds_of_log))), narrow)

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def truncated(self) -> bool:
        return self.low > 0 or self.high < np.inf

    @property
    def _bounds_of_log(self) -> tuple[float, float]:
        sd = float(np.log(self.factor))
        with np.errstate(divide="ignore"):
            low, high = (float((np.log(end) - np.log(self.median)) / sd) for end in self.support)
        return low, high

    @property
    def of_log(self) -> Normal:
        with np.errstate(divide="ignore"):
            low, high = (float(np.log(end)) for end in self.support)
        return Normal(float(np.log(self.median)), float(np.log(self.factor)), low, high)

    def describe(self) -> str:
        bounds = f", restricted to {self.low:g} to {self.high:g}" if self.truncated else ""
        return f"log-normal, median {self.median:g}, factor {self.factor:g}{bounds}"

    @property
    def peak(self) -> float:
        return min(max(self.median, self.low), self.high)

    @property
    def reach(self) -> tuple[float, float]:
        far = _LN_FARTHEST / float(np.log(self.factor))
        below, above = self.of_log.reach
        return min(below, far), min(above, far)

    def score(self, x: FloatArray) -> FloatArray:
        if not self.truncated:
            return np.asarray(np.log(x / self.median) / np.log(self.factor))
        return self.of_log.score(np.log(np.clip(x, max(self.low, np.finfo(float).tiny), self.high)))

    def at_score(self, z: FloatArray) -> FloatArray:
        return clip(np.exp(self.of_log.at_score(z)), *self.support)

    def widened(self, factor: float) -> LogNormal:
        return replace(self, factor=rounded_sum(1.0, self.factor**factor - 1))

    def stretched(self, factor: float) -> LogNormal:
        narrower = self.factor * factor
        return replace(self, factor=narrower if narrower > 1.1 else float(np.sqrt(self.factor)))

    def on_other_scale(self) -> Normal:
        return Normal(self.median, self.median * (self.factor - 1), low=self.low, high=self.high)


@dataclass(frozen=True)
class AboutNominal:
    """Normal about each device's nominal value, for thicknesses; `sd` in nm; restricted to positive values."""

    sd: float

    kind: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        require(0 < self.sd < np.inf, "normal needs 0 < sd, finite")

    @property
    def centre_and_sd(self) -> tuple[float, float]:
        """Of the departure from nominal."""
        return 0.0, self.sd

    @property
    def support(self) -> tuple[float, float]:
        """Of the departure from nominal, wherever that lies."""
        return -np.inf, np.inf

    def quantile(self, u: ArrayLike) -> FloatArray:
        """Of the departure from nominal."""
        return Normal(0.0, self.sd).quantile(u)

    def about(self, nominal: float) -> Normal:
        """The prior of one device, restricted to positive values."""
        return Normal(nominal, self.sd, low=0.0)

    def describe(self) -> str:
        """The prior in words, for tables."""
        return f"normal, nominal ± {self.sd:g}"

    def to_toml(self) -> dict[str, str | float]:
        """The prior as a study file writes it."""
        return {"prior": self.kind, **numbers_of(self)}
