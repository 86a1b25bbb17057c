"""Wide tables are cut up as declared; names with data in them are read in one way or not at all, in bounded time."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_files import source

from mtjfit.data import NamePattern, Wide
from mtjfit.data.readers import Column, ReadOptions, Sheet, blocks, sheets_from_bytes
from mtjfit.errors import ConfigError, DataError


def sheet(header: str, *rows: str, label: str = "w.csv") -> Sheet:
    cells = list(zip(*(row.split(",") for row in rows), strict=True))
    columns = tuple(Column(name, None, tuple(each)) for name, each in zip(header.split(","), cells, strict=True))
    return Sheet(label, "wide", columns, tuple(range(2, 2 + len(rows))), 1)


def test_pairs_of_field_and_voltage() -> None:
    (wide,) = sheets_from_bytes(source("wide.csv"), "wide", ReadOptions())
    one, two = blocks(wide, Wide(("H", "V"), name="2pf_{frequency:GHz}"))
    assert (one.parameter("frequency"), two.parameter("frequency")) == ((1.0, "GHz"), (2.0, "GHz"))
    assert one.numbers("H").tolist() == [62.5, 112.5, 162.5, 212.5, 262.5]
    # The second series is shorter: its last row is empty.
    assert two.numbers("V").tolist() == [2.7e-6, 3.7e-6, 4.7e-6, 5.7e-6]
    assert (two.lines, two.label) == ((3, 4, 5, 6), "wide.csv[2pf_2.0_GHz]")


def test_series_told_apart_by_the_comments_of_origin() -> None:
    (wide,) = sheets_from_bytes(source("origin.txt"), "origin", ReadOptions())
    one, two = blocks(wide, Wide(("V", "p", "q"), name="{device}_T{thickness:nm}_par", name_in="comment"))
    assert (one.metadata["device"], two.parameter("thickness")) == ("A1", (2.0, "nm"))
    assert two.numbers("q").tolist() == [-0.25, -0.125, 0.0, 0.125, 0.25]
    assert one.columns[0].unit == "mV"


def test_columns_told_apart_by_name() -> None:
    wide = sheet("V,A1 par,A1 perp,A2 par,A2 perp", "1,2,3,4,5", "6,7,8,,")
    one, two = blocks(wide, Wide(common=("V",), name="{device} {column}"))
    assert (one.names, one.metadata["device"]) == (("V", "par", "perp"), "A1")
    assert one.numbers("perp").tolist() == [3, 8]
    assert (two.numbers("V").tolist(), two.numbers("par").tolist()) == ([1.0], [4.0])


def test_digitised_series_are_paired_by_bias() -> None:
    series = sheets_from_bytes(source("webplotdigitizer.csv"), "webplotdigitizer", ReadOptions())
    wide = Wide(("V", "T"), name="{device} {column}", name_in="comment", within=0.001)
    one, two = blocks(series, wide)
    assert (one.names, one.metadata["device"], one.label) == (("V", "par", "perp"), "A1", "webplotdigitizer.csv[A1]")
    assert one.numbers("V") == pytest.approx([-0.20005, 0.0001, 0.09985, 0.2001], abs=1e-15)
    assert one.numbers("perp").tolist() == [0.214, 0.001, 0.052, 0.209]
    assert "X of points paired within 0.001 is their mean" in one.notes
    # Equal places are not touched.
    assert two.columns[0].cells == ("-0.2", "0", "0.2")
    with pytest.raises(DataError) as caught:
        blocks(series, Wide(("V", "T"), name="{device} {column}", name_in="comment", within=0.0004))
    # Only the points at 0.1 V lie 0.0005 V apart, and those at -0.2 V: both series say so, each at its own line.
    assert [str(problem).partition(" in ")[0] for problem in caught.value.problems] == [
        f"webplotdigitizer.csv[A1 {part}]:{line}: column 'V': X = {x} has no partner within 0.0004"
        for part, places in (("perp", ((3, "-0.1998"), (4, "-0.0002"), (5, "0.0996"))),
                             ("par", ((3, "-0.2003"), (4, "0.0004"), (5, "0.1001"))))
        for line, x in places
    ]  # fmt: skip
    with pytest.raises(DataError, match="closer than twice within"):
        blocks(series, Wide(("V", "T"), name="{device} {column}", name_in="comment", within=0.2))


def series(name: str, x: list[float], letters: str) -> Sheet:
    columns = (Column("X", None, tuple(map(repr, x)), name), Column("Y", None, tuple(letters), name))
    return Sheet(name, "webplotdigitizer", columns, tuple(range(len(x))))


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(6)), st.lists(st.floats(-0.004, 0.004), min_size=6, max_size=6))
def test_pairing_finds_the_true_partner_in_any_order(order: list[int], shifts: list[float]) -> None:
    x = [0.1 * k for k in range(6)]
    z = [x[k] + shifts[k] for k in order]
    first = series("par", x, "abcdef")
    other = series("perp", z, "".join("ABCDEF"[k] for k in order))
    wide = Wide(("V", "T"), name="{column}", name_in="comment", within=0.005)
    (one,) = blocks([first, other], wide)
    assert one.columns[1].cells == tuple("abcdef")
    assert one.columns[2].cells == tuple("ABCDEF")


@pytest.mark.parametrize(
    ("wide", "what"),
    [
        (Wide(("a", "b", "c")), "w.csv:1: has 4 columns, which do not divide into blocks of 3"),
        (Wide(("a", "b"), name="{x:GHz}"), "w.csv:1: column 'V': 'V' does not fit '{x:GHz}'"),
        (Wide(common=("U",), name="{device} {column}"), "w.csv:1: column 'U': no such column"),
        (Wide(common=("V",), name="{device} {column}"), "w.csv:1: column 'A par': is a second column 'par'"),
    ],
)
def test_what_does_not_fit_is_said(wide: Wide, what: str) -> None:
    with pytest.raises(DataError) as caught:
        blocks(sheet("V,A par,A par,A perp", "1,2,3,4"), wide)
    assert str(caught.value).startswith(what)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({}, "needs one of columns and common"),
        ({"columns": ("a",), "common": ("b",), "name": "{column}"}, "needs one of columns and common"),
        ({"common": ("a",), "name": "{device}"}, "has no field {column}"),
        ({"columns": ("a", "a")}, "names a column twice"),
        ({"columns": ("a",), "within": -1.0}, "within: is -1"),
        ({"columns": ("a",), "name": "x"}, "has no field"),
    ],
)
def test_declarations_that_mean_nothing(keys: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Wide(**keys)  # type: ignore[arg-type]
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "name", "fields"),
    [
        ("{device}_{frequency:GHz}_T{thickness:nm}_{bias:mV}.txt", "A1_3.0GHz_T2.1nm_-150mV.txt",
         {"device": "A1", "frequency": "3.0 GHz", "thickness": "2.1 nm", "bias": "-150 mV"}),
        ("2pf_{frequency:GHz}", "2pf_10.0_GHz", {"frequency": "10.0 GHz"}),
        ("{device}-{bias:mV}.dat", "A-1--150mV.dat", None),
        ("{device}_{bias:mV}.dat", "A-1_-150mV.dat", {"device": "A-1", "bias": "-150 mV"}),
        ("run{run:}_{*}_{device}.csv", "run007_2024_03_A.csv", None),
        ("run{run:}_{*} {device}.csv", "run007_2024_03 A.csv", {"run": "007", "device": "A"}),
        ("{power:dBm}.[x](y)*+?.csv", "-1.5e1dBm.[x](y)*+?.csv", {"power": "-1.5e1 dBm"}),
        ("T{thickness:nm}", "T2.1 nm", {"thickness": "2.1 nm"}),
        ("{thickness:nm}{rest}", "2.1nm", None),
        ("{bias:mV}.txt", "150V.txt", None),
        ("{bias:mV}.txt", "150mV_txt", None),
        ("{device}{bias:mV}", "A150mV", None),
        ("{device} {column}", "A1 par", {"device": "A1", "column": "par"}),
    ],
)  # fmt: skip
def test_names(pattern: str, name: str, fields: dict[str, str] | None) -> None:
    if fields is not None:
        assert NamePattern(pattern).fields(name) == fields
        return
    with pytest.raises(DataError) as caught:
        NamePattern(pattern).fields(name, "a.txt:3")
    assert str(caught.value).startswith("a.txt:3: ")


@pytest.mark.parametrize(
    ("pattern", "what"),
    [("plain.txt", "has no field"), ("{a", "has an open brace"), ("a}", "has an open brace"),
     ("{a}{a:nm}", "two fields"), ("{a b}", "has a field 'a b'"), ("{}", "has no field"),
     ("{{a}}", "has an open brace"), ("{a}" * 50, "two fields")],
)  # fmt: skip
def test_patterns_that_mean_nothing(pattern: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        NamePattern(pattern)


def test_no_pattern_takes_long() -> None:
    """What drives a backtracking search to 2^n steps takes a fraction of a second."""
    hostile = NamePattern("".join(f"{{f{k}}}a" for k in range(20)) + "!")
    start = time.perf_counter()
    for name in ("a" * 1000, "ba" * 400 + "?"):
        with pytest.raises(DataError):
            hostile.fields(name)
    assert time.perf_counter() - start < 5
    with pytest.raises(DataError, match="1001 characters"):
        hostile.fields("a" * 1001)


words = st.text(alphabet="abAB1.-_ ", min_size=1, max_size=6).filter(str.strip)
LITERALS = ("_", "x", "T", ".")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, st.sampled_from(LITERALS)), min_size=1, max_size=3))
def test_agrees_with_regular_expressions(parts: list[tuple[str, str]]) -> None:
    """Independent: all ways to split a name, by exhaustive regular expressions over the places of the literals."""
    name = "".join(word + literal for word, literal in parts)
    pattern = "".join(f"{{f{k}}}{literal}" for k, (_, literal) in enumerate(parts))
    ways = set()
    greedy = re.compile("".join(f"(.+){re.escape(literal)}" for _, literal in parts))
    lazy = re.compile("".join(f"(.+?){re.escape(literal)}" for _, literal in parts))
    for search in (greedy, lazy):
        match = search.fullmatch(name)
        assert match is not None
        if all(group.strip() for group in match.groups()):
            ways.add(match.groups())
    found = reading(pattern, name)
    # Only one reading: then the greediest and the laziest are that one, where neither holds a blank field.
    assert found is None or (
        ways <= {found} and "".join(word + literal for word, (_, literal) in zip(found, parts, strict=True)) == name
    )


def reading(pattern: str, name: str) -> tuple[str, ...] | None:
    """What a name says, None where it fits in two ways."""
    with contextlib.suppress(DataError):
        return tuple(NamePattern(pattern).fields(name).values())
    with pytest.raises(DataError, match="two ways"):
        NamePattern(pattern).fields(name)
    return None
