"""The paper's effective spin diffusion length and thin-layer form, Eq. 15–18, and how far they are from Eq. 12.

For understanding and for tests, never for fits. Each docstring says how wrong the form is: κ is the exact value of
Eq. 12, η = Λ/L, ε = Λd/L², and a relative error is approximation/κ − 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.diffusion import (
    ComplexArray,
    FloatArray,
    check_lengths,
    checked_arguments,
    lambda_product,
    tanh_over_q,
    wave_numbers,
    weights,
)

__all__ = [
    "kappa_effective",
    "kappa_thin",
    "kappa_thin_error",
    "lambda_sf_effective",
    "lambda_sf_effective_exact",
    "tau_sf_effective",
]

_HUGE = 1e150  # nm; the square of a longer λ*_sf overflows, and spin flip has long ceased to act


def kappa_effective(lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_star: ArrayLike) -> ComplexArray:
    """κ of Eq. 15, L*²/L0² with 1/L*² = 1/L0² + 1/λ*_sf².

    With λ*_sf of `lambda_sf_effective_exact`, which is complex, it is κ exactly. A small error δ of
    1/λ*_sf² makes the relative error −L*² δ of κ.

    Parameters
    ----------
    lambda_J, lambda_phi : array_like
        In nm, > 0, inf allowed.
    lambda_sf_star : array_like, real or complex
        λ*_sf in nm, real part ≥ 0, inf allowed; 0 gives κ = 0.

    Returns
    -------
    ndarray of complex, in the broadcast shape

    Raises
    ------
    ValueError
        A length has no meaning.

    Examples
    --------
    >>> f"{kappa_effective(1.0, 1.0, 1.0):.3f}"
    '0.600-0.200j'
    """
    check_lengths(positive={"lambda_J": lambda_J, "lambda_phi": lambda_phi}, non_negative={})
    star = np.asarray(lambda_sf_star)
    if np.any(np.real(star) < 0):
        raise ValueError("lambda_sf_star must not be negative (inf allowed)")
    q0_squared, _ = wave_numbers(lambda_J, lambda_phi, np.inf)
    far = np.abs(star) > _HUGE
    w = q0_squared * np.square(np.where(far, 1.0, star))
    with np.errstate(invalid="ignore"):  # complex division flags NaN operands
        return np.asarray(np.where(far, np.where(q0_squared == 0, 0.0, 1.0), w / (1 + w)))


def lambda_sf_effective(
    d: ArrayLike, lambda_sf_F: ArrayLike, lambda_sf_N: ArrayLike, D_ratio: ArrayLike = 1.0
) -> FloatArray:
    """λ*_sf in nm, Eq. 17: 1/λ*_sf² = 1/λ_sf² + 1/(Λ d), at fixed diffusion constants.

    The equivalent semi-infinite layer of a thin F that leaks into N; `lambda_sf_effective_exact` is
    the one that gives κ exactly. The leak 1/(Λ d) is too large by the relative error d/(2Λ) + d²/(6L²), and so right
    where Λ ≫ d/2 and d² ≪ 6 |L|². No leak, λ*_sf = λ_sf, where Λ or d is inf, as in `kappa`.

    "Increasing λ_sf^N reduces λ*" (below Eq. 18) depends on what is held fixed. Here the diffusion constants are, and
    a longer λ_sf^N lengthens λ*_sf. At fixed τ_sf^N, D_N = λ_sf^N²/τ_sf^N grows with it, Λ = D_F τ_sf^N/λ_sf^N falls,
    and λ*_sf shortens: `tau_sf_effective`. A smaller d shortens it in both cases.

    Parameters
    ----------
    d, lambda_sf_F, lambda_sf_N : array_like
        In nm; lambda_sf_F > 0, the others ≥ 0, inf allowed.
    D_ratio : array_like
        D_F/D_N.

    Returns
    -------
    ndarray, in the broadcast shape
        0 for d = 0 or Λ = 0.

    Raises
    ------
    ValueError
        A length or `D_ratio` has no meaning, or lambda_sf_N · D_ratio is 0 · inf.

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
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        leak = np.where(np.isinf(Lambda + d), np.inf, Lambda * d)
        return np.asarray(1 / np.sqrt(1 / np.square(np.asarray(lambda_sf_F, dtype=float)) + 1 / leak))


def tau_sf_effective(d: ArrayLike, tau_sf_F: ArrayLike, tau_sf_N: ArrayLike, lambda_sf_N: ArrayLike) -> FloatArray:
    """τ*_sf, Eq. 18: 1/τ*_sf = 1/τ_sf^F + (λ_sf^N/d)/τ_sf^N, in the unit of the times given.

    Eq. 17 times D_F, with the same relative error of the leak. λ_sf^N/d is p_N/(1 − p_N), with p_N the probability to
    find the spin in N.

    Here τ_sf^N is held fixed, so that D_N = λ_sf^N²/τ_sf^N grows with λ_sf^N and a longer λ_sf^N shortens τ*_sf. At
    fixed D_N it is the other way round: τ_sf^N = λ_sf^N²/D_N, the leak is D_N/(λ_sf^N d), and a longer λ_sf^N
    lengthens τ*_sf (`lambda_sf_effective`).

    Parameters
    ----------
    d, lambda_sf_N : array_like
        In nm, ≥ 0, inf allowed.
    tau_sf_F, tau_sf_N : array_like
        Spin relaxation times in F and N, > 0, inf allowed.

    Returns
    -------
    ndarray, in the broadcast shape
        tau_sf_F for d = inf or lambda_sf_N = 0, where nothing leaks.

    Raises
    ------
    ValueError
        A length or time has no meaning, or lambda_sf_N/tau_sf_N is inf/inf.

    Examples
    --------
    >>> float(tau_sf_effective(1.0, 2.0, 1.0, 0.5))
    1.0
    """
    check_lengths(
        positive={"tau_sf_F": tau_sf_F, "tau_sf_N": tau_sf_N}, non_negative={"d": d, "lambda_sf_N": lambda_sf_N}
    )
    lambda_N, tau_N, d = (np.asarray(each, dtype=float) for each in (lambda_sf_N, tau_sf_N, d))
    if np.any(np.isinf(lambda_N) & np.isinf(tau_N)):
        raise ValueError("lambda_sf_N/tau_sf_N is inf/inf: give one of them a finite value")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        outflow = lambda_N / tau_N
        leak = np.where((outflow == 0) | np.isinf(d), 0.0, outflow / d)
        return np.asarray(1 / (1 / np.asarray(tau_sf_F, dtype=float) + leak))


