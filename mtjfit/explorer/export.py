"""Export of a study file: parameters held are fixed at their slider values, the rest is unchanged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from mtjfit.errors import ConfigError, MtjfitError
from mtjfit.explorer.state import AMPLITUDES, SLIDERS, ExploredStudy, SliderState, name_of
from mtjfit.study import ParameterName
from mtjfit.study.written import STUDY_DATA, STUDY_FILE, study_files
from mtjfit.toml import toml_from
from mtjfit.version import __version__

_BYTE_ORDER_MARK = "\ufeff"
_INSTALL = 'a study file is exported by tomlkit; install it with: python -m pip install "mtjfit[explore]"'


def exported(state: SliderState, explored: ExploredStudy) -> str:
    """TOML of a study file for the explored study, to be loaded from the folder of the original file.

    A held parameter becomes ``{ fixed = … }`` at the value of its slider. A free one keeps its prior; one that was
    fixed and is now free gets a prior: a length about its slider, a factor of two wide; an amplitude about zero, three
    times as wide as its value. The rest of the user's file stays as it is, comments too. Thicknesses stay those of the
    data. For a study made in Python it is what `Study.to_toml` writes, beside whose data file it loads. MtjfitError if
    tomlkit is not installed.
    """
    study = explored.study
    text = study.text or study_files(study)[STUDY_FILE].decode()
    changes = dict(_changes(state, explored))
    return f"{_head(state, explored)}\n\n{_edited(text.removeprefix(_BYTE_ORDER_MARK), changes)}"


def _head(state: SliderState, explored: ExploredStudy) -> str:
    """Values of the sliders, as comments."""
    beside = (
        "the original study file: names of data files are relative to it"
        if explored.study.text
        else f"{STUDY_DATA}, which study.to_toml(folder) writes in Python"
    )
    stood = [f"{name} = {state.values[name_of(explored, state.device, name)]:.6g}" for name in SLIDERS]
    return "\n".join([
        f"# Exported by mtjfit explore {__version__}.",
        f"# Save it beside {beside}.",
        f"# The sliders were at {', '.join(stood[:5])} (nm),",
        f"# {', '.join(stood[5:])}.",
    ])  # fmt: skip


def _changes(state: SliderState, explored: ExploredStudy) -> Iterator[tuple[str, dict[str, Any]]]:
    """Declarations that the sliders changed."""
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


def _shared(state: SliderState, name: str) -> float:
    return next(each for label, each in state.values.items() if ParameterName(label).base == name)


def _about(name: str, value: float) -> dict[str, Any]:
    """A prior for a parameter that had none: amplitudes normal about zero, lengths lognormal about the value."""
    if name in AMPLITUDES:
        return {"prior": "normal", "mean": 0.0, "sd": 3 * abs(value) or 1.0}
    return {"prior": "lognormal", "median": value if 0 < value < math.inf else 10.0, "factor": 2.0}


def _toml() -> Any:
    try:
        return import_module("tomlkit")
    except ImportError:
        raise MtjfitError(_INSTALL) from None


def _edited(text: str, changes: Mapping[str, dict[str, Any]]) -> str:
    """The text of a study file with some parameters declared anew."""
    toml = _toml()
    document = toml.parse(text)
    for name, each in changes.items():
        document["parameters"][name] = _inline(each)
    edited = str(toml.dumps(document))
    before = toml_from(text, "the study")
    wanted = {**before, "parameters": {**before["parameters"], **changes}}
    # A table that is edited in place may be left where it means something else; the meaning goes before the comments.
    return edited if _meaning(edited) == wanted else str(toml.dumps(wanted))


def _meaning(text: str) -> object:
    try:
        return toml_from(text, "the study")
    except ConfigError:
        return None


def _inline(values: Mapping[str, Any]) -> Any:
    table = _toml().inline_table()
    table.update(values)
    return table
