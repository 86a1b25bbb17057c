"""Correlated errors and errors of the bias: contradictions are refused; columns and files are read and turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import problems_of

from mtjfit.data import (
    Columns,
    ColumnUnits,
    ConstantSigma,
    SourceFile,
    TableDeclaration,
    curves_from_bytes,
    read_curves,
)
from mtjfit.errors import DataError

BARE = Columns("V", "par", "perp")
COLUMNS = replace(BARE, sigma_par="sp", sigma_perp="sq", rho="r", sigma_bias="dV")
PLAIN = TableDeclaration("torque", "device", "MxP", COLUMNS, ColumnUnits("mV", "1e-19 N m", "nm"), "A", 2.0)
ROWS = ["V,par,perp,sp,sq,r,dV", "-200,-2,0.2,0.1,0.1,0.5,3", "0,0,0,0.1,0.1,-0.25,0", "200,2,0.2,0.1,0.1,0,70"]


@pytest.mark.parametrize(("axis", "rho"), [("MxP", [0.5, -0.25, 0.0]), ("PxM", [-0.5, 0.25, 0.0])])
def test_columns_of_correlations_and_bias_errors(axis: Any, rho: list[float]) -> None:
    (curve,) = curves_from_bytes("\n".join(ROWS).encode(), replace(PLAIN, perp_axis=axis), "f.csv")
    assert curve.rho.tolist() == rho
    assert curve.sigma_bias.tolist() == [0.003, 0.0, 0.07]


def test_one_bias_error_in_volts() -> None:
    declaration = replace(PLAIN, columns=BARE, sigma=ConstantSigma(0.1, 0.2), sigma_bias=0.004)
    (curve,) = curves_from_bytes("\n".join(ROWS).encode(), declaration, "f.csv")
    assert curve.sigma_bias.tolist() == [0.004] * 3
    assert curve.rho is None


def test_faults_of_single_numbers_have_a_place() -> None:
    text = "\n".join(ROWS).replace("0.5,3", "1.5,3").replace("-0.25,0", "-0.25,-1")
    assert problems_of(curves_from_bytes, text.encode(), PLAIN, "f.csv") == [
        "f.csv:2: column 'r': correlation 1.5 is not between -1 and 1; give a number inside, ends excluded",
        "f.csv:3: column 'dV': standard error -1 is negative; give the standard error of the bias, or 0",
    ]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"sigma": "fit", "columns": replace(BARE, rho="r")}, ["columns.rho"]),
        ({"sigma": "fit", "columns": replace(BARE, sigma_bias="dV")}, ["columns.sigma_bias"]),
        ({"sigma": "fit", "columns": BARE, "sigma_bias": 0.1}, ["sigma_bias"]),
        ({"sigma_bias": 0.1}, ["sigma_bias"]),
        ({"columns": replace(COLUMNS, sigma_bias=""), "sigma_bias": -0.1}, ["sigma_bias"]),
        ({"columns": replace(COLUMNS, sigma_bias=""), "sigma_bias": np.nan}, ["sigma_bias"]),
        ({"columns": BARE, "covariance": "c.csv", "sigma": "fit"}, ["covariance"]),
        ({"columns": replace(BARE, rho="r"), "covariance": "c.csv"}, ["covariance"]),
        ({"columns": replace(BARE, sigma_par="s"), "covariance": "c.csv"}, ["columns.sigma_perp"]),
    ],
)
def test_declarations_that_contradict_themselves(changes: dict[str, Any], where: list[str]) -> None:
    assert [problem.partition(":")[0] for problem in problems_of(replace, PLAIN, **changes)] == where


RNG = np.random.default_rng(5)
ROOT = RNG.normal(size=(6, 6))
RANDOM = ROOT @ ROOT.T + 0.5 * np.eye(6)
FILE_TABLE = b"dev,V,par,perp\nA,-0.1,-1,0.2\nA,0,0,0\nA,0.1,1,0.2\n"
WITH_FILE = TableDeclaration("torque", "device", "MxP", Columns("V", "par", "perp", device="dev"),
                         ColumnUnits("V", "arb", "nm"), thickness=2.0, covariance="{device}_cov.csv")  # fmt: skip


def lines(matrix: np.ndarray) -> list[str]:
    return [",".join(map(repr, row)) for row in matrix.tolist()]


def opened(text: list[str] | dict[str, list[str]]) -> Callable[[str], SourceFile]:
    def read(name: str) -> SourceFile:
        rows = text if isinstance(text, list) else text[name]
        return SourceFile(name, ("\n".join(rows) + "\n").encode(), name)

    return read


def faults_of_file(rows: list[str], declaration: TableDeclaration = WITH_FILE, table: bytes = FILE_TABLE) -> list[str]:
    return problems_of(curves_from_bytes, table, declaration, "t.csv", opened(rows))


def test_all_digits_and_the_errors_of_the_diagonal() -> None:
    (curve,) = curves_from_bytes(FILE_TABLE, replace(WITH_FILE, sigma_bias=0.001), "t.csv", opened(lines(RANDOM)))
    assert np.array_equal(curve.covariance, RANDOM)
    assert curve.sigma_bias.tolist() == [0.001] * 3
    assert np.concatenate([curve.sigma_par, curve.sigma_perp]) == pytest.approx(np.sqrt(np.diag(RANDOM)))


def test_the_axis_of_the_file_turns_cross_terms_round() -> None:
    """Independent: draws with this covariance, `perp` negated one by one, have the turned covariance."""
    (curve,) = curves_from_bytes(FILE_TABLE, replace(WITH_FILE, perp_axis="PxM"), "t.csv", opened(lines(RANDOM)))
    draws = np.linalg.cholesky(RANDOM) @ RNG.normal(size=(6, 200_000))
    draws[3:] *= -1.0
    scatter = np.sqrt((np.outer(np.diag(RANDOM), np.diag(RANDOM)) + RANDOM**2) / 200_000)
    # 36 entries within 5.5 standard errors: false alarm below 1e-5.
    assert np.all(np.abs(np.cov(draws) - curve.covariance) < 5.5 * scatter)
    assert np.array_equal(curve.covariance[:3, 3:], -RANDOM[:3, 3:])


def test_masked_points_keep_their_rows() -> None:
    table = FILE_TABLE + b"A,0.2,2,0.8\n"
    rows = lines(np.diag(np.arange(1.0, 9.0)))
    (curve,) = curves_from_bytes(table, replace(WITH_FILE, bias_window=(-0.15, 0.15)), "t.csv", opened(rows))
    assert (curve.n_used, curve.covariance.shape) == (3, (8, 8))
    assert curve.sigma_perp.tolist() == np.sqrt([5.0, 6.0, 7.0, 8.0]).tolist()


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda rows: rows[:-1], "A_cov.csv: has 5 rows of numbers; the 3 points of device 'A' need 6 x 6"),
        (lambda rows: [*rows[:2], rows[2] + ",1", *rows[3:]], "A_cov.csv:3: has 7 numbers"),
        (lambda rows: [*rows[:5], "1,2,3,4,x,6"], "A_cov.csv:6: column '5': 'x' is not a number"),
        (lambda rows: [*rows[:5], "1,2,3,4,nan,6"], "A_cov.csv:6: column '5': 'nan' is not a finite number"),
        (lambda rows: ["9" + rows[0], *rows[1:]], ""),
        (lambda rows: [rows[0].replace(",", ",9", 1), *rows[1:]], "A_cov.csv:1: is not symmetric: number 2 is "),
        (lambda rows: lines(-RANDOM), "A_cov.csv:1: number 1, a variance, is -"),
        (lambda rows: lines(np.ones((6, 6))), "A_cov.csv: covariance is not positive definite"),
        (lambda rows: [], "A_cov.csv: is empty"),
    ],
)
def test_faults_have_a_place(edit: Callable[[list[str]], list[str]], fault: str) -> None:
    rows = edit(lines(RANDOM))
    if fault:
        assert faults_of_file(rows)[0].startswith(fault)
    else:
        assert curves_from_bytes(FILE_TABLE, WITH_FILE, "t.csv", opened(rows))[0].covariance is not None


def test_a_table_of_files() -> None:
    table = FILE_TABLE + FILE_TABLE.partition(b"\n")[2].replace(b"A,", b"B,")
    files = {"a.csv": lines(RANDOM), "b.csv": lines(2 * RANDOM)}
    both = replace(WITH_FILE, covariance=(("A", "a.csv"), ("B", "b.csv")))
    a, b = curves_from_bytes(table, both, "t.csv", opened(files))
    assert np.array_equal(b.covariance, 2 * a.covariance)
    one = replace(WITH_FILE, covariance=(("A", "a.csv"),))
    assert faults_of_file(files["a.csv"], one, table) == [
        "device 'B': has neither errors nor a covariance; give it a covariance, or name the columns of its errors"
    ]
    assert faults_of_file(files["a.csv"], replace(WITH_FILE, covariance="a.csv"), table)[0].startswith(
        "covariance: names one file for 2 devices"
    )
    assert faults_of_file(files["a.csv"], replace(WITH_FILE, covariance=(("C", "a.csv"),)))[0].startswith(
        "covariance.C: is no device"
    )


def test_read_curves_finds_the_file_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(FILE_TABLE)
    (tmp_path / "A_cov.csv").write_text("\n".join(lines(RANDOM)), encoding="utf-8")
    assert read_curves(tmp_path / "t.csv", WITH_FILE)[0].is_correlated
    (tmp_path / "A_cov.csv").unlink()
    with pytest.raises(DataError, match=r"A_cov.csv: no such file"):
        read_curves(tmp_path / "t.csv", WITH_FILE)
    with pytest.raises(DataError, match="no folder to find them in is known"):
        curves_from_bytes(FILE_TABLE, WITH_FILE, "t.csv")
