"""The model of a whole study: lengths and thicknesses in, the factor between J0 and the measured torque out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.model.compress import Compressed
from mtjfit.model.layout import AmplitudeLayout, Layout
from mtjfit.physics import kappa_from_rates, kappa_gradient, wave_numbers
from mtjfit.physics.diffusion import ComplexArray

__all__ = ["THINNEST", "Lambda_of", "amplitude_design", "transfer", "transfer_gradient"]

_BY_THICKNESS = {"thickness": 1.0, "dead_layer": -1.0}  # d of κ(d) grows with one and shrinks with the other
THINNEST = 1e-6  # nm; thicknesses at or below zero have no prior mass and only need to stay finite


@dataclass(frozen=True)
class _Geometry:
    d: FloatArray
    lambda_J: FloatArray
    lambda_phi: FloatArray
    lambda_sf_F: FloatArray
    Lambda: FloatArray


def Lambda_of(layout: Layout, values: FloatArray) -> FloatArray:
    """Λ = D_ratio λ_sf^N of each device in nm, shape (..., n_devices), whichever way it was declared."""
    if "Lambda" in layout.index:
        return layout.by_device("Lambda", values)
    return layout.by_device("lambda_sf_N", values) * layout.by_device("D_ratio", values)


def _geometry(layout: Layout, values: FloatArray) -> _Geometry:
    return _Geometry(
        d=np.maximum(layout.magnetic(values), THINNEST),
        lambda_J=layout.by_device("lambda_J", values),
        lambda_phi=layout.by_device("lambda_phi", values),
        lambda_sf_F=layout.by_device("lambda_sf_F", values),
        Lambda=Lambda_of(layout, values),
    )


def transfer(layout: Layout, values: FloatArray, *, per_volume: bool) -> ComplexArray:
    """K(d) = κ(d), or κ(d)/d per volume, of each device, shape (..., n_devices); d without the dead layer."""
    g = _geometry(layout, values)
    q0_squared, q_squared = wave_numbers(g.lambda_J, g.lambda_phi, g.lambda_sf_F)
    kappa = kappa_from_rates(g.d, q0_squared, q_squared, g.Lambda)
    return np.asarray(kappa / g.d if per_volume else kappa)


def transfer_gradient(layout: Layout, values: FloatArray, *, per_volume: bool) -> ComplexArray:
    """∂K/∂(coordinate) of each device and entry, shape (..., n_devices, layout.size), at points of shape (..., size).

    Coordinates are logarithms where the layout says so; entries that do not act on K (noise scales) give zero.
    """
    g = _geometry(layout, values)
    gradient = kappa_gradient(g.d, g.lambda_J, g.lambda_phi, g.lambda_sf_F, g.Lambda)
    by_log = {
        "lambda_J": gradient.ln_lambda_J,
        "lambda_phi": gradient.ln_lambda_phi,
        "lambda_sf_F": gradient.ln_lambda_sf_F,
        "lambda_sf_N": gradient.ln_Lambda,
        "D_ratio": gradient.ln_Lambda,
        "Lambda": gradient.ln_Lambda,
    }
    scale = 1 / g.d if per_volume else np.ones_like(g.d)
    by_d = gradient.d * scale - (gradient.kappa / g.d**2 if per_volume else 0.0)
    shape = (*values.shape[:-1], g.d.shape[-1])
    out = np.zeros((*shape, layout.size), dtype=complex)
    for name, index in layout.index.items():
        if name in _BY_THICKNESS:
            slope = np.broadcast_to(_BY_THICKNESS[name] * by_d, shape)
        elif name in by_log:
            slope = np.broadcast_to(by_log[name] * scale, shape)
        else:
            continue
        devices = np.flatnonzero(index >= 0)
        entries, value = index[devices], values[..., index[devices]]
        if name in _BY_THICKNESS:
            unit = np.where(layout.log[entries], value, 1.0)
        else:
            unit = 1 / np.where(layout.log[entries], 1.0, value)
        out[..., devices, entries] += slope[..., devices] * unit
    return out


def amplitude_design(compressed: Compressed, amplitudes: AmplitudeLayout, K: ComplexArray) -> FloatArray:
    """Whitened design of each device and term of J0, shape (..., n_devices, 2P, n_terms), for K (..., n_devices).

    α_n = Re[K (a_n + i b_n)], β_n = Im[K (a_n + i b_n)], whitened by the R of each curve.
    """
    P = compressed.powers.size
    position = np.searchsorted(compressed.powers, amplitudes.power)
    turned = K[..., None] * amplitudes.phase
    R_par, R_perp = compressed.R[:, :, position], compressed.R[:, :, P + position]
    return np.asarray(R_par * turned.real[..., None, :] + R_perp * turned.imag[..., None, :])
