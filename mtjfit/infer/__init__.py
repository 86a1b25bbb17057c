"""Inference: least squares, posterior sampling and the gate that decides whether to believe it."""

from mtjfit.infer.fit import FitResult, fit
from mtjfit.infer.gate import Chains, Check, Verdict, judge
from mtjfit.infer.identification import Identification, identify
from mtjfit.infer.planning import Plan, plan
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.run import run_ensembles
from mtjfit.infer.sample import sample

__all__ = [
    "Chains",
    "Check",
    "FitResult",
    "Identification",
    "Plan",
    "Posterior",
    "Verdict",
    "fit",
    "identify",
    "judge",
    "plan",
    "run_ensembles",
    "sample",
]
