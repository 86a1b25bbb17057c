"""The limits of Eq. 12, the approximations the paper names (Eq. 13–18), and how fast each becomes exact."""

from __future__ import annotations

import numpy as np
import pytest
from physics_reference import (
    FIG_3,
    MP,
    TOLERANCE,
    box,
    exact_kappa,
    over,
    waves,
    with_value,
    worst,
)

from mtjfit.physics import (
    kappa,
    kappa_density,
    kappa_effective,
    kappa_semi_infinite,
    kappa_thin,
    kappa_ultrathin,
    lambda_product,
    lambda_sf_effective,
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


def orders(error, d: float, steps: int = 6) -> np.ndarray:
    """log2 of the ratio of the errors at successive halvings of d: the order of the error in d."""
    values = np.array([abs(error(d / 2**n)) for n in range(steps)])
    return np.log2(values[:-1] / values[1:])


def test_perfect_sink(loud):
    # η → 0: κ = (L²/L0²)(1 − sech d/L)
    def sink(d, *lambdas):
        q0_squared, q_squared = waves(*lambdas[:3])
        return complex(q0_squared / q_squared * (1 - MP.sech(MP.mpf(d) * MP.sqrt(q_squared))))

    expected = over(box(), sink)
    assert worst(kappa(*with_value(box(), lambda_sf_N=0.0).T), expected) <= TOLERANCE
    assert worst(kappa(*with_value(box(), D_ratio=0.0).T), expected) <= TOLERANCE


def test_closed_end(loud):
    # Λ → ∞: κ = L²/L0² for every d, d = 0 and d = ∞ included
    expected = over(box()[:, 1:4], exact_semi_infinite)
    for d in (None, 0.0, 1e-12, np.inf):
        points = box() if d is None else with_value(box(), d=d)
        assert worst(kappa(*with_value(points, lambda_sf_N=np.inf).T), expected) <= TOLERANCE
        assert worst(kappa(*with_value(points, D_ratio=np.inf).T), expected) <= TOLERANCE


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


def test_ballistic_and_diffusive_limit_of_eq_13_and_14():
    lambda_sf = 10.0
    for ratio in (1e-2, 1e-3):  # χ ≪ 1: T = J0/d
        assert abs(kappa_semi_infinite(1.0, ratio * lambda_sf, lambda_sf) - 1) < 2 * ratio**2
    beta = (3.0 / lambda_sf) ** 2
    for ratio in (1e2, 1e3):  # χ ≫ 1
        kappa_limit = (1 - 1j * beta) / (1 + beta**2)
        assert abs(kappa_semi_infinite(3.0, ratio * lambda_sf, lambda_sf) - kappa_limit) < 2 / ratio**2


def test_no_dephasing(loud):
    points = with_value(box(), lambda_phi=np.inf)
    values = kappa(*points.T)
    assert worst(values, over(points, exact_kappa)) <= TOLERANCE
    thick = kappa(*with_value(points, d=np.inf).T)
    beta = (points[:, 1] / points[:, 3]) ** 2
    assert worst(thick.imag, -beta * thick.real, scale=np.abs(thick)) <= TOLERANCE


def test_no_precession(loud):
    points = with_value(box(), lambda_J=np.inf)
    values = kappa(*points.T)
    assert np.all(values.imag == 0)
    assert worst(values, over(points, exact_kappa)) <= TOLERANCE


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


def test_order_of_the_ultrathin_form():
    # one order beyond what it keeps: d² for Λ > 0, where −Λ² d²/(L² L0²) is missing, and d⁴ for Λ = 0
    lambdas = (1.0, 0.8, 10.0)
    with_N = orders(lambda d: kappa(d, *lambdas, 2.0) - kappa_ultrathin(d, *lambdas[:2], 2.0), 1e-3)
    assert np.allclose(with_N, 2.0, atol=0.02)
    sink = orders(lambda d: kappa(d, *lambdas, 0.0) - kappa_ultrathin(d, *lambdas[:2], 0.0), 0.1)
    assert np.allclose(sink, 4.0, atol=0.02)
    q0_squared, q_squared = wave_numbers(*lambdas)
    missing = -q0_squared * q_squared * (2.0 * 1e-4) ** 2
    assert kappa(1e-4, *lambdas, 2.0) - kappa_ultrathin(1e-4, *lambdas[:2], 2.0) == pytest.approx(missing, rel=5e-3)
    assert kappa_ultrathin(0.3, 1.0, 2.0, 1.5, 2.0) == kappa_ultrathin(0.3, 1.0, 2.0, 3.0)


def test_order_of_eq_16():
    # relative error → d/(2Λ): first order in d, however thin F is, and small only for Λ ≫ d/2
    lambdas, Lambda = (1.0, 0.8, 10.0), 2.0
    relative = orders(lambda d: 1 - kappa_thin(d, *lambdas, Lambda) / kappa(d, *lambdas, Lambda), 1e-2)
    assert np.allclose(relative, 1.0, atol=0.02)
    d = 1e-5
    assert 1 - kappa_thin(d, *lambdas, Lambda) / kappa(d, *lambdas, Lambda) == pytest.approx(d / 2 / Lambda, rel=1e-3)
    assert abs(kappa(1.2, **FIG_3)) == pytest.approx(0.831, abs=5e-4)
    assert abs(kappa_thin(1.2, **FIG_3)) == pytest.approx(0.674, abs=5e-4)


def test_approach_to_the_semi_infinite_layer():
    # |κ − κ∞| = |κ∞| 2/|1 + η| exp(−d Re 1/L): the logarithm is linear in d, its slope halves where d halves
    lambdas, Lambda = (1.0, 0.8, 10.0), 2.0
    q = np.sqrt(wave_numbers(*lambdas)[1])
    limit = kappa_semi_infinite(*lambdas)
    d = np.array([4.0, 8.0, 16.0])
    error = np.abs(kappa(d, *lambdas, Lambda) - limit)
    expected = np.abs(limit * 2 / (1 + Lambda * q)) * np.exp(-d * q.real)
    assert np.allclose(error, expected, rtol=[1e-3, 1e-6, 1e-5])
    assert np.allclose(np.log(error[:-1] / error[1:]), [4 * q.real, 8 * q.real], rtol=1e-4)


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


def test_eq_18_is_eq_17_with_lambda_squared_over_tau():
    d, _, _, lambda_sf_F, lambda_sf_N, D_ratio = box().T
    D_F = 0.7
    tau_F, tau_N = lambda_sf_F**2 / D_F, lambda_sf_N**2 * D_ratio / D_F
    tau = tau_sf_effective(d, tau_F, tau_N, lambda_sf_N)
    assert worst(lambda_sf_effective(d, lambda_sf_F, lambda_sf_N, D_ratio) ** 2 / D_F, tau) <= 1e-14
    in_N = lambda_sf_N / (d + lambda_sf_N)  # p_N, the share of time spent in N
    assert worst(1 / (1 / tau_F + in_N / (1 - in_N) / tau_N), tau) <= 1e-11


def test_a_longer_lambda_sf_N_shortens_the_effective_length_only_at_fixed_tau():
    lambda_sf_N, D_F = np.array([0.5, 1.0, 2.0, 4.0, 8.0]), 1.0
    at_fixed_D = lambda_sf_effective(1.0, 10.0, lambda_sf_N, 1.0)
    assert np.all(np.diff(at_fixed_D) > 0)
    tau_N = 4.0
    at_fixed_tau = lambda_sf_effective(1.0, 10.0, lambda_sf_N, D_F * tau_N / lambda_sf_N**2)
    assert np.all(np.diff(at_fixed_tau) < 0)
    assert np.all(np.diff(tau_sf_effective(1.0, 100.0 / D_F, tau_N, lambda_sf_N)) < 0)


def test_approximations_at_the_edges(loud):
    assert kappa_thin(0.0, 1.0, 1.0, 10.0, 1.0) == 0
    assert kappa_thin(1.0, 1.0, 1.0, 10.0, 0.0) == 0
    limit = kappa_semi_infinite(1.0, 1.0, 10.0)
    for d, lambda_sf_N in [(0.0, np.inf), (1.0, np.inf), (np.inf, 1.0), (np.inf, 0.0)]:
        assert kappa_thin(d, 1.0, 1.0, 10.0, lambda_sf_N) == pytest.approx(complex(limit), rel=1e-15)
        assert kappa(d, 1.0, 1.0, 10.0, lambda_sf_N) == pytest.approx(complex(limit), rel=1e-15)
    for arguments in np.where(np.eye(5, dtype=bool), np.nan, 1.0):
        assert np.isnan(kappa_thin(*arguments))
    assert np.isnan(kappa_semi_infinite(np.inf, np.inf, np.nan))


def test_values_without_meaning_are_refused():
    with pytest.raises(ValueError, match="lambda_sf_F"):
        kappa_semi_infinite(1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="d must not be negative"):
        kappa_ultrathin(-1.0, 1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="lambda_sf_N"):
        lambda_sf_effective(1.0, 1.0, -1.0)
    with pytest.raises(ValueError, match="tau_sf_N"):
        tau_sf_effective(1.0, 1.0, 0.0, 1.0)
