"""Designs drawn at random: studies in memory with simulated data, of every kind that a study file can declare.

`design(seed)` is one of them, always the same for a seed. About half are "plain": several thicknesses, known errors, a1
and b2 shared, log-uniform or log-normal priors. Every other kind is a plain one with something added, see `kinds`.
The data come from the forward model of the reference, not from that of mtjfit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from design_kinds import KINDS, Plan, log_uniform
from reference_forward import kappa, terms

from mtjfit.data import Origin, TorqueCurve
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study

_LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")


@dataclass(frozen=True, eq=False)
class Design:
    """A study, what it was simulated from, and where it came from."""

    kind: str
    seed: int
    study: Study
    truth: dict[str, float]


def _plain(rng) -> Plan:
    J = int(rng.integers(2, 6))
    while True:
        thicknesses = np.sort(np.round(log_uniform(rng, 0.5, 6.0, J), 2))
        if np.unique(thicknesses).size == J:
            break
    n, reach = int(rng.choice([5, 11, 21])), float(rng.choice([0.2, 0.5]))
    truth = {
        "lambda_J": log_uniform(rng, 0.4, 8.0), "lambda_phi": log_uniform(rng, 0.4, 8.0),
        "lambda_sf_F": log_uniform(rng, 2.0, 40.0), "Lambda": log_uniform(rng, 0.1, 20.0),
    }  # fmt: skip
    if rng.random() < 0.5:
        priors = {
            "lambda_J": LogUniform(0.1, 100.0),
            "lambda_phi": LogUniform(0.1, 100.0),
            "Lambda": LogUniform(0.1, 100.0),
        }
    else:
        priors = {"lambda_J": LogNormal(1.5, 2.5), "lambda_phi": LogNormal(1.5, 2.5), "Lambda": LogUniform(0.1, 200.0)}
    priors["lambda_sf_F"] = LogNormal(10.0, 2.0)
    if rng.random() < 0.3:
        truth["lambda_sf_N"], priors["lambda_sf_N"] = truth.pop("Lambda"), priors.pop("Lambda")
        priors["D_ratio"] = Fixed(1.0)
    tolerance = float(rng.choice([0.0, 0.05]))
    a1 = log_uniform(rng, 0.5, 2.0)
    amplitudes = {"a1": a1, "b2": a1 * log_uniform(rng, 0.3, 1.5) * rng.choice([-1.0, 1.0])}
    size = 3 * max(abs(each) for each in amplitudes.values())
    priors |= {"a1": Normal(0.0, size), "b2": Normal(0.0, size)}
    quantity = str(rng.choice(["torque", "torkance"]))
    return Plan(
        rng=rng, thicknesses=thicknesses, tolerance=tolerance, bias=[np.linspace(-reach, reach, n)] * J,
        noise=log_uniform(rng, 0.003, 0.15), quantity=[quantity] * J, per=str(rng.choice(["device", "volume"])),
        truth={name: float(value) for name, value in truth.items()}, priors=priors, amplitudes=amplitudes,
    )  # fmt: skip


def kinds() -> tuple[str, ...]:
    """Every kind of design; "plain" first, to which about half of all seeds belong."""
    return ("plain", *KINDS)


def design(seed: int, kind: str | None = None) -> Design:
    """The design of a seed; `kind` forces one of `kinds`."""
    chooser = np.random.default_rng([seed, 0])
    drawn = "plain" if chooser.random() < 0.5 else list(KINDS)[int(chooser.integers(len(KINDS)))]
    kind = drawn if kind is None else kind
    plan = _plain(np.random.default_rng([seed, 1]))
    if kind != "plain":
        KINDS[kind](plan)
    return _built(kind, seed, plan)


def _built(kind, seed, p) -> Design:
    rng, truth = p.rng, dict(p.truth) | {name: float(each) for name, each in p.amplitudes.items()}
    d = p.thicknesses + p.tolerance * rng.standard_normal(p.J)
    Lambda = truth["Lambda"] if "Lambda" in truth else truth["lambda_sf_N"] * truth.get("D_ratio", 1.0)
    K = kappa(d - p.dead, truth["lambda_J"], truth["lambda_phi"], truth["lambda_sf_F"], Lambda)
    K = K / (d - p.dead) if p.per == "volume" else K
    curves = [_curve(p, j, d[j], K[j]) for j in range(p.J)]
    if p.tolerance:
        truth |= {f"thickness[D{j}]": float(each) for j, each in enumerate(d)}
    priors = dict(p.priors)
    scale = max(float(np.max(np.hypot(curve.par, curve.perp))) for curve in curves)
    if p.curves.get("sigma") == "fit":
        priors |= {name: LogNormal(0.05 * scale, 3.0) for name in ("noise_par", "noise_perp")}
    for which in p.curves.get("jitter", ()):
        priors[f"jitter_{which}"] = LogNormal(p.noise * scale, 3.0)
    parameters = {name: Parameter(name, prior, p.scopes.get(name, "shared")) for name, prior in priors.items()}
    thickness = AboutNominal(p.tolerance) if p.tolerance else Fixed(0.0)
    parameters["thickness"] = Parameter("thickness", thickness, "device")
    return Design(kind, seed, Study(f"{kind} {seed}", tuple(curves), parameters), truth)


def _curve(p, j, d, K) -> TorqueCurve:
    rng, V = p.rng, p.bias[j]
    n = V.size
    angle = p.curves["angle"][j] if "angle" in p.curves else None
    factor = 1.0 if angle is None else float(np.sin(np.deg2rad(angle)))
    names = list(p.amplitudes)
    c = [p.amplitudes[a] * p.factors.get(a, np.ones(p.J))[j] * (1.0 if a[0] == "a" else 1j) for a in names]
    powers = [int(a[1:]) for a in names]

    def torque(at):
        return K * (terms(powers, at, p.quantity[j], factor) @ np.array(c))

    T = torque(V)
    level = p.noise * float(np.max(np.abs(T)))
    par, perp = level * p.sigma[0] * np.ones(n), level * p.sigma[1] * np.ones(n)
    extra: dict[str, object] = {}
    if "sigma_bias" in p.curves:
        extra["sigma_bias"] = p.curves["sigma_bias"]
        T = torque(V + p.curves["sigma_bias"] * rng.standard_normal(n))
    noise = (p.errors or (lambda g, a, b, k: np.stack([a, b]) * g.standard_normal((2, k))))(rng, par, perp, n)
    if "covariance" in p.curves:
        common = np.concatenate([par, 0.7 * perp]) * p.curves["covariance"]
        C = np.diag(np.concatenate([par, perp]) ** 2) + np.outer(common, common)
        extra["covariance"] = C
        noise = (np.linalg.cholesky(C) @ rng.standard_normal(2 * n)).reshape(2, n)
    for k, which in enumerate(("par", "perp")):
        if which in p.curves.get("jitter", ()):
            noise[k] += 1.5 * level * rng.standard_normal(n)
    if "rho" in p.curves:
        extra["rho"] = np.full(n, p.curves["rho"])
    if angle is not None:
        extra |= {"angle": float(angle), "sin_theta": "included"}
    if "groups" in p.curves:
        extra["group"] = f"G{j % 2}"
    if p.curves.get("sigma") != "fit" and "covariance" not in extra:
        extra |= {"sigma_par": par, "sigma_perp": perp}
    curve = TorqueCurve(
        f"D{j}", V, T.real + noise[0], T.imag + noise[1], float(p.thicknesses[j]), p.quantity[j], p.per, p.unit,
        origin=Origin("simulated", "design drawn at random"), **extra,
    )  # fmt: skip
    if p.masked:
        away = rng.random(n) < p.masked
        away[n // 2 - 1 : n // 2 + 2] = False
        curve = curve.mask(away, "drawn at random") if away.any() else curve
    return curve
