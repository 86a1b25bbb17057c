"""The command line: exit codes, exact messages, and nothing on the screen that the data do not determine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shortcuts import as_slow
from sketches import sketch
from typed import LENGTHS, fixed, invoke

import mtjfit
from mtjfit.cli import Steps, usual_steps
from mtjfit.errors import MtjfitError
from mtjfit.infer import Check, Verdict
from mtjfit.lazy import wing
from mtjfit.report import FIGURES, TABLES

pytestmark = pytest.mark.usefixtures("quick_fits")

SERIES = mtjfit.dataset("thickness-series").path
SANKEY = mtjfit.dataset("sankey2008").study_file
HEAVY = {"numpy", "scipy", "pandas", "lmfit", "emcee", "corner", "matplotlib", "pydantic", "jinja2", "tqdm"}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    import os

    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, env={**os.environ, **environment})


def error_bars_for_lengths(text: str) -> list[str]:
    """Lines or HTML rows in which a length or amplitude meets a ±."""
    names = (*LENGTHS, "Lambda", "a1", "b2")
    found = [line for line in text.splitlines() if line.lstrip().startswith(names) and "±" in line]
    rows = re.findall(r"<tr><th scope=\"row\">(?:λ|Λ|a<sub>1|b<sub>2).*?</tr>", text, re.DOTALL)
    return found + [row for row in rows if "±" in row]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def known(finished) -> Steps:
    """Steps that answer at once, with the results of the real run, and draw nothing."""
    return Steps(lambda study: finished.fit, lambda study, **_: finished.posterior, lambda *_, **__: ())


@pytest.fixture
def real() -> Steps:
    """The steps of the library, with figures that are drawn in no time."""
    return replace(usual_steps(), draw=sketch)


# help and version


def test_help_lists_commands_and_exit_codes():
    result = invoke("--help")
    assert result.exit_code == 0
    commands = ("demo", "init", "check", "identify", "run", "datasets")
    for words in (*commands, "130 interrupted", "First time here: mtjfit demo"):
        assert words in result.output
    done = python("-m", "mtjfit", "--version")
    assert (done.returncode, done.stdout.decode().split()) == (0, ["mtjfit", mtjfit.__version__])


def loaded_by(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nsys.stderr.write(' '.join(name.split('.')[0] for name in sys.modules))"
    return set(python("-c", program).stderr.decode().split())


def test_help_imports_nothing_heavy():
    calls = "from mtjfit.cli import cli\ntry: cli(['--help'])\nexcept SystemExit: pass"
    loaded = loaded_by(calls)
    assert "click" in loaded
    assert loaded & HEAVY == set()
    assert "numpy" in loaded_by("import numpy") & HEAVY  # sabotage


@pytest.mark.parametrize(("command", "code", "says"), [
    ("rn", 2, "No such command"), ("run", 2, ""), ("run study.toml", 2, ""), ("run x --output y --seed -1", 2, ""),
    ("run none.toml -o out", 3, "none.toml"),
    ("init", 2, ""), ("init none.csv -o x.toml", 3, "none.csv"),
    ("init DATA -o no/study.toml", 3, "cannot be written: No such file or directory"),
    ("datasets --copy x", 2, ""), ("datasets thickness-seris", 3, "thickness-seris"),
    ("identify", 2, ""), ("identify STUDY --plot known.txt", 2, ""), ("identify STUDY --json known.txt", 2, ""),
    ("identify STUDY --design --plot known.png", 2, ""),
])  # fmt: skip
def test_what_cannot_be_done_is_said_and_leaves_nothing(
    command: str, code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    files = {"DATA": SERIES / "data.csv", "STUDY": SANKEY}
    result = invoke(*(files.get(word, word) for word in command.split()))
    assert (result.exit_code, says in result.stderr) == (code, True)
    assert not list(tmp_path.iterdir())


# run


def test_a_run_says_header_result_and_where_the_page_is(finished, golden):
    assert finished.result.exit_code == 0
    assert re.search(r"(?m)^lambda_sf_F  > [^±\n]+$", finished.result.stdout)  # a limit, and no error bar
    golden("run", finished.result.stdout, finished.folder.parent, numbers=False)
    golden("run-progress", finished.result.stderr, finished.folder.parent)


def test_a_run_leaves_everything(make_study, out: Path, known: Steps):
    assert invoke("run", make_study(), "-o", out, obj=replace(known, draw=sketch)).exit_code == 0
    left = {each.name for each in out.iterdir()}
    figures = {f"{name}.svg" for name in FIGURES if name != "mechanisms"}
    files = {"report.html", "summary.csv", "result.json", "draws.npz", "study.toml", "methods.md", "summary.md",
             "summary.tex"}  # fmt: skip
    files |= {f"table_{name}.csv" for name in ("parameters", "priors", "combinations", "directions", "devices")}
    assert left >= files
    of_wings = {"devices.csv", "pairs.csv", "consequences.csv", *figures, *(f"table_{name}.csv" for name in TABLES)}
    assert left <= files | of_wings
    if wing("comparison") is not None and wing("prior_influence") is not None:
        missing = {f"table_{name}.csv" for name in ("repeats", "undetermined", "evidence", "bayes_factors", "left_out",
                                                   "criteria", "predictive_checks")}  # fmt: skip
        assert left == files | of_wings - missing


@pytest.mark.slow
def test_pdf_is_written_if_asked_for_and_removed_by_a_run_without(make_study, out: Path, known: Steps):
    steps = replace(known, draw=lambda found, *, pdf: sketch(replace(found, sections=found.sections[:2]), pdf=pdf))
    assert invoke("run", make_study(), "-o", out, "--pdf", obj=steps).exit_code == 0
    assert {each.stem for each in out.glob("*.pdf")} == {each.stem for each in out.glob("*.svg")} != set()
    assert all(each.read_bytes().startswith(b"%PDF") for each in out.glob("*.pdf"))
    assert "torque.svg, torque.pdf" in (out / "report.html").read_text(encoding="utf-8")
    assert invoke("run", make_study(), "-o", out, obj=steps).exit_code == 0
    assert not list(out.glob("*.pdf"))


def test_seed_reaches_sampler_and_provenance(make_study, out: Path, known: Steps, finished):
    asked = []
    steps = replace(known, sample=lambda study, **options: asked.append(options) or finished.posterior)
    assert invoke("run", make_study(), "--output", out, "--seed", "7", "--quiet", obj=steps).exit_code == 0
    assert [(each["seed"], each["progress"]) for each in asked] == [(7, False)]
    assert json.loads((out / "result.json").read_text(encoding="utf-8"))["provenance"]["seed"] == 7


def test_quiet_says_where_the_page_is_and_what_is_wrong(make_study, out: Path, known: Steps, finished):
    study, page = make_study(), f"Report: {out / 'report.html'}\n"
    result = invoke("run", study, "-o", out, "-q", obj=known)
    assert (result.exit_code, result.stdout, result.stderr) == (0, page, "")
    verdict = Verdict((Check("length", False, "only 7 steps after warm-up"),), {})
    draws = replace(finished.posterior, verdict=verdict)
    result = invoke("run", study, "-o", f"{out} 2", "-q", obj=replace(known, sample=lambda study, **_: draws))
    assert result.exit_code == 5
    assert result.stdout.startswith("✗ converged: NOT CONVERGED: only 7 steps after warm-up\n")


@pytest.mark.slow
def test_quiet_says_that_the_model_fails(make_study, out: Path, known: Steps, flipped_fit):
    result = invoke("run", make_study(), "-o", out, "-q", obj=replace(known, fit=lambda study: flipped_fit))
    assert result.exit_code == 0
    assert "!!! THE MODEL DOES NOT DESCRIBE THESE DATA: p < 1e-300." in result.stdout
    assert "✗ χ² plausible: the model does not describe these data" in result.stdout


@pytest.mark.slow
def test_a_flipped_series_is_loud_in_every_output(make_study, out: Path, known: Steps, flipped_fit):
    study, steps = make_study(flip=True), replace(known, fit=lambda study: flipped_fit)
    checked, ran = invoke("check", study, obj=steps), invoke("run", study, "-o", out, obj=steps)
    assert (checked.exit_code, ran.exit_code) == (0, 0)
    page = (out / "report.html").read_text(encoding="utf-8")
    for output in (checked.stdout, ran.stdout, page):
        assert "THE MODEL DOES NOT DESCRIBE THESE DATA: p < 1e-300" in output.replace("&lt;", "<")
        assert "with the other perp_axis p would be 0.91" in output


def test_one_thickness_is_4_and_leaves_the_combinations(make_study, out: Path, real: Steps, finished):
    result = invoke("run", make_study(("F2.0nm",)), "--output", out, obj=real)
    assert result.exit_code == 4
    assert result.stderr.splitlines()[-1].startswith(
        "Error: one thickness (2 nm) does not determine lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N: it determines"
    )
    assert "the curves agree: with the other perp_axis p = " in re.sub(r"\s+", " ", result.stdout)
    for words in ("F2.0nm  slope ratio T_perp/T_par  -0.1018 ± 0.0031", "Undetermined parameters"):
        assert words in result.stdout
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "slope ratio T<sub>⊥</sub>/T<sub>∥</sub>" in page
    assert error_bars_for_lengths(result.output) == error_bars_for_lengths(page) == []
    for several in (finished.result.stdout, (finished.folder / "report.html").read_text(encoding="utf-8")):
        assert error_bars_for_lengths(several)  # sabotage
    summary = (out / "summary.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in summary[1:]] == [
        "slope_ratio[F2.0nm]", "|kappa|·a1[F2.0nm]", "|kappa|·b2[F2.0nm]", "b2/a1[F2.0nm]",
    ]  # fmt: skip
    left = {each.name for each in out.iterdir()}
    assert {"report.html", "result.json", "torque.svg", "combinations.svg"} <= left
    assert not {"draws.npz", "corner.svg", "trace.svg"} & left


def test_one_thickness_with_known_lengths_is_sampled(make_study, out: Path, known: Steps, real: Steps, finished):
    asked = []
    steps = replace(known, fit=real.fit, sample=lambda study, **_: asked.append(study) or finished.posterior)
    study = make_study(("F2.0nm",), edit=lambda text: fixed(text, *LENGTHS))
    assert invoke("run", study, "-o", out, obj=steps).exit_code == 0
    assert len(asked) == 1


@pytest.mark.slow
def test_too_few_steps_are_5_and_everything_is_marked(make_study, out: Path, real: Steps):
    study = make_study(edit=lambda text: text.replace("target_ess = 200", "target_ess = 200\nmax_steps = 12"))
    result = invoke("run", study, "--output", out, obj=real)
    assert result.exit_code == 5
    assert result.stderr.splitlines()[-1].startswith("Error: NOT CONVERGED: ")
    assert "raise sampling.max_steps" in result.stderr
    for words in ("NOT CONVERGED, no result: parameters", "✗ converged: NOT CONVERGED: "):
        assert words in result.stdout
    assert "✓ converged" not in result.stdout
    assert error_bars_for_lengths(result.stdout.replace("normal 0 ± 1", "")) == []
    assert "NOT CONVERGED: the draws below are no result." in (out / "report.html").read_text(encoding="utf-8")
    summary = (out / "summary.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert {row.rsplit(",", 1)[1] for row in summary} == {"not converged"}
    document = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert (document["converged"], document["status"]) == (False, "complete")


def test_broken_studies_are_3_and_list_every_problem(tmp_path: Path, out: Path):
    (tmp_path / "data.csv").write_text("V,par\n0.1,x\n")
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "x"\n[[data]]\nfile = "data.csv"\n[parameters]\nlambda_j = { fixed = 1 }\n'
    )
    for command in (["check"], ["run", "-o", out]):
        result = invoke(*command, tmp_path / "study.toml")
        assert (result.exit_code, result.stdout) == (3, "")
        assert "parameters.lambda_j: is no parameter; did you mean 'lambda_J'?" in result.stderr
        assert "data[0].quantity: is missing" in result.stderr
    assert not out.exists()


def test_a_folder_with_other_files_is_refused_before_any_work(make_study, known: Steps):
    study = make_study()
    steps = replace(known, fit=lambda study: pytest.fail("fitted for nothing"))
    result = invoke("run", study, "--output", study.parent, obj=steps)
    assert result.exit_code == 3
    assert "holds files that are no earlier result of mtjfit (data.csv, study.toml)" in result.stderr


def test_every_error_of_the_library_ends_with_its_own_code(make_study, known: Steps):
    class OddError(MtjfitError):
        exit_code = 77

    def fail(study):
        raise OddError("said once")

    result = invoke("check", make_study(), obj=replace(known, fit=fail))
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (77, "Error: said once")


# check


def test_check_says_what_the_data_determine_and_writes_nothing(make_study, known: Steps, tmp_path: Path, golden):
    study = make_study()
    before = sorted(tmp_path.rglob("*"))
    result = invoke("check", study, obj=known)
    assert result.exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before
    golden("check", result.stdout, tmp_path)


def violated(text: str) -> str:
    """A constant more in the torkance, so a linear T_perp: |κ|² b1 b2 of one device is no longer zero."""
    return re.sub(r"(?m)^(F2\.0nm(?:,[^,]*){3}),([^,]*)", lambda row: f"{row[1]},{float(row[2]) + 0.02}", text)


@pytest.mark.parametrize(("file", "edit", "code", "says"), [
    as_slow(("study.toml", lambda text: text, 0,
     ["(par·V)(par·V²) + (perp·V)(perp·V²) = 0 for each device: holds in all 3"])),
    as_slow(("data.csv", violated, 0,
     ["VIOLATED by F2.0nm (p = ", "It is not described by Eq. 12 with a1, b2 alone, whatever the lengths are."])),
    ("study.toml", lambda text: text.replace("mean = 0.0, sd = 1.0", "mean = 0.5, sd = 0.02", 1), 0,
     ["!!! THE DATA CONTRADICT THE PRIOR OF a1",
      "✗ priors agree with the data: a1: prior normal 0.5 ± 0.02, the data without it 0.1",
      "without the prior of a1 the best point has lambda_sf_F"]),
    ("data.csv", lambda text: text.replace("0.071984", "abc"), 3, ["data.csv:5: column 'dtau_par'"]),
])  # fmt: skip
def test_check_names_what_the_data_violate(
    file: str, edit: Callable[[str], str], code: int, says: list[str], make_study
):
    study = make_study()
    edited = study.parent / file
    edited.write_text(edit(edited.read_text(encoding="utf-8")), encoding="utf-8")
    result = invoke("check", study)
    assert result.exit_code == code
    for words in says:
        assert words in " ".join(result.output.split())


@pytest.mark.slow
def test_check_of_one_thickness_announces_exit_code_4(make_study):
    result = invoke("check", make_study(("F2.0nm",)))
    assert result.exit_code == 0
    assert "3 of 6 parameters are determined" in result.stdout
    assert "devices of three or more thicknesses are needed" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("(combinations only: exit code 4)")
    assert error_bars_for_lengths(result.stdout) == []


# init, datasets, demo


def test_init_proposes_a_study_and_overwrites_nothing(make_study, tmp_path: Path):
    data = make_study().parent / "data.csv"
    output = tmp_path / "new.toml"
    result = invoke("init", data, "--output", output)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"Next:   mtjfit check {output}"
    assert 'file = "in/data.csv"' in output.read_text(encoding="utf-8")
    assert invoke("check", output).exit_code == 3  # placeholders are not filled in
    again = invoke("init", data, "--output", output)
    assert (again.exit_code, again.stderr.startswith(f"Error: {output}: exists already")) == (3, True)


def test_datasets_are_listed_with_their_kind(golden, tmp_path: Path):
    golden("datasets", invoke("datasets").stdout, tmp_path)
    assert "not measured" in invoke("datasets", "thickness-series").stdout


def test_a_copied_dataset_loads_and_is_never_overwritten(tmp_path: Path):
    result = invoke("datasets", "thickness-series", "--copy", tmp_path / "mine")
    assert result.exit_code == 0
    assert mtjfit.load_study(tmp_path / "mine" / "study.toml").label.startswith("SIMULATED")
    again = invoke("datasets", "thickness-series", "--copy", tmp_path / "mine")
    assert (again.exit_code, "data.csv: exists already" in again.stderr) == (3, True)
    (tmp_path / "file").write_text("")
    assert invoke("datasets", "thickness-series", "--copy", tmp_path / "file").exit_code == 3


def test_demo_is_short_and_names_the_next_command(tmp_path: Path, known: Steps, monkeypatch, golden):
    monkeypatch.chdir(tmp_path)
    result = invoke("demo", obj=known)
    assert result.exit_code == 0
    golden("demo", result.stdout, tmp_path, numbers=False)
    assert len(result.stdout.splitlines()) <= 30
    assert (tmp_path / "mtjfit-demo" / "report.html").is_file()
    assert invoke("demo", obj=known).exit_code == 0  # over its own earlier result


# terminals


@pytest.mark.slow
def test_an_old_code_page_survives_a_real_command():
    done = python("-m", "mtjfit", "datasets", "thickness-series", PYTHONIOENCODING="cp866", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "H. Jaffres" in done.stdout.decode("cp866")


@pytest.mark.slow
def test_a_windows_code_page_survives_a_fit(make_study):
    done = python("-m", "mtjfit", "check", str(make_study(("F2.0nm",))), PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    assert (done.returncode, done.stderr.decode("cp1252").count("Traceback")) == (0, 0)
    assert "|kappa|·a1" in done.stdout.decode("cp1252")
    assert "±" in done.stdout.decode("cp1252")
