"""Limits and approximations of Eq. 12 (Eq. 13–18): their values, and the order and size of their stated errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from physics_errors import FORMS, LAMBDA, PHI, SF, Form, J, fault
from physics_reference import FIG_3, MP, TOLERANCE, box, over, printed_kappa, waves, with_value, worst

from mtjfit.physics import (
    kappa,
    kappa_ballistic,
    kappa_chi_beta,
    kappa_density,
    kappa_effective,
    kappa_no_dephasing,
    kappa_semi_infinite,
    kappa_thin,
    kappa_thin_error,
    kappa_ultrathin,
    lambda_product,
    lambda_sf_effective,
    lambda_sf_effective_exact,
    tau_sf_effective,
    wave_numbers,
)


def exact_semi_infinite(*lambdas) -> complex:
    q0_squared, q_squared = waves(*lambdas)
    return complex(q0_squared / q_squared)


def printed_13_14(lambda_J, lambda_phi, lambda_sf, J_par, J_perp):
    """d T_par and d T_perp of Eq. 13–14 in χ, β, ξ."""
    chi, beta = (lambda_phi / lambda_sf) ** 2, (lambda_J / lambda_sf) ** 2
    xi = (1 + chi) ** 2 * beta**2 + chi**2
    diagonal, mixing = (1 + chi) * beta**2 + chi**2, chi**2 * beta
    return (diagonal * J_par + mixing * J_perp) / xi, (diagonal * J_perp - mixing * J_par) / xi


def exact_sink(d, *lambdas) -> complex:
    """η → 0: κ = (L²/L0²)(1 − sech d/L)."""
    q0_squared, q_squared = waves(*lambdas[:3])
    return complex(q0_squared / q_squared * (1 - MP.sech(MP.mpf(d) * MP.sqrt(q_squared))))


@pytest.mark.parametrize("end", ["lambda_sf_N", "D_ratio"])
def test_a_perfect_sink_and_a_closed_end(end, loud):
    assert worst(kappa(*with_value(box(), **{end: 0.0}).T), over(box(), exact_sink)) <= TOLERANCE
    expected = over(box()[:, 1:4], exact_semi_infinite)  # Λ → ∞ for every d, d = 0 and d = ∞ included
    for d in (box()[:, 0], 0.0, 1e-12, np.inf):
        assert worst(kappa(d, *with_value(box(), **{end: np.inf}).T[1:]), expected) <= TOLERANCE


def test_infinite_thickness(loud):
    expected = over(box()[:, 1:4], exact_semi_infinite)
    assert worst(kappa(*with_value(box(), d=np.inf).T), expected) <= TOLERANCE
    assert worst(kappa_semi_infinite(*box().T[1:4]), expected) <= TOLERANCE
    assert np.all(kappa_density(*with_value(box(), d=np.inf).T) == 0)


@pytest.mark.parametrize("J0", [1.0, 1j, -0.4 + 1.7j])
def test_eq_13_and_14_in_their_printed_form(J0):
    lambdas = box().T[1:4]
    T_par, T_perp = printed_13_14(*lambdas, np.real(J0), np.imag(J0))
    T = kappa_semi_infinite(*lambdas) * J0
    assert worst(T, T_par + 1j * T_perp) <= TOLERANCE
    assert worst(kappa(np.inf, *lambdas, 1.0) * J0, T_par + 1j * T_perp) <= TOLERANCE


def test_neither(loud):
    for lambda_sf_F in (0.1, 10.0, np.inf):
        assert kappa(1.2, np.inf, np.inf, lambda_sf_F, 1.0) == 0
        assert kappa_density(0.0, np.inf, np.inf, lambda_sf_F, np.inf) == 0
        assert kappa_semi_infinite(np.inf, np.inf, lambda_sf_F) == 0


@pytest.mark.parametrize("name", ["d", "lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio"])
def test_inf_is_what_large_values_tend_to(name):
    large, infinite = (kappa(*with_value(box(200), **{name: value}).T) for value in (1e30, np.inf))
    assert worst(large, infinite) <= TOLERANCE


def test_no_thickness(loud):
    # κ/d → q0² Λ, and T_perp/T_par → −λ_φ²/λ_J² for J_perp = 0
    _, lambda_J, lambda_phi, _, lambda_sf_N, D_ratio = box().T
    density = kappa_density(*with_value(box(), d=0.0).T)
    expected = (1 / lambda_phi**2 - 1j / lambda_J**2) * lambda_sf_N * D_ratio
    assert worst(density, expected) <= TOLERANCE
    assert worst(density.imag / density.real, -((lambda_phi / lambda_J) ** 2)) <= TOLERANCE
    assert np.all(kappa(*with_value(box(), d=0.0).T) == 0)
    thin = with_value(box(), d=1e-15)
    assert worst(kappa_density(*thin.T), expected) <= 1e-8


def test_eq_16_is_eq_15_with_eq_17():
    d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio = box().T
    star = lambda_sf_effective(d, lambda_sf_F, lambda_sf_N, D_ratio)
    assert worst(1 / star**2, 1 / lambda_sf_F**2 + 1 / (D_ratio * lambda_sf_N * d)) <= 1e-14
    q0_squared, q_squared = wave_numbers(lambda_J, lambda_phi, lambda_sf_F)
    q0_squared_star, q_squared_star = wave_numbers(lambda_J, lambda_phi, star)
    Lambda = lambda_product(lambda_sf_N, D_ratio)
    assert worst(q_squared_star, q_squared + 1 / (Lambda * d)) <= 1e-14
    # Eq. 16 with η = Λ/L: (L²/L0²)/(1 + L/(η d))
    printed_16 = q0_squared / q_squared / (1 + 1 / (np.sqrt(q_squared) * np.sqrt(q_squared) * Lambda * d))
    assert worst(kappa_effective(lambda_J, lambda_phi, star), q0_squared_star / q_squared_star) <= 1e-14
    assert worst(kappa_thin(*box().T), printed_16) <= TOLERANCE
    assert kappa_ultrathin(0.3, 1.0, 2.0, 1.5, 2.0) == kappa_ultrathin(0.3, 1.0, 2.0, 3.0)


def test_eq_18_is_eq_17_with_lambda_squared_over_tau():
    d, _, _, lambda_sf_F, lambda_sf_N, D_ratio = box().T
    D_F = 0.7
    tau_F, tau_N = lambda_sf_F**2 / D_F, lambda_sf_N**2 * D_ratio / D_F
    tau = tau_sf_effective(d, tau_F, tau_N, lambda_sf_N)
    assert worst(lambda_sf_effective(d, lambda_sf_F, lambda_sf_N, D_ratio) ** 2 / D_F, tau) <= 1e-14
    in_N = lambda_sf_N / (d + lambda_sf_N)  # p_N, the share of time spent in N
    assert worst(1 / (1 / tau_F + in_N / (1 - in_N) / tau_N), tau) <= 1e-11


def test_approximations_at_the_edges(loud):
    assert kappa_thin(0.0, 1.0, 1.0, 10.0, 1.0) == 0
    assert kappa_thin(1.0, 1.0, 1.0, 10.0, 0.0) == 0
    limit = kappa_semi_infinite(1.0, 1.0, 10.0)
    for d, lambda_sf_N in [(0.0, np.inf), (1.0, np.inf), (np.inf, 1.0), (np.inf, 0.0)]:
        assert kappa_thin(d, 1.0, 1.0, 10.0, lambda_sf_N) == pytest.approx(complex(limit), rel=1e-15)
        assert kappa(d, 1.0, 1.0, 10.0, lambda_sf_N) == pytest.approx(complex(limit), rel=1e-15)


every_form = pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))


@every_form
def test_the_leading_error_is_the_stated_one(form: Form):
    assert fault(form, digits=True) < 1e-6
    assert fault(form, digits=False) < 0.01


@every_form
def test_sabotage_of_a_stated_error_is_seen(form: Form):
    for digits in (True, False):
        assert fault(replace(form, predicted=lambda s, m: 1.05 * form.predicted(s, m)), digits) > 0.03
        assert fault(replace(form, predicted=lambda s, m: form.predicted(s, m) * (1 + 0.1j)), digits) > 0.03
        assert fault(replace(form, order=form.order + 1), digits) > 0.9


def test_sabotage_of_an_approximation_changes_its_order():
    """Eq. 16 with d/2 in the right place would be of second order: the measurement tells the two apart."""
    better = FORMS["Eq. 16, d → 0"]

    def mended(s: float, m: object) -> complex:
        star = (SF**-2.0 + 1 / (s * (LAMBDA + s / 2))) ** -0.5
        return complex(kappa_effective(J, PHI, star) / kappa(s, J, PHI, SF, LAMBDA) - 1)

    assert fault(replace(better, measured=mended), digits=False) > 0.9
    assert fault(replace(better, order=2, measured=mended, predicted=mended), digits=False) < 0.01


def test_the_error_of_the_ballistic_limit_is_exact():
    # 1/κ − 1 = L0²/λ_sf², and its modulus is below χ and β
    _, lambda_J, lambda_phi, lambda_sf, _, _ = box().T
    error = 1 / kappa_semi_infinite(lambda_J, lambda_phi, lambda_sf) - 1
    chi, beta = (lambda_phi / lambda_sf) ** 2, (lambda_J / lambda_sf) ** 2
    assert np.allclose(error, 1 / (1 / chi - 1j / beta), rtol=1e-9, atol=1e-13)
    assert np.all(np.abs(error) <= np.minimum(chi, beta) * (1 + 1e-9) + 1e-13)
    assert np.all(kappa_ballistic(lambda_J, lambda_phi, lambda_sf) == 1)
    assert kappa_ballistic(1.0, [[1.0], [2.0]], [1.0, 2.0, 3.0]).shape == (2, 3)


def test_eq_13_and_14_in_chi_and_beta(loud):
    def printed(chi, beta):
        chi, beta = MP.mpf(chi), MP.mpf(beta)
        xi = (1 + chi) ** 2 * beta**2 + chi**2
        return complex(MP.mpc((1 + chi) * beta**2 + chi**2, -(chi**2) * beta) / xi)

    _, lambda_J, lambda_phi, lambda_sf, _, _ = box().T
    chi, beta = (lambda_phi / lambda_sf) ** 2, (lambda_J / lambda_sf) ** 2
    assert worst(kappa_chi_beta(chi, beta), over(np.stack([chi, beta], 1), printed)) <= TOLERANCE
    assert worst(kappa_chi_beta(chi, beta), kappa_semi_infinite(lambda_J, lambda_phi, lambda_sf)) <= TOLERANCE
    assert worst(kappa_chi_beta(beta, chi), kappa_semi_infinite(lambda_J, lambda_phi, lambda_sf)) > 0.5
    inf = np.inf
    assert kappa_chi_beta(0.0, 2.0) == kappa_chi_beta(2.0, 0.0) == kappa_chi_beta(0.0, 0.0) == 1
    assert kappa_chi_beta(0.0, inf) == kappa_chi_beta(inf, 0.0) == kappa_chi_beta(1e-320, 1.0) == 1
    assert kappa_chi_beta(inf, inf) == 0
    assert kappa_chi_beta(inf, 2.0) == pytest.approx(0.2 - 0.4j, rel=1e-15)
    assert kappa_chi_beta(3.0, inf) == pytest.approx(0.25, rel=1e-15)


def test_no_dephasing_as_printed(loud):
    beta = np.array([1e-6, 0.1, 1.0, 7.0, 1e6])
    assert worst(kappa_no_dephasing(np.sqrt(beta), 1.0), (1 - 1j * beta) / (1 + beta**2)) <= TOLERANCE
    assert worst(kappa(np.inf, np.sqrt(beta), np.inf, 1.0, 1.0), (1 - 1j * beta) / (1 + beta**2)) <= TOLERANCE
    assert kappa_no_dephasing(np.inf, 3.0) == 0
    assert kappa_no_dephasing(3.0, np.inf) == 1


def equation_15_is_12(star: Callable[..., Any]) -> float:
    """Worst relative error of 1/λ*² over the box, against the solution of Eq. 15 = Eq. 12 in 50 digits."""

    def reference(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio):
        q0_squared, _ = waves(lambda_J, lambda_phi, lambda_sf_F)
        exact = printed_kappa(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
        return complex(q0_squared * (1 / exact - 1))

    points = box(200)
    return worst(star(*points.T) ** -2.0, over(points, reference))


def test_the_exact_effective_length(loud):
    assert equation_15_is_12(lambda_sf_effective_exact) <= TOLERANCE
    assert equation_15_is_12(lambda d, J, phi, sf, N, ratio: lambda_sf_effective(d, sf, N, ratio)) > 0.1
    assert equation_15_is_12(lambda *point: lambda_sf_effective_exact(*point).conj()) > 0.1
    star = lambda_sf_effective_exact(*box().T)
    assert np.all(star.real >= 0)
    assert worst(kappa_effective(*box().T[1:3], star), kappa(*box().T)) <= TOLERANCE


def test_the_exact_effective_length_is_complex_unless_there_is_no_precession(loud):
    star = lambda_sf_effective_exact(1.2, **FIG_3)
    assert abs(star.imag) > 0.05 * star.real
    assert lambda_sf_effective(1.2, 10.0, 1.0) == pytest.approx(1.089, abs=5e-4)  # Eq. 17: 28 % too short
    assert abs(star) == pytest.approx(1.511, abs=5e-4)
    assert np.all(lambda_sf_effective_exact(*with_value(box(), lambda_J=np.inf).T).imag == 0)


def test_error_of_eq_16(loud):
    def reference(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio):
        q0_squared, q_squared = waves(lambda_J, lambda_phi, lambda_sf_F)
        thin = q0_squared / (q_squared + 1 / (MP.mpf(lambda_sf_N) * MP.mpf(D_ratio) * MP.mpf(d)))
        return float(abs(thin / printed_kappa(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio) - 1))

    points = box(200)
    expected = over(points, reference)
    assert np.max(np.abs(kappa_thin_error(*points.T) - expected)) < 1e-13
    assert np.max(np.abs(np.abs(kappa_thin(*points.T) / kappa(*points.T) - 1) - expected)) < 1e-12
    assert np.max(np.abs(np.abs(np.abs(kappa_thin(*points.T) / kappa(*points.T)) - 1) - expected)) > 0.01
    # without precession and dephasing κ vanishes, its error does not
    assert kappa_thin_error(1.0, np.inf, np.inf, 5.0, 1.0) == pytest.approx(
        kappa_thin_error(1.0, 1e9, 1e9, 5.0, 1.0), rel=1e-12
    )


def test_fig_3_at_1_2_nm():
    thin, exact = complex(kappa_thin(1.2, **FIG_3)), complex(kappa(1.2, **FIG_3))
    assert abs(thin) / abs(exact) - 1 == pytest.approx(-0.188, abs=5e-4)
    assert np.angle(thin / exact, deg=True) == pytest.approx(-4.3, abs=0.05)
    assert kappa_thin_error(1.2, **FIG_3) == pytest.approx(0.2002, abs=5e-5)


@pytest.mark.parametrize("d", [0.3, 1.0, 3.0])
def test_what_a_longer_lambda_sf_N_does_depends_on_what_is_held_fixed(d: float):
    """The paper: it reduces λ*. True at fixed τ_sf^N, false at fixed D_N, in Eq. 17, in Eq. 18 and exactly."""
    lambda_N, D_F, D_N, tau_N, tau_F = np.array([0.5, 1.0, 2.0, 4.0, 8.0]), 1.3, 0.9, 4.0, 60.0
    lambda_F = np.sqrt(D_F * tau_F)
    at_fixed_D = lambda_sf_effective(d, lambda_F, lambda_N, D_F / D_N)
    at_fixed_tau = lambda_sf_effective(d, lambda_F, lambda_N, D_F * tau_N / lambda_N**2)
    assert np.all(np.diff(at_fixed_D) > 0)
    assert np.all(np.diff(at_fixed_tau) < 0)
    # Eq. 18 says the same once its times are those that the held quantity implies
    np.testing.assert_allclose(tau_sf_effective(d, tau_F, lambda_N**2 / D_N, lambda_N), at_fixed_D**2 / D_F)
    np.testing.assert_allclose(tau_sf_effective(d, tau_F, tau_N, lambda_N), at_fixed_tau**2 / D_F)
    for ratio, sign in ((D_F / D_N, -1), (D_F * tau_N / lambda_N**2, 1)):
        leak = (lambda_sf_effective_exact(d, 1.0, 1.2, lambda_F, lambda_N, ratio) ** -2.0).real
        assert np.all(sign * np.diff(leak) > 0)


def test_a_thinner_layer_shortens_the_effective_length():
    d = np.array([0.1, 0.3, 1.0, 3.0])
    assert np.all(np.diff(lambda_sf_effective(d, 8.0, 2.0)) > 0)
    assert np.all(np.diff(tau_sf_effective(d, 60.0, 4.0, 2.0)) > 0)
    assert np.all(np.diff(np.abs(lambda_sf_effective_exact(d, 1.0, 1.2, 8.0, 2.0))) > 0)


def test_corners_are_quiet(loud):
    inf = np.inf
    for d in (0.0, 1e-300, 1e-12, 1.0, 1e12, 1e300, inf):
        for Lambda in (0.0, 1e-300, 1.0, 1e300, inf):
            for lengths in ((1.0, 1.0, 10.0), (inf, 1.0, 10.0), (1.0, inf, 10.0), (1.0, 1.0, inf), (inf, inf, inf)):
                error = float(kappa_thin_error(d, *lengths, Lambda))
                assert 0 <= error <= 1.2
                star = lambda_sf_effective_exact(d, *lengths, Lambda)
                assert not np.isnan(star)
                exact = complex(kappa(d, *lengths, Lambda))
                assert abs(complex(kappa_effective(*lengths[:2], star)) - exact) <= 1e-12 * abs(exact)
    assert kappa_thin_error(0.0, 1.0, 1.0, 10.0, 1.0) == 0
    assert kappa_thin_error([0.0, 0.5, inf], 1.0, 1.0, 10.0, 0.0).tolist() == [1, 1, 0]
    assert lambda_sf_effective_exact(0.0, 1.0, 1.0, 10.0, 1.0) == 0
    for d, Lambda in ((inf, 1.0), (0.0, inf), (1.0, inf)):
        assert lambda_sf_effective_exact(d, 1.0, 1.0, 10.0, Lambda) == 10
        assert lambda_sf_effective(d, 10.0, Lambda) == 10
    assert kappa_effective(1.0, 2.0, [0.0, 1e200, inf]).tolist() == [0, 1, 1]
    assert kappa_effective(inf, inf, [0.0, 1.0, inf]).tolist() == [0, 0, 0]
    assert tau_sf_effective([0.0, 0.0, 1.0, inf, inf], 2.0, 1.0, [0.0, 1.0, inf, 1.0, inf]).tolist() == [2, 0, 0, 2, 2]
    assert tau_sf_effective(1.0, inf, [1.0, inf], [0.0, 1.0]).tolist() == [inf, inf]
