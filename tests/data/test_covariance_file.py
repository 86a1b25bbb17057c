"""Covariances from files: placed, signed and refused as they must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtjfit.data import Columns, ColumnUnits, TableDeclaration, curves_from_bytes, read_curves
from mtjfit.data.readers import SourceFile
from mtjfit.errors import ConfigError, DataError

RNG = np.random.default_rng(5)
ROOT = RNG.normal(size=(6, 6))
COVARIANCE = ROOT @ ROOT.T + 0.5 * np.eye(6)
TABLE = b"dev,V,par,perp\nA,-0.1,-1,0.2\nA,0,0,0\nA,0.1,1,0.2\n"
PLAIN = TableDeclaration("torque", "device", "MxP", Columns("V", "par", "perp", device="dev"),
                         ColumnUnits("V", "arb", "nm"), thickness=2.0, covariance="{device}_cov.csv")  # fmt: skip


def lines(matrix: np.ndarray) -> list[str]:
    return [",".join(map(repr, row)) for row in matrix.tolist()]


def opened(text: list[str] | dict[str, list[str]]) -> Callable[[str], SourceFile]:
    def read(name: str) -> SourceFile:
        rows = text if isinstance(text, list) else text[name]
        return SourceFile(name, ("\n".join(rows) + "\n").encode(), name)

    return read


def faults(rows: list[str], declaration: TableDeclaration = PLAIN, table: bytes = TABLE) -> list[str]:
    with pytest.raises(DataError) as caught:
        curves_from_bytes(table, declaration, "t.csv", opened(rows))
    return [str(problem) for problem in caught.value.problems]


def test_all_digits_and_the_errors_of_the_diagonal() -> None:
    (curve,) = curves_from_bytes(TABLE, PLAIN, "t.csv", opened(lines(COVARIANCE)))
    assert np.array_equal(curve.covariance, COVARIANCE)
    assert np.concatenate([curve.sigma_par, curve.sigma_perp]) == pytest.approx(np.sqrt(np.diag(COVARIANCE)))


def test_the_axis_of_the_file_turns_cross_terms_round() -> None:
    """Independent: draws with this covariance, `perp` negated one by one, have the turned covariance."""
    (curve,) = curves_from_bytes(TABLE, replace(PLAIN, perp_axis="PxM"), "t.csv", opened(lines(COVARIANCE)))
    draws = np.linalg.cholesky(COVARIANCE) @ RNG.normal(size=(6, 200_000))
    draws[3:] *= -1.0
    scatter = np.sqrt((np.outer(np.diag(COVARIANCE), np.diag(COVARIANCE)) + COVARIANCE**2) / 200_000)
    # 36 entries within 5.5 standard errors: false alarm below 1e-5.
    assert np.all(np.abs(np.cov(draws) - curve.covariance) < 5.5 * scatter)
    assert np.array_equal(curve.covariance[:3, 3:], -COVARIANCE[:3, 3:])


def test_masked_points_keep_their_rows() -> None:
    table = TABLE + b"A,0.2,2,0.8\n"
    rows = lines(np.diag(np.arange(1.0, 9.0)))
    (curve,) = curves_from_bytes(table, replace(PLAIN, bias_window=(-0.15, 0.15)), "t.csv", opened(rows))
    assert (curve.n_used, curve.covariance.shape) == (3, (8, 8))
    assert curve.sigma_perp.tolist() == np.sqrt([5.0, 6.0, 7.0, 8.0]).tolist()


def test_errors_of_the_bias_stand_beside_a_covariance() -> None:
    (curve,) = curves_from_bytes(TABLE, replace(PLAIN, sigma_bias=0.001), "t.csv", opened(lines(COVARIANCE)))
    assert curve.sigma_bias.tolist() == [0.001] * 3


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda rows: rows[:-1], "A_cov.csv: has 5 rows of numbers; the 3 points of device 'A' need 6 x 6"),
        (lambda rows: [*rows[:2], rows[2] + ",1", *rows[3:]], "A_cov.csv:3: has 7 numbers"),
        (lambda rows: [*rows[:5], "1,2,3,4,x,6"], "A_cov.csv:6: column '5': 'x' is not a number"),
        (lambda rows: [*rows[:5], "1,2,3,4,nan,6"], "A_cov.csv:6: column '5': 'nan' is not a finite number"),
        (lambda rows: ["9" + rows[0], *rows[1:]], ""),
        (lambda rows: [rows[0].replace(",", ",9", 1), *rows[1:]], "A_cov.csv:1: is not symmetric: number 2 is "),
        (lambda rows: lines(-COVARIANCE), "A_cov.csv:1: number 1, a variance, is -"),
        (lambda rows: lines(np.ones((6, 6))), "A_cov.csv: covariance is not positive definite"),
        (lambda rows: [], "A_cov.csv: is empty"),
    ],
)
def test_faults_have_a_place(edit: Callable[[list[str]], list[str]], fault: str) -> None:
    rows = edit(lines(COVARIANCE))
    if fault:
        assert faults(rows)[0].startswith(fault)
    else:
        assert curves_from_bytes(TABLE, PLAIN, "t.csv", opened(rows))[0].covariance is not None


def test_a_table_of_files() -> None:
    table = TABLE + TABLE.partition(b"\n")[2].replace(b"A,", b"B,")
    files = {"a.csv": lines(COVARIANCE), "b.csv": lines(2 * COVARIANCE)}
    both = replace(PLAIN, covariance=(("A", "a.csv"), ("B", "b.csv")))
    a, b = curves_from_bytes(table, both, "t.csv", opened(files))
    assert np.array_equal(b.covariance, 2 * a.covariance)
    one = replace(PLAIN, covariance=(("A", "a.csv"),))
    assert faults(files["a.csv"], one, table) == [
        "device 'B': has neither errors nor a covariance; give it a covariance, or name the columns of its errors"
    ]
    assert faults(files["a.csv"], replace(PLAIN, covariance="a.csv"), table)[0].startswith(
        "covariance: names one file for 2 devices"
    )
    assert faults(files["a.csv"], replace(PLAIN, covariance=(("C", "a.csv"),)))[0].startswith(
        "covariance.C: is no device"
    )


def test_read_curves_finds_the_file_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(TABLE)
    (tmp_path / "A_cov.csv").write_text("\n".join(lines(COVARIANCE)), encoding="utf-8")
    assert read_curves(tmp_path / "t.csv", PLAIN)[0].is_correlated
    (tmp_path / "A_cov.csv").unlink()
    with pytest.raises(DataError, match=r"A_cov.csv: no such file"):
        read_curves(tmp_path / "t.csv", PLAIN)
    with pytest.raises(DataError, match="no folder to find them in is known"):
        curves_from_bytes(TABLE, PLAIN, "t.csv")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"sigma": "fit"}, "covariance"),
        ({"columns": replace(PLAIN.columns, rho="r")}, "covariance"),
        ({"columns": replace(PLAIN.columns, sigma_par="s")}, "columns.sigma_perp"),
    ],
)
def test_declarations_that_contradict_a_covariance(changes: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(PLAIN, **changes)  # type: ignore[arg-type]
    assert [problem.where for problem in caught.value.problems] == [where]
