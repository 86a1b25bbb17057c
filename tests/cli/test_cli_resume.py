"""``mtjfit run --resume``: whatever stopped a run, kills and real disks too, it goes on to the same files."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from shortcuts import few_starts, slow_after
from sketches import failing_at
from typed import invoke

import mtjfit
import mtjfit.infer.ensembles.run as sampling
from mtjfit.cli import cli, usual_steps
from mtjfit.infer import Effort, Pace, Verdict
from mtjfit.infer.store.journal import locked, saved_steps

pytestmark = pytest.mark.usefixtures("quick_fits")

MAX_STEPS = 30
N_KILLS = 50
NUMBERS = ("summary.csv", "draws.npz")


def write_study(folder: Path, max_steps: int = MAX_STEPS) -> Path:
    """Two free lengths, three devices with exact thicknesses, and a limit on steps that ends the run."""
    series = mtjfit.dataset("thickness-series")
    folder.mkdir(parents=True)
    rows = (series.path / "data.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    few = "".join(row for row in rows if not row.startswith(("F1.2nm", "F3.0nm")))
    (folder / "data.csv").write_text(few, encoding="utf-8")
    text = series.study_file.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^thickness += \{.*$", "thickness = { fixed = true }", text)
    text = re.sub(r"(?m)^(lambda_sf_\w) *=.*$", r"\1 = { fixed = 5.0 }", text)
    study = folder / "study.toml"
    study.write_text(text.replace("target_ess = 2000", f"max_steps = {max_steps}"), encoding="utf-8")
    return study


@contextmanager
def quick() -> Iterator[pytest.MonkeyPatch]:
    """Short blocks, a lenient gate, no annealing worth the name, no figures, no assumptions freed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # other tests may have changed it
    with pytest.MonkeyPatch.context() as patch:
        effort = Effort(particles=1, fewest=400)
        patch.setattr(sampling, "PACE", Pace(block=5, first_look=MAX_STEPS, components=2, settle=6, effort=effort))
        patch.setattr(os, "fsync", lambda handle: None)  # protects from a power cut only, and takes milliseconds
        patch.setattr(Verdict, "converged", property(lambda verdict: verdict.tau != {}))
        patch.setattr(mtjfit.FitResult, "assumptions", ())
        yield patch


@pytest.fixture(autouse=True)
def patch() -> Iterator[pytest.MonkeyPatch]:
    with quick() as each:
        yield each


def numbers(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NUMBERS}


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], Path]:
    """The numbers of a run that nothing happened to, and the folder of one that was interrupted after two blocks."""
    folder = tmp_path_factory.mktemp("once")
    write_study(folder / "in")
    with quick() as patch, few_starts():
        assert run(folder, "-q").exit_code == 0
        whole = (folder / "out").rename(folder / "whole")
        interrupted(patch, folder, "-q")
    assert names(whole) >= {"summary.csv", "draws.npz", "study.toml", "report.html", "result.json"}
    assert "run" not in names(whole)
    return numbers(whole), folder


@cache
def once_fitted(folder: Path) -> mtjfit.FitResult:
    return mtjfit.fit(mtjfit.load_study(folder / "in" / "study.toml"))


@pytest.fixture
def expected(once: tuple[dict[str, bytes], Path]) -> dict[str, bytes]:
    return once[0]


@pytest.fixture
def stopped(once: tuple[dict[str, bytes], Path], tmp_path: Path, patch: pytest.MonkeyPatch) -> Path:
    """A folder with the study ``in/study.toml`` and the interrupted run ``out``; the study is not fitted again."""
    fit = once_fitted(once[1])
    patch.setattr(mtjfit.infer, "fit", lambda study: fit)
    return shutil.copytree(once[1], tmp_path / "stopped")


def words(folder: Path, *more: str) -> list[str]:
    return ["run", str(folder / "in" / "study.toml"), "--output", str(folder / "out"), *more]


def run(folder: Path, *more: str) -> Result:
    return invoke(*words(folder, *more), obj=replace(usual_steps(), draw=lambda *_, **__: ()))


