"""Each command refuses files of another kind with the command that reads them; spectra come in the order of people."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sweeping import FIELD, HEAD, TABLES, noisy, text_of, written

from mtjfit.cli import cli
from mtjfit.spectra import analyse, load_spectra, spectra_files

FILES = {
    "spectra": HEAD + TABLES,
    "wafer": '[study]\nname = "a"\n[[data]]\nfile = "a.csv"\n[wafer]\n',
    "run": '[study]\nname = "a"\n[[data]]\nfile = "a.csv"\n',
}


@pytest.mark.parametrize(("command", "kind", "says"), [
    ("run", "spectra", "is a study of spectra, with a table [spectra]; call mtjfit spectra"),
    ("plan", "spectra", "is a study of spectra, with a table [spectra]; call mtjfit spectra"),
    ("batch", "spectra", "is a study of spectra, with a table [spectra]; call mtjfit spectra"),
    ("spectra", "run", "is a study of devices, with a table [study]; call mtjfit run"),
    ("spectra", "wafer", "is a study of a whole wafer, with a table [wafer]; call mtjfit batch"),
])  # fmt: skip
def test_files_of_another_kind_are_refused_with_their_command(tmp_path: Path, command: str, kind: str, says: str):
    file = tmp_path / "file.toml"
    file.write_text(FILES[kind], encoding="utf-8")
    named = [str(file)] if command != "batch" else [str(tmp_path / "a.csv"), "--study", str(file)]
    result = CliRunner().invoke(cli, [command, *named, "--output", str(tmp_path / "out")])
    assert result.exit_code == 3
    (line,) = [each for each in result.output.splitlines() if "file.toml: " in each]
    assert says in line


def test_spectra_are_ordered_by_device_bias_and_what_was_held(tmp_path: Path):
    names = [f"{device}_{bias}mV_{GHz}GHz.txt" for device in ("A10", "A2") for bias in (0, 100, -200, 10)
             for GHz in (4, 12)]  # fmt: skip
    files = {name: text_of(FIELD, noisy(FIELD, k)) for k, name in enumerate(names)}
    head = HEAD.replace('device = "A1"\nbias = 0.0\nfixed = 4.0', 'pattern = "{device}_{bias:mV}_{frequency:GHz}.txt"')
    result = analyse(load_spectra(written(tmp_path, files, head)))
    ordered = [(fit.spectrum.device, fit.spectrum.bias, fit.spectrum.fixed) for fit in result.fits]
    assert ordered == [(device, bias, held) for device in ("A2", "A10") for bias in (-0.2, 0.0, 0.01, 0.1)
                       for held in (4e9, 12e9)]  # fmt: skip
    lines = spectra_files(result)["lines.csv"].decode().splitlines()
    assert [line.split(",")[0] for line in lines if line.startswith("A")] == ["A2"] * 8 + ["A10"] * 8
