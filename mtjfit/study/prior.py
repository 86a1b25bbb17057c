"""The base of all priors, and values that are taken as known.

A draw is ``prior.quantile(rng.random(n))``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError

if TYPE_CHECKING:
    from mtjfit.study.earlier import EarlierPosterior

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

    @staticmethod
    def from_posterior(posterior: EarlierPosterior, names: Sequence[str]) -> dict[str, Prior]:
        """Joint prior of lengths from the posterior of an earlier study, for ``study.with_priors(**…)`` of other data.

        Normal with the means, standard deviations and correlations of the draws, of their logarithms for positive
        parameters. Any other shape is lost: compare the quantiles of the draws with those of each prior. The data of
        the earlier study must not be among those of the new one, where they would count twice.

        Parameters
        ----------
        posterior : Posterior
            Converged.
        names : sequence of str
            Lengths that all devices share and the earlier data determine.

        Returns
        -------
        dict of str to Prior
            `Correlated` priors by name; of a single length a `LogNormal`, or a `Normal` where it may be negative.

        Raises
        ------
        NotConverged
            The posterior did not pass the convergence gate.
        ConfigError
            What is named is no shared length with a prior of its own.
        NotDetermined
            The earlier data do not determine a length that is named, or leave no scatter about a line.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from types import SimpleNamespace
        >>> from mtjfit.study import EQ12, LogUniform
        >>> z = np.random.default_rng(1).normal(size=(10_000, 2))
        >>> draws = {"lambda_J": np.exp(0.1 * z[:, 0]), "lambda_phi": np.exp(0.7 + 0.1 * (z[:, 0] + z[:, 1]))}
        >>> posterior = SimpleNamespace(
        ...     draws=pd.DataFrame(draws), priors=dict.fromkeys(draws, LogUniform(0.1, 100.0)),
        ...     verdict=SimpleNamespace(converged=True), determined=lambda name: "yes",
        ...     study=SimpleNamespace(parameters={}, model=EQ12))
        >>> priors = Prior.from_posterior(posterior, ["lambda_J", "lambda_phi"])
        >>> round(priors["lambda_phi"].correlation["lambda_J"], 1), round(priors["lambda_J"].of.factor, 1)
        (0.7, 1.1)
        """
        from mtjfit.study.earlier import priors_from

        return priors_from(posterior, names)

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
        from mtjfit.study.wider import Wider

        return Wider(self, factor)

    def stretched(self, factor: float) -> Prior:
        """A prior that lets values be `factor` times as far away.

        Normal: sd times `factor`, bounds kept. Flat, also in ln x: the lower end divided and the upper one multiplied
        by `factor`; kept where nothing would be left between them. Log-normal: one sd in ln x grows by ln `factor`,
        or, for a factor below one, shrinks in the same ratio; likewise others.
        """
        from mtjfit.study.wider import Wider

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


class PlainPrior(Prior):
    """A prior whose density in its own coordinate is flat or normal between two bounds."""

    @property
    def is_log(self) -> bool:
        return False

    @property
    def plain(self) -> bool:
        return True


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
