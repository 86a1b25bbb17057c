"""Studies: curves, the parameters they share, priors, and the study file."""

from mtjfit.study.checks import study_problems
from mtjfit.study.free import NOTHING_FREE, nothing_free, refuse_nothing_free
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
from mtjfit.study.proposal import Proposal, load_plan
from mtjfit.study.study import Sampling, Study
from mtjfit.study.template import study_template
from mtjfit.study.wishes import Noise, Wishes, grid

__all__ = [
    "DOF",
    "JITTER",
    "LENGTHS",
    "NOISE",
    "NOTHING_FREE",
    "SCATTER",
    "AboutNominal",
    "AnyPrior",
    "Fixed",
    "LogNormal",
    "LogUniform",
    "Noise",
    "Normal",
    "Parameter",
    "Prior",
    "Proposal",
    "Sampling",
    "Scope",
    "Study",
    "Uniform",
    "Wishes",
    "grid",
    "is_amplitude",
    "load_plan",
    "load_study",
    "nothing_free",
    "parse_amplitude",
    "refuse_nothing_free",
    "study_problems",
    "study_template",
]
