"""Killed at random, a run goes on to the same posterior."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from killed_run import sampled

import mtjfit
from mtjfit.infer import saved_steps

N_KILLS = 3
BLOCK = 20
PROGRAM = Path(__file__).with_name("killed_run.py")


def quick(text: str) -> str:
    """Two free lengths, and 160 steps whatever the gate says."""
    text = re.sub(r"(?m)^(lambda_sf_\w) *= .*$", r"\1 = { fixed = 5.0 }", text)
    return text.replace("target_ess = 200", "target_ess = 10_000_000\nmax_steps = 160")


@contextmanager
def program(study_file: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(PROGRAM), str(study_file), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def killed(process: subprocess.Popen[str], folder: Path, steps: int, later: float) -> int | None:
    """Steps saved by a run that was killed some time after so many were; −1: before the stage to begin with was."""
    process.stdin.write("go\n")
    process.stdin.flush()
    pid = int(process.stdout.readline())
    until = time.monotonic() + 60
    while (-1 if (saved := saved_steps(folder)) is None else saved) < steps:
        os.kill(pid, 0)  # fails if it has ended, which no run does so early
        assert time.monotonic() < until
        time.sleep(0.002)
    time.sleep(later)
    with suppress(ProcessLookupError):  # it may be as quick as that
        os.kill(pid, signal.SIGKILL)
    assert process.stdout.readline() == "ended\n"
    return saved_steps(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks; tests/cli/test_cli_kills.py kills everywhere")
def test_killed_at_random_it_ends_with_the_same_draws_and_summary(make_study, tmp_path: Path):
    study_file, folder = make_study(edit=quick), tmp_path / "run"
    study = mtjfit.load_study(study_file)
    rng = np.random.default_rng()
    at = sorted(rng.choice(np.arange(-1, 5), N_KILLS, replace=False) * BLOCK)
    with program(study_file, folder) as process:
        expected = sampled(study, None)  # while the other process imports what it needs
        # at random within about as long as a block takes
        saved = [killed(process, folder, steps, 0.1 * rng.random()) for steps in at]
    found = sampled(study, folder)
    says = f"killed with {saved} steps saved"
    assert found.chain.tobytes() == expected.chain.tobytes(), says
    assert found.log_likelihood.tobytes() == expected.log_likelihood.tobytes(), says
    assert found.summary().equals(expected.summary()), says
    assert str(found.verdict) == str(expected.verdict), says
