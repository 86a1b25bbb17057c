"""Comparisons of devices, studies, mechanisms, and of what their torques do to a free layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.comparison.devices.comparison import DeviceComparison, compare_devices
    from mtjfit.comparison.dispatch import compare
    from mtjfit.comparison.free_layer.consequences import Consequences, consequences
    from mtjfit.comparison.mechanisms.comparison import MechanismComparison, compare_mechanisms
    from mtjfit.comparison.studies.tension import StudyComparison, compare_studies

__all__ = [
    "Consequences",
    "DeviceComparison",
    "MechanismComparison",
    "StudyComparison",
    "compare",
    "compare_devices",
    "compare_mechanisms",
    "compare_studies",
    "consequences",
]

_HOMES = {
    "Consequences": "mtjfit.comparison.free_layer.consequences",
    "DeviceComparison": "mtjfit.comparison.devices.comparison",
    "MechanismComparison": "mtjfit.comparison.mechanisms.comparison",
    "StudyComparison": "mtjfit.comparison.studies.tension",
    "compare": "mtjfit.comparison.dispatch",
    "compare_devices": "mtjfit.comparison.devices.comparison",
    "compare_mechanisms": "mtjfit.comparison.mechanisms.comparison",
    "compare_studies": "mtjfit.comparison.studies.tension",
    "consequences": "mtjfit.comparison.free_layer.consequences",
}

__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
