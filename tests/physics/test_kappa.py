"""κ(d) against 50-digit Eq. 12, against a numerical solution of the diffusion equation, and at its edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from physics_collocation import COLLOCATION_TOLERANCE, collocation_kappa_error, stacks
from physics_reference import (
    NAMES,
    TOLERANCE,
    box,
    exact_kappa,
    golden_error,
    kappa_error,
    over,
    with_value,
    worst,
)

from mtjfit.physics import kappa, kappa_density, kappa_from_rates, kappa_thin, lambda_product, wave_numbers


def naive(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio=1.0):
    """Eq. 12 as printed, in double precision."""
    q0_squared, q_squared = wave_numbers(lambda_J, lambda_phi, lambda_sf_F)
    q = np.sqrt(q_squared)
    with np.errstate(all="ignore"):
        denominator = np.cosh(d * q) + lambda_sf_N * D_ratio * q * np.sinh(d * q)
        return q0_squared / q_squared * (1 - 1 / denominator)


def inverted_D_ratio(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio=1.0):
    return kappa(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, 1 / D_ratio)


def conjugated(*point):
    return np.conj(kappa(*point))


def without_spin_flip(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio=1.0):
    return kappa(d, lambda_J, lambda_phi, np.full_like(lambda_sf_F, np.inf), lambda_sf_N, D_ratio)


WRONG = [inverted_D_ratio, conjugated, without_spin_flip, kappa_thin, kappa_density]


def test_kappa_is_eq_12_to_50_digits():
    assert kappa_error(kappa) <= TOLERANCE


def test_kappa_is_the_solution_of_the_diffusion_equation():
    assert collocation_kappa_error(kappa) <= COLLOCATION_TOLERANCE


def test_the_torque_is_what_precession_and_dephasing_absorb():
    # −∂J/∂x − m/τ_sf integrates to the torque of both cross products, and no spin appears along M
    for stack in stacks():
        lost = stack.J0 - stack.passed - stack.spin_flip[0]
        assert abs(lost - stack.torque[0]) <= COLLOCATION_TOLERANCE * abs(stack.torque[0])
        assert stack.along_M <= COLLOCATION_TOLERANCE


def test_golden_table():
    assert golden_error(kappa) <= 1.0


@pytest.mark.parametrize("formula", WRONG)
def test_the_reference_notices_a_wrong_formula(formula):
    assert kappa_error(formula) > 0.1


@pytest.mark.parametrize("formula", WRONG)
def test_the_diffusion_equation_notices_a_wrong_formula(formula):
    assert collocation_kappa_error(formula) > 0.01


@pytest.mark.parametrize("formula", [conjugated, kappa_thin, kappa_density])
def test_the_golden_table_notices_a_wrong_formula(formula):
    assert golden_error(formula) > 10.0


def test_the_printed_form_fails_in_doubles():
    d = box()[:, 0]
    assert kappa_error(naive, box()[d > 100]) == np.inf  # cosh overflows
    assert kappa_error(naive, box()[d < 0.01]) > 1e3 * TOLERANCE  # 1 − 1/(...) cancels
    points = np.array([list(s.lambdas) for s in stacks()])
    assert kappa_error(naive, points) <= TOLERANCE  # it is the right formula otherwise


@pytest.mark.parametrize("names", [c for n in (1, 2) for c in itertools.combinations(NAMES[1:4], n)])
def test_infinite_lengths_in_F(names, loud):
    points = with_value(box(300), **dict.fromkeys(names, np.inf))
    if set(names) == {"lambda_J", "lambda_phi"}:
        assert np.all(kappa(*points.T) == 0)
    else:
        assert worst(kappa(*points.T), over(points, exact_kappa)) <= TOLERANCE
    assert np.all(kappa(*points.T).imag == 0) == ("lambda_J" in names)


@pytest.mark.parametrize("vector", [False, True], ids=["scalar", "array"])
def test_every_combination_of_zero_and_inf_is_finite_and_silent(vector, loud):
    lengths, open_ended = (0.3, np.inf), (0.0, 0.7, np.inf)
    for point in itertools.product(open_ended, lengths, lengths, lengths, open_ended, open_ended):
        if {point[4], point[5]} == {0.0, np.inf}:
            continue
        arguments = [np.full(5, value) for value in point] if vector else point
        assert np.all(np.isfinite(kappa(*arguments))), point
        density = kappa_density(*arguments)
        endless = point[0] == 0 and np.isinf(point[4] * point[5]) and np.isfinite(min(point[1:3]))
        assert np.all(np.isinf(density) if endless else np.isfinite(density)), point


def test_the_real_part_is_positive():
    assert np.all(kappa(*box(20000, seed=1).T).real > 0)


def test_the_modulus_can_exceed_one_and_the_imaginary_part_can_be_positive():
    # precession alone, with a perfect sink behind F: κ = 1 − sech(d/L)
    only_J = {"lambda_phi": np.inf, "lambda_sf_F": np.inf, "lambda_sf_N": 0.0}
    d = np.linspace(0.0, 20.0, 20001)
    values = kappa(d, 1.0, **only_J)
    assert np.max(np.abs(values)) == pytest.approx(1.1472, abs=1e-4)
    assert np.max(values.imag) == pytest.approx(0.0279, abs=1e-4)
    assert kappa(3.0, 0.5, 1.0, 10.0, 1.0).imag > 2e-3
    assert abs(kappa(3.0, 0.5, 1.0, 10.0, 1.0)) > 1.002


def test_only_the_product_of_lambda_sf_N_and_D_ratio_matters():
    d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio = box().T
    Lambda = lambda_product(lambda_sf_N, D_ratio)
    assert np.array_equal(Lambda, lambda_sf_N * D_ratio)
    expected = kappa(*box().T)
    assert worst(kappa(d, lambda_J, lambda_phi, lambda_sf_F, Lambda), expected) <= 1e-15
    q0_squared, q_squared = wave_numbers(lambda_J, lambda_phi, lambda_sf_F)
    assert np.array_equal(kappa_from_rates(d, q0_squared, q_squared, Lambda), expected)
    assert worst(kappa_density(*box().T), expected / d) <= 1e-15


def test_wave_numbers_of_eq_8():
    q0_squared, q_squared = wave_numbers(2.0, 0.5, 4.0)
    assert q0_squared == 4.0 - 0.25j
    assert q_squared == 4.0625 - 0.25j
    assert np.all(np.sqrt(wave_numbers(*box().T[1:4])[1]).real > 0)
