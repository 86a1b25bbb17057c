"""Lines ``key: value`` above a table of torques are header parameters, which init proposes and studies may name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from small import problems_of

from mtjfit.cli.first_steps import init_command
from mtjfit.study import load_study

ROWS = "V (mV){0}T_par (aN m){0}T_perp (aN m)\n" + "".join(
    f"{V}{{0}}{V / 1000 + 0.001 * k:g}{{0}}{0.1 * k:g}\n" for k, V in enumerate((-200, -100, 0, 100, 200))
)
PREAMBLES = {
    "plain": ("Sample: W12\nThickness: {} nm\nTemperature: 300 K\n", "\t"),
    "comments": ("# Sample = W12\n# Thickness (nm) = {}\n", ","),
    "percent": ("% sample: W12\n% d_free: 7\n% thickness: {}nm\n", "\t"),
    "fields": ("Sample:;W12\nThickness:;{} nm\n\n", ";"),
}
ANSWERS = {"torque or torkance": "torque", "device, area or volume": "device", "MxP or PxM": "MxP"}


def written(folder: Path, preamble: str, separator: str, names: str = "j{}{}.txt") -> tuple[str, Path]:
    """What init prints of six files, and the study with its placeholders replaced."""
    for d in ("1.4", "1.8", "2.3"):
        for letter in "AB":
            text = preamble.format(d) + ROWS.format(separator)
            (folder / names.format(d, letter)).write_text(text, encoding="utf-8")
    study = folder / "study.toml"
    files = [str(each) for each in sorted(folder.glob("*.txt"))]
    done = CliRunner().invoke(init_command, [*files, "-o", str(study)])
    assert done.exit_code == 0, done.output
    text = study.read_text(encoding="utf-8")
    for words, answer in ANSWERS.items():
        text = text.replace(f"<{words}?>", answer)
    study.write_text(text, encoding="utf-8")
    return done.output, study


@pytest.mark.parametrize("name", PREAMBLES)
def test_a_thickness_above_the_table_is_that_of_the_device(name: str, tmp_path: Path) -> None:
    said, study = written(tmp_path, *PREAMBLES[name])
    assert "thickness (GUESS)" in said
    found = {curve.name: curve.thickness for curve in load_study(study).curves}
    assert found == {f"j{d}{letter}": d for d in (1.4, 1.8, 2.3) for letter in "AB"}


def test_a_sample_of_several_thicknesses_is_no_device(tmp_path: Path) -> None:
    said, study = written(tmp_path, *PREAMBLES["plain"])
    assert "Sample = W12\n" in said  # shown, and not taken
    assert 'device = "Sample"' not in study.read_text(encoding="utf-8")
    one = tmp_path / "one"
    one.mkdir()
    said, study = written(one, "Sample: K7\nThickness: 2 nm\nNominal: {} nm\n", "\t", "run {}{}.txt")
    assert 'device = "Sample"' in study.read_text(encoding="utf-8")  # one thickness: it may be one device


def test_a_value_that_is_said_twice_is_refused_where_it_is_used(tmp_path: Path) -> None:
    _, study = written(tmp_path, *PREAMBLES["comments"])
    file = tmp_path / "j1.4A.txt"
    file.write_text("# Thickness = 1.5 nm\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    (said,) = problems_of(load_study, study)
    assert said == (
        "j1.4A.txt: header parameter 'Thickness': has different values above the table: 1.5 nm, 1.4 nm; "
        "keep the line that is right"
    )


def test_a_unit_above_the_table_must_be_the_declared_one(tmp_path: Path) -> None:
    _, study = written(tmp_path, *PREAMBLES["plain"])
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace('thickness = "nm"', 'thickness = "angstrom"'), encoding="utf-8")
    found = problems_of(load_study, study)
    assert found
    assert all("is in 'nm' in the file" in each for each in found), found


def test_a_column_comes_before_a_line_above_it(tmp_path: Path) -> None:
    file, study = tmp_path / "a.csv", tmp_path / "study.toml"
    file.write_text("# d: 9 nm\nV,par,d\n-0.1,1,2\n0.0,2,2\n0.1,3,2\n", encoding="utf-8")
    CliRunner().invoke(init_command, [str(file), "-o", str(study)])
    text = study.read_text(encoding="utf-8")
    for words, answer in {**ANSWERS, "unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary": "arb",
                          "V or mV": "V", "nm or angstrom": "nm"}.items():  # fmt: skip
        text = text.replace(f"<{words}?>", answer)
    lines = [line for line in text.splitlines() if not line.startswith("perp =")]
    study.write_text("\n".join(lines), encoding="utf-8")
    (curve,) = load_study(study).curves
    assert curve.thickness == 2.0
