"""What a file for ``mtjfit spectra`` says, checked: spectra, lines to fit, devices and their constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from mtjfit.data.curve import Origin
from mtjfit.spectra.calibration import Constants
from mtjfit.spectra.joint import Sharing
from mtjfit.spectra.kittel import Free
from mtjfit.spectra.lines import LineModel
from mtjfit.spectra.spectrum import Against, Spectrum

__all__ = ["Device", "LineOptions", "SpectraStudy", "Use"]

Use = Literal["largest", "lowest", "highest"]


@dataclass(frozen=True)
class LineOptions:
    """What is fitted to each spectrum, and what is common to the spectra of a device.

    Attributes
    ----------
    model : LineModel
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
        What is free in Kittel's formula.
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


@dataclass(frozen=True)
class Device:
    """One device.

    Attributes
    ----------
    name : str
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
    """Everything that was declared.

    Attributes
    ----------
    name : str
    against : {"frequency", "field"}
    unit : str
        Of the torkances to write.
    origin : Origin
        Whether the spectra were measured or simulated.
    spectra : tuple of Spectrum
    options : LineOptions
    devices : mapping of str to Device
        In order of appearance.
    text : str
        Of the study file.
    files : mapping of str to str
        sha256 of each file of spectra.
    notes : tuple of str
        What was found out about the files instead of being declared.
    """

    name: str
    against: Against
    unit: str
    origin: Origin
    spectra: tuple[Spectrum, ...]
    options: LineOptions
    devices: Mapping[str, Device]
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
