"""Declarations that contradict themselves are refused before any file is opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small import FULL, declare, problems_of

from mtjfit.data import BiasMask, ColumnUnits, ConstantSigma
from mtjfit.errors import ConfigError

NO_SIGMA = replace(FULL, sigma_par="", sigma_perp="")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantity": "torkanc"}, "quantity: is 'torkanc'"),
        ({"per": "wafer"}, "per: is 'wafer'"),
        ({"perp_axis": "up"}, "perp_axis: is 'up'"),
        ({"quantity": "torkance"}, "units.torque: '1e-19 N m' is a torque, but quantity = \"torkance\""),
        ({"units": ColumnUnits("MV", "1e-19 N m", "nm")},
         "units.bias: unknown unit of bias 'MV': it is 1e+06 V, which cannot be meant"),
        ({"units": ColumnUnits("V", "1e-19 N m", "inch")}, "units.thickness: unknown unit of thickness 'inch'"),
        ({"columns": replace(FULL, par="V")}, "columns.par: column 'V' is already declared as bias"),
        ({"columns": replace(FULL, bias="")}, "columns.bias: is empty"),
        ({"columns": replace(FULL, bias="V ")}, "columns.bias: 'V ' has spaces at its ends"),
        ({"columns": replace(FULL, device="")}, "device: is declared neither as a column nor as a constant"),
        ({"columns": replace(FULL, thickness="")}, "thickness: is declared neither as a column nor as a constant"),
        ({"device": "A"}, "device: is declared both as a constant and as a column"),
        ({"thickness": 2.0}, "thickness: is declared both as a constant and as a column"),
        ({"group": "w"}, "group: is declared both as a constant and as a column"),
        ({"thickness": -2.0, "columns": replace(FULL, thickness="")}, "thickness: is -2"),
        ({"device": "A\n", "columns": replace(FULL, device="")}, "device: 'A\\n' is no proper name"),
        ({"columns": replace(FULL, sigma_par="")}, "columns.sigma_par: is not declared"),
        ({"columns": replace(FULL, sigma_perp="")}, "columns.sigma_perp: is not declared"),
        ({"sigma": "fit"}, "columns.sigma_par: contradicts sigma, which says that errors are not read from columns"),
        ({"sigma": "none", "columns": NO_SIGMA}, "sigma: is 'none'"),
        ({"sigma": ConstantSigma(0.0, 1.0), "columns": NO_SIGMA}, "sigma.par: is 0"),
        ({"separator": " "}, "format.separator: is ' '"),
        ({"decimal": "'"}, 'format.decimal: is "\'"'),
        ({"encoding": "utf-16"}, "format.encoding: is 'utf-16'"),
        ({"order": "up"}, "format.order: is 'up'"),
        ({"comment": "-"}, "format.comment: '-' cannot start a comment"),
        ({"comment": "1"}, "format.comment: '1' cannot start a comment"),
        ({"comment": "//"}, "format.comment: '//' cannot start a comment"),
        ({"bias_window": (0.3, -0.3)}, "bias_window: [0.3, -0.3] is no interval"),
        ({"bias_window": (0.1, 0.1)}, "bias_window: [0.1, 0.1] is no interval"),
        ({"bias_window": (float("nan"), 1.0)}, "bias_window: [nan, 1] is no interval"),
        ({"mask": (BiasMask((0.2, 0.1), "x"),)}, "mask[0].bias: [0.2, 0.1] is no interval"),
        ({"mask": (BiasMask((0.1, 0.2), " "),)}, "mask[0].reason: is empty"),
        ({"angle": 72.0}, "sin_theta: is missing beside the angle"),
        ({"columns": replace(FULL, angle="theta")}, "sin_theta: is missing beside the angle"),
        ({"sin_theta": "included"}, 'angle: is missing beside sin_theta = "included"'),
        ({"angle": 72.0, "sin_theta": "yes"}, "sin_theta: is 'yes'"),
        ({"angle": 0.0, "sin_theta": "included"}, "angle: is 0°, where the torque vanishes"),
        ({"angle": 180.0, "sin_theta": "divided"}, "angle: is 180°, where the torque vanishes"),
        ({"angle": 270.0, "sin_theta": "included"}, "angle: is 270°"),
        ({"angle": -72.0, "sin_theta": "included"}, "angle: is -72°"),
        ({"angle": float("nan"), "sin_theta": "included"}, "angle: is nan°"),
        ({"angle": 1.2566, "sin_theta": "included"}, "angle: is 1.2566°, which looks like radians"),
        ({"angle": 72.0, "sin_theta": "included", "columns": replace(FULL, angle="theta")},
         "angle: is declared both as a constant and as a column"),
    ],
)  # fmt: skip
def test_declarations_that_contradict_themselves(changes: dict[str, Any], message: str) -> None:
    assert any(
        f"{problem}; ".startswith(f"{message}; ") for problem in problems_of(declare, **changes, kind=ConfigError)
    )


def test_the_angle_need_not_be_declared_and_divided_values_need_none() -> None:
    assert (declare().angle, declare().sin_theta) == (None, None)
    assert declare(sin_theta="divided").angle is None
    assert declare(angle=72.0, sin_theta="divided").angle == 72.0
    with pytest.raises(ConfigError, match='write sin_theta = "included" if the values are torques at that'):
        declare(angle=72.0)


def test_a_declaration_reports_everything_at_once() -> None:
    assert len(problems_of(declare, quantity="x", per="y", encoding="z", bias_window=(1.0, 0.0))) == 4
