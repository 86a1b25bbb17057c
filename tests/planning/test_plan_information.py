"""Fisher information of planned sweeps: against differences of another forward model, exact where all is Gaussian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from model_studies import AMPLITUDES, TRUTH, naive, simulated
from plan_cases import gaussian, known_about, measurement, numerical_jacobian, schur_by_inverse

from mtjfit.data import TorqueCurve
from mtjfit.model import MarginalPosterior
from mtjfit.model.jacobian import jacobian
from mtjfit.planning import (
    Candidate,
    LinearGaussian,
    ParameterDraws,
    Response,
    fisher,
    linear_gaussian,
    precision_before,
    respond,
    setting,
    target_of,
)
from mtjfit.planning.choose import choose, exchanged, greedy
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study, Uniform


def values_of(study: Study) -> dict[str, float]:
    """Plausible values of every free parameter."""
    own = {f"{name}[{c.device}]": AMPLITUDES[name] * (1 + 0.05 * k) for name in AMPLITUDES
           for k, c in enumerate(study.curves)}  # fmt: skip
    thick = {f"thickness[{c.device}]": c.thickness + 0.02 for c in study.curves}
    groups = {f"{name}[{c.group}]": value for name, value in {**TRUTH, **AMPLITUDES}.items() for c in study.curves}
    more = {"Lambda": 1.7, "dead_layer": 0.2, "scatter_a1": 0.03, "noise_par": 0.02, "noise_perp": 0.03}
    return {**TRUTH, **AMPLITUDES, **own, **thick, **groups, **more}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "known thickness": ({}, {}),
    "uncertain thickness": ({"thickness": AboutNominal(0.1)}, {}),
    "torkance": ({"thickness": AboutNominal(0.1)}, {"quantity": "torkance"}),
    "per volume": ({"thickness": AboutNominal(0.1)}, {"per": "volume"}),
    "dead layer": ({"thickness": AboutNominal(0.1), "dead_layer": Uniform(0.0, 0.5)}, {}),
    "dead layer, log": ({"dead_layer": LogUniform(0.01, 0.5)}, {"per": "volume"}),
    "lambda not log": ({"lambda_J": Uniform(0.1, 5.0), "D_ratio": LogNormal(1.0, 2.0)}, {}),
    "Lambda": ({"Lambda": LogUniform(0.1, 100.0), "lambda_sf_N": None, "D_ratio": None, "b1": Normal(0.0, 1.0)}, {}),
    "by group": ({"lambda_sf_N": (LogUniform(0.1, 100.0), "group"), "a1": (Normal(0.0, 3.0), "group")}, {}),
    "own amplitudes": ({"a1": (Normal(0.0, 0.2), "device"), "thickness": AboutNominal(0.1)}, {}),
    "scatter": ({"scatter_a1": LogNormal(0.03, 2.0), "thickness": AboutNominal(0.1)}, {}),
    "fixed scatter": ({"scatter_a1": Fixed(0.05)}, {}),
    "fixed amplitude": ({"b2": Fixed(0.6), "lambda_sf_F": Fixed(np.inf)}, {}),
    "there already": ({"thickness": AboutNominal(0.1)}, {"device": "B", "thickness": 2.0}),
    "there already, own": ({"a1": (Normal(0.0, 0.2), "device"), "thickness": AboutNominal(0.1)}, {"device": "B"}),
    "at an angle": ({"thickness": AboutNominal(0.1)}, {"angle": 60.0, "sin_theta": "included"}),
}  # fmt: skip


def scene(case: str) -> tuple[Study, ParameterDraws, Any]:
    priors, changes = CASES[case]
    per = {key: changes[key] for key in ("quantity", "per") if key in changes}
    study = simulated((1.0, 2.0, 3.5), **per, **priors)
    made = measurement(**changes)
    draws = known_about(study, values_of(study)).with_new([made], np.random.default_rng(0))
    return study, draws, made


def analytic(draws: ParameterDraws, made: Any) -> Response:
    return respond(draws, setting(draws, made))


@pytest.mark.parametrize("case", CASES)
def test_information_is_that_of_a_model_written_point_by_point(case: str) -> None:
    study, draws, made = scene(case)
    F = fisher(analytic(draws, made))
    for row in range(2):
        expected = schur_by_inverse(*numerical_jacobian(study, draws, made, row))
        scale = np.sqrt(np.diagonal(expected) + 1e-9)
        np.testing.assert_allclose(F[row] / np.outer(scale, scale), expected / np.outer(scale, scale), atol=2e-5)


@pytest.mark.parametrize("case", ["uncertain thickness", "own amplitudes", "scatter"])
def test_sabotage_taking_what_a_device_has_of_its_own_as_known_is_seen(case: str) -> None:
    study, draws, made = scene(case)
    response = analytic(draws, made)
    wrong = fisher(Response(response.mean, response.shared, response.own[..., :0]))[0]
    expected = schur_by_inverse(*numerical_jacobian(study, draws, made, 0))
    assert np.linalg.norm(wrong - expected) > 0.1 * np.linalg.norm(expected)


def _wavy(curve: TorqueCurve) -> dict[str, Any]:
    return {"sigma_par": 0.02 + 0.01 * np.cos(9 * curve.bias), "sigma_perp": 0.03 + 0.02 * curve.bias**2}


def _common(curve: TorqueCurve) -> np.ndarray:
    """Independent errors, and two that all points of a curve share."""
    n, rng = curve.bias.size, np.random.default_rng(3)
    shared = rng.normal(size=(2 * n, 2)) * 0.05
    return np.diag(np.full(2 * n, 0.02**2)) + shared @ shared.T


ERRORS: dict[str, Callable[[TorqueCurve], dict[str, Any]]] = {
    "independent": _wavy,
    "rho": lambda curve: {**_wavy(curve), "rho": 0.7 * np.sin(5 * curve.bias)},
    "covariance": lambda curve: {"covariance": _common(curve)},
    "of the bias": lambda curve: {**_wavy(curve), "sigma_bias": np.full(curve.bias.size, 0.02)},
}


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_information_of_the_curves_that_are_there_is_that_of_the_fit(quantity: str, errors: str) -> None:
    """`model.jacobian` is made from sums of the curves with the errors of their points."""
    draws, _, expected = of_the_fit(quantity, errors)
    for row in range(2):
        np.testing.assert_allclose(precision_before(draws)[row], expected[row], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("errors", ["rho", "covariance", "of the bias"])
def test_sabotage_leaving_out_a_correlation_is_seen(errors: str) -> None:
    draws, study, expected = of_the_fit("torque", errors)
    plain = tuple(
        TorqueCurve(c.device, c.bias, c.par, c.perp, c.thickness, c.quantity, c.per, group=c.group,
                    sigma_par=c.sigma_par, sigma_perp=c.sigma_perp)
        for c in study.curves
    )  # fmt: skip
    wrong = precision_before(replace(draws, curves=plain))[0]
    assert np.linalg.norm(wrong - expected[0]) > 0.05 * np.linalg.norm(expected[0])


def of_the_fit(quantity: str, errors: str) -> tuple[ParameterDraws, Study, list[np.ndarray]]:
    study = simulated((1.0, 2.0, 3.5), quantity=quantity, b1=Normal(0.0, 1.0))
    declared = tuple(
        TorqueCurve(c.device, c.bias, c.par, c.perp, c.thickness, c.quantity, c.per, group=c.group, **ERRORS[errors](c))
        for c in study.curves
    )
    study = study.replace(curves=tuple(c.mask(np.abs(c.bias) > 0.45, "far out") for c in declared))
    draws = known_about(study, values_of(study), n=2)
    model, found = MarginalPosterior(study).full, []
    for row in range(2):
        values = np.array([draws.values[name][row] for name in model.layout.names])
        amplitudes = np.array([draws.values[name][row] for name in model.amplitudes.names])
        J = jacobian(model, values, amplitudes)
        per_unit = J.matrix / [1.0 if draws.coordinates[draws.place[n]].log else s
                               for n, s in zip(J.names, J.scale, strict=True)]  # fmt: skip
        order = [J.names.index(name) for name in draws.names]
        found.append((per_unit.T @ per_unit)[np.ix_(order, order)] + np.diag(draws.prior_sd**-2))
    return draws, study, found


def exact_covariance(study: Study) -> np.ndarray:
    """Of the amplitudes, by the dense design matrix over single points."""
    parts = naive(study, TRUTH)
    D = parts["D"] / parts["sigma"][:, None]
    return np.linalg.inv(D.T @ D + np.diag(parts["sd"] ** -2.0))


def test_a_gaussian_posterior_is_predicted_exactly() -> None:
    study, draws = gaussian(2000)
    made = measurement(3.0)
    candidate = Candidate("3 nm", "thickness", (made,))
    before = exact_covariance(study)
    after = exact_covariance(study.replace(curves=(*study.curves, made.curve())))
    for k, name in enumerate(draws.names):
        report = linear_gaussian(draws.thinned(5), target_of(draws, name), [candidate])
        information = report.information(candidate)
        ratio = np.sqrt(after[k, k] / before[k, k])
        np.testing.assert_allclose(report.ratio(information, report.target), ratio, rtol=1e-9)
        assert np.exp2(-report.score(information)) == pytest.approx(np.sqrt(after[k, k]), rel=1e-9)
    bits = 0.5 * np.log2(np.linalg.det(before) / np.linalg.det(after))
    np.testing.assert_allclose(report.bits(information), bits, rtol=1e-9)


def test_sabotage_another_noise_than_was_predicted_is_seen() -> None:
    study, draws = gaussian(2000)
    made = measurement(3.0)
    after = exact_covariance(study.replace(curves=(*study.curves, made.curve())))
    wrong = Candidate("3 nm", "thickness", (measurement(3.0, noise_perp=made.noise_par),))
    report = linear_gaussian(draws.thinned(2), target_of(draws, "b1"), [wrong])
    k = draws.place["b1"]
    assert np.exp2(-report.score(report.information(wrong))) < 0.98 * np.sqrt(after[k, k])


def test_own_thicknesses_and_amplitudes_do_not_count_as_shared() -> None:
    """Bits are those of the shared block of the whole covariance."""
    study = simulated((1.0, 2.0, 3.5), thickness=AboutNominal(0.1))
    draws = known_about(study, values_of(study))
    again = Candidate("B again", "again", (measurement(2.0, device="B"),))
    report = linear_gaussian(draws, target_of(draws, "everything"), [again])
    whole = precision_before(draws)
    with_again = whole + fisher(analytic(draws, again.measurements[0]))
    shared = np.flatnonzero(draws.shared)
    assert [draws.names[k] for k in shared] == ["lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2"]
    dets = [np.linalg.slogdet(np.linalg.inv(P)[:, shared[:, None], shared])[1] for P in (whole, with_again)]
    expected = 0.5 * (dets[0] - dets[1]) / np.log(2)
    np.testing.assert_allclose(report.bits(report.information(again)), expected, rtol=1e-6)


def test_another_cap_brings_its_own_parameter_and_no_information_about_the_first_one() -> None:
    study = simulated((1.0, 2.0, 3.5))
    made = measurement(2.0, cap=LogNormal(10.0, 2.0), group="other cap")
    draws = known_about(study, values_of(study), n=64).with_new([made], np.random.default_rng(0))
    assert draws.names[-1] == "Lambda[other cap]"
    assert draws.prior_sd[-1] == pytest.approx(np.log(2.0), rel=1e-2)
    assert np.median(draws.values["Lambda[other cap]"]) == pytest.approx(10.0, rel=0.3)
    F = fisher(analytic(draws, made))
    assert np.all(F[:, draws.place["lambda_sf_N"]] == 0)
    assert np.all(F[:, -1, -1] > 0)
    exact = fisher(analytic(draws, measurement(2.0, cap=Fixed(10.0))))
    assert np.all(exact[:, -1] == 0)


def rank_one(n: int, seed: int) -> np.ndarray:
    """Information of n devices at three draws, each of one or two directions out of four."""
    J = np.random.default_rng(seed).normal(size=(n, 3, 4, 2)) * np.array([1.0, 0.3])
    return J @ np.swapaxes(J, -1, -2)


def log_det(F: np.ndarray) -> np.ndarray:
    return np.linalg.slogdet(F + 0.1 * np.eye(4))[1].mean(axis=-1)


@pytest.mark.parametrize("seed", range(3))
def test_exhaustive_choice_is_the_best_of_all(seed: int) -> None:
    F = rank_one(8, seed)
    found = choose(F, 3, log_det)
    scores = {each: float(log_det(F[list(each)].sum(axis=0))) for each in combinations(range(8), 3)}
    assert found.method == "exhaustive"
    assert found.chosen == max(scores, key=scores.__getitem__)
    assert found.score == pytest.approx(max(scores.values()))
    assert sorted(found.order) == list(found.chosen)


def test_exchanges_end_where_no_exchange_helps_and_near_the_best() -> None:
    worse = 0
    for seed in range(12):
        F = rank_one(9, seed)
        best, found = choose(F, 4, log_det), choose(F, 4, log_det, most=1)
        assert found.method == "exchange"
        assert found.n_combinations == 126
        assert exchanged(F, found.chosen, log_det)[0] == found.chosen
        assert found.score >= float(log_det(F[list(greedy(F, 4, log_det))].sum(axis=0))) - 1e-12
        worse += found.score < best.score - 1e-9
    assert worse <= 2  # local optima: rare, and close


def test_the_first_of_a_greedy_choice_is_the_best_single_one() -> None:
    F = rank_one(8, 5)
    order = greedy(F, 3, log_det)
    assert order[0] == int(np.argmax([log_det(each) for each in F]))
    pairs = [log_det(F[order[0]] + each) if k != order[0] else -np.inf for k, each in enumerate(F)]
    assert order[1] == int(np.argmax(pairs))


def test_linear_keeps_only_what_counts_and_loses_nothing_by_it() -> None:
    study = simulated((1.0, 2.0, 3.5), thickness=AboutNominal(0.1))
    draws = known_about(study, values_of(study))
    candidate = Candidate("new", "thickness", (measurement(2.7),))
    report = linear_gaussian(draws, target_of(draws, "lambda_phi"), [candidate])
    assert report.kept.size == 6
    everything = np.arange(len(draws.names))
    whole = LinearGaussian(draws, report.target, precision_before(draws), everything, np.ones(everything.size))
    np.testing.assert_allclose(
        report.ratio(report.information(candidate), report.target),
        whole.ratio(whole.information(candidate), whole.target),
        rtol=1e-8,
    )
