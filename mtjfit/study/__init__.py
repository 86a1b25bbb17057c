"""Studies: curves, the parameters they share, priors, and the study file."""

from __future__ import annotations

from mtjfit.lazy import names_on_demand
from mtjfit.study.checks import study_problems
from mtjfit.study.correlated import Correlated
from mtjfit.study.current_term import CurrentTerm
from mtjfit.study.flat_priors import LogUniform, Uniform
from mtjfit.study.kappa_model import EQ12, Form, KappaModel
from mtjfit.study.load import load_study
from mtjfit.study.normal_priors import AboutNominal, LogNormal, Normal
from mtjfit.study.own_kappa import OwnModel, own_model
from mtjfit.study.parameter import (
    DOF,
    JITTER,
    LENGTHS,
    NOISE,
    SCATTER,
    AnyPrior,
    Parameter,
    ParameterName,
    Product,
    Scope,
    amplitudes_of,
    is_amplitude,
    parameter_unit,
    parse_amplitude,
)
from mtjfit.study.plan_request import Noise, PlanRequest, grid
from mtjfit.study.prior import Fixed, Prior
from mtjfit.study.sampling_settings import Sampling
from mtjfit.study.scipy_prior import FromScipy
from mtjfit.study.study import NOTHING_FREE, Study, nothing_free, refuse_nothing_free, refuse_own_model
from mtjfit.study.template import study_template
from mtjfit.study.ties import EqualTo

__all__ = [
    "DOF",
    "EQ12",
    "JITTER",
    "LENGTHS",
    "NOISE",
    "NOTHING_FREE",
    "SCATTER",
    "AboutNominal",
    "AnyPrior",
    "Correlated",
    "CurrentTerm",
    "EqualTo",
    "Fixed",
    "Form",
    "FromScipy",
    "KappaModel",
    "LogNormal",
    "LogUniform",
    "Noise",
    "Normal",
    "OwnModel",
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
    "load_study",
    "nothing_free",
    "own_model",
    "parameter_unit",
    "parse_amplitude",
    "refuse_nothing_free",
    "refuse_own_model",
    "study_problems",
    "study_template",
]

_MOVED = {
    "Design": "mtjfit.planning:Design",
    "Proposal": "mtjfit.planning:Design",
    "Wishes": "mtjfit.study:PlanRequest",
    "load_plan": "mtjfit.planning:load_plan",
    "unit_of": "mtjfit.study:parameter_unit",
}

__getattr__ = names_on_demand(__name__, {}, _MOVED)
