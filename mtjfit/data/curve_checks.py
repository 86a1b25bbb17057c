"""Faults of covariances and of the angle of a curve, each with its remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args, overload

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray

_SYMMETRIC = 1e-10
_SAME = 1e-8


def covariance_faults(
    n: int,
    covariance: FloatArray,
    sigma_par: FloatArray | None,
    sigma_perp: FloatArray | None,
    measured: BoolArray,
) -> list[tuple[str, str]]:
    """Faults of the covariance of all values of one device, shape (2n, 2n), in-plane then out-of-plane.

    Standard errors beside it must be the roots of its diagonal. Rows of values that are not among the `measured`, shape
    (2n,), are not looked at.
    """
    if covariance.shape != (2 * n, 2 * n):
        return [(f"covariance has shape {covariance.shape}, {n} points need {(2 * n, 2 * n)}",
                 "give all in-plane values, then all out-of-plane values")]  # fmt: skip
    if faults := matrix_faults(covariance[np.ix_(measured, measured)]):
        return faults
    for name, sigma, mine in (("sigma_par", sigma_par, slice(0, n)), ("sigma_perp", sigma_perp, slice(n, None))):
        variance, there = np.diagonal(covariance)[mine], measured[mine]
        if sigma is None or sigma.shape != (n,):
            continue
        if np.any(np.abs(sigma[there] / np.sqrt(variance[there]) - 1) > _SAME):
            return [(f"{name} differs from the diagonal of the covariance", f"leave {name} out")]
    return []


def matrix_faults(covariance: FloatArray) -> list[tuple[str, str]]:
    """The first fault of a square matrix that is to be a covariance, with its remedy; none if it is one."""
    if not np.all(np.isfinite(covariance)):
        return [("covariance holds NaN or inf", "give a finite number for each pair of values")]
    size = float(np.max(np.abs(covariance), initial=0.0))
    if np.max(np.abs(covariance - covariance.T), initial=0.0) > _SYMMETRIC * size:
        return [("covariance is not symmetric", "correct it")]
    variance = np.diagonal(covariance)
    indefinite = [("covariance is not positive definite", "correct it: some combination of values would have no error")]
    if np.any(variance <= 0):
        return indefinite
    sd = np.sqrt(variance)
    try:
        # in units of the errors, so that components of different size are judged alike
        np.linalg.cholesky(covariance / sd[:, None] / sd)
    except np.linalg.LinAlgError:
        return indefinite
    return []


_SIZES = {"thickness": (1e-12, 1e6), "bias": (0.0, 1e6), "sigma_par": (1e-50, 1e50), "sigma_perp": (1e-50, 1e50)}
LARGEST = 1e50
"""Of any number: its square, and its ratio to the smallest error squared, are still numbers of a computer."""
SIZE = "no measurement has such a size", "look at the number and its unit"
"""Fault and remedy where there are `odd_sizes`."""


@overload
def odd_sizes(name: str, values: float) -> bool: ...


@overload
def odd_sizes(name: str, values: FloatArray) -> BoolArray: ...


def odd_sizes(name: str, values: float | FloatArray) -> bool | BoolArray:
    """True where a number is beyond what is measured in nm and V, or beyond `LARGEST`; zeros have no size.

    >>> odd_sizes("thickness", np.array([0.0, 2.0, 1e200]))
    array([False, False,  True])
    """
    low, high = _SIZES.get(name, (0.0, LARGEST))
    sizes: Any = abs(values)
    odd: BoolArray = (sizes > high) | ((sizes < low) & (sizes > 0))
    return odd


SinTheta: TypeAlias = Literal["included", "divided"]
"""Whether torques still carry the sin θ of Eq. 1, or were divided by it."""

_WHICH = (
    'write sin_theta = "included" if the values are torques at that angle (the model then multiplies by sin θ), '
    'or "divided" if they are already per sin θ'
)
_RANGE = "give the angle between the moments in degrees, between 0 and 180"


def angle_fault(angle: float) -> tuple[str, str] | None:
    """Fault and remedy of an angle between the moments in degrees; None if it is sound."""
    if angle in (0.0, 180.0):
        return f"is {angle:g}°, where the torque vanishes", _RANGE
    return None if 0 < angle < 180 else (f"is {angle:g}°", _RANGE)


def written_angle_fault(angle: float) -> tuple[str, str] | None:
    """As `angle_fault`, for an angle read from a file: it must not look like radians either.

    Nobody measures torques within π degrees of parallel moments, where sin θ is below 0.055.
    """
    if 0 < angle <= math.pi:
        return f"is {angle:.6g}°, which looks like radians", _RANGE
    return angle_fault(angle)


def angle_faults(declared: bool, sin_theta: str | None) -> Iterator[tuple[str, str, str]]:
    """Key, fault and remedy where one of angle (`declared` as a constant or in a column) and `sin_theta` is missing
    or wrong.
    """
    if sin_theta not in (None, *get_args(SinTheta)):
        yield "sin_theta", f"is {sin_theta!r}", _WHICH
    elif declared and sin_theta is None:
        yield "sin_theta", "is missing beside the angle", _WHICH
    elif sin_theta == "included" and not declared:
        yield "angle", 'is missing beside sin_theta = "included"', f"{_RANGE}, or name its column in columns.angle"
