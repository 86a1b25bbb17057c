"""Tables with faults: each is told with its device and its line, and no other device is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_cases import GOOD, HEADER, put, row, same, small, table
from wafer_cases import wafer_study

from mtjfit.errors import DataError
from mtjfit.wafer import WaferStudy, chunks

FAULTS: dict[str, tuple[Callable[[list[str]], object], dict[str, str], str]] = {
    "letters": (put(8, row("B", -0.1, T_par="x")), {"B": "'x' is not a number"}, "table.csv:8: column 'T_par'"),
    "empty": (put(8, row("B", -0.1, T_perp="")), {"B": "is empty"}, ":8: column 'T_perp'"),
    "nan": (put(8, row("B", -0.1, s_par="nan")), {"B": "'nan' is not a finite number"}, ":8: column 's_par'"),
    "comma": (put(8, row("B", -0.1).replace("-0.1,-0.1", '"-0,1",-0.1')), {"B": "decimal comma"}, ":8: column 'V'"),
    "quoted separator": (put(8, row("B", -0.1, T_par='",0.0"')), {"B": "',0.0' is not a number"}, ":8: column 'T_par'"),
    "sigma": (put(9, row("B", 0.0, s_perp=-1)), {"B": "standard error -1 is not positive"}, ":9: column 's_perp'"),
    "thickness": (put(9, row("B", 0.0, d_nm=3)), {"B": "has 3 nm here and 2 nm above"}, ":9: column 'd_nm'"),
    "no thickness": (lambda lines: [put(k, row("B", v, d_nm=0))(lines) for k, v in
                     zip(range(7, 12), (-0.2, -0.1, 0.0, 0.1, 0.2), strict=True)],
                     {"B": "thickness 0 is not positive"}, ":7: column 'd_nm'"),
    "position": (put(9, row("B", 0.0, **{"x (mm)": 5})), {"B": "has 5 mm here and 1 mm above"}, ":9: column 'x (mm)'"),
    "split": (put(9, row("B", 0.0, split="t")), {"B": "is 't' here and 's' above"}, ":9: column 'split'"),
    "turned": (put(9, row("B", -0.15)), {"B": "turns round here"}, ":9: column 'V'"),
    "repeated": (put(9, row("B", -0.1)), {"B": "has bias -0.1 V already above"}, ":9: column 'V'"),
    "two biases": (lambda lines: lines.__delitem__(slice(8, 11)), {"B": "has 2 different biases"}, ":7: column 'V'"),
    "no name": (lambda lines: [put(k, row("", v))(lines) for k, v in
                zip(range(7, 12), (-0.2, -0.1, 0.0, 0.1, 0.2), strict=True)],
                {"(line 7)": "is empty"}, ":7: column 'device'"),
    "too short": (put(8, row("B", -0.1)[:-4]), {"B": "has 10 fields, the header has 11"}, "table.csv:8"),
    "between": (put(6, "A,1"), {"A": "has 2 fields", "B": "line 6 above has 2 fields"}, "table.csv:6"),
    "first": (put(2, "A,1"), {"A": "has 2 fields"}, "table.csv:2"),
    "last": (put(16, "C,1"), {"C": "has 2 fields"}, "table.csv:16"),
    "blank": (lambda lines: lines.insert(8, " "), {"B": "line 9 above is blank"}, "table.csv:10"),
    "comment": (lambda lines: lines.insert(8, "# noted"), {"B": "is a comment among the data"}, "table.csv:9"),
    "open quote": (put(8, row('"B', -0.1)), {"B": "cannot be split into fields"}, "table.csv:8"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_that_of_its_device_and_line(name: str, tmp_path: Path) -> None:
    change, expected, where = FAULTS[name]
    (chunk,) = chunks(small(tmp_path, table(change)))
    assert {fault.device for fault in chunk.faults} == set(expected)
    for fault in chunk.faults:
        assert expected[fault.device] in fault.what
        assert fault.wafer == "W1"
    assert where in chunk.faults[0].where
    whole = next(iter(chunks(small(tmp_path, table(lambda _: None)))))
    assert chunk.device == tuple(each for each in "ABC" if each not in expected and f"({each})" not in expected)[-2:] \
        or name == "no name"  # fmt: skip
    for j, device in enumerate(chunk.device):
        k = whole.device.index(device)
        assert same(chunk.devices(j, j + 1), whole.devices(k, k + 1))


def test_the_first_fault_of_a_device_is_told(tmp_path: Path) -> None:
    text = table(lambda lines: (put(9, row("B", 0.0, T_par="z"))(lines), put(8, row("B", -0.1, s_par=0))(lines)))
    (fault,) = next(iter(chunks(small(tmp_path, text)))).faults
    assert str(fault) == (
        f"{tmp_path / 'table.csv'}:8: column 's_par': standard error 0 is not positive; "
        "give the standard error of the point"
    )


def test_a_separator_inside_quotes_and_spaces(tmp_path: Path) -> None:
    lines = [HEADER, *(row('"B, left"', v) for v in (-0.1, 0.0, 0.1)), *(row(" C ", v) for v in (-0.1, 0, 0.1)), "", ""]
    (chunk,) = chunks(small(tmp_path, "\n".join(lines)))
    assert chunk.device == ("B, left", "C")
    assert chunk.faults == ()


ERRORS: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "no column": (table(lambda lines: put(1, HEADER.replace("s_par", "sigma"))(lines)), {}, "no such column"),
    "twice": (table(lambda lines: put(1, HEADER.replace("split", "V"))(lines)), {}, "stands 2 times|no such column"),
    "nothing": ("", {}, "is empty"),
    "no rows": (HEADER + "\n", {}, "has a header and no data"),
    "only blanks": (HEADER + "\n\n\n", {}, "has a header and no data"),
    "interleaved": (table(lambda lines: lines.append(row("A", 0.3))), {}, "device 'A' of wafer 'W1' begins again"),
    "interleaved in one": (table(lambda lines: lines.insert(9, row("A", 0.3))), {}, "begins again"),
    "bytes": (table(lambda _: None).encode() + b"W1,s,\xff,1,2\n", {}, "byte 0xff is not utf-8"),
    "nul": (table(lambda _: None) + "W1,\0\n", {}, "NUL byte"),
    "return": (table(lambda _: None).replace("\n", "\r"), {}, "carriage return alone"),
    "utf-16": (table(lambda _: None).encode("utf-16"), {}, "UTF-16"),
    "mask": (table(lambda _: None), {"data": 'mask = [{ bias = [0, 1], reason = "r", device = "Z" }]'},
             "has no device 'Z'"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ERRORS))
def test_a_table_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    text, declared, message = ERRORS[name]
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
    folder, whole = tmp_path_factory.mktemp("fuzz"), table(lambda _: None).encode()
    (before,) = chunks(small(folder, whole))
    at = len(HEADER) + 1 + at % (len(whole) - len(HEADER) - 1)
    data = whole[:at] + junk + whole[at + gone :]
    try:
        found = list(chunks(small(folder, data)))
    except DataError:
        return
    first, last = whole.count(b"\n", 0, at), whole.count(b"\n", 0, at + gone)
    touched = {"ABC"[min(max(line - 1, 0) // 5, 2)] for line in (first, last)}
    touched |= {"ABC"[min(max(line - 2, 0) // 5, 2)] for line in (first,)} | {"ABC"[min(last // 5, 2)]}
    for chunk in found:
        for j, device in enumerate(chunk.device):
            if device in "ABC" and device and device not in touched:
                k = before.device.index(device)
                assert same(chunk.devices(j, j + 1), before.devices(k, k + 1))


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
        rows.loc[5:7, ["V", "d_nm", "s_perp", "x (mm)"]] = value
        rows.loc[8, "V"] = -value
        return rows

    (chunk,) = chunks(parquet(tmp_path, change))
    assert chunk.device == ("A", "C")
    assert [fault.device for fault in chunk.faults] == ["B"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.astype({"V": str}), "column 'V': holds .*, not numbers"),
        (lambda rows: rows.drop(columns="s_par"), "no such field"),
        (lambda rows: rows.rename(columns={"V": "V (mV)"}), "is in 'mV' in the file, but units.bias = 'V'"),
        (lambda rows: rows.iloc[:0], "has no rows of data"),
        (lambda rows: pd.concat([rows, rows.iloc[:3]]), "begins again here"),
    ],
)
def test_parquet_that_cannot_be_read(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        list(chunks(parquet(tmp_path, change)))


def test_whole_numbers_names_that_are_numbers_and_nulls(tmp_path: Path) -> None:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(device=np.repeat([7, 8, 9], 5), d_nm=2, split=None).astype({"s_par": "float32"})

    (chunk,) = chunks(parquet(tmp_path, change))
    assert chunk.device == ("7", "8", "9")
    assert chunk.split == ("", "", "")
    assert chunk.thickness.tolist() == [2.0] * 3


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    study = parquet(tmp_path, lambda rows: rows)
    data = (tmp_path / "table.parquet").read_bytes()
    (tmp_path / "table.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="is no Parquet table that can be read"):
        list(chunks(study))
