"""Saved runs that tests of inference share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from journal_runs import run, run_in

from mtjfit.infer import Chains


@contextmanager
def no_waiting_for_disks() -> Iterator[None]:
    """fsync protects from a power cut only, and takes milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def quick_disks() -> Iterator[None]:
    with no_waiting_for_disks():
        yield


@pytest.fixture(scope="module")
def undisturbed() -> Chains:
    """The chains that every other run must end with."""
    with no_waiting_for_disks():
        return run()


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun") / "run"
    with no_waiting_for_disks():
        run_in(folder, max_steps=30)
    return folder


@pytest.fixture
def begun(begun_once: Path, tmp_path: Path) -> Path:
    """The folder of a run that stopped after 30 of 75 steps; the first 20 served to fit its proposal."""
    return shutil.copytree(begun_once, tmp_path / "run")
