"""Time-dependent spin diffusion, Eq. 3–4: what a pulse or any other spin current J0(t) does in F(d)/N.

Equations are those of Manchon, Matsumoto, Jaffrès, Grollier, PRB 86, 060404(R) (2012):

    ∂m/∂t = −∇·J − (m × M)/τ_J − M × (m × M)/τ_φ − m/τ_sf,   J = −D ∇m,   source J0 δ(z) δ(t), all of it into z > 0.

M does not move. Quantities are complex, q = q_par + i q_perp with e_par = M × (P × M) and e_perp = M × P, so that
precession carries −i. z in nm, t in ps. The torque per area is what precession and dephasing take from the spins,
(1/τ_φ − i/τ_J) ∫_0^d m dz; its time integral after a pulse is κ(d) of Eq. 12.

A semi-infinite F has closed forms. F/N is inverted numerically from its Laplace image, which is the static solution
with 1/L² → 1/L² + s/D_F and 1/λ_N² → 1/λ_N² + s/D_N. In the dynamics λ_sf^N and D_N count separately, not as Λ.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.bilayer import Bilayer, profile_image, transfer_image, travel
from mtjfit.physics.laplace import UNDERFLOW, contour, invert
from mtjfit.physics.rates import ComplexArray, FloatArray

__all__ = ["check_times", "inverted_torque", "pulse_accumulation", "pulse_current", "pulse_torque"]

_FARTHEST = 27.0  # exp(−27²) is 1e-317: farther from the barrier, in diffusion lengths 2√(Dt), there is nothing yet
_BIN = 1.0  # in the same unit: places that share a contour; exp(0.5²) of accuracy is lost
_CHUNK = 2_000_000


def check_times(t: ArrayLike, *, positive: bool = False) -> FloatArray:
    """Times as an array; ValueError for those before the pulse."""
    t = np.asarray(t, dtype=float)
    if not np.all(np.isfinite(t) & (t > 0 if positive else t >= 0)):
        raise ValueError(f"t must be finite and {'positive' if positive else 'not negative'}: the pulse comes at t = 0")
    return t


def _profile(z: ArrayLike, t: ArrayLike, bilayer: Bilayer, *, current: bool) -> ComplexArray:
    t, z = np.broadcast_arrays(check_times(t, positive=True), np.asarray(z, dtype=float))
    if not np.all((z >= 0) & np.isfinite(z)):
        raise ValueError("z must be finite and not negative: F begins at z = 0")
    if math.isinf(bilayer.d):
        front = np.square(z) / (4 * bilayer.D_F * t)
        m = np.exp(-front - bilayer.decay_rate * t) / np.sqrt(np.pi * bilayer.D_F * t)
        return np.asarray(z / (2 * t) * m if current else m)
    root_y = np.minimum(z, bilayer.d) / math.sqrt(bilayer.D_F) + np.maximum(z - bilayer.d, 0.0) / math.sqrt(bilayer.D_N)
    root_y = root_y / (2 * np.sqrt(t))
    bins = np.round(np.minimum(root_y, _FARTHEST + _BIN) / _BIN)
    values = np.zeros(z.shape, dtype=complex)
    live = (root_y < _FARTHEST) & ((z > 0) | (not current))  # no current at the barrier after the pulse
    live &= -max(corner.real for corner in bilayer.corners) * t < UNDERFLOW
    if not np.any(live) or (bilayer.d == 0 and math.isinf(bilayer.rate_sf_N)):
        return values
    groups, group = np.unique(np.stack([t[live], bins[live]], axis=-1), axis=0, return_inverse=True)
    at, found = z[live], np.empty(group.size, dtype=complex)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    for (time, front), places in zip(groups, members, strict=True):
        s, w = contour(bilayer.corners, time, time, front=(_BIN * front) ** 2)
        for some in np.array_split(places, math.ceil(places.size * s.size / _CHUNK)):
            place = at[some, None]
            wave = np.exp(s * time - travel(s, place, bilayer))
            found[some] = np.sum(w * wave * profile_image(s, place, bilayer, current=current), axis=-1)
    values[live] = found
    return values


def pulse_accumulation(z: ArrayLike, t: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """Transverse spin density m/J0 in nm⁻¹ at z, a time t after the pulse J0 δ(t), Eq. 3–4.

    Semi-infinite F: m = J0 (πDt)^(−1/2) exp(−z²/4Dt − κ_t t), κ_t = D/L².

    Parameters
    ----------
    z : array_like
        Distance from the barrier in nm, ≥ 0.
    t : array_like
        Time in ps, > 0. Broadcasts against `z`; each different t costs a few ms.
    bilayer : Bilayer

    Returns
    -------
    ndarray of complex
        m_par + i m_perp over J0, in F and (z > d) in N. The error is below 1e-12 of
        exp(−y − x t)/√(π D_F t), with y = z²/4Dt (through F and N) and x the slowest decay without precession.

    Raises
    ------
    ValueError
        z or t is outside of its range, or t spans some 10⁵ periods of a precession that does not decay.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{m:.4f}" for m in pulse_accumulation([0.0, 2.0, 4.0], 0.01, film)]
    ['-0.0200+0.0511j', '0.0009+0.0401j', '0.0093+0.0118j']
    """
    return _profile(z, t, bilayer, current=False)


def pulse_current(z: ArrayLike, t: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """Transverse spin current J/J0 in ps⁻¹ at z, a time t after the pulse J0 δ(t): J = −D ∂m/∂z of Eq. 3–4.

    Parameters, shapes and errors are those of `pulse_accumulation`. At z = 0 it is 0: the pulse is over.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{J:.3f}" for J in pulse_current([0.0, 2.0], 0.01, film)]
    ['0.000+0.000j', '-4.560+1.215j']
    """
    return _profile(z, t, bilayer, current=True)


def pulse_torque(t: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """Torque per area over J0 in ps⁻¹, a time t after the pulse J0 δ(t): (1/τ_φ − i/τ_J) ∫_0^d m dz/J0 of Eq. 3–4.

    Semi-infinite F: (1/τ_φ − i/τ_J) exp(−κ_t t). Its integral over all times is κ(d) of Eq. 12.

    Parameters
    ----------
    t : array_like
        Time in ps, ≥ 0; 0 stands for 0+, where all spins are still at the barrier.
    bilayer : Bilayer

    Returns
    -------
    ndarray of complex
        T_par + i T_perp over J0. The error is below 1e-12 of |1/τ_φ − i/τ_J| exp(−x t), x being the slowest decay
        without precession.

    Raises
    ------
    ValueError
        t is outside of its range, or spans some 10⁵ periods of a precession that does not decay.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{T:.3f}" for T in pulse_torque([0.0, 0.005, 0.02], film)]
    ['200.000-200.000j', '86.634+17.089j', '-1.905+2.157j']
    """
    t = check_times(t)
    if math.isinf(bilayer.d):
        return np.asarray(bilayer.torque_rate * np.exp(-bilayer.decay_rate * t))
    return inverted_torque(t, bilayer, integrals=0)


def inverted_torque(t: FloatArray, bilayer: Bilayer, *, integrals: int) -> ComplexArray:
    """Inverse of κ(s)/sⁿ in F/N with d < ∞: the torque after a pulse (n = 0), a step (1), a ramp (2) of J0 = 1.

    t in ps, ≥ 0, unchecked. The unit is psⁿ⁻¹.
    """
    begin = complex(bilayer.torque_rate if bilayer.d > 0 and integrals == 0 else 0.0)
    values = np.full(t.shape, begin)
    later = (t > 0) & (bilayer.d > 0)
    corners = bilayer.corners if integrals == 0 else _with_origin(bilayer.corners)
    factor = bilayer.torque_rate / bilayer.D_F
    values[later] = invert(lambda s: factor * transfer_image(s, bilayer) / s**integrals, t[later], corners)
    return values


def _with_origin(corners: tuple[complex, ...]) -> tuple[complex, ...]:
    """A convex set with the pole at s = 0 too; all corners have Re s ≤ 0 ≤ Im s."""
    return (0j, corners[-1]) if corners[-1].imag > 0 else (0j,)
