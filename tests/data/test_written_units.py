"""Units as files write them: hostile texts give no unit, and never an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtjfit.data import find_unit, pretty
from mtjfit.data.written_units import written_unit

PARTS = (
    "V",
    "m",
    "mk",
    "volt",
    "hbar",
    "e",
    "per ",
    "milli",
    "(",
    ")",
    "/",
    "*",
    "^",
    "-",
    " ",
    "²",
    "9",
    "1e-300",
    "1e300",
    "10^",
)


@pytest.mark.parametrize("text", ["V/(1e-300 1e-300)", "e/1e-300 hbar 1e-99", "V/1e999", "(" * 29 + "V", "V^9^9"])
def test_what_no_computer_can_hold_is_no_unit(text: str) -> None:
    assert written_unit(text) is None


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_any_text_has_a_unit_or_none(text: str) -> None:
    found = written_unit(text)
    assert found is None or found.si > 0


@given(st.lists(st.sampled_from((*PARTS, "J", "T", "Oe", "A", "ohm", "mJ", "2", "1e-19 ")), max_size=9).map("".join))
def test_a_unit_of_torque_is_found_by_the_name_it_gets(text: str) -> None:
    try:
        unit = find_unit(text)
    except ValueError:
        return
    assert find_unit(unit.name) == unit == find_unit(pretty(unit.name))
