"""The posterior of a stack: what it says of itself, and whether truths drawn from the prior rank uniformly in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hierarchy_cases import HIERARCHY, TRUTH, at_truth, parameters, posterior, simulated
from scipy import stats

from mtjfit.errors import MtjfitError
from mtjfit.infer import Check, Verdict
from mtjfit.infer.ensembles.ensemble import advanced, initial_stage
from mtjfit.study import Fixed, Sampling
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior
from mtjfit.wafer.stack.sample import StackPosterior, describe_stack, from_priors, observed_information, sample_stack

ALARM = 1e-5
KNOWN = {n: Fixed(TRUTH[n]) for n in ("lambda_phi", "lambda_sf_F", "Lambda", "b2", "scatter_a1", "scatter_b2")}


def told(z: np.ndarray, model: WaferPosterior) -> StackPosterior:
    """A posterior of given draws (n, size), as four ensembles of one walker each."""
    chain, verdict = z.reshape(4, -1, 1, model.size), Verdict((Check("made", True, "by hand"),), {})
    return StackPosterior(model, verdict, chain, np.zeros(chain.shape[:-1]), 1, None)


def about_truth(model: WaferPosterior, n: int = 400) -> np.ndarray:
    """Normal scores about the truth, as wide as the prior and the information of the data there make them."""
    H = observed_information(model.log_likelihood, at_truth(model), 0.02 * np.eye(model.size))[0]
    known, vectors = np.linalg.eigh(H)
    noise = np.random.default_rng(0).standard_normal((n, model.size)) / np.sqrt(1 + np.maximum(known, 0.0))
    return np.asarray(at_truth(model) + 0.3 * noise @ vectors.T)


@pytest.mark.slow
def test_one_nominal_thickness_leaves_lengths_and_amplitudes_to_the_priors() -> None:
    """With errors of 1 % the change of thickness over the wafer is no replacement for a series of thicknesses."""
    one, series = (posterior(16, nominal=nominal) for nominal in ((1.5,), (0.8, 1.4, 2.2, 3.5)))
    of_one, of_series = (told(about_truth(model), model) for model in (one, series))
    names = ["lambda_J", "lambda_phi", "Lambda", "a1", "b2"]
    table, other = of_one.summary(), of_series.summary()
    assert (table["from_priors"][names] > 0.5).all()
    assert (table["determined"][names] != "yes").all()
    assert table.loc[names, ["mean", "sd"]].isna().all(axis=None)
    assert (other["from_priors"][names] < 0.5).all()
    assert other.loc[["lambda_J", "a1", "a1_bowl"], "sd"].notna().all()
    assert len(of_series.open_directions) < len(of_one.open_directions)
    units = {"a1": "arb/V", "b2": "arb/V^2"}
    units |= dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda", "thickness_scatter"), "nm")
    assert other["unit"].to_dict() == {name: units.get(name, "") for name in series.names}


def test_the_share_of_the_priors_does_not_come_from_a_name() -> None:
    """A rotation of what is open: each of two parameters then has half of it. Curvature does not mislead the steps."""
    c = np.sqrt(0.5)
    turn = np.array([[c, c, 0], [-c, c, 0], [0, 0, 1]])
    H = turn.T @ np.diag([0.0, 400.0, 400.0]) @ turn

    def log_likelihood(z: np.ndarray) -> np.ndarray:
        return np.asarray(-0.5 * np.einsum("ni,ij,nj->n", z, H, z) + 1e-3 * np.sum(z**3, axis=1))

    found = observed_information(log_likelihood, np.zeros((1, 3)), np.linalg.cholesky(np.linalg.inv(H + np.eye(3))))
    np.testing.assert_allclose(found[0], H, atol=1e-6)
    share = from_priors(found)
    assert np.all(share[:2] > 0.99)
    assert share[2] < 0.01


def test_devices_shrink_towards_the_stack() -> None:
    """Each device's thickness: mean and sd of its conditional, against the draws themselves."""
    model = posterior(5, noise=0.001)
    z = np.repeat(at_truth(model), 4000, axis=0)
    table = told(z, model).devices(2000)
    assert list(table.columns[:5]) == ["device", "wafer", "x", "y", "thickness_nominal"]
    found = model.draw_devices(z[:4000], np.random.default_rng(5))
    for name in ("thickness", "a1", "b2"):
        error = table[f"{name}_sd"] / np.sqrt(1300)
        assert np.all(np.abs(table[name] - found[name].mean(axis=0)) < 5 * error)
        np.testing.assert_allclose(table[f"{name}_sd"], found[name].std(axis=0), rtol=0.12)
    assert np.all(table["thickness_sd"] < 0.7 * TRUTH["thickness_scatter"])


