"""``mtjfit compare``: output on the terminal and in files, exit codes, and refusals before anything is computed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from device_cases import drawn
from plot_cases import fitted, posterior_of

import mtjfit
from mtjfit.cli import Steps, cli
from mtjfit.comparison import (
    MechanismComparison,
    StudyComparison,
    Tension,
    compare_devices,
    compare_devices_command,
    compare_mechanisms,
    compare_mechanisms_command,
    compare_studies_command,
    joint_posterior,
)
from mtjfit.errors import ConfigError, MtjfitError, NotConverged, NotDetermined
from mtjfit.lazy import wing
from mtjfit.study import LogUniform, Study

SANKEY, KUBOTA, SERIES = (mtjfit.dataset(name).study_file for name in ("sankey2008", "kubota2008", "thickness-series"))


def ballistic(study: Study, seed: int | None, **options: Any) -> MechanismComparison:
    """The mechanisms that need no exploring, in this process."""
    options |= {"names": ["ballistic", "ballistic+b1"], "n_simulations": 5, "workers": 1}
    return compare_mechanisms(study, seed, **options)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)], catch_exceptions=False)


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_mechanisms_are_printed_and_written(make_study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data of diffusion, and diffusion not among the mechanisms: no verdict, exit code 4, but everything is written."""
    folder, said = tmp_path / "out", []
    once = cache(lambda: ballistic(mtjfit.load_study(make_study()), 3))
    for output, quiet in ((folder, False), (None, True)):
        with pytest.raises(NotDetermined, match="does not describe the data either") as refused:
            compare_mechanisms_command(make_study(), (), output, 3, quiet, compare=lambda *_, **__: once())
        assert refused.value.exit_code == 4
        said.append(capsys.readouterr().out)
    for title in ("What each mechanism predicts", "Evidence", "ln of the Bayes factor", "left-out thickness", "ΔBIC",
                  "Posterior-predictive checks", "Conclusions"):  # fmt: skip
        assert title in said[0]
    assert "Evidence" not in said[1]
    assert (folder / "mechanisms.txt").read_text(encoding="utf-8") in said[0]
    assert {each.name for each in folder.iterdir()} == {
        "mechanisms.txt", "mechanisms.csv", "mechanisms.json", "mechanisms.svg", "mechanisms.png", "signatures.svg",
        "signatures.png",
    }  # fmt: skip
    document = json.loads((folder / "mechanisms.json").read_text(encoding="utf-8"))
    assert document["decided"] is False
    assert document["added_priors"] == {"b1": "normal 0 ± 1"}
    assert [one["name"] for one in document["mechanisms"]] == ["ballistic", "ballistic+b1"]
    assert document["provenance"]["seed"] == 3
    assert "SIMULATED" in (folder / "mechanisms.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_amplitudes_can_be_added(make_study, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotDetermined):
        compare_mechanisms_command(make_study(), ("a2",), None, None, False, compare=ballistic)
    said = printed(capsys)
    assert "a2: normal 0 ± 1" in said
    assert "check the verdict with a2" not in said
    with pytest.raises(ConfigError, match=r"parameters\.b0"):
        compare_mechanisms_command(make_study(), ("b0",), None, None, False, compare=ballistic)


def test_one_thickness_has_no_mechanism(make_study, tmp_path: Path) -> None:
    done = invoke(make_study(("F2.0nm",)), "--mechanisms", "--output", tmp_path / "out")
    assert done.exit_code == 4
    assert "one thickness (2 nm) cannot tell spin diffusion from asymmetric electrodes" in done.stderr
    assert "favour" not in done.stdout


def test_a_run_compares_mechanisms_if_asked(make_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here with nothing found: the page then says how to compare them."""
    fit, asked, output = fitted(), [], tmp_path / "out"
    steps = Steps(lambda study: fit, lambda study, **_: posterior_of(fit), lambda *_, **__: ())
    # where the command looks for it
    monkeypatch.setattr(wing("comparison.mechanisms.comparison"), "compare_mechanisms",
                        lambda study, seed, workers, progress: asked.append((seed, progress)))  # fmt: skip
    arguments = ["run", str(make_study()), "--output", str(output), "--mechanisms", "--seed", "7"]
    result = CliRunner().invoke(cli, arguments, obj=steps)
    assert (result.exit_code, asked) == (0, [(7, True)])
    assert "comparing mechanisms" in result.stderr
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Not compared in this run: whether asymmetric electrodes (b<sub>1</sub>)" in page
    assert "mtjfit run STUDY.toml --output DIR --mechanisms" in page
    assert json.loads((output / "result.json").read_bytes())["mechanisms"] is None


@pytest.mark.slow  # all five mechanisms, with figures
def test_the_bundled_series_was_made_by_diffusion(tmp_path: Path) -> None:
    done = invoke(SERIES, "--mechanisms", "--output", tmp_path / "out", "--quiet")
    assert done.exit_code == 0
    assert "The data favour diffusion over" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("quick_fits")
def test_devices_of_one_thickness_are_compared_without_lengths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare_devices_command(SANKEY, 0.3, tmp_path / "out", None, quiet=False)
    said = printed(capsys)
    assert "each device alone" in said
    assert "common lengths" not in said
    assert "RECONSTRUCTION" in said
    names = {each.name for each in (tmp_path / "out").iterdir()}
    assert {"devices.txt", "alone-table.csv", "forest.svg"} <= names
    assert not any(name.startswith(("common", "consequences")) for name in names)
    written = pd.read_csv(tmp_path / "out" / "alone-table.csv", comment="#")
    expected = compare_devices(mtjfit.fit(mtjfit.load_study(SANKEY)), bias=0.3).table
    np.testing.assert_allclose(written["median"], expected["median"])
    assert "T_perp/T_par at 0.3 V" in set(written["quantity"])


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [((SERIES, "--mechanisms"), "mechanisms"), ((SANKEY, "--devices"), "devices"), ((SANKEY, KUBOTA), "data sets")],
)
def test_folders_with_other_files_are_left_alone(tmp_path: Path, arguments: tuple[object, ...], kind: str) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    done = invoke(*arguments, "--output", tmp_path)
    assert done.exit_code == 3
    assert f"holds files that are no earlier comparison of {kind} of mtjfit (thesis.tex)" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def made(studies: Mapping[str, Study], shared: Any, *, seed: int, progress: bool) -> StudyComparison:
    """A comparison without its seconds; with the seed 99 it has not converged."""
    model = joint_posterior(studies, shared)
    rng = np.random.default_rng(0)
    single = {label: drawn(each.size, rng, converged=seed != 99) for label, each in model.models.items()}
    return StudyComparison(model, drawn(model.size, rng), single, Tension(-9.0, 0.1, -8.0, 0.2, 2.0))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_fits")
def test_two_data_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    compare_studies_command((SANKEY, KUBOTA), (), out, None, False, compare=made)
    said = printed(capsys)
    fitted = "torque and torkance are each fitted as they were measured"
    for words in ("Data sets on one footing", "RECONSTRUCTION, not measured", fitted, "Common lengths",
                  "The data sets disagree: p ="):  # fmt: skip
        assert words in said, words
    assert sorted(each.name for each in out.iterdir()) == ["studies.json", "studies.png", "studies.svg", "studies.txt"]
    document = json.loads((out / "studies.json").read_text(encoding="utf-8"))
    assert list(document["origin"]) == ["sankey2008", "kubota2008"]
    assert "RECONSTRUCTION" in document["origin"]["sankey2008"]
    assert document["tension"]["log_S"] == -8.0
    assert "The data sets disagree" in (out / "studies.txt").read_text(encoding="utf-8")


@pytest.mark.usefixtures("quick_fits")
def test_data_sets_that_do_not_converge_end_with_5(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        NotConverged, match="NOT CONVERGED: sankey2008, kubota2008; nothing may be concluded"
    ) as refused:
        compare_studies_command((SANKEY, KUBOTA), (), None, 99, True, compare=made)
    assert refused.value.exit_code == 5
    assert "Common lengths" not in printed(capsys)


def test_other_priors_are_refused_before_anything_is_sampled(tmp_path: Path) -> None:
    text = KUBOTA.read_text(encoding="utf-8").replace("low = 0.1, high = 100.0", "low = 0.2, high = 100.0")
    other, out = tmp_path / "study.toml", tmp_path / "out"
    other.write_text(text.replace('file = "data.csv"', f'file = "{(KUBOTA.parent / "data.csv").as_posix()}"'))

    def never(*_: object, **__: object) -> StudyComparison:
        raise AssertionError

    with pytest.raises(MtjfitError) as refused:
        compare_studies_command((SANKEY, other), (), out, None, False, compare=never)
    assert refused.value.exit_code == 3
    assert str(refused.value).count("has the prior log-uniform 0.2 to 100, but in") == 3
    assert not out.exists()
    compare_studies_command((SANKEY, other), ("lambda_sf_F",), None, None, True, compare=made)


@pytest.mark.parametrize(("arguments", "says"), [
    ((SERIES,), "choose --mechanisms or --devices"),
    (("--mechanisms",), "Missing argument"),
    ((SANKEY, KUBOTA, "--mechanisms"), "are about one study"),
    ((SANKEY, KUBOTA, "--bias", "0.1"), "are about one study"),
    ((SANKEY, SANKEY), "the same study is given twice"),
    ((SERIES, "--mechanisms", "--share", "lambda_J"), "--share is about several studies"),
    ((SERIES, "--mechanisms", "--bias", "0.1"), "--bias goes with --devices"),
    ((SERIES, "--devices", "--with", "a2"), "--with is about mechanisms"),
])  # fmt: skip
def test_what_does_not_go_together_is_said(arguments: tuple[object, ...], says: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_one_name_for_three_comparisons() -> None:
    """Each kind of argument reaches its own comparison, which refuses it in its own words."""
    sankey, kubota = (mtjfit.load_study(each) for each in (SANKEY, KUBOTA))
    with pytest.raises(NotDetermined, match="cannot tell spin diffusion from asymmetric electrodes"):
        mtjfit.compare(sankey)
    changed = mtjfit.study.Parameter("lambda_J", LogUniform(0.2, 100.0))
    other = kubota.replace(parameters={**kubota.parameters, "lambda_J": changed})
    for studies, label in (([sankey, other], other.name), ({"p": sankey, "q": other}, "q")):
        with pytest.raises(ConfigError, match=re.escape(f"{label}: parameters.lambda_J: has the prior")):
            mtjfit.compare(studies)
    for wrong in ([sankey, sankey], [], {"p": 1}, 3, "abc"):
        with pytest.raises(TypeError):
            mtjfit.compare(wrong)
