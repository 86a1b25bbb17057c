"""Arguments of all functions: they broadcast, NaN gives NaN silently, values without meaning are refused by name."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from physics_dynamics_exact import FILM
from physics_layers_reference import RU, SECOND, TA
from physics_reference import NAMES

from mtjfit import physics

INF, NAN = np.inf, np.nan
POINT = {"d": 1.2, "lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "D_ratio": 1.0}
ENDLESS = physics.Bilayer.from_lengths(1.0, 0.1, INF, INF, INF, D_F=200.0, D_N=200.0)  # it precesses for ever
BIAS = {"interface": physics.Interface.of(a1=1.3, b2=0.6)}
SIX = {
    "kappa": physics.kappa,
    "kappa_density": physics.kappa_density,
    "spin_accumulation": partial(physics.spin_accumulation, 0.5),
    "spin_current": partial(physics.spin_current, 0.5),
    "torque": partial(physics.torque, 0.2, **BIAS),
    "torkance": partial(physics.torkance, 0.2, **BIAS, per="volume"),
}
of_six = pytest.mark.parametrize("function", SIX.values(), ids=list(SIX))
every_name = pytest.mark.parametrize("name", NAMES)


@of_six
def test_lengths_come_in_one_order_and_broadcast(function, loud):
    assert list(inspect.signature(function).parameters)[:6] == list(NAMES)
    scalar = function(**POINT)
    assert (scalar.shape, scalar.dtype) == ((), np.complex128)
    d, lambda_J, lambda_sf_N = np.array([[0.5], [1.2]]), [0.5, 1.0, 2.0], np.array([[[1.0]], [[2.0]]])
    grid = function(d, lambda_J, 1, 10, lambda_sf_N)
    assert grid.shape == (2, 2, 3)
    assert grid[0, 1, 1] == pytest.approx(complex(scalar), rel=1e-15)
    assert function([], 1.0, 1.0, 10.0, 1.0).shape == (0,)


@of_six
@every_name
def test_nan_gives_nan_silently(function, name, loud):
    assert np.isnan(function(**POINT | {name: NAN}))
    values = function(**POINT | {name: np.array([NAN] * 8 + [1.0])})
    assert np.array_equal(np.isnan(values), [True] * 8 + [False])
    assert np.isnan(function(**POINT | {"lambda_J": INF, "lambda_phi": INF} | {name: NAN}))


def test_nan_elsewhere(loud):
    for function in (physics.spin_accumulation, physics.spin_current, partial(physics.torque, **BIAS)):
        assert np.isnan(function(NAN, **POINT))
    for five in np.where(np.eye(5, dtype=bool), NAN, 1.0):
        assert np.isnan(physics.kappa_thin(*five))
        assert np.all(np.isnan(list(vars(physics.kappa_gradient(*five)).values())))
    assert np.isnan(physics.kappa_semi_infinite(INF, INF, NAN))
    assert np.all(np.isnan(physics.kappa_chi_beta([NAN, 1.0, NAN], [1.0, NAN, 0.0])))
    for k in range(4):
        free = [np.array([NAN, value]) if i == k else value for i, value in enumerate((1.2, 1.0, 1.0, 10.0))]
        for layers in ([TA, RU], [SECOND]):
            for values in (physics.kappa_stack(*free, layers), *physics.stack_profile(0.5, *free, layers)):
                assert np.array_equal(np.isnan(values), [True, False])


@of_six
@every_name
def test_lengths_without_meaning_are_refused(function, name):
    with pytest.raises(ValueError, match=name):
        function(**POINT | {name: [1.0, -1.0]})
    if name in ("d", "lambda_sf_N", "D_ratio"):
        assert np.isfinite(function(**POINT | {name: 0.0}))
    else:
        with pytest.raises(ValueError, match=f"{name} must be positive"):
            function(**POINT | {name: 0.0})


@of_six
@pytest.mark.parametrize("pair", [(0.0, INF), (INF, 0.0)])
def test_zero_times_inf_is_refused(function, pair):
    with pytest.raises(ValueError, match=r"0 · inf"):
        function(**POINT | dict(zip(("lambda_sf_N", "D_ratio"), pair, strict=True)))


REFUSED = [
    ("0 · inf", lambda: physics.lambda_product([1.0, 0.0], INF)),
    ("chi", lambda: physics.kappa_chi_beta(-1.0, 1.0)),
    ("lambda_phi", lambda: physics.kappa_ballistic(1.0, 0.0, 1.0)),
    ("lambda_sf_F", lambda: physics.kappa_no_dephasing(1.0, 0.0)),
    ("lambda_sf_F", lambda: physics.kappa_semi_infinite(1.0, 1.0, 0.0)),
    ("lambda_sf_star", lambda: physics.kappa_effective(1.0, 1.0, -1.0 + 1j)),
    ("lambda_J", lambda: physics.lambda_sf_effective_exact(1.0, 0.0, 1.0, 1.0, 1.0)),
    ("lambda_sf_N", lambda: physics.lambda_sf_effective(1.0, 1.0, -1.0)),
    ("d must not be negative", lambda: physics.kappa_thin_error(-1.0, 1.0, 1.0, 1.0, 1.0)),
    ("0 · inf", lambda: physics.kappa_thin_error(1.0, 1.0, 1.0, 1.0, 0.0, INF)),
    ("inf/inf", lambda: physics.tau_sf_effective(1.0, 1.0, INF, INF)),
    ("tau_sf_N", lambda: physics.tau_sf_effective(1.0, 1.0, 0.0, 1.0)),
    ("must be finite", lambda: physics.kappa_ultrathin(INF, 1.0, 1.0, 1.0)),
    ("must be finite", lambda: physics.kappa_ultrathin(1.0, 1.0, 1.0, INF)),
    ("d must not be negative", lambda: physics.kappa_ultrathin(-1.0, 1.0, 1.0, 1.0)),
    ("x must not be negative", lambda: physics.spin_accumulation([0.0, -1e-9], **POINT)),
    ("x must not be negative", lambda: physics.spin_current([0.0, -1e-9], **POINT)),
    ("per = 'layer'", lambda: physics.torque(0.2, **POINT, **BIAS, per="layer")),
    ("per = 'layer'", lambda: physics.torkance(0.2, **POINT, **BIAS, per="layer")),
    ("only the last", lambda: physics.Lambda_effective([replace(TA, thickness=INF), RU])),
    ("kappa_stack", lambda: physics.Lambda_effective([TA, SECOND])),
    ("lambda_phi must be positive", lambda: physics.kappa_stack(1.0, 1.0, 0.0, 1.0, [TA])),
    ("lambda_phi must be positive", lambda: physics.torque_by_layer(1.0, 1.0, 0.0, 1.0, [TA])),
    ("lambda_phi must be positive", lambda: physics.spin_flip_by_layer(1.0, 1.0, 0.0, 1.0, [TA])),
    ("x must not be negative", lambda: physics.stack_profile([0.0, -1e-9], 1.2, 1.0, 1.0, 10.0, [TA])),
    ("positive", lambda: physics.pulse_accumulation(1.0, 0.0, FILM)),
    ("z must be finite", lambda: physics.pulse_current(-1.0, 1.0, FILM)),
    (
        "too long",
        lambda: physics.pulse_torque(1e3, ENDLESS),
    ),
    ("no torque", lambda: physics.response_time(replace(FILM, d=0.0))),
    ("no torque", lambda: physics.static_up_to(replace(FILM, d=0.0))),
    ("'rest'", lambda: physics.response([1.0], [0.0], FILM, start="late")),
    ("one length", lambda: physics.response([1.0, 2.0], [0.0], FILM)),
    ("one length", lambda: physics.response([], [], FILM)),
    ("lambda_phi must be positive", lambda: physics.Bilayer.from_lengths(1.0, 1.0, 0.0, 1.0, 1.0, D_F=1.0, D_N=1.0)),
    ("tau_sf_N", lambda: physics.Bilayer.from_times(1.0, 1.0, 1.0, 1.0, -1.0, D_F=1.0, D_N=1.0)),
    *(("t must be finite", partial(physics.pulse_torque, t, FILM)) for t in (-1e-9, NAN, INF)),
    *(("increasing", partial(physics.response, [1.0, 1.0], t, FILM)) for t in ([0.0, 0.0], [0.0, NAN], [1.0, 0.0])),
    *(("tolerance", partial(physics.static_up_to, FILM, each)) for each in (0.0, 1.0, NAN)),
    *((name, partial(replace, FILM, **{name: value})) for value in (-1.0, NAN) for name in vars(FILM)),
    *((name, partial(replace, FILM, **{name: INF})) for name in vars(FILM) if name not in ("d", "rate_sf_N")),
    *((name, partial(replace, SECOND, **{name: value})) for name in ("thickness", "lambda_sf") for value in (-1, NAN)),
    *((name, partial(replace, SECOND, **{name: value})) for name in ("lambda_J", "lambda_phi") for value in (0, NAN)),
    *(("D_ratio", partial(replace, SECOND, D_ratio=value)) for value in (0.0, INF, NAN)),
    *(("delta", partial(physics.InterfaceLayer, value, 1.0)) for value in (-1.0, NAN)),
    *(("resistance_length", partial(physics.InterfaceLayer, 1.0, value)) for value in (-1.0, INF, NAN)),
    *(("angle between the moments", partial(BIAS["interface"].at_angle, x)) for x in (-1.0, 180.5, 270.0, NAN, INF)),
]


@pytest.mark.parametrize(("words", "call"), REFUSED)
def test_other_values_without_meaning_are_refused(words, call):
    with pytest.raises(ValueError, match=words):
        call()


def test_what_is_left_out_or_empty():
    with pytest.raises(TypeError, match="interface"):
        physics.torque(0.2, **POINT)
    assert physics.pulse_torque(np.zeros((2, 0)), FILM).shape == (2, 0)
    assert physics.kappa_stack([], 1.0, 1.0, 10.0, [TA]).shape == (0,)
    assert math.isfinite(abs(physics.pulse_torque(1.0, ENDLESS)))
