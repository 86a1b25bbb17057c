"""Priors from the posterior of an earlier study: a joint normal distribution of lengths or of their logarithms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.errors import ConfigError, NotConverged, NotDetermined, Problem, did_you_mean
from mtjfit.study.correlated import Correlated
from mtjfit.study.correlation_checks import SMALLEST
from mtjfit.study.kappa_model import KappaModel
from mtjfit.study.normal_priors import LogNormal, Normal
from mtjfit.study.parameter import Parameter
from mtjfit.study.prior import Prior

_SAYS = {
    "no": "the data do not determine it",
    "lower limit": "the data give a lower limit alone",
    "upper limit": "the data give an upper limit alone",
}


class _Verdict(Protocol):
    @property
    def converged(self) -> bool: ...

    @property
    def reasons(self) -> tuple[str, ...]: ...


class _Study(Protocol):
    @property
    def parameters(self) -> Mapping[str, Parameter]: ...

    @property
    def model(self) -> KappaModel: ...


class EarlierPosterior(Protocol):
    """What a joint prior needs of a posterior; `mtjfit.infer.Posterior` has it."""

    @property
    def study(self) -> _Study: ...

    @property
    def verdict(self) -> _Verdict: ...

    @property
    def priors(self) -> Mapping[str, Prior]: ...

    @property
    def draws(self) -> pd.DataFrame: ...

    def determined(self, name: str) -> str: ...


def priors_from(posterior: EarlierPosterior, names: Sequence[str]) -> dict[str, Prior]:
    """See `Prior.from_posterior`."""
    if not posterior.verdict.converged:
        raise NotConverged(
            f"a posterior that has not converged is no prior: {'; '.join(posterior.verdict.reasons)}; sample it longer"
        )
    problems = list(_problems(posterior, names))
    if problems:
        raise ConfigError(problems)
    open_ = {name: _SAYS[said] for name in names if (said := posterior.determined(name)) != "yes"}
    if open_:
        each = "; ".join(f"{name}: {says}" for name, says in open_.items())
        raise NotDetermined(
            f"the draws of {', '.join(open_)} have the shape of their own priors ({each}); leave them out of the names "
            "and declare the priors that they had, or sample all data together"
        )
    logs = [posterior.priors[name].support[0] >= 0 for name in names]
    x = np.stack(
        [np.log(posterior.draws[name]) if log else posterior.draws[name] for name, log in zip(names, logs, strict=True)]
    )
    centre, covariance = x.mean(axis=1), np.cov(x).reshape(len(names), len(names))
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / sd / sd[:, None]
    if np.linalg.eigvalsh(correlation)[0] < 10 * SMALLEST:
        raise NotDetermined(
            f"the draws of {', '.join(names)} lie on a line or plane, which no joint prior holds; "
            "leave one of them out of the names"
        )
    return dict(zip(names, _priors(names, logs, centre, sd, correlation), strict=True))


def _priors(
    names: Sequence[str], logs: Sequence[bool], centre: FloatArray, sd: FloatArray, correlation: FloatArray
) -> Iterator[Prior]:
    for k, log in enumerate(logs):
        mean, width = float(centre[k]), float(sd[k])
        alone = LogNormal(math.exp(mean), math.exp(width)) if log else Normal(mean, width)
        # of each pair one number, as rounded
        others = {each: float(correlation[min(j, k), max(j, k)]) for j, each in enumerate(names) if j != k}
        yield Correlated(alone, others) if others else alone


def _problems(posterior: EarlierPosterior, names: Sequence[str]) -> Iterator[Problem]:
    if isinstance(names, str) or not names or not all(isinstance(each, str) for each in names):
        yield Problem("names", f"are {names!r:.60}", 'give a list of lengths, such as ["lambda_J", "lambda_phi"]')
        return
    shared = [name for name in posterior.priors if name in posterior.study.model.parameters]
    for k, name in enumerate(names):
        declared = posterior.study.parameters.get(name.partition("[")[0])
        if name in names[:k]:
            yield Problem(f"names[{k}]", f"is {name!r} again", "name each length once")
        elif name in shared:
            continue
        elif declared is None:
            what = f"{name[:60]!r} is no parameter of the earlier study"
            yield Problem(f"names[{k}]", what, did_you_mean(name, shared))
        elif declared.is_fixed or declared.tie is not None:
            what = f"{name} had no prior in the earlier study ({declared.prior.describe()})"
            yield Problem(f"names[{k}]", what, "declare it again as it was, or leave it out")
        else:
            what = f"{name[:60]} is no length that all devices of the earlier study share"
            yield Problem(f"names[{k}]", what, f"name lengths alone: {', '.join(shared) or 'there is none'}")
