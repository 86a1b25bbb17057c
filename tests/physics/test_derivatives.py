"""The analytic derivatives of κ against central differences of 50-digit Eq. 12."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from physics_reference import MP, TOLERANCE, box, exact_kappa, kappa_error, over, printed_kappa, with_value, worst

from mtjfit.physics import KappaGradient, kappa, kappa_gradient, kappa_semi_infinite, wave_numbers

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


@pytest.mark.parametrize("name", COLUMN)
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


@pytest.mark.parametrize("name", COLUMN)
def test_the_check_notices_wrong_derivatives(name):
    right = gradient_at(box(POINTS))
    assert derivative_error(name, np.conj(logarithmic(right, name))) > 0.01  # sign of i
    assert derivative_error(name, 1.001 * logarithmic(right, name)) > 1e-5
    inverted = gradient_at(np.column_stack([box(POINTS)[:, :5], 1 / box(POINTS)[:, 5]]))
    assert derivative_error(name, logarithmic(inverted, name)) > 0.01


def test_the_check_notices_a_forgotten_path():
    # λ_φ acts through 1/L0² and through 1/L²; without the second, or with λ_sf in its place, the derivative is wrong
    points = box(POINTS)
    right = gradient_at(points)
    q0_squared, _ = wave_numbers(*points.T[1:4])
    direct = -2 / points[:, 2] ** 2 * right.kappa / q0_squared
    assert derivative_error("ln_lambda_phi", direct) > 0.01
    assert derivative_error("ln_lambda_phi", right.ln_lambda_sf_F) > 0.01
    assert derivative_error("ln_lambda_sf_F", right.ln_lambda_phi) > 0.01


def test_stretching_everything_changes_nothing():
    # κ depends on ratios of lengths alone, so the logarithmic derivatives add up to zero
    points = box()
    g = gradient_at(points)
    total = g.ln_lambda_J + g.ln_lambda_phi + g.ln_lambda_sf_F + g.ln_Lambda + g.d * points[:, 0]
    assert worst(total, 0.0, scale=np.abs(g.kappa)) <= 1e-13


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
