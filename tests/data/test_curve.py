"""A curve is frozen, checked when made, and never loses a point silently."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from small import problems_of, small_curve

from mtjfit.data import Origin
from mtjfit.errors import DataError


def test_arrays_and_attributes_are_frozen() -> None:
    curve = small_curve()
    for name in ("bias", "par", "perp", "sigma_par", "sigma_perp", "used"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(curve, name)[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        curve.thickness = 3.0  # type: ignore[misc]


def test_the_curve_keeps_its_own_copy() -> None:
    bias = np.array([-0.2, 0.0, 0.2])
    curve = small_curve(bias=bias)
    bias[0] = 99
    assert curve.bias[0] == -0.2


NO_SIGMA: dict[str, object] = {"sigma_par": None, "sigma_perp": None}
COVARIANCE = np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) * 0.01 + 0.001


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
        ({"thickness": 1e200}, "thickness is 1e+200 nm: no measurement has such a size"),
        ({"thickness": 1e-200}, "thickness is 1e-200 nm: no measurement has such a size"),
        ({"bias": [0.0, 1e7, 1.0]}, "bias is 1e+07 at point 1: no measurement has such a size"),
        ({"par": [0.0, 1.0, -1e200]}, "par is -1e+200 at point 2: no measurement has such a size"),
        ({"sigma_perp": [0.1, 0.1, 1e-200]}, "sigma_perp is 1e-200 at point 2: no measurement has such a size"),
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
        ({"rho": [0.1, 0.2]}, "rho has shape"),
        ({"rho": [0.1, 0.2, -1.0]}, "rho is -1 at point 2"),
        ({"rho": [0.1, np.nan, 0.0]}, "rho holds NaN"),
        ({"rho": [0.1] * 3, **NO_SIGMA}, 'rho is given, but sigma = "fit"'),
        ({"sigma_bias": 0.01, **NO_SIGMA}, 'sigma_bias is given, but sigma = "fit"'),
        ({"sigma_bias": [0.01, -0.01, 0.0]}, "sigma_bias is negative"),
        ({"covariance": np.eye(3), **NO_SIGMA}, "covariance has shape"),
        ({"covariance": COVARIANCE, "rho": [0.1] * 3, **NO_SIGMA}, "both rho and covariance"),
        ({"covariance": COVARIANCE}, "sigma_par differs from the diagonal"),
        ({"covariance": COVARIANCE + np.triu(np.full((6, 6), 1e-4), 1), **NO_SIGMA}, "covariance is not symmetric"),
        ({"covariance": COVARIANCE - 0.01, **NO_SIGMA}, "covariance is not positive definite"),
        ({"covariance": np.full((6, 6), np.nan), **NO_SIGMA}, "covariance holds NaN"),
    ],
)
def test_faults_are_named(changes: dict[str, object], what: str) -> None:
    assert any(f"'{changes.get('device', 'A1')}': {what}" in problem for problem in problems_of(small_curve, **changes))


def test_all_faults_at_once() -> None:
    assert len(problems_of(small_curve, par=[np.nan, 0, 0], sigma_par=[0, 1, 1], thickness=-1)) == 3


def test_the_unit_is_stored_by_its_name() -> None:
    assert small_curve(unit="10⁻¹⁹ N·m").unit == "1e-19 N m"


def test_masks_keep_points_and_first_reasons() -> None:
    curve = small_curve().mask([True, False, False], "noisy").mask([True, True, False], "again")
    assert curve.bias.size == 3
    assert curve.reasons == ("noisy", "again", "")
    assert curve.used.tolist() == [False, False, True]
    assert curve.n_used == 1
    with pytest.raises(DataError, match="every point is masked"):
        curve.mask([False, False, True], "last")
    with pytest.raises(DataError, match=r"mask has shape \(2,\)"):
        curve.mask([True, False], "shape")


def test_origin() -> None:
    assert Origin().label == ""
    assert Origin("reconstruction").label == "RECONSTRUCTION, not measured"
    with pytest.raises(ValueError, match="origin 'real' is none of measured, reconstruction, simulated"):
        Origin("real")  # type: ignore[arg-type]


def test_the_angle_rescales_nothing_and_only_included_values_carry_it() -> None:
    tilted = small_curve(angle=30, sin_theta="included")
    assert (tilted.angle, tilted.angle_factor) == (30.0, pytest.approx(0.5, rel=1e-15))
    np.testing.assert_array_equal(tilted.par, small_curve().par)
    np.testing.assert_array_equal(tilted.sigma_perp, small_curve().sigma_perp)
    assert small_curve(angle=2.0, sin_theta="included").angle_factor == pytest.approx(0.0348995, abs=1e-7)
    for changes in ({}, {"sin_theta": "divided"}, {"angle": 30.0, "sin_theta": "divided"}):
        assert small_curve(**changes).angle_factor == 1.0
    assert tilted.mask([True, False, False], "noisy").angle == 30.0


def test_sigma_is_fitted_without_errors() -> None:
    assert small_curve(**NO_SIGMA).sigma_is_fitted
    assert not any((small_curve().sigma_is_fitted, small_curve().is_correlated))


def test_errors_come_from_the_diagonal_of_a_covariance() -> None:
    curve = small_curve(covariance=COVARIANCE, sigma_bias=0.01, **NO_SIGMA)
    assert curve.sigma_par == pytest.approx(np.sqrt([0.011, 0.021, 0.031]))
    assert curve.sigma_perp == pytest.approx(np.sqrt([0.041, 0.051, 0.061]))
    assert curve.sigma_bias.tolist() == [0.01] * 3
    assert not curve.sigma_is_fitted


def test_a_semidefinite_covariance_of_small_numbers_is_seen() -> None:
    """A perfectly common error and nothing else, in units where every number is tiny."""
    with pytest.raises(DataError, match="not positive definite"):
        small_curve(covariance=np.full((6, 6), 1e-38), **NO_SIGMA)
    assert small_curve(covariance=COVARIANCE * 1e-36, **NO_SIGMA).is_correlated


def test_pickles_keep_everything_frozen() -> None:
    errors = {**NO_SIGMA, "covariance": np.eye(6), "sigma_bias": 0.01}
    curve = small_curve(origin=Origin("simulated", "note"), angle=30, sin_theta="included", **errors)
    again = pickle.loads(pickle.dumps(curve.mask([True, False, False], "noisy")))  # noqa: S301 - our own bytes
    assert (again.reasons, again.origin, again.n_used) == (("noisy", "", ""), curve.origin, 2)
    assert (again.angle, again.sin_theta) == (30.0, "included")
    assert not any((again.bias.flags.writeable, again.covariance.flags.writeable))
    np.testing.assert_array_equal(again.used, [False, True, True])
    np.testing.assert_array_equal(again.covariance, np.eye(6))
