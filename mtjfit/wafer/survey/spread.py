"""Robust centre and spread of the true values of devices, separated from the errors of measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from mtjfit.arrays import BoolArray, FloatArray

HUBER = 1.5
"""Bound of residuals in standard deviations: 96 % efficient for a centre, 73 % for a spread."""
_LEVEL = 0.95
_STEPS = 60
_FEW_STEPS = 12  # where one of thousands of groups may go to and fro
_HALVINGS = 45  # of a range, to the twelfth digit and beyond
_LEAST = 1e-75  # whose square is above zero: smaller differences are none


@dataclass(frozen=True)
class Spread:
    """Centre and standard deviation of the true values of devices.

    Attributes
    ----------
    centre, centre_sd : float
        Robust mean of the n devices and its standard error; NaN for a `pooled_spread`.
    spread, low, high : float
        Standard deviation of the true values between devices, and its 95 % interval. `low` is 0 where errors of
        measurement alone explain the differences.
    error : float
        Median error of measurement.
    dof : float
        Degrees of freedom behind the spread, for Student's t.
    """

    n: int
    centre: float
    centre_sd: float
    spread: float
    low: float
    high: float
    error: float
    dof: float

    @property
    def determined(self) -> bool:
        """False if the devices may all be equal."""
        return self.low > 0

    @property
    def says(self) -> str:
        """The spread in a sentence.

        Examples
        --------
        >>> spread_of([1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 5.0]).says
        'not determined: they differ less than their errors alone would have it'
        """
        if self.determined:
            return f"{self.spread:.3g} ({self.low:.3g} to {self.high:.3g}, 95 %)"
        if not math.isfinite(self.high):
            return "not determined: too few devices"
        if not self.high:
            return "not determined: they differ less than their errors alone would have it"
        return f"not determined: errors explain all differences; 0 to {self.high:.2g} (95 %)"


def spread_of(values: FloatArray, errors: FloatArray, *, bound: float = HUBER, fitted: int = 1) -> Spread:
    r"""Centre and spread of true values μ + τ·N(0, 1) that were measured with known errors s.

    With $w = \sqrt{τ^2 + s^2}$ a device lies z·w from the centre. The centre solves
    $\sum ψ(z)/w = 0$ with Huber's ψ, cut at `bound`; the spread solves $\sum \min(z^2, b^2) = (n - 1)\,E\min(Z^2,
    b^2)$ with Z standard normal. The left-hand side falls as τ grows, so there is one solution, or none above zero.
    Without a bound these are the equations of Paule and Mandel (J. Res. Natl. Bur. Stand. 87, 377, 1982), and the
    interval is that of χ²; with one, χ² is matched to the mean and the variance of the sum.

    Parameters
    ----------
    values, errors : array_like, shape (n,)
        In one unit; errors are standard deviations, 0 where unknown.
    bound : float
        ``math.inf`` for few values without outliers, such as wafers.
    fitted : int
        Number of fitted coefficients, including the centre: residuals of a surface scatter less.

    Raises
    ------
    ValueError
        Fewer than one value, or a value or error that is not finite, or a negative error.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> errors = rng.uniform(0.5, 1.5, 4000)
    >>> found = spread_of(10 + rng.normal(0, np.hypot(0.6, errors)), errors)
    >>> found.determined, found.low < 0.6 < found.high, bool(abs(found.centre - 10) < 0.05)
    (True, True, True)
    """
    q, s = _checked(values, errors)
    group = np.zeros(q.size, dtype=np.intp)
    spread, low, high = _solved(q, s, group, bound, q.size - fitted)
    centre, centre_sd = centre_of(q, s, spread, bound=bound)
    return Spread(q.size, centre, centre_sd, spread, low, high, float(np.median(s)), _dof(q.size - fitted, bound))


def pooled_spread(values: FloatArray, errors: FloatArray, group: np.ndarray, *, bound: float = HUBER) -> Spread:
    """The spread, without a centre, within groups with centres of their own, such as devices of several wafers.

    `group` is the number of the group of each value, from 0; all else as of `spread_of`.

    Examples
    --------
    >>> two = pooled_spread([1.0, 2.0, 3.0, 51.0, 52.0, 53.0], np.zeros(6), np.array([0, 0, 0, 1, 1, 1]))
    >>> one = spread_of([1.0, 2.0, 3.0], np.zeros(3))
    >>> bool(abs(two.spread / one.spread - 1) < 1e-9), two.centre
    (True, nan)
    """
    q, s = _checked(values, errors)
    _, codes = np.unique(group, return_inverse=True)
    free = q.size - int(codes.max()) - 1
    spread, low, high = _solved(q, s, codes, bound, free)
    return Spread(q.size, math.nan, math.nan, spread, low, high, float(np.median(s)), _dof(free, bound))


def _checked(values: FloatArray, errors: FloatArray) -> tuple[FloatArray, FloatArray]:
    q, s = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    if q.ndim != 1 or q.shape != s.shape or not q.size:
        raise ValueError(f"values {q.shape} and errors {s.shape} must be two rows of one length, not empty")
    if not (np.all(np.isfinite(q)) and np.all(np.isfinite(s)) and np.all(s >= 0)):
        raise ValueError("values and errors must be finite, errors not negative")
    return q, s


@cache
def moments(bound: float) -> tuple[float, float, float, float]:
    """Of Z standard normal: E min(Z², b²), its variance, E[Z²; |Z| < b] and P(|Z| < b)."""
    if math.isinf(bound):
        return 1.0, 2.0, 1.0, 1.0
    density, inside = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi), math.erf(bound / math.sqrt(2))
    second = inside - 2 * bound * density
    fourth = 3 * second - 2 * bound**3 * density
    mean = second + bound**2 * (1 - inside)
    return mean, fourth + bound**4 * (1 - inside) - mean**2, second, inside


def _dof(free: int, bound: float) -> float:
    """Degrees of freedom of a variance with the same relative error as the square of the spread."""
    _, variance, second, _ = moments(bound)
    return 2 * second**2 * max(free, 0) / variance


def _centres(
    q: FloatArray, w: FloatArray, group: np.ndarray, start: FloatArray, bound: float, steps: int = _STEPS
) -> FloatArray:
    """Centre of each group at given widths: Newton's method, which ends once the same values lie beyond the bound."""
    centre, own = start, w**-2  # outside the loop: this power is most of the time
    beyond: BoolArray | None = None
    for _ in range(steps):
        z = (q - centre[group]) / w
        out = np.abs(z) > bound
        if beyond is not None and np.array_equal(out, beyond):
            break
        beyond = out
        total = np.bincount(group, own * ~out, minlength=centre.size)
        pull = np.bincount(group, np.clip(z, -bound, bound) / w, minlength=centre.size)
        # A group with nothing inside its bounds stays at its median.
        centre = np.where(total > 0, centre + pull / np.where(total > 0, total, 1.0), start)
    return centre


