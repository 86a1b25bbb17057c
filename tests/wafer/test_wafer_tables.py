"""Tables read piece by piece: the same numbers from every format, and every fault with its device and its line."""

from __future__ import annotations

import csv
import gzip
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from table_cases import (
    BIASES,
    GOOD,
    HEADER,
    ROWS,
    changed_devices,
    joined,
    put,
    row,
    same,
    small,
    table,
)  # fmt: skip
from wafer_cases import Wafer, folder_study, simulated_wafer, wafer_study, wafer_toml

from mtjfit.data import TableFormat, read_curves
from mtjfit.data.plain_table import Header
from mtjfit.data.tidy import parse_number
from mtjfit.errors import DataError
from mtjfit.wafer import WaferStudy, chunks, load_wafer, table_identity
from mtjfit.wafer.read.table import table_notes
from mtjfit.wafer.read.text import numbers_in

# every format, the same numbers


@pytest.fixture(scope="module")
def wafer() -> Wafer:
    return simulated_wafer(11, uneven=True, n_bias=12)


FORMATS: dict[str, Callable[[Wafer, Path], object]] = {
    "csv": Wafer.csv,
    "parquet": partial(Wafer.parquet, rows_in_group=17),
    "quoted": partial(Wafer.csv, quoting=csv.QUOTE_ALL),
    "strings": partial(Wafer.csv, quoting=csv.QUOTE_NONNUMERIC),
    "crlf": partial(Wafer.csv, lineterminator="\r\n"),
    "tabs": partial(Wafer.csv, sep="\t"),
    "bom": partial(Wafer.csv, encoding="utf-8-sig"),
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_chunks(
    write: Callable[[Wafer, Path], object], wafer: Wafer, tmp_path: Path
) -> None:
    write(wafer, tmp_path / "table")
    study = wafer_study(tmp_path, tmp_path / "table", wafer="chunk = 4\n")
    found = list(chunks(study))
    assert [(chunk.number, len(chunk.device)) for chunk in found] == [(0, 4), (1, 4), (2, 3)]
    assert found[-1].share == 1.0
    assert same(joined(found), wafer.chunk())
    (again,) = chunks(study, {0, 2})
    assert again.number == 1
    assert same(again, found[1])


def test_a_folder_gives_the_same_devices(wafer: Wafer, tmp_path: Path) -> None:
    first = folder_study(tmp_path, wafer, "chunk = 4\n")
    sweeps = first.table
    (sweeps / ".hidden").write_text("no", encoding="utf-8")
    for study in (first, replace(first, table=sweeps / "*.csv")):
        found = list(chunks(study))
        assert same(joined(found), replace(wafer.chunk(), wafer=("",) * 11, split=("",) * 11))
        assert [chunk.share for chunk in found] == [4 / 11, 8 / 11, 1.0]
    (sweeps / "later.CSV").write_text("no", encoding="utf-8")
    assert [note.partition(" not read")[0] for note in table_notes(study)] == ["1 file"]
    next(sweeps.glob("D000003*")).unlink()
    (sweeps / "D000003_X1mm_Y2mm_T1.2nm.csv").write_text("V,T_par\n1,2\n", encoding="utf-8")
    (fault,) = (fault for chunk in chunks(study) for fault in chunk.faults)
    assert (fault.device, "no such column" in fault.what) == ("D000003", True)


def test_two_files_of_one_device(wafer: Wafer, tmp_path: Path) -> None:
    text = wafer_toml(data='device = "A"\nthickness = 2.0').partition("[wafer]")[0]
    for line in ('device = "device"\n', 'thickness = "d_nm"\n'):
        text = text.replace(line, "")
    (tmp_path / "wafer.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="is the second file of device 'A'"):
        list(chunks(load_wafer(tmp_path / "wafer.toml", wafer.folder(tmp_path / "sweeps"))))


def test_as_the_reader_of_single_studies(wafer: Wafer, tmp_path: Path) -> None:
    """Flipped, in mV and Å, masked, with a bias window and decimal commas: bit for bit `mtjfit.data.read_curves`."""
    rows = wafer.rows.copy()
    rows["V"], rows["d_nm"] = np.round(rows["V"] * 1e3, 3), rows["d_nm"] * 10
    path = tmp_path / "table.csv"
    rows.to_csv(path, index=False, sep=";", decimal=",")
    masks = 'bias_window = [-0.46, 0.5]\nmask = [{ bias = [-0.2, 0.02], reason = "spike", device = "D000002" }]\n'
    text = wafer_toml(perp_axis="PxM", data=masks + '[data.format]\ndecimal = ","')
    for old, new in (('bias = "V"\ntorque', 'bias = "mV"\ntorque'), ('thickness = "nm"', 'thickness = "angstrom"')):
        text = text.replace(old, new)
    (tmp_path / "wafer.toml").write_text(text, encoding="utf-8")
    study = load_wafer(tmp_path / "wafer.toml", path)
    (chunk,) = chunks(study)
    curves = read_curves(path, study.declaration)
    for name in ROWS[:5]:
        assert getattr(chunk, name).tobytes() == np.concatenate([getattr(each, name) for each in curves]).tobytes()
    assert chunk.used.tolist() == np.concatenate([curve.used for curve in curves]).tolist()
    assert chunk.thickness.tolist() == [curve.thickness for curve in curves]
    assert chunk.device == tuple(curve.device for curve in curves)


@settings(max_examples=6, deadline=None)
@given(st.integers(30, 4000), st.integers(1, 12))
def test_nothing_depends_on_how_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, piece: int, size: int
) -> None:
    folder, lines = tmp_path_factory.mktemp("cut"), simulated_wafer(11, uneven=True, n_bias=8).lines
    lines[20], lines[40] = lines[20].replace(",", ";"), lines[40] + ",1"
    lines.insert(60, "")
    study = small(folder, "\n".join(lines), wafer=f"chunk = {size}\n")
    whole = list(chunks(study))
    parts = list(chunks(study, block=piece))
    for a, b in zip(parts, whole, strict=True):
        assert (a.number, a.faults) == (b.number, b.faults)
        assert same(a, b)
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


def test_a_chunk_that_needs_too_much_memory(tmp_path: Path) -> None:
    study = small(tmp_path, table())
    little = replace(study, wafer=replace(study.wafer, memory="10 kB"))
    with pytest.raises(DataError, match="set a smaller chunk in"):
        list(chunks(little))


def test_numbers_of_skipped_chunks_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study, asked, read_csv = small(tmp_path, table(), wafer="chunk = 1\n"), [], pd.read_csv
    monkeypatch.setattr(pd, "read_csv", lambda *data, **how: asked.append(how["usecols"]) or read_csv(*data, **how))
    assert list(chunks(study, {0, 1, 2})) == []
    assert asked == [[0, 1, 2]]  # wafer, split and device


def test_identity(tmp_path: Path, wafer: Wafer) -> None:
    study = small(tmp_path, table())
    before = table_identity(study)
    assert table_identity(study) == before
    small(tmp_path, table(put(3, row("A", -0.1, T_par=-0.1001))))
    assert table_identity(study) != before
    folder = replace(study, table=wafer.folder(tmp_path / "sweeps"))
    one = table_identity(folder)
    first = min((tmp_path / "sweeps").iterdir())
    first.rename(first.with_name("A" + first.name))  # still the first
    assert table_identity(folder) != one


@pytest.mark.parametrize(
    ("name", "message"), [("tabel.csv", "did you mean 'table.csv'"), ("none*.csv", "fits no file")]
)
def test_no_such_table(name: str, message: str, tmp_path: Path) -> None:
    study = replace(small(tmp_path, table()), table=tmp_path / name)
    for look in (table_identity, lambda study: list(chunks(study))):
        with pytest.raises(DataError, match=message):
            look(study)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_devices(tmp_path: Path) -> None:
    """Peak of what Python and numpy hold, of one table and of one six times as long; names take 8 bytes each."""
    one, peaks, sizes = simulated_wafer(60, n_bias=9).lines, [], []
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


# faults: each is told with its device and its line, and no other device is touched


def whole(device: str, **changes: object) -> Callable[[list[str]], object]:
    """Replace all rows of B."""
    return lambda lines: lines.__setitem__(slice(6, 11), [row(device, V, **changes) for V in BIASES])


FAULTS: dict[str, tuple[Callable[[list[str]], object], dict[str, str], str]] = {
    "letters": (put(8, row("B", -0.1, T_par="x")), {"B": "'x' is not a number"}, "table.csv:8: column 'T_par'"),
    "empty": (put(8, row("B", -0.1, T_perp="")), {"B": "is empty"}, ":8: column 'T_perp'"),
    "nan": (put(8, row("B", -0.1, s_par="nan")), {"B": "'nan' is not a finite number"}, ":8: column 's_par'"),
    "comma": (put(8, row("B", -0.1).replace("-0.1,-0.1", '"-0,1",-0.1')), {"B": "decimal comma"}, ":8: column 'V'"),
    "quoted separator": (put(8, row("B", -0.1, T_par='",0.0"')), {"B": "',0.0' is not a number"}, ":8: column 'T_par'"),
    "sigma": (put(9, row("B", 0.0, s_perp=-1)), {"B": "standard error -1 is not positive"}, ":9: column 's_perp'"),
    "size": (put(9, row("B", 0.0, T_par=1e200)), {"B": "is 1e+200: no measurement has"}, ":9: column 'T_par'"),
    "thickness": (put(9, row("B", 0.0, d_nm=3)), {"B": "has 3 nm here and 2 nm above"}, ":9: column 'd_nm'"),
    "no thickness": (whole("B", d_nm=0), {"B": "thickness 0 is not positive"}, ":7: column 'd_nm'"),
    "position": (put(9, row("B", 0.0, **{"x (mm)": 5})), {"B": "has 5 mm here and 1 mm above"}, ":9: column 'x (mm)'"),
    "split": (put(9, row("B", 0.0, split="t")), {"B": "is 't' here and 's' above"}, ":9: column 'split'"),
    "turned": (put(9, row("B", -0.15)), {"B": "turns round here"}, ":9: column 'V'"),
    "repeated": (put(9, row("B", -0.1)), {"B": "has bias -0.1 V already above"}, ":9: column 'V'"),
    "two biases": (lambda lines: lines.__delitem__(slice(8, 11)), {"B": "has 2 different biases"}, ":7: column 'V'"),
    "no name": (whole(""), {"(line 7)": "is empty"}, ":7: column 'device'"),
    "too short": (put(8, row("B", -0.1)[:-4]), {"B": "has 10 fields, the header has 11"}, "table.csv:8"),
    "between": (put(6, "A,1"), {"A": "has 2 fields", "B": "line 6 above has 2 fields"}, "table.csv:6"),
    "first": (put(2, "A,1"), {"A": "has 2 fields"}, "table.csv:2"),
    "last": (put(16, "C,1"), {"C": "has 2 fields"}, "table.csv:16"),
    "blank": (lambda lines: lines.insert(8, " "), {"B": "line 9 above is blank"}, "table.csv:10"),
    "comment": (lambda lines: lines.insert(8, "# noted"), {"B": "is a comment among the data"}, "table.csv:9"),
    "open quote": (put(8, row('"B', -0.1)), {"B": "cannot be split into fields"}, "table.csv:8"),
}  # fmt: skip


@pytest.mark.parametrize("separator", [";", ","])
def test_decimal_commas_and_minus_signs_beyond_doubt_are_read_and_told(separator: str, tmp_path: Path) -> None:
    head, _, rows = table(lambda lines: None).partition("\n")
    quoted = re.sub(r"[^,\n]+", lambda cell: f'"{cell[0]}"', rows).replace('","', f'"{separator}"')
    written = f"{head.replace(',', separator)}\n{quoted.replace('.', ',').replace('-', '−')}"
    (tmp_path / "plain").mkdir()
    study = small(tmp_path, written)
    (one,), (other,) = chunks(small(tmp_path / "plain", f"{head}\n{rows}")), chunks(study)
    for name in ROWS[:5]:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    assert one.faults == other.faults == ()
    assert [note.rpartition(": ")[2] for note in table_notes(study)] == [
        "all numbers are read so", "minus signs of a word processor (U+2212) in numbers are read as '-'"
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_that_of_its_device_and_line(name: str, tmp_path: Path) -> None:
    change, expected, where = FAULTS[name]
    (chunk,) = chunks(small(tmp_path, table(change)))
    assert {fault.device for fault in chunk.faults} == set(expected)
    for fault in chunk.faults:
        assert expected[fault.device] in fault.what
        assert fault.wafer == "W1"
    assert where in chunk.faults[0].where
    faulty = {"B" if device == "(line 7)" else device for device in expected}
    assert chunk.device == tuple(each for each in "ABC" if each not in faulty)
    assert changed_devices(chunk, next(chunks(small(tmp_path, table())))) == set()


def test_the_first_fault_of_a_device_is_told(tmp_path: Path) -> None:
    text = table(lambda lines: (put(9, row("B", 0.0, T_par="z"))(lines), put(8, row("B", -0.1, s_par=0))(lines)))
    (fault,) = next(chunks(small(tmp_path, text))).faults
    said = "table.csv:8: column 's_par': standard error 0 is not positive; give the standard error of the point"
    assert str(fault).endswith(said)


def test_a_separator_inside_quotes_and_spaces(tmp_path: Path) -> None:
    lines = [HEADER, *(row('"B, left"', v) for v in (-0.1, 0.0, 0.1)), *(row(" C ", v) for v in (-0.1, 0, 0.1)), "", ""]
    (chunk,) = chunks(small(tmp_path, "\n".join(lines)))
    assert chunk.device == ("B, left", "C")
    assert chunk.faults == ()


SPACED = table().replace("x (mm),y (mm)", '"x (mm)" "y (mm)"').replace(",", " ")
ERRORS: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "no column": (table(put(1, HEADER.replace("s_par", "sigma"))), {}, "no such column"),
    "twice": (table(put(1, HEADER.replace("split", "V"))), {}, "stands 2 times|no such column"),
    "nothing": ("", {}, "is empty"),
    "no rows": (HEADER + "\n", {}, "has a header and no data"),
    "only blanks": (HEADER + "\n\n\n", {}, "has a header and no data"),
    "interleaved": (table(lambda lines: lines.append(row("A", 0.3))), {}, "device 'A' of wafer 'W1' begins again"),
    "interleaved in one": (table(lambda lines: lines.insert(9, row("A", 0.3))), {}, "begins again"),
    "bytes": (table().encode() + b"W1,s,\xff,1,2\n", {}, "byte 0xff is not utf-8"),
    "nul": (table() + "W1,\0\n", {}, "NUL byte"),
    "return": (table().replace("\n", "\r"), {}, "carriage return alone"),
    "utf-16": (table().encode("utf-16"), {}, "UTF-16"),
    "spaces": (SPACED, {"data": 'format = { separator = "space" }'}, "separated by spaces, which is"),
    "gzip": (gzip.compress(table().encode()), {}, "packed with gzip; unpack it"),
    "mask": (table(), {"data": 'mask = [{ bias = [0, 1], reason = "r", device = "Z" }]'},
             "has no device 'Z'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "declared", "message"), ERRORS.values(), ids=ERRORS)
def test_a_table_that_cannot_be_read(text: str | bytes, declared: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        list(chunks(small(tmp_path, text, **declared)))


def test_devices_of_one_name_on_two_wafers_are_two(tmp_path: Path) -> None:
    lines = [HEADER, *GOOD, *(line.replace("W1", "W2") for line in GOOD)]
    (chunk,) = chunks(small(tmp_path, "\n".join(lines)))
    assert list(zip(chunk.wafer, chunk.device, strict=True)) == [(w, d) for w in ("W1", "W2") for d in "ABC"]
    assert chunk.faults == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.binary(max_size=6), st.integers(0, 8))
def test_damage_is_told_or_does_not_reach_the_others(
    tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes, gone: int
) -> None:
    """Any bytes put in place of others: a clear error, or devices of which the untouched ones are as they were."""
    folder, whole = tmp_path_factory.mktemp("fuzz"), table().encode()
    (before,) = chunks(small(folder, whole))
    at = len(HEADER) + 1 + at % (len(whole) - len(HEADER) - 1)
    data = whole[:at] + junk + whole[at + gone :]
    try:
        found = list(chunks(small(folder, data)))
    except DataError:
        return
    first, last = whole.count(b"\n", 0, at), whole.count(b"\n", 0, at + gone)
    touched = {"ABC"[min(max(line, 0) // 5, 2)] for line in (first - 2, first - 1, last - 1, last)}
    for chunk in found:
        assert changed_devices(chunk, before) & {"A", "B", "C"} <= touched


# Parquet


def parquet(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame], **declared: Any) -> WaferStudy:
    rows = pd.DataFrame([line.split(",") for line in GOOD], columns=HEADER.split(","))
    rows = rows.astype(dict.fromkeys(HEADER.split(",")[3:], float))
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    change(rows).to_parquet(folder / "table.parquet", index=False, row_group_size=4)
    return wafer_study(folder, folder / "table.parquet", **declared)


def test_faults_of_parquet_are_named_by_record(tmp_path: Path) -> None:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[6, "T_par"], rows.loc[12, "s_par"] = np.nan, 0.0
        return rows

    (chunk,) = chunks(parquet(tmp_path, change))
    assert [(f.device, f.where.rpartition("parquet")[2], f.what) for f in chunk.faults] == [
        ("B", ":7: column 'T_par'", "is not a finite number"),
        ("C", ":13: column 's_par'", "standard error 0 is not positive"),
    ]
    assert chunk.device == ("A",)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e308])
def test_what_is_not_finite_warns_nobody(value: float, tmp_path: Path) -> None:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[5:7, ["V", "d_nm", "s_perp", "x (mm)"]], rows.loc[8, "V"] = value, -value
        return rows

    (chunk,) = chunks(parquet(tmp_path, change))
    assert (chunk.device, [fault.device for fault in chunk.faults]) == (("A", "C"), ["B"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.astype({"V": str}), "column 'V': holds .*, not numbers"),
        (lambda rows: rows.drop(columns="s_par"), r"no such column \(sigma_par\)"),
        (
            lambda rows: rows.rename(columns={"V": "V (mV)"}),
            "is in 'mV' in the file, which is 0.001 V, but units.bias = 'V'",
        ),
        (lambda rows: rows.iloc[:0], "has no rows of data"),
        (lambda rows: pd.concat([rows, rows.iloc[:3]]), "begins again here"),
    ],
)
def test_parquet_that_cannot_be_read(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        list(chunks(parquet(tmp_path, change)))


@pytest.mark.parametrize("container", ["text", "parquet"])
@pytest.mark.parametrize(
    ("column", "unit", "what"),
    [("V", "mV", "is in 'mV' in the file, which is 0.001 V, but units.bias = 'V' is declared"),
     ("T_par", "mT/V", "is in 'mT/V' in the file, but units.torque = '1e-19 N m'"), ("s_perp", "%", "is in '%'"),
     ("T_perp", "aN m", "which is 10 1e-19 N m"), ("d_nm", "pm", "which is 0.001 nm"),
     ("x", "um", "but positions are in mm"),
     ("V", "volts", ""), ("T_par", "10^-19 N m", ""), ("d_nm", "lab units", "")],
)  # fmt: skip
def test_units_in_the_names_of_columns_are_held_against_the_declared_ones(
    container: str, column: str, unit: str, what: str, tmp_path: Path
) -> None:
    """In a table of a wafer as in a table of curves."""
    old, new = "x (mm)" if column == "x" else column, f"{column} ({unit})"
    if container == "parquet":
        study = parquet(tmp_path, lambda rows: rows.rename(columns={old: new}), unit="1e-19 N m")
    else:
        header = ",".join(new if name == old else name for name in HEADER.split(","))
        study = small(tmp_path, "\n".join([header, *GOOD]) + "\n", unit="1e-19 N m")
    study = replace(study, wafer=replace(study.wafer, x="x"))
    if what:
        with pytest.raises(DataError) as caught:
            list(chunks(study))
        (problem,) = caught.value.problems
        assert problem.where.endswith(f"column {column!r}")
        assert what in problem.what
    else:
        (chunk,) = chunks(study)
        assert chunk.device == ("A", "B", "C")
        assert ["lab units" in note for note in table_notes(study)] == [True] * (unit == "lab units")


def test_an_angle_in_parquet_is_in_degrees(tmp_path: Path) -> None:
    """The units of a table are checked by the rule of `mtjfit.data.read_curves`."""
    study = parquet(tmp_path, lambda rows: rows.assign(**{"a (rad)": 1.5}), columns='angle = "a"\n',
                    data='sin_theta = "included"')  # fmt: skip
    with pytest.raises(DataError, match=r"is in 'rad' in the file, which is .* deg, but an angle is in degrees"):
        list(chunks(study))


def test_whole_numbers_names_that_are_numbers_and_nulls(tmp_path: Path) -> None:
    names = {"device": np.repeat([7, 8, 9], 5), "d_nm": 2, "split": None}
    (chunk,) = chunks(parquet(tmp_path, lambda rows: rows.assign(**names).astype({"s_par": "float32"})))
    assert (chunk.device, chunk.split) == (("7", "8", "9"), ("", "", ""))
    assert chunk.thickness.tolist() == [2.0] * 3


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    study = parquet(tmp_path, lambda rows: rows)
    data = (tmp_path / "table.parquet").read_bytes()
    (tmp_path / "table.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="is no Parquet table that can be read"):
        list(chunks(study))


def test_numbers_too_small_to_be_kept_and_names_that_cannot_be_printed_are_faults(tmp_path: Path) -> None:
    rows = [row("A", V) for V in BIASES] + [row("B", V, T_par="1e-400" if V == 0 else V) for V in BIASES]
    rows += [row("C", V, split="s\x1ft") for V in BIASES]
    (chunk,) = chunks(small(tmp_path, "\n".join([HEADER, *rows]) + "\n"))
    assert chunk.device == ("A",)
    assert [(each.device, each.what) for each in chunk.faults] == [
        ("B", "'1e-400' is too small"),
        ("C", "'s\\x1ft' holds characters that cannot be printed"),
    ]


def test_a_table_of_blank_lines_is_refused(tmp_path: Path) -> None:
    study = small(tmp_path, "\n".join([HEADER, *GOOD]) + "\n" * 20_000)
    study = replace(study, declaration=replace(study.declaration, format=TableFormat(max_bytes=1000)))
    with pytest.raises(DataError, match="hold more than 10000 blank, or otherwise odd, lines"):
        list(chunks(study))
