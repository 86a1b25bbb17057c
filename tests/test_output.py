"""Output folders that are recognised by their marker, and files that are whole, or not there, or left alone."""

from __future__ import annotations

import ast
import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from parsed import nodes

import mtjfit
from mtjfit.errors import MtjfitError
from mtjfit.output import OTHER_FILE, OutputFolder, refuse_file, replace_file, replacing, temporary_of, write_file

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
    assert names(folder) == ["a.csv", "mtjfit.json", "runs", "z.json"]
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
    assert names(folder) == ["mtjfit.json", "notes.txt", "z.json"]


def test_the_marker_is_complete_when_all_others_stand_and_stale_ones_are_gone(
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
    assert (folder.path / "a.csv").read_bytes() == b"2"
    assert names(folder) == ["a.csv", "b.csv", "mtjfit.json", "z.json"]
    assert '"incomplete"' in (folder.path / "mtjfit.json").read_text()
    monkeypatch.undo()
    folder.write({"z.json": b"3"})
    assert names(folder) == ["mtjfit.json", "z.json"]


def interrupted(target: Path) -> None:
    with replacing(target) as stream:
        assert temporary_of(Path(stream.name).name) == "a.csv"
        stream.write(b"ne")
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


# nothing is written over what mtjfit did not write, or through a link

posix = pytest.mark.skipif(os.name != "posix", reason="links need rights there, and there are no pipes")
MARKED = b"a figure drawn by mtjfit"


def thesis(path: Path) -> None:
    path.write_text("years", encoding="utf-8")


def linked(path: Path, target: Path) -> None:
    thesis(target)
    path.symlink_to(target)


OTHERS = {
    "file": lambda path, victim: thesis(path),
    "link": linked,
    "link to one of ours": lambda path, victim: (victim.write_bytes(MARKED), path.symlink_to(victim)),
    "link to nowhere": lambda path, victim: path.symlink_to(victim),
    "folder": lambda path, victim: path.mkdir(),
    "pipe": lambda path, victim: os.mkfifo(path),
}


def contents(folder: Path) -> dict[str, object]:
    found = ((each, each.lstat().st_mode, each.is_file() and each.read_bytes()) for each in folder.rglob("*"))
    return {str(each): (mode, data) for each, mode, data in found}


@posix
@pytest.mark.parametrize("over", [b"drawn by mtjfit", None])
@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_what_is_in_the_place_of_a_file_stays(tmp_path: Path, make: Callable[..., object], over: bytes | None) -> None:
    make(tmp_path / "a.svg", tmp_path / "victim")
    before = contents(tmp_path)
    for refused in (
        lambda: refuse_file(tmp_path / "a.svg", over),
        lambda: write_file(tmp_path / "a.svg", b"", "", over),
    ):
        with pytest.raises(MtjfitError, match=r"a\.svg: (exists already|is a link|is no regular file)"):
            refused()
    assert contents(tmp_path) == before


@posix
@pytest.mark.parametrize("make", list(OTHERS.values())[1:], ids=list(OTHERS)[1:])
def test_not_even_our_own_files_are_links_or_pipes(tmp_path: Path, make: Callable[..., object]) -> None:
    folder = folder_in(tmp_path)
    folder.write({"a.csv": MARKED})
    (folder.path / "a.csv").unlink()
    make(folder.path / "a.csv", tmp_path / "victim")
    before = contents(tmp_path)
    with pytest.raises(MtjfitError, match=r"a\.csv: was changed or added since"):
        folder.write({"a.csv": b"2"})
    with pytest.raises(MtjfitError, match=r"a\.csv: is (a link|no regular file)"):
        replace_file(folder.path / "a.csv", b"2")
    assert contents(tmp_path) == before


def test_all_files_changed_or_added_are_named_at_once(tmp_path: Path) -> None:
    listed = OutputFolder(tmp_path / "listed", "numbers", None)
    for folder, added in ((folder_in(tmp_path), "b.csv"), (listed, "notes.txt")):
        folder.write({"a.csv": b"1", "z.json": b"1"})
        for name in ("a.csv", added):
            (folder.path / name).write_bytes(b"mine")
        said = rf"{folder.path.name}: a\.csv, {added}: were changed or added since mtjfit wrote this folder; move them"
        with pytest.raises(MtjfitError, match=said):
            folder.prepare()


@pytest.mark.parametrize("place", [0, 10**6, 2 * 10**6 - 100], ids=["beginning", "middle", "end"])
def test_a_mark_counts_near_both_ends(tmp_path: Path, place: int) -> None:
    data = bytearray(2 * 10**6)
    data[place : place + len(MARKED)] = MARKED
    (tmp_path / "a.pdf").write_bytes(data)
    if place == 10**6:
        with pytest.raises(MtjfitError, match="did not write it"):
            refuse_file(tmp_path / "a.pdf", MARKED)
    else:
        write_file(tmp_path / "a.pdf", b"new", over=MARKED)
        assert (tmp_path / "a.pdf").read_bytes() == b"new"


@pytest.mark.parametrize("over", [b"drawn by mtjfit", None])
def test_a_file_that_appears_while_another_is_written_stays(tmp_path: Path, over: bytes | None) -> None:
    target = tmp_path / "a.svg"

    def raced() -> None:
        with replacing(target, over):
            thesis(target)

    with pytest.raises(MtjfitError, match="exists already"):
        raced()
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a.svg": b"years"}


@posix
def test_a_name_that_is_taken_in_the_last_moment_is_not_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, original = tmp_path / "a.svg", Path.hardlink_to

    def late(self: Path, other: Path) -> None:
        thesis(self)
        original(self, other)

    monkeypatch.setattr(Path, "hardlink_to", late)
    with pytest.raises(MtjfitError, match=r"a\.svg: cannot be written: File exists"):
        write_file(target, b"new", over=None)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a.svg": b"years"}


@posix
def test_a_file_system_without_second_names_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: Path, other: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", none)
    write_file(tmp_path / "a.svg", b"new", over=None)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a.svg": b"new"}


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_permissions_are_those_of_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        for over in (b"", None):
            write_file(tmp_path / f"{over}", b"", over=over)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {mode}


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "none/a", "\ud800" * 3])
def test_a_name_that_cannot_be_is_said(tmp_path: Path, name: str) -> None:
    for over in (b"", b"drawn by mtjfit", None):
        if name.startswith("\ud800") and os.name == "posix":
            continue  # bytes that are no UTF-8 are a name there
        with pytest.raises(MtjfitError, match="cannot be written: "):
            write_file(tmp_path / name, b"", over=over)
    if name != "none/a":
        with pytest.raises(MtjfitError, match="cannot be written: "):
            OutputFolder(tmp_path / name / "below", "numbers", None).prepare()


