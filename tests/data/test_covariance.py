"""Correlated errors and errors of the bias: contradictions are refused, columns read and turned with the axis."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtjfit.data import Columns, ColumnUnits, ConstantSigma, TableDeclaration, TorqueCurve, curves_from_bytes
from mtjfit.errors import ConfigError, DataError
from mtjfit.study.schema import DataTable, validated_table

COVARIANCE = np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) * 0.01 + 0.001
COLUMNS = Columns("V", "par", "perp", "sp", "sq", rho="r", sigma_bias="dV")
PLAIN = TableDeclaration("torque", "device", "MxP", COLUMNS, ColumnUnits("mV", "1e-19 N m", "nm"), "A", 2.0)
ROWS = ["V,par,perp,sp,sq,r,dV", "-200,-2,0.2,0.1,0.1,0.5,3", "0,0,0,0.1,0.1,-0.25,0", "200,2,0.2,0.1,0.1,0,70"]


def make(**changes: Any) -> TorqueCurve:
    values: dict[str, Any] = {
        "device": "A1", "bias": [-0.2, 0.0, 0.2], "par": [-2.0, 0.0, 2.0], "perp": [0.2, 0.0, 0.2], "thickness": 2.0,
        "quantity": "torque", "per": "device", "unit": "1e-19 N m", "sigma_par": [0.1] * 3, "sigma_perp": [0.1] * 3,
    }  # fmt: skip
    return TorqueCurve(**{**values, **changes})


NO_SIGMA: dict[str, Any] = {"sigma_par": None, "sigma_perp": None}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
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
def test_what_no_errors_can_be(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(DataError, match=what):
        make(**changes)


def test_a_semidefinite_covariance_of_small_numbers_is_seen() -> None:
    """A perfectly common error and nothing else, in units where every number is tiny."""
    with pytest.raises(DataError, match="not positive definite"):
        make(covariance=np.full((6, 6), 1e-38), **NO_SIGMA)
    assert make(covariance=COVARIANCE * 1e-36, **NO_SIGMA).is_correlated


def test_errors_come_from_the_diagonal_and_survive_masks_and_pickles() -> None:
    curve = make(covariance=COVARIANCE, sigma_bias=0.01, **NO_SIGMA)
    assert curve.sigma_par == pytest.approx(np.sqrt([0.011, 0.021, 0.031]))
    assert curve.sigma_perp == pytest.approx(np.sqrt([0.041, 0.051, 0.061]))
    assert curve.sigma_bias.tolist() == [0.01] * 3
    assert not curve.sigma_is_fitted
    again = pickle.loads(pickle.dumps(curve.mask([True, False, False], "first")))  # noqa: S301 - our own bytes
    assert np.array_equal(again.covariance, COVARIANCE)
    assert (again.n_used, again.covariance.flags.writeable) == (2, False)
    assert not make().is_correlated


@pytest.mark.parametrize(("axis", "rho"), [("MxP", [0.5, -0.25, 0.0]), ("PxM", [-0.5, 0.25, 0.0])])
def test_columns_of_correlations_and_bias_errors(axis: Any, rho: list[float]) -> None:
    (curve,) = curves_from_bytes("\n".join(ROWS).encode(), replace(PLAIN, perp_axis=axis), "f.csv")
    assert curve.rho.tolist() == rho
    assert curve.sigma_bias.tolist() == [0.003, 0.0, 0.07]


def test_one_bias_error_in_volts() -> None:
    columns = Columns("V", "par", "perp")
    declaration = replace(PLAIN, columns=columns, sigma=ConstantSigma(0.1, 0.2), sigma_bias=0.004)
    (curve,) = curves_from_bytes("\n".join(ROWS).encode(), declaration, "f.csv")
    assert curve.sigma_bias.tolist() == [0.004] * 3
    assert curve.rho is None


def test_faults_of_single_numbers_have_a_place() -> None:
    text = "\n".join(ROWS).replace("0.5,3", "1.5,3").replace("-0.25,0", "-0.25,-1")
    with pytest.raises(DataError) as caught:
        curves_from_bytes(text.encode(), PLAIN, "f.csv")
    assert [str(each) for each in caught.value.problems] == [
        "f.csv:2: column 'r': correlation 1.5 is not between -1 and 1; give a number inside, ends excluded",
        "f.csv:3: column 'dV': standard error -1 is negative; give the standard error of the bias, or 0",
    ]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"sigma": "fit", "columns": Columns("V", "par", "perp", rho="r")}, ["columns.rho"]),
        ({"sigma": "fit", "columns": Columns("V", "par", "perp", sigma_bias="dV")}, ["columns.sigma_bias"]),
        ({"sigma": "fit", "columns": Columns("V", "par", "perp"), "sigma_bias": 0.1}, ["sigma_bias"]),
        ({"sigma_bias": 0.1}, ["sigma_bias"]),
        ({"columns": replace(COLUMNS, sigma_bias=""), "sigma_bias": -0.1}, ["sigma_bias"]),
        ({"columns": replace(COLUMNS, sigma_bias=""), "sigma_bias": np.nan}, ["sigma_bias"]),
    ],
)
def test_declarations_that_contradict_themselves(changes: dict[str, Any], where: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(PLAIN, **changes)
    assert [each.where for each in caught.value.problems] == where


def test_the_study_file_knows_the_keys() -> None:
    raw = {"file": "a.csv", "quantity": "torque", "per": "device", "perp_axis": "MxP", "device": "A", "thickness": 2.0,
           "columns": {"bias": "V", "par": "p", "perp": "q", "sigma_par": "sp", "sigma_perp": "sq", "rho": "r"},
           "units": {"bias": "V", "torque": "arb", "thickness": "nm"}, "sigma_bias": 0.002}  # fmt: skip
    declaration = validated_table(DataTable, raw, "data[0]").declaration
    assert (declaration.columns.rho, declaration.sigma_bias) == ("r", 0.002)
