"""The command line: exit codes, exact messages, and nothing on the screen that the data do not determine."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sketches import sketch

import mtjfit
from mtjfit.cli import Steps, cli, usual_steps
from mtjfit.errors import MtjfitError
from mtjfit.infer import Check, Verdict
from mtjfit.lazy import wing
from mtjfit.report import FIGURES, TABLES
from mtjfit.terminal import ascii_fallback

pytestmark = pytest.mark.usefixtures("quick_fits")

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "Lambda")
HEAVY = {"numpy", "scipy", "pandas", "lmfit", "emcee", "corner", "matplotlib", "pydantic", "jinja2", "tqdm"}


def invoke(*arguments: str | Path, steps: Steps | None = None) -> Result:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], obj=steps)
    unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
    if unexpected:
        raise result.exception
    assert "Traceback" not in result.output
    return result


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    import os

    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, env={**os.environ, **environment})


def error_bars_for_lengths(text: str) -> list[str]:
    """Lines or HTML rows in which a length or amplitude meets a ±."""
    found = [line for line in text.splitlines() if line.lstrip().startswith((*LENGTHS, "a1", "b2")) and "±" in line]
    rows = re.findall(r"<tr><th scope=\"row\">(?:lambda|Lambda|a1|b2).*?</tr>", text, re.DOTALL)
    return found + [row for row in rows if "±" in row]


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
    for command in ("demo", "init", "check", "identify", "run", "datasets"):
        assert command in result.output
    for words in ("130 interrupted", "First time here: mtjfit demo"):
        assert words in result.output
    assert invoke("--version").output == f"mtjfit {mtjfit.__version__}\n"


def loaded_by(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nsys.stderr.write(' '.join(name.split('.')[0] for name in sys.modules))"
    return set(python("-c", program).stderr.decode().split())


def test_help_imports_nothing_heavy():
    calls = "from mtjfit.cli import cli\ntry: cli(['--help'])\nexcept SystemExit: pass"
    loaded = loaded_by(calls)
    assert "click" in loaded
    assert loaded & HEAVY == set()
    assert "numpy" in loaded_by("import numpy") & HEAVY  # sabotage


def test_python_m_mtjfit_works():
    done = python("-m", "mtjfit", "--version")
    assert (done.returncode, done.stdout.decode().strip()) == (0, f"mtjfit {mtjfit.__version__}")


@pytest.mark.parametrize(
    "arguments", [("rn",), ("run",), ("run", "study.toml"), ("run", "x", "--output", "y", "--seed", "-1"), ("init",)]
)
def test_usage_is_2(arguments: tuple[str, ...]):
    assert invoke(*arguments).exit_code == 2


# run


def test_a_run_says_header_result_and_where_the_page_is(finished, golden):
    result = finished.result
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"mtjfit {mtjfit.__version__}"
    assert any(line.startswith("lambda_sf_F  > ") and "±" not in line for line in lines)
    assert "◐ determined: by themselves: lambda_J, lambda_phi, lambda_sf_N; lower limit only: lambda_sf_F" in lines
    golden("run", result.stdout, finished.folder.parent, numbers=False)
    golden("run-progress", result.stderr, finished.folder.parent)


def test_a_run_leaves_everything(make_study, tmp_path: Path, known: Steps):
    assert invoke("run", make_study(), "-o", tmp_path / "out", steps=replace(known, draw=sketch)).exit_code == 0
    left = {each.name for each in (tmp_path / "out").iterdir()}
    figures = {f"{name}.svg" for name in FIGURES if name != "mechanisms"}
    files = {"report.html", "summary.csv", "result.json", "draws.npz", "study.toml"}
    files |= {"methods.md", "summary.md", "summary.tex"}
    files |= {f"table_{name}.csv" for name in ("parameters", "priors", "combinations", "directions", "devices")}
    assert left >= files
    of_wings = {"devices.csv", "pairs.csv", "consequences.csv", *figures, *(f"table_{name}.csv" for name in TABLES)}
    assert left <= files | of_wings
    if wing("comparison") is not None and wing("prior_influence") is not None:
        missing = {f"table_{name}.csv" for name in ("repeats", "undetermined", "evidence", "bayes_factors", "left_out",
                                                   "criteria", "predictive_checks")}  # fmt: skip
        assert left == files | of_wings - missing


def test_pdf_is_written_if_asked_for_and_removed_by_a_run_without(make_study, tmp_path: Path, known: Steps):
    out = tmp_path / "out"
    steps = replace(known, draw=lambda found, *, pdf: sketch(replace(found, sections=found.sections[:2]), pdf=pdf))
    assert invoke("run", make_study(), "-o", out, "--pdf", steps=steps).exit_code == 0
    assert {each.stem for each in out.glob("*.pdf")} == {each.stem for each in out.glob("*.svg")} != set()
    assert all(each.read_bytes().startswith(b"%PDF") for each in out.glob("*.pdf"))
    assert "torque.svg, torque.pdf" in (out / "report.html").read_text(encoding="utf-8")
    assert invoke("run", make_study(), "-o", out, steps=steps).exit_code == 0
    assert not list(out.glob("*.pdf"))


def test_seed_reaches_sampler_and_provenance(make_study, tmp_path: Path, known: Steps, finished):
    seeds = []

    def sample(study, seed, journal, progress):
        seeds.append((seed, progress))
        return finished.posterior

    arguments = ("run", make_study(), "--output", tmp_path / "out", "--seed", "7", "--quiet")
    assert invoke(*arguments, steps=replace(known, sample=sample)).exit_code == 0
    assert seeds == [(7, False)]
    assert json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))["provenance"]["seed"] == 7


def test_quiet_says_where_the_page_is_and_nothing_else(make_study, tmp_path: Path, known: Steps):
    result = invoke("run", make_study(), "-o", tmp_path / "out", "-q", steps=known)
    assert (result.stdout, result.stderr) == (f"Report: {tmp_path / 'out' / 'report.html'}\n", "")


def test_quiet_is_not_silent_about_a_failing_model(make_study, tmp_path: Path, known: Steps, flipped_fit):
    steps = replace(known, fit=lambda study: flipped_fit)
    result = invoke("run", make_study(), "-o", tmp_path / "out", "-q", steps=steps)
    assert result.exit_code == 0
    assert "!!! THE MODEL DOES NOT DESCRIBE THESE DATA: p < 1e-300." in result.stdout
    assert "✗ χ² plausible: the model does not describe these data" in result.stdout


def test_a_flipped_series_is_loud_in_every_output(make_study, tmp_path: Path, known: Steps, flipped_fit):
    study, steps = make_study(flip=True), replace(known, fit=lambda study: flipped_fit)
    checked, ran = invoke("check", study, steps=steps), invoke("run", study, "-o", tmp_path / "out", steps=steps)
    assert (checked.exit_code, ran.exit_code) == (0, 0)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for output in (checked.stdout, ran.stdout, page):
        assert "THE MODEL DOES NOT DESCRIBE THESE DATA: p < 1e-300" in output.replace("&lt;", "<")
        assert "with the other perp_axis p would be 0.91" in output


def test_one_thickness_is_4_and_leaves_the_combinations(make_study, tmp_path: Path, real: Steps):
    result = invoke("run", make_study(("F2.0nm",)), "--output", tmp_path / "out", steps=real)
    assert result.exit_code == 4
    assert result.stderr.splitlines()[-1].startswith(
        "Error: one thickness (2 nm) does not determine lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N: it determines"
    )
    assert "the curves agree: with the other perp_axis p = " in re.sub(r"\s+", " ", result.stdout)
    assert "F2.0nm  slope ratio T_perp/T_par  -0.1018 ± 0.0031" in result.stdout
    assert "Undetermined parameters" in result.stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "slope ratio T_perp/T_par" in page
    assert error_bars_for_lengths(result.output) == error_bars_for_lengths(page) == []
    summary = (tmp_path / "out" / "summary.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in summary[1:]] == [
        "slope_ratio[F2.0nm]", "|kappa|·a1[F2.0nm]", "|kappa|·b2[F2.0nm]", "b2/a1[F2.0nm]",
    ]  # fmt: skip
    left = {each.name for each in (tmp_path / "out").iterdir()}
    assert {"report.html", "result.json", "torque.svg", "combinations.svg"} <= left
    assert not {"draws.npz", "corner.svg", "trace.svg"} & left


def test_sabotage_an_error_bar_of_a_length_is_seen(finished):
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert error_bars_for_lengths(finished.result.stdout)
    assert error_bars_for_lengths(page)


def test_one_thickness_with_known_lengths_is_sampled(make_study, tmp_path: Path, known: Steps, real: Steps, finished):
    def edit(text: str) -> str:
        return re.sub(r"(?m)^(lambda_\w+) *= .*$", r"\1 = { fixed = 1.0 }", text)

    asked = []
    steps = replace(known, fit=real.fit, sample=lambda study, **_: asked.append(study) or finished.posterior)
    assert invoke("run", make_study(("F2.0nm",), edit=edit), "-o", tmp_path / "out", steps=steps).exit_code == 0
    assert len(asked) == 1


def test_too_few_steps_are_5_and_everything_is_marked(make_study, tmp_path: Path, real: Steps):
    def edit(text: str) -> str:
        return text.replace("target_ess = 200", "target_ess = 200\nmax_steps = 12")

    result = invoke("run", make_study(edit=edit), "--output", tmp_path / "out", steps=real)
    assert result.exit_code == 5
    assert result.stderr.splitlines()[-1].startswith("Error: NOT CONVERGED: ")
    assert "raise sampling.max_steps" in result.stderr
    assert "NOT CONVERGED, no result: parameters" in result.stdout
    assert "✗ converged: NOT CONVERGED: " in result.stdout
    assert "✓ converged" not in result.stdout
    assert error_bars_for_lengths(result.stdout.replace("normal 0 ± 1", "")) == []
    assert "NOT CONVERGED: the draws below are no result." in (tmp_path / "out" / "report.html").read_text(
        encoding="utf-8"
    )
    summary = (tmp_path / "out" / "summary.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert {row.rsplit(",", 1)[1] for row in summary} == {"not converged"}
    document = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert (document["converged"], document["status"]) == (False, "complete")


def test_quiet_says_not_converged(make_study, tmp_path: Path, known: Steps, finished):
    verdict = Verdict((Check("length", False, "only 7 steps after warm-up"),), {})
    draws = replace(finished.posterior, verdict=verdict)
    steps = replace(known, sample=lambda study, **_: draws)
    result = invoke("run", make_study(), "-o", tmp_path / "out", "-q", steps=steps)
    assert result.exit_code == 5
    assert result.stdout.startswith("✗ converged: NOT CONVERGED: only 7 steps after warm-up\n")


def test_ctrl_c_is_130_without_traceback_or_files(make_study, tmp_path: Path, known: Steps):
    def interrupted(study, seed, journal, progress):
        raise KeyboardInterrupt

    result = invoke("run", make_study(), "--output", tmp_path / "out", steps=replace(known, sample=interrupted))
    assert result.exit_code == 130
    assert result.stderr.endswith("\nInterrupted; no result was written.\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_broken_studies_are_3_and_list_every_problem(tmp_path: Path):
    (tmp_path / "data.csv").write_text("V,par\n0.1,x\n")
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "x"\n[[data]]\nfile = "data.csv"\n[parameters]\nlambda_j = { fixed = 1 }\n'
    )
    for command in (["check"], ["run", "-o", str(tmp_path / "out")]):
        result = invoke(*command, tmp_path / "study.toml")
        assert result.exit_code == 3
        assert result.stdout == ""
        assert "parameters.lambda_j: is no parameter; did you mean 'lambda_J'?" in result.stderr
        assert "data[0].quantity: is missing" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_study_and_a_number_that_is_none_are_3_with_their_place(make_study, tmp_path: Path):
    missing = invoke("run", tmp_path / "none.toml", "-o", tmp_path / "out")
    assert (missing.exit_code, "none.toml" in missing.stderr) == (3, True)
    study = make_study()
    data = study.parent / "data.csv"
    data.write_text(data.read_text(encoding="utf-8").replace("0.071984", "abc"), encoding="utf-8")
    broken = invoke("check", study)
    assert (broken.exit_code, "data.csv:5: column 'dtau_par'" in broken.stderr) == (3, True)


def test_a_folder_with_other_files_is_refused_before_any_work(make_study, known: Steps):
    study = make_study()
    steps = replace(known, fit=lambda study: pytest.fail("fitted for nothing"))
    result = invoke("run", study, "--output", study.parent, steps=steps)
    assert result.exit_code == 3
    assert "holds files that are no earlier result of mtjfit (data.csv, study.toml)" in result.stderr


def test_every_error_of_the_library_ends_with_its_own_code(make_study, known: Steps):
    class OddError(MtjfitError):
        exit_code = 77

    def fail(study):
        raise OddError("said once")

    result = invoke("check", make_study(), steps=replace(known, fit=fail))
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (77, "Error: said once")


# check


def test_check_says_what_the_data_determine_and_writes_nothing(make_study, known: Steps, tmp_path: Path, golden):
    study = make_study()
    before = sorted(tmp_path.rglob("*"))
    result = invoke("check", study, steps=known)
    assert result.exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before
    golden("check", result.stdout, tmp_path)


def test_check_names_a_prior_that_the_data_contradict(make_study):
    def edit(text: str) -> str:
        return text.replace("mean = 0.0, sd = 1.0", "mean = 0.5, sd = 0.02", 1)

    result = invoke("check", make_study(edit=edit))
    assert result.exit_code == 0
    assert "!!! THE DATA CONTRADICT THE PRIOR OF a1" in result.stdout
    assert "✗ priors agree with the data: a1: prior normal 0.5 ± 0.02, the data without it 0.1" in result.stdout
    assert "without the prior of a1 the best point has lambda_sf_F" in " ".join(result.stdout.split())


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


def test_init_says_what_it_cannot_do(make_study, tmp_path: Path):
    data = make_study().parent / "data.csv"
    result = invoke("init", data, "--output", tmp_path / "no" / "study.toml")
    assert (result.exit_code, "cannot be written: No such file or directory" in result.stderr) == (3, True)
    assert invoke("init", tmp_path / "none.csv", "-o", tmp_path / "x.toml").exit_code == 3
    assert not (tmp_path / "x.toml").exists()


def test_datasets_are_listed_with_their_kind(golden, tmp_path: Path):
    result = invoke("datasets")
    golden("datasets", result.stdout, tmp_path)
    assert re.search(r"(?m)^thickness-series +SIMULATED ", result.stdout)
    assert "not measured" in invoke("datasets", "thickness-series").stdout
    assert invoke("datasets", "thickness-seris").exit_code == 3
    assert invoke("datasets", "--copy", "x").exit_code == 2


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
    result = invoke("demo", steps=known)
    assert result.exit_code == 0
    golden("demo", result.stdout, tmp_path, numbers=False)
    assert len(result.stdout.splitlines()) < 30
    assert (tmp_path / "mtjfit-demo" / "report.html").is_file()
    assert invoke("demo", steps=known).exit_code == 0  # over its own earlier result


# terminals


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("cp1252", "[yes] chi² = 1 ± 2 lambda |kappa|·a1 (hbar/2e) kohm^-¹ x^-¹9 ?"),
        ("ascii", "[yes] chi^2 = 1 +- 2 lambda |kappa|*a1 (hbar/2e) kohm^-1 x^-19 ?"),
        ("utf-8", "✓ χ² = 1 ± 2 λ |κ|·a1 (ħ/2e) kΩ⁻¹ x⁻¹⁹ 語"),
    ],
)
def test_any_terminal_gets_readable_words(monkeypatch: pytest.MonkeyPatch, encoding: str, expected: str):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    ascii_fallback()
    stream.write("✓ χ² = 1 ± 2 λ |κ|·a1 (ħ/2e) kΩ⁻¹ x⁻¹⁹ 語")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == expected


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
