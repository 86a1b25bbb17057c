"""What a command prints whatever files say, and how it ends where it cannot go on or cannot print."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import click
import pytest
from click.testing import CliRunner
from hostile import ALLOWED, HOSTILE, assert_harmless
from shortcuts import slow_after

from mtjfit.cli import cli
from mtjfit.cli.commands import Commands
from mtjfit.errors import ConfigError, DataError, MtjfitError, Problem
from mtjfit.progress import bar
from mtjfit.streams import VisibleStream, visible_streams
from mtjfit.text import visible

FULL = Path("/dev/full")


def test_what_is_visible_is_left_alone():
    for text in ("κ·a1 ± 3 kΩ⁻¹ — ∥ ⊥ µ", "日本語", "a\u00a0b\u2009c", r"C:\new", "👍"):
        assert visible(text) == text
    assert ALLOWED.fullmatch(visible(HOSTILE, "\n"))
    assert "\n" not in visible(HOSTILE)
    assert visible(visible(HOSTILE)) == visible(HOSTILE)
    assert not ALLOWED.fullmatch(HOSTILE)  # the test can fail


@pytest.mark.parametrize("error", [
    DataError([Problem(HOSTILE, HOSTILE, HOSTILE), Problem("b", "c", "d")]),
    ConfigError([Problem(HOSTILE, HOSTILE, HOSTILE), Problem("b", "c", "d")]),
    MtjfitError(HOSTILE, "b: c; d"),
])  # fmt: skip
def test_errors_are_harmless_also_in_python(error: MtjfitError):
    assert_harmless(str(error))
    assert len(str(error).splitlines()) == 2


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_nothing_goes_round_the_streams(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, name, below := io.StringIO())
    with visible_streams():
        print(HOSTILE, file=getattr(sys, name))
        click.echo(HOSTILE, err=name == "stderr", color=True)
        if name == "stderr" and logging.lastResort is not None:
            logging.lastResort.handle(logging.makeLogRecord({"msg": HOSTILE, "levelno": logging.ERROR}))
    assert getattr(sys, name) is below
    assert ALLOWED.fullmatch(below.getvalue())
    assert below.getvalue().count("A\\x1b[2J\\x07\\x9b31m") == (3 if name == "stderr" else 2)


def test_a_bar_only_returns_to_the_begin_of_its_line(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", below := Terminal())
    with visible_streams(), bar(HOSTILE, True, total=3, mininterval=0) as shown:
        shown.update()
        shown.set_postfix_str(HOSTILE)
    assert "\\x1b[2J" in below.getvalue()
    assert "\r" in below.getvalue()
    assert ALLOWED.fullmatch(below.getvalue().replace("\r", ""))


class Broken(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, error: Exception):
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError(32, "Broken pipe"),
                                   ValueError("I/O operation on closed file")])  # fmt: skip
def test_a_stream_that_fails_is_left_alone(error: Exception):
    stream = VisibleStream(Broken(error))
    for _ in range(2):
        assert stream.write("text") == 4
        stream.flush()
    assert isinstance(stream.failure, OSError)


def ends(command: Callable[[], object], **streams: Any) -> tuple[int, str]:
    """Exit code and standard error of a command that computes this, over the given streams."""
    group = Commands("group")
    group.command("go")(command)
    errors = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in ({"stderr": errors} | streams).items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            group(["go"])
    assert isinstance(ended.value.code, int)
    return ended.value.code, errors.getvalue()


def test_output_that_fails_ends_with_3_after_all_is_done():
    done = []

    def command() -> None:
        sys.stdout.write("result\n")
        done.append(1)

    full = Broken(OSError(28, "No space left on device"))
    says = "Error: standard output cannot be written: No space left on device; files of the command are complete\n"
    assert ends(command, stdout=full) == (3, says)
    assert ends(command, stdout=None)[0] == 3
    assert ends(command, stdout=Broken(BrokenPipeError(32, "Broken pipe"))) == (3, "")
    assert ends(command, stdout=io.StringIO()) == (0, "")
    assert len(done) == 4


def test_errors_that_cannot_be_told_do_not_hide_the_exit_code():
    def refuse() -> None:
        raise ConfigError([])

    assert ends(refuse, stderr=None)[0] == 3
    assert ends(lambda: sys.stderr.write("progress\n"), stderr=None)[0] == 0
    assert ends(lambda: sys.stderr.write("progress\n"), stderr=Broken(OSError(28, "full")))[0] == 3


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(("error", "code", "says"), [
    (MemoryError(), 3, "Error: memory ran out"),
    (RecursionError(), 3, "Error: a file is nested too deeply"),
    (OSError(28, "No space left on device", "a\nb"), 3, "Error: a\\nb: No space left on device; free the disk\n"),
    (OSError(36, "File name too long", "x" * 5000), 3,
     f"Error: {'x' * 200}…: File name too long; give it a shorter name\n"),
    (OSError(24, "Too many open files"), 3, "Error: Too many open files; allow more"),
    (KeyboardInterrupt(), 130, "\nInterrupted; no result was written.\n"),
])  # fmt: skip
def test_what_is_no_fault_of_ours_has_a_plain_message(error: BaseException, code: int, says: str, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    got, told = ends(raising(error))
    assert got == code
    assert told.startswith(says)
    assert not list(tmp_path.iterdir())


def test_a_fault_is_told_and_saved_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text("name = 'mine'\n", encoding="utf-8")
    (tmp_path / "data.csv").write_text("secret\n", encoding="utf-8")
    group = Commands("group")

    @group.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
    def go() -> None:
        raise ZeroDivisionError(HOSTILE)

    result = CliRunner().invoke(group, ["go", "s.toml", "data.csv"])
    assert result.exit_code == 3
    assert ALLOWED.fullmatch(result.output)
    assert result.stderr.startswith("Error: this is a fault of mtjfit: ZeroDivisionError: A\\x1b[2J")
    assert "Traceback" not in result.output
    (report,) = tmp_path.glob("mtjfit-fault-*.txt")
    assert str(report) in result.stderr
    text = report.read_text(encoding="utf-8")
    assert ALLOWED.fullmatch(text)
    for expected in ("Traceback (most recent call last)", "mtjfit go s.toml data.csv", "name = 'mine'", "numpy 2"):
        assert expected in text
    assert "secret" not in text


@pytest.mark.skipif(os.name != "posix" or (os.geteuid() == 0 and not FULL.exists()), reason="folders of Unix")
def test_a_fault_where_nothing_can_be_written_is_told_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    code, told = ends(raising(KeyError("x")))
    assert code == 3
    assert "fault of mtjfit: KeyError: 'x'" in told
    assert "No report could be saved" in told


@pytest.mark.parametrize("content", [b"\xff\xfe", "fifo", "big"])
def test_a_strange_matplotlibrc_is_refused(content: bytes | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "matplotlibrc"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "big":
        file.write_bytes(b"#" * 1_000_001)
    elif hasattr(os, "mkfifo"):
        os.mkfifo(file)
    else:
        pytest.skip("no pipes with names here")
    result = CliRunner().invoke(cli, ["datasets"])
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: matplotlibrc")
    file.unlink()
    assert CliRunner().invoke(cli, ["datasets"]).exit_code == 0


@pytest.mark.parametrize(("name", "value"), [
    ("MATPLOTLIBRC", "settings"), ("SOURCE_DATE_EPOCH", "abc"), ("SOURCE_DATE_EPOCH", "9" * 14),
])  # fmt: skip
def test_strange_settings_in_the_environment_are_refused(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "matplotlibrc").write_bytes(b"\xff")
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, ["datasets"])
    assert result.exit_code == 3
    assert "fault of mtjfit" not in result.stderr
    assert "unset" in result.stderr


def test_a_display_that_matplotlib_does_not_know_is_ignored(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MPLBACKEND", "no display")
    assert ends(lambda: sys.stderr.write(os.environ["MPLBACKEND"])) == (0, "agg")


def test_a_message_lists_so_many_problems():
    several, many = ([Problem(f"data[{k}]", "is wrong", "correct it") for k in range(n)] for n in (100, 1000))
    assert len(str(ConfigError(several)).splitlines()) == 100
    lines = str(ConfigError(many)).splitlines()
    assert len(lines) == 201
    assert lines[-1] == "more problems are not listed; mend these first"
    assert len(ConfigError(many).problems) == 1000


@pytest.mark.parametrize("argument", ["a\0b", "a\nError: forged", "\x1b[2J"])
def test_arguments_without_control_characters(argument: str):
    result = CliRunner().invoke(cli, ["run", "study.toml", "--output", argument])
    assert result.exit_code == 2
    assert_harmless(result.output)


def mtjfit(folder: Path, *words: str, stdout: IO[bytes] | int) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "mtjfit", *words]
    return subprocess.run(command, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, timeout=120, check=False)


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", slow_after(1, [["--help"], ["datasets"]]))
def test_a_full_disk_in_a_process_of_its_own(words: list[str], tmp_path: Path):
    with FULL.open("wb") as full:
        done = mtjfit(tmp_path, *words, stdout=full)
    assert done.returncode == 3
    assert done.stderr.decode().startswith("Error: standard output cannot be written")
    assert done.stderr.count(b"\n") == 1


def test_shells_can_still_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("_MTJFIT_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "mtjfit ch")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert b"check" in mtjfit(tmp_path, stdout=subprocess.PIPE).stdout
    monkeypatch.delenv("COMP_WORDS")
    assert (mtjfit(tmp_path, stdout=subprocess.PIPE).returncode, mtjfit(tmp_path, stdout=subprocess.PIPE).stderr) == (
        3,
        b"",
    )


LIMITED = """
import resource, sys
limit, allowed = getattr(resource, sys.argv[1]), int(sys.argv[2])
resource.setrlimit(limit, (allowed, resource.getrlimit(limit)[1]))
from mtjfit.cli import cli
cli(["datasets"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "least", "advice"),
    [("RLIMIT_AS", 1_024_000_000, "(ulimit -v 1000000)"), ("RLIMIT_NOFILE", 64, "(ulimit -n 64)")],
)
def test_limits_that_are_too_small_are_said_before_a_library_waits_or_fails(limit: str, least: int, advice: str):
    pytest.importorskip("resource")
    few, enough = (
        subprocess.run([sys.executable, "-c", LIMITED, limit, str(n)], capture_output=True, text=True, check=False)
        for n in (least - 1, least)
    )
    assert (few.returncode, enough.returncode) == (3, 0)
    assert few.stderr.count("\n") == 1
    assert few.stderr.endswith(f"allow {least} or more {advice}\n")