def _medians(q: FloatArray, group: np.ndarray) -> FloatArray:
    order = np.lexsort((q, group))
    first = np.searchsorted(group[order], np.arange(group.max() + 2))
    low, high = (first[:-1] + first[1:] - 1) // 2, (first[:-1] + first[1:]) // 2
    return np.asarray((q[order][low] + q[order][high]) / 2)


def centre_of(q: FloatArray, s: FloatArray, spread: float, *, bound: float = HUBER) -> tuple[float, float]:
    """Robust mean and its standard error where the spread of the true values is known."""
    w = np.hypot(spread, s)
    w = np.where(w > _LEAST, w, max(1e-9 * float(np.ptp(q)), _LEAST) if np.ptp(q) else 1.0)  # exact, most of them alike
    mean, _, _, inside = moments(bound)
    centre = float(q[0])
    if q.size > 1:  # the page of a catalogue may have thousands of wafers of one device
        zero = np.zeros(q.size, dtype=np.intp)
        centre = float(_centres(q, w, zero, _medians(q, zero), bound)[0])
    return centre, math.sqrt(mean / np.sum(w**-2.0)) / inside


def spread_alone(q: FloatArray, s: FloatArray, *, fitted: int = 1) -> float:
    """The spread of `spread_of` without its interval, which takes most of the time."""
    if q.size <= fitted:  # no spread is large enough for a sum of squares below zero
        return 0.0
    group = np.zeros(q.size, dtype=np.intp)
    return _roots(q, s, group, HUBER, [(q.size - fitted) * moments(HUBER)[0]])[0]


