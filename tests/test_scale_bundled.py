"""Every bundled set in N m beside 1e-19 N m, in T beside mT, through every command: the same but for the factor.

All that commands say and write is compared: words, tables, draws, the page, pictures with the numbers at their axes.
About twenty minutes of processor time; ten to forty seconds for each command and set.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scaled import carries_torque
from shortcuts import skip_without_wings
from walked import Twin, differences_of_files, differences_of_words, twin, walked

import mtjfit
from mtjfit.cli import cli
from mtjfit.study import load_study

SETS = {
    "kubota2008": (("1e-19 N m", "N m"), 1e-19, "device"),
    "sankey2008": (("1e-19 N m/V", "N m/V"), 1e-19, "device"),
    "thickness-series": (("1e-19 N m/V", "N m/V"), 1e-19, "device"),
    "thickness-series as fields": (("mT/V", "T/V"), 1e-3, "volume"),
    "kubota2008 as fields": (("mT", "T"), 1e-3, "volume"),
    "sankey2008 times 1e30": (("arb", "arb"), 1e30, "device"),
}
COMMANDS = {
    "check": (("check", "{study}"), ""),
    "identify": (("identify", "{study}", "--json", "{folder}/known.json", "-q"), "known.json"),
    "picture": (("identify", "{study}", "--plot", "{folder}/known.svg", "-q"), "known.svg"),
    "run": (("run", "{study}", "--mechanisms", "-o", "{folder}/run", "-q"), "run"),
    "devices": (("compare", "{study}", "--devices", "-o", "{folder}/devices", "-q"), "devices"),
    "mechanisms": (("compare", "{study}", "--mechanisms", "-o", "{folder}/mechanisms", "-q"), "mechanisms"),
    "plan": (("plan", "{study}", "-t", "lambda_phi", "-o", "{folder}/plan", "-q"), "plan"),
    "plan of an amplitude": (("plan", "{study}", "-t", "a1", "--noise", "2 %", "-o", "{folder}/a1", "-q"), "a1"),
}


def made(name: str, tmp_path: Path) -> Twin:
    units, s, per = SETS[name]
    return twin(name.split()[0], tmp_path, units, s, per=per)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", SETS)
def test_bundled_sets_go_through_every_command(name: str, command: str, tmp_path: Path) -> None:
    arguments, output = COMMANDS[command]
    assert walked(made(name, tmp_path), *arguments, output=output)[0] == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_several_studies(tmp_path: Path) -> None:
    """Two data sets, both in the same unit, and the first in N m beside the second in its own."""
    skip_without_wings("mtjfit compare")
    one, other = made("sankey2008", tmp_path), made("thickness-series", tmp_path)
    second = {one.own: other.own, one.other: other.other}
    said = []
    (tmp_path / "said").mkdir()
    for k, study in enumerate(second):
        done = CliRunner().invoke(
            cli, ["compare", str(study), str(second[study]), "-o", str(tmp_path / "said" / f"{k}"), "-q"]
        )
        assert done.exit_code in (0, 4), done.output
        said.append((done.exit_code, re.sub(r"\S*/\d\b", "DIR", done.output)))
    assert said[0][0] == said[1][0]
    assert differences_of_words(said[0][1], said[1][1], 1e-19) == []
    assert differences_of_files(tmp_path / "said" / "0", tmp_path / "said" / "1", 1e-19) == []


@pytest.mark.slow
def test_spectra(tmp_path: Path) -> None:
    source = Path(mtjfit.dataset("thickness-series").path).parent / "spectra" / "macrospin"
    for name, unit in (("own", "1e-19 N m/V"), ("si", "N m/V")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "data.csv").write_bytes((source / "data.csv").read_bytes())
        text = (source / "spectra.toml").read_text(encoding="utf-8").replace("hbar/2e/kohm", unit)
        (folder / "spectra.toml").write_text(text, encoding="utf-8")
    both = Twin(tmp_path / "own" / "spectra.toml", tmp_path / "si" / "spectra.toml", 1e-19)
    assert walked(both, "spectra", "{study}", "-o", "{folder}/out", "-q", output="out")[0] == []
    both = Twin(tmp_path / "own" / "out" / "study.toml", tmp_path / "si" / "out" / "study.toml", 1e-19)
    assert walked(both, "check", "{study}")[0] == []


@pytest.mark.slow
def test_calibration(tmp_path: Path) -> None:
    arguments = ("calibrate", "{study}", "-n", "2", "--workers", "1", "-o", "{folder}/ranks", "-q")
    assert walked(made("thickness-series", tmp_path), *arguments, output="ranks")[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("sigma", ["given", "fit"])
def test_wafers(sigma: str, tmp_path: Path) -> None:
    """The series as devices of one wafer: reduced, and drawn."""
    both = made("thickness-series", tmp_path)
    for study in (both.own, both.other):
        lines = (study.parent / "data.csv").read_text(encoding="utf-8").splitlines()
        placed = [f"{line},{k // 41},{k // 41 % 2}" for k, line in enumerate(lines[1:])]
        (study.parent / "data.csv").write_text("\n".join([lines[0] + ",x,y", *placed]) + "\n", encoding="utf-8")
        text = study.read_text(encoding="utf-8").split("[sampling]")[0].replace('file = "data.csv"\n', "")
        if sigma == "fit":
            by = both.s if study == both.other else 1.0
            noise = f'{{ prior = "lognormal", median = {0.002 * by!r}, factor = 3.0 }}\n'
            text = re.sub(r'sigma_p\w+ = "\w+"\n', "", text).replace("perp_axis", 'sigma = "fit"\nperp_axis')
            text += f"noise_par = {noise}noise_perp = {noise}"
        text += '[wafer]\nx = "x"\ny = "y"\n'
        study.write_text(text, encoding="utf-8")
    batch = ("batch", "{folder}/data.csv", "--study", "{study}", "-o", "{folder}/w.db", "--export", "{folder}/all.csv")
    assert walked(both, *batch, "-q", output="all.csv")[0] == []
    assert walked(both, "wafer", "{folder}/w.db", "-o", "{folder}/page", "-q", output="page")[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_the_explorer_starts_at_the_same_place(name: str, tmp_path: Path) -> None:
    explorer = pytest.importorskip("mtjfit.explorer.state", reason="mtjfit/explorer was deleted")
    both = made(name, tmp_path)
    one, other = (explorer.start(explorer.ExploredStudy(load_study(study))) for study in (both.own, both.other))
    for key, value in one.values.items():
        factor = both.s if carries_torque(key) else 1.0
        assert np.isclose(other.values[key], factor * value, rtol=1e-6, atol=1e-12 * factor), key


@pytest.mark.slow
def test_a_twin_that_is_none_is_noticed(tmp_path: Path) -> None:
    """Sabotage: priors of amplitudes that stay behind, and a number, a word and a line of a picture that differ."""
    both = made("kubota2008", tmp_path)
    text = both.other.read_text(encoding="utf-8")
    both.other.write_text(re.sub(r"(?m)^(a1 = .*sd = )\S+", r"\g<1>1e-21", text), encoding="utf-8")
    assert walked(both, "check", "{study}")[0] != []
    assert differences_of_words("a1 is 1.31 1e-19 N m", "a1 is 1.31e-19 N m", 1e-19) == []
    assert differences_of_words("a1 is 1.31 1e-19 N m", "a1 is 1.34e-19 N m", 1e-19) != []
    assert differences_of_words("a1 is known", "a1 is unknown", 1e-19) != []
    for name, value, points in (("one", "1.5", "M 0 0\nL 1 1"), ("two", "1.5001e-19", "M 0 0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text(f"name,x\na1,{value}\n", encoding="utf-8")
        svg = f'<svg><g id="line"><path clip-path="x" d="{points}"/></g></svg>'
        (tmp_path / name / "p.svg").write_text(svg, encoding="utf-8")
    found = differences_of_files(tmp_path / "one", tmp_path / "two", 1e-19)
    assert [each.split(":")[0] for each in found] == ["p.svg", "t.csv"]
