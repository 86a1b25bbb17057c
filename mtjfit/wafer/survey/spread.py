"""Robust centre and spread of the true values of devices, separated from the errors of measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.wafer.survey.robust import estimates


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
        >>> spread_of([1.0, 2.0, 3.0, 4.0], [9.0, 9.0, 9.0, 9.0]).says
        'not determined: they differ less than their errors alone would have it'
        """
        if self.determined:
            return f"{self.spread:.3g} ({self.low:.3g} to {self.high:.3g}, 95 %)"
        if not math.isfinite(self.high):
            return "not determined: too few devices"
        if not self.high:
            return "not determined: they differ less than their errors alone would have it"
        return f"not determined: errors explain all differences; 0 to {self.high:.2g} (95 %)"


def spread_of(values: FloatArray, errors: FloatArray, *, robust: bool = True, fitted: int = 1) -> Spread:
    """Centre and spread of true values μ + τ·N(0, 1) that were measured with known errors s.

    Odd values move neither: those beyond three standard deviations are left out, and the spread is corrected for what
    a normal distribution loses by that (`mtjfit.wafer.survey.robust.estimates` has the equations). Of at least six
    values, a tenth of them odd by six standard deviations, the interval holds the true spread in 92 to 97 % of
    samples.

    Parameters
    ----------
    values, errors : array_like, shape (n,)
        In one unit; errors are standard deviations, 0 where unknown.
    robust : bool
        False for few values without outliers, such as wafers: the equations of Paule and Mandel (J. Res. Natl. Bur.
        Stand. 87, 377, 1982).
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
    found = estimates(q, s, np.zeros(q.size, dtype=np.intp), robust=robust, fitted=fitted - 1.0)
    own = (found.centre, found.centre_sd, found.spread, found.low, found.high)
    centre, centre_sd, spread, low, high = (float(each[0]) for each in own)
    return Spread(q.size, centre, centre_sd, spread, low, high, float(np.median(s)), float(found.dof[0]))


def pooled_spread(values: FloatArray, errors: FloatArray, group: np.ndarray, *, robust: bool = True) -> Spread:
    """The spread, without a centre, within groups with centres of their own, such as devices of several wafers.

    `group` is the number of the group of each value, from 0; all else as of `spread_of`.

    Examples
    --------
    >>> two = pooled_spread([1.0, 2.0, 3.0, 51.0, 52.0, 53.0], np.zeros(6), np.array([0, 0, 0, 1, 1, 1]))
    >>> one = spread_of([1.0, 2.0, 3.0], np.zeros(3))
    >>> 0.9 < two.spread / one.spread < 1.1, two.centre
    (True, nan)
    """
    q, s = _checked(values, errors)
    _, codes = np.unique(group, return_inverse=True)
    found = estimates(q, s, codes, np.zeros(q.size, dtype=np.intp), robust=robust)
    spread, low, high = (float(each[0]) for each in (found.spread, found.low, found.high))
    return Spread(q.size, math.nan, math.nan, spread, low, high, float(np.median(s)), float(found.dof[0]))


def _checked(values: FloatArray, errors: FloatArray) -> tuple[FloatArray, FloatArray]:
    q, s = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    if q.ndim != 1 or q.shape != s.shape or not q.size:
        raise ValueError(f"values {q.shape} and errors {s.shape} must be two rows of one length, not empty")
    if not (np.all(np.isfinite(q)) and np.all(np.isfinite(s)) and np.all(s >= 0)):
        raise ValueError("values and errors must be finite, errors not negative")
    return q, s
