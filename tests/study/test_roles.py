"""A guess of ``mtjfit init`` has evidence and none against it: names, units, cells, and what a reader says."""

from __future__ import annotations

from time import process_time

import pytest

from mtjfit.data.readers import Column, Sheet
from mtjfit.study.roles import guessed_roles

BIAS = ("-0.1", "0", "0.1") * 2
DEVICES = ("A",) * 3 + ("B",) * 3


def sheet(*columns: tuple[object, ...], format: str = "tidy", **metadata: str) -> Sheet:
    """Bias, torques, and more columns of (name, unit, cells)."""
    every = [("V", None, BIAS), ("par", None, BIAS), ("perp", None, BIAS), *columns]
    named = tuple(Column(str(name), unit, tuple(cells)) for name, unit, cells in every)  # type: ignore[arg-type, attr-defined]
    return Sheet("a.csv", format, named, tuple(range(2, 8)), 1, metadata)


def guessed(*columns: tuple[object, ...], format: str = "tidy", **metadata: str) -> dict[str, str]:
    """Roles beside bias and torques."""
    roles, places = guessed_roles(sheet(*columns, format=format, **metadata))
    return {role: name for role, name in (roles | places).items() if role not in ("bias", "par", "perp")}


DEVICE = ("device", None, DEVICES)
OF_DEVICES = ("2", "2", "2", "3", "3", "3")
TIMES = ("1800", "1801", "1802", "1803", "1804", "1805")
GUESSED = {
    "thickness of devices": ([DEVICE, ("t", "nm", OF_DEVICES)], {"device": "device", "thickness": "t"}),
    "thickness in angstrom": ([DEVICE, ("d", "A", OF_DEVICES)], {"device": "device", "thickness": "d"}),
    "time": ([DEVICE, ("t", "s", OF_DEVICES)], {"device": "device"}),
    "temperature": ([DEVICE, ("T", "K", OF_DEVICES)], {"device": "device"}),
    "time without unit": ([DEVICE, ("t", None, TIMES)], {"device": "device"}),
    "thicknesses without devices": ([("d", None, OF_DEVICES)], {"device": "d", "thickness": "d"}),
    "errors in another unit": ([("sigma_par", "%", ("1",) * 6)], {}),
    "errors below zero": ([("dpar", None, BIAS)], {}),
    "no correlation": ([("corr", None, TIMES)], {}),
    "numbers of rows": ([("id", None, ("1", "2", "3", "4", "5", "6"))], {}),
    "samples": ([("Samples", None, ("3",) * 6)], {}),
    "places of dies": (
        [DEVICE, ("x", "mm", OF_DEVICES), ("y", None, OF_DEVICES)], {"device": "device", "x": "x", "y": "y"}
    ),
    "channels of a lock-in": ([DEVICE, ("X", "V", OF_DEVICES), ("Y", "V", OF_DEVICES)], {"device": "device"}),
    "channels without unit": ([DEVICE, ("X", None, TIMES), ("Y", None, TIMES)], {"device": "device"}),
    "places without devices": ([("x", "mm", OF_DEVICES), ("y", "mm", OF_DEVICES)], {}),
    "one place for all": ([DEVICE, ("X", None, ("1",) * 6), ("Y", None, ("1",) * 6)], {"device": "device"}),
    "a placeholder": ([("<device?>", None, DEVICES)], {}),
    "text": ([("rho", None, ("high",) * 6)], {}),
}  # fmt: skip


@pytest.mark.parametrize("case", GUESSED)
def test_columns(case: str) -> None:
    columns, expected = GUESSED[case]
    assert guessed(*columns) == expected


def test_only_formats_that_batch_reads_have_places() -> None:
    columns = DEVICE, ("x", "mm", OF_DEVICES), ("y", "mm", OF_DEVICES)
    assert {"x", "y"} <= set(guessed(*columns, format="parquet"))
    assert set(guessed(*columns, format="excel")) == {"device"}


PARAMETERS = {
    "sample": ({"Sample": "A1"}, {"device": "Sample"}),
    "sample before name of the measurement": ({"ds_name": "iv", "sample_name": "A1"}, {"device": "sample_name"}),
    "name of the measurement alone": ({"name": "torkance"}, {}),
    "empty": ({"Wafer": "", "Sample": " "}, {}),
    "number of samples": ({"Samples": "5"}, {}),
    "thickness": ({"thickness": "2.1 nm"}, {"thickness": "thickness"}),
    "time": ({"t": "12 s"}, {}),
    "time without unit": ({"t": "12"}, {}),
    "bias of one point": ({"Vdc": "0.1 V"}, {}),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_header_parameters(case: str) -> None:
    parameters, expected = PARAMETERS[case]
    assert guessed(**parameters) == expected


@pytest.mark.parametrize("unit", ["s", "K", "mT/V", "nm"])
def test_bias_is_a_voltage(unit: str) -> None:
    columns = tuple(Column(name, unit if name == "bias" else None, BIAS) for name in ("bias", "par", "perp"))
    roles, _ = guessed_roles(Sheet("a.csv", "tidy", columns, tuple(range(2, 8)), 1))
    assert set(roles) == {"par", "perp"}


@pytest.mark.parametrize("unit", ["V", "s", "ohm"])
def test_torques_have_no_other_unit(unit: str) -> None:
    columns = tuple(Column(name, unit if name == "par" else None, BIAS) for name in ("bias", "par", "perp"))
    roles, _ = guessed_roles(Sheet("a.csv", "tidy", columns, tuple(range(2, 8)), 1))
    assert set(roles) == {"bias", "perp"}


def test_names_that_come_again_in_thousands_of_parts_are_compared_once() -> None:
    part = sheet(("transverse quantity", None, TIMES), ("longitudinal quantity", None, TIMES))
    first, began = guessed_roles(part), process_time()
    assert all(guessed_roles(part) == first for _ in range(1000))
    assert process_time() - began < 3.0
