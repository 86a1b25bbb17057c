"""What Windows and macOS do differently, simulated here: paths, names without case, files held open, code pages."""

from __future__ import annotations

import io
import ntpath
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

import click
import pytest

from mtjfit import output
from mtjfit.cli.main import cli
from mtjfit.errors import MtjfitError
from mtjfit.output import OutputFolder, write_file
from mtjfit.streams import VisibleStream
from mtjfit.study import template_data
from mtjfit.terminal import command_line

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("mtjfit", "datasets", "tests", "docs", "notebooks", "benchmarks", ".github")
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(1, 10))}
LONGEST_PATH = 150  # characters; Windows allows 260 with the folder of the clone


def test_addresses_of_sqlite_name_no_machine(tmp_path: Path):
    """SQLite refuses the address of a share as `pathlib` writes it, and takes two slashes more."""
    sqlite_uri = pytest.importorskip("mtjfit.wafer.catalogue.files", reason="mtjfit/wafer was deleted").sqlite_uri
    share = PureWindowsPath(r"\\server\lots\W 7.db")
    assert sqlite_uri(share) == "file:////server/lots/W%207.db"
    assert sqlite_uri(PureWindowsPath(r"C:\lots\W7.db")) == "file:///C:/lots/W7.db"
    assert (
        sqlite_uri(PurePosixPath("/lots/50 %?mode=memory#é.db")) == "file:///lots/50%20%25%3Fmode%3Dmemory%23%C3%A9.db"
    )
    with pytest.raises(sqlite3.OperationalError, match="invalid uri authority"):
        sqlite3.connect("file://server/lots/W%207.db", uri=True)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):  # it looked for the folder
        sqlite3.connect(sqlite_uri(share), uri=True)


def test_a_file_on_another_drive_is_named_in_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os.path, "relpath", lambda path, folder: ntpath.relpath(f"D:{path}", f"C:{folder}"))
    shown = template_data._shown(tmp_path / "series.csv", tmp_path / "study")
    assert shown == (tmp_path / "series.csv").resolve().as_posix()


def test_a_path_with_a_blank_can_be_pasted_into_the_shell_of_windows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "name", "nt")
    assert command_line("run", r"C:\my data\study.toml") == r'mtjfit run "C:\my data\study.toml"'


def as_on_windows(monkeypatch: pytest.MonkeyPatch, refusals: int) -> list[str]:
    """Renaming fails so often, as while a virus scanner holds the new file, and never replaces what is there."""
    tries: list[str] = []
    really = Path.rename

    def rename(self: Path, target: Path) -> None:
        tries.append(target.name)
        if len(tries) <= refusals:
            raise PermissionError(13, "used by another process")
        if target.exists():
            raise FileExistsError(17, "File exists")
        really(self, target)

    monkeypatch.setattr(output, "_POSIX", False)
    monkeypatch.setattr(output, "_WAIT", 0.0)
    monkeypatch.setattr(Path, "rename", rename)
    return tries


def test_a_new_file_that_is_held_for_a_moment_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tries = as_on_windows(monkeypatch, 2)
    write_file(tmp_path / "a.svg", b"new", over=None)
    assert (tries, (tmp_path / "a.svg").read_bytes()) == (["a.svg"] * 3, b"new")


def test_a_new_file_that_stays_held_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    as_on_windows(monkeypatch, 10**6)
    with pytest.raises(MtjfitError, match=r"a\.svg: cannot be written: used by another process"):
        write_file(tmp_path / "a.svg", b"new", over=None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_open_elsewhere_is_replaced_when_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tries: list[Path] = []
    really = Path.replace

    def replace(self: Path, target: Path) -> None:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(13, "used by another process")
        really(self, target)

    (tmp_path / "a.csv").write_bytes(b"old")
    monkeypatch.setattr(output, "_WAIT", 0.0)
    monkeypatch.setattr(Path, "replace", replace)
    write_file(tmp_path / "a.csv", b"new")
    assert (len(tries), (tmp_path / "a.csv").read_bytes()) == (3, b"new")


def folder_of(path: Path) -> OutputFolder:
    return OutputFolder(path, "pages", {"page.html", "table.csv"}.__contains__, "pages.json")


def has_case(folder: Path) -> bool:
    """Whether the file system tells ``page.html`` from ``Page.HTML``; those of Linux do."""
    (folder / "case").touch()
    found = not (folder / "CASE").exists()
    (folder / "case").unlink()
    return found


def test_the_same_name_in_other_letters_is_not_written_over(tmp_path: Path):
    folder = folder_of(tmp_path)
    rename = os.link if has_case(tmp_path) else Path.rename  # two names of one file stand for a system without case
    folder.write({"page.html": b"1"})
    rename(tmp_path / "page.html", tmp_path / "Page.HTML")
    for attempt in (folder.prepare, lambda: folder.write({"page.html": b"2"})):
        with pytest.raises(MtjfitError, match=r"Page\.HTML: would be written over as page\.html.*move it away"):
            attempt()
    assert (tmp_path / "page.html").read_bytes() == b"1"


def test_another_file_of_the_same_name_in_other_letters_is_kept(tmp_path: Path):
    if not has_case(tmp_path):
        pytest.skip("there is no such file here")
    folder = folder_of(tmp_path)
    folder.write({"page.html": b"1"})
    (tmp_path / "Page.HTML").write_bytes(b"mine")
    folder.write({"page.html": b"2"})
    assert [(tmp_path / name).read_bytes() for name in ("page.html", "Page.HTML")] == [b"2", b"mine"]


def unfit(paths: list[str]) -> list[str]:
    """Paths that a clone on Windows or macOS could not hold, or would take for another."""
    spelt: dict[str, str] = {}
    found = []
    for path in sorted(paths):
        parts = PurePosixPath(path).parts
        bad = any(set(part) & set('<>:"\\|?*') or part[-1] in ". " or not part.isascii() for part in parts)
        reserved = any(part.split(".")[0].lower() in RESERVED for part in parts)
        if bad or reserved or len(path) > LONGEST_PATH or spelt.setdefault(path.casefold(), path) != path:
            found.append(path)
    return found


def test_every_file_can_lie_on_windows_and_macos():
    files = [path for name in SHIPPED for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts]
    paths = [path.relative_to(ROOT).as_posix() for path in files]
    assert len(paths) > 500, "looked in the wrong place"
    assert unfit(paths) == []


@pytest.mark.parametrize("path", ["a/aux.py", "a/b:c", "a/b.", "a/é.csv", "a/" + "b" * 150, "A/b"])
def test_sabotage_an_unfit_name_is_found(path: str):
    assert unfit(["a/b", path]) in ([path], ["a/b"])


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp850", "cp932", "ascii", "utf-8"])
def test_help_of_every_command_is_readable_in_the_console(encoding: str):
    context = click.Context(cli, info_name="mtjfit")
    for name in cli.list_commands(context):
        below = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        text = cli.commands[name].get_help(click.Context(cli.commands[name], info_name=name, parent=context))
        stream = VisibleStream(below)
        stream.write(text)
        stream.flush()
        assert stream.failure is None
        shown = below.buffer.getvalue().decode(encoding)
        assert shown.count("?") == text.count("?"), f"{name}: a character has no words"


def test_sabotage_without_words_for_characters_a_console_of_windows_fails():
    below = io.TextIOWrapper(io.BytesIO(), encoding="cp437")
    write: Callable[[str], int] = below.write
    with pytest.raises(UnicodeEncodeError):
        write("λ_J ≥ 1 nm")
