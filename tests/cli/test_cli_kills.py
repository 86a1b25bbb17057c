"""The real program, killed fifty times at random, on a real disk that is full and then read-only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

N_KILLS = 50
NUMBERS = ("summary.csv", "draws.npz")


def command(study: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "mtjfit", "run", str(study), "--output", str(output), "--resume", "--quiet"]


def run(study: Path, output: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(study, output), capture_output=True, check=False)


def numbers(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NUMBERS}


def longer(text: str) -> str:
    """500 steps, with a refit after 400 of them, whatever the gate says."""
    return text.replace("target_ess = 200", "target_ess = 10_000_000\nmax_steps = 500")


def test_fifty_kills_of_the_program_change_nothing(make_study, tmp_path: Path):
    study, folder = make_study(edit=longer), tmp_path / "out"
    begun = time.monotonic()
    assert run(study, tmp_path / "whole").returncode == 5  # far from ten million effective draws
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
    if os.name != "posix" or mount is None:
        pytest.skip("needs mount")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def test_a_disk_that_is_full_and_then_read_only(make_study, tmp_path: Path, small_disk: Path):
    study, folder = make_study(edit=longer), small_disk / "out"
    assert run(study, tmp_path / "whole").returncode == 5
    full = run(study, folder)
    said = full.stderr.decode()
    assert full.returncode == 3
    assert re.search(r"run: cannot be written: No space left on device; the \d+ steps saved before are whole", said)
    assert "What was sampled is saved. Resume with: mtjfit run " in said
    remount(small_disk, "ro")
    read_only = run(study, folder)
    assert (read_only.returncode, "cannot be written: Read-only file system" in read_only.stderr.decode()) == (3, True)
    remount(small_disk, "rw,size=100m")
    assert run(study, folder).returncode == 5
    assert numbers(folder) == numbers(tmp_path / "whole")
