"""Study files: every mistake at its key path, none hides another, and nothing that is read can run."""

from __future__ import annotations

import hashlib
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def write(folder: Path, text: str = TEXT, data: str = DATA) -> Path:
    (folder / "series.csv").write_text(data, encoding="utf-8", newline="")
    file = folder / "study.toml"
    file.write_text(text, encoding="utf-8", newline="")
    return file


def refused(folder: Path, text: str = TEXT, data: str = DATA, kind: type[MtjfitError] = ConfigError) -> list[str]:
    with pytest.raises(kind) as caught:
        load_study(write(folder, text, data))
    return str(caught.value).splitlines()


def test_a_good_file(tmp_path: Path) -> None:
    study = load_study(write(tmp_path))
    assert (study.name, study.devices, study.sampling) == (
        "CoFeB series",
        ("A", "B"),
        Sampling(seed=3, target_ess=2000),
    )
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
    text = TEXT.replace('device = "device"\nthickness = "d_nm"\n', "").replace(
        'sigma_par = "s1"\nsigma_perp = "s2"\n', ""
    )
    text = text.replace(
        "mask = []",
        """thickness = 21.0
device = "X1"
group = "wafer 7"
sigma = { par = 0.5, perp = 1 }
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
    assert load_study(file).parameters["thickness"].prior == Fixed(0.0)


MISTAKES = [
    ('name = "CoFeB series"', "name = 7", 'study.name: is not a string; write it in quotes, such as "text"'),
    ('name = "CoFeB series"', 'name = " "', "study.name: is ' '; give the study a printable name"),
    ('name = "CoFeB series"', "", "study.name: is missing; add it"),
    ("[study]\nname", "study", "study: is not a table; add a [study] table with a name"),
    ("[sampling]", "[smapling]", "smapling: is no key; did you mean 'sampling'?"),
    ("seed = 3", "sede = 3", "sampling.sede: is no key; did you mean 'seed'?"),
    ("seed = 3", 'seed = "3"', "sampling.seed: is not a whole number; write a whole number without quotes"),
    ("seed = 3", "seed = true", "sampling.seed: is not a whole number; write a whole number without quotes"),
    ("seed = 3", "ensembles = 2",
     "sampling.ensembles: is 2; give a number from 4 to 64; fewer cannot be compared with each other"),
    ('quantity = "torkance"\n', "", 'data[0].quantity: is missing; '
     'write quantity = "torque" (T) or "torkance" (dT/dV); no file can reveal which'),
    ('quantity = "torkance"', 'quantity = "torkanc"', "data[0].quantity: is 'torkanc'; "
     'write quantity = "torque" (T) or "torkance" (dT/dV); no file can reveal which'),
    ('per = "device"\n', "", 'data[0].per: is missing; '
     'write per = "device", "area" or "volume" (effective fields); no file can reveal which'),
    ('perp_axis = "PxM"\n', "", 'data[0].perp_axis: is missing; '
     'write perp_axis = "MxP" or "PxM"; it decides the sign of the out-of-plane component'),
    ('file = "series.csv"\n', "", "data[0].file: is missing; name the data file, relative to the study file"),
    ('file = "series.csv"', 'file = ""', "data[0].file: is empty; name the data file, relative to the study file"),
    ("quantity =", "quantitty = 1\nquantity =", "data[0].quantitty: is no key; did you mean 'quantity'?"),
    ('bias = "V"\npar', 'bais = "V"\npar', "data[0].columns.bais: is no key; did you mean 'bias'?"),
    ('bias = "V"\npar', "par", "data[0].columns.bias: is missing; add it"),
    ('torque = "hbar', 'torqe = "hbar', "data[0].units.torqe: is no key; did you mean 'torque'?"),
    ('torque = "hbar/2e/kohm"', 'torque = "N m"', "data[0].units.torque: 'N m' is a torque, but quantity = "
     '"torkance"; set quantity = "torque" if that is what was measured, '
     "or give the unit of the torkance, such as 'N m/V'"),
    ('torque = "hbar/2e/kohm"', 'torque = "mt/V"', "data[0].units.torque: unknown unit 'mt/V'; did you mean 'mT/V'?"),
    ("bias_window = [-0.3, 1]", "bias_window = [-0.3]",
     "data[0].bias_window: has the wrong number of entries; write [low, high] in V"),
    ("bias_window = [-0.3, 1]", "bias_window = [-0.3, 0.1, 1]",
     "data[0].bias_window: has the wrong number of entries; write [low, high] in V"),
    ("bias_window = [-0.3, 1]", 'bias_window = ["a", 1]',
     "data[0].bias_window[0]: is not a number; write a number without quotes"),
    ("bias_window = [-0.3, 1]", "bias_window = 1",
     "data[0].bias_window: is not a list; write bias_window = [low, high] in V"),
    ("mask = []", 'mask = [{ bias = [0, 1], raeson = "x" }]',
     "data[0].mask[0].raeson: is no key; did you mean 'reason'?"),
    ("mask = []", "sigma = { par = 1, prep = 2 }", "data[0].sigma.prep: is no key; did you mean 'perp'?"),
    ("mask = []", 'angle = 72.0\nsin_theta = "include"', "data[0].sin_theta: is 'include'; "
     'write "included" if the values are torques at the angle, or "divided" if they are already per sin θ'),
    ("mask = []", 'angle = "72"\nsin_theta = "included"', "data[0].angle: is not a number; "
     "write a number without quotes"),
    ("mask = []", 'angel = 72.0\nsin_theta = "divided"', "data[0].angel: is no key; did you mean 'angle'?"),
    ("[parameters]", "[data.format]\ndecimal = ';'\n[parameters]",
     "data[0].format.decimal: is ';'; use one of '.', ','"),
    ("[parameters]", "[data.format]\nrepeats = 1\n[parameters]", "data[0].format.repeats: is neither true nor false; "
     "write true or false without quotes"),
    ("lambda_J  ", "lambda_j  ", "parameters.lambda_j: is no parameter; did you mean 'lambda_J'?"),
    ("low = 0.1, high = 100.0 }", "low = 10, high = 1 }",
     "parameters.lambda_J: loguniform needs 0 < low < high, both finite; correct the numbers"),
    ("low = 0.1, high = 100.0 }", "low = 0.1 }",
     "parameters.lambda_J.high: is missing; a loguniform prior needs low and high"),
    ("low = 0.1, high = 100.0 }", "low = 0.1, high = 100.0, hgih = 3 }",
     "parameters.lambda_J.hgih: is no key; did you mean 'high'?"),
    ("low = 0.1, high = 100.0 }", "low = 0.1, high = 100.0, sd = 3 }",
     "parameters.lambda_J.sd: is no key of a loguniform prior; use one of 'low', 'high'"),
    ('"loguniform"', '"log-uniform"', "parameters.lambda_J.prior: is 'log-uniform'; did you mean 'loguniform'?"),
    ('prior = "loguniform", ', "", "parameters.lambda_J: has neither a prior nor a fixed value; "
     "give one of prior = … and fixed = …"),
    ('prior = "loguniform"', 'prior = "loguniform", fixed = 1', "parameters.lambda_J: has both a prior "
     "and a fixed value; give one of prior = … and fixed = …"),
    ("{ fixed = 1 }", "{ fixed = 1, sd = 2 }", "parameters.D_ratio.sd: belongs to a prior, but the parameter is fixed; "
     "remove it"),
    ("{ fixed = 1 }", "{ fixed = true }", "parameters.D_ratio.fixed: is true; "
     "write the value; only the thickness has values in the data"),
    ("{ fixed = 1 }", '{ fixed = "1" }', "parameters.D_ratio.fixed: is neither a number nor true; "
     "write a number; true for the thickness, whose values come with the data"),
    ("{ fixed = 1 }", "1.0", "parameters.D_ratio: is not a table; correct it"),
    ('{ prior = "normal", sd = 0.1 }', "{ fixed = 2.0 }", "parameters.thickness.fixed: is 2; "
     "write fixed = true: the values come with the data"),
    ('{ prior = "normal", sd = 0.1 }', '{ prior = "normal", sd = 0.1, mean = 2 }',
     "parameters.thickness.mean: is no key of the normal prior of the thickness; use one of 'sd'"),
    ('{ prior = "normal", sd = 0.1 }', '{ prior = "uniform", low = 1, high = 2 }', "parameters.thickness.prior: is "
     "'uniform', which the thickness cannot have; "
     'use { prior = "normal", sd = … } about each nominal value, or { fixed = true }'),
    ('scope = "device"', 'scope = "devices"', "parameters.a1.scope: is 'devices'; did you mean 'device'?"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_mistakes_are_named_at_their_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    assert f"study.toml: {message}" in refused(tmp_path, TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[study\nname = 1", "study.toml:1:7: is not TOML: Expected ']' at the end of a table declaration; "
         "strings need quotes, and tables a header such as [data.units]"),
        ("[study]\nname = CoFeB", "study.toml:2:8: is not TOML: Invalid value; "
         "strings need quotes, and tables a header such as [data.units]"),
        ("[study]\nname = [", "study.toml: at the end: is not TOML: Invalid value; "
         "strings need quotes, and tables a header such as [data.units]"),
        ("x = " + "[" * 5000, "study.toml: is nested too deeply; a study file has at most four levels"),
    ],
)  # fmt: skip
def test_toml_errors_have_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text) == [message]


def test_files_that_are_no_study(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"^study\.toml: is not UTF-8; save it as UTF-8$"):
        load_study(file)
    with pytest.raises(ConfigError, match=r"no such file; did you mean 'study\.toml'\?$"):
        load_study(tmp_path / "stduy.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        load_study(str(tmp_path))
    file.write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigError, match="more than the limit"):
        load_study(file)
    assert refused(tmp_path, "") == [
        "study.toml: study: is missing; add a [study] table with a name",
        "study.toml: data: is missing; add a [[data]] table for each file",
        "study.toml: parameters: is missing; add a [parameters] table",
    ]
    assert refused(tmp_path, TEXT.replace("[[data]]", "[data]"))[0] == (
        "study.toml: data: is not a list of tables; add a [[data]] table for each file"
    )
    assert refused(tmp_path, "parameters = 3\ndata = []\n[study]\nname = 'x'") == [
        "study.toml: data: is not a list of tables; add a [[data]] table for each file",
        "study.toml: parameters: is not a table; add a [parameters] table",
    ]


def test_data_problems_alone_are_data_errors(tmp_path: Path) -> None:
    assert refused(tmp_path, data=DATA.replace("B,3.0,0.0,0.0", "B,3.0,0.0,x"), kind=DataError) == [
        "series.csv:6: column 'tau_par': 'x' is not a number; write a plain number such as -1.25e-3"
    ]
    assert refused(tmp_path, TEXT.replace("series.csv", "serie.csv"), kind=DataError) == [
        "serie.csv: no such file; did you mean 'series.csv'?"
    ]


def test_no_mistake_hides_another(tmp_path: Path) -> None:
    text = (
        TEXT.replace("seed = 3", "seed = -3").replace('"loguniform"', '"uniform"').replace("lambda_phi ", "lambda_fi ")
    )
    text = text.replace("factor = 2.0", "factor = 1.0").replace('name = "CoFeB series"', "nam = 1")
    messages = refused(tmp_path, text, DATA.replace("0.1,0.1\n", "0.1,0\n", 1))
    assert [message.split(": ")[1] for message in messages] == [
        "study.name", "study.nam", "sampling.seed", "parameters.lambda_sf_F", "parameters.lambda_fi",
        "parameters.lambda_phi", "column 's2'",
    ]  # fmt: skip


def test_a_broken_data_table_does_not_hide_a_missing_file_or_other_tables(tmp_path: Path) -> None:
    second = '[[data]]\nfile = "none.csv"\nquantity = "torque"\n'
    messages = refused(tmp_path, second + TEXT, DATA.replace("A,2.0,0.0", "A,2.0,zero"))
    assert any(message.startswith("study.toml: data[0].per: is missing") for message in messages)
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
        "study.toml: device 'A': there are 2 curves of this name (series.csv, sub/more.csv); "
        "give every device its own name"
    ]


def test_an_angle_is_read_from_a_key_or_a_column(tmp_path: Path) -> None:
    text = TEXT.replace("mask = []", 'angle = 72\nsin_theta = "included"')
    assert [(c.angle, c.sin_theta) for c in load_study(write(tmp_path, text)).curves] == [(72.0, "included")] * 2
    text = TEXT.replace("mask = []", 'sin_theta = "divided"').replace("[data.units]", 'angle = "theta"\n[data.units]')
    rows = DATA.replace("s1,s2\n", "s1,s2,theta\n").replace("0.1,0.1\n", "0.1,0.1,54.5\n")
    assert [(c.angle, c.sin_theta) for c in load_study(write(tmp_path, text, rows)).curves] == [(54.5, "divided")] * 2
    assert [c.angle for c in load_study(write(tmp_path)).curves] == [None, None]


def test_noise_is_read_where_sigma_is_fitted(tmp_path: Path) -> None:
    text = TEXT.replace("mask = []", 'sigma = "fit"').replace('sigma_par = "s1"\nsigma_perp = "s2"\n', "")
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
