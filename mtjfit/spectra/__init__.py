"""From rectified spectra of a spin diode to torkance against bias.

Half widths are half the width at half maximum, everywhere. The in-plane torkance counts along M × (P × M), the
out-of-plane one along M × P.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.model.residuals import ResidualTests, residual_tests
    from mtjfit.spectra.analysis import analyse
    from mtjfit.spectra.calibration import Constant, Constants, torkances
    from mtjfit.spectra.export import spectra_files
    from mtjfit.spectra.joint import DeviceLines, fit_together
    from mtjfit.spectra.kittel import KittelFit, fit_kittel, resonance_field, resonance_frequency, resonance_slope
    from mtjfit.spectra.lines import fit_lines, fit_spectrum
    from mtjfit.spectra.lineshape import antisymmetric, complex_line, symmetric
    from mtjfit.spectra.load import load_spectra
    from mtjfit.spectra.spectrum import LineFits, LineModel, Spectrum, branches, line_values
    from mtjfit.spectra.study import (
        Hysteresis,
        LineOptions,
        RowCount,
        SpectraDevice,
        SpectraResult,
        SpectraStudy,
        SpectrumFit,
    )
    from mtjfit.spectra.torkance import CommonError, TorkanceCurve, torkance_curve

__all__ = [
    "CommonError",
    "Constant",
    "Constants",
    "DeviceLines",
    "Hysteresis",
    "KittelFit",
    "LineFits",
    "LineModel",
    "LineOptions",
    "ResidualTests",
    "RowCount",
    "SpectraDevice",
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

_HOMES = {
    ".analysis": ("analyse",),
    ".calibration": ("Constant", "Constants", "rectified_background", "torkances"),
    ".export": ("spectra_files",),
    ".joint": ("DeviceLines", "fit_together"),
    ".kittel": ("KittelFit", "fit_kittel", "resonance_field", "resonance_frequency", "resonance_slope"),
    ".lines": ("fit_lines", "fit_spectrum"),
    ".lineshape": ("antisymmetric", "background", "complex_line", "line_derivatives", "symmetric"),
    ".load": ("load_spectra",),
    "mtjfit.model.residuals": ("ResidualTests", "residual_tests"),
    ".spectrum": ("LineFits", "LineModel", "Spectrum", "branches", "line_values"),
    ".study": (
        "Hysteresis",
        "LineOptions",
        "RowCount",
        "SpectraDevice",
        "SpectraResult",
        "SpectraStudy",
        "SpectrumFit",
    ),
    ".torkance": ("CommonError", "TorkanceCurve", "smooth_curve", "torkance_curve"),
}

__getattr__ = names_on_demand(
    __name__,
    _HOMES,
    moved={"Device": "mtjfit.spectra.study:SpectraDevice"},
)


def __dir__() -> list[str]:
    return sorted(__all__)
