"""The ballistic interface spin current J0(V), Eq. 1–2, as a polynomial in the bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.rates import ComplexArray

__all__ = ["Interface"]


@dataclass(frozen=True)
class Interface:
    """J0(V) = Σ a_n Vⁿ + i Σ b_n Vⁿ: in-plane coefficients `par`, out-of-plane coefficients `perp`, by power of V.

    Eq. 2 is J0_par = a1 V + a2 V², J0_perp = b0 + b2 V²; b1 belongs to asymmetric electrodes (Oh et al. 2009).
    Coefficients are in the torque unit per Vⁿ.

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
        """From named amplitudes, ``Interface.of(a1=1.0, b2=0.6)``; those not named are zero.

        Raises
        ------
        ValueError
            A name is not a or b followed by a power of V.
        """
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
