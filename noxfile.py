#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2024.10"]
# ///
"""Lanes of mtjfit: `nox` runs those of every change, `nox -s NAME` one, `nox -l` lists all.

Needs nox, and uv for the lowest versions. A clone without either has `python3 do.py`.
"""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
NIGHTLY = "https://pypi.anaconda.org/scientific-python-nightly-wheels/simple"

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False


def group(name: str) -> list[str]:
    """Packages of a dependency group."""
    return nox.project.dependency_groups(PROJECT, name)


def run_tests(session: nox.Session, *options: str) -> None:
    session.env.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    session.run("pytest", *options, *(session.posargs or ("-n", "2", "--dist", "loadfile")))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Tests and doctests with current packages."""
    session.install("--editable", ".", *group("test"))
    run_tests(session)


@nox.session(python=OLDEST, venv_backend="uv", default=False)
def lowest(session: nox.Session) -> None:
    """Tests with the oldest packages that pyproject.toml allows."""
    oldest = ("--resolution", "lowest-direct", "pyparsing>=3.2,<3.3")  # newer ones warn of what matplotlib 3.10 calls
    session.install(*oldest, "--editable", ".", *group("test"))
    # an old package may use what a newer one deprecates: that is theirs to mend
    run_tests(session, "-W", "ignore::DeprecationWarning")


@nox.session(python=NEWEST, venv_backend="uv", default=False)
def prerelease(session: nox.Session) -> None:
    """Tests with the newest packages, release candidates among them."""
    session.install("--prerelease", "allow", "--editable", ".", *group("test"))
    run_tests(session)


@nox.session(python=NEWEST, venv_backend="uv", default=False)
def nightly(session: nox.Session) -> None:
    """Tests with last night's numpy, scipy, pandas and matplotlib."""
    session.install("--editable", ".", *group("test"))
    newest = ("--prerelease", "allow", "--upgrade", "--index", NIGHTLY, "--index-strategy", "unsafe-best-match")
    session.install(*newest, "numpy", "scipy", "pandas", "matplotlib")
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """What `python3 do.py lint` runs."""
    session.install("--editable", ".", *group("test"), *group("lint"))
    for command in runpy.run_path("do.py")["LINT"]:
        session.run(*command.split())


@nox.session
def docs(session: nox.Session) -> None:
    """The pages, in mtjfit-docs; `-- --without-notebooks` takes half a minute."""
    session.install("--editable", ".", *group("docs"))
    session.run("python", "docs/build.py", *(session.posargs or ("mtjfit-docs",)))


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and sdist in dist; each is installed alone and runs the demonstration."""
    shutil.rmtree("dist", ignore_errors=True)
    session.install("build", "twine")
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *(str(path) for path in Path("dist").iterdir()))
    for package in sorted(Path("dist").iterdir()):
        bare = Path(session.create_tmp()) / "bare"
        programs = bare / ("Scripts" if os.name == "nt" else "bin")
        session.run("python", "-m", "venv", "--clear", str(bare))
        session.run(str(programs / "python"), "-m", "pip", "install", "--quiet", str(package), external=True)
        session.run(str(programs / "mtjfit"), "--help", silent=True, external=True)
        session.run(str(programs / "mtjfit"), "demo", "--output", str(bare / "demo"), external=True)


if __name__ == "__main__":
    nox.main()
