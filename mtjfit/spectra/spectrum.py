"""One rectified spectrum: voltage against frequency or field, in SI units, and where it was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from mtjfit.data.curve import FloatArray
from mtjfit.errors import DataError, Problem

__all__ = ["Against", "Spectrum", "branches"]

Against: TypeAlias = Literal["frequency", "field"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """V_mix of one device at one bias.

    Attributes
    ----------
    device : str
    bias : float
        V.
    against : {"frequency", "field"}
    x : ndarray, shape (n,)
        Hz, or |B| in T; ascending.
    voltage : ndarray, shape (n,)
        V.
    fixed : float
        What was held: the field in T of a frequency sweep, the frequency in Hz of a field sweep; NaN if not known.
    sign : {1, -1}
        Sign of the field of this branch of a field sweep.
    label : str
        File, and part of it.

    Raises
    ------
    DataError
        Numbers are missing or not finite, or the abscissa has fewer than three different values.
    """

    device: str
    bias: float
    against: Against
    x: FloatArray
    voltage: FloatArray
    fixed: float = math.nan
    sign: int = 1
    label: str = ""

    def __post_init__(self) -> None:
        x, voltage = np.array(self.x, dtype=float), np.array(self.voltage, dtype=float)
        where = self.label or f"device {self.device!r} at {self.bias:g} V"
        if x.shape != voltage.shape or x.ndim != 1:
            raise DataError([Problem(where, f"{x.shape} abscissas for {voltage.shape} voltages", "give one for each")])
        if not (np.all(np.isfinite(x)) and np.all(np.isfinite(voltage)) and math.isfinite(self.bias)):
            raise DataError([Problem(where, "holds NaN or inf", "give a number for each point and for the bias")])
        if np.unique(x).size < 3:
            raise DataError([Problem(where, "has fewer than three different abscissas", "leave the spectrum out")])
        order = np.argsort(x, kind="stable")
        for name, values in (("x", x[order]), ("voltage", voltage[order])):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def unit(self) -> str:
        """Unit of the abscissa on axes and in tables."""
        return "GHz" if self.against == "frequency" else "mT"

    @property
    def shown(self) -> float:
        """Factor from the abscissa to that unit."""
        return 1e-9 if self.against == "frequency" else 1e3

    @property
    def name(self) -> str:
        """The spectrum in words.

        Examples
        --------
        >>> Spectrum("A1", 0.15, "field", np.arange(3.0), np.zeros(3), fixed=4e9, sign=-1).name
        'A1, 150 mV, 4 GHz, negative field'
        """
        parts = [self.device, f"{1e3 * self.bias:.6g} mV"]
        if math.isfinite(self.fixed):
            parts.append(f"{self.fixed / 1e9:.6g} GHz" if self.against == "field" else f"{1e3 * self.fixed:.6g} mT")
        if self.sign < 0:
            parts.append("negative field")
        return ", ".join(parts)

    def within(self, low: float, high: float) -> Spectrum:
        """The points of an interval of the abscissa, ends included."""
        inside = (self.x >= low) & (self.x <= high)
        return replace(self, x=self.x[inside], voltage=self.voltage[inside])


def branches(spectrum: Spectrum, least: int) -> Iterator[Spectrum]:
    """A field sweep through both signs as one spectrum against |B| for each sign.

    Branches of fewer than `least` points are left out, so that a sweep that only just crosses zero stays one. Other
    spectra come back as they are.

    Examples
    --------
    >>> sweep = Spectrum("A1", 0.0, "field", np.linspace(-0.3, 0.1, 9), np.arange(9.0), fixed=4e9)
    >>> [(each.sign, each.x.size) for each in branches(sweep, 3)]
    [(1, 3), (-1, 6)]
    """
    if spectrum.against == "frequency" or np.all(spectrum.x >= 0):
        yield spectrum
        return
    for sign in (1, -1):
        side = spectrum.x * sign >= (0 if sign > 0 else np.finfo(float).tiny)
        if np.unique(spectrum.x[side]).size >= max(least, 3):
            yield replace(spectrum, x=sign * spectrum.x[side], voltage=spectrum.voltage[side], sign=sign)
