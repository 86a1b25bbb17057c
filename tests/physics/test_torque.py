"""Torque and torkance against bias, the interface polynomial, and the sin θ that both components of Eq. 1 carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from physics_collocation import stacks
from physics_reference import FIG_3, MP

from mtjfit.physics import Interface, kappa, kappa_density, torkance, torque

INTERFACE = Interface.of(a1=1.3, a2=-0.2, b0=0.05, b1=0.1, b2=0.6)
V = np.linspace(-0.5, 0.5, 21)
D = np.array([[0.8], [1.2], [3.0]])


@pytest.mark.parametrize("per", ["area", "device", "volume"])
def test_torque_is_kappa_times_the_interface_current(per):
    factor = kappa_density(D, **FIG_3) if per == "volume" else kappa(D, **FIG_3)
    J0 = 1.3 * V - 0.2 * V**2 + 1j * (0.05 + 0.1 * V + 0.6 * V**2)
    T = torque(V, D, **FIG_3, interface=INTERFACE, per=per)
    assert T.shape == (3, 21)
    assert per != "area" or np.array_equal(T, torque(V, D, **FIG_3, interface=INTERFACE))
    assert np.allclose(T, factor * J0, rtol=1e-14, atol=1e-16)
    dJ0 = 1.3 - 0.4 * V + 1j * (0.1 + 1.2 * V)
    assert np.allclose(torkance(V, D, **FIG_3, interface=INTERFACE, per=per), factor * dJ0, rtol=1e-14, atol=0)


def test_torque_is_the_solution_of_the_diffusion_equation():
    for stack in stacks():
        d, *lambdas = stack.lambdas
        interface = Interface(par=(stack.J0.real,), perp=(stack.J0.imag,))
        assert torque(0.3, d, *lambdas, interface=interface) == pytest.approx(stack.torque[0], rel=1e-10)
        assert torque(0.3, d, *lambdas, interface=interface, per="volume") == pytest.approx(
            stack.torque[0] / d, rel=1e-10
        )


@pytest.mark.parametrize("per", ["area", "volume"])
def test_torkance_is_the_derivative_of_the_torque(per):
    # the central difference of a cubic is exact but for the term in h², which the fourth-order one removes
    interface = Interface.of(a1=1.0, a3=-2.0, a5=3.0, b2=0.6, b4=-1.0)
    h = 1e-3

    def T(V):
        return torque(V, D, **FIG_3, interface=interface, per=per)

    slope = (8 * (T(V + h) - T(V - h)) - (T(V + 2 * h) - T(V - 2 * h))) / (12 * h)
    assert np.allclose(torkance(V, D, **FIG_3, interface=interface, per=per), slope, rtol=1e-9, atol=1e-10)
    assert not np.allclose(T(V), slope, rtol=0.1)


def test_figure_3_a_linear_torque_out_of_plane_of_the_opposite_sign():
    interface = Interface.of(a1=1.0, b2=0.6)
    value = torkance(0.0, 1.2, **FIG_3, interface=interface)
    assert value.real > 0 > value.imag
    T = torque(V, 1.2, **FIG_3, interface=interface)
    odd_perp, even_par = (T.imag - T.imag[::-1]) / 2, (T.real + T.real[::-1]) / 2
    k = kappa(1.2, **FIG_3)
    assert np.allclose(odd_perp, k.imag * V, rtol=1e-13, atol=1e-16)
    assert np.allclose(even_par, -k.imag * 0.6 * V**2, rtol=1e-13, atol=1e-16)
    # the test of the model that needs no lengths: (par·V)(par·V²) + (perp·V)(perp·V²) = 0
    odd_par, even_perp = (T.real - T.real[::-1]) / 2, (T.imag + T.imag[::-1]) / 2
    assert np.allclose(odd_par * even_par + odd_perp * even_perp, 0, atol=1e-16)


def test_zero_thickness_per_volume(loud):
    T = torque(0.2, 0.0, **FIG_3, interface=Interface.of(a1=1.0), per="volume")
    assert complex(T) == pytest.approx(0.2 * (1 - 1j), rel=1e-15)
    assert torque(0.2, 0.0, **FIG_3, interface=Interface.of(a1=1.0)) == 0


def test_interface_of_any_order():
    coefficients = np.random.default_rng(2).normal(size=(2, 9))
    names = {f"{letter}{n}": c for letter, row in zip("ab", coefficients, strict=True) for n, c in enumerate(row)}
    interface = Interface.of(**names)
    assert interface == Interface.from_mapping(dict(reversed(names.items())))
    assert interface == Interface(*(tuple(row) for row in coefficients))
    powers = V[:, None] ** np.arange(9)
    assert np.allclose(interface.current(V), powers @ (coefficients[0] + 1j * coefficients[1]), rtol=1e-13)
    slopes = np.arange(1, 9) * powers[:, :-1]
    expected = slopes @ (coefficients[0] + 1j * coefficients[1])[1:]
    assert np.allclose(interface.derivative(V), expected, rtol=1e-13)


def test_interface_leaves_out_what_is_not_named():
    assert Interface.of() == Interface()
    assert np.array_equal(Interface().current(V), np.zeros(21))
    assert np.array_equal(Interface().derivative(V), np.zeros(21))
    sparse = Interface.of(b3=2.0)
    assert (sparse.par, sparse.perp) == ((0.0,), (0.0, 0.0, 0.0, 2.0))
    assert np.array_equal(sparse.derivative([[0.5]]), [[1.5j]])
    assert Interface.of(a0=1.5).current(7.0) == 1.5
    assert hash(sparse) == hash(Interface.of(b3=2.0))
    with pytest.raises(AttributeError):
        sparse.par = (1.0,)


@pytest.mark.parametrize("name", ["c1", "a", "", "1a", "A1", "a-1", "a1.5", "a²", "a01", "a٣", "alpha", "lambda_J"])
def test_interface_refuses_unknown_names(name):
    with pytest.raises(ValueError, match="is not an amplitude"):
        Interface.from_mapping({"a1": 1.0, name: 2.0})


PER_SIN = Interface.of(a1=1.3, a2=-0.2, b0=0.05, b1=0.1, b2=0.6, b4=-2.0)
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


def test_sine_of_degrees():
    degrees = np.linspace(0.0, 180.0, 721)
    sines = np.array([Interface.of(a1=1.0).at_angle(each).par[1] for each in degrees])
    exact = [float(MP.sin(MP.mpf(each) * MP.pi / 180)) for each in degrees[1:-1]]
    np.testing.assert_allclose(sines[1:-1], exact, rtol=4e-16, atol=0)
    assert np.array_equal(sines, sines[::-1])
