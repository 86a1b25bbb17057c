"""Joint normal priors: normal or log-normal priors of several lengths, with the correlation of their normal scores.

With s the normal scores of the members and R their correlation, the joint density is that of independent members times

    |R|^(−1/2) exp(−½ sᵀ (R⁻¹ − 1) s),

so each member alone keeps its own prior, and some of the members have the joint prior of the matching part of R.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.special import ndtri

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.study.normal_priors import LogNormal, Normal
from mtjfit.study.prior import EDGE, PlainPrior, Prior, require


@dataclass(frozen=True)
class Correlated(PlainPrior):
    """A normal or log-normal prior without bounds, correlated with the priors of other lengths.

    Parameters
    ----------
    of : Normal or LogNormal
        The prior of the length alone.
    correlation : mapping of str to float
        Correlation coefficient with each other length: of the values, or of their logarithms where those are normal.
        The prior of the other length has to say the same.

    Raises
    ------
    ValueError
        `of` has bounds or another shape, or a coefficient is not between −1 and 1.

    Examples
    --------
    >>> prior = Correlated(LogNormal(1.0, 1.2), {"lambda_phi": 0.6})
    >>> prior.describe()
    'log-normal, median 1, factor 1.2, correlated with lambda_phi (0.6)'
    >>> prior.to_toml()
    {'prior': 'lognormal', 'median': 1.0, 'factor': 1.2, 'correlation': {'lambda_phi': 0.6}}
    """

    of: Normal | LogNormal
    correlation: Mapping[str, float]

    def __post_init__(self) -> None:
        of: object = self.of
        require(isinstance(of, Normal | LogNormal), "only normal and lognormal priors can be correlated")
        require(not self.of.truncated, "a correlated prior has no low and no high")
        given: object = self.correlation
        require(isinstance(given, Mapping) and bool(given), "a correlation names at least one other length")
        numbers = {}
        for name, r in sorted(self.correlation.items(), key=lambda pair: str(pair[0])):
            require(_between_ends(name, r), "a correlation must lie between -1 and 1, ends excluded")
            numbers[name] = float(r)
        object.__setattr__(self, "correlation", MappingProxyType(numbers))

    def __repr__(self) -> str:
        return f"Correlated({self.of!r}, {dict(self.correlation)!r})"

    def __hash__(self) -> int:
        return hash((self.of, *self.correlation.items()))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.of, dict(self.correlation))

    @property
    def is_log(self) -> bool:
        return self.of.is_log

    @property
    def support(self) -> tuple[float, float]:
        return self.of.support

    def logpdf(self, x: ArrayLike) -> FloatArray:
        return self.of.logpdf(x)

    def cdf(self, x: ArrayLike) -> FloatArray:
        return self.of.cdf(x)

    def quantile(self, u: ArrayLike) -> FloatArray:
        return self.of.quantile(u)

    def describe(self) -> str:
        others = ", ".join(f"{name} ({r:g})" for name, r in self.correlation.items())
        return f"{self.of.describe()}, correlated with {others}"

    @property
    def centre_and_sd(self) -> tuple[float, float]:
        return self.of.centre_and_sd

    @property
    def peak(self) -> float:
        return self.of.peak

    @property
    def spread(self) -> float:
        return self.of.spread

    @property
    def score_form(self) -> tuple[float, float, bool, bool, float, float]:
        return self.of.score_form

    @property
    def reach(self) -> tuple[float, float]:
        return self.of.reach

    def score(self, x: FloatArray) -> FloatArray:
        return self.of.score(x)

    def at_score(self, z: FloatArray) -> FloatArray:
        return self.of.at_score(z)

    def widened(self, factor: float) -> Correlated:
        return Correlated(self.of.widened(factor), self.correlation)

    def stretched(self, factor: float) -> Correlated:
        return Correlated(self.of.stretched(factor), self.correlation)

    def to_toml(self) -> dict[str, Any]:
        """The prior as a study file writes it."""
        return {**self.of.to_toml(), "correlation": dict(self.correlation)}

    def among(self, names: Collection[str]) -> Normal | LogNormal | Correlated:
        """The prior with its correlations with these lengths alone, as integrated over all others."""
        kept = {name: r for name, r in self.correlation.items() if name in names}
        return Correlated(self.of, kept) if kept else self.of


def _between_ends(name: object, r: object) -> bool:
    """Whether a correlation with a named length lies between -1 and 1."""
    if not isinstance(r, int | float | np.integer | np.floating) or isinstance(r, bool):
        return False
    return isinstance(name, str) and bool(-1 < r < 1)


def correlation_matrix(priors: Mapping[str, Correlated]) -> FloatArray:
    """Correlation of the normal scores of several parameters, shape (n, n); with what is not among them it is left out.

    >>> pair = {"lambda_J": {"lambda_phi": 0.6}, "lambda_phi": {"lambda_J": 0.6}}
    >>> correlation_matrix({name: Correlated(LogNormal(1.0, 1.2), each) for name, each in pair.items()}).tolist()
    [[1.0, 0.6], [0.6, 1.0]]
    """
    matrix = np.eye(len(priors))
    place = {str(name): k for k, name in enumerate(priors)}
    for k, prior in enumerate(priors.values()):
        for other in prior.correlation.keys() & place.keys():
            matrix[k, place[other]] = prior.correlation[other]
    return matrix


@dataclass(frozen=True, eq=False)
class JointScores:
    """The normal scores of several parameters, as independent standard normal numbers and back.

    Scores are of shape (..., n), in the order of the priors; those of independent parameters stay as they are.
    """

    members: IntArray  # places of correlated parameters, shape (k,)
    root: FloatArray  # lower, of their correlation R = root · rootᵀ, shape (k, k)

    @classmethod
    def of(cls, priors: Mapping[str, object]) -> JointScores:
        """Of priors by name; correlations with what is not among them do not count."""
        found = {name: prior for name, prior in priors.items() if isinstance(prior, Correlated)}
        members = np.array([k for k, name in enumerate(priors) if name in found], dtype=np.intp)
        return cls(members, np.asarray(np.linalg.cholesky(correlation_matrix(found)), dtype=float))

    @property
    def log_height(self) -> float:
        """ln |R|^(−1/2)."""
        return -float(np.sum(np.log(np.diagonal(self.root))))

    def apart(self, scores: FloatArray) -> FloatArray:
        """Independent numbers that stand for scores: their squares add up to sᵀ R⁻¹ s."""
        if not self.members.size:
            return scores
        found = np.array(scores, dtype=float)
        rows = found[..., self.members].reshape(-1, self.members.size)
        found[..., self.members] = solve_triangular(self.root, rows.T, lower=True).T.reshape(
            *found.shape[:-1], self.members.size
        )
        return found

    def together(self, z: FloatArray) -> FloatArray:
        """Scores of independent numbers."""
        if not self.members.size:
            return z
        found = np.array(z, dtype=float)
        found[..., self.members] = found[..., self.members] @ self.root.T
        return found


def joint_quantiles(priors: Mapping[str, Prior], u: FloatArray) -> list[FloatArray]:
    """Values of each parameter, of shape (...), from independent uniform numbers of shape (..., n).

    Examples
    --------
    >>> [float(x) for x in joint_quantiles({"lambda_J": LogNormal(1.0, 1.2), "a1": Normal(3.0, 1.0)}, np.full(2, 0.5))]
    [1.0, 3.0]
    """
    joint = JointScores.of(priors)
    found = [prior.quantile(u[..., k]) for k, prior in enumerate(priors.values())]
    if joint.members.size:
        scores = joint.together(np.clip(ndtri(u), -EDGE, EDGE))
        each = list(priors.values())
        for k in joint.members.tolist():
            found[k] = each[k].at_score(scores[..., k])
    return found


def joint_log_factor(priors: Mapping[str, Prior], values: Mapping[str, FloatArray]) -> FloatArray:
    """ln of the joint density over the product of the densities of each parameter, for values of shape (...).

    Zero where no priors are correlated.
    """
    members = {name: prior for name, prior in priors.items() if isinstance(prior, Correlated)}
    if not members:
        return np.zeros(())
    joint = JointScores.of(members)
    scores = np.stack([prior.score(np.asarray(values[name])) for name, prior in members.items()], axis=-1)
    return np.asarray(joint.log_height - 0.5 * np.sum(joint.apart(scores) ** 2 - scores**2, axis=-1))


def log_normal_product(one: object, other: object, name_of_other: str) -> LogNormal | None:
    """Prior of the product of two correlated log-normal parameters; None for any other two."""
    if not (isinstance(one, Correlated) and isinstance(other, Correlated)):
        return None
    r = one.correlation.get(name_of_other)
    if r is None or not (isinstance(one.of, LogNormal) and isinstance(other.of, LogNormal)):
        return None
    a, b = one.spread, other.spread
    return LogNormal(one.of.median * other.of.median, math.exp(math.sqrt(a * a + b * b + 2 * r * a * b)))
