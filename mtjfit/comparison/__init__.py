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
    "devices.comparison": ("DeviceComparison", "compare_devices"),
    "dispatch": ("compare",),
    "free_layer.consequences": ("Consequences", "consequences"),
    "mechanisms.comparison": ("MechanismComparison", "compare_mechanisms"),
    "studies.tension": ("StudyComparison", "compare_studies"),
}

__getattr__ = names_on_demand(
    __name__, {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}
)


def __dir__() -> list[str]:
    return sorted(__all__)
