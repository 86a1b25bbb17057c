"""κ(d) of draws against the torque that the same draws predict, and against a direct solution for the profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mtjfit.data import TorqueCurve
from mtjfit.infer import Posterior, Verdict
from mtjfit.physics import spin_current
from mtjfit.results import accumulation_draws, kappa_draws, shared_lengths, torque_draws
from mtjfit.study import AboutNominal, Fixed, LogUniform, Normal, Parameter, Study, Uniform

BIAS = np.linspace(-0.4, 0.5, 7)
LENGTH = LogUniform(0.1, 100.0)


def study_of(scope: str = "shared", *, factors: bool = False, dead: bool = False, per: str = "area") -> Study:
    unit = {"area": "mJ/m2", "volume": "mT"}[per]
    curves = tuple(
        TorqueCurve(
            name, BIAS, 2 * BIAS, BIAS**2, d, "torque", per, unit, group=group,
            sigma_par=np.full(7, 0.1), sigma_perp=np.full(7, 0.1),
        )
        for name, d, group in (("A", 1.3, "w1"), ("B", 2.4, "w1"), ("C", 3.1, "w2"))
    )  # fmt: skip
    priors: dict[str, Any] = {name: Parameter(name, LENGTH, scope) for name in ("lambda_J", "lambda_phi")}
    priors["lambda_sf_F"] = Parameter("lambda_sf_F", LENGTH)
    behind = {"lambda_sf_N": LENGTH, "D_ratio": LogUniform(0.1, 10.0)} if factors else {"Lambda": LENGTH}
    rest = behind | {"a1": Normal(0.0, 1.0), "b2": Fixed(0.4)} | ({"dead_layer": Uniform(0.0, 0.5)} if dead else {})
    priors |= {name: Parameter(name, prior) for name, prior in rest.items()}
    priors["thickness"] = Parameter("thickness", AboutNominal(0.1), "device")
    return Study("made", curves, priors)


def posterior_of(study: Study, n: int = 6) -> Posterior:
    rng = np.random.default_rng(4)
    names = [
        name + of
        for name, parameter in study.parameters.items()
        if not parameter.is_fixed
        for of in {
            "shared": [""],
            "group": [f"[{g}]" for g in dict.fromkeys(c.group for c in study.curves)],
            "device": [f"[{c.device}]" for c in study.curves],
        }[parameter.scope]
    ]
    draws = pd.DataFrame({name: np.exp(0.4 * rng.standard_normal(n)) for name in names})
    if "dead_layer" in draws:
        draws["dead_layer"] = rng.uniform(0, 0.5, n)
    for curve in study.curves:
        draws[f"thickness[{curve.device}]"] = curve.thickness
    chain = draws.to_numpy().reshape(1, n, 1, -1)
    return Posterior(study, Verdict((), {}), tuple(draws.columns), chain, np.zeros((1, n, 1)), {}, {})


@pytest.mark.parametrize("scope", ["shared", "group", "device"])
@pytest.mark.parametrize("kind", [{}, {"factors": True}, {"dead": True}, {"per": "volume"}])
def test_kappa_is_that_of_the_torque_that_is_predicted(scope: str, kind: dict[str, Any]) -> None:
    study = study_of(scope, **kind)
    posterior = posterior_of(study)
    found = shared_lengths(posterior)
    assert [stack.devices for stack in found] == {
        "shared": [("A", "B", "C")], "group": [("A", "B"), ("C",)], "device": [("A",), ("B",), ("C",)],
    }[scope]  # fmt: skip
    V = np.array([-0.3, 0.2])
    J0 = posterior.draws["a1"].to_numpy()[:, None] * V + 1j * 0.4 * V**2
    for stack in found:
        for curve in study.curves:
            if curve.device in stack.devices:
                over_d = 1.0
                if curve.per == "volume":
                    over_d = 1 / curve.thickness
                expected = torque_draws(study, posterior.draws, curve, V)
                got = kappa_draws(stack, [curve.thickness]) * over_d * J0
                np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_profile_has_the_slope_of_the_current() -> None:
    """J = −D m', Eq. 6, by finite differences of m; and at the barrier J = J0."""
    posterior = posterior_of(study_of(factors=True))
    (stack,) = shared_lengths(posterior)
    x, h = np.array([0.3, 0.9, 1.4]), 1e-5
    slope = (accumulation_draws(stack, x + h, 2.4) - accumulation_draws(stack, x - h, 2.4)) / (2 * h)
    own = stack.lengths
    expected = spin_current(x, 2.4, own["lambda_J"], own["lambda_phi"], own["lambda_sf_F"], own["Lambda"])
    np.testing.assert_allclose(-slope, expected, rtol=1e-8)
    start = (accumulation_draws(stack, [h], 2.4) - accumulation_draws(stack, [0.0], 2.4)) / h
    np.testing.assert_allclose(-start, 1.0, rtol=1e-3)


def test_nothing_magnetic_carries_no_torque() -> None:
    posterior = posterior_of(study_of(dead=True))
    (stack,) = shared_lengths(posterior)
    thin = float(stack.lengths["dead_layer"].min())
    np.testing.assert_array_equal(kappa_draws(stack, [0.0, 0.9 * thin]), 0.0)


def test_many_draws_are_thinned_evenly() -> None:
    (stack,) = shared_lengths(posterior_of(study_of(), n=5001))
    assert stack.lengths["lambda_J"].shape == (2000, 1)
