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

__getattr__ = names_on_demand(
    __name__,
    {
        "Candidate": "mtjfit.planning.candidates",
        "Design": "mtjfit.planning.design",
        "EVERYTHING": "mtjfit.planning.expected_gain",
        "Measurement": "mtjfit.planning.measurement",
        "Plan": "mtjfit.planning.result",
        "Target": "mtjfit.planning.expected_gain",
        "load_plan": "mtjfit.planning.design",
        "plan": "mtjfit.planning.planner",
        "spread_text": "mtjfit.planning.expected_gain",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