def kappa_thin(
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> ComplexArray:
    """κ of Eq. 16, (L²/L0²)/(1 + L/(η d)): thin F with Λ ≫ d/2. Fit with `kappa` only.

    It is not the limit of small d: relative error −(d/2Λ) (1 + ε/3)/(1 + ε) + O(d²) with ε = Λd/L², of first order in
    d/Λ however thin F is: −d/(2Λ) for Λd ≪ |L|², −d/(6Λ) for d ≪ |L| ≪ √(Λd). Eq. 12 has d²/2L² beside the
    Λd/L² that Eq. 16 keeps. For d → ∞ it tends to κ∞ with the error −L²/(Λd), for Λ → ∞ with
    −(L/Λ) [L/d − 1/sinh(d/L)]. For the paper's Fig. 3 at d = 1.2 nm it is 20 % off: |κ| is 19 % too small and its
    phase 4° too far. `kappa_thin_error` maps it.

    Parameters, shapes and errors are those of `kappa`.

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
    with np.errstate(over="ignore", invalid="ignore"):
        decay = np.where(thick, 0.0, np.exp(-q * np.where(thick, 0.0, d)))
    g, h = weights(Lambda)
    bottom = 2 * u * (u * g + h)
    blocked = (g == 0) | thick
    with np.errstate(over="ignore", invalid="ignore"):
        leak = 4 * decay / (1 + decay) ** 2 * g / np.where(bottom == 0, 1.0, bottom)
    return np.asarray(np.where(blocked, 0.0, np.where(bottom == 0, np.inf, leak)))


def lambda_sf_effective_exact(
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> ComplexArray:
    """λ*_sf in nm that makes Eq. 15 equal to Eq. 12, complex: 1/λ*² = 1/λ_sf² + (1/L²)/[cosh(d/L) + η sinh(d/L) − 1].

    Complex, because the leak into N depends on L, which holds the precession: no real spin diffusion length turns F/N
    into a semi-infinite F with both torque components right, unless lambda_J = inf. Only 1/λ*² has a
    meaning; λ* is its root with Re λ* ≥ 0.

    Eq. 17 (`lambda_sf_effective`) is its leading order for thin F: the leak there is 1/(Λd), here
    (1/Λd) [1 − d/(2Λ) − d²/(6L²) + …]. So Im 1/λ*² starts as −d/(6Λ) Im 1/L² = d/(6Λ λ_J²). Which way λ* moves with
    λ_sf^N depends on what is held fixed, as in Eq. 17–18: at fixed diffusion constants a longer λ_sf^N reduces the leak
    (thin F), at fixed τ_sf^N it increases it.

    Parameters
    ----------
    d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio : array_like
        As in `mtjfit.physics.kappa`.

    Returns
    -------
    ndarray of complex, in the broadcast shape
        λ_sf where nothing leaks (d or Λ is inf), 0 for d = 0.

    Raises
    ------
    ValueError
        As in `mtjfit.physics.kappa`.

    Examples
    --------
    >>> f"{lambda_sf_effective_exact(1.2, 1.0, 1.0, 10.0, 1.0):.2f}"
    '1.51-0.14j'
    """
    d, _, q_squared, Lambda = checked_arguments(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
    leak = _leak(d, q_squared, Lambda)
    with np.errstate(over="ignore"):
        inverse = 1 / np.square(np.asarray(lambda_sf_F, dtype=float)) + leak
    closed, absorbing = inverse == 0, np.isinf(leak)
    with np.errstate(invalid="ignore"):  # complex division flags NaN operands
        star = 1 / np.sqrt(np.where(closed | absorbing, 1.0, inverse))
    return np.asarray(np.where(closed, np.inf, np.where(absorbing, 0.0, star)))


def kappa_thin_error(
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
) -> FloatArray:
    """|κ_16 − κ|/|κ|: by how much Eq. 16 misses Eq. 12, in modulus and phase together.

    Equal to |Λd ℓ − 1|/|1 + Λd/L²| with ℓ = 1/λ*² − 1/λ_sf² of Eq. 12 = Eq. 15. It depends on λ_J, λ_φ and λ_sf^F
    through L alone. Small for Λ ≫ d/2 (then about d/2Λ) and for Λd ≫ |L|²; tends to 1 for Λ → 0.

    Parameters
    ----------
    d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio : array_like
        As in `mtjfit.physics.kappa`; broadcast, so that d[None, :] and lambda_sf_N[:, None] give a map.

    Returns
    -------
    ndarray, in the broadcast shape
        To about 1e-15, absolutely. 0 where Λ or d is inf and for d → 0, but 1 for Λ = 0 and finite d.

    Raises
    ------
    ValueError
        As in `mtjfit.physics.kappa`.

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
