"""`mtjfit figures`: what it leaves, what it says, and what it never overwrites."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from errno import ENOSPC
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtjfit.cli.main import cli
from mtjfit.errors import MtjfitError
from mtjfit.paper.numbers import accumulation, bias_dependence, numbers_csv, thickness_dependence
from mtjfit.report.document import ResultFolder

NAMES = ("fig1_accumulation", "fig2_thickness", "fig3_bias")
FILES = {f"{name}.{suffix}" for name in NAMES for suffix in ("svg", "png", "csv")}
PDFS = {f"{name}.pdf" for name in NAMES}


def invoke(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli, ["figures", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    return result


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real figures, rendered in no time as their title and format."""
    monkeypatch.setattr("mtjfit.plot.render", lambda fig, format: f"{format} {fig.axes[0].get_ylabel()}".encode())


def test_it_leaves_three_figures_in_the_formats_asked_for_with_their_numbers(tmp_path: Path, quick: None) -> None:
    result = invoke("--output", tmp_path / "new" / "out")
    assert result.exit_code == 0
    assert set(content(tmp_path / "new" / "out")) == FILES
    assert "fig3_bias: .svg, .png, .pdf, .csv\n" in invoke("--output", tmp_path / "new" / "out", "--pdf").stdout
    left = content(tmp_path / "new" / "out")
    assert set(left) == FILES | PDFS
    assert left["fig1_accumulation.pdf"].startswith(b"pdf spin accumulation")
    assert left["fig2_thickness.svg"] == rb"svg $d\,T_\parallel/J_0$"
    assert left["fig3_bias.png"].startswith(b"png in-plane torque")
    for name, table in zip(NAMES, (accumulation(), thickness_dependence(), bias_dependence()), strict=True):
        numbers = numbers_csv(table).split(b"\n", 1)[1]
        assert left[f"{name}.csv"].endswith(numbers)


def test_it_says_what_is_done_and_what_is_assumed(tmp_path: Path, quick: None) -> None:
    result = invoke("-o", tmp_path)
    assert result.stderr.splitlines() == [
        "computing the numbers of three figures", *(f"drawing {name}" for name in NAMES),
    ]  # fmt: skip
    assert result.stdout.splitlines()[-1] == f"Figures: {tmp_path}"
    said = " ".join(result.stdout.split())
    csv = (tmp_path / "fig3_bias.csv").read_text(encoding="utf-8")
    for words in ("free layers of 0.8, 1.2, 2, 3, ∞ nm, chosen here", "a₁ = 0.13 (ħ/2e) kΩ⁻¹, recalled from Sankey",
                  "not verified", "b₂/a₁ = 0.625 V⁻¹", "torque of the device, d·T of Eq. 12"):  # fmt: skip
        assert words in said
        assert words in csv
    assert all(name in said for name in NAMES)
    assert "# origin: simulated ;" in csv


def test_quiet_says_where_the_figures_are_and_nothing_else(tmp_path: Path, quick: None) -> None:
    result = invoke("-o", tmp_path, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"Figures: {tmp_path}\n", "")


def test_usage_is_2() -> None:
    assert invoke().exit_code == 2


def test_a_second_run_touches_nothing_and_completes_what_is_missing(tmp_path: Path, quick: None) -> None:
    assert invoke("-o", tmp_path).exit_code == 0
    before = content(tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    (tmp_path / "fig2_thickness.svg").unlink()
    assert invoke("-o", tmp_path).exit_code == 0
    assert content(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mtime != 1} == {"fig2_thickness.svg"}


def refused_to_overwrite(folder: Path, edited: str) -> bool:
    """Whether a run stops with 3 and leaves a file that somebody has changed, and writes nothing beside it."""
    before = content(folder)
    result = invoke("-o", folder)
    kept = content(folder) == before
    return result.exit_code == 3 and kept and f"{edited}: was changed, or drawn by another version" in result.stderr


def test_a_figure_that_was_edited_is_not_overwritten(tmp_path: Path, quick: None) -> None:
    invoke("-o", tmp_path)
    (tmp_path / "fig3_bias.svg").write_bytes(b"<svg>with my arrows</svg>")
    (tmp_path / "fig1_accumulation.svg").unlink()
    assert refused_to_overwrite(tmp_path, "fig3_bias.svg")


def test_sabotage_an_overwritten_figure_is_seen(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(folder: Path, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            (folder / name).write_bytes(data)

    invoke("-o", tmp_path)
    (tmp_path / "fig3_bias.svg").write_bytes(b"<svg>with my arrows</svg>")
    monkeypatch.setattr("mtjfit.paper.command._write", careless)
    assert not refused_to_overwrite(tmp_path, "fig3_bias.svg")


@pytest.fixture
def never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*_: object, **__: object) -> None:
        raise AssertionError("drew before it looked at the folder")

    monkeypatch.setattr("mtjfit.paper.figures.plot_accumulation", drawn)


def test_a_folder_with_other_files_is_refused_before_anything_is_drawn(tmp_path: Path, never_drawn: None) -> None:
    for name in "dbca":
        (tmp_path / name).write_text("mine")
    result = invoke("-o", tmp_path)
    assert result.exit_code == 3
    said = "holds files that are no earlier figures of mtjfit (a, b, c, …); name a new or empty folder"
    assert result.stderr == f"Error: {tmp_path}: {said}\n"
    assert set(content(tmp_path)) == set("abcd")


def test_results_and_figures_do_not_mix(tmp_path: Path, quick: None, never_drawn: None) -> None:
    ResultFolder(tmp_path / "result").write({"summary.csv": b""}, {})
    assert invoke("-o", tmp_path / "result").exit_code == 3
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "fig1_accumulation.csv").touch()
    with pytest.raises(MtjfitError, match="no earlier result"):
        ResultFolder(tmp_path / "figures").prepare()


def test_a_file_in_the_place_of_the_folder_is_3(tmp_path: Path, never_drawn: None) -> None:
    (tmp_path / "out").touch()
    result = invoke("-o", tmp_path / "out")
    assert result.exit_code == 3
    assert result.stderr.startswith(f"Error: {tmp_path / 'out'}: cannot be written: ")


def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.startswith(".fig2_thickness.png."):
            original(path, data[:3])
            raise OSError(ENOSPC, os.strerror(ENOSPC), str(path))
        return original(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    result = invoke("-o", tmp_path)
    assert result.exit_code == 3
    assert "fig2_thickness.png: cannot be written: No space left on device; free the disk" in result.stderr
    assert not any("fig2_thickness.png" in name for name in content(tmp_path))


@pytest.mark.slow
def test_the_real_files_within_twenty_seconds_and_the_same_twice(tmp_path: Path) -> None:
    def run(name: str) -> dict[str, bytes]:
        start = time.monotonic()
        command = [sys.executable, "-W", "error", "-m", "mtjfit", "figures", "--pdf", "--output"]
        command.append(str(tmp_path / name))
        assert subprocess.run(command, check=False, timeout=120).returncode == 0
        assert time.monotonic() - start < 20
        return content(tmp_path / name)

    first = run("a")
    assert set(first) == FILES | PDFS
    assert first == run("b") == run("a")
    for name in NAMES:
        assert first[f"{name}.pdf"].startswith(b"%PDF-")
        assert first[f"{name}.png"].startswith(b"\x89PNG\r\n")
        assert b"<svg" in first[f"{name}.svg"][:2000]