def test_a_forged_marker_deletes_nothing(tmp_path: Path) -> None:
    """It came with files of others, and says that a writing was interrupted."""
    folder = OutputFolder(tmp_path, "numbers", None)
    for sums in ("", [], [hashlib.sha256(b"other").hexdigest()], None, {}, 1):
        thesis(tmp_path / "thesis.tex")
        marker = {"program": "mtjfit", "kind": "numbers", "status": "incomplete", "files": {"thesis.tex": sums}}
        (tmp_path / "mtjfit.json").write_text(json.dumps(marker))
        with pytest.raises(MtjfitError, match=r"thesis\.tex"):
            folder.prepare()
        with contextlib.suppress(MtjfitError):
            folder.write({"a.csv": b"1"})
        assert (tmp_path / "thesis.tex").read_text() == "years"


# who may write at all

WRITES = {"output.py", "infer/store/journal.py"}
# in folders of their own, or of temporary files
WRITES |= {"wafer/stack/from_catalogue.py", "explorer/command.py", "cli/commands.py"}
WRITERS = {
    *("write_text", "write_bytes", "unlink", "rmdir", "rmtree", "mkdir", "makedirs", "rename", "replace_with", "touch"),
    *("symlink_to", "hardlink_to", "link", "symlink", "remove", "removedirs", "truncate", "chmod", "fchmod", "mkstemp"),
    *(
        "mkdtemp",
        "TemporaryFile",
        "NamedTemporaryFile",
        "TemporaryDirectory",
        "copyfile",
        "copytree",
        "move",
        "savetxt",
    ),
    *(
        "to_csv",
        "to_json",
        "to_excel",
        "to_parquet",
        "to_hdf",
        "to_netcdf",
        "to_file",
        "to_pickle",
        "tofile",
        "open_memmap",
    ),
}
IN_MEMORY = {
    "plain.py:to_csv", "html.py:remove", "wafer/reduce/processes.py:remove", "prior_influence/plot.py:remove",
    "wafer/catalogue/catalogue.py:to_json", "spectra/export.py:savetxt",
}  # fmt: skip


def writers(name: str, text: str) -> list[str]:
    """Calls in a file that make, change or delete files, or open one for that."""
    found = []
    for node in nodes(text):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [each.value for each in (*node.args, *(key.value for key in node.keywords if key.arg == "mode"))
                 if isinstance(each, ast.Constant) and isinstance(each.value, str)]  # fmt: skip
        opens = called == "open" and any(set(mode) <= set("rwxabt+") and set(mode) & set("wxa+") for mode in modes)
        figure = called == "savefig" and ast.unparse(node.args[0]) != "buffer"
        if (called in WRITERS and f"{name}:{called}" not in IN_MEMORY) or opens or figure:
            found.append(f"{name}:{node.lineno}: {called}")
    return found


def test_files_are_made_and_deleted_in_one_place() -> None:
    package = Path(mtjfit.__file__).parent
    files = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert {found.partition(":")[0] for name, text in files.items() for found in writers(name, text)} == WRITES


@pytest.mark.parametrize("line", [
    "path.write_text('x')", "open(path, 'w')", "path.open('xb')", "open(path, mode='r+')", "shutil.rmtree(path)",
    "frame.to_csv(path)", "fig.savefig(path)", "os.unlink(path)", "path.chmod(0o644)",
])  # fmt: skip
def test_sabotage_a_further_writer_is_found(line: str) -> None:
    assert len(writers("data/reader.py", f"def f(path):\n    {line}")) == 1
    assert writers("data/reader.py", "path.open('rb'); text.replace('w', 'x'); open(path, encoding='utf-8')") == []
