"""How alike the spreads of wafers are: what those of others say of a spread that few devices show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, digamma, polygamma

from mtjfit.arrays import FloatArray
from mtjfit.wafer.survey.robust import SHARE, Estimates, SpreadPrior, estimates

_FEWEST = 2.0  # degrees of freedom of a spread whose logarithm has a useful error
_MOST = 1e4  # degrees of freedom of a prior: as good as any number of them
_LEAST = 1e-6  # of one that says nothing where a group has a spread of its own


class Alike(NamedTuple):
    """What groups say of each other's spreads."""

    prior: SpreadPrior
    p: FloatArray  # of equal spreads, by population; NaN for fewer than two groups


def spreads_alike(q: FloatArray, s: FloatArray, group: np.ndarray, population: np.ndarray, mine: Estimates) -> Alike:
    """The prior of the spread of each group that the groups of all populations give.

    Variances are taken to scatter about that of their population as inverse χ² do (Smyth, Stat. Appl. Genet. Mol. Biol.
    3, 3, 2004). How much they scatter is seen in their logarithms beyond what chance explains; the upper end of its
    interval is used, so that few groups, which may differ by anything, give next to nothing, and many that are alike
    give much. Cochran's Q of these logarithms tests whether spreads are equal.

    Parameters
    ----------
    group : array of int, shape (values,)
        Wafer and population of each value.
    population : array of int, shape (groups,)
        Of each group, numbered from 0.
    mine : Estimates
        Of these groups, each on its own.
    """
    n_groups = np.bincount(population)
    if n_groups.max() == 1 and mine.dof.min() > 0:  # nothing to compare, and nobody needs it
        return Alike(SpreadPrior(np.zeros(population.size), mine.spread), np.full(n_groups.size, np.nan))
    pooled = estimates(q, s, group, population[group]).spread[population]
    width = pooled[group] ** 2 + s**2
    weight = mine.kept / np.where(width > 0, width, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.bincount(group, weight * q) / np.bincount(group, weight)
        squares = np.bincount(group, weight * (q - centre[group]) ** 2) / SHARE
        ratio = squares / (np.bincount(group, mine.kept) - 1)
    useful = (mine.dof >= _FEWEST) & (ratio > 0) & np.isfinite(ratio)
    half, of = mine.dof[useful] / 2, population[useful]
    logs, errors = np.log(ratio[useful] * half) - digamma(half), np.sqrt(polygamma(1, half))
    n = np.bincount(of, minlength=int(population.max()) + 1)
    weights = np.bincount(of, errors**-2, n.size)
    mean = np.bincount(of, logs / errors**2, n.size) / np.where(n > 0, weights, 1.0)
    p = chdtrc(np.maximum(n - 1.0, 1.0), np.bincount(of, ((logs - mean[of]) / errors) ** 2, n.size))
    dof = _LEAST
    if of.size:
        _, codes = np.unique(of, return_inverse=True)
        between = estimates(logs, errors, codes, np.zeros(of.size, dtype=np.intp), robust=False)
        dof = _dof(float(between.high[0]) ** 2)
    return Alike(SpreadPrior(np.full(population.size, dof), pooled), np.where(n > 1, p, np.nan))


def _dof(variance: float) -> float:
    """Degrees of freedom of a χ² whose logarithm has this variance."""
    ends = (_LEAST, _MOST)
    if not polygamma(1, ends[1] / 2) < variance < polygamma(1, ends[0] / 2):
        return ends[1] if variance < 1 else ends[0]
    return float(np.exp(brentq(lambda x: float(polygamma(1, np.exp(x) / 2)) - variance, *np.log(ends))))
