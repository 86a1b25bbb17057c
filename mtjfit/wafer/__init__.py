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
    from mtjfit.wafer.stack.from_catalogue import catalogue_stacks, stack_model
    from mtjfit.wafer.stack.groups import fit_groups, sample_groups

__all__ = [
    "FLAGS",
    "Catalogue",
    "Chunk",
    "Fault",
    "Reduced",
    "WaferStudy",
    "catalogue_stacks",
    "chunks",
    "column_names",
    "compressed",
    "fit_groups",
    "flag_names",
    "load_wafer",
    "open_catalogue",
    "reduce_chunk",
    "run_batch",
    "sample_groups",
    "stack_model",
    "table_identity",
    "units_of",
]

_HOMES = {
    "Catalogue": "mtjfit.wafer.catalogue",
    "Chunk": "mtjfit.wafer.read.chunk",
    "FLAGS": "mtjfit.wafer.reduce.reduced",
    "Fault": "mtjfit.wafer.read.chunk",
    "Reduced": "mtjfit.wafer.reduce.reduced",
    "WaferStudy": "mtjfit.wafer.declaration",
    "catalogue_stacks": "mtjfit.wafer.stack.from_catalogue",
    "chunks": "mtjfit.wafer.read.table",
    "column_names": "mtjfit.wafer.reduce.reduced",
    "compressed": "mtjfit.wafer.reduce.sums",
    "fit_groups": "mtjfit.wafer.stack.groups",
    "flag_names": "mtjfit.wafer.reduce.reduced",
    "load_wafer": "mtjfit.wafer.declaration",
    "open_catalogue": "mtjfit.wafer.catalogue",
    "reduce_chunk": "mtjfit.wafer.reduce.reduce",
    "run_batch": "mtjfit.wafer.reduce.batch",
    "sample_groups": "mtjfit.wafer.stack.groups",
    "stack_model": "mtjfit.wafer.stack.from_catalogue",
    "table_identity": "mtjfit.wafer.read.table",
    "units_of": "mtjfit.wafer.reduce.reduced",
}

_MOVED = {"stacks": "mtjfit.wafer:catalogue_stacks"}

__getattr__ = names_on_demand(__name__, _HOMES, _MOVED)


def __dir__() -> list[str]:
    return sorted(__all__)
