"""Time-dependent spin diffusion, Eq. 3–4: what a pulse or any other spin current J0(t) does in F(d)/N.

    ∂m/∂t = −∇·J − (m × M)/τ_J − M × (m × M)/τ_φ − m/τ_sf,   J = −D ∇m,   source J0 δ(z) δ(t), all of it into z > 0.

M does not move, and precession carries −i. The torque per area is what precession and dephasing take from the spins,
(1/τ_φ − i/τ_J) ∫_0^d m dz; its time integral after a pulse is κ(d) of Eq. 12. The torque under any other J0(t) is the
superposition of torques after pulses.

A semi-infinite F has closed forms. F/N is inverted numerically from its Laplace image, which is the static solution
with 1/L² → 1/L² + s/D_F and 1/λ_N² → 1/λ_N² + s/D_N. In the dynamics λ_sf^N and D_N count separately, not as Λ.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.physics.bilayer import Bilayer, profile_image, transfer_image, travel
from mtjfit.physics.diffusion import quotient
from mtjfit.physics.laplace import UNDERFLOW, contour, invert

_FARTHEST = 27.0  # exp(−27²) is 1e-317: farther from the barrier, in diffusion lengths 2√(Dt), there is nothing yet
_BIN = 1.0  # in the same unit: places that share a contour; exp(0.5²) of accuracy is lost
_CHUNK = 2_000_000


def _check_times(t: ArrayLike, *, positive: bool = False) -> FloatArray:
    """Times as an array; ValueError for those before the pulse."""
    t = np.asarray(t, dtype=float)
    if not np.all(np.isfinite(t) & (t > 0 if positive else t >= 0)):
        raise ValueError(f"t must be finite and {'positive' if positive else 'not negative'}: the pulse comes at t = 0")
    return t


def _profile(z: ArrayLike, t: ArrayLike, bilayer: Bilayer, *, current: bool) -> ComplexArray:
    t, z = np.broadcast_arrays(_check_times(t, positive=True), np.asarray(z, dtype=float))
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

    z is the distance from the barrier in nm, ≥ 0, in F or (z > d) in N; t > 0 is in ps, and each different t costs a
    few ms. The error is below 1e-12 of exp(−y − x t)/√(π D_F t), with y = z²/4Dt (through F and N) and x the slowest
    decay without precession.

    ValueError for z or t outside of its range, or if t spans some 10⁵ periods of a precession that does not decay.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{m:.4f}" for m in pulse_accumulation([0.0, 2.0, 4.0], 0.01, film)]
    ['-0.0200+0.0511j', '0.0009+0.0401j', '0.0093+0.0118j']
    """
    return _profile(z, t, bilayer, current=False)


