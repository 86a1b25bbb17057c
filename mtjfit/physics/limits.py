"""Limits and approximations of Eq. 12 that the paper names: for understanding and for tests, never for fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.rates import ComplexArray, FloatArray, check_lengths, lambda_product, wave_numbers

__all__ = [
    "kappa_effective",
    "kappa_semi_infinite",
    "kappa_thin",
    "kappa_ultrathin",
    "lambda_sf_effective",
    "tau_sf_effective",
]


def kappa_semi_infinite(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike) -> ComplexArray:
    """κ for d → ∞, Eq. 13–14: [(1+χ)β² + χ² − i χ²β]/ξ, which is L²/L0².

    χ = (λ_φ/λ_sf)², β = (λ_J/λ_sf)², ξ = (1+χ)²β² + χ². Written with p = λ_φ²/λ_J² and s = λ_φ²/λ_sf² = χ, as
    (1 − ip)/(1 + s − ip), it stays finite for infinite lengths.

    Parameters
    ----------
    lambda_J, lambda_phi, lambda_sf_F : array_like
        Lengths in F in nm, inf allowed. Where nothing acts on the spin (lambda_J = lambda_phi = inf) it is 0.

    Returns
    -------
    ndarray of complex

    Examples
    --------
    >>> f"{kappa_semi_infinite(1.0, 1.0, 1.0):.3f}"
    '0.600-0.200j'
    """
    check_lengths(
        positive={"lambda_J": lambda_J, "lambda_phi": lambda_phi, "lambda_sf_F": lambda_sf_F}, non_negative={}
    )
    q0_squared, q_squared = wave_numbers(lambda_J, lambda_phi, lambda_sf_F)
    with np.errstate(invalid="ignore"):  # complex division flags NaN operands
        return np.asarray(q0_squared / np.where(q_squared == 0, 1.0, q_squared))


def lambda_sf_effective(
    d: ArrayLike, lambda_sf_F: ArrayLike, lambda_sf_N: ArrayLike, D_ratio: ArrayLike = 1.0
) -> FloatArray:
    """λ*_sf in nm, Eq. 17: 1/λ*_sf² = 1/λ_sf² + 1/(Λ d), at fixed diffusion constants.

    The equivalent semi-infinite layer of a thin F that leaks into N. Right where Λ ≫ d/2 and |d/L| ≪ 1. At fixed
    D_N a longer λ_sf^N lengthens λ*_sf; at fixed τ_sf^N it shortens it (`tau_sf_effective`). No leak, λ*_sf = λ_sf,
    where Λ or d is inf, as in `kappa`.

    Examples
    --------
    >>> round(float(lambda_sf_effective(1.0, 10.0, 100.0)), 4)
    7.0711
    """
    check_lengths(
        positive={"lambda_sf_F": lambda_sf_F},
        non_negative={"d": d, "lambda_sf_N": lambda_sf_N, "D_ratio": D_ratio},
    )
    Lambda, d = lambda_product(lambda_sf_N, D_ratio), np.asarray(d, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        leak = np.where(np.isinf(Lambda + d), np.inf, Lambda * d)
        return np.asarray(1 / np.sqrt(1 / np.square(np.asarray(lambda_sf_F, dtype=float)) + 1 / leak))


def tau_sf_effective(d: ArrayLike, tau_sf_F: ArrayLike, tau_sf_N: ArrayLike, lambda_sf_N: ArrayLike) -> FloatArray:
    """τ*_sf, Eq. 18: 1/τ*_sf = 1/τ_sf^F + (λ_sf^N/d)/τ_sf^N, in the unit of the times given.

    Here τ_sf^N is held fixed, so that D_N = λ_sf^N²/τ_sf^N grows with λ_sf^N.

    Examples
    --------
    >>> float(tau_sf_effective(1.0, 2.0, 1.0, 0.5))
    1.0
    """
    check_lengths(
        positive={"tau_sf_F": tau_sf_F, "tau_sf_N": tau_sf_N, "d": d}, non_negative={"lambda_sf_N": lambda_sf_N}
    )
    lambda_N, d = np.asarray(lambda_sf_N, dtype=float), np.asarray(d, dtype=float)
    return np.asarray(1 / (1 / np.asarray(tau_sf_F) + lambda_N / d / np.asarray(tau_sf_N)))


def kappa_effective(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_star: ArrayLike) -> ComplexArray:
    """κ of Eq. 15, L*²/L0², for an effective spin diffusion length λ*_sf in nm."""
    return kappa_semi_infinite(lambda_J, lambda_phi, lambda_sf_star)


def kappa_thin(
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> ComplexArray:
    """κ of Eq. 16, (L²/L0²)/(1 + L²/(Λ d)): thin F with Λ ≫ d/2.

    Not the exact limit of small d: the next term of Eq. 12 is d²/2L². For the parameters of the paper's Fig. 3 at
    d = 1.2 nm it is 19 % too small. Fit with `kappa` only.

    Examples
    --------
    >>> f"{abs(kappa_thin(1.2, 1.0, 1.0, 10.0, 1.0)):.3f}"
    '0.674'
    """
    star = lambda_sf_effective(d, lambda_sf_F, lambda_sf_N, D_ratio)
    absorbing = star == 0
    kappa = kappa_effective(lambda_J, lambda_phi, np.where(absorbing, 1.0, star))
    return np.asarray(np.where(absorbing, 0.0, kappa))


def kappa_ultrathin(
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> ComplexArray:
    """κ for d → 0: Λ d/L0² + d²/(2 L0²), the leading order of Eq. 12 both for Λ > 0 and for Λ = 0.

    Needs d ≪ |L| and Λ d ≪ |L|²: the next term is −Λ² d²/(L² L0²), of second order in d, or of fourth for Λ = 0.
    d and Λ must be finite.

    Examples
    --------
    >>> complex(kappa_ultrathin(0.01, 1.0, 2.0, 3.0))
    (0.0075125-0.03005j)
    """
    check_lengths(
        positive={"lambda_J": lambda_J, "lambda_phi": lambda_phi},
        non_negative={"d": d, "lambda_sf_N": lambda_sf_N, "D_ratio": D_ratio},
    )
    q0_squared, _ = wave_numbers(lambda_J, lambda_phi, np.inf)
    d = np.asarray(d, dtype=float)
    return np.asarray(q0_squared * d * (lambda_product(lambda_sf_N, D_ratio) + d / 2))
