"""Reconstruct torkance against bias in the style of Sankey et al. 2008; not their data, see meta.toml.

Run `python make.py` in this folder to write data.csv again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEED = 2008
A1 = 0.13  # (hbar/2e)/kohm, recalled
B2 = 0.625 * A1  # middle of the 0.5-0.75 / V that the ratio at 200 mV implies
SIGMA = 0.005  # assumed
HEADER = """\
# origin: reconstruction ; from statements on Sankey et al., Nature Phys. 4, 67 (2008), not their data points
# Torkance divided by sin(theta) against bias, in (hbar/2e)/kohm, per device, perp along M x P. Made by make.py.
device,d_nm,V,dtau_par,dtau_perp,sigma_par,sigma_perp
"""


def rows() -> list[str]:
    """The lines of the table."""
    rng = np.random.default_rng(SEED)
    bias = np.round(np.linspace(-0.48, 0.48, 25), 4)
    par = A1 + SIGMA * rng.standard_normal(bias.size)
    perp = 2 * B2 * bias + SIGMA * rng.standard_normal(bias.size)
    return [f"CoFeB 3 nm,3.0,{V:.4g},{p:.5f},{q:.5f},{SIGMA},{SIGMA}" for V, p, q in zip(bias, par, perp, strict=True)]


if __name__ == "__main__":
    target = Path(__file__).with_name("data.csv")
    target.write_text(HEADER + "\n".join(rows()) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {target}")
