"""What came out of a folder of spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mtjfit.data.curve import BoolArray, FloatArray
from mtjfit.spectra.curves import TorkanceCurve
from mtjfit.spectra.kittel import KittelFit
from mtjfit.spectra.lines import LineModel, line_values
from mtjfit.spectra.residuals import ResidualTests
from mtjfit.spectra.spectrum import Spectrum
from mtjfit.spectra.study import SpectraStudy

__all__ = ["SharedFit", "SpectraResult", "SpectrumFit"]


@dataclass(frozen=True, eq=False)
class SpectrumFit:
    """Lines of one spectrum.

    Attributes
    ----------
    spectrum : Spectrum
    model : LineModel
    used : ndarray of bool, shape (n,)
        False outside the window about the lines.
    centre, half_width, s, a : ndarray, shape (modes,)
        In SI: Hz or T, and V; `half_width` is half the width at half maximum.
    errors : ndarray, shape (4, modes)
        Standard errors of these.
    background : ndarray, shape (degree + 1,)
    mode : int
        The mode that torkances are taken from.
    noise : float
        Standard deviation of one point, V.
    tests : ResidualTests
    flags : tuple of str
        What speaks against these lines; empty for most.
    inflation : float
        Factor by which errors were raised because neighbouring residuals are alike; 1 where they are not.
    """

    spectrum: Spectrum
    model: LineModel
    used: BoolArray
    centre: FloatArray
    half_width: FloatArray
    s: FloatArray
    a: FloatArray
    errors: FloatArray
    background: FloatArray
    mode: int
    noise: float
    tests: ResidualTests
    flags: tuple[str, ...]
    inflation: float

    def values(self, x: FloatArray) -> FloatArray:
        """Fitted voltage in V at abscissas in Hz or T."""
        span = self.spectrum.x[self.used]
        return line_values(self.model, x, self.centre, self.half_width, self.s, self.a, self.background, span)

    @property
    def residual(self) -> FloatArray:
        """Voltage minus fit, used points only."""
        x = self.spectrum.x[self.used]
        return np.asarray(self.spectrum.voltage[self.used] - self.values(x))


@dataclass(frozen=True)
class SharedFit:
    """A device whose spectra were fitted together.

    Attributes
    ----------
    name : str
        Device, and what was held.
    n : int
        Number of spectra.
    p : float
        Probability of so large a misfit if what is shared were common to all of them.
    """

    name: str
    n: int
    p: float


@dataclass(frozen=True, eq=False)
class SpectraResult:
    """Everything.

    Attributes
    ----------
    study : SpectraStudy
    fits : tuple of SpectrumFit
        In the order of the spectra.
    shared : tuple of SharedFit
    kittel : mapping of str to KittelFit
        By device, where its resonances were seen at enough fields.
    curves : mapping of str to TorkanceCurve
        By device, where constants were declared.
    background_ratio : mapping of str to ndarray
        By device, where V_II was declared: background at resonance over ¼ V_II I_rf², in the order of its fits.
    notices : tuple of str
        What must not be missed.
    """

    study: SpectraStudy
    fits: tuple[SpectrumFit, ...]
    shared: tuple[SharedFit, ...]
    kittel: Mapping[str, KittelFit]
    curves: Mapping[str, TorkanceCurve]
    background_ratio: Mapping[str, FloatArray]
    notices: tuple[str, ...]

    @property
    def flagged(self) -> tuple[SpectrumFit, ...]:
        """Spectra that their lines do not describe."""
        return tuple(fit for fit in self.fits if fit.flags)

    def of(self, device: str) -> tuple[SpectrumFit, ...]:
        """Fits of one device."""
        return tuple(fit for fit in self.fits if fit.spectrum.device == device)
