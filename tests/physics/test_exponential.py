"""κ and its slope from exp(−d/L) alone, against 50-digit Eq. 12, the stable form, and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from physics_reference import MP, box, exact_kappa, over, printed_kappa, waves, with_value, worst

from mtjfit.physics import kappa, kappa_gradient, kappa_semi_infinite, wave_numbers
from mtjfit.physics.derivatives import ExponentialForm

STATED = 1e-15
"""Error of κ, and of d dκ/dd, in units of (1 + L/d)|κ|, as the module says."""
FEW = 150


def form_at(points: np.ndarray, Lambda: np.ndarray | float | None = None) -> ExponentialForm:
    product = points[:, 4] * points[:, 5] if Lambda is None else np.full(len(points), Lambda)
    return ExponentialForm.of(*wave_numbers(*points.T[1:4]), product)


def allowed(form: ExponentialForm, d: np.ndarray | float) -> np.ndarray:
    return np.asarray(1 + 1 / np.abs(form.q * d))


def kappa_departure(form: ExponentialForm, points: np.ndarray = box()) -> float:  # noqa: B008 - cached and read-only
    """Worst error of κ over the box in units of (1 + L/d)|κ|, against 50 digits of the printed Eq. 12."""
    d, exact = points[:, 0], over(points, exact_kappa)
    return worst(form.kappa(np.exp(-form.q * d)), exact, scale=np.abs(exact) * allowed(form, d))


@lru_cache
def exact_slope() -> np.ndarray:
    """d dκ/dd of the printed Eq. 12 at the first points inside the box: d q0² (sinh + η cosh)/(q (cosh + η sinh)²)."""

    def slope(d: float, lJ: float, lphi: float, lF: float, lN: float, D: float) -> complex:
        q0_squared, q_squared = waves(lJ, lphi, lF)
        q = MP.sqrt(q_squared)
        eta, z = MP.mpf(D) * MP.mpf(lN) * q, MP.mpf(d) * q
        bottom = MP.cosh(z) + eta * MP.sinh(z)
        return complex(MP.mpf(d) * q0_squared / q * (MP.sinh(z) + eta * MP.cosh(z)) / bottom**2)

    return over(box()[64 : 64 + FEW], slope)


def slope_departure(form: ExponentialForm) -> float:
    """Worst error of d dκ/dd at the first points inside the box, in units of (1 + L/d)|κ|."""
    points = box()[64 : 64 + FEW]
    d, scale = points[:, 0], np.abs(over(points, exact_kappa))
    return worst(d * form.slope(np.exp(-form.q * d)), exact_slope(), scale=scale * allowed(form, d))


def test_kappa_to_the_accuracy_that_is_stated(loud):
    assert kappa_departure(form_at(box())) <= STATED


def test_slope_to_the_accuracy_that_is_stated(loud):
    assert slope_departure(form_at(box()[64 : 64 + FEW])) <= STATED


def test_the_reference_slope_is_a_difference_quotient_of_eq_12():
    points, step = box()[64 : 64 + 20], MP.mpf(10) ** -17

    def quotient(d: float, *rest: float) -> complex:
        up, down = (printed_kappa(MP.mpf(d) * MP.exp(s), *rest) for s in (step, -step))
        return complex((up - down) / (2 * step))

    scale = np.abs(over(points, exact_kappa))
    assert worst(exact_slope()[:20], over(points, quotient), scale=scale) <= 1e-15


@pytest.mark.parametrize("Lambda", [0.0, 1e-3, 1.0, 1e6, np.inf])
@pytest.mark.parametrize("d", [1e-6, 1e-3, 1.0, 1e3, 1e9])
def test_the_same_as_the_stable_form_in_every_corner(loud, Lambda, d):
    points = with_value(box(300), d=d)
    form = form_at(points, Lambda)
    t = np.exp(-form.q * d)
    exact = kappa(d, *points.T[1:4], Lambda, 1.0)
    scale = np.abs(exact) * allowed(form, d)
    assert worst(form.kappa(t), exact, scale=scale) <= STATED
    slope = kappa_gradient(d, *points.T[1:4], Lambda).d
    assert worst(d * form.slope(t), d * slope, scale=scale) <= STATED


def test_limits_that_need_no_other_program(loud):
    points = with_value(box(), d=2.0)
    bulk = kappa_semi_infinite(*points.T[1:4])
    open_end, closed_end = form_at(points, 0.0), form_at(points, np.inf)
    assert worst(open_end.kappa(np.zeros(len(points))), bulk) <= STATED  # infinitely thick
    assert worst(closed_end.kappa(np.exp(-2.0 * closed_end.q)), bulk, np.abs(bulk) * allowed(closed_end, 2)) <= STATED
    reflected = bulk * np.tanh(2.0 * open_end.q) * np.tanh(open_end.q)  # 1 − sech z = tanh z tanh z/2
    found = open_end.kappa(np.exp(-2.0 * open_end.q))
    assert worst(found, reflected, np.abs(reflected) * allowed(open_end, 2)) <= STATED


def test_many_thicknesses_of_each_entry_from_a_geometric_series():
    """Twenty-four products of rounded numbers are as good as twenty-four exponentials."""
    points = box()[64:264]
    form, spacing = form_at(points), 0.01 * points[:, 0]
    steps = np.exp(-form.q * spacing)[:, None] ** np.ones(23)
    t = np.cumprod(np.concatenate([np.exp(-form.q * points[:, 0])[:, None], steps], axis=1), axis=1)
    d = points[:, :1] + spacing[:, None] * np.arange(24)
    exact = kappa(d, *(column[:, None] for column in points.T[1:]))
    scale = np.abs(exact) * allowed(form, points[:, 0])[:, None]
    assert worst(form.by_node.kappa(t), exact, scale=scale) <= 10 * STATED


SABOTAGE: dict[str, Callable[[ExponentialForm], ExponentialForm]] = {
    "wave back with the other sign": lambda form: replace(form, r=-form.r),
    "no wave back": lambda form: replace(form, r=0 * form.r),
    "other sign of i": lambda form: replace(form, q=np.conj(form.q)),
    "bulk that forgets spin flips": lambda form: replace(form, bulk=np.ones_like(form.bulk)),
    "one in 1e11": lambda form: replace(form, bulk=form.bulk * (1 + 1e-11)),
}


@pytest.mark.parametrize("broken", SABOTAGE.values(), ids=list(SABOTAGE))
def test_sabotage_is_noticed(broken):
    with np.errstate(all="ignore"):
        assert kappa_departure(broken(form_at(box()))) > 3 * STATED
        assert slope_departure(broken(form_at(box()[64 : 64 + FEW]))) > 3 * STATED
