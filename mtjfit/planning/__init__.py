"""Planning: expected gain of further measurements, from the posterior of a study or from priors alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.planning.candidates import Candidate
    from mtjfit.planning.design import Design, load_plan
    from mtjfit.planning.expected_gain import EVERYTHING, Target, spread_text
    from mtjfit.planning.measurement import Measurement
    from mtjfit.planning.planner import plan
    from mtjfit.planning.result import Plan

__all__ = ["EVERYTHING", "Candidate", "Design", "Measurement", "Plan", "Target", "load_plan", "plan", "spread_text"]

_HOMES = {
    ".candidates": ("Candidate", "measured_again", "thickness_grid"),
    ".design": ("Design", "load_plan"),
    ".draws": ("ParameterDraws", "draws_from_posterior", "draws_from_priors", "draws_of"),
    ".expected_gain": ("EVERYTHING", "LinearGaussian", "Target", "candidate_fisher", "linear_gaussian",
        "precision_before", "spread_text", "target_of", "targets"),
    ".measurement": ("Measurement", "measurement_like"),
    ".planner": ("plan",),
    ".response": ("Response", "fisher", "measured", "respond", "setting"),
    ".result": ("Plan", "candidates_table", "plan_document", "plan_tables"),
    ".reweighting": ("Outcomes", "log_density", "outcomes_of", "simulated_outcomes"),
}  # fmt: skip

__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
