"""Line shapes of a rectified resonance: Lorentzians of HALF width σ, their lock-in forms, and their derivatives.

σ is everywhere the half width at half maximum, in the unit of the abscissa. With the full width in its place the
antisymmetric amplitude would be off by a factor of 2.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray

Form: TypeAlias = Literal["lorentzian", "oscillator"]


def symmetric(x: ArrayLike, centre: ArrayLike, half_width: ArrayLike) -> FloatArray:
    """Symmetric Lorentzian S = 1/(1 + u²), u = (x − x0)/σ; x0 and σ, half the width at half maximum, in the unit of x.

    Examples
    --------
    >>> symmetric([5.0, 5.1, 5.2], 5.0, 0.1).round(3).tolist()
    [1.0, 0.5, 0.2]
    """
    return np.asarray(complex_line(x, centre, half_width).real)


def antisymmetric(x: ArrayLike, centre: ArrayLike, half_width: ArrayLike) -> FloatArray:
    """Antisymmetric Lorentzian A = u/(1 + u²), u = (x − x0)/σ; its extrema ±1/2 lie at x0 ± σ.

    Examples
    --------
    >>> antisymmetric([4.9, 5.0, 5.1], 5.0, 0.1).round(3).tolist()
    [-0.5, 0.0, 0.5]
    """
    return np.asarray(complex_line(x, centre, half_width).imag)


def complex_line(
    x: ArrayLike,
    centre: ArrayLike,
    half_width: ArrayLike,
    modulation: ArrayLike | None = None,
    form: Form = "lorentzian",
) -> ComplexArray:
    r"""S + iA of a line, or its first harmonic as a lock-in amplifier measures it.

    S + iA = 1/(1 − iu) with u = (x − x0)/σ. Under a modulation x + h cos φ the first harmonic, as a peak amplitude, is
    c₁ = (1/π) ∫ (S + iA) cos φ dφ over a period = 2im/(q² r (1 + r)), with q = 1 − iu, m = h/σ and r = √(1 + m²/q²):
    exact for any h, and h d(S + iA)/dx for small h.

    Parameters
    ----------
    modulation : array_like, optional
        Peak amplitude h > 0 of the modulation, in the unit of `x`. None: no modulation, the line itself.
    form : {"lorentzian", "oscillator"}
        ``"oscillator"``: S + i(x0/x)A of u = (x − x0²/x)/2σ, which is what a moment driven by an in-plane and an
        out-of-plane torque does at any frequency x > 0; near resonance it is the same. Lorentzians mistake about σ/x0
        of each line for the other one. For frequencies, and without modulation, or ValueError.

    Examples
    --------
    The lock-in form is the derivative times the amplitude, as long as that is small against σ:

    >>> x = np.array([4.9, 5.03])
    >>> exact = complex_line(x, 5.0, 0.1, modulation=1e-5)
    >>> slope = (complex_line(x + 1e-5, 5.0, 0.1) - complex_line(x - 1e-5, 5.0, 0.1)) / 2
    >>> bool(np.allclose(exact, slope, rtol=1e-6))
    True
    """
    return line_derivatives(x, centre, half_width, modulation, form)[0]


def line_derivatives(
    x: ArrayLike,
    centre: ArrayLike,
    half_width: ArrayLike,
    modulation: ArrayLike | None = None,
    form: Form = "lorentzian",
) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """The line of `complex_line`, and its derivatives by x0 and by ln σ.

    In closed form: ∂c₁/∂u = −2m/ρ³ and ∂c₁/∂m = −c₁/m + 2iq/ρ³, with ρ = √(q² + m²).
    """
    if form == "oscillator":
        return _oscillator(x, centre, half_width, modulation)
    sigma = np.asarray(half_width, dtype=float)
    u = (np.asarray(x, dtype=float) - centre) / sigma
    q = 1 - 1j * u
    if modulation is None:
        line = 1 / q
        by_u = 1j * line * line
        return np.asarray(line), np.asarray(-by_u / sigma), np.asarray(-u * by_u)
    m = np.asarray(modulation) / sigma
    rho = np.sqrt(q * q + m * m)  # Re q = 1 keeps the root on its principal branch
    line = 2j * m / (rho * (q + rho))
    cube = rho**-3
    by_u = -2 * m * cube
    by_m = -line / m + 2j * q * cube
    return np.asarray(line), np.asarray(-by_u / sigma), np.asarray(-u * by_u - m * by_m)


def _oscillator(
    x: ArrayLike, centre: ArrayLike, half_width: ArrayLike, modulation: ArrayLike | None
) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """The line of a driven oscillator and its derivatives."""
    if modulation is not None:
        raise ValueError("the first harmonic of a modulated oscillator is not known in closed form")
    x, centre = np.asarray(x, dtype=float), np.asarray(centre, dtype=float)
    sigma = np.asarray(half_width, dtype=float)
    u = (x - centre * centre / x) / (2 * sigma)
    plain = 1 / (1 - 1j * u)
    by_u = 1j * plain * plain
    by_centre = by_u * (-centre / x / sigma)
    ratio = centre / x

    def driven(values: ComplexArray) -> ComplexArray:
        return np.asarray(values.real + 1j * ratio * values.imag)

    return driven(plain), driven(by_centre) + 1j * plain.imag / x, driven(-u * by_u)


def background(x: ArrayLike, degree: int) -> FloatArray:
    """Legendre polynomials up to a degree over the span of x, shape (n, degree + 1); no columns for degree −1.

    They span the same backgrounds as 1, x, x², …, but are far better conditioned.
    """
    x = np.asarray(x, dtype=float)
    if degree < 0:
        return np.empty((x.size, 0))
    low, high = x.min(), x.max()
    return np.asarray(np.polynomial.legendre.legvander((2 * x - low - high) / (high - low), degree))
