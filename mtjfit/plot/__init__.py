"""Pictures: each function takes results and returns a matplotlib Figure; data that were not measured are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import available, names_on_demand
from mtjfit.plot.combinations import plot_combinations
from mtjfit.plot.draws import plot_corner, plot_trace
from mtjfit.plot.identify import plot_identifiability
from mtjfit.plot.style import render, save
from mtjfit.plot.torque import plot_torque
from mtjfit.plot.transfer import plot_accumulation_band, plot_transfer

if TYPE_CHECKING:
    from mtjfit.comparison.devices.plot import plot_forest
    from mtjfit.comparison.free_layer.plot import plot_consequences
    from mtjfit.comparison.mechanisms.plot import plot_mechanisms, plot_signatures
    from mtjfit.paper.figures import plot_accumulation, plot_bias_dependence, plot_thickness_dependence
    from mtjfit.paper.validity import plot_frequency_response, plot_thin_validity
    from mtjfit.planning.plot import plot_plan
    from mtjfit.prior_influence.plot import plot_prior_posterior

__all__ = [
    "plot_accumulation",
    "plot_accumulation_band",
    "plot_bias_dependence",
    "plot_combinations",
    "plot_consequences",
    "plot_corner",
    "plot_forest",
    "plot_frequency_response",
    "plot_identifiability",
    "plot_mechanisms",
    "plot_plan",
    "plot_prior_posterior",
    "plot_signatures",
    "plot_thickness_dependence",
    "plot_thin_validity",
    "plot_torque",
    "plot_trace",
    "plot_transfer",
    "render",
    "save",
]

_HOMES = {
    "plot_accumulation": "mtjfit.paper.figures",
    "plot_bias_dependence": "mtjfit.paper.figures",
    "plot_consequences": "mtjfit.comparison.free_layer.plot",
    "plot_forest": "mtjfit.comparison.devices.plot",
    "plot_frequency_response": "mtjfit.paper.validity",
    "plot_mechanisms": "mtjfit.comparison.mechanisms.plot",
    "plot_plan": "mtjfit.planning.plot",
    "plot_prior_posterior": "mtjfit.prior_influence.plot",
    "plot_signatures": "mtjfit.comparison.mechanisms.plot",
    "plot_thickness_dependence": "mtjfit.paper.figures",
    "plot_thin_validity": "mtjfit.paper.validity",
}

__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return available(__all__, _HOMES)
