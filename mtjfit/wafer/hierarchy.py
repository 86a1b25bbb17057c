"""Stacks of a catalogue as the hierarchical model wants them: from sums, without the raw points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.errors import DataError, Problem
from mtjfit.model.wafer import WaferPosterior
from mtjfit.model.wafer_declared import Hierarchy
from mtjfit.model.wafer_devices import WaferDevices

if TYPE_CHECKING:
    import pandas as pd

    from mtjfit.data import FloatArray
    from mtjfit.wafer.catalogue import Catalogue
    from mtjfit.wafer.declared import WaferStudy

__all__ = ["Stack", "devices_of", "hierarchy_of", "stack_model", "stacks"]


@dataclass(frozen=True, eq=False)
class Stack:
    """The devices of one split of a catalogue.

    Attributes
    ----------
    split : str
        ``""`` where none is declared: all devices are of one stack.
    devices : WaferDevices
    left_out : tuple of str
        Devices of the split that carry a flag and are not among `devices`.
    """

    split: str
    devices: WaferDevices
    left_out: tuple[str, ...]


def hierarchy_of(study: WaferStudy) -> Hierarchy:
    """What a wafer study declares of smooth parts (``[wafer]``) and of ``thickness_scatter``."""
    scatter, wafer = study.wafer_parameters.get("thickness_scatter"), study.wafer
    prior = None if scatter is None else scatter.prior
    return Hierarchy(dict(wafer.smooth), dict(wafer.smooth_sd), wafer.smooth_each, prior, wafer.radius)


def devices_of(frame: pd.DataFrame, sums: FloatArray, study: WaferStudy) -> WaferDevices:
    """Devices from rows of a catalogue's frame, with thickness, x and y among its columns, and the same rows of sums.

    Raises
    ------
    ValueError
        The two have different numbers of rows, or the sums are those of another study.
    """
    from mtjfit.wafer.sums import compressed

    if len(frame) != len(sums):
        raise ValueError(f"{len(frame)} rows of devices and {len(sums)} of sums")
    declared = study.declaration
    return WaferDevices(
        device=tuple(map(str, frame["device"])),
        wafer=tuple(map(str, frame["wafer"])),
        thickness=frame["thickness"].to_numpy(dtype=float),
        x=frame["x"].to_numpy(dtype=float),
        y=frame["y"].to_numpy(dtype=float),
        data=compressed(sums, study),
        quantity=declared.quantity,
        per=declared.per,
        unit=declared.units.torque,
    )


def stacks(
    catalogue: Catalogue, study: WaferStudy, *, split: str | None = None, flagged: bool = False
) -> Iterator[Stack]:
    """The stacks of a catalogue one after the other, so that no more than one is in memory.

    Parameters
    ----------
    catalogue : Catalogue
    study : WaferStudy
        Under which the devices were reduced.
    split : str, optional
        Only this one.
    flagged : bool
        Also devices with a flag (`mtjfit.wafer.flags`). One of them may ruin the fit of thousands.

    Raises
    ------
    DataError
        The catalogue holds no devices of this study, no such split, or a device without a thickness.
    """
    from mtjfit.wafer.flags import FLAGS

    configuration = study.fingerprint()
    everything = catalogue.frame(("thickness",), configuration=configuration)
    names = sorted(set(everything["split"])) if split is None else [split]
    found = set(everything["split"])
    if not set(names) <= found or not names:
        known = ", ".join(repr(name) for name in sorted(found)) or "none"
        raise DataError([Problem(str(catalogue.path), f"has no split {split!r}", f"its splits are {known}")])
    for name in names:
        frame = catalogue.frame(("thickness", "x", "y"), split=name, configuration=configuration)
        sums = catalogue.sums(split=name, configuration=configuration)
        # what determines nothing has no place in a fit, flagged or not
        kept = (frame["flags"].to_numpy() == 0) | flagged & (frame["flags"].to_numpy() & FLAGS["not_determined"] == 0)
        left_out = tuple(map(str, frame["device"][~kept]))
        if not kept.any():
            raise DataError([Problem(f"{catalogue.path}: split {name!r}", "every device carries a flag",
                                     "look at the flags, or use the flagged ones as well")])  # fmt: skip
        yield Stack(name, devices_of(frame[kept], np.asarray(sums[kept]), study), left_out)


def stack_model(devices: WaferDevices, study: WaferStudy, hierarchy: Hierarchy | None = None) -> WaferPosterior:
    """The hierarchical posterior of the devices of one stack, as the study declares it.

    Raises
    ------
    ConfigError
        Declarations that do not fit together. All problems at once.
    """
    declared = hierarchy_of(study) if hierarchy is None else hierarchy
    return WaferPosterior(devices, study.study_template.parameters, declared)
