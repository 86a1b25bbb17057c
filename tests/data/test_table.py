"""The strict reader: each kind of fault is reported at its place, nothing is skipped, nothing is guessed."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtjfit.data import (
    BiasMask,
    Columns,
    ColumnUnits,
    ConstantSigma,
    Origin,
    TableDeclaration,
    TableFormat,
    curves_from_bytes,
    read_curves,
)
from mtjfit.errors import DataError

COLUMNS = Columns("V", "par", "perp", "sp", "sq", "dev", "d", "wafer")
HEADER = "dev,wafer,d,V,par,perp,sp,sq"
ROWS = [
    "A,w1,2.0,-0.2,-2,0.2,0.1,0.1",
    "A,w1,2.0,0,0,0,0.1,0.1",
    "A,w1,2.0,0.2,2,0.2,0.1,0.1",
    "B,w2,3.0,0.3,3,0.3,0.2,0.3",
    "B,w2,3.0,0.1,1,0.1,0.2,0.3",
    "B,w2,3.0,-0.1,-1,0.1,0.2,0.3",
]
PLAIN = TableDeclaration("torque", "device", "MxP", COLUMNS, ColumnUnits("V", "1e-19 N m", "nm"))
GOOD = "\n".join([HEADER, *ROWS]) + "\n"


def declare(**changes: Any) -> TableDeclaration:
    form = {key: changes.pop(key) for key in list(changes) if key in TableFormat.__dataclass_fields__}
    return replace(PLAIN, **changes, format=TableFormat(**form))


def read(text: str | bytes, declaration: TableDeclaration = PLAIN):  # type: ignore[no-untyped-def]
    data = text if isinstance(text, bytes) else text.encode()
    return curves_from_bytes(data, declaration, "f.csv")


def faults(text: str | bytes, declaration: TableDeclaration = PLAIN) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(text, declaration)
    return [str(problem) for problem in caught.value.problems]


def table(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def test_a_good_file() -> None:
    a, b = read(GOOD)
    assert (a.device, a.group, a.thickness, b.device, b.group, b.thickness) == ("A", "w1", 2.0, "B", "w2", 3.0)
    assert a.bias.tolist() == [-0.2, 0.0, 0.2]
    assert b.bias.tolist() == [0.3, 0.1, -0.1]
    assert b.par.tolist() == [3.0, 1.0, -1.0]
    assert b.perp.tolist() == [0.3, 0.1, 0.1]
    assert (b.sigma_par.tolist(), b.sigma_perp.tolist()) == ([0.2] * 3, [0.3] * 3)
    assert (a.quantity, a.per, a.unit, a.declared_perp_axis) == ("torque", "device", "1e-19 N m", "MxP")
    assert (a.source, a.origin, a.n_used) == ("f.csv", Origin(), 3)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("declared", [True, False])
def test_separators_and_line_ends(separator: str, end: str, declared: bool) -> None:
    text = GOOD.replace(",", separator).replace("\n", end)
    for curve, expected in zip(read(text, declare(separator=separator if declared else "")), read(GOOD), strict=True):
        np.testing.assert_array_equal(curve.par, expected.par)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD + "\n\n  \n",
        GOOD + ",,,,,,,\n",
        "# from the lab\n\n# second line\n" + GOOD,
        GOOD.replace("A,w1", '"A" , w1').replace(",0.2,2,", ', "0.2" ,+2.0e0,').replace('"A" ,', '"A",'),
        GOOD.replace('"0.2" ,', '"0.2",'),
        GOOD.rstrip("\n"),
        GOOD.replace("perp,sp", "perp,extra,sp")
        .replace(",0.1,0.1\n", ",,0.1,0.1\n")
        .replace(",0.2,0.3\n", ",,0.2,0.3\n"),
    ],
)
def test_harmless_variants_read_the_same(text: str) -> None:
    text = text.replace('" ,', '",')
    for curve, expected in zip(read(text), read(GOOD), strict=True):
        assert (curve.device, curve.group) == (expected.device, expected.group)
        for name in ("bias", "par", "perp", "sigma_par", "sigma_perp"):
            np.testing.assert_array_equal(getattr(curve, name), getattr(expected, name))


def test_decimal_commas_when_declared() -> None:
    text = GOOD.replace(",", ";").replace(".", ",")
    np.testing.assert_array_equal(read(text, declare(decimal=","))[0].bias, read(GOOD)[0].bias)


def test_millivolts_and_angstroms_are_exact() -> None:
    text = "mV,par,perp\n" + "\n".join(f"{i},{i},0" for i in range(-300, 301, 10))
    columns, units = Columns("mV", "par", "perp"), ColumnUnits("mV", "arb", "angstrom")
    declaration = TableDeclaration("torque", "device", "MxP", columns, units, "A", 17.0, sigma="fit")
    (curve,) = read(text, declaration)
    assert curve.bias.tolist() == [float(f"{i}e-3") for i in range(-300, 301, 10)]
    assert (curve.thickness, curve.sigma_is_fitted) == (1.7, True)


def test_p_cross_m_flips_only_the_perpendicular_component() -> None:
    flipped, plain = read(GOOD, declare(perp_axis="PxM"))[1], read(GOOD)[1]
    np.testing.assert_array_equal(flipped.perp, -plain.perp)
    np.testing.assert_array_equal(flipped.par, plain.par)
    np.testing.assert_array_equal(flipped.sigma_perp, plain.sigma_perp)
    assert flipped.declared_perp_axis == "PxM"
    assert not np.signbit(read(GOOD, declare(perp_axis="PxM"))[0].perp[1])


def test_constant_errors_and_group() -> None:
    columns = Columns("V", "par", "perp", device="dev", thickness="d")
    curve = read(GOOD, declare(columns=columns, sigma=ConstantSigma(0.5, 0.25), group="lot 7"))[0]
    assert (curve.sigma_par.tolist(), curve.sigma_perp.tolist(), curve.group) == ([0.5] * 3, [0.25] * 3, "lot 7")


def test_window_and_masks_keep_the_points() -> None:
    rows = [f"A,w1,2.0,{v / 10},1,1,1,1" for v in range(-5, 6)]
    declaration = declare(bias_window=(-0.4, 0.4), mask=(BiasMask((0.0, 0.0), "zero-bias anomaly", "A"),))
    (curve,) = read(table(*rows), declaration)
    assert curve.bias.size == 11
    assert curve.reasons == (
        "outside the bias window -0.4 to 0.4 V", *[""] * 4, "zero-bias anomaly", *[""] * 4,
        "outside the bias window -0.4 to 0.4 V",
    )  # fmt: skip
    assert curve.used.tolist() == [not reason for reason in curve.reasons]


def test_the_origin_travels_with_the_file() -> None:
    assert read("# origin: simulated; five  thicknesses\n" + GOOD)[1].origin == Origin("simulated", "five thicknesses")
    assert read("#Origin : Reconstruction\n" + GOOD)[0].origin == Origin("reconstruction")
    assert read("% origin: measured\n" + GOOD, declare(comment="%"))[0].origin == Origin()
    assert faults("# origin: simulatd; x\n" + GOOD) == [
        "f.csv:1: origin 'simulatd' is not known; did you mean 'simulated'?"
    ]
    assert faults("# origin: simulated\n# origin: measured\n" + GOOD) == [
        "f.csv:2: a second, different origin; keep one line '# origin: …'"
    ]


CELLS = [
    ("1,25", "f.csv:2: column 'par': '1,25' looks like a decimal comma; set decimal = \",\" in [data.format]"),
    ("", "f.csv:2: column 'par': is empty; give a number; a point without data has no row"),
    ("nan", "f.csv:2: column 'par': 'nan' is not a finite number; remove the row, or measure the point again"),
    ("-Inf", "f.csv:2: column 'par': '-Inf' is not a finite number; remove the row, or measure the point again"),
    ("1e999", "f.csv:2: column 'par': '1e999' is too large; correct the number or its unit"),
    ("abc", "f.csv:2: column 'par': 'abc' is not a number; write a plain number such as -1.25e-3"),
    ("0x1F", "f.csv:2: column 'par': '0x1F' is not a number; write a plain number such as -1.25e-3"),
    ("٣", "f.csv:2: column 'par': '٣' is not a number; write a plain number such as -1.25e-3"),
    ("−2", "f.csv:2: column 'par': '−2' has a typographic minus sign; write '-'"),
    ("1.234,5", "f.csv:2: column 'par': '1.234,5' is not a number; "
                "write it without thousands separators and spaces, such as 1250.5"),
    ("1_000", "f.csv:2: column 'par': '1_000' is not a number; "
              "write it without thousands separators and spaces, such as 1250.5"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "message"), CELLS)
def test_cells_that_are_no_numbers(cell: str, message: str) -> None:
    assert faults(GOOD.replace("-0.2,-2,", f'-0.2,"{cell}",')) == [message]


def test_decimal_points_where_commas_are_declared() -> None:
    text = GOOD.replace(",", ";")
    messages = faults(text, declare(decimal=","))
    assert messages[0] == "f.csv:2: column 'V': '-0.2' has a decimal point; set decimal = \".\" in [data.format]"
    assert faults(text.replace(".", ",").replace("-0,2;", "1.234,5;"), declare(decimal=",")) == [
        "f.csv:2: column 'V': '1.234,5' is not a number; "
        "write it without thousands separators and spaces, such as 1250.5"
    ]


ROW_FAULTS = [
    (ROWS[0].replace("0.1,0.1", "0.1,0"), "f.csv:2: column 'sq': standard error 0 is not positive; "
     "give the standard error of the point"),
    (ROWS[0].replace("0.1,0.1", "-1,0.1"), "f.csv:2: column 'sp': standard error -1 is not positive; "
     "give the standard error of the point"),
    (ROWS[0].replace("0.1,0.1", ",0.1"), "f.csv:2: column 'sp': is empty; "
     "give a number; a point without data has no row"),
    (ROWS[0].replace("2.0", "2.5", 1), "f.csv:3: column 'd': device 'A' is 2 nm here and 2.5 nm above; "
     "a device has one thickness"),
    (ROWS[0].replace("2.0", "-2", 1), "f.csv:2: column 'd': thickness -2 is not positive; "
     "give the thickness of the free layer"),
    (ROWS[0].replace("w1", "w9"), "f.csv:3: column 'wafer': device 'A' is in group 'w1' here and in 'w9' above; "
     "a device has one group"),
    (ROWS[0].replace("w1", ""), "f.csv:2: column 'wafer': is empty; name the group"),
    (ROWS[0].replace("A", ""), "f.csv:2: column 'dev': is empty; name the device"),
    (ROWS[0].replace("A", "A\x07"), "f.csv:2: column 'dev': 'A\\x07' holds characters that cannot be printed; "
     "name the device"),
    (ROWS[0] + ",9", "f.csv:2: has 9 fields, the header has 8; give every column one field "
     "(decimal commas need another separator or quotes)"),
    (ROWS[0][:-4], "f.csv:2: has 7 fields, the header has 8; give every column one field"),
    ("", "f.csv:2: is blank, and data follow; remove the blank line, or split the file"),
    (",,,,,,,", "f.csv:2: is blank, and data follow; remove the blank line, or split the file"),
    ("# note", "f.csv:2: is a comment among the data; "
     "move it above the header; leave points out with mask, which keeps the reason"),
    ('"A', "f.csv:2: cannot be split into fields (unexpected end of data); mend the quotes"),
    ('"A"x' + ROWS[0][1:], "f.csv:2: cannot be split into fields (',' expected after '\"'); mend the quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "message"), ROW_FAULTS)
def test_rows_that_are_wrong(row: str, message: str) -> None:
    # One more point of A, so that a blank first row is the only fault.
    found = faults(table(row, *ROWS[1:3], "A,w1,2.0,0.3,2,0.2,0.1,0.1", *ROWS[3:]))
    assert found[0] == message
    assert len(found) == 1 or all("above" in each for each in found)


IN_DEGREES = "give the angle between the moments in degrees, between 0 and 180"
ANGLES = [
    ("190", [f"f.csv:2: column 'theta': angle is 190°; {IN_DEGREES}"]),
    ("-72", [f"f.csv:2: column 'theta': angle is -72°; {IN_DEGREES}"]),
    ("0", [f"f.csv:2: column 'theta': angle is 0°, where the torque vanishes; {IN_DEGREES}"]),
    ("180.0", [f"f.csv:2: column 'theta': angle is 180°, where the torque vanishes; {IN_DEGREES}"]),
    ("1.25", [f"f.csv:2: column 'theta': angle is 1.25°, which looks like radians; {IN_DEGREES}"]),
    ("", ["f.csv:2: column 'theta': is empty; give a number; a point without data has no row"]),
    ("72°", ["f.csv:2: column 'theta': '72°' is not a number; write a plain number such as -1.25e-3"]),
    ("71", [f"f.csv:{line}: column 'theta': device 'A' is at 72° here and at 71° above; "
            "a device has one angle: name the device anew for each angle" for line in (3, 4)]),
]  # fmt: skip


def with_angles(*angles: str) -> str:
    return table(*(f"{row},{angle}" for row, angle in zip(ROWS, angles, strict=True)), header=HEADER + ",theta")


@pytest.mark.parametrize(("cell", "messages"), ANGLES)
def test_angles_that_are_wrong(cell: str, messages: list[str]) -> None:
    declaration = declare(columns=replace(COLUMNS, angle="theta"), sin_theta="included")
    assert faults(with_angles(cell, "72", "72", "54", "54", "54"), declaration) == messages


def test_the_angle_comes_from_a_column_or_is_one_for_all_and_rescales_nothing() -> None:
    from_column = declare(columns=replace(COLUMNS, angle="theta"), sin_theta="included")
    a, b = read(with_angles("72", "72.0", "72", "54.5", "54.5", "5.45e1"), from_column)
    assert (a.angle, b.angle, a.sin_theta, b.sin_theta) == (72.0, 54.5, "included", "included")
    plain, constant = read(GOOD), read(GOOD, declare(angle=72.0, sin_theta="divided"))
    assert (plain[0].angle, plain[0].sin_theta) == (None, None)
    assert [(curve.angle, curve.sin_theta) for curve in constant] == [(72.0, "divided")] * 2
    for curve in (a, constant[0]):
        for name in ("par", "perp", "sigma_par", "sigma_perp"):
            np.testing.assert_array_equal(getattr(curve, name), getattr(plain[0], name))


def test_bias_faults_of_whole_devices() -> None:
    assert faults(table(*ROWS, "B,w2,3.0,-0.1,9,0.1,0.2,0.3")) == [
        "f.csv:8: column 'V': device 'B' has bias -0.1 V already in line 7; "
        "average the points, or set repeats = true in [data.format]"
    ]
    assert faults(table(*ROWS, "B,w2,3.0,0.05,9,0.1,0.2,0.3")) == [
        "f.csv:8: column 'V': the bias of device 'B' turns round here; "
        'sort it, or set order = "any" in [data.format] if sweeps go back and forth'
    ]
    assert faults(table(*ROWS[:2], *ROWS[3:])) == [
        "f.csv:2: column 'V': device 'A' has 2 different biases; at least 3 are needed"
    ]
    assert faults(GOOD, declare(bias_window=(-0.15, 0.4))) == [
        "f.csv:2: column 'V': device 'A' has 2 different biases left inside the bias window and outside the masks; "
        "at least 3 are needed"
    ]


def test_repeats_and_order_can_be_declared() -> None:
    text = table(*ROWS, "B,w2,3.0,-0.1,9,0.1,0.2,0.3", "B,w2,3.0,0.2,9,0.1,0.2,0.3")
    assert read(text, declare(repeats=True, order="any"))[1].bias.tolist() == [0.3, 0.1, -0.1, -0.1, 0.2]
    assert len(faults(text)) == 2
    assert len(faults(text, declare(repeats=True))) == 1
    assert len(faults(text, declare(order="any"))) == 1


def test_repeats_do_not_count_as_different_biases() -> None:
    rows = ["A,w1,2.0,0.1,1,1,1,1"] * 3 + ["A,w1,2.0,0.2,1,1,1,1"]
    assert "2 different biases" in faults(table(*rows), declare(repeats=True))[0]


def test_devices_may_be_interleaved() -> None:
    a, b = read(table(*[row for pair in zip(ROWS[:3], ROWS[3:], strict=True) for row in pair]))
    assert (a.bias.tolist(), b.bias.tolist()) == ([-0.2, 0.0, 0.2], [0.3, 0.1, -0.1])


def test_masks_that_do_nothing_are_faults() -> None:
    assert faults(GOOD, declare(mask=(BiasMask((-300.0, -100.0), "mV"), BiasMask((0.0, 0.0), "x", "a")))) == [
        "f.csv: mask[0] covers no bias point; give the interval in V, or remove the mask",
        "f.csv: mask[1] names device 'a', which is not in the file; did you mean 'A'?",
    ]


def test_header_faults() -> None:
    assert faults(GOOD.replace("par,perp", "Par,prep")) == [
        "f.csv:1: column 'par': no such column (par); the header read with ',' has 8 columns; did you mean 'Par'?",
        "f.csv:1: column 'perp': no such column (perp); the header read with ',' has 8 columns; did you mean 'prep'?",
    ]
    assert faults(GOOD.replace("dev,wafer", "dev,dev")) == [
        "f.csv:1: column 'dev': stands 2 times in the header; rename the columns",
        "f.csv:1: column 'wafer': no such column (group); the header read with ',' has 8 columns; use one of "
        "'dev', 'd', 'V', 'par', 'perp', 'sp', 'sq'",
    ]
    assert faults(GOOD.replace("dev,wafer", "dev,wafer,x,x")) == [
        "f.csv:1: column 'x': stands 2 times in the header; rename the columns"
    ]
    assert faults("# " + GOOD) == ["f.csv:1: the header is a comment; remove the comment character from this line"]
    spaced = faults(GOOD.replace(",", " "))
    assert spaced[-1] == (
        "f.csv:1: columns seem to be separated by spaces; separate them by tabs, commas, semicolons or |"
    )
    assert faults('"V,par\n') == ["f.csv:1: the header has an open or misplaced quote; mend the quotes"]
    assert "read with ';'" in faults(GOOD, declare(separator=";"))[0]


def test_two_separators_that_both_fit_are_not_guessed() -> None:
    declaration = TableDeclaration("torque", "device", "MxP", Columns("V", "a", "b"), ColumnUnits("V", "arb", "nm"),
                                   device="A", thickness=2.0, sigma="fit")  # fmt: skip
    text = "x,V,a,b,y;V;a;b\n1,1,1,1,1;1;1;1\n"
    message = "f.csv:1: the header can be read with any of the separators ',', ';'; set separator in [data.format]"
    assert faults(text, declaration) == [message]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f.csv: is empty; give a header line and rows of data"),
        (b"\n \n", "f.csv: is empty; give a header line and rows of data"),
        (b"# only\n", "f.csv: holds only comments; give a header line and rows of data"),
        (HEADER.encode(), "f.csv:1: has a header and no data; give one row per bias point"),
        (GOOD.encode("utf-16"), 'f.csv: is UTF-16; save it as UTF-8 ("CSV UTF-8" in Excel)'),
        (GOOD.encode().replace(b"w2", b"w\0"), "f.csv:5: holds a NUL byte: not a text file, or UTF-16; "
         "save it as UTF-8 text"),
        (GOOD.encode().replace(b"w2", b"w\xb5"), "f.csv:5: byte 0xb5 is not utf-8; "
         'save the file as UTF-8, or set encoding = "cp1252" (Windows) or "latin-1" in [data.format]'),
    ],
)  # fmt: skip
def test_files_that_are_no_tables(data: bytes, message: str) -> None:
    assert faults(data) == [message]


def test_encodings() -> None:
    data = GOOD.replace("w2", "wµ").encode("latin-1")
    assert read(data, declare(encoding="latin-1"))[1].group == "wµ"
    assert read(data, declare(encoding="cp1252"))[1].group == "wµ"
    assert faults(b"\xef\xbb\xbf" + GOOD.encode(), declare(encoding="cp1252")) == [
        "f.csv:1: begins with the mark of UTF-8, but encoding = 'cp1252'; set encoding = \"utf-8\" in [data.format]"
    ]


def test_every_problem_at_once_and_no_follow_on_faults() -> None:
    text = table("A,w1,2.0,x,y,0.2,0.1,0", *ROWS[1:3], "B,w2,3.0,0.3,3", *ROWS[4:], "B,w2,3.0,0.1,1,1,0.2,0.3")
    messages = faults(text)
    assert [message.split(":")[1] for message in messages] == ["2", "2", "2", "5", "8", "8"]
    assert not any("different biases" in message for message in messages)


def test_long_lists_are_cut_and_counted() -> None:
    rows = [f"A,w1,2.0,{i},x,0,1,1" for i in range(120)]
    messages = faults(table(*rows))
    assert len(messages) == 51
    assert messages[-1] == "f.csv: 70 more problems are not listed; mend these first"


def test_read_curves_from_disk(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text(GOOD, encoding="utf-8")
    assert read_curves(file, PLAIN)[0].source == str(file)
    assert read_curves(str(file), PLAIN, label="series.csv")[0].source == "series.csv"
    for path, message in (
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "serie.csv", "no such file; did you mean 'series.csv'?"),
        (tmp_path / "no" / "x.csv", f"no such file; there is no folder {str(tmp_path / 'no')!r}"),
    ):
        with pytest.raises(DataError) as caught:
            read_curves(path, PLAIN, label="f")
        assert str(caught.value) == f"f: {message}"
    with pytest.raises(
        DataError, match=f"has {len(GOOD)} bytes, more than the limit of 10; cut the file or raise max_b"
    ):
        read_curves(file, declare(max_bytes=10))
    with pytest.raises(DataError, match=r"no such file|cannot be read"):
        read_curves(tmp_path / "a\0b.csv", PLAIN)


@pytest.mark.skipif(sys.platform == "win32", reason="no device files in folders")
def test_device_files_are_not_read() -> None:
    with pytest.raises(DataError, match="null: is not a regular file; save the data to a file"):
        read_curves(os.devnull, PLAIN)
