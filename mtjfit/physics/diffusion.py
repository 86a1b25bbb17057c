"""Static spin diffusion in F(d)/N behind a tunnel barrier: spin density, spin current and transferred torque.

All functions use forms that neither overflow for thick layers nor cancel for thin ones. Λ enters as g = 1/(1 + Λ)
and h = Λ/(1 + Λ), so that Λ = ∞ (nothing leaves F) needs no case of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray

Length: TypeAlias = ArrayLike
"""In nm."""

_NONE: Mapping[str, ArrayLike] = MappingProxyType({})
_SATURATED = 40.0  # tanh(x) = 1 and exp(−2x) = 0 to double precision from x = 20 on
_HUGE = 1e150  # stands for an infinite thickness where nothing decays (q = 0); its square is still finite
_SERIES = 1e-3  # below |qd/2| = 1e-3 three terms of tanh(z)/z are exact to 1e-20


def check_lengths(positive: Mapping[str, ArrayLike], non_negative: Mapping[str, ArrayLike] = _NONE) -> None:
    """ValueError for lengths or times, by the names of the arguments, of the wrong sign; NaN passes."""
    for name, value in positive.items():
        if np.any(np.asarray(value) <= 0):
            raise ValueError(f"{name} must be positive (inf allowed)")
    for name, value in non_negative.items():
        if np.any(np.asarray(value) < 0):
            raise ValueError(f"{name} must not be negative")


def inverse_square(length: ArrayLike) -> FloatArray:
    """1/λ² in nm⁻², inf where it overflows."""
    with np.errstate(over="ignore", divide="ignore"):
        return np.asarray(1 / np.square(np.asarray(length, dtype=float)))


def quotient(above: ArrayLike, below: ArrayLike) -> ComplexArray:
    """above/below without the warning that numpy gives for NaN in a complex division."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.divide(above, below))


def wave_numbers(
    lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike
) -> tuple[ComplexArray, ComplexArray]:
    """q0² = 1/L0² and q² = 1/L² in nm⁻², Eq. 8.

    1/L² = −i/λ_J² + 1/λ_φ² + 1/λ_sf², 1/L0² = −i/λ_J² + 1/λ_φ². The sign of i belongs to e_perp = M × P. Lengths are
    not checked.

    Examples
    --------
    >>> q0_squared, q_squared = wave_numbers(1.0, 2.0, float("inf"))
    >>> complex(q0_squared)
    (0.25-1j)
    """
    precession, dephasing, spin_flip = (inverse_square(each) for each in (lambda_J, lambda_phi, lambda_sf_F))
    return dephasing - 1j * precession, (dephasing + spin_flip) - 1j * precession


def lambda_product(lambda_sf_N: ArrayLike, D_ratio: ArrayLike) -> FloatArray:
    """Λ = (D_F/D_N) λ_sf^N in nm, the only combination in which N enters the torque; ValueError for 0 · inf."""
    lambda_sf_N, D_ratio = np.asarray(lambda_sf_N, dtype=float), np.asarray(D_ratio, dtype=float)
    if np.any((lambda_sf_N == 0) & np.isinf(D_ratio)) or np.any(np.isinf(lambda_sf_N) & (D_ratio == 0)):
        raise ValueError("lambda_sf_N · D_ratio is 0 · inf: give one of them a finite, positive value")
    return np.asarray(lambda_sf_N * D_ratio)


def weights(Lambda: FloatArray) -> tuple[FloatArray, FloatArray]:
    """g = 1/(1 + Λ) and h = Λ/(1 + Λ), finite for Λ = ∞."""
    g = 1 / (1 + Lambda)
    closed = np.isinf(Lambda)
    return g, np.where(closed, 1.0, np.where(closed, 1.0, Lambda) * g)


def _clip(y: ArrayLike, q: ComplexArray) -> FloatArray:
    """Limit y to where exp(−2 q y) has vanished, so that y = ∞ gives no inf · complex."""
    with np.errstate(divide="ignore"):
        reach = np.minimum(_SATURATED / np.real(q), _HUGE)
    return np.asarray(np.minimum(np.asarray(y, dtype=float), reach))


