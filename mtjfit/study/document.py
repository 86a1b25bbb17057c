"""A study without its files: a JSON document and one array of numbers, from which it comes back exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, get_type_hints

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.curve import TorqueCurve
from mtjfit.plain import checked_json
from mtjfit.study.kappa_model import EQ12, KappaModel
from mtjfit.study.parameter import Parameter, Scope
from mtjfit.study.sampling_settings import Sampling
from mtjfit.study.schema import parameter_from
from mtjfit.study.study import Study, as_read
from mtjfit.text import visible

_ARRAYS = ("bias", "par", "perp", "sigma_par", "sigma_perp", "used", "used_values", "rho", "covariance", "sigma_bias")
_FLAGS = ("used", "used_values")
_WORDS = tuple(each.name for each in fields(TorqueCurve) if each.name not in _ARRAYS)


class NumberStore:
    """Arrays laid end to end, bit for bit, NaN included."""

    def __init__(self) -> None:
        self._parts: list[FloatArray] = []

    def shape_of(self, array: Any) -> list[int]:
        """Append the numbers of an array; returns its shape."""
        values = np.asarray(array, dtype=np.float64)
        self._parts.append(values.ravel())
        return list(values.shape)

    @property
    def numbers(self) -> FloatArray:
        """All numbers so far."""
        return np.concatenate([np.zeros(0), *self._parts])


class NumberReader:
    """The same arrays, taken in the same order; ValueError where the numbers do not suffice, or are too many."""

    def __init__(self, numbers: FloatArray):
        self._numbers, self._place = numbers, 0

    def array(self, shape: Iterable[int]) -> FloatArray:
        """The next array."""
        shape = tuple(shape)
        size = math.prod(shape)
        if min(shape, default=0) < 0 or size > self._numbers.size - self._place:
            raise ValueError(f"it has no numbers for an array of shape {shape}")
        self._place += size
        return self._numbers[self._place - size : self._place].reshape(shape)

    def finish(self) -> None:
        """ValueError if numbers are left."""
        if self._place != self._numbers.size:
            raise ValueError(f"{self._numbers.size - self._place} of its numbers belong to nothing")


@dataclass(frozen=True)
class SavedCurve:
    """A curve: everything but its arrays, and their shapes in the order of their numbers."""

    words: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


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
    curves: tuple[SavedCurve, ...]
    parameters: tuple[ParameterRecord, ...]
    sampling: Sampling
    text: str
    files: dict[str, str]
    model: str = ""


def study_document(study: Study, store: NumberStore) -> dict[str, Any]:
    """The document of a study, whose numbers are appended to `store`.

    Priors are written as in a study file, so every kind that such a file can declare comes back.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> store = NumberStore()
    >>> document = study_document(load_study(dataset("thickness-series").study_file), store)
    >>> document["parameters"][0]
    {'name': 'lambda_J', 'declared': {'prior': 'loguniform', 'low': 0.1, 'high': 100.0}, 'scope': 'shared'}
    """
    return {
        "name": study.name,
        "curves": [_curve_document(curve, store) for curve in study.curves],
        "parameters": [
            {"name": name, "declared": dict(parameter.to_toml()), "scope": parameter.scope}
            for name, parameter in study.parameters.items()
        ],
        "sampling": {name: int(value) for name, value in vars(study.sampling).items()},
        "text": study.text,
        "files": dict(study.files),
        **({"model": study.model.name} if study.model.identity else {}),
    }


def _curve_document(curve: TorqueCurve, store: NumberStore) -> dict[str, Any]:
    values = {name: getattr(curve, name) for name in _WORDS}
    words = {name: asdict(each) if is_dataclass(each) else each for name, each in values.items()}  # type: ignore[arg-type]
    arrays = {name: getattr(curve, name) for name in _ARRAYS}
    return {
        "words": words,
        "shapes": {name: store.shape_of(each) for name, each in arrays.items() if each is not None},
    }


def study_from(record: StudyRecord, reader: NumberReader, model: KappaModel = EQ12) -> Study:
    """The study of a document, checked as any other; ValueError or MtjfitError where it is none.

    A model of one's own is code, which no document holds: `model` must be the one that it names.
    """
    needed = model.name if model.identity else ""
    if record.model != needed:
        needs = f"the model {visible(record.model)!r}" if record.model else "Eq. 12"
        raise ValueError(f"its study needs {needs}: give that one in Python, by load_posterior(path, model=…)")
    curves = tuple(_curve(each, reader) for each in record.curves)
    parameters = {each.name: _parameter(each) for each in record.parameters}
    if len(parameters) != len(record.parameters):
        raise ValueError("a parameter is declared twice")
    return as_read(Study(record.name, curves, parameters, record.sampling, model), record.text, record.files)


def _curve(record: SavedCurve, reader: NumberReader) -> TorqueCurve:
    unknown = [name for name in record.shapes if name not in _ARRAYS]
    if unknown:
        raise ValueError(f"a curve has no array {unknown[0][:60]!r}")
    arrays: dict[str, Any] = {name: reader.array(shape) for name, shape in record.shapes.items()}
    missing = [name for name in ("bias", "par", "perp", *_FLAGS) if name not in arrays]
    if missing:
        raise ValueError(f"a curve lacks its {missing[0]}")
    flags = {name: arrays[name] == 1 for name in _FLAGS}
    words = checked_json(_words_model(), json.dumps(record.words, allow_nan=False))
    return TorqueCurve(**{name: getattr(words, name) for name in _WORDS}, **(arrays | flags))


def _parameter(record: ParameterRecord) -> Parameter:
    found = parameter_from(record.name, record.declared, f"parameters.{record.name}")
    if isinstance(found, list):
        raise ValueError(str(found[0]))
    return replace(found, scope=record.scope)


@cache
def _words_model() -> Any:
    """Model of all attributes of a curve that are no arrays, from their annotations."""
    from pydantic import ConfigDict, create_model

    hints = get_type_hints(TorqueCurve)
    known: Mapping[str, Any] = {name: (hints[name], ...) for name in _WORDS}
    return create_model("Words", __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **known)
