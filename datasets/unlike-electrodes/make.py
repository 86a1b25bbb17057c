"""Simulate a thickness series of junctions with unlike electrodes: their interface current has a linear term b1.

The spectra are those of macrospins that cmtj integrates (see ../spectra/macrospin/make.py), swept up and down in field
by a magnet that lags behind its reading; ``mtjfit spectra`` reduces them to the torkances of data.csv. Run
``python make.py`` in this folder to write data.csv again from spectra.csv; ``python make.py --spectra`` also simulates
spectra.csv, in minutes, and needs cmtj.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from mtjfit.physics import Interface, torque

HERE = Path(__file__).resolve().parent
SEED = 20261203
LENGTHS = {"lambda_J": 1.0, "lambda_phi": 1.5, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "D_ratio": 1.0}
INTERFACE = Interface.of(a1=0.13, b1=-0.03, b2=0.08)
DEVICES = {f"{letter}{k}": d for letter, d in zip("PQRST", (0.8, 1.2, 1.8, 2.7, 4.0), strict=True) for k in (1, 2)}
THICKNESS_SD = 0.03
CURRENT_SD = 0.01  # by which the current of each device differs from what is declared
BIAS = np.round(np.linspace(-0.2, 0.2, 9), 4)
FIELD = np.round(np.linspace(359.0, 443.0, 29), 4)  # mT, as the magnet supply reads
LAG = 0.3  # mT by which the field is behind its reading
HELD = 21.7e9  # Hz
NOISE = 0.02  # of the largest deviation from the mean of each spectrum
SPECTRA_HEADER = """\
# origin: simulated ; macrospins by cmtj, torques of Eq. 12 with known lengths, b1, 2 % noise
# Rectified voltage against field, swept up and down at 21.7 GHz. Made by make.py.
device,bias_V,B_mT,V_uV
"""
HEADER = """\
# origin: simulated ; macrospins by cmtj, torques of Eq. 12 with known lengths, b1, 2 % noise
# Torkance against bias, in (hbar/2e)/kohm, per device, perp along M x P; what `mtjfit spectra` makes of spectra.csv.
device,d_nm,V,dtau_par,dtau_perp
"""


def script(name: str, path: Path) -> ModuleType:
    """Another script of the data sets."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


twelve = script("make_twelve_devices", HERE.parent / "twelve-devices" / "make.py")


def spectra_rows() -> list[str]:
    """The lines of spectra.csv; on the way up the field is below its reading, on the way down above it."""
    chain, rng, lines = twelve.macrospins(), np.random.default_rng(SEED), []
    for device, nominal in DEVICES.items():
        d = nominal + THICKNESS_SD * rng.standard_normal()
        junction = chain.Junction(thickness=nominal * 1e-9)
        junction = replace(junction, I_rf=junction.I_rf * (1 + CURRENT_SD * rng.standard_normal()))

        def torque_at(V: float, d: float = d) -> complex:
            return complex(chain.HBAR_2E_KOHM * torque(V, d, **LENGTHS, interface=INTERFACE, per="device"))

        for V in BIAS:
            clean = {}
            for turn in (1, -1):
                fields = 1e-3 * (FIELD - turn * LAG)[::turn]
                clean[turn] = 1e6 * np.array([
                    chain.rectified(replace(junction, B=float(B)), torque_at, float(V), HELD) for B in fields
                ])  # fmt: skip
            noise = NOISE * float(np.max(np.abs(clean[1] - clean[1].mean())))
            for turn, voltage in clean.items():
                sweep = zip(FIELD[::turn], voltage + noise * rng.standard_normal(FIELD.size), strict=True)
                lines += [f"{device},{V:.4g},{B:.4g},{v:.5f}" for B, v in sweep]
    return lines


if __name__ == "__main__":
    twelve.write(globals())
