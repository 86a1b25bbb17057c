"""Numbers that are implausible in their declared unit: public files often mislabel units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.data.curve import TorqueCurve
from mtjfit.data.unit_kinds import unit_factor
from mtjfit.data.units import conversion, find_unit

_USUAL: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "field": ("T", "mT", "Oe", "kOe", "A/m", "kA/m"), "bias": ("V", "mV"), "thickness": ("nm", "angstrom", "m"),
    "frequency": ("GHz", "MHz", "Hz"),
})  # fmt: skip
"""Units that numbers may be meant in; limits are in the first of each."""
_LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType({
    "field": (5e-5, 15.0),
    "bias": (2e-3, 3.0),
    "thickness": (0.3, 10.0),
    "frequency": (0.01, 200.0),
})  # fmt: skip
"""Largest values that are usual, in T, V, nm and GHz: fields of coils, MgO barriers, free layers, microwave sources."""
_MOMENT = (1e-24, 1e-15)
_GAMMA_GHZ_PER_T = 28.0
_LARGEST_M = 2.3
"""μ0 M_eff of the ferromagnet with the largest magnetisation, in T."""
_SLACK = 5.0
_LONGEST = 50.0
"""Spin-flip and other lengths of ferromagnets, in nm: cobalt at low temperature has the longest known one."""
_LONG = 6.0
"""λ_J and λ_φ are a few nm or less in all ferromagnets of tunnel junctions."""


def suspicious_units(kind: str, values: ArrayLike, unit: str, *, frequency: float | None = None) -> tuple[str, ...]:
    """Doubts about numbers that are out of all proportion in their unit. Nothing is rescaled.

    A field swept in a microwave of `frequency` (GHz) is compared with what a resonance needs: Kittel's formula for a
    film in its plane, f = (γ/2π) √(B (B + μ0 M)), has its lowest field for the largest magnetisation there is, μ0 M =
    2.3 T, and for a field along the normal the highest is 2π f/γ + μ0 M. A factor of five is left for anisotropy and
    wide sweeps.

    Only the largest magnitude of the values counts. One sentence, or nothing where there is no reason for doubt or the
    unit is not known here.

    >>> print(*suspicious_units("field", [0.002, 0.016], "mT", frequency=4.0))
    field up to 0.016 mT: a resonance at 4 GHz needs 8.8 mT or more; is it in T?
    >>> print(*suspicious_units("bias", [-300, 300], "V"))
    bias up to 300 V: more than 3 V is unusual; is it in mV?
    """
    sizes, usual = np.abs(np.asarray(values, dtype=float)), _USUAL[kind]
    largest = float(np.max(sizes[np.isfinite(sizes)], initial=0.0))
    try:
        factors = {each: unit_factor(each, kind) / unit_factor(usual[0], kind) for each in (*usual, unit)}
    except ValueError:
        return ()
    if largest == 0:
        return ()
    resonance = frequency if kind == "field" and frequency and frequency > 0 else None
    limits, slack = (_LIMITS[kind], 1.0) if resonance is None else (_resonance(resonance), _SLACK)
    low, high = limits[0] / slack, limits[1] * slack
    size = largest * factors[unit]
    if low <= size <= high:
        return ()
    limit = limits[size > high] / factors[unit]
    if resonance is None:
        why = f"{'less' if size < low else 'more'} than {limit:g} {unit} is unusual"
    else:
        why = f"a resonance at {resonance:g} GHz needs {limit:.2g} {unit} or {'more' if size < low else 'less'}"
    fitting = [other for other in usual if low <= largest * factors[other] <= high]
    question = f"; is it in {' or '.join(fitting[:3])}?" if fitting else "; look at the unit"
    return (f"{kind} up to {largest:g} {unit}: {why}{question}",)


def _resonance(frequency: float) -> tuple[float, float]:
    """Lowest and highest field, in T, at which a film can resonate at a frequency in GHz."""
    omega = frequency / _GAMMA_GHZ_PER_T
    return math.hypot(omega, _LARGEST_M / 2) - _LARGEST_M / 2, omega + _LARGEST_M


def suspicious_curve(curve: TorqueCurve) -> tuple[str, ...]:
    """Doubts about bias, thickness and torques of a device, each with its name."""
    found = [*suspicious_units("bias", curve.bias, "V"), *suspicious_units("thickness", [curve.thickness], "nm")]
    unit = find_unit(curve.unit)
    if unit.dimension == "moment":
        si = "N m" if unit.quantity == "torque" else "N m/V"
        size = float(np.nanmax(np.abs([curve.par, curve.perp]))) * conversion(unit.name, si)
        if size > 0 and not _MOMENT[0] <= size <= _MOMENT[1]:
            found.append(f"torques up to {size:.2g} {si}: junctions have about 1e-19 {si}; look at the unit")
    return tuple(f"device {curve.name!r}: {each}" for each in found)


def suspicious_lengths(lengths: Mapping[str, float]) -> tuple[str, ...]:
    """Doubts about the unit of the thicknesses, by the lengths in nm that were determined with them.

    Lengths have the unit of the thicknesses: those of λ_sf^N, which may be long in copper, do not count.

    >>> suspicious_lengths({"lambda_J": 10.2, "lambda_phi": 9.0})[0].split("; ")
    ['lambda_J = 10 nm and lambda_phi = 9 nm: ferromagnets have a few nm or less',
     'are the thicknesses in nm? Å declared as nm make every length ten times too long']
    >>> suspicious_lengths({"lambda_J": 1.0, "lambda_phi": 9.0, "lambda_sf_N": 300.0})
    ()
    """
    inside = {name: value for name, value in lengths.items() if not name.startswith("lambda_sf_N")}
    far = {name: value for name, value in inside.items() if value > _LONGEST}
    short = {name: value for name, value in inside.items() if name.startswith(("lambda_J", "lambda_phi"))}
    kinds = {name.partition("[")[0] for name in short}
    if len(kinds) == 2 and min(short.values()) > _LONG:
        far, usual = short, "a few nm or less"
    elif far:
        usual = f"less than {_LONGEST:g} nm"
    else:
        return ()
    named = " and ".join(f"{name} = {value:.2g} nm" for name, value in far.items())
    question = "are the thicknesses in nm? Å declared as nm make every length ten times too long"
    return (f"{named}: ferromagnets have {usual}; {question}",)
