"""Studies: curves, the parameters they share, priors, and the study file."""

import warnings

from mtjfit.study.checks import study_problems
from mtjfit.study.design import Design, load_plan
from mtjfit.study.flat_priors import LogUniform, Uniform
from mtjfit.study.free import NOTHING_FREE, nothing_free, refuse_nothing_free
from mtjfit.study.load import load_study
from mtjfit.study.name import ParameterName
from mtjfit.study.normal_priors import AboutNominal, LogNormal, Normal
from mtjfit.study.parameter import (
    DOF,
    JITTER,
    LENGTHS,
    NOISE,
    SCATTER,
    AnyPrior,
    Parameter,
    Scope,
    amplitudes_of,
    is_amplitude,
    parse_amplitude,
    unit_of,
)
from mtjfit.study.plan_request import Noise, PlanRequest, grid
from mtjfit.study.prior import Fixed, Prior
from mtjfit.study.product import Product
from mtjfit.study.study import Sampling, Study
from mtjfit.study.template import study_template

__all__ = [
    "DOF",
    "JITTER",
    "LENGTHS",
    "NOISE",
    "NOTHING_FREE",
    "SCATTER",
    "AboutNominal",
    "AnyPrior",
    "Design",
    "Fixed",
    "LogNormal",
    "LogUniform",
    "Noise",
    "Normal",
    "Parameter",
    "ParameterName",
    "PlanRequest",
    "Prior",
    "Product",
    "Sampling",
    "Scope",
    "Study",
    "Uniform",
    "amplitudes_of",
    "grid",
    "is_amplitude",
    "load_plan",
    "load_study",
    "nothing_free",
    "parse_amplitude",
    "refuse_nothing_free",
    "study_problems",
    "study_template",
    "unit_of",
]

_FORMER = {"Proposal": Design, "Wishes": PlanRequest}


def __getattr__(name: str) -> object:
    if name not in _FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    now = _FORMER[name]
    warnings.warn(f"{__name__}.{name} is now {__name__}.{now.__name__}", DeprecationWarning, stacklevel=2)
    return now
