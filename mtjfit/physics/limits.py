"""Limits of Eq. 12: thick, ballistic, without dephasing, ultrathin. For understanding and for tests, never for fits.

Each docstring says how wrong the form is. κ is the exact value of Eq. 12, κ∞ = L²/L0² its limit d → ∞,
χ = τ_φ/τ_sf = (λ_φ/λ_sf)², β = τ_J/τ_sf = (λ_J/λ_sf)², η = Λ/L. A relative error is approximation/κ − 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.diffusion import ComplexArray, check_lengths, lambda_product, wave_numbers

__all__ = [
    "kappa_ballistic",
    "kappa_chi_beta",
    "kappa_no_dephasing",
    "kappa_semi_infinite",
    "kappa_ultrathin",
]


def kappa_semi_infinite(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike) -> ComplexArray:
    """κ for d → ∞, Eq. 13–14: [(1+χ)β² + χ² − i χ²β]/ξ, which is L²/L0²; ξ = (1+χ)²β² + χ².

    Written with p = λ_φ²/λ_J² as (1 − ip)/(1 + χ − ip), it stays finite for infinite lengths.
    `kappa_chi_beta` is the same in χ and β.

    Relative error for finite d: 2 exp(−d/L)/(1 + η), and of order exp(−2d/L) beyond. Its phase turns with d, so κ
    passes κ∞ again and again.

    Parameters
    ----------
    lambda_J, lambda_phi, lambda_sf_F : array_like
        Lengths in F in nm, inf allowed. Where nothing acts on the spin (lambda_J = lambda_phi = inf) it is 0.

    Raises
    ------
    ValueError
        A length is zero or negative.

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


def kappa_chi_beta(chi: ArrayLike, beta: ArrayLike) -> ComplexArray:
    """κ for d → ∞ from the ratios of times of Eq. 13–14: z/(1 + z) with z = λ_sf²/L0² = 1/χ − i/β.

    As printed: [(1+χ)β² + χ² − i χ²β]/[(1+χ)²β² + χ²]. Its error for finite d is that of `kappa_semi_infinite`.

    Parameters
    ----------
    chi, beta : array_like
        χ = τ_φ/τ_sf and β = τ_J/τ_sf, ≥ 0, inf allowed.

    Returns
    -------
    ndarray of complex, in the broadcast shape
        1 where χ or β is 0.

    Raises
    ------
    ValueError
        χ or β is negative.

    Examples
    --------
    >>> f"{kappa_chi_beta(1.0, 1.0):.3f}"
    '0.600-0.200j'
    """
    check_lengths(positive={}, non_negative={"chi": chi, "beta": beta})
    chi, beta = np.broadcast_arrays(np.asarray(chi, dtype=float), np.asarray(beta, dtype=float))
    with np.errstate(divide="ignore", over="ignore"):
        dephasing, precession = 1 / chi, 1 / beta
    ballistic = (np.isinf(dephasing) | np.isinf(precession)) & ~np.isnan(chi + beta)
    with np.errstate(invalid="ignore"):  # complex division flags NaN operands
        z = np.where(ballistic, 0.0, dephasing) - 1j * np.where(ballistic, 0.0, precession)
        return np.asarray(np.where(ballistic, 1.0, z / (1 + z)))


def kappa_ballistic(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike) -> ComplexArray:
    """κ = 1, the ballistic limit: T = J0/d, what the paper has for χ ≪ 1 below Eq. 14.

    Relative error for d → ∞: L0²/λ_sf² = 1/(1/χ − i/β), exactly. It is χ + O(χ²) for χ → 0 at fixed β, and its modulus
    (1/χ² + 1/β²)^(−1/2) is below both χ and β: a short λ_J alone suffices, too. For finite d the
    error of `kappa_semi_infinite` adds to it.

    Parameters
    ----------
    lambda_J, lambda_phi, lambda_sf_F : array_like
        In nm; they give the shape alone.

    Returns
    -------
    ndarray of complex, in the broadcast shape

    Examples
    --------
    >>> complex(kappa_ballistic(1.0, 0.1, 15.0))
    (1+0j)
    """
    check_lengths(
        positive={"lambda_J": lambda_J, "lambda_phi": lambda_phi, "lambda_sf_F": lambda_sf_F}, non_negative={}
    )
    shape = np.broadcast_shapes(*(np.shape(each) for each in (lambda_J, lambda_phi, lambda_sf_F)))
    return np.ones(shape, dtype=complex)


def kappa_no_dephasing(lambda_J: ArrayLike, lambda_sf_F: ArrayLike) -> ComplexArray:
    """κ for d → ∞ without dephasing, χ ≫ 1 below Eq. 14: (1 − iβ)/(1 + β²), so T_perp = −β T_par for J_perp = 0.

    The paper's T_par = (J_par + β J_perp)/d(1 + β²), T_perp = (J_perp − β J_par)/d(1 + β²).

    Relative error for d → ∞: β²/[(1 + iβ) χ] + O(χ⁻²), small where χ ≫ β²/√(1 + β²): for β ≪ 1 this holds long before
    χ ≫ 1, because κ is close to 1 anyway. For finite d the error of `kappa_semi_infinite` adds to it.

    Parameters
    ----------
    lambda_J, lambda_sf_F : array_like
        In nm, inf allowed; 0 for lambda_J = inf, where nothing acts on the spin.

    Returns
    -------
    ndarray of complex, in the broadcast shape

    Examples
    --------
    >>> f"{kappa_no_dephasing(1.0, 1.0):.3f}"
    '0.500-0.500j'
    """
    return kappa_semi_infinite(lambda_J, np.inf, lambda_sf_F)


def kappa_ultrathin(
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> ComplexArray:
    """κ for d → 0: Λ d/L0² + d²/(2 L0²), the leading order of Eq. 12 both for Λ > 0 and for Λ = 0.

    Relative error [ε² + (5/6) ε z² + (5/24) z⁴]/(ε + z²/2) + …, ε = Λd/L², z = d/L: Λd/L² for d ≪ Λ, first order in d;
    5d²/(12L²) for Λ = 0. Needs d ≪ |L| and Λ d ≪ |L|².

    Parameters
    ----------
    d, lambda_J, lambda_phi, lambda_sf_N, D_ratio : array_like
        As in `kappa`; d and Λ finite. λ_sf^F does not enter at this order.

    Returns
    -------
    ndarray of complex, in the broadcast shape

    Raises
    ------
    ValueError
        As in `kappa`, or d or Λ is inf.

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
    d, Lambda = np.asarray(d, dtype=float), lambda_product(lambda_sf_N, D_ratio)
    if np.any(np.isinf(d)) or np.any(np.isinf(Lambda)):
        raise ValueError("d and lambda_sf_N · D_ratio must be finite: this is the limit of a thin layer")
    return np.asarray(q0_squared * d * (Lambda + d / 2))
