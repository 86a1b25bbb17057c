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
    """One stated error: measured in doubles and in many digits, and as predicted, against a small parameter s.

    `predicted` gets s and the arithmetic (mpmath or numpy) to work in.
    """

    order: float
    predicted: Callable[[Any, Any], Any]
    digits: Callable[[Any], Any]
    doubles: Callable[[float], complex]
    s: float = 1e-3


def q2_of(m: Any, phi: Any = PHI, sf: Any = SF) -> Any:
    return waves(J, phi, sf)[1] if m is MP else complex(wave_numbers(J, phi, sf)[1])


def printed_16(d, phi, sf, Lambda):
    """Eq. 16 as printed, with 50 digits."""
    q0_squared, q_squared = waves(J, phi, sf)
    L = 1 / MP.sqrt(q_squared)
    return q0_squared / q_squared / (1 + L / (Lambda / L * d))


def off(approximation, d, phi=PHI, sf=SF, Lambda=LAMBDA) -> complex:
    """approximation/κ − 1 in doubles."""
    return complex(approximation / kappa(d, J, phi, sf, Lambda) - 1)


def off16(d, Lambda):
    return printed_16(d, PHI, SF, Lambda) / printed_kappa(d, J, PHI, SF, Lambda, 1) - 1


def thin_off(d, Lambda) -> complex:
    return off(kappa_thin(d, J, PHI, SF, Lambda), d, Lambda=Lambda)


def ultrathin_off(d, Lambda):
    q0_squared, _ = waves(J, PHI, SF)
    return q0_squared * (Lambda * d + d**2 / 2) / printed_kappa(d, J, PHI, SF, Lambda, 1) - 1


def decay_at(s, m):
    """Thickness at which |exp(−d/L)| is s."""
    q = m.sqrt(q2_of(m))
    return -m.log(s) / q.real, q


def inverse_star(d, Lambda):
    """1/λ*² by solving Eq. 15 = Eq. 12 for it."""
    q0_squared, _ = waves(J, PHI, SF)
    return q0_squared * (1 / printed_kappa(d, J, PHI, SF, Lambda, 1) - 1)


def leak_off(d, Lambda, m):
    """Leak of Eq. 17 over the exact one, minus one."""
    exact = inverse_star(d, Lambda) if m is MP else lambda_sf_effective_exact(d, J, PHI, SF, Lambda) ** -2.0
    inverse_sf = 1 / MP.mpf(SF) ** 2 if m is MP else SF**-2.0
    leak = 1 / (Lambda * d) if m is MP else lambda_sf_effective(d, SF, Lambda) ** -2.0 - inverse_sf
    return leak / (exact - inverse_sf) - 1


def shifted(delta, m):
    """Relative change of κ of Eq. 15 when 1/λ*² grows by delta."""
    if m is MP:
        _, q_squared = waves(J, PHI, SF)
        return q_squared / (q_squared + delta) - 1
    return complex(kappa_effective(J, PHI, (SF**-2.0 + delta) ** -0.5) / kappa_effective(J, PHI, SF) - 1)


def thick_off(d):
    """κ(∞)/κ(d) − 1 with 50 digits."""
    q0_squared, q_squared = waves(J, PHI, SF)
    return q0_squared / q_squared / printed_kappa(d, J, PHI, SF, LAMBDA, 1) - 1


def without_dephasing():
    """The printed limit χ ≫ 1 for J0 = 1, with 50 digits."""
    beta = (MP.mpf(J) / SF) ** 2
    return (1 - 1j * beta) / (1 + beta**2)


def bulk_off(limit, phi, sf, m):
    """limit/κ(∞) − 1; Eq. 12 at d = 10 µm stands for d = ∞."""
    return limit / printed_kappa(THICK, J, phi, sf, LAMBDA, 1) - 1 if m is MP else off(limit, np.inf, phi, sf)


def uniform_16(d, Lambda, m):
    eps = Lambda * d * q2_of(m)
    return -(d / (2 * Lambda)) * (1 + eps / 3) / (1 + eps)


def uniform_ultrathin(d, Lambda, m):
    eps, z2 = Lambda * d * q2_of(m), d**2 * q2_of(m)
    return (eps**2 + eps * z2 * 5 / 6 + z2**2 * 5 / 24) / (eps + z2 / 2)


def far_16(d, Lambda, m):
    q = m.sqrt(q2_of(m))
    return -(1 / (d * q) - 1 / m.sinh(d * q)) / (Lambda * q)