def test_a_journal_knows_its_stack() -> None:
    model = posterior(4)
    said = describe_stack(model, 1)
    moved = replace(model, devices=replace(model.devices, x=model.devices.x + 1e-9))
    wider = replace(model, hierarchy=replace(HIERARCHY, sd={"thickness": 0.1, "a1": 0.04}))
    for other, what in ((moved, "devices"), (wider, "smooth")):
        assert [key for key, words in describe_stack(other, 1).items() if said[key] != words] == [what]


def test_nothing_to_sample_is_said() -> None:
    fixed = parameters(**{name: Fixed(TRUTH[name]) for name in (*KNOWN, "lambda_J", "a1")})
    study, x, y = simulated(3, declared=fixed)
    with pytest.raises(MtjfitError, match="nothing to sample"):
        sample_stack(WaferPosterior(WaferDevices.of(study, x, y), study.parameters, Hierarchy()))


# calibration


def ranked(seed: int, *, noise_said: float = 1.0) -> tuple[np.ndarray, float]:
    """Probability below each truth, and below its likelihood, for truths and a wafer drawn from the prior."""
    prior = posterior(2)
    z_true = np.random.default_rng([seed, 7]).standard_normal((1, prior.size))
    truth = dict(zip(prior.names, map(float, prior.scores.values(z_true)[0]), strict=True))
    study, x, y = simulated(12, seed=1000 + seed, noise=0.02, truth=truth)
    study = study.replace(curves=tuple(
        replace(c, sigma_par=c.sigma_par * noise_said, sigma_perp=c.sigma_perp * noise_said) for c in study.curves
    ))  # fmt: skip
    model = WaferPosterior(WaferDevices.of(study, x, y), study.parameters, HIERARCHY)
    # some hundred effective draws of the coordinates, without a gate: one annealed ensemble
    block, _ = advanced(model, initial_stage(model, model.size, 1, 64, seed), 600)
    z = block.theta[0, ::5].reshape(-1, model.size)
    below = model.log_likelihood(z[::5]) < float(model.log_likelihood(z_true)[0])
    return np.mean(z < z_true, axis=0), float(np.mean(below))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_truths_from_the_prior_rank_uniformly() -> None:
    """SBC over 40 wafers of 12 devices: 14 KS tests, false alarm 2e-4 in all; 80 % intervals cover within 4.5 sd."""
    found = [ranked(seed) for seed in range(40)]
    u = np.array([one for one, _ in found])
    for ranks in (*u.T, [one for _, one in found]):
        assert stats.kstest(ranks, "uniform").pvalue > ALARM
    inside = np.mean((u > 0.1) & (u < 0.9))
    assert abs(inside - 0.8) < 4.5 * np.sqrt(0.16 / u.size * 3)  # parameters of one wafer are not independent


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_errors_of_the_data_that_are_too_small_are_noticed() -> None:
    """Half of the true ones: the likelihood of the truth ranks lowest of all."""
    found = [ranked(seed, noise_said=0.5)[1] for seed in range(15)]
    assert stats.kstest(found, "uniform").pvalue < ALARM


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
def test_a_wafer_is_recovered(seed: int) -> None:
    """The whole way by the sampler: converged, and no truth beyond 4.5 sd (false alarm 1e-4 in all)."""
    study, x, y = simulated(40, seed=seed, declared=parameters(**KNOWN))
    model = WaferPosterior(WaferDevices.of(study, x, y), study.parameters, HIERARCHY)
    found = sample_stack(model, Sampling(seed=1, target_ess=1000), progress=False)
    assert found.verdict.converged, found.verdict
    draws = found.z.reshape(-1, model.size)
    assert np.max(np.abs((at_truth(model)[0] - draws.mean(axis=0)) / draws.std(axis=0))) < 4.5
    table = found.summary()
    assert (table.loc[["thickness_tilt_x", "thickness_bowl", "a1"], "determined"] == "yes").all()
    devices = found.devices()
    assert np.mean(np.abs(devices["thickness"] - devices["thickness_nominal"]) > 1e-4) > 0.9
