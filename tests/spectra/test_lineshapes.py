"""Line shapes: half widths, lock-in forms against the integral they stand for, derivatives, the driven moment."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mtjfit.spectra import antisymmetric, background, complex_line, line_derivatives, symmetric

X = np.linspace(3.0, 7.0, 41)


def half_width_of(shape, centre: float, sigma: float) -> float:
    """Where a symmetric line has fallen to half, found by bisection."""
    low, high = centre, centre + 10 * sigma
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if shape(middle) > 0.5 else (low, middle)
    return low - centre


def test_sigma_is_half_the_width_at_half_maximum():
    assert_allclose(half_width_of(lambda x: symmetric(x, 5.0, 0.2), 5.0, 0.2), 0.2, rtol=1e-12)
    fine = np.linspace(4.0, 6.0, 200_001)
    values = antisymmetric(fine, 5.0, 0.2)
    assert_allclose(fine[[np.argmin(values), np.argmax(values)]], [4.8, 5.2], atol=2e-5)
    assert_allclose([values.min(), values.max()], [-0.5, 0.5], rtol=1e-9)


@pytest.mark.parametrize("h", [0.02, 0.3, 2.0])
def test_lock_in_form_is_the_first_harmonic(h: float):
    """Trapezoidal sums converge exponentially for periodic integrands."""
    phase = np.arange(4096) * 2 * np.pi / 4096
    moved = complex_line(X[:, None] + h * np.cos(phase), 5.1, 0.25)
    harmonic = 2 * np.mean(moved * np.cos(phase), axis=1)
    assert_allclose(complex_line(X, 5.1, 0.25, modulation=h), harmonic, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("modulation", "form"), [(None, "lorentzian"), (0.4, "lorentzian"), (None, "oscillator")])
def test_derivatives_are_those_of_the_line(modulation, form):
    step = 1e-5
    line, by_centre, by_log_width = line_derivatives(X, 5.1, 0.25, modulation, form)
    assert_allclose(line, complex_line(X, 5.1, 0.25, modulation, form), rtol=1e-14)
    moved = [complex_line(X, 5.1 + k * step, 0.25, modulation, form) for k in (1, -1)]
    assert_allclose(by_centre, (moved[0] - moved[1]) / (2 * step), rtol=1e-6, atol=1e-8)
    wider = [complex_line(X, 5.1, 0.25 * np.exp(k * step), modulation, form) for k in (1, -1)]
    assert_allclose(by_log_width, (wider[0] - wider[1]) / (2 * step), rtol=1e-6, atol=1e-8)


def test_oscillator_is_the_driven_moment():
    """Against the two linearised equations of motion, solved as a system, far from resonance too."""
    wx, wy, alpha = 9.0, 3.0, 0.02
    w0, sigma = np.sqrt(wx * wy), alpha * (wx + wy) / 2
    for w in (2.0, 4.0, 5.0, 5.3, 8.0):
        for drive in ((0.0, 1.0), (1.0, 0.0)):
            # i w m_x = -(wy + i alpha w) m_y + g_perp;  i w m_y = (wx + i alpha w) m_x - g_par
            system = np.array([[1j * w, wy + 1j * alpha * w], [-(wx + 1j * alpha * w), 1j * w]])
            _, my = np.linalg.solve(system, [drive[0], -drive[1]])
            line = complex_line(w, w0 / np.sqrt(1 + alpha**2), sigma / (1 + alpha**2), form="oscillator")
            expected = -(line.real * drive[1] + wx / w0 * line.imag * drive[0]) / (2 * sigma)
            # What is left is the damping term of the out-of-plane drive, α S, of relative order α.
            assert_allclose(my.real, expected, atol=1.5 * alpha * abs(line) / (2 * sigma))
            if drive[1]:
                assert_allclose(my.real, expected, rtol=1e-9)


def test_sabotage_lorentzians_do_not_follow_the_driven_moment():
    near, exact = (complex_line(5.8, 5.2, 0.12, form=form) for form in ("lorentzian", "oscillator"))
    assert abs(near / exact - 1) > 0.02


def test_far_away_and_wide_lines_raise_no_warning():
    assert abs(complex_line(1e300, 5.0, 1e-3)) < 1e-300
    assert complex_line(5.0, 5.0, 1e300, modulation=1.0).real == pytest.approx(0.0, abs=1e-300)


def test_a_modulated_oscillator_is_refused():
    with pytest.raises(ValueError, match="closed form"):
        complex_line(X, 5.0, 0.1, modulation=0.1, form="oscillator")


def test_backgrounds_span_the_polynomials():
    basis = background(X, 3)
    cubic = 1 + 2 * X - 0.3 * X**3
    assert_allclose(basis @ np.linalg.lstsq(basis, cubic, rcond=None)[0], cubic, rtol=1e-12)
    assert np.linalg.cond(basis) < 5 < np.linalg.cond(np.vander(X, 4))
    assert background(X, -1).shape == (41, 0)
