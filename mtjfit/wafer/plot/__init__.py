"""Figures of wafers: maps, smooth parts, histograms by split, control charts, and curves of single devices."""

from mtjfit.wafer.plot.control import plot_control
from mtjfit.wafer.plot.histogram import plot_device_curve, plot_splits
from mtjfit.wafer.plot.map import Scale, plot_smooth, plot_wafer_map

__all__ = ["Scale", "plot_control", "plot_device_curve", "plot_smooth", "plot_splits", "plot_wafer_map"]
