"""Completion in the shell: the line of the documentation, in a shell of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shortcuts import slow_after

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "editor_and_shell.md"
PROGRAM = Path(sys.executable).with_name("mtjfit")
CASES = [
    ("da", ["datasets"]),
    ("datasets th", ["thickness-series"]),
    ("datasets k", ["kubota2008"]),
    ("datasets zz", []),
    ("schema wa", ["wafer"]),
    ("schema --out", ["--output"]),
]
FEWER = [*CASES[:2], ("datasets zz", []), ("check stu", ["study.toml"])]  # each starts a shell and mtjfit
TYPE = """
zmodload zsh/zpty
zpty inner zsh -d -i
zpty -w -n inner "$TYPED"
while zpty -r inner shown; do :; done
"""
RC = """
autoload -Uz compinit; compinit -u -D
{line}
took() {{ print -r -- "$BUFFER" > line; exit }}
zle -N took; bindkey '^X' took
"""


def line_for(shell: str) -> str:
    """What the page says to put into the start-up file."""
    found = re.search(rf"\{{code-block\}} {shell}\n(.*)\n", PAGE.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def run(shell: str, *arguments: str, folder: Path, **variables: str) -> str:
    """What a shell without start-up files of its own prints."""
    if shutil.which(shell) is None or not PROGRAM.exists():
        pytest.skip(f"needs {shell} and the installed program")
    path = os.pathsep.join([str(PROGRAM.parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, **variables}
    found = subprocess.run(
        [shell, *arguments], capture_output=True, text=True, timeout=120, env=environment, cwd=folder
    )
    return found.stdout


@pytest.mark.parametrize(("typed", "offered"), slow_after(1, CASES))
def test_the_line_for_bash_completes(typed: str, offered: list[str], tmp_path: Path) -> None:
    words = ["mtjfit", *typed.split()]
    script = "\n".join([
        line_for("bash"), f"COMP_WORDS=({' '.join(words)})", f"COMP_CWORD={len(words) - 1}",
        'function="$(complete -p mtjfit | sed -E "s/.*-F ([^ ]+) .*/\\1/")"', '"$function" mtjfit',
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ])  # fmt: skip
    assert run("bash", "--norc", "-c", script, folder=tmp_path).split() == offered


@pytest.mark.parametrize(("typed", "offered"), FEWER)
def test_the_line_for_zsh_completes(typed: str, offered: list[str], tmp_path: Path) -> None:
    """In a terminal of its own: the line is typed, tab is pressed, and what then stands there is written to a file."""
    (tmp_path / ".zshrc").write_text(RC.format(line=line_for("zsh")), encoding="utf-8")
    (tmp_path / "study.toml").touch()
    run("zsh", "-f", "-c", TYPE, folder=tmp_path, ZDOTDIR=str(tmp_path), TYPED=f"mtjfit {typed}\t\x18", TERM="dumb")
    complete = " ".join(["mtjfit", *typed.split()[:-1], *(offered or typed.split()[-1:])])
    assert (tmp_path / "line").read_text(encoding="utf-8").rstrip() == complete


@pytest.mark.parametrize(("typed", "offered"), FEWER)
def test_the_line_for_fish_completes(typed: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "study.toml").touch()
    script = f"{line_for('fish')}\ncomplete -C 'mtjfit {typed}'"
    shown = run("fish", "--no-config", "-c", script, folder=tmp_path)
    assert [line.split("\t")[0] for line in shown.splitlines()] == offered