def tanh_over_q(q: ComplexArray, d: ArrayLike) -> ComplexArray:
    """u = tanh(q d/2)/q in nm, finite for q → 0 (u → d/2) and d → ∞ (u → 1/q)."""
    d = _clip(d, q)
    z = 0.5 * q * d
    small = np.abs(z) < _SERIES
    z2 = np.where(small, z, 0.0) ** 2
    series = 0.5 * d * (1 - z2 / 3 * (1 - 0.4 * z2 * (1 - 17 / 42 * z2)))
    return np.asarray(np.where(small, series, quotient(np.tanh(z), np.where(small, 1.0, q))))


def kappa_from_rates(
    d: ArrayLike, q0_squared: ComplexArray, q_squared: ComplexArray, Lambda: ArrayLike
) -> ComplexArray:
    """κ(d) from the q0² and q² of `wave_numbers` and Λ in nm, unchecked: the form used inside likelihoods.

    κ = 2 q0² u (u + Λ) / (1 + q² u (u + 2Λ)), u = tanh(q d/2)/q: Eq. 12 without its overflow and cancellation.
    """
    q_squared = np.where(q_squared == 0, 1.0, q_squared)  # then q0 = 0 too, and κ = 0
    u = tanh_over_q(np.sqrt(q_squared), d)
    g, h = weights(np.asarray(Lambda, dtype=float))
    denominator = g + q_squared * u * (u * g + 2 * h)
    # d = 0 with Λ = ∞ is the one corner left: κ = L²/L0² for Λ = ∞ and every d.
    corner = denominator == 0
    ratio = quotient(np.where(corner, 1.0, 2 * u * (u * g + h)), np.where(corner, q_squared, denominator))
    return np.asarray(q0_squared * ratio)


def checked_arguments(
    d: Length, lambda_J: Length, lambda_phi: Length, lambda_sf_F: Length, lambda_sf_N: Length, D_ratio: ArrayLike
) -> tuple[FloatArray, ComplexArray, ComplexArray, FloatArray]:
    """d, q0², q² and Λ of the arguments of `kappa`, which are checked."""
    check_lengths(
        {"lambda_J": lambda_J, "lambda_phi": lambda_phi, "lambda_sf_F": lambda_sf_F},
        {"d": d, "lambda_sf_N": lambda_sf_N, "D_ratio": D_ratio},
    )
    q0_squared, q_squared = wave_numbers(lambda_J, lambda_phi, lambda_sf_F)
    return np.asarray(d, dtype=float), q0_squared, q_squared, lambda_product(lambda_sf_N, D_ratio)


def kappa(
    d: Length, lambda_J: Length, lambda_phi: Length, lambda_sf_F: Length, lambda_sf_N: Length, D_ratio: ArrayLike = 1.0
) -> ComplexArray:
    """Torque per area over the interface spin current, κ = d (T_par + i T_perp)/J0, Eq. 12.

    κ(d) = (L²/L0²) [1 − 1/(cosh(d/L) + η sinh(d/L))], η = (D_F/D_N) λ_sf^N/L.

    Parameters and errors are those of all functions here, see `mtjfit.physics`. Re κ > 0, but |κ| may exceed 1, and
    Im κ (as a rule negative) may be slightly positive.

    Examples
    --------
    >>> value = kappa(1.2, 1.0, 1.0, 10.0, 1.0)
    >>> f"{abs(value):.3f} {np.angle(value, deg=True):.1f}°"
    '0.831 -12.2°'
    """
    return kappa_from_rates(*checked_arguments(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio))


