"""Pictures: each function takes results and returns a matplotlib Figure; data that were not measured are marked."""

from mtjfit.plot.consequences import plot_consequences
from mtjfit.plot.corner import plot_corner
from mtjfit.plot.devices import plot_combinations
from mtjfit.plot.forest import plot_forest
from mtjfit.plot.frequency import plot_frequency_response
from mtjfit.plot.identify import plot_identifiability
from mtjfit.plot.mechanisms import plot_mechanisms, plot_signatures
from mtjfit.plot.narrowing import plot_prior_posterior
from mtjfit.plot.paper import plot_accumulation, plot_bias_dependence, plot_thickness_dependence
from mtjfit.plot.plan import plot_plan
from mtjfit.plot.style import render, save
from mtjfit.plot.torque import plot_torque
from mtjfit.plot.trace import plot_trace
from mtjfit.plot.transfer import plot_accumulation_band, plot_transfer
from mtjfit.plot.validity import plot_thin_validity

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
