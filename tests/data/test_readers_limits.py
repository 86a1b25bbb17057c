"""Files that are huge, or that unpack to something huge, are refused before they cost memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from reader_files import needs, source
from scipy.io import savemat
from shortcuts import slow_after

from mtjfit.data.readers import READERS, ReadOptions, read_sheet, read_source, sheets_from_bytes
from mtjfit.data.readers.header import n_header_lines
from mtjfit.errors import DataError

SMALL = 2_000_000


def peak(work: Callable[[], object]) -> int:
    """Bytes that Python and NumPy held at most while `work` ran and ended in a DataError."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def gigabyte(tmp_path: Path) -> Path:
    path = tmp_path / "huge.csv"
    with path.open("wb") as stream:
        stream.truncate(1_000_000_000)  # takes no place on the disk
    return path


@pytest.mark.parametrize("reader", ["", *READERS])
def test_a_gigabyte_is_refused_unread(reader: str, gigabyte: Path) -> None:
    assert peak(lambda: read_sheet(gigabyte, reader)) < SMALL
    with pytest.raises(
        DataError, match=r"huge.csv: has 1000000000 bytes, more than the limit of 200000000; .* max_bytes"
    ):
        read_source(gigabyte)


def test_the_limit_can_be_raised_and_lowered(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("V,p\n" + "1,2\n" * 1000, encoding="utf-8")
    with pytest.raises(DataError, match="more than the limit of 4003"):
        read_sheet(path, max_bytes=4003)
    with pytest.raises(DataError, match="has more than 200 fields; cut the file or raise max_bytes"):
        sheets_from_bytes(source("a.csv", path.read_bytes()), "tidy", ReadOptions(max_bytes=4004))
    (sheet,) = read_sheet(path, max_bytes=40_040)
    assert len(sheet.lines) == 1000


@pytest.mark.slow
def test_sabotage_the_meter_sees_a_reader_that_reads_first(gigabyte: Path) -> None:
    def careless() -> None:
        with gigabyte.open("rb") as stream:
            stream.read(10 * SMALL)
        raise source("x", b"").fault("too late", "-")

    assert peak(careless) > SMALL


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    needs("excel")
    import openpyxl  # noqa: F401 - what it takes to be imported is not what is measured

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 20_000_000)
    bomb = stream.getvalue()
    assert len(bomb) < 100_000
    options = ReadOptions(max_bytes=10_000_000)
    assert peak(lambda: sheets_from_bytes(source("b.xlsx", bomb), "excel", options)) < SMALL
    with pytest.raises(DataError, match="unpacks to 20000000 bytes, more than the limit of 10000000"):
        sheets_from_bytes(source("b.xlsx", bomb), "excel", options)


def test_a_cell_far_out_makes_no_million_rows() -> None:
    needs("excel")
    import openpyxl

    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "V", 1.0
    stream = io.BytesIO()
    book.save(stream)
    options = ReadOptions(max_bytes=1_000_000)
    with pytest.raises(DataError, match=r"f.xlsx:\d+: has more than 50000 cells"):
        sheets_from_bytes(source("f.xlsx", stream.getvalue()), "excel", options)


def test_a_table_of_repeated_text_is_refused() -> None:
    needs("parquet")
    import pyarrow
    import pyarrow.parquet

    for text, n, match in (
        ("x" * 5000, 2100, "unpacks to more than"),
        ("x", 600_000, "has 600000 records of 1 fields"),
    ):
        words = pyarrow.DictionaryArray.from_arrays(pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), n), [text])
        stream = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({"a": words}), stream, store_schema=False)
        assert len(stream.getvalue()) < 30_000
        with pytest.raises(DataError, match=match):
            sheets_from_bytes(source("p.parquet", stream.getvalue()), "parquet", ReadOptions(max_bytes=10_000_000))


def test_compressed_zeros_are_refused() -> None:
    needs("netcdf")
    import h5netcdf

    stream = io.BytesIO()
    with h5netcdf.File(stream, "w") as file:
        file.dimensions = {"t": 1_000_000}
        file.create_variable("v", ("t",), "f8", compression="gzip", chunks=(100_000,))
    assert len(stream.getvalue()) < SMALL
    with pytest.raises(DataError, match="cells, more than the limit of 500000"):
        sheets_from_bytes(source("z.nc", stream.getvalue()), "netcdf", ReadOptions(max_bytes=10_000_000))


def test_hdf5_files_of_very_many_variables_are_refused():
    for module in ("xarray", "h5netcdf"):
        pytest.importorskip(module)
    h5py = pytest.importorskip("h5py")
    with h5py.File(stream := io.BytesIO(), "w") as file:
        for k in range(2001):
            file[f"v{k}"] = [1.0, 2.0]
    with pytest.raises(DataError, match=r"holds more than 2000 variables and groups; .* raise max_bytes"):
        sheets_from_bytes(source("z.nc", stream.getvalue()), "netcdf", ReadOptions())


