"""The torque under any J0(t): against real vectors, direct superposition, and the statics at both ends."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from physics_dynamics_exact import FILM, film
from physics_dynamics_pde import TORQUE_TOLERANCE, solve

from mtjfit.physics import Bilayer, kappa, pulse_torque, response, step_response

TOLERANCE = 1e-12
GAUSS = np.polynomial.legendre.leggauss(12)


def superposed(J0, t, b) -> np.ndarray:
    """∫ f(t − t′) J0(t′) dt′ of a piecewise linear J0, by Gauss panels that get short where t′ meets t."""
    torque = np.zeros(t.size, dtype=complex)
    for i in range(1, t.size):
        edges = np.union1d(t[: i + 1], t[i] - (t[i] - t[0]) * np.append(0.0, np.geomspace(1e-8, 1.0, 25)))
        edges = np.union1d(edges, np.arange(t[0], t[i], 3 / abs(b.decay_rate)))
        at = 0.5 * (edges[1:] + edges[:-1])[:, None] + 0.5 * np.diff(edges)[:, None] * GAUSS[0]
        lag = np.maximum(t[i] - at, 0.0)
        torque[i] = 0.5 * np.diff(edges) @ (pulse_torque(lag, b) * np.interp(at, t, J0) @ GAUSS[1])
    return torque


def samples(n: int, seed: int, span: float) -> tuple[np.ndarray, np.ndarray]:
    """A random complex J0 on a grid whose steps range over three decades."""
    rng = np.random.default_rng(seed)
    t = np.cumsum(10 ** rng.uniform(-3, 0, n))
    return rng.normal(size=n) + 1j * rng.normal(size=n), -0.3 + span * t / t[-1]


@lru_cache
def cases() -> tuple[tuple[np.ndarray, np.ndarray, Bilayer, np.ndarray], ...]:
    """Layers before a slower and a faster N, before a sink, and endless: J0, its times, the torque."""
    solved = []
    for b in (FILM, replace(film(2), rate_J=50.0), replace(FILM, d=np.inf), replace(FILM, rate_sf_N=np.inf)):
        J0, t = samples(7, 5, 15 / abs(b.decay_rate))
        solved.append((J0, t, b, superposed(J0, t, b)))
    return tuple(solved)


def superposition_error(function) -> float:
    """Worst deviation from direct superposition, over the largest |κ J0|."""
    return max(
        float(np.max(np.abs(function(J0, t, b) - expected)) / np.max(np.abs(kappa(**b.lengths) * J0)))
        for J0, t, b, expected in cases()
    )


def newest_forgotten(J0, t, b):
    """Each interval by the mean of its ends: the staircase instead of the ramp."""
    whole = step_response(np.maximum(t[:, None] - t, 0.0), b)
    return np.array([-np.diff(whole[i]) @ (0.5 * (J0[1:] + J0[:-1])) for i in range(t.size)])


def conjugated(J0, t, b):
    return np.conj(response(np.conj(J0), t, b))


def test_the_response_of_real_vectors():
    d, times, D_F, D_N = 2.0, (0.005, 0.005, 1.0, 0.02), 200.0, 400.0
    M, P = (v / np.linalg.norm(v) for v in np.random.default_rng(8).normal(size=(2, 3)))
    b = Bilayer.from_times(d, *times, D_F=D_F, D_N=D_N)

    def J0(t):
        return np.sin(30 * t) + 0.7j * np.sin(80 * t) ** 2

    at = np.array([0.01, 0.03, 0.06, 0.1])
    run = solve(d, times, D_F, D_N, at, M=M, P=P, J0=J0)
    t = np.union1d(np.linspace(0.0, 0.1, 1501), at)
    torque = response(J0(t), t, b)[np.searchsorted(t, at)]
    sampling = (0.1 / 1500) ** 2 / 8 * 0.7 * 2 * 80**2
    assert np.max(np.abs(torque - run.torque)) <= sampling + 5 * TORQUE_TOLERANCE
    assert np.max(np.abs(conjugated(J0(t), t, b)[np.searchsorted(t, at)] - run.torque)) > 0.1


def test_superposition_on_an_uneven_grid():
    assert superposition_error(response) <= TOLERANCE


@pytest.mark.parametrize("formula", [newest_forgotten, conjugated])
def test_the_check_notices_a_wrong_superposition(formula):
    assert superposition_error(formula) > 1e-3


@pytest.mark.parametrize("b", [*map(film, range(5)), replace(FILM, d=np.inf)])
def test_the_step_response_goes_to_kappa(b):
    static = complex(kappa(**b.lengths))
    slow = max(1 / b.rate_sf_N, 1 / b.decay_rate.real)
    assert abs(step_response(100 * slow, b) - static) <= 1e-12 * abs(static)
    t, constant = np.linspace(0.0, 5.0, 7) / abs(b.decay_rate), np.full(7, 2.0 - 1.0j)
    assert np.max(np.abs(response(constant, t, b) - constant * step_response(t, b))) <= TOLERANCE
    assert np.max(np.abs(response(constant, t, b, start="steady") - constant * static)) <= TOLERANCE


def test_windows_of_many_decades(loud):
    """Steps from 1e-9 to 1e3 ps in one grid, and the same J0 on a grid that leaves out most of them."""
    t = np.concatenate([[0.0], np.geomspace(1e-9, 1e3, 60)])
    some = np.r_[0:61:12]
    J0 = np.interp(t, t[some], [0.0, 1.0, -1.0, 0.5j, 0.2, 1.0])
    b = replace(FILM, rate_sf_N=0.01)
    assert np.max(np.abs(response(J0, t, b)[some] - response(J0[some], t[some], b))) <= TOLERANCE
    assert np.array_equal(response([1.0], [3.0], b), [0.0])
    assert np.all(response(J0, t, replace(b, d=0.0)) == 0)
    for lossless in (replace(b, rate_J=0.0, rate_phi=0.0), replace(b, rate_sf_N=0.0, d=0.1), replace(b, d=np.inf)):
        assert np.all(np.isfinite(response(J0[some], t[some], lossless, start="steady")))