def _solved(q: FloatArray, s: FloatArray, group: np.ndarray, bound: float, free: int) -> tuple[float, float, float]:
    """Spread and the ends of its interval."""
    if free < 1:
        return 0.0, 0.0, math.inf
    mean, variance, _, _ = moments(bound)
    scale, dof = variance / (2 * mean), 2 * free * mean**2 / variance
    ends = (scale * float(chi2.isf(p, dof)) for p in ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    spread, low, high = _roots(q, s, group, bound, [free * mean, *ends])
    return spread, low, high


def _roots(q: FloatArray, s: FloatArray, group: np.ndarray, bound: float, targets: list[float]) -> list[float]:
    """Spreads at which the sum of bounded squares is each target; 0 where it is below without any spread."""
    start = _medians(q, group)
    reach = float(np.max(np.abs(q - start[group])))
    if reach < _LEAST:
        return [0.0] * len(targets)
    least = 0.0 if s.all() else 1e-9 * reach

    def excess(spread: float, target: float) -> float:
        w = np.hypot(spread, s)
        z = (q - _centres(q, w, group, start, bound)[group]) / w
        return float(np.sum(np.minimum(z**2, bound**2))) - target

    found = []
    for target in targets:
        if excess(least, target) <= 0:
            found.append(0.0)
            continue
        most = reach
        while excess(most, target) > 0:
            most *= 4
        found.append(float(brentq(excess, least, most, args=(target,), xtol=1e-12 * most, rtol=1e-10)))
    return found


def spreads_of(values: FloatArray, errors: FloatArray, group: np.ndarray) -> dict[str, FloatArray]:
    """`spread_of` of thousands of groups at once, numbered from 0: arrays by the names of the attributes of `Spread`.

    The equations are solved by bisection of all groups together, so the last digits may differ.

    Examples
    --------
    >>> q, s = np.array([1.0, 2.0, 4.0, 9.0]), np.full(4, 0.1)
    >>> all_at_once = spreads_of(q, s, np.array([0, 0, 0, 1]))["spread"]
    >>> bool(abs(all_at_once[0] / spread_of(q[:3], s[:3]).spread - 1) < 1e-9), float(all_at_once[1])
    (True, 0.0)
    """
    q, s = _checked(values, errors)
    n = np.bincount(group)
    free = np.maximum(n - 1, 0)
    mean, variance, _, _ = moments(HUBER)
    scale, dof = variance / (2 * mean), 2 * np.maximum(free, 1) * mean**2 / variance
    ends = (scale * chi2.isf(p, dof) for p in ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    targets = (np.asarray(each, dtype=float) for each in (free * mean, *ends))
    spread, low, high = (np.where(free > 0, _all_roots(q, s, group, each), 0.0) for each in targets)
    centre, centre_sd = centres_of(q, s, group, spread)
    return {
        "n": n, "centre": centre, "centre_sd": centre_sd, "spread": spread, "low": low,
        "high": np.where(free > 0, high, np.inf), "error": _medians(s, group), "dof": free * _dof(1, HUBER),
    }  # fmt: skip


def centres_of(q: FloatArray, s: FloatArray, group: np.ndarray, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`centre_of` of many groups at once, each with its spread."""
    middle = _medians(q, group)
    reach = _reach(q - middle[group], group)
    w = np.hypot(spread[group], s)
    w = np.where(w > _LEAST, w, np.where(reach > 0, np.maximum(1e-9 * reach, _LEAST), 1.0)[group])
    mean, _, _, inside = moments(HUBER)
    return _centres(q, w, group, middle, HUBER), np.sqrt(mean / np.bincount(group, w**-2.0)) / inside


def _reach(away: FloatArray, group: np.ndarray) -> FloatArray:
    found = np.zeros(int(group.max()) + 1)
    np.maximum.at(found, group, np.abs(away))
    return found


def _all_roots(q: FloatArray, s: FloatArray, group: np.ndarray, target: FloatArray) -> FloatArray:
    """`_roots` of many groups, with one target for each."""
    start = _medians(q, group)
    reach = _reach(q - start[group], group)
    alike = reach < _LEAST

    def excess(spread: FloatArray) -> FloatArray:
        w = np.hypot(np.where(alike, 1.0, spread)[group], s)
        z = (q - _centres(q, w, group, start, HUBER, _FEW_STEPS)[group]) / w
        return np.asarray(np.bincount(group, np.minimum(z**2, HUBER**2)) - target)

    least = np.where(np.bincount(group, s == 0) > 0, 1e-9 * reach, 0.0)
    none, low, high = alike | (excess(least) <= 0), least, reach
    while np.any(more := ~none & (excess(high) > 0)):
        high = np.where(more, 4 * high, high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = excess(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(none, 0.0, (low + high) / 2)
