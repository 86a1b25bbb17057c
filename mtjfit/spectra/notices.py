"""Warnings about an analysis: declarations that could not be applied, and results to look at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from mtjfit.data.readers import Sheet
from mtjfit.data.written_units import written_unit
from mtjfit.errors import DataError
from mtjfit.spectra.calibration import field_fault
from mtjfit.spectra.declaration import FilesTable
from mtjfit.spectra.hysteresis import DIFFERENT
from mtjfit.spectra.spectrum import Spectrum
from mtjfit.spectra.study import Hysteresis, LineOptions, SharedFit, SpectraStudy, SpectrumFit
from mtjfit.text import counted, p_text
from mtjfit.toml import toml_string

_LISTED = 3
_SAME_BIAS = 0.02  # relative difference of a reading and its setting


def analysis_notices(
    study: SpectraStudy, fits: Sequence[SpectrumFit], shared: Sequence[SharedFit], hysteresis: Sequence[Hysteresis]
) -> Iterator[str]:
    """Notices of the files, then those of fields, of what spectra share, of sweeps that differ, and of constants."""
    yield from study.notices
    faults: dict[str, str] = {}
    for fit in fits:
        place = fit.centre[fit.mode], fit.spectrum.fixed
        field, frequency = place if study.against == "field" else place[::-1]
        if math.isfinite(frequency) and math.isfinite(field) and (fault := field_fault(field, frequency)):
            faults.setdefault(fault, fit.spectrum.name)
    if faults:
        fault, name = next(iter(faults.items()))
        yield f"{name}: {fault}" + (f" ({len(faults)} spectra)" if len(faults) > 1 else "")
    for each in shared:
        if each.p < 1e-3:
            yield f"{each.name}: {each.n} spectra do not share what was declared common to them (p = {each.p:.1g})"
    if differ := [each for each in hysteresis if each.p < DIFFERENT]:
        least = min(differ, key=lambda each: each.p)
        yield (f"{_some([each.spectrum.name for each in differ])}: sweeps {least.first} and {least.second} differ "
               f"({p_text(least.p)}); see the table of sweeps")  # fmt: skip
    if any(device.constants is None for device in study.devices.values()):
        yield "no constants are declared: the lines were fitted, nothing was calibrated"


def window_notice(missed: Mapping[str, int], options: LineOptions) -> Iterator[str]:
    """What a window that holds too few points was not applied to: points inside, by name of the spectrum."""
    if missed:
        needed = 2 * options.model.n_parameters + 1
        held = sorted(set(missed.values()))
        points = f"{held[0]}" if len(held) == 1 else f"{held[0]} to {held[-1]}"
        yield (f"line.window of {options.window:g} half widths holds {points} points, {needed} are needed: not applied "
               f"to {_some(list(missed))}, where all points are used")  # fmt: skip


def sharing_notices(groups: Iterable[Sequence[Spectrum]], options: LineOptions) -> Iterator[str]:
    """Where what was declared shared could not be, or needed fewer degrees, or took readings of a field as one."""
    if not options.shares:
        return
    what = " and ".join(name for name in ("centre", "width") if getattr(options, name) != "free")
    alone, fewer, merged = [], [], []
    degree = max(each for each in (options.centre, options.width) if each != "free")
    for group in groups:
        biases = np.unique([each.bias for each in group]).size
        if len(group) < 2:
            alone.append(group[0].name)
        elif biases <= degree:
            fewer.append(f"{group[0].name} ({counted(biases, 'bias', 'biases')})")
        held = np.array([each.fixed for each in group])
        if np.unique(held[np.isfinite(held)]).size > 1:
            merged.append(group[0].name)
    if alone:
        yield f"line.{what}: shared by no other spectrum of the same device, value held, sign and sweep: {_some(alone)}"
    if fewer:
        yield f"line.{what}: a polynomial of degree {degree} needs more biases, a lower one was used: {_some(fewer)}"
    if merged:
        yield f"line.{what}: shared by values held that differ by less than a thousandth: {_some(merged)}"


def kittel_notices(faults: Mapping[str, str]) -> Iterator[str]:
    """Devices whose resonances Kittel's formula was not fitted to, by reason; `faults` are empty where it was."""
    for fault in dict.fromkeys(filter(None, faults.values())):
        yield f"{_some([name for name, each in faults.items() if each == fault])}: no fit of Kittel's formula: {fault}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return "; ".join(names[:_LISTED]) + more


def contradicting_bias(sheet: Sheet, table: FilesTable, bias: float) -> Iterator[str]:
    """Notices of header parameters that state another bias than the declared one, in V."""
    others = [name for name in sheet.metadata if "bias" in name.casefold() and name not in table.named]
    for name in others if not table.columns.bias else []:
        try:
            said = sheet.parameter(name)
        except DataError:
            continue
        unit = written_unit(said.unit or "")
        if unit is None or unit.quantity != "voltage":
            continue
        if abs(said.value * unit.si - bias) > max(_SAME_BIAS * abs(bias), 1e-4):
            yield (f"{sheet.label}: the file says {name!r} {said.value:g} {said.unit}, but {bias:g} V is declared; "
                   f"bias = {toml_string(name)} in [files.columns] takes what each file says")  # fmt: skip
