"""The closed table of units: spellings, contradictions, conversions, amplitudes; units out of all proportion."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small import small_curve, told

from mtjfit.data import UNITS, amplitude_unit, bias_factor, check_unit, conversion, find_unit, pretty, thickness_factor
from mtjfit.data.implausible import suspicious_curve, suspicious_units
from mtjfit.errors import did_you_mean


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("N m", "N m"), ("N·m", "N m"), ("Nm", "N m"), ("N*m", "N m"), ("10⁻¹⁹ N m", "1e-19 N m"),
        ("1e-19 N m V⁻¹", "1e-19 N m/V"), ("10^-19 N m V^-1", "1e-19 N m/V"), ("N m V^-1", "N m/V"),
        ("(ħ/2e) kΩ⁻¹", "hbar/2e/kohm"), ("(ℏ/2e) kΩ^-1", "hbar/2e/kohm"), ("HBAR/2e/kOhm", "hbar/2e/kohm"),
        ("(hbar/2e)/kohm/µm²", "hbar/2e/kohm/um2"), ("hbar/2e/kohm/μm2", "hbar/2e/kohm/um2"),
        ("J/m²", "J/m2"), ("J m⁻²", "J/m2"), ("mJ m^-2 V^-1", "mJ/m2/V"), ("J/m³", "J/m3"),
        ("mT V⁻¹", "mT/V"), ("oe", "Oe"), ("OE/V", "Oe/V"), ("Arb. units", "arb"), ("arbitrary", "arb"),
    ],
)  # fmt: skip
def test_accepted_spellings(text: str, name: str) -> None:
    assert find_unit(text).name == name


@pytest.mark.parametrize(
    "text",
    ["nm", "MT", "kT", "mt", "n m", "e", "C", "A s", "Pa", "", "hbar/2e kohm", "J/m2 V", "T T",
     "a.u.", "T/V2", "2 N m", "1e-99 N m", "V", "m T", "dam N", "mkVolt", "N m\0", "N" * 10_000],
)  # fmt: skip
def test_nothing_else_is_understood(text: str) -> None:
    with pytest.raises(ValueError, match="unknown unit"):
        find_unit(text)


def test_unknown_units_name_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^unknown unit 'mt/V'; did you mean 'mT/V'\?$"):
        find_unit("mt/V")
    with pytest.raises(
        ValueError, match=r"^unknown unit of bias 'MV': it is 1e\+06 V, which cannot be meant; use a unit"
    ):
        bias_factor("MV")
    with pytest.raises(ValueError, match=r"^unknown unit of thickness 'inch'; use a unit such as 'nm', 'angstrom', "):
        thickness_factor("inch")


def test_every_name_is_found_by_itself() -> None:
    assert all(name == unit.name and find_unit(unit.name) == unit for name, unit in UNITS.items())


def test_hbar_over_2e_per_kohm_is_the_codata_value() -> None:
    # h = 6.62607015e-34 J s and e = 1.602176634e-19 C are exact in the SI.
    exact = 6.62607015e-34 / (2 * math.pi) / (2 * 1.602176634e-19) / 1e3
    assert conversion("hbar/2e/kohm", "N m/V") == pytest.approx(exact, rel=1e-14)
    assert conversion("hbar/2e/kohm", "1e-19 N m/V") == pytest.approx(3.29106, abs=5e-6)
    assert conversion("hbar/2e/kohm/um2", "J/m2/V") == pytest.approx(exact * 1e12, rel=1e-14)


@pytest.mark.parametrize(
    ("unit", "to", "factor"),
    [
        ("mT", "T", 1e-3), ("Oe", "mT", 0.1), ("T", "Oe", 1e4), ("aN m", "1e-19 N m", 10.0), ("arb", "arb", 1.0),
        ("N m", "N m/V", 1.0), ("1e-19 N m", "N m/V", 1e-19), ("mJ/m2/V", "J/m2", 1e-3), ("mT", "mT", 1.0),
    ],
)  # fmt: skip
def test_conversion(unit: str, to: str, factor: float) -> None:
    assert conversion(unit, to) == factor


@pytest.mark.parametrize(("unit", "to"), [("mT", "N m"), ("J/m2", "N m"), ("arb", "mT"), ("N m", "arb"), ("T", "J/m3")])
def test_different_dimensions_do_not_convert(unit: str, to: str) -> None:
    with pytest.raises(ValueError, match=f"^cannot convert '{unit}' "):
        conversion(unit, to)


def test_conversions_compose_and_invert() -> None:
    for one in UNITS.values():
        for other in UNITS.values():
            if one.dimension == other.dimension:
                assert conversion(one.name, other.name) * conversion(other.name, one.name) == pytest.approx(1, 1e-13)


def test_contradictions_between_unit_and_declaration_are_said(golden: Callable[..., None], tmp_path: Path) -> None:
    wrong = [("N m/V", "torque", "device"), ("mT", "torkance", "volume"), ("mT", "torque", "device"),
             ("J/m2", "torque", "volume"), ("N m", "torque", "area"), ("mt", "torque", "volume")]  # fmt: skip
    said = [(each, [f"{check_unit(*each, 'data[0].units.torque')}"]) for each in wrong]  # type: ignore[arg-type]
    golden("unit-contradictions", told(said), tmp_path)


def test_every_unit_fits_exactly_its_own_declarations() -> None:
    for unit in UNITS.values():
        for quantity in ("torque", "torkance"):
            for per in ("device", "area", "volume"):
                fits = unit.quantity in (None, quantity) and per in unit.per
                assert (check_unit(unit.name, quantity, per) is None) == fits
    assert [unit.name for unit in UNITS.values() if unit.quantity is None] == ["arb"]


@pytest.mark.parametrize(
    ("name", "unit", "quantity", "per", "expected"),
    [
        ("a1", "1e-19 N m", "torque", "device", "1e-19 N m/V"),
        ("a2", "1e-19 N m", "torque", "device", "1e-19 N m/V^2"),
        ("b0", "1e-19 N m", "torque", "device", "1e-19 N m"),
        ("a1", "N m/V", "torkance", "device", "N m/V"),
        ("b2", "N m/V", "torkance", "device", "N m/V^2"),
        ("b0", "N m/V", "torkance", "device", "N m"),
        ("a1", "hbar/2e/kohm", "torkance", "device", "hbar/2e/kohm"),
        ("b2", "hbar/2e/kohm", "torkance", "device", "hbar/2e/kohm/V"),
        ("b0", "hbar/2e/kohm", "torkance", "device", "V hbar/2e/kohm"),
        ("a1", "mT", "torque", "volume", "mT nm/V"),
        ("b2", "mT/V", "torkance", "volume", "mT nm/V^2"),
        ("a1", "arb", "torkance", "area", "arb"),
        ("b2", "arb", "torkance", "area", "arb/V"),
        ("b2", "arb", "torque", "area", "arb/V^2"),
    ],
)  # fmt: skip
def test_unit_of_amplitudes(name, unit, quantity, per, expected) -> None:  # type: ignore[no-untyped-def]
    assert amplitude_unit(name, unit, quantity, per) == expected


def test_only_amplitudes_have_amplitude_units() -> None:
    with pytest.raises(ValueError, match="'lambda_J' is not an amplitude"):
        amplitude_unit("lambda_J", "N m", "torque", "device")


def test_factors_of_bias_and_thickness() -> None:
    assert (bias_factor("V"), bias_factor(" mV ")) == (1.0, 1e-3)
    assert [thickness_factor(unit) for unit in ("nm", "angstrom", "A", "Å", "\N{ANGSTROM SIGN}", "m")] == [
        1.0, 0.1, 0.1, 0.1, 0.1, 1e9,
    ]  # fmt: skip
    for unit in ("MV", "pV", "nm", ""):
        with pytest.raises(ValueError):
            bias_factor(unit)
    for unit in ("NM", "a", "V"):
        with pytest.raises(ValueError):
            thickness_factor(unit)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("hbar/2e/kohm", "(ħ/2e) kΩ⁻¹"), ("hbar/2e/kohm/um2", "(ħ/2e) kΩ⁻¹ µm⁻²"),
        ("hbar/2e/kohm/V", "(ħ/2e) kΩ⁻¹ V⁻¹"), ("mT nm/V", "mT nm V⁻¹"),
        ("1e-19 N m", "10⁻¹⁹ N m"), ("1e-19 N m/V^2", "10⁻¹⁹ N m V⁻²"), ("J/m2/V", "J m⁻² V⁻¹"),
        ("arb", "arb. units"), ("arb/V^2", "arb V⁻²"), ("angstrom", "Å"), ("nm", "nm"), ("", ""),
    ],
)  # fmt: skip
def test_pretty(unit: str, expected: str) -> None:
    assert pretty(unit) == expected


def test_did_you_mean() -> None:
    assert did_you_mean("quantitty", ["quantity", "per"]) == "did you mean 'quantity'?"
    assert did_you_mean("LAMBDA_J", ["lambda_phi", "lambda_J"]) == "did you mean 'lambda_J'?"
    assert did_you_mean("x", []) == "there is none to choose from"
    assert did_you_mean("zzz", [f"c{i}" for i in range(60)]).endswith("'c39' …")


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
