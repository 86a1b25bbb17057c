"""Whatever the bytes of a file are: every reader gives sheets or a `DataError` that names the file."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_files import FILES, faults_of, file_bytes, needs

from mtjfit.data.readers import READERS, ReadOptions, Sheet, SourceFile, recognised_in, sheets_from_bytes

EXAMPLE = {
    "tidy": "tidy.tsv", "wide": "wide.csv", "origin": "origin.txt", "pymeasure": "pymeasure.csv",
    "lvm": "labview.lvm", "webplotdigitizer": "webplotdigitizer.csv", "excel": "excel.xlsx",
    "parquet": "parquet.parquet", "netcdf": "netcdf_classic.nc", "qcodes": "qcodes.db",
}  # fmt: skip
BINARY = ("excel", "parquet", "netcdf", "qcodes")
TEXT = tuple(reader for reader in READERS if reader not in BINARY)
OPTIONS = ReadOptions(max_bytes=1_000_000)


def profile(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


def read_all(reader: str, given: SourceFile) -> tuple[Sheet, ...]:
    """Sheets and everything in them that a program would ask for next."""
    sheets = sheets_from_bytes(given, reader, OPTIONS)
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


@pytest.mark.parametrize("reader", READERS)
def test_every_example_is_read(reader: str) -> None:
    needs(reader)
    assert (
        faults_of(lambda each: read_all(reader, each), SourceFile("f", file_bytes(EXAMPLE[reader]), EXAMPLE[reader]))
        == []
    )
    assert (FILES / "qcodes.sql").is_file()


@pytest.mark.parametrize("reader", TEXT)
@profile(40)
@given(st.one_of(st.text(alphabet=alphabet, max_size=200).map(str.encode), st.binary(max_size=100)), st.booleans())
def test_text_readers_take_anything(reader: str, data: bytes, behind_the_example: bool) -> None:
    check(reader, file_bytes(EXAMPLE[reader]) + data if behind_the_example else data)


@pytest.mark.parametrize("reader", TEXT)
@profile(40)
@given(st.data())
def test_text_readers_take_damaged_examples(reader: str, data: st.DataObject) -> None:
    check(reader, damaged(file_bytes(EXAMPLE[reader]), data))


@pytest.mark.parametrize("reader", [each for each in BINARY if each != "netcdf"])
@profile(25)
@given(st.data())
def test_binary_readers_take_damaged_examples(reader: str, data: st.DataObject) -> None:
    needs(reader)
    check(reader, damaged(file_bytes(EXAMPLE[reader]), data))


@profile(25)
@given(st.data())
def test_classic_netcdf_may_be_damaged(data: st.DataObject) -> None:
    needs("netcdf")
    check("netcdf", damaged(file_bytes("netcdf_classic.nc"), data))


@profile(12)
@given(st.data())
def test_hdf5_may_be_cut_off(data: st.DataObject) -> None:
    # Bytes within HDF5 are the business of its own library, in C; here its files end too early.
    needs("netcdf")
    whole = file_bytes("netcdf.nc")
    check("netcdf", whole[: data.draw(st.integers(8, len(whole) - 1))])


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
