"""Tables read piece by piece: the same numbers from every format, and every fault with its device and its line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from table_cases import ROWS, SMALL, joined, put, row, same, small, table, text_of
from wafer_cases import Wafer, folder_study, simulated_wafer, wafer_study, wafer_toml

from mtjfit.data import TableFormat, read_curves
from mtjfit.data.tidy import Header, parse_number
from mtjfit.errors import DataError
from mtjfit.wafer import chunks, load_wafer, table_identity
from mtjfit.wafer.read.blocks import RowBlock, Runs, gathered
from mtjfit.wafer.read.table import chunk_count
from mtjfit.wafer.read.text import numbers_in

# every format, the same numbers


@pytest.fixture(scope="module")
def wafer() -> Wafer:
    return simulated_wafer(11, uneven=True, n_bias=12)


@pytest.mark.parametrize("kind", ["csv", "parquet", "quoted", "crlf", "tabs", "bom", "strings"])
def test_every_format_gives_the_same_chunks(kind: str, wafer: Wafer, tmp_path: Path) -> None:
    path = tmp_path / "table"
    write: dict[str, Callable[[], object]] = {
        "csv": lambda: wafer.csv(path),
        "parquet": lambda: wafer.parquet(path, rows_in_group=17),
        "quoted": lambda: wafer.csv(path, quoting=csv.QUOTE_ALL),
        "strings": lambda: wafer.csv(path, quoting=csv.QUOTE_NONNUMERIC),
        "crlf": lambda: wafer.csv(path, lineterminator="\r\n"),
        "tabs": lambda: wafer.csv(path, sep="\t"),
        "bom": lambda: wafer.csv(path, encoding="utf-8-sig"),
    }
    write[kind]()
    study = wafer_study(tmp_path, path, wafer=SMALL)
    found = list(chunks(study))
    assert [chunk.number for chunk in found] == [0, 1, 2]
    assert [len(chunk.device) for chunk in found] == [4, 4, 3]
    assert found[-1].share == 1.0
    assert same(joined(found), wafer.chunk())
    assert chunk_count(study) is None
    assert [chunk.number for chunk in chunks(study, {0, 2})] == [1]
    assert same(next(iter(chunks(study, {0, 2}))), found[1])


def test_a_folder_gives_the_same_devices(wafer: Wafer, tmp_path: Path) -> None:
    first = folder_study(tmp_path, wafer, SMALL)
    sweeps = first.table
    (sweeps / ".hidden").write_text("no", encoding="utf-8")
    for study in (first, replace(first, table=sweeps / "*.csv")):
        one = replace(wafer.chunk(), wafer=("",) * 11, split=("",) * 11)
        assert same(joined(list(chunks(study))), one)
        assert chunk_count(study) == 3
    next(sweeps.glob("D000003*")).unlink()
    (sweeps / "D000003_X1mm_Y2mm_T1.2nm.csv").write_text("V,T_par\n1,2\n", encoding="utf-8")
    faults = [fault for chunk in chunks(study) for fault in chunk.faults]
    assert [fault.device for fault in faults] == ["D000003"]
    assert "no such column" in faults[0].what


def test_two_files_of_one_device(wafer: Wafer, tmp_path: Path) -> None:
    wafer.folder(tmp_path / "sweeps")
    text = wafer_toml(data='device = "A"', wafer="").replace('device = "device"\n', "").replace(
        'thickness = "d_nm"\n', "").replace('data]]\n', 'data]]\nthickness = 2.0\n')  # fmt: skip
    (tmp_path / "wafer.toml").write_text(text.partition("[wafer]")[0], encoding="utf-8")
    with pytest.raises(DataError, match="is the second file of device 'A'"):
        list(chunks(load_wafer(tmp_path / "wafer.toml", tmp_path / "sweeps")))


def test_as_the_reader_of_single_studies(wafer: Wafer, tmp_path: Path) -> None:
    """Flipped, in mV and Å, masked, with a bias window and decimal commas: bit for bit `mtjfit.data.read_curves`."""
    rows = wafer.rows.copy()
    rows["V"], rows["d_nm"] = np.round(rows["V"] * 1e3, 3), rows["d_nm"] * 10
    path = tmp_path / "table.csv"
    rows.to_csv(path, index=False, sep=";", decimal=",")
    study = wafer_study(
        tmp_path, path, perp_axis="PxM",
        data='bias_window = [-0.46, 0.5]\nmask = [{ bias = [-0.2, 0.02], reason = "spike", device = "D000002" }]\n'
             '[data.format]\ndecimal = ","',
    )  # fmt: skip
    text = study.text.replace('bias = "V"\ntorque', 'bias = "mV"\ntorque').replace(
        'thickness = "nm"', 'thickness = "angstrom"')  # fmt: skip
    (tmp_path / "wafer.toml").write_text(text, encoding="utf-8")
    study = load_wafer(tmp_path / "wafer.toml", path)
    (chunk,) = chunks(study)
    curves = read_curves(path, study.declaration)
    for name in ROWS[:5]:
        assert getattr(chunk, name).tobytes() == np.concatenate([getattr(each, name) for each in curves]).tobytes()
    assert chunk.used is not None
    assert chunk.used.tolist() == np.concatenate([curve.used for curve in curves]).tolist()
    assert chunk.thickness.tolist() == [curve.thickness for curve in curves]
    assert chunk.device == tuple(curve.device for curve in curves)


@settings(max_examples=6, deadline=None)
@given(st.integers(30, 4000), st.integers(1, 12))
def test_nothing_depends_on_how_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, piece: int, size: int
) -> None:
    folder, lines = tmp_path_factory.mktemp("cut"), text_of(simulated_wafer(11, uneven=True, n_bias=8))
    lines[20] = lines[20].replace(",", ";")
    lines[40] = lines[40] + ",1"
    lines.insert(60, "")
    study = small(folder, "\n".join(lines), wafer=f"chunk = {size}\n")
    whole = list(chunks(study))
    parts = list(chunks(study, block=piece))
    assert [(chunk.number, chunk.faults) for chunk in parts] == [(chunk.number, chunk.faults) for chunk in whole]
    assert all(same(a, b) for a, b in zip(parts, whole, strict=True))
    assert sum(len(chunk.faults) for chunk in whole) >= 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.text("0123456789+-.eE_xn ai", max_size=8),
    st.sampled_from(["nan", "1_0", "+.5e-3", "1e999", "True", "-inf", "5\x0b", "\N{FULLWIDTH DIGIT ONE}"]),
), min_size=1, max_size=30), st.sampled_from(".,"))  # fmt: skip
@example(["0.1", "1" * 70, "2"], ".")
@example(["TRUE"], ".")
@example([""], ".")
@example([repr(k / 7) for k in range(1200)] + ["x"], ".")
def test_numbers_are_those_of_the_strict_reader(texts: list[str], decimal: str) -> None:
    texts = [text.replace(".", decimal) for text in texts]
    data = "".join(f"a\t{text}\n" for text in texts).encode()
    values, faults = numbers_in(data, TableFormat(decimal=decimal), Header(1, ("device", "V"), "\t", {}), [1])
    expected = [parse_number(text.strip(), decimal) for text in texts]
    np.testing.assert_array_equal(values[1], [value for value, _ in expected])
    assert faults == [(k, 1, *fault) for k, (_, fault) in enumerate(expected) if fault is not None]


# memory, identity, what is not there


def test_a_chunk_that_needs_too_much_memory() -> None:
    def blocks():
        for k in range(1000):
            n = 1000
            yield RowBlock(np.arange(k * n, (k + 1) * n), {"device": Runs(np.array([0]), ["A"])},
                        lambda n=n: ({"bias": np.zeros(n)}, []))  # fmt: skip

    with pytest.raises(DataError, match="set a smaller chunk in"):
        list(gathered(blocks(), "t", 10, 2**20))


def test_skipped_blocks_are_not_read() -> None:
    def never() -> Any:
        raise AssertionError

    some = [RowBlock(np.arange(3) + 3 * k, {"device": Runs(np.array([0]), [f"D{k}"])}, never) for k in range(6)]
    assert list(gathered(some, "t", 2, 2**20, {0, 1, 2})) == []


def test_identity(tmp_path: Path, wafer: Wafer) -> None:
    study = small(tmp_path, table(lambda _: None))
    before = table_identity(study)
    assert table_identity(study) == before
    small(tmp_path, table(put(3, row("A", -0.1, T_par=-0.1001))))
    assert table_identity(study) != before
    folder = replace(study, table=wafer.folder(tmp_path / "sweeps"))
    one = table_identity(folder)
    path = next((tmp_path / "sweeps").iterdir())
    path.rename(path.with_name("Z" + path.name))
    assert table_identity(folder) != one


def test_no_such_table(tmp_path: Path) -> None:
    study = small(tmp_path, table(lambda _: None))
    for name, message in (("tabel.csv", "did you mean 'table.csv'"), ("none*.csv", "fits no file")):
        with pytest.raises(DataError, match=message):
            list(chunks(replace(study, table=tmp_path / name)))
        with pytest.raises(DataError, match=message):
            table_identity(replace(study, table=tmp_path / name))


def test_memory_does_not_grow_with_the_number_of_devices(tmp_path: Path) -> None:
    """Peak of what Python and numpy hold, of one table and of one six times as long; names take 8 bytes each."""
    import tracemalloc

    one, peaks, sizes = text_of(simulated_wafer(60, n_bias=9)), [], []
    for times in (1, 1, 6):  # the first warms up
        lines = [line.replace("W1", f"W{k}") for k in range(times) for line in one[1:]]
        study = small(tmp_path, "\n".join([one[0], *lines]), wafer="chunk = 20\n")
        tracemalloc.start()
        assert sum(len(chunk.device) for chunk in chunks(study, block=2**14)) == 60 * times
        peaks.append(tracemalloc.get_traced_memory()[1])
        sizes.append(study.table.stat().st_size)
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 0.15 * (sizes[2] - sizes[1])


def test_the_comparison_of_chunks_sees_one_bit(wafer: Wafer) -> None:
    chunk = wafer.chunk()
    for name in (*ROWS[:5], "thickness", "x"):
        values = np.array(getattr(chunk, name))
        values[3] = np.nextafter(values[3], np.inf)
        assert not same(chunk, replace(chunk, **{name: values})), name
    assert not same(chunk, replace(chunk, device=("other", *chunk.device[1:])))
