"""m(x) and J(x) in F and N against 50-digit Eq. 9–10, the diffusion equation itself, and their conservation law."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from physics_collocation import COLLOCATION_TOLERANCE, chebyshev, collocation_profile_error
from physics_reference import FIG_1, TOLERANCE, box, profile_error, with_value, worst

from mtjfit.physics import kappa, spin_accumulation, spin_current

BOTH = [spin_accumulation, spin_current]


def places() -> dict[str, np.ndarray]:
    """One x per row of the box: everywhere in F, its ends and the last float before d, and from near to far in N."""
    d, lambda_sf_N = box()[:, 0], box()[:, 4]
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


@pytest.mark.parametrize("place", places())
@pytest.mark.parametrize("part", [0, 1], ids=["m", "J"])
def test_eq_9_and_10_to_50_digits(place, part):
    assert profile_error(BOTH[part], part, places()[place]) <= TOLERANCE


@pytest.mark.parametrize(("function", "quantity"), [(spin_accumulation, "m"), (spin_current, "J")])
def test_the_diffusion_equation(function, quantity):
    assert collocation_profile_error(function, quantity) <= COLLOCATION_TOLERANCE


@pytest.mark.parametrize("part", [0, 1], ids=["m", "J"])
@pytest.mark.parametrize("sabotage", [wrong_sign, inverted])
def test_the_checks_notice_a_wrong_formula(sabotage, part):
    formula = sabotage(BOTH[part])
    assert profile_error(formula, part, places()["F"]) > 0.1
    assert collocation_profile_error(formula, "mJ"[part]) > 0.01


def test_the_checks_notice_m_without_the_ratio_of_diffusion_constants():
    def forgotten(x, d, *lambdas):
        *lengths, D_ratio = lambdas
        in_N = np.broadcast_to(x > d, np.broadcast_shapes(*map(np.shape, (x, d))))
        return spin_current(x, d, *lengths, D_ratio) * np.where(in_N, lambdas[3], 1.0)

    assert profile_error(forgotten, 0, places()["N"]) > 0.1


def test_the_check_notices_cancellation_at_the_interface():
    nearly_a_sink = with_value(box(), d=1.0, lambda_sf_N=0.1, D_ratio=1e-13)
    d = nearly_a_sink[:, 0]
    assert profile_error(late_difference, 0, 0 * d, nearly_a_sink) <= TOLERANCE
    assert profile_error(late_difference, 0, d, nearly_a_sink) > 0.01
    assert profile_error(spin_accumulation, 0, d, nearly_a_sink) <= TOLERANCE


def test_boundary_conditions_and_continuity():
    points = box().T
    d = points[0]
    assert worst(spin_current(0.0, *points), np.ones(d.size)) <= 1e-14
    for function in BOTH:
        at_d = function(d, *points)
        seen = np.abs(at_d) > 1e-290
        beyond = np.nextafter(d, np.inf)
        assert worst(function(beyond, *points)[seen], at_d[seen]) <= 1e-11  # one float of d is 1e-12 λ_sf^N
        assert np.all(function(d + 2e3 * points[4], *points) == 0)
    # in N both decay together: J = m D_N/(D_F λ_sf^N)
    x = d + 0.5 * points[4]
    m, J = spin_accumulation(x, *points), spin_current(x, *points)
    seen = np.abs(J) > 1e-290
    assert worst(m[seen] / (points[4] * points[5])[seen], J[seen]) <= 1e-14


def test_the_current_lost_in_F_is_torque_and_spin_flip():
    # κ = ∫ (−∂J/∂x − m/λ_sf²) dx = 1 − J(d) − ∫ m dx/λ_sf² = ∫ m (1/λ_φ² − i/λ_J²) dx
    for d, *lambdas in [(2.0, 1.0, 0.5, 15.0, 2.0, 1.0), (3.0, 0.7, 1.0, 2.0, 1.0, 4.0)]:
        x, slope, weights = chebyshev(48, 0.0, d)
        m, J = spin_accumulation(x, d, *lambdas), spin_current(x, d, *lambdas)
        expected, total = kappa(d, *lambdas), weights @ m
        assert abs(1 - J[-1] - total / lambdas[2] ** 2 - expected) <= 1e-13
        assert abs(total * (1 / lambdas[1] ** 2 - 1j / lambdas[0] ** 2) - expected) <= 1e-13
        assert np.max(np.abs(J + slope @ m)) <= 1e-11


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
