"""Eq. 3–4: the torque after a pulse against real vectors in finite volumes, 90-digit inversions and exact solutions.

Below: the inversion of images with known originals, and the set in the s plane that the singularities of F/N stay in.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from physics_dynamics_exact import FILM, exact_torque, film, images, modes, torque_error
from physics_dynamics_pde import DENSITY_TOLERANCE, TORQUE_TOLERANCE, Run, solve

from mtjfit.physics import pulse_accumulation, pulse_current, pulse_torque
from mtjfit.physics.bilayer import Bilayer, transfer_image
from mtjfit.physics.laplace import contour, invert

EXACT = 1e-13
GAUSS = np.polynomial.legendre.leggauss(8)


@lru_cache
def runs() -> tuple[tuple[Bilayer, Run], ...]:
    """Two layers with D_F ≠ D_N and random M and P, solved as vectors: N slower than F, and N faster."""
    solved = []
    for seed, (d, times, D_F, D_N) in enumerate(
        [(2.0, (0.005, 0.005, 1.0, 0.02), 200.0, 400.0), (2.0, (0.02, 0.05, np.inf, 0.01), 300.0, 100.0)]
    ):
        M, P = (v / np.linalg.norm(v) for v in np.random.default_rng(seed).normal(size=(2, 3)))
        t = np.array([0.3, 1.0, 3.0]) * d * d / D_F
        solved.append((Bilayer.from_times(d, *times, D_F=D_F, D_N=D_N), solve(d, times, D_F, D_N, t, M=M, P=P)))
    return tuple(solved)


def pde_torque_error(function) -> float:
    """Worst relative deviation from the torque of the vectors."""
    return max(float(np.max(np.abs(function(run.t, b) / run.torque - 1))) for b, run in runs())


def pde_density_error(function) -> float:
    """Worst deviation from the cell averages of the vectors, over the largest m at that time."""
    errors = []
    for b, run in runs():
        x, weight = np.polynomial.legendre.leggauss(3)
        z = 0.5 * (run.faces[1:] + run.faces[:-1])[:, None] + 0.5 * np.diff(run.faces)[:, None] * x
        m = function(z, run.t[:, None, None], b) @ weight / 2
        errors.append(np.max(np.abs(m - run.m) / np.max(np.abs(run.m), axis=1, keepdims=True)))
    return float(max(errors))


# what one might get wrong


def real_part_only(t, b):
    """The usual short cut, f = Re of twice the upper half, applied to parts of the torque."""

    def half(t):
        s, w = contour(b.corners, t, t)
        upper = s.imag > 0.5 * b.rate_J
        return 2 * np.sum((w * np.exp(s * t) * transfer_image(s, b) * b.torque_rate / b.D_F)[upper]).real

    return np.vectorize(half)(t) + 0j


def without_D_N(t, b):
    """N as in the statics, by Λ alone: D_N = D_F and λ_sf^N = Λ."""
    lengths = b.lengths
    Lambda = lengths["D_ratio"] * lengths["lambda_sf_N"]
    return pulse_torque(t, replace(b, D_N=b.D_F, rate_sf_N=b.D_F / Lambda**2))


def unmoved_N(t, b):
    """s/D_N forgotten: N answers at once."""

    def image(s):
        q_squared = (s + b.decay_rate) / b.D_F
        q, Lambda = np.sqrt(q_squared), b.D_F / np.sqrt(b.D_N * b.rate_sf_N)
        passed = 2 * np.exp(-q * b.d) / (1 + np.exp(-2 * q * b.d) + Lambda * q * (1 - np.exp(-2 * q * b.d)))
        return b.torque_rate / b.D_F / q_squared * (1 - passed)

    return invert(image, np.asarray(t, dtype=float), b.corners)


def conjugated(t, b):
    return np.conj(pulse_torque(t, b))


WRONG = [real_part_only, without_D_N, unmoved_N, conjugated]


def test_the_torque_of_real_vectors():
    assert pde_torque_error(pulse_torque) <= TORQUE_TOLERANCE


def test_the_density_of_real_vectors():
    assert pde_density_error(pulse_accumulation) <= DENSITY_TOLERANCE


def test_the_torque_to_13_digits():
    assert torque_error(pulse_torque) <= EXACT


@pytest.mark.parametrize("formula", WRONG)
def test_the_checks_notice_a_wrong_formula(formula):
    assert pde_torque_error(formula) > 0.01
    assert torque_error(formula) > 1e-3


@pytest.mark.slow
def test_the_density_check_notices_D_N_and_the_sign():
    assert pde_density_error(lambda z, t, b: pulse_accumulation(z, t, replace(b, D_N=b.D_F))) > 0.01
    assert pde_density_error(lambda z, t, b: np.conj(pulse_accumulation(z, t, b))) > 0.1


def test_a_thick_layer_has_the_closed_form():
    t, z = np.geomspace(1e-7, 0.05, 7), np.linspace(0.0, 20.0, 11)[:, None]
    for lengths in [(1, 1, 10, 2), (1, 2, 10, 200), (1, np.inf, 10, 1), (0.5, 1, 5, 0.0), (np.inf, 2, np.inf, np.inf)]:
        thick, endless = (Bilayer.from_lengths(d, *lengths, D_F=200.0, D_N=700.0) for d in (60.0, np.inf))
        assert np.max(np.abs(pulse_torque(t, thick) / pulse_torque(t, endless) - 1)) <= 1e-12
        for function in (pulse_accumulation, pulse_current):
            expected = function(z, t, endless)
            seen = np.abs(expected) > 1e-290  # relative to each value, however far from the barrier
            assert np.max(np.abs(function(z, t, thick)[seen] / expected[seen] - 1)) <= 1e-11


def test_the_closed_form_solves_the_equation():
    endless = replace(FILM, d=np.inf)
    z, t, h = np.linspace(0.2, 3.0, 8), 0.004, 1e-3

    def m(z, t):
        return pulse_accumulation(z, t, endless)

    # fourth-order differences
    slope = (m(z - 2 * h, t) - 8 * m(z - h, t) + 8 * m(z + h, t) - m(z + 2 * h, t)) / (12 * h)
    curve = (-m(z - 2 * h, t) + 16 * m(z - h, t) - 30 * m(z, t) + 16 * m(z + h, t) - m(z + 2 * h, t)) / (12 * h * h)
    k = h * t
    rate = (m(z, t - 2 * k) - 8 * m(z, t - k) + 8 * m(z, t + k) - m(z, t + 2 * k)) / (12 * k)
    assert np.max(np.abs(rate - 200.0 * curve + endless.decay_rate * m(z, t))) <= 1e-7 * np.max(np.abs(rate))
    assert np.max(np.abs(pulse_current(z, t, endless) + 200.0 * slope)) <= 1e-9 * np.max(np.abs(slope)) * 200
    x, weight = 1.5 * (GAUSS[0] + 1), 1.5 * GAUSS[1]
    total = sum(weight @ m(x + 3 * part, t) for part in range(6))
    assert abs(total * endless.torque_rate / pulse_torque(t, endless) - 1) <= 1e-6


@pytest.mark.parametrize("sink", [True, False])
def test_a_sink_and_a_wall_have_the_modes_of_fourier(sink):
    b = replace(FILM, rate_sf_N=np.inf) if sink else replace(FILM, D_N=1e-40, rate_sf_N=1e4)
    z, t = np.linspace(0.0, 2.0, 9), np.geomspace(2e-4, 0.3, 7)[:, None]
    expected = modes(z, t, b, sink=sink)
    scale = np.max(np.abs(expected), axis=1, keepdims=True)  # at each time, over many decades of decay
    assert np.max(np.abs(pulse_accumulation(z, t, b) - expected) / scale) <= 1e-12
    assert pulse_accumulation(2.5, 0.01, b) == pytest.approx(0.0, abs=1e-15)
    assert np.max(np.abs(pulse_accumulation(z, t, b) - modes(z, t, b, sink=not sink)) / scale) > 0.1


@pytest.mark.parametrize("D_N", [20.0, 200.0, 2000.0])
def test_equal_losses_have_gaussian_echoes(D_N):
    b = Bilayer(1.5, 0.0, 30.0, 20.0, 50.0, 200.0, D_N)
    z, t = np.linspace(0.0, 6.0, 13), np.geomspace(1e-4, 1.0, 9)[:, None]
    expected = images(z, t, b)
    seen = expected > 1e-290
    assert np.max(np.abs(pulse_accumulation(z, t, b) / np.where(seen, expected, 1.0) - 1)[seen]) <= 1e-11
    wrong = images(z, t, replace(b, D_N=3 * D_N))
    assert np.max(np.abs(wrong / np.where(seen, expected, 1.0) - 1)[seen]) > 0.1


def test_the_current_is_the_slope_of_the_density_and_continuous():
    t, h = np.array([[0.002], [0.02]]), 1e-3
    for z, D in ((np.linspace(0.1, 1.9, 7), FILM.D_F), (np.linspace(2.1, 6.0, 7), FILM.D_N)):
        m = [pulse_accumulation(z + k * h, t, FILM) for k in (-2, -1, 1, 2)]
        slope = (m[0] - 8 * m[1] + 8 * m[2] - m[3]) / (12 * h)
        J = pulse_current(z, t, FILM)
        assert np.max(np.abs(J + D * slope)) <= 1e-9 * np.max(np.abs(J))
    for function in (pulse_accumulation, pulse_current):
        before, after = function(2.0, t, FILM), function(np.nextafter(2.0, 3.0), t, FILM)
        assert np.max(np.abs(after / before - 1)) <= 1e-12
    assert np.all(pulse_current(0.0, t, FILM) == 0)


def test_very_early_and_very_late(loud):
    begin = pulse_torque([0.0, 1e-15, 1e-12], FILM)
    assert np.max(np.abs(begin / FILM.torque_rate - 1)) <= 1e-9
    assert begin[0] == FILM.torque_rate
    # N without spin flip gives spins back as t^(−3/2): κ(s) = κ(0)(1 − c √s), c = (D_N)^½/D_F · (1 − P)/(q tanh …)
    b = replace(FILM, rate_sf_N=0.0)
    q = np.sqrt(b.decay_rate / b.D_F)
    static = b.torque_rate / b.decay_rate
    c = np.sqrt(b.D_N) / b.D_F / (q * np.sinh(q * b.d))
    t = 1e9
    assert abs(pulse_torque(t, b) / (static * c / (2 * math.sqrt(math.pi)) * t**-1.5) - 1) <= 1e-6
    # and decays with N where N is the slower one
    late = np.array([4.0, 5.0, 6.0]) / FILM.rate_sf_N * 40
    assert np.all(np.diff(np.log(np.abs(pulse_torque(late, FILM)))) < -30)
    assert np.all(pulse_torque([1e4, 1e9, 1e300], FILM) == 0)
    assert pulse_accumulation(1.0, 1e9, FILM) == 0


def test_infinite_lengths_are_silent(loud):
    lengths, t = (0.7, np.inf), np.array([0.0, 1e-4, 0.05])
    for d, J, phi, F in itertools.product((0.0, 0.5, np.inf), lengths, lengths, lengths):
        for N in (0.0, 0.7, np.inf):
            b = Bilayer.from_lengths(d, J, phi, F, N, D_F=200.0, D_N=300.0)
            assert np.all(np.isfinite(pulse_torque(t, b))), b
            assert np.all(np.isfinite(pulse_accumulation([0.0, 0.5, 0.9], 0.05, b))), b
            assert np.all(np.isfinite(pulse_current([0.0, 0.5, 0.9], 1e-4, b))), b
            if np.isinf(N) and np.isinf(F) and d == 0.5:
                expected = exact_torque(0.05, b)
                assert abs(pulse_torque(0.05, b) - expected) <= EXACT * max(abs(b.torque_rate), 1e-300), b


# right-hand corners, and places in the set: corners, on its edge, inside
SETS = {
    "ray": ((-1.0 + 2.0j,), [-1.0 + 2.0j, -7.0 + 2.0j]),
    "strip": ((-1.0 + 0.0j, -1.0 + 30.0j), [-1.0 + 0.0j, -1.0 + 30.0j, -1.0 + 11.0j, -5.0 + 20.0j, -9.0 + 30.0j]),
    "slanted": ((0.0j, -900.0 + 1000.0j), [0.0j, -900.0 + 1000.0j, -450.0 + 500.0j, -600.0 + 100.0j]),
    "flat": ((-1000.0 + 0.0j, -1.0 + 1.0j), [-1.0 + 1.0j, -1000.0 + 0.0j, -500.5 + 0.5j]),
    "bent": ((-9.0 + 0.0j, -3.0 + 4.0j, -3.0 + 12.0j), [-3.0 + 4.0j, -3.0 + 12.0j, -3.0 + 9.0j, -6.0 + 2.0j]),
}


def inversion_error(corners, places) -> float:
    """Worst error for poles and branch points, for times over eight decades, relative to exp(Re s t) on the right."""
    right = max(corner.real for corner in corners)
    t = np.geomspace(1e-6, 60.0 / max(1.0, abs(right)), 25)
    errors = []
    for place in places:
        scale, exact = np.exp(right * t), np.exp(place * t)
        errors.append(np.abs(invert(lambda s, a=place: 1 / (s - a), t, corners) - exact) / scale)
        root = invert(lambda s, a=place: (s - a) ** -0.5, t, corners) * np.sqrt(np.pi * t)
        errors.append(np.abs(root - exact) / scale)
    return float(np.max(errors))


@pytest.mark.parametrize("name", SETS)
def test_poles_and_branch_points_anywhere_in_the_set(name):
    assert inversion_error(*SETS[name]) <= 3e-13  # a phase of exp(st) of 10⁴ radians is only known to 1e-12


@pytest.mark.parametrize("name", SETS)
def test_the_check_notices_a_pole_outside(name):
    corners, _ = SETS[name]
    right = max(corners, key=lambda corner: corner.real)
    assert inversion_error(corners, [right + 5.0]) > 0.01


def test_a_front_keeps_its_digits():
    """exp(−a √s)/√s has the original exp(−a²/4t)/√(πt), here down to 1e-217."""
    for y in (0.1, 9.0, 100.0, 500.0):
        t, a = 0.3, 2 * math.sqrt(0.3 * y)
        s, w = contour((0j,), t, t, front=y)
        value = np.sum(w * np.exp(s * t - a * np.sqrt(s)) / np.sqrt(s))
        assert abs(value / (math.exp(-y) / math.sqrt(math.pi * t)) - 1) <= 1e-12


def test_one_contour_serves_a_span_of_times():
    s, w = contour((-1.0 + 3.0j,), 1e-5, 10.0, inward=0.5)
    t = np.geomspace(1e-5, 10.0, 40)
    value = np.exp(t[:, None] * s) @ (w / (s + 1.0 - 3.0j))
    assert np.max(np.abs(value - np.exp((-1.0 + 3.0j) * t))) <= 1e-13
    assert s.size < 2500


def decays(b: Bilayer, n: int = 16) -> np.ndarray:
    """Eigenvalues of Eq. 3–4 in equal finite volumes, n in F and 8n in N."""
    h = b.d / n
    in_F = np.arange(9 * n) < n
    half = 0.5 * h / np.where(in_F, b.D_F, b.D_N)
    through = 1 / (half[1:] + half[:-1]) / h
    out = np.append(through, 0.0) + np.append(0.0, through)
    loss = np.where(in_F, b.decay_rate, b.rate_sf_N)
    return np.linalg.eigvals(np.diag(through, 1) + np.diag(through, -1) - np.diag(out) - np.diag(loss))


def outside(s: np.ndarray, corners: tuple[complex, ...]) -> float:
    """How far points lie outside the set, at most: beyond its rays or its sides."""
    beyond = [np.max(s.imag - corners[-1].imag), np.max(corners[0].imag - s.imag)]
    beyond.append(np.max(s.real) - max(corner.real for corner in corners))
    for a, b in itertools.pairwise(corners):
        beyond.append(np.max(((s - a) * np.conj(-1j * (b - a))).real / abs(b - a)))
    return float(max(beyond))


@pytest.mark.parametrize("rate_J", [0.0, 20.0, 200.0])
@pytest.mark.parametrize("rate_sf_N", [1.0, 50.0, 500.0])
def test_all_decays_lie_in_the_set(rate_J, rate_sf_N):
    b = Bilayer(2.0, rate_J, 20.0, 5.0, rate_sf_N, 60.0, 90.0)
    s = decays(b)
    right = max(corner.real for corner in b.corners)
    assert outside(s, b.corners) <= 2e-3 * abs(right)  # the volumes err by 1.7e-3 where N is the shortest, as h²
    if rate_J == 0 and rate_sf_N > 25:  # spins bound in F: the corner is the slowest mode
        assert np.max(s.real) == pytest.approx(right, rel=2e-3)
        assert outside(s, tuple(corner - 0.01 * abs(right) for corner in b.corners)) > 2e-3 * abs(right)
    assert outside(np.conj(s), b.corners) > 0.1 * rate_J or rate_J == 0


def test_the_image_is_analytic_outside():
    """Round any closed path outside the set the image has neither poles nor zeros of its denominator to circle."""
    turn = np.exp(2j * np.pi * np.arange(64) / 64)
    for b in (FILM, film(1), film(2), replace(film(2), rate_J=40.0), replace(FILM, rate_sf_N=np.inf)):
        right = max(b.corners, key=lambda corner: corner.real)
        radius = 0.3 * abs(b.decay_rate)
        image = transfer_image(right + 2 * radius + radius * turn, b)
        assert abs(np.mean(image * turn)) <= 1e-13 * np.max(np.abs(image))


def test_lengths_and_times_are_the_same_layer():
    d, J, phi, F, N = 2.0, 1.0, 0.5, 15.0, 2.0
    b = Bilayer.from_lengths(d, J, phi, F, N, D_F=200.0, D_N=400.0)
    times = (J * J / 200, phi * phi / 200, F * F / 200, N * N / 400)
    c = Bilayer.from_times(d, *times, D_F=200.0, D_N=400.0)
    assert list(b.lengths.values()) == pytest.approx([d, J, phi, F, N, 0.5], rel=1e-15)
    assert list(c.lengths.values()) == pytest.approx([d, J, phi, F, N, 0.5], rel=1e-15)
