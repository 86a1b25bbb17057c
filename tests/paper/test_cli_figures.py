"""`mtjfit figures`: the files it leaves, its messages, and that it never overwrites an edited file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from errno import ENOSPC
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure

from mtjfit.cli import cli
from mtjfit.errors import MtjfitError
from mtjfit.paper.command import figures_command, write_missing
from mtjfit.paper.numbers import accumulation, assumptions, bias_dependence, numbers_csv, thickness_dependence
from mtjfit.report import ResultFolder

NAMES = ("fig1_accumulation", "fig2_thickness", "fig3_bias")
FILES = {f"{name}.{suffix}" for name in NAMES for suffix in ("svg", "png", "csv")}
PDFS = {f"{name}.pdf" for name in NAMES}


def labels(figures: Mapping[str, Figure], pdf: bool) -> dict[str, bytes]:
    """Files that hold their format and the first label of the figure: real ones take seconds."""
    formats = ("svg", "png", "pdf") if pdf else ("svg", "png")
    return {f"{name}.{each}": f"{each} {fig.axes[0].get_ylabel()}".encode()
            for name, fig in figures.items() for each in formats}  # fmt: skip


def never(*_: object) -> dict[str, bytes]:
    raise AssertionError("drew before it looked at the folder")


def figures(folder: Path, *flags: str, pictures: Callable[..., dict[str, bytes]] = never) -> Result:
    return CliRunner().invoke(figures_command, ["-o", str(folder), *flags], obj=pictures, catch_exceptions=False)


def leave(folder: Path, *flags: str) -> dict[str, bytes]:
    figures(folder, *flags, pictures=labels)
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_it_leaves_three_figures_in_the_formats_asked_for_with_their_numbers(tmp_path: Path) -> None:
    assert set(leave(tmp_path / "new" / "out")) == FILES
    left = leave(tmp_path / "new" / "out", "--pdf")
    assert set(left) == FILES | PDFS
    assert left["fig1_accumulation.pdf"].startswith(b"pdf spin accumulation")
    assert left["fig2_thickness.svg"] == rb"svg $d\,T_\parallel/J_0$"
    assert left["fig3_bias.png"].startswith(b"png in-plane torque")
    for name, table in zip(NAMES, (accumulation(), thickness_dependence(), bias_dependence()), strict=True):
        assert left[f"{name}.csv"].endswith(numbers_csv(table).split(b"\n", 1)[1])


@pytest.mark.slow
def test_it_says_what_is_done_and_what_is_assumed(tmp_path: Path) -> None:
    done = figures(tmp_path, "--pdf", pictures=labels)
    assert done.stderr.splitlines() == ["computing the numbers of three figures", *(f"drawing {n}" for n in NAMES)]
    assert "fig3_bias: .svg, .png, .pdf, .csv\n" in done.stdout
    assert done.stdout.splitlines()[-1] == f"Figures: {tmp_path}"
    said = " ".join(done.stdout.split())
    csv = (tmp_path / "fig3_bias.csv").read_text(encoding="utf-8")
    for words in assumptions(bias_dependence()):
        assert words in said
        assert words in csv
    assert all(name in said for name in NAMES)
    assert "# origin: simulated ;" in csv
    assert figures(tmp_path, "--quiet", pictures=labels).output == f"Figures: {tmp_path}\n"


def test_a_second_run_touches_nothing_and_completes_what_is_missing(tmp_path: Path) -> None:
    before = leave(tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    (tmp_path / "fig2_thickness.svg").unlink()
    assert leave(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mtime != 1} == {"fig2_thickness.svg"}


def careless(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    raise MtjfitError("fig3_bias.svg: was changed, or drawn by another version")


@pytest.mark.parametrize(("write", "kept"), [(write_missing, True), (careless, False)], ids=["real", "sabotage"])
def test_a_figure_that_was_edited_is_not_overwritten(write: Callable[..., None], kept: bool, tmp_path: Path) -> None:
    drawn = {f"{name}.svg": b"<svg/>" for name in NAMES}
    write_missing(tmp_path, drawn)
    (tmp_path / "fig3_bias.svg").write_bytes(b"<svg>with my arrows</svg>")
    (tmp_path / "fig1_accumulation.svg").unlink()
    before = content(tmp_path)
    with pytest.raises(MtjfitError, match=r"fig3_bias\.svg: was changed, or drawn by another version"):
        write(tmp_path, drawn)
    assert (content(tmp_path) == before) is kept


def test_usage_is_2_and_a_refusal_3(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert [CliRunner().invoke(cli, ["figures", *rest]).exit_code for rest in ([], ["-o", str(tmp_path)])] == [2, 3]


def test_a_folder_with_other_files_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    for name in "dbca":
        (tmp_path / name).write_text("mine")
    said = r"holds files that are no earlier figures of mtjfit \(a, b, c, …\); name a new or empty folder"
    with pytest.raises(MtjfitError, match=said):
        figures(tmp_path)
    assert set(content(tmp_path)) == set("abcd")
    with pytest.raises(MtjfitError, match="a: cannot be written: "):
        figures(tmp_path / "a")


def test_results_and_figures_do_not_mix(tmp_path: Path) -> None:
    ResultFolder(tmp_path / "result").write({"summary.csv": b""}, {})
    with pytest.raises(MtjfitError, match="no earlier figures"):
        figures(tmp_path / "result")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "fig1_accumulation.csv").touch()
    with pytest.raises(MtjfitError, match="no earlier result"):
        ResultFolder(tmp_path / "figures").prepare()


def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised = []

    def full(handle: int) -> None:
        synchronised.append(handle)
        if len(synchronised) == 3:  # a file, its folder, the next file
            raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MtjfitError, match=r"fig2_thickness.png: cannot be written: No space left on device; free the"):
        write_missing(tmp_path, {f"{name}.png": b"a picture" for name in NAMES})
    assert not any("fig2_thickness.png" in name for name in content(tmp_path))


@pytest.mark.slow  # draws 36 files in three processes
def test_the_real_files_within_twenty_seconds_and_the_same_twice(tmp_path: Path) -> None:
    def run(name: str) -> dict[str, bytes]:
        start = time.monotonic()
        command = [sys.executable, "-W", "error", "-m", "mtjfit", "figures", "--pdf", "--output"]
        assert subprocess.run([*command, str(tmp_path / name)], check=False, timeout=120).returncode == 0
        assert time.monotonic() - start < 20
        return content(tmp_path / name)

    first = run("a")
    assert set(first) == FILES | PDFS
    assert first == run("b") == run("a")
    for name in NAMES:
        assert first[f"{name}.pdf"].startswith(b"%PDF-")
        assert first[f"{name}.png"].startswith(b"\x89PNG\r\n")
        assert b"<svg" in first[f"{name}.svg"][:2000]
