"""A study without its files: a JSON document, from which it comes back exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mtjfit.data.curve_file import CurveRecord, curve_document, curve_of
from mtjfit.study.kappa_model import EQ12, KappaModel
from mtjfit.study.parameter import Parameter, Scope
from mtjfit.study.sampling_settings import Sampling
from mtjfit.study.schema import parameter_from
from mtjfit.study.study import Study, as_read
from mtjfit.text import visible


@dataclass(frozen=True)
class ParameterRecord:
    """A parameter as a study file declares it, and its scope, which such a file leaves out for fixed ones."""

    name: str
    declared: dict[str, Any]
    scope: Scope


@dataclass(frozen=True)
class StudyRecord:
    """The document of a study, as far as its types go."""

    name: str
    curves: tuple[CurveRecord, ...]
    parameters: tuple[ParameterRecord, ...]
    sampling: Sampling
    text: str
    files: dict[str, str]
    model: str = ""


def study_document(study: Study) -> dict[str, Any]:
    """The document of a study.

    Priors are written as in a study file, so every kind that such a file can declare comes back.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> document = study_document(load_study(dataset("thickness-series").study_file))
    >>> document["parameters"][0]
    {'name': 'lambda_J', 'declared': {'prior': 'loguniform', 'low': 0.1, 'high': 100.0}, 'scope': 'shared'}
    """
    return {
        "name": study.name,
        "curves": [curve_document(curve) for curve in study.curves],
        "parameters": [
            {"name": name, "declared": dict(parameter.to_toml()), "scope": parameter.scope}
            for name, parameter in study.parameters.items()
        ],
        "sampling": {name: int(value) for name, value in vars(study.sampling).items()},
        "text": study.text,
        "files": dict(study.files),
        **({"model": study.model.name} if study.model.identity else {}),
    }


def study_from(record: StudyRecord, model: KappaModel = EQ12) -> Study:
    """The study of a document, checked as any other; ValueError or MtjfitError where it is none.

    A model of one's own is code, which no document holds: `model` must be the one that it names.
    """
    needed = model.name if model.identity else ""
    if record.model != needed:
        needs = f"the model {visible(record.model)!r}" if record.model else "Eq. 12"
        raise ValueError(f"its study needs {needs}: give that one in Python, by load_posterior(path, model=…)")
    curves = tuple(curve_of(each) for each in record.curves)
    parameters = {each.name: _parameter(each) for each in record.parameters}
    if len(parameters) != len(record.parameters):
        raise ValueError("a parameter is declared twice")
    return as_read(Study(record.name, curves, parameters, record.sampling, model), record.text, record.files)


def _parameter(record: ParameterRecord) -> Parameter:
    found = parameter_from(record.name, record.declared, f"parameters.{record.name}")
    if isinstance(found, list):
        raise ValueError(str(found[0]))
    return replace(found, scope=record.scope)
