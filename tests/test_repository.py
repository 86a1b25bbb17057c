"""Metadata of the repository: versions, names, Pythons and addresses that stand in several files agree."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mtjfit.cli.main import cli

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
GROUPS = {"audit", "dev", "docs", "lint", "test"}
EXTRAS = {"arviz", "cluster", "evidence", "excel", "explore", "macrospin", "netcdf", "parquet", "tdms"}
COMMIT = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

Files = dict[str, str]


def files() -> Files:
    """The files that repeat what pyproject.toml says, by path."""
    names = ["pyproject.toml", "CITATION.cff", "CHANGELOG.md", "codemeta.json", ".zenodo.json", "recipe/recipe.yaml",
             ".readthedocs.yaml", ".pre-commit-config.yaml", "noxfile.py", "do.py"]  # fmt: skip
    names += [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / ".github").rglob("*.yml"))]
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}


def project(found: Files) -> dict[str, Any]:
    return tomllib.loads(found["pyproject.toml"])["project"]


def value(text: str, key: str) -> str:
    """What follows the first ``key:`` of a YAML file."""
    found = re.search(rf"^ *{key}: *\"?([^\"\n]*?)\"?$", text, re.MULTILINE)
    assert found is not None, key
    return found[1]


def versions(found: Files) -> Iterator[str]:
    """The version, wherever it is said."""
    said = project(found)["version"]
    changelog = re.search(r"^## \[(.+?)\]", found["CHANGELOG.md"], re.MULTILINE)
    yield from others(said, {
        "CITATION.cff": value(found["CITATION.cff"], "version"),
        "CHANGELOG.md": changelog[1] if changelog else "",
        "codemeta.json": json.loads(found["codemeta.json"])["version"],
        ".zenodo.json": json.loads(found[".zenodo.json"])["version"],
        "recipe/recipe.yaml": value(found["recipe/recipe.yaml"], "version"),
    })  # fmt: skip


def pythons(found: Files) -> Iterator[str]:
    """Pythons of classifiers, oldest Python, and those of the workflow."""
    classified = [each.rpartition(" ")[2] for each in project(found)["classifiers"] if re.search(r":: 3\.\d+$", each)]
    matrix = re.search(r"^ +python: (\[.*\])$", found[".github/workflows/ci.yml"], re.MULTILINE)
    systems = re.search(r"^ +os: \[(.*)\]$", found[".github/workflows/ci.yml"], re.MULTILINE)
    yield from others(", ".join(classified), {"ci.yml": ", ".join(json.loads(matrix[1])) if matrix else ""})
    yield from others("ubuntu-latest, macos-latest, windows-latest", {"ci.yml": systems[1] if systems else ""})
    yield from others(classified[0], {
        "requires-python": project(found)["requires-python"].removeprefix(">="),
        "recipe/recipe.yaml": value(found["recipe/recipe.yaml"], "python_min"),
        "do.py": ".".join(re.search(r"version_info < \((\d+), (\d+)\)", found["do.py"]).groups()),
    })  # fmt: skip


def dependencies(found: Files) -> Iterator[str]:
    """What the conda recipe needs is what pyproject.toml needs; groups are for developers, extras for users."""
    said = tomllib.loads(found["pyproject.toml"])
    needed = {re.sub(r"^[\w-]+", lambda name: CONDA_NAMES.get(name[0], name[0]), each).replace(">=", " >=")
              for each in said["project"]["dependencies"]}  # fmt: skip
    run = found["recipe/recipe.yaml"].partition("  run:\n")[2].partition("\n\n")[0]
    yield from others(sorted(needed), {"recipe/recipe.yaml": sorted(re.findall(r"- (?!python )(.+)", run))})
    yield from others(sorted(GROUPS), {"dependency-groups": sorted(said["dependency-groups"])})
    yield from others(sorted(EXTRAS), {"optional-dependencies": sorted(said["project"]["optional-dependencies"])})


def addresses(found: Files) -> Iterator[str]:
    """The repository, its pages, name, title and licence."""
    about, citation = project(found), found["CITATION.cff"]
    meta, zenodo = json.loads(found["codemeta.json"]), json.loads(found[".zenodo.json"])
    urls = about["urls"]
    yield from others(urls["Source"], {
        "CITATION.cff": value(citation, "repository-code"),
        "codemeta.json": meta["codeRepository"],
        ".zenodo.json": zenodo["related_identifiers"][1]["identifier"],
        "recipe/recipe.yaml": value(found["recipe/recipe.yaml"], "repository"),
    })  # fmt: skip
    yield from others(urls["Documentation"], {"CITATION.cff": value(citation, "url"), "codemeta": meta["softwareHelp"]})
    yield from others(value(citation, "title"), {".zenodo.json": zenodo["title"]})
    yield from others(f"{about['description']}.", {"codemeta": meta["description"], "zenodo": zenodo["description"]})
    yield from others(about["license"], {
        "CITATION.cff": value(citation, "license"),
        "codemeta.json": meta["license"].rpartition("/")[2],
        ".zenodo.json": zenodo["license"],
        "recipe/recipe.yaml": value(found["recipe/recipe.yaml"], "license"),
    })  # fmt: skip
    yield from others(about["keywords"], {"codemeta.json": meta["keywords"], ".zenodo.json": zenodo["keywords"]})
    slug = urls["Source"].removeprefix("https://github.com/")
    named = set(re.findall(r"(?:github\.com|githubusercontent\.com)/(mtjfit/[\w-]+)", "\n".join(found.values())))
    yield from others({slug}, {"addresses": named})


def actions(found: Files) -> Iterator[str]:
    """Each action is pinned by commit, and each job has its own permissions."""
    for name, text in found.items():
        if not name.startswith(".github/workflows/"):
            continue
        used = re.findall(r"uses: (.+)", text)
        yield from (f"{name}: {each} is not pinned" for each in used if not COMMIT.fullmatch(each))
        if "\npermissions: {}\n" not in text or text.count("    runs-on:") != text.count("    permissions:\n"):
            yield f"{name}: a job has the permissions of the repository"
        if re.search(r": write(?! # the trusted publisher)", text):
            yield f"{name}: a job may write"


def lanes(found: Files) -> Iterator[str]:
    """Sessions of nox that the workflow names exist."""
    named = re.search(r"session: \[(.*)\]", found[".github/workflows/ci.yml"])
    for each in named[1].split(", ") if named else ["none named"]:
        if f"\ndef {each}(session: nox.Session)" not in found["noxfile.py"]:
            yield f"ci.yml: no session {each}"


def slow_parts(found: Files) -> Iterator[str]:
    """Every folder of tests, the files beside them and the doctests are in one part of the slow lane."""
    workflow = found[".github/workflows/ci.yml"]
    job = workflow.partition("\n  slow:\n")[2].partition("    steps:")[0]
    parts = " ".join(re.findall(r"^ +- (.+)", job, re.MULTILINE)).split()
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*/test_*.py")}
    for each in sorted({*folders, "tests/test_*.py", "mtjfit"}):  # a wing may be deleted with its tests
        if parts.count(each) != 1:
            yield f"ci.yml: slow tests of {each} are in {parts.count(each)} parts"
    for each in "  schedule:\n    - cron: ", "  workflow_dispatch:\n":
        if each not in workflow:
            yield f"ci.yml: not run by {each.strip()}"


def others(said: object, by_place: Mapping[str, object]) -> list[str]:
    return [f"{place} says {each!r}, not {said!r}" for place, each in by_place.items() if each != said]


CHECKS = [versions, pythons, dependencies, addresses, actions, lanes, slow_parts]


@pytest.mark.parametrize("check", CHECKS)
def test_the_files_agree(check: Any):
    assert list(check(files())) == []


SABOTAGE = [
    *((versions, name, "1.0.0rc1", "1.0.0") for name in
      ("CITATION.cff", "CHANGELOG.md", "codemeta.json", ".zenodo.json", "recipe/recipe.yaml", "pyproject.toml")),
    (pythons, "pyproject.toml", '    "Programming Language :: Python :: 3.14",\n', ""),
    (pythons, "pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = ">=3.12"'),
    (pythons, ".github/workflows/ci.yml", '"3.13", "3.14"]', '"3.13"]'),
    (pythons, ".github/workflows/ci.yml", "macos-latest, ", ""),
    (pythons, "recipe/recipe.yaml", 'python_min: "3.11"', 'python_min: "3.10"'),
    (pythons, "do.py", "version_info < (3, 11)", "version_info < (3, 10)"),
    (dependencies, "recipe/recipe.yaml", "    - scipy ", "    - scipi "),
    (dependencies, "pyproject.toml", '    "markupsafe', '    "markup-safe'),
    (dependencies, "pyproject.toml", "\nlint = [", "\nlinters = ["),
    (dependencies, "pyproject.toml", "\ntdms = [", "\ntest = []\ntdms = ["),
    (addresses, "codemeta.json", "mtjfit/mtjfit", "mtjfit/other"),
    (addresses, "CITATION.cff", "license: MIT", "license: BSD-3-Clause"),
    (addresses, ".zenodo.json", '"Bayesian"', '"Bayes"'),
    (addresses, ".github/ISSUE_TEMPLATE/config.yml", "mtjfit/mtjfit", "mtjfit/fork"),
    (actions, ".github/workflows/ci.yml", "@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5"),
    (actions, ".github/workflows/ci.yml", "contents: read", "contents: write"),
    (actions, ".github/workflows/release.yml", "\npermissions: {}\n", "\n"),
    (lanes, "noxfile.py", "def nightly(", "def night("),
    (slow_parts, ".github/workflows/ci.yml", "- tests/infer\n", ""),
    (slow_parts, ".github/workflows/ci.yml", "tests/test_*.py mtjfit", "tests/test_*.py"),
    (slow_parts, ".github/workflows/ci.yml", "  schedule:\n", "  scheduled:\n"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "name", "old", "new"), SABOTAGE)
def test_sabotage_is_found(check: Any, name: str, old: str, new: str):
    found = files()
    assert old in found[name]
    assert list(check(found | {name: found[name].replace(old, new)})) != []


def test_both_citations_are_those_of_the_files():
    """`mtjfit cite` against CITATION.cff, field by field."""
    found = files()
    citation, reference = found["CITATION.cff"].split("references:\n")
    said = CliRunner().invoke(cli, ["cite"], catch_exceptions=False).output
    paper, program = said.split("\n\n")
    entries = [dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.MULTILINE)) for entry in (paper, program)]
    assert [entry.count("{") - entry.count("}") for entry in (paper, program)] == [0, 0]
    authors = " and ".join(
        ", ".join(pair) for pair in re.findall(r'family-names: (\w+)\n +given-names: "(.+)"', reference)
    )
    assert entries[0] == {
        "author": authors.replace("è", r"{\`e}"),
        "title": value(reference, "title"),
        "journal": value(reference, "journal"),
        "volume": value(reference, "volume"),
        "pages": value(reference, "start"),
        "year": value(reference, "year"),
        "doi": value(reference, "doi"),
    }
    assert said.isascii()
    assert entries[1]["title"] == value(citation, "title")
    assert entries[1]["url"] == value(citation, "repository-code")
    assert entries[1]["note"].startswith("Version ")


def readme_on_pypi() -> str:
    """README.md after the substitutions that pyproject.toml declares for the long description."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    hook = tomllib.loads(files()["pyproject.toml"])["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for each in hook["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    return text


def test_the_readme_on_pypi_has_absolute_links_and_pictures():
    targets = re.findall(r"\]\(([^)]+)\)", readme_on_pypi())
    assert len(targets) > 5
    assert [each for each in targets if not each.startswith(("https://", "#"))] == []
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme_on_pypi())
    assert [each for each in pictures if "raw.githubusercontent.com/mtjfit/mtjfit/v$HFPR_VERSION/" not in each] == []


def test_lanes_and_do_py_lint_with_the_same_commands():
    assert 'runpy.run_path("do.py")["LINT"]' in files()["noxfile.py"]
    assert runpy.run_path(str(ROOT / "do.py"))["LINT"]
