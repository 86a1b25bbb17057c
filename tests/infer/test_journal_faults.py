"""Runs on disk that something is wrong with: the manifest, the disk, the folder. Clear words, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from journal_runs import STUDY, Bell, Killed, begun, begun_once, contents, quick_disks, run, run_in, same, undisturbed

from mtjfit.errors import MtjfitError
from mtjfit.infer import Chains, is_journal, open_journal, saved_steps
from mtjfit.infer.store import journal as journal_module
from mtjfit.output import replace_file

__all__ = ["begun", "begun_once", "quick_disks", "undisturbed"]  # fixtures


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
    before = contents(begun)
    with pytest.raises(MtjfitError, match=rf"manifest\.json: {says}" if "newer" not in says else says):
        run_in(begun)
    assert contents(begun) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 10**5, "\x00"])
def test_a_manifest_that_is_no_json_is_damaged(begun: Path, text: str):
    (begun / "manifest.json").write_text(text)
    with pytest.raises(MtjfitError, match=r"json: is damaged .*; put back an intact copy, or delete the folder"):
        run_in(begun)


def test_another_study_is_refused_with_the_differences(begun: Path):
    before = contents(begun)
    with pytest.raises(MtjfitError) as refused, open_journal(begun, {"sampling.seed": "6", "new": "1"}):
        pass
    assert str(refused.value).splitlines()[1:] == [
        "  sampling.seed: was 5, is 6",
        "  parameters.x: was normal, is gone",
        "  new: was not there, is 1",
        "Change that back to go on with it, or name another folder to start anew",
    ]
    assert contents(begun) == before


def test_many_differences_are_counted(begun: Path):
    with (
        pytest.raises(MtjfitError, match=r"(?m)^  and 20 more$"),
        open_journal(begun, STUDY | {f"key {k}": "1" for k in range(32)}),
    ):
        pass


def test_a_program_that_computes_another_posterior_is_refused(begun: Path):
    before = contents(begun)
    with pytest.raises(MtjfitError, match="computes another posterior from the same study"):
        run_in(begun, target=Bell(1.001))
    assert contents(begun) == before


def test_other_versions_are_told_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_module, "versions", lambda: {"numpy": "2.0"})
    run_in(tmp_path / "run", max_steps=5)
    monkeypatch.setattr(journal_module, "versions", lambda: {"numpy": "3.0"})
    with open_journal(tmp_path / "run", STUDY) as journal:
        assert journal.notes[1].endswith("not equal to the last digit: numpy: was 2.0, is 3.0")
        assert journal.begun_with == {"numpy": "2.0"}


# disks and folders


@pytest.mark.parametrize(("number", "after"), [(errno.ENOSPC, 0), (errno.ENOSPC, 1), (errno.EIO, 3)])
def test_a_full_disk_loses_nothing(begun: Path, undisturbed: Chains, monkeypatch, number: int, after: int):
    before = contents(begun)
    left = [2 + after]  # one operation opens the folder, one more is to see it work

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("mtjfit.output.os.fsync", full)
        with pytest.raises(MtjfitError, match=rf"written: {os.strerror(number)}; the \d+ steps saved before are whole"):
            run_in(begun)
    now = contents(begun)
    assert {name: data for name, data in now.items() if name in before and name != "manifest.json"} == {
        name: data for name, data in before.items() if name != "manifest.json"
    }
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
    before = contents(begun)
    original = os.open

    def denied(path: object, flags: int, *mode: int) -> int:  # root, who runs some tests, may write anywhere
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return original(path, flags, *mode)

    with monkeypatch.context() as patch:
        patch.setattr("os.open", denied)
        with pytest.raises(MtjfitError, match=rf"cannot be written: {os.strerror(number)}; nothing in it was changed"):
            run_in(begun)
    assert contents(begun) == before


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
    with pytest.raises(MtjfitError, match="holds files that are no run of mtjfit; move them, or name another folder"):
        run_in(tmp_path / "run")
    assert contents(tmp_path / "run") == {"notes.txt": b"mine"}


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
def test_a_run_that_was_taken_away_is_not_written_to(begun: Path):
    """Somebody deleted the lock, and another process took the run over."""
    before = contents(begun)
    with open_journal(begun, STUDY) as journal:
        (begun / "lock").unlink()
        (begun / "lock").write_text("another process")
        with pytest.raises(MtjfitError, match="lock: was taken away while this process was working on the run"):
            run(journal)
        with pytest.raises(MtjfitError, match="was taken away"):
            journal.discard()
    assert contents(begun) == before | {"lock": b"another process"}


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
