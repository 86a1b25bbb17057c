"""From rectified spectra of a spin diode to torkance against bias.

Half widths are half the width at half maximum, everywhere. The in-plane torkance counts along M × (P × M), the
out-of-plane one along M × P.
"""

from mtjfit.spectra.analyse import analyse
from mtjfit.spectra.batch import fit_lines
from mtjfit.spectra.calibration import Constant, Constants, torkances
from mtjfit.spectra.curves import CommonError, TorkanceCurve, torkance_curve
from mtjfit.spectra.joint import DeviceLines, fit_together
from mtjfit.spectra.kittel import KittelFit, fit_kittel, resonance_field, resonance_frequency, resonance_slope
from mtjfit.spectra.lineshape import antisymmetric, complex_line, symmetric
from mtjfit.spectra.load import load_spectra
from mtjfit.spectra.output import spectra_files
from mtjfit.spectra.residuals import ResidualTests, residual_tests
from mtjfit.spectra.single import fit_spectrum
from mtjfit.spectra.spectrum import LineFits, LineModel, Spectrum, branches, line_values
from mtjfit.spectra.study import Device, LineOptions, SpectraResult, SpectraStudy, SpectrumFit

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
