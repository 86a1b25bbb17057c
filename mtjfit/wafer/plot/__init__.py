"""Figures of wafers: maps, smooth parts, histograms by split, control charts, and curves of single devices."""

from mtjfit.lazy import names_on_demand
from mtjfit.wafer.plot.beside import plot_beside
from mtjfit.wafer.plot.control import plot_control
from mtjfit.wafer.plot.histogram import plot_device_curve, plot_splits
from mtjfit.wafer.plot.map import plot_smooth, plot_wafer_map

__all__ = ["plot_beside", "plot_control", "plot_device_curve", "plot_smooth", "plot_splits", "plot_wafer_map"]

# for other packages and the tests; public names stand in __all__
_HOMES = {
    ".map": ("Scale",),
}

__getattr__ = names_on_demand(__name__, _HOMES)
