"""Studies: curves, the parameters they share, priors, and the study file."""

from mtjfit.study.checks import study_problems
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
from mtjfit.study.prior import Fixed, Prior
from mtjfit.study.product import Product
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
    "ParameterName",
    "Prior",
    "Product",
    "Proposal",
    "Sampling",
    "Scope",
    "Study",
    "Uniform",
    "Wishes",
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
