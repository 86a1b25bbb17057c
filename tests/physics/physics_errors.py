"""The errors that docstrings of limits and approximations state, as (order, prediction, two ways to measure it).

Each error is measured with 50 digits from the printed equations, and from the functions of the package at
parameters where doubles still resolve it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from physics_reference import MP, printed_kappa, waves

from mtjfit.physics import (
    kappa,
    kappa_ballistic,
    kappa_effective,
    kappa_no_dephasing,
    kappa_semi_infinite,
    kappa_thin,
    kappa_ultrathin,
    lambda_sf_effective,
    lambda_sf_effective_exact,
    wave_numbers,
)

J, PHI, SF, LAMBDA = 1.0, 0.8, 3.0, 2.0  # nm
THICK = 1e4  # nm: exp(−d/L) is far below 50 digits


@dataclass(frozen=True)
class Form:
    """One stated error against a small parameter s, as predicted, and as measured in an arithmetic m: MP or numpy."""

    order: float
    predicted: Callable[[Any, Any], Any]
    measured: Callable[[Any, Any], Any]
    s: float = 1e-3


def q2_of(m: Any, phi: Any = PHI, sf: Any = SF) -> Any:
    return waves(J, phi, sf)[1] if m is MP else complex(wave_numbers(J, phi, sf)[1])


def off(printed, approximation, d, m, phi=PHI, sf=SF, Lambda=LAMBDA):
    """approximation/κ − 1, from the printed equations with 50 digits, or from the functions in doubles."""
    if m is MP:
        return printed(*waves(J, phi, sf)) / printed_kappa(d, J, phi, sf, Lambda, 1) - 1
    return complex(approximation / kappa(d, J, phi, sf, Lambda) - 1)


def thin_off(d, Lambda, m):
    """Of Eq. 16, (L²/L0²)/(1 + L/(η d)) with η = Λ/L."""
    approximation = None if m is MP else kappa_thin(d, J, PHI, SF, Lambda)
    return off(lambda q0, q: q0 / q / (1 + 1 / (q * Lambda * d)), approximation, d, m, Lambda=Lambda)


def ultrathin_off(d, Lambda, m):
    approximation = None if m is MP else kappa_ultrathin(d, J, PHI, Lambda)
    return off(lambda q0, q: q0 * (Lambda * d + d**2 / 2), approximation, d, m, Lambda=Lambda)


def decay_at(s, m):
    """Thickness at which |exp(−d/L)| is s."""
    q = m.sqrt(q2_of(m))
    return -m.log(s) / q.real, q


def inverse_star(d, Lambda, m):
    """1/λ*², with 50 digits by solving Eq. 15 = Eq. 12 for it."""
    if m is not MP:
        return lambda_sf_effective_exact(d, J, PHI, SF, Lambda) ** -2.0
    return waves(J, PHI, SF)[0] * (1 / printed_kappa(d, J, PHI, SF, Lambda, 1) - 1)


def leak_off(d, Lambda, m):
    """Leak of Eq. 17 over the exact one, minus one."""
    inverse_sf = 1 / MP.mpf(SF) ** 2 if m is MP else SF**-2.0
    leak = 1 / (Lambda * d) if m is MP else lambda_sf_effective(d, SF, Lambda) ** -2.0 - inverse_sf
    return leak / (inverse_star(d, Lambda, m) - inverse_sf) - 1


def shifted(delta, m):
    """Relative change of κ of Eq. 15 when 1/λ*² grows by delta."""
    if m is MP:
        q_squared = q2_of(MP)
        return q_squared / (q_squared + delta) - 1
    return complex(kappa_effective(J, PHI, (SF**-2.0 + delta) ** -0.5) / kappa_effective(J, PHI, SF) - 1)


def ballistic_off(s, m):
    phi = SF * m.sqrt(s)
    approximation = None if m is MP else kappa_ballistic(J, phi, SF)
    return off(lambda q0, q: 1, approximation, THICK if m is MP else np.inf, m, phi)


def no_dephasing_off(s, m):
    """Of the printed limit χ ≫ 1, (1 − iβ)/(1 + β²); Eq. 12 at d = 10 µm stands for d = ∞."""
    beta = (MP.mpf(J) / SF) ** 2
    d = THICK if m is MP else np.inf
    return off(lambda q0, q: (1 - 1j * beta) / (1 + beta**2), kappa_no_dephasing(J, SF), d, m, SF / m.sqrt(s))


def thick_off(s, m):
    d, _ = decay_at(s, m)
    return off(lambda q0, q: q0 / q, kappa_semi_infinite(J, PHI, SF), d, m)


def uniform_16(d, Lambda, m):
    eps = Lambda * d * q2_of(m)
    return -(d / (2 * Lambda)) * (1 + eps / 3) / (1 + eps)


def uniform_ultrathin(d, Lambda, m):
    eps, z2 = Lambda * d * q2_of(m), d**2 * q2_of(m)
    return (eps**2 + eps * z2 * 5 / 6 + z2**2 * 5 / 24) / (eps + z2 / 2)


def far_16(d, Lambda, m):
    q = m.sqrt(q2_of(m))
    return -(1 / (d * q) - 1 / m.sinh(d * q)) / (Lambda * q)


def thick(s, m):
    d, q = decay_at(s, m)
    return 2 * m.exp(-d * q) / (1 + LAMBDA * q)


BETA = (J / SF) ** 2
FORMS = {
    "semi-infinite": Form(1, thick, thick_off),
    "ballistic, χ → 0": Form(1, lambda s, m: s, ballistic_off),
    "no dephasing, χ → ∞": Form(1, lambda s, m: BETA**2 / (1 + 1j * BETA) * s, no_dephasing_off),
    "Eq. 16, d → 0": Form(1, lambda s, m: -s / (2 * LAMBDA), lambda s, m: thin_off(s, LAMBDA, m)),
    "Eq. 16, d → 0 with Λd fixed": Form(
        2, lambda s, m: uniform_16(s, 1.7 / s, m), lambda s, m: thin_off(s, 1.7 / s, m), s=1e-2
    ),
    "Eq. 16, Λ → ∞": Form(1, lambda s, m: far_16(1.3, 1 / s, m), lambda s, m: thin_off(1.3, 1 / s, m)),
    "Eq. 16, d → ∞": Form(1, lambda s, m: -s / (LAMBDA * q2_of(m)), lambda s, m: thin_off(1 / s, LAMBDA, m)),
    "ultrathin, Λ > 0": Form(1, lambda s, m: LAMBDA * s * q2_of(m), lambda s, m: ultrathin_off(s, LAMBDA, m)),
    "ultrathin, Λ = 0": Form(2, lambda s, m: 5 * s**2 * q2_of(m) / 12, lambda s, m: ultrathin_off(s, 0.0, m), s=1e-2),
    "ultrathin, Λ = 3d": Form(
        2, lambda s, m: uniform_ultrathin(s, 3 * s, m), lambda s, m: ultrathin_off(s, 3 * s, m), s=1e-2
    ),
    "Eq. 17, d → 0": Form(1, lambda s, m: s / (2 * LAMBDA), lambda s, m: leak_off(s, LAMBDA, m)),
    "Eq. 17, d → 0 with Λd fixed": Form(
        2, lambda s, m: s**2 / (2 * 1.7) + s**2 * q2_of(m) / 6, lambda s, m: leak_off(s, 1.7 / s, m), s=1e-2
    ),
    "Im 1/λ*²": Form(1, lambda s, m: 1j * s / (6 * LAMBDA * J**2), lambda s, m: 1j * inverse_star(s, LAMBDA, m).imag),
    "Eq. 15": Form(1, lambda s, m: -s / q2_of(m), shifted),
}


def fault(form: Form, digits: bool) -> float:
    """Largest deviation of the measured order and of measured/predicted error from what the docstring says."""
    s, m = (MP.mpf(10) ** -8, MP) if digits else (form.s, np)
    coarse, fine = form.measured(s, m), form.measured(s / 2, m)
    order = float(MP.log(abs(coarse) / abs(fine), 2))
    return max(abs(order - form.order), float(abs(coarse / form.predicted(s, m) - 1)))
