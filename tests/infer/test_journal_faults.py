"""Runs on disk that something is wrong with, and their locks: clear words, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from journal_runs import STUDY, Bell, Killed, contents, refused, run, run_in, same
from shortcuts import slow_after

import mtjfit.infer.store.journal as journal_module
from mtjfit.errors import MtjfitError
from mtjfit.infer import Chains, is_journal, open_journal, saved_steps
from mtjfit.output import replace_file


def edit(folder: Path, **changes: object) -> None:
    document = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(document | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2, "versions": {"mtjfit": "9.1"}}, r"written by a newer version of mtjfit \(9\.1, format 2\), and"),
        ({"format": "x"}, "is damaged"),
        ({"program": "other"}, "is damaged .*it is of another program"),
        ({"study": {"sampling.seed": "6"}}, "is damaged .*the fingerprint is not that of the study"),
        ({"segments": [{"file": "../x", "sha256": "", "holds": "prepared", "steps": 0}]}, r"is damaged .*segments.0"),
        ({"segments": None}, "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_and_left_alone(begun: Path, changes: dict, says: str):
    edit(begun, **changes)
    with refused(begun, rf"manifest\.json: {says}" if "newer" not in says else says):
        run_in(begun)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 10**5, "\x00"])
def test_a_manifest_that_is_no_json_is_damaged(begun: Path, text: str):
    (begun / "manifest.json").write_text(text)
    with pytest.raises(MtjfitError, match=r"json: is damaged .*; put back an intact copy, or delete the folder"):
        run_in(begun)


def test_another_study_is_refused_with_the_differences(begun: Path):
    with refused(begun, "another study") as said, open_journal(begun, {"sampling.seed": "6", "new": "1"}):
        pass
    assert str(said.value).splitlines()[1:] == [
        "  sampling.seed: was 5, is 6",
        "  parameters.x: was normal, is gone",
        "  new: was not there, is 1",
        "Change that back to go on with it, or name another folder to start anew",
    ]


def test_many_differences_are_counted(begun: Path):
    many = {f"key {k}": "1" for k in range(32)}
    with refused(begun, r"(?m)^  and 20 more$"), open_journal(begun, STUDY | many):
        pass


def test_a_program_that_computes_another_posterior_is_refused(begun: Path):
    with refused(begun, "computes another posterior from the same study"):
        run_in(begun, target=Bell(1.001))


def test_other_versions_are_told_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_module, "versions", lambda: {"numpy": "2.0"})
    run_in(tmp_path / "run", max_steps=5)
    monkeypatch.setattr(journal_module, "versions", lambda: {"numpy": "3.0"})
    with open_journal(tmp_path / "run", STUDY) as journal:
        assert journal.notes[1].endswith("not equal to the last digit: numpy: was 2.0, is 3.0")
        assert journal.begun_with == {"numpy": "2.0"}


# disks and folders


@pytest.mark.parametrize(("number", "after"), slow_after(1, [(errno.ENOSPC, 1), (errno.ENOSPC, 0), (errno.EIO, 3)]))
def test_a_full_disk_loses_nothing(begun: Path, undisturbed: Chains, monkeypatch, number: int, after: int):
    before = contents(begun, "segment*")
    left = [2 + after]  # one operation opens the folder, one more is to see it work

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MtjfitError, match=rf"written: {os.strerror(number)}; the \d+ steps saved before are whole"):
            run_in(begun)
    now = contents(begun)
    assert now.items() >= before.items()
    assert not [name for name in now if name.endswith(".tmp")]
    assert same(run_in(begun), undisturbed)


def test_a_limit_of_the_system_on_files_is_no_crash(begun: Path, undisturbed: Chains):
    """A real write that fails, not a pretended one."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(MtjfitError, match="cannot be written: File too large; the 30 steps saved before are whole"):
            run_in(begun)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same(run_in(begun), undisturbed)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_is_read_only(begun: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    original = os.open

    def denied(path: object, flags: int, *mode: int) -> int:  # root, who runs some tests, may write anywhere
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return original(path, flags, *mode)

    with monkeypatch.context() as patch:
        patch.setattr("os.open", denied)
        with refused(begun, rf"cannot be written: {os.strerror(number)}; nothing in it was changed"):
            run_in(begun)


def test_a_file_in_the_way_of_the_folder(tmp_path: Path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(MtjfitError, match="holds files that are no run of mtjfit"):
        run_in(tmp_path / "run")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(MtjfitError, match="cannot be written"):
        run_in(tmp_path / "file" / "run")


def test_foreign_files_are_left_alone(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    assert not is_journal(tmp_path / "run")
    with refused(tmp_path / "run", "holds files that are no run of mtjfit; move them, or name another folder"):
        run_in(tmp_path / "run")


def test_a_file_that_is_held_for_a_moment_is_waited_for(begun: Path, undisturbed: Chains, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    original, refusals = Path.replace, [3]

    def held(self: Path, target: Path) -> Path:
        if refusals[0]:
            refusals[0] -= 1
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", held)
    assert same(run_in(begun), undisturbed)


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be deleted there")
@pytest.mark.parametrize("theirs", [{}, {"lock": b"another process"}])
def test_a_run_that_was_taken_away_is_not_written_to(begun: Path, theirs: dict[str, bytes]):
    """Somebody deleted the lock, and perhaps another process took the run over."""
    before = contents(begun)
    with open_journal(begun, STUDY) as journal:
        (begun / "lock").unlink()
        for name, data in theirs.items():
            (begun / name).write_bytes(data)
        with pytest.raises(MtjfitError, match="lock: was taken away while this process was working on the run"):
            run(journal)
        with pytest.raises(MtjfitError, match="was taken away"):
            journal.discard()
    assert contents(begun) == before | theirs


@pytest.mark.skipif(os.name != "posix", reason="folders are not synchronised there")
def test_a_file_system_that_cannot_synchronise_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def only_files(handle: int, number: int = errno.EINVAL) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", only_files)
    replace_file(tmp_path / "a", b"1")
    monkeypatch.setattr("os.fsync", lambda handle: only_files(handle, errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        replace_file(tmp_path / "a", b"2")


def test_a_run_that_saved_nothing_leaves_nothing(tmp_path: Path):
    with open_journal(tmp_path / "run", STUDY) as journal:
        assert journal.is_empty
        assert (tmp_path / "run" / "lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_run_leaves_nothing_even_if_it_is_killed_on_the_way(begun: Path, monkeypatch):
    assert saved_steps(begun) == 30
    original, first = Path.unlink, []

    def killed(self: Path, missing_ok: bool = False) -> None:
        first.append(self.name)
        original(self, missing_ok=missing_ok)
        raise Killed

    def discard() -> None:
        with monkeypatch.context() as patch, open_journal(begun, STUDY) as journal:
            patch.setattr(Path, "unlink", killed)
            journal.discard()

    with pytest.raises(Killed):
        discard()
    assert first[0] == "manifest.json"
    assert saved_steps(begun) is None
    with open_journal(begun, STUDY) as journal:
        assert journal.is_empty
        journal.discard()
    assert list(begun.parent.iterdir()) == []


# one process on one run: a living one is respected, a dead one is not in the way

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
    with journal_module.locked(path) as lock:
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


@pytest.mark.slow
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
    with journal_module.locked(path), pytest.raises(MtjfitError, match="is working on this run"):
        take(path)
    take(path)


@pytest.mark.parametrize("text", ["", OF_EARLIER_VERSIONS, "\x00"])
def test_a_file_that_was_left_behind_is_not_in_the_way(path: Path, text: str):
    path.write_text(text, encoding="utf-8")
    take(path)


def test_a_file_of_somebody_is_not_deleted(path: Path):
    path.write_text("mine", encoding="utf-8")
    with journal_module.locked(path):
        pass
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(os.name != "posix", reason="nobody can read a locked file there")
def test_a_holder_without_a_name_is_respected(path: Path):
    with journal_module.locked(path):
        path.write_text("", encoding="utf-8")
        with pytest.raises(MtjfitError, match="another process, here or on a computer that shares the folder, is work"):
            take(path)
