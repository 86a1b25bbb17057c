"""Limits and approximations of Eq. 12: Eq. 13–18 of the paper. For understanding and for tests, never for fits.

Each docstring gives the error of its form. κ is the exact value of Eq. 12, κ∞ = L²/L0² its limit d → ∞,
χ = τ_φ/τ_sf = (λ_φ/λ_sf)², β = τ_J/τ_sf = (λ_J/λ_sf)², η = Λ/L, ε = Λd/L². A relative error is approximation/κ − 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.physics.diffusion import (
    Length,
    check_lengths,
    checked_arguments,
    inverse_square,
    quotient,
    tanh_over_q,
    wave_numbers,
    weights,
)

_HUGE = 1e150  # nm; the square of a longer λ*_sf overflows, and spin flip has long ceased to act


def kappa_semi_infinite(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike) -> ComplexArray:
    """κ for d → ∞, Eq. 13–14: [(1+χ)β² + χ² − i χ²β]/ξ, which is L²/L0²; ξ = (1+χ)²β² + χ².

    Written with p = λ_φ²/λ_J² as (1 − ip)/(1 + χ − ip), it stays finite for infinite lengths. It is 0 where nothing
    acts on the spin (lambda_J = lambda_phi = inf). `kappa_chi_beta` is the same in χ and β.

    Relative error for finite d: 2 exp(−d/L)/(1 + η), and of order exp(−2d/L) beyond. Its phase turns with d, so κ
    passes κ∞ again and again.

    Examples
    --------
    >>> f"{kappa_semi_infinite(1.0, 1.0, 1.0):.3f}"
    '0.600-0.200j'
    """
    _, q0_squared, q_squared, _ = checked_arguments(np.inf, lambda_J, lambda_phi, lambda_sf_F, 0.0, 1.0)
    return quotient(q0_squared, np.where(q_squared == 0, 1.0, q_squared))


def kappa_chi_beta(chi: ArrayLike, beta: ArrayLike) -> ComplexArray:
    """κ for d → ∞ from the ratios of times of Eq. 13–14: z/(1 + z) with z = λ_sf²/L0² = 1/χ − i/β.

    As printed: [(1+χ)β² + χ² − i χ²β]/[(1+χ)²β² + χ²]. Its error for finite d is that of `kappa_semi_infinite`.
    χ = τ_φ/τ_sf and β = τ_J/τ_sf are ≥ 0 (ValueError), inf allowed; κ is 1 where one of them is 0.

    Examples
    --------
    >>> f"{kappa_chi_beta(1.0, 1.0):.3f}"
    '0.600-0.200j'
    """
    check_lengths({}, {"chi": chi, "beta": beta})
    chi, beta = np.broadcast_arrays(np.asarray(chi, dtype=float), np.asarray(beta, dtype=float))
    with np.errstate(divide="ignore", over="ignore"):
        dephasing, precession = 1 / chi, 1 / beta
    ballistic = (np.isinf(dephasing) | np.isinf(precession)) & ~np.isnan(chi + beta)
    with np.errstate(invalid="ignore"):  # inf · 1j
        z = np.where(ballistic, 0.0, dephasing) - 1j * np.where(ballistic, 0.0, precession)
    return np.asarray(np.where(ballistic, 1.0, quotient(z, 1 + z)))


def kappa_ballistic(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike) -> ComplexArray:
    """κ = 1 in the broadcast shape, the ballistic limit T = J0/d that the paper gives for χ ≪ 1 below Eq. 14.

    Relative error for d → ∞: L0²/λ_sf² = 1/(1/χ − i/β), exactly. It is χ + O(χ²) for χ → 0 at fixed β, and its modulus
    (1/χ² + 1/β²)^(−1/2) is below both χ and β: a short λ_J alone suffices, too. For finite d the
    error of `kappa_semi_infinite` adds to it.
    """
    _, _, q_squared, _ = checked_arguments(np.inf, lambda_J, lambda_phi, lambda_sf_F, 0.0, 1.0)
    return np.ones(q_squared.shape, dtype=complex)


def kappa_no_dephasing(lambda_J: ArrayLike, lambda_sf_F: ArrayLike) -> ComplexArray:
    """κ for d → ∞ without dephasing, χ ≫ 1 below Eq. 14: (1 − iβ)/(1 + β²), so T_perp = −β T_par for J_perp = 0.

    The paper's T_par = (J_par + β J_perp)/d(1 + β²), T_perp = (J_perp − β J_par)/d(1 + β²).

    Relative error for d → ∞: β²/[(1 + iβ) χ] + O(χ⁻²), small where χ ≫ β²/√(1 + β²): for β ≪ 1 this holds long before
    χ ≫ 1, because κ is close to 1 anyway. For finite d the error of `kappa_semi_infinite` adds to it.

    Examples
    --------
    >>> f"{kappa_no_dephasing(1.0, 1.0):.3f}"
    '0.500-0.500j'
    """
    return kappa_semi_infinite(lambda_J, np.inf, lambda_sf_F)


def kappa_ultrathin(
    d: ArrayLike, lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_N: ArrayLike, D_ratio: ArrayLike = 1.0
) -> ComplexArray:
    """κ for d → 0: Λ d/L0² + d²/(2 L0²), the leading order of Eq. 12 both for Λ > 0 and for Λ = 0.

    Relative error [ε² + (5/6) ε z² + (5/24) z⁴]/(ε + z²/2) + …, z = d/L: Λd/L² for d ≪ Λ, first order in d; 5d²/(12L²)
    for Λ = 0. Needs d ≪ |L| and Λ d ≪ |L|². λ_sf^F does not enter at this order. d and Λ must be finite (ValueError).

    Examples
    --------
    >>> complex(kappa_ultrathin(0.01, 1.0, 2.0, 3.0))
    (0.0075125-0.03005j)
    """
    d, q0_squared, _, Lambda = checked_arguments(d, lambda_J, lambda_phi, np.inf, lambda_sf_N, D_ratio)
    if np.any(np.isinf(d)) or np.any(np.isinf(Lambda)):
        raise ValueError("d and lambda_sf_N · D_ratio must be finite: this is the limit of a thin layer")
    return np.asarray(q0_squared * d * (Lambda + d / 2))


def kappa_effective(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_star: ArrayLike) -> ComplexArray:
    """κ of Eq. 15, L*²/L0² with 1/L*² = 1/L0² + 1/λ*_sf².

    With λ*_sf of `lambda_sf_effective_exact`, which is complex, it is κ exactly. A small error δ of 1/λ*_sf² makes the
    relative error −L*² δ of κ. λ*_sf is in nm, its real part ≥ 0 (ValueError), inf allowed; 0 gives κ = 0.

    Examples
    --------
    >>> f"{kappa_effective(1.0, 1.0, 1.0):.3f}"
    '0.600-0.200j'
    """
    check_lengths({"lambda_J": lambda_J, "lambda_phi": lambda_phi})
    star = np.asarray(lambda_sf_star)
    if np.any(np.real(star) < 0):
        raise ValueError("lambda_sf_star must not be negative (inf allowed)")
    q0_squared, _ = wave_numbers(lambda_J, lambda_phi, np.inf)
    far = np.abs(star) > _HUGE
    w = q0_squared * np.square(np.where(far, 1.0, star))
    return np.asarray(np.where(far, np.where(q0_squared == 0, 0.0, 1.0), quotient(w, 1 + w)))


def lambda_sf_effective(
    d: ArrayLike, lambda_sf_F: ArrayLike, lambda_sf_N: ArrayLike, D_ratio: ArrayLike = 1.0
) -> FloatArray:
    """λ*_sf in nm, Eq. 17: 1/λ*_sf² = 1/λ_sf² + 1/(Λ d), at fixed diffusion constants.

    The equivalent semi-infinite layer of a thin F that leaks into N; `lambda_sf_effective_exact` is the one that gives
    κ exactly. The leak 1/(Λ d) is too large by the relative error d/(2Λ) + d²/(6L²), and so right where Λ ≫ d/2 and
    d² ≪ 6 |L|². λ*_sf is 0 for d = 0 or Λ = 0, and λ_sf (no leak) where Λ or d is inf, as in `kappa`.

    "Increasing λ_sf^N reduces λ*" (below Eq. 18) depends on what is held fixed. Here the diffusion constants are, and
    a longer λ_sf^N lengthens λ*_sf. At fixed τ_sf^N, D_N = λ_sf^N²/τ_sf^N grows with it, Λ = D_F τ_sf^N/λ_sf^N falls,
    and λ*_sf shortens: `tau_sf_effective`. A smaller d shortens it in both cases.

    Examples
    --------
    >>> round(float(lambda_sf_effective(1.0, 10.0, 100.0)), 4)
    7.0711
    """
    d, _, _, Lambda = checked_arguments(d, np.inf, np.inf, lambda_sf_F, lambda_sf_N, D_ratio)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        leak = np.where(np.isinf(Lambda + d), np.inf, Lambda * d)
        return np.asarray(1 / np.sqrt(inverse_square(lambda_sf_F) + 1 / leak))


def tau_sf_effective(d: ArrayLike, tau_sf_F: ArrayLike, tau_sf_N: ArrayLike, lambda_sf_N: ArrayLike) -> FloatArray:
    """τ*_sf, Eq. 18: 1/τ*_sf = 1/τ_sf^F + (λ_sf^N/d)/τ_sf^N, in the unit of the times given.

    Eq. 17 times D_F, with the same relative error of the leak. λ_sf^N/d is p_N/(1 − p_N), with p_N the probability to
    find the spin in N.

    Here τ_sf^N is held fixed, so that D_N = λ_sf^N²/τ_sf^N grows with λ_sf^N and a longer λ_sf^N shortens τ*_sf. At
    fixed D_N it is the other way round: τ_sf^N = λ_sf^N²/D_N, the leak is D_N/(λ_sf^N d), and a longer λ_sf^N
    lengthens τ*_sf (`lambda_sf_effective`).

    The relaxation times are > 0, inf allowed; ValueError where lambda_sf_N/tau_sf_N is inf/inf. Nothing leaks,
    τ*_sf = tau_sf_F, for d = inf or lambda_sf_N = 0.

    Examples
    --------
    >>> float(tau_sf_effective(1.0, 2.0, 1.0, 0.5))
    1.0
    """
    check_lengths({"tau_sf_F": tau_sf_F, "tau_sf_N": tau_sf_N}, {"d": d, "lambda_sf_N": lambda_sf_N})
    lambda_N, tau_N, d = (np.asarray(each, dtype=float) for each in (lambda_sf_N, tau_sf_N, d))
    if np.any(np.isinf(lambda_N) & np.isinf(tau_N)):
        raise ValueError("lambda_sf_N/tau_sf_N is inf/inf: give one of them a finite value")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        outflow = lambda_N / tau_N
        leak = np.where((outflow == 0) | np.isinf(d), 0.0, outflow / d)
        return np.asarray(1 / (1 / np.asarray(tau_sf_F, dtype=float) + leak))


def kappa_thin(
    d: Length, lambda_J: Length, lambda_phi: Length, lambda_sf_F: Length, lambda_sf_N: Length, D_ratio: ArrayLike = 1.0
) -> ComplexArray:
    """κ of Eq. 16, (L²/L0²)/(1 + L/(η d)): thin F with Λ ≫ d/2. Fit with `kappa` only.

    It is not the limit of small d: relative error −(d/2Λ) (1 + ε/3)/(1 + ε) + O(d²), of first order in d/Λ however
    thin F is: −d/(2Λ) for Λd ≪ |L|², −d/(6Λ) for d ≪ |L| ≪ √(Λd). Eq. 12 has d²/2L² beside the
    Λd/L² that Eq. 16 keeps. For d → ∞ it tends to κ∞ with the error −L²/(Λd), for Λ → ∞ with
    −(L/Λ) [L/d − 1/sinh(d/L)]. For the paper's Fig. 3 at d = 1.2 nm it is 20 % off: |κ| is 19 % too small and its
    phase 4° too far. `kappa_thin_error` maps it.

    Examples
    --------
    >>> f"{abs(kappa_thin(1.2, 1.0, 1.0, 10.0, 1.0)):.3f}"
    '0.674'
    """
    return kappa_effective(lambda_J, lambda_phi, lambda_sf_effective(d, lambda_sf_F, lambda_sf_N, D_ratio))


def _leak(d: FloatArray, q_squared: ComplexArray, Lambda: FloatArray) -> ComplexArray:
    """1/λ*_sf² − 1/λ_sf² in nm⁻² from Eq. 12 = Eq. 15: q²/(cosh qd − 1 + Λq sinh qd) = sech²(qd/2)/[2u(u + Λ)]."""
    q = np.sqrt(q_squared)
    u = tanh_over_q(q, d)
    thick = np.isinf(d)
    g, h = weights(Lambda)
    bottom = 2 * u * (u * g + h)
    with np.errstate(over="ignore", invalid="ignore"):
        decay = np.where(thick, 0.0, np.exp(-q * np.where(thick, 0.0, d)))
        leak = 4 * decay / (1 + decay) ** 2 * g / np.where(bottom == 0, 1.0, bottom)
    return np.asarray(np.where((g == 0) | thick, 0.0, np.where(bottom == 0, np.inf, leak)))


def lambda_sf_effective_exact(
    d: Length, lambda_J: Length, lambda_phi: Length, lambda_sf_F: Length, lambda_sf_N: Length, D_ratio: ArrayLike = 1.0
) -> ComplexArray:
    """λ*_sf in nm that makes Eq. 15 equal to Eq. 12, complex: 1/λ*² = 1/λ_sf² + (1/L²)/[cosh(d/L) + η sinh(d/L) − 1].

    Complex, because the leak into N depends on L, which holds the precession: no real spin diffusion length turns F/N
    into a semi-infinite F with both torque components right, unless lambda_J = inf. Only 1/λ*² has a
    meaning; λ* is its root with Re λ* ≥ 0. It is λ_sf where nothing leaks (d or Λ is inf), and 0 for d = 0.

    Eq. 17 (`lambda_sf_effective`) is its leading order for thin F: the leak there is 1/(Λd), here
    (1/Λd) [1 − d/(2Λ) − d²/(6L²) + …]. So Im 1/λ*² starts as −d/(6Λ) Im 1/L² = d/(6Λ λ_J²). Which way λ* moves with
    λ_sf^N depends on what is held fixed, as in Eq. 17–18: at fixed diffusion constants a longer λ_sf^N reduces the leak
    (thin F), at fixed τ_sf^N it increases it.

    Examples
    --------
    >>> f"{lambda_sf_effective_exact(1.2, 1.0, 1.0, 10.0, 1.0):.2f}"
    '1.51-0.14j'
    """
    d, _, q_squared, Lambda = checked_arguments(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
    leak = _leak(d, q_squared, Lambda)
    inverse = inverse_square(lambda_sf_F) + leak
    closed, absorbing = inverse == 0, np.isinf(leak)
    star = quotient(1.0, np.sqrt(np.where(closed | absorbing, 1.0, inverse)))
    return np.asarray(np.where(closed, np.inf, np.where(absorbing, 0.0, star)))


def kappa_thin_error(
    d: Length, lambda_J: Length, lambda_phi: Length, lambda_sf_F: Length, lambda_sf_N: Length, D_ratio: ArrayLike = 1.0
) -> FloatArray:
    """|κ_16 − κ|/|κ|: by how much Eq. 16 misses Eq. 12, in modulus and phase together, to about 1e-15.

    Equal to |Λd ℓ − 1|/|1 + Λd/L²| with ℓ = 1/λ*² − 1/λ_sf² of Eq. 12 = Eq. 15. It depends on λ_J, λ_φ and λ_sf^F
    through L alone. Small for Λ ≫ d/2 (then about d/2Λ) and for Λd ≫ |L|²; tends to 1 for Λ → 0. It is 0 where Λ or d
    is inf and for d → 0, but 1 for Λ = 0 and finite d. d[None, :] and lambda_sf_N[:, None] give a map.

    Examples
    --------
    >>> round(float(kappa_thin_error(1.2, 1.0, 1.0, 10.0, 1.0)), 3)
    0.2
    """
    d, _, q_squared, Lambda = checked_arguments(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
    with np.errstate(invalid="ignore", over="ignore"):
        exact = np.isinf(Lambda + d) | np.isinf(Lambda * d)
        area = np.where(exact, 0.0, Lambda * d)
        leak = _leak(d, q_squared, Lambda)
        share = np.where(np.isinf(leak), np.where(Lambda > 0, 1.0, 0.0), area * leak)
        error = np.abs(share - 1) / np.abs(1 + area * q_squared)
    return np.asarray(np.where(exact, 0.0, error))
