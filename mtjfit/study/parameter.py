"""What may be declared of a parameter: its name, unit, prior and scope."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mtjfit.data.units import Per, Quantity, amplitude_unit
from mtjfit.study.prior import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Uniform

__all__ = [
    "DOF",
    "JITTER",
    "LENGTHS",
    "NOISE",
    "SCATTER",
    "AnyPrior",
    "Parameter",
    "Scope",
    "is_amplitude",
    "parse_amplitude",
    "unit_of_parameter",
]

Scope: TypeAlias = Literal["shared", "group", "device"]
AnyPrior: TypeAlias = Fixed | Uniform | LogUniform | Normal | LogNormal | AboutNominal

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio", "Lambda", "dead_layer")
"""Parameters that shape κ(d), in the order of every table; of ``dead_layer`` nm, if declared, d is too large."""

NOISE = ("noise_par", "noise_perp")
"""Noise scales, declared where the errors of the data are to be fitted."""

JITTER = ("jitter_par", "jitter_perp")
"""Errors s that known ones lack: σ² = σ_k² + s²."""

DOF = "noise_dof"
"""Degrees of freedom of Student-t errors; declared, by hand or as [noise] in a study file, it makes them such."""

SCATTER = "scatter_"
"""Before the name of a shared amplitude: its relative standard deviation between devices, as in ``scatter_a1``."""

_AMPLITUDE = re.compile(r"([ab])([0-4])")


def is_amplitude(name: str) -> bool:
    """True for a1, a2, … (in-plane) and b0, b1, b2, … (out-of-plane), the coefficients of J0(V).

    Examples
    --------
    >>> [is_amplitude(name) for name in ("a1", "b0", "a0", "lambda_J")]
    [True, True, False, False]
    """
    return bool(_AMPLITUDE.fullmatch(name)) and name != "a0"


def parse_amplitude(name: str) -> tuple[complex, int]:
    """Phase (1 in-plane, i out-of-plane) and power of V of an amplitude.

    Examples
    --------
    >>> parse_amplitude("b2")
    (1j, 2)
    """
    match = _AMPLITUDE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not an amplitude such as a1 or b2")
    return (1 + 0j if match[1] == "a" else 1j), int(match[2])


def unit_of_parameter(name: str, unit: str, quantity: Quantity, per: Per) -> str:
    """Unit of a parameter, which may carry a device or group as in ``a1[dev1]``, for data in `unit`.

    Examples
    --------
    >>> [unit_of_parameter(name, "mT", "torque", "volume") for name in ("b2[A]", "noise_par", "Lambda", "D_ratio")]
    ['mT nm/V^2', 'mT', 'nm', '']
    """
    base = name.split("[")[0]
    if is_amplitude(base):
        return amplitude_unit(base, unit, quantity, per)
    if base in (*NOISE, *JITTER):
        return unit
    return "" if base in ("D_ratio", DOF) or base.startswith(SCATTER) else "nm"


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes
    ----------
    name : str
        One of `LENGTHS`, ``thickness``, an amplitude (a1, a2, b0, b1, b2, …) or its scatter (``scatter_a1``), one of
        `NOISE` or `JITTER`, or `DOF`.
    scope : {"shared", "group", "device"}
        One value for the study, for each group of devices, or for each device.
    """

    name: str
    prior: AnyPrior
    scope: Scope = "shared"

    @property
    def is_fixed(self) -> bool:
        """True where the value is taken as known."""
        return isinstance(self.prior, Fixed)