BETA = (J / SF) ** 2
FORMS = {
    "semi-infinite": Form(
        1,
        lambda s, m: (lambda d, q: 2 * m.exp(-d * q) / (1 + LAMBDA * q))(*decay_at(s, m)),
        lambda s: thick_off(decay_at(s, MP)[0]),
        lambda s: off(kappa_semi_infinite(J, PHI, SF), decay_at(s, np)[0]),
    ),
    "ballistic, χ → 0": Form(
        1,
        lambda s, m: s,
        lambda s: bulk_off(1, SF * MP.sqrt(s), SF, MP),
        lambda s: bulk_off(kappa_ballistic(J, SF * s**0.5, SF), SF * s**0.5, SF, np),
    ),
    "no dephasing, χ → ∞": Form(
        1,
        lambda s, m: BETA**2 / (1 + 1j * BETA) * s,
        lambda s: bulk_off(without_dephasing(), SF / MP.sqrt(s), SF, MP),
        lambda s: bulk_off(kappa_no_dephasing(J, SF), SF / s**0.5, SF, np),
    ),
    "Eq. 16, d → 0": Form(
        1,
        lambda s, m: -s / (2 * LAMBDA),
        lambda s: off16(s, LAMBDA),
        lambda s: thin_off(s, LAMBDA),
    ),
    "Eq. 16, d → 0 with Λd fixed": Form(
        2,
        lambda s, m: uniform_16(s, 1.7 / s, m),
        lambda s: off16(s, 1.7 / s),
        lambda s: thin_off(s, 1.7 / s),
        s=1e-2,
    ),
    "Eq. 16, Λ → ∞": Form(
        1,
        lambda s, m: far_16(1.3, 1 / s, m),
        lambda s: off16(1.3, 1 / s),
        lambda s: thin_off(1.3, 1 / s),
    ),
    "Eq. 16, d → ∞": Form(
        1,
        lambda s, m: -s / (LAMBDA * q2_of(m)),
        lambda s: off16(1 / s, LAMBDA),
        lambda s: thin_off(1 / s, LAMBDA),
    ),
    "ultrathin, Λ > 0": Form(
        1,
        lambda s, m: LAMBDA * s * q2_of(m),
        lambda s: ultrathin_off(s, LAMBDA),
        lambda s: off(kappa_ultrathin(s, J, PHI, LAMBDA), s),
    ),
    "ultrathin, Λ = 0": Form(
        2,
        lambda s, m: 5 * s**2 * q2_of(m) / 12,
        lambda s: ultrathin_off(s, 0),
        lambda s: off(kappa_ultrathin(s, J, PHI, 0.0), s, Lambda=0.0),
        s=1e-2,
    ),
    "ultrathin, Λ = 3d": Form(
        2,
        lambda s, m: uniform_ultrathin(s, 3 * s, m),
        lambda s: ultrathin_off(s, 3 * s),
        lambda s: off(kappa_ultrathin(s, J, PHI, 3 * s), s, Lambda=3 * s),
        s=1e-2,
    ),
    "Eq. 17, d → 0": Form(
        1,
        lambda s, m: s / (2 * LAMBDA),
        lambda s: leak_off(s, LAMBDA, MP),
        lambda s: leak_off(s, LAMBDA, np),
    ),
    "Eq. 17, d → 0 with Λd fixed": Form(
        2,
        lambda s, m: s**2 / (2 * 1.7) + s**2 * q2_of(m) / 6,
        lambda s: leak_off(s, 1.7 / s, MP),
        lambda s: leak_off(s, 1.7 / s, np),
        s=1e-2,
    ),
    "Im 1/λ*²": Form(
        1,
        lambda s, m: 1j * s / (6 * LAMBDA * J**2),
        lambda s: 1j * inverse_star(s, LAMBDA).imag,
        lambda s: 1j * (lambda_sf_effective_exact(s, J, PHI, SF, LAMBDA) ** -2.0).imag,
    ),
    "Eq. 15": Form(
        1,
        lambda s, m: -s / q2_of(m),
        lambda s: shifted(s, MP),
        lambda s: shifted(s, np),
    ),
}


def fault(form: Form, digits: bool) -> float:
    """Largest deviation of the measured order and of measured/predicted error from what the docstring says."""
    s, m, error = (MP.mpf(10) ** -8, MP, form.digits) if digits else (form.s, np, form.doubles)
    coarse, fine = error(s), error(s / 2)
    order = float(MP.log(abs(coarse) / abs(fine), 2))
    return max(abs(order - form.order), float(abs(coarse / form.predicted(s, m) - 1)))
