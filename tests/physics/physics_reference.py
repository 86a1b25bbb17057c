"""Reference for the physics tests: the printed Eq. 9, 10 and 12 in 50-digit arithmetic, and the checks made with it.

A check takes the function under test and returns its worst relative error, NaN and overflow counting as infinite, so
that the same check can be pointed at a wrong formula to show that it would notice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

import mpmath
import numpy as np

MP = mpmath.MPContext()
MP.dps = 50

# d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N in nm, D_ratio
NAMES = ("d", "lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio")
LOWEST = np.array([1e-3, 0.1, 0.1, 0.1, 0.1, 0.01])
HIGHEST = np.array([1e3, 100.0, 100.0, 100.0, 100.0, 100.0])
TOLERANCE = 1e-12
REPRESENTABLE = 1e-290  # smaller references lose digits to underflow in any double-precision code

# (lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio) -> {d: (|κ|, arg κ in degrees)}, as published
GOLDEN = {
    (1.0, 1.0, 10.0, 1.0, 1.0): {1.2: (0.831, -12.2), 2.0: (0.955, -5.8), 3.0: (0.996, -2.2)},
    (1.0, 0.5, 15.0, 2.0, 1.0): {1.2: (0.967, -0.8), 2.0: (0.993, -0.2), 3.0: (0.998, -0.1)},
}
FIG_1 = {"lambda_J": 1.0, "lambda_sf_F": 15.0, "lambda_sf_N": 2.0}
FIG_3 = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0}


@lru_cache
def box(n: int = 1500, seed: int = 20120604) -> np.ndarray:
    """All 64 corners of the parameter box and n log-uniform points inside, one row each, in the order of NAMES."""
    inside = np.exp(np.random.default_rng(seed).uniform(np.log(LOWEST), np.log(HIGHEST), (n, len(NAMES))))
    points = np.vstack([list(itertools.product(*zip(LOWEST, HIGHEST, strict=True))), inside])
    points.setflags(write=False)
    return points


def with_value(points: np.ndarray, **values: float) -> np.ndarray:
    """The points with some columns, by name, set to one value."""
    points = points.copy()
    for name, value in values.items():
        points[:, NAMES.index(name)] = value
    return points


def waves(lambda_J, lambda_phi, lambda_sf_F):
    """1/L0² and 1/L² of Eq. 8 as 50-digit numbers."""
    precession, dephasing, spin_flip = (1 / MP.mpf(x) ** 2 for x in (lambda_J, lambda_phi, lambda_sf_F))
    q0_squared = MP.mpc(dephasing, -precession)
    return q0_squared, q0_squared + spin_flip


def printed_kappa(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio):
    """Eq. 12 as printed, with 50 digits in and out."""
    q0_squared, q_squared = waves(lambda_J, lambda_phi, lambda_sf_F)
    q = MP.sqrt(q_squared)
    eta = MP.mpf(D_ratio) * MP.mpf(lambda_sf_N) * q
    z = MP.mpf(d) * q
    return q0_squared / q_squared * (1 - 1 / (MP.cosh(z) + eta * MP.sinh(z)))


@cache
def exact_kappa(*point: float) -> complex:
    return complex(printed_kappa(*point))


@cache
def exact_profile(x: float, *point: float) -> tuple[complex, complex]:
    """m D_F/J0 of Eq. 9–10 as printed, and J/J0 = −D ∂m/∂x of them, D_N/D_F times the slope in N."""
    d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio = (MP.mpf(value) for value in point)
    q = MP.sqrt(waves(lambda_J, lambda_phi, lambda_sf_F)[1])
    eta = D_ratio * lambda_sf_N * q
    denominator = MP.cosh(d * q) + eta * MP.sinh(d * q)
    y = (d - MP.mpf(x)) * q
    if y.real >= 0:
        m = (MP.sinh(y) + eta * MP.cosh(y)) / denominator / q
        return complex(m), complex((MP.cosh(y) + eta * MP.sinh(y)) / denominator)
    m = eta * MP.exp(-(MP.mpf(x) - d) / lambda_sf_N) / denominator / q
    return complex(m), complex(m / lambda_sf_N / D_ratio)


def over(points: Iterable[Iterable[float]], reference: Callable[..., complex]) -> np.ndarray:
    """The reference at every row."""
    return np.array([reference(*map(float, point)) for point in points])


def worst(value, reference, scale=None) -> float:
    """max |value − reference| / |reference| (or / scale) by modulus; infinite where the value is not finite."""
    scale = np.abs(reference) if scale is None else scale
    with np.errstate(all="ignore"):
        error = np.abs(np.asarray(value) - reference) / scale
    return float(np.max(np.where(np.isfinite(error), error, np.inf)))


def kappa_error(function: Callable[..., np.ndarray], points: np.ndarray | None = None) -> float:
    """Worst relative error of a κ(d, λ_J, λ_φ, λ_sf^F, λ_sf^N, D_ratio) over the box, against Eq. 12."""
    points = box() if points is None else points
    return worst(function(*points.T), over(points, exact_kappa))


def profile_error(
    function: Callable[..., np.ndarray], part: int, x: np.ndarray, points: np.ndarray | None = None
) -> float:
    """Worst relative error of m (part 0) or J (part 1) at x, one per row of the box, where it is representable."""
    points = box() if points is None else points
    reference = over(np.column_stack([x, points]), exact_profile)[:, part]
    seen = np.abs(reference) > REPRESENTABLE
    assert seen.mean() > 0.85
    return worst(function(x, *points.T)[seen], reference[seen])


def golden_error(function: Callable[..., np.ndarray]) -> float:
    """Worst deviation from the golden table in units of half its last printed digit (0.0005 and 0.05°)."""
    deviations = []
    for lambdas, row in GOLDEN.items():
        for d, (modulus, phase) in row.items():
            value = complex(function(d, *lambdas))
            deviations.append(abs(abs(value) - modulus) / 0.0005)
            deviations.append(abs(np.angle(value, deg=True) - phase) / 0.05)
    return max(deviations)
