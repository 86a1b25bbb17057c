"""Files for ``mtjfit run``: the curve with its errors, the covariance of each device, and a study file."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.units import find_unit
from mtjfit.plain import harmless
from mtjfit.spectra.study import SpectraResult
from mtjfit.text import visible
from mtjfit.toml import toml_string

CURVE, LINES, STUDY = "torkance.csv", "lines.csv", "study.toml"
_COLUMNS = ("device", "thickness_nm", "bias_V", "dtau_par", "dtau_perp", "sigma_par", "sigma_perp", "rho",
            "systematic_par", "systematic_perp", "flagged")  # fmt: skip
_OF_LINES = """\
# half_width is HALF the width at half maximum
# sigma: statistical errors and the systematic ones of the background in quadrature; systematic: the latter alone
"""
_FAR = 10.0  # prior scale of amplitudes, in units of the largest torkance


def spectra_files(result: SpectraResult) -> dict[str, bytes]:
    """All tables of a result, by file name.

    ``lines.csv`` holds the lines of every spectrum. Where constants were declared, ``torkance.csv`` holds the curves
    with statistical errors and those of the background in quadrature, ``covariance-….csv`` the covariance of both for
    each device plus the common errors that are its own, and ``study.toml`` is ready for ``mtjfit run``.
    """
    files = {LINES: _lines(result)}
    if not result.curves:
        return files
    files[CURVE] = _curve(result)
    names = covariance_names(result.curves)
    for device, name in names.items():
        text = io.StringIO()
        np.savetxt(text, _covariance(result, device), delimiter=",", fmt="%.12g")
        files[name] = text.getvalue().encode()
    files[STUDY] = _study(result, names).encode()
    return files


def covariance_names(devices: Iterable[str]) -> dict[str, str]:
    """File of the covariance of each device, named so that every file system accepts it: A/1 is covariance-A_1.csv."""
    found: dict[str, str] = {}
    for device in devices:
        plain = re.sub(r"[^A-Za-z0-9.+-]", "_", device)[:60]
        name, k = f"covariance-{plain}.csv", 2
        # Some file systems do not distinguish A1 from a1.
        while name.casefold() in (each.casefold() for each in found.values()):
            name, k = f"covariance-{plain}-{k}.csv", k + 1
        found[device] = name
    return found


def _single(result: SpectraResult) -> bool:
    return len(result.curves) == 1


def _covariance(result: SpectraResult, device: str) -> FloatArray:
    unit = find_unit(result.study.unit).si
    # With a single device a common error cannot average away.
    return result.curves[device].covariance(own_only=not _single(result)) / unit**2


def _origin(result: SpectraResult) -> str:
    origin = result.study.origin
    return f"# origin: {origin.kind}" + (f"; {visible(origin.note)}" if origin.note else "") + "\n"


def _rows(header: Iterable[str], rows: Iterable[Iterable[str]], comment: str) -> bytes:
    text = io.StringIO()
    text.write(comment)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _curve(result: SpectraResult) -> bytes:
    unit = find_unit(result.study.unit)
    rows = []
    for name, curve in result.curves.items():
        thickness = result.study.devices[name].thickness
        sigma, rho, of_background = curve.sigma, curve.rho, curve.sigma_systematic
        for i in range(curve.bias.size):
            values = np.array([curve.par[i], curve.perp[i], *sigma[:, i]]) / unit.si
            systematic = [f"{each:.10g}" for each in of_background[:, i] / unit.si]
            numbers = [f"{each:.10g}" for each in (thickness, curve.bias[i], *values)]
            flagged = "yes" if curve.flagged[i] else ""
            rows.append([harmless(name), *numbers, f"{rho[i]:.8f}", *systematic, flagged])
    comment = _origin(result) + (
        f"# Torkance against bias, in {unit.name}, per device, at the angle of the measurement, perp along M x P.\n"
        "# sigma: statistical errors and the systematic ones of the background in quadrature, rho their correlation;\n"
        "# systematic: those of the background alone, what one and two orders more would change. Errors of the\n"
        "# calibration are common to whole curves: see the covariances.\n"
    )
    return _rows(_COLUMNS, rows, comment)


def _lines(result: SpectraResult) -> bytes:
    rows = []
    for fit in result.fits:
        spectrum, scale, sigma = fit.spectrum, fit.spectrum.shown, fit.sigma
        held = 1e-9 if spectrum.against == "field" else 1e3
        for k in range(fit.model.modes):
            numbers = [
                fit.centre[k] * scale, sigma[0, k] * scale, fit.half_width[k] * scale, sigma[1, k] * scale,
                1e6 * fit.s[k], 1e6 * sigma[2, k], 1e6 * fit.a[k], 1e6 * sigma[3, k],
                *(fit.systematic[:, k] * (scale, scale, 1e6, 1e6)), 1e6 * fit.noise,
                fit.tests.p_runs, fit.tests.p_autocorrelation, fit.tests.chi2_red, fit.tests.p_chi2,
                fit.orders.p_order, fit.orders.p_beyond[0],
            ]  # fmt: skip
            rows.append([
                harmless(spectrum.device), f"{spectrum.bias:.10g}", f"{spectrum.fixed * held:.10g}", str(spectrum.sign),
                spectrum.sweep, str(k + 1), *(f"{value:.8g}" for value in numbers), "; ".join(fit.flags),
                harmless(spectrum.label),
            ])  # fmt: skip
    x = "GHz" if result.study.against == "frequency" else "mT"
    other = "mT" if x == "GHz" else "GHz"
    header = ["device", "bias_V", f"fixed_{other}", "field_sign", "sweep", "mode", f"centre_{x}", f"sigma_centre_{x}",
              f"half_width_{x}", f"sigma_half_width_{x}", "s_uV", "sigma_s_uV", "a_uV", "sigma_a_uV",
              f"systematic_centre_{x}", f"systematic_half_width_{x}", "systematic_s_uV", "systematic_a_uV", "noise_uV",
              "p_runs", "p_autocorrelation", "chi2_per_dof", "p_chi2", "p_order", "p_structure", "flags",
              "file"]  # fmt: skip
    return _rows(header, rows, _origin(result) + _OF_LINES)


_STUDY = """\
# Written by mtjfit spectra. Priors of the lengths are suggestions: change them to what you know.
{scales}

