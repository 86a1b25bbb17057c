"""Second, independent proof: the steady state of Eq. 3–4 (Eq. 5–6) solved numerically by Chebyshev collocation.

Everything here is a real vector in space. Precession and dephasing are built from numpy.cross with an arbitrary M,
and e_par = M × (P × M), e_perp = M × P are only used to read the result, so the sign of i, the meaning of D_ratio
and Eq. 8–12 are not assumed anywhere. Diffusion constants and times are separate inputs of the equations, not Λ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mtjfit.physics import InterfaceLayer, Layer

N_FINITE, N_ENDLESS = 48, 72
REACH = 40.0  # in units of Re L: where "infinity" lies
COLLOCATION_TOLERANCE = 1e-10  # the solution itself is good to about 2e-11
THIN = 1e-2  # nm: how thick an interface is here

Free = tuple[float, float, float, float]  # d, lambda_J, lambda_phi, lambda_sf_F
Layers = tuple[Layer | InterfaceLayer, ...]


@dataclass(frozen=True)
class Solved:
    """A solved stack: torque (absorbed by both cross products) and spin flip per layer from F on, m D_F and J at x."""

    free: Free
    layers: Layers
    J0: complex
    torque: np.ndarray
    spin_flip: np.ndarray
    x: np.ndarray
    m: np.ndarray
    J: np.ndarray
    passed: complex = 0.0  # current at the rear face of F
    along_M: float = 0.0  # largest component of m along M, over the largest of all

    @property
    def lambdas(self) -> tuple[float, ...]:
        """Arguments of the functions of a bilayer: d, λ_J, λ_φ, λ_sf^F, λ_sf^N, D_ratio."""
        return (*self.free, self.layers[0].lambda_sf, self.layers[0].D_ratio)


def real_layer(layer: Layer | InterfaceLayer, thin) -> tuple:
    """thickness, λ_sf, D_ratio, λ_J, λ_φ and ±1 for the moment's direction; an interface as a layer `thin` nm thick."""
    if isinstance(layer, InterfaceLayer):
        return thin, thin / layer.delta, layer.resistance_length / thin, math.inf, math.inf, 1
    sign = -1 if layer.antiparallel else 1
    return layer.thickness, layer.lambda_sf, layer.D_ratio, layer.lambda_J, layer.lambda_phi, sign


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


