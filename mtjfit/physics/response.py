"""The torque under any spin current J0(t), by superposition of the torque after a pulse, Eq. 3–4.

Equation numbers are those of Manchon, Matsumoto, Jaffrès, Grollier, PRB 86, 060404(R) (2012). t in ps; torque per
area in the unit of J0, complex as in `mtjfit.physics.dynamics`.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.bilayer import Bilayer, transfer_image
from mtjfit.physics.dynamics import check_times, inverted_torque
from mtjfit.physics.laplace import contour
from mtjfit.physics.rates import ComplexArray, FloatArray

__all__ = ["response", "step_response"]

_Start: TypeAlias = Literal["rest", "steady"]

_SERIES = np.array([1 / math.factorial(n + 2) for n in range(20)][::-1])


def _phi(x: ArrayLike) -> tuple[ComplexArray, ComplexArray]:
    """(eˣ − 1)/x and (eˣ − 1 − x)/x², by their series where these cancel."""
    x = np.asarray(x, dtype=complex)
    small = np.abs(x) < 1
    near, far = np.where(small, x, 0.0), np.where(small, 1.0, x)
    with np.errstate(invalid="ignore"):  # complex division flags NaN operands
        second = np.where(small, np.polyval(_SERIES, near), (np.exp(far) - 1 - far) / far**2)
    return 1 + x * second, second


def step_response(t: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """Torque per area over J0, a time t after J0 was switched on: ∫_0^t of `pulse_torque`, which goes to κ(d).

    Parameters, shapes and errors are those of `pulse_torque`; without unit, 0 at t = 0. The error is below 1e-12 of
    the largest value.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 1.0, 15.0, 2.0, D_F=200.0, D_N=200.0)
    >>> [f"{T:.3f}" for T in step_response([0.001, 1.0], film)]
    ['0.197-0.163j', '0.973-0.064j']
    """
    t = check_times(t)
    if math.isinf(bilayer.d):
        return np.asarray(bilayer.torque_rate * t * _phi(-bilayer.decay_rate * t)[0])
    return inverted_torque(t, bilayer, integrals=1)


def response(J0: ArrayLike, t: ArrayLike, bilayer: Bilayer, *, start: _Start = "rest") -> ComplexArray:
    """Torque per area under a spin current J0(t), by superposition of Eq. 3–4; exact for a piecewise linear J0(t).

    J0(t) is linear between its samples, on a grid of any spacing. The cost grows with the number of samples, not with
    its square: the history is carried along as some hundred exponentials, the latest interval is added from the step
    and ramp responses.

    Parameters
    ----------
    J0 : array_like
        Samples of J0_par + i J0_perp, shape (n,), in any unit.
    t : array_like
        Their times in ps, strictly increasing, shape (n,).
    bilayer : Bilayer
    start : {"rest", "steady"}
        Before t[0] there was no current, and J0 jumps to its first value there; or it had its first value for ever.

    Returns
    -------
    ndarray of complex, shape (n,)
        In the unit of J0. For a piecewise linear J0 the error is below 1e-11 of the largest |κ J0|; sampling a smooth
        J0 at intervals h costs up to h²/8 |d²J0/dt²| more.

    Raises
    ------
    ValueError
        Shapes or times are wrong, `start` is unknown, or t spans some 10⁵ periods of a precession that does not decay.

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
    newer = inverted_torque(h, bilayer, integrals=2) / h
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
