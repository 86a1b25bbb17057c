"""Eq. 12 once more, from the printed hyperbolic form, for the independent reference."""

from __future__ import annotations

import numpy as np


def kappa(d, lambda_J, lambda_phi, lambda_sf_F, Lambda):
    """κ(d) of Eq. 12, complex; everything broadcasts, lengths in nm.

    1/(cosh x + η sinh x) = 2 e⁻ˣ/[(1 + η) + (1 − η) e⁻²ˣ] does not overflow. For layers much thinner than 1/|q| the
    printed 1 − 1/(…) loses digits, about 1e-16/|κ|: none that matter to a likelihood.
    """
    precession = -1j / np.square(lambda_J) + 1 / np.square(lambda_phi)
    inverse = precession + 1 / np.square(lambda_sf_F)
    q = np.sqrt(inverse)  # the principal root has Re q > 0
    eta = Lambda * q
    decay = np.exp(-q * d)
    return precession / inverse * (1 - 2 * decay / ((1 + eta) + (1 - eta) * decay * decay))


def terms(powers, bias, quantity, factor):
    """Vⁿ (torque) or n Vⁿ⁻¹ (torkance) times sin θ where it counts, shape (n_bias, n_powers)."""
    columns = [bias**n if quantity == "torque" else (n * bias ** (n - 1) if n else 0 * bias) for n in powers]
    return factor * np.stack(columns, axis=-1)


def slopes(powers, bias, quantity, factor):
    """Derivatives of `terms` by V."""
    columns = []
    for n in powers:
        order = 1 if quantity == "torque" else 2
        weight = n if order == 1 else n * (n - 1)
        columns.append(weight * bias ** (n - order) if n >= order else 0 * bias)
    return factor * np.stack(columns, axis=-1)
