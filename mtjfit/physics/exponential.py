"""κ(d) and its slope from t = exp(−d/L) alone: the form for many thicknesses at once.

At equidistant thicknesses t is a geometric series, so one complex exponential serves a whole quadrature. The price is a
cancellation in 1 − t: errors of κ and of d dκ/dd are up to 1e-15 (1 + L/d)|κ|, harmless in a likelihood and nowhere
else wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.physics.diffusion import weights
from mtjfit.physics.rates import ComplexArray, FloatArray

__all__ = ["ExponentialForm"]


@dataclass(frozen=True)
class ExponentialForm:
    """Eq. 12 as waves between the faces of F; fields broadcast against each other.

    κ = (L²/L0²)(1 − t)(1 − r t)/(1 + r t²),  dκ/dd = (L/L0²)(1 + r) t (1 − r t²)/(1 + r t²)²,  t = exp(−q d).

    Attributes
    ----------
    q : ndarray of complex
        1/L in nm⁻¹.
    bulk : ndarray of complex
        L²/L0², κ of an infinitely thick layer.
    r : ndarray of complex
        (1 − Λq)/(1 + Λq): what comes back of the current that reaches N, 1 for Λ = 0 and −1 for Λ = ∞.

    Examples
    --------
    >>> from mtjfit.physics import wave_numbers
    >>> form = ExponentialForm.of(*wave_numbers(1.0, 1.0, 10.0), np.array(1.0))
    >>> f"{complex(form.kappa(np.exp(-1.2 * form.q))):.4f}"
    '0.8121-0.1757j'
    """

    q: ComplexArray
    bulk: ComplexArray
    r: ComplexArray

    @classmethod
    def of(cls, q0_squared: ComplexArray, q_squared: ComplexArray, Lambda: FloatArray) -> ExponentialForm:
        """From the wave numbers of Eq. 8, in nm⁻² and not zero, and Λ in nm, inf allowed."""
        q = np.sqrt(q_squared)
        g, h = weights(np.asarray(Lambda, dtype=float))
        return cls(q, q0_squared / q_squared, np.asarray((g - h * q) / (g + h * q)))

    @property
    def by_node(self) -> ExponentialForm:
        """The same with one axis more at the end, for several thicknesses of each entry."""
        return ExponentialForm(self.q[..., None], self.bulk[..., None], self.r[..., None])

    def kappa(self, t: ComplexArray) -> ComplexArray:
        """κ at thicknesses given by t = exp(−q d)."""
        back = self.r * t
        kappa = 1 - t
        kappa = kappa * (1 - back) * self.bulk
        back = back * t
        back += 1
        return np.asarray(kappa / back)

    def slope(self, t: ComplexArray) -> ComplexArray:
        """dκ/dd in nm⁻¹ at thicknesses given by t = exp(−q d)."""
        back = self.r * t * t
        return np.asarray(self.bulk * self.q * (1 + self.r) * t * (1 - back) / (1 + back) ** 2)
