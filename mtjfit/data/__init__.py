"""Curves of torque or torkance against bias: units, strict readers and the bundled sets."""

from mtjfit.arrays import FloatArray
from mtjfit.data.bundled import BundledDataset, dataset, datasets
from mtjfit.data.curve import COMPONENTS, Component, Origin, Per, PerpAxis, Quantity, SinTheta, TorqueCurve
from mtjfit.data.declaration import BiasMask, Columns, ColumnUnits, ConstantSigma, TableDeclaration
from mtjfit.data.format import NamePattern, TableFormat, Wide
from mtjfit.data.frame import FrameOptions, curves_from_frame
from mtjfit.data.readers import SourceFile
from mtjfit.data.table import curves_from_bytes, curves_from_sources, read_curves
from mtjfit.data.units import (
    UNITS,
    Unit,
    amplitude_unit,
    bias_factor,
    check_unit,
    conversion,
    find_unit,
    pretty,
    thickness_factor,
)

__all__ = [
    "COMPONENTS",
    "UNITS",
    "BiasMask",
    "BundledDataset",
    "ColumnUnits",
    "Columns",
    "Component",
    "ConstantSigma",
    "FloatArray",
    "FrameOptions",
    "NamePattern",
    "Origin",
    "Per",
    "PerpAxis",
    "Quantity",
    "SinTheta",
    "SourceFile",
    "TableDeclaration",
    "TableFormat",
    "TorqueCurve",
    "Unit",
    "Wide",
    "amplitude_unit",
    "bias_factor",
    "check_unit",
    "conversion",
    "curves_from_bytes",
    "curves_from_frame",
    "curves_from_sources",
    "dataset",
    "datasets",
    "find_unit",
    "pretty",
    "read_curves",
    "thickness_factor",
]
