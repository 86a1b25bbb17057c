"""The torque under an alternating spin current: κ at a frequency, its delay, and how far the static κ is good.

Eq. 3–4 under J0 exp(st) with s = 2πi f.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.bilayer import Bilayer, transfer_image
from mtjfit.physics.diffusion import ComplexArray, FloatArray, tanh_over_q

__all__ = ["kappa_at_frequency", "response_moment", "response_time", "static_up_to"]

_GHZ = 2j * math.pi * 1e-3  # s in ps⁻¹ of f = 1 GHz
_CIRCLE = np.exp(2j * np.pi * np.arange(56) / 56)


def kappa_at_frequency(f: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """κ for J0(t) = J0 exp(2πi f t): Eq. 12 with 1/L² → 1/L² + s/D_F, 1/λ_N² → 1/λ_N² + s/D_N, s = 2πi f.

    The i of exp(2πi f t) is that of the torque plane: with f > 0 the spins that enter turn from e_par to e_perp, with
    f < 0 the other way round. Precession tells the two apart, so **κ(−f) is not the conjugate of κ(f)**. The response
    to a real drive J0(t) = J0 cos(2πft) takes both,

        T_par + i T_perp = J0 [κ(f) exp(2πi f t) + κ(−f) exp(−2πi f t)]/2.

    For a real (in-plane) J0 the ordinary phasors (of T_par(t) = Re[… exp(2πi f t)], and T_perp likewise) are therefore
    J0 [κ(f) + κ(−f)*]/2 for T_par and J0 [κ(f) − κ(−f)*]/(2i) for T_perp, where * is the conjugate.

    Eq. 4 is Ohm's law: it needs frequencies far below the collision rate of electrons over 2π, some 10 THz in metals.

    Parameters
    ----------
    f : array_like
        Frequency in GHz, of either sign.

    Returns
    -------
    ndarray of complex
        κ(0) is the static κ(d). Only a semi-infinite F without dephasing and spin flip has a pole, inf, at
        2πf = 1/τ_J.

    Examples
    --------
    >>> film = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
    >>> [f"{K:.4f}" for K in kappa_at_frequency([0.0, 1e3, -1e3], film)]
    ['0.8121-0.1757j', '0.8176-0.1912j', '0.8061-0.1607j']
    """
    image = transfer_image(_GHZ * np.asarray(f, dtype=float), bilayer)
    rate = bilayer.torque_rate / bilayer.D_F
    pole = np.isinf(image)
    with np.errstate(invalid="ignore"):  # complex division flags NaN operands
        value = np.where(pole, 0.0, image) * rate
    return np.asarray(np.where(pole & (rate != 0), np.inf, value))


def response_moment(bilayer: Bilayer) -> complex:
    """Complex first moment of the torque after a pulse in ps, ∫ t T dt/∫ T dt = −d ln κ/ds at s = 0, from Eq. 3–4.

    A slow J0(t) gives the torque κ [J0(t) − τ dJ0/dt] with this τ: its real part is a delay, its imaginary part turns
    the torque in the plane of e_par and e_perp. At low frequency |κ(f)/κ(0) − 1| = 2π|f τ|.

    Returns
    -------
    complex
        inf where it diverges: N without spin flip, from where spins return as t^(−3/2).

    Raises
    ------
    ValueError
        d = 0: there is no torque.

    Examples
    --------
    >>> film = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
    >>> f"{response_moment(film) * 1e3:.3f} fs"
    '2.619+1.695j fs'
    """
    d, D_F, D_N = _thickness(bilayer), bilayer.D_F, bilayer.D_N
    q_squared = bilayer.decay_rate / D_F
    if math.isinf(d):
        return 1 / bilayer.decay_rate if q_squared else complex(math.inf)
    if bilayer.rate_sf_N == 0:
        return complex(math.inf)
    Lambda = 0.0 if math.isinf(bilayer.rate_sf_N) else D_F / math.sqrt(D_N * bilayer.rate_sf_N)

    def image(squares: ComplexArray) -> ComplexArray:
        u = tanh_over_q(np.sqrt(squares), d)
        return np.asarray(2 * u * (u + Lambda) / (1 + squares * u * (u + 2 * Lambda)))

    # ∂G/∂q² by Cauchy's formula: G is singular on the real axis only, below −1/(Λd + d²/2)
    radius = 0.5 * abs(q_squared + 1 / (Lambda * d + 0.5 * d * d))
    slope = np.mean(image(q_squared + radius * _CIRCLE) / _CIRCLE) / radius
    G = image(np.array([q_squared]))[0]
    u = tanh_over_q(np.sqrt(np.array([q_squared])), d)[0]
    below = 1 + q_squared * u * (u + 2 * Lambda)
    in_N = 0.0 if Lambda == 0 else u * (1 - q_squared * u * u) / below**2 * Lambda / bilayer.rate_sf_N
    return complex((in_N - slope / D_F) / G)


def _thickness(bilayer: Bilayer) -> float:
    if bilayer.d == 0:
        raise ValueError("d = 0: a layer of no thickness has no torque that could be late")
    return bilayer.d


def response_time(bilayer: Bilayer) -> float:
    """The delay of the torque in ps: the real part of `response_moment`, Re ∫ t T dt/∫ T dt.

    The torque of a slowly growing J0(t) is κ(d) J0(t − delay), as far as its component along κ(d) J0 goes. It can be
    negative where the torque turns back (precession overshoots), and is inf for N without spin flip. Errors are
    those of `response_moment`.

    Examples
    --------
    >>> film = Bilayer.from_lengths(float("inf"), float("inf"), 1.0, 2.0, 1.0, D_F=200.0, D_N=200.0)
    >>> response_time(film)
    0.004
    """
    return response_moment(bilayer).real


def static_up_to(bilayer: Bilayer, tolerance: float = 0.01) -> float:
    """The frequency in GHz up to which |κ(f)/κ(0) − 1| < tolerance, for both signs of f, from Eq. 3–4.

    Parameters
    ----------
    tolerance : float
        Between 0 and 1.

    Returns
    -------
    float
        In GHz; 0 if the static response is infinite.

    Raises
    ------
    ValueError
        `tolerance` is not between 0 and 1, or d = 0: there is no torque.

    Examples
    --------
    >>> film = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
    >>> f"{static_up_to(film):.0f} GHz"
    '507 GHz'
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be between 0 and 1; it is {tolerance}")
    _thickness(bilayer)
    at_rest = complex(transfer_image(0.0, bilayer))
    if math.isinf(abs(at_rest)):
        return 0.0

    def deviation(f: FloatArray) -> FloatArray:
        both = transfer_image(_GHZ * np.stack([f, -f]), bilayer) / at_rest - 1
        return np.asarray(np.max(np.abs(both), axis=0))

    highest = 100 / (1 - tolerance) * (bilayer.D_F / abs(at_rest) + abs(bilayer.decay_rate)) / abs(_GHZ)
    grid = highest * np.logspace(-30, 0, 1201)
    above = int(np.argmax(deviation(grid) >= tolerance))
    low, high = float(grid[max(above - 1, 0)]), float(grid[above])
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if deviation(np.array([middle]))[0] >= tolerance else (middle, high)
    return low
