"""Every command with hostile strings in every place that a string can come from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hostile import ALLOWED, HOSTILE, assert_harmless
from shortcuts import few_starts

from mtjfit.cli import cli
from mtjfit.lazy import wing

MakeStudy = Callable[..., Path]
QUOTED = json.dumps(HOSTILE)  # a TOML string, too
NAME = "A\x9b31m\u202e\u2028" + (
    "\udcff" if os.name == "posix" else ""
)  # what a name of a file and an argument may hold
SPECTRA = """\
[spectra]
name = "one device"
against = "frequency"
torkance_unit = "1e-19 N m/V"
origin = "simulated; linear response"
[[files]]
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
[constants]
V_thetaI = { value = 300.0, relative = 0.02, unit = "ohm/rad" }
[[devices]]
name = "A1"
thickness = 2.0
I_rf = { value = 10.0, relative = 0.03, unit = "uA" }
"""
WAFER = """\
[study]
name = "W"
[wafer]
x = "x"
y = "y"
wafer = "wafer"
split = "split"
origin = "simulated; for a test"
[[data]]
file = "lot.csv"
quantity = "torkance"
per = "device"
perp_axis = "MxP"
sigma = "fit"
[data.columns]
device = "device"
thickness = "d"
bias = "V"
par = "par"
perp = "perp"
[data.units]
bias = "V"
torque = "arb"
thickness = "nm"
[parameters]
lambda_J = { fixed = 1.0 }
lambda_phi = { fixed = 1.0 }
lambda_sf_F = { fixed = 10.0 }
lambda_sf_N = { fixed = 1.0 }
D_ratio = { fixed = 1.0 }
thickness = { fixed = true }
a1 = { prior = "normal", mean = 0.0, sd = 1.0 }
b2 = { prior = "normal", mean = 0.0, sd = 1.0 }
noise_par = { prior = "lognormal", median = 0.01, factor = 3.0 }
noise_perp = { prior = "lognormal", median = 0.01, factor = 3.0 }
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with few_starts():
        yield


