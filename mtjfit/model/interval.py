"""Profile likelihoods: intervals that follow the likelihood, with open ends called open.

The rise of −2 ln L where one parameter is held and all others follow: lengths, thicknesses within their declared
errors, amplitudes, fitted noise scales. The ends of an interval are where it reaches the quantile of χ² with one degree
of freedom (Wilks), 1 for 68 % and 3.84 for 95 %. Where it does not within the range of the parameter, the end is open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, t

from mtjfit.data import FloatArray
from mtjfit.model.combinations import noise_groups
from mtjfit.model.likelihood import FullPosterior

__all__ = ["LEVELS", "Interval", "Profile", "thresholds"]

LEVELS = (0.68, 0.95)
"""Confidence of the intervals."""


@dataclass(frozen=True)
class Interval:
    """One interval of a parameter; an end that the data leave open is 0 or −inf below, inf above."""

    level: float
    low: float
    high: float


@dataclass(frozen=True)
class Profile:
    """Rise of −2 ln L along one parameter.

    Attributes
    ----------
    values, rise : ndarray, shape (n,)
        Values that were held, ascending, and the rise of −2 ln L at each; zero at the best one.
    range : (float, float)
        Where the parameter may go: the support of its prior, and for lengths no farther than `FARTHEST`.
    thresholds : tuple of float
        Rise at the ends of the intervals of `LEVELS`.
    log : bool
        Whether the parameter is followed in its logarithm.
    """

    name: str
    best: float
    values: FloatArray
    rise: FloatArray
    range: tuple[float, float]
    thresholds: tuple[float, ...]
    log: bool

    def interval(self, level: float = 0.95) -> Interval:
        """The lowest and the highest value at which the rise is below its threshold, and all between them.

        Raises
        ------
        ValueError
            `level` is not one of `LEVELS`.

        Examples
        --------
        >>> values = np.array([1.0, 2.0, 3.0, 4.0])
        >>> one = Profile("b2", 3.0, values, np.array([4.0, 1.0, 0.0, 0.5]), (0.5, 4.0), (1.0, 3.84), log=False)
        >>> one.interval(0.68)
        Interval(level=0.68, low=2.0, high=inf)
        """
        if level not in LEVELS:
            raise ValueError(f"intervals are of {' or '.join(map(str, LEVELS))}, not {level}")
        threshold = self.thresholds[LEVELS.index(level)]
        u = np.log(self.values) if self.log else self.values
        inside = np.flatnonzero(self.rise < threshold)
        below = _end(u[inside[0] :: -1], self.rise[inside[0] :: -1], threshold)
        above = _end(u[inside[-1] :], self.rise[inside[-1] :], threshold)
        back: Callable[[float], float] = (lambda x: float(np.exp(x))) if self.log else float
        nothing = 0.0 if self.log or self.range[0] >= 0 else -np.inf
        return Interval(level, nothing if below is None else back(below), np.inf if above is None else back(above))


def _end(u: FloatArray, rise: FloatArray, threshold: float) -> float | None:
    """Where √rise, a straight line from the first point, below the threshold, to the second, reaches it, if at all."""
    if u.size < 2:
        return None
    low, high = np.sqrt(np.maximum(rise[:2], 0.0))
    return float(u[0] + (np.sqrt(threshold) - low) / (high - low) * (u[1] - u[0]))


def thresholds(model: FullPosterior) -> tuple[float, ...]:
    """Rise of −2 ln L at the ends of the intervals of `LEVELS`.

    The quantiles of χ² for known errors. For a fitted scale N ln(1 + t²/ν), which is exact for a linear model with N
    values and ν degrees of freedom behind one scale; of several scales the one with the largest rise counts, so that
    intervals are rather too wide.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> [round(x, 2) for x in thresholds(FullPosterior(load_study(dataset("thickness-series").study_file)))]
    [0.99, 3.84]
    """
    group, dof = noise_groups(model)
    n = np.array([model.data.n[group == g].sum() for g in range(dof.size)], dtype=float)
    levels = np.array(LEVELS)
    found = chi2.ppf(levels, 1)
    for values, nu in zip(n, dof, strict=True):
        found = np.maximum(found, values * np.log1p(t.ppf((1 + levels) / 2, max(nu, 1.0)) ** 2 / max(nu, 1.0)))
    return tuple(float(x) for x in found)
