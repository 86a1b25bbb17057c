"""From spectra of a driven moment back to its torkances: signs, half widths, and every constant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driven import GAMMA, rectified_voltage
from numpy.testing import assert_allclose

from mtjfit.spectra import (
    Constant,
    Constants,
    LineModel,
    fit_lines,
    rectified_background,
    resonance_frequency,
    torkances,
)

CONSTANTS = Constants(
    Constant(1e-5), Constant(300.0), Constant(1000.0), Constant(1e-17), Meff=Constant(1.1), gamma=Constant(GAMMA)
)
PAR, PERP = 4e-20, -1.5e-20


def lines_of(x: np.ndarray, voltage: np.ndarray, form: str = "lorentzian") -> np.ndarray:
    fits = fit_lines(x, voltage[None], LineModel(form=form))
    assert fits.converged.all()
    return np.array([each[0] for each in (fits.centre, fits.half_width, fits.s, fits.a)])


def swept_frequency(par: float, perp: float, B: float = 0.08, alpha: float = 0.01, form: str = "oscillator", **kwargs):
    f0 = float(resonance_frequency(B, 1.1, gamma=GAMMA))
    f = f0 + np.linspace(-1.2e9, 1.2e9, 101) * alpha / 0.01
    return lines_of(f, np.array([rectified_voltage(each, B, par, perp, alpha=alpha, **kwargs) for each in f]), form)


def swept_field(par: float, perp: float, f: float = 8e9, alpha: float = 0.01):
    B = np.linspace(0.03, 0.12, 181)
    return lines_of(B, np.array([rectified_voltage(f, each, par, perp, alpha=alpha) for each in B]))


def back(lines: np.ndarray, fixed: float, against: str, constants: Constants = CONSTANTS) -> np.ndarray:
    return torkances(lines, np.zeros(1), np.array([fixed]), against, constants)[:, 0]


@pytest.mark.parametrize(("par", "perp"), [(PAR, 0.0), (0.0, PERP), (PAR, PERP), (-PAR, PERP)])
def test_frequency_sweeps_give_the_torkances_back(par: float, perp: float):
    """α = 1 %; an out-of-plane torque passes for an in-plane one of α times its size, as damping turns it."""
    found = back(swept_frequency(par, perp), 0.08, "frequency")
    assert_allclose(found, [par - 0.01 * perp, perp], rtol=1e-3, atol=2e-23)


def test_field_sweeps_give_the_torkances_back():
    """Lines against the field are not quite Lorentzians: good to σ/B, here 7 %, and better the narrower they are."""
    for alpha, tolerance in ((0.01, 0.05), (0.001, 0.006)):
        found = back(swept_field(PAR, PERP, alpha=alpha), 8e9, "field")
        assert_allclose(found, [PAR, PERP], rtol=tolerance, atol=tolerance * PAR)


def test_lorentzians_err_by_the_relative_width_and_oscillators_do_not():
    for alpha in (0.01, 0.002):
        lines = swept_frequency(PAR, 0.0, alpha=alpha, form="lorentzian")
        wrong = back(lines, 0.08, "frequency")[1] / PAR
        expected = lines[1, 0] / lines[0, 0] / (GAMMA * 1.18 / (2 * np.pi * lines[0, 0]))
        assert abs(wrong) == pytest.approx(expected, rel=0.2)
        assert abs(back(swept_frequency(PAR, 0.0, alpha=alpha), 0.08, "frequency")[1]) < 1e-4 * PAR


def test_sabotage_signs_and_widths():
    lines = swept_frequency(PAR, PERP)
    wide = lines.copy()
    wide[1] *= 2
    assert_allclose(back(wide, 0.08, "frequency"), 2 * back(lines, 0.08, "frequency"), rtol=1e-12)
    mirrored = back(np.array([lines[0], lines[1], lines[2], -lines[3]]), 0.08, "frequency")
    assert mirrored[1] == pytest.approx(-PERP, rel=0.01)
    field = swept_field(PAR, PERP)
    # Read as if A had one sign against frequency and field alike.
    assert back(field, 8e9, "field")[1] * np.sign(field[3, 0] * lines[3, 0]) == pytest.approx(-PERP, rel=0.1)


@pytest.mark.parametrize(
    ("name", "argument", "factor"),
    [("I_rf", "I_rf", 1.3), ("V_thetaI", "dR", 0.6), ("dV_dI", "R", 1.4), ("Ms_Vol", "moment", 0.7)],
)
def test_each_constant_enters_as_in_the_simulation(name: str, argument: str, factor: float):
    """Another junction, and constants that say so, give the same torkances."""
    values = {"I_rf": 1e-5, "dR": 300.0, "R": 1000.0, "moment": 1e-17}
    changed = replace(CONSTANTS, **{name: Constant(getattr(CONSTANTS, name).value * factor)})
    lines = swept_frequency(PAR, PERP, **{argument: values[argument] * factor})
    assert_allclose(back(lines, 0.08, "frequency", changed), [PAR, PERP], rtol=0.01)
    assert not np.allclose(back(lines, 0.08, "frequency"), [PAR, PERP], rtol=0.1, atol=0.0)


def test_the_angle_drops_out_except_through_the_resistance():
    for theta in (0.7, 1.2, 2.2):
        assert_allclose(back(swept_frequency(PAR, PERP, theta=theta), 0.08, "frequency"), [PAR, PERP], rtol=0.01)


def test_the_printed_form():
    """½ V_θI [ħγ sin θ/(4e M_s Vol σ)] I_rf² [ξ_par S − ξ_perp Ω A], with the in-plane torkance counted away from P."""
    from scipy.constants import elementary_charge as e
    from scipy.constants import hbar

    theta, sigma, s, a, f0 = 1.1, 2 * np.pi * 2e8, -3e-6, 2e-6, 8.6e9
    par, perp = back(np.array([[f0], [sigma / (2 * np.pi)], [s], [a]]), 0.08, "frequency")
    xi_par, xi_perp = (2 * e / (hbar * np.sin(theta)) * 1000.0 * each for each in (-par, perp))
    prefactor = 0.5 * 300.0 * hbar * GAMMA * np.sin(theta) / (4 * e * 1e-17 * sigma) * 1e-5**2
    stiff = GAMMA * 1.18 / (2 * np.pi * f0)
    assert_allclose([prefactor * xi_par, -prefactor * xi_perp * stiff], [s, a], rtol=1e-12)


def test_stiffness_as_one_number_is_the_same():
    lines = swept_frequency(PAR, PERP)
    other = replace(CONSTANTS, Meff=None, Nx_Meff=Constant(1.18))
    assert_allclose(back(lines, np.nan, "frequency", other), back(lines, 0.08, "frequency"), rtol=1e-12)


def test_missing_constants_are_named():
    lines = np.array([[0.05], [0.005], [1e-6], [1e-6]])
    with pytest.raises(ValueError, match="sweeps of the field need Meff"):
        back(lines, 8e9, "field", replace(CONSTANTS, Meff=None, Nx_Meff=Constant(1.18)))
    with pytest.raises(ValueError, match="needs Nx_Meff, or Meff and the field"):
        back(lines, np.nan, "frequency")


def test_tables_against_bias_are_joined_by_lines():
    table = Constant(np.nan, 0.1, ((-0.2, 100.0), (0.2, 300.0)))
    assert_allclose(table.at(np.array([-0.5, 0.0, 0.1, 0.5])), [100, 200, 250, 300])
    assert_allclose(table.moved(2).at(np.array([0.0])), 240)
    assert table.relative == 0.1
    assert Constant(2.0, 0.5).moved(-1).value == 1.5


def test_flat_background_is_that_of_the_curvature():
    B, f = 0.08, np.linspace(20e9, 30e9, 5)
    far = np.array([rectified_voltage(each, B, PAR, 0.0, V_II=-4e5) for each in f])
    expected = rectified_background(np.zeros(1), replace(CONSTANTS, V_II=Constant(-4e5)))
    assert_allclose(far, np.full(5, expected), rtol=1e-3)
    assert rectified_background(np.zeros(1), CONSTANTS) is None
