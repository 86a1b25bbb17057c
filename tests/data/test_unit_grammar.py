"""The grammar of units: every prefix and spelling; one study in thirty units; hostile units; what is advised."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from shortcuts import slow_but

from mtjfit.data import bias_factor, conversion, dataset, find_unit, pretty, thickness_factor
from mtjfit.data.unit_kinds import KINDS, unit_factor, unit_name
from mtjfit.data.unit_table import PREFIXES, SYMBOLS
from mtjfit.data.written_units import unit_understood
from mtjfit.infer import fit
from mtjfit.study import Study, load_study

PINT = {"ohm": "ohm", "e": "elementary_charge", "hbar": "hbar", "dyn": "dyne", "deg": "degree", "rad": "radian",
        "Oe": "erg / (1e-3 A m^2)", "G": "1e-8 Wb / cm^2", "emu": "1e-3 A m^2", "Hz": "turn / s"}  # fmt: skip
"""Symbols that pint calls or counts otherwise: its oersted and gauss are those of the Gaussian system."""


@pytest.fixture(scope="module")
def pint_size() -> Callable[[str], float]:
    """Size of a unit in SI as pint has it."""
    registry = pytest.importorskip("pint").UnitRegistry()
    return lambda unit: float(registry(unit).to_base_units().magnitude)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_prefix_of_every_symbol_is_what_pint_says(symbol: str, pint_size: Callable[[str], float]) -> None:
    base = pint_size(PINT.get(symbol, symbol)) / (pint_size("turn") if symbol in ("Hz", "deg", "rad") else 1)
    for prefix in ("", *SYMBOLS[symbol].prefixes):
        ours = unit_understood(prefix + symbol)
        assert float(ours.size) == pytest.approx(base * pint_size(f"{prefix}m"), 1e-9, 0)
        assert ours.name == prefix + symbol


def test_prefixes_are_exact_powers_of_ten() -> None:
    assert all(Fraction(10) ** round(np.log10(float(size))) == size for size in PREFIXES.values())


WHOLE = {
    "N m": 1.0, "J": 1.0, "eV": 1.602176634e-19, "erg": 1e-7, "dyn cm": 1e-7,
    "J/m2": 1.0, "N/m": 1.0, "erg/cm2": 1e-3, "J/m3": 1.0, "erg/cm3": 0.1,
    "T": 1.0, "Oe": 1e-4, "G": 1e-4, "A/m": 1.25663706127e-6,
}  # fmt: skip
"""Factors from the definitions of the units."""
WAYS = (
    str, lambda t: t.replace(" ", "·"), lambda t: t.replace(" ", "*"), lambda t: t.replace(" ", "⋅"),
    lambda t: t.replace(" ", " × "), lambda t: t.replace("2", "²").replace("3", "³"),
    lambda t: t.replace("2", "^2").replace("3", "^3"), lambda t: t.replace("2", "**2").replace("3", "^{3}"),
    lambda t: f"({t})", lambda t: f"\t{t}\xa0",
)  # fmt: skip
PER_VOLT = (
    "{}/V",
    "{} / V",
    "{} V^-1",
    "{} V⁻¹",
    "{}·V⁻¹",
    "{} V**-1",
    "{} V^(-1)",
    "{} per V",
    "{} per volt",
    "V⁻¹ {}",
)
POWER = {"z": -21, "a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "k": 3, "M": 6, "G": 9}


@pytest.mark.parametrize("unit", slow_but(("eV", "erg", "N/m", "erg/cm3", "Oe", "A/m"), WHOLE))
def test_every_prefix_and_spelling_is_understood(unit: str) -> None:
    known = SYMBOLS[unit.replace("/", " ").split()[0]].prefixes
    checked = 0
    for prefix in ("", *known, *(["µ", "μ"] if "u" in known else [])):
        expected = WHOLE[unit] * 10.0 ** POWER.get(prefix, 0)
        for way, per_volt in itertools.product(WAYS, ("{}", *PER_VOLT)):
            if "·V" in per_volt and "/" in unit and not way(unit).startswith("("):
                continue  # J/m2·V⁻¹ is understood, too, but brackets belong here
            text = per_volt.format(way(prefix + unit))
            found = find_unit(text)
            assert found.si == pytest.approx(expected, 1e-12, 0), text
            assert found.quantity == ("torque" if per_volt == "{}" else "torkance"), text
            assert find_unit(found.name) == found == find_unit(pretty(found.name)), text
            checked += 1
    assert checked > 50


KOHM = 6.62607015e-34 / (4 * np.pi) / 1.602176634e-19 / 1e3  # ħ/2e/kΩ in N m/V
EV = 1.602176634e-19
UNITS = {
    "hbar/2e/kohm": KOHM, "(ħ/2e)/Ω": 1e3 * KOHM, "ħ/2e Ω⁻¹": 1e3 * KOHM, "hbar/e/MΩ": 2e-3 * KOHM, "N m/V": 1.0,
    "mN·m/V": 1e-3, "nN m V^-1": 1e-9, "pN m/V": 1e-12, "fN m per V": 1e-15, "aN m/V": 1e-18, "zN·m/V": 1e-21,
    "J/V": 1.0, "fJ/V": 1e-15, "aJ V⁻¹": 1e-18, "zJ/V": 1e-21, "1e-19 N m/V": 1e-19, "10⁻²⁰ N·m·V⁻¹": 1e-20,
    "1×10^-18 N m/V": 1e-18, "eV/V": EV, "meV/V": 1e-3 * EV, "µeV/V": 1e-6 * EV, "keV/V": 1e3 * EV, "erg/V": 1e-7,
    "nerg/V": 1e-16, "dyn cm/V": 1e-7, "fN m/mV": 1e-12, "aJ/µV": 1e-12, "zJ/kV": 1e-24, "N µm/V": 1e-6,
    "nN nm/mV": 1e-15,
}  # fmt: skip
"""Thirty units of torkance, in N m/V by their definitions."""
BIAS = {"V": 1.0, "mV": 1e-3, "µV": 1e-6, "volts": 1.0, "kV": 1e3}
THICKNESS = {"nm": 1.0, "Å": 0.1, "pm": 1e-3, "µm": 1e3, "m": 1e9, "mm": 1e6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("units")


@pytest.fixture(scope="module")
def reference(folder: Path) -> dict[str, float]:
    return dict(fit(in_units(folder, "hbar/2e/kohm", "V", "nm")).values)


def in_units(folder: Path, unit: str, bias: str, thickness: str) -> Study:
    """The bundled series, one row of eight, with its numbers converted to other units and these declared."""
    bundled, factor = dataset("thickness-series"), KOHM / UNITS[unit]
    lines = (bundled.path / "data.csv").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("device"))
    names = lines[start].split(",")
    sizes = [{"V": 1 / BIAS[bias], "d_nm": 1 / THICKNESS[thickness]}.get(name, factor) for name in names]
    rows = [line.split(",") for line in lines[start + 1 :: 8]]
    table = [
        [row[0], *(repr(float(cell) * size) for cell, size in zip(row[1:], sizes[1:], strict=True))] for row in rows
    ]
    (folder / "data.csv").write_text("\n".join(map(",".join, [names, *table])), encoding="utf-8")
    text = bundled.study_file.read_text(encoding="utf-8")
    text = text.replace('"hbar/2e/kohm"', f'"{unit}"').replace("mean = 0.0, sd = 1.0", f"mean = 0.0, sd = {factor!r}")
    text = text.replace('bias = "V"\ntorque', f'bias = "{bias}"\ntorque').replace('"nm"', f'"{thickness}"')
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return load_study(folder / "study.toml")


@pytest.mark.slow
@pytest.mark.parametrize("k", range(len(UNITS)), ids=list(UNITS))
def test_one_study_in_thirty_units_has_one_result(k: int, folder: Path, reference: dict[str, float]) -> None:
    unit = list(UNITS)[k]
    study = in_units(folder, unit, list(BIAS)[(k + 1) % 5], list(THICKNESS)[(k + 1) % 6])
    assert study.curves[0].unit == find_unit(unit).name
    found, factor = fit(study), KOHM / UNITS[unit]
    for name, value in reference.items():
        expected = value * (factor if name in ("a1", "b2") else 1.0)
        assert found.values[name] == pytest.approx(expected, 1e-9, 0), name


@pytest.mark.parametrize(
    "text",
    ["N" * 10_000, "(" * 10_000, "((" * 29 + "V", "10^" * 3000, "1e999999999 V", "V" + "/V" * 29, "N m\x1b[31m", "V\0V",
     "µ" * 60, "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 60, "1e-99 " * 10, "{" * 59, "9" * 60, "٣ V",
     "V^^2"],
)  # fmt: skip
def test_hostile_units_are_refused_at_once_and_escaped(text: str) -> None:
    start = time.perf_counter()
    for read in (find_unit, bias_factor, thickness_factor):
        with pytest.raises(ValueError, match="unknown unit") as caught:
            read(text)
        assert len(str(caught.value)) < 400
        assert str(caught.value).isprintable()
    assert time.perf_counter() - start < 0.5


WRONG = ("mt", "MT", "kT", "NM", "nn m", "MV", "mhz", "PM", "Mm", "UM", "MM", "oE/V", "j/m2", "J/M3", "KOE", "GS", "Mv")


@pytest.mark.parametrize("text", WRONG)
def test_advice_never_names_a_unit_of_another_size(text: str) -> None:
    """A proposal differs in case alone, and not in a letter that is a prefix in either case."""
    for read in (find_unit, *(lambda t, kind=kind: unit_factor(t, kind) for kind in KINDS)):
        try:
            read(text)
        except ValueError as error:
            advice = str(error).partition("; ")[2]
            if advice.startswith("did you mean"):
                proposed = advice.split("'")[1].replace(" ", "")
                assert proposed.casefold() == text.replace(" ", "").casefold()
                assert proposed[0] == text[0] or text[0] not in "mMgGpPkK"


@pytest.mark.parametrize(
    ("text", "kind", "factor"),
    [
        ("GHz/T", "gamma", 2e9 * np.pi), ("rad/(s T)", "gamma", 1.0), ("MHz/Oe", "gamma", 2e10 * np.pi),
        ("kΩ", "resistance", 1e3), ("MΩ", "resistance", 1e6), ("Ω/°", "resistance per angle", 180 / np.pi),
        ("V/A²", "resistance per current", 1.0), ("A·m²", "moment", 1.0), ("memu", "moment", 1e-6),
        ("rad", "angle", 180 / np.pi), ("mA", "current", 1e-3), ("µT", "field", 1e-6), ("mOe", "field", 1e-7),
    ],
)  # fmt: skip
def test_constants_of_spectra(text: str, kind: str, factor: float) -> None:
    assert unit_factor(text, kind) == pytest.approx(factor, 1e-10, 0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1/s/T", "gamma"), ("s", "frequency"), ("1/s", "frequency"), ("T", "voltage"), ("dBm", "voltage"),
     ("K", "thickness"), ("ohm", "angle")],
)  # fmt: skip
def test_units_of_other_kinds_are_refused(text: str, kind: str) -> None:
    assert unit_name(text, kind) is None
    with pytest.raises(ValueError, match="unknown unit"):
        unit_factor(text, kind)


@pytest.mark.parametrize(
    ("unit", "to", "needed"), [("T", "N m", "moment"), ("J/m2", "J", "area"), ("J/m3", "mT", "M_s")]
)
def test_a_conversion_between_dimensions_says_what_it_takes(unit: str, to: str, needed: str) -> None:
    with pytest.raises(ValueError, match=f"cannot convert.*, without.*{needed}"):
        conversion(unit, to)
