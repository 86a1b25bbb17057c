"""Calibration: ranks of simulated truths among the draws of their posteriors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.calibration.simulate import Calibration, calibrate

__all__ = ["Calibration", "calibrate"]

__getattr__ = names_on_demand(
    __name__, {"Calibration": "mtjfit.calibration.simulate", "calibrate": "mtjfit.calibration.simulate"}
)


def __dir__() -> list[str]:
    return sorted(__all__)
