"""Parameter draws, measurements and independent derivatives for the tests of planning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from model_studies import TRUTH, declared, simulated

from mtjfit.infer import DeviceModel
from mtjfit.model import MarginalPosterior, make_posterior
from mtjfit.planning import Design, Measurement, ParameterDraws, draws_from_posterior, setting
from mtjfit.study import SCATTER, Fixed, Noise, Normal, PlanRequest, Prior, Study, grid

BIAS = np.linspace(-0.5, 0.5, 11)
REQUEST = PlanRequest(grid(0.6, 4.0, 0.2), 1, "lambda_phi", (-0.5, 0.5, 11), Noise(0.02), "torque", "device")


PRIORS = """[study]
name = "planned"
[parameters]
lambda_J    = { prior = "lognormal", median = 1.5, factor = 2.0 }
lambda_phi  = { prior = "lognormal", median = 1.5, factor = 2.5 }
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 }
Lambda      = { prior = "loguniform", low = 0.3, high = 30.0 }
thickness   = { prior = "normal", sd = 0.05 }
a1 = { prior = "normal", mean = 0.13, sd = 0.05 }
b2 = { prior = "normal", mean = 0.08, sd = 0.05 }
[plan]
thickness = { low = 0.6, high = 5.6, step = 0.1 }
choose = 5
target = "lambda_phi"
bias = { low = -0.5, high = 0.5, n = 21 }
noise = "2 %"
quantity = "torkance"
per = "device"
"""
"""A study file without data."""


def measurement(d: float = 1.5, **changes: Any) -> Measurement:
    """A sweep of a new device."""
    made = Measurement("new", d, BIAS, Noise(0.02), Noise(0.03), "torque", "device", group="g0")
    return replace(made, **changes)


def design(**priors: Any) -> Design:
    """Parameters without data."""
    return Design("planned", declared(**priors), REQUEST)


FIXED = {name: Fixed(value) for name, value in TRUTH.items()}


def gaussian(n: int) -> tuple[Study, ParameterDraws]:
    """Fixed lengths and thicknesses: the posterior of the amplitudes is normal, whatever the data."""
    study = simulated((1.0, 2.5), n_bias=7, **FIXED, b1=Normal(0.0, 0.1))
    model = MarginalPosterior(study)
    return study, draws_from_posterior(study, model.draw(np.zeros((n, 0)), np.random.default_rng(1)), model.priors)


def known_about(study: Study, values: dict[str, float], n: int = 4) -> ParameterDraws:
    """Draws that scatter by a few per cent about some values, for parameters of these names."""
    rng = np.random.default_rng(3)
    priors: dict[str, Prior] = make_posterior(study).priors
    draws = {name: values[name] * (1 + 0.03 * rng.standard_normal(n)) for name in priors}
    return draws_from_posterior(study, draws, priors)


def numerical_jacobian(
    study: Study, draws: ParameterDraws, made: Measurement, row: int
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of every value of a sweep over its error: by coordinate, and by what is the device's own per sd.

    By central differences of the forward model of the simulations, which shares no code with the analytic one, bias
    point by bias point.
    """
    curve = made.curve()
    values = {name: float(x[row]) for name, x in draws.values.items()}
    own_names = []
    if draws.is_new(made):
        thickness = draws.parameters["thickness"].prior
        if hasattr(thickness, "sd"):
            values[f"thickness[{made.device}]"] = made.thickness
            own_names.append((f"thickness[{made.device}]", thickness.sd))
        for name in study.amplitudes:
            label, parameter = f"{name}[{made.device}]", draws.parameters[name]
            if parameter.scope == "device":
                pool = [x for key, x in draws.values.items() if key.startswith(f"{name}[")]
                values[label] = float(pool[row % len(pool)][row])
                own_names.append((label, parameter.prior.sd))  # type: ignore[union-attr]
    scattered = [name for name in study.amplitudes if SCATTER + name in draws.parameters]
    apart = dict.fromkeys(scattered, 0.0)

    def signal(changed: dict[str, float], moved: dict[str, float]) -> np.ndarray:
        for name in scattered:
            if draws.is_new(made):
                changed = {**changed, f"{name}[{made.device}]": changed[name] + moved[name]}
        T = DeviceModel(study, curve, changed).torque(curve.bias)[0]
        at = setting(draws, made)
        par, perp = at.sigma[row, 0], at.sigma[row, -1]
        return np.concatenate([T.real / par, T.imag / perp])

    def slope(name: str) -> np.ndarray:
        h = 1e-5 * max(abs(values[name]), 1e-3)
        up, down = ({**values, name: values[name] + sign * h} for sign in (1, -1))
        return (signal(up, apart) - signal(down, apart)) / (2 * h)

    columns = [slope(each.name) * (values[each.name] if each.log else 1.0) for each in draws.coordinates]
    own = [slope(name) * sd for name, sd in own_names]
    for name in scattered if draws.is_new(made) else ():
        h = 1e-5
        prior = draws.parameters[SCATTER + name].prior
        sd = abs(values[name]) * (prior.value if draws.parameters[SCATTER + name].is_fixed else values[SCATTER + name])  # type: ignore[union-attr]
        own.append((signal(values, {**apart, name: h}) - signal(values, {**apart, name: -h})) / (2 * h) * sd)
    return np.stack(columns, -1), np.stack(own, -1) if own else np.zeros((2 * curve.bias.size, 0))


def schur_by_inverse(J: np.ndarray, N: np.ndarray) -> np.ndarray:
    """Information of the coordinates from the whole matrix: its covariance, restricted, inverted again."""
    m, q = J.shape[1], N.shape[1]
    together = np.hstack([J, N])
    ridge = 1e-6 * np.eye(m)  # a single sweep does not determine every coordinate
    whole = together.T @ together
    whole[:m, :m] += ridge
    whole[m:, m:] += np.eye(q)
    return np.linalg.inv(np.linalg.inv(whole)[:m, :m]) - ridge
