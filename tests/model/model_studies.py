"""Simulated studies of any kind, and the likelihood of one done naively: raw points, dense matrices."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mtjfit.data import TorqueCurve
from mtjfit.model import Search
from mtjfit.physics import Interface, torkance, torque
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study

TRUTH = {"lambda_J": 1.0, "lambda_phi": 1.2, "lambda_sf_F": 10.0, "lambda_sf_N": 2.0, "D_ratio": 1.0}
AMPLITUDES = {"a1": 1.0, "a2": -0.3, "b0": 0.1, "b1": 0.2, "b2": 0.6}
LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
LENGTH = LogUniform(0.1, 100.0)
NOISE_PRIORS = {"noise_par": LogNormal(0.02, 3.0), "noise_perp": LogNormal(0.02, 3.0)}
LAWS = {"torque": torque, "torkance": torkance}
FEW = Search(cloud=32, valleys=4, afar=1)
"""Profiles from few starts: for tests of how they are told and drawn."""


def declared(**priors: Any) -> dict[str, Parameter]:
    """Lengths, exact thickness, a1 and b2; a keyword changes a prior or gives (prior, scope), None takes it out."""
    start: dict[str, Any] = dict.fromkeys(LENGTHS, LENGTH)
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


def uneven(**changes: Any) -> Study:
    """Errors that differ from point to point, points left out, one device with twice the bias points."""
    made, longer, rng = simulated(**changes), simulated(**changes, n_bias=22, seed=4), np.random.default_rng(5)
    curves = [made.curves[0], longer.curves[1], made.curves[2].mask(made.curves[2].bias > 0.3, "outside")]
    errors = ("sigma_par", "sigma_perp")
    return made.replace(
        curves=tuple(replace(c, **{n: rng.uniform(0.01, 0.1, c.bias.size) for n in errors}) for c in curves)
    )


def half_fitted(**changes: Any) -> Study:
    """The errors of device A are to be fitted, those of the others are known."""
    made = simulated(**({"fit_sigma": True} | changes))
    known = {"sigma_par": np.full(11, 0.03), "sigma_perp": np.full(11, 0.04)}
    return made.replace(curves=(made.curves[0], *(replace(c, **known) for c in made.curves[1:])))


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
    own = f"{name}[{curve.device}{curve.condition and ' @ '}{curve.condition}]"
    return {"shared": name, "group": f"{name}[{curve.group}]", "device": f"{name}[{curve.device}]", "curve": own}[scope]


def responses(study: Study, curve: TorqueCurve, point: Mapping[str, float], d: np.ndarray) -> dict[str, np.ndarray]:
    """All values in use for a unit amplitude, in-plane then out-of-plane, shape (n_d, n_values), by name."""
    at = {name: value_of(study, curve, name, point) for name in ("lambda_J", "lambda_phi", "lambda_sf_F")}
    if "Lambda" in study.parameters:
        at |= {"lambda_sf_N": value_of(study, curve, "Lambda", point), "D_ratio": 1.0}
    else:
        at |= {name: value_of(study, curve, name, point) for name in ("lambda_sf_N", "D_ratio")}
    dead = value_of(study, curve, "dead_layer", point) if "dead_layer" in study.parameters else 0.0
    sine = np.sin(np.deg2rad(curve.angle)) if curve.sin_theta == "included" else 1.0
    out = {}
    for name in study.amplitudes:
        T = LAWS[curve.quantity](
            curve.bias, d[:, None] - dead, **at, interface=Interface.of(**{name: 1.0}), per=curve.per
        )
        T = np.broadcast_to(T, (d.size, curve.bias.size)) * sine
        out[name] = np.concatenate([T.real, T.imag], axis=1)[:, curve.used_values.ravel()]
    return out


def data(study: Study, curve: TorqueCurve, point: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """All values in use, in-plane then out-of-plane, and their covariance, in the unit of the first curve."""
    scale, used, n = study.scale_of(curve), np.flatnonzero(curve.used_values), curve.bias.size
    y = np.concatenate([curve.par, curve.perp])[used] * scale
    if curve.covariance is not None:
        return y, curve.covariance[np.ix_(used, used)] * scale**2
    if curve.sigma_par is None:
        names = ("noise_par", "noise_perp")
        each = [value_of(study, curve, name, point) if name in study.parameters else 1.0 for name in names]
        sigma = np.repeat(each, n)
    else:
        sigma = np.concatenate([curve.sigma_par, curve.sigma_perp]) * scale
    C = np.diag(sigma**2)
    for k in range(n):
        C[k, n + k] = C[n + k, k] = (0.0 if curve.rho is None else curve.rho[k]) * sigma[k] * sigma[n + k]
    for name, own in (("jitter_par", slice(0, n)), ("jitter_perp", slice(n, None))):
        if name in study.parameters:
            C[own, own] += np.eye(n) * value_of(study, curve, name, point) ** 2
    return y, C[np.ix_(used, used)]


def naive(study: Study, point: Mapping[str, float]) -> dict[str, Any]:
    """Values y without fixed amplitudes, errors, responses D to unit amplitudes, and priors of these."""
    free = [name for name in study.amplitudes if not study.parameters[name].is_fixed]
    labels = list(dict.fromkeys(label(study, curve, name) for name in free for curve in study.curves))
    y, sigma, D = [], [], []
    for curve in study.curves:
        values, C = data(study, curve, point)
        row = np.zeros((values.size, len(labels)))
        for name, (response,) in responses(
            study, curve, point, np.array([value_of(study, curve, "thickness", point)])
        ).items():
            if name in free:
                row[:, labels.index(label(study, curve, name))] += response
            else:
                values = values - response * study.parameters[name].value
        y.append(values)
        sigma.append(np.sqrt(np.diagonal(C)))
        D.append(row)
    priors = [study.parameters[name.split("[")[0]].prior for name in labels]
    return {
        "labels": labels, "y": np.concatenate(y), "sigma": np.concatenate(sigma), "D": np.concatenate(D),
        "mean": np.array([prior.mean for prior in priors]), "sd": np.array([prior.sd for prior in priors]),
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
SCATTER = {"scatter_a1": 0.05, "scatter_b2": 0.05}
UNCERTAIN_THICKNESS = {"thickness": AboutNominal(0.05), "thickness_error": 0.05}


def named_points(model: Any, z: np.ndarray) -> list[dict[str, float]]:
    """Natural values by name of each row of coordinates."""
    return [dict(zip(model.names, map(float, row), strict=True)) for row in model.scores.values(z)]


def at_values(model: Any, **more: float) -> np.ndarray:
    """Coordinates of the truth, or of the nearest values that the priors allow, shape (1, size)."""
    true = TRUTH | AMPLITUDES | {"noise_par": 0.02, "noise_perp": 0.02, "dead_layer": 0.1} | SCATTER | more
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
