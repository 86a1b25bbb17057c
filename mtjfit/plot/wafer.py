"""Pictures of wafers: maps, smooth parts, histograms by split, control charts, and curves of single devices."""

from mtjfit.plot.wafer_control import plot_control
from mtjfit.plot.wafer_device import plot_device_curve
from mtjfit.plot.wafer_histogram import plot_splits
from mtjfit.plot.wafer_map import plot_wafer_map
from mtjfit.plot.wafer_smooth import plot_smooth

__all__ = ["plot_control", "plot_device_curve", "plot_smooth", "plot_splits", "plot_wafer_map"]
