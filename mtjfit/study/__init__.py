"""Studies: curves, the parameters they share, priors, and the study file."""

from mtjfit.study.checks import study_problems
from mtjfit.study.load import load_study
from mtjfit.study.parameter import (
    DOF,
    JITTER,
    LENGTHS,
    NOISE,
    SCATTER,
    AnyPrior,
    Parameter,
    Scope,
    is_amplitude,
    parse_amplitude,
)
from mtjfit.study.prior import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Prior, Uniform
from mtjfit.study.study import Sampling, Study
from mtjfit.study.template import study_template

__all__ = [
    "DOF",
    "JITTER",
    "LENGTHS",
    "NOISE",
    "SCATTER",
    "AboutNominal",
    "AnyPrior",
    "Fixed",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Parameter",
    "Prior",
    "Sampling",
    "Scope",
    "Study",
    "Uniform",
    "is_amplitude",
    "load_study",
    "parse_amplitude",
    "study_problems",
    "study_template",
]
