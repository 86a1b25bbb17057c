"""A study as the files that `load_study` reads back: ``study.toml``, and ``study-data.json`` with its curves."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from mtjfit.data.curve_file import curves_json
from mtjfit.errors import ConfigError, MtjfitError, Problem
from mtjfit.output import prepare_folder, refuse_file, write_file
from mtjfit.study.parameter import Parameter
from mtjfit.study.schema import parameter_from
from mtjfit.text import visible
from mtjfit.toml import toml_string, toml_value

if TYPE_CHECKING:
    from mtjfit.study.study import Study

STUDY_FILE, STUDY_DATA = "study.toml", "study-data.json"
_MARK = b"# Written by mtjfit"
_HEAD = f"{_MARK.decode()} from the study as it was in Python; {STUDY_DATA} holds its curves to the last bit."
_DATA_MARK = b'"program": "mtjfit"'
_NO_WORD = "has no form in a study file"


def study_files(study: Study) -> dict[str, bytes]:
    """Content of each file that says what a study is, by name: of a result folder.

    A study file that was read and not changed since is kept verbatim. Any other study is written anew, with its curves
    beside it; a prior that no study file can name stands there as a comment, so that the file does not load without
    it.
    """
    if study.text:
        return {STUDY_FILE: study.text.encode()}
    return _files(study)


def write_study(study: Study, folder: Path) -> Path:
    """Write study and curves into a folder, whatever file the study came from; see `Study.to_toml`."""
    problems = [Problem(f"parameters.{name}", _said(each), _TODO) for name, each in study.parameters.items()
                if declared_line(name, each) is None]  # fmt: skip
    if problems:
        raise ConfigError(problems)
    prepare_folder(folder)
    marks = {STUDY_FILE: _MARK, STUDY_DATA: _DATA_MARK}
    for name, mark in marks.items():  # before either is written
        refuse_file(folder / name, mark)
    for name, data in _files(study).items():
        write_file(folder / name, data, over=marks[name])
    return folder / STUDY_FILE


_TODO = "use one of the priors of mtjfit, or save draws and study with posterior.save"


def _said(parameter: Parameter) -> str:
    return f"has the prior {visible(repr(parameter.prior))[:100]}, which {_NO_WORD}"


def _files(study: Study) -> dict[str, bytes]:
    parameters = [declared_line(name, each) or f"# {name}: {_said(each)}" for name, each in study.parameters.items()]
    model = [f"model = {toml_string(study.model.name)}"] if study.model.identity else []
    sampling = [f"{name} = {int(value)}" for name, value in vars(study.sampling).items()]
    tables = {
        "[study]": [f"name = {toml_string(study.name)}", *model],
        "[[data]]": [f"curves = {toml_string(STUDY_DATA)}"],
        "[parameters]": parameters,
        "[sampling]": sampling,
    }
    text = "\n".join(f"\n{head}\n" + "\n".join(lines) for head, lines in tables.items())
    return {STUDY_DATA: curves_json(study.curves), STUDY_FILE: f"{_HEAD}\n{text}\n".encode()}


def declared_line(name: str, parameter: Parameter) -> str | None:
    """The line that declares a parameter; None where no line reads back as the same parameter."""
    try:
        declared = dict(parameter.to_toml())
        # A thickness is always of its device, and a tie has the scope of its target: neither is written.
        own_scope = name != "thickness" and "equals" not in declared
        if own_scope and parameter.scope != "shared":
            declared["scope"] = parameter.scope
        line = f"{name} = {toml_value(declared)}"
        read = parameter_from(name, tomllib.loads(line)[name], name)
        if isinstance(read, list) or read.prior != parameter.prior or (own_scope and read.scope != parameter.scope):
            return None
    except (AttributeError, MtjfitError, TypeError, ValueError):
        return None
    return line
