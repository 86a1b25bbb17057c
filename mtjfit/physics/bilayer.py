"""F(d)/N with rates instead of lengths, and the Laplace images of Eq. 3–4 in it.

Rates are in ps⁻¹, diffusion constants in nm²/ps (1 cm²/s = 100 nm²/ps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.diffusion import ComplexArray, FloatArray, tanh_over_q

__all__ = ["Bilayer", "profile_image", "transfer_image", "travel"]


def _rate(D: float, length: float) -> float:
    return math.inf if length == 0 else D / length / length


def _time_rate(time: float) -> float:
    return math.inf if time == 0 else 1 / time


@dataclass(frozen=True)
class Bilayer:
    """A free layer F of thickness d before a thick normal metal N, as Eq. 3–4 see it.

    In a static torque N enters through Λ = (D_F/D_N) λ_sf^N alone. In the dynamics it does not: λ_sf^N and D_N count
    separately, and so does D_F, which turns lengths into times (λ² = D τ in each metal).

    Parameters
    ----------
    d : float
        Thickness of F in nm, ≥ 0; inf for a semi-infinite F.
    rate_J, rate_phi, rate_sf_F : float
        1/τ_J, 1/τ_φ, 1/τ_sf in F, in ps⁻¹, ≥ 0 and finite; 0 switches a process off.
    rate_sf_N : float
        1/τ_sf in N, in ps⁻¹, ≥ 0; inf makes N a perfect sink.
    D_F, D_N : float
        Diffusion constants in nm²/ps, > 0 and finite.

    Raises
    ------
    ValueError
        A value is outside of its range, or NaN.

    Examples
    --------
    >>> film = Bilayer.from_lengths(2.0, 1.0, 0.5, 15.0, 2.0, D_F=200.0, D_N=400.0)
    >>> film.rate_J, film.rate_sf_N
    (200.0, 100.0)
    >>> Bilayer.from_times(2.0, 0.005, 0.00125, 1.125, 0.01, D_F=200.0, D_N=400.0).lengths["lambda_sf_F"]
    15.0
    """

    d: float
    rate_J: float
    rate_phi: float
    rate_sf_F: float
    rate_sf_N: float
    D_F: float
    D_N: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("D_"):
                if not 0 < value < math.inf:
                    raise ValueError(f"{field.name} must be positive and finite, in nm²/ps; it is {value}")
            elif not value >= 0:
                raise ValueError(f"{field.name} must not be negative; it is {value}")
            elif math.isinf(value) and field.name not in ("d", "rate_sf_N"):
                raise ValueError(f"{field.name} must be finite: its length and its time must not be 0")

    @classmethod
    def from_lengths(
        cls,
        d: float,
        lambda_J: float,
        lambda_phi: float,
        lambda_sf_F: float,
        lambda_sf_N: float,
        *,
        D_F: float,
        D_N: float,
    ) -> Bilayer:
        """From lengths in nm, as in `kappa`, inf allowed; each rate is D/λ². Lengths in F must be > 0.

        Raises
        ------
        ValueError
            As in the class, or a length is negative.
        """
        lengths = {"lambda_J": lambda_J, "lambda_phi": lambda_phi, "lambda_sf_F": lambda_sf_F}
        _check(lengths | {"lambda_sf_N": lambda_sf_N})
        J, phi, sf_F = (_rate(D_F, length) for length in lengths.values())
        return cls(float(d), J, phi, sf_F, _rate(D_N, lambda_sf_N), float(D_F), float(D_N))

    @classmethod
    def from_times(
        cls, d: float, tau_J: float, tau_phi: float, tau_sf_F: float, tau_sf_N: float, *, D_F: float, D_N: float
    ) -> Bilayer:
        """From times in ps, inf allowed. Times in F must be > 0.

        Raises
        ------
        ValueError
            As in the class, or a time is negative.
        """
        times = {"tau_J": tau_J, "tau_phi": tau_phi, "tau_sf_F": tau_sf_F, "tau_sf_N": tau_sf_N}
        _check(times)
        J, phi, sf_F, sf_N = (_time_rate(time) for time in times.values())
        return cls(float(d), J, phi, sf_F, sf_N, float(D_F), float(D_N))

    @property
    def lengths(self) -> dict[str, float]:
        """Arguments of the static functions for this bilayer, ``kappa(**bilayer.lengths)``: lengths in nm, D_ratio."""
        rates = {"lambda_J": self.rate_J, "lambda_phi": self.rate_phi, "lambda_sf_F": self.rate_sf_F}
        lengths = {name: math.inf if rate == 0 else math.sqrt(self.D_F / rate) for name, rate in rates.items()}
        lambda_sf_N = math.inf if self.rate_sf_N == 0 else math.sqrt(self.D_N / self.rate_sf_N)
        return {"d": self.d, **lengths, "lambda_sf_N": lambda_sf_N, "D_ratio": self.D_F / self.D_N}

    @property
    def torque_rate(self) -> complex:
        """D_F/L0² = 1/τ_φ − i/τ_J in ps⁻¹: torque per area = this times ∫_0^d m dz."""
        return complex(self.rate_phi, -self.rate_J)

    @property
    def decay_rate(self) -> complex:
        """κ_t = D_F/L² = 1/τ_φ + 1/τ_sf − i/τ_J in ps⁻¹."""
        return self.torque_rate + self.rate_sf_F

    @property
    def corners(self) -> tuple[complex, ...]:
        """Right-hand corners, from bottom to top, of a set in the s plane that holds all singularities of the images.

        It is a bound of the numerical range of Eq. 3–4: a density with a share p of its square in F has
        Im s = p/τ_J and −Re s at least p (1/τ_φ + 1/τ_sf^F) + (1 − p)/τ_sf^N, and not below the slowest decay without
        precession. N has its branch cut on s ≤ −1/τ_sf^N; precession lifts the poles of F towards Im s = 1/τ_J.
        """
        in_F, in_N = self.decay_rate.real, self.rate_sf_N
        if math.isinf(self.d):
            return (complex(-in_F, self.rate_J),)
        if math.isinf(in_N):
            slowest = in_F + self.D_F * (0.5 * math.pi / self.d) ** 2 if self.d else math.inf
            return (complex(-slowest, self.rate_J),)
        if self.d == 0:
            return (complex(-in_N),)
        slowest = _slowest(self)
        if self.rate_J == 0:
            return (complex(-slowest),)
        if in_N <= in_F:
            return complex(-in_N), complex(-in_F, self.rate_J)
        bend = self.rate_J * (in_N - slowest) / (in_N - in_F)
        return tuple(dict.fromkeys((complex(-in_N), complex(-slowest, bend), complex(-slowest, self.rate_J))))


def _check(values: dict[str, float]) -> None:
    for name, value in values.items():
        if not value >= 0 or (value == 0 and not name.endswith("_N")):
            raise ValueError(f"{name} must be positive (inf allowed); it is {value}")


def _slowest(bilayer: Bilayer) -> float:
    """Slowest decay rate without precession: spins bound in F if N is the faster sink, else those in N."""
    in_F, in_N = bilayer.decay_rate.real, bilayer.rate_sf_N
    if in_N <= in_F:
        return in_N
    d, D_F, D_N = bilayer.d, bilayer.D_F, bilayer.D_N
    low, high = 0.0, min(0.5 * math.pi, d * math.sqrt((in_N - in_F) / D_F))
    for _ in range(60):
        # D_F β tan(β d) = D_N q_N for the mode cos(β z); x = β d
        x = 0.5 * (low + high)
        leak = math.sqrt(D_N * max(in_N - in_F - D_F * (x / d) ** 2, 0.0))
        low, high = (x, high) if D_F * x / d * math.sin(x) < leak * math.cos(x) else (low, x)
    return in_F + D_F * (low / d) ** 2


def _waves(s: ComplexArray, bilayer: Bilayer) -> tuple[ComplexArray, ComplexArray, float]:
    """q² = 1/L² + s/D_F, and the weights g : h = 1 : Λ with 1/Λ = (D_N/D_F) √(1/λ_N² + s/D_N)."""
    q_squared = (s + bilayer.decay_rate) / bilayer.D_F
    if math.isinf(bilayer.rate_sf_N):
        return q_squared, np.ones_like(q_squared), 0.0
    return q_squared, np.asarray(np.sqrt(bilayer.D_N * (s + bilayer.rate_sf_N)) / bilayer.D_F), 1.0


@np.errstate(invalid="ignore")  # complex division flags NaN operands
def transfer_image(s: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """G(s) in nm², with κ(s) = G(s)/L0² the Laplace image of the torque after a pulse.

    κ(s) is Eq. 12 with 1/L² → 1/L² + s/D_F and 1/λ_N² → 1/λ_N² + s/D_N; 1/L0² stays. inf at a pole on the spot.
    """
    q_squared, g, h = _waves(np.asarray(s, dtype=complex), bilayer)
    pole = q_squared == 0
    safe = np.where(pole, 1.0, q_squared)
    if math.isinf(bilayer.d):
        return np.asarray(np.where(pole, np.inf, 1 / safe))
    u = tanh_over_q(np.sqrt(q_squared), bilayer.d)
    below = g + q_squared * u * (u * g + 2 * h)
    closed = below == 0  # nothing leaves a layer of no thickness, as in `kappa`, or of no relaxation
    value = 2 * u * (u * g + h) / np.where(closed, 1.0, below)
    return np.asarray(np.where(closed, np.where(pole, np.inf, 1 / safe), value))


def travel(s: ComplexArray, z: FloatArray, bilayer: Bilayer) -> ComplexArray:
    """Exponent of the images at z: q z in F, q d + q_N (z − d) in N."""
    q = np.sqrt((s + bilayer.decay_rate) / bilayer.D_F)
    exponent = q * np.minimum(z, bilayer.d)
    if math.isinf(bilayer.rate_sf_N):
        return np.asarray(exponent)
    q_N = np.sqrt((s + bilayer.rate_sf_N) / bilayer.D_N)
    return np.asarray(exponent + q_N * np.maximum(z - bilayer.d, 0.0))


def profile_image(s: ComplexArray, z: FloatArray, bilayer: Bilayer, *, current: bool) -> ComplexArray:
    """Images of m/J0 (ps/nm) or J/J0 at z (Eq. 9–10 with s) without their factor exp(−`travel`)."""
    q_squared, g, h = _waves(s, bilayer)
    q, d = np.sqrt(q_squared), bilayer.d
    rest = np.maximum(d - z, 0.0)
    fades = -np.expm1(-2 * q * rest)
    density = (g * fades / q + h * (2.0 - fades)) / bilayer.D_F
    above = g * (2.0 - fades) + h * q * fades if current else density
    whole = -np.expm1(-2 * q * d)
    sink = (z > d) & math.isinf(bilayer.rate_sf_N)
    return np.asarray(np.where(sink, 0.0, above / (g * (2.0 - whole) + h * q * whole)))
