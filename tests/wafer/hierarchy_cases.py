"""Simulated wafers of the hierarchical model: raw curves whose thickness and amplitudes vary over the disc."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from mtjfit.data import TorqueCurve
from mtjfit.infer import Chains, Check, Verdict
from mtjfit.physics import Interface, torkance, torque
from mtjfit.study import Fixed, LogNormal, Normal, Parameter, Study
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior

LENGTHS = {
    "lambda_J": LogNormal(1.2, 1.5), "lambda_phi": LogNormal(1.2, 1.5), "lambda_sf_F": LogNormal(10.0, 2.0),
    "Lambda": LogNormal(2.0, 1.5),
}  # fmt: skip
PRIORS = LENGTHS | {
    "thickness": Fixed(0.0), "a1": Normal(1.0, 0.5), "b2": Normal(0.6, 0.3),
    "scatter_a1": LogNormal(0.03, 1.5), "scatter_b2": LogNormal(0.03, 1.5),
}  # fmt: skip
HIERARCHY = Hierarchy(
    {"thickness": ("tilt_x", "tilt_y", "bowl"), "a1": ("bowl",)},
    {"thickness": 0.04, "a1": 0.04},
    thickness_scatter=LogNormal(0.02, 1.5),
    radius=100.0,
)
TRUTH = {
    "lambda_J": 1.0, "lambda_phi": 1.2, "lambda_sf_F": 10.0, "Lambda": 2.0, "a1": 1.0, "b2": 0.6,
    "scatter_a1": 0.03, "scatter_b2": 0.03, "thickness_scatter": 0.02,
    "thickness_tilt_x": 0.03, "thickness_tilt_y": -0.02, "thickness_bowl": 0.04, "a1_bowl": -0.03,
}  # fmt: skip
LAWS = {"torque": torque, "torkance": torkance}
POLAR = {
    "level": lambda r, phi: np.ones_like(r + phi),
    "tilt_x": lambda r, phi: r * np.cos(phi),
    "tilt_y": lambda r, phi: r * np.sin(phi),
    "bowl": lambda r, phi: 2 * r**2 - 1 + 0 * phi,
    "saddle": lambda r, phi: r**2 * np.cos(2 * phi),
    "saddle_xy": lambda r, phi: r**2 * np.sin(2 * phi),
    "edge": lambda r, phi: 6 * r**4 - 6 * r**2 + 1 + 0 * phi,
}
"""The shapes over the wafer in polar coordinates."""


def parameters(**changes: Any) -> dict[str, Parameter]:
    """The declaration; a keyword changes a prior or gives (prior, scope), None takes it out."""
    wanted = {name: each if isinstance(each, tuple) else (each, "shared") for name, each in (PRIORS | changes).items()}
    wanted["thickness"] = wanted["thickness"][0], "device"
    return {name: Parameter(name, prior, scope) for name, (prior, scope) in wanted.items() if prior is not None}


def positions(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Uniform over a disc of 100 mm."""
    rng = np.random.default_rng([seed, 1])
    r, phi = 100 * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    return r * np.cos(phi), r * np.sin(phi)


def shape(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The shapes once more, from positions in mm."""
    return POLAR[name](np.hypot(x, y) / 100, np.arctan2(y, x))


def factor(name: str, truth: Mapping[str, float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 + Σ g P of a parameter, from the names of the coefficients in `truth`."""
    smooth = {key.removeprefix(f"{name}_"): g for key, g in truth.items() if key.startswith(f"{name}_")}
    return sum((g * shape(key, x, y) for key, g in smooth.items() if key != "scatter"), np.ones_like(x))


def simulated(
    n: int = 40,
    *,
    nominal: tuple[float, ...] = (1.2, 2.2),
    noise: float = 0.01,
    n_bias: int = 11,
    seed: int = 0,
    truth: Mapping[str, float] | None = None,
    quantity: str = "torque",
    per: str = "device",
    declared: Mapping[str, Parameter] | None = None,
    fit_sigma: bool = False,
) -> tuple[Study, np.ndarray, np.ndarray]:
    """Curves of n devices and their positions in mm; nominal thicknesses take turns."""
    true, rng, (x, y) = TRUTH | dict(truth or {}), np.random.default_rng([seed, 0]), positions(n, seed)
    d0 = np.resize(nominal, n)
    d = d0 * factor("thickness", true, x, y) + true["thickness_scatter"] * rng.standard_normal(n)
    a1, b2 = (true[k] * factor(k, true, x, y) * (1 + true[f"scatter_{k}"] * rng.standard_normal(n))
              for k in ("a1", "b2"))  # fmt: skip
    V, curves = np.linspace(-0.5, 0.5, n_bias), []
    lengths = {k: true[k] for k in ("lambda_J", "lambda_phi", "lambda_sf_F")} | {"lambda_sf_N": true["Lambda"]}
    for j in range(n):
        T = LAWS[quantity](V, d[j], **lengths, D_ratio=1.0, interface=Interface.of(a1=a1[j], b2=b2[j]), per=per)
        errors = {} if fit_sigma else {"sigma_par": np.full(n_bias, noise), "sigma_perp": np.full(n_bias, noise)}
        par, perp = (part + noise * rng.standard_normal(n_bias) for part in (T.real, T.imag))
        curves.append(TorqueCurve(f"D{j}", V, par, perp, d0[j], quantity, per, "arb", **errors))
    return Study("wafer", tuple(curves), dict(declared or parameters())), x, y


def made(n: int = 4, hierarchy: Hierarchy = HIERARCHY, wafers: int = 1, **options: Any) -> tuple[Study, WaferPosterior]:
    """Simulated curves, and the hierarchical model of them."""
    study, x, y = simulated(n, **options)
    names = tuple(f"w{j % wafers}" for j in range(n)) if wafers > 1 else ()
    return study, WaferPosterior(WaferDevices.of(study, x, y, names), study.parameters, hierarchy)


def posterior(n: int = 40, **options: Any) -> WaferPosterior:
    """The hierarchical model of a simulated wafer."""
    return made(n, **options)[1]


def at_truth(model: WaferPosterior, **changes: float) -> np.ndarray:
    """Coordinates of the truth, shape (1, size)."""
    true = TRUTH | {"noise_par": 0.01, "noise_perp": 0.01} | changes
    return model.scores.of(np.array([[true[name.split("[")[0]] for name in model.names]]))


def drawn_run(model: WaferPosterior, width: float) -> SimpleNamespace:
    """A run that did not converge, of draws about the middle of the prior; 1 for the prior itself."""
    theta = width * np.random.default_rng(0).standard_normal((4, 6, 10, model.size))
    log_posterior = model.log_posterior(theta.reshape(-1, model.size)).reshape(theta.shape[:-1])
    chains = Chains(model.names, theta, log_posterior, np.ones((4, 10)))
    verdict = Verdict((Check("made", False, "no sampler"),), {})
    return SimpleNamespace(chains=chains, verdict=verdict, evidence=None)
