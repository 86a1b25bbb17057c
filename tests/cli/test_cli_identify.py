"""``mtjfit identify``, and commands on a study in which nothing is free: χ², or one sentence that says what to do."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from model_studies import FEW
from scipy import stats
from shortcuts import skip_without_wings
from typed import LENGTHS, TRUTH, fixed, invoke

import mtjfit
import mtjfit.infer
from mtjfit.errors import MtjfitError
from mtjfit.infer import identify
from mtjfit.plot import plot_identifiability
from mtjfit.results import design_text, identify_document, identify_text
from mtjfit.study import AboutNominal, Normal, Parameter, Study

pytestmark = pytest.mark.usefixtures("quick_fits")

SANKEY = mtjfit.dataset("sankey2008").study_file


def identified(*arguments: object) -> Result:
    return invoke("identify", *arguments, obj=partial(mtjfit.identify, search=FEW))


def test_a_series_is_answered_and_written(make_study, tmp_path: Path) -> None:
    """Three devices: exit code 0, tables on stdout, the picture and the numbers where they were asked for."""
    picture, numbers = tmp_path / "known.svg", tmp_path / "known.json"
    few = make_study(edit=lambda text: fixed(text, "lambda_J", "lambda_phi", "b2"))
    result = identified(few, "--plot", picture, "--json", numbers)
    assert result.exit_code == 0
    for words in ("Profile likelihood intervals", "lambda_sf_F > ", "holds in all 3"):
        assert words in result.stdout
    assert picture.read_bytes().startswith(b"<?xml")
    document = json.loads(numbers.read_text(encoding="utf-8"))
    assert document["rank"] == document["n_parameters"] == 3
    wrote = [line for line in result.stderr.splitlines() if line.startswith("wrote")]
    assert wrote == [f"wrote {numbers}", f"wrote {picture}"]
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.slow
def test_one_thickness_is_4_and_says_what_it_does_tell() -> None:
    result = identified(SANKEY, "--quiet")
    assert result.exit_code == 4
    (said,) = result.stderr.splitlines()
    assert "devices of three or more thicknesses separate the lengths" in said
    assert "3 of 6 parameters are determined by this design" in result.stdout
    assert result.stdout.count("neither lower nor upper") == 4


def test_fixed_lengths_are_0_and_a_folder_that_is_not_there_is_said(make_study, tmp_path: Path) -> None:
    study = make_study(("F2.0nm",), edit=lambda text: fixed(text, *LENGTHS))
    result = identified(study)
    assert (result.exit_code, "2 of 2 parameters are determined" in result.stdout) == (0, True)
    result = identified(study, "--json", tmp_path / "nowhere" / "known.json")
    assert (result.exit_code, "known.json: cannot be written" in result.stderr) == (3, True)


def test_a_design_needs_no_fit(monkeypatch: pytest.MonkeyPatch, make_study) -> None:
    for name in ("fit", "identify"):
        monkeypatch.setattr(mtjfit.infer, name, lambda *_, **__: pytest.fail("fitted"))
    result = identified(make_study(), "--design")
    assert result.exit_code == 0
    assert "Expected errors over the prior" in result.stdout
    assert "best fit" not in result.stdout
    one = identified(SANKEY, "--design")
    assert one.exit_code == 4
    assert "Error: no data of this design can determine a length" in one.stderr


# nothing is free


@pytest.fixture
def nothing_free(make_study) -> Path:
    return make_study(edit=fixed)


def freed(file: Path, *free: Parameter) -> Study:
    study = mtjfit.load_study(file)
    return study.replace(parameters={**study.parameters, **{each.name: each for each in free}})


@pytest.mark.parametrize("command", [
    "identify", "identify --design", "run -o out", "plan", "calibrate -o out", "compare --mechanisms",
    "compare --devices",
])  # fmt: skip
def test_commands_refuse_in_one_sentence(
    nothing_free: Path, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without_wings(f"mtjfit {command}")
    monkeypatch.chdir(tmp_path)
    name, *options = command.split()
    result = invoke(name, nothing_free, *options)
    assert result.exit_code == 3
    said = result.output.rpartition("Error: ")[2]
    assert said.startswith("every parameter of the study is fixed: ")
    assert "give at least one a prior in [parameters]" in said
    assert not (tmp_path / "out").exists()


def test_check_gives_chi2_and_sends_nobody_to_a_command_that_refuses(nothing_free: Path) -> None:
    result = invoke("check", nothing_free)
    assert result.exit_code == 0
    assert "0 of 0 parameters" in result.output
    assert "mtjfit run" not in result.output
    assert "every parameter of the study is fixed" in result.output


def test_a_fixed_model_has_chi2_and_p_of_its_points(nothing_free: Path) -> None:
    study = freed(nothing_free)
    found = identify(study)
    chi2 = 0.0
    for curve in study.curves:
        K = mtjfit.physics.kappa(curve.thickness, *(TRUTH[name] for name in LENGTHS), 1.0)
        T = K * (TRUTH["a1"] + 2j * TRUTH["b2"] * curve.bias)
        off = (curve.par - T.real) / curve.sigma_par, (curve.perp - T.imag) / curve.sigma_perp
        chi2 += sum(float(np.sum(each[curve.used] ** 2)) for each in off)
    assert found.fit.chi2 == pytest.approx(chi2)
    assert found.fit.p_value == pytest.approx(stats.chi2.sf(chi2, study.n_values))
    assert (found.rank, found.n_parameters, len(found.determined), dict(found.profiles)) == (0, 0, 0, {})
    assert identify_document(found)["parameters"] == {}
    for text in (identify_text(found), design_text(study)[0]):
        assert "0 of 0 parameters" in text
    assert "0 of 0" in found._repr_html_()
    assert plot_identifiability(found).texts
    with pytest.raises(MtjfitError, match="every parameter of the study is fixed"):
        mtjfit.sample(study, seed=1)


def test_only_thicknesses_free(nothing_free: Path) -> None:
    found = identify(freed(nothing_free, Parameter("thickness", AboutNominal(0.1), "device")))
    assert not found.profiles
    assert len(found.determined) == len(found.study.curves)
    assert plot_identifiability(found).texts
    assert identify_text(found)


def test_only_amplitudes_free(nothing_free: Path) -> None:
    free = (Parameter(name, Normal(0.0, 1.0)) for name in ("a1", "b2"))
    found = identify(freed(nothing_free, *free))
    assert (found.rank, found.n_parameters) == (2, 2)
    assert set(found.profiles) == {"a1", "b2"}
    assert mtjfit.sample(found.study, seed=1).verdict.converged
