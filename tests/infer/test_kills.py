"""Killed at random, a run goes on to the same posterior."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from killed_run import sampled

import mtjfit
from mtjfit.infer.journal import saved_steps

N_KILLS = 3
BLOCK = 20
PROGRAM = Path(__file__).with_name("killed_run.py")


def quick(text: str) -> str:
    """Two free lengths, and 240 steps whatever the gate says."""
    text = re.sub(r"(?m)^(lambda_sf_\w) *= .*$", r"\1 = { fixed = 5.0 }", text)
    return text.replace("target_ess = 200", "target_ess = 10_000_000\nmax_steps = 240")


@contextmanager
def started(study_file: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(PROGRAM), str(study_file), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(steps: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Until so many steps are saved; −1: not even the stage to begin with."""
    until = time.monotonic() + 60
    while (-1 if (saved := saved_steps(folder)) is None else saved) < steps:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)


def test_killed_at_random_it_ends_with_the_same_draws_and_summary(make_study, tmp_path: Path, monkeypatch):
    study_file, folder = make_study(edit=quick), tmp_path / "run"
    study = mtjfit.load_study(study_file)
    rng = np.random.default_rng()
    at = sorted(rng.choice(np.arange(-1, 8), N_KILLS, replace=False) * BLOCK)
    with ExitStack() as stack:
        # all at once, because each takes seconds to import what it needs; each then waits for its turn
        processes = [stack.enter_context(started(study_file, folder)) for _ in range(N_KILLS)]
        expected = sampled(study, None, monkeypatch.setattr)
        saved = []
        for process, steps in zip(processes, at, strict=True):
            assert process.stdout.readline().strip() == b"ready"
            process.stdin.write(b"go\n")
            process.stdin.flush()
            wait_for(steps, folder, process)
            time.sleep(0.1 * rng.random())  # about as long as a block takes
            process.kill()
            process.wait()
            saved.append(saved_steps(folder))
    found = sampled(study, folder, monkeypatch.setattr)
    says = f"killed with {saved} steps saved"
    assert found.chain.tobytes() == expected.chain.tobytes(), says
    assert found.log_likelihood.tobytes() == expected.log_likelihood.tobytes(), says
    assert found.summary().equals(expected.summary()), says
    assert str(found.verdict) == str(expected.verdict), says
