"""The physics as pure functions of arrays: no I/O, no fitting, lengths in nm, bias in V, times in ps.

Equation numbers are those of Manchon, Matsumoto, Jaffrès, Grollier, PRB 86, 060404(R) (2012). Transverse quantities
are complex, q = q_par + i q_perp, with e_par = M × (P × M) and e_perp = M × P. x (z in the dynamics) is the distance
from the barrier, F fills 0 < x < d, N fills x > d.

Arguments are array_like and broadcast; results have the broadcast shape. Wherever they occur:

- d: thickness of F in nm, ≥ 0, inf allowed,
- lambda_J, lambda_phi, lambda_sf_F: precession, dephasing and spin diffusion length in F in nm, > 0; inf switches a
  process off,
- lambda_sf_N: spin diffusion length in N in nm, ≥ 0, inf allowed,
- D_ratio: D_F/D_N, ≥ 0; only Λ = D_ratio · lambda_sf_N enters the static torque.

Values outside these ranges, and 0 · inf in Λ, raise ValueError; NaN gives NaN.
"""

from mtjfit.physics.bilayer import Bilayer, kappa_at_frequency, response_moment, response_time, static_up_to
from mtjfit.physics.derivatives import KappaGradient, kappa_gradient
from mtjfit.physics.diffusion import (
    kappa,
    kappa_density,
    kappa_from_rates,
    lambda_product,
    spin_accumulation,
    spin_current,
    wave_numbers,
)
from mtjfit.physics.dynamics import pulse_accumulation, pulse_current, pulse_torque, response, step_response
from mtjfit.physics.layers import InterfaceLayer, Lambda_effective, Layer
from mtjfit.physics.limits import (
    kappa_ballistic,
    kappa_chi_beta,
    kappa_effective,
    kappa_no_dephasing,
    kappa_semi_infinite,
    kappa_thin,
    kappa_thin_error,
    kappa_ultrathin,
    lambda_sf_effective,
    lambda_sf_effective_exact,
    tau_sf_effective,
)
from mtjfit.physics.stack import kappa_stack, spin_flip_by_layer, stack_profile, torque_by_layer
from mtjfit.physics.torque import Interface, torkance, torque

__all__ = [
    "Bilayer",
    "Interface",
    "InterfaceLayer",
    "KappaGradient",
    "Lambda_effective",
    "Layer",
    "kappa",
    "kappa_at_frequency",
    "kappa_ballistic",
    "kappa_chi_beta",
    "kappa_density",
    "kappa_effective",
    "kappa_from_rates",
    "kappa_gradient",
    "kappa_no_dephasing",
    "kappa_semi_infinite",
    "kappa_stack",
    "kappa_thin",
    "kappa_thin_error",
    "kappa_ultrathin",
    "lambda_product",
    "lambda_sf_effective",
    "lambda_sf_effective_exact",
    "pulse_accumulation",
    "pulse_current",
    "pulse_torque",
    "response",
    "response_moment",
    "response_time",
    "spin_accumulation",
    "spin_current",
    "spin_flip_by_layer",
    "stack_profile",
    "static_up_to",
    "step_response",
    "tau_sf_effective",
    "torkance",
    "torque",
    "torque_by_layer",
    "wave_numbers",
]
