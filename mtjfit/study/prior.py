"""What every prior can answer, and values that are taken as known.

A draw is ``prior.quantile(rng.random(n))``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

__all__ = ["EDGE", "LN_2PI", "Fixed", "FloatArray", "Prior", "clip", "numbers_of", "require", "rounded_sum"]

FloatArray: TypeAlias = NDArray[np.float64]
LN_2PI = float(np.log(2 * np.pi))
EDGE = 8.0
"""Φ(8.3) rounds to one: no normal score beyond this can be told from the end of a range."""
_MOMENTS = 4096  # nodes of a variance


class Prior(ABC):
    """A proper prior of one number. Density, distribution function and quantile are vectorised.

    Every declared prior is flat or normal in its own coordinate, which is the value itself or its logarithm.
    """

    kind: ClassVar[str] = ""
    """Its name in a study file."""
    is_log: ClassVar[bool] = False
    """True where its own coordinate is the logarithm of the value."""

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
        """Where the density in its own coordinate is largest, as a value."""
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
        """How a value follows from its normal score z: offset, scale, whether of Φ(z), whether ln x, low, high.

        For priors that are a straight line in z or in Φ(z); of a truncated one the form is that without its bounds.
        """
        raise TypeError(f"no scores of a prior that is {self.describe()}")

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
        """A prior `factor` times as wide in its own coordinate, with digits that one would write.

        Log-normal: the factor to the power `factor`. Normal: sd times `factor`. Flat: the range times `factor`, to both
        sides. Positive priors stay positive.
        """
        raise TypeError(f"no wider form of a prior that is {self.describe()}")

    def stretched(self, factor: float) -> Prior:
        """A prior that lets values be `factor` times as far away.

        Normal: sd times `factor`, bounds kept. Flat, also in ln x: the lower end divided and the upper one multiplied
        by `factor`; kept where nothing would be left between them. Log-normal: one sd in ln x grows by ln `factor`,
        or, for a factor below one, shrinks in the same ratio.
        """
        raise TypeError(f"no wider form of a prior that is {self.describe()}")

    def on_other_scale(self) -> Prior | None:
        """A prior of the same range on the other scale, ln x in place of x or the reverse; None where there is none."""
        return None

    def to_toml(self) -> dict[str, str | float]:
        """The prior as a study file writes it."""
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
    """The finite numbers of a prior, by their keys in a study file."""
    return {key: value for key, value in vars(prior).items() if math.isfinite(value)}


def rounded_sum(x: float, by: float) -> float:
    """x + by with the digits that one would write into a study file: three of `by`."""
    return float(f"{x + float(f'{by:.3g}'):.12g}")


def clip(x: ArrayLike, low: float, high: float) -> FloatArray:
    """x between two bounds, as an array."""
    return np.asarray(np.clip(np.asarray(x, dtype=float), low, high))


def require(ok: bool, message: str) -> None:
    """Raise ValueError with this message unless all is well."""
    if not ok:
        raise ValueError(message)
