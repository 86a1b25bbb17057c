"""Inference: least squares, posterior sampling and the gate that decides whether to believe it."""

from __future__ import annotations

from mtjfit.infer.convergence.gate import Chains, Check, Verdict, judge
from mtjfit.infer.ensembles.run import run_ensembles
from mtjfit.infer.identification import Identification, identify
from mtjfit.infer.least_squares import FitResult, fit
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.sampling import sample
from mtjfit.lazy import names_on_demand

__all__ = [
    "Chains",
    "Check",
    "FitResult",
    "Identification",
    "Posterior",
    "Verdict",
    "fit",
    "identify",
    "judge",
    "run_ensembles",
    "sample",
]

_MOVED = {"Plan": "mtjfit.planning:Plan", "plan": "mtjfit.planning:plan"}

__getattr__ = names_on_demand(__name__, {}, _MOVED)
