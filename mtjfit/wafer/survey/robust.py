"""Robust centres and spreads of many groups at once: far devices are left out, and what that changes is corrected."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri, stdtr, stdtrit
from scipy.stats import norm

from mtjfit.arrays import BoolArray, FloatArray

CUT = 3.0
"""Values that lie farther from the others, in standard deviations of a normal distribution, are left out."""
_BEYOND = 2 * float(norm.sf(CUT))
_DENSITY, _INSIDE = float(norm.pdf(CUT)), 1 - _BEYOND
_SECOND = _INSIDE - 2 * CUT * _DENSITY  # E[Z²; |Z| < c]
_FOURTH = 3 * _SECOND - 2 * CUT**3 * _DENSITY
SHARE = _SECOND / _INSIDE
"""Variance of a standard normal variable that is known to lie within `CUT`."""
EFFICIENCY = (_FOURTH - _SECOND**2 / _INSIDE) / 2
"""Information about a variance that is left without the values beyond `CUT`, relative to all of it."""
_MAD = 1 / float(norm.ppf(0.75))  # from a median of absolute deviations to a standard deviation
_LEAST = 1e-75  # whose square is above zero: smaller differences are none
_FLOOR = 1e-18  # variance, relative to the square of the greatest distance, that counts as none
_START = 2.0  # standard deviations from the median: farther values are none of the first ones
_MANY = 200  # degrees of freedom from which Student's t is as good as normal
_TAIL = 0.025  # on either side of an interval
_ROUNDS, _STEPS, _DIGITS = 12, 80, 1e-12


@dataclass(frozen=True, eq=False)
class Estimates:
    """Centre of each group and the spread within groups that have it in common.

    Attributes
    ----------
    centre, centre_sd : array, shape (groups,)
        Weighted mean of the values that were kept, and its standard error.
    spread, low, high, dof : array, shape (scales,)
        Standard deviation of the true values, its 95 % interval, and its degrees of freedom.
    deviation, deviation_dof : array, shape (values,)
        Distance of each value from what all *others* say of its group, in standard deviations: Student's t with so many
        degrees of freedom. NaN where the others say nothing.
    kept : array of bool, shape (values,)
    """

    centre: FloatArray
    centre_sd: FloatArray
    spread: FloatArray
    low: FloatArray
    high: FloatArray
    dof: FloatArray
    deviation: FloatArray
    deviation_dof: FloatArray
    kept: BoolArray

    @property
    def p(self) -> FloatArray:
        """p-value of each deviation, two-sided."""
        return np.asarray(2 * stdtr(self.deviation_dof, -np.abs(self.deviation)))


class SpreadPrior(NamedTuple):
    """What is known of spreads beforehand: as much as `dof` differences tell; arrays of shape (scales,)."""

    dof: FloatArray
    spread: FloatArray


class _Values(NamedTuple):
    """Values from the median of their group, and squares of their errors, in units of the greatest distance."""

    u: FloatArray
    e2: FloatArray
    group: np.ndarray
    scale: np.ndarray
    home: np.ndarray  # scale of each group
    robust: bool
    fitted: FloatArray  # coefficients besides centres, of each scale
    prior_dof: FloatArray
    prior_v: FloatArray
    usual: FloatArray  # median of e2, of each scale


class _Solved(NamedTuple):
    """Of each scale: variance of the true values, or the floor of it; differences behind it; whether it is above."""

    v: FloatArray
    free: FloatArray
    above: BoolArray


def estimates(
    q: FloatArray,
    s: FloatArray,
    group: np.ndarray,
    scale: np.ndarray | None = None,
    *,
    robust: bool = True,
    fitted: FloatArray | float = 0.0,
    prior: SpreadPrior | None = None,
) -> Estimates:
    r"""Centres and spreads of true values μ + τ·N(0, 1) that were measured with known errors s.

    A value lies $z = (q - m)/\sqrt{τ^2 + s^2}$ from the centre m of its group, the mean with the weights $1/(τ^2 +
    s^2)$. The spread solves $\sum z^2 = (n - 1)\,m_c$, over the n values that were kept (Paule and Mandel, J. Res.
    Natl. Bur. Stand. 87, 377, 1982). A value is kept if Student's t finds it no farther from the others than `CUT`
    standard deviations of a normal distribution are; $m_c$, `SHARE`, is the variance that is left of such a
    distribution. Medians and their absolute deviations choose those that are kept at first. The interval is that of
    χ² with the information that is left.

    Parameters
    ----------
    group, scale : array of int, shape (values,)
        Numbers from 0, all of which occur: values of one group have a centre in common, those of one scale a spread, by
        default each group its own. A group lies within one scale.
    robust : bool
        False: all values are kept.
    fitted : float or array, shape (scales,)
        Number of coefficients fitted to the values beforehand, besides centres.
    """
    scale = group if scale is None else scale
    data, unit, middle = _values(q, s, group, scale, robust, fitted, prior)
    kept, found = _chosen(data, math.inf)
    t, dof = _deviations(data, kept, found)
    # Of a dozen values Student's t keeps some odd ones: the lower end does without all that may be odd.
    sure = (kept, found) if np.all(dof > _MANY) else _chosen(data, CUT)
    low = _end(data, *sure, _TAIL)
    high = _end(data, kept, found, 1 - _TAIL)
    undefined = found.free < 1
    weight = kept / np.where(data.e2 + found.v[scale] > 0, data.e2 + found.v[scale], 1.0)
    total, pull = np.bincount(group, weight), np.bincount(group, weight * data.u)
    away = np.divide(pull, total, out=np.zeros(total.size), where=total > 0)
    with np.errstate(divide="ignore"):
        centre_sd = unit[data.home] / np.sqrt((SHARE if robust else 1.0) * total)
    return Estimates(
        middle + away * unit[data.home], centre_sd, np.where(undefined, 0.0, _spread(found) * unit),
        np.where(undefined, 0.0, low * unit), np.where(undefined, np.inf, high * unit), dof, t,
        np.where(np.isfinite(t), dof[scale] - kept, np.nan), kept,
    )  # fmt: skip


def _values(
    q: FloatArray,
    s: FloatArray,
    group: np.ndarray,
    scale: np.ndarray,
    robust: bool,
    fitted: FloatArray | float,
    prior: SpreadPrior | None,
) -> tuple[_Values, FloatArray, FloatArray]:
    """Values in units of the greatest distance in their scale, these units, and medians of the groups."""
    middle = medians(q, group)
    away = q - middle[group]
    reach = np.zeros(int(scale.max()) + 1)
    np.maximum.at(reach, scale, np.abs(away))
    unit = np.where(reach > _LEAST, reach, 1.0)
    home = np.zeros(middle.size, dtype=np.intp)
    home[group] = scale
    e2 = (s / unit[scale]) ** 2
    dof, spread = (np.zeros(reach.size),) * 2 if prior is None else prior
    data = _Values(
        np.where(reach[scale] > _LEAST, away / unit[scale], 0.0), e2, group, scale, home, robust,
        fitted + np.zeros(reach.size),
        np.where(np.isfinite(spread), dof, 0.0), np.nan_to_num(spread / unit) ** 2, medians(e2, scale),
    )  # fmt: skip
    return data, unit, middle


def medians(q: FloatArray, group: np.ndarray) -> FloatArray:
    """Median of each group, numbered from 0."""
    order = np.lexsort((q, group))
    first = np.searchsorted(group[order], np.arange(group.max() + 2))
    low, high = (first[:-1] + first[1:] - 1) // 2, (first[:-1] + first[1:]) // 2
    return np.asarray((q[order][low] + q[order][high]) / 2)


def _near(data: _Values) -> BoolArray:
    """Values near the median of their group, by the median of such distances; all where that is zero."""
    n, groups = np.bincount(data.scale), np.bincount(data.home)
    half = _MAD * medians(np.abs(data.u), data.scale) * np.sqrt(n / np.maximum(n - groups, 1))
    width = np.sqrt(np.maximum(half**2 - data.usual, 0.0)[data.scale] + data.e2)
    return np.asarray((np.abs(data.u) <= _START * width) | (width == 0) | (n - groups < 2)[data.scale])


def _chosen(data: _Values, most: float) -> tuple[BoolArray, _Solved]:
    """Values that lie no farther from the others than t has it, or than `most` standard deviations; their spreads."""
    kept = _near(data) if data.robust else np.ones(data.u.size, dtype=bool)
    found = _solve(data, kept, data.prior_v)
    for _ in range(_ROUNDS if data.robust else 0):
        t, dof = _deviations(data, kept, found)
        limit = np.minimum(-stdtrit(np.maximum(np.stack([dof, dof - 1]), 1e-3), _BEYOND / 2), most)
        within = ~(np.abs(t) > limit[kept.astype(np.intp), data.scale])
        if np.array_equal(within, kept):
            break
        kept = within
        found = _solve(data, kept, found.v)
    return kept, found


def _end(data: _Values, kept: BoolArray, found: _Solved, p: float) -> FloatArray:
    """End of the interval that the true spread is beyond with probability p, in units of the greatest distance."""
    dof = np.maximum(_information(data, kept), 1e-9)
    return _spread(_solve(data, kept, found.v, chdtri(dof, p) / dof))


def _free(data: _Values, kept: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Numbers of kept values and of fitted coefficients in each scale."""
    there = np.bincount(data.group, kept) > 0
    return np.bincount(data.scale, kept).astype(float), np.bincount(data.home, there.astype(float)) + data.fitted


