"""Exceptions that a library drops in C: no wrong points, no traceback, and Ctrl-C still interrupts.

scipy reads its table of Sobol directions once for each process, in C; so each case has a process of its own, in which
reading fails as often as it says.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
from scipy.stats import qmc
from shortcuts import slow_after

import mtjfit
from mtjfit.errors import MtjfitError
from mtjfit.model import even_points, layout

FAILING = """
import sys
import numpy as np

reads = np.load
times = int(sys.argv[1])
error = KeyboardInterrupt if sys.argv[2] == "interrupt" else OSError(24, "Too many open files")

def load(*args, **options):
    global times
    times -= 1
    if times >= 0:
        raise error
    return reads(*args, **options)

np.load = load
"""
POINTS = """
from mtjfit.model import even_points
u = even_points(3, 64)
print(sorted({tuple(sorted(column)) for column in (u * 64).astype(int).T}) == [tuple(range(64))])
"""
COMMAND = """
from mtjfit.cli import cli
cli(["check", sys.argv[3]])
"""


def ended(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FAILING + code, *arguments], capture_output=True, text=True, timeout=120, check=False,
        encoding="utf-8",
    )  # fmt: skip


@pytest.mark.parametrize(("times", "made"), [(0, True), (1, True), (9, False)])
def test_points_that_are_all_the_same_are_made_again(times: int, made: bool, monkeypatch: pytest.MonkeyPatch):
    """A stand-in for scipy, in this process; what scipy does itself is seen below."""
    failures = [np.zeros((64, 3))] * times

    class Failing(qmc.Sobol):
        def random(self, n: int) -> np.ndarray:
            return failures.pop() if failures else super().random(n)

    monkeypatch.setattr(layout.qmc, "Sobol", Failing)
    with nullcontext() if made else pytest.raises(MtjfitError, match="scipy cannot read its table"):
        u = even_points(3, 64)
        assert {tuple(sorted(column)) for column in (u * 64).astype(int).T} == {tuple(range(64))}


@pytest.mark.slow
@pytest.mark.parametrize("times", ["1", "0"])
def test_points_are_even(times: str):
    """Without a second look all points are the same after one failure."""
    assert ended(POINTS, times, "interrupt").stdout.split() == ["True"]


@pytest.mark.slow
def test_no_points_are_made_up():
    said = ended(POINTS, "9", "files")
    assert said.returncode == 1
    assert "MtjfitError: scipy cannot read its table" in said.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "error", "code"), slow_after(1, [("1", "interrupt", 130), ("9", "files", 3), ("1", "files", 0)])
)
def test_commands_end_as_they_should(times: str, error: str, code: int):
    said = ended(COMMAND, times, error, str(mtjfit.dataset("kubota2008").study_file))
    assert (said.returncode, "Traceback" in said.stderr) == (code, False)
    expected = {130: "Interrupted", 3: "Error: scipy cannot read its table", 0: "note: a library went on after OSError"}
    assert expected[code] in said.stderr
