"""From any format to curves: the same curve from every format, the same faults at their own places."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reader_files import needs, source
from small import declare, problems_of

from mtjfit.data import (
    Columns,
    ColumnUnits,
    ConstantSigma,
    SourceFile,
    TableDeclaration,
    TableFormat,
    TorqueCurve,
    Wide,
    curves_from_bytes,
    curves_from_sources,
)  # fmt: skip
from mtjfit.errors import ConfigError, DataError

SIGMA = ConstantSigma(0.1, 0.1)
ROWS = [(-100.0, -1.5, 0.25), (0.0, 0.0, 0.0), (100.0, 1.5, 0.25)]
PLAIN, MILLIVOLTS = Columns("V", "par", "perp"), ColumnUnits("mV", "mT/V", "nm")


def torkance(
    reader: str, columns: Columns = PLAIN, units: ColumnUnits = MILLIVOLTS, **changes: Any
) -> TableDeclaration:
    """By default one device that has no column, whose errors are constant."""
    one = {"device": "" if columns.device else "A", "thickness": None if columns.thickness else 2.0, "sigma": SIGMA}
    of = {"quantity": "torkance", "per": "volume", "units": units, "reader": reader}
    return declare(columns, **{**of, **one, **changes})


def faults(sources: list[SourceFile], declaration: TableDeclaration) -> list[str]:
    return problems_of(curves_from_sources, sources, declaration, kind=DataError)


def text(header: str = "V,par,perp", rows: list[tuple[float, ...]] = ROWS, name: str = "t.csv") -> SourceFile:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    return SourceFile(name, ("\n".join(lines) + "\n").encode(), name)


def test_any_reader_gives_what_the_strict_one_gives() -> None:
    """Two ways through the code, one curve, to the last bit."""
    plain = torkance("", perp_axis="PxM", bias_window=(-0.15, 0.2))
    file = text(rows=[(-200.0, -3.5, 1.25), *ROWS])
    (strict,) = curves_from_bytes(file.data, plain, "t.csv")
    for reader in ("tidy", "wide", "origin"):
        form = TableFormat(reader=reader, header=("name",) if reader == "tidy" else ())
        (curve,) = curves_from_sources([file], replace(plain, format=form))
        for name in ("bias", "par", "perp", "sigma_par", "used"):
            assert np.array_equal(getattr(curve, name), getattr(strict, name)), (reader, name)
        assert (curve.reasons, curve.source) == (strict.reasons, "t.csv")


def one(name: str, declaration: TableDeclaration) -> TorqueCurve:
    needs(declaration.format.reader)
    (curve,) = curves_from_sources([source(name)], declaration)
    return curve


def test_pymeasure_takes_device_and_thickness_from_its_header() -> None:
    columns = Columns("Bias", "Torkance par", "Torkance perp", device="Sample", thickness="Free layer")
    declaration = torkance("pymeasure", columns, ColumnUnits("mV", "hbar/2e/kohm", "nm"), per="device")
    curve = one("pymeasure.csv", declaration)
    assert (curve.device, curve.thickness, curve.bias.size) == ("A1", 2.1, 7)
    assert curve.bias[0] == -0.3
    assert curve.par.tolist() == [0.117, 0.118, 0.119, 0.12, 0.121, 0.122, 0.123]


def test_qcodes_and_its_netcdf_export_agree() -> None:
    columns = Columns("dac", "par", "perp", device="sample", thickness="free_layer")
    units = ColumnUnits("V", "mT/V", "nm")
    a = one("qcodes.db", torkance("qcodes", columns, units, sheet="1"))
    b = one("netcdf.nc", torkance("netcdf", replace(columns, device="sample_name", thickness="thickness"), units))
    assert (a.device, a.thickness, b.device, b.thickness) == ("A1", 2.1, "A1", 2.1)
    for name in ("bias", "par", "perp"):
        assert np.array_equal(getattr(a, name), getattr(b, name))


def test_origin_series_become_devices() -> None:
    wide = Wide(("V", "p", "q"), name="{device}_T{thickness:nm}_par", name_in="comment")
    columns = Columns("V", "p", "q", device="device", thickness="thickness")
    a, b = curves_from_sources([source("origin.txt")], torkance("origin", columns, wide=wide))
    assert (a.device, a.thickness, b.device, b.thickness) == ("A1", 1.2, "A2", 2.0)
    assert b.par.tolist() == [9.2, 9.1, 9.0, 8.9, 8.8]


def test_digitised_points_need_declared_errors() -> None:
    wide = Wide(("V", "T"), name="{device} {column}", name_in="comment", within=0.001)
    columns = Columns("V", "par", "perp", device="device")
    declaration = torkance("webplotdigitizer", columns, ColumnUnits("V", "mT/V", "nm"), wide=wide)
    a, b = curves_from_sources([source("webplotdigitizer.csv")], declaration)
    assert (a.bias.size, b.bias.tolist()) == (4, [-0.2, 0.0, 0.2])
    with pytest.raises(ConfigError, match=r"columns.sigma_par: is not declared"):
        replace(declaration, sigma="columns")


def test_a_device_goes_on_from_file_to_file() -> None:
    files = [text("par,perp", [(p, q)], f"A1_T2.1nm_{v:g}mV.txt") for v, p, q in ROWS]
    columns = Columns("bias", "par", "perp", device="device", thickness="thickness")
    declaration = torkance("wide", columns, name="{device}_T{thickness:nm}_{bias:mV}.txt", header=("name",))
    (curve,) = curves_from_sources(files, declaration, "*.txt")
    assert (curve.device, curve.thickness, curve.source) == ("A1", 2.1, "*.txt")
    assert (curve.bias.tolist(), curve.par.tolist()) == ([-0.1, 0.0, 0.1], [-1.5, 0.0, 1.5])
    again = faults([*files, text("par,perp", [(1.0, 2.0)], "A1_T2.1nm_+100mV.txt")], declaration)
    assert again == [
        "A1_T2.1nm_+100mV.txt:2: column 'bias': device 'A1' has bias 0.1 V already in line A1_T2.1nm_100mV.txt:2; "
        "average the points, or set repeats = true in [data.format]"
    ]


def test_each_fault_stands_at_its_own_place() -> None:
    columns = Columns("V", "par", "perp", device="device")
    declaration = torkance("tidy", columns, name="{device}.csv")
    bad = SourceFile("B.csv", b"perp,V,par\n1,-100,x\n2,0,\n3,100,1\n", "B.csv")
    assert faults([text(name="A.csv"), bad], declaration) == [
        "B.csv:2: column 'par': 'x' is not a number; write a plain number such as -1.25e-3",
        "B.csv:3: column 'par': is empty; give a number, remove the row, or cover its bias with a mask, which "
        "keeps the reason",
    ]
    assert faults([text(name="A.csv"), text("V,par,prep", name="C.csv"), text(name="D.txt")], declaration) == [
        "C.csv:1: column 'perp': no such column (perp); did you mean 'prep'?",
        "D.txt: does not fit '{device}.csv'; correct the pattern or rename it; units stand behind numbers",
    ]
    assert faults([text("V,par,prep", name="C.csv")], declaration) == [
        "C.csv:1: column 'perp': no such column (perp); did you mean 'prep'?"
    ]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"reader": "tidy", "columns": Columns("V", "p", "q", thickness="t"), "name": "T{t:angstrom}.csv"},
         r"columns.thickness: is in 'angstrom' in the file name"),
        ({"reader": "", "wide": Wide(("V", "p", "q"))}, r"format.reader: is missing beside \[data.wide\]"),
    ],
)  # fmt: skip
def test_declarations_that_contradict_themselves(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        torkance(**changes)


def test_decimal_commas_and_points_do_not_mix() -> None:
    declaration = torkance("wide", replace(PLAIN, device="device"), name="{device}.csv", decimal=",", separator=";")
    comma = SourceFile("A.csv", b"V;par;perp\n-100;-1,5;0,25\n0;0;0\n100;1,5;0,25\n", "A.csv")
    (curve,) = curves_from_sources([comma], declaration)
    assert curve.par.tolist() == [-1.5, 0.0, 1.5]
    point = SourceFile("B.csv", comma.data.replace(b"-1,5", b"-1.5"), "B.csv")
    assert "'-1.5' has a decimal point" in faults([point], declaration)[0]


def test_the_origin_of_the_numbers_travels_with_every_reader() -> None:
    columns, units = Columns("V", "T_par", "T_perp"), ColumnUnits("mV", "mT", "nm")
    form = {"reader": "tidy", "separator": "\t", "header": ("name",)}
    declaration = torkance(columns=columns, units=units, quantity="torque", **form)
    (curve,) = curves_from_sources([source("tidy.tsv")], declaration)
    assert (curve.origin.kind, curve.origin.note) == ("simulated", "three points")


def _saved(suffix: str, origin: str) -> bytes:
    """A table that carries its origin as programs write it: as an attribute."""
    frame = pd.DataFrame(ROWS, columns=["V", "par", "perp"])
    frame.attrs["origin"] = origin
    out = io.BytesIO()
    if suffix == "parquet":
        frame.to_parquet(out)
        return out.getvalue()
    data = frame.set_index("V").to_xarray()
    data.attrs["origin"] = origin
    return bytes(data.to_netcdf(engine="h5netcdf"))


@pytest.mark.parametrize("reader", ["parquet", "netcdf"])
def test_an_origin_among_the_attributes_of_a_file_is_not_lost(reader: str) -> None:
    needs(reader)
    pytest.importorskip("xarray")

    def of(origin: str) -> list[SourceFile]:
        return [SourceFile("t", _saved(reader, origin), "t")]

    (curve,) = curves_from_sources(of("simulated; Eq. 12"), torkance(reader))
    assert (curve.origin.kind, curve.origin.note) == ("simulated", "Eq. 12")
    (curve,) = curves_from_sources(of("measured"), torkance(reader))
    assert not curve.origin.label
    assert any("origin 'guessed' is not known" in fault for fault in faults(of("guessed"), torkance(reader)))
