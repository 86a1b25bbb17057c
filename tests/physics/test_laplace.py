"""The inversion of images with known originals, and the set in the s plane that the singularities of F/N stay in."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from physics_dynamics_exact import film

from mtjfit.physics.bilayer import Bilayer, transfer_image
from mtjfit.physics.laplace import contour, invert

FILM = Bilayer.from_lengths(2.0, 1.0, 1.0, 10.0, 3.0, D_F=200.0, D_N=700.0)

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


def test_values_without_meaning_are_refused():
    for name in ("d", "rate_J", "rate_phi", "rate_sf_F", "rate_sf_N", "D_F", "D_N"):
        for value in (-1.0, math.nan):
            with pytest.raises(ValueError, match=name):
                replace(FILM, **{name: value})
    for name in ("rate_J", "rate_phi", "rate_sf_F", "D_F", "D_N"):
        with pytest.raises(ValueError, match=name):
            replace(FILM, **{name: math.inf})
    with pytest.raises(ValueError, match="lambda_phi must be positive"):
        Bilayer.from_lengths(1.0, 1.0, 0.0, 1.0, 1.0, D_F=1.0, D_N=1.0)
    with pytest.raises(ValueError, match="tau_sf_N"):
        Bilayer.from_times(1.0, 1.0, 1.0, 1.0, -1.0, D_F=1.0, D_N=1.0)


def test_lengths_and_times_are_the_same_layer():
    d, J, phi, F, N = 2.0, 1.0, 0.5, 15.0, 2.0
    b = Bilayer.from_lengths(d, J, phi, F, N, D_F=200.0, D_N=400.0)
    times = (J * J / 200, phi * phi / 200, F * F / 200, N * N / 400)
    c = Bilayer.from_times(d, *times, D_F=200.0, D_N=400.0)
    assert list(b.lengths.values()) == pytest.approx([d, J, phi, F, N, 0.5], rel=1e-15)
    assert list(c.lengths.values()) == pytest.approx([d, J, phi, F, N, 0.5], rel=1e-15)
