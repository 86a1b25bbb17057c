"""From rectified spectra of a spin diode to torkance against bias.

Half widths are half the width at half maximum, everywhere. The in-plane torkance counts along M × (P × M), the
out-of-plane one along M × P.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.spectra.analysis import analyse
    from mtjfit.spectra.calibration import Constant, Constants, torkances
    from mtjfit.spectra.export import spectra_files
    from mtjfit.spectra.joint import DeviceLines, fit_together
    from mtjfit.spectra.kittel import KittelFit, fit_kittel, resonance_field, resonance_frequency, resonance_slope
    from mtjfit.spectra.lines import fit_lines
    from mtjfit.spectra.lineshape import antisymmetric, complex_line, symmetric
    from mtjfit.spectra.load import load_spectra
    from mtjfit.spectra.residuals import ResidualTests, residual_tests
    from mtjfit.spectra.single import fit_spectrum
    from mtjfit.spectra.spectrum import LineFits, LineModel, Spectrum, branches, line_values
    from mtjfit.spectra.study import Device, LineOptions, SpectraResult, SpectraStudy, SpectrumFit
    from mtjfit.spectra.torkance import CommonError, TorkanceCurve, torkance_curve

__all__ = [
    "CommonError",
    "Constant",
    "Constants",
    "Device",
    "DeviceLines",
    "KittelFit",
    "LineFits",
    "LineModel",
    "LineOptions",
    "ResidualTests",
    "SpectraResult",
    "SpectraStudy",
    "Spectrum",
    "SpectrumFit",
    "TorkanceCurve",
    "analyse",
    "antisymmetric",
    "branches",
    "complex_line",
    "fit_kittel",
    "fit_lines",
    "fit_spectrum",
    "fit_together",
    "line_values",
    "load_spectra",
    "residual_tests",
    "resonance_field",
    "resonance_frequency",
    "resonance_slope",
    "spectra_files",
    "symmetric",
    "torkance_curve",
    "torkances",
]

__getattr__ = names_on_demand(
    __name__,
    {
        "CommonError": "mtjfit.spectra.torkance",
        "Constant": "mtjfit.spectra.calibration",
        "Constants": "mtjfit.spectra.calibration",
        "Device": "mtjfit.spectra.study",
        "DeviceLines": "mtjfit.spectra.joint",
        "KittelFit": "mtjfit.spectra.kittel",
        "LineFits": "mtjfit.spectra.spectrum",
        "LineModel": "mtjfit.spectra.spectrum",
        "LineOptions": "mtjfit.spectra.study",
        "ResidualTests": "mtjfit.spectra.residuals",
        "SpectraResult": "mtjfit.spectra.study",
        "SpectraStudy": "mtjfit.spectra.study",
        "Spectrum": "mtjfit.spectra.spectrum",
        "SpectrumFit": "mtjfit.spectra.study",
        "TorkanceCurve": "mtjfit.spectra.torkance",
        "analyse": "mtjfit.spectra.analysis",
        "antisymmetric": "mtjfit.spectra.lineshape",
        "branches": "mtjfit.spectra.spectrum",
        "complex_line": "mtjfit.spectra.lineshape",
        "fit_kittel": "mtjfit.spectra.kittel",
        "fit_lines": "mtjfit.spectra.lines",
        "fit_spectrum": "mtjfit.spectra.single",
        "fit_together": "mtjfit.spectra.joint",
        "line_values": "mtjfit.spectra.spectrum",
        "load_spectra": "mtjfit.spectra.load",
        "residual_tests": "mtjfit.spectra.residuals",
        "resonance_field": "mtjfit.spectra.kittel",
        "resonance_frequency": "mtjfit.spectra.kittel",
        "resonance_slope": "mtjfit.spectra.kittel",
        "spectra_files": "mtjfit.spectra.export",
        "symmetric": "mtjfit.spectra.lineshape",
        "torkance_curve": "mtjfit.spectra.torkance",
        "torkances": "mtjfit.spectra.calibration",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
