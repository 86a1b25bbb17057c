"""The angle between the moments: both components of Eq. 1 carry sin θ, from vectors and from an energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from physics_reference import FIG_3, MP

from mtjfit.physics import Interface, torque
from mtjfit.physics.torque import sin_degrees

PER_SIN = Interface.of(a1=1.3, a2=-0.2, b0=0.05, b1=0.1, b2=0.6, b4=-2.0)
V = np.linspace(-0.5, 0.5, 7)
ANGLES = (0.0, 1e-3, 17.0, 45.0, 72.0, 90.0, 108.0, 163.0, 180.0)
AtAngle = Callable[[Interface, float], Interface]


def vector_error(at_angle: AtAngle) -> float:
    """Largest deviation from J_par M × (P × M) + J_perp M × P of moments in random directions, angle θ apart."""
    rng, worst = np.random.default_rng(4), 0.0
    for degrees in ANGLES:
        M, across = rng.standard_normal((2, 3))
        M /= np.linalg.norm(M)
        across -= across @ M * M
        across /= np.linalg.norm(across)
        theta = np.radians(degrees)
        P = np.cos(theta) * M + np.sin(theta) * across
        J0 = PER_SIN.current(V)
        T = np.outer(J0.real, np.cross(M, np.cross(P, M))) + np.outer(J0.imag, np.cross(M, P))
        # along the unit vectors of the two components, which exist at 0 and 180 degrees too
        par, perp = T @ across, T @ np.cross(M, across)
        found = at_angle(PER_SIN, degrees).current(V)
        worst = max(worst, float(np.max(np.abs(found - (par + 1j * perp)))))
    return worst


def energy_error(at_angle: AtAngle) -> float:
    """Largest deviation of the field-like torque at zero bias from dE/dθ of the coupling E = −b0 cos θ."""

    def energy(degrees: float) -> float:
        return -PER_SIN.perp[0] * np.cos(np.radians(degrees))

    h = 0.01
    slopes = [(energy(each + h) - energy(each - h)) / np.radians(2 * h) for each in ANGLES]
    return float(np.max(np.abs([at_angle(PER_SIN, each).perp[0] for each in ANGLES] - np.array(slopes))))


def scaled_by(factor: Callable[[float], float]) -> AtAngle:
    def at_angle(interface: Interface, degrees: float) -> Interface:
        return Interface(*(tuple(factor(degrees) * c for c in part) for part in (interface.par, interface.perp)))

    return at_angle


def test_both_components_carry_sin_theta():
    assert vector_error(Interface.at_angle) < 1e-15
    assert energy_error(Interface.at_angle) < 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        scaled_by(lambda degrees: 1.0),
        scaled_by(lambda degrees: np.cos(np.radians(degrees))),
        scaled_by(np.sin),
        scaled_by(lambda degrees: np.sin(np.radians(degrees)) ** 2),
        lambda interface, degrees: replace(interface.at_angle(degrees), perp=interface.perp),
    ],
)
def test_sabotage_of_the_angle_is_seen(wrong: AtAngle):
    assert vector_error(wrong) > 0.01
    assert energy_error(wrong) > 0.005


def test_no_torque_between_parallel_and_antiparallel_moments():
    for degrees in (0.0, 180.0, 0, 180):
        assert np.all(PER_SIN.at_angle(degrees).current(V) == 0)
        assert np.all(torque(V, 1.2, **FIG_3, interface=PER_SIN.at_angle(degrees)) == 0)
    assert PER_SIN.at_angle(90) == PER_SIN
    assert PER_SIN.at_angle(30.0) == PER_SIN.at_angle(150.0)


def test_the_angle_changes_neither_the_ratio_of_the_components_nor_the_derivative():
    tilted, upright = PER_SIN.at_angle(40.0), PER_SIN
    factor = np.sin(np.radians(40.0))
    np.testing.assert_allclose(tilted.derivative(V), factor * upright.derivative(V), rtol=1e-14)
    T, T0 = (torque(V, 1.2, **FIG_3, interface=each) for each in (tilted, upright))
    np.testing.assert_allclose(T, factor * T0, rtol=1e-13)
    assert (len(tilted.par), len(tilted.perp)) == (3, 5)


@pytest.mark.parametrize("degrees", [-1.0, 180.5, 270.0, np.nan, np.inf])
def test_angles_that_are_none_are_refused(degrees: float):
    with pytest.raises(ValueError, match="angle between the moments"):
        PER_SIN.at_angle(degrees)


def test_sine_of_degrees():
    degrees = np.linspace(0.0, 180.0, 721)
    exact = [float(MP.sin(MP.mpf(each) * MP.pi / 180)) for each in degrees[1:-1]]
    np.testing.assert_allclose(sin_degrees(degrees)[1:-1], exact, rtol=4e-16, atol=0)
    assert np.array_equal(sin_degrees(degrees), sin_degrees(180.0 - degrees))
    assert sin_degrees(45.0) == pytest.approx(0.5**0.5, rel=1e-15)
    assert np.isnan(sin_degrees(np.nan))
