"""``mtjfit report``, and ``mtjfit run`` where everything is there already: the same page, and nothing is sampled."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sketches import sketch
from typed import invoke

import mtjfit
from mtjfit.cli import Steps
from mtjfit.errors import MtjfitError
from mtjfit.infer import Check, Verdict
from mtjfit.report import ResultFolder, findings, write_report
from mtjfit.results import provenance

pytestmark = pytest.mark.usefixtures("quick_fits")


def sampling_nothing(*args: object, **kwargs: object) -> mtjfit.Posterior:
    raise MtjfitError("it was sampled")


@pytest.fixture
def steps(finished) -> Steps:
    """The known fit, sketches, and no sampling."""
    return Steps(lambda study: finished.fit, sampling_nothing, sketch)


@pytest.fixture
def away(finished, tmp_path: Path) -> Path:
    """The folder of the run, on a machine that has neither the study file nor the data."""
    return shutil.copytree(finished.folder, tmp_path / "away")


def without_pictures(folder: Path) -> str:
    """The page without its pictures and without the line that says when it was drawn anew."""
    page = re.sub(r"<svg.*?</svg>", "", (folder / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s*<dt>redrawn</dt>\s*<dd>[^<]*</dd>", "", page)


def tables(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.suffix not in (".svg", ".html", ".json")}


def test_a_folder_without_its_data_has_the_same_page_tables_and_draws(finished, away: Path, steps: Steps, golden):
    (away / "report.html").unlink()
    result = invoke("report", away, obj=steps)
    assert result.exit_code == 0
    assert tables(away) == tables(finished.folder)
    assert without_pictures(away) == without_pictures(finished.folder)
    golden("report", result.stderr, away.parent, numbers=False)
    assert mtjfit.load_posterior(away).chain.tobytes() == finished.posterior.chain.tobytes()


def test_the_fit_of_the_stored_study_is_that_of_the_run(finished, away: Path):
    assert mtjfit.fit(mtjfit.load_posterior(away).study).values == finished.fit.values


@pytest.mark.slow
def test_another_folder_and_pdf(away: Path, steps: Steps, tmp_path: Path):
    before = {each.name: each.read_bytes() for each in away.iterdir()}
    assert invoke("report", away, "-o", tmp_path / "new", "--pdf", "-q", obj=steps).exit_code == 0
    assert {each.name: each.read_bytes() for each in away.iterdir()} == before
    assert (tmp_path / "new" / "torque.pdf").exists()
    assert invoke("report", tmp_path / "new", "-q", obj=steps).exit_code == 0
    assert (tmp_path / "new" / "torque.pdf").exists()  # what was there stays


def test_a_run_that_is_there_is_not_sampled_again(finished, away: Path, steps: Steps, golden):
    shutil.copytree(finished.study_file.parent, away.parent / "in")
    result = invoke("run", away.parent / "in" / "study.toml", "-o", away, "--resume", obj=steps)
    assert result.exit_code == 0
    golden("run-again", result.stderr, away.parent, numbers=False)
    assert tables(away) == tables(finished.folder)


@pytest.mark.parametrize(
    ("edit", "more"),
    [
        (lambda text: text, ("--seed", "2")),
        (lambda text: re.sub(r"(?m)^lambda_J .*$", "lambda_J = { prior = 'uniform', low = 0.1, high = 9 }", text), ()),
        (lambda text: text.replace("target_ess = 200", "target_ess = 300"), ()),
    ],
    ids=["seed", "prior", "more draws"],
)
def test_another_study_or_seed_is_sampled(
    finished, away: Path, steps: Steps, tmp_path: Path, edit: Callable[[str], str], more: tuple[str, ...]
):
    shutil.copytree(finished.study_file.parent, tmp_path / "in")
    study = tmp_path / "in" / "study.toml"
    text = study.read_text(encoding="utf-8")
    study.write_text(edit(text), encoding="utf-8")
    assert more or study.read_text(encoding="utf-8") != text
    assert "it was sampled" in invoke("run", study, "-o", away, *more, obj=steps).stderr


@pytest.mark.slow
def test_a_renamed_study_has_its_new_name(finished, away: Path, steps: Steps, tmp_path: Path):
    shutil.copytree(finished.study_file.parent, tmp_path / "in")
    study = tmp_path / "in" / "study.toml"
    text = re.sub(r"(?m)^name *= .*$", 'name = "other"', study.read_text(encoding="utf-8"), count=1)
    study.write_text(text, encoding="utf-8")
    renamed = replace(steps, fit=lambda study: replace(finished.fit, study=study))
    assert invoke("run", study, "-o", away, "-q", obj=renamed).exit_code == 0
    assert mtjfit.load_posterior(away).study.name == "other"


def left_by(fit: mtjfit.FitResult, posterior: mtjfit.Posterior | None, folder: Path) -> Path:
    """The folder of a result."""
    write_report(ResultFolder(folder), findings(fit, posterior, provenance(fit.study, 1, "mtjfit run")), draw=sketch)
    return folder


@pytest.mark.slow
def test_what_has_not_converged_is_drawn_as_such_and_sampled_again(finished, steps: Steps, tmp_path: Path):
    short = replace(finished.posterior, verdict=Verdict((Check("length", False, "too short"),), {}))
    folder = left_by(finished.fit, short, tmp_path / "short")
    page = without_pictures(folder)
    result = invoke("report", folder, obj=steps)
    assert (result.exit_code, without_pictures(folder)) == (0, page)
    assert "too short" in result.stdout
    assert "it was sampled" in invoke("run", finished.study_file, "-o", folder, obj=steps).stderr


@pytest.mark.slow
def test_combinations_alone_are_drawn(one_thickness_fit: mtjfit.FitResult, tmp_path: Path):
    folder = left_by(one_thickness_fit, None, tmp_path / "one")
    page = without_pictures(folder)
    result = invoke("report", folder, obj=Steps(lambda study: one_thickness_fit, sampling_nothing, sketch))
    assert (result.exit_code, without_pictures(folder)) == (0, page)
    with pytest.raises(MtjfitError, match="combinations only"):
        mtjfit.load_posterior(folder)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "result.json").unlink(), "holds no result"),
        (lambda folder: (folder / "result.json").write_text('{"program": "x"}'), "is no document"),
        (lambda folder: (folder / "result.json").write_text("[" * 10**5), "is no document"),
        (lambda folder: (folder / "result.json").write_bytes(b""), "it is empty); move FOLDER away, and run the study"),
        (lambda folder: (folder / "draws.npz").write_bytes(b"PK"), "cannot be loaded: it is no file of arrays"),
        (
            lambda folder: (folder / "draws.npz").unlink(),
            "neither draws.npz nor study.npz, of which the page is made; run",
        ),
        (shutil.rmtree, "there is no such folder; name the folder of a run"),
        (lambda folder: (shutil.rmtree(folder), folder.write_text("x")), "is no folder; name the folder of a run"),
    ],
    ids=[
        "no marker",
        "another marker",
        "nested marker",
        "empty marker",
        "damaged draws",
        "no draws",
        "no folder",
        "file",
    ],
)
def test_what_is_no_result_is_refused(away: Path, steps: Steps, spoil: Callable[[Path], object], says: str):
    spoil(away)
    result = invoke("report", away, obj=steps)
    assert result.exit_code == 3
    assert says in result.stderr.replace(str(away), "FOLDER")


def test_what_a_report_says_about_empty_files_helps(finished, away: Path, steps: Steps):
    """The file that is named, moved away: then the folder is drawn, or sampled into, again."""
    (away / "report.html").write_bytes(b"")
    said = invoke("report", away, obj=steps).stderr
    assert f"{away / 'report.html'}: was changed or added since mtjfit wrote this folder; move it away" in said
    (away / "report.html").unlink()
    assert invoke("report", away, "-q", obj=steps).exit_code == 0
    (away / "draws.npz").write_bytes(b"")
    assert "draws.npz: cannot be loaded: it is empty; give a file" in invoke("report", away, obj=steps).stderr
    assert "or move it away and run the study again" in invoke("report", away, obj=steps).stderr
    (away / "draws.npz").unlink()
    assert "it was sampled" in invoke("run", finished.study_file, "-o", away, obj=steps).stderr


def test_an_unfinished_run_is_to_be_continued(steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mtjfit.report.folder.saved_steps", lambda run: 30 if run == tmp_path / "out" / "run" else None)
    (tmp_path / "out").mkdir()
    said = invoke("report", tmp_path / "out", obj=steps).stderr
    assert "out: holds no result yet, but an unfinished run of 30 steps; continue it: mtjfit run STUDY.toml " in said
    assert " --resume, with the study that it was begun with" in said
