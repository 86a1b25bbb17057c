"""Whole wafers: tables of many devices read piece by piece, each device reduced to what it determines alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtjfit.wafer.batch import run_batch
    from mtjfit.wafer.catalogue import Catalogue, open_catalogue
    from mtjfit.wafer.chunk import Chunk, Fault
    from mtjfit.wafer.declared import WaferStudy, load_wafer
    from mtjfit.wafer.groups import fit_groups, sample_groups
    from mtjfit.wafer.hierarchy import stack_model, stacks
    from mtjfit.wafer.reduce import reduce_chunk
    from mtjfit.wafer.reduced import FLAGS, Reduced, column_names, flag_names, units_of
    from mtjfit.wafer.sums import compressed
    from mtjfit.wafer.tables import chunks, table_identity

__all__ = [
    "FLAGS",
    "Catalogue",
    "Chunk",
    "Fault",
    "Reduced",
    "WaferStudy",
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
    "stacks",
    "table_identity",
    "units_of",
]

_HOME = {
    "column_names": "reduced",
    "FLAGS": "reduced",
    "Catalogue": "catalogue",
    "Chunk": "chunk",
    "Fault": "chunk",
    "Reduced": "reduced",
    "WaferStudy": "declared",
    "chunks": "tables",
    "compressed": "sums",
    "fit_groups": "groups",
    "flag_names": "reduced",
    "load_wafer": "declared",
    "open_catalogue": "catalogue",
    "reduce_chunk": "reduce",
    "run_batch": "batch",
    "sample_groups": "groups",
    "stack_model": "hierarchy",
    "stacks": "hierarchy",
    "table_identity": "tables",
    "units_of": "reduced",
}


def __getattr__(name: str) -> object:
    """Import public names on first use: the model takes a second that `mtjfit --help` does not have."""
    if name in _HOME:
        return getattr(import_module(f"mtjfit.wafer.{_HOME[name]}"), name)
    raise AttributeError(f"module 'mtjfit.wafer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
