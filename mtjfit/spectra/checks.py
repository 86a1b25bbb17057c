"""Contradictions of a study of spectra: devices without spectra, spectra without device, what calibration needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mtjfit.data.units import check_unit
from mtjfit.errors import Problem
from mtjfit.spectra.spectrum import Spectrum
from mtjfit.text import counted

if TYPE_CHECKING:
    from mtjfit.spectra.study import SpectraDevice, SpectraStudy


def spectra_problems(study: SpectraStudy) -> Iterator[Problem]:
    """All reasons why a study cannot be analysed as it stands."""
    unit = check_unit(study.unit, "torkance", "device", "unit")
    if unit is not None:
        yield unit
    if not study.spectra:
        yield Problem("spectra", "are none", "give at least one spectrum")
    other = [each.name for each in study.spectra if each.against != study.against]
    if other:
        what = f"{len(other)} of {len(study.spectra)} are not against the {study.against}; the first is {other[0]}"
        yield Problem("spectra", what, "make one study of each kind of sweep")
    own: dict[str, list[Spectrum]] = {}
    for each in study.spectra:
        own.setdefault(each.device, []).append(each)
    for name in own:
        if name not in study.devices:
            yield Problem("devices", f"hold no {name!r}, which spectra name", "add it, or correct the spectra")
    for name, device in study.devices.items():
        where = f"devices[{name!r}]"
        if device.name != name:
            yield Problem(where, f"is named {device.name!r}", "give it the name that it stands under")
        if name not in own:
            yield Problem(where, "has no spectra", "leave it out, or correct the device of its spectra")
        for what, todo in _calibration_faults(device, own.get(name, ()), study):
            yield Problem(where, what, todo)


def _calibration_faults(
    device: SpectraDevice, spectra: Sequence[Spectrum], study: SpectraStudy
) -> Iterator[tuple[str, str]]:
    """What `mtjfit.spectra.calibration.torkances` misses, and what to do about it."""
    given = device.constants
    if given is None:
        return
    unknown = sum(math.isnan(each.fixed) for each in spectra)
    among = counted(unknown, "spectrum", "spectra")
    if study.against == "field":
        if given.Meff is None:
            yield "has no Meff", "sweeps of the field need μ0 M_eff for dω/dB"
        if unknown:
            yield f"has {among} at no known frequency", "give each its frequency as fixed"
    elif given.Nx_Meff is None and given.Meff is None:
        yield "has neither Nx_Meff nor Meff", "give one: the out-of-plane torkance needs it"
    elif given.Nx_Meff is None and unknown:
        yield f"has Meff, but {among} at no known field", "give each its field as fixed, or Nx_Meff in place of Meff"
