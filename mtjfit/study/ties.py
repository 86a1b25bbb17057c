"""Lengths that are another length times a known ratio."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import FloatArray
from mtjfit.study.prior import Fixed, Prior, require

_FARTHEST = 1e6
_WRITTEN = re.compile(r"(?:(?P<ratio>[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?) *\* *)?(?P<target>[A-Za-z][A-Za-z_]*)")


@dataclass(frozen=True)
class Scaled(Prior):
    """Prior of a number that is `ratio` times another.

    Examples
    --------
    >>> from mtjfit.study import LogUniform
    >>> prior = Scaled(LogUniform(1.0, 100.0), 2.0)
    >>> round(float(prior.quantile(0.5)), 6), prior.support, round(float(prior.cdf(20.0)), 6)
    (20.0, (2.0, 200.0), 0.5)
    """

    of: Prior
    ratio: float

    @property
    def is_log(self) -> bool:
        return self.of.is_log

    @property
    def support(self) -> tuple[float, float]:
        low, high = self.of.support
        return self.ratio * low, self.ratio * high

    def logpdf(self, x: ArrayLike) -> FloatArray:
        return self.of.logpdf(np.asarray(x, dtype=float) / self.ratio) - math.log(self.ratio)

    def cdf(self, x: ArrayLike) -> FloatArray:
        return self.of.cdf(np.asarray(x, dtype=float) / self.ratio)

    def quantile(self, u: ArrayLike) -> FloatArray:
        return np.asarray(self.ratio * self.of.quantile(u))

    def describe(self) -> str:
        return f"{self.ratio:g} × ({self.of.describe()})"


@dataclass(frozen=True)
class EqualTo:
    """The value of another length, `target`, times `ratio`: nothing of its own is fitted.

    Examples
    --------
    >>> tie = EqualTo("lambda_J", 2.0)
    >>> tie.describe(), tie.to_toml(), EqualTo.parsed("2 * lambda_J") == tie
    ('= 2 × lambda_J', {'equals': '2 * lambda_J'}, True)
    """

    target: str
    ratio: float = 1.0
    of: Prior | Fixed | None = field(default=None, compare=False)
    """The prior of the target, as the study fills it in."""

    def __post_init__(self) -> None:
        require(1 / _FARTHEST <= self.ratio <= _FARTHEST, f"a ratio must lie between 1e-06 and {_FARTHEST:g}")

    @classmethod
    def parsed(cls, text: str) -> EqualTo:
        """The tie that a study file writes, ``lambda_J`` or ``2 * lambda_J``; ValueError for anything else."""
        found = _WRITTEN.fullmatch(text.strip())
        require(found is not None, "is neither a length nor a number times a length")
        assert found is not None  # noqa: S101 - for the type checker
        return cls(found["target"], float(found["ratio"] or 1.0))

    @property
    def prior(self) -> Prior | Fixed | None:
        """Distribution, or value, that follows from the target; None where there is no such target."""
        if isinstance(self.of, Fixed):
            return Fixed(self.ratio * self.of.value)
        return None if self.of is None else Scaled(self.of, self.ratio)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        prior = self.prior
        return (0.0, math.inf) if prior is None else prior.support

    @property
    def centre_and_sd(self) -> tuple[float, float]:
        """No density of its own."""
        return 0.0, math.inf

    def quantile(self, u: ArrayLike) -> FloatArray:
        """Quantiles that follow from those of the target."""
        require(self.prior is not None, "a tie has values only in a study")
        assert self.prior is not None  # noqa: S101 - for the type checker
        return self.prior.quantile(u)

    def describe(self) -> str:
        """The tie in words, for tables."""
        return f"= {self.target}" if self.ratio == 1 else f"= {self.ratio:g} × {self.target}"

    def to_toml(self) -> dict[str, str | float]:
        """The tie as a study file writes it."""
        ratio = repr(float(self.ratio)).removesuffix(".0")
        return {"equals": self.target if self.ratio == 1 else f"{ratio} * {self.target}"}
