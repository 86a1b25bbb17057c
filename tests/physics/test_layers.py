"""What stands behind F: one length Λ for nonmagnetic layers, in closed form; interfaces; and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from physics_reference import TOLERANCE, box, with_value, worst

from mtjfit.physics import kappa
from mtjfit.physics.layers import InterfaceLayer, Lambda_effective, Layer
from mtjfit.physics.stack import kappa_stack, spin_flip_by_layer, stack_profile, torque_by_layer

INF = math.inf
FREE = (1.2, 1.0, 1.0, 10.0)
TA, RU = Layer(5.0, 2.0, D_ratio=1.3), Layer(5.0, 14.0, D_ratio=0.1)
SECOND = Layer(2.0, 10.0, 1.4, lambda_J=1.0, lambda_phi=0.8)


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


def test_values_without_meaning_are_refused():
    for name, values in {
        "thickness": (-1.0, math.nan),
        "lambda_sf": (-1.0, math.nan),
        "D_ratio": (0.0, INF, math.nan),
        "lambda_J": (0.0, math.nan),
        "lambda_phi": (0.0, math.nan),
    }.items():
        for value in values:
            with pytest.raises(ValueError, match=name):
                replace(SECOND, **{name: value})
    for delta, r in ((-1.0, 1.0), (math.nan, 1.0), (1.0, -1.0), (1.0, INF), (1.0, math.nan)):
        with pytest.raises(ValueError, match="delta" if r == 1.0 else "resistance_length"):
            InterfaceLayer(delta, r)
    with pytest.raises(ValueError, match="only the last"):
        Lambda_effective([replace(TA, thickness=INF), RU])
    with pytest.raises(ValueError, match="kappa_stack"):
        Lambda_effective([TA, SECOND])
    for function in (kappa_stack, torque_by_layer, spin_flip_by_layer):
        with pytest.raises(ValueError, match="lambda_phi must be positive"):
            function(1.0, 1.0, 0.0, 1.0, [TA])
    with pytest.raises(ValueError, match="x must not be negative"):
        stack_profile([0.0, -1e-9], *FREE, [TA])