def _information(data: _Values, kept: BoolArray) -> FloatArray:
    """Degrees of freedom of a variance that would be as well known, shape (scales,)."""
    n, coefficients = _free(data, kept)
    left = (n / _INSIDE - coefficients) * EFFICIENCY if data.robust else n - coefficients
    return np.asarray(np.maximum(left, 0.0) + data.prior_dof)


def _solve(data: _Values, kept: BoolArray, start: FloatArray, factor: FloatArray | float = 1.0) -> _Solved:
    """Variances at which the sum of squares is `factor` times the expected one, by Newton's method for its inverse.

    The inverse is concave in the variance, so that steps from below never go too far.
    """
    n, coefficients = _free(data, kept)
    free = np.maximum(n - coefficients, 0.0) + data.prior_dof
    target = np.maximum(free * factor, 1e-300)
    floor = np.where(np.bincount(data.scale, kept & (data.e2 == 0)) > 0, _FLOOR, 0.0)
    floor = np.where(data.prior_dof > 0, np.where(data.usual + floor > 0, floor, _FLOOR), floor)
    v = np.maximum(start, floor)
    for _ in range(_STEPS):
        total, slope = _sums(data, kept, v)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = total * (total - target) / (target * slope)
        moved = np.maximum(v + np.where(np.isfinite(step), step, -v), floor)
        done = np.all(np.abs(moved - v) <= _DIGITS * v)
        v = moved
        if done:
            break
    return _Solved(v, free, v > floor)


