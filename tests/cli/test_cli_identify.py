"""``mtjfit identify``: exit codes, files, and what a study of one thickness is told."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from model_studies import FEW

import mtjfit
import mtjfit.infer
from mtjfit.cli import check_command, identify_command
from mtjfit.errors import NotDetermined

pytestmark = pytest.mark.usefixtures("quick_fits")

SANKEY = mtjfit.dataset("sankey2008").study_file


def invoke(*arguments: str | Path) -> Result:
    few = partial(mtjfit.identify, search=FEW)
    return CliRunner().invoke(identify_command, [str(argument) for argument in arguments], obj=few)


def test_a_series_is_answered_and_written(make_study, tmp_path: Path) -> None:
    """Three devices: exit code 0, tables on stdout, the picture and the numbers where they were asked for."""
    picture, numbers = tmp_path / "known.svg", tmp_path / "known.json"
    few = make_study(edit=lambda text: _fix(text, "lambda_J", "lambda_phi", "b2"))
    result = invoke(few, "--plot", picture, "--json", numbers)
    assert result.exit_code == 0, result.output
    assert "Profile likelihood intervals" in result.stdout
    assert "lambda_sf_F > " in result.stdout
    assert "holds in all 3" in result.stdout
    assert picture.read_bytes().startswith(b"<?xml")
    document = json.loads(numbers.read_text(encoding="utf-8"))
    assert document["rank"] == document["n_parameters"] == 3
    assert [line for line in result.stderr.splitlines() if line.startswith("wrote")] == [
        f"wrote {numbers}", f"wrote {picture}"
    ]  # fmt: skip
    assert not list(tmp_path.glob(".*.tmp"))


def test_one_thickness_is_4_and_says_what_it_does_tell() -> None:
    result = invoke(SANKEY, "--quiet")
    assert isinstance(result.exception, NotDetermined)
    assert result.exception.exit_code == 4
    assert "devices of three or more thicknesses separate the lengths" in str(result.exception)
    assert "3 of 6 parameters are determined by this design" in result.stdout
    assert result.stdout.count("neither lower nor upper") == 4
    assert result.stderr == ""


def test_fixed_lengths_are_0(make_study) -> None:
    fixed = make_study(("F2.0nm",), edit=lambda text: _fix(text))
    result = invoke(fixed)
    assert result.exit_code == 0, result.output
    assert "2 of 2 parameters are determined" in result.stdout


def _fix(text: str, *names: str) -> str:
    """A study file with some parameters, or all lengths, known: those of the bundled series."""
    true = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "b2": 0.08}
    fixed = {name: true[name] for name in names or [each for each in true if each != "b2"]}
    lines = text.splitlines()
    for k, line in enumerate(lines):
        name = line.split("=")[0].strip()
        if name in fixed:
            lines[k] = f"{name} = {{ fixed = {fixed[name]} }}"
    return "\n".join(lines) + "\n"


def test_a_design_needs_no_fit(monkeypatch: pytest.MonkeyPatch, make_study) -> None:
    for name in ("fit", "identify"):
        monkeypatch.setattr(mtjfit.infer, name, lambda *_, **__: pytest.fail("fitted"))
    result = invoke(make_study(), "--design")
    assert result.exit_code == 0, result.output
    assert "Expected errors over the prior" in result.stdout
    assert "best fit" not in result.stdout
    one = invoke(SANKEY, "--design")
    assert isinstance(one.exception, NotDetermined)
    assert str(one.exception).startswith("no data of this design can determine a length")


@pytest.mark.parametrize(
    "arguments", [("--plot", "known.txt"), ("--json", "known.txt"), ("--design", "--plot", "known.png"), ()]
)
def test_usage_is_2(arguments: tuple[str, ...]) -> None:
    study = (SANKEY,) if arguments else ()
    assert invoke(*study, *arguments).exit_code == 2


def test_a_folder_that_is_not_there_is_said(make_study, tmp_path: Path) -> None:
    fixed = make_study(("F2.0nm",), edit=_fix)
    result = invoke(fixed, "--json", tmp_path / "nowhere" / "known.json")
    assert result.exception is not None
    assert "known.json: cannot be written" in str(result.exception)


def test_check_says_the_model_test_in_a_sentence(make_study) -> None:
    result = CliRunner().invoke(check_command, [str(make_study())])
    assert result.exit_code == 0, result.output
    assert "(par·V)(par·V²) + (perp·V)(perp·V²) = 0 for each device: holds in all 3" in result.stdout


def test_check_names_a_device_that_violates_it(make_study) -> None:
    """A linear T_perp of one device doubled: |κ|² b1 b2 is no longer zero there, and only there."""
    study = make_study()
    data = study.parent / "data.csv"
    rows = []
    for line in data.read_text(encoding="utf-8").splitlines():
        cells = line.split(",")
        if cells[0] == "F2.0nm":
            cells[4] = str(float(cells[4]) + 0.02)  # a torkance: a constant is the slope of the torque
        rows.append(",".join(cells))
    data.write_text("\n".join(rows) + "\n", encoding="utf-8")
    result = CliRunner().invoke(check_command, [str(study)])
    assert "VIOLATED by F2.0nm (p = " in " ".join(result.stdout.split())
    assert "It is not described by Eq. 12 with a1, b2 alone, whatever the lengths are." in result.stdout
