"""References for stacks of layers: all boundary conditions solved at once, in 80 digits and by collocation.

Neither uses the recursion under test. `solve_exactly` has two exponentials per layer and one linear system for their
coefficients. `solve` of physics_collocation has real vectors, numpy.cross with the direction of each layer's moment,
and diffusion constants and times for inputs. An interface is a real layer in both: very thin, with its own λ_I and D_I.

A check takes the functions under test and returns their worst error, so that it can be pointed at wrong ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import mpmath
import numpy as np
from physics_collocation import Free, Layers, Solved, real_layer, solve

from mtjfit.physics import InterfaceLayer, Layer

MP = mpmath.MPContext()
MP.dps = 80
THIN = "1e-40"  # nm: how thick an interface is here
REPRESENTABLE = 1e-290
TA, RU = Layer(5.0, 2.0, D_ratio=1.3), Layer(5.0, 14.0, D_ratio=0.1)
SECOND = Layer(2.0, 10.0, 1.4, lambda_J=1.0, lambda_phi=0.8)


@cache
def solve_exactly(free: Free, layers: Layers) -> Solved:
    """w = m D_F/J0 = A e^(q(s−t)) + B e^(−qs) in each layer, s from its front: J(0) = J0, w and J continuous, J = 0.

    x are the two faces and three places inside each layer, or down to 5 λ of a semi-infinite one. The face to the
    vacuum is left out: there J, which vanishes, is only the rounding of x.
    """
    thin = MP.mpf(THIN)
    every = [(free[0], free[3], 1, *free[1:3], 1), *(real_layer(layer, thin) for layer in layers)]
    parts = []
    for t, sf, ratio, lambda_J, lambda_phi, sign in every:
        t, sf, ratio, lambda_J, lambda_phi = (MP.mpf(value) for value in (t, sf, ratio, lambda_J, lambda_phi))
        q0_squared = MP.mpc(1 / lambda_phi**2, -sign / lambda_J**2)
        parts.append((t, MP.sqrt(q0_squared + 1 / sf**2), ratio, q0_squared, 1 / sf**2))
    n = len(parts)
    A, b = MP.zeros(2 * n, 2 * n), MP.zeros(2 * n, 1)

    def terms(k: int, s) -> tuple[list, list]:
        """Coefficients of A_k, B_k in w and in J."""
        t, q, ratio, _, _ = parts[k]
        grows, decays = (MP.mpf(0) if MP.isinf(t) else MP.exp(q * (s - t))), MP.exp(-q * s)
        return [grows, decays], [-q / ratio * grows, q / ratio * decays]

    A[0, 0], A[0, 1] = terms(0, MP.mpf(0))[1]
    b[0] = 1
    for k in range(n - 1):
        for row, (rear, front) in enumerate(zip(terms(k, parts[k][0]), terms(k + 1, MP.mpf(0)), strict=True)):
            A[2 * k + 1 + row, 2 * k], A[2 * k + 1 + row, 2 * k + 1] = rear
            A[2 * k + 1 + row, 2 * k + 2], A[2 * k + 1 + row, 2 * k + 3] = (-value for value in front)
    t = parts[-1][0]
    last = [MP.mpf(1), MP.mpf(0)] if MP.isinf(t) else terms(n - 1, t)[1]
    A[2 * n - 1, 2 * n - 2], A[2 * n - 1, 2 * n - 1] = last
    solution = MP.lu_solve(A, b)

    torque, spin_flip, places = [], [], []
    face = 0.0
    for k, (t, q, ratio, q0_squared, rate) in enumerate(parts):
        a, c = solution[2 * k], solution[2 * k + 1]
        whole = (a + c) * (1 if MP.isinf(t) else 1 - MP.exp(-q * t)) / q / ratio
        torque.append(complex(q0_squared * whole))
        spin_flip.append(complex(rate * whole))
        if k == 0 or isinstance(layers[k - 1], Layer):
            depth = 5 / float(q.real) if MP.isinf(t) else float(t)
            for fraction in (0.0, 0.01, 0.3, 0.8, 1.0):
                if (fraction == 0 and k > 0) or (fraction == 1 and k == n - 1):
                    continue
                x = face + fraction * depth
                depth_at_x = min(MP.mpf(x - face), t)  # rounded: near a wall J is as steep as that
                w, j = (a * u + c * v for u, v in terms(k, depth_at_x))
                places.append((x, complex(w), complex(j)))
            face += depth
    x, m, J = (np.array(column) for column in zip(*places, strict=True))
    return Solved(free, layers, 1.0, np.array(torque), np.array(spin_flip), x, m, J)


def _random_layers(rng: np.random.Generator, lowest: float, highest: float) -> Layers:
    """One to four layers between these lengths, some magnetic, some antiparallel, some interfaces, some endless."""
    layers: list[Layer | InterfaceLayer] = []
    for _ in range(rng.integers(1, 5)):
        t, sf, ratio, lambda_J, lambda_phi = map(
            float, np.exp(rng.uniform(np.log([lowest] * 5), np.log([highest] * 5)))
        )
        kind = rng.choice(["normal", "magnetic", "interface"], p=[0.4, 0.4, 0.2])
        if kind == "interface":
            layers.append(InterfaceLayer(min(sf, 5.0), t))
        elif kind == "normal":
            layers.append(Layer(t, sf, ratio))
        else:
            layers.append(Layer(t, sf, ratio, lambda_J, lambda_phi, antiparallel=bool(rng.random() < 0.4)))
    if isinstance(layers[-1], Layer) and rng.random() < 0.5:
        end = layers[-1]
        layers[-1] = Layer(math.inf, end.lambda_sf, end.D_ratio, end.lambda_J, end.lambda_phi, end.antiparallel)
    return tuple(layers)


@lru_cache
def exact_stacks(n: int = 60, seed: int = 20120604) -> tuple[Solved, ...]:
    """Random stacks whose lengths span four orders of magnitude."""
    rng = np.random.default_rng(seed)
    solved = []
    for _ in range(n):
        free = tuple(map(float, np.exp(rng.uniform(np.log([1e-3, 0.1, 0.1, 0.1]), np.log([100.0] * 4)))))
        solved.append(solve_exactly(free, _random_layers(rng, 0.01, 100.0)))
    return tuple(solved)


@lru_cache
def vector_stacks(n: int = 10, seed: int = 7) -> tuple[Solved, ...]:
    """Random stacks of moderate lengths, with M and P in random directions."""
    rng = np.random.default_rng(seed)
    solved = []
    for _ in range(n):
        M, P = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
        free = tuple(map(float, np.exp(rng.uniform(np.log([0.3, 0.5, 0.5, 2.0]), np.log([4.0, 3.0, 3.0, 20.0])))))
        solved.append(solve(free, _random_layers(rng, 0.4, 5.0), M, P))
    return tuple(solved)


def stack_error(function: Callable[..., np.ndarray], quantity: str, stacks: Sequence[Solved]) -> float:
    """Worst relative error of `quantity` ("kappa", or a row-by-row "torque" or "spin_flip") by modulus, per stack."""
    errors = []
    for stack in stacks:
        expected = stack.torque[0] if quantity == "kappa" else getattr(stack, quantity)
        with np.errstate(all="ignore"):
            given = function(*stack.free, stack.layers)
            seen = np.abs(expected) > REPRESENTABLE
            error = np.abs(given - expected)[seen] / np.abs(expected)[seen]
        assert given.shape == np.shape(expected)
        underflows = np.all(np.abs(given[~seen]) <= 2 * REPRESENTABLE)
        errors.append(np.max(np.where(np.isfinite(error), error, np.inf), initial=0.0 if underflows else np.inf))
    return float(max(errors))


def profile_error(
    function: Callable[..., tuple[np.ndarray, np.ndarray]], stacks: Sequence[Solved], *, local: bool
) -> float:
    """Worst error of m and J relative to themselves (`local`) or to the largest of the stack, at all x."""
    errors = []
    for stack in stacks:
        with np.errstate(all="ignore"):
            given = function(stack.x, *stack.free, stack.layers)
        for value, expected in zip(given, (stack.m, stack.J), strict=True):
            scale = np.abs(expected) if local else np.full(expected.shape, np.max(np.abs(expected)))
            seen = scale > REPRESENTABLE
            error = np.abs(value - expected)[seen] / scale[seen]
            errors.append(np.max(np.where(np.isfinite(error), error, np.inf)))
    return float(max(errors))
