"""Output folders that are recognised by the names in them, and files that are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mtjfit.errors import MtjfitError
from mtjfit.output import OTHER_FILE, OutputFolder, replace_file, replacing, temporary_of, write_file

NAMES = {"a.csv", "b.csv", "z.json"}


def folder_in(path: Path) -> OutputFolder:
    return OutputFolder(path / "out", "numbers", NAMES.__contains__, beside=lambda file: file.name == "runs")


def names(folder: OutputFolder) -> list[str]:
    return sorted(each.name for each in folder.path.iterdir())


def test_earlier_files_are_replaced_and_stale_ones_and_temporary_copies_go(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    folder.prepare()
    folder.write({"a.csv": b"1", "b.csv": b"1", "z.json": b"1"})
    (folder.path / ".b.csv.x8_w1.tmp").write_bytes(b"half")
    (folder.path / "runs").mkdir()
    folder.prepare()
    folder.write({"a.csv": b"2", "z.json": b"2"})
    assert names(folder) == ["a.csv", "runs", "z.json"]
    assert (folder.path / "a.csv").read_bytes() == b"2"


@pytest.mark.parametrize("name", ["thesis.tex", ".thesis.tex.x8_w1.tmp"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("years")
    with pytest.raises(MtjfitError, match="holds files that are no earlier numbers of mtjfit"):
        folder_in(tmp_path).prepare()


def test_a_file_that_appears_during_the_computation_does_not_cost_it(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    folder.prepare()
    (folder.path / "notes.txt").write_text("mine")
    folder.write({"z.json": b"1"})
    assert names(folder) == ["notes.txt", "z.json"]


def test_the_last_file_is_written_when_all_others_stand_and_stale_ones_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, original = folder_in(tmp_path), Path.replace
    folder.prepare()
    folder.write({"a.csv": b"1", "b.csv": b"1", "z.json": b"1"})

    def full(self: Path, target: Path) -> Path:
        if target.name == "z.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MtjfitError, match=r"z\.json: cannot be written: No space left on device; free the disk"):
        folder.write({"a.csv": b"2", "z.json": b"2"})
    assert {each.name: each.read_bytes() for each in folder.path.iterdir()} == {"a.csv": b"2", "z.json": b"1"}


def interrupted(target: Path) -> None:
    with replacing(target) as temporary:
        assert temporary_of(temporary.name) == "a.csv"
        temporary.write_bytes(b"ne")
        raise KeyboardInterrupt


def test_an_error_while_a_file_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    replace_file(target, b"old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a.csv": b"old"}


def test_a_missing_folder_of_one_file_is_named_with_advice_for_files(tmp_path: Path) -> None:
    with pytest.raises(MtjfitError, match=r"a\.csv: cannot be written: No such file or directory; .* another file$"):
        write_file(tmp_path / "none" / "a.csv", b"", OTHER_FILE)


def test_a_name_that_is_never_written_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not among the names of this folder: notes\.txt"):
        folder_in(tmp_path).write({"notes.txt": b""})
