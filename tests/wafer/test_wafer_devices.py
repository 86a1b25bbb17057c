"""Devices of a stack: deviations, prediction by the others, lengths without odd ones – against other ways to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hierarchy_cases import HIERARCHY, at_truth, factor, made, parameters, posterior, simulated
from scipy import stats
from stack_draws import posterior_about

from mtjfit.infer import Check, Verdict
from mtjfit.model.compress import Compressed
from mtjfit.model.likelihood import full_posterior
from mtjfit.study import Fixed, LogNormal, Normal, Study
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior
from mtjfit.wafer.stack import predictive
from mtjfit.wafer.stack.deviations import device_deviations, with_units
from mtjfit.wafer.stack.odd import OPEN, REWEIGHTED, SAMPLED, lengths_without
from mtjfit.wafer.stack.outputs import StackOutputs, surface_quantity
from mtjfit.wafer.stack.predictive import BY_OTHERS, predicted, predictive_check
from mtjfit.wafer.stack.some_devices import SomeDevices, log_likelihood_by_device

KNOWN = {"lambda_sf_F": Fixed(10.0), "Lambda": Fixed(2.0)}


def planted(thickness: dict[int, float], dead: tuple[int, ...] = (), n: int = 30, seed: int = 0) -> WaferPosterior:
    """A wafer on which some devices have another declared thickness, and some 30 % of their torque."""
    study, x, y = simulated(n, n_bias=7, seed=seed, declared=parameters(**KNOWN))
    curves = list(study.curves)
    for j, d in thickness.items():
        curves[j] = replace(curves[j], thickness=d)
    for j in dead:
        curves[j] = replace(curves[j], par=0.3 * curves[j].par, perp=0.3 * curves[j].perp)
    study = study.replace(curves=tuple(curves))
    return WaferPosterior(WaferDevices.of(study, x, y), study.parameters, HIERARCHY)


@pytest.fixture(scope="module")
def wrong() -> StackOutputs:
    """Device D5 is 2.2 nm thick, and declared as 1.2 nm."""
    model = planted({5: 1.2})
    return StackOutputs.of(posterior_about(model, at_truth(model), 2000))


def test_likelihoods_of_devices_make_that_of_the_stack_whatever_the_radius() -> None:
    model = posterior(5, hierarchy=replace(HIERARCHY, radius=None))
    z = at_truth(model) + 0.1 * np.random.default_rng(0).standard_normal((3, model.size))
    np.testing.assert_allclose(log_likelihood_by_device(model, z).sum(axis=1), model.log_likelihood(z), rtol=1e-12)


def test_devices_of_an_unknown_wafer_are_refused() -> None:
    model = posterior(4, hierarchy=replace(HIERARCHY, each="wafer"), wafers=2)
    strange = replace(model.devices, wafer=("w9",) * 4)
    with pytest.raises(ValueError, match="w9"):
        SomeDevices.of(model, strange)


def test_deviations_are_those_of_draws_from_a_surface_by_hand() -> None:
    _, model = made(4, n_bias=7)
    z = np.repeat(at_truth(model), 400, axis=0)
    found = posterior_about(model, at_truth(model), 400)
    fixed = replace(found, z=z.reshape(4, -1, 10, model.size))
    table = device_deviations(fixed)
    drawn = found.model.draw_devices(z, np.random.default_rng(5))
    true = dict(zip(model.names, model.scores.values(z)[0], strict=True))
    x, y = model.devices.x, model.devices.y
    surface = model.devices.thickness * factor("thickness", true, x, y)
    # two sets of 400 draws: eight means at 5 sd, once in 2e5
    away = drawn["thickness"].mean(axis=0) - surface
    error = table["thickness_sd"] / np.sqrt(400) * np.sqrt(2)
    assert np.all(np.abs(table["thickness_deviation"] - away) < 5 * error)
    np.testing.assert_allclose(table["thickness_score"] * true["thickness_scatter"], table["thickness_deviation"])
    relative = drawn["a1"].mean(axis=0) / (true["a1"] * factor("a1", true, x, y)) - 1
    assert np.all(np.abs(table["a1_deviation"] - relative) < 5 * table["a1_deviation_sd"] / np.sqrt(200))
    assert "thickness (nm)" in with_units(table, {"thickness": "nm"})


def simulated_moments(model: WaferPosterior, study: Study, true: dict[str, float]) -> tuple[Any, ...]:
    """Mean and covariance of whitened data over 400 simulated wafers of the same truth: no formula at all."""
    data: list[Compressed] = []
    for seed in range(400):
        again, *_ = simulated(model.devices.n, n_bias=7, seed=1000 + seed, truth=true, nominal=(1.2, 2.2))
        moved = [
            replace(mine, par=one.par, perp=one.perp) for mine, one in zip(study.curves, again.curves, strict=True)
        ]
        data.append(full_posterior(study.replace(curves=tuple(moved))).data)
    z = np.stack([each.z for each in data])
    return z.mean(axis=0), np.stack([np.cov(z[:, j].T) for j in range(z.shape[1])])


def moment_scores(scatter: float = 0.1) -> tuple[float, float]:
    """Largest deviation of predicted means, and of variances, from those of simulations, in standard errors."""
    true = {"thickness_scatter": scatter, "thickness_tilt_x": 0.0, "thickness_tilt_y": 0.0, "thickness_bowl": 0.0,
            "a1_bowl": 0.0}  # fmt: skip
    study, model = made(3, n_bias=7, truth=true)
    values = model.scores.values(at_truth(model, **true))
    found = predicted(model, values, slice(None))
    mean, covariance = simulated_moments(model, study, true)
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    expected = np.diagonal(found.covariance[0], axis1=1, axis2=2)
    away = np.abs(found.mean[0] - mean) / np.sqrt(variance / 400)
    return float(away.max()), float(np.max(np.abs(variance / expected - 1)) * np.sqrt(200))


@pytest.mark.slow
def test_predicted_moments_are_those_of_simulations() -> None:
    """Of 12 numbers: 4.5 standard errors, once in 6000 choices of the seeds; variances in their normal errors."""
    mean, variance = moment_scores()
    assert mean < 4.5
    assert variance < 5.0


@pytest.mark.slow
def test_sabotage_a_prediction_without_scatter_of_thicknesses_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictive, "_NODES", 1)
    assert moment_scores()[1] > 10


CALIBRATED = {
    **KNOWN, "lambda_J": Fixed(1.0), "lambda_phi": LogNormal(1.2, 1.15), "a1": Normal(1.0, 0.1),
    "b2": Normal(0.6, 0.06), "scatter_a1": LogNormal(0.03, 1.4), "scatter_b2": LogNormal(0.03, 1.4),
}  # fmt: skip


def p_values(wafers: int = 30, n: int = 10) -> np.ndarray:
    """Of right wafers, the truth from the prior, thicknesses and noise at random, shape (wafers, n)."""
    declared, found = parameters(**CALIBRATED), []
    for seed in range(wafers):
        rng = np.random.default_rng([seed, 7])
        free = {name: each.prior for name, each in declared.items() if name in CALIBRATED and not each.is_fixed}
        true = {name: float(prior.quantile(rng.random())) for name, prior in free.items()}
        true |= {"thickness_scatter": 0.0, "thickness_tilt_x": 0.0, "thickness_tilt_y": 0.0, "thickness_bowl": 0.0,
                 "a1_bowl": 0.0}  # fmt: skip
        nominal, noise = tuple(rng.uniform(0.8, 3.0, 3)), float(10 ** rng.uniform(-2.3, -1.5))
        model = posterior(n, hierarchy=Hierarchy(), declared=declared, truth=true, n_bias=5, noise=noise, seed=seed,
                          nominal=nominal)  # fmt: skip
        checked = predictive_check(posterior_about(model, at_truth(model, **true), seed=seed))
        found.append(checked["p_value"].to_numpy())
    return np.array(found)


@pytest.mark.slow
def test_p_values_of_right_wafers_are_uniform_and_half_the_scatter_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fixed seed fails once in a thousand choices of it."""
    assert stats.kstest(p_values().ravel(), "uniform").pvalue > 1e-3
    right = predictive._amplitudes
    monkeypatch.setattr(predictive, "_amplitudes", lambda *a: (right(*a)[0], 0.5 * right(*a)[1]))
    assert stats.kstest(p_values(15).ravel(), "uniform").pvalue < 1e-3


