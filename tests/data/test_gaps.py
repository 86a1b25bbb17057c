"""Rows without numbers, copies and changed names: left out or refused alike in every container, and always told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small import declare, problems_of

from mtjfit.data import (
    BiasMask,
    Columns,
    ColumnUnits,
    ConstantSigma,
    SourceFile,
    TableDeclaration,
    TableFormat,
    curves_from_sources,
)
from mtjfit.errors import DataError

BY_ROW = declare(Columns("V", "p", "q", device="dev"), units=ColumnUnits("V", "arb", "nm"), thickness=2.0, sigma="fit")
ROWS = "A,-1,-2,0.1 A,0,0,0 A,1,2,0.1"


def file(rows: str, name: str = "t.csv") -> SourceFile:
    return SourceFile(name, "\n".join(["dev,V,p,q", *rows.split(" ")]).encode() + b"\n", name)


def faults(rows: str, declaration: TableDeclaration) -> list[str]:
    return problems_of(curves_from_sources, [file(rows)], declaration, kind=DataError)


@pytest.mark.parametrize("reader", ["", "tidy", "wide"])
@pytest.mark.parametrize("cell", ["nan", "NaN", "NA", "", "null"])
def test_rows_in_which_both_components_are_missing_are_left_out_and_told(cell: str, reader: str) -> None:
    declared = replace(BY_ROW, format=TableFormat(reader=reader, header=("name",) if reader else ()))
    curves = curves_from_sources([file(f"{ROWS} A,2,{cell},{cell} B,0,{cell},{cell}")], declared)
    assert [(curve.device, curve.bias.tolist()) for curve in curves] == [("A", [-1.0, 0.0, 1.0])]
    first, gone = curves[0].notices
    assert "2 rows without numbers are left out" in first
    assert "5 on, 1 of 'A', 1 of 'B'; both 'p' and 'q' are nan or empty" in first
    assert "not in the study: 'B'" in gone


@pytest.mark.parametrize("row", ["A,2,nan,1", "A,2,1,nan", "A,2,inf,nan", "A,nan,1,1", "A,2,nan,x"])
def test_a_number_that_is_missing_alone_is_refused(row: str) -> None:
    assert any(fault.startswith("t.csv:5: column") for fault in faults(f"{ROWS} {row}", BY_ROW))
    assert "nan" not in row[4:] or any("mask" in fault for fault in faults(f"{ROWS} {row}", BY_ROW))


@pytest.mark.parametrize("row", ["A,2,nan,1", "A,2,1,nan", "A,2,inf,1"])
def test_the_advised_mask_leaves_it_out_with_its_reason(row: str) -> None:
    masked = replace(BY_ROW, mask=(BiasMask((2.0, 2.0), "stopped", "A"),))
    (curve,) = curves_from_sources([file(f"{ROWS} {row}")], masked)
    assert curve.n_used == 3
    # the other component was measured, and is masked as any other point: drawn, and counted
    assert (curve.bias.size, curve.reasons[3], int(curve.measured[:, 3].sum())) == (4, "stopped", 1)
    assert curve.notices == ()
    assert faults(f"{ROWS} B,2,nan,1", masked)  # of another device
    window = replace(BY_ROW, bias_window=(-1.5, 1.5))
    assert "outside the bias window" in curves_from_sources([file(f"{ROWS} {row}")], window)[0].reasons[3]


def test_a_masked_row_that_lacks_another_number_is_left_out_in_true_words() -> None:
    declared = replace(BY_ROW, columns=replace(BY_ROW.columns, sigma_bias="s"), sigma=ConstantSigma(0.1, 0.1),
                       mask=(BiasMask((2.0, 2.0), "stopped", "A"),))  # fmt: skip
    rows = "dev,V,p,q,s A,-1,-2,0.1,0 A,0,0,0,0 A,1,2,0.1,0 A,2,nan,1,nan".replace(" ", "\n").encode()
    (curve,) = curves_from_sources([SourceFile("t.csv", rows, "t.csv")], declared)
    assert curve.bias.size == 3
    told = "t.csv: 1 row without a number that is needed is left out, from line 5 on, 1 of 'A'; masked: stopped"
    assert curve.notices == (told,)


def test_a_table_without_any_number_is_refused() -> None:
    assert faults("A,0,nan,nan A,1,nan,nan", BY_ROW) == [
        "t.csv: holds no value: all rows are nan, empty or masked; name the columns that were measured"
    ]


@pytest.mark.parametrize(
    ("name", "odd"),
    [("2024-01-02 00:00:00", True), ("01:02:00", True), ("2-Jan", True), ("Jan-02", True), ("1-2", False),
     ("Jan", False), ("Mar1", False)],
)  # fmt: skip
def test_names_that_a_spreadsheet_made_into_dates_are_told(name: str, odd: bool) -> None:
    rows = [row.replace("A", name) for row in ROWS.split(" ")]
    (curve,) = curves_from_sources([SourceFile("t.csv", "\n".join(["dev,V,p,q", *rows]).encode(), "t.csv")], BY_ROW)
    assert curve.notices == ((f"t.csv: a spreadsheet may have made a date or time of a name: {name!r}; is it what you "
                              "wrote?",) if odd else ())  # fmt: skip


def test_the_same_rows_from_two_files_are_refused() -> None:
    declared = replace(BY_ROW, format=TableFormat(reader="tidy", repeats=True, order="any"))
    pair = [file(ROWS, "a.csv"), file(f"{ROWS} A,2,3,4", "b.csv")]
    assert len(curves_from_sources(pair, declared)[0].bias) == 7
    pair[1] = file(ROWS, "b.csv")
    assert problems_of(curves_from_sources, pair, declared, kind=DataError) == [
        "b.csv: holds the same rows as a.csv, for the same device; a copy counts twice: leave one out"
    ]
