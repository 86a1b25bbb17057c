"""The README's Python lines give the numbers that stand there, and its commands exist."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from shortcuts import skip_without_wings

import mtjfit

README = Path(__file__).parent.parent / "README.md"


def run(text: str, tmp_path: Path) -> doctest.TestResults:
    block = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(block, {}, "README.md", str(README), 0)
    return doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False).run(test, out=lambda _: None)


def test_python_lines_of_the_readme_give_the_numbers_that_stand_there(
    tmp_path: Path, sampled_before, quick_fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The posterior is one that other tests look at, too, if it is the one that the README samples."""
    monkeypatch.setattr(mtjfit, "sample", lambda study, seed: sampled_before(study, seed) or 1 / 0)
    skip_without_wings(README.read_text(encoding="utf-8"))
    result = run(README.read_text(encoding="utf-8"), tmp_path)
    assert result.attempted >= 9
    assert result.failed == 0


def test_a_wrong_number_in_the_readme_would_be_noticed(tmp_path: Path) -> None:
    assert run("```python\n>>> 1 + 1\n3\n\n```", tmp_path).failed == 1


@pytest.mark.parametrize(
    "command",
    ["demo", "run", "check", "init", "identify", "plan", "compare", "spectra", "datasets", "figures", "calibrate"],
)
def test_commands_of_the_readme_exist(command: str) -> None:
    from mtjfit.cli.main import cli

    skip_without_wings(f"mtjfit {command}")
    assert command in cli.commands
    assert f"mtjfit {command}" in README.read_text(encoding="utf-8")


def test_local_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    missing = [link for link in links if not (README.parent / link).exists()]
    assert links
    assert missing == []
