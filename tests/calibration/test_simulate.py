"""Simulated data have the mean and the errors that their study declares."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from model_studies import declared
from model_studies import simulated as made
from scipy import stats
from shortcuts import slow_but
from simulate_cases import CASES, case, every_case, law_of, whitened

from mtjfit.data import TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.infer import draw_truth, free_names, priors_of, simulated
from mtjfit.model import make_posterior
from mtjfit.study import AboutNominal, Fixed, Parameter, Study, Uniform
from mtjfit.study.checks import KNOWN as KNOWN_TO_STUDIES

QUICK = ("torkance per volume, a length of each group", "correlated points, errors of the bias",
         "amplitudes that scatter")  # fmt: skip


def scatter(study: Study, n: int = 12, wrong: dict[str, Any] | None = None) -> tuple[float, float]:
    """Two p-values of simulated data, judged with errors that may be made `wrong` after the simulation.

    That whitened residuals follow their distribution, and that those of both components are not correlated.
    """
    rng, pairs = np.random.default_rng(11), []
    for _ in range(n):
        truth = draw_truth(study, rng)
        found = simulated(study, truth, rng)
        found = found.replace(curves=tuple(replace(each, **(wrong or {})) for each in found.curves))
        z, law = whitened(found, truth)[0], law_of(study, truth)
        ends = np.cumsum([2 * each.n_used for each in study.curves])[:-1]
        pairs += [each.reshape(2, -1) for each in np.split(law.cdf(z), ends)]
    together = np.concatenate(pairs, axis=1)
    assert together.size == n * study.n_values
    counts = np.histogram(together, bins=20, range=(0.0, 1.0))[0]
    return float(stats.chisquare(counts).pvalue), float(stats.pearsonr(*together).pvalue)


@pytest.mark.parametrize("name", slow_but(QUICK, CASES))
def test_simulated_data_scatter_about_the_model_with_their_errors(name: str) -> None:
    # each p-value is below its limit once in 1e4
    assert min(scatter(case(name))) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("torque", {"unit": "1e-19 N m"}), ("correlated components, errors of the bias", {"rho": None}),
        ("correlated components, errors of the bias", {"sigma_bias": None}),
        ("jitter", {"sigma_par": np.full(7, 0.1)}),
    ],
)  # fmt: skip
def test_sabotage_data_that_do_not_scatter_with_their_errors_are_seen(name: str, wrong: dict[str, Any]) -> None:
    assert min(scatter(case(name), wrong=wrong)) < 1e-4


def test_truths_follow_their_priors() -> None:
    # ten tests, each failing once in 1e5
    study, rng = case("fitted errors of each device, thickness"), np.random.default_rng(14)
    priors = priors_of(study)
    assert {"thickness[A]", "noise_par[B]", "noise_perp", "Lambda", "a1"} <= set(priors)
    truths = [draw_truth(study, rng) for _ in range(200)]
    for name, prior in priors.items():
        drawn = [truth[name] for truth in truths]
        assert stats.kstest(drawn, lambda x, prior=prior: np.asarray(prior.cdf(x))).pvalue > 1e-5


@every_case
def test_a_truth_has_what_the_posterior_has(name: str) -> None:
    study = case(name)
    priors = make_posterior(study).priors
    assert set(draw_truth(study, np.random.default_rng(0))) == set(free_names(study)) == set(priors)
    assert {key: priors[key] for key in priors_of(study)} == priors_of(study)


def test_amplitudes_scatter_about_the_shared_one() -> None:
    study, rng = case("amplitudes that scatter"), np.random.default_rng(16)
    truths = [draw_truth(study, rng) for _ in range(300)]
    z = [(t[f"a1[{curve.device}]"] / t[f"a1[{curve.group}]"] - 1) / t[f"scatter_a1[{curve.group}]"]
         for t in truths for curve in study.curves]  # fmt: skip
    assert stats.kstest(z, "norm").pvalue > 1e-4  # fails once in 1e4
    assert stats.kstest(1.12 * np.array(z), "norm").pvalue < 0.05


def test_no_device_is_thinner_than_the_dead_layer() -> None:
    study = made((1.0, 2.0), thickness=AboutNominal(0.5), dead_layer=Uniform(0.0, 0.9))
    rng = np.random.default_rng(15)
    truths = [draw_truth(study, rng) for _ in range(150)]
    left = np.array([truth["thickness[A]"] - truth["dead_layer"] for truth in truths])
    assert left.min() > 0
    # mean of the difference restricted to positive values, by quadrature over both priors
    dead, away = np.meshgrid(np.linspace(0, 0.9, 201), np.linspace(-1, 3, 1001), indexing="ij")
    weights = stats.norm.pdf(away + dead, 1.0, 0.5) * (away + dead > 0) * (away > 0)
    expected = float(np.sum(weights * away) / np.sum(weights))
    assert left.mean() == pytest.approx(expected, abs=4 * left.std() / np.sqrt(150))
    impossible = study.replace(parameters={**study.parameters, "thickness": _thickness(1e-12)})
    object.__setattr__(impossible, "curves", tuple(replace(each, thickness=1e-7) for each in study.curves))
    with pytest.raises(MtjfitError, match="thinner than the dead layer"):
        draw_truth(impossible, rng)


def _thickness(sd: float) -> Parameter:
    return Parameter("thickness", AboutNominal(sd), "device")


class _Silence:
    """A generator of no noise."""

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape)


def test_values_that_carry_sin_theta_are_simulated_with_it() -> None:
    study = made()
    truth = dict.fromkeys(priors_of(study), 1.0)
    changes: list[dict[str, Any]] = [{"sin_theta": None}, {"angle": 30.0, "sin_theta": "included"},
                                     {"angle": 30.0, "sin_theta": "divided"}]  # fmt: skip
    found = []
    for change in changes:
        design = study.replace(curves=tuple(replace(each, **change) for each in study.curves))
        quiet = simulated(design, truth, _Silence())  # type: ignore[arg-type]
        found.append(np.concatenate([each.par for each in quiet.curves]))
    np.testing.assert_allclose(found[1], 0.5 * found[0], rtol=1e-12)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-12)


def test_simulated_curves_say_so_and_keep_the_design() -> None:
    study = case("correlated points, errors of the bias")
    found = simulated(study, draw_truth(study, np.random.default_rng(0)), np.random.default_rng(1))
    assert "SIMULATED" in found.label
    changed = {"par", "perp", "origin"}
    for before, after in zip(study.curves, found.curves, strict=True):
        for each in fields(TorqueCurve):
            same = np.array_equal(getattr(before, each.name), getattr(after, each.name))
            assert same == (each.name not in changed), each.name


def test_a_parameter_that_cannot_be_simulated_is_refused() -> None:
    study = made()
    unknown = declared() | {"roughness": Parameter("roughness", Uniform(0.0, 1.0))}
    object.__setattr__(study, "parameters", unknown)
    with pytest.raises(MtjfitError, match=r"parameters\.roughness: data that depend on it cannot be simulated"):
        priors_of(study)


def test_every_parameter_that_a_study_knows_can_be_simulated() -> None:
    study = made()
    object.__setattr__(study, "parameters", {name: Parameter(name, Fixed(1.0)) for name in KNOWN_TO_STUDIES})
    assert priors_of(study) == {}
