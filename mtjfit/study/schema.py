"""Keys of a study file and their types; their meaning is checked where it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, create_model
from pydantic_core import PydanticCustomError

from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.units import Per, Quantity
from mtjfit.errors import Problem, did_you_mean
from mtjfit.study.checks import KNOWN
from mtjfit.study.correlated import Correlated
from mtjfit.study.flat_priors import LogUniform, Uniform
from mtjfit.study.normal_priors import AboutNominal, LogNormal, Normal
from mtjfit.study.parameter import AnyPrior, Parameter, Scope
from mtjfit.study.prior import Fixed, Prior
from mtjfit.study.sampling_settings import Sampling
from mtjfit.study.scipy_prior import FromScipy
from mtjfit.study.ties import EqualTo
from mtjfit.toml import TABLE, WORD, WORD_OR_TABLE, TomlTable, json_schema, read_later, validated

T = TypeVar("T")


class StudyTable(TomlTable):
    """``[study]``; `model` names the κ that it needs in place of Eq. 12, which a file cannot hold."""

    name: str
    model: str | None = None


def _true_or_number(value: object) -> bool | float:
    return True if value is True else _number(value, "true")


def _number(value: object, other: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError("is too large") from None
    raise ValueError(f"is neither a number nor {other}")


def _file_or_files(file: str | None, table: ValidationInfo) -> str | None:
    several = table.data.get("files")
    if file is None and several is None:
        raise PydanticCustomError("missing", "is missing")
    if file is not None and several is not None:
        raise ValueError("is declared beside files")
    return file


@dataclass(frozen=True)
class DataTable(TableDeclaration):
    """One ``[[data]]``: what is declared, and of which file or files."""

    files: Annotated[str | None, Field(min_length=1)] = None
    file: Annotated[str | None, Field(min_length=1, validate_default=True), AfterValidator(_file_or_files)] = None

    @property
    def declaration(self) -> TableDeclaration:
        """The declaration without the names of files."""
        return TableDeclaration(**{each.name: getattr(self, each.name) for each in fields(TableDeclaration)})


class CurvesTable(TomlTable):
    """A ``[[data]]`` of curves as `Study.to_toml` writes them: the file says all that a table of numbers cannot."""

    curves: Annotated[str, Field(min_length=1)]


class ParameterTable(TomlTable):
    """One line of ``[parameters]``."""

    prior: Literal["uniform", "loguniform", "normal", "lognormal", "scipy"] | None = None
    fixed: Annotated[
        bool | float | None, PlainValidator(_true_or_number, json_schema_input_type=Literal[True] | float)
    ] = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    factor: float | None = None
    scope: Scope | None = None
    equals: str | None = None
    name: str | None = None
    numbers: dict[str, float] | None = None
    correlation: dict[str, float] | None = None


class NoiseTable(TomlTable):
    """``[noise]``."""

    model: Literal["normal", "student"]
    dof: Annotated[Any, read_later(float | ParameterTable)] = None


class GridTable(TomlTable):
    """``thickness = { low = …, high = …, step = … }``."""

    low: float
    high: float
    step: float


class SweepTable(TomlTable):
    """``bias = { low = …, high = …, n = … }``."""

    low: float
    high: float
    n: int


def _number_or_word(value: object) -> float | str:
    return value if isinstance(value, str) else _number(value, "a percentage")


class PlanTable(TomlTable):
    """``[plan]``: measurements that might be made, and what for."""

    thickness: Annotated[Annotated[tuple[float, ...], WORD] | Annotated[GridTable, TABLE], WORD_OR_TABLE] | None = None
    choose: int | None = None
    target: str | None = None
    bias: SweepTable | None = None
    noise: Annotated[float | str | None, PlainValidator(_number_or_word, json_schema_input_type=float | str)] = None
    quantity: Quantity | None = None
    per: Per | None = None
    unit: str | None = None


def parameter_tables(names: Iterable[str]) -> type[TomlTable]:
    """``[parameters]`` with a line for each name."""
    lines: dict[str, Any] = dict.fromkeys(names, (ParameterTable | None, None))
    return create_model("ParametersTable", __base__=TomlTable, **lines)


_Study: TypeAlias = Annotated[Any, read_later(StudyTable)]
_Parameters: TypeAlias = Annotated[Any, read_later(parameter_tables(KNOWN))]
_Sampling: TypeAlias = Annotated[Any, read_later(Sampling)]
_Plan: TypeAlias = Annotated[Any, read_later(PlanTable)]


class StudyDocument(TomlTable):
    """A study for mtjfit: data, parameters with their priors, and how they are sampled."""

    study: _Study
    data: Annotated[Any, read_later(tuple[DataTable, ...])]
    parameters: _Parameters
    sampling: _Sampling = None
    noise: Annotated[Any, read_later(NoiseTable)] = None
    plan: _Plan = None


class ProposalDocument(TomlTable):
    """A study without data, for mtjfit plan."""

    study: _Study
    parameters: _Parameters
    plan: _Plan
    sampling: _Sampling = None


STUDY_ADVICE = {
    "file": "name the data file, relative to the study file",
    "quantity": 'write quantity = "torque" (T) or "torkance" (dT/dV); no file can reveal which',
    "per": 'write per = "device", "area" or "volume" (effective fields); no file can reveal which',
    "perp_axis": 'write perp_axis = "MxP" or "PxM"; it decides the sign of the out-of-plane component',
    "columns": "add a [data.columns] table",
    "units": "add a [data.units] table with bias, torque and thickness",
    "bias_window": "write bias_window = [low, high] in V",
    "sin_theta": 'write "included" if the values are torques at the angle, or "divided" if they are already per sin θ',
    "sigma": 'write "columns", "fit" or { par = …, perp = … }',
    "correlation": "write { lambda_phi = 0.6 }, and this length with the same number in the line of lambda_phi",
    "fixed": "write a number; true for the thickness, whose values come with the data",
    "study": "add a [study] table with a name",
    "data": "add a [[data]] table for each file",
    "parameters": "add a [parameters] table",
    "plan": "add a [plan] table, or [[data]]",
    "[]": "write [low, high] in V",
}
"""Remedies for problems, by key; in an editor, what it says of the key."""


def study_schema() -> dict[str, Any]:
    """JSON schema of a study file."""
    return json_schema(StudyDocument, STUDY_ADVICE)


def plan_schema() -> dict[str, Any]:
    """JSON schema of a study file without data, for ``mtjfit plan``."""
    return json_schema(ProposalDocument, STUDY_ADVICE)


def validated_table(model: type[T], raw: object, where: str) -> T | list[Problem]:
    """`mtjfit.toml.validated` with advice for the keys of a study file."""
    return validated(model, raw, where, STUDY_ADVICE)


_LONGEST = 60  # of a text that is quoted

_PRIORS: Mapping[str, type[Prior | AboutNominal]] = MappingProxyType(
    {prior.kind: prior for prior in (Uniform, LogUniform, Normal, LogNormal, FromScipy)}
)
_THICKNESS: Mapping[str, type[Prior | AboutNominal]] = MappingProxyType({AboutNominal.kind: AboutNominal})


def parameter_from(name: str, raw: object, where: str) -> Parameter | list[Problem]:
    """The parameter that a line as `tomllib` parses it declares, or every problem of it; `where` is its key path.

    >>> parameter_from("a1", {"prior": "normal", "mean": 0.0, "sd": 10}, "parameters.a1").prior
    Normal(mean=0.0, sd=10.0, low=-inf, high=inf)
    >>> print(parameter_from("lambda_J", {"prior": "loguniform", "low": 1.0}, "parameters.lambda_J")[0])
    parameters.lambda_J.high: is missing; a loguniform prior needs low and high
    """
    table = validated_table(ParameterTable, raw, where)
    if isinstance(table, list):
        return table
    problems = list(_contradictions(name, table, where))
    if problems:
        return problems
    if table.equals is not None:
        return _tied(name, table.equals, f"{where}.equals")
    try:
        prior = _prior(name, table)
    except ValueError as error:
        return [Problem(where, str(error), "correct the numbers")]
    if table.correlation is not None:
        try:
            prior = Correlated(prior, table.correlation)  # type: ignore[arg-type]
        except ValueError as error:
            return [Problem(f"{where}.correlation", str(error), "correct the prior, or remove the correlation")]
    return Parameter(name, prior, table.scope or ("device" if name == "thickness" else "shared"))


def _tied(name: str, equals: str, where: str) -> Parameter | list[Problem]:
    try:
        return Parameter(name, EqualTo.parsed(equals))
    except ValueError as error:
        said = repr(equals if len(equals) <= _LONGEST else equals[:_LONGEST] + "…")
        return [Problem(where, f"is {said}: {error}", 'write "lambda_J", or a ratio as in "2 * lambda_J"')]


def _numbers(table: ParameterTable) -> dict[str, Any]:
    return table.model_dump(exclude={"prior", "fixed", "scope", "equals", "correlation"}, exclude_none=True)


def _contradictions(name: str, table: ParameterTable, where: str) -> Iterator[Problem]:
    numbers = _numbers(table)
    if table.equals is not None:
        others = table.model_dump(exclude={"equals"}, exclude_none=True)
        for key in others:
            yield Problem(f"{where}.{key}", f"is declared beside equals = {table.equals[:_LONGEST]!r}",
                          "remove it: a tied parameter takes all from the other")  # fmt: skip
    elif (table.prior is None) == (table.fixed is None):
        what = "has both a prior and a fixed value" if table.prior else "has neither a prior nor a fixed value"
        yield Problem(where, what, "give one of prior = … and fixed = …")
    elif table.fixed is not None:
        if name == "thickness" and table.fixed is not True:
            yield Problem(f"{where}.fixed", f"is {table.fixed:g}",
                          "write fixed = true: the values come with the data")  # fmt: skip
        elif name != "thickness" and table.fixed is True:
            yield Problem(f"{where}.fixed", "is true", "write the value; only the thickness has values in the data")
        for key in (*numbers, *(["correlation"] if table.correlation is not None else [])):
            yield Problem(f"{where}.{key}", "belongs to a prior, but the parameter is fixed", "remove it")
    else:
        yield from _prior_keys(name, table, numbers, where)


def _prior_keys(name: str, table: ParameterTable, numbers: Mapping[str, float], where: str) -> Iterator[Problem]:
    kind = table.prior or ""
    known = _THICKNESS if name == "thickness" else _PRIORS
    if kind not in known:
        todo = 'use { prior = "normal", sd = … } about each nominal value, or { fixed = true }'
        yield Problem(f"{where}.prior", f"is {kind!r}, which the thickness cannot have", todo)
        return
    keys = {each.name: each.default is MISSING for each in fields(known[kind])}  # type: ignore[arg-type]
    required = [key for key, needed in keys.items() if needed]
    article = "the normal prior of the thickness" if name == "thickness" else f"a {kind} prior"
    for key in required:
        if key not in numbers:
            yield Problem(f"{where}.{key}", "is missing", f"{article} needs {' and '.join(required)}")
    for key in numbers:
        if key not in keys:
            todo = did_you_mean(key, [each for each in keys if each not in numbers] or required)
            yield Problem(f"{where}.{key}", f"is no key of {article}", todo)


def _prior(name: str, table: ParameterTable) -> AnyPrior:
    if table.fixed is not None:
        return Fixed(0.0 if name == "thickness" else float(table.fixed))
    return (_THICKNESS if name == "thickness" else _PRIORS)[table.prior or ""](**_numbers(table))
