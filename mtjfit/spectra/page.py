"""Fitted spectra as sentences, tables, a document for programs, and one HTML page without network or scripts."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from markupsafe import Markup

from mtjfit.data import find_unit, pretty
from mtjfit.html import PlannedFigure, inline_svg, program_of, template
from mtjfit.plot import render
from mtjfit.results.methods import provenance
from mtjfit.spectra import SpectraResult, TorkanceCurve
from mtjfit.spectra.judged import is_of_residuals
from mtjfit.spectra.orders import FALSE_ALARMS
from mtjfit.spectra.pictures import MOST_DEVICES, spectra_device_pictures, thumbnail_pictures
from mtjfit.study import Study
from mtjfit.text import Table, counted, number, p_text, value_with_error, visible
from mtjfit.version import __version__

_MOST_ROWS = 200
_IMAGE_DPI = 200.0  # of thumbnails
_LINE = ("centre", "half_width", "s", "a", "background")


def spectra_says(result: SpectraResult) -> tuple[str, ...]:
    """The result in sentences."""
    n, flagged = len(result.fits), len(result.flagged)
    devices = len(result.study.devices)
    said = [f"{n} spectra of {devices} device{'' if devices == 1 else 's'}, {flagged} of them flagged"]
    tested = sum(any(map(is_of_residuals, fit.flags)) for fit in result.flagged)
    chance = number(FALSE_ALARMS * n, 2)
    said[0] += f"; {tested} by tests of residuals, where {chance} are expected by chance." if n else "."
    said.append(_rows_said(result))
    for device, fit in result.kittel.items():
        parts = [f"μ0 Meff = {value_with_error(fit.Meff, fit.errors['Meff'])} T"]
        if "Bk" in fit.errors:
            parts.append(f"Bk = {value_with_error(1e3 * fit.Bk, 1e3 * fit.errors['Bk'])} mT")
        if "gamma" in fit.errors:
            turn = 2e9 * math.pi
            parts.append(f"γ/2π = {value_with_error(fit.gamma / turn, fit.errors['gamma'] / turn)} GHz/T")
        rms = 1e3 * float(np.sqrt(np.mean(fit.residual**2)))
        said.append(f"{device}: Kittel's formula with {', '.join(parts)}; {number(rms, 2)} mT rms from it.")
    said += [f"{each.name}: {each.n} spectra share what was declared common ({p_text(each.p)})."
             for each in result.shared]  # fmt: skip
    if result.fits:
        said.append(_background_said(result))
    return tuple(said)


def _background_said(result: SpectraResult) -> str:
    """How large the systematic errors of the background are beside the statistical ones."""
    errors = [(fit.systematic[2:, fit.mode], fit.errors[2:, fit.mode]) for fit in result.fits]
    ratios = np.array([np.max(np.divide(of, by, out=np.zeros(2), where=by > 0)) for of, by in errors])
    return (f"Errors of s, a and torkances hold what further orders of the background would change, as a systematic "
            f"error in quadrature: {number(float(np.median(ratios)), 2)} statistical errors for half of the spectra, "
            f"{number(float(ratios.max()), 2)} at most.")  # fmt: skip


def _rows_said(result: SpectraResult) -> str:
    """What became of all rows of all files."""
    rows = result.study.rows
    beyond = sum(int((~fit.used).sum()) * max(len(fit.spectrum.parts), 1) for fit in result.fits)
    parts = [f"{rows.used - beyond} fitted"]
    parts += [f"{n} {what}" for n, what in ((rows.masked, "masked"), (rows.outside, "outside line.range"),
                                            (beyond, "outside line.window")) if n]  # fmt: skip
    return f"{rows.read} rows of {counted(len(result.study.files), 'file')}: {', '.join(parts)}."


def sweeps_table(result: SpectraResult) -> Table:
    """Differences of the lines between sweeps up and down, largest first."""
    rows = []
    ordered = sorted(result.hysteresis, key=lambda each: each.p)
    for each in ordered[:_MOST_ROWS]:
        scale = (each.spectrum.shown, each.spectrum.shown, 1e6, 1e6, 1e6)[: each.errors.size]
        values = [value_with_error(k * d, k * e) if e > 0 else number(k * d, 3)
                  for k, d, e in zip(scale, each.difference, each.errors, strict=True)]  # fmt: skip
        values += [""] * (5 - len(values))
        rows.append((each.spectrum.name, f"{each.first} − {each.second}", *values, p_text(each.p)))
    unit = result.fits[0].spectrum.unit if result.fits else ""
    header = (
        "spectrum",
        "sweeps",
        f"resonance ({unit})",
        f"half width ({unit})",
        "s (µV)",
        "a (µV)",
        "background (µV)",
        "",
    )
    note = "Differences between sweeps over the same resonance, those least alike first."
    if len(ordered) > _MOST_ROWS:
        note += f" {len(ordered) - _MOST_ROWS} more are not listed."
    return Table("Sweeps up and down", header, tuple(rows), note)


def spectra_devices_table(result: SpectraResult) -> Table:
    """Devices with their spectra and, where calibrated, their torkances at zero bias and their common errors."""
    unit = find_unit(result.study.unit)
    rows = []
    for name, device in result.study.devices.items():
        fits = result.of(name)
        flagged = sum(bool(fit.flags) for fit in fits)
        row = [name, "" if device.thickness is None else f"{device.thickness:g}", str(len(fits)), str(flagged)]
        curve = result.curves.get(name)
        if curve is None:
            row += [""] * 6
        else:
            k = int(np.argmin(np.abs(curve.bias)))
            common = np.sqrt(sum((np.array([e.par[k], e.perp[k]]) ** 2 for e in curve.common), np.zeros(2)))
            values = zip((curve.par[k], curve.perp[k]), curve.sigma[:, k], strict=True)
            row += [value_with_error(each / unit.si, sd / unit.si) for each, sd in values]
            row += [number(each / unit.si, 2) for each in curve.sigma_systematic[:, k]]
            row += [f"{100 * each:.2g} %" for each in common]
        rows.append(tuple(row))
    header = ("device", "thickness (nm)", "spectra", "flagged", "dτ_par/dV", "dτ_perp/dV", "systematic par",
              "systematic perp", "common par", "common perp")  # fmt: skip
    note = (
        f"Torkances in {pretty(unit.name)} at the bias next to zero, with statistical errors and systematic ones "
        "in quadrature. Systematic: what further orders of the background change. Common errors move all points of a "
        "device together, and do not shrink with the number of points."
    )
    if not result.curves:
        return Table("Devices", header[:4], tuple(row[:4] for row in rows))
    return Table("Devices", header, tuple(rows), note)


def calibration_table(result: SpectraResult) -> Table:
    """Effect of each constant on the torkances, and whether the covariances contain its error."""
    rows = []
    for name, curve in result.curves.items():
        for error in curve.common:
            where = "covariance" if error.own or len(result.curves) == 1 else "common to all devices: not in them"
            sizes = [f"{100 * float(np.mean(np.abs(each))):.2g} %" for each in (error.par, error.perp)]
            rows.append((name, error.name, f"{100 * error.relative:.2g} %", *sizes, where))
    header = ("device", "constant", "its error", "moves par by", "moves perp by", "where")
    note = (
        "Errors common to all devices would average away in covariances of single devices. Where they scale par and "
        "perp alike, amplitudes shared by all devices absorb them exactly, and lengths are not affected."
    )
    return Table("Calibration", header, tuple(rows), note)


def flagged_table(result: SpectraResult) -> Table:
    """Flagged spectra with the reasons."""
    rows = [(fit.spectrum.name, "; ".join(fit.flags), fit.spectrum.label) for fit in result.flagged]
    left = len(rows) - _MOST_ROWS
    note = "They stay in the curves (column flagged), with errors raised where neighbouring residuals are correlated, "
    note += "and by all that smooth structure in the residuals does to the lines."
    note += f" {left} more are in lines.csv." if left > 0 else ""
    return Table("Flagged spectra", ("spectrum", "why", "file"), tuple(rows[:_MOST_ROWS]), note)


def spectra_document(result: SpectraResult, command: str = "") -> Mapping[str, Any]:
    """Content of ``spectra.json``: summary and provenance, with the command line if there was one."""
    study = result.study
    return {
        "says": list(spectra_says(result)),
        "notices": list(result.notices),
        "spectra": len(result.fits),
        "flagged": [{"spectrum": fit.spectrum.name, "file": fit.spectrum.label, "why": list(fit.flags)}
                    for fit in result.flagged],
        "rows": asdict(study.rows),
        "sweeps": [{"spectrum": each.spectrum.name, "file": each.spectrum.label, "first": each.first,
                    "second": each.second, "difference": dict(zip(_LINE, each.difference.tolist(), strict=False)),
                    "errors": dict(zip(_LINE, each.errors.tolist(), strict=False)), "p": each.p}
                   for each in result.hysteresis],
        "kittel": {device: {"Meff_T": fit.Meff, "Bk_T": fit.Bk, "gamma": fit.gamma, "errors": dict(fit.errors)}
                   for device, fit in result.kittel.items()},
        "systematic_errors": {device: _systematic(result, curve) for device, curve in result.curves.items()},
        "common_errors": {device: {e.name: {"relative": e.relative, "own": e.own} for e in curve.common}
                          for device, curve in result.curves.items()},
        "provenance": {key: each for key, each in provenance(cast(Study, study), 0, command).items() if key != "seed"},
    }  # fmt: skip


def _systematic(result: SpectraResult, curve: TorkanceCurve) -> Mapping[str, Any]:
    """Errors of torkances by the choice of the background, in the unit of the study, beside the statistical ones."""
    unit = find_unit(result.study.unit)
    statistical = np.sqrt(np.diagonal(curve.statistical)).reshape(2, -1) / unit.si
    systematic = curve.sigma_systematic / unit.si
    return {
        "of": "background",
        "unit": unit.name,
        "bias_V": curve.bias.tolist(),
        **{f"statistical_{name}": each.tolist() for name, each in zip(("par", "perp"), statistical, strict=True)},
        **{f"systematic_{name}": each.tolist() for name, each in zip(("par", "perp"), systematic, strict=True)},
    }


@dataclass(frozen=True)
class _Picture:
    """A figure of the page: an SVG element, or an image with its alternative text, and the Python that draws it."""

    name: str
    caption: str
    content: str
    call: str
    program: str


def spectra_html(
    result: SpectraResult,
    *,
    most: int = 480,
    beginning: str = "",
    progress: Callable[[int], object] | None = None,
) -> str:
    """HTML overview: sentences, flagged spectra first with their residuals, then all others.

    At most so many thumbnails of flagged spectra and of others each; `progress` gets the number of those just drawn.
    `beginning`, of `mtjfit.spectra.calls`, makes `result`; without it no figure has the Python that draws it.
    """
    n_others = len(result.fits) - len(result.flagged)
    tables = [spectra_devices_table(result), sweeps_table(result), calibration_table(result), flagged_table(result)]

    def sheets(flagged: bool) -> Iterator[_Picture]:
        for planned, n in thumbnail_pictures(result, flagged, most):
            yield _drawn(planned, beginning, _image)
            if progress is not None:
                progress(n)

    return template("spectra/spectra.html.j2").render(
        program=f"mtjfit {__version__}",
        study=result.study,
        says=spectra_says(result),
        notices=result.notices,
        notes=result.study.notes[:50],
        n_notes=len(result.study.notes),
        tables=[table for table in tables if table.rows],
        devices=[_drawn(planned, beginning, _drawing) for planned in spectra_device_pictures(result)],
        n_devices=len(result.study.devices),
        n_devices_drawn=min(MOST_DEVICES, len(result.study.devices)),
        flagged=list(sheets(True)),
        n_flagged=len(result.flagged),
        n_flagged_drawn=min(most, len(result.flagged)),
        others=list(sheets(False)),
        n_others=n_others,
        n_others_drawn=min(most, n_others),
        words=lambda text: text,
        safe=lambda picture: Markup(picture.content),  # noqa: S704 - drawn here, texts in it escaped
    )


def _drawn(planned: PlannedFigure, beginning: str, content: Callable[[PlannedFigure], str]) -> _Picture:
    call = planned.call if beginning else ""
    program = program_of(planned.name, call, beginning) if call else ""
    return _Picture(planned.name, planned.caption, content(planned), call, program)


def _drawing(planned: PlannedFigure) -> str:
    return inline_svg(render(planned.draw(), "svg"), planned.name, planned.alt)


def _image(planned: PlannedFigure) -> str:
    """Thumbnails as an image: hundreds of them as drawings would take a browser seconds."""
    png = base64.b64encode(render(planned.draw(), "png", dpi=_IMAGE_DPI)).decode()
    return f'<img alt="{Markup.escape(visible(planned.alt))}" src="data:image/png;base64,{png}">'