@pytest.mark.slow
def test_a_wrong_thickness_is_named_and_ringed(wrong: StackOutputs) -> None:
    assert wrong.devices.loc[wrong.odd, "device"].tolist() == ["D5"]
    assert "1 device of 30 (D5): not as the others predict" in wrong.says
    assert (wrong.devices["predicted_by"] == BY_OTHERS).all()
    survey = wrong.survey()
    assert survey.unit(surface_quantity("thickness")) == "nm"
    assert int(np.argmax(np.abs(survey.values(surface_quantity("thickness"))))) == 5


@pytest.mark.slow
def test_dead_contacts_are_named_though_they_widen_the_scatter() -> None:
    model = planted({}, dead=(7, 12))
    found = predictive_check(posterior_about(model, at_truth(model)))
    assert found.loc[found["odd"], "device"].tolist() == ["D7", "D12"]


@pytest.mark.slow
def test_an_odd_device_that_was_left_out_is_judged_by_the_others() -> None:
    whole = planted({5: 1.2})
    rest = SomeDevices.at(whole, np.arange(30) != 5).model
    found = predictive_check(posterior_about(rest, at_truth(rest)), whole.devices)
    assert found.loc[found["odd"], "device"].tolist() == ["D5"]
    assert found.loc[5, "k_hat"] == -np.inf


