"""Reconstruct torque against bias in the style of Kubota et al. 2008; not their data, see meta.toml.

Run `python make.py` in this folder to write data.csv again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEED = 2008
A1 = 10.0  # 1e-19 N m / V, assumed
B2 = 0.625 * A1  # middle of the 0.5-0.75 / V that the ratio at 200 mV implies
SIGMA = 0.08  # 1e-19 N m, assumed
HEADER = """\
# origin: reconstruction ; from statements on Kubota et al., Nature Phys. 4, 37 (2008), not their data points
# Torque against bias, in 1e-19 N m, per device, perp along M x P. Made by make.py.
device,d_nm,V,tau_par,tau_perp,sigma_par,sigma_perp
"""


def rows() -> list[str]:
    """The lines of the table."""
    rng = np.random.default_rng(SEED)
    bias = np.round(np.linspace(-0.3, 0.3, 31), 4)
    par = A1 * bias + SIGMA * rng.standard_normal(bias.size)
    perp = B2 * bias**2 + SIGMA * rng.standard_normal(bias.size)
    return [f"CoFeB 2 nm,2.0,{V:.4g},{p:.4f},{q:.4f},{SIGMA},{SIGMA}" for V, p, q in zip(bias, par, perp, strict=True)]


if __name__ == "__main__":
    target = Path(__file__).with_name("data.csv")
    target.write_text(HEADER + "\n".join(rows()) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {target}")
