"""`mtjfit calibrate`: what it leaves, what it says, its exit codes, and what it never overwrites."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import mtjfit.parallel
import mtjfit.plot.style as style
from mtjfit.calibration import Calibration
from mtjfit.cli import cli
from mtjfit.errors import MtjfitError, NotDetermined

FILES = {"ranks.csv", "calibration.svg", "calibration.png", "calibration.json"}


def invoke(*arguments: str | Path, obj: object = None) -> Result:
    result = CliRunner().invoke(cli, ["calibrate", *map(str, arguments)], obj=obj)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def study_file(make_study) -> Path:  # type: ignore[no-untyped-def]
    return Path(make_study())


class Asked(dict[str, object]):
    """A calibration that takes no time, and how it was called; `shape` bends its ranks, `failed` runs did not converge.

    Calling it invokes the command, which leaves its files in the folder ``out``.
    """

    def __init__(self, study_file: Path, out: Path):
        super().__init__()
        self.study_file, self.out, self.shape, self.failed = study_file, out, 1.0, 0

    def __call__(self, *arguments: str) -> Result:
        return invoke(self.study_file, "-o", self.out, *arguments, obj=self.calibrate)

    def calibrate(self, study: mtjfit.Study, n: int, seed: int | None, workers: int, *, progress: bool) -> Calibration:
        self.update(n=n, seed=seed, workers=workers, progress=progress)
        u = np.random.default_rng(3).random((n, 2))
        u[:, 0] **= self.shape
        ranks = pd.DataFrame(np.floor(100 * u), columns=["lambda_J", "log_likelihood"])
        ranks.index.name = "simulation"
        ranks.iloc[: self.failed] = np.nan
        failures = ("R-hat 1.3, of a1",) * self.failed + ("",) * (n - self.failed)
        return Calibration(study, study.sampling.seed if seed is None else seed, 99, ranks, failures)

    @property
    def document(self) -> dict[str, Any]:
        return json.loads((self.out / "calibration.json").read_text(encoding="utf-8"))


@pytest.fixture
def asked(study_file: Path, tmp_path: Path) -> Asked:
    return Asked(study_file, tmp_path / "new" / "out")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "render", lambda fig, format: f"{format} {len(fig.axes)}".encode())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_calibrated_design_is_0_and_leaves_ranks_figure_and_document(asked: Asked) -> None:
    result = asked("--simulations", "120", "--seed", "7", "--workers", "3")
    assert result.exit_code == 0, result.output
    assert asked == {"n": 120, "seed": 7, "workers": 3, "progress": True}
    left = content(asked.out)
    assert set(left) == FILES
    assert left["calibration.svg"] == b"svg 2"
    ranks = pd.read_csv(asked.out / "ranks.csv", comment="#", index_col="simulation")
    assert list(ranks.columns) == ["lambda_J", "log_likelihood", "not_converged"]
    expected = np.floor(100 * np.random.default_rng(3).random((120, 2)))
    np.testing.assert_array_equal(ranks[["lambda_J", "log_likelihood"]], expected)
    document = asked.document
    assert (document["calibrated"], document["simulations"], document["converged"]) == (True, 120, 120)
    assert document["provenance"]["seed"] == 7
    assert set(document["p_values"]) == {"lambda_J", "log_likelihood"}
    assert "\nCALIBRATED\n  ✓ 120 runs count (100 needed for a verdict)\n" in result.stdout
    assert re.search(r"(?m)^lambda_J +0\.\d+ +0\.\d+ ", result.stdout)
    assert result.stdout.splitlines()[-1] == f"Calibration: {asked.out / 'calibration.svg'}"


def test_a_design_that_is_not_calibrated_is_5_with_a_sentence_and_everything_is_left(asked: Asked) -> None:
    asked.shape = 0.5
    result = asked("-q")
    assert result.exit_code == 5
    assert result.stdout == f"Calibration: {asked.out / 'calibration.svg'}\n"
    said = r"Error: NOT CALIBRATED: posterior of lambda_J lies too low: 7\d % of the truths lie above its median \(adj"
    assert re.match(said, result.stderr), result.stderr
    assert (asked["n"], asked["seed"], asked["progress"]) == (300, None, False)
    document = asked.document
    assert not document["calibrated"]
    assert [each["name"] for each in document["checks"] if not each["ok"]] == ["uniform"]
    assert document["provenance"]["seed"] == 1  # of the study


def test_too_few_runs_and_runs_that_failed_are_5_and_in_the_table(asked: Asked) -> None:
    asked.failed = 20
    result = asked("-n", "120")
    assert result.exit_code == 5
    assert "20 of 120 runs did not converge (5 % allowed), the first because: R-hat 1.3, of a1" in result.stderr
    ranks = pd.read_csv(asked.out / "ranks.csv", comment="#")
    assert len(ranks) == 120
    assert ranks["not_converged"].count() == 20
    assert ranks["lambda_J"].isna().sum() == 20
    asked.failed = 0
    assert asked("-n", "99").exit_code == 5


def test_without_any_run_that_converged_there_is_no_figure_and_none_of_an_earlier_one(asked: Asked) -> None:
    assert asked("-n", "100").exit_code == 0
    asked.failed = 3
    result = asked("-n", "3")
    assert result.exit_code == 5
    assert set(content(asked.out)) == {"ranks.csv", "calibration.json"}
    assert result.stdout.splitlines()[-1].endswith("calibration.json")


def test_one_process_for_each_processor_but_no_more_than_simulations(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mtjfit.parallel, "n_processors", lambda: 6)
    for n, workers in (("100", 6), ("2", 2)):
        asked("-n", n)
        assert asked["workers"] == workers


def test_what_cannot_be_calibrated_ends_with_the_code_of_its_reason(tmp_path: Path, study_file: Path) -> None:
    for error, code in ((NotDetermined("one thickness"), 4), (MtjfitError("killed"), 3), (KeyboardInterrupt(), 130)):

        def fails(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        result = invoke(study_file, "-o", tmp_path / "out", obj=fails)
        assert result.exit_code == code
        assert content(tmp_path / "out") == {}
    assert invoke(study_file).exit_code == 2
    assert invoke(study_file, "-o", tmp_path / "out", "-n", "0").exit_code == 2
    assert invoke(tmp_path / "none.toml", "-o", tmp_path / "out").exit_code == 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_in_words(name: str, tmp_path: Path, study_file: Path) -> None:
    if not hasattr(signal, name):
        pytest.skip("no such signal here")
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)
    result = invoke(study_file, "-o", tmp_path / "out", obj=lambda *_, **__: signal.raise_signal(number))
    assert signal.signal(number, before) is signal.SIG_DFL
    assert (result.exit_code, content(tmp_path / "out")) == (130, {})
    assert result.stderr.endswith(f"\nEnded by {name}; no result was written.\n")


def test_other_files_are_refused_before_anything_is_computed(tmp_path: Path, asked: Asked) -> None:
    asked.out.mkdir(parents=True)
    for name in "dbca":
        (asked.out / name).write_text("mine")
    result = asked()
    assert result.exit_code == 3
    assert "holds files that are no earlier calibration of mtjfit (a, b, c, …); name a new" in result.stderr
    assert "n" not in asked
    asked.out = tmp_path / "file"
    asked.out.touch()
    result = asked()
    assert result.exit_code == 3
    assert "cannot be written" in result.stderr


def test_a_disk_that_fills_up_leaves_no_half_file(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(Path, "replace", full)
    result = asked("-n", "100")
    assert result.exit_code == 3
    assert "cannot be written: No space left on device; free the disk" in result.stderr
    assert content(asked.out) == {}


def test_the_exit_code_is_in_the_help() -> None:
    assert "Exit code 5: not calibrated" in " ".join(invoke("--help").stdout.split())
    assert "5 not converged, or not calibrated" in CliRunner().invoke(cli, ["--help"]).output


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process group")
def test_a_real_run_and_ctrl_c(tmp_path: Path, study_file: Path) -> None:
    command = [sys.executable, "-m", "mtjfit", "calibrate", str(study_file), "--workers", "2", "--output"]
    done = subprocess.run([*command, str(tmp_path / "out"), "-n", "4"], capture_output=True, timeout=280, check=False)
    assert done.returncode == 5, done.stderr.decode()  # four are too few for a verdict
    assert set(content(tmp_path / "out")) == FILES
    running = subprocess.Popen(
        [*command, str(tmp_path / "stopped")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    time.sleep(8)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=30)  # ends when the last process that could write has ended
    assert running.returncode == 130
    assert b"Interrupted; no result was written." in errors
    assert b"Traceback" not in errors
    assert content(tmp_path / "stopped") == {}
