"""Designs drawn at random, with truths from their own priors: nothing contradicts anything in them."""

from __future__ import annotations

import numpy as np

from mtjfit.data import TorqueCurve
from mtjfit.infer.simulate import draw_truth, simulated
from mtjfit.study import AboutNominal, AnyPrior, Fixed, LogNormal, LogUniform, Normal, Parameter, Study, Uniform


def random_design(rng: np.random.Generator) -> Study:
    """2 to 5 thicknesses, 5 to 21 bias points, 0.3 to 15 % noise, every kind of prior; without data."""
    n = int(rng.integers(2, 6))
    d = np.round(np.exp(rng.uniform(np.log(0.5), np.log(6.0), n)), 2)
    bias = np.linspace(-1, 1, int(rng.choice([5, 11, 21]))) * float(rng.choice([0.2, 0.5]))
    quantity, per = str(rng.choice(["torque", "torkance"])), str(rng.choice(["device", "volume"]))
    noise = float(np.exp(rng.uniform(np.log(0.003), np.log(0.15))))
    typical = float(np.abs(bias).max()) if quantity == "torque" else 1.0
    fitted = bool(rng.random() < 0.25)
    curves = []
    for j, thickness in enumerate(d):
        size = noise * typical / (thickness if per == "volume" else 1.0)
        sigma = None if fitted else np.full(bias.size, size)
        curves.append(TorqueCurve(f"D{j}", bias, 0 * bias, 0 * bias, thickness, quantity, per, sigma_par=sigma,
                                  sigma_perp=sigma))  # fmt: skip
    return Study("random", tuple(curves), _parameters(rng, d, noise * typical, fitted))


def _parameters(rng: np.random.Generator, d: np.ndarray, sigma: float, fitted: bool) -> dict[str, Parameter]:
    def length(median: float) -> AnyPrior:
        if rng.random() < 0.4:
            return LogUniform(0.1, 100.0)
        return LogNormal(median, float(rng.choice([1.05, 1.3, 2.0, 3.0])))

    uncertain = bool(rng.random() < 0.5)
    priors: dict[str, AnyPrior] = {
        "lambda_J": length(1.5), "lambda_phi": length(1.5), "lambda_sf_F": length(10.0), "Lambda": length(2.0),
        "thickness": AboutNominal(0.05) if uncertain else Fixed(0.0),
        "a1": Normal(1.0, float(rng.choice([0.02, 0.1, 0.5]))),
        "b2": Normal(0.5, float(rng.choice([0.02, 0.2, 1.0]))),
    }  # fmt: skip
    if rng.random() < 0.2:
        priors["b1"] = Normal(0.0, 0.2)
    if rng.random() < 0.2:
        priors["dead_layer"] = (
            Uniform(0.0, 0.8 * float(d.min()))
            if rng.random() < 0.5
            else Normal(0.2, 0.05, low=0.0, high=0.9 * float(d.min()))
        )
    if fitted:
        priors |= {name: LogNormal(sigma, float(rng.choice([1.3, 3.0]))) for name in ("noise_par", "noise_perp")}
    own = bool(rng.random() < 0.15)
    scope = {"thickness": "device"} | ({"a1": "device"} if own else {})
    return {name: Parameter(name, prior, scope.get(name, "shared")) for name, prior in priors.items()}  # type: ignore[arg-type]


def random_study(seed: int) -> tuple[Study, dict[str, float]]:
    """A study with data, and the truth behind them."""
    rng = np.random.default_rng([seed, 22])
    design = random_design(rng)
    truth = draw_truth(design, rng)
    return simulated(design, truth, rng), truth
