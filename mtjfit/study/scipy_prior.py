"""Priors that are continuous distributions of scipy.stats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtr, ndtri

from mtjfit.arrays import FloatArray
from mtjfit.data.curve_checks import LARGEST
from mtjfit.errors import did_you_mean
from mtjfit.study.prior import EDGE, Prior, require

_SLOW = {"ksone", "kstwo"}  # 20 ms for a quantile
_GRID = np.array([1e-6, 0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999])
_LONGEST, _SOME = 40, 5  # of a name that is quoted, and of names
_LARGEST = 1e6  # shape parameter: beyond it some quantiles take minutes


def _is_quick(name: str) -> bool:
    """Whether scipy has a formula for the quantiles; they are else found by search, or by integrals in a search."""
    return name not in _SLOW and type(getattr(stats, name))._ppf is not stats.rv_continuous._ppf


@cache
def scipy_names() -> tuple[str, ...]:
    """Names of the distributions of scipy.stats that can be priors."""
    found = (name for name in dir(stats) if isinstance(getattr(stats, name), stats.rv_continuous))
    return tuple(name for name in sorted(found) if _is_quick(name))


@dataclass(frozen=True)
class FromScipy(Prior):
    """A continuous distribution of scipy.stats, by its `name`, with its shape parameters, ``loc`` and ``scale``.

    Without shape parameters that are left out there, ``loc`` = 0 and ``scale`` = 1. Those whose quantiles scipy has to
    search for are refused. Amplitudes cannot have such a prior: they are integrated out exactly, as normal ones.

    Examples
    --------
    >>> prior = FromScipy.of(stats.gamma(2.0, scale=3.0))
    >>> prior.describe(), prior == FromScipy("gamma", {"a": 2.0, "scale": 3.0}), round(float(prior.quantile(0.5)), 3)
    ('gamma(a=2, scale=3) of scipy.stats', True, 5.035)
    """

    name: str
    numbers: Mapping[str, float]

    kind: ClassVar[str] = "scipy"

    def __post_init__(self) -> None:
        shown = repr(self.name[:_LONGEST])
        require(self.name in scipy_names(), f"scipy.stats has no distribution {shown} that can be a prior; "
                                            f"{did_you_mean(self.name, scipy_names())}")  # fmt: skip
        law = getattr(stats, self.name)
        shapes = [each.strip() for each in (law.shapes or "").split(",") if each.strip()]
        known = (*shapes, "loc", "scale")
        wrong = [key for key in self.numbers if key not in known]
        missing = [key for key in shapes if key not in self.numbers]
        said = ", ".join(repr(key[:_LONGEST]) for key in wrong[:_SOME])
        require(not wrong, f"{self.name} has no {said}, but {', '.join(known)}")
        require(not missing, f"{self.name} needs {', '.join(missing)}")
        numbers = {key: float(self.numbers[key]) for key in known if key in self.numbers}
        far = [key for key, number in numbers.items() if not abs(number) <= (_LARGEST if key in shapes else LARGEST)]
        require(not far, f"{self.name} needs {', '.join(far)} up to {_LARGEST:g}" if far else "")
        object.__setattr__(self, "numbers", numbers)
        with np.errstate(all="ignore"):
            x = np.asarray(self._law.ppf(_GRID), dtype=float)
            there, density = np.asarray(self._law.cdf(x)), np.asarray(self._law.logpdf(x))
        sound = np.all(np.isfinite(x)) and np.all(np.diff(x) > 0) and np.all(np.isfinite(density))
        require(bool(sound and np.all(np.abs(there - _GRID) < 1e-6)),
                f"{self.describe()} is no distribution that scipy can compute; correct the numbers")  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.name, *self.numbers.items()))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, dict(self.numbers))

    @classmethod
    def of(cls, frozen: Any) -> FromScipy:
        """The prior of a frozen distribution such as ``stats.gamma(2.0, scale=3.0)``; TypeError for anything else."""
        law: Any = getattr(frozen, "dist", None)
        public = type(getattr(stats, str(getattr(law, "name", "")), None)) is type(law)
        if not (public and isinstance(law, stats.rv_continuous)):
            raise TypeError(
                f"{type(frozen).__name__} is no frozen continuous distribution of scipy.stats, such as "
                "stats.gamma(2.0, scale=3.0); for a distribution of your own make a subclass of mtjfit.study.Prior"
            )
        shapes = [each.strip() for each in (law.shapes or "").split(",") if each.strip()]
        by_place = dict(zip((*shapes, "loc", "scale"), frozen.args, strict=False))
        return cls(law.name, by_place | frozen.kwds)

    @cached_property
    def _law(self) -> Any:
        return getattr(stats, self.name)(**self.numbers)

    @cached_property
    def support(self) -> tuple[float, float]:
        low, high = self._law.support()
        return float(low), float(high)

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        with np.errstate(all="ignore"):
            found = np.asarray(self._law.logpdf(x), dtype=float)
        return np.where(np.isnan(found), -np.inf, found)

    def cdf(self, x: ArrayLike) -> FloatArray:
        return np.asarray(self._law.cdf(np.asarray(x, dtype=float)), dtype=float)

    def quantile(self, u: ArrayLike) -> FloatArray:
        return np.asarray(np.clip(self._law.ppf(np.asarray(u, dtype=float)), *self.support), dtype=float)

    def score(self, x: FloatArray) -> FloatArray:
        # by the smaller tail, because a probability near one has no digits left
        z = np.where(self._law.cdf(x) < 0.5, ndtri(self._law.cdf(x)), -ndtri(self._law.sf(x)))
        return np.asarray(np.clip(z, -EDGE, EDGE))

    def at_score(self, z: FloatArray) -> FloatArray:
        tail = ndtr(-np.abs(z))
        return np.asarray(np.clip(np.where(z < 0, self._law.ppf(tail), self._law.isf(tail)), *self.support))

    def describe(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value:g}' for key, value in self.numbers.items())}) of scipy.stats"

    def to_toml(self) -> dict[str, Any]:
        """The prior as a study file writes it."""
        return {"prior": self.kind, "name": self.name, "numbers": dict(self.numbers)}
