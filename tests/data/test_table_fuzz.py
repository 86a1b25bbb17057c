"""Whatever a file holds, reading it ends in curves or in a DataError, and a damaged file never reads differently."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtjfit.data import Columns, ColumnUnits, TableDeclaration, TableFormat, TorqueCurve, curves_from_bytes
from mtjfit.errors import DataError

COLUMNS = Columns("V", "par", "perp", "sp", "sq", "dev", "d")
DECLARATION = TableDeclaration("torque", "device", "MxP", COLUMNS, ColumnUnits("V", "arb", "nm"))
DECIMAL_COMMA = TableDeclaration(
    "torque", "device", "MxP", COLUMNS, ColumnUnits("V", "arb", "nm"), format=TableFormat(separator=";", decimal=",")
)
HEADER = "dev,d,V,par,perp,sp,sq"
VALID = "\n".join(
    [HEADER, *(f"{name},{d},{v}.5,1.25,-2.5e-1,0.1,0.2" for name, d in (("A", 2), ("B", 3)) for v in range(5))]
)
FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(data: bytes, declaration: TableDeclaration = DECLARATION) -> tuple[TorqueCurve, ...] | None:
    try:
        return curves_from_bytes(data, declaration, "fuzz.csv")
    except DataError as error:
        problems = error.problems
    assert problems
    assert all(problem.where.startswith("fuzz.csv") and problem.todo for problem in problems)
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
    read((HEADER + "\n").encode() + data if with_header else data)


@FAST
@given(st.text(alphabet=st.sampled_from('AB,;\t|"\n\r0123456789.-+eE #nµ\x00\ufeff'), max_size=300))
def test_random_tables(text: str) -> None:
    read((HEADER + "\n" + text).encode())
    read((HEADER.replace(",", ";") + "\n" + text).encode(), DECIMAL_COMMA)


numbers = st.floats(allow_nan=False, allow_infinity=False)


@FAST
@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=3, max_size=12, unique_by=lambda row: row[0]))
def test_numbers_survive_to_the_last_bit(rows: list[tuple[float, float, float]]) -> None:
    rows = sorted(rows)
    text = HEADER + "\n" + "\n".join(f"A,2,{v!r},{par!r},{perp!r},1,1" for v, par, perp in rows)
    curves = read(text.encode())
    assert curves is not None
    assert list(zip(curves[0].bias, curves[0].par, curves[0].perp, strict=True)) == rows


@FAST
@given(st.data())
def test_a_deleted_or_doubled_separator_or_digit_point_never_shifts_columns(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([i for i, c in enumerate(VALID) if c == ","]))
    mutation = data.draw(st.sampled_from(["", ",,", ";", "\t", '"', "\n"]))
    assert read((VALID[:place] + mutation + VALID[place + 1 :]).encode()) is None


@FAST
@given(st.data())
def test_inserted_junk_is_refused_or_harmless(data: st.DataObject) -> None:
    # Characters that belong to no number and no name here: the file must read as before, or not at all.
    place = data.draw(st.integers(0, len(VALID)))
    junk = data.draw(
        st.sampled_from([" ", "\x00", "\n", "\r", "\ufeff", "'", '"', "_", "−", ",", "§", "#", "\u2028", "\x0b"])
    )
    before = read(VALID.encode())
    after = read((VALID[:place] + junk + VALID[place:]).encode())
    assert before is not None
    if after is not None and not same(before, after):
        # Only the name of a device may have changed: '§' and the like are proper in names.
        assert {curve.device for curve in after} != {"A", "B"}


@pytest.mark.parametrize("keep", range(0, len(VALID), 7))
def test_truncated_files(keep: int) -> None:
    curves = read(VALID[:keep].encode())
    if curves is not None:
        whole = read(VALID.encode())
        assert whole is not None
        for curve, full in zip(curves, whole, strict=False):
            # All but the last, perhaps shortened, number agree.
            n = curve.bias.size
            np.testing.assert_array_equal(curve.par, full.par[:n])
