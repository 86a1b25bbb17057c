"""Simulated studies of any kind, and the likelihood of one done naively: dense matrices, one bias point at a time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtjfit.data import TorqueCurve
from mtjfit.model import Search
from mtjfit.physics import Interface, torkance, torque
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study, is_amplitude

TRUTH = {"lambda_J": 1.0, "lambda_phi": 1.2, "lambda_sf_F": 10.0, "lambda_sf_N": 2.0, "D_ratio": 1.0}
AMPLITUDES = {"a1": 1.0, "a2": -0.3, "b0": 0.1, "b1": 0.2, "b2": 0.6}
LENGTH = LogUniform(0.1, 100.0)
NOISE_PRIORS = {"noise_par": LogNormal(0.02, 3.0), "noise_perp": LogNormal(0.02, 3.0)}
LAWS = {"torque": torque, "torkance": torkance}
FEW = Search(cloud=32, valleys=4, afar=1)
"""Profiles from few starts: for tests of how they are told and drawn."""


def declared(**priors: Any) -> dict[str, Parameter]:
    """Lengths, exact thickness, a1 and b2; a keyword changes a prior or gives (prior, scope), None takes it out."""
    start: dict[str, Any] = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"), LENGTH)
    start |= {"D_ratio": Fixed(1.0), "thickness": Fixed(0.0), "a1": Normal(0.0, 3.0), "b2": Normal(0.0, 3.0)}
    out = {}
    for name, prior in (start | priors).items():
        if prior is not None:
            prior, scope = prior if isinstance(prior, tuple) else (prior, "shared")
            out[name] = Parameter(name, prior, "device" if name == "thickness" else scope)
    return out


def simulated(
    d: Sequence[float] = (1.0, 2.0, 3.5),
    *,
    quantity: str = "torque",
    per: str = "device",
    unit: str = "arb",
    n_bias: int = 11,
    noise: float = 0.02,
    seed: int = 0,
    fit_sigma: bool = False,
    truth: Mapping[str, float] | None = None,
    amplitudes: Mapping[str, float] | None = None,
    thickness_error: float = 0.0,
    **priors: Any,
) -> Study:
    """A study of simulated devices A, B, C, … in groups g0, g1, g0, …; true amplitudes only for declared ones."""
    rng = np.random.default_rng(seed)
    parameters = declared(**((NOISE_PRIORS if fit_sigma else {}) | priors))
    true = {n: v for n, v in (AMPLITUDES | dict(amplitudes or {})).items() if n in parameters}
    bias, curves = np.linspace(-0.5, 0.5, n_bias), []
    for j, nominal in enumerate(d):
        thickness = nominal + thickness_error * rng.standard_normal()
        T = LAWS[quantity](bias, thickness, **(TRUTH | dict(truth or {})), interface=Interface.of(**true), per=per)
        errors = np.full(n_bias, noise)
        sigmas = {} if fit_sigma else {"sigma_par": errors, "sigma_perp": errors}
        par, perp = (part + noise * rng.standard_normal(n_bias) for part in (T.real, T.imag))
        name, group = chr(ord("A") + j) if len(d) < 26 else f"D{j}", f"g{j % 2}"
        curves.append(TorqueCurve(name, bias, par, perp, nominal, quantity, per, unit, group=group, **sigmas))
    return Study("simulated", tuple(curves), parameters)


def value_of(study: Study, curve: TorqueCurve, name: str, point: Mapping[str, float]) -> float:
    """A parameter of one device from named values, by its declared scope; fixed values likewise."""
    parameter = study.parameters[name]
    if name == "thickness":
        return point.get(f"thickness[{curve.device}]", curve.thickness)
    if isinstance(parameter.prior, Fixed):
        return parameter.prior.value
    return point[label(study, curve, name)]


def label(study: Study, curve: TorqueCurve, name: str) -> str:
    """Name in tables of the number that serves a device."""
    scope = study.parameters[name].scope
    return {"shared": name, "group": f"{name}[{curve.group}]", "device": f"{name}[{curve.device}]"}[scope]


def naive(study: Study, point: Mapping[str, float], factors: Sequence[float] | None = None) -> dict[str, Any]:
    """Data y, errors, responses D to unit amplitudes, priors of amplitudes and response to fixed amplitudes.

    `factors` turn the numbers of each curve into the unit of the first; by default all units are equal.
    """
    amplitudes = [name for name in study.parameters if is_amplitude(name)]
    labels = list(dict.fromkeys(
        label(study, c, n) for n in amplitudes for c in study.curves if not study.parameters[n].is_fixed
    ))  # fmt: skip
    y, sigma, D, known = [], [], [], []
    for j, curve in enumerate(study.curves):
        factor = 1.0 if factors is None else factors[j]
        at = {n: value_of(study, curve, n, point) for n in ("lambda_J", "lambda_phi", "lambda_sf_F")}
        if "Lambda" in study.parameters:
            at |= {"lambda_sf_N": value_of(study, curve, "Lambda", point), "D_ratio": 1.0}
        else:
            at |= {n: value_of(study, curve, n, point) for n in ("lambda_sf_N", "D_ratio")}
        d = value_of(study, curve, "thickness", point)
        for V, par, perp, k in zip(curve.bias, curve.par, curve.perp, range(curve.bias.size), strict=True):
            if not curve.used[k]:
                continue
            row, fixed = np.zeros((2, len(labels))), np.zeros(2)
            for name in amplitudes:
                T = LAWS[curve.quantity](V, d, **at, interface=Interface.of(**{name: 1.0}), per=curve.per)
                response = np.array([T.real, T.imag]).reshape(2)
                prior = study.parameters[name].prior
                if isinstance(prior, Fixed):
                    fixed += response * prior.value
                else:
                    row[:, labels.index(label(study, curve, name))] += response
            if curve.sigma_par is None:
                errors = [value_of(study, curve, n, point) for n in ("noise_par", "noise_perp")]
            else:
                errors = [curve.sigma_par[k] * factor, curve.sigma_perp[k] * factor]
            y += [par * factor, perp * factor]
            sigma += errors
            D.append(row)
            known.append(fixed)
    priors = {n: study.parameters[n.split("[")[0]].prior for n in labels}
    return {
        "labels": labels, "y": np.array(y) - np.concatenate(known), "sigma": np.array(sigma), "D": np.concatenate(D),
        "mean": np.array([p.mean for p in priors.values()]), "sd": np.array([p.sd for p in priors.values()]),
    }  # fmt: skip


def dense_log_likelihood(parts: Mapping[str, Any]) -> float:
    """ln N(y; D mean, Σ + D S Dᵀ)."""
    D, r = parts["D"], parts["y"] - parts["D"] @ parts["mean"]
    C = np.diag(parts["sigma"] ** 2) + (D * parts["sd"] ** 2) @ D.T
    return float(-0.5 * (r @ np.linalg.solve(C, r) + np.linalg.slogdet(C)[1] + r.size * np.log(2 * np.pi)))


def dense_conditional(parts: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the amplitudes given all else, in the form that inverts the data's covariance."""
    D, S = parts["D"], np.diag(parts["sd"] ** 2)
    C = np.diag(parts["sigma"] ** 2) + D @ S @ D.T
    gain = np.linalg.solve(C, D @ S).T
    return parts["mean"] + gain @ (parts["y"] - D @ parts["mean"]), S - gain @ D @ S


