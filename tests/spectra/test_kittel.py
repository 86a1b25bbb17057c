"""Kittel's formula against the linearised motion of a film, its inverse and slope, and the fit."""

from __future__ import annotations

import numpy as np
import pytest
from driven import GAMMA
from numpy.testing import assert_allclose

from mtjfit.spectra import fit_kittel, resonance_field, resonance_frequency, resonance_slope

CASES = [(0.05, 1.1, 0.0), (0.3, 1.6, 0.01), (0.5, -0.2, 0.0), (0.02, 0.9, -0.005)]


@pytest.mark.parametrize(("B", "Meff", "Bk"), CASES)
def test_is_the_eigenfrequency_of_a_film_in_its_plane(B: float, Meff: float, Bk: float):
    """dM/dt = −γ M × B_eff with B_eff from the energy, linearised by differences about M along the field."""

    def field(M):
        return np.array([-Meff * M[0], 0.0, B + Bk * M[2]])

    def rate(M):
        return -GAMMA * np.cross(M, field(M))

    h = 1e-6
    jacobian = np.array([(rate(np.array([0, 0, 1.0]) + h * e) - rate(np.array([0, 0, 1.0]) - h * e)) / (2 * h)
                         for e in np.eye(3)]).T  # fmt: skip
    eigenvalues = np.linalg.eigvals(jacobian[:2, :2])
    assert_allclose(resonance_frequency(B, Meff, Bk), np.abs(eigenvalues[0].imag) / (2 * np.pi), rtol=1e-8)


@pytest.mark.parametrize(("B", "Meff", "Bk"), CASES)
def test_inverse_and_slope(B: float, Meff: float, Bk: float):
    f = resonance_frequency(B, Meff, Bk)
    assert_allclose(resonance_field(f, Meff, Bk), B, rtol=1e-10)
    step = 1e-6
    up, down = (2 * np.pi * resonance_frequency(B + k * step, Meff, Bk) for k in (1, -1))
    assert_allclose(resonance_slope(B, Meff, Bk), (up - down) / (2 * step), rtol=1e-7)


def test_limits():
    assert_allclose(resonance_frequency(0.1, 0.0), GAMMA * 0.1 / (2 * np.pi))
    assert resonance_frequency(0.1, -0.2) == 0
    # 50-digit value of ω²/M for a field that a plain square root would lose.
    assert_allclose(resonance_field(1e3, 1.0), (2e3 * np.pi / GAMMA) ** 2, rtol=1e-12)


@pytest.mark.parametrize("free", [("Meff",), ("Meff", "Bk"), ("Meff", "gamma"), ("Meff", "Bk", "gamma")])
def test_fit_gives_back_what_was_put_in(free):
    truth = {"Meff": 1.05, "Bk": 0.004 if "Bk" in free else 0.0, "gamma": GAMMA * (1.03 if "gamma" in free else 1)}
    B = np.linspace(0.02, 0.4, 12)
    f = resonance_frequency(B, **truth)
    exact = fit_kittel(f, B, np.full(12, 1e-4), free)
    assert_allclose([exact.Meff, exact.Bk, exact.gamma], list(truth.values()), rtol=1e-6, atol=1e-9)
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(8):
        fit = fit_kittel(f, B + 2e-4 * rng.standard_normal(12), np.full(12, 2e-4), free)
        pulls.append([(getattr(fit, name) - truth[name]) / fit.errors[name] for name in free])
    # Student's t with 9 to 11 degrees of freedom: variance 1.2 to 1.3; 8 draws, four standard errors.
    assert 0 < np.mean(np.square(pulls)) < 4.0


def test_sabotage_a_field_in_another_unit_does_not_fit():
    B = np.linspace(0.02, 0.4, 12)
    f = resonance_frequency(B, 1.05)
    assert fit_kittel(f, B, np.full(12, 1e-4), ("Meff",)).chi2_red < 1e-6
    assert fit_kittel(f, 10 * B, np.full(12, 1e-4), ("Meff",)).chi2_red > 100


def test_too_few_resonances_are_refused():
    with pytest.raises(ValueError, match="2 resonances"):
        fit_kittel(np.array([1e9, 2e9]), np.array([0.1, 0.2]), np.ones(2))
    with pytest.raises(ValueError, match="fit Meff"):
        fit_kittel(np.arange(1e9, 9e9, 1e9), np.arange(0.1, 0.9, 0.1), np.ones(8), ("Bk",))


def kittel_of(field: np.ndarray, frequency: np.ndarray, seed: int = 0, noise: float = 1e-5):
    measured = field + noise * np.random.default_rng(seed).standard_normal(field.size)
    return fit_kittel(frequency, measured, np.full(field.size, noise))


def test_fields_that_differ_by_their_readings_determine_nothing():
    B = 0.4 + np.array([0.0, 1e-5, 2e-5, 3e-5])
    fit = kittel_of(B, resonance_frequency(B, 1.1, 0.005))
    assert "no two resonances differ by more than a thousandth" in fit.fault
    assert all(np.isnan(each) for each in fit.errors.values())


def test_a_narrow_range_of_fields_is_singular():
    B = 0.4 + 1e-3 * np.arange(4)
    assert "too alike" in kittel_of(B, resonance_frequency(B, 1.1, 0.005)).fault


@pytest.mark.parametrize("seed", range(5))
def test_a_film_along_its_normal_is_told(seed: int):
    """f = γ/2π (B − Meff) is a straight line: no in-plane film has it."""
    B = np.linspace(1.3, 1.8, 8)
    fit = kittel_of(B, GAMMA / (2 * np.pi) * (B - 1.1), seed, noise=1e-3)
    assert fit.fault
    assert np.isnan(fit.errors["Meff"])


@pytest.mark.parametrize(("Meff", "Bk"), [(1.1, 0.01), (0.02, 0.005), (-0.2, 0.0), (0.9, -0.03), (1.6, 0.1)])
@pytest.mark.parametrize("free", [("Meff",), ("Meff", "Bk")])
def test_films_in_their_plane_have_errors(Meff: float, Bk: float, free: tuple):
    B = np.linspace(0.25, 0.6, 9)
    noisy = B + 1e-5 * np.random.default_rng(1).standard_normal(B.size)
    fit = fit_kittel(resonance_frequency(B, Meff, Bk if "Bk" in free else 0.0), noisy, np.full(9, 1e-5), free)
    assert not fit.fault
    assert abs(fit.Meff - Meff) < 6 * fit.errors["Meff"]
