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
    "plot_accumulation", "plot_accumulation_band", "plot_bias_dependence", "plot_combinations", "plot_consequences",
    "plot_corner", "plot_forest", "plot_frequency_response", "plot_identifiability", "plot_mechanisms", "plot_plan",
    "plot_prior_posterior", "plot_signatures", "plot_thickness_dependence", "plot_thin_validity", "plot_torque",
    "plot_trace", "plot_transfer", "render", "save",
]  # fmt: skip

_HOMES = {
    ".draws": ("rank_fractions",),
    ".style": ("OKABE_ITO", "NotebookFigure", "literal", "watermark"),
    "..comparison.devices.plot": ("plot_forest",),
    "..comparison.free_layer.plot": ("plot_consequences",),
    "..comparison.mechanisms.plot": ("plot_mechanisms", "plot_signatures"),
    "..paper.figures": ("plot_accumulation", "plot_bias_dependence", "plot_thickness_dependence"),
    "..paper.validity": ("plot_frequency_response", "plot_thin_validity"),
    "..planning.plot": ("plot_plan",),
    "..prior_influence.plot": ("plot_prior_posterior",),
}

__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return available(__name__, __all__, _HOMES)
