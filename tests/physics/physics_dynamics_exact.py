"""Exact solutions of Eq. 3–4, and the check of the torque after a pulse against 90-digit inversions of Eq. 12.

The 90-digit inversion uses the printed form of Eq. 12, a smooth parabola instead of a polygon and the trapezoidal
rule instead of Gauss panels: it shares nothing with the code under test. The special cases need no inversion at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import mpmath
import numpy as np

from mtjfit.physics import Bilayer

MP = mpmath.MPContext()
MP.dps = 90
FILM = Bilayer.from_lengths(2.0, 1.0, 1.0, 10.0, 3.0, D_F=200.0, D_N=700.0)


def printed_image(s, b: Bilayer):
    """κ(s): Eq. 12 as printed with 1/L² → 1/L² + s/D_F, 1/λ_N² → 1/λ_N² + s/D_N; λ² = D τ."""
    D_F, D_N = MP.mpf(b.D_F), MP.mpf(b.D_N)
    q0_squared = MP.mpc(b.rate_phi, -b.rate_J) / D_F
    q_squared = q0_squared + b.rate_sf_F / D_F + s / D_F
    q = MP.sqrt(q_squared)
    eta = D_F / D_N / MP.sqrt((s + b.rate_sf_N) / D_N) * q
    z = q * b.d
    if abs(z.real) > 300:
        return q0_squared / q_squared
    return q0_squared / q_squared * (1 - 1 / (MP.cosh(z) + eta * MP.sinh(z)))


@lru_cache
def exact_torque(t: float, b: Bilayer) -> complex:
    """pulse_torque by the trapezoidal rule on s = (c + iv)²/t, shifted to the middle of the strip 0 < Im s < 1/τ_J."""
    t = MP.mpf(t)
    shift = MP.mpc(-min(b.rate_phi + b.rate_sf_F, b.rate_sf_N), b.rate_J / 2)
    c = MP.sqrt(b.rate_J * t / 2) + 3
    h = MP.mpf("0.12")
    n = int(MP.sqrt(c * c + 50) / h)
    total = MP.mpc(0)
    for k in range(-n, n + 1):
        root = MP.mpc(c, k * h)
        s = root**2 / t + shift
        total += MP.exp(s * t) * printed_image(s, b) * root
    return complex(total * h / (MP.pi * t))


def film(seed: int) -> Bilayer:
    """A random layer: D of both metals, all lengths and the thickness over one or two decades."""
    rng = np.random.default_rng(seed)
    D_F, D_N = np.exp(rng.uniform(np.log(50), np.log(5000), 2))
    lengths = np.exp(rng.uniform(np.log([0.2, 0.5, 0.5, 2.0, 0.5]), np.log([10, 8, 8, 30, 100])))
    return Bilayer.from_lengths(*map(float, lengths), D_F=float(D_F), D_N=float(D_N))


def slowest(b: Bilayer) -> float:
    return -max(corner.real for corner in b.corners)


@lru_cache
def moments() -> tuple[tuple[float, Bilayer], ...]:
    """Films and times from far below to far above their slowest decay, up to 60 radians of precession."""
    chosen = []
    for seed in range(8):
        b = film(seed)
        latest = min(10 / slowest(b), 60 / b.rate_J)
        t = np.exp(np.random.default_rng(100 + seed).uniform(np.log(1e-3 * latest), np.log(latest)))
        chosen.append((float(t), b))
    return tuple(chosen)


def torque_error(function: Callable[[float, Bilayer], np.ndarray]) -> float:
    """Worst |f − exact| of a pulse_torque over |1/τ_φ − i/τ_J| exp(−x t), x the slowest decay."""
    errors = []
    for t, b in moments():
        scale = abs(b.torque_rate) * math.exp(-slowest(b) * t)
        errors.append(abs(complex(function(t, b)) - exact_torque(t, b)) / scale)
    return max(errors)


def modes(z, t, b: Bilayer, *, sink: bool) -> np.ndarray:
    """m behind a perfect sink (m(d) = 0) or a wall (J(d) = 0): Fourier series, for t ≳ 1e-3 d²/D_F."""
    n = np.arange(200)
    wave = (n + (0.5 if sink else 0.0)) * np.pi / b.d
    weight = np.where(wave == 0, 1.0, 2.0) / b.d
    z, t = np.asarray(z)[..., None], np.asarray(t)[..., None]
    decay = np.exp(-(b.D_F * wave**2 + b.rate_phi + b.rate_sf_F - 1j * b.rate_J) * t)
    return np.sum(weight * np.cos(wave * z) * decay, axis=-1)


def images(z, t, b: Bilayer) -> np.ndarray:
    """m where F and N lose spin at the same rate k and nothing precesses: each echo is a Gaussian.

    With ρ = √(D_F/D_N) the interface reflects R = (ρ − 1)/(ρ + 1), transmits 1 + R.
    """
    k, rho = b.rate_sf_N, math.sqrt(b.D_F / b.D_N)
    R = (rho - 1) / (rho + 1)
    total = 0.0
    for n in range(60):
        in_F = R**n * (_echo(z + 2 * n * b.d, t, b.D_F) + R * _echo(2 * (n + 1) * b.d - z, t, b.D_F))
        beyond = R**n * (1 + R) * _echo((2 * n + 1) * b.d + (z - b.d) * rho, t, b.D_F)
        total = total + np.where(z <= b.d, in_F, beyond)
    return total * np.exp(-k * t)


def _echo(a, t, D):
    return np.exp(-(a**2) / (4 * D * t)) / np.sqrt(np.pi * D * t)