def interrupted(patch: pytest.MonkeyPatch, folder: Path, *more: str, block: int = 2, presses: int = 1) -> Result:
    """A run with Ctrl-C, pressed once or twice, before its n-th block."""
    original, n = sampling.advanced, count(1)

    def advanced(*arguments: object) -> object:
        for _ in range(presses if next(n) == block else 0):
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    with patch.context() as press:
        press.setattr(sampling, "advanced", advanced)
        result = run(folder, *more)
    assert result.exit_code == 130
    return result


def resumed(folder: Path) -> dict[str, bytes]:
    result = run(folder, "--resume")
    assert result.exit_code == 0
    assert "run" not in names(folder / "out")
    return numbers(folder / "out")


def again(folder: Path, *more: str) -> str:
    return shlex.join(["mtjfit", *words(folder, *more, "--resume")])


# Ctrl-C


def test_ctrl_c_finishes_the_block_and_says_how_to_go_on(tmp_path: Path, expected, patch: pytest.MonkeyPatch):
    folder = tmp_path / "a folder"  # the space must be quoted
    write_study(folder / "in")
    result = interrupted(patch, folder)
    assert "sampling (Ctrl-C saves and stops; continue with --resume)" in result.stderr
    assert "Ctrl-C: finishing this block and saving it; press Ctrl-C again to stop at once." in result.stderr
    assert result.stderr.endswith(f"\nInterrupted; what was sampled is saved. Resume with: {again(folder)}\n")
    assert names(folder / "out") == {"run"}
    assert saved_steps(folder / "out" / "run") == 10
    result = run(folder, "--resume")
    assert result.exit_code == 0
    assert f"going on with the run in {folder / 'out' / 'run'}: 10 steps, saved " in result.stderr
    assert (numbers(folder / "out"), "run" in names(folder / "out")) == (expected, False)


@pytest.mark.slow
def test_a_second_ctrl_c_costs_the_block(stopped: Path, expected, patch: pytest.MonkeyPatch):
    result = interrupted(patch, stopped, "--resume", presses=2)
    assert result.stderr.endswith(f"Resume with: {again(stopped)}\n")
    assert saved_steps(stopped / "out" / "run") == 15
    assert resumed(stopped) == expected


@pytest.mark.parametrize("during", ["fit", "sample"])
def test_ctrl_c_before_anything_is_saved_leaves_nothing(during: str, tmp_path: Path, patch: pytest.MonkeyPatch):
    write_study(tmp_path / "in")
    patch.setattr(mtjfit.infer, during, lambda *_, **__: signal.raise_signal(signal.SIGINT))
    result = run(tmp_path)
    assert (result.exit_code, result.stderr.endswith("\nInterrupted; no result was written.\n")) == (130, True)
    assert names(tmp_path / "out") == set()


@pytest.mark.slow
def test_the_seed_is_part_of_what_to_type(tmp_path: Path, patch: pytest.MonkeyPatch):
    write_study(tmp_path / "in")
    result = interrupted(patch, tmp_path, "--seed", "7", "-q", block=1)
    assert result.stderr.endswith(f"Resume with: {again(tmp_path, '--seed', '7')}\n")
    refused = run(tmp_path, "--resume", "-q")
    assert (refused.exit_code, "  sampling.seed: was 7, is 1\n" in refused.stderr) == (3, True)


# what is refused


def test_an_unfinished_run_is_not_begun_anew(stopped: Path, patch: pytest.MonkeyPatch):
    patch.setattr(mtjfit.infer, "fit", lambda study: pytest.fail("fitted for nothing"))
    result = run(stopped)
    assert result.exit_code == 3
    saved = stopped / "out" / "run"
    assert result.stderr.splitlines()[-2:] == [
        f"Error: {saved}: holds an unfinished run of 10 steps. Continue it: {again(stopped)}",
        f"or start anew: name another folder with --output, or delete {saved}",
    ]


