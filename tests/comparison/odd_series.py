"""Thickness series with one odd device, drawn at random, from a forward model of their own; and how visible it is.

Visible at s standard errors: with the truth known, the fault moves the data of the odd device by s standard errors that
no change of lengths, amplitudes and declared thicknesses can follow. That is the length, in units of the errors, of the
change of all data after projection onto what is orthogonal to the derivatives by all parameters at the truth: s² is the
non-centrality of χ². The derivatives are differences of the same forward model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from designs import log_uniform
from reference_forward import kappa, terms

from mtjfit.data import TorqueCurve
from mtjfit.study import AboutNominal, Fixed, LogUniform, Normal, Parameter, Study

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
FAULTS = ("amplitude factor", "thickness", "T_perp reversed")


@dataclass(frozen=True, eq=False)
class Series:
    """A study, the odd device in it ("" for none), and by how many standard errors it is visible."""

    study: Study
    odd: str
    visible: float


@dataclass(frozen=True, eq=False)
class Truth:
    """What a series is made of; `d` and `tolerance` in nm, one value for each device."""

    d: np.ndarray
    tolerance: float
    lengths: np.ndarray
    b2: float
    columns: np.ndarray
    error: float

    def torque(self, d: np.ndarray, ln_lengths: np.ndarray, a1: float, b2: float) -> np.ndarray:
        K = kappa(np.atleast_1d(d), *np.exp(ln_lengths))
        return K[:, None] * (self.columns @ np.array([a1, 1j * b2]))[None, :]

    def rows(self, x: np.ndarray) -> np.ndarray:
        """All data over their errors, and the declared thicknesses, at ln lengths, a1, b2 and shifts of thickness."""
        shift = x[6:] if self.tolerance else 0.0
        T = self.torque(self.d + shift, x[:4], x[4], x[5])
        data = np.concatenate([T.real.ravel(), T.imag.ravel()]) / self.error
        return np.concatenate([data, x[6:] / self.tolerance]) if self.tolerance else data

    def seen(self, j: int, change: np.ndarray) -> float:
        """By how many standard errors a change of the torque of device j is visible."""
        here = np.concatenate([np.log(self.lengths), [1.0, self.b2], np.zeros(self.d.size if self.tolerance else 0)])
        M = np.stack([(self.rows(here + h) - self.rows(here - h)) / 2e-5 for h in 1e-5 * np.eye(here.size)], axis=1)
        u, s, _ = np.linalg.svd(M / np.linalg.norm(M, axis=0), full_matrices=False)
        whole = np.zeros((self.d.size, change.size), dtype=complex)
        whole[j] = change
        moved = np.concatenate([whole.real.ravel(), whole.imag.ravel()]) / self.error
        moved = np.concatenate([moved, np.zeros(len(M) - moved.size)])
        u = u[:, s > 1e-9]
        return float(np.linalg.norm(moved - u @ (u.T @ moved)))


def odd_series(
    seed: int, fault: str = "", *, size: float | None = None, repeats: bool = False, quiet: bool = False
) -> Series:
    """A series of five to eight devices, with one fault of FAULTS, or none.

    An area 8 % off, a thickness four sd (or 0.12 nm) off, or the axis of T_perp; with `size` as much of the first two
    as is visible at so many standard errors. `repeats`: all devices have one thickness, which is exact. `quiet`: there
    is no noise.
    """
    rng = np.random.default_rng([seed, 77])
    J = int(rng.integers(5, 9))
    d = np.sort(np.round(log_uniform(rng, 0.6, 5.0, J), 2))
    while np.min(np.diff(d)) < 0.04:
        d = np.sort(np.round(log_uniform(rng, 0.6, 5.0, J), 2))
    lengths = np.array([log_uniform(rng, *ends) for ends in ((0.5, 3.0), (0.5, 4.0), (4.0, 20.0), (0.5, 5.0))])
    b2 = float(log_uniform(rng, 0.3, 1.0) * rng.choice([-1, 1]))
    tolerance = float(rng.choice([0.0, 0.02]))
    nominal = np.full(J, d[J // 2]) if repeats else d
    tolerance = 0.0 if repeats else tolerance
    true = nominal + (not quiet) * tolerance * rng.standard_normal(J)
    noise, n = float(log_uniform(rng, 0.005, 0.03)), int(rng.choice([11, 21]))
    V, quantity = np.linspace(-0.5, 0.5, n), str(rng.choice(["torque", "torkance"]))
    truth = Truth(true, tolerance, lengths, b2, terms([1, 2], V, quantity, 1.0), 1.0)
    T = truth.torque(true, np.log(lengths), 1.0, b2)
    truth = Truth(true, tolerance, lengths, b2, truth.columns, noise * float(np.abs(T).max()))
    j, sign, visible = int(rng.integers(J)), float(rng.choice([-1, 1])), 0.0
    if fault:

        def wrong(x: float) -> np.ndarray:
            if fault == "T_perp reversed":
                return np.asarray(T[j].conj())
            if fault == "amplitude factor":
                return np.asarray(T[j] * (1 + sign * x))
            return truth.torque(true[j] + sign * x, np.log(lengths), 1.0, b2)[0]

        x = 0.08 if fault == "amplitude factor" else 4 * max(tolerance, 0.03)
        for _ in range(20 if size is not None and fault != "T_perp reversed" else 0):
            x = min(x * size / max(truth.seen(j, wrong(x) - T[j]), 1e-9), 0.5)
        visible = truth.seen(j, wrong(x) - T[j])
        T[j] = wrong(x)
    T = T + (not quiet) * truth.error * (rng.standard_normal(T.shape) + 1j * rng.standard_normal(T.shape))
    priors = dict.fromkeys(LENGTHS, LogUniform(0.1, 100.0)) | {"D_ratio": Fixed(1.0)}
    priors |= dict.fromkeys(("a1", "b2"), Normal(0.0, 10.0))
    parameters = {name: Parameter(name, prior) for name, prior in priors.items()}
    parameters["thickness"] = Parameter("thickness", AboutNominal(tolerance) if tolerance else Fixed(0.0), "device")
    errors = dict.fromkeys(("sigma_par", "sigma_perp"), np.full(n, truth.error))
    curves = tuple(
        TorqueCurve(f"D{k}", V, T[k].real, T[k].imag, float(nominal[k]), quantity, "device", "arb", **errors)
        for k in range(J)
    )
    return Series(Study("simulated", curves, parameters), f"D{j}" if fault else "", visible)
