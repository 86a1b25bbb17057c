"""Backgrounds of higher order than declared: whether residuals ask for them, and how far they move the lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from mtjfit.arrays import FloatArray
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


@dataclass(frozen=True)
class OrderTests:
    """Tests of one spectrum for orders of the background beyond the declared one; NaN where points are too few.

    `p_order` is the probability, by an F test, of so large a coefficient of the next order, `p_beyond[j]` that of so
    large coefficients of all orders beyond the next j, down to structure as wide as the line, j = 0 … 3.
    """

    p_order: float
    p_beyond: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class FurtherOrders:
    """The m orders of the background beyond the declared one, step by step, for the residuals of one spectrum.

    Step j adds the j-th further Legendre polynomial; `basis`, (n, m), is what is new in it, orthonormal and orthogonal
    to all that was fitted. `z`, (m,), are the coefficients of these over the noise: independent, with a standard
    deviation of one, if the declared background holds. `pull`, (4, K, m), times the covariance of centre, half width, s
    and a is minus the change of these for a coefficient of one standard deviation.
    """

    basis: FloatArray
    z: FloatArray
    pull: FloatArray
    tests: OrderTests

    def excess(self, n: int) -> FloatArray:
        """Coefficients of the first n steps over the noise, less what noise alone adds to their squares, 0 beyond."""
        size = np.sqrt(np.maximum(self.z**2 - 1, 0.0))
        size[n:] = 0.0
        return np.asarray(np.sign(self.z) * size)


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
        return FurtherOrders(np.empty((x.size, 0)), np.empty(0), np.empty((4, k, 0)), _no_tests())
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
    amplitude = basis.T @ left
    noise = math.sqrt(rss / dof)
    by_s, by_a, by_centre, by_log_width, _ = gradient
    columns = np.concatenate([by_centre, by_log_width / half_width, by_s, by_a], axis=1)
    in_flat = np.linalg.lstsq(flat, columns, rcond=None)[0] if flat.shape[1] else np.empty((0, 4 * k))
    # The whole polynomials of which the basis is the part that the model lacks.
    whole = np.linalg.solve(steps.T, more[:, :m].T).T if m else more[:, :0]
    pull = (columns - flat @ in_flat).T @ whole / noise
    return FurtherOrders(basis, amplitude / noise, pull.reshape(4, k, m), _tests(amplitude**2, rss, dof))


def _no_tests() -> OrderTests:
    return OrderTests(math.nan, (math.nan,) * (_PROPOSED + 1))


def _tests(squares: FloatArray, rss: float, dof: int) -> OrderTests:
    """F tests of the first step, and of all steps beyond the first j, with the noise from what these leave."""

    def p(first: int, last: int) -> float:
        n = last - first
        if n < 1:
            return math.nan
        free = dof - last
        rest = max(rss - float(squares[:last].sum()), 1e-300)
        return float(fdtrc(n, free, float(squares[first:last].sum()) / n / (rest / free)))

    return OrderTests(p(0, min(1, squares.size)), tuple(p(j, squares.size) for j in range(_PROPOSED + 1)))


def found_by(tests: ResidualTests, orders: OrderTests) -> tuple[float, float]:
    """Smallest p-value of all tests of one spectrum, and of those for smooth structure, adjusted by Holm's method.

    One where no test was possible.
    """
    p = holm([orders.p_order, orders.p_beyond[0], tests.p_runs, tests.p_autocorrelation, tests.p_chi2])
    p = np.where(np.isnan(p), 1.0, p)
    return float(p.min()), float(p[:2].min())


def likely_cause(
    residual: FloatArray, tangent: FloatArray, orders: FurtherOrders, degree: int, p: float, noisy: float
) -> str:
    """What a test of smooth structure found, in words: orders of the background, structure as wide as the line, noise.

    `noisy` is the correlation of neighbouring residuals.
    """

    def rest_is_white(n: int) -> bool:
        some = orders.basis[:, :n]
        left = residual - tangent @ (tangent.T @ residual) - some @ (some.T @ residual)
        tests = residual_tests(left, np.concatenate([tangent, some], axis=1))
        return not tests.p < FALSE_ALARMS

    for more in range(1, min(_PROPOSED, HIGHEST_DEGREE - degree, orders.z.size) + 1):
        if not orders.tests.p_beyond[more] < FALSE_ALARMS and rest_is_white(more):
            return _asks(more, degree, p)
    if rest_is_white(orders.z.size):
        return f"{_AS_WIDE} (p = {p:.1g})"
    return f"{correlated(noisy)} (p = {p:.1g})"


AS_WIDE = (
    "structure about as wide as the line is left: a ripple slower than the line, a second line, or another line form"
)


def correlated(alike: float) -> str:
    """Cause of residuals with a correlation of neighbours that no smooth structure explains."""
    points = max(2, round((1 + alike) / (1 - min(alike, 0.99))))
    return (f"the noise is correlated over about {points} points: 1/f noise or a filter, or structure narrower than the "
            "line")  # fmt: skip


def _asks(more: int, degree: int, p: float) -> str:
    orders = "one order" if more == 1 else f"{more} orders"
    return f"a background of {orders} more is asked for: background = {degree + more} (p = {p:.1g})"


def together(tests: Sequence[OrderTests], degree: int) -> str:
    """What spectra of one device show together, although none shows it alone; empty if nothing.

    p-values are combined by Fisher's method, −2 Σ ln p being χ² with two degrees of freedom for each. Spectra that are
    flagged on their own are to be left out: one that is odd is no fault of all.
    """

    def combined(p: Sequence[float]) -> float:
        made = [max(each, 1e-300) for each in p if not math.isnan(each)]
        return float(chdtrc(2 * len(made), -2 * math.fsum(map(math.log, made)))) if made else 1.0

    if len(tests) < 2:
        return ""
    p = 2 * min(combined([each.p_order for each in tests]), combined([each.p_beyond[0] for each in tests]))
    if p >= TOGETHER:
        return ""
    for more in range(1, min(_PROPOSED, HIGHEST_DEGREE - degree) + 1):
        if combined([each.p_beyond[more] for each in tests]) >= TOGETHER:
            return f"together with the other spectra of the device: {_asks(more, degree, p)}"
    return f"together with the other spectra of the device: {_AS_WIDE} (p = {p:.1g})"
