"""The analytic derivatives of κ, and the form in exp(−d/L) alone, against 50-digit Eq. 12 and its differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from physics_reference import MP, TOLERANCE, box, exact_kappa, kappa_error, over, printed_kappa, with_value, worst
from shortcuts import slow_after

from mtjfit.physics import KappaGradient, kappa, kappa_gradient, kappa_semi_infinite, wave_numbers
from mtjfit.physics.derivatives import ExponentialForm

COLUMN = {"d": 0, "ln_lambda_J": 1, "ln_lambda_phi": 2, "ln_lambda_sf_F": 3, "ln_Lambda": 4}
POINTS = 800


@lru_cache
def reference(name: str) -> np.ndarray:
    """∂κ/∂ln of a length over the box by a central difference of step 1e-17 in its logarithm; d ∂κ/∂d for d."""
    step = MP.mpf(10) ** -17
    up, down = MP.exp(step), MP.exp(-step)

    def slope(*point: float) -> complex:
        shifted = [[MP.mpf(value) for value in point] for _ in range(2)]
        for values, factor in zip(shifted, (up, down), strict=True):
            values[COLUMN[name]] *= factor
        return complex((printed_kappa(*shifted[0]) - printed_kappa(*shifted[1])) / (2 * step))

    return over(box(POINTS), slope)


def gradient_at(points: np.ndarray) -> KappaGradient:
    d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio = points.T
    return kappa_gradient(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N * D_ratio)


def derivative_error(name: str, given: np.ndarray) -> float:
    """Worst error of a derivative over the box, relative to |κ|."""
    return worst(given, reference(name), scale=np.abs(over(box(POINTS), exact_kappa)))


def logarithmic(gradient: KappaGradient, name: str) -> np.ndarray:
    return gradient.d * box(POINTS)[:, 0] if name == "d" else getattr(gradient, name)


@pytest.mark.parametrize("name", slow_after(2, COLUMN))
def test_derivatives_to_50_digits(name):
    assert derivative_error(name, logarithmic(gradient_at(box(POINTS)), name)) <= TOLERANCE


def test_the_plain_derivative_with_thickness():
    points = box(POINTS)
    scale = np.abs(over(points, exact_kappa)) * np.maximum(1, 1 / points[:, 0])
    assert worst(gradient_at(points).d, reference("d") / points[:, 0], scale=scale) <= TOLERANCE


def test_kappa_itself():
    assert worst(gradient_at(box()).kappa, kappa(*box().T)) <= 1e-14

    def through_the_gradient(*columns):
        return gradient_at(np.column_stack(columns)).kappa

    assert kappa_error(through_the_gradient) <= TOLERANCE


@pytest.mark.parametrize("name", slow_after(2, COLUMN))
def test_the_check_notices_wrong_derivatives(name):
    right = gradient_at(box(POINTS))
    assert derivative_error(name, np.conj(logarithmic(right, name))) > 0.01  # sign of i
    assert derivative_error(name, 1.001 * logarithmic(right, name)) > 1e-5
    inverted = gradient_at(np.column_stack([box(POINTS)[:, :5], 1 / box(POINTS)[:, 5]]))
    assert derivative_error(name, logarithmic(inverted, name)) > 0.01


def test_thin_and_thick_limits(loud):
    _, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio = box().T
    Lambda = lambda_sf_N * D_ratio
    q0_squared, _ = wave_numbers(lambda_J, lambda_phi, lambda_sf_F)
    none = gradient_at(with_value(box(), d=0.0))  # κ = q0² Λ d: everything vanishes but the slope
    assert worst(none.d, q0_squared * Lambda) <= 1e-14
    for name in ("kappa", "ln_lambda_J", "ln_lambda_phi", "ln_lambda_sf_F", "ln_Lambda"):
        assert np.all(getattr(none, name) == 0)
    thick = gradient_at(with_value(box(), d=1e5))  # κ = L²/L0²
    limit = kappa_semi_infinite(lambda_J, lambda_phi, lambda_sf_F)
    assert worst(thick.kappa, limit) <= TOLERANCE
    assert worst(thick.ln_lambda_sf_F, 2 * limit * (1 - limit)) <= 1e-6
    assert np.all(thick.d == 0)
    assert np.all(thick.ln_Lambda == 0)


def test_infinite_lengths_have_no_influence(loud):
    g = kappa_gradient(1.2, np.inf, 1.0, np.inf, 1.0)
    assert g.ln_lambda_J == 0
    assert g.ln_lambda_sf_F == 0
    assert g.kappa == pytest.approx(complex(kappa(1.2, np.inf, 1.0, np.inf, 1.0)), rel=1e-15)
    closed = kappa_gradient(1.2, 1.0, 1.0, 10.0, np.inf)
    limit = kappa_semi_infinite(1.0, 1.0, 10.0)
    assert closed.kappa == pytest.approx(complex(limit), rel=1e-15)
    assert closed.ln_lambda_sf_F == pytest.approx(complex(2 * limit * (1 - limit)), rel=1e-12)
    assert closed.ln_Lambda == 0
    assert closed.d == 0


def test_broadcasting(loud):
    g = kappa_gradient(np.array([[0.5], [1.2]]), [0.5, 1.0, 2.0], 1, 10, 1.0)
    scalar = kappa_gradient(1.2, 1.0, 1.0, 10.0, 1.0)
    for name in ("kappa", *COLUMN):
        grid, value = getattr(g, name), getattr(scalar, name)
        assert (grid.shape, value.shape, value.dtype) == ((2, 3), (), np.complex128)
        assert grid[1, 1] == pytest.approx(complex(value), rel=1e-14)


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


def slope_departure(form: ExponentialForm) -> float:
    """Worst error of d dκ/dd at the first points inside the box, in units of (1 + L/d)|κ|."""
    points = box()[64 : 64 + FEW]
    d, scale = points[:, 0], np.abs(over(points, exact_kappa))
    exact = reference("d")[64 : 64 + FEW]
    return worst(d * form.slope(np.exp(-form.q * d)), exact, scale=scale * allowed(form, d))


def test_kappa_to_the_accuracy_that_is_stated(loud):
    assert kappa_departure(form_at(box())) <= STATED


def test_slope_to_the_accuracy_that_is_stated(loud):
    assert slope_departure(form_at(box()[64 : 64 + FEW])) <= STATED


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
