"""Planning: what further measurements would teach, from the posterior of a study or from priors alone."""

from mtjfit.infer.planning.information import EVERYTHING, Target, spread_text
from mtjfit.infer.planning.measurement import Candidate, Measurement
from mtjfit.infer.planning.plan import plan
from mtjfit.infer.planning.result import Plan

__all__ = ["EVERYTHING", "Candidate", "Measurement", "Plan", "Target", "plan", "spread_text"]
