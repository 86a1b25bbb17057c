"""F(d)/N with rates instead of lengths: Laplace images of Eq. 3–4, and the response to an alternating spin current.

Rates are in ps⁻¹, diffusion constants in nm²/ps (1 cm²/s = 100 nm²/ps), frequencies in GHz. s is the variable of the
Laplace transform; the response to J0 exp(2πi f t) is the image at s = 2πi f.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.physics.diffusion import tanh_over_q

_GHZ = 2j * math.pi * 1e-3  # s in ps⁻¹ of f = 1 GHz
_CIRCLE = np.exp(2j * np.pi * np.arange(56) / 56)


@dataclass(frozen=True)
class Bilayer:
    """A free layer F of thickness d before a thick normal metal N, in Eq. 3–4.

    In a static torque N enters through Λ = (D_F/D_N) λ_sf^N alone. In the dynamics it does not: λ_sf^N and D_N count
    separately, and so does D_F, which turns lengths into times (λ² = D τ in each metal).

    - `d`: thickness of F in nm, ≥ 0; inf for a semi-infinite F.
    - `rate_J`, `rate_phi`, `rate_sf_F`: 1/τ_J, 1/τ_φ, 1/τ_sf in F, in ps⁻¹, ≥ 0 and finite; 0 switches a process off.
    - `rate_sf_N`: 1/τ_sf in N, in ps⁻¹, ≥ 0; inf makes N a perfect sink.
    - `D_F`, `D_N`: diffusion constants in nm²/ps, > 0 and finite.

    ValueError for values outside of these ranges, and NaN.

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
        """From lengths in nm, as in `mtjfit.physics.kappa`; each rate is D/λ². ValueError as there."""
        _check({"lambda_J": lambda_J, "lambda_phi": lambda_phi, "lambda_sf_F": lambda_sf_F, "lambda_sf_N": lambda_sf_N})
        J, phi, sf_F = (D_F / length / length for length in (lambda_J, lambda_phi, lambda_sf_F))
        sf_N = D_N / lambda_sf_N / lambda_sf_N if lambda_sf_N else math.inf
        return cls(float(d), J, phi, sf_F, sf_N, float(D_F), float(D_N))

    @classmethod
    def from_times(
        cls, d: float, tau_J: float, tau_phi: float, tau_sf_F: float, tau_sf_N: float, *, D_F: float, D_N: float
    ) -> Bilayer:
        """From times in ps, inf allowed; times in F > 0, in N ≥ 0, or ValueError."""
        _check({"tau_J": tau_J, "tau_phi": tau_phi, "tau_sf_F": tau_sf_F, "tau_sf_N": tau_sf_N})
        sf_N = 1 / tau_sf_N if tau_sf_N else math.inf
        return cls(float(d), 1 / tau_J, 1 / tau_phi, 1 / tau_sf_F, sf_N, float(D_F), float(D_N))

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


@np.errstate(invalid="ignore")  # numpy flags NaN operands of complex divisions
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


def kappa_at_frequency(f: ArrayLike, bilayer: Bilayer) -> ComplexArray:
    """κ for J0(t) = J0 exp(2πi f t): Eq. 12 with 1/L² → 1/L² + s/D_F, 1/λ_N² → 1/λ_N² + s/D_N, s = 2πi f.

    The i of exp(2πi f t) is that of the torque plane: with f > 0 the spins that enter turn from e_par to e_perp, with
    f < 0 the other way round. Precession distinguishes the two, so **κ(−f) is not the conjugate of κ(f)**. The response
    to a real drive J0(t) = J0 cos(2πft) takes both,

        T_par + i T_perp = J0 [κ(f) exp(2πi f t) + κ(−f) exp(−2πi f t)]/2.

    For a real (in-plane) J0 the ordinary phasors (of T_par(t) = Re[… exp(2πi f t)], and T_perp likewise) are therefore
    J0 [κ(f) + κ(−f)*]/2 for T_par and J0 [κ(f) − κ(−f)*]/(2i) for T_perp, where * is the conjugate.

    Eq. 4 is Ohm's law: it needs frequencies far below the collision rate of electrons over 2π, some 10 THz in metals.

    f is in GHz, of either sign. κ(0) is the static κ(d). Only a semi-infinite F without dephasing and spin flip has a
    pole, inf, at 2πf = 1/τ_J.

    Examples
    --------
    >>> film = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
    >>> [f"{K:.4f}" for K in kappa_at_frequency([0.0, 1e3, -1e3], film)]
    ['0.8121-0.1757j', '0.8176-0.1912j', '0.8061-0.1607j']
    """
    image = transfer_image(_GHZ * np.asarray(f, dtype=float), bilayer)
    rate = bilayer.torque_rate / bilayer.D_F
    pole = np.isinf(image)
    with np.errstate(invalid="ignore"):
        value = np.where(pole, 0.0, image) * rate
    return np.asarray(np.where(pole & (rate != 0), np.inf, value))


