"""One process on one run: a living one is respected, a dead one is not in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtjfit.errors import MtjfitError
from mtjfit.infer.store.journal import locked

HOLD = """
import sys
from pathlib import Path
from mtjfit.infer.store.journal import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
OF_EARLIER_VERSIONS = '{"pid": 1, "host": "elsewhere", "born": ""}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def take(path: Path) -> None:
    with locked(path) as lock:
        lock.check()
        assert path.exists()
    assert list(path.parent.iterdir()) == []


@pytest.fixture
def holder(path: Path):
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline().strip() == b"held"
        yield process
        process.kill()


def test_a_living_process_is_respected_and_a_killed_one_is_not(path: Path, holder: subprocess.Popen):
    who = rf"process {holder.pid} on the computer \S+" if os.name == "posix" else "another process"
    for _ in range(2):
        with pytest.raises(MtjfitError, match=rf"lock: {who} .*is working on this run; wait for it, or stop it"):
            take(path)
    holder.kill()
    if os.name == "posix":
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # ended, but its parent has not asked: a zombie
    else:
        holder.wait()
    assert path.exists()
    take(path)


def test_the_same_process_cannot_hold_it_twice(path: Path):
    with locked(path), pytest.raises(MtjfitError, match="is working on this run"):
        take(path)
    take(path)


@pytest.mark.parametrize("text", ["", OF_EARLIER_VERSIONS, "\x00"])
def test_a_file_that_was_left_behind_is_not_in_the_way(path: Path, text: str):
    path.write_text(text)
    take(path)


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be deleted there")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_that_was_taken_away_is_noticed_and_not_taken_back(path: Path, replaced: bool):
    with locked(path) as lock:
        path.unlink()
        if replaced:
            path.write_text("somebody else's")
        with pytest.raises(MtjfitError, match="was taken away while this process was working on the run"):
            lock.check()
    assert path.exists() is replaced


@pytest.mark.skipif(os.name != "posix", reason="nobody can read a locked file there")
def test_a_holder_without_a_name_is_respected(path: Path):
    with locked(path):
        path.write_text("")
        with pytest.raises(MtjfitError, match="another process, here or on a computer that shares the folder, is work"):
            take(path)
