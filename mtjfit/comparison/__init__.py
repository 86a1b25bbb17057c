"""Comparisons of devices, studies, mechanisms, and of what their torques do to a free layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.comparison.devices.comparison import DeviceComparison, compare_devices
    from mtjfit.comparison.devices.odd import OddDevice, find_odd_devices
    from mtjfit.comparison.dispatch import compare
    from mtjfit.comparison.free_layer.consequences import Consequences, consequences
    from mtjfit.comparison.mechanisms.comparison import MechanismComparison, compare_mechanisms
    from mtjfit.comparison.studies.tension import StudyComparison, compare_studies

__all__ = [
    "Consequences",
    "DeviceComparison",
    "MechanismComparison",
    "OddDevice",
    "StudyComparison",
    "compare",
    "compare_devices",
    "compare_mechanisms",
    "compare_studies",
    "consequences",
    "find_odd_devices",
]

# for other packages and the tests, too; public names stand in __all__
_HOMES = {
    ".command": ("compare_devices_command", "compare_mechanisms_command", "compare_studies_command"),
    ".devices.comparison": ("DeviceComparison", "compare_devices", "outliers_table"),
    ".devices.freedoms": ("DeviceTests",),
    ".devices.odd": ("OddDevice", "find_odd_devices", "take_out"),
    ".devices.outliers": ("outliers",),
    ".devices.quantities": ("DeterminedQuantity", "determined_quantities", "extremum", "pairwise", "quantity_table",
                           "usual_bias"),
    ".devices.refit": ("Refits",),
    ".devices.repeated": ("repeats",),
    ".dispatch": ("compare",),
    ".free_layer.consequences": ("Consequences", "consequences"),
    ".free_layer.layer": ("FreeLayer", "explained_by", "layer_draws", "layer_parameters", "odd_part", "prior_draws"),
    ".mechanisms.comparison": ("BayesFactor", "MechanismComparison", "MechanismResult", "compare_mechanisms",
                              "mechanism_result", "task_generators"),
    ".mechanisms.models": ("MECHANISMS", "added_priors", "mechanism_study", "signature", "signature_table"),
    ".mechanisms.plot": ("predicted_slopes",),
    ".mechanisms.predictive": ("STATISTICS", "leave_out", "leave_out_each", "predictive_checks", "slope_statistics",
                              "slopes"),
    ".mechanisms.prior_widths": ("WIDTHS", "PriorWidth", "evidence_bounds", "largest_log_likelihood"),
    ".mechanisms.tables": ("conclusions", "mechanism_tables"),
    ".section": ("comparison_sections", "consequences_table"),
    ".studies.joint": ("Sampled", "joint_posterior"),
    ".studies.tables": ("device_quantities", "footing_table", "length_ratios_table", "lengths_table", "reconciled",
                       "studies_document", "study_sentences"),
    ".studies.plot": ("plot_studies",),
    ".studies.tension": ("StudyComparison", "Tension", "compare_studies", "tension"),
}  # fmt: skip

__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