# studies whose marginal posterior is looked at: narrow lengths, so that all of the prior matters

NARROW = {
    "lambda_J": LogNormal(1.2, 1.5), "lambda_phi": LogNormal(1.2, 1.5), "lambda_sf_F": LogNormal(10.0, 2.0),
    "lambda_sf_N": LogNormal(2.0, 1.5),
}  # fmt: skip
A1, B2 = Normal(1.0, 0.5), Normal(0.6, 0.3)
OWN = {"a1": (A1, "device"), "b2": (B2, "device")}
UNCERTAIN_THICKNESS = {"thickness": AboutNominal(0.05), "thickness_error": 0.05}


def named_points(model: Any, z: np.ndarray) -> list[dict[str, float]]:
    """Natural values by name of each row of coordinates."""
    return [dict(zip(model.names, map(float, row), strict=True)) for row in model.scores.values(z)]


def at_values(model: Any, **more: float) -> np.ndarray:
    """Coordinates of the truth, or of the nearest values that the priors allow, shape (1, size)."""
    true = TRUTH | AMPLITUDES | {"noise_par": 0.02, "noise_perp": 0.02, "dead_layer": 0.1} | more
    values = np.array([[true[name.split("[")[0]] for name in model.names]])
    for k, prior in enumerate(model.scores.priors):
        values[:, k] = np.clip(values[:, k], *prior.support)
    return np.asarray(model.scores.of(values))


def peak_memory(run: Callable[[], object]) -> int:
    """Largest memory that is traced while a function runs, in bytes."""
    tracemalloc.start()
    run()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most