def kappa_density(
    d: Length, lambda_J: Length, lambda_phi: Length, lambda_sf_F: Length, lambda_sf_N: Length, D_ratio: ArrayLike = 1.0
) -> ComplexArray:
    """κ(d)/d in nm⁻¹, the factor of a torque per volume (Eq. 12 as printed); finite for d → 0, where it is Λ/L0².

    d = 0 with Λ = ∞ gives inf, unless 1/L0² = 0.

    Examples
    --------
    >>> complex(kappa_density(0.0, 1.0, 2.0, 10.0, 3.0))
    (0.75-3j)
    """
    d, q0_squared, q_squared, Lambda = checked_arguments(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
    closed = np.isinf(Lambda)
    limit = np.where(closed & (q0_squared != 0), np.inf, q0_squared * np.where(closed, 0.0, Lambda))
    at_zero = d == 0
    ratio = quotient(kappa_from_rates(d, q0_squared, q_squared, Lambda), np.where(at_zero, 1.0, d))
    return np.asarray(np.where(at_zero, limit, ratio))


def _profile(
    x: ArrayLike,
    d: ArrayLike,
    lambdas: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike, ArrayLike],
    *,
    current: bool,
) -> ComplexArray:
    d, _, q_squared, Lambda = checked_arguments(d, *lambdas)
    x = np.asarray(x, dtype=float)
    if np.any(x < 0):
        raise ValueError("x must not be negative: F begins at x = 0")
    q = np.sqrt(q_squared)
    g, h = weights(Lambda)
    inside = np.minimum(x, d)
    with np.errstate(invalid="ignore"):
        rest = np.where(np.isinf(d) & np.isinf(inside), 0.0, d - inside)
    y, whole = _clip(rest, q), _clip(d, q)
    plain = q != 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        decay_y, decay_d = np.exp(-2 * q * y), np.exp(-2 * q * whole)
        faded = -np.expm1(-2 * q * y)
        if current:
            numerator = (1 + decay_y) * g + h * q * faded
        else:
            numerator = np.where(plain, faded / np.where(plain, q, 1.0), 2 * y) * g + h * (1 + decay_y)
        denominator = (1 + decay_d) * g + h * q * -np.expm1(-2 * q * whole)
        in_F = np.exp(-q * np.minimum(inside, _HUGE)) * numerator / denominator
        beyond = x > d
        length_N = np.asarray(lambdas[3], dtype=float)
        decays = beyond & ~np.isinf(length_N)
        in_N = np.exp(-np.where(decays, x - d, 0.0) / np.where(decays, length_N, 1.0))
        profile = np.where(beyond, in_F * in_N, in_F)
    # d = 0 or q = 0 with Λ = ∞: nothing absorbs the current, so it stays 1 and the density piles up.
    return np.asarray(np.where(denominator == 0, 1.0 if current else np.inf, profile))


def spin_accumulation(
    x: ArrayLike,
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> ComplexArray:
    """Transverse spin density m D_F/J0 in nm at distance x from the barrier, Eq. 9 (x ≤ d) and Eq. 10 (x > d).

    m = (J0 L/D_F) [sinh((d−x)/L) + η cosh((d−x)/L)] / [cosh(d/L) + η sinh(d/L)] in F; in N it decays as
    exp(−(x−d)/λ_sf^N).

    x is in nm and ≥ 0, or ValueError.

    Examples
    --------
    >>> m = spin_accumulation([0.0, 2.0, 4.0], 2.0, 1.0, 1.0, 15.0, 2.0)
    >>> [f"{value:.3f}" for value in m]
    ['0.774+0.330j', '0.049+0.124j', '0.018+0.046j']
    """
    return _profile(x, d, (lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio), current=False)


def spin_current(
    x: ArrayLike,
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> ComplexArray:
    """Transverse spin current J/J0 at distance x from the barrier, J = −D ∂m/∂x of Eq. 9–10; 1 at x = 0, no unit.

    Examples
    --------
    >>> [f"{value:.3f}" for value in spin_current([0.0, 2.0], 2.0, 1.0, 1.0, 15.0, 2.0)]
    ['1.000+0.000j', '0.025+0.062j']
    """
    return _profile(x, d, (lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio), current=True)
