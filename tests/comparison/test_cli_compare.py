"""``mtjfit compare``: what it prints and writes, and when it refuses."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import mtjfit
from mtjfit.cli.compare import compare_command
from mtjfit.comparison.mechanisms import comparison
from mtjfit.terminal import Commands


def run(*arguments: object) -> Result:
    group = Commands("mtjfit")
    group.add_command(compare_command, "compare")
    assert isinstance(group, click.Group)
    return CliRunner().invoke(group, ["compare", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def two_mechanisms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that need no exploring."""
    quick = partial(comparison.compare_mechanisms, names=["ballistic", "ballistic+b1"])
    monkeypatch.setattr(comparison, "compare_mechanisms", quick)
    monkeypatch.setattr(comparison, "_SIMULATIONS", 5)
    monkeypatch.setattr("mtjfit.plot.style.FORMATS", ("svg",))


def test_it_prints_and_writes_everything(
    make_study, tmp_path: Path, two_mechanisms: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data of diffusion, and diffusion not among the mechanisms: no verdict, exit code 4, but all is there."""
    folder = tmp_path / "out"
    done = run(make_study(), "--mechanisms", "--output", folder, "--seed", 3)
    assert done.exit_code == 4
    for title in ("What each mechanism predicts", "Evidence", "ln of the Bayes factor", "left-out thickness", "ΔBIC",
                  "Posterior-predictive checks", "Conclusions"):  # fmt: skip
        assert title in done.stdout
    assert "does not describe the data either" in done.stdout
    assert {each.name for each in folder.iterdir()} == {
        "mechanisms.txt", "mechanisms.csv", "mechanisms.json", "mechanisms.svg", "signatures.svg",
    }  # fmt: skip
    document = json.loads((folder / "mechanisms.json").read_text(encoding="utf-8"))
    assert document["decided"] is False
    assert document["added_priors"] == {"b1": "normal 0 ± 1"}
    assert [one["name"] for one in document["mechanisms"]] == ["ballistic", "ballistic+b1"]
    assert document["provenance"]["seed"] == 3
    assert "SIMULATED" in (folder / "mechanisms.csv").read_text(encoding="utf-8")
    assert (folder / "mechanisms.txt").read_text(encoding="utf-8") in done.stdout
    monkeypatch.setattr("mtjfit.plot.style.FORMATS", ())
    again = run(make_study(), "--mechanisms", "--output", folder, "--seed", 3, "--quiet")
    assert again.exit_code == 4
    later = json.loads((folder / "mechanisms.json").read_text(encoding="utf-8"))
    assert {**later, "provenance": None} == {**document, "provenance": None}
    assert "Evidence" not in again.stdout
    assert not (folder / "mechanisms.svg").exists()  # what an earlier run left is not taken for this one's


def test_amplitudes_can_be_added(make_study, two_mechanisms: None) -> None:
    done = run(make_study(), "--mechanisms", "--with", "a2")
    assert done.exit_code == 4
    assert "a2: normal 0 ± 1" in " ".join(done.stdout.split())
    assert "see whether the verdict stands" not in done.stdout
    refused = run(make_study(), "--mechanisms", "--with", "b0")
    assert refused.exit_code == 3
    assert "parameters.b0" in refused.stderr


def test_one_thickness_is_refused(make_study, tmp_path: Path) -> None:
    done = run(make_study(("F2.0nm",)), "--mechanisms", "--output", tmp_path / "out")
    assert done.exit_code == 4
    assert "one thickness (2 nm) cannot tell spin diffusion from asymmetric electrodes" in done.stderr
    assert "favour" not in done.stdout


def test_it_asks_what_to_compare(make_study) -> None:
    study = make_study()
    assert run(study).exit_code == 2
    assert "--mechanisms" in run(study).stderr
    assert run(study, study, "--mechanisms").exit_code == 2
    assert run("--mechanisms").exit_code == 2


def test_it_keeps_off_folders_of_others(make_study, tmp_path: Path, two_mechanisms: None) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    done = run(make_study(), "--mechanisms", "--output", tmp_path)
    assert done.exit_code == 3
    assert "no earlier comparison of mechanisms" in done.stderr


@pytest.mark.slow
def test_the_bundled_series_was_made_by_diffusion(tmp_path: Path) -> None:
    """All five mechanisms, with figures; the verdict is the truth of the data."""
    done = run(mtjfit.dataset("thickness-series").study_file, "--mechanisms", "--output", tmp_path / "out", "--quiet")
    assert done.exit_code == 0
    assert "The data favour diffusion over" in done.stdout