def test_classic_files_of_very_many_variables_are_refused() -> None:
    xarray, _ = pytest.importorskip("xarray"), pytest.importorskip("scipy.io")
    data = bytes(xarray.Dataset({f"v{k}": ("x", [1.0]) for k in range(1001)}).to_netcdf(engine="scipy"))
    with pytest.raises(DataError, match=r"holds 1001 variables, more than the limit of 1000; .* max_bytes"):
        sheets_from_bytes(source("c.nc", data), "netcdf", ReadOptions(max_bytes=SMALL))


def test_measurement_files_of_very_many_segments_are_refused() -> None:
    text = "LabVIEW Measurement\t\nSeparator\tTab\n***End_of_Header***\t\n"
    text += "Channels\t1\n***End_of_Header***\nX_Value\tA\n1\t2\n\n" * 10_001
    with pytest.raises(DataError, match=r"a.lvm: has more than 10000 segments; cut the file"):
        sheets_from_bytes(source("a.lvm", text.encode()), "lvm", ReadOptions())


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def variable(name: bytes, *numbers: float) -> bytes:
    flags, shape = struct.pack("<II", 6, 0), struct.pack("<II", len(numbers), 1)
    values = struct.pack(f"<{len(numbers)}d", *numbers)
    return element(14, element(6, flags) + element(5, shape) + element(1, name) + element(9, values))


def structure(name: bytes, inside: bytes) -> bytes:
    head = element(6, struct.pack("<II", 2, 0)) + element(5, struct.pack("<II", 1, 1)) + element(1, name)
    return element(14, head + element(5, struct.pack("<I", 32)) + element(1, b"V".ljust(32, b"\0")) + inside)


MATLAB = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
HOSTILE_MATLAB = {
    "nothing, a million times": (bytes(8) * 1_000_000, "element of type 0 in place of a variable"),
    "nothing, packed": (struct.pack("<II", 15, 16) + zlib.compress(bytes(8)).ljust(16, b"\0"), "element of type 0"),
    "empty variables": (element(14, b"") * 200_001, "more than 10000000 cells"),
    "parameters of many tables": (
        b"".join(variable(b"p%d" % k, k) for k in range(1001))
        + b"".join(structure(b"s%d" % k, variable(b"", 1, 2)) for k in range(1000)),
        "holds 1000 tables and 1001 header parameters that hold for all",
    ),
    "tables": (b"".join(structure(b"s%d" % k, variable(b"", 1, 2)) for k in range(10_001)), "holds 10001 tables"),
}


@pytest.mark.parametrize("case", slow_after(1, HOSTILE_MATLAB))
def test_matlab_files_of_very_many_small_things_are_refused(case: str) -> None:
    body, match = HOSTILE_MATLAB[case]
    began = process_time()
    with pytest.raises(DataError, match=match):
        sheets_from_bytes(source("a.mat", MATLAB + body), "matlab", ReadOptions())
    assert process_time() - began < 15


@pytest.mark.slow
def test_header_keys_are_not_copied_for_each_segment_of_a_measurement_file() -> None:
    head = "LabVIEW Measurement\t\nSeparator\tTab\n" + "".join(f"K{k}\tv\n" for k in range(20_000))
    text = head + "***End_of_Header***\t\n" + "Channels\t1\n***End_of_Header***\nX_Value\tA\n1\t2\n\n" * 5_000
    began = process_time()
    assert len(sheets_from_bytes(source("a.lvm", text.encode()), "lvm", ReadOptions())) == 5_000
    assert process_time() - began < 8


@pytest.mark.slow
def test_settings_between_texts_are_looked_at_once() -> None:
    rows = [(k, [f"k{k}", "1"] if k % 2 else ["x", "y"]) for k in range(60_000)]
    began = process_time()
    assert n_header_lines(ReadOptions(), [*rows, (1, ["a", "b", "c"]), (2, ["1", "2", "3"])]) == 60_001
    assert process_time() - began < 3


DAMAGED = """
import io
import pyarrow, pyarrow.parquet
from mtjfit.data.readers import SourceFile, sheets_from_bytes
from mtjfit.errors import DataError
stream = io.BytesIO()
pyarrow.parquet.write_table(pyarrow.table({"device": ["a", "b"], "V": [0.0, 0.1]}), stream)
data = stream.getvalue()
refused = 0
for place in range(len(data) - 8 - int.from_bytes(data[-8:-4], "little"), len(data) - 8):
    if data[place] == 2:  # among others, a column that may be empty becomes one that may not
        try:
            sheets_from_bytes(SourceFile("p.parquet", data[:place] + bytes(1) + data[place + 1 :]), "parquet")
        except DataError:
            refused += 1
print(refused)
"""


def test_damaged_metadata_of_parquet_do_not_end_python() -> None:
    """pyarrow ends the process where a column's metadata contradict its statistics, so this has one of its own."""
    needs("parquet")
    done = subprocess.run(
        [sys.executable, "-c", DAMAGED], capture_output=True, text=True, timeout=120, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 2


def test_a_compressed_matlab_variable_is_not_unpacked_beyond_the_limit() -> None:
    savemat(stream := io.BytesIO(), {"V": np.zeros(5_000_000)}, do_compression=True)
    bomb = source("a.mat", stream.getvalue())
    assert peak(lambda: sheets_from_bytes(bomb, "matlab", ReadOptions(max_bytes=1_000_000))) < 5_000_000
