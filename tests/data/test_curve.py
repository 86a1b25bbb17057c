"""A curve is frozen, checked when made, and never loses a point silently."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from mtjfit.data import Origin, TorqueCurve
from mtjfit.errors import DataError


def make(**changes: object) -> TorqueCurve:
    values: dict[str, object] = {
        "device": "A1", "bias": [-0.2, 0.0, 0.2], "par": [-2.0, 0.0, 2.0], "perp": [0.2, 0.0, 0.2], "thickness": 2.0,
        "quantity": "torque", "per": "device", "unit": "1e-19 N m", "sigma_par": [0.1] * 3, "sigma_perp": [0.1] * 3,
    }  # fmt: skip
    return TorqueCurve(**{**values, **changes})  # type: ignore[arg-type]


def test_arrays_and_attributes_are_frozen() -> None:
    curve = make()
    for name in ("bias", "par", "perp", "sigma_par", "sigma_perp", "used"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(curve, name)[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        curve.thickness = 3.0  # type: ignore[misc]


def test_the_curve_keeps_its_own_copy() -> None:
    bias = np.array([-0.2, 0.0, 0.2])
    curve = make(bias=bias)
    bias[0] = 99
    assert curve.bias[0] == -0.2


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"par": [1.0, 2.0]}, "par has shape (2,), bias has (3,)"),
        ({"perp": [0.0, np.nan, 0.0]}, "perp holds NaN or inf"),
        ({"bias": [0.0, 1.0, np.inf]}, "bias holds NaN or inf"),
        ({"sigma_par": [0.1, 0.0, 0.1]}, "sigma_par is zero or negative"),
        ({"sigma_perp": [0.1, -1.0, 0.1]}, "sigma_perp is zero or negative"),
        ({"sigma_par": None}, "only one component has errors"),
        ({"used": [True, False]}, "mask and bias differ in length"),
        ({"reasons": ("a",)}, "mask and bias differ in length"),
        ({"used": [False] * 3}, "every point is masked"),
        ({"thickness": 0.0}, "thickness is 0.0 nm"),
        ({"thickness": np.nan}, "thickness is nan nm"),
        ({"thickness": "two"}, "thickness is not made of real numbers"),
        ({"par": ["a", "b", "c"]}, "par is not made of real numbers"),
        ({"par": [1j, 2j, 3j]}, "par is not made of real numbers"),
        ({"bias": 0.1}, "bias has shape (), bias has (1,)"),
        ({"device": " "}, "the device has no name"),
        ({"quantity": "Torque"}, "quantity is 'Torque'"),
        ({"per": "wafer"}, "per is 'wafer'"),
        ({"declared_perp_axis": "mxp"}, "declared_perp_axis is 'mxp'"),
        ({"unit": "N m/V"}, "'N m/V' is a torkance, but quantity = \"torque\""),
        ({"unit": "furlong"}, "unknown unit 'furlong'"),
        ({"angle": "right"}, "angle is not made of real numbers"),
        ({"angle": 72.0}, "sin_theta is missing beside the angle"),
        ({"sin_theta": "included"}, 'angle is missing beside sin_theta = "included"'),
        ({"sin_theta": "yes"}, "sin_theta is 'yes'"),
        ({"angle": 180, "sin_theta": "included"}, "angle is 180°, where the torque vanishes"),
        ({"angle": 181.0, "sin_theta": "included"}, "angle is 181°"),
        ({"angle": np.nan, "sin_theta": "divided"}, "angle is nan°"),
    ],
)
def test_faults_are_named(changes: dict[str, object], what: str) -> None:
    with pytest.raises(DataError) as caught:
        make(**changes)
    assert what in [problem.what for problem in caught.value.problems]


def test_all_faults_at_once() -> None:
    with pytest.raises(DataError) as caught:
        make(par=[np.nan, 0, 0], sigma_par=[0, 1, 1], thickness=-1)
    assert len(caught.value.problems) == 3


def test_the_unit_is_stored_by_its_name() -> None:
    assert make(unit="10⁻¹⁹ N·m").unit == "1e-19 N m"


def test_masks_keep_points_and_first_reasons() -> None:
    curve = make().mask([True, False, False], "noisy").mask([True, True, False], "again")
    assert curve.bias.size == 3
    assert curve.reasons == ("noisy", "again", "")
    assert curve.used.tolist() == [False, False, True]
    assert curve.n_used == 1
    with pytest.raises(DataError, match="every point is masked"):
        curve.mask([False, False, True], "last")
    with pytest.raises(DataError, match=r"mask has shape \(2,\)"):
        curve.mask([True, False], "shape")


def test_pickle_keeps_everything_frozen() -> None:
    curve = make(origin=Origin("simulated", "note")).mask([True, False, False], "noisy")
    again = pickle.loads(pickle.dumps(curve))  # noqa: S301 - our own bytes
    assert again.reasons == curve.reasons
    assert again.origin == curve.origin
    assert not again.bias.flags.writeable
    np.testing.assert_array_equal(again.used, curve.used)


def test_origin() -> None:
    assert Origin().label == ""
    assert Origin("reconstruction").label == "RECONSTRUCTION, not measured"
    with pytest.raises(ValueError, match="origin 'real' is none of measured, reconstruction, simulated"):
        Origin("real")  # type: ignore[arg-type]


def test_the_angle_rescales_nothing_and_only_included_values_carry_it() -> None:
    tilted = make(angle=30, sin_theta="included")
    assert (tilted.angle, tilted.angle_factor) == (30.0, pytest.approx(0.5, rel=1e-15))
    np.testing.assert_array_equal(tilted.par, make().par)
    np.testing.assert_array_equal(tilted.sigma_perp, make().sigma_perp)
    assert make(angle=2.0, sin_theta="included").angle_factor == pytest.approx(0.0348995, abs=1e-7)
    for changes in ({}, {"sin_theta": "divided"}, {"angle": 30.0, "sin_theta": "divided"}):
        assert make(**changes).angle_factor == 1.0
    again = pickle.loads(pickle.dumps(tilted))  # noqa: S301 - our own bytes
    assert (again.angle, again.sin_theta) == (30.0, "included")
    assert tilted.mask([True, False, False], "noisy").angle == 30.0


def test_sigma_is_fitted_without_errors() -> None:
    assert make(sigma_par=None, sigma_perp=None).sigma_is_fitted
    assert not make().sigma_is_fitted
