"""Second, independent proof: the steady state of Eq. 3–4 (Eq. 5–6) solved numerically by Chebyshev collocation.

Everything here is a real vector in space. Precession and dephasing are built from numpy.cross with an arbitrary M,
and e_par = M × (P × M), e_perp = M × P are only used to read the result, so the sign of i, the meaning of D_ratio
and Eq. 8–12 are not assumed anywhere. Diffusion constants and times are separate inputs of the equations, not Λ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

N_F, N_N = 48, 72
REACH = 40.0  # in units of λ_sf^N: where "infinity" lies
COLLOCATION_TOLERANCE = 1e-10  # the solution itself is good to about 2e-11


@dataclass(frozen=True)
class Stack:
    """A solved N/F/I/F/N stack: complex transverse quantities with D_F = 1, per node of the F and N grids."""

    lambdas: tuple[float, float, float, float, float, float]  # d, λ_J, λ_φ, λ_sf^F, λ_sf^N, D_ratio
    J0: complex
    x: np.ndarray
    in_F: np.ndarray
    m: np.ndarray
    J: np.ndarray
    along_M: float  # largest component of m along M
    torque: complex  # Eq. 11 times d: ∫ (−∂J/∂x − m/τ_sf) dx
    absorbed: complex  # ∫ [(m × M)/τ_J + M × (m × M)/τ_φ] dx


def chebyshev(n: int, a: float, b: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chebyshev–Lobatto nodes on [a, b], differentiation matrix and Clenshaw–Curtis weights."""
    k = np.arange(n + 1)
    t = -np.cos(np.pi * k / n)
    c = np.where((k == 0) | (k == n), 2.0, 1.0) * (-1.0) ** k
    # t_i − t_j by the product formula: differences of cosines would lose digits
    half = np.pi / (2 * n)
    gap = 2 * np.sin(half * (k[:, None] + k)) * np.sin(half * (k[:, None] - k))
    D = np.outer(c, 1 / c) / (gap + np.eye(n + 1))
    D -= np.diag(D.sum(axis=1))
    # weights from the exact integrals of T_j
    moments = np.array([0.0 if j % 2 else 2.0 / (1 - j * j) for j in k])
    T = np.cos(np.outer(k, np.pi - np.pi * k / n))
    weights = np.linalg.solve(T, moments)
    half_length = 0.5 * (b - a)
    return a + half_length * (t + 1), D / half_length, weights * half_length


def torque_rate(M: np.ndarray, tau_J: float, tau_phi: float) -> np.ndarray:
    """The 3 × 3 matrix of m → (m × M)/τ_J + M × (m × M)/τ_φ."""
    return np.column_stack([np.cross(m, M) / tau_J + np.cross(M, np.cross(m, M)) / tau_phi for m in np.eye(3)])


