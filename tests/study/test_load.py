"""Study files: every mistake at its key path, none hides another, and nothing that is read can run."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import problems_of, told
from unplaced import unplaced

import mtjfit
from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Sampling, Study, Uniform, load_study

DATA = "device,d_nm,V,tau_par,tau_perp,s1,s2\n" + "".join(
    f"{name},{d},{v},{v},0.1,0.1,0.1\n" for name, d in (("A", 2.0), ("B", 3.0)) for v in (-0.2, 0.0, 0.2)
)
TEXT = """\
[study]
name = "CoFeB series"
[[data]]
file = "series.csv"
quantity = "torkance"
per = "device"
perp_axis = "PxM"
bias_window = [-0.3, 1]
mask = []
[data.columns]
device = "device"
thickness = "d_nm"
bias = "V"
par = "tau_par"
perp = "tau_perp"
sigma_par = "s1"
sigma_perp = "s2"
[data.units]
bias = "V"
torque = "hbar/2e/kohm"
thickness = "nm"
[parameters]
lambda_J    = { prior = "loguniform", low = 0.1, high = 100.0 }
lambda_phi  = { prior = "uniform", low = 0.1, high = 100 }
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 }
lambda_sf_N = { fixed = inf }
D_ratio     = { fixed = 1 }
thickness   = { prior = "normal", sd = 0.1 }
a1 = { prior = "normal", mean = 0.0, sd = 10.0, scope = "device" }
b2 = { prior = "normal", mean = 0.0, sd = 10.0 }
[sampling]
seed = 3
target_ess = 2000
"""


SIGMA_COLUMNS = 'sigma_par = "s1"\nsigma_perp = "s2"\n'


def write(folder: Path, text: str = TEXT, data: str = DATA) -> Path:
    (folder / "series.csv").write_text(data, encoding="utf-8", newline="")
    file = folder / "study.toml"
    file.write_text(text, encoding="utf-8", newline="")
    return file


def refused(folder: Path, text: str = TEXT, data: str = DATA, kind: type[MtjfitError] = ConfigError) -> list[str]:
    return [*map(unplaced, problems_of(load_study, write(folder, text, data), kind=kind))]


def test_a_good_file(tmp_path: Path) -> None:
    study = load_study(write(tmp_path))
    said = (study.name, study.devices, study.sampling)
    assert said == ("CoFeB series", ("A", "B"), Sampling(seed=3, target_ess=2000))
    assert study.curves[0].perp.tolist() == [-0.1] * 3
    assert study.text == TEXT
    assert dict(study.files) == {"series.csv": hashlib.sha256(DATA.encode()).hexdigest()}
    assert {name: each.prior for name, each in study.parameters.items()} == {
        "lambda_J": LogUniform(0.1, 100.0), "lambda_phi": Uniform(0.1, 100.0), "lambda_sf_F": LogNormal(10.0, 2.0),
        "lambda_sf_N": Fixed(math.inf), "D_ratio": Fixed(1.0), "thickness": AboutNominal(0.1), "a1": Normal(0.0, 10.0),
        "b2": Normal(0.0, 10.0),
    }  # fmt: skip
    assert [each.scope for each in study.parameters.values()] == ["shared"] * 5 + ["device", "device", "shared"]


def test_windows_files_read_the_same(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "\ufeff" + TEXT.replace("\n", "\r\n"), DATA.replace("\n", "\r\n")))
    assert study.devices == ("A", "B")


def test_all_keys_of_a_data_table(tmp_path: Path) -> None:
    text = TEXT.replace('device = "device"\nthickness = "d_nm"\n', "").replace(SIGMA_COLUMNS, "")
    text = text.replace(
        "mask = []",
        """thickness = 21.0
