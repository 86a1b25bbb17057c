"""Ties between the lengths of a study: what they take from their targets, and what cannot be tied."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from mtjfit.errors import Problem, did_you_mean
from mtjfit.study.parameter import Parameter
from mtjfit.study.prior import Fixed, Prior
from mtjfit.study.ties import EqualTo

TARGETS = ("lambda_J", "lambda_phi", "lambda_sf_F")
"""Lengths that others may be tied to: no mechanism is without them."""
_TIED = (*TARGETS, "lambda_sf_N", "Lambda")
_OWN = "give it a prior of its own, or fix it"


def bound(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters, tied ones with the prior and the scope of their targets, where these exist."""
    return {name: _bound(one, parameters) for name, one in parameters.items()}


def _bound(one: Parameter, parameters: Mapping[str, Parameter]) -> Parameter:
    if not isinstance(one.prior, EqualTo):
        return one
    target = parameters.get(one.prior.target)
    if target is None or not isinstance(target.prior, Prior | Fixed):
        return replace(one, prior=replace(one.prior, of=None))
    return replace(one, prior=replace(one.prior, of=target.prior), scope=target.scope)


def tie_problems(parameters: Mapping[str, Parameter], broken: Collection[str] = ()) -> Iterator[Problem]:
    """Ties of what cannot be tied, to what is not there, or in a chain."""
    for name, one in parameters.items():
        tie, where = one.prior, f"parameters.{name}"
        if not isinstance(tie, EqualTo):
            continue
        if name not in _TIED:
            yield Problem(where, f"is tied ({tie.describe()}), but only {', '.join(_TIED)} can be", _OWN)
        elif tie.target == name:
            yield Problem(where, "is tied to itself", _OWN)
        elif tie.target in _TIED and tie.target not in TARGETS:
            todo = f"tie {tie.target} to {name} instead" if name in TARGETS else f"tie it to {' or '.join(TARGETS)}"
            yield Problem(where, f"is tied to {tie.target}, which cannot be the first of the two", todo)
        elif tie.target not in TARGETS:
            todo = did_you_mean(tie.target, TARGETS)
            yield Problem(where, f"is tied to {tie.target!r}, which is none of {', '.join(TARGETS)}", todo)
        elif tie.target not in {*parameters, *broken}:
            yield Problem(where, f"is tied to {tie.target}, which is not declared", f"declare {tie.target}")
        elif tie.target in parameters and isinstance(parameters[tie.target].prior, EqualTo):
            yield from _chain(name, tie, parameters)


def _chain(name: str, tie: EqualTo, parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    path, ratio = [name], tie
    while ratio.target not in path:
        path.append(ratio.target)
        following = parameters[ratio.target].prior if ratio.target in parameters else None
        if not isinstance(following, EqualTo):
            total = tie_ratio(path, parameters)
            told = f"{total:g} * {path[-1]}" if total != 1 else path[-1]
            what = f"is tied to {tie.target}, which is tied itself"
            yield Problem(f"parameters.{name}", what, f'tie it to the first: equals = "{told}"')
            return
        ratio = following
    circle = " = … ".join([*path, ratio.target])
    yield Problem(f"parameters.{name}", f"is tied in a circle ({circle})", "give one of them a prior, or fix it")


def tie_ratio(path: Collection[str], parameters: Mapping[str, Parameter]) -> float:
    """Product of the ratios along a chain of ties."""
    total = 1.0
    for name in path:
        prior = parameters[name].prior
        total *= prior.ratio if isinstance(prior, EqualTo) else 1.0
    return total
