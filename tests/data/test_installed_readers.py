"""Readers of other packages, found by their entry points in a program of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shortcuts import slow_after

GOOD = """
from mtjfit.data.readers import Column, Reader, Sheet

def read(source, options):
    rows = [line.split("|") for line in source.data.decode().splitlines()[1:]]
    columns = tuple(Column(name, "", cells) for name, cells in zip(("V", "T"), map(tuple, zip(*rows))))
    return (Sheet(source.label, "pipes", columns, tuple(range(2, 2 + len(rows)))),)

pipes = Reader("pipes", "table with pipes", lambda source: source.data.startswith(b"#pipes"), read)
taken = Reader("excel", "a second one", lambda source: False, read)
number = 7

def fails(source):
    raise KeyError("oh\\x1b[31m")

broken = Reader("broken", "table that breaks", fails, read)
"""
SHOW = """
from mtjfit.data.readers import read_sheet
sheet, = read_sheet("a.dat")
print(sheet.format, sheet.numbers("T"), sheet.notes)
"""


def shown(folder: Path, wanted: str) -> tuple[str, str]:
    """Output and last line of errors of a program that reads a file with this reader installed."""
    (folder / "lab_of_pipes.py").write_text(GOOD)
    about = folder / "lab_of_pipes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-of-pipes\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[mtjfit.readers]\nlab = lab_of_pipes:{wanted}\n")
    (folder / "a.dat").write_bytes(b"#pipes\n0.1|2.5\n0.2|5.0\n")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=folder, env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)  # fmt: skip
    return done.stdout, done.stderr.strip().rpartition("\n")[2]


def test_a_reader_of_another_package_is_asked_before_all_others(tmp_path: Path) -> None:
    out, _ = shown(tmp_path, "pipes")
    assert out == "pipes [2.5 5. ] ('read as table with pipes',)\n"


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "says"), slow_after(1, [
    ("nothing", "lab_of_pipes:nothing of the package lab-of-pipes cannot be loaded (AttributeError"),
    ("number", "lab_of_pipes:number of the package lab-of-pipes is a int"),
    ("taken", "is called 'excel', as another one is"),
    ("broken", "a.dat: is no table that breaks that can be read (KeyError: 'oh"),
]))  # fmt: skip
def test_a_package_that_cannot_be_used_is_named(tmp_path: Path, wanted: str, says: str) -> None:
    _, error = shown(tmp_path, wanted)
    assert says in error
    assert "\x1b" not in error
