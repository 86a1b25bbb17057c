"""Stacks of a catalogue, from sums without the raw points, and the study that they belong to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.errors import ConfigError, DataError, Problem
from mtjfit.infer.store.fingerprint import description_changes
from mtjfit.study import LENGTHS
from mtjfit.study.written import declared_line
from mtjfit.toml import prefixed, toml_value
from mtjfit.wafer.catalogue.schema import changed
from mtjfit.wafer.declaration import WaferStudy, load_wafer
from mtjfit.wafer.stack.hierarchy import Hierarchy, WaferDevices
from mtjfit.wafer.stack.posterior import WaferPosterior

if TYPE_CHECKING:
    import pandas as pd

    from mtjfit.data import FloatArray
    from mtjfit.data.curve import BoolArray
    from mtjfit.wafer.catalogue import Catalogue, Configuration


@dataclass(frozen=True, eq=False)
class CatalogueStack:
    """The devices of one split (``""``: none is declared), and those `left_out` because they carry a flag."""

    split: str
    devices: WaferDevices
    left_out: tuple[str, ...]


def hierarchy_of(study: WaferStudy) -> Hierarchy:
    """Smooth parts (``[wafer]``) and ``thickness_scatter`` as a wafer study declares them."""
    scatter, wafer = study.wafer_parameters.get("thickness_scatter"), study.wafer
    prior = None if scatter is None else scatter.prior
    return Hierarchy(dict(wafer.smooth), dict(wafer.smooth_sd), wafer.smooth_each, prior, wafer.radius)


def devices_of(frame: pd.DataFrame, sums: FloatArray, study: WaferStudy) -> WaferDevices:
    """Devices from rows of a catalogue's frame, with thickness, x and y among its columns, and the same rows of sums.

    Raises ValueError if there are not as many rows of sums, or they are those of another study.
    """
    from mtjfit.wafer.reduce.sums import compressed

    if len(frame) != len(sums):
        raise ValueError(f"{len(frame)} rows of devices and {len(sums)} of sums")
    declared = study.declaration
    device, wafer = (tuple(map(str, frame[name])) for name in ("device", "wafer"))
    thickness, x, y = (frame[name].to_numpy(dtype=float) for name in ("thickness", "x", "y"))
    data = compressed(sums, study)
    return WaferDevices(device, wafer, thickness, x, y, data, declared.quantity, declared.per, declared.units.torque)


def refusals(catalogue: Catalogue, study: WaferStudy, *, flagged: bool = False, priors: bool = False) -> dict[str, str]:
    """Splits whose devices cannot determine the lengths of their stack, whatever their errors, and why.

    One nominal thickness fixes |κ| times the amplitudes and the phase of κ: no length without another one known. With
    `priors` only splits without any usable device: a posterior has what its priors know of the lengths. Raises
    DataError if the catalogue holds no devices of this study.
    """
    parameters = study.study_template.parameters
    free = any(name in parameters and not parameters[name].is_fixed for name in LENGTHS)
    frame = catalogue.frame(("thickness",), configuration=study.fingerprint())
    found = {}
    for split, part in frame.groupby("split", sort=True):
        thickness = np.unique(part["thickness"].to_numpy(dtype=float)[_kept(part, flagged)])
        if not thickness.size:
            found[str(split)] = "every device carries a flag"
        elif thickness.size == 1 and free and not priors:
            found[str(split)] = f"all its devices have one nominal thickness, {thickness[0]:g} nm: that fixes no length"
    return found


def _kept(frame: pd.DataFrame, flagged: bool) -> BoolArray:
    """Devices that take part in a fit: without flags, or with flags other than ``not_determined``."""
    from mtjfit.wafer.reduce.reduced import FLAGS

    flags = frame["flags"].to_numpy()
    return np.asarray((flags == 0) | flagged & (flags & FLAGS["not_determined"] == 0))


def catalogue_stacks(
    catalogue: Catalogue, study: WaferStudy, *, split: str | None = None, flagged: bool = False,
    leave: Collection[str] = (),
) -> Iterator[CatalogueStack]:  # fmt: skip
    """The stacks of a catalogue one after the other, so that no more than one is in memory.

    Parameters
    ----------
    study : WaferStudy
        Under which the devices were reduced.
    split : str, optional
        Only this one.
    flagged : bool
        Also devices with a flag (`mtjfit.wafer.reduce.reduced.FLAGS`). One of them may ruin the fit of thousands.
    leave : collection of str
        Splits to leave out.

    Raises
    ------
    DataError
        The catalogue holds no devices of this study, no such split, or a device without a thickness.
    """
    configuration = study.fingerprint()
    n_of = catalogue.frame(("thickness",), configuration=configuration)["split"].value_counts()
    found = sorted(n_of.index)
    names = found if split is None else [split]
    if not set(names) <= set(found) or not names:
        known = ", ".join(map(repr, found)) or "none"
        raise DataError([Problem(str(catalogue.path), f"has no split {split!r}", f"its splits are {known}")])
    for name in (each for each in names if each not in leave):
        frame = catalogue.frame(("thickness", "x", "y"), split=name, configuration=configuration)
        if len(frame) != n_of[name]:
            raise changed(catalogue.path, f"split {name!r}", f"{len(frame)} of its {n_of[name]} devices can be found")
        sums = catalogue.sums(split=name, configuration=configuration)
        kept = _kept(frame, flagged)
        left_out = tuple(map(str, frame["device"][~kept]))
        if not kept.any():
            raise DataError([Problem(f"{catalogue.path}: split {name!r}", "every device carries a flag",
                                     "look at the flags, or use the flagged ones as well")])  # fmt: skip
        try:
            devices = devices_of(frame[kept], np.asarray(sums[kept]), study)
        except ValueError as error:
            raise changed(catalogue.path, f"split {name!r}", error) from None
        yield CatalogueStack(name, devices, left_out)


def stack_model(devices: WaferDevices, study: WaferStudy, hierarchy: Hierarchy | None = None) -> WaferPosterior:
    """The hierarchical posterior of the devices of one stack, as the study declares it.

    Raises
    ------
    ConfigError
        Declarations that do not fit together. All problems at once.
    """
    return WaferPosterior(devices, study.study_template.parameters, hierarchy or hierarchy_of(study))


def stored_study(configuration: Configuration, table: Path) -> WaferStudy:
    """Load the study file stored in a catalogue, for a table that lies where it lies now.

    Raises ConfigError if no text was stored, or this version does not understand it any more.
    """
    if not configuration.study:
        raise ConfigError([Problem("the catalogue", "was made without a study file", "give one with --study")])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "wafer.toml"
        file.write_text(configuration.study, encoding="utf-8")
        try:
            return load_wafer(file, table)
        except ConfigError as error:  # of a place that is gone in a moment
            named = [replace(each, where=each.where.removeprefix(f"{folder}{os.sep}")) for each in error.problems]
            raise ConfigError(named) from None


def kept_otherwise(catalogue: Catalogue, study: WaferStudy) -> tuple[str, ...]:
    """What a catalogue keeps otherwise than `study`, of the same devices, declares it; one line for each key.

    Priors, smooth parts and ``[sampling]`` stay those of the study file that the devices were first reduced with.
    Nothing where the kept file cannot be read any more: fits of stacks refuse it then.
    """
    try:
        kept = stored_study(catalogue.configuration(study.fingerprint()), study.table)
    except ConfigError:
        return ()
    return description_changes(_declared(kept), _declared(study))


def _declared(study: WaferStudy) -> dict[str, str]:
    """All of a wafer study that changes stacks and no device, by its key in the file, as the file writes it."""
    parameters = {**study.study_template.parameters, **study.wafer_parameters}
    found = {f"parameters.{name}": str(declared_line(name, each)) for name, each in parameters.items()}
    found = {key: line.partition(" = ")[2] for key, line in found.items()}
    own = {key: getattr(study.wafer, key) for key in ("smooth", "smooth_sd", "smooth_each", "radius")}
    found |= {f"wafer.{key}": toml_value(value) for key, value in own.items() if value}
    return found | {f"sampling.{key}": str(value) for key, value in vars(study.study_template.sampling).items()}


def group_study(catalogue: Catalogue, file: Path | None = None, configuration: str = "") -> WaferStudy:
    """The study for fits of groups: the stored one, or a file with other priors.

    Raises ConfigError if the file cannot be used, or declares what would have given the devices other numbers, and
    DataError if the catalogue holds no `configuration` that begins so, or several.
    """
    chosen = catalogue.configuration(configuration)
    sources = catalogue.sources(chosen.fingerprint)
    table = Path(sources[0].name if sources else "table.csv")
    if file is None:
        try:
            return stored_study(chosen, table)
        except ConfigError as error:
            raise ConfigError(prefixed(error.problems, f"{catalogue.path}: ")) from None
    study = load_wafer(file, table)
    if study.fingerprint() != chosen.fingerprint:
        what = f"declares other columns, units, errors or amplitudes than those that {catalogue.path} was made with"
        todo = "change priors, smooth parts and [sampling] only, or repeat mtjfit batch with it"
        raise ConfigError([Problem(str(file), what, todo)])
    return study
