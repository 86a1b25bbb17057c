"""Whole wafers: tables of many devices read piece by piece, each device reduced to what it determines alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.wafer.catalogue import Catalogue, open_catalogue
    from mtjfit.wafer.declaration import WaferStudy, load_wafer
    from mtjfit.wafer.read.chunk import Chunk, Fault
    from mtjfit.wafer.read.table import chunks, table_identity
    from mtjfit.wafer.reduce.batch import run_batch
    from mtjfit.wafer.reduce.reduce import reduce_chunk
    from mtjfit.wafer.reduce.reduced import FLAGS, Reduced, column_names, flag_names, units_of
    from mtjfit.wafer.reduce.sums import compressed
    from mtjfit.wafer.stack.before import undetermined
    from mtjfit.wafer.stack.from_catalogue import catalogue_stacks, stack_model
    from mtjfit.wafer.stack.groups import fit_groups, sample_groups

__all__ = [
    "FLAGS", "Catalogue", "Chunk", "Fault", "Reduced", "WaferStudy", "catalogue_stacks", "chunks", "column_names",
    "compressed", "fit_groups", "flag_names", "load_wafer", "open_catalogue", "reduce_chunk", "run_batch",
    "sample_groups", "stack_model", "table_identity", "undetermined", "units_of",
]  # fmt: skip

_HOMES = {
    ".catalogue": ("Catalogue", "Configuration", "Source", "open_catalogue"),
    ".declaration": ("WaferStudy", "WaferTable", "load_wafer"),
    ".read.chunk": ("Chunk", "Fault"),
    ".read.table": ("chunks", "table_identity", "table_origins"),
    ".reduce.batch": ("BatchSummary", "run_batch"),
    ".reduce.reduce": ("reduce_chunk",),
    ".reduce.reduced": ("FLAGS", "Reduced", "column_names", "flag_names", "units_of"),
    ".reduce.sums": ("compressed",),
    ".stack.before": ("undetermined",),
    ".stack.beside": ("load_beside",),
    ".stack.fit": ("FitEffort", "StackFit", "fit_stack"),
    ".stack.from_catalogue": ("catalogue_stacks", "devices_of", "group_study", "hierarchy_of", "refusals",
        "stack_model"),
    ".stack.groups": ("fit_groups", "sample_groups"),
    ".stack.hierarchy": ("Hierarchy", "WaferDevices"),
    ".stack.outputs": ("load_stack_devices",),
    ".stack.posterior": ("WaferPosterior",),
    ".survey.compare": ("compare_wafers", "wafer_means"),
    ".survey.curves": ("Curves", "DeviceCurve", "curves_of", "survey_of"),
    ".survey.limits": ("WaferFindings", "control_limits", "odd_devices"),
    ".survey.smooth": ("smooth_surfaces",),
    ".survey.survey": ("Survey",),
}  # fmt: skip

__getattr__ = names_on_demand(
    __name__,
    _HOMES,
    moved={"stacks": "mtjfit.wafer:catalogue_stacks"},
)


def __dir__() -> list[str]:
    return sorted(__all__)
