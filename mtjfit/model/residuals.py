"""Tests of the residuals of a curve against its abscissa: runs, autocorrelation and χ², each with a p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaincc

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard

FALSE_FLAGS = 1e-3
"""Rate of false alarms: share of well-described spectra with white normal noise that are flagged."""
_N_TESTS = 3


@dataclass(frozen=True)
class ResidualTests(ShownAsCard):
    """Three tests of residuals in the order of the abscissa, each of both sides; small p-values contradict the lines.

    `p_runs`: probability of so few, or so many, runs of one sign (Wald and Wolfowitz). `p_autocorrelation`: of a ratio
    of Durbin and Watson so far from its mean, beside the autocorrelation of neighbours. `p_chi2`: of a `chi2_red` so
    far from one, the sum of squares per degree of freedom over the noise that second differences of the residuals show.
    """

    p_runs: float
    autocorrelation: float
    p_autocorrelation: float
    chi2_red: float
    p_chi2: float

    @property
    def p(self) -> float:
        """Smallest p-value, times the number of tests."""
        return min(1.0, _N_TESTS * min(self.p_runs, self.p_autocorrelation, self.p_chi2))

    @property
    def described(self) -> bool:
        """Whether no test objects; false alarms occur at the rate `FALSE_FLAGS`."""
        return self.p >= FALSE_FLAGS


def tangent_space(columns: FloatArray) -> FloatArray:
    """Orthonormal columns that span the derivatives of the voltage by all parameters, shape (n, rank)."""
    size = np.linalg.norm(columns, axis=0)
    u, values, _ = np.linalg.svd(columns[:, size > 0] / size[size > 0], full_matrices=False)
    return np.asarray(u[:, values > 1e-10 * values.max(initial=0.0)])


def residual_tests(residual: FloatArray, tangent: FloatArray) -> ResidualTests:
    """Test the residuals of one fit, shape (n,), in the order of the abscissa; `tangent` is from `tangent_space`.

    Ratios r'Br/r'r of squared first and second differences have, for white noise and a model that is linear near its
    minimum, known mean and variance: a fit takes the directions of its parameters out of the noise, and these are
    accounted for (Durbin and Watson 1950). Their distribution is approximated by a beta distribution.

    Examples
    --------
    >>> n = 200
    >>> flat = tangent_space(np.ones((n, 1)))
    >>> noise = np.random.default_rng(1).standard_normal(n)
    >>> wave = np.sin(np.linspace(0, 20, n))
    >>> residual_tests(noise, flat).described, residual_tests(noise + wave, flat).described
    (True, False)
    """
    n, rank = tangent.shape
    total = float(residual @ residual)
    if total <= 0 or n - rank < 3:
        return ResidualTests(math.nan, math.nan, math.nan, math.nan, math.nan)
    _, p_first, _ = smoothness(residual, tangent, 1)
    second, p_second, expected = smoothness(residual, tangent, 2)
    lagged = float(residual[1:] @ residual[:-1] / total)
    chi2_red = expected / second if second > 0 else math.inf
    return ResidualTests(_runs(residual, tangent), lagged, p_first, chi2_red, p_second)


def smoothness(residual: FloatArray, tangent: FloatArray, order: int) -> tuple[float, float, float]:
    """Ratio of squared differences to squares, two-sided probability of so extreme a one, and its expectation."""
    n, rank = tangent.shape
    dof = n - rank
    ratio = float(np.sum(np.diff(residual, order) ** 2) / (residual @ residual))
    binomial = np.array([math.comb(order, k) for k in range(order + 1)], dtype=float)
    # B = D'D has bandwidth `order`; the traces of B and B² follow from the autocorrelation of its stencil.
    inside = np.diff(tangent, order, axis=0)
    of_b = (n - order) * float(binomial @ binomial)
    between = [float(binomial[: order + 1 - lag] @ binomial[lag:]) for lag in range(order + 1)]
    off = sum((n - order - lag) * between[lag] ** 2 for lag in range(1, order + 1))
    of_b2 = (n - order) * between[0] ** 2 + 2 * off
    in_tangent = inside.T @ inside
    b_tangent = _transposed_difference(inside, order)
    trace = of_b - float(np.trace(in_tangent))
    trace2 = of_b2 - 2 * float(np.sum(b_tangent**2)) + float(np.sum(in_tangent**2))
    mean = trace / dof
    variance = 2 * (dof * trace2 - trace**2) / (dof**2 * (dof + 2))
    most = 4.0**order
    share = mean / most
    if variance <= 0:
        return ratio, 1.0, mean
    size = share * (1 - share) / (variance / most**2) - 1
    shape = share * size, (1 - share) * size
    below, above = betainc(*shape, ratio / most), betaincc(*shape, ratio / most)
    return ratio, two_sided(float(below), float(above)), mean


def two_sided(below: float, above: float) -> float:
    """Probability of a value as extreme on either side."""
    return min(1.0, 2 * min(below, above))


def _transposed_difference(values: FloatArray, order: int) -> FloatArray:
    """D' values, D the difference of some order."""
    for _ in range(order):
        values = -np.diff(values, axis=0, prepend=0.0, append=0.0)
    return values


def _runs(residual: FloatArray, tangent: FloatArray) -> float:
    """Two-sided probability of the number of runs, whose mean a fit raises: its residuals alternate a little."""
    positive = residual > 0
    n, up = residual.size, int(positive.sum())
    down = n - up
    if min(up, down) == 0:
        return 0.0
    runs = 1 + int(np.sum(positive[1:] != positive[:-1]))
    mean = 1 + 2 * up * down / n
    variance = (mean - 1) * (mean - 2) / (n - 1)
    # Of normal residuals with the correlation ρ neighbours differ in sign with the probability arccos(ρ)/π.
    left = np.maximum(1 - np.sum(tangent**2, axis=1), 1e-12)
    alike = -np.sum(tangent[1:] * tangent[:-1], axis=1) / np.sqrt(left[1:] * left[:-1])
    mean += float(np.sum(np.arccos(np.clip(alike, -1, 1)) / math.pi - 0.5))
    if variance <= 0:
        return 1.0
    sd = math.sqrt(2 * variance)
    return two_sided(math.erfc((mean - runs - 0.5) / sd) / 2, math.erfc((runs - 0.5 - mean) / sd) / 2)
