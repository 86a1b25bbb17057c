"""The physics as pure functions of arrays: no I/O, no fitting, lengths in nm, bias in V.

Equation numbers are those of Manchon, Matsumoto, Jaffrès, Grollier, PRB 86, 060404(R) (2012). Transverse quantities
are complex, q = q_par + i q_perp, with e_par = M × (P × M) and e_perp = M × P.
"""

from mtjfit.physics.derivatives import KappaGradient, kappa_gradient
from mtjfit.physics.diffusion import kappa, kappa_density, kappa_from_rates, spin_accumulation, spin_current
from mtjfit.physics.interface import Interface
from mtjfit.physics.limits import (
    kappa_effective,
    kappa_semi_infinite,
    kappa_thin,
    kappa_ultrathin,
    lambda_sf_effective,
    tau_sf_effective,
)
from mtjfit.physics.rates import lambda_product, wave_numbers
from mtjfit.physics.torque import torkance, torque

__all__ = [
    "Interface",
    "KappaGradient",
    "kappa",
    "kappa_density",
    "kappa_effective",
    "kappa_from_rates",
    "kappa_gradient",
    "kappa_semi_infinite",
    "kappa_thin",
    "kappa_ultrathin",
    "lambda_product",
    "lambda_sf_effective",
    "spin_accumulation",
    "spin_current",
    "tau_sf_effective",
    "torkance",
    "torque",
    "wave_numbers",
]
