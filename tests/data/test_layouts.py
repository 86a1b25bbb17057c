"""Tables as programs of laboratories lay them out: spaces, preambles, titles, packed; and files that are no tables."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from reader_files import database, needs, source
from small import declare, problems_of

from mtjfit.data import Columns, ColumnUnits, ConstantSigma, SourceFile, TorqueCurve, curves_from_sources
from mtjfit.data.readers import ReadOptions, Sheet, read_sheet, recognised_in, sheets_from_bytes
from mtjfit.errors import DataError

ROWS = "-100,-1.5,0.25\n0,0,0\n100,1.5,0.25\n"
TABLE = "V,par,perp\n" + ROWS
VALUES = [-1.5, 0.0, 1.5]


def read(text: str | bytes, reader: str = "", name: str = "t.csv", **options: object) -> Sheet:
    data = text.encode() if isinstance(text, str) else text
    (sheet,) = sheets_from_bytes(SourceFile(name, data, name), reader, ReadOptions(**options))  # type: ignore[arg-type]
    return sheet


def curve(text: str | bytes, reader: str = "", **form: object) -> TorqueCurve:
    """The curve of a file of one device, through all that a study does with it."""
    declaration = declare(
        Columns("V", "par", "perp"), quantity="torkance", per="volume", units=ColumnUnits("mV", "mT/V", "nm"),
        device="A", thickness=2.0, sigma=ConstantSigma(0.1, 0.1), reader=reader, **form,
    )  # fmt: skip
    data = text.encode() if isinstance(text, str) else text
    (found,) = curves_from_sources([SourceFile("t.csv", data, "t.csv")], declaration)
    return found


def spaced(text: str) -> str:
    return text.replace(",", "  ")


@pytest.mark.parametrize(
    "text",
    [
        spaced(TABLE),
        "  V\t par   perp \n -100 -1.5\t0.25  \n 0 0 0\n 100 1.5 0.25\n",
        'V par perp "a note"\n-100 -1.5 0.25 "at 4 K"\n0 0 0 ""\n100 1.5 0.25 x\n',
        spaced(TABLE).replace(".", ","),
    ],
)
def test_spaces_separate_where_nothing_else_does(text: str) -> None:
    sheet = read(text)
    assert (sheet.names[:3], sheet.numbers("par").tolist()) == (("V", "par", "perp"), VALUES)
    assert "separator space" in sheet.notes
    assert curve(text, separator="space", decimal=sheet.decimal).par.tolist() == VALUES


@pytest.mark.parametrize(
    ("text", "cells"),
    [("a 1, 2.5\nb 1, 3.5\n", ["a 1", "2.5"]), ("1 2\t3\n4 5\t6\n", ["1 2", "3"]), ("1, 2\n3, 4\n", ["1", "2"])],
)
def test_spaces_within_fields_separate_nothing(text: str, cells: list[str]) -> None:
    assert [column.cells[0] for column in read(text, "wide", names=("x", "y")).columns] == cells


def test_a_broken_row_among_spaces_is_at_its_place() -> None:
    assert problems_of(read, spaced(TABLE) + "200 1\n", kind=DataError)[0].startswith("t.csv:5: has 2 fields")


def test_a_declared_table_says_how_to_read_spaces() -> None:
    (problem,) = problems_of(curve, spaced(TABLE), separator=",", kind=DataError)
    assert "separated by spaces" in problem or "separator" in problem


def test_what_savetxt_writes_is_a_covariance(tmp_path: Path) -> None:
    stream = io.StringIO()
    np.savetxt(stream, 0.01 * np.eye(6))
    table = SourceFile("t.csv", TABLE.encode(), "t.csv")
    declaration = declare(
        Columns("V", "par", "perp"), quantity="torkance", per="volume", units=ColumnUnits("mV", "mT/V", "nm"),
        device="A", thickness=2.0, separator=",", covariance="c.txt",
    )  # fmt: skip
    given = SourceFile("c.txt", stream.getvalue().encode(), "c.txt")
    (found,) = curves_from_sources([table], declaration, opened=lambda name: given)
    assert found.sigma_par.tolist() == [0.1, 0.1, 0.1]


PREAMBLES = {
    "settings": "".join(f"Setting {k},value {k}\n" for k in range(5)),
    "numbers": "Power,18\nField,100\nBYAPP,1,,\n",
    "long": "".join(f"Setting {k},value {k}\n" for k in range(40)),
    "title": "Torkance of lot 7\n\n",
    "a title in a table of Excel": "Torkance of lot 7,,\n,,\n",
    "too wide": "Model,2450,SN,1234,FW,1.6,Opt,a,b,c\n",
    "as wide, in words": "Test parameter,Channel unit,SMU 2\n",
    "column letters": "A,B,C\n",
    "none": "",
}


@pytest.mark.parametrize("above", PREAMBLES)
@pytest.mark.parametrize("below", ["", "mV,mT/V,mT/V\n", "(mV),(emu),(emu)\n"])
def test_names_stand_in_the_last_line_with_all_fields(above: str, below: str) -> None:
    sheet = read(PREAMBLES[above] + "V,par,perp\n" + below + ROWS)
    assert (sheet.names, sheet.numbers("par").tolist()) == (("V", "par", "perp"), VALUES)
    assert sheet.columns[0].unit == ("mV" if below else None)
    said = any("header lines taken as" in note or "preamble" in note for note in sheet.notes)
    assert said == (above != "none" or below != "")


@pytest.mark.parametrize("above", ["settings", "numbers", "too wide"])
def test_a_title_above_a_sheet_of_excel(above: str) -> None:
    needs("excel")
    import openpyxl

    book = openpyxl.Workbook()
    for line in ("Torkance of lot 7\n\n" + PREAMBLES[above] + TABLE).splitlines():
        book.active.append([float(c) if c.strip("-.").replace(".", "").isdigit() else c for c in line.split(",")])
    book.save(stream := io.BytesIO())
    sheet = read(stream.getvalue(), "excel", "t.xlsx")
    assert (sheet.names[:3], sheet.numbers("par").tolist()) == (("V", "par", "perp"), VALUES)


@pytest.mark.parametrize("header", [("skip", "name"), ("comment", "name")])
def test_a_skipped_line_does_not_count_for_the_width(header: tuple[str, ...]) -> None:
    text = PREAMBLES["too wide" if header[0] == "skip" else "column letters"] + TABLE
    assert curve(text, "tidy", header=header).par.tolist() == VALUES


def test_rows_of_a_first_table_are_not_a_preamble() -> None:
    for first in (TABLE, "V,par\n1,2\n3,4\n", "device,V\nA,1\nA,2\n"):
        try:
            sheet = read(first + TABLE)
        except DataError:
            continue
        assert problems_of(sheet.numbers, sheet.names[1], kind=DataError)


def test_names_that_do_not_fit_the_rows_are_not_taken() -> None:
    sheet = read("one,two\n1,2,3\n4,5,6\n")
    assert (sheet.names, sheet.lines) == (("column 1", "column 2", "column 3"), (2, 3))
    assert any("line 1 above the table taken as a preamble" in note for note in sheet.notes)
    assert any("no header line" in note and "line 2 is the first of data" in note for note in sheet.notes)


def test_numbers_as_names_are_noted() -> None:
    sheet = read("V,0.8,1.2\n-100,1,2\n0,3,4\n")
    assert (sheet.names, sheet.lines) == (("V", "0.8", "1.2"), (2, 3))
    assert any("most of them are numbers" in note for note in sheet.notes)
    assert any("line 1 is the first of data" in note for note in read("1,0.8,1.2\n-100,1,2\n").notes)


@pytest.mark.parametrize("first", ["sep=,", '"sep=,"', "SEP=,,,"])
def test_the_line_of_excel_names_the_separator(first: str) -> None:
    text = f"{first}\n{TABLE}"
    assert (read(text).header_line, curve(text).par.tolist()) == (2, VALUES)
    assert curve(text.replace(",", ";")).par.tolist() == VALUES
    assert "names the separator ','" in problems_of(curve, text, separator=";", kind=DataError)[0]
    assert "names the separator ':'" in problems_of(curve, f"sep=:\n{TABLE}", kind=DataError)[0]


def test_quantum_design_keeps_its_settings() -> None:
    (sheet,) = read_sheet(Path(__file__).parent / "files" / "quantum_design.dat")
    assert sheet.parameter("SAMPLE_THICKNESS") == (2.1, "nm")
    cut = source("quantum_design.dat").data.partition(b"[Data]")[0]
    assert "has no line [Data]" in problems_of(read, cut, kind=DataError)[0]


@pytest.mark.parametrize("text", [TABLE, spaced(TABLE), PREAMBLES["settings"] + TABLE])
def test_what_gzip_packed_is_read_alike(text: str) -> None:
    packed = gzip.compress(text[:20].encode()) + gzip.compress(text[20:].encode())
    assert read(packed).columns == read(text).columns
    assert recognised_in(SourceFile("t.csv.gz", packed, "t.csv.gz")) == recognised_in(SourceFile("t", text.encode()))
    if text == TABLE:
        assert curve(packed).par.tolist() == VALUES


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(bytes(10_000_000)), "unpacks to more than 1000000 bytes"),
        (gzip.compress(TABLE.encode())[:-9], "it was cut off"),
        (gzip.compress(TABLE.encode())[:-8] + bytes(8), "damaged"),
        (gzip.compress(TABLE.encode()) + b"rest", "damaged"),
        (gzip.compress(b"") * 30_000, "it has more than 20000 parts"),
        (gzip.compress(gzip.compress(TABLE.encode())), "packed with gzip twice"),
        (gzip.compress(b"%PDF-1.7"), "is a PDF document"),
    ],
)
def test_what_gzip_packed_has_limits(data: bytes, what: str) -> None:
    assert what in problems_of(read, data, max_bytes=1_000_000, kind=DataError)[0]


def packed_as(suffix: str, name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    if suffix == "tar":
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(info := tarfile.TarInfo(name), io.BytesIO(content))
            info.size = len(content)
    else:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(name, content)
    return stream.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
FOREIGN = {
    "an old Excel workbook": OLE,
    "an Excel workbook with a password": OLE + "EncryptedPackage".encode("utf-16-le"),
    "an OpenDocument table": packed_as("zip", "mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
    "a zip archive": packed_as("zip", "a.csv", b"1,2"),
    "arrays of NumPy": packed_as("zip", "a.npy", b"x"),
    "a tar archive": packed_as("tar", "a.csv", b"1,2"),
    "a project of WebPlotDigitizer (.tar)": packed_as("tar", "p/wpd.json", b"{}"),
    "a project of WebPlotDigitizer": json.dumps({"version": [4, 2], "datasetColl": []}).encode(),
    "a JSON document": b'{"a": 1}',
    "a web page": b"<!DOCTYPE html><html>",
    "an Origin project (.opju)": b"CPYUA 4.3380 186\n\0",
    "an Origin project (.opj)": b"CPYA 4.2673 552#\n\0",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0",
    "a PDF document": b"%PDF-1.7\n",
    "a picture (PNG)": b"\x89PNG\r\n\x1a\n\0",
    "a picture (JPEG)": b"\xff\xd8\xff\xe0\0",
    "packed with xz": b"\xfd7zXZ\0",
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("reader", ["", "tidy"])
def test_files_that_are_no_tables_are_named(what: str, reader: str) -> None:
    (problem,) = problems_of(read, FOREIGN[what], reader, kind=DataError)
    assert problem.startswith(f"t.csv: is {what}" if what != "arrays of NumPy" else "t.csv: holds arrays")
    assert "; " in problem


@pytest.mark.parametrize("what", ["an old Excel workbook", "an Excel workbook with a password", "a PDF document"])
def test_a_declared_reader_names_them_too(what: str) -> None:
    needs("excel")
    assert problems_of(read, FOREIGN[what], "excel", kind=DataError)[0].startswith(f"t.csv: is {what}")


@pytest.mark.parametrize("first", ["PAR1", "CPYA", "GIF8", "PKA", "{V}", "<V>", "TDSm", "MATLAB 5.0"])
def test_texts_that_begin_like_them_are_texts(first: str) -> None:
    assert read(TABLE.replace("V", first, 1)).names[0] == first


def test_databases_and_hdf5_without_a_table_are_named() -> None:
    (problem,) = problems_of(read, database("CREATE TABLE a (b)"), kind=DataError)
    assert "QCoDeS" in problem
    needs("hdf5")
    import h5py

    with h5py.File(stream := io.BytesIO(), "w") as file:
        file["grid"] = np.eye(3)
    (problem,) = problems_of(read, stream.getvalue(), kind=DataError)
    assert problem.startswith("t.csv: holds no table, only /grid (3, 3); export")


def test_texts_that_share_their_storage_are_not_read_with_a_compound() -> None:
    needs("hdf5")
    import h5py

    kind = np.dtype([("V", "f8"), ("said", h5py.string_dtype()), ("n", "i4"), ("pair", "f8", (2,))])
    with h5py.File(stream := io.BytesIO(), "w") as file:
        file["points"] = np.array([(k, "x" * 900, k, (1.0, 2.0)) for k in range(3)], dtype=kind)
    sheet = read(stream.getvalue(), name="t.h5")
    assert (sheet.names, sheet.numbers("n").tolist()) == (("V", "n"), [0.0, 1.0, 2.0])
    assert "left out: /points/said, /points/pair" in sheet.notes


def element(kind: int, body: bytes) -> bytes:
    return np.array([kind, len(body)], "<u4").tobytes() + body + bytes(-len(body) % 8)


def matrix(kind: int, shape: tuple[int, int], *parts: bytes) -> bytes:
    head = element(6, np.array([kind, 0], "<u4").tobytes()) + element(5, np.array(shape, "<i4").tobytes())
    return element(14, head + element(1, b"v") + b"".join(parts))


def matlab(*variables: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(variables)


NUMBERS = element(9, np.arange(3.0).tobytes())
BOMB = element(15, zlib.compress(matrix(6, (1, 2_000_000), element(9, bytes(16_000_000)))))


@pytest.mark.parametrize(
    ("variable", "what"),
    [
        (matrix(6, (1, 9), NUMBERS), "does not hold as many numbers as it says"),
        (matrix(6, (1, 3), NUMBERS)[:-8], "it ends too early"),
        (matrix(16, (1, 1)), "holds no table, only /v (a function handle)"),
        (matrix(3, (1, 1)), "holds no table, only /v (an object)"),
        (matrix(1, (50_000, 50_000)), "it ends too early"),  # cells that would take gigabytes
        (BOMB, "unpacks to more than 1000000 bytes"),
        (element(15, b"\x78\x9c\xff"), "no MATLAB file that can be read"),
    ],
)
def test_matlab_files_have_limits_and_run_nothing(variable: bytes, what: str) -> None:
    assert len(variable) < 20_000
    assert what in problems_of(read, matlab(variable), max_bytes=1_000_000, kind=DataError)[0]


def test_what_matlab_wrote_beside_a_vector_is_noted() -> None:
    sheet = read(matlab(matrix(6, (1, 3), NUMBERS), matrix(16, (1, 1))))
    assert (sheet.numbers("v").tolist(), sheet.notes[-1]) == ([0.0, 1.0, 2.0], "left out: /v (a function handle)")


def test_a_name_of_a_device_above_one_number_is_no_name_of_a_column() -> None:
    """Of a table without header, whose second device is called 5e-324."""
    rows = "D0  18.0  -1.06\n5e-324  18.1  -1.04\nD2  18.2  -0.3\nD3  18.3  0.62\n"
    (sheet,) = sheets_from_bytes(SourceFile("t.txt", rows.encode()))
    assert sheet.lines == (1, 2, 3, 4)
