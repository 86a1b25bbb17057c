"""The angle between the moments as a data file or a person declares it: faults, each with its remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, TypeAlias, get_args

__all__ = ["SinTheta", "angle_fault", "angle_faults", "written_angle_fault"]

SinTheta: TypeAlias = Literal["included", "divided"]
"""Whether torques still carry the sin θ of Eq. 1, or were divided by it."""

_WHICH = (
    'write sin_theta = "included" if the values are torques at that angle (the model then multiplies by sin θ), '
    'or "divided" if they are already per sin θ'
)
_RANGE = "give the angle between the moments in degrees, between 0 and 180"


def angle_fault(angle: float) -> tuple[str, str] | None:
    """What is wrong with an angle between the moments in degrees, and the remedy; None if nothing is.

    Examples
    --------
    >>> angle_fault(180.0)
    ('is 180°, where the torque vanishes', 'give the angle between the moments in degrees, between 0 and 180')
    """
    if angle in (0.0, 180.0):
        return f"is {angle:g}°, where the torque vanishes", _RANGE
    return None if 0 < angle < 180 else (f"is {angle:g}°", _RANGE)


def written_angle_fault(angle: float) -> tuple[str, str] | None:
    """As `angle_fault`, for an angle read from a file: it must not look like radians either.

    Nobody measures torques within π degrees of parallel moments, where sin θ is below 0.055.

    Examples
    --------
    >>> written_angle_fault(1.2566)
    ('is 1.2566°, which looks like radians', 'give the angle between the moments in degrees, between 0 and 180')
    """
    if 0 < angle <= math.pi:
        return f"is {angle:.6g}°, which looks like radians", _RANGE
    return angle_fault(angle)


def angle_faults(declared: bool, sin_theta: str | None) -> Iterator[tuple[str, str, str]]:
    """What angle and `sin_theta` lack of each other: key, fault and remedy.

    Parameters
    ----------
    declared : bool
        True where there is an angle, as a constant or in a column.
    sin_theta : str or None

    Examples
    --------
    >>> [(key, fault) for key, fault, _ in angle_faults(True, None)]
    [('sin_theta', 'is missing beside the angle')]
    """
    if sin_theta not in (None, *get_args(SinTheta)):
        yield "sin_theta", f"is {sin_theta!r}", _WHICH
    elif declared and sin_theta is None:
        yield "sin_theta", "is missing beside the angle", _WHICH
    elif sin_theta == "included" and not declared:
        yield "angle", 'is missing beside sin_theta = "included"', f"{_RANGE}, or name its column in columns.angle"
