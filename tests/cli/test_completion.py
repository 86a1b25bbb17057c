"""Completion in the shell: the line of the documentation, in a bash of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "editor_and_shell.md"
PROGRAM = Path(sys.executable).with_name("mtjfit")


@pytest.mark.skipif(shutil.which("bash") is None or not PROGRAM.exists(), reason="needs bash and the installed program")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("da", ["datasets"]),
        ("datasets th", ["thickness-series"]),
        ("datasets k", ["kubota2008"]),
        ("datasets zz", []),
        ("schema wa", ["wafer"]),
        ("schema --out", ["--output"]),
    ],
)
def test_the_line_for_bash_completes(typed: str, offered: list[str]) -> None:
    line = re.search(r"\{code-block\} bash\n(.*)\n", PAGE.read_text(encoding="utf-8"))
    assert line is not None
    words = ["mtjfit", *typed.split()]
    script = "\n".join([
        line[1], f"COMP_WORDS=({' '.join(words)})", f"COMP_CWORD={len(words) - 1}",
        'function="$(complete -p mtjfit | sed -E "s/.*-F ([^ ]+) .*/\\1/")"', '"$function" mtjfit',
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ])  # fmt: skip
    path = os.pathsep.join([str(PROGRAM.parent), os.environ.get("PATH", "")])
    found = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60, env={**os.environ, "PATH": path}
    )
    assert found.stdout.split() == offered, found.stderr
