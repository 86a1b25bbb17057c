"""Backgrounds of higher order than declared: whether residuals ask for them, and how far they move the lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.residuals import ResidualTests, residual_tests
from mtjfit.multiple_tests import holm
from mtjfit.spectra.lineshape import background
from mtjfit.spectra.spectrum import HIGHEST_DEGREE, LineModel

FALSE_ALARMS = 0.01
"""Share of spectra with white normal noise that the tests of their residuals flag although the model is right."""
TOGETHER = 1e-3
"""Rate of false alarms of the tests of all spectra of a device together."""
ACCEPTED = 2
"""Orders of the background beyond the declared one that the systematic error of every spectrum accounts for."""
MOST_ORDERS = 24
_AS_WIDE = "structure about as wide as the line: a ripple slower than the line, a second line, or another line form"
_PROPOSED = 3  # orders more than declared that are proposed
_NOTHING = 1e-6  # of a polynomial, below which the model contains it


@dataclass(frozen=True, eq=False)
class OrderTests(ShownAsCard):
    """Tests of one spectrum for orders of the background beyond the declared one; NaN where points are too few.

    `p_order` is the probability, by an F test, of so large a coefficient of the next order, `p_beyond[j]` that of so
    large coefficients of all orders beyond the next j, down to structure as wide as the line, j = 0 … 3.

    `z`, (m,), are the coefficients over the noise of what is new in each of m further Legendre polynomials: independent
    and with a standard deviation of one, if the declared background holds. `steps`, (m, m), upper triangular, turns
    coefficients of the polynomials, in V, into these.
    """

    p_order: float
    p_beyond: tuple[float, ...]
    z: FloatArray
    steps: FloatArray


@dataclass(frozen=True, eq=False)
class FurtherOrders:
    """The m orders of the background beyond the declared one, step by step, for the residuals of one spectrum.

    Step j adds the j-th further Legendre polynomial; `basis`, (n, m), is what is new in it, orthonormal and orthogonal
    to all that was fitted. `pull`, (4, K, m), times the covariance of centre, half width, s and a is minus the change
    of these for a coefficient of one standard deviation.
    """

    basis: FloatArray
    pull: FloatArray
    tests: OrderTests

    def excess(self, n: int) -> FloatArray:
        """Coefficients of the first n steps over the noise, less what noise alone adds to their squares, 0 beyond."""
        z = self.tests.z
        return np.where(np.arange(z.size) < n, np.sign(z) * np.sqrt(np.maximum(z**2 - 1, 0.0)), 0.0)


def further_orders(
    x: FloatArray,
    residual: FloatArray,
    model: LineModel,
    half_width: FloatArray,
    gradient: Sequence[FloatArray],
    tangent: FloatArray,
) -> FurtherOrders:
    """Project the residuals, shape (n,), on orders beyond the declared one, up to one that resolves the narrowest line.

    `gradient` is that of `line_gradient`, `tangent` from `tangent_space` its orthonormal columns.
    """
    k = model.modes
    half_span = (x[-1] - x[0]) / 2
    dof = x.size - tangent.shape[1]
    resolving = math.ceil(half_span / float(half_width.min()))
    m = min(max(resolving, ACCEPTED), MOST_ORDERS, dof // 2)
    left = residual - tangent @ (tangent.T @ residual)
    rss = float(left @ left)
    if m < 1 or rss <= 0:
        return FurtherOrders(np.empty((x.size, 0)), np.empty((4, k, 0)), _tests(np.empty(0), dof, np.empty((0, 0))))
    every = background(x, model.degree + m)
    flat, more = every[:, : model.degree + 1], every[:, model.degree + 1 :]
    new = more - tangent @ (tangent.T @ more)
    basis, steps = np.linalg.qr(new)
    size = np.diagonal(steps)
    kept = np.abs(size) > _NOTHING * np.linalg.norm(more, axis=0)
    m = m if kept.all() else int(np.argmin(kept))
    # The sign of a step is that of its polynomial, so that the same drift has it in all spectra.
    sign = np.sign(size[:m])
    basis, steps = basis[:, :m] * sign, steps[:m, :m] * sign[:, None]
    noise = math.sqrt(rss / dof)
    z = basis.T @ left / noise
    by_s, by_a, by_centre, by_log_width, _ = gradient
    columns = np.concatenate([by_centre, by_log_width / half_width, by_s, by_a], axis=1)
    in_flat = np.linalg.lstsq(flat, columns, rcond=None)[0] if flat.shape[1] else np.empty((0, 4 * k))
    # The whole polynomials of which the basis is the part that the model lacks.
    whole = np.linalg.solve(steps.T, more[:, :m].T).T if m else more[:, :0]
    pull = (columns - flat @ in_flat).T @ whole / noise
    return FurtherOrders(basis, pull.reshape(4, k, m), _tests(z, dof, steps / noise))


def _tests(z: FloatArray, dof: int, steps: FloatArray) -> OrderTests:
    """F tests of the first step, and of all steps beyond the first j, with the noise from what these leave.

    `z` is over the noise that all residuals show, whose squares are `dof` in these units.
    """

    def p(first: int, last: int) -> float:
        n, free = last - first, dof - last
        if n < 1:
            return math.nan
        rest = max(dof - float(np.sum(z[:last] ** 2)), 1e-12)
        return float(fdtrc(n, free, float(np.sum(z[first:last] ** 2)) / n / (rest / free)))

    return OrderTests(p(0, min(1, z.size)), tuple(p(j, z.size) for j in range(_PROPOSED + 1)), z, steps)


def found_by(tests: ResidualTests, orders: OrderTests) -> tuple[float, float]:
    """Smallest p-value of all tests of one spectrum, and of those for smooth structure, adjusted by Holm's method.

    One where no test was possible.
    """
    p = holm([orders.p_order, orders.p_beyond[0], tests.p_runs, tests.p_autocorrelation, tests.p_chi2])
    p = np.where(np.isnan(p), 1.0, p)
    return float(p.min()), float(p[:2].min())


def likely_cause(
    residual: FloatArray,
    tangent: FloatArray,
    orders: FurtherOrders,
    degree: int,
    p: float,
    noisy: float,
    line: Callable[[], str],
) -> str:
    """What a test of smooth structure found, in words: orders of the background, structure as wide as the line, noise.

    `noisy` is the correlation of neighbouring residuals, `line` says what a further line explains, nothing if none.
    """

    def rest_is_white(n: int) -> bool:
        some = orders.basis[:, :n]
        left = residual - tangent @ (tangent.T @ residual) - some @ (some.T @ residual)
        tests = residual_tests(left, np.concatenate([tangent, some], axis=1))
        return not tests.p < FALSE_ALARMS

    for more in range(1, min(_PROPOSED, HIGHEST_DEGREE - degree, orders.tests.z.size) + 1):
        if not orders.tests.p_beyond[more] < FALSE_ALARMS and rest_is_white(more):
            return _asks(more, degree, p)
    if one := line():
        return f"{one} (p = {p:.1g})"
    if rest_is_white(orders.tests.z.size):
        return f"{_AS_WIDE} (p = {p:.1g})"
    return f"{correlated(noisy)} (p = {p:.1g})"


def correlated(alike: float) -> str:
    """Cause of residuals with a correlation of neighbours that no smooth structure explains."""
    points = max(2, round((1 + alike) / (1 - min(alike, 0.99))))
    what = "1/f noise or a filter, or structure as narrow as that, such as further lines"
    return f"the noise is correlated over about {points} points: {what}"


def _asks(more: int, degree: int, p: float) -> str:
    orders = "one order" if more == 1 else f"{more} orders"
    return f"a background of {orders} more is asked for: background = {degree + more} (p = {p:.1g})"


def found_together(tests: Sequence[OrderTests], degree: int) -> tuple[str, FloatArray]:
    """What spectra of one device over the same abscissas show together, although none shows it alone.

    One background in V that is common to all of them is fitted to their residuals, each weighted by its noise. It is
    seen where no single spectrum shows it, as its sum grows with their number, and lines elsewhere hide another part.
    Spectra that are flagged on their own are to be left out: one that is odd is no fault of all. Returned are words,
    empty if there is nothing, and the coefficients of the common polynomials in V.
    """
    m = min((each.z.size for each in tests), default=0)
    if len(tests) < 2 or m < 1:
        return "", np.empty(0)
    steps = np.concatenate([each.steps[:m, :m] for each in tests])
    z = np.concatenate([each.z[:m] for each in tests])
    basis, triangle = np.linalg.qr(steps)
    common = basis.T @ z
    p = 2 * min(float(chdtrc(1, common[0] ** 2)), float(chdtrc(m, common @ common)))
    if p >= TOGETHER:
        return "", np.empty(0)
    n, words = m, f"{_AS_WIDE} (p = {p:.1g})"
    for more in range(1, min(_PROPOSED, HIGHEST_DEGREE - degree, m) + 1):
        if more == m or chdtrc(m - more, common[more:] @ common[more:]) >= TOGETHER:
            n, words = more, _asks(more, degree, p)
            break
    return f"together with others of the device: {words}", np.linalg.solve(triangle[:n, :n], common[:n])