@pytest.mark.slow
def test_a_changed_study_is_refused_with_what_changed(stopped: Path, expected):
    data, study = stopped / "in" / "data.csv", stopped / "in" / "study.toml"
    before = data.read_text(encoding="utf-8"), study.read_text(encoding="utf-8")
    data.write_text(before[0].replace(",0.0026,0.0026", ",0.0052,0.0026"), encoding="utf-8")
    study.write_text(before[1].replace("max_steps", "walkers = 40\nmax_steps"), encoding="utf-8")
    assert (data.read_text(encoding="utf-8"), study.read_text(encoding="utf-8")) != before
    result = run(stopped, "--resume")
    assert result.exit_code == 3
    assert "\n  sampling.walkers: was 0, is 40\n" in result.stderr
    assert re.search(r"(?m)^  device F2.0nm: sigma_par: was 41 values .*, is 41 values from 0.0052", result.stderr)
    data.write_text(before[0], encoding="utf-8")
    study.write_text("# a comment\n" + before[1], encoding="utf-8")
    assert run(stopped).exit_code == 3  # not begun anew
    assert resumed(stopped) == expected


@pytest.mark.slow
def test_a_run_that_another_process_works_on_is_left_to_it(stopped: Path, expected):
    with locked(stopped / "out" / "run" / "lock"):
        result = run(stopped, "--resume")
    assert result.exit_code == 3
    assert "is working on this run; wait for it, or stop it and resume" in result.stderr
    assert resumed(stopped) == expected


def test_a_folder_named_run_of_somebody_else_is_refused(tmp_path: Path):
    write_study(tmp_path / "in")
    (tmp_path / "out" / "run").mkdir(parents=True)
    (tmp_path / "out" / "run" / "notes.txt").write_text("mine")
    result = run(tmp_path)
    assert (result.exit_code, "holds files that are no earlier result of mtjfit (run)" in result.stderr) == (3, True)
    (tmp_path / "out" / "result.json").write_text('{"program": "mtjfit"}')
    result = run(tmp_path)
    assert (result.exit_code, "run: holds files that are no run of mtjfit; move them" in result.stderr) == (3, True)
    assert (tmp_path / "out" / "run" / "notes.txt").read_text() == "mine"


# what goes on


@pytest.mark.slow
def test_without_anything_to_resume_it_begins(tmp_path: Path, expected):
    write_study(tmp_path / "in")
    assert resumed(tmp_path) == expected


@pytest.mark.slow
def test_what_kills_leave_behind_is_no_foreign_file(stopped: Path, expected):
    for name in (".result.json.x7_k2.tmp", ".draws.npz.abcdefgh.tmp"):
        (stopped / "out" / name).write_text("half")
    (stopped / "out" / "run" / ".manifest.json.x7_k2.tmp").write_text("half")
    assert resumed(stopped) == expected
    assert not [name for name in names(stopped / "out") if name.endswith(".tmp")]


@pytest.mark.slow
def test_a_run_that_did_not_converge_goes_on_with_more_steps(tmp_path: Path, expected, patch: pytest.MonkeyPatch):
    study = write_study(tmp_path / "in", max_steps=13)
    with patch.context() as strict:
        strict.setattr(Verdict, "converged", property(lambda verdict: False))
        result = run(tmp_path)
    assert result.exit_code == 5
    assert result.stderr.endswith("raise sampling.max_steps and continue with --resume\n")
    assert {"run", "report.html"} <= names(tmp_path / "out")
    # whole blocks, and not begun anew by accident
    assert (run(tmp_path).exit_code, saved_steps(tmp_path / "out" / "run")) == (3, 15)
    study.write_text(study.read_text(encoding="utf-8").replace("= 13", f"= {MAX_STEPS}"), encoding="utf-8")
    assert resumed(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("where", "says", "sampled"), slow_after(1, [
    ("run", "run: cannot be written: No space left on device; the 10 steps saved before are whole. Free the disk or "
     "its permissions, and resume", False),
    ("result.json", "result.json: cannot be written: No space left on device; free the disk", True),
]))  # fmt: skip
def test_a_disk_that_fills_up_costs_no_sampling(
    where: str, says: str, sampled: bool, stopped: Path, expected, patch: pytest.MonkeyPatch
):
    """While it samples, and at the end."""
    with patch.context() as disk:
        full = OSError(errno.ENOSPC, "No space left on device")
        failing_at(disk, lambda file: where in (file.name, file.parent.name), full)
        result = run(stopped, "--resume")
    assert result.exit_code == 3
    error = f"Error: {stopped / 'out'}{os.sep}{says}"
    assert f"What was sampled is saved. Resume with: {again(stopped)}\n{error}" in result.stderr
    if sampled:
        patch.setattr(sampling, "advanced", lambda *_: pytest.fail("sampled again"))
    assert resumed(stopped) == expected


