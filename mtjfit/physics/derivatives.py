"""Slopes of κ(d): all of them for fits, Fisher matrices and identifiability, and that in d at many thicknesses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.physics.diffusion import inverse_square, tanh_over_q, wave_numbers, weights

_SERIES = 3e-2  # below |qd/2| = 0.03 the four-term series of du/dq² is exact to 1e-14; above, it cancels 3 digits


@dataclass(frozen=True)
class KappaGradient(ShownAsCard):
    """κ and its derivatives with respect to ln λ_J, ln λ_φ, ln λ_sf^F, ln Λ and d (nm⁻¹), all complex."""

    kappa: ComplexArray
    ln_lambda_J: ComplexArray
    ln_lambda_phi: ComplexArray
    ln_lambda_sf_F: ComplexArray
    ln_Lambda: ComplexArray
    d: ComplexArray


def _du_dq2(q_squared: ComplexArray, d: FloatArray, u: ComplexArray, sech2: ComplexArray) -> ComplexArray:
    """∂u/∂(q²) for u = tanh(q d/2)/q: [(d/2) sech²(q d/2) − u]/(2q²), by its series where that cancels."""
    half = 0.5 * d
    z2 = q_squared * half**2
    small = np.abs(z2) < _SERIES**2
    z2s = np.where(small, z2, 0.0)
    series = half**3 * (-1 / 3 + z2s * (4 / 15 + z2s * (-17 / 105 + z2s * 248 / 2835)))
    safe = np.where(small, 1.0, q_squared)
    return np.asarray(np.where(small, series, (half * sech2 - u) / (2 * safe)))


@np.errstate(invalid="ignore")  # complex division flags NaN operands
def kappa_gradient(
    d: ArrayLike, lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike, Lambda: ArrayLike
) -> KappaGradient:
    """Derivatives of Eq. 12, unchecked: d must be finite, and > 0 where Λ (nm) is inf.

    With κ = q0² G(q², d, Λ), G = 2u(u + Λ)/(1 + q²u(u + 2Λ)) and u = tanh(qd/2)/q. λ_J and λ_φ enter through q0²
    and q², λ_sf^F through q² alone.

    Examples
    --------
    >>> g = kappa_gradient(1.2, 1.0, 1.0, 10.0, 1.0)
    >>> f"{complex(g.ln_lambda_J):.4f} {complex(g.ln_lambda_sf_F):.4f}"
    '-0.3362+0.1371j 0.0085+0.0030j'
    """
    q0_squared, q_squared = wave_numbers(lambda_J, lambda_phi, lambda_sf_F)
    d = np.asarray(d, dtype=float)
    q = np.sqrt(q_squared)
    u = tanh_over_q(q, d)
    decay = np.exp(-q * d)
    sech2 = 4 * decay / (1 + decay) ** 2  # 1 − q²u² without its cancellation
    g, h = weights(np.asarray(Lambda, dtype=float))
    bottom = g + q_squared * u * (u * g + 2 * h)
    G = 2 * u * (u * g + h) / bottom
    passed = g * sech2 / bottom  # 1 − q²G = 1/(cosh(d/L) + η sinh(d/L)): the current that reaches N
    dG_du = 2 * (u * g + (u * g + h) * passed) / bottom
    dG_dq2 = dG_du * _du_dq2(q_squared, d, u, sech2) - G * u * (u * g + 2 * h) / bottom
    dG_dlnLambda = 2 * u * h * passed / bottom
    precession, dephasing, spin_flip = (inverse_square(each) for each in (lambda_J, lambda_phi, lambda_sf_F))
    dkappa_dq0 = G + q0_squared * dG_dq2
    return KappaGradient(
        kappa=np.asarray(q0_squared * G),
        ln_lambda_J=np.asarray(2j * precession * dkappa_dq0),
        ln_lambda_phi=np.asarray(-2 * dephasing * dkappa_dq0),
        ln_lambda_sf_F=np.asarray(-2 * spin_flip * q0_squared * dG_dq2),
        ln_Lambda=np.asarray(q0_squared * dG_dlnLambda),
        d=np.asarray(q0_squared * dG_du * (0.5 * sech2)),
    )


@dataclass(frozen=True)
class ExponentialForm:
    """κ(d) and its slope from t = exp(−d/L) alone, for many thicknesses at once; fields broadcast against each other.

    At equidistant thicknesses t is a geometric series, so one complex exponential serves a whole quadrature. The price
    is a cancellation in 1 − t: errors of κ and of d dκ/dd are up to 1e-15 (1 + L/d)|κ|, harmless in a likelihood and
    nowhere else wanted. Eq. 12 as waves between the faces of F:

    κ = (L²/L0²)(1 − t)(1 − r t)/(1 + r t²),  dκ/dd = (L/L0²)(1 + r) t (1 − r t²)/(1 + r t²)²,  t = exp(−q d).

    q is 1/L in nm⁻¹ and `bulk` L²/L0², κ of an infinitely thick layer. r = (1 − Λq)/(1 + Λq) is what comes back of the
    current that reaches N, 1 for Λ = 0 and −1 for Λ = ∞.
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
    def shape(self) -> tuple[int, ...]:
        """Shape of the lengths."""
        return self.q.shape

    def at(self, d: FloatArray) -> ComplexArray:
        """κ at thicknesses `d` in nm."""
        return self.kappa(np.exp(-self.q * d))

    def at_and_slope(self, d: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """κ and dκ/dd at thicknesses `d` in nm."""
        t = np.exp(-self.q * d)
        return self.kappa(t), self.slope(t)

    def along(self, first: FloatArray, spacing: FloatArray, count: int) -> ComplexArray:
        """κ at ``first + spacing * k``, k = 0 … count − 1, on an axis more at the end."""
        t = np.empty((*np.broadcast_shapes(first.shape, self.q.shape), count), dtype=complex)
        t[...] = np.exp(-self.q * spacing)[..., None]
        t[..., 0] = np.exp(-self.q * first)
        np.cumprod(t, axis=-1, out=t)
        return self.by_node.kappa(t)

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
