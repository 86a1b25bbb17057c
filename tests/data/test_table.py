"""The strict reader: each fault at its place, nothing is skipped or guessed, damaged files never read differently."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import FULL, declare, problems_of, told

from mtjfit.data import (
    BiasMask,
    Columns,
    ColumnUnits,
    ConstantSigma,
    Origin,
    TableDeclaration,
    TorqueCurve,
    curves_from_bytes,
    read_curves,
)
from mtjfit.errors import DataError

HEADER = "dev,wafer,d,V,par,perp,sp,sq"
ROWS = [
    "A,w1,2.0,-0.2,-2,0.2,0.1,0.1",
    "A,w1,2.0,0,0,0,0.1,0.1",
    "A,w1,2.0,0.2,2,0.2,0.1,0.1",
    "B,w2,3.0,0.3,3,0.3,0.2,0.3",
    "B,w2,3.0,0.1,1,0.1,0.2,0.3",
    "B,w2,3.0,-0.1,-1,0.1,0.2,0.3",
]
PLAIN = declare()
GOOD = "\n".join([HEADER, *ROWS]) + "\n"


def read(text: str | bytes, declaration: TableDeclaration = PLAIN):  # type: ignore[no-untyped-def]
    data = text if isinstance(text, bytes) else text.encode()
    return curves_from_bytes(data, declaration, "f.csv")


def faults(text: str | bytes, declaration: TableDeclaration = PLAIN) -> list[str]:
    return problems_of(read, text, declaration, kind=DataError)


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
        GOOD.replace("A,w1", '"A", w1').replace(",0.2,2,", ', "0.2",+2.0e0,'),
        GOOD.rstrip("\n"),
        GOOD.replace("perp,sp", "perp,extra,sp")
        .replace(",0.1,0.1\n", ",,0.1,0.1\n")
        .replace(",0.2,0.3\n", ",,0.2,0.3\n"),
    ],
)
def test_harmless_variants_read_the_same(text: str) -> None:
    for curve, expected in zip(read(text), read(GOOD), strict=True):
        assert (curve.device, curve.group) == (expected.device, expected.group)
        for name in ("bias", "par", "perp", "sigma_par", "sigma_perp"):
            np.testing.assert_array_equal(getattr(curve, name), getattr(expected, name))


def test_decimal_commas_when_declared() -> None:
    text = GOOD.replace(",", ";").replace(".", ",")
    np.testing.assert_array_equal(read(text, declare(decimal=","))[0].bias, read(GOOD)[0].bias)


def test_millivolts_and_angstroms_are_exact() -> None:
    text = "mV,par,perp\n" + "\n".join(f"{i},{i},0" for i in range(-300, 301, 10))
    one = {"device": "A", "thickness": 17.0, "sigma": "fit", "units": ColumnUnits("mV", "arb", "angstrom")}
    (curve,) = read(text, declare(Columns("mV", "par", "perp"), **one))
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


def with_angles(*angles: str) -> str:
    return table(*(f"{row},{angle}" for row, angle in zip(ROWS, angles, strict=True)), header=HEADER + ",theta")


def test_the_angle_comes_from_a_column_or_is_one_for_all_and_rescales_nothing() -> None:
    a, b = read(with_angles("72", "72.0", "72", "54.5", "54.5", "5.45e1"), AT_AN_ANGLE)
    assert (a.angle, b.angle, a.sin_theta, b.sin_theta) == (72.0, 54.5, "included", "included")
    plain, constant = read(GOOD), read(GOOD, declare(angle=72.0, sin_theta="divided"))
    assert (plain[0].angle, plain[0].sin_theta) == (None, None)
    assert [(curve.angle, curve.sin_theta) for curve in constant] == [(72.0, "divided")] * 2
    for curve in (a, constant[0]):
        for name in ("par", "perp", "sigma_par", "sigma_perp"):
            np.testing.assert_array_equal(getattr(curve, name), getattr(plain[0], name))


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


CELLS = ("1,25", "", "nan", "-Inf", "1e999", "abc", "0x1F", "٣", "–2", "1.234,5", "1_000")
FIRST_ROWS = (
    ROWS[0].replace("0.1,0.1", "0.1,0"), ROWS[0].replace("0.1,0.1", "-1,0.1"), ROWS[0].replace("0.1,0.1", ",0.1"),
    ROWS[0].replace("2.0", "2.5", 1), ROWS[0].replace("2.0", "-2", 1), ROWS[0].replace("w1", "w9"),
    ROWS[0].replace("w1", ""), ROWS[0].replace("A", ""), ROWS[0].replace("A", "A\x07"), ROWS[0] + ",9", ROWS[0][:-4],
    "", ",,,,,,,", "# note", '"A', '"A"x' + ROWS[0][1:],
)  # fmt: skip
ANGLES = ("190", "-72", "0", "180.0", "1.25", "", "72°", "71")
AT_AN_ANGLE = declare(columns=replace(FULL, angle="theta"), sin_theta="included")
COMMAS = GOOD.replace(",", ";")
WITHOUT_DEVICE = declare(Columns("V", "a", "b"), device="A", thickness=2.0, sigma="fit")
IDLE_MASKS = (BiasMask((-300.0, -100.0), "mV"), BiasMask((0.0, 0.0), "x", "a"))
LATIN = GOOD.encode().replace(b"w2", b"w\xb5")
FAULTY = {
    **{f"cell {cell!r}": (GOOD.replace("-0.2,-2,", f'-0.2,"{cell}",'), PLAIN) for cell in CELLS},
    # One more point of A, so that a blank first row is the only fault.
    **{f"first row {row!r}": (table(row, *ROWS[1:3], "A,w1,2.0,0.3,2,0.2,0.1,0.1", *ROWS[3:]), PLAIN)
       for row in FIRST_ROWS},
    **{f"angle {cell!r}": (with_angles(cell, "72", "72", "54", "54", "54"), AT_AN_ANGLE) for cell in ANGLES},
    "points in place of commas": (COMMAS, declare(decimal=",")),
    "thousands": (COMMAS.replace(".", ",").replace("-0,2;", "1.234,5;"), declare(decimal=",")),
    "no such origin": ("# origin: simulatd; x\n" + GOOD, PLAIN),
    "two origins": ("# origin: simulated\n# origin: measured\n" + GOOD, PLAIN),
    "a bias twice": (table(*ROWS, "B,w2,3.0,-0.1,9,0.1,0.2,0.3"), PLAIN),
    "a bias that turns": (table(*ROWS, "B,w2,3.0,0.05,9,0.1,0.2,0.3"), PLAIN),
    "two biases": (table(*ROWS[:2], *ROWS[3:]), PLAIN),
    "two biases in the window": (GOOD, declare(bias_window=(-0.15, 0.4))),
    "masks that do nothing": (GOOD, declare(mask=IDLE_MASKS)),
    "other names": (GOOD.replace("par,perp", "Par,prep"), PLAIN),
    "a name twice": (GOOD.replace("dev,wafer", "dev,dev"), PLAIN),
    "an idle name twice": (GOOD.replace("dev,wafer", "dev,wafer,x,x"), PLAIN),
    "header as a comment": ("# " + GOOD, PLAIN),
    "spaces": (GOOD.replace(",", " "), PLAIN),
    "an open quote in the header": ('"V,par\n', PLAIN),
    "another separator": (GOOD, declare(separator=";")),
    "two separators": ("x,V,a,b,y;V;a;b\n1,1,1,1,1;1;1;1\n", WITHOUT_DEVICE),
    "nothing": (b"", PLAIN),
    "blank lines": (b"\n \n", PLAIN),
    "comments": (b"# only\n", PLAIN),
    "a header": (HEADER, PLAIN),
    "UTF-16": (GOOD.encode("utf-16"), PLAIN),
    "NUL": (GOOD.encode().replace(b"w2", b"w\0"), PLAIN),
    "Latin-1": (LATIN, PLAIN),
    "the mark of UTF-8": (b"\xef\xbb\xbf" + GOOD.encode(), declare(encoding="cp1252")),
}  # fmt: skip


def test_every_fault_is_said_at_its_place(golden: Callable[..., None], tmp_path: Path) -> None:
    golden("table-faults", told((name, faults(*each)) for name, each in FAULTY.items()), tmp_path)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_encodings(encoding: str) -> None:
    assert read(LATIN, declare(encoding=encoding))[1].group == "wµ"


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
    (tmp_path / "hidden").mkdir()
    for name in ("b.txt", ".config", "a.txt"):
        (tmp_path / "hidden" / name).touch()
    for path, message in (
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "serie.csv", "no such file; did you mean 'series.csv'?"),
        (tmp_path / "hidden" / "x.csv", "no such file; use one of 'a.txt', 'b.txt'"),
        (tmp_path / "hidden" / ".confi", "no such file; did you mean '.config'?"),
        (tmp_path / "no" / "x.csv", f"no such file; there is no folder {str(tmp_path / 'no')!r}"),
    ):
        assert problems_of(read_curves, path, PLAIN, label="f") == [f"f: {message}"]
    (problem,) = problems_of(read_curves, file, declare(max_bytes=10))
    assert f"has {len(GOOD)} bytes, more than the limit of 10; cut the file or raise max_b" in problem
    with pytest.raises(DataError, match=r"no such file|cannot be read"):
        read_curves(tmp_path / "a\0b.csv", PLAIN)


@pytest.mark.skipif(sys.platform == "win32", reason="no device files in folders")
def test_device_files_are_not_read() -> None:
    with pytest.raises(DataError, match="null: is not a regular file; save the data to a file"):
        read_curves(os.devnull, PLAIN)


NO_GROUP = declare(replace(FULL, group=""))
NO_GROUP_COMMAS = declare(replace(FULL, group=""), separator=";", decimal=",")
COLUMN_NAMES = "dev,d,V,par,perp,sp,sq"
WHOLE = table(*(f"{name},{d},{v}.5,1.25,-2.5e-1,0.1,0.2" for name, d in (("A", 2), ("B", 3)) for v in range(5)),
              header=COLUMN_NAMES).rstrip()  # fmt: skip
FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def understood(data: bytes, declaration: TableDeclaration = NO_GROUP) -> tuple[TorqueCurve, ...] | None:
    """The curves of whatever a file holds; None where problems with their places were raised instead."""
    try:
        return read(data, declaration)
    except DataError as error:
        problems = error.problems
    assert problems
    assert all(problem.where.startswith("f.csv") and problem.todo for problem in problems)
    return None


def same(one: tuple[TorqueCurve, ...], other: tuple[TorqueCurve, ...]) -> bool:
    names = ("bias", "par", "perp", "sigma_par", "sigma_perp")
    return [(c.device, c.thickness, c.origin) for c in one] == [
        (c.device, c.thickness, c.origin) for c in other
    ] and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for a, b in zip(one, other, strict=True) for name in names
    )


@FAST
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes(data: bytes, with_header: bool) -> None:
    understood((COLUMN_NAMES + "\n").encode() + data if with_header else data)


@FAST
@given(st.text(alphabet=st.sampled_from('AB,;\t|"\n\r0123456789.-+eE #nµ\x00\ufeff'), max_size=300))
def test_random_tables(text: str) -> None:
    understood((COLUMN_NAMES + "\n" + text).encode())
    understood(
        (COLUMN_NAMES.replace(",", ";") + "\n" + text).encode(),
        NO_GROUP_COMMAS,
    )


biases, numbers = st.floats(-1e6, 1e6), st.floats(-1e50, 1e50)


@FAST
@given(st.lists(st.tuples(biases, numbers, numbers), min_size=3, max_size=12, unique_by=lambda row: row[0]))
def test_numbers_survive_to_the_last_bit(rows: list[tuple[float, float, float]]) -> None:
    rows = sorted(rows)
    text = COLUMN_NAMES + "\n" + "\n".join(f"A,2,{v!r},{par!r},{perp!r},1,1" for v, par, perp in rows)
    curves = understood(text.encode())
    assert curves is not None
    assert list(zip(curves[0].bias, curves[0].par, curves[0].perp, strict=True)) == rows


def test_sizes_that_no_measurement_has_are_refused_at_their_places() -> None:
    text = "\n".join([COLUMN_NAMES, "A,2,0,1e51,0,1,1", "A,2,1,0,0,1e-51,1", "A,1e7,2e6,0,0,1,1"])
    with pytest.raises(DataError) as caught:
        read(text.encode(), NO_GROUP)
    found = [(problem.where, problem.what.split(":")[0]) for problem in caught.value.problems]
    assert found == [
        ("f.csv:2: column 'par'", "is 1e+51"), ("f.csv:3: column 'sp'", "is 1e-51"),
        ("f.csv:4: column 'V'", "is 2e+06"), ("f.csv:4: column 'd'", "is 1e+07"),
    ]  # fmt: skip


@FAST
@given(st.data())
def test_a_deleted_or_doubled_separator_or_digit_point_never_shifts_columns(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([i for i, c in enumerate(WHOLE) if c == ","]))
    mutation = data.draw(st.sampled_from(["", ",,", ";", "\t", '"', "\n"]))
    assert understood((WHOLE[:place] + mutation + WHOLE[place + 1 :]).encode()) is None


@pytest.mark.slow
@FAST
@given(st.data())
def test_inserted_junk_is_refused_or_harmless(data: st.DataObject) -> None:
    # Characters that belong to no number and no name here: the file must read as before, or not at all.
    place = data.draw(st.integers(0, len(WHOLE)))
    junk = data.draw(
        st.sampled_from([" ", "\x00", "\n", "\r", "\ufeff", "'", '"', "_", "–", ",", "§", "#", "\u2028", "\x0b"])
    )
    before = understood(WHOLE.encode())
    after = understood((WHOLE[:place] + junk + WHOLE[place:]).encode())
    assert before is not None
    if after is not None and not same(before, after):
        # Only the name of a device may have changed: '§' and the like are proper in names.
        assert {curve.device for curve in after} != {"A", "B"}


@pytest.mark.parametrize("keep", range(0, len(WHOLE), 7))
def test_truncated_files(keep: int) -> None:
    curves = understood(WHOLE[:keep].encode())
    if curves is not None:
        whole = understood(WHOLE.encode())
        assert whole is not None
        for curve, full in zip(curves, whole, strict=False):
            # All but the last, perhaps shortened, number agree.
            n = curve.bias.size
            np.testing.assert_array_equal(curve.par, full.par[:n])
