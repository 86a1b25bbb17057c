"""The shape of a study file: which keys there are and of which type; meaning is checked where it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, PlainValidator, Tag, ValidationError

from mtjfit.data.suggest import did_you_mean
from mtjfit.data.units import Per, Quantity
from mtjfit.errors import Problem
from mtjfit.study.datatable import (
    ColumnsTable,
    DataTable,
    FormatTable,
    MaskTable,
    SigmaTable,
    Table,
    UnitsTable,
    WideTable,
    kind_of,
)
from mtjfit.study.parameter import Scope

__all__ = [
    "DataTable",
    "Document",
    "NoiseTable",
    "ParameterTable",
    "PlanTable",
    "ProposalDocument",
    "SamplingTable",
    "StudyTable",
    "validated",
]


class StudyTable(Table):
    """``[study]``."""

    name: str


def _true_or_number(value: object) -> bool | float:
    if value is True:
        return True
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError("is too large") from None
    raise ValueError("is neither a number nor true")


class ParameterTable(Table):
    """One line of ``[parameters]``."""

    prior: Literal["uniform", "loguniform", "normal", "lognormal"] | None = None
    fixed: Annotated[bool | float | None, PlainValidator(_true_or_number)] = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    factor: float | None = None
    scope: Scope | None = None


class NoiseTable(Table):
    """``[noise]``."""

    model: Literal["normal", "student"]
    dof: Any = None


class SamplingTable(Table):
    """``[sampling]``; keys left out keep the defaults of `mtjfit.study.Sampling`."""

    seed: int | None = None
    target_ess: int | None = None
    ensembles: int | None = None
    walkers: int | None = None
    max_steps: int | None = None


class GridTable(Table):
    """``thickness = { low = …, high = …, step = … }``."""

    low: float
    high: float
    step: float


class SweepTable(Table):
    """``bias = { low = …, high = …, n = … }``."""

    low: float
    high: float
    n: int


def _number_or_word(value: object) -> float | str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is neither a number nor a percentage")
    return float(value)


class PlanTable(Table):
    """``[plan]``: measurements that might be made, and what for."""

    thickness: (
        Annotated[
            Annotated[tuple[float, ...], Tag("word")] | Annotated[GridTable, Tag("table")], Discriminator(kind_of)
        ]
        | None
    ) = None
    choose: int | None = None
    target: str | None = None
    bias: SweepTable | None = None
    noise: Annotated[float | str | None, PlainValidator(_number_or_word)] = None
    quantity: Quantity | None = None
    per: Per | None = None
    unit: str | None = None


class Document(Table):
    """The whole file, for the names of its tables only."""

    study: Any
    data: Any
    parameters: Any
    sampling: Any = None
    noise: Any = None
    plan: Any = None


class ProposalDocument(Table):
    """A file without data."""

    study: Any
    parameters: Any
    plan: Any
    sampling: Any = None


T = TypeVar("T", bound=Table)

_WHAT = {
    "string_too_short": "is empty",
    "missing": "is missing",
    "string_type": "is not a string",
    "float_type": "is not a number",
    "int_type": "is not a whole number",
    "bool_type": "is neither true nor false",
    "model_type": "is not a table",
    "model_attributes_type": "is not a table",
    "dict_type": "is not a table",
    "tuple_type": "is not a list",
}
_TODO = {
    "file": "name the data file, relative to the study file",
    "quantity": 'write quantity = "torque" (T) or "torkance" (dT/dV); no file can reveal which',
    "per": 'write per = "device", "area" or "volume" (effective fields); no file can reveal which',
    "perp_axis": 'write perp_axis = "MxP" or "PxM"; it decides the sign of the out-of-plane component',
    "columns": "add a [data.columns] table",
    "units": "add a [data.units] table with bias, torque and thickness",
    "bias_window": "write bias_window = [low, high] in V",
    "sin_theta": 'write "included" if the values are torques at the angle, or "divided" if they are already per sin θ',
    "sigma": 'write "columns", "fit" or { par = …, perp = … }',
    "fixed": "write a number; true for the thickness, whose values come with the data",
    "study": "add a [study] table with a name",
    "data": "add a [[data]] table for each file",
    "parameters": "add a [parameters] table",
    "plan": "add a [plan] table, or [[data]]",
}
_TODO_BY_TYPE = {
    "string_type": 'write it in quotes, such as "text"',
    "float_type": "write a number without quotes",
    "int_type": "write a whole number without quotes",
    "bool_type": "write true or false without quotes",
    "tuple_type": "write it in square brackets",
}


def validated(model: type[T], raw: object, where: str) -> T | list[Problem]:
    """A table of the file as a model, or every problem of its shape.

    Parameters
    ----------
    model : type
        One of the table models of this module.
    raw : object
        What `tomllib` made of it.
    where : str
        Key path of the table, such as ``data[0]``.

    Examples
    --------
    >>> for problem in validated(StudyTable, {"nam": "series"}, "study"):
    ...     print(problem)
    study.name: is missing; add it
    study.nam: is no key; did you mean 'name'?
    """
    try:
        return model.model_validate(_with_tuples(raw))
    except ValidationError as error:
        return [_problem(model, dict(each), where) for each in error.errors(include_url=False)]


def _with_tuples(raw: object) -> object:
    if isinstance(raw, list):
        return tuple(_with_tuples(each) for each in raw)
    return {key: _with_tuples(each) for key, each in raw.items()} if isinstance(raw, dict) else raw


def _problem(model: type[Table], error: Mapping[str, Any], where: str) -> Problem:
    # The union of sigma adds its tag to the location; no key of a study file is called so.
    path = [key for key in error["loc"] if key not in ("word", "table")]
    spelled = where + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    spelled, kind = spelled.lstrip("."), error["type"]
    last = path[-1] if path else where
    if kind == "extra_forbidden":
        return Problem(spelled, "is no key", did_you_mean(str(last), _keys(model, path[:-1])))
    if kind == "literal_error":
        choices = [word.strip().strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        todo = _TODO.get(str(last)) or did_you_mean(str(error["input"]), choices)
        return Problem(spelled, f"is {error['input']!r}", todo)
    if kind == "too_long" or (kind == "missing" and isinstance(last, int)):
        # The only lists of fixed length are intervals; a short one is reported at its first missing entry.
        where_list = re.sub(r"\[\d+\]$", "", spelled) if kind == "missing" else spelled
        return Problem(where_list, "has the wrong number of entries", "write [low, high] in V")
    what = _WHAT.get(kind) or str(error["msg"]).removeprefix("Value error, ")
    todo = _TODO.get(str(last)) or _TODO_BY_TYPE.get(kind) or ("add it" if kind == "missing" else "correct it")
    return Problem(spelled, what, todo)


def _keys(model: type[Table], path: list[Any]) -> list[str]:
    """Keys that the table at `path` inside `model` may have."""
    nested: dict[str, type[Table]] = {
        "columns": ColumnsTable,
        "units": UnitsTable,
        "format": FormatTable,
        "wide": WideTable,
        "mask": MaskTable,
        "sigma": SigmaTable,
        "thickness": GridTable,
        "bias": SweepTable,
    }
    for key in path:
        model = nested.get(key, model)
    return list(model.model_fields)
