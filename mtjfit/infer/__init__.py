"""Inference: least squares, posterior sampling and the gate that decides whether to believe it."""

from __future__ import annotations

from mtjfit.infer.convergence.conflict import CONTRADICTS, Conflict, prior_conflicts
from mtjfit.infer.convergence.diagnostics import ess, ess_bulk
from mtjfit.infer.convergence.excess import DrawnChi2, chi2_of_draws
from mtjfit.infer.convergence.gate import Chains, Check, Note, Verdict, about_priors, judge
from mtjfit.infer.convergence.importance import importance_sample, smoothed
from mtjfit.infer.ensembles.anneal import Annealed, anneal
from mtjfit.infer.ensembles.ensemble import Pace, Stream, stream
from mtjfit.infer.ensembles.jumps import Jump, Straight, TargetDensity
from mtjfit.infer.ensembles.mixture import Mixture
from mtjfit.infer.ensembles.run import Run, run_ensembles
from mtjfit.infer.evidence import Effort, Evidence, Exploration, explore_posterior, log_evidence
from mtjfit.infer.identification import Identification, identify
from mtjfit.infer.least_squares import FitResult, fit
from mtjfit.infer.posterior import Posterior, chains_of
from mtjfit.infer.sampling import sample
from mtjfit.infer.simulate import DeviceModel, draw_truth, free_names, priors_of, simulated
from mtjfit.infer.store.fingerprint import MODEL_VERSION, describe, description_changes
from mtjfit.infer.store.journal import Journal, is_journal, open_journal, saved_steps
from mtjfit.lazy import names_on_demand

__all__ = [
    "CONTRADICTS", "MODEL_VERSION", "Annealed", "Chains", "Check", "Conflict", "DeviceModel", "DrawnChi2", "Effort",
    "Evidence", "Exploration", "FitResult", "Identification", "Journal", "Jump", "Mixture", "Note", "Pace", "Posterior",
    "Run", "Straight", "Stream", "TargetDensity", "Verdict", "about_priors", "anneal", "chains_of", "chi2_of_draws",
    "describe", "description_changes", "draw_truth", "ess", "ess_bulk", "explore_posterior", "fit", "free_names",
    "identify", "importance_sample", "is_journal", "judge", "log_evidence", "open_journal", "prior_conflicts",
    "priors_of", "run_ensembles", "sample", "saved_steps", "simulated", "smoothed", "stream",
]  # fmt: skip

_MOVED = {"Plan": "mtjfit.planning:Plan", "plan": "mtjfit.planning:plan"}

__getattr__ = names_on_demand(__name__, {}, _MOVED)
