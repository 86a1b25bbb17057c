"""Pictures: each function takes results and returns a matplotlib Figure; data that were not measured are marked."""

from mtjfit.plot.corner import plot_corner
from mtjfit.plot.devices import plot_combinations
from mtjfit.plot.style import render, save
from mtjfit.plot.torque import plot_torque
from mtjfit.plot.trace import plot_trace

__all__ = ["plot_combinations", "plot_corner", "plot_torque", "plot_trace", "render", "save"]
