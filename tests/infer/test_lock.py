"""One process on one run: a living one is respected, a dead one is not in the way."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from shortcuts import ONLY_INFER

from mtjfit.errors import MtjfitError
from mtjfit.infer import lock as lock_module
from mtjfit.infer.lock import locked

HOLD = """
import sys
from pathlib import Path
from mtjfit.infer.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def take(path: Path) -> str:
    """What the file says while it is held here."""
    with locked(path) as lock:
        lock.check()
        return path.read_text(encoding="utf-8")


def said_by(pid: int, **changes: str) -> str:
    return json.dumps(json.loads(lock_module._name(pid)) | changes)


@pytest.fixture
def holder(path: Path):
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", ONLY_INFER + HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline().strip() == b"held"
        yield process
        process.kill()


def test_it_is_held_and_given_back(path: Path):
    assert json.loads(take(path))["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_a_living_process_is_respected_and_a_killed_one_is_not(path: Path, holder: subprocess.Popen):
    before = path.read_text(encoding="utf-8")
    with pytest.raises(
        MtjfitError, match=rf"lock: process {holder.pid} is working on this run; wait for it, or stop it"
    ):
        take(path)
    assert path.read_text(encoding="utf-8") == before
    holder.kill()
    if os.name == "posix":
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # ended, but its parent has not asked: a zombie
        if Path("/proc/self/stat").exists():
            take(path)
    holder.wait()
    assert json.loads(take(path))["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_the_same_process_cannot_hold_it_twice(path: Path):
    with locked(path), pytest.raises(MtjfitError, match="is working on this run"):
        take(path)


def test_another_computer_is_respected_whatever_runs_here(path: Path):
    path.write_text(said_by(2**22 + 1, host="elsewhere"), encoding="utf-8")
    with pytest.raises(MtjfitError, match=r"on the computer 'elsewhere' .* delete this file and resume"):
        take(path)
    assert path.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux says when a process was born")
def test_a_number_given_to_another_process_is_not_taken_for_the_first(path: Path):
    path.write_text(said_by(os.getpid(), born="long ago"), encoding="utf-8")
    take(path)


def test_a_process_that_cannot_be_asked_is_respected(path: Path, monkeypatch: pytest.MonkeyPatch):
    path.write_text(said_by(1), encoding="utf-8")
    with pytest.raises(MtjfitError, match="process 1 is working"):
        take(path)


@pytest.mark.skipif(os.name != "posix", reason="signal 0 is for POSIX")
@pytest.mark.parametrize(("error", "alive"), [(PermissionError, True), (ProcessLookupError, False), (None, True)])
def test_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch, error: type[OSError] | None, alive: bool):
    def kill(pid: int, number: int) -> None:
        assert number == 0
        if error:
            raise error

    monkeypatch.setattr(lock_module, "_stat", lambda pid: [])
    monkeypatch.setattr("os.kill", kill)
    assert lock_module._alive(123) is alive
    assert lock_module._born(123) == ""


def test_a_process_killed_before_it_wrote_its_name(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock_module, "_PATIENCE", 0.05)
    path.write_text("")
    take(path)


@pytest.mark.parametrize("text", ["x", "{}", "[1]", '{"pid": "x", "host": "", "born": ""}'])
def test_what_is_no_lock_is_left_to_a_person(path: Path, text: str):
    path.write_text(text)
    with pytest.raises(MtjfitError, match="is no lock of mtjfit; if no other process works on this run, delete it"):
        take(path)
    assert path.read_text() == text


def test_a_lock_that_was_taken_away_is_noticed_and_not_taken_back(path: Path):
    with locked(path) as lock:
        path.write_text("somebody else's")
        with pytest.raises(MtjfitError, match="was taken away while this process was working on the run"):
            lock.check()
    assert path.read_text() == "somebody else's"


def test_of_two_that_find_a_dead_lock_only_one_gets_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between the look at the dead lock and its removal another process has taken it over."""
    path.write_text(said_by(os.getpid(), born="long ago") if platform.system() == "Linux" else "")
    original, theirs = lock_module._refuse_if_held, said_by(1)

    def late(found_at: Path, found: str) -> None:
        original(found_at, found)
        path.write_text(theirs, encoding="utf-8")

    monkeypatch.setattr(lock_module, "_PATIENCE", 0.0)
    monkeypatch.setattr(lock_module, "_refuse_if_held", late)
    with pytest.raises(MtjfitError, match="process 1 is working on this run"):
        take(path)
    assert path.read_text(encoding="utf-8") == theirs
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_no_empty_lock(path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(handle: int, *_: object, **__: object) -> None:
        os.close(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", full)
    with pytest.raises(OSError, match="No space left"):
        take(path)
    assert not path.exists()
