"""Names with data in them: read in one way or not at all, in bounded time."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtjfit.data import NamePattern
from mtjfit.errors import ConfigError, DataError


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
    assert found is None or (ways <= {found} and "".join(map("".join, zip(found, ends(parts), strict=True))) == name)


def ends(parts: list[tuple[str, str]]) -> list[str]:
    return [literal for _, literal in parts]


def reading(pattern: str, name: str) -> tuple[str, ...] | None:
    """What a name says, None where it fits in two ways."""
    with contextlib.suppress(DataError):
        return tuple(NamePattern(pattern).fields(name).values())
    with pytest.raises(DataError, match="two ways"):
        NamePattern(pattern).fields(name)
    return None
