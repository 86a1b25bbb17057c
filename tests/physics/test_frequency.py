"""κ at a frequency: against the Fourier integral of the pulse, 90-digit Eq. 12, and a real drive."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from physics_dynamics_exact import MP, film, printed_image

from mtjfit.physics import (
    Bilayer,
    kappa,
    kappa_at_frequency,
    pulse_torque,
    response,
    response_moment,
    response_time,
    static_up_to,
)

FILM = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=500.0)
GAUSS = np.polynomial.legendre.leggauss(16)
GHZ = 2j * math.pi * 1e-3


def fourier(b: Bilayer, f: float, power: int = 0) -> complex:
    """∫_0^∞ tⁿ f(t) exp(−2πi f t) dt of the torque after a pulse."""
    edges = np.concatenate([[0.0], np.geomspace(1e-8, 1e-3, 25), np.arange(0.003, 0.25, 0.003)])
    t = 0.5 * (edges[1:] + edges[:-1])[:, None] + 0.5 * np.diff(edges)[:, None] * GAUSS[0]
    return complex(0.5 * np.diff(edges) @ (t**power * pulse_torque(t, b) * np.exp(-GHZ * f * t) @ GAUSS[1]))


def frequency_error(function) -> float:
    """Worst relative deviation from the 90-digit Eq. 12 at s = 2πi f, both signs of f, six random layers."""
    errors = []
    for b in map(film, range(6)):
        scale = abs(b.decay_rate) / abs(GHZ)
        for f in scale * np.array([-30.0, -1.0, -0.1, 1e-3, 0.3, 1.0, 10.0]):
            expected = complex(printed_image(MP.mpc(0, 2 * MP.pi * MP.mpf(float(f)) / 1000), b))
            errors.append(abs(complex(function(float(f), b)) - expected) / abs(expected))
    return max(errors)


def test_kappa_at_frequency_is_eq_12_at_an_imaginary_rate():
    assert frequency_error(kappa_at_frequency) <= 1e-13


@pytest.mark.parametrize("f", [0.0, 300.0, -300.0, 20000.0])
def test_it_is_the_fourier_integral_of_the_pulse(f):
    assert abs(fourier(FILM, f) - kappa_at_frequency(f, FILM)) <= 1e-10


def test_the_check_notices_a_wrong_formula():
    assert frequency_error(lambda f, b: kappa_at_frequency(-f, b)) > 0.01
    assert frequency_error(lambda f, b: np.conj(kappa_at_frequency(-f, b))) > 0.01
    assert frequency_error(lambda f, b: kappa_at_frequency(f, replace(b, D_N=b.D_F))) > 0.01
    assert frequency_error(lambda f, b: kappa_at_frequency(2 * math.pi * f, b)) > 0.01


def test_at_zero_it_is_static():
    for b in (FILM, replace(FILM, d=np.inf), replace(FILM, rate_sf_N=np.inf), replace(FILM, rate_sf_N=0.0), film(3)):
        assert kappa_at_frequency(0.0, b) == pytest.approx(complex(kappa(**b.lengths)), rel=1e-14)
    assert kappa_at_frequency(5.0, replace(FILM, d=0.0)) == 0


def test_a_real_drive_takes_both_signs():
    """J0 = cos(2πft) along e_par: the ordinary phasors of T_par and T_perp, as the docstring has them."""
    f = 4000.0
    t = np.linspace(0.0, 0.3, 6001)
    torque = response(np.cos(2e-3 * np.pi * f * t), t, FILM)[-500:]
    plus, minus = kappa_at_frequency([f, -f], FILM)
    turn = np.exp(GHZ * f * t[-500:])
    assert np.max(np.abs(torque - (plus * turn + minus / turn) / 2)) <= 2e-6  # sampling: (2πf h)²/8
    par, perp = (plus + np.conj(minus)) / 2, (plus - np.conj(minus)) / 2j
    assert np.max(np.abs(torque.real - (par * turn).real)) <= 2e-6
    assert np.max(np.abs(torque.imag - (perp * turn).real)) <= 2e-6
    assert abs(minus - np.conj(plus)) > 0.1
    assert np.max(np.abs(torque - (plus * turn).real)) > 0.1


def test_the_pole_of_an_endless_lossless_layer(loud):
    b = Bilayer(math.inf, 2e-3 * math.pi * 50.0, 0.0, 0.0, 1.0, 200.0, 200.0)
    values = kappa_at_frequency([0.0, 50.0, -50.0], b)
    assert values[0] == pytest.approx(1.0, rel=1e-15)
    assert np.isinf(values[1])
    assert values[2] == pytest.approx(0.5)
    with np.errstate(all="raise"):
        assert np.all(np.isfinite(kappa_at_frequency([50.0, 1e12], replace(b, d=1.0))))


def test_the_first_moment():
    for b in [FILM, replace(FILM, rate_sf_N=np.inf), replace(FILM, d=0.01), *map(film, range(4))]:
        if math.isinf(b.rate_sf_N):
            expected = fourier(b, 0.0, 1) / fourier(b, 0.0)
            assert abs(response_moment(b) - expected) <= 1e-9 * abs(expected)
        else:
            expected = complex(-MP.diff(lambda s, b=b: MP.log(printed_image(s, b)), 0))
            assert abs(response_moment(b) - expected) <= 1e-13 * abs(expected)
        assert response_time(b) == response_moment(b).real
    expected = fourier(FILM, 0.0, 1) / fourier(FILM, 0.0)
    assert abs(response_moment(FILM) - expected) <= 1e-9 * abs(expected)


def test_the_first_moment_at_its_edges(loud):
    endless = replace(FILM, d=np.inf)
    assert response_moment(endless) == 1 / endless.decay_rate
    # nothing acts: spins leave a film with a sink behind it by diffusion alone, ∫ t f/∫ f = 5/12 d²/D
    inert = Bilayer(3.0, 0.0, 0.0, 0.0, math.inf, 200.0, 1.0)
    assert response_moment(inert) == pytest.approx(5 / 12 * 9 / 200, rel=1e-14)
    assert math.isinf(response_time(replace(FILM, rate_sf_N=0.0)))
    assert math.isinf(response_time(replace(inert, d=math.inf)))
    assert static_up_to(Bilayer(math.inf, 0.0, 0.0, 0.0, 1.0, 200.0, 1.0)) == 0


@pytest.mark.parametrize("tolerance", [1e-6, 0.01, 0.5])
def test_static_up_to(tolerance, loud):
    lossless_N = replace(FILM, rate_sf_N=0.0)
    for b in [FILM, lossless_N, replace(FILM, rate_sf_N=np.inf), replace(FILM, d=np.inf), *map(film, range(5))]:
        limit = static_up_to(b, tolerance)
        below = limit * np.append(np.linspace(0.0, 1.0, 300)[1:], np.geomspace(1e-9, 1.0, 200))
        ratio = kappa_at_frequency(np.concatenate([below, -below]), b) / kappa_at_frequency(0.0, b) - 1
        assert np.max(np.abs(ratio)) <= tolerance * (1 + 1e-9)
        assert np.max(np.abs(ratio)) >= tolerance * (1 - 1e-9)
    # the weaker direction decides, and little tolerance leaves the first moment
    up, down = (abs(kappa_at_frequency(f, FILM) / kappa_at_frequency(0.0, FILM) - 1) for f in (1e3, -1e3))
    assert abs(up / down - 1) > 0.01
    assert static_up_to(FILM, 1e-6) == pytest.approx(1e-6 / abs(GHZ * response_moment(FILM)), rel=1e-4)
    assert static_up_to(lossless_N, 1e-3) == pytest.approx(1e-2 * static_up_to(lossless_N, 1e-2), rel=0.2)
