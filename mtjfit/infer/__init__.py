"""Inference: least squares, posterior sampling and the gate that decides whether to believe it."""

from __future__ import annotations

from mtjfit.infer.convergence.gate import Chains, Check, Note, Verdict, judge
from mtjfit.infer.ensembles.run import run_ensembles
from mtjfit.infer.identification import Identification, identify
from mtjfit.infer.least_squares import FitResult, fit
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.sampling import sample
from mtjfit.infer.saved import load_posterior
from mtjfit.infer.simulate import DeviceModel, draw_truth, free_names, priors_of, simulated
from mtjfit.lazy import names_on_demand

__all__ = [
    "Chains", "Check", "DeviceModel", "FitResult", "Identification", "Note", "Posterior", "Verdict", "draw_truth",
    "fit", "free_names", "identify", "judge", "load_posterior", "priors_of", "run_ensembles", "sample", "simulated",
]  # fmt: skip

# for other packages and the tests; public names stand in __all__
_HOMES = {
    ".assumptions": ("REFUTED", "Assumption"),
    ".convergence.conflict": ("CONTRADICTS", "Conflict", "prior_conflicts"),
    ".convergence.diagnostics": ("ess", "ess_bulk"),
    ".convergence.excess": ("DrawnChi2", "chi2_of_draws"),
    ".convergence.gate": ("about_priors",),
    ".convergence.importance": ("importance_sample", "reliable_k_hat", "smoothed"),
    ".ensembles.anneal": ("Annealed", "anneal"),
    ".ensembles.ensemble": ("Pace", "Stream", "stream"),
    ".ensembles.jumps": ("Jump", "Straight"),
    ".ensembles.mixture": ("Mixture",),
    ".ensembles.run": ("Run",),
    ".evidence": ("Effort", "Evidence", "Exploration", "explore_posterior", "log_evidence"),
    ".posterior": ("chains_of",),
    ".saved": ("POSTERIOR_FILE", "SAVED_FORMAT", "SAVED_STUDY", "Saved", "draws_bytes", "read_saved", "saved_bytes"),
    ".store.fingerprint": ("MODEL_VERSION", "describe", "description_changes"),
    ".store.journal": ("Journal", "is_journal", "open_journal", "saved_steps"),
}
_MOVED = {"Plan": "mtjfit.planning:Plan", "plan": "mtjfit.planning:plan"}

__getattr__ = names_on_demand(__name__, _HOMES, _MOVED)