def solve(free: Free, layers: Layers, M: np.ndarray, P: np.ndarray, J0: complex = 1.0) -> Solved:
    """−∇·J = (m×M)/τ_J + M×(m×M)/τ_φ + m/τ_sf and J = −D ∇m in each layer; J(0) = J0, m and J continuous.

    M is ±M from layer to layer; e_par, e_perp are those of the free layer. λ² = D τ, with D_F = 2 to see it drop out.
    x are the nodes inside the layers, those of interfaces left out and their thickness taken away.
    """
    D_F = 2.0
    plane = torque_plane(M, P)
    every = [(free[0], free[3], 1.0, *free[1:3], 1), *(real_layer(layer, THIN) for layer in layers)]
    eye = np.eye(3)
    sizes = [3 * (N_ENDLESS + 1 if math.isinf(part[0]) else N_FINITE + 1) for part in every]
    ends = np.cumsum(sizes)
    rows = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    A, source = np.zeros((ends[-1], ends[-1])), np.zeros(ends[-1])
    grids, weights, currents, torques, flips = [], [], [], [], []
    for k, (t, sf, ratio, lambda_J, lambda_phi, sign) in enumerate(every):
        D, moment = D_F / ratio, sign * M
        tau_J, tau_phi, tau_sf = (length**2 / D for length in (lambda_J, lambda_phi, sf))
        # Eq. 8 is used for the reach of the grid only
        reach = REACH / np.sqrt(1 / sf**2 + 1 / lambda_phi**2 - 1j / lambda_J**2).real
        grid, slope, weight = chebyshev(sizes[k] // 3 - 1, 0.0, reach if math.isinf(t) else t)
        torque = torque_rate(moment, tau_J, tau_phi)
        A[rows[k], rows[k]] = np.kron(D * slope @ slope, eye) - np.kron(np.eye(grid.size), torque + eye / tau_sf)
        grids.append(grid)
        weights.append(weight)
        currents.append(np.kron(-D * slope, eye))
        torques.append(torque)
        flips.append(1 / tau_sf)
    for k in range(len(every)):
        start, end = rows[k].start, rows[k].stop
        first, last = slice(start, start + 3), slice(end - 3, end)
        A[first], A[last] = 0.0, 0.0
        if k == 0:
            A[first, rows[0]], source[first] = currents[0][:3], J0.real * plane[0] + J0.imag * plane[1]
        else:
            A[first, rows[k - 1]], A[first, rows[k]] = currents[k - 1][-3:], -currents[k][:3]
        if k + 1 < len(every):
            A[last, last], A[last, end : end + 3] = eye, -eye
        elif math.isinf(every[k][0]):
            A[last, last] = eye
        else:
            A[last, rows[k]] = currents[k][-3:]
    m = np.linalg.solve(A, source)
    found, torque, spin_flip, face = [], [], [], 0.0
    for k, layer in enumerate((None, *layers)):
        here = m[rows[k]].reshape(-1, 3)
        torque.append(weights[k] @ transverse(here @ torques[k].T, plane))
        spin_flip.append(weights[k] @ transverse(here, plane) * flips[k])
        if not isinstance(layer, InterfaceLayer):
            J = transverse((currents[k] @ m[rows[k]]).reshape(-1, 3), plane)
            found.append(np.array([face + grids[k], D_F * transverse(here, plane), J])[:, 1:-1])
            face += every[k][0]
    x, density, current = np.hstack(found)
    passed = complex(transverse(currents[0][-3:] @ m[rows[0]], plane))
    along_M = float(np.max(np.abs(m.reshape(-1, 3) @ M)) / np.max(np.abs(m)))
    return Solved(free, layers, J0, np.array(torque), np.array(spin_flip), x.real, density, current, passed, along_M)


@lru_cache
def stacks() -> tuple[Solved, ...]:
    """F/N with D_ratio far from 1: one with M = z, P = x, and random ones with random directions and J0."""
    z, x = np.eye(3)[2], np.eye(3)[0]
    solved = [solve((1.2, 1.0, 1.0, 10.0), (Layer(math.inf, 1.0, 3.0),), z, x)]
    rng = np.random.default_rng(5)
    lowest, highest = np.array([0.3, 0.5, 0.5, 2.0, 0.3, 0.1]), np.array([4.0, 3.0, 3.0, 20.0, 10.0, 10.0])
    for _ in range(15):
        M, P = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
        *free, lambda_sf_N, D_ratio = map(float, np.exp(rng.uniform(np.log(lowest), np.log(highest))))
        solved.append(solve(tuple(free), (Layer(math.inf, lambda_sf_N, D_ratio),), M, P, complex(*rng.normal(size=2))))
    return tuple(solved)


def collocation_kappa_error(function: Callable[..., np.ndarray]) -> float:
    """Worst |T − κ J0| / |T| over the stacks."""
    return max(abs(s.torque[0] - complex(function(*s.lambdas)) * s.J0) / abs(s.torque[0]) for s in stacks())


def collocation_profile_error(function: Callable[..., np.ndarray], quantity: str) -> float:
    """Worst deviation of `quantity` ("m" or "J") over its largest modulus in the stack, on all nodes of F and N."""
    errors = []
    for stack in stacks():
        expected = getattr(stack, quantity)
        given = function(stack.x, *stack.lambdas) * stack.J0
        errors.append(float(np.max(np.abs(given - expected)) / np.max(np.abs(expected))))
    return max(errors)