device = "X1"
group = "wafer 7"
sigma = { par = 0.5, perp = 1 }
sigma_bias = 0.002
mask = [{ bias = [0, 0.01], reason = "zero-bias anomaly", device = "X1" }]""",
    )
    text = text.replace('"nm"\n', '"angstrom"\n[data.format]\nseparator = ";"\ndecimal = ","\ncomment = "%"\n'
                        'encoding = "latin-1"\norder = "any"\nrepeats = true\n')  # fmt: skip
    text = text.replace('{ prior = "normal", sd = 0.1 }', "{ fixed = true }")
    rows = "% origin: simulated; µ\nV;tau_par;tau_perp\n-0,2;1;1\n-0,2;1;1\n0;0;0\n0,2;1;1\n-0,1;1;1\n"
    file = write(tmp_path, text)
    (tmp_path / "series.csv").write_bytes(rows.encode("latin-1"))
    (curve,) = load_study(file).curves
    assert (curve.device, curve.group, curve.thickness, curve.origin.note) == ("X1", "wafer 7", 2.1, "µ")
    assert curve.bias.tolist() == [-0.2, -0.2, 0.0, 0.2, -0.1]
    assert curve.reasons[2] == "zero-bias anomaly"
    assert (curve.sigma_par.tolist(), curve.sigma_perp.tolist()) == ([0.5] * 5, [1.0] * 5)  # type: ignore[union-attr]
    assert curve.sigma_bias.tolist() == [0.002] * 5
    assert load_study(file).parameters["thickness"].prior == Fixed(0.0)


MISTAKES = [
    ('name = "CoFeB series"', "name = 7"),
    ('name = "CoFeB series"', 'name = " "'),
    ('name = "CoFeB series"', ""),
    ("[study]\nname", "study"),
    ("[sampling]", "[smapling]"),
    ("seed = 3", "sede = 3"),
    ("seed = 3", 'seed = "3"'),
    ("seed = 3", "seed = true"),
    ("seed = 3", "ensembles = 2"),
    ('quantity = "torkance"\n', ""),
    ('quantity = "torkance"', 'quantity = "torkanc"'),
    ('per = "device"\n', ""),
    ('perp_axis = "PxM"\n', ""),
    ('file = "series.csv"\n', ""),
    ('file = "series.csv"', 'file = ""'),
    ("quantity =", "quantitty = 1\nquantity ="),
    ('bias = "V"\npar', 'bais = "V"\npar'),
    ('bias = "V"\npar', "par"),
    ('torque = "hbar', 'torqe = "hbar'),
    ('torque = "hbar/2e/kohm"', 'torque = "N m"'),
    ('torque = "hbar/2e/kohm"', 'torque = "mt/V"'),
    ("bias_window = [-0.3, 1]", "bias_window = [-0.3]"),
    ("bias_window = [-0.3, 1]", "bias_window = [-0.3, 0.1, 1]"),
    ("bias_window = [-0.3, 1]", 'bias_window = ["a", 1]'),
    ("bias_window = [-0.3, 1]", "bias_window = 1"),
    ("mask = []", 'mask = [{ bias = [0, 1], raeson = "x" }]'),
    ("mask = []", "sigma = { par = 1, prep = 2 }"),
    ("mask = []", 'angle = 72.0\nsin_theta = "include"'),
    ("mask = []", 'angle = "72"\nsin_theta = "included"'),
    ("mask = []", 'angel = 72.0\nsin_theta = "divided"'),
    ("[parameters]", "[data.format]\ndecimal = ';'\n[parameters]"),
    ("[parameters]", "[data.format]\nrepeats = 1\n[parameters]"),
    ("lambda_J  ", "lambda_j  "),
    ("low = 0.1, high = 100.0 }", "low = 10, high = 1 }"),
    ("low = 0.1, high = 100.0 }", "low = 0.1 }"),
    ("low = 0.1, high = 100.0 }", "low = 0.1, high = 100.0, hgih = 3 }"),
    ("low = 0.1, high = 100.0 }", "low = 0.1, high = 100.0, sd = 3 }"),
    ('"loguniform"', '"log-uniform"'),
    ('prior = "loguniform", ', ""),
    ('prior = "loguniform"', 'prior = "loguniform", fixed = 1'),
    ("{ fixed = 1 }", "{ fixed = 1, sd = 2 }"),
    ("{ fixed = 1 }", "{ fixed = true }"),
    ("{ fixed = 1 }", '{ fixed = "1" }'),
    ("{ fixed = 1 }", "1.0"),
    ('{ prior = "normal", sd = 0.1 }', "{ fixed = 2.0 }"),
    ('{ prior = "normal", sd = 0.1 }', '{ prior = "normal", sd = 0.1, mean = 2 }'),
    ('{ prior = "normal", sd = 0.1 }', '{ prior = "uniform", low = 1, high = 2 }'),
    ('scope = "device"', 'scope = "devices"'),
]  # fmt: skip
NO_TOML = ("[study\nname = 1", "[study]\nname = CoFeB", "[study]\nname = [", "x = " + "[" * 5000)
NO_STUDY = ("", TEXT.replace("[[data]]", "[data]"), "parameters = 3\ndata = []\n[study]\nname = 'x'")


def test_mistakes_are_named_at_their_key(golden: Callable[..., None], tmp_path: Path) -> None:
    assert [old for old, _ in MISTAKES if old not in TEXT] == []
    texts = [(f"{old} → {new}", TEXT.replace(old, new, 1)) for old, new in MISTAKES]
    texts += [(text[:40], text) for text in (*NO_TOML, *NO_STUDY)]
    mistakes = [(name, problems_of(load_study, write(tmp_path, text))) for name, text in texts]
    golden("study-mistakes", told(mistakes), tmp_path)


def test_files_that_are_no_study(tmp_path: Path) -> None:
    file = write(tmp_path)
    for path, match in ((tmp_path / "stduy.toml", r"no such file; did you mean 'study\.toml'\?$"),
                        (str(tmp_path), "is a folder")):  # fmt: skip
        with pytest.raises(ConfigError, match=match):
            load_study(path)
    for data, match in ((b"\xff\xfe", r"study\.toml: is not UTF-8; save it as UTF-8$"),
                        (b"#" * 2_000_000, "more than the limit")):  # fmt: skip
        file.write_bytes(data)
        with pytest.raises(ConfigError, match=match):
            load_study(file)


def test_very_many_tables_are_one_problem(tmp_path: Path) -> None:
    (message,) = refused(tmp_path, TEXT.replace("[[data]]", "[[data]]\n" * 10_000 + "[[data]]"))
    assert message.startswith("study.toml: data: holds 10001 tables, at most 10000 are read; name")


def test_data_problems_alone_are_data_errors(tmp_path: Path) -> None:
    assert refused(tmp_path, data=DATA.replace("B,3.0,0.0,0.0", "B,3.0,0.0,x"), kind=DataError) == [
        "series.csv:6: column 'tau_par': 'x' is not a number; write a plain number such as -1.25e-3"
    ]
    assert refused(tmp_path, TEXT.replace("series.csv", "serie.csv"), kind=DataError) == [
        "serie.csv: no such file; did you mean 'series.csv'?"
    ]


def test_no_mistake_hides_another(tmp_path: Path) -> None:
    text = TEXT.replace("seed = 3", "seed = -3").replace('"loguniform"', '"uniform"')
    text = (
        text.replace("lambda_phi ", "lambda_fi ")
        .replace("factor = 2.0", "factor = 1.0")
        .replace('name = "CoFeB series"', "nam = 1")
    )
    messages = refused(tmp_path, text, DATA.replace("0.1,0.1\n", "0.1,0\n", 1))
    assert [message.split(": ")[1] for message in messages] == [
        "study.name", "study.nam", "sampling.seed", "parameters.lambda_sf_F", "parameters.lambda_fi",
        "parameters.lambda_phi", "column 's2'",
    ]  # fmt: skip


def test_a_broken_data_table_does_not_hide_a_missing_file_or_other_tables(tmp_path: Path) -> None:
    second = '[[data]]\nfile = "none.csv"\nquantity = "torque"\n'
    messages = refused(tmp_path, second + TEXT, DATA.replace("A,2.0,0.0", "A,2.0,zero"))
    assert any(
        message.startswith("study.toml: data[0].per (in the first [[data]]): is missing") for message in messages
    )
    assert any(message.startswith("none.csv: no such file") for message in messages)
    assert any(message.startswith("series.csv:3: column 'V': 'zero'") for message in messages)


def test_two_files_make_one_study(tmp_path: Path) -> None:
    table = TEXT[TEXT.index("[[data]]") : TEXT.index("[parameters]")]
    text = TEXT.replace("[parameters]", table.replace("series.csv", "sub/more.csv") + "[parameters]")
    (tmp_path / "sub").mkdir()
    more = tmp_path / "sub" / "more.csv"
    more.write_text(DATA.replace("A,", "C,").replace("B,", "D,"), encoding="utf-8")
    study = load_study(write(tmp_path, text))
    assert study.devices == ("A", "B", "C", "D")
    assert set(study.files) == {"series.csv", "sub/more.csv"}
    more.write_text(DATA.replace("B,", "D,"), encoding="utf-8")
    assert refused(tmp_path, text) == [
        "study.toml: device 'A': there are 2 curves of this name (series.csv, sub/more.csv); name a file once; one "
        "device at several temperatures or in several sweeps: give each curve its condition; several devices: give "
        "each its own name"
    ]


def test_files_that_are_copies_hidden_or_of_another_case_are_told(tmp_path: Path) -> None:
    text = TEXT.replace('file = "series.csv"', 'files = "*.csv"\nname = "{device}.csv"\nthickness = 2.0')
    text = text.replace('thickness = "d_nm"\n', "")
    for name in ("A1.csv", "A2.csv", "._A1.csv", "B1.CSV"):
        (tmp_path / name).write_text(DATA.partition("B,")[0].replace("device", "x"), encoding="utf-8")
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    study = load_study(tmp_path / "study.toml")
    assert study.devices[:2] == ("A1", "A2")
    hidden, *other, copy = study.data_notices
    assert hidden == "1 hidden file not read: ._A1.csv"
    assert (
        other == ["1 file not read, other than '*.csv' in upper and lower case only: B1.CSV"] or len(study.curves) > 2
    )
    assert copy == "A1 and A2 hold the same points: is one a copy?" or len(study.curves) > 2


def test_an_angle_is_read_from_a_key_or_a_column(tmp_path: Path) -> None:
    text = TEXT.replace("mask = []", 'angle = 72\nsin_theta = "included"')
    assert [(c.angle, c.sin_theta) for c in load_study(write(tmp_path, text)).curves] == [(72.0, "included")] * 2
    text = TEXT.replace("mask = []", 'sin_theta = "divided"')
    text = text.replace("[data.units]", 'angle = "theta"\nrho = "r"\n[data.units]')
    rows = DATA.replace("s1,s2\n", "s1,s2,theta,r\n").replace("0.1,0.1\n", "0.1,0.1,54.5,0.5\n")
    curves = load_study(write(tmp_path, text, rows)).curves
    assert [(c.angle, c.sin_theta) for c in curves] == [(54.5, "divided")] * 2
    assert curves[0].rho.tolist() == [-0.5] * 3  # along P x M in the file
    assert [c.angle for c in load_study(write(tmp_path)).curves] == [None, None]


def test_noise_is_read_where_sigma_is_fitted(tmp_path: Path) -> None:
    text = TEXT.replace("mask = []", 'sigma = "fit"').replace(SIGMA_COLUMNS, "")
    assert [message.split(";")[0] for message in refused(tmp_path, text)] == [
        f"study.toml: parameters.{name}: is missing: the errors of device 'A' are to be fitted"
        for name in ("noise_par", "noise_perp")
    ]
    noise = "".join(f'{n} = {{ prior = "lognormal", median = 0.1, factor = 3 }}\n' for n in ("noise_par", "noise_perp"))
    assert load_study(write(tmp_path, text.replace("[sampling]", noise + "[sampling]"))).curves[0].sigma_is_fitted
    broken = noise.replace("factor = 3", "factor = 1", 1)
    assert refused(tmp_path, text.replace("[sampling]", broken + "[sampling]")) == [
        "study.toml: parameters.noise_par: lognormal needs factor > 1 (2 means: one sd is a factor of two); "
        "correct the numbers"
    ]


ROWS = "V,tau_par,tau_perp\n-0.1,1,0.5\n0,1,0\n0.1,1,-0.5\n"
NAMED = 'file = "A_T2nm.csv"\nname = "{device}_T{d_nm:nm}.csv"'


def write_files(folder: Path, source: str, form: str = 'reader = "tidy"', *names: str) -> Path:
    """A study whose data are in files of these names, which hold columns for bias and torque only."""
    for name in names or ("A_T2nm.csv",):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(ROWS, encoding="utf-8")
    text = TEXT.replace('file = "series.csv"', source).replace(SIGMA_COLUMNS, "")
    text = text.replace("mask = []", "sigma = { par = 0.1, perp = 0.1 }")
    return write(folder, text.replace("[parameters]", f"[data.format]\n{form}\n[parameters]"))


def test_many_files_by_a_pattern(tmp_path: Path) -> None:
    names = [f"sweeps/{name}.csv" for name in ("A_T1.5nm", "B_T2nm", "C_T2.5nm")]
    pattern = 'files = "sweeps/*.csv"\nname = "{device}_T{d_nm:nm}.csv"'
    file = write_files(tmp_path, pattern, 'reader = "tidy"', *names)
    study = load_study(file)
    assert [(curve.device, curve.thickness) for curve in study.curves] == [("A", 1.5), ("B", 2.0), ("C", 2.5)]
    assert list(study.files) == names
    assert all(len(sha) == 64 for sha in study.files.values())
    (tmp_path / names[1]).write_text(ROWS.replace("0.1,1,-", "0.1,x,-"), encoding="utf-8")
    assert problems_of(load_study, file) == [
        "sweeps/B_T2nm.csv:4: column 'tau_par': 'x' is not a number; write a plain number such as -1.25e-3"
    ]


@pytest.mark.parametrize(
    ("source", "form", "fault"),
    [
        ('files = "*.txt"', "", "*.txt: fits no file"),
        ('files = "/etc/*"', "", "/etc/*: is no pattern of files"),
        ('files = "*.csv"\nfile = "A_T2nm.csv"', "", "study.toml: data[0].file: is declared beside files"),
        ('files = ""', "", "study.toml: data[0].files: is empty"),
        ("", "", "study.toml: data[0].file: is missing; name the data file, relative to the study file"),
        ('file = "A_T2nm.csv"\nname = "{device"', "", "study.toml: data[0].name: has an open brace"),
        (
            'file = "A_T2nm.csv"\nname = "{device}_R{d_nm:nm}.csv"',
            "",
            "A_T2nm.csv: does not fit '{device}_R{d_nm:nm}.csv'",
        ),
        (NAMED, 'reader = "tidi"', "study.toml: data[0].format.reader: is 'tidi'; did you mean 'tidy'?"),
        (NAMED, "max_bytes = 10", "A_T2nm.csv: has "),
        (NAMED, "max_bytes = -1", "study.toml: data[0].format.max_bytes: is -1"),
        (NAMED, 'header = ["nam"]', "study.toml: data[0].format.header[0]: is 'nam'"),
        (NAMED, "sheet = true", "study.toml: data[0].format.sheet: is neither a name nor a number"),
        (NAMED, '[data.wide]\ncolums = ["V"]', "study.toml: data[0].wide.colums: is no key; did you mean 'columns'?"),
    ],
)
def test_what_is_wrong_with_files_and_their_format(tmp_path: Path, source: str, form: str, fault: str) -> None:
    reader = "" if form.startswith("reader") else 'reader = "tidy"\n'
    found = problems_of(load_study, write_files(tmp_path, source, reader + form))
    assert any(unplaced(each).startswith(fault) for each in found), found


def test_a_covariance_is_read_and_hashed(tmp_path: Path) -> None:
    matrix = 0.01 * np.eye(6) + 0.002
    rows = "\n".join(",".join(map(repr, row)) for row in matrix.tolist())
    (tmp_path / "A_cov.csv").write_text(rows, encoding="utf-8")
    file = write_files(tmp_path, NAMED + '\ncovariance = "{device}_cov.csv"')
    assert "contradicts" not in " ".join(problems_of(load_study, file))
    text = file.read_text(encoding="utf-8").replace("sigma = { par = 0.1, perp = 0.1 }\n", "").replace("PxM", "MxP")
    for covariance in ('"{device}_cov.csv"', '{ A = "A_cov.csv" }'):
        file.write_text(text.replace('"{device}_cov.csv"', covariance), encoding="utf-8")
        study = load_study(file)
        assert np.array_equal(study.curves[0].covariance, matrix)
        assert set(study.files) == {"A_T2nm.csv", "A_cov.csv"}
    (tmp_path / "A_cov.csv").write_text("1,2\n3,4\n", encoding="utf-8")
    assert problems_of(load_study, file)[0].startswith(
        "A_cov.csv: has 2 rows of numbers; the 3 points of device 'A' need 6 x 6"
    )


LINES = TEXT.splitlines()
VALUES = st.sampled_from(
    ["1", "-1", "0", "nan", "inf", "1e400", "9" * 400, '"x"', '""', "true", "[]", "{}", "[1, 2]", "[[]]", "2020-01-01",
     '"series.csv"', '"../"', '"\\u0000"', '"fit"', "{ par = 1 }", "[{}]", '"<what?>"', '"/dev/zero"', '"N m/V"']
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_studies_load_or_are_refused(tmp_path: Path, data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(lines) - 1))
        action = data.draw(st.sampled_from(["drop", "double", "value", "rename", "cut"]))
        key, equals, value = lines[i].partition("=")
        lines[i : i + 1] = {
            "drop": [], "double": [lines[i]] * 2, "value": [key + equals + data.draw(VALUES)],
            "rename": ["x" + key + equals + value], "cut": [lines[i][: len(lines[i]) // 2]],
        }[action] or [""]  # fmt: skip
    try:
        study = load_study(write(tmp_path, "\n".join(lines)))
    except (ConfigError, DataError) as error:
        problems: Any = error.problems
        assert problems
        assert all(problem.where and problem.what and problem.todo for problem in problems)
    else:
        assert isinstance(study, Study)
        assert tomllib.loads(study.text)


def test_very_many_unknown_names_cost_no_minute(tmp_path: Path):
    (tmp_path / "series.csv").write_text(DATA, encoding="utf-8")
    many = "".join(f'[parameters."x{k}"]\nfixed = 1\n' for k in range(5000))
    (tmp_path / "study.toml").write_text(TEXT + many, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_study(tmp_path / "study.toml")
    assert 100 < len(caught.value.problems) < 2000


@pytest.mark.slow
def test_studies_of_very_many_devices_are_for_batch(tmp_path: Path) -> None:
    rows = [f"D{k},{V},{V},0.1" for k in range(2001) for V in (-1, 0, 1)]
    (tmp_path / "data.csv").write_text("\n".join(["device,V,par,perp", *rows]) + "\n", encoding="utf-8")
    study = tmp_path / "study.toml"
    study.write_text(
        '[study]\nname = "many"\n[[data]]\nfile = "data.csv"\nquantity = "torque"\nper = "device"\nperp_axis = "MxP"\n'
        "thickness = 2.0\nsigma = { par = 0.1, perp = 0.1 }\n"
        '[data.columns]\ndevice = "device"\nbias = "V"\npar = "par"\nperp = "perp"\n'
        '[data.units]\nbias = "V"\ntorque = "arb"\nthickness = "nm"\n'
        "[parameters]\nlambda_J = { fixed = 1.0 }\nlambda_phi = { fixed = 1.0 }\nlambda_sf_F = { fixed = 9.0 }\n"
        'Lambda = { fixed = 1.0 }\nthickness = { fixed = true }\na1 = { prior = "normal", mean = 0.0, sd = 1.0 }\n',
        encoding="utf-8",
    )
    with pytest.raises(
        ConfigError, match="data: hold 2001 devices; a study takes at most 2000; reduce them with mtjfit"
    ):
        load_study(study)


@pytest.mark.parametrize(
    ("name", "prior"),
    [("thickness", AboutNominal(1e-15)), ("lambda_J", Normal(1.0, 1e-15)), ("lambda_J", LogNormal(1.0, 1 + 1e-15)),
     ("lambda_J", Uniform(1.0, 1.0 + 1e-14)), ("lambda_J", LogUniform(1.0, 1.0 + 1e-14)), ("a1", Normal(3.0, 1e-14))],
)  # fmt: skip
def test_priors_that_are_one_value_are_to_be_fixed(name: str, prior: Any) -> None:
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    declared = {**study.parameters, name: replace(study.parameters[name], prior=prior)}
    with pytest.raises(ConfigError, match=f"parameters.{name}: its prior .* is too narrow.*; fix the parameter"):
        study.replace(parameters=declared)
