"""Lengths to inverse squares: the complex wave numbers q = 1/L and q0 = 1/L0 of the transverse spin density."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ComplexArray", "FloatArray", "check_lengths", "lambda_product", "wave_numbers"]

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]


def check_lengths(*, positive: dict[str, ArrayLike], non_negative: dict[str, ArrayLike]) -> None:
    """Refuse lengths without meaning; NaN passes through and gives NaN.

    Raises
    ------
    ValueError
        A value of `positive` is zero or negative, or a value of `non_negative` is negative.
    """
    for name, value in positive.items():
        if np.any(np.asarray(value) <= 0):
            raise ValueError(f"{name} must be positive (inf allowed)")
    for name, value in non_negative.items():
        if np.any(np.asarray(value) < 0):
            raise ValueError(f"{name} must not be negative")


def wave_numbers(
    lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike
) -> tuple[ComplexArray, ComplexArray]:
    """q0² = 1/L0² and q² = 1/L² in nm⁻², Eq. 8 of Manchon et al., PRB 86, 060404(R) (2012).

    1/L² = −i/λ_J² + 1/λ_φ² + 1/λ_sf², 1/L0² = −i/λ_J² + 1/λ_φ². The sign of i belongs to e_perp = M × P.

    Parameters
    ----------
    lambda_J, lambda_phi, lambda_sf_F : array_like
        Precession, dephasing and spin diffusion length in nm; inf switches a process off.

    Returns
    -------
    q0_squared, q_squared : ndarray of complex

    Examples
    --------
    >>> q0_squared, q_squared = wave_numbers(1.0, 2.0, float("inf"))
    >>> complex(q0_squared)
    (0.25-1j)
    """
    with np.errstate(over="ignore", divide="ignore"):
        precession = 1 / np.square(np.asarray(lambda_J, dtype=float))
        dephasing = 1 / np.square(np.asarray(lambda_phi, dtype=float))
        spin_flip = 1 / np.square(np.asarray(lambda_sf_F, dtype=float))
    return dephasing - 1j * precession, (dephasing + spin_flip) - 1j * precession


def lambda_product(lambda_sf_N: ArrayLike, D_ratio: ArrayLike) -> FloatArray:
    """Λ = (D_F/D_N) λ_sf^N in nm, the only combination in which the normal metal enters the torque.

    Raises
    ------
    ValueError
        One factor is 0 and the other inf.
    """
    lambda_sf_N, D_ratio = np.asarray(lambda_sf_N, dtype=float), np.asarray(D_ratio, dtype=float)
    if np.any((lambda_sf_N == 0) & np.isinf(D_ratio)) or np.any(np.isinf(lambda_sf_N) & (D_ratio == 0)):
        raise ValueError("lambda_sf_N · D_ratio is 0 · inf: give one of them a finite, positive value")
    return np.asarray(lambda_sf_N * D_ratio)
