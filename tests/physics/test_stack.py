"""Stacks behind F: against all boundary conditions in 80 digits, against real vectors in space, and at their limits."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from physics_collocation import COLLOCATION_TOLERANCE
from physics_layers_reference import RU, SECOND, TA, exact_stacks, profile_error, stack_error, vector_stacks
from physics_reference import FIG_3, TOLERANCE, box, with_value, worst

from mtjfit.physics import (
    InterfaceLayer,
    Lambda_effective,
    Layer,
    kappa,
    kappa_semi_infinite,
    kappa_stack,
    spin_accumulation,
    spin_current,
    spin_flip_by_layer,
    stack_profile,
    torque_by_layer,
)

INF = math.inf
FREE = (1.2, 1.0, 1.0, 10.0)
QUANTITIES = {"kappa": kappa_stack, "torque": torque_by_layer, "spin_flip": spin_flip_by_layer}


def edited(edit):
    """A function of layers sees them changed by `edit`, one by one."""
    return lambda function: lambda *point: function(*point[:-1], [edit(layer) for layer in point[-1]])


def metals(edit):
    return edited(lambda layer: edit(layer) if isinstance(layer, Layer) else layer)


def interfaces(edit):
    return edited(lambda layer: edit(layer) if isinstance(layer, InterfaceLayer) else layer)


def inwards(function):
    return lambda *point: function(*point[:-1], sorted(point[-1], key=lambda layer: getattr(layer, "thickness", 0.0)))


def endless(function):
    """A finite last layer taken for a semi-infinite one."""

    def wrong(*point):
        *rest, last = point[-1]
        return function(*point[:-1], [*rest, replace(last, thickness=INF) if isinstance(last, Layer) else last])

    return wrong


WRONG = {
    "inverted D_ratio": metals(lambda layer: replace(layer, D_ratio=1 / layer.D_ratio)),
    "all moments parallel": metals(lambda layer: replace(layer, antiparallel=False)),
    "precession turned": metals(lambda layer: replace(layer, antiparallel=not layer.antiparallel)),
    "nothing dephases": metals(lambda layer: replace(layer, lambda_phi=INF)),
    "order lost": inwards,
    "no vacuum": endless,
    "interface without spin flip": interfaces(lambda layer: replace(layer, delta=0.0)),
    "interface counted twice": interfaces(lambda layer: replace(layer, resistance_length=2 * layer.resistance_length)),
}


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_all_boundary_conditions_in_80_digits(quantity):
    assert stack_error(QUANTITIES[quantity], quantity, exact_stacks()) <= TOLERANCE


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_diffusion_equation_in_real_vectors(quantity):
    assert stack_error(QUANTITIES[quantity], quantity, vector_stacks()) <= COLLOCATION_TOLERANCE


def test_profiles_against_both_solutions():
    assert profile_error(stack_profile, exact_stacks(), local=True) <= TOLERANCE
    assert profile_error(stack_profile, vector_stacks(), local=False) <= COLLOCATION_TOLERANCE


def test_the_references_hold_all_kinds_of_layers():
    for stacks in (exact_stacks(), vector_stacks()):
        metal = [layer for stack in stacks for layer in stack.layers if isinstance(layer, Layer)]
        assert {(layer.magnetic, layer.antiparallel) for layer in metal} == {(0, 0), (1, 0), (1, 1)}
        assert any(isinstance(layer, InterfaceLayer) for stack in stacks for layer in stack.layers)
        assert {math.isinf(getattr(stack.layers[-1], "thickness", 0.0)) for stack in stacks} == {True, False}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_sabotage_both_references_notice_a_wrong_stack(name):
    wrong = WRONG[name]
    for stacks, tolerance in ((exact_stacks()[:20], TOLERANCE), (vector_stacks(), COLLOCATION_TOLERANCE)):
        for quantity, function in QUANTITIES.items():
            assert stack_error(wrong(function), quantity, stacks) > 1e5 * tolerance, quantity
        assert profile_error(wrong(stack_profile), stacks, local=tolerance == TOLERANCE) > 1e5 * tolerance


@pytest.mark.slow
def test_sabotage_both_references_notice_other_wrong_formulas():
    def other_axis(*point):
        return np.conj(kappa_stack(*point))

    def density_per_layer(x, *point):
        m, J = stack_profile(x, *point)
        return m / np.where(x > point[0], getattr(point[-1][0], "D_ratio", 1.0), 1.0), J

    for stacks in (exact_stacks(), vector_stacks()):
        assert stack_error(other_axis, "kappa", stacks) > 0.01
        assert profile_error(density_per_layer, stacks, local=True) > 0.1


@pytest.mark.parametrize("Lambda", [0.0, 1e-12, 1.0, 1e12, INF])
def test_the_papers_bilayer_at_its_corners(Lambda, loud):
    lengths = (0.3, INF)
    free = np.array(list(itertools.product((0.0, 1e-9, 0.7, 1e9, INF), lengths, lengths, lengths))).T
    layers = [Layer(INF, Lambda)]
    expected = kappa(*free, Lambda)
    assert np.all(np.abs(kappa_stack(*free, layers) - expected) <= TOLERANCE * np.abs(expected))
    # an endless F in which nothing acts has no steady state: its density is infinite, here, and 1e150 in the bilayer
    nowhere = np.all(np.isinf(free), axis=0)
    x = np.array([[0.0], [0.3], [2.0], [INF]])
    assert np.all(np.isinf(stack_profile(x, *free[:, nowhere], layers)[0]))
    free = free[:, ~nowhere]
    for value, function in zip(stack_profile(x, *free, layers), (spin_accumulation, spin_current), strict=True):
        assert np.allclose(value, function(x, *free, Lambda), rtol=TOLERANCE, atol=1e-290)


def test_across_an_interface_m_jumps_by_r_J():
    layers = [InterfaceLayer(0.0, 0.5), TA, InterfaceLayer(0.0, 2.0), replace(RU, thickness=INF)]
    for face, r in ((1.2, 0.5), (6.2, 2.0)):
        (m, beyond), (J, passed) = stack_profile([face, np.nextafter(face, INF)], *FREE, layers)
        assert worst(m - beyond, r * J) <= 1e-12
        assert worst(passed, J) <= 1e-12


def test_a_second_layer_of_the_same_metal_makes_the_first_semi_infinite():
    same = Layer(INF, FREE[3], 1.0, *FREE[1:3])
    for d in (0.0, 0.5, 3.0):
        total = torque_by_layer(d, *FREE[1:], [same]).sum()
        assert abs(total - kappa_semi_infinite(*FREE[1:])) <= 1e-14
    # of two opposite thin layers each takes the same in-plane torque, and their precession cancels
    thin, opposite = (Layer(1e-6, INF, 1.0, 1.0, INF), Layer(1e-6, INF, 1.0, 1.0, INF, antiparallel=True))
    first, second = torque_by_layer(0.0, 1.0, 1.0, 10.0, [thin, opposite, Layer(INF, 1.0)])[1:3]
    assert abs(first + second) <= 1e-5 * abs(first)


def test_a_thick_cap_is_the_papers_N():
    assert worst(kappa_stack(*FREE, [replace(TA, thickness=60.0), RU]), kappa(*FREE, 2.0, 1.3)) <= TOLERANCE
    assert worst(kappa_stack(*FREE, [Layer(INF, FIG_3["lambda_sf_N"])]), kappa(1.2, **FIG_3)) <= TOLERANCE


def test_every_corner_is_finite_conserves_spin_and_is_silent(loud):
    lengths = (0.0, 0.7, INF)
    rear = [Layer(t, sf, 0.5, lambda_J) for t in lengths for sf in lengths for lambda_J in (0.3, INF)]
    rear += [InterfaceLayer(delta, r) for delta in (0.0, 0.4, INF) for r in (0.0, 0.4)]
    free = np.array(list(itertools.product(lengths, *[(0.3, INF)] * 3))).T
    x = np.array([[0.0], [0.3], [1.4], [INF]])
    for layers in [(), *itertools.product(rear), *itertools.product(rear[::5], rear)]:
        if len(layers) == 2 and getattr(layers[0], "thickness", 0.0) == INF:
            continue
        torque, lost = torque_by_layer(*free, layers), spin_flip_by_layer(*free, layers)
        total = (torque + lost).sum(axis=0)
        inert = np.all(free[1:] == INF, axis=0) & (total == 0)  # and then nothing takes up the current
        assert np.all(inert | (np.abs(total - 1) <= 1e-13)), layers
        assert not np.any(np.isnan(stack_profile(x, *free, layers))), layers


def test_thick_layers_and_the_vacuum(loud):
    layers = [Layer(1e4, 1.0, 1.0, 1.0, 1.0), Layer(1e4, 1.0)]
    x = np.array([0.0, 1.0, 1e4, 2e4 + 1.2, 2e4 + 1.3])
    m, J = stack_profile(x, *FREE, layers)
    assert np.all(np.isfinite(m))
    assert np.all(m[2:] == 0)
    assert np.all(torque_by_layer(*FREE, layers)[2] == 0)
    # at the very last face J vanishes and m is largest per loss; behind it there is nothing
    end = 1.2 + 5.0 + 5.0
    (m, beyond), (J, outside) = stack_profile([end, end + 1e-9], *FREE, [TA, RU])
    assert abs(m) > 1e-3
    assert abs(J) <= 1e-15
    assert beyond == outside == 0


def test_all_elements_see_the_same_layers():
    d, lambda_J = np.array([[0.5], [1.2]]), np.array([0.5, 1.0, 2.0])
    layers = [InterfaceLayer(0.2, 0.3), TA, SECOND]
    rows = torque_by_layer(d, lambda_J, 1.0, 10.0, layers)
    m, J = stack_profile(np.array([0.3, 2.0, 7.0]), d, lambda_J, 1.0, 10.0, layers)
    assert rows.shape == (4, 2, 3)
    for i, k in np.ndindex(2, 3):
        point = (d[i, 0], lambda_J[k], 1.0, 10.0)
        assert worst(rows[:, i, k][[0, 3]], torque_by_layer(*point, layers)[[0, 3]]) <= 1e-15
        alone = stack_profile([0.3, 2.0, 7.0][k], *point, layers)
        assert worst(np.array([m[i, k], J[i, k]]), np.array(alone)) <= 1e-14


def test_Lambda_effective_in_closed_form():
    t, length, end = 0.7, TA.D_ratio * TA.lambda_sf, 0.4
    tanh = math.tanh(t / TA.lambda_sf)
    thin = replace(TA, thickness=t)
    assert Lambda_effective([replace(TA, thickness=INF)]) == pytest.approx(length, rel=1e-14)
    assert Lambda_effective([thin]) == pytest.approx(length / tanh, rel=1e-14)
    both = length * (end + length * tanh) / (length + end * tanh)
    assert Lambda_effective([thin, Layer(INF, end)]) == pytest.approx(both, rel=1e-14)
    assert Lambda_effective([thin, Layer(INF, 0.0)]) == pytest.approx(length * tanh, rel=1e-14)
    # a thin cap loses little: Λ grows as λ²/t, and the volume of the cap is all that counts
    assert Lambda_effective([replace(TA, thickness=1e-6)]) == pytest.approx(1.3 * 2.0**2 / 1e-6, rel=1e-10)
    assert Lambda_effective([replace(TA, thickness=80.0), RU]) == pytest.approx(length, rel=1e-14)


def test_an_interface_in_closed_form_and_where_it_disappears():
    cap, delta, r = Layer(INF, 2.0), 0.7, 0.5
    tanh, length = math.tanh(delta), r / delta
    lossy = length * (2.0 + length * tanh) / (length + 2.0 * tanh)
    assert Lambda_effective([InterfaceLayer(delta, r), cap]) == pytest.approx(lossy, rel=1e-14)
    assert Lambda_effective([InterfaceLayer(0.0, r), cap]) == pytest.approx(2.5, rel=1e-14)
    assert Lambda_effective([InterfaceLayer(1e-9, r), cap]) == pytest.approx(2.5, rel=1e-14)
    assert Lambda_effective([InterfaceLayer(0.0, 0.0), cap]) == pytest.approx(2.0, rel=1e-14)
    assert Lambda_effective([InterfaceLayer(1e-10, 1e-10), cap]) == pytest.approx(2.0, rel=1e-9)
    # δ → 0 and r → 0 are not enough: at fixed δ²/r = 1/nm it is a drain beside Λ
    assert Lambda_effective([InterfaceLayer(1e-6, 1e-12), cap]) == pytest.approx(1 / (1 / 2.0 + 1.0), rel=1e-9)
    assert Lambda_effective([InterfaceLayer(delta, 0.0), cap]) == 0.0


def test_nonmagnetic_layers_enter_by_one_number():
    lambdas = with_value(box(200), lambda_sf_N=1.0, D_ratio=1.0).T[:4]
    for layers in ([TA, RU], [InterfaceLayer(0.3, 0.5), TA, InterfaceLayer(0.1, 2.0), RU], [RU], []):
        Lambda = Lambda_effective(layers)
        assert isinstance(Lambda, float)
        assert Lambda > 0
        assert worst(kappa_stack(*lambdas, layers), kappa(*lambdas, Lambda)) <= TOLERANCE
