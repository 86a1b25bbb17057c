"""Each wing can be deleted with its tests, and everything else still works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mtjfit
from mtjfit import lazy
from mtjfit.lazy import wing

ROOT = Path(__file__).resolve().parent.parent
WINGS = ("calibration", "comparison", "explorer", "paper", "planning", "prior_influence", "spectra", "wafer")
COMMANDS = {
    "calibration": {"calibrate"}, "explorer": {"explore"}, "paper": {"figures"}, "planning": {"plan"},
    "spectra": {"spectra"}, "wafer": {"batch", "wafer"},
}  # fmt: skip
IMPORTS = """
import importlib, pkgutil, mtjfit
for module in pkgutil.walk_packages(mtjfit.__path__, "mtjfit."):
    if module.name != "mtjfit.__main__":
        importlib.import_module(module.name)
import mtjfit.plot
for package in (mtjfit, mtjfit.plot):
    for name in dir(package):
        getattr(package, name)
"""
FEW_STEPS = ("target_ess = 2000", "target_ess = 50\nmax_steps = 60")


ASKED = {
    "comparison.command": ("compare_devices_command", "compare_mechanisms_command", "compare_studies_command"),
    "comparison.mechanisms.comparison": ("compare_mechanisms",),
    "comparison.section": ("comparison_sections",),
    "prior_influence.section": ("prior_section",),
    "spectra.check": ("check_spectra", "is_spectra_study"),
    "spectra.template": ("spectra_proposal",),
    "wafer.commands.check": ("check_wafer", "is_wafer_study"),
    "wafer.commands.compare": ("compare_catalogues", "is_catalogue"),
}
"""Names that the core asks of wings; a type checker does not see these."""


def python(folder: Path, *arguments: str, expected: tuple[int, ...] = (0,)) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in expected, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def without(gone: str, folder: Path) -> Path:
    """A copy of the tree without one wing."""
    skipped = shutil.ignore_patterns("__pycache__", ".*", "benchmarks")
    shutil.copytree(ROOT, folder, ignore=skipped, dirs_exist_ok=True)
    shutil.rmtree(folder / "mtjfit" / gone)
    shutil.rmtree(folder / "tests" / gone)
    return folder


@pytest.mark.slow  # half a minute for each wing: a new process imports, fits, samples and collects all tests
@pytest.mark.parametrize("gone", WINGS)
def test_a_wing_can_be_deleted(gone: str, tmp_path: Path) -> None:
    if wing(gone) is None:
        pytest.skip("deleted already")
    folder = without(gone, tmp_path / "tree")
    python(folder, "-W", "ignore", "-c", IMPORTS)
    shown = python(folder, "-m", "mtjfit", "--help")
    listed = {line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines() if line.strip()}
    assert {"demo", "init", "check", "identify", "run", "datasets"} <= listed
    assert not COMMANDS.get(gone, set()) & listed
    python(folder, "-m", "mtjfit", "datasets", "thickness-series", "--copy", "mine")
    study = folder / "mine" / "study.toml"
    study.write_text(study.read_text(encoding="utf-8").replace(*FEW_STEPS), encoding="utf-8")
    python(folder, "-m", "mtjfit", "run", "mine/study.toml", "--output", "out", "--quiet", expected=(0, 5))
    assert (folder / "out" / "report.html").stat().st_size > 100_000
    python(folder, "-m", "pytest", "-n0", "-q", "--collect-only", "-p", "no:cacheprovider", "tests")


@pytest.mark.parametrize("module", ASKED)
def test_wings_have_what_the_core_asks_for(module: str) -> None:
    found = wing(module)
    if found is None:
        pytest.skip("deleted")
    assert [name for name in ASKED[module] if not hasattr(found, name)] == []


def of_other_wings(folder: Path) -> list[str]:
    """Lines at the top of modules of tests that import a wing other than that of their own folder."""
    found = []
    for file in sorted(folder.rglob("*.py")):
        others = "|".join(name for name in WINGS if name != file.relative_to(folder).parts[0])
        lines = file.read_text(encoding="utf-8").splitlines()
        found += [f"{file.name}: {line}" for line in lines if re.match(rf"(from|import) mtjfit\.({others})\b", line)]
    return found


def test_tests_import_only_the_wing_in_which_they_lie(tmp_path: Path) -> None:
    """Else they cannot be collected without it; the slow test deletes each wing in turn."""
    assert of_other_wings(ROOT / "tests") == []
    (tmp_path / "wafer").mkdir()
    wrong = "from mtjfit.planning import plan"
    (tmp_path / "wafer" / "test_a.py").write_text(f"import mtjfit\nfrom mtjfit.wafer import FLAGS\n{wrong}\n")
    assert of_other_wings(tmp_path) == [f"test_a.py: {wrong}"]


@pytest.mark.parametrize(("gone", "names"), [("comparison", {"compare"}), ("planning", {"plan", "Plan"})])
def test_names_of_a_missing_wing_are_not_listed(gone: str, names: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if wing(gone) is None:
        pytest.skip("deleted already")
    assert {gone, *names} <= {*dir(mtjfit)}
    is_there = lazy._is_there
    monkeypatch.setattr(lazy, "_is_there", lambda module: f"mtjfit.{gone}" not in module and is_there(module))
    assert not {gone, *names} & {*dir(mtjfit)}


def test_a_missing_wing_is_named() -> None:
    from mtjfit.lazy import names_on_demand

    with pytest.raises(
        ModuleNotFoundError, match=r"mtjfit\.plan needs mtjfit\.moon, which this installation was built"
    ):
        names_on_demand("mtjfit", {".moon": ["plan"]})("plan")
