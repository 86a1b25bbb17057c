"""Torque and torkance of the free layer against bias, Eq. 12 with the interface current of Eq. 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.physics.diffusion import kappa, kappa_density


def sin_degrees(angle: ArrayLike) -> FloatArray:
    """sin θ of the angle between the moments in degrees, exactly 0 at 0° and 180° and 1 at 90°.

    ValueError for angles outside 0° to 180°, where no angle between two directions lies.
    """
    angle = np.asarray(angle, dtype=float)
    if np.any((angle < 0) | (angle > 180)):
        raise ValueError("the angle between the moments must be from 0 to 180 degrees")
    # sin(π) is not 0 in doubles: fold the upper half on the lower
    return np.asarray(np.sin(np.radians(np.minimum(angle, 180.0 - angle))))


@dataclass(frozen=True)
class Interface:
    """J0(V) = Σ a_n Vⁿ + i Σ b_n Vⁿ: in-plane coefficients `par`, out-of-plane coefficients `perp`, by power of V.

    Eq. 2 is J0_par = a1 V + a2 V², J0_perp = b0 + b2 V²; b1 belongs to asymmetric electrodes (Oh et al. 2009).
    Coefficients are in the torque unit per Vⁿ.

    No angle between the moments M and P is assumed. In Eq. 1 the vectors M × (P × M) and M × P both have the length
    sin θ: either the coefficients belong to the angle of a measurement, and J0 is its interface current; or they are
    amplitudes per sin θ, and `at_angle` gives the interface current of a junction at θ.

    Examples
    --------
    >>> interface = Interface.of(a1=2.0, b2=1.0)
    >>> complex(interface.current(0.5)), complex(interface.derivative(0.5))
    ((1+0.25j), (2+1j))
    """

    par: tuple[float, ...] = (0.0,)
    perp: tuple[float, ...] = (0.0,)

    @classmethod
    def of(cls, **amplitudes: float) -> Interface:
        """From named amplitudes, ``Interface.of(a1=1.0, b2=0.6)``, the others zero; ValueError for other names."""
        return cls.from_mapping(amplitudes)

    @classmethod
    def from_mapping(cls, amplitudes: Mapping[str, float]) -> Interface:
        """As `of`, from a mapping."""
        coefficients: dict[str, dict[int, float]] = {"a": {}, "b": {}}
        for name, value in amplitudes.items():
            if name[:1] not in coefficients or not name[1:].isdecimal() or name[1:] != str(int(name[1:])):
                raise ValueError(f"{name!r} is not an amplitude such as a1 or b2")
            coefficients[name[0]][int(name[1:])] = float(value)
        par, perp = (
            tuple(powers.get(n, 0.0) for n in range(max(powers, default=0) + 1)) for powers in coefficients.values()
        )
        return cls(par, perp)

    def at_angle(self, degrees: float) -> Interface:
        """The interface current of a junction at angle θ between the moments, from coefficients per sin θ, Eq. 1.

        a1, b2, … of this interface are then amplitudes per sin θ, those of the result are along the unit vectors
        e_par and e_perp at that angle and at fixed bias. Both components carry the same sin θ, so κ and the
        ratio of the components do not depend on θ. ValueError for θ outside 0° to 180°, where the torque is exactly 0.

        Examples
        --------
        >>> Interface.of(a1=2.0, b2=1.0).at_angle(90.0) == Interface.of(a1=2.0, b2=1.0)
        True
        >>> complex(Interface.of(a1=2.0).at_angle(180.0).current(0.3))
        0j
        """
        if not np.isfinite(degrees):
            raise ValueError(f"the angle between the moments is {degrees}: give it in degrees, from 0 to 180")
        factor = float(sin_degrees(degrees))
        par, perp = (tuple(factor * each for each in coefficients) for coefficients in (self.par, self.perp))
        return Interface(par, perp)

    def current(self, V: ArrayLike) -> ComplexArray:
        """J0_par + i J0_perp at bias V (in volts); broadcasts."""
        V = np.asarray(V, dtype=float)
        polyval = np.polynomial.polynomial.polyval
        return np.asarray(polyval(V, self.par) + 1j * polyval(V, self.perp))

    def derivative(self, V: ArrayLike) -> ComplexArray:
        """dJ0/dV at bias V (in volts), for torkance."""
        polyder = np.polynomial.polynomial.polyder
        par, perp = (tuple(polyder(np.array(c))) for c in (self.par, self.perp))
        return Interface(par, perp).current(V)


_Per: TypeAlias = Literal["area", "device", "volume"]


def _transfer(per: _Per, *stack: ArrayLike) -> ComplexArray:
    if per not in ("area", "device", "volume"):
        raise ValueError(f"per = {per!r}: give 'area', 'device' (no 1/d) or 'volume' (carries 1/d)")
    return kappa_density(*stack) if per == "volume" else kappa(*stack)


def torque(
    V: ArrayLike,
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
    *,
    interface: Interface,
    per: _Per = "area",
) -> ComplexArray:
    """T_par + i T_perp at bias V, Eq. 12: κ(d) J0(V) per area or device, κ(d) J0(V)/d per volume.

    V, in volts, broadcasts against the lengths. J0(V) of the `interface` is in the unit wanted for the torque (times nm
    for ``per="volume"``, which is what an effective field measures).

    Examples
    --------
    >>> T = torque(0.2, 1.2, 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=1.0, b2=0.6))
    >>> f"{T:.4f}"
    '0.1666-0.0156j'
    """
    return _transfer(per, d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio) * interface.current(V)


def torkance(
    V: ArrayLike,
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
    *,
    interface: Interface,
    per: _Per = "area",
) -> ComplexArray:
    """dT_par/dV + i dT_perp/dV at bias V: κ(d) dJ0/dV, divided by d per volume.

    Parameters are those of `torque`; V may depend on nothing else, so the derivative of Eq. 12 acts on J0 alone.

    Examples
    --------
    >>> f"{torkance(0.0, 1.2, 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=1.0, b2=0.6)):.4f}"
    '0.8121-0.1757j'
    """
    return _transfer(per, d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio) * interface.derivative(V)
