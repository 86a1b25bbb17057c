"""One line of ``[parameters]`` in a study file, as a `Parameter`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType

from mtjfit.errors import Problem, did_you_mean
from mtjfit.study.flat_priors import LogUniform, Uniform
from mtjfit.study.normal_priors import AboutNominal, LogNormal, Normal
from mtjfit.study.parameter import AnyPrior, Parameter
from mtjfit.study.prior import Fixed, Prior
from mtjfit.study.schema import ParameterTable, validated

__all__ = ["parameter_from"]

_PRIORS: Mapping[str, type[Prior | AboutNominal]] = MappingProxyType(
    {prior.kind: prior for prior in (Uniform, LogUniform, Normal, LogNormal)}
)
_THICKNESS: Mapping[str, type[Prior | AboutNominal]] = MappingProxyType({AboutNominal.kind: AboutNominal})


def parameter_from(name: str, raw: object, where: str) -> Parameter | list[Problem]:
    """The declared parameter, or every problem of its declaration.

    Parameters
    ----------
    name : str
    raw : object
        What `tomllib` made of the line.
    where : str
        Its key path.

    Examples
    --------
    >>> parameter_from("a1", {"prior": "normal", "mean": 0.0, "sd": 10}, "parameters.a1").prior
    Normal(mean=0.0, sd=10.0, low=-inf, high=inf)
    >>> print(parameter_from("lambda_J", {"prior": "loguniform", "low": 1.0}, "parameters.lambda_J")[0])
    parameters.lambda_J.high: is missing; a loguniform prior needs low and high
    """
    table = validated(ParameterTable, raw, where)
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
