"""Calibration: ranks of simulated truths among the draws of their posteriors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.calibration.plot import plot_calibration
    from mtjfit.calibration.ranks import EcdfTest
    from mtjfit.calibration.simulate import Calibration, calibrate

__all__ = ["Calibration", "EcdfTest", "calibrate", "plot_calibration"]

_HOMES = {
    ".plot": ("plot_calibration",),
    ".ranks": ("EcdfTest",),
    ".simulate": ("Calibration", "calibrate"),
}

__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
