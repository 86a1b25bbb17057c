"""Simulate the bundled thickness series: torkance of five devices, Eq. 12 with known truth and 2 % noise.

Run `python make.py` in this folder to write data.csv again. The seed is the date of the design, not a choice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtjfit.physics import Interface, torkance

SEED = 20261122
NOMINAL = (0.8, 1.2, 2.0, 3.0, 4.0)
THICKNESS_SD = 0.05
TRUTH = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "D_ratio": 1.0}
INTERFACE = Interface.of(a1=0.13, b2=0.08)
NOISE = 0.02 * 0.13
HEADER = """\
# origin: simulated ; Eq. 12 with known lengths, five thicknesses, 2 % noise
# Torkance against bias, in (hbar/2e)/kohm, per device, perp along M x P. Made by make.py.
device,d_nm,V,dtau_par,dtau_perp,sigma_par,sigma_perp
"""


def rows() -> list[str]:
    """The lines of the table."""
    rng = np.random.default_rng(SEED)
    actual = np.array(NOMINAL) + THICKNESS_SD * rng.standard_normal(len(NOMINAL))
    bias = np.round(np.linspace(-0.5, 0.5, 41), 4)
    lines = []
    for nominal, d in zip(NOMINAL, actual, strict=True):
        clean = torkance(bias, d, **TRUTH, interface=INTERFACE)
        par = clean.real + NOISE * rng.standard_normal(bias.size)
        perp = clean.imag + NOISE * rng.standard_normal(bias.size)
        for V, p, q in zip(bias, par, perp, strict=True):
            lines.append(f"F{nominal:.1f}nm,{nominal},{V:.4g},{p:.6f},{q:.6f},{NOISE:.4g},{NOISE:.4g}")
    return lines


if __name__ == "__main__":
    target = Path(__file__).with_name("data.csv")
    target.write_text(HEADER + "\n".join(rows()) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {target}")
