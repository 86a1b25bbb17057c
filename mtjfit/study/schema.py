"""Keys of a study file and their types; their meaning is checked where it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.units import Per, Quantity
from mtjfit.errors import Problem, did_you_mean
from mtjfit.study.normal_priors import AboutNominal, LogNormal, Normal
from mtjfit.study.parameter import AnyPrior, Parameter, Scope
from mtjfit.study.prior import Fixed, LogUniform, Prior, Uniform
from mtjfit.toml import TABLE, WORD, WORD_OR_TABLE, TomlTable, validated

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


class ParameterTable(TomlTable):
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


class NoiseTable(TomlTable):
    """``[noise]``."""

    model: Literal["normal", "student"]
    dof: Any = None


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
    noise: Annotated[float | str | None, PlainValidator(_number_or_word)] = None
    quantity: Quantity | None = None
    per: Per | None = None
    unit: str | None = None


class StudyDocument(TomlTable):
    """The whole file, for the names of its tables only."""

    study: Any
    data: Any
    parameters: Any
    sampling: Any = None
    noise: Any = None
    plan: Any = None


class ProposalDocument(TomlTable):
    """A file without data."""

    study: Any
    parameters: Any
    plan: Any
    sampling: Any = None


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
    "[]": "write [low, high] in V",
}


def validated_table(model: type[T], raw: object, where: str) -> T | list[Problem]:
    """`mtjfit.toml.validated` with advice for the keys of a study file."""
    return validated(model, raw, where, _TODO)


_PRIORS: Mapping[str, type[Prior | AboutNominal]] = MappingProxyType(
    {prior.kind: prior for prior in (Uniform, LogUniform, Normal, LogNormal)}
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
    try:
        prior = _prior(name, table)
    except ValueError as error:
        return [Problem(where, str(error), "correct the numbers")]
    return Parameter(name, prior, table.scope or ("device" if name == "thickness" else "shared"))


def _numbers(table: ParameterTable) -> dict[str, float]:
    return table.model_dump(exclude={"prior", "fixed", "scope"}, exclude_none=True)


def _contradictions(name: str, table: ParameterTable, where: str) -> Iterator[Problem]:
    numbers = _numbers(table)
    if (table.prior is None) == (table.fixed is None):
        what = "has both a prior and a fixed value" if table.prior else "has neither a prior nor a fixed value"
        yield Problem(where, what, "give one of prior = … and fixed = …")
    elif table.fixed is not None:
        if name == "thickness" and table.fixed is not True:
            yield Problem(f"{where}.fixed", f"is {table.fixed:g}",
                          "write fixed = true: the values come with the data")  # fmt: skip
        elif name != "thickness" and table.fixed is True:
            yield Problem(f"{where}.fixed", "is true", "write the value; only the thickness has values in the data")
        for key in numbers:
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
