"""Units out of all proportion are noticed; usual measurements are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small import small_curve

from mtjfit.data.implausible import suspicious_curve, suspicious_units


@pytest.mark.parametrize(
    ("kind", "values", "unit", "frequency", "asks"),
    [
        ("field", [0.0, 0.016], "mT", 4.0, "is it in T?"),
        ("field", [0.0, 16.0], "mT", 4.0, ""),
        ("field", [62.5, 7874.0], "Oe", 6.0, ""),
        ("field", [62.5, 7874.0], "T", 6.0, "Oe"),
        ("field", [37.9, 313.5], "Oe", 3.0, ""),
        ("field", [37.9, 313.5], "T", 3.0, "mT or Oe"),
        ("field", [-1e5, 1e5], "A/m", 5.0, ""),
        ("field", [0.01], "mT", None, "is it in T"),
        ("field", [0.0], "T", 4.0, ""),
        ("field", [np.nan], "T", 4.0, ""),
        ("field", [1e9], "furlong", 4.0, ""),
        ("bias", [-300.0, 300.0], "V", None, "is it in mV?"),
        ("bias", [-0.3, 0.3], "mV", None, "is it in V?"),
        ("bias", [-300.0, 300.0], "mV", None, ""),
        ("thickness", [20.0], "nm", None, "is it in angstrom?"),
        ("thickness", [20.0], "angstrom", None, ""),
        ("thickness", [2e-9], "m", None, ""),
        ("frequency", [4e9], "GHz", None, "is it in Hz?"),
    ],
)
def test_doubts(kind: str, values: list[float], unit: str, frequency: float | None, asks: str) -> None:
    found = suspicious_units(kind, values, unit, frequency=frequency)
    assert len(found) == bool(asks)
    assert not asks or asks in found[0]


@pytest.mark.parametrize("frequency", [0.5, 4.0, 17.0, 40.0])
@pytest.mark.parametrize("m_eff", [0.05, 0.6, 1.5, 2.2])
def test_no_resonance_of_kittel_is_doubted(frequency: float, m_eff: float) -> None:
    """Independent: the resonance field by bisection of Kittel's formula, for any magnetisation."""
    low, high = 0.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if 28.0 * math.sqrt(middle * (middle + m_eff)) < frequency else (low, middle)
    for field in (low, frequency / 28 + m_eff):
        assert suspicious_units("field", [field], "T", frequency=frequency) == ()
    # In the plane, tesla called millitesla is always noticed.
    assert len(suspicious_units("field", [low], "mT", frequency=frequency)) == 1


def test_curves() -> None:
    assert suspicious_curve(small_curve()) == ()
    found = suspicious_curve(small_curve(thickness=21.0, bias=[-200.0, 0.0, 200.0], unit="N m"))
    assert [each.split(": ")[1].split(" ")[0] for each in found] == ["bias", "thickness", "torques"]
    assert suspicious_curve(small_curve(unit="mT", per="volume")) == ()