def pulse_current(z: ArrayLike, t: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """Transverse spin current J/J0 in ps⁻¹ at z, a time t after the pulse J0 δ(t): J = −D ∂m/∂z of Eq. 3–4.

    Parameters and errors are those of `pulse_accumulation`. At z = 0 it is 0: the pulse is over.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{J:.3f}" for J in pulse_current([0.0, 2.0], 0.01, film)]
    ['0.000+0.000j', '-4.560+1.215j']
    """
    return _profile(z, t, bilayer, current=True)


def pulse_torque(t: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """Torque per area over J0 in ps⁻¹, a time t after the pulse J0 δ(t): (1/τ_φ − i/τ_J) ∫_0^d m dz/J0 of Eq. 3–4.

    Semi-infinite F: (1/τ_φ − i/τ_J) exp(−κ_t t). Its integral over all times is κ(d) of Eq. 12. t = 0 stands for 0+,
    where all spins are still at the barrier. The error is below 1e-12 of |1/τ_φ − i/τ_J| exp(−x t), x being the slowest
    decay without precession. ValueError as for `pulse_accumulation`.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{T:.3f}" for T in pulse_torque([0.0, 0.005, 0.02], film)]
    ['200.000-200.000j', '86.634+17.089j', '-1.905+2.157j']
    """
    t = _check_times(t)
    if math.isinf(bilayer.d):
        return np.asarray(bilayer.torque_rate * np.exp(-bilayer.decay_rate * t))
    return _inverted_torque(t, bilayer, integrals=0)


def _inverted_torque(t: FloatArray, bilayer: Bilayer, *, integrals: int) -> ComplexArray:
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


_Start: TypeAlias = Literal["rest", "steady"]

_PHI_SERIES = np.array([1 / math.factorial(n + 2) for n in range(20)][::-1])


def _phi(x: ArrayLike) -> tuple[ComplexArray, ComplexArray]:
    """(eˣ − 1)/x and (eˣ − 1 − x)/x², by their series where these cancel."""
    x = np.asarray(x, dtype=complex)
    small = np.abs(x) < 1
    near, far = np.where(small, x, 0.0), np.where(small, 1.0, x)
    second = np.where(small, np.polyval(_PHI_SERIES, near), quotient(np.exp(far) - 1 - far, far**2))
    return 1 + x * second, second


def step_response(t: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """Torque per area over J0, a time t after J0 was switched on: ∫_0^t of `pulse_torque`, which goes to κ(d).

    Without unit, 0 at t = 0; the error is below 1e-12 of the largest value. ValueError as for `pulse_accumulation`.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{T:.3f}" for T in step_response([0.001, 1.0], film)]
    ['0.197-0.163j', '0.973-0.064j']
    """
    t = _check_times(t)
    if math.isinf(bilayer.d):
        return np.asarray(bilayer.torque_rate * t * _phi(-bilayer.decay_rate * t)[0])
    return _inverted_torque(t, bilayer, integrals=1)


def response(J0: ArrayLike, t: ArrayLike, bilayer: Bilayer, *, start: _Start = "rest") -> ComplexArray:
    """Torque per area under a spin current J0(t), by superposition of Eq. 3–4; exact for a piecewise linear J0(t).

    J0(t) is linear between its samples, on a grid of any spacing. The cost grows with the number of samples, not with
    its square: the history is carried along as some hundred exponentials, the latest interval is added from the step
    and ramp responses.

    Samples of J0_par + i J0_perp, shape (n,), are in any unit, which is also that of the torque; their times are in ps,
    strictly increasing. ``start="rest"``: before t[0] there was no current, and J0 jumps to its first value there;
    ``"steady"``: it had its first value for ever. For a piecewise linear J0 the error is below 1e-11 of the largest
    |κ J0|; sampling a smooth J0 at intervals h costs up to h²/8 |d²J0/dt²| more.

    ValueError for wrong shapes or times, or if t spans some 10⁵ periods of a precession that does not decay.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> T = response([1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.01, 3.0], film)
    >>> [f"{value:.3f}" for value in T]
    ['0.000+0.000j', '0.973-0.064j', '0.306+0.181j', '-0.000-0.000j']
    """
    J0, t = np.asarray(J0, dtype=complex), np.asarray(t, dtype=float)
    if start not in ("rest", "steady"):
        raise ValueError(f"start = {start!r}: give 'rest' (no current before t[0]) or 'steady' (J0[0] for ever)")
    if t.ndim != 1 or t.shape != J0.shape or t.size == 0:
        raise ValueError(f"J0 and t must be sequences of one length; their shapes are {J0.shape} and {t.shape}")
    if not (np.all(np.isfinite(t)) and np.all(np.diff(t) > 0)):
        raise ValueError("t must be finite and strictly increasing")
    if start == "steady":
        at_rest = transfer_image(0.0, bilayer) * bilayer.torque_rate / bilayer.D_F
        return np.asarray(at_rest * J0[0] + _superposed(J0 - J0[0], t, bilayer))
    return _superposed(J0, t, bilayer)


def _widths(t: FloatArray) -> FloatArray:
    """Intervals of t; those that differ by the rounding of t only are made equal, so that their work is done once."""
    widths = np.diff(t)
    doubt = 4 * np.spacing(np.maximum(np.abs(t[1:]), np.abs(t[:-1])))
    for k in range(1, widths.size):
        if abs(widths[k] - widths[k - 1]) <= doubt[k]:
            widths[k] = widths[k - 1]
    return widths


def _superposed(J0: ComplexArray, t: FloatArray, bilayer: Bilayer) -> ComplexArray:
    """Torque at the samples, from rest."""
    torque = np.zeros(t.size, dtype=complex)
    if t.size == 1:
        return torque
    widths, which = np.unique(_widths(t), return_inverse=True)
    older, newer = _latest(widths, bilayer)
    s, weight = _exponentials(float(widths[0]), float(t[-1] - t[0]), bilayer)
    history = np.zeros(s.size, dtype=complex)
    last = -1
    for k, width in enumerate(which):
        if width != last:
            last, h = width, widths[width]
            decay = np.exp(s * h)
            first, second = _phi(s * h)
            begin, end = h * (first - second), h * second
        history *= decay
        torque[k + 1] = older[width] * J0[k] + newer[width] * J0[k + 1] + weight @ history
        history += begin * J0[k] + end * J0[k + 1]
    return torque


def _latest(h: FloatArray, bilayer: Bilayer) -> tuple[ComplexArray, ComplexArray]:
    """Share of the older and the newer sample of an interval h in the torque at its end."""
    if math.isinf(bilayer.d):
        first, second = _phi(-bilayer.decay_rate * h)
        return bilayer.torque_rate * h * (first - second), bilayer.torque_rate * h * second
    newer = _inverted_torque(h, bilayer, integrals=2) / h
    return step_response(h, bilayer) - newer, newer


def _exponentials(t_min: float, t_max: float, bilayer: Bilayer) -> tuple[ComplexArray, ComplexArray]:
    """Rates s and weights: Σ weight exp(st) is `pulse_torque` for t_min ≤ t ≤ t_max."""
    if math.isinf(bilayer.d):
        return np.array([-bilayer.decay_rate]), np.array([bilayer.torque_rate])
    if bilayer.d == 0:
        return np.zeros(1, dtype=complex), np.zeros(1, dtype=complex)
    slowest = -max(corner.real for corner in bilayer.corners)
    s, w = contour(bilayer.corners, t_min, t_max, inward=0.5 * slowest)
    return s, w * transfer_image(s, bilayer) * bilayer.torque_rate / bilayer.D_F
