"""Joint priors of a study: which parameters may be correlated, and what the coefficients have to be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from mtjfit.errors import Problem, did_you_mean
from mtjfit.study.correlated import Correlated, correlation_matrix
from mtjfit.study.kappa_model import KappaModel
from mtjfit.study.parameter import Parameter

SMALLEST = 1e-6
"""Smallest eigenvalue of a correlation matrix: below it some combination of the parameters is as good as known."""
_MOST = 20  # problems of one prior: a file may name any number of others


def correlation_problems(
    parameters: Mapping[str, Parameter], broken: Collection[str], model: KappaModel
) -> Iterator[Problem]:
    """Correlations of what is no shared length, with what is none, said differently by the two, or impossible together.

    Names in `broken` were declared but could not be understood; nothing is said of them.
    """
    members = {name: one.prior for name, one in parameters.items() if isinstance(one.prior, Correlated)}
    sound = True
    for name, prior in members.items():
        problems = list(islice(_problems(name, prior, parameters, broken, model), _MOST))
        sound &= not problems
        yield from problems
    if not members or not sound:
        return
    lowest = float(np.linalg.eigvalsh(correlation_matrix(members))[0])
    if lowest < SMALLEST:
        what = f"and those of {', '.join([*members][1:])} cannot all hold: their matrix has the eigenvalue {lowest:.3g}"
        todo = f"make them smaller in size, until all eigenvalues are {SMALLEST:g} or more"
        yield Problem(f"parameters.{next(iter(members))}.correlation", what, todo)


def _problems(
    name: str, prior: Correlated, parameters: Mapping[str, Parameter], broken: Collection[str], model: KappaModel
) -> Iterator[Problem]:
    where = f"parameters.{name}.correlation"
    if name not in model.parameters:
        yield Problem(where, "is given, but only lengths that shape κ(d) can be correlated", "remove it")
        return
    if parameters[name].scope != "shared":
        what = f'is given beside scope = "{parameters[name].scope}"'
        yield Problem(where, what, "share the parameter, or remove the correlation")
    possible = [each for each in model.parameters if each in parameters and each != name]
    for other, r in prior.correlation.items():
        if other in broken:
            continue
        here, there = f"{where}.{other}", parameters.get(other)
        if other == name:
            yield Problem(here, "names the parameter itself", "remove it")
        elif there is None or other not in possible:
            yield Problem(here, "names no length that is declared", did_you_mean(other, possible))
        elif there.is_fixed or there.tie is not None:
            yield Problem(here, f"names a parameter that has no prior ({there.prior.describe()})", "remove it")
        elif not isinstance(there.prior, Correlated):
            what = f"is {r:g}, but {other} has the prior {there.prior.describe()}"
            todo = f"give {other} a normal or lognormal prior with correlation = {{ {name} = {r:g} }}"
            yield Problem(here, what, todo)
        elif name not in there.prior.correlation:
            what = f"is {r:g}, but the prior of {other} does not say so"
            yield Problem(here, what, f"add {name} = {r:g} to parameters.{other}.correlation, or remove this one")
        elif there.prior.correlation[name] != r and name < other:
            what = f"is {r!r}, but parameters.{other}.correlation.{name} is {there.prior.correlation[name]!r}"
            yield Problem(here, what, "write the same number in both")


def without_the_gone(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters, correlated ones without their correlation with what is fixed or no longer there.

    What is left is their joint prior, integrated over those that are gone.
    """
    members = {name for name, one in parameters.items() if isinstance(one.prior, Correlated)}
    return {name: replace(one, prior=one.prior.among(members)) if isinstance(one.prior, Correlated) else one
            for name, one in parameters.items()}  # fmt: skip
