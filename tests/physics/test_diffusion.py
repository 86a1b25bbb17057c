"""κ(d), m(x) and J(x) against 50-digit Eq. 9–12, a numerical solution of the diffusion equation, and at their edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from physics_collocation import COLLOCATION_TOLERANCE, collocation_kappa_error, collocation_profile_error, stacks
from physics_reference import (
    FIG_1,
    NAMES,
    TOLERANCE,
    box,
    exact_kappa,
    golden_error,
    kappa_error,
    over,
    profile_error,
    with_value,
    worst,
)
from shortcuts import slow_after

from mtjfit.physics import (
    kappa,
    kappa_density,
    kappa_from_rates,
    kappa_thin,
    lambda_product,
    spin_accumulation,
    spin_current,
    wave_numbers,
)


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


BOTH = [spin_accumulation, spin_current]
BOX = box()


def places() -> dict[str, np.ndarray]:
    """One x per row of the box: everywhere in F, its ends and the last float before d, and from near to far in N."""
    d, lambda_sf_N = BOX[:, 0], BOX[:, 4]
    rng = np.random.default_rng(3)
    return {
        "barrier": np.zeros_like(d),
        "F": d * rng.uniform(0, 1, d.size),
        "close to d": d * (1 - 10 ** rng.uniform(-12, -1, d.size)),
        "last float": np.nextafter(d, 0),
        "d": d,
        "N": d + lambda_sf_N * 10 ** rng.uniform(-3, 2, d.size),
    }


def late_difference(x, d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio):
    """The tempting form of m in F, (1 + Λq) e^(−qx) − (1 − Λq) e^(−q(2d−x)): cancels at x = d for small Λq."""
    q = np.sqrt(-1j / lambda_J**2 + 1 / lambda_phi**2 + 1 / lambda_sf_F**2)
    eta = q * lambda_sf_N * D_ratio
    with np.errstate(all="ignore"):
        numerator = (1 + eta) * np.exp(-q * x) - (1 - eta) * np.exp(-q * (2 * d - x))
        return numerator / q / (1 + eta + (1 - eta) * np.exp(-2 * q * d))


def wrong_sign(function):
    return lambda *point: np.conj(function(*point))


def inverted(function):
    return lambda *point: function(*point[:-1], 1 / point[-1])


@pytest.mark.parametrize("place", slow_after(2, places()))
@pytest.mark.parametrize("part", [0, 1], ids=["m", "J"])
def test_eq_9_and_10_to_50_digits(place, part):
    assert profile_error(BOTH[part], part, places()[place], BOX) <= TOLERANCE


@pytest.mark.parametrize(("function", "quantity"), [(spin_accumulation, "m"), (spin_current, "J")])
def test_the_diffusion_equation(function, quantity):
    assert collocation_profile_error(function, quantity) <= COLLOCATION_TOLERANCE


@pytest.mark.parametrize("part", [0, 1], ids=["m", "J"])
@pytest.mark.parametrize("sabotage", [wrong_sign, inverted])
def test_the_checks_notice_a_wrong_formula(sabotage, part):
    formula = sabotage(BOTH[part])
    assert profile_error(formula, part, places()["F"], BOX) > 0.1
    assert collocation_profile_error(formula, "mJ"[part]) > 0.01


@pytest.mark.slow
def test_the_checks_notice_m_without_the_ratio_of_diffusion_constants():
    def forgotten(x, d, *lambdas):
        *lengths, D_ratio = lambdas
        in_N = np.broadcast_to(x > d, np.broadcast_shapes(*map(np.shape, (x, d))))
        return spin_current(x, d, *lengths, D_ratio) * np.where(in_N, lambdas[3], 1.0)

    assert profile_error(forgotten, 0, places()["N"], BOX) > 0.1


@pytest.mark.slow
def test_the_check_notices_cancellation_at_the_interface():
    nearly_a_sink = with_value(BOX, d=1.0, lambda_sf_N=0.1, D_ratio=1e-13)
    d = nearly_a_sink[:, 0]
    assert profile_error(late_difference, 0, 0 * d, nearly_a_sink) <= TOLERANCE
    assert profile_error(late_difference, 0, d, nearly_a_sink) > 0.01
    assert profile_error(spin_accumulation, 0, d, nearly_a_sink) <= TOLERANCE


@pytest.mark.parametrize("lambda_phi", [0.5, 1.0, 1.5])
def test_figure_1_an_out_of_plane_density_of_the_opposite_sign_of_the_torque(lambda_phi):
    x = np.linspace(0.0, 2.0, 201)
    m = spin_accumulation(x, 2.0, lambda_phi=lambda_phi, **FIG_1)
    assert np.all(m.imag > 0)
    assert kappa(2.0, lambda_phi=lambda_phi, **FIG_1).imag < 0
    assert np.all(np.diff(m.real) < 0)


def test_inert_layer(loud):
    # nothing acts in F: the current passes unchanged and the density falls linearly to Λ at d
    x = np.array([0.0, 0.5, 2.0])
    nothing = (2.0, np.inf, np.inf, np.inf)
    assert np.array_equal(spin_current(x, *nothing, 3.0), np.ones(3))
    assert np.array_equal(spin_accumulation(x, *nothing, 3.0, 2.0), 6.0 + 2.0 - x)
    assert spin_accumulation(5.0, *nothing, 3.0) == pytest.approx(3 * np.exp(-1.0), rel=1e-15)
    assert np.all(np.isinf(spin_accumulation(x, *nothing, np.inf)))
    assert np.array_equal(spin_current(x, *nothing, np.inf), np.ones(3))


def test_infinite_thickness_and_closed_end(loud):
    q = np.sqrt(1 / 2.0**2 + 1 / 10.0**2 - 1j / 1.0**2)
    x = np.array([0.0, 1.0, 30.0])
    lambdas = (1.0, 2.0, 10.0)
    assert worst(spin_current(x, np.inf, *lambdas, 1.0), np.exp(-q * x)) <= 1e-14
    assert worst(spin_accumulation(x, np.inf, *lambdas, 1.0), np.exp(-q * x) / q) <= 1e-14
    assert spin_accumulation(np.inf, np.inf, *lambdas, 1.0) == 0
    closed = spin_accumulation(x[:2], 1.0, *lambdas, np.inf)
    assert worst(closed, np.cosh(q * (1 - x[:2])) / np.sinh(q) / q) <= 1e-14
    assert spin_current(1.0, 1.0, *lambdas, np.inf) == 0
    # an endless N does not relax: m stays what it is at d, even infinitely far away
    assert spin_accumulation(np.inf, 1.0, *lambdas, np.inf) == closed[1]


@pytest.mark.parametrize("function", BOTH)
def test_every_combination_of_zero_and_inf_is_silent(function, loud):
    lengths, open_ended = (0.3, np.inf), (0.0, 0.7, np.inf)
    x = np.array([0.0, 0.3, 0.7, 2.0, np.inf])
    for point in itertools.product(open_ended, lengths, lengths, lengths, open_ended, open_ended):
        if {point[4], point[5]} != {0.0, np.inf}:
            together = function(x, *point)
            one_by_one = [function(value, *point) for value in x]
            assert not np.any(np.isnan(together)), point
            assert np.allclose(together, one_by_one, rtol=1e-14, atol=0), point
