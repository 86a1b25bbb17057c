"""One table in every container: the same curves to the last bit, the same refusals, the same word on units."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reader_files import database, needs
from small import declare

from mtjfit.data import (
    Columns,
    ColumnUnits,
    ConstantSigma,
    SourceFile,
    TableDeclaration,
    TorqueCurve,
    curves_from_bytes,
    curves_from_sources,
)
from mtjfit.errors import DataError, Problem
from mtjfit.study.inspection import inspect_file

NAMES, UNITS = ("d", "V", "par", "perp"), ("nm", "mV", "mT/V", "mT/V")
ROWS = [[2.1, -100.0, -1.5, 0.123456789012345], [2.1, 0.0, 1e-7, 0.0], [2.1, 100.0, 1.5, 6.66666666666667e-10]]

Cells = Sequence[Sequence[object]]


def headed(names: Sequence[str], units: Sequence[str]) -> list[str]:
    return [f"{name} ({unit})" if unit else name for name, unit in zip(names, units, strict=True)]


def delimited(separator: str, decimal: str = ".", above: str = "") -> Callable[..., bytes]:
    def written(names: Sequence[str], units: Sequence[str], rows: Cells) -> bytes:
        out = io.StringIO()
        out.write(above)
        writer = csv.writer(out, delimiter=separator, lineterminator="\n")
        writer.writerow(headed(names, units))
        writer.writerows([str(cell).replace(".", decimal) if isinstance(cell, float) else cell for cell in row]
                         for row in rows)  # fmt: skip
        return out.getvalue().encode()

    return written


def excel(names: Sequence[str], units: Sequence[str], rows: Cells) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in [headed(names, units), *rows]:
        book.active.append(["" if isinstance(cell, float) and np.isnan(cell) else cell for cell in row])
    book.save(out)
    return out.getvalue()


def parquet(names: Sequence[str], units: Sequence[str], rows: Cells, *, in_names: bool = True) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    columns = [pyarrow.array(list(column)) for column in zip(*rows, strict=True)]
    said = [{"unit": unit} if unit and not in_names else None for unit in units]
    written = headed(names, units) if in_names else names
    fields = [pyarrow.field(name, column.type, metadata=each)
              for name, column, each in zip(written, columns, said, strict=True)]  # fmt: skip
    out = io.BytesIO()
    files.write_table(pyarrow.table(columns, schema=pyarrow.schema(fields)), out)
    return out.getvalue()


def parquet_metadata(names: Sequence[str], units: Sequence[str], rows: Cells) -> bytes:
    return parquet(names, units, rows, in_names=False)


def netcdf(names: Sequence[str], units: Sequence[str], rows: Cells) -> bytes:
    xarray = pytest.importorskip("xarray")
    columns = {name: ("row", np.array(cells), {"units": unit} if unit else {})
               for name, unit, cells in zip(names, units, zip(*rows, strict=True), strict=True)}  # fmt: skip
    return bytes(xarray.Dataset(columns).to_netcdf(engine="h5netcdf"))


def qcodes(names: Sequence[str], units: Sequence[str], rows: Cells) -> bytes:
    def quoted(text: object) -> str:
        return "'" + str(text).replace("'", "''") + "'"

    layouts = ", ".join(f"({k}, 1, {quoted(name)}, '', {quoted(unit)})"
                        for k, (name, unit) in enumerate(zip(names, units, strict=True), start=1))  # fmt: skip
    held = ", ".join(f"({i}, {', '.join(repr(cell) for cell in row)})" for i, row in enumerate(rows, start=1))
    script = f"""
        CREATE TABLE experiments (exp_id INTEGER PRIMARY KEY, name, sample_name);
        CREATE TABLE runs (run_id INTEGER PRIMARY KEY, exp_id, name, result_table_name);
        CREATE TABLE layouts (layout_id INTEGER PRIMARY KEY, run_id, parameter, label, unit);
        CREATE TABLE dependencies (dependent, independent, axis_num);
        CREATE TABLE results (id INTEGER PRIMARY KEY, {", ".join(names)});
        INSERT INTO experiments VALUES (1, 'e', 's'); INSERT INTO runs VALUES (1, 1, 'r', 'results');
        INSERT INTO layouts VALUES {layouts};
        INSERT INTO dependencies VALUES {", ".join(f"({k}, 2, 0)" for k in range(1, len(names) + 1) if k != 2)};
        INSERT INTO results VALUES {held};"""  # noqa: S608 - of our own
    return database(script)


TEXTS: dict[str, tuple[Callable[..., bytes], dict[str, Any]]] = {
    "csv": (delimited(","), {}),
    "tsv": (delimited("\t"), {}),
    "bars": (delimited("|"), {"separator": "|"}),
    "decimal commas": (delimited(";", ","), {"decimal": ","}),
    "quoted decimal commas": (delimited(",", ","), {"decimal": ","}),
    "tidy": (delimited(","), {"reader": "tidy", "header": ("name",)}),
    "preamble": (delimited(",", above="Model,2450,SN,1234,a,b,c,d,e\n"),
                 {"reader": "tidy", "header": ("skip", "name")}),
    "pymeasure": (delimited(",", above="#Procedure: <a.B>\n#Parameters:\n#\tA: 1\n#Data:\n"), {"reader": "pymeasure"}),
}  # fmt: skip
NAMED = TEXTS | {"excel": (excel, {"reader": "excel"}), "parquet": (parquet, {"reader": "parquet"})}
ALL = NAMED | {
    "parquet metadata": (parquet_metadata, {"reader": "parquet"}),
    "netcdf": (netcdf, {"reader": "netcdf"}),
    "qcodes": (qcodes, {"reader": "qcodes"}),
}
PLAIN = Columns("V", "par", "perp", thickness="d")


def declared(columns: Columns = PLAIN, **changes: Any) -> TableDeclaration:
    one = {"device": "A", "sigma": ConstantSigma(0.1, 0.1), "units": ColumnUnits("mV", "mT/V", "nm")}
    return declare(columns, **{"quantity": "torkance", "per": "volume", **one, **changes})


def read(
    container: str, columns: Columns = PLAIN, names: Sequence[str] = NAMES, units: Sequence[str] = UNITS,
    rows: Cells = ROWS, **changes: Any,
) -> tuple[TorqueCurve, ...]:  # fmt: skip
    write, form = ALL[container]
    needs(form.get("reader", ""))
    source = SourceFile("t", write(names, units, rows), "t")
    return curves_from_sources([source], declared(columns, **form, **changes))


def said(work: Callable[[], object]) -> list[tuple[str, str, str]]:
    """Column, fault and remedy of each problem, without the place, which differs between files."""
    with pytest.raises(DataError) as caught:
        work()
    return [(problem.where.partition("column ")[2], problem.what, problem.todo) for problem in caught.value.problems]


@pytest.mark.parametrize("container", ALL)
@pytest.mark.parametrize("full", [False, True])
def test_the_same_table_gives_the_same_curves(container: str, full: bool) -> None:
    columns = Columns("V (mV)", "par (mT/V)", "perp [mT/V]", thickness="d(nm)") if full else PLAIN
    (one,), (other,) = read("csv"), read(container, columns)
    for name in ("bias", "par", "perp", "thickness", "notices"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.bias.tolist() == [-0.1, 0.0, 0.1]
    assert one.perp.tolist() == [row[3] for row in ROWS]


@pytest.mark.parametrize("container", ALL)
def test_one_component_alone_is_read_alike(container: str) -> None:
    (both,) = read("csv")
    (one,) = read(container, replace(PLAIN, perp=""), sigma=ConstantSigma(par=0.1))
    assert (one.par.tolist(), np.isnan(one.perp).all()) == (both.par.tolist(), True)


@pytest.mark.parametrize("container", [each for each in ALL if each != "qcodes"])  # which keeps numbers only
def test_one_component_in_each_row_is_read_alike(container: str) -> None:
    (both,), columns = read("csv"), Columns("V", thickness="d", component="which", torque="T")
    rows = [[row[0], row[1], word, row[k]] for row in ROWS for word, k in (("in-plane", 2), ("out-of-plane", 3))]
    names, units = ("d", "V", "which", "T"), ("nm", "mV", "", "mT/V")
    (each,) = read(container, columns, names, units, rows, sigma="fit")
    assert np.array_equal([each.bias, each.par, each.perp], [both.bias, both.par, both.perp])


REFUSED = {
    ("V", "V"): "is in 'V' in the file, which is 1000 mV, but units.bias = 'mV' is declared",
    ("V", "kV"): "which is 1e+06 mV", ("V", "K"): "is in 'K'", ("V", "%"): "is in '%'", ("V", "MV/cm"): "is in",
    ("d", "pm"): "which is 0.001 nm", ("d", "V"): "is in 'V'", ("d", "s"): "is in 's'", ("d", "ML"): "is in 'ML'",
    ("d", "angstroms"): "which is 0.1 nm", ("par", "mT"): "is in 'mT' in the file, but units.torque = 'mT/V'",
    ("par", "a.u."): "is in 'a.u.'", ("par", "arb. units"): "is in", ("perp", "%"): "is in '%'",
    ("perp", "Oe/V"): "which is 0.1 mT/V", ("perp", "hbar/2e/kohm"): "is in", ("perp", "N m/V"): "is in",
    ("perp", "T per volt"): "which is 1000 mT/V",
}  # fmt: skip


@pytest.mark.parametrize("container", ALL)
@pytest.mark.parametrize(("column", "unit"), REFUSED)
def test_units_that_mean_another_are_refused_alike(container: str, column: str, unit: str) -> None:
    units = [unit if name == column else each for name, each in zip(NAMES, UNITS, strict=True)]
    (found,) = said(lambda: read(container, units=units))
    assert found == said(lambda: read("csv", units=units))[0]
    assert found[0] == repr(column)
    assert REFUSED[column, unit] in found[1]


@pytest.mark.parametrize("container", ALL)
@pytest.mark.parametrize(
    "units",
    [("nanometers", "milli-volts", "mT V^-1", "10⁻³ T/V"),
     ("nano-metres", "MilliVolt", "(mT)/(V)", "milliTesla per volt"),
     ("", "", "", ""), ("10^-9 m", "10^-3 V", "mT·V⁻¹", "1e-3 T/V")],
)  # fmt: skip
def test_units_that_mean_the_same_are_accepted_without_a_word(container: str, units: Sequence[str]) -> None:
    (curve,) = read(container, units=units)
    assert curve.notices == ()
    assert curve.bias.tolist() == [-0.1, 0.0, 0.1]


@pytest.mark.parametrize("container", ALL)
def test_units_that_are_not_understood_are_noted(container: str) -> None:
    (curve,) = read(container, units=("nm", "applied", "mT/V", "lab units"))
    assert [note.partition(": ")[2] for note in curve.notices] == [
        "unit 'applied' of column 'V' is not understood; taken as mV, as declared",
        "unit 'lab units' of column 'perp' is not understood; taken as mT/V, as declared",
    ]


CELLS = {"nothing": "", "nan": "nan", "text": "abc", "a dash": "–2", "thousands": "1 250"}


@pytest.mark.parametrize("container", NAMED)
@pytest.mark.parametrize("cell", CELLS)
def test_cells_that_are_no_numbers_are_refused_alike(container: str, cell: str) -> None:
    rows = [[*row[:2], CELLS[cell] if k == 1 else str(row[2]), row[3]] for k, row in enumerate(ROWS)]
    if ALL[container][1].get("decimal"):
        rows = [[str(each).replace(".", ",") for each in row] for row in rows]
    found = said(lambda: read(container, rows=rows))
    assert found == said(lambda: read("csv", rows=[[str(each).replace(",", ".") for each in row] for row in rows]))
    assert [each[0] for each in found] == ["'par'"]


@pytest.mark.parametrize("container", ALL)
def test_missing_numbers_and_other_faults_are_refused_alike(container: str) -> None:
    def of(k: int, value: float) -> Cells:
        return [[*row[:k], value, *row[k + 1 :]] if i == 1 else row for i, row in enumerate(ROWS)]

    for rows in (of(0, -2.0), of(0, 3.0), of(1, -100.0), of(1, 200.0), of(2, 1e60)):
        found = said(lambda rows=rows: read(container, rows=rows))
        what = [(column, what.partition(" already in line")[0]) for column, what, _ in found]
        assert what == [(column, what.partition(" already in line")[0])
                        for column, what, _ in said(lambda rows=rows: read("csv", rows=rows))]  # fmt: skip


@pytest.mark.parametrize("container", NAMED)
@pytest.mark.parametrize(
    ("columns", "names", "units", "what"),
    [
        (replace(PLAIN, perp="prep"), NAMES, UNITS, "no such column (perp)"),
        (replace(PLAIN, perp="perp (T/V)"), NAMES, UNITS, "no such column (perp)"),
        (PLAIN, (*NAMES, "perp"), (*UNITS, "T/V"), "may be any of 'perp (mT/V)', 'perp (T/V)' (perp)"),
        (PLAIN, (*NAMES, "perp"), (*UNITS, "mT/V"), "stands 2 times in the header"),
        (PLAIN, (*NAMES, "x", "x"), (*UNITS, "", ""), "stands 2 times in the header"),
        (replace(PLAIN, perp="par (mT/V)"), NAMES, UNITS, "is the column of par and of perp"),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_told_are_refused_alike(
    container: str, columns: Columns, names: Sequence[str], units: Sequence[str], what: str
) -> None:
    rows = [[*row, *row[4 - len(names) :]] if len(names) > 4 else row for row in ROWS]
    if container == "parquet" and len(set(headed(names, units))) < len(names):
        pytest.skip("Arrow reads no such table")
    found = said(lambda: read(container, columns, names, units, rows))
    assert [each[1].replace(" or header parameter", "") for each in found] == [what]
    assert [each[0].strip("'").partition(" ")[0] for each in found] == [
        columns.perp.partition(" ")[0]
    ] or what.startswith("stands")


@pytest.mark.parametrize("container", NAMED)
def test_a_name_with_its_unit_tells_columns_apart(container: str) -> None:
    rows = [[*row, 7.0] for row in ROWS]
    for name, first in (("perp (mT/V)", ROWS[0][3]), ("perp", 7.0)):
        (curve,) = read(container, replace(PLAIN, perp=name), (*NAMES, "perp"), (*UNITS, ""), rows)
        assert curve.perp[0] == first


@pytest.mark.parametrize("container", ["csv", "tidy", "preamble", "pymeasure", "excel"])
@pytest.mark.parametrize("above", [0, 2])
def test_a_blank_line_below_the_header_is_refused_alike(container: str, above: int, tmp_path: Path) -> None:
    rows = [*ROWS[:above], ["", "", "", ""], *ROWS[above:]]
    problem = ("", "is blank, and data follow", "remove the blank line, or split the file")
    assert said(lambda: read(container, rows=rows)) == [problem]
    if container != "preamble":  # init takes it for one of Origin, in which blank lines may stand
        file = tmp_path / ("t.xlsx" if container == "excel" else "t.csv")
        file.write_bytes(ALL[container][0](NAMES, UNITS, rows))
        assert problem in said(lambda: inspect_file(file))


@pytest.mark.parametrize("container", ["tidy", "excel"])
def test_a_line_of_units_is_no_blank_line(container: str) -> None:
    form = {**ALL[container][1], "header": ("name", "unit")}
    data = ALL[container][0](NAMES, [""] * 4, [list(UNITS), *ROWS])
    (curve,) = curves_from_bytes(data, declared(**form), "t")
    assert curve.bias.tolist() == [-0.1, 0.0, 0.1]


@pytest.mark.parametrize("container", ["csv", "tidy", "pymeasure"])
def test_a_comment_among_the_data_is_refused_alike(container: str) -> None:
    write, form = ALL[container]
    data = write(NAMES, UNITS, ROWS).replace(b"\n2.1,0.0", b"\n# here\n2.1,0.0")
    (found,) = said(lambda: curves_from_bytes(data, declared(**form), "t.csv"))
    assert found[1] == "is a comment among the data"


def advice(data: bytes, declaration: TableDeclaration) -> Problem:
    with pytest.raises(DataError) as caught:
        curves_from_bytes(data, declaration, "t.csv")
    return caught.value.problems[0]


COMMAS = [[str(cell).replace(".", ",") for cell in row] for row in ROWS]


OF_TEXT = [*NAMED, "netcdf"]


@pytest.mark.parametrize("container", OF_TEXT)
@pytest.mark.parametrize("declares", [False, True])
def test_decimal_commas_beyond_doubt_are_read_and_told_unless_they_are_declared(container: str, declares: bool) -> None:
    write, form = ALL[container]
    form = {**form, "decimal": "," if declares else "."}
    cells = [[str(cell).replace(".", ",") for cell in row] for row in ROWS]
    (curve,) = curves_from_bytes(write(NAMES, UNITS, cells), declared(**form), "t.csv")
    assert (curve.bias.tolist(), curve.perp.tolist()) == ([-0.1, 0.0, 0.1], [row[3] for row in ROWS])
    told = [notice.partition(": ")[2] for notice in curve.notices]
    assert told == ([] if declares else ["'-100,0' has a decimal comma: all numbers are read so"])


@pytest.mark.parametrize("container", OF_TEXT)
@pytest.mark.parametrize("doubt", [("1,234", "2", "3"), ("0,5", "1.5", "2"), ("1,5", "1.234", "2")])
def test_who_declares_the_decimal_comma_in_doubt_as_advised_reads_the_numbers(
    container: str, doubt: Sequence[str]
) -> None:
    write, form = ALL[container]
    form = {**form, "decimal": "."}
    data = write(NAMES, UNITS, [["2", f"{row[1]:g}", cell, "0"] for row, cell in zip(ROWS, doubt, strict=True)])
    assert 'set decimal = ","' in advice(data, declared(**form)).todo
    if "." not in "".join(doubt):
        (curve,) = curves_from_bytes(data, declared(**{**form, "decimal": ","}), "t.csv")
        assert curve.par.tolist() == [1.234, 2.0, 3.0]


@pytest.mark.parametrize("container", OF_TEXT)
def test_minus_signs_of_word_processors_are_read_and_told(container: str) -> None:
    write, form = ALL[container]
    plain = [[str(cell).replace(".", "," if form.get("decimal") else ".") for cell in row] for row in ROWS]
    signs = [[cell.replace("-", "−") for cell in row] for row in plain]
    ((one,), (other,)) = (
        curves_from_bytes(write(NAMES, UNITS, cells), declared(**form), "t") for cells in (plain, signs)
    )
    for name in ("bias", "par", "perp"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.notices == ()
    (told,) = other.notices
    assert "and 3 more: a word processor's minus sign (U+2212) is read as '-'" in told


def test_text_with_a_point_is_no_number_where_commas_are_declared() -> None:
    for container in ("quoted decimal commas", "excel", "parquet"):
        form = {**ALL[container][1], "decimal": ","}
        data = ALL[container][0](NAMES, UNITS, [["2,1", *map(str, row[1:])] for row in ROWS])
        if container.startswith("quoted"):
            data = delimited(",")(NAMES, UNITS, [["2,1", *map(str, row[1:])] for row in ROWS])
        assert "has a decimal point" in advice(data, declared(**form)).what


def test_numbers_of_a_workbook_stay_numbers_beside_text_with_commas() -> None:
    mixed = [[row[0], *commas[1:]] for row, commas in zip(ROWS, COMMAS, strict=True)]
    for decimal, told in ((",", 0), (".", 1)):
        (curve,) = curves_from_bytes(excel(NAMES, UNITS, mixed), declared(reader="excel", decimal=decimal), "t.xlsx")
        assert (curve.thickness, curve.bias[0], curve.perp[0]) == (2.1, -0.1, ROWS[0][3])
        assert len(curve.notices) == told


def test_who_saves_unquoted_decimal_commas_as_advised_reads_the_numbers() -> None:
    rows = "\n".join(",".join(row) for row in COMMAS)
    found = advice(f"{','.join(NAMES)}\n{rows}\n".encode(), declared(decimal=","))
    assert "save with semicolons or with quotes" in found.todo
    for data in (delimited(";")(NAMES, UNITS, COMMAS), delimited(",")(NAMES, UNITS, COMMAS)):
        (curve,) = curves_from_bytes(data, declared(decimal=","), "t.csv")
        assert curve.par.tolist() == [row[2] for row in ROWS]


def test_who_names_the_columns_of_a_table_without_header_as_advised_reads_all_points() -> None:
    data = "".join(",".join(map(str, row)) + "\n" for row in ROWS).encode()
    for columns in (
        PLAIN,
        Columns("column 2", "column 3", "column 4"),
        Columns("-100.0", "-1.5", "0.123456789012345"),
    ):
        one = {} if columns.thickness else {"thickness": 2.1}
        found = advice(data, declared(columns, **one))
        assert (found.where, found.what) == ("t.csv:1", "holds numbers, not the names of columns")
        assert "name each of its 4 columns in [data.format], such as names = [" in found.todo
        assert "-100" not in found.todo
    for names in (NAMES, headed(NAMES, UNITS)):
        (curve,) = curves_from_bytes(data, declared(names=tuple(names)), "t.csv")
        assert curve.bias.tolist() == [-0.1, 0.0, 0.1]
    (curve,) = curves_from_bytes(f"d,{','.join(NAMES[1:])}\n".encode() + data, declared(), "t.csv")
    assert curve.bias.size == 3
    numbered = Columns("1", "2", "3", thickness="0")
    assert "header = [" in advice(b"0,1,2,3\n" + data, declared(numbered)).todo
    (curve,) = curves_from_bytes(b"0,1,2,3\n" + data, declared(numbered, reader="tidy", header=("name",)), "t.csv")
    assert curve.bias.tolist() == [-0.1, 0.0, 0.1]


def test_who_corrects_the_unit_as_advised_reads_the_numbers() -> None:
    data = delimited(",")(NAMES, ("angstrom", "V", "T/V", "T/V"), ROWS)
    advised = [todo for _, _, todo in said(lambda: curves_from_bytes(data, declared(), "t.csv"))]
    for kind, unit in (("thickness", "angstrom"), ("bias", "V"), ("torque", "T/V")):
        assert any(f"set units.{kind} = {unit!r}" in todo for todo in advised)
    (curve,) = curves_from_bytes(data, declared(units=ColumnUnits("V", "T/V", "angstrom")), "t.csv")
    assert (curve.unit, curve.bias[0], curve.thickness) == ("T/V", -100.0, 2.1 / 10)