def response_moment(bilayer: Bilayer) -> complex:
    """Complex first moment of the torque after a pulse in ps, ∫ t T dt/∫ T dt = −d ln κ/ds at s = 0, from Eq. 3–4.

    A slow J0(t) gives the torque κ [J0(t) − τ dJ0/dt] with this τ: its real part is a delay, its imaginary part turns
    the torque in the plane of e_par and e_perp. At low frequency |κ(f)/κ(0) − 1| = 2π|f τ|.

    It is inf where it diverges: N without spin flip, from where spins return as t^(−3/2). ValueError for d = 0, where
    there is no torque.

    Examples
    --------
    >>> film = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
    >>> f"{response_moment(film) * 1e3:.3f} fs"
    '2.619+1.695j fs'
    """
    _demand_torque(bilayer)
    d, D_F, D_N = bilayer.d, bilayer.D_F, bilayer.D_N
    q_squared = bilayer.decay_rate / D_F
    if math.isinf(d):
        return 1 / bilayer.decay_rate if q_squared else complex(math.inf)
    if bilayer.rate_sf_N == 0:
        return complex(math.inf)
    Lambda = 0.0 if math.isinf(bilayer.rate_sf_N) else D_F / math.sqrt(D_N * bilayer.rate_sf_N)

    def image(squares: ComplexArray) -> ComplexArray:
        u = tanh_over_q(np.sqrt(squares), d)
        return np.asarray(2 * u * (u + Lambda) / (1 + squares * u * (u + 2 * Lambda)))

    # ∂G/∂q² by Cauchy's formula: G is singular on the real axis only, below −1/(Λd + d²/2)
    radius = 0.5 * abs(q_squared + 1 / (Lambda * d + 0.5 * d * d))
    slope = np.mean(image(q_squared + radius * _CIRCLE) / _CIRCLE) / radius
    G = image(np.array([q_squared]))[0]
    u = tanh_over_q(np.sqrt(np.array([q_squared])), d)[0]
    below = 1 + q_squared * u * (u + 2 * Lambda)
    in_N = 0.0 if Lambda == 0 else u * (1 - q_squared * u * u) / below**2 * Lambda / bilayer.rate_sf_N
    return complex((in_N - slope / D_F) / G)


def _demand_torque(bilayer: Bilayer) -> None:
    if bilayer.d == 0:
        raise ValueError("d = 0: a layer of no thickness has no torque that could be late")


def response_time(bilayer: Bilayer) -> float:
    """The delay of the torque in ps: the real part of `response_moment`, Re ∫ t T dt/∫ T dt.

    The torque of a slowly growing J0(t) is κ(d) J0(t − delay), as far as its component along κ(d) J0 goes. It can be
    negative where the torque turns back (precession overshoots), and is inf for N without spin flip.

    Examples
    --------
    >>> film = Bilayer.from_lengths(float("inf"), float("inf"), 1.0, 2.0, 1.0, D_F=200.0, D_N=200.0)
    >>> response_time(film)
    0.004
    """
    return response_moment(bilayer).real


def static_up_to(bilayer: Bilayer, tolerance: float = 0.01) -> float:
    """The frequency in GHz up to which |κ(f)/κ(0) − 1| < tolerance, for both signs of f, from Eq. 3–4.

    It is 0 if the static response is infinite. ValueError for a tolerance outside 0 to 1, and for d = 0.

    Examples
    --------
    >>> film = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
    >>> f"{static_up_to(film):.0f} GHz"
    '507 GHz'
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be between 0 and 1; it is {tolerance}")
    _demand_torque(bilayer)
    at_rest = complex(transfer_image(0.0, bilayer))
    if math.isinf(abs(at_rest)):
        return 0.0

    def deviation(f: FloatArray) -> FloatArray:
        both = transfer_image(_GHZ * np.stack([f, -f]), bilayer) / at_rest - 1
        return np.asarray(np.max(np.abs(both), axis=0))

    highest = 100 / (1 - tolerance) * (bilayer.D_F / abs(at_rest) + abs(bilayer.decay_rate)) / abs(_GHZ)
    grid = highest * np.logspace(-30, 0, 1201)
    above = int(np.argmax(deviation(grid) >= tolerance))
    low, high = float(grid[max(above - 1, 0)]), float(grid[above])
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if deviation(np.array([middle]))[0] >= tolerance else (middle, high)
    return low
