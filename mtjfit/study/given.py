"""Parameters as Python gives them: a `Parameter`, its prior, a number at which it is fixed, or a line of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mtjfit.data.curve import TorqueCurve
from mtjfit.data.frame import FrameOptions, curves_from_frame
from mtjfit.errors import Problem
from mtjfit.study.checks import curve_problems, joint_problems, parameter_problems
from mtjfit.study.parameter import AnyPrior, Parameter
from mtjfit.study.prior import Fixed
from mtjfit.study.schema import parameter_from
from mtjfit.study.scipy_prior import FromScipy
from mtjfit.toml import CollectedProblems

if TYPE_CHECKING:
    import pandas as pd

_TODO = "give a prior such as mtjfit.LogNormal(10.0, 2.0), a number to fix it, or mtjfit.Parameter(name, prior, scope)"
_LONGEST = 60


class GivenParameters(NamedTuple):
    """Parameters by name, and the problems of those that are none, whose names are `broken`."""

    parameters: dict[str, Parameter]
    problems: list[Problem]
    broken: frozenset[str]


def given_parameters(given: object, before: Mapping[str, Parameter] | None = None) -> GivenParameters:
    """What Python gives in place of parameters, as parameters; priors and numbers take the scope that stood `before`.

    A dict is what a study file would hold: ``{"prior": "normal", "mean": 0.0, "sd": 1.0}``.

    >>> from mtjfit.study import Normal
    >>> found = given_parameters({"a1": Normal(0, 20), "D_ratio": 1, "b2": "wide"})
    >>> found.parameters["a1"], found.parameters["D_ratio"].value
    (Parameter(name='a1', prior=Normal(mean=0.0, sd=20.0, low=-inf, high=inf), scope='shared'), 1.0)
    >>> str(found.problems[0])[:40]
    "parameters.b2: is 'wide'; give a prior s"
    """
    if not isinstance(given, Mapping):
        what = f"are given as {type(given).__name__}"
        return GivenParameters({}, [Problem("parameters", what, 'give a dict such as {"a1": mtjfit.Normal(0, 1)}')],
                               frozenset())  # fmt: skip
    parameters: dict[str, Parameter] = {}
    problems = []
    for name, value in given.items():
        if not isinstance(name, str):
            problems.append(Problem("parameters", f"have the key {_short(name)}", "name each by a text, such as 'a1'"))
        elif isinstance(value, Mapping):
            read = parameter_from(name, dict(value), f"parameters.{name}")
            problems += read if isinstance(read, list) else []
            parameters |= {} if isinstance(read, list) else {name: read}
        else:
            try:
                made = _parameter(name, value, (before or {}).get(name))
            except (TypeError, ValueError) as error:  # of a distribution of scipy.stats
                problems.append(Problem(f"parameters.{name}", f"cannot be used: {error}", _TODO))
                continue
            if made is None:
                problems.append(Problem(f"parameters.{name}", f"is {_short(value)}", _TODO))
            else:
                parameters[name] = made
    broken = frozenset(name for name in given if isinstance(name, str) and name not in parameters)
    return GivenParameters(parameters, problems, broken)


def _parameter(name: str, value: object, before: Parameter | None) -> Parameter | None:
    if isinstance(value, Parameter):
        prior = _prior(value.prior)
        return None if prior is None else replace(value, prior=prior)
    prior = _prior(value)
    if prior is None:
        return None
    return Parameter(name, prior, before.scope if before else "device" if name == "thickness" else "shared")


def _prior(value: object) -> AnyPrior | None:
    """A prior with floats for whole numbers, so that it is the same one as in a file; None for what is none."""
    if isinstance(value, Real | np.number) and not isinstance(value, bool | np.bool_):
        return Fixed(float(value))
    if hasattr(value, "dist"):
        return FromScipy.of(value)
    if not isinstance(value, AnyPrior):
        return None
    if not is_dataclass(value):
        return value
    numbers = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
    whole = {name: float(each) for name, each in numbers.items()
             if isinstance(each, int | np.integer | np.floating) and not isinstance(each, bool)
             and type(each) is not float}  # fmt: skip
    return replace(value, **whole) if whole else value  # type: ignore[arg-type]


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def study_of_frame(
    frame: pd.DataFrame, priors: Mapping[str, object], options: FrameOptions
) -> tuple[tuple[TorqueCurve, ...], dict[str, Parameter]]:
    """Curves and parameters that a frame and priors make; ConfigError or DataError with the problems of both."""
    found = CollectedProblems()
    curves: tuple[TorqueCurve, ...] = ()
    with found.catching():
        curves = curves_from_frame(frame, **options)
    given = given_parameters(priors)
    found.config += given.problems
    if isinstance(priors, Mapping):
        found.config += parameter_problems(given.parameters, given.broken)
    if curves:
        found.config += curve_problems(curves)
        joint = joint_problems(curves, given.parameters)
        found.config += [each for each in joint if each.where.removeprefix("parameters.") not in given.broken]
    found.refuse("Study.from_frame")
    return curves, given.parameters
