"""A prior that the data contradict is found and named, and right priors raise no alarm; so does the χ² of draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from model_studies import naive
from scipy import stats
from shortcuts import slow_after

import mtjfit
from mtjfit.data import TorqueCurve
from mtjfit.infer import CONTRADICTS, Conflict, DrawnChi2, chi2_of_draws, draw_truth, prior_conflicts, simulated
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


D = (0.8, 1.2, 2.0, 3.0)
TRUTH = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 6.0, "Lambda": 1.0, "a1": 1.0, "b2": 0.6}
RIGHT: dict[str, AnyPrior] = {
    "lambda_J": LogUniform(0.1, 100.0), "lambda_phi": LogUniform(0.1, 100.0), "lambda_sf_F": LogNormal(8.0, 2.0),
    "Lambda": LogUniform(0.1, 100.0), "a1": Normal(1.0, 0.5), "b2": Normal(0.0, 2.0),
}  # fmt: skip


KNOWN: dict[str, AnyPrior] = {name: Fixed(x) for name, x in TRUTH.items()}

pytestmark = pytest.mark.usefixtures("quick_fits")  # the best fit is a start and a lower bound of χ² here, no more


def series(noise: float = 0.02, thickness_sd: float = 0.0, *, fitted: bool = False, seed: int = 0,
           truth: dict[str, float] | None = None, **priors: AnyPrior) -> Study:  # fmt: skip
    """Torkances of four thicknesses under priors of which some may be wrong."""
    bias = np.linspace(-0.4, 0.4, 11)
    sigma = None if fitted else np.full(bias.size, noise)
    curves = tuple(
        TorqueCurve(f"D{j}", bias, 0 * bias, 0 * bias, d, "torkance", "device", sigma_par=sigma, sigma_perp=sigma)
        for j, d in enumerate(D)
    )
    declared = RIGHT | {"thickness": AboutNominal(thickness_sd) if thickness_sd else Fixed(0.0)}
    if fitted:
        declared |= {name: LogNormal(noise, 3.0) for name in ("noise_par", "noise_perp")}
    made = declared | priors
    study = Study("series", curves, {
        name: Parameter(name, prior, "device" if name == "thickness" else "shared")  # type: ignore[arg-type]
        for name, prior in made.items()
    })  # fmt: skip
    known = TRUTH | {f"thickness[D{j}]": d for j, d in enumerate(D)} | {"noise_par": noise, "noise_perp": noise}
    return simulated(study, known | (truth or {}), np.random.default_rng(seed))


def found(study: Study) -> tuple[Conflict, ...]:
    """Also where the model does not describe the data, and `conflicts` of a fit are not asked for."""
    best = mtjfit.fit(study)
    return prior_conflicts(study, best.optimum, best.chi2)


ONE_WRONG: dict[str, tuple[Study, str, float, float]] = {
    "lambda_J": (series(lambda_J=LogNormal(3.0, 1.1)), "lambda_J", 1.0, 0.25),
    "lambda_phi": (series(lambda_phi=LogNormal(0.4, 1.1)), "lambda_phi", 1.0, 0.25),
    "Lambda": (series(Lambda=LogNormal(8.0, 1.2)), "Lambda", 1.0, 0.25),
    "a flat prior": (series(lambda_J=LogUniform(2.0, 100.0)), "lambda_J", 1.0, 0.25),
    "b2": (series(b2=Normal(0.0, 0.05)), "b2", 0.6, 0.25),
    "one thickness": (series(0.005, 0.05, truth={"thickness[D1]": 1.9}), "thickness[D1]", 1.9, 0.08),
    "noise": (series(fitted=True, noise_par=LogNormal(0.002, 1.3)), "noise_par", 0.02, 0.5),
    "a1, noise fitted": (series(fitted=True, a1=Normal(3.0, 0.05)), "a1", 1.0, 0.25),
    "only a1 is free": (series(**(KNOWN | {"a1": Normal(1.5, 0.01)})), "a1", 1.0, 0.25),
    "only lambda_J is free": (series(**(KNOWN | {"lambda_J": LogNormal(2.0, 1.05)})), "lambda_J", 1.0, 0.25),
}


@pytest.mark.parametrize("kind", slow_after(1, ONE_WRONG))
def test_only_the_wrong_prior_is_accused(kind: str) -> None:
    study, name, told, rel = ONE_WRONG[kind]
    (one,) = found(study)
    assert one.name == name
    assert one.value == pytest.approx(told, rel=rel)
    assert one.sigma > 4


@pytest.mark.parametrize("thickness_sd", slow_after(1, [0.0, 0.05]))
def test_an_amplitude_whose_prior_is_wrong(thickness_sd: float) -> None:
    """The mode that fits, far from the prior, is told."""
    (one,) = found(series(thickness_sd=thickness_sd, a1=Normal(3.0, 0.05)))
    assert (one.name, one.prior) == ("a1", "normal 3 ± 0.05")
    assert one.value == pytest.approx(1.0, abs=5 * one.error)
    assert one.error < 0.1
    assert one.sigma == pytest.approx(2.0 / np.hypot(0.05, one.error), rel=0.05)
    assert one.p_value < 1e-100


@pytest.mark.slow
def test_a_dead_layer() -> None:
    conflicts = found(series(0.003, truth={"dead_layer": 0.4}, dead_layer=Normal(0.05, 0.02, low=0.0, high=0.7)))
    assert conflicts[0].name == "dead_layer"
    assert conflicts[0].value == pytest.approx(0.4, abs=0.1)


NOTHING_WRONG = {
    # as good as infinite: a prior anywhere up there is not contradicted
    "an open length": series(lambda_sf_F=LogNormal(5000.0, 1.05), truth={"lambda_sf_F": 100.0}),
    # determines no length at all: priors of a1 and of the lengths may be anything
    "one thickness": (one := series(a1=Normal(3.0, 0.05))).replace(curves=one.curves[2:3]),
    "a flat dead layer": series(0.003, truth={"dead_layer": 0.4}, dead_layer=Uniform(0.0, 0.7)),
    "noise fitted": series(fitted=True),
    "nothing is free": series(**KNOWN),
    "only a1 is free": series(**(KNOWN | {"a1": Normal(1.0, 0.1)})),
    "only noise is free": series(fitted=True, **KNOWN),
}


@pytest.mark.parametrize("kind", slow_after(1, NOTHING_WRONG))
def test_what_the_data_do_not_contradict_raises_no_alarm(kind: str) -> None:
    assert found(NOTHING_WRONG[kind]) == ()


def test_the_distance_is_that_of_a_linear_model() -> None:
    """With known lengths Δ is (x − m)²/(s² + e²) exactly, with x ± e from ordinary least squares."""
    known = {name: Fixed(TRUTH[name]) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    study = series(b2=Normal(0.6, 1e3), a1=Normal(1.2, 0.03), **known)
    parts = naive(study, {})
    design, target = parts["D"] / parts["sigma"][:, None], parts["y"] / parts["sigma"]
    inverse = np.linalg.inv(design.T @ design)
    x, e = (inverse @ design.T @ target)[0], np.sqrt(inverse[0, 0])
    (one,) = found(study)
    assert one.sigma == pytest.approx(abs(x - 1.2) / np.hypot(0.03, e), rel=1e-3)
    assert (one.value, one.error) == (pytest.approx(x, rel=1e-4), pytest.approx(e, rel=1e-2))


def excess_at(fit: mtjfit.FitResult, values: dict[str, float]) -> DrawnChi2:
    """The excess of χ² at a point, as of draws that are all there."""
    draws = pd.DataFrame({name: [x] for name, x in values.items()})
    return chi2_of_draws(fit, SimpleNamespace(spaced=lambda: draws))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, pytest.param(200, marks=pytest.mark.timeout(3600))])
def test_right_priors_are_not_accused(n: int) -> None:
    """At most 1 % of studies: false alarm of this test below 1e-3. Tails of the excess at truths are no smaller than
    uniform ones; the p-value of draws is twice the tail."""
    accused, low = 0, 0
    for seed in range(1000, 1000 + n):
        study, truth = random_study(seed)
        best = mtjfit.fit(study)
        accused += bool(prior_conflicts(study, best.optimum, best.chi2))
        low += excess_at(best, truth).p_value / 2 < 0.05
    assert accused <= stats.binom.isf(1e-3, n, CONTRADICTS)
    assert low <= stats.binom.isf(1e-3, n, 0.05)


def test_sabotage_a_wrong_prior_of_the_truth_is_seen_in_the_excess() -> None:
    best = mtjfit.fit(series(a1=Normal(3.0, 0.05)))
    right, wrong = excess_at(best, TRUTH), excess_at(best, TRUTH | {"a1": 3.0})
    assert right.dof == 6
    assert right.p_value > 2e-4
    assert wrong.p_value < 1e-100
    assert wrong.q50 > right.q50
