"""A study file in which what the explorer holds is fixed where its slider stands, and all else is as it was."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import mtjfit
from mtjfit.report.explorer.state import AMPLITUDES, SLIDERS, Explored, State, name_of
from mtjfit.study import DOF, ParameterName

__all__ = ["exported"]

_TABLE = re.compile(r"\s*\[")
_LINE = re.compile(r"(\s*([A-Za-z0-9_]+)\s*=\s*)\{[^{}\n]*\}(\s*#.*)?")


def exported(state: State, explored: Explored) -> str:
    """TOML of a study file for what was explored.

    What is held becomes ``{ fixed = … }`` where its slider stands. What is free keeps its prior; what was fixed and is
    now free gets one about its slider, a factor of two or three times the size wide. Everything else of the user's
    file stays as it is, comments too. Thicknesses stay those of the data.

    Parameters
    ----------
    state : State
    explored : Explored

    Returns
    -------
    str
        Valid TOML; a study to be loaded from the folder of the original file. Without a ``[[data]]`` table where the
        study did not come from a file.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.report.explorer.state import moved, start
    >>> from mtjfit.study import load_study
    >>> explored = Explored(load_study(dataset("thickness-series").study_file))
    >>> text = exported(moved(explored, start(explored), "b1", 0.02), explored)
    >>> [line for line in text.splitlines() if line.startswith("b1")]
    ['b1 = { fixed = 0.02 }']
    """
    changes = dict(_changes(state, explored))
    head = _head(state, explored)
    if not explored.study.text:
        declared = {name: each.to_toml() for name, each in explored.study.parameters.items() if name != DOF}
        lines = [f"{name} = {_inline(each)}" for name, each in (declared | changes).items()]
        note = "# The data came from Python, so [[data]] tables are missing here: add them."
        return "\n".join([head, note, "", "[parameters]", *lines, ""])
    text = explored.study.text.removeprefix("\ufeff")
    document = tomllib.loads(text)
    wanted = _with(document, changes)
    edited = _edited(text, changes)
    # A file may be written in a way that editing by lines does not follow; its meaning goes before its comments.
    if edited is None or tomllib.loads(edited) != wanted:
        edited = _written(wanted)
    return f"{head}\n\n{edited}"


def _head(state: State, explored: Explored) -> str:
    """Where the sliders stood, as comments."""
    stood = [f"{name} = {state.values[name_of(explored, state.device, name)]:.6g}" for name in SLIDERS]
    return "\n".join([
        f"# Exported by mtjfit explore {mtjfit.__version__}.",
        "# Save it beside the original study file: names of data files are relative to it.",
        f"# The sliders stood at {', '.join(stood[:5])} (nm),",
        f"# {', '.join(stood[5:])}.",
    ])  # fmt: skip


def _changes(state: State, explored: Explored) -> Iterator[tuple[str, dict[str, Any]]]:
    """What becomes of each parameter that has a slider, where it does not stay as it is."""
    declared = explored.study.parameters
    for name in (*SLIDERS[:5], *AMPLITUDES):
        values = {each for label, each in state.values.items() if ParameterName(label).base == name}
        if len(values) > 1:
            continue  # own values of devices or groups cannot be written as one
        value = values.pop()
        if "Lambda" in declared and name in ("lambda_sf_N", "D_ratio"):
            if name == "lambda_sf_N" and "lambda_sf_N" in state.held:
                yield "Lambda", {"fixed": value * _shared(state, "D_ratio")}
            elif name == "lambda_sf_N" and declared["Lambda"].is_fixed:
                yield "Lambda", _about(name, value * _shared(state, "D_ratio"))
            continue
        if f"scatter_{name}" in declared:
            continue
        if name in state.held:
            if value != (declared[name].value if name in declared else 0.0):
                yield name, {"fixed": value}
        elif name not in declared or declared[name].is_fixed:
            yield name, _about(name, value)


def _shared(state: State, name: str) -> float:
    return next(each for label, each in state.values.items() if ParameterName(label).base == name)


def _about(name: str, value: float) -> dict[str, Any]:
    """A prior about a value, for a parameter that had none."""
    if name in AMPLITUDES:
        return {"prior": "normal", "mean": 0.0, "sd": 3 * abs(value) or 1.0}
    return {"prior": "lognormal", "median": value if 0 < value < math.inf else 10.0, "factor": 2.0}


def _with(document: Mapping[str, Any], changes: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The document with some parameters declared anew."""
    return {**document, "parameters": {**document["parameters"], **changes}}


def _edited(text: str, changes: Mapping[str, dict[str, Any]]) -> str | None:
    """The text with the lines of some parameters replaced and missing ones added; None where that cannot be done."""
    lines = text.splitlines()
    begins = [k for k, line in enumerate(lines) if line.split("#")[0].strip() == "[parameters]"]
    if len(begins) != 1:
        return None
    after = (k for k in range(begins[0] + 1, len(lines)) if _TABLE.match(lines[k]))
    end = next(after, len(lines))
    left = dict(changes)
    for k in range(begins[0] + 1, end):
        match = _LINE.fullmatch(lines[k])
        if match is not None and match[2] in left:
            lines[k] = match[1] + _inline(left.pop(match[2])) + (match[3] or "")
    while end > begins[0] + 1 and not lines[end - 1].strip():
        end -= 1
    lines[end:end] = [f"{name} = {_inline(each)}" for name, each in left.items()]
    edited = "\n".join(lines) + "\n"
    try:
        tomllib.loads(edited)
    except ValueError:
        return None
    return edited


def _inline(value: Any) -> str:
    """A value in TOML.

    Examples
    --------
    >>> _inline({"prior": "normal", "sd": 1.0, "on": True})
    '{ prior = "normal", sd = 1.0, on = true }'
    """
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _inline(key)


def _written(document: Mapping[str, Any]) -> str:
    """A whole document in TOML, without its comments."""
    lines: list[str] = []
    for name, each in document.items():
        tables = each if isinstance(each, list) else [each]
        for table in tables:
            lines += [f"[[{_key(name)}]]" if isinstance(each, list) else f"[{_key(name)}]"]
            lines += [f"{_key(key)} = {_inline(value)}" for key, value in table.items()] + [""]
    return "\n".join(lines)
