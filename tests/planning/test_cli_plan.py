"""`mtjfit plan`: from priors alone in a moment, what it leaves, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from plan_cases import PRIORS

from mtjfit.cli import cli

FEW = PRIORS.replace("low = 0.6, high = 5.6, step = 0.1", "low = 0.5, high = 5.0, step = 0.5").replace("= 5\n", "= 3\n")
FILES = {"candidates.csv", "plan.json", "plan.svg", "plan.png"}


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["plan", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def priors(tmp_path: Path) -> Path:
    file = tmp_path / "priors.toml"
    file.write_text(FEW, encoding="utf-8")
    return file


@pytest.mark.slow
def test_three_thicknesses_from_priors_with_files(priors: Path, tmp_path: Path) -> None:
    result = invoke(priors, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "no data: planning from the priors" in result.output
    assert "Plan: grow " in result.output
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES
    document = json.loads((tmp_path / "out" / "plan.json").read_text(encoding="utf-8"))
    table = pd.read_csv(tmp_path / "out" / "candidates.csv", index_col="candidate")
    assert len(document["chosen"]) == 3
    assert document["before"] == "prior"
    assert set(document["chosen"]) <= set(table.index)
    assert len(table) == 10
    assert document["path"][-1]["after"] == pytest.approx(
        next(row["after"] for row in document["parameters"] if row["parameter"] == "lambda_phi")
    )
    assert invoke(priors, "--output", tmp_path / "out", "-q").exit_code == 0  # an earlier plan may be replaced


def test_options_go_before_the_file(priors: Path) -> None:
    result = invoke(priors, "-q", "--choose", "1", "--thickness", "1,2,3", "--target", "a1", "--noise", "0.001",
                    "--bias", "-0.1:0.1:5")  # fmt: skip
    assert result.exit_code == 0
    assert "Plan: grow " in result.output
    assert "a1 from 0.05 arb" in " ".join(result.output.split())
    assert "candidate" not in result.output.replace("end of the candidates", "")


def test_a_figure_alone(priors: Path, tmp_path: Path) -> None:
    assert invoke(priors, "--plot", tmp_path / "plan.svg").exit_code == 0
    assert (tmp_path / "plan.svg").read_bytes().startswith(b"<?xml")
    assert invoke(priors, "--plot", tmp_path / "plan.gif").exit_code == 2


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--thickness", "1:2", "has 2 numbers, not 3"),
    ("--thickness", "a:b:c", "is not made of numbers"),
    ("--thickness", "2:1:0.1", "needs 0 < low"),
    ("--noise", "2 x", "no positive number and no percentage"),
    ("--bias", "0.5:-0.5:11", "give low < high"),
    ("--cap", "10", "has 1 numbers, not 2"),
    ("--cap", "10:0.5", "factor > 1"),
    ("--choose", "11", "there are 10 thicknesses to choose from"),
])  # fmt: skip
def test_options_that_make_no_sense(priors: Path, option: str, value: str, message: str) -> None:
    result = invoke(priors, option, value)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_another_target_and_foreign_files_are_refused(priors: Path, tmp_path: Path) -> None:
    result = invoke(priors, "--target", "b1")
    assert result.exit_code == 3
    assert "declare b1 in [parameters]" in result.output
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    result = invoke(priors, "--output", tmp_path / "full")
    assert result.exit_code == 3
    assert "holds files that are no earlier plan" in result.output
