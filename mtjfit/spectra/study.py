"""A study of spectra: options of the fits, devices with their constants, and the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from mtjfit.data.curve import BoolArray, FloatArray, Origin
from mtjfit.spectra.calibration import Constants
from mtjfit.spectra.joint import Sharing
from mtjfit.spectra.kittel import Free, KittelFit
from mtjfit.spectra.residuals import ResidualTests
from mtjfit.spectra.spectrum import Against, LineModel, Spectrum, line_values
from mtjfit.spectra.torkance import TorkanceCurve

Use = Literal["largest", "lowest", "highest"]


@dataclass(frozen=True)
class LineOptions:
    """The model of each spectrum, and what is common to the spectra of a device.

    Attributes
    ----------
    use : {"largest", "lowest", "highest"}
        Which of several modes is the one that torkances are taken from: the one with the largest amplitudes on average
        over the device, or the one with the lowest or highest centre.
    centre, width : "free" or int
        See `mtjfit.spectra.joint.Sharing`.
    range : (float, float) or None
        Part of the abscissa to use, Hz or T.
    window : float or None
        Half widths on each side of the lines to use; None: everything.
    kittel : tuple of {"Meff", "Bk", "gamma"}
        Free parameters of Kittel's formula.
    output : float
        Factor from the voltage as shown to a peak amplitude, √2 for a lock-in amplifier that shows root mean squares.
    """

    model: LineModel = field(default_factory=LineModel)
    use: Use = "largest"
    centre: Sharing = "free"
    width: Sharing = "free"
    range: tuple[float, float] | None = None
    window: float | None = None
    kittel: tuple[Free, ...] = ("Meff", "Bk")
    output: float = 1.0

    @property
    def shares(self) -> bool:
        """Whether spectra of a device have centres or widths in common."""
        return self.centre != "free" or self.width != "free"


@dataclass(frozen=True)
class SpectraDevice:
    """One device.

    Attributes
    ----------
    thickness : float or None
        Of the free layer, nm; None: not declared, nothing is calibrated.
    thickness_sd : float or None
        Its tolerance, nm.
    constants : Constants or None
        None where none were declared: the lines are fitted, and nothing is calibrated.
    """

    name: str
    thickness: float | None = None
    thickness_sd: float | None = None
    constants: Constants | None = None


@dataclass(frozen=True, eq=False)
class SpectraStudy:
    """A study of spectra as declared.

    Attributes
    ----------
    unit : str
        Of the torkances to write.
    origin : Origin
        Whether the spectra were measured or simulated.
    devices : mapping of str to SpectraDevice
        In order of appearance.
    text : str
        Of the study file.
    files : mapping of str to str
        sha256 of each file of spectra.
    notes : tuple of str
        Properties of the files that were detected, not declared.
    """

    name: str
    against: Against
    unit: str
    origin: Origin
    spectra: tuple[Spectrum, ...]
    options: LineOptions
    devices: Mapping[str, SpectraDevice]
    text: str = ""
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Mark of spectra that were not measured, for plots and tables; empty for measured ones."""
        return self.origin.label

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The one origin that all spectra have."""
        return (self.origin,)


@dataclass(frozen=True, eq=False)
class SpectrumFit:
    """Lines of one spectrum.

    Attributes
    ----------
    used : ndarray of bool, shape (n,)
        False outside the window about the lines.
    centre, half_width, s, a : ndarray, shape (modes,)
        In SI: Hz or T, and V; `half_width` is half the width at half maximum.
    errors : ndarray, shape (4, modes)
        Standard errors of these.
    mode : int
        The mode that torkances are taken from.
    noise : float
        Standard deviation of one point, V.
    flags : tuple of str
        Reasons to doubt these lines; usually empty.
    inflation : float
        Factor by which errors were raised because neighbouring residuals are correlated; 1 where they are not.
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
    """All fits of a study of spectra.

    Attributes
    ----------
    fits : tuple of SpectrumFit
        In the order of the spectra.
    kittel : mapping of str to KittelFit
        By device, where its resonances were seen at enough fields.
    curves : mapping of str to TorkanceCurve
        By device, where constants were declared.
    background_ratio : mapping of str to ndarray
        By device, where V_II was declared: background at resonance over ¼ V_II I_rf², in the order of its fits.
    notices : tuple of str
        Warnings.
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
