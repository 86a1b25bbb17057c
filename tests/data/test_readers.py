"""Each reader on a file of its format: numbers to the last digit, units, places, header parameters; nothing silent."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_files import FILES, database, faults_of, file_bytes, needs, npy, source
from small import problems_of, told

from mtjfit.data import SourceFile
from mtjfit.data.readers import (
    READERS,
    HeaderParameter,
    ReadOptions,
    Sheet,
    read_sheet,
    recognised_in,
    sheets_from_bytes,
)
from mtjfit.errors import ConfigError, DataError

FORMATS = {
    "tidy.tsv": "tidy", "wide.csv": "wide", "origin.txt": "origin", "pymeasure.csv": "pymeasure",
    "labview.lvm": "lvm", "labview_free.lvm": "lvm", "webplotdigitizer.csv": "webplotdigitizer",
    "excel.xlsx": "excel", "parquet.parquet": "parquet", "netcdf.nc": "netcdf", "netcdf_classic.nc": "netcdf",
    "qcodes.db": "qcodes", "quantum_design.dat": "quantum_design", "matlab.mat": "matlab", "hdf5.h5": "hdf5",
    "labview.tdms": "tdms",
}  # fmt: skip


def read(name: str, reader: str = "", data: bytes | None = None, **options: object) -> tuple[Sheet, ...]:
    needs(FORMATS.get(name, reader))
    return sheets_from_bytes(source(name, data), reader, ReadOptions(**options))  # type: ignore[arg-type]


def fault(name: str, reader: str, data: bytes, **options: object) -> list[str]:
    return problems_of(read, name, reader, data, kind=DataError, **options)


def parts(sheet: Sheet) -> Iterator[str]:
    """All that a reader found, for a golden file."""
    yield f"lines {sheet.lines}, header in {sheet.header_line}, decimal {sheet.decimal!r}"
    yield from (f"{each.name!r} {each.unit!r} {each.comment!r}: {' | '.join(each.cells)}" for each in sheet.columns)
    yield from (f"{key} = {value!r}" for key, value in sheet.metadata.items())
    yield from (f"comment in {line}: {text}" for line, text in sheet.comments)
    yield from (f"note: {note}" for note in sheet.notes)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_and_read_whole(name: str, golden: Callable[..., None], tmp_path: Path) -> None:
    assert recognised_in(source(name)).name == FORMATS[name]
    sheets, declared = read(name), read(name, FORMATS[name])
    assert {sheet.format for sheet in sheets} == {FORMATS[name]}
    said = f"read as {READERS[FORMATS[name]].says}"
    assert [sheet.notes for sheet in sheets] == [(said, *sheet.notes) for sheet in declared]
    golden(f"read-{name}", told((sheet.label, parts(sheet)) for sheet in sheets), tmp_path)


def test_origin_with_declared_header_lines() -> None:
    (declared,) = read("origin.txt", "origin", header=("comment", "unit", "name"))
    assert (declared.columns[1].name, declared.columns[0].comment) == ("A1_T1.2nm_par", "Bias")
    assert not any("taken as" in note for note in declared.notes)


def test_two_header_lines_of_which_one_is_column_letters() -> None:
    (sheet,) = read(
        "d.csv", "origin", b"A,B,C,D\n1.9nmH,1.9nm,2.1nmH,2.1nm\n-1000,10.07,-1036,10.1\n-500,7,-518,7.03\n"
    )
    assert sheet.names == ("1.9nmH", "1.9nm", "2.1nmH", "2.1nm")
    assert (sheet.header_line, sheet.lines) == (2, (3, 4))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("pymeasure.csv", "Free layer", (2.1, "nm")), ("labview_free.lvm", "Frequency", (3.0, "GHz")),
        ("labview_free.lvm", "Power", (18.0, "dBm")), ("netcdf.nc", "thickness", (2.1, "nm")),
        ("netcdf_classic.nc", "thickness", (2.1, "nm")), ("qcodes.db", "free_layer", (2.1, "nm")),
    ],
)  # fmt: skip
def test_header_parameters_are_numbers_with_units(name: str, key: str, value: tuple[float, str]) -> None:
    assert read(name)[0].parameter(key) == HeaderParameter(*value)


REFUSED = [
    ("wide.csv", {}, lambda sheet: sheet.numbers("2pf_1.0_GHz"), "wide.csv:1: column '2pf_1.0_GHz': stands 2 times"),
    ("pymeasure.csv", {}, lambda sheet: sheet.parameter("Sample"), "header parameter 'Sample': 'A1' is not a number"),
    ("pymeasure.csv", {}, lambda sheet: sheet.parameter("Powr"), "'Powr': is missing; did you mean 'Power'"),
    ("labview.lvm", {"decimal": "."}, None, "labview.lvm:1: says Decimal_Separator ',', but decimal = '.' is declared"),
    ("labview.lvm", {"sheet": "3"}, None, "has no segment '3'"),
    # openpyxl saved no value of the formula: nothing is computed, the cell is a problem where it is used.
    ("excel.xlsx", {"sheet": "sums"}, lambda sheet: sheet.numbers("mean"), "2: column 'mean': holds a formula"),
    ("excel.xlsx", {"sheet": "sum"}, None, "has no sheet 'sum'; did you mean 'sums'"),
    ("qcodes.db", {"sheet": "7"}, None, "has no run '7'; there are 1, 2"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "use", "what"), REFUSED)
def test_what_is_not_in_a_file_is_refused(name: str, options: dict[str, str], use: Any, what: str) -> None:
    with pytest.raises(DataError, match=re.escape(what)):
        use(read(name, FORMATS[name], **options)[0])


@pytest.mark.parametrize(
    ("name", "options", "column", "values"),
    [
        ("labview.lvm", {"sheet": "2"}, "V_ref", [2.0, 4.0]),
        # X is left out in the second segment: X0 = 10, Delta_X = 2.5.
        ("labview.lvm", {"sheet": "2"}, "X_Value", [10.0, 12.5]),
        ("labview.lvm", {"names": ("H (mT)", "V (V)", "ref")}, "V", [-1.25e-5, -1.5e-5, 2e-6]),
        ("labview_free.lvm", {"names": ("H (Oe)", "V_mix (V)")}, "V_mix", [-1.42e-4, -1.39e-4, -1.41e-4]),
        ("parquet.parquet", {}, "perp", [0.3, 0.0, 1 / 3]),
        ("qcodes.db", {"sheet": "2"}, "v_mix", [1e-6, -2e-6, 3e-6]),
    ],
)
def test_sheets_and_names_can_be_declared(name: str, options: dict[str, Any], column: str, values: list[float]) -> None:
    sheet = read(name, FORMATS[name], **options)[0]
    assert sheet.numbers(column).tolist() == values
    assert not options.get("names") or sheet.columns[0].unit in options["names"][0]


def test_a_single_digitised_data_set_has_no_header() -> None:
    (alone,) = read("Default Dataset.csv", "", b"0.1, 2.5\n0.2, 3.5\n")
    assert (alone.format, alone.metadata["dataset"], alone.lines) == ("webplotdigitizer", "Default Dataset", (1, 2))


def test_netcdf_grids_become_long_tables() -> None:
    needs("netcdf")
    import xarray

    data = xarray.Dataset(
        {"v": (("f", "h"), np.arange(6.0).reshape(2, 3))},
        {"f": [1.0, 2.0], "h": ("h", [5.0, 6.0, 7.0], {"unit": "Oe"})},
    )
    (sheet,) = read("g.nc", "netcdf", bytes(data.to_netcdf(engine="h5netcdf")))
    assert sheet.names == ("f", "h", "v")
    table = np.array([sheet.numbers(name) for name in sheet.names]).T
    assert table.tolist() == [[f, h, data.v.sel(f=f, h=h).item()] for f in (1.0, 2.0) for h in (5.0, 6.0, 7.0)]


def test_qcodes_keeps_apart_what_has_other_set_points() -> None:
    script = (FILES / "qcodes.sql").read_text(encoding="utf-8").replace("(6, 0.1, NULL, 0.25)", "(6, 0.2, NULL, 0.25)")
    sheets = read("qcodes.db", "qcodes", database(script))
    assert [sheet.label for sheet in sheets] == ["qcodes.db[run 1.1]", "qcodes.db[run 1.2]"]
    assert sheets[1].numbers("dac").tolist() == [-0.1, 0.0, 0.2]


def test_a_run_of_qcodes_that_cannot_be_read_is_named_beside_the_others() -> None:
    bad = database(array=npy([1.0]).replace(b"'<f8'", b"'<c8'"))
    (sheet,) = read("q.db", "qcodes", bad)
    assert sheet.label == "q.db[run 1]"
    assert ["run 2 is not read" in each and "no array of real numbers" in each for each in sheet.unread] == [True]
    script = (FILES / "qcodes.sql").read_text(encoding="utf-8").replace("'In-plane torkance', 'mT/V'", "'', NULL")
    (sheet,) = read("q.db", "qcodes", database(script))
    assert ["run 2 is not read: holds no results" in each for each in sheet.unread] == [True]


@pytest.mark.parametrize("chain", [False, True])
def test_what_qcodes_inferred_stands_beside_what_it_was_inferred_from(chain: bool) -> None:
    """The bias is inferred from a current that was set, here through a third number as well."""
    script = (FILES / "qcodes.sql").read_text(encoding="utf-8")
    script = script.replace("dac, par, perp)", "dac, par, perp, V, raw)").replace("NULL)", "NULL, 1, 2)")
    script = re.sub(r"(NULL, [-0-9.]+)\)", r"\1, 1, 2)", script)
    script += "INSERT INTO layouts VALUES (6, 1, 'V', '', 'V', 'SOURCE'), (7, 1, 'raw', '', 'V', 'dac');"
    script = script.replace("SOURCE", "raw" if chain else "dac")
    (sheet, *_) = read("q.db", "qcodes", database(script), sheet="1")
    assert sorted(sheet.names) == ["V", "dac", "par", "perp", "raw"]
    assert sheet.numbers("V").tolist() == [1.0] * 3
    (apart, *more) = read("q.db", "qcodes", database(script.replace("0.25, 1, 2)", "0.25, 3, 2)")), sheet="1")
    assert more  # what differs between the rows of two components is not taken for the same
    assert apart.numbers("V").tolist() == [1.0] * 3


VALID = npy([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "blob",
    [
        *(VALID[:-1], VALID.replace(b"(3,)", b"(9,)"), VALID.replace(b"'<f8'", b"'|O8'")),
        *(VALID.replace(b"'<f8'", b"'<c8'"), b"\x93NUMPY\x01\x00\x05\x00{'a':", b""),
    ],
)
def test_qcodes_arrays_are_numbers_or_refused(blob: bytes) -> None:
    assert read("q.db", "qcodes", database(array=VALID), sheet="2")[0].numbers("v_mix").tolist() == [1.0, 2.0, 3.0]
    (problem,) = fault("q.db", "qcodes", database(array=blob), sheet="2")
    assert "record 1 of q.db[run 2], 'v_mix', is no array of real numbers; export the run as netCDF" in problem


def test_a_database_is_not_written_to_and_nothing_but_reading_runs() -> None:
    """A view that would write, or run for ever, ends in an error that names the file."""
    endless = (
        "CREATE TABLE layouts (layout_id, run_id, parameter, label, unit);"
        "CREATE TABLE dependencies (dependent, independent, axis_num);"
        "CREATE TABLE experiments (exp_id, name, sample_name);"
        "CREATE VIEW runs AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
        " SELECT x AS run_id, 1 AS exp_id,"
        " 'r' AS name, 't' AS result_table_name FROM c;"
    )
    (problem,) = fault("e.db", "qcodes", database(endless))
    assert problem.startswith("e.db: is no QCoDeS database that can be read")


def test_results_still_in_the_journal_are_not_overlooked(tmp_path: Path) -> None:
    path = tmp_path / "lab.db"
    path.write_bytes(database())
    assert len(read_sheet(path)) == 2
    (tmp_path / "lab.db-wal").write_bytes(b"x")
    with pytest.raises(DataError, match=r"has results in lab\.db-wal that are not in the file itself yet"):
        read_sheet(path)


@pytest.mark.parametrize(
    ("reader", "data", "expected"),
    [
        ("tidy", b"V,p\n1,2\n\n3,4\n", "f: is blank, and data follow"),
        ("tidy", b"V,p\n1,2\n# left out\n3,4\n", "f:3: is a comment among the data"),
        ("tidy", b"V,V\n1,2\n3,4\n", "f:1: column 'V': stands 2 times in the header"),
        ("tidy", b"V,p,q\n1,2,3\n3,4\n1,2,3\n", "f:3: has 2 fields, 3 are expected"),
        ("tidy", b'V,p\n1,"2\n', "f:2: cannot be split into fields"),
        ("tidy", b"V,p\n", "f:1: has no rows of data"),
        ("tidy", b"", "f: is empty"),
        ("wide", b"\xff\xfeV", "f: is UTF-16"),
        ("wide", b"a,b\x00\n", "f:1: holds a NUL byte"),
        ("origin", b"a\n1\n", "f:2: is not separated by"),
        ("pymeasure", b"#Procedure: <x>\n1,2\n", "f: has no line with the names of the columns"),
        ("lvm", b"LabVIEW Measurement\nSeparator\tTab\n", "f:2: has no line ***End_of_Header***"),
        ("lvm", b"LabVIEW Measurement\n***End_of_Header***\n", "f:2: has a header and no segment"),
        ("webplotdigitizer", b"a,,b\nX,Y,X\n1,2,3\n", "f:1: has 3 columns, not a pair X, Y"),
        ("webplotdigitizer", b"a,,,\nX,Y,X,Y\n1,2,3,4\n", "f:1: data set 2 has no name"),
        ("excel", b"PK\x03\x04", "f: is no Excel workbook that can be read"),
        ("parquet", b"PAR1", "f: is no Parquet file that can be read"),
        ("netcdf", b"\x89HDF\r\n\x1a\n", "f: is no netCDF file that can be read"),
        ("qcodes", b"SQLite format 3\x00", "f: is no QCoDeS database that can be read"),
        ("qcodes", b"text", "f: is no SQLite database"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(reader: str, data: bytes, expected: str) -> None:
    needs(reader)
    problems = fault("f", reader, data)
    assert any(expected.replace("f: is blank", "f:3: is blank") in problem for problem in problems), problems


def test_names_and_readers_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"format\.reader: is 'pymeasur'; did you mean 'pymeasure'"):
        read("tidy.tsv", "pymeasur")
    with pytest.raises(DataError, match="has 2 columns, but 1 name is declared"):
        read("n.csv", "wide", b"1,2\n3,4\n", names=("V",))


def test_a_missing_library_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert problems_of(sheets_from_bytes, source("excel.xlsx"), "excel") == [
        'excel.xlsx: needs openpyxl to be read; install it with: python -m pip install "mtjfit[excel]"'
    ]


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("1,5;2,25", ["1,5", "2,25"]),
        ("1,5\t2,25", ["1,5", "2,25"]),
        ("left;right,1.5,2", ["left;right", "1.5", "2"]),
        ("a|b;1.5;2", ["a|b", "1.5", "2"]),
        ("1,2", ["1", "2"]),
    ],
)
def test_separators_that_also_stand_in_cells(row: str, cells: list[str]) -> None:
    (sheet,) = read("s.csv", "wide", f"{row}\n{row}\n".encode(), names=tuple("xyz"[: len(cells)]))
    assert [column.cells[0] for column in sheet.columns] == cells


def test_the_text_export_of_qcodes_has_no_header(tmp_path: Path) -> None:
    path = tmp_path / "qcodes_1_aaaa.csv"
    path.write_text("-0.1\t12.5\t-0.25\n0.0\t12.0\t0.0\n0.1\t11.5\t0.25\n", encoding="utf-8")
    (sheet,) = read_sheet(path, names=("dac (V)", "par (mT/V)", "perp (mT/V)"))
    assert (sheet.numbers("perp").tolist(), sheet.columns[0].unit) == ([-0.25, 0.0, 0.25], "V")
    assert any("no header line" in note for note in read_sheet(path)[0].notes)


def test_numbers_refuse_rather_than_skip() -> None:
    (sheet,) = read("n.csv", "tidy", b"V,p\n1,nan\n2,1.5\n3,x\n4,\n")
    places = [problem.partition(": '")[0].partition(": is")[0] for problem in problems_of(sheet.numbers, "p")]
    assert places == [f"n.csv:{line}: column 'p'" for line in (2, 4, 5)]


def test_excel_numbers_survive_to_the_last_bit() -> None:
    needs("excel")
    import openpyxl

    values = [0.1, 1 / 3, -1e-300, 3.25e20, 12345678.90123]
    book = openpyxl.Workbook()
    book.active.append(["V", "par"])
    for value in values:
        book.active.append([value, value])
    stream = io.BytesIO()
    book.save(stream)
    (sheet,) = read("n.xlsx", "excel", stream.getvalue())
    assert sheet.numbers("par").tolist() == values


EXAMPLES = {reader: name for name, reader in FORMATS.items()}
BINARY = ("excel", "parquet", "netcdf", "qcodes", "matlab", "hdf5", "tdms")
TEXT = tuple(reader for reader in READERS if reader not in BINARY)
SMALL = ReadOptions(max_bytes=1_000_000)


def profile(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


def read_all(reader: str, given: SourceFile) -> tuple[Sheet, ...]:
    """Sheets and everything in them that a program would ask for next."""
    sheets = sheets_from_bytes(given, reader, SMALL)
    assert sheets
    for sheet in sheets:
        assert sheet.label.startswith(given.label)
        assert sheet.lines
    return sheets


def check(reader: str, data: bytes) -> None:
    given = SourceFile("fuzz.dat", data, "fuzz.dat")
    assert all(where.startswith("fuzz.dat") for where in faults_of(lambda each: read_all(reader, each), given))
    recognised_in(given)


alphabet = st.sampled_from('AV,;\t|"\n\r0123456789.-+eE #%:()[]*_µ\x00\ufeff')


@pytest.mark.parametrize("reader", TEXT)
@profile(40)
@given(st.one_of(st.text(alphabet=alphabet, max_size=200).map(str.encode), st.binary(max_size=100)), st.booleans())
def test_text_readers_take_anything(reader: str, data: bytes, behind_the_example: bool) -> None:
    check(reader, file_bytes(EXAMPLES[reader]) + data if behind_the_example else data)


@pytest.mark.parametrize("reader", TEXT)
@profile(40)
@given(st.data())
def test_text_readers_take_damaged_examples(reader: str, data: st.DataObject) -> None:
    check(reader, damaged(file_bytes(EXAMPLES[reader]), data))


@pytest.mark.parametrize("reader", [each for each in BINARY if each not in ("netcdf", "hdf5")])
@profile(25)
@given(st.data())
def test_binary_readers_take_damaged_examples(reader: str, data: st.DataObject) -> None:
    needs(reader)
    check(reader, damaged(file_bytes(EXAMPLES[reader]), data))


@profile(25)
@given(st.data())
def test_classic_netcdf_may_be_damaged(data: st.DataObject) -> None:
    needs("netcdf")
    check("netcdf", damaged(file_bytes("netcdf_classic.nc"), data))


@pytest.mark.parametrize(("reader", "name"), [("netcdf", "netcdf.nc"), ("hdf5", "hdf5.h5")])
@profile(12)
@given(st.data())
def test_hdf5_may_be_cut_off(reader: str, name: str, data: st.DataObject) -> None:
    # Bytes within HDF5 are the business of its own library, in C; here its files end too early.
    needs(reader)
    whole = file_bytes(name)
    check(reader, whole[: data.draw(st.integers(8, len(whole) - 1))])


def damaged(whole: bytes, data: st.DataObject) -> bytes:
    """The bytes with one piece cut out, doubled, or replaced by others."""
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start, min(len(whole), start + 40)))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.just(whole[start:stop] * 2), st.just(b"")))
    return whole[:start] + piece + whole[stop:]


def test_sabotage_another_error_is_seen() -> None:
    def careless(given: SourceFile) -> float:
        return float(given.data)

    with pytest.raises(ValueError, match="could not convert"):
        faults_of(careless, SourceFile("f", b"x"))
