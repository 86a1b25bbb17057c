"""JSON schemas of study, spectra and wafer files: what they take, and that they refuse what loading refuses."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from shortcuts import slow_after

from mtjfit.cli.main import cli
from mtjfit.data import dataset, datasets
from mtjfit.errors import ConfigError
from mtjfit.toml import toml_string

ROOT = Path(__file__).parents[2]
SPECTRA = ROOT / "datasets" / "spectra" / "macrospin" / "spectra.toml"
STUDY = dataset("thickness-series").study_file
WAFER = """[wafer]
x = "x_mm"
y = "y_mm"
chunk = 5000
"""


def schema_of(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CliRunner().invoke(cli, ["schema", kind], catch_exceptions=False).output)
    return found


def faults(kind: str, raw: object) -> list[str]:
    """What a validator says of a file."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    return [each.message for each in jsonschema.Draft202012Validator(schema).iter_errors(raw)]


def answered(text: str) -> str:
    """A template with its placeholders replaced."""
    words = {"quantity": '"torque"', "per": '"device"', "perp_axis": '"MxP"'}
    numbers = dict.fromkeys(("thickness", "bias", "fixed", "sd", "median"), "1.0")
    section, lines = "", []
    for line in text.splitlines():
        section = line.partition("]")[0] if line.startswith("[") else section
        known = words | ({} if section.endswith("units") else numbers)
        answer = re.sub(r'(\w+) = "<[^<>]*\?>"', lambda m, known=known: f"{m[1]} = " + known.get(m[1], '"a"'), line)
        lines.append(answer)
    return "\n".join(lines)


@pytest.mark.parametrize("name", [each.name for each in datasets()])
def test_bundled_studies_are_valid(name: str) -> None:
    assert faults("study", tomllib.loads(dataset(name).study_file.read_text(encoding="utf-8"))) == []


def test_bundled_spectra_are_valid() -> None:
    assert faults("spectra", tomllib.loads(SPECTRA.read_text(encoding="utf-8"))) == []


TABLES = {
    "study": "V (V),T_par (N m),T_perp (N m)\n-0.1,1,2\n0.1,2,3\n",
    "wafer": "device,x_mm,y_mm,d (nm),V (V),T_par (N m),T_perp (N m)\n"
    "A,0,0,2,-0.1,1,2\nA,0,0,2,0.1,1,2\nB,5,0,2,-0.1,1,2\n",
    "spectra": "f (GHz),V_mix (uV)\n" + "".join(f"{k / 10},{k % 7}\n" for k in range(30)),
}


@pytest.mark.parametrize("kind", slow_after(1, TABLES))
def test_templates_are_valid_once_answered_and_name_their_schema(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(TABLES[kind], encoding="utf-8")
    CliRunner().invoke(cli, ["init", "table.csv", "-o", "made.toml"], catch_exceptions=False)
    text = (tmp_path / "made.toml").read_text(encoding="utf-8")
    assert ("[wafer]" in text, "[spectra]" in text) == (kind == "wafer", kind == "spectra")
    first, advice, *_ = text.splitlines()
    assert first == f"#:schema ./{kind}.schema.json"
    command = advice.partition("after: ")[2].removesuffix(")").split()
    assert CliRunner().invoke(cli, command[1:]).exit_code == 0  # the command that the template names
    assert json.loads((tmp_path / first.partition("./")[2]).read_text(encoding="utf-8")) == schema_of(kind)
    assert faults(kind, tomllib.loads(answered(text))) == []
    assert faults(kind, tomllib.loads(text)) != []  # an editor marks what is left open


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_string(key)} = {as_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return (
        toml_string(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)
    )


def mutants(raw: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A file with one key that is none, one value of another type, or one table too few, at every place."""

    def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        yield path
        for key, each in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            yield from places(each, (*path, key))

    def changed(path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> dict[str, Any]:
        made = copy.deepcopy(dict(raw))
        holder: Any = made
        for key in path[:-1]:
            holder = holder[key]
        change(holder, path[-1])
        return made

    for path in places(raw):
        value: Any = raw
        for key in path:
            value = value[key]
        if isinstance(value, dict):
            yield f"unknown key in {path}", changed((*path, "no_key"), lambda holder, key: holder.update({key: 1}))
        if path:
            other: Any = {"a": [7]} if not isinstance(value, dict) else 7
            yield f"{path} is {other}", changed(path, lambda holder, key, other=other: holder.__setitem__(key, other))


FILES = {
    "study": (STUDY, "[noise]\nmodel = 'student'\ndof = 4\n[plan]\nchoose = 2\nthickness = [1.0, 2.0]\n", "study"),
    "spectra": (SPECTRA, "", "spectra"),
    "wafer": (STUDY, WAFER, "wafer"),
}


@pytest.mark.parametrize("kind", slow_after(1, FILES))
def test_keys_and_types_that_loading_refuses_the_schema_refuses_too(kind: str, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema_of(kind))
    file, more, home = FILES[kind]
    load = getattr(pytest.importorskip(f"mtjfit.{home}", reason="deleted"), f"load_{kind}")
    raw = tomllib.loads(file.read_text(encoding="utf-8") + more)
    assert validator.is_valid(raw)
    made = tmp_path / "made.toml"
    (tmp_path / "data.csv").write_bytes(
        b"device,d_nm,V,dtau_par,dtau_perp,sigma_par,sigma_perp\n" + b"A,1,0,1,1,1,1\n" * 1
    )
    count = 0
    for says, mutant in mutants(raw):
        made.write_text("\n".join(f"{key} = {as_toml(each)}" for key, each in mutant.items()), encoding="utf-8")
        with pytest.raises(ConfigError):
            load(made)
        assert not validator.is_valid(mutant), says
        count += 1
    assert count > 40


@pytest.mark.parametrize(
    "prior", [{"prior": "cauchy", "low": 1.0}, {"median": "10"}, {"scope": "wafer"}, {"fixed": False}]
)
def test_a_parameter_is_checked(prior: dict[str, object]) -> None:
    raw = tomllib.loads(STUDY.read_text(encoding="utf-8"))
    assert faults("study", {**raw, "parameters": {**raw["parameters"], "lambda_J": prior}}) != []


def test_a_study_without_data_has_a_schema_of_its_own() -> None:
    raw = tomllib.loads(STUDY.read_text(encoding="utf-8"))
    del raw["data"]
    assert faults("study", raw) == ["'data' is a required property"]
    assert faults("plan", {**raw, "plan": {"thickness": {"low": 1.0, "high": 2.0, "step": 0.5}, "noise": "2 %"}}) == []


def test_keys_are_described() -> None:
    keys = schema_of("study")["$defs"]["DataTable"]["properties"]
    assert "no file can reveal which" in keys["quantity"]["description"]
    assert keys["per"]["enum"] == ["area", "volume", "device"]


def test_a_schema_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine", encoding="utf-8")
    assert CliRunner().invoke(cli, ["schema", "study", "-o", str(tmp_path / "a.json")]).exit_code == 3
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "mine"