def torque_plane(M: np.ndarray, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along e_par = M × (P × M) and e_perp = M × P."""
    e_par, e_perp = np.cross(M, np.cross(P, M)), np.cross(M, P)
    return e_par / np.linalg.norm(e_par), e_perp / np.linalg.norm(e_perp)


def transverse(vectors: np.ndarray, plane: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Real vectors as complex numbers in the torque plane."""
    return vectors @ plane[0] + 1j * (vectors @ plane[1])


def solve(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio, *, M, P, J0: complex) -> Stack:
    """−∇·J = (m×M)/τ_J + M×(m×M)/τ_φ + m/τ_sf in F, −∇·J = m/τ_sf in N, J = −D ∇m.

    J(0) = J0, m and J continuous at d, m = 0 far away. λ² = D τ in each material.
    """
    D_F, D_N = 1.0, 1.0 / D_ratio
    tau_J, tau_phi, tau_F, tau_N = lambda_J**2 / D_F, lambda_phi**2 / D_F, lambda_sf_F**2 / D_F, lambda_sf_N**2 / D_N
    plane, torque = torque_plane(M, P), torque_rate(M, tau_J, tau_phi)
    rate_F, rate_N = torque + np.eye(3) / tau_F, np.eye(3) / tau_N

    x_F, slope_F, weights_F = chebyshev(N_F, 0.0, d)
    x_N, slope_N, _ = chebyshev(N_N, d, d + REACH * lambda_sf_N)
    n_F, n = 3 * x_F.size, 3 * (x_F.size + x_N.size)
    A, source = np.zeros((n, n)), np.zeros(n)
    eye = np.eye(3)
    A[:n_F, :n_F] = np.kron(D_F * slope_F @ slope_F, eye) - np.kron(np.eye(x_F.size), rate_F)
    A[n_F:, n_F:] = np.kron(D_N * slope_N @ slope_N, eye) - np.kron(np.eye(x_N.size), rate_N)
    current_F, current_N = np.kron(-D_F * slope_F, eye), np.kron(-D_N * slope_N, eye)
    first_F, last_F = slice(0, 3), slice(n_F - 3, n_F)
    first_N, last_N = slice(n_F, n_F + 3), slice(n - 3, n)
    for rows in (first_F, last_F, first_N, last_N):
        A[rows] = 0.0
    A[first_F, :n_F] = current_F[:3]  # J(0) = J0
    source[first_F] = J0.real * plane[0] + J0.imag * plane[1]
    A[last_F, last_F], A[last_F, first_N] = eye, -eye  # m continuous at d
    A[first_N, :n_F], A[first_N, n_F:] = current_F[-3:], -current_N[:3]  # J continuous at d
    A[last_N, last_N] = eye  # m → 0
    m = np.linalg.solve(A, source)
    m_F, m_N = m[:n_F].reshape(-1, 3), m[n_F:].reshape(-1, 3)
    J_F, J_N = (current_F @ m[:n_F]).reshape(-1, 3), (current_N @ m[n_F:]).reshape(-1, 3)
    density = -slope_F @ J_F - m_F / tau_F
    everything = np.vstack([m_F, m_N])
    return Stack(
        lambdas=(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio),
        J0=J0,
        x=np.concatenate([x_F, x_N]),
        in_F=np.arange(x_F.size + x_N.size) < x_F.size,
        m=transverse(everything, plane),
        J=transverse(np.vstack([J_F, J_N]), plane),
        along_M=float(np.max(np.abs(everything @ M))),
        torque=complex(weights_F @ transverse(density, plane)),
        absorbed=complex(weights_F @ transverse(m_F @ torque.T, plane)),
    )


@lru_cache
def stacks() -> tuple[Stack, ...]:
    """Stacks with D_ratio far from 1: one with M = z, P = x, and random ones with random directions and J0."""
    z, x = np.eye(3)[2], np.eye(3)[0]
    solved = [solve(1.2, 1.0, 1.0, 10.0, 1.0, 3.0, M=z, P=x, J0=1.0 + 0.0j)]
    rng = np.random.default_rng(5)
    lowest, highest = np.array([0.3, 0.5, 0.5, 2.0, 0.3, 0.1]), np.array([4.0, 3.0, 3.0, 20.0, 10.0, 10.0])
    for _ in range(15):
        M, P = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
        lambdas = np.exp(rng.uniform(np.log(lowest), np.log(highest)))
        solved.append(solve(*map(float, lambdas), M=M, P=P, J0=complex(*rng.normal(size=2))))
    return tuple(solved)


def collocation_kappa_error(function: Callable[..., np.ndarray]) -> float:
    """Worst |T − κ J0| / |T| over the stacks, T being the integral of Eq. 11."""
    errors = [abs(s.torque - complex(function(*s.lambdas)) * s.J0) / abs(s.torque) for s in stacks()]
    return max(errors)


def collocation_profile_error(function: Callable[..., np.ndarray], quantity: str) -> float:
    """Worst deviation of `quantity` ("m" or "J") over its largest modulus in the stack, on all nodes of F and N."""
    errors = []
    for stack in stacks():
        expected = getattr(stack, quantity)
        given = function(stack.x, *stack.lambdas) * stack.J0
        errors.append(float(np.max(np.abs(given - expected)) / np.max(np.abs(expected))))
    return max(errors)
