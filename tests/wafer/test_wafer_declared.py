"""Wafer study files: what they may say, what they get wrong, and what a device's numbers depend on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from unplaced import unplaced
from wafer_cases import simulated_wafer, wafer_study, wafer_toml

from mtjfit.errors import ConfigError
from mtjfit.study import LogNormal
from mtjfit.wafer import Hierarchy, WaferTable, column_names, hierarchy_of, load_wafer


def load(folder: Path, text: str, table: str | None = "t.csv") -> Any:
    (folder / "wafer.toml").write_text(text, encoding="utf-8")
    return load_wafer(folder / "wafer.toml", table)


def problems(folder: Path, text: str, table: str | None = "t.csv") -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, table)
    return unplaced(str(caught.value))


def test_a_wafer_study(tmp_path: Path) -> None:
    study = wafer_study(tmp_path, "t.parquet", wafer='chunk = 500\nmemory = "300 MB"\n')
    assert study.wafer == WaferTable("x (mm)", "y (mm)", "wafer", "split", 500, "300 MB")
    assert (study.name, study.table) == ("Simulated wafer", Path("t.parquet"))
    assert study.terms.names == study.study_template.amplitudes == ("a1", "b2")
    assert study.reading.columns.roles()["x"] == "x (mm)"
    assert study.study_template.study(simulated_wafer(2).curves()).devices == ("D000000", "D000001")


def test_almost_everything_may_be_left_out(tmp_path: Path) -> None:
    text = wafer_toml(data='file = "in/table.csv"\ngroup = "stack"').partition("[wafer]")[0]
    study = load(tmp_path, text, None)
    assert study.table == tmp_path / "in" / "table.csv"
    assert (study.wafer.chunk, study.wafer.memory_bytes) == (10_000, 2**30)
    assert study.wafer.roles() == {}


def test_a_group_serves_as_split(tmp_path: Path) -> None:
    text = wafer_toml(columns='group = "stack"\n').replace('split = "split"\n', "")
    assert load(tmp_path, text).reading.columns.roles()["split"] == "stack"
    both = problems(tmp_path, wafer_toml(columns='group = "stack"\n'))
    assert "wafer.split: is declared beside the group" in both
    same = wafer_toml(columns='group = "split"\n')
    assert load(tmp_path, same).reading.columns.roles()["split"] == "split"


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = wafer_toml(wafer='chunk = 0\nmemory = "much"\nspilt = "s"\n', parameters="lambda_X = { fixed = 1.0 }\n")
    text = text.replace('quantity = "torque"', 'quantity = "tork"').replace('name = "Simulated wafer"', "name = 3")
    found = problems(tmp_path, text)
    for each in ("wafer.toml: study.name", "data[0].quantity", "wafer.chunk", "wafer.spilt: is no key; did you mean",
                 "parameters.lambda_X"):  # fmt: skip
        assert each in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wafer": 'memory = "much"'}, "wafer.memory: is 'much'; write it like"),
        ({"wafer": 'memory = "1 MiB"'}, "wafer.memory: is '1 MiB'; give at least"),
        ({"data": "sigma_bias = 0.01"}, "data[0].sigma_bias: is not supported for whole wafers; remove it"),
        ({"columns": 'sigma_bias = "sV"\n'}, "data[0].columns.sigma_bias: is not supported for whole wafers"),
        ({"columns": 'condition = "T"\n'}, "data[0].columns.condition: is not supported for whole wafers; remove it"),
        ({"data": 'covariance = "c.csv"'}, "data[0].covariance: is not supported for whole wafers"),
        ({"wafer": 'origin = "guessed"\n'}, "wafer.origin: is 'guessed'; write"),
        ({"wafer": "radius = 0\n"}, "wafer.radius: "),
        ({"wafer": 'smooth_each = "die"\n'}, "wafer.smooth_each: "),
        ({"wafer": "smooth_sd = { thickness = -1.0 }\n"}, "wafer.smooth_sd.thickness: "),
        ({"wafer": "smooth_sd = { a1 = 0.1 }\n"}, "wafer.smooth_sd.a1: is given, but a1 has no smooth part"),
        ({"wafer": 'smooth = { a3 = ["bowl"] }\n'}, "wafer.smooth.a3: cannot vary smoothly over the wafer"),
        ({"wafer": 'smooth = { a1 = ["bowls"] }\n'}, "which is no shape; did you mean 'bowl'"),
        ({"sigma": "fit", "parameters": "noise_par = { fixed = 1.0 }\n"}, "is not TOML"),
        ({"parameters": "noise_par = { fixed = 1.0 }\n"}, "parameters.noise_par: is declared, but every curve has"),
        ({"amplitudes": ()}, "there is no amplitude"),
        ({"quantity": "torkance", "amplitudes": ("a1", "b0")}, "parameters.b0: a torkance does not contain b0"),
    ],
)  # fmt: skip
def test_what_cannot_be_declared(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in problems(tmp_path, wafer_toml(**change))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('y = "y (mm)"\n', "", "wafer.y: is missing beside x"),
        ('x = "x (mm)"\ny = "y (mm)"', 'smooth = { a1 = ["bowl"] }', "wafer.smooth: needs positions"),
        ('x = "x (mm)"', 'x = "V"', "wafer.x: column 'V' is already data[0].columns.bias"),
        ('x = "x (mm)"', 'x = "x (um)"', "wafer.x: column 'x (um)' is in 'um'; give positions in mm"),
        ('wafer = "wafer"', 'wafer = "split"', "wafer.split: column 'split' is already wafer.wafer"),
        ("[[data]]", "[[data]]\n[[data]]", "data: has 2 tables; add exactly one"),
        ("[[data]]", "[data]", "data: is no list"),
        ('sd = 0.05', 'sd = "<sd?>"', "still holds the placeholder"),
    ],
)  # fmt: skip
def test_what_contradicts_itself(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = wafer_toml()
    assert old in text
    assert message in problems(tmp_path, text.replace(old, new))
    assert "data[0].file: is missing" in problems(tmp_path, text, None)


def test_parameters_of_whole_wafers_stand_apart(tmp_path: Path) -> None:
    line = 'thickness_scatter = { prior = "lognormal", median = 0.02, factor = 2.0 }\n'
    study = load(tmp_path, wafer_toml(parameters=line, wafer='[wafer.smooth]\nthickness = ["tilt_x", "bowl"]\n'))
    assert set(study.wafer_parameters) == {"thickness_scatter"}
    assert "thickness_scatter" not in study.study_template.parameters
    assert study.wafer.smooth == {"thickness": ("tilt_x", "bowl")}
    ordered = load(tmp_path, wafer_toml(wafer='smooth = { thickness = ["bowl"], a1 = ["bowl"] }\n'))
    assert list(ordered.wafer.smooth) == ["a1", "thickness"]  # whatever the order in the file
    more = 'smooth = { a1 = ["bowl"] }\nsmooth_sd = { a1 = 0.2 }\nsmooth_each = "wafer"\nradius = 150\n'
    hierarchy = hierarchy_of(load(tmp_path, wafer_toml(parameters=line, wafer=more)))
    assert hierarchy == Hierarchy({"a1": ("bowl",)}, {"a1": 0.2}, "wafer", LogNormal(0.02, 2.0), 150.0)


def test_the_fingerprint_changes_with_what_changes_numbers_and_with_nothing_else(tmp_path: Path) -> None:
    start = wafer_toml()
    known = load(tmp_path, start).fingerprint()
    for same in (start.replace("sd = 3.0", "sd = 5.0"), start + 'chunk = 7\nmemory = "2 GiB"\n',
                 start.replace("Simulated", "Another"), start + "# a comment\n"):  # fmt: skip
        assert load(tmp_path, same).fingerprint() == known
    assert load(tmp_path, start, "other.csv").fingerprint() == known
    others = [
        wafer_toml(quantity="torkance"), wafer_toml(per="volume"), wafer_toml(perp_axis="PxM"),
        wafer_toml(amplitudes=("a1", "b1", "b2")), wafer_toml(sigma="fit"),
        wafer_toml(data="bias_window = [-0.3, 0.3]"), start.replace('bias = "V"\npar', 'bias = "U"\npar'),
        start.replace('x = "x (mm)"', 'x = "X"'),
    ]  # fmt: skip
    assert len({known, *(load(tmp_path, each).fingerprint() for each in others)}) == 1 + len(others)


def test_columns_are_those_that_the_amplitudes_allow(tmp_path: Path) -> None:
    without = column_names(load(tmp_path, wafer_toml(amplitudes=("a1", "b1"))))
    assert not any("slope_ratio" in name or "kappa" in name for name in without)
    assert {"par·V^1", "perp·V^1", "scatter_p_value"} <= set(without)
    every = column_names(load(tmp_path, wafer_toml()))
    assert "corr(slope_ratio, b2/a1)" in every
    assert len(set(every)) == len(every)
    assert "sigma_par" in column_names(load(tmp_path, wafer_toml(sigma="fit")))


def test_the_layer_is_imported_without_what_it_does_not_need() -> None:
    code = "import sys, mtjfit.wafer; print(*{'lmfit', 'matplotlib', 'pyarrow', 'dask'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_folder_keeps_the_pattern_of_its_files(tmp_path: Path) -> None:
    text = wafer_toml(data='files = "sweeps/*.csv"')
    assert load(tmp_path, text, None).table == tmp_path / "sweeps" / "*.csv"
    assert load(tmp_path, text, str(tmp_path)).table == tmp_path / "*.csv"
    assert load(tmp_path, text, "one.csv").table == Path("one.csv")
