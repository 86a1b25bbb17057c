"""From instrument files through ``mtjfit init`` and a filled-in study file to a study."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mtjfit.cli.init import init_command
from mtjfit.errors import ConfigError, DataError
from mtjfit.study import Study, load_study
from mtjfit.study.inspection import inspect_file
from mtjfit.study.template import inspections_of, template_of

FILES = Path(__file__).parent.parent / "data" / "files"
FILLED = {
    "name of the study": "series", "torque or torkance": "torkance", "device, area or volume": "volume",
    "MxP or PxM": "MxP", "V or mV": "V", "nm or angstrom": "nm",
    "unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary": "mT/V",
}  # fmt: skip


def copied(folder: Path, name: str) -> Path:
    target = folder / name
    if name == "qcodes.db":
        db = sqlite3.connect(target)
        db.executescript((FILES / "qcodes.sql").read_text(encoding="utf-8"))
        db.close()
    else:
        shutil.copy(FILES / name, target)
    return target


def filled(text: str) -> str:
    """A template after somebody answered every question."""
    for placeholder, value in FILLED.items():
        text = text.replace(f"<{placeholder}?>", value)
    text = re.sub(r'"<a few times[^>]*>"', "10.0", text)
    text = re.sub(r'"<fit, or a table[^>]*>"', "{ par = 0.1, perp = 0.1 }", text)
    return re.sub(r'"<nominal thickness[^>]*>"', "2.0", text)


def study_of(folder: Path, name: str, more: dict[str, str]) -> Study:
    text = filled(template_of([inspect_file(copied(folder, name))], folder))
    for old, new in more.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return load_study(folder / "study.toml")


def test_pymeasure_needs_only_what_no_file_can_know(tmp_path: Path) -> None:
    study = study_of(tmp_path, "pymeasure.csv", {'per = "volume"': 'per = "device"'})
    (curve,) = study.curves
    assert (curve.device, curve.unit, curve.bias[0], curve.par[0]) == ("A1", "hbar/2e/kohm", -0.3, 0.117)


def test_guesses_are_marked_and_units_come_from_the_file(tmp_path: Path) -> None:
    text = template_of([inspect_file(copied(tmp_path, "pymeasure.csv"))], tmp_path)
    assert 'reader = "pymeasure"  # GUESS: PyMeasure results' in text
    assert 'bias = "mV"  # GUESS: as the file says' in text
    assert 'device = "Sample"  # GUESS: a header parameter' in text
    assert "LOOK" not in inspect_file(tmp_path / "pymeasure.csv").as_text()


@pytest.mark.parametrize("name", ["qcodes.db", "netcdf.nc"])
def test_databases_and_exports(tmp_path: Path, name: str) -> None:
    if name == "netcdf.nc":
        pytest.importorskip("h5netcdf", reason="python -m pip install 'mtjfit[netcdf]'")
    study = study_of(tmp_path, name, {"<column of bias?>": "dac"})
    (curve,) = study.curves
    assert (curve.bias.tolist(), curve.par.tolist()) == ([-0.1, 0.0, 0.1], [12.5, 12.0, 11.5])


@pytest.mark.parametrize("name", [*sorted(each.name for each in FILES.iterdir() if each.suffix != ".sql"), "qcodes.db"])
def test_every_format_gives_valid_toml_and_is_shown(tmp_path: Path, name: str) -> None:
    for suffix, module in ((".xlsx", "openpyxl"), (".parquet", "pyarrow"), (".nc", "h5netcdf")):
        if name.endswith(suffix):
            pytest.importorskip(module, reason=f"{module} reads {suffix}")
    file = copied(tmp_path, name)
    done = CliRunner().invoke(init_command, [str(file), "-o", str(tmp_path / "s.toml")])
    assert done.exit_code == 0, done.output
    (table,) = tomllib.loads((tmp_path / "s.toml").read_text(encoding="utf-8"))["data"]
    assert table["file"] == name
    for line in (tmp_path / "s.toml").read_text(encoding="utf-8").splitlines():
        if re.match(r'(reader|header|sheet|separator|decimal|device|bias|par) = "?[^<]*$', line):
            assert "GUESS" in line, line
    assert f"{name}: " in done.output
    assert done.output.count("(GUESS)") >= 1
    assert re.search(r"column +unit +from +to +taken as", done.output)


def test_a_doubtful_unit_is_shown_loudly(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("#Procedure: <x>\n#Data:\nBias (V),par,perp\n-300,1,2\n0,1,2\n300,1,2\n", encoding="utf-8")
    said = inspect_file(file).as_text()
    assert "  LOOK: bias up to 300 V: more than 3 V is unusual; is it in mV?" in said.splitlines()


def test_wide_and_digitised_templates_say_how_series_stand(tmp_path: Path) -> None:
    text = template_of(
        inspections_of([copied(tmp_path, "wide.csv"), copied(tmp_path, "webplotdigitizer.csv")]), tmp_path
    )
    wide, digitised = (table["wide"] for table in tomllib.loads(text)["data"])
    assert len(wide["columns"]) == 2
    assert (digitised["columns"], digitised["name_in"]) == (["V", "T"], "comment")
    assert "# data sets of the file: A1 par, A1 perp, A2 par, A2 perp" in text


STUDY = """[study]
name = "files"
[[data]]
{source}
quantity = "torkance"
per = "volume"
perp_axis = "MxP"
sigma = {{ par = 0.1, perp = 0.1 }}
[data.columns]
bias = "V"
par = "p"
perp = "q"
device = "device"
thickness = "t"
[data.units]
bias = "mV"
torque = "mT/V"
thickness = "nm"
[data.format]
{form}
[parameters]
lambda_J = {{ prior = "loguniform", low = 0.1, high = 100.0 }}
lambda_phi = {{ prior = "loguniform", low = 0.1, high = 100.0 }}
lambda_sf_F = {{ fixed = 10.0 }}
Lambda = {{ fixed = 1.0 }}
thickness = {{ fixed = true }}
a1 = {{ prior = "normal", mean = 0.0, sd = 10.0 }}
b2 = {{ prior = "normal", mean = 0.0, sd = 10.0 }}
"""
ROWS = "V,p,q\n-100,1,0.5\n0,1,0\n100,1,-0.5\n"


def write(folder: Path, source: str, form: str = 'reader = "tidy"') -> Path:
    file = folder / "study.toml"
    file.write_text(STUDY.format(source=source, form=form), encoding="utf-8")
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises((ConfigError, DataError)) as caught:
        load_study(file)
    return [str(problem) for problem in caught.value.problems]


def test_many_files_by_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    for name in ("A_T1.5nm", "B_T2nm", "C_T2.5nm"):
        (tmp_path / "sweeps" / f"{name}.csv").write_text(ROWS, encoding="utf-8")
    file = write(tmp_path, 'files = "sweeps/*.csv"\nname = "{device}_T{t:nm}.csv"')
    study = load_study(file)
    assert study.devices == ("A", "B", "C")
    assert [curve.thickness for curve in study.curves] == [1.5, 2.0, 2.5]
    assert list(study.files) == [f"sweeps/{name}.csv" for name in ("A_T1.5nm", "B_T2nm", "C_T2.5nm")]
    assert all(len(sha) == 64 for sha in study.files.values())
    (tmp_path / "sweeps" / "B_T2nm.csv").write_text(ROWS.replace("100,1,-", "100,x,-"), encoding="utf-8")
    assert problems(file) == [
        "sweeps/B_T2nm.csv:4: column 'p': 'x' is not a number; write a plain number such as -1.25e-3"
    ]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('files = "*.txt"', "*.txt: fits no file"),
        ('files = "/etc/*"', "/etc/*: is no pattern of files"),
        ('files = "*.csv"\nfile = "a.csv"', "study.toml: data[0].file: is declared beside files"),
        ('files = ""', "study.toml: data[0].files: is empty"),
        ("", "study.toml: data[0].file: is missing; name the data file, relative to the study file"),
        ('file = "a.csv"\nname = "{device"', "study.toml: data[0].name: has an open brace"),
        ('file = "a.csv"\nname = "{device}_T{t:nm}.csv"', "a.csv: does not fit '{device}_T{t:nm}.csv'"),
    ],
)
def test_what_is_wrong_with_files(tmp_path: Path, source: str, fault: str) -> None:
    (tmp_path / "a.csv").write_text(ROWS, encoding="utf-8")
    found = problems(write(tmp_path, source))
    assert any(each.startswith(fault) for each in found), found


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ('reader = "tidi"', "study.toml: data[0].format.reader: is 'tidi'; did you mean 'tidy'?"),
        ('reader = "tidy"\nmax_bytes = 10', "A_T2nm.csv: has "),
        ('reader = "tidy"\nmax_bytes = -1', "study.toml: data[0].format.max_bytes: is -1"),
        ('reader = "tidy"\nheader = ["nam"]', "study.toml: data[0].format.header[0]: is 'nam'"),
        ('reader = "tidy"\nsheet = true', "study.toml: data[0].format.sheet: is neither a name nor a number"),
        (
            'reader = "tidy"\n[data.wide]\ncolums = ["V"]',
            "study.toml: data[0].wide.colums: is no key; did you mean 'columns'?",
        ),
    ],
)
def test_what_is_wrong_with_the_format(tmp_path: Path, form: str, fault: str) -> None:
    (tmp_path / "A_T2nm.csv").write_text(ROWS, encoding="utf-8")
    found = problems(write(tmp_path, 'file = "A_T2nm.csv"\nname = "{device}_T{t:nm}.csv"', form))
    assert any(each.startswith(fault) for each in found), found


def test_a_covariance_is_read_and_hashed(tmp_path: Path) -> None:
    (tmp_path / "A_T2nm.csv").write_text(ROWS, encoding="utf-8")
    matrix = 0.01 * np.eye(6) + 0.002
    (tmp_path / "A_cov.csv").write_text(
        "\n".join(",".join(map(repr, row)) for row in matrix.tolist()), encoding="utf-8"
    )
    file = write(tmp_path, 'file = "A_T2nm.csv"\nname = "{device}_T{t:nm}.csv"\ncovariance = "{device}_cov.csv"')
    assert "contradicts" not in " ".join(problems(file))
    file.write_text(re.sub(r"(?m)^sigma = .*\n", "", file.read_text(encoding="utf-8")), encoding="utf-8")
    study = load_study(file)
    assert np.array_equal(study.curves[0].covariance, matrix)
    assert set(study.files) == {"A_T2nm.csv", "A_cov.csv"}
    text = file.read_text(encoding="utf-8").replace('"{device}_cov.csv"', '{ A = "A_cov.csv" }')
    file.write_text(text, encoding="utf-8")
    assert load_study(file).curves[0].is_correlated
    (tmp_path / "A_cov.csv").write_text("1,2\n3,4\n", encoding="utf-8")
    assert problems(file)[0].startswith("A_cov.csv: has 2 rows of numbers; the 3 points of device 'A' need 6 x 6")