@pytest.mark.slow
def test_a_mistake_of_ours_costs_no_sampling(stopped: Path, expected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # the report is written there
    broken = replace(usual_steps(), draw=lambda *_, **__: 1 / 0)
    result = CliRunner().invoke(cli, words(stopped, "--resume"), obj=broken)
    assert result.exit_code == 3
    assert "this is a fault of mtjfit: ZeroDivisionError: division by zero" in result.stderr
    assert f"What was sampled is saved. Resume with: {again(stopped)}\n" in result.stderr
    assert resumed(stopped) == expected


@pytest.mark.slow
def test_the_result_says_what_a_run_was_begun_with(stopped: Path, patch: pytest.MonkeyPatch):
    manifest = stopped / "out" / "run" / "manifest.json"
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document["versions"]["numpy"] = "1.99"
    manifest.write_text(json.dumps(document), encoding="utf-8")
    result = run(stopped, "--resume")
    assert "not equal to the last digit: numpy: was 1.99, is " in result.stderr
    provenance = json.loads((stopped / "out" / "result.json").read_text(encoding="utf-8"))["provenance"]
    assert provenance["begun_with"]["numpy"] == "1.99"
    assert provenance["versions"]["numpy"] != "1.99"
    assert "begun with: numpy" in (stopped / "out" / "report.html").read_text(encoding="utf-8")


# the real program, killed at random, and on a real disk that is full and then read-only


def command(study: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "mtjfit", "run", str(study), "--output", str(output), "--resume", "--quiet"]


def program(study: Path, output: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(study, output), capture_output=True, check=False)


def longer(text: str) -> str:
    """500 steps, with a refit after 400 of them, whatever the gate says."""
    return text.replace("target_ess = 200", "target_ess = 10_000_000\nmax_steps = 500")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_of_the_program_change_nothing(make_study, tmp_path: Path):
    study, folder = make_study(edit=longer), tmp_path / "out"
    begun = time.monotonic()
    assert program(study, tmp_path / "whole").returncode == 5  # far from ten million effective draws
    takes = time.monotonic() - begun
    expected = numbers(tmp_path / "whole")
    rng = np.random.default_rng()
    kills, wholes = 0, 0
    while kills < N_KILLS or not wholes:
        with subprocess.Popen(command(study, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            try:
                process.wait(takes * rng.random() if kills < N_KILLS else None)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
                continue
            assert process.returncode == 5, process.stderr.read().decode()
        assert numbers(folder) == expected, f"after {kills} kills"
        wholes += 1
        shutil.rmtree(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two segments."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("needs mount")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_disk_that_is_full_and_then_read_only(make_study, tmp_path: Path, small_disk: Path):
    study, folder = make_study(edit=longer), small_disk / "out"
    assert program(study, tmp_path / "whole").returncode == 5
    full = program(study, folder)
    said = full.stderr.decode()
    assert full.returncode == 3
    assert re.search(r"run: cannot be written: No space left on device; the \d+ steps saved before are whole", said)
    assert "What was sampled is saved. Resume with: mtjfit run " in said
    remount(small_disk, "ro")
    read_only = program(study, folder)
    assert (read_only.returncode, "cannot be written: Read-only file system" in read_only.stderr.decode()) == (3, True)
    remount(small_disk, "rw,size=100m")
    assert program(study, folder).returncode == 5
    assert numbers(folder) == numbers(tmp_path / "whole")
