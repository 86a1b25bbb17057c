"""Simulate a wafer piece: three devices of each of four thicknesses, one of them with a bad wire bond.

The spectra are those of macrospins that cmtj integrates (see ../spectra/macrospin/make.py), swept up and down in
frequency; ``mtjfit spectra`` reduces them to the torkances of data.csv. Run ``python make.py`` in this folder to write
data.csv again from spectra.csv; ``python make.py --spectra`` also simulates spectra.csv, in minutes, and needs cmtj.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mtjfit.physics import Interface, torque

if TYPE_CHECKING:
    from mtjfit.spectra import SpectraResult

HERE = Path(__file__).resolve().parent
SEED = 20261202
LENGTHS = {"lambda_J": 1.2, "lambda_phi": 0.8, "lambda_sf_F": 8.0, "lambda_sf_N": 1.5, "D_ratio": 1.0}
INTERFACE = Interface.of(a1=0.13, b2=0.08)
DEVICES = {f"{letter}{k}": d for letter, d in zip("ABCD", (0.9, 1.4, 2.2, 3.5), strict=True) for k in (1, 2, 3)}
THICKNESS_SD = 0.03
CURRENT_SD = 0.01  # by which the current of each device differs from what is declared
BAD, ARRIVES = "C2", 0.88  # share of the current that passes the bad bond
BIAS = np.round(np.linspace(-0.2, 0.2, 9), 4)
FREQUENCY = np.round(np.linspace(20.3, 23.1, 29), 4)
NOISE = 0.02  # of the largest deviation from the mean of each spectrum
SPECTRA_HEADER = """\
# origin: simulated ; macrospins by cmtj, torques of Eq. 12 with known lengths, 2 % noise, a bad bond
# Rectified voltage against frequency, swept up and down. Made by make.py.
device,bias_V,f_GHz,V_uV
"""
HEADER = """\
# origin: simulated ; macrospins by cmtj, torques of Eq. 12 with known lengths, 2 % noise, a bad bond
# Torkance against bias, in (hbar/2e)/kohm, per device, perp along M x P; what `mtjfit spectra` makes of spectra.csv.
device,d_nm,V,dtau_par,dtau_perp
"""


def macrospins() -> ModuleType:
    """The script that integrates macrospins."""
    name = "make_macrospin"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE.parent / "spectra" / "macrospin" / "make.py")
        if spec is None or spec.loader is None:
            raise ImportError(name)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def spectra_rows() -> list[str]:
    """The lines of spectra.csv; the noise of the sweeps up and down is drawn apart."""
    chain, rng, lines = macrospins(), np.random.default_rng(SEED), []
    ordinary = chain.Junction()
    for device, nominal in DEVICES.items():
        d = nominal + THICKNESS_SD * rng.standard_normal()
        current = ordinary.I_rf * (1 + CURRENT_SD * rng.standard_normal()) * (ARRIVES if device == BAD else 1.0)
        junction = replace(ordinary, thickness=nominal * 1e-9, I_rf=current)

        def torque_at(V: float, d: float = d) -> complex:
            return complex(chain.HBAR_2E_KOHM * torque(V, d, **LENGTHS, interface=INTERFACE, per="device"))

        for V in BIAS:
            clean = np.array([chain.rectified(junction, torque_at, float(V), 1e9 * f) for f in FREQUENCY]) * 1e6
            noise = NOISE * float(np.max(np.abs(clean - clean.mean())))
            for turn in (1, -1):
                voltage = clean + noise * rng.standard_normal(clean.size)
                sweep = zip(FREQUENCY[::turn], voltage[::turn], strict=True)
                lines += [f"{device},{V:.4g},{f:.4f},{v:.5f}" for f, v in sweep]
    return lines


def reduced(folder: Path, devices: Container[str]) -> SpectraResult:
    """What mtjfit itself makes of the spectra of some devices in a folder."""
    from mtjfit.spectra import analyse, load_spectra

    study = load_spectra(folder / "spectra.toml")
    spectra = tuple(each for each in study.spectra if each.device in devices)
    declared = {name: each for name, each in study.devices.items() if name in devices}
    return analyse(replace(study, spectra=spectra, devices=declared))


def rows(result: SpectraResult) -> list[str]:
    """The lines of data.csv."""
    from mtjfit.data.units import find_unit

    unit, lines = find_unit(result.study.unit).si, []
    for device, curve in result.curves.items():
        d = result.study.devices[device].thickness
        for V, par, perp in zip(curve.bias, curve.par / unit, curve.perp / unit, strict=True):
            lines.append(f"{device},{d:.4g},{V:.4g},{par:.6f},{perp:.6f}")
    return lines


def covariances(result: SpectraResult) -> dict[str, list[str]]:
    """The lines of the covariance of each device, by file."""
    from mtjfit.spectra.export import spectra_files

    found = {}
    for name, content in spectra_files(result).items():
        if name.startswith("covariance-"):
            matrix = np.loadtxt(content.decode().splitlines(), delimiter=",")
            found[name] = [",".join(f"{x:.4g}" for x in row) for row in matrix]
    return found


def write(script: Mapping[str, Any]) -> None:
    """Write what the command line asks for: data.csv and the covariances, before them spectra.csv."""
    folder = script["HERE"]
    if "--spectra" in sys.argv:
        _write(folder / "spectra.csv", script["SPECTRA_HEADER"], script["spectra_rows"]())
    result = reduced(folder, script["DEVICES"])
    _write(folder / "data.csv", script["HEADER"], rows(result))
    for name, lines in covariances(result).items():
        _write(folder / name, "", lines)


def _write(path: Path, header: str, lines: list[str]) -> None:
    path.write_text(header + "\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    write(globals())
