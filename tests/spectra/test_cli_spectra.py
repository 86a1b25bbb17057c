"""``mtjfit spectra`` from the command line: what it writes, what it refuses, what it flags, and that a run takes it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from driven import GAMMA, rectified_voltage
from numpy.testing import assert_allclose

import mtjfit
from mtjfit.errors import ConfigError, MtjfitError
from mtjfit.output import OutputFolder
from mtjfit.spectra.command import spectra_command

TEXT = """\
[spectra]
name = "<b>two</b> devices"
against = "frequency"
torkance_unit = "1e-19 N m/V"
origin = "simulated; linear response"
[[files]]
folder = "raw"
file = "*.txt"
pattern = "{device}_{bias:mV}.txt"
fixed = 80.0
[files.columns]
x = "f"
voltage = "V"
[files.units]
x = "GHz"
voltage = "uV"
fixed = "mT"
[line]
form = "oscillator"
width = "shared"
[constants]
V_thetaI = { value = 300.0, relative = 0.02, unit = "ohm/rad" }
dV_dI = { value = 1000.0, sd = 0, unit = "ohm" }
Meff = { value = 1.1, sd = 0.02, unit = "T" }
theta = { value = 68.75, sd = 0, unit = "deg" }
[[devices]]
name = "A&1"
thickness = 2.0
thickness_sd = 0.05
I_rf = { value = 10.0, relative = 0.03, unit = "uA" }
Ms_Vol = { value = 1e-17, sd = 0, unit = "A m2" }
[[devices]]
name = "B2"
thickness = 3.0
thickness_sd = 0.05
I_rf = { value = 10.0, relative = 0.03, unit = "uA" }
Ms_Vol = { value = 1.5e-17, sd = 0, unit = "A m2" }
"""
BIAS = (-150, -50, 50, 150)


def torkance(bias_mV: float) -> tuple[float, float]:
    return 4e-20, -0.5e-20 + 5e-20 * bias_mV / 1e3


def study_in(folder: Path, text: str = TEXT, odd: bool = True) -> Path:
    """Noisy spectra of two devices; one of them has a second line that nobody declared."""
    rng = np.random.default_rng(4)
    raw = folder / "raw"
    raw.mkdir(parents=True)
    f = np.linspace(7.6, 9.6, 60)
    for device, moment in (("A&1", 1e-17), ("B2", 1.5e-17)):
        for mV in BIAS:
            clean = np.array([1e6 * rectified_voltage(1e9 * each, 0.08, *torkance(mV), moment=moment, theta=1.2)
                              for each in f])  # fmt: skip
            noisy = clean + 0.01 * np.ptp(clean) * rng.standard_normal(f.size)
            if odd and (device, mV) == ("B2", 150):
                noisy += 0.3 * np.ptp(clean) / (1 + ((f - 9.2) / 0.05) ** 2)
            lines = [f"{a:.4f}\t{b:.6f}" for a, b in zip(f, noisy, strict=True)]
            (raw / f"{device}_{mV}mV.txt").write_text("f\tV\n" + "\n".join(lines) + "\n", encoding="utf-8")
    study = folder / "spectra.toml"
    study.write_text(text, encoding="utf-8")
    return study


def no_page(*_: object, **__: object) -> str:
    return "<html></html>"


def never(*_: object, **__: object) -> str:
    raise AssertionError("drew before it looked at the folder")


def quickly(study: Path, output: Path, *shift: str, page: Callable[..., str] = no_page) -> str:
    """What the command prints without its figures."""
    arguments = [str(study), "--output", str(output), *(f"--shift={each}" for each in shift)]
    return CliRunner().invoke(spectra_command, arguments, obj=page, catch_exceptions=False).output


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Path]:
    """One real run."""
    folder = tmp_path_factory.mktemp("spectra")
    study = study_in(folder)
    arguments = [str(study), "--output", str(folder / "out")]
    return folder / "out", CliRunner().invoke(spectra_command, arguments, catch_exceptions=False), study


def rows(file: Path) -> list[dict[str, str]]:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_writes_its_files(done: tuple[Path, Result, Path]):
    folder, result, study = done
    assert result.exit_code == 0
    names = {"overview.html", "lines.csv", "torkance.csv", "study.toml", "spectra.toml", "spectra.json",
             "covariance-A_1.csv", "covariance-B2.csv"}  # fmt: skip
    assert {each.name for each in folder.iterdir()} == names
    assert (folder / "spectra.toml").read_text(encoding="utf-8") == study.read_text(encoding="utf-8")
    document = json.loads((folder / "spectra.json").read_text(encoding="utf-8"))
    assert set(document["files"]) == names - {"spectra.json"}
    assert document["status"] == "complete"
    assert len(document["provenance"]["data_sha256"]) == 8


def test_torkances_are_those_of_the_simulation(done: tuple[Path, Result, Path]):
    found = rows(done[0] / "torkance.csv")
    assert len(found) == 8
    for row in found:
        if row["flagged"]:
            continue
        par, perp = (each / 1e-19 for each in torkance(1e3 * float(row["bias_V"])))
        scale = GAMMA / 1.76e11
        assert abs(float(row["dtau_par"]) - scale * par) < 5 * float(row["sigma_par"]) + 0.01 * par
        assert abs(float(row["dtau_perp"]) - scale * perp) < 5 * float(row["sigma_perp"]) + 0.01 * par
        assert -1 < float(row["rho"]) < 1


def test_what_lines_do_not_describe_is_flagged_first_and_kept(done: tuple[Path, Result, Path]):
    folder, result, _ = done
    flagged = [row for row in rows(folder / "torkance.csv") if row["flagged"]]
    assert [(row["device"], float(row["bias_V"])) for row in flagged] == [("B2", 0.15)]
    assert "B2, 150 mV, 80 mT" in result.output
    page = (folder / "overview.html").read_text(encoding="utf-8")
    assert page.index("Flagged spectra, with residuals") < page.index("All other spectra")
    document = json.loads((folder / "spectra.json").read_text(encoding="utf-8"))
    assert [each["spectrum"] for each in document["flagged"]] == ["B2, 150 mV, 80 mT"]


def test_the_page_is_one_file_and_escapes_what_it_read(done: tuple[Path, Result, Path]):
    page = (done[0] / "overview.html").read_text(encoding="utf-8")
    assert "<b>two</b>" not in page
    assert "&lt;b&gt;two&lt;/b&gt; devices" in page
    assert "A&amp;1" in page
    assert "SIMULATED, not measured: linear response" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_the_study_is_what_mtjfit_run_takes(done: tuple[Path, Result, Path]):
    study = mtjfit.load_study(done[0] / "study.toml")
    assert study.devices == ("A&1", "B2")
    first = study.curves[0]
    assert (first.unit, first.quantity, first.per, first.angle) == ("1e-19 N m/V", "torkance", "device", 68.75)
    assert first.origin.kind == "simulated"
    # The error of the current is the device's own, 6 %; that of V_thetaI is common to both and stays out.
    sigma = rows(done[0] / "torkance.csv")[0]
    extra = first.covariance[0, 0] - float(sigma["sigma_par"]) ** 2
    assert_allclose(np.sqrt(extra) / abs(first.par[0]), 0.06, rtol=0.1)
    assert "V_thetaI scale every curve by the same factor, 1 ± 0.02." in study.text
    assert "--shift Meff=+1" in study.text
    assert "sd = 0.05" in study.text


def test_a_shift_moves_a_constant_by_its_error(done: tuple[Path, Result, Path], tmp_path: Path):
    folder, _, study = done
    quickly(study, tmp_path / "up", "V_thetaI=+1")
    before, after = (np.array([float(row["dtau_par"]) for row in rows(each / "torkance.csv")])
                     for each in (folder, tmp_path / "up"))  # fmt: skip
    assert_allclose(before / after, 1.02, rtol=1e-6)


@pytest.mark.parametrize(
    ("shift", "says"), [("V_theta", "is not understood"), ("V_theta=1", "did you mean 'V_thetaI'")]
)
def test_shifts_that_mean_nothing(done: tuple[Path, Result, Path], tmp_path: Path, shift: str, says: str):
    with pytest.raises(ConfigError, match=says):
        quickly(done[2], tmp_path / "out", shift)


def test_earlier_spectra_are_written_again_and_changed_or_foreign_files_are_not(tmp_path: Path):
    study, out = study_in(tmp_path, TEXT[: TEXT.index("[constants]")], odd=False), tmp_path / "out"
    for _ in range(2):
        assert "no constants are declared" in quickly(study, out)
    (out / "lines.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(MtjfitError, match=r"lines.csv: was changed or added since"):
        quickly(study, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years", encoding="utf-8")
    with pytest.raises(MtjfitError, match=r"thesis\.tex"):
        quickly(study, tmp_path / "mine", page=never)
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def spectra_folder(folder: Path) -> OutputFolder:
    return OutputFolder(folder / "out", "spectra", None, "spectra.json", {"program": "mtjfit", "kind": "spectra"})


def test_an_interrupted_writing_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, original = spectra_folder(tmp_path), Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name == "b.csv":
            raise OSError(28, "No space left on device")
        return original(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(MtjfitError, match="No space left"):
            folder.write({"a.csv": b"1", "b.csv": b"2"}, {})
    folder.write({"b.csv": b"3"}, {})
    assert sorted(each.name for each in folder.path.iterdir()) == ["b.csv", "spectra.json"]


def test_a_forged_list_of_files_cannot_lead_out_of_the_folder(tmp_path: Path):
    outside, folder = tmp_path / "thesis.tex", spectra_folder(tmp_path)
    outside.write_text("years", encoding="utf-8")
    folder.write({"b.csv": b"3"}, {})
    kind = {"program": "mtjfit", "kind": "spectra", "status": "incomplete"}
    forged = kind | {"files": {"../thesis.tex": "", "b.csv": hashlib.sha256(b"3").hexdigest()}}
    (folder.path / "spectra.json").write_text(json.dumps(forged), encoding="utf-8")
    folder.write({"c.csv": b"4"}, {})
    assert outside.read_text(encoding="utf-8") == "years"
    assert sorted(each.name for each in folder.path.iterdir()) == ["c.csv", "spectra.json"]