def said(*words: object) -> Result:
    """What a command prints: nothing hostile, and an exit code with a meaning."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert_harmless(result.output)
    assert result.exit_code in (0, 2, 3, 4, 5), result.output
    return result


def places(text: str) -> list[str]:
    """The text with each of its strings, keys and names of tables in turn replaced by the hostile one."""
    found = [
        *re.finditer(r'"[^"\n]*"', text),
        *re.finditer(r"(?m)^\w+(?= *=)|(?<=[{,] )\w+(?= =)|(?<=\[)\w+(?=\])", text),
    ]
    return [text[: each.start()] + QUOTED + text[each.end() :] for each in found]


@pytest.mark.slow
def test_all_strings_of_a_study(make_study: MakeStudy):
    file = make_study(
        edit=lambda text: text.replace("[data.columns]", 'mask = [{ bias = [0.4, 0.5], reason = "r" }]\n[data.columns]')
    )
    done = []
    for text in places(file.read_text(encoding="utf-8")):
        file.write_text(text, encoding="utf-8")
        done.append(said("check", file).exit_code)
    assert len(done) > 50
    assert 0 in done  # some are accepted, a reason of a mask for one


@pytest.mark.slow
def test_all_strings_of_a_table(make_study: MakeStudy):
    file = make_study(("F2.0nm",))
    data = file.parent / "data.csv"
    lines = data.read_text(encoding="utf-8").splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("device"))
    wild = HOSTILE.replace("\n", " ").replace("\r", " ")
    for k in (head, head + 3):
        for column in range(7):
            cells = lines[k].split(",")
            cells[column] = f'"{HOSTILE}"'
            changed = [*lines[:k], ",".join(cells), *lines[k + 1 :]]
            data.write_text("\n".join(changed) + "\n", encoding="utf-8")
            said("check", file)
            said("init", data, "--output", file.parent / f"{k}-{column}.toml")
    for comment in (f"# origin: simulated; {wild}", f"# origin: {wild}", f"# {wild}", wild):
        data.write_text("\n".join([comment, *lines[head:]]) + "\n", encoding="utf-8")
        assert "\\x1b[2J" in said("check", file).output or not comment.startswith("# origin: simulated")
        said("identify", file, "--design")
        said("init", data, "--output", "new.toml")


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_with_hostile_arguments(name: str, tmp_path: Path):
    (tmp_path / "toml").mkdir()
    for k, suffix in enumerate((".toml", ".db", ".csv", "")):
        said(name, NAME + suffix, "--output", f"out-{NAME}-{k}")
        (tmp_path / (NAME + suffix)).write_text(f"[study]\nname = {QUOTED}\n{QUOTED} = 1\n", encoding="utf-8")
        said(name, NAME + suffix)
        said(name, tmp_path / NAME / (NAME + suffix), NAME)
    for option in cli.commands[name].params:
        for spelling in (*option.opts[:1], f"--{NAME}"):
            said(name, NAME + ".toml", spelling, NAME)
            said(name, NAME + ".toml", f"{spelling}={NAME}")
    assert_harmless(said(name, "--help").output)
    assert CliRunner().invoke(cli, [name + NAME]).exit_code in (2, 3)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="such names are impossible")
def test_names_of_files_that_a_study_names(make_study: MakeStudy):
    file = make_study(("F2.0nm",))
    text = file.read_text(encoding="utf-8")
    (file.parent / "data.csv").rename(file.parent / (HOSTILE.replace("/", "") + ".csv"))
    for wanted in ("*.csv", "A*.csv", "A.csv"):
        file.write_text(text.replace('file = "data.csv"', f'file = "{wanted}"'), encoding="utf-8")
        said("check", file)
        file.write_text(text.replace('file = "data.csv"', f'files = "{wanted}"'), encoding="utf-8")
        said("check", file)


@pytest.mark.slow
def test_a_finished_run_has_no_text_that_steers(make_study: MakeStudy, tmp_path: Path):
    file = make_study(("F2.0nm",))  # one thickness: the run ends without draws
    mask = f"mask = [{{ bias = [0.4, 0.5], reason = {QUOTED} }}]\n[data.columns]"
    file.write_text(file.read_text(encoding="utf-8").replace("[data.columns]", mask), encoding="utf-8")
    data = file.parent / "data.csv"
    rows = [line for line in data.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    note = HOSTILE.replace("\n", " ").replace("\r", " ")
    data.write_text("\n".join([f"# origin: simulated; {note} <blink>![x](http://a.b)", *rows]) + "\n", encoding="utf-8")
    assert said("run", file, "--output", tmp_path / "out").exit_code == 4
    texts = [each for each in (tmp_path / "out").iterdir() if each.suffix in (".md", ".csv", ".json", ".html", ".svg")]
    assert len(texts) > 5
    for each in texts:
        content = each.read_text(encoding="utf-8")
        assert ALLOWED.fullmatch(content), each
        assert each.suffix in (".json", ".csv") or not re.search(r"(?<!\\)<blink", content), each
        assert each.suffix != ".md" or "](" not in content.replace(r"\](", "")
    for words in (("identify",), ("compare", "--devices"), ("calibrate", "--simulations", "2")):
        said(*words, file)


@pytest.mark.skipif(wing("spectra.command") is None, reason="mtjfit/spectra was deleted")
def test_all_strings_of_spectra(tmp_path: Path):
    (tmp_path / "A1_100.txt").write_text("f\tV\n1\t2\n2\t3\n", encoding="utf-8")
    file = tmp_path / "spectra.toml"
    for text in places(SPECTRA):
        file.write_text(text, encoding="utf-8")
        said("spectra", file, "--output", tmp_path / "out")
    file.write_text(SPECTRA, encoding="utf-8")
    for content in (f"{HOSTILE}\tV\n1\t2\n", f"f\tV\n{HOSTILE}\t2\n", f"# origin: {HOSTILE}\nf\tV\n1\t2\n"):
        (tmp_path / "A1_100.txt").write_text(content, encoding="utf-8")
        said("spectra", file, "--output", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(wing("wafer.commands") is None, reason="mtjfit/wafer was deleted")
def test_all_strings_of_wafers(tmp_path: Path):
    cell, file, table = f'"{HOSTILE}"', tmp_path / "wafer.toml", tmp_path / "lot.csv"
    header = "device,wafer,split,x,y,d,V,par,perp"

    def rows(device: str, wafer: str = "W1", split: str = "s") -> list[str]:
        bias = [k / 10 for k in range(-5, 6)]
        return [f"{device},{wafer},{split},1,2,1.5,{V},{0.1 + 0.003 * V},{0.05 * V}" for V in bias]

    table.write_text("\n".join([header, *rows("A1"), *rows("A2")]) + "\n", encoding="utf-8")
    for text in places(WAFER):
        file.write_text(text, encoding="utf-8")
        said("check", file)
    file.write_text(WAFER.replace('"simulated; for a test"', json.dumps(f"simulated; {HOSTILE}")), encoding="utf-8")
    assert said("check", file).exit_code == 0
    file.write_text(WAFER, encoding="utf-8")
    hostile = (rows(cell), rows("B1", wafer=cell), rows("B2", split=cell), [rows("B3")[0].replace("0.1", cell)])
    for k, lines in enumerate(hostile):
        table.write_text("\n".join([header, *rows("A1"), *lines]) + "\n", encoding="utf-8")
        said("check", file)
        said("batch", table, "--study", file, "--output", tmp_path / f"{k}.db")
        said("wafer", tmp_path / f"{k}.db", "--output", tmp_path / f"page-{k}")
        said("compare", tmp_path / f"{k}.db", "--quantity", NAME)
