"""Fitted spectra as tables for people and as a document for programs."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mtjfit.data import find_unit, pretty
from mtjfit.infer.store.fingerprint import versions
from mtjfit.spectra import SpectraResult
from mtjfit.spectra.residuals import FALSE_FLAGS
from mtjfit.text import Table, number, p_text, value_with_error

__all__ = ["calibration_table", "devices_table", "flagged_table", "spectra_document", "spectra_says"]

_MOST_ROWS = 200


def spectra_says(result: SpectraResult) -> tuple[str, ...]:
    """What came out, in sentences."""
    n, flagged = len(result.fits), len(result.flagged)
    devices = len(result.study.devices)
    said = [f"{n} spectra of {devices} device{'' if devices == 1 else 's'}, {flagged} of them flagged"]
    said[0] += f"; {number(FALSE_FLAGS * n, 2)} would be by chance." if n else "."
    for device, fit in result.kittel.items():
        parts = [f"μ0 Meff = {value_with_error(fit.Meff, fit.errors['Meff'])} T"]
        if "Bk" in fit.errors:
            parts.append(f"Bk = {value_with_error(1e3 * fit.Bk, 1e3 * fit.errors['Bk'])} mT")
        if "gamma" in fit.errors:
            turn = 2e9 * math.pi
            parts.append(f"γ/2π = {value_with_error(fit.gamma / turn, fit.errors['gamma'] / turn)} GHz/T")
        rms = 1e3 * float(np.sqrt(np.mean(fit.residual**2)))
        said.append(f"{device}: Kittel's formula with {', '.join(parts)}; {number(rms, 2)} mT from it on average.")
    said += [f"{each.name}: {each.n} spectra share what was declared common ({p_text(each.p)})."
             for each in result.shared]  # fmt: skip
    return tuple(said)


def devices_table(result: SpectraResult) -> Table:
    """Devices with their spectra and, where calibrated, their torkances at zero bias and their common errors."""
    unit = find_unit(result.study.unit)
    rows = []
    for name, device in result.study.devices.items():
        fits = result.of(name)
        flagged = sum(bool(fit.flags) for fit in fits)
        row = [name, "" if device.thickness is None else f"{device.thickness:g}", str(len(fits)), str(flagged)]
        curve = result.curves.get(name)
        if curve is None:
            row += ["", "", "", ""]
        else:
            k = int(np.argmin(np.abs(curve.bias)))
            common = np.sqrt(sum((np.array([e.par[k], e.perp[k]]) ** 2 for e in curve.common), np.zeros(2)))
            values = (curve.par[k], curve.perp[k])
            row += [
                value_with_error(each / unit.si, sd / unit.si)
                for each, sd in zip(values, curve.sigma[:, k], strict=True)
            ]
            row += [f"{100 * each:.2g} %" for each in common]
        rows.append(tuple(row))
    header = ("device", "thickness (nm)", "spectra", "flagged", "dτ_par/dV", "dτ_perp/dV", "common par", "common perp")
    note = (
        f"Torkances in {pretty(unit.name)} at the bias next to zero, with statistical errors. Common errors move all "
        "points of a device together: no number of points makes them smaller."
    )
    if not result.curves:
        return Table("Devices", header[:4], tuple(row[:4] for row in rows))
    return Table("Devices", header, tuple(rows), note)


def calibration_table(result: SpectraResult) -> Table:
    """What each constant does to the torkances, and whether its error stands in the covariances."""
    rows = []
    for name, curve in result.curves.items():
        for error in curve.common:
            where = "covariance" if error.own or len(result.curves) == 1 else "common to all devices: not in them"
            sizes = [f"{100 * float(np.mean(np.abs(each))):.2g} %" for each in (error.par, error.perp)]
            rows.append((name, error.name, f"{100 * error.relative:.2g} %", *sizes, where))
    header = ("device", "constant", "its error", "moves par by", "moves perp by", "where")
    note = (
        "Errors common to all devices would average away in covariances of single devices. Where they scale par and "
        "perp alike, amplitudes shared by all devices take them up exactly and lengths do not feel them."
    )
    return Table("Calibration", header, tuple(rows), note)


def flagged_table(result: SpectraResult) -> Table:
    """Flagged spectra with their reasons."""
    rows = [(fit.spectrum.name, "; ".join(fit.flags), fit.spectrum.label) for fit in result.flagged]
    left = len(rows) - _MOST_ROWS
    note = "They stay in the curves, with errors raised where neighbouring residuals are alike; column flagged."
    note += f" {left} further ones stand in lines.csv." if left > 0 else ""
    return Table("Flagged: not described by their lines", ("spectrum", "why", "file"), tuple(rows[:_MOST_ROWS]), note)


def spectra_document(result: SpectraResult, command: str = "") -> Mapping[str, Any]:
    """Content of ``spectra.json``: summary and provenance.

    Parameters
    ----------
    command : str
        The command line, or empty.
    """
    study = result.study
    return {
        "says": list(spectra_says(result)),
        "notices": list(result.notices),
        "spectra": len(result.fits),
        "flagged": [{"spectrum": fit.spectrum.name, "file": fit.spectrum.label, "why": list(fit.flags)}
                    for fit in result.flagged],
        "kittel": {device: {"Meff_T": fit.Meff, "Bk_T": fit.Bk, "gamma": fit.gamma, "errors": dict(fit.errors)}
                   for device, fit in result.kittel.items()},
        "common_errors": {device: {e.name: {"relative": e.relative, "own": e.own} for e in curve.common}
                          for device, curve in result.curves.items()},
        "provenance": {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "versions": versions(),
            "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
            "study_sha256": hashlib.sha256(study.text.encode()).hexdigest(),
            "data_sha256": dict(study.files),
        },
    }  # fmt: skip