def _sums(data: _Values, kept: BoolArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum of squares in each scale, and minus its derivative by the variance."""
    width = v[data.scale] + data.e2
    weight = kept / np.where(width > 0, width, 1.0)
    weights = np.bincount(data.group, weight)
    centre = np.bincount(data.group, weight * data.u) / np.where(weights > 0, weights, 1.0)
    away = data.u - centre[data.group]
    pull = weight * away
    share = SHARE if data.robust else 1.0
    total, slope = np.bincount(data.scale, pull * away) / share, np.bincount(data.scale, pull**2) / share
    if data.prior_dof.any():
        width = np.where(data.prior_dof > 0, v + data.usual, 1.0)
        extra = data.prior_dof * (data.prior_v + data.usual) / width
        total, slope = total + extra, slope + extra / width
    return total, slope


def _spread(solved: _Solved) -> FloatArray:
    return np.where(solved.above, np.sqrt(solved.v), 0.0)


def _deviations(data: _Values, kept: BoolArray, found: _Solved) -> tuple[FloatArray, FloatArray]:
    """Deviation of each value from all others of its group, and degrees of freedom of each scale.

    That of a value that was kept follows from its residual without another fit, as deleted residuals do; it has one
    degree of freedom less.
    """
    width = found.v[data.scale] + data.e2
    weight = 1 / np.where(width > 0, width, 1.0)
    weights = np.bincount(data.group, kept * weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.bincount(data.group, kept * weight * data.u) / weights
        away, lever = data.u - centre[data.group], weight / weights[data.group]
        single = kept & (lever > 1 - 1e-9)
        square = away**2 * weight / np.where(kept, 1 - np.where(single, 0.0, lever), 1 + lever)
        free = found.free[data.scale]
        part = square / (SHARE if data.robust else 1.0)
        others = np.maximum(free - part, 1e-12 * free)
        square = np.where(kept & found.above[data.scale], square * (free - 1) / others, square)
    dof = _information(data, kept)
    known = ~single & (dof[data.scale] - kept >= 1) & np.isfinite(square)
    return np.where(known, np.copysign(np.sqrt(np.where(known, square, 0.0)), away), np.nan), dof