@pytest.mark.slow
def test_reweighted_lengths_are_those_of_the_posterior_of_the_others() -> None:
    """The odd device is a little off: weights suffice. Five sd of two sets of 400 effective draws."""
    model = planted({4: 1.3})
    gone = np.arange(30) == 4
    found = lengths_without(posterior_about(model, at_truth(model), 2000), gone)
    assert found.how == REWEIGHTED
    rest = SomeDevices.at(model, ~gone).model
    alone = posterior_about(rest, at_truth(rest), 2000).draws
    for name in ("lambda_J", "lambda_phi", "a1"):
        sd = float(alone[name].std())
        assert abs(found.without.draws[name].mean() - alone[name].mean()) < 5 * sd * np.sqrt(2 / 400)
        assert found.without.draws[name].std() == pytest.approx(sd, rel=0.2)


@pytest.mark.slow
def test_lengths_are_sampled_again_where_weights_do_not_do_or_it_is_said() -> None:
    model = planted({}, dead=(7,))
    found = posterior_about(model, at_truth(model))
    left_open = lengths_without(found, [7])
    assert left_open.how == OPEN
    assert all("not decided, the draws do not reach the posterior without D7" in each for each in left_open.sentences())
    assert np.isnan(left_open.table["q50_without"]).all()
    again = lengths_without(found, [7], sample=lambda rest: posterior_about(rest, at_truth(rest)))
    assert (again.how, again.without.model.devices.n) == (SAMPLED, 29)
    refused = replace(found, verdict=Verdict((Check("made", False, "no sampler"),), {}))
    assert "did not converge" in lengths_without(refused, [7]).why
    assert "their own run did not converge" in lengths_without(found, [7], sample=lambda _: refused).why
    with pytest.raises(ValueError, match="no device would be left"):
        lengths_without(found, np.ones(30, dtype=bool))


def test_without_odd_devices_nothing_changes() -> None:
    model = planted({}, n=6)
    found = lengths_without(posterior_about(model, at_truth(model)), np.zeros(6, dtype=bool))
    assert found.sentences() == ("No device is odd: lengths without odd devices are the same.",)