[study]
name = {name}

[[data]]
file = "{curve}"
quantity = "torkance"
per = "device"
perp_axis = "MxP"
covariance = {{{covariances} }}
{angle}
[data.columns]
device = "device"
thickness = "thickness_nm"
bias = "bias_V"
par = "dtau_par"
perp = "dtau_perp"

[data.units]
bias = "V"
torque = {torque}
thickness = "nm"

{repeats}[parameters]
lambda_J    = {{ prior = "lognormal", median = 1.5, factor = 2.0 }}
lambda_phi  = {{ prior = "lognormal", median = 1.5, factor = 2.5 }}
lambda_sf_F = {{ prior = "lognormal", median = 10.0, factor = 2.0 }}
lambda_sf_N = {{ prior = "loguniform", low = 0.1, high = 200.0 }}
D_ratio     = {{ fixed = 1.0 }}    # only D_ratio * lambda_sf_N enters the torque
thickness   = {thickness}
a1 = {{ prior = "normal", mean = 0.0, sd = {sd:g}, scope = "shared" }}
b2 = {{ prior = "normal", mean = 0.0, sd = {sd:g}, scope = "shared" }}

[sampling]
seed = 1
"""


def _study(result: SpectraResult, covariances: Mapping[str, str]) -> str:
    unit = find_unit(result.study.unit)
    largest = max(float(np.max(np.hypot(curve.par, curve.perp))) for curve in result.curves.values()) / unit.si
    repeats = any(np.unique(curve.bias).size < curve.bias.size for curve in result.curves.values())
    return _STUDY.format(
        scales="\n".join(_scales(result)),
        name=toml_string(result.study.name),
        curve=CURVE,
        covariances=",".join(
            f" {toml_string(harmless(each))} = {toml_string(name)}" for each, name in covariances.items()
        ),
        angle=_angle(result),
        torque=toml_string(unit.name),
        repeats='[data.format]\norder = "any"\nrepeats = true\n\n' if repeats else "",
        thickness=_thickness(result),
        sd=float(f"{_FAR * largest:.1g}") if largest > 0 else 1.0,
    )


def _scales(result: SpectraResult) -> list[str]:
    """Comments on errors that all devices have in common."""
    if _single(result):
        return ["# The covariance holds the statistical errors, those of the background, and those of all constants."]
    found: dict[str, tuple[float, bool]] = {}
    for curve in result.curves.values():
        for error in curve.common:
            if not error.own:
                alike = bool(np.allclose(np.append(error.par, error.perp), error.par[0], rtol=1e-6))
                size = float(np.max(np.abs(np.append(error.par, error.perp))))
                found[error.name] = max(found.get(error.name, (0.0, alike)), (size, alike))
    lines = [
        "# The covariances hold the statistical errors, those of the background, and those of constants that are a",
        "# device's own.",
    ]
    scale = math.sqrt(sum(size**2 for size, alike in found.values() if alike))
    if scale:
        names = ", ".join(name for name, (_, alike) in found.items() if alike)
        lines += [
            f"# Common to all devices: {names} scale every curve by the same factor, 1 ± {scale:.2g}.",
            "# Amplitudes that all devices share (a1, b2) take this up exactly: add it to their errors by hand. It",
            "# must stay out of the covariances, where it would average away between devices. Lengths are unaffected.",
        ]
    for name, (size, alike) in found.items():
        if not alike:
            lines += [
                f"# {name} is common to all devices too, but moves par and perp differently, by up to {size:.2g} of",
                f"# their values, which shifts lengths. To see by how much: mtjfit spectra --shift {name}=+1, and -1.",
            ]
    return lines


def _angle(result: SpectraResult) -> str:
    constants = [result.study.devices[name].constants for name in result.curves]
    found = {each.theta.value if each is not None and each.theta is not None else None for each in constants}
    angle = found.pop() if len(found) == 1 else None
    return "" if angle is None else f'angle = {angle:.6g}\nsin_theta = "included"\n'


def _thickness(result: SpectraResult) -> str:
    found = {result.study.devices[name].thickness_sd for name in result.curves} - {None}
    if not found:
        return "{ fixed = true }    # nominal values, taken as exact: no thickness_sd was declared"
    return f'{{ prior = "normal", sd = {max(each for each in found if each is not None):g} }}'
