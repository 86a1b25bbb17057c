"""The second opinion agrees with right draws, and refuses wrong ones by what is wrong with them."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from evidence_targets import BANANA, TARGETS, TWO_MODES, Known, bells, gaussian
from infer_targets import fitted_jump, jump_of
from scipy import stats
from shortcuts import slow_after

from mtjfit.data import dataset
from mtjfit.infer import (
    Chains,
    Check,
    Effort,
    Evidence,
    Exploration,
    Jump,
    Mixture,
    explore_posterior,
    importance_sample,
    judge,
    log_evidence,
)
from mtjfit.infer.convergence.crosscheck import MAX_ERRORS, MIN_EFFECTIVE, cross_check, quantile_differences
from mtjfit.model import MarginalPosterior
from mtjfit.study import Fixed, Normal, load_study


def fitted(target: Known, rng: np.random.Generator) -> Jump:
    return fitted_jump(target.draws(1500, rng), rng)


@cache
def second_of(name: str, seed: int = 0, fewest: int = 6000) -> Exploration:
    rng = np.random.default_rng([11, seed])
    return explore_posterior(TARGETS[name], TARGETS[name].size, rng, effort=Effort(fewest=fewest))


def asked(target: Known, chains: Chains, jump: Jump, second: Exploration, evidence: Evidence | None = None) -> Check:
    """As a run asks, with the evidence of its own draws and its own proposal."""
    found = evidence or log_evidence(target, chains, np.random.default_rng(1), jump=jump)
    return cross_check(chains, jump, found, second)


def number(pattern: str, check: Check) -> float:
    """What a check says of something."""
    found = re.search(pattern, check.says)
    assert found, check.says
    return float(found[1])


def changed(chains: Chains, k: int, *, shift: float = 0.0, stretch: float = 1.0) -> Chains:
    """One coordinate moved by some of its sd, or narrower; what a wrong move or a forgotten term would do."""
    theta = chains.theta.copy()
    mean, sd = theta[..., k].mean(), theta[..., k].std()
    theta[..., k] = mean + shift * sd + stretch * (theta[..., k] - mean)
    return replace(chains, theta=theta)


@pytest.mark.parametrize("name", slow_after(2, ["gaussian 1", "gaussian 6", "banana", "two modes"]))
def test_right_draws_are_agreed_with_and_wrong_ones_are_not(name: str) -> None:
    target, rng, second = TARGETS[name], np.random.default_rng(0), second_of(name)
    chains, jump = target.chains(125, rng), fitted(target, rng)
    right = asked(target, chains, jump, second)
    assert right.ok, right.says
    assert right.name == "second method"
    assert right.says.startswith("a second method, annealed anew from the prior, agrees: largest difference 0.")
    assert "importance sampling, k̂ = " in right.says
    for k in (0, target.size - 1):
        for wrong in (changed(chains, k, stretch=0.8), changed(chains, k, shift=0.3), changed(chains, k, shift=-0.3)):
            found = asked(target, wrong, jump, second)
            assert not found.ok
            assert f"quantile of {chains.names[k]} differs by " in found.says


def all_in_errors(target: Known, repeats: int, rng: np.random.Generator, walkers: int = 16) -> np.ndarray:
    """Of 500 draws for each walker."""
    found = []
    for _ in range(repeats):
        weighted = importance_sample(target, fitted(target, rng), 4000, rng)
        found.append(
            [one.in_errors for one in quantile_differences(target.chains(125, rng, walkers=walkers), weighted)]
        )
    return np.array(found)


def test_differences_are_in_units_of_their_error() -> None:
    """20 runs of a banana with 1000 draws, so that their error counts, too.

    The squares of each of six differences sum to χ² with 20 degrees, within 99.98 %.
    """
    z = all_in_errors(BANANA, 20, np.random.default_rng(1), walkers=2)
    assert np.all(np.abs(z).max(axis=1) < MAX_ERRORS)
    for column in z.T:
        assert 1e-4 < stats.chi2.cdf(np.sum(column**2), column.size) < 1 - 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian 2", "gaussian 6", "banana", "two modes"])
def test_false_alarms_are_as_rare_as_normal_statistics_say(name: str) -> None:
    """None in 200 runs, where 1e-4 for each is to be expected: 2 % by chance."""
    z = all_in_errors(TARGETS[name], 200, np.random.default_rng(2))
    assert np.abs(z).max() < MAX_ERRORS
    assert np.std(z) == pytest.approx(1.0, abs=0.1)


def test_the_difference_of_the_quantiles_is_in_sd() -> None:
    """Of a normal coordinate: 0.3 sd off at every quantile, within four errors of a 5 % quantile, 0.05 sd."""
    target, rng = gaussian(1), np.random.default_rng(3)
    chains = changed(target.chains(500, rng), 0, shift=-0.3)
    found = quantile_differences(chains, importance_sample(target, fitted(target, rng), 20_000, rng))
    assert [one.quantile for one in found] == [0.05, 0.5, 0.95]
    np.testing.assert_allclose([one.in_sd for one in found], 0.3, atol=0.1)
    assert all(one.in_errors > MAX_ERRORS for one in found)


# the banana is the harder of the two; 3 s each
@pytest.mark.slow
@pytest.mark.parametrize("name", ["banana", pytest.param("gaussian 2", marks=pytest.mark.slow)])
def test_right_runs_are_agreed_with_again_and_again(name: str) -> None:
    """Eight explorations of eight runs; each has six quantiles or so and ln Z, at 7e-6 each: 5e-4 by chance.

    And no quantile of an annealed population, thinned, is beyond what 9 errors allow, and few are beyond 4.5.
    """
    target, rng, worst = TARGETS[name], np.random.default_rng(8), []
    for seed in range(8):
        second = second_of(name, seed, 2000)
        found = asked(target, target.chains(125, rng), fitted(target, rng), second)
        assert found.ok, found.says
        each = quantile_differences(target.chains(250, rng), second.population())
        worst.append(max(abs(one.in_errors) for one in each))
    assert max(worst) < 2 * MAX_ERRORS
    assert np.median(worst) < MAX_ERRORS


def lost_mode(rng: np.random.Generator) -> Chains:
    """All ensembles in one of two modes, which the gate cannot see."""
    one = TWO_MODES.draws(60_000, rng)
    theta = one[one[:, 0] > 0][: 4 * 200 * 32].reshape(4, 200, 32, 2)
    chains = replace(TWO_MODES.as_chains(theta), acceptance=np.ones((4, 32)))
    assert judge(chains, 2000).converged
    return chains


def test_a_mode_that_all_walkers_lost_is_found() -> None:
    """Whether or not the proposal knows it: the second method looks for itself."""
    rng = np.random.default_rng(4)
    chains = lost_mode(rng)
    knows = asked(TWO_MODES, chains, fitted(TWO_MODES, rng), second_of("two modes"))
    assert not knows.ok
    assert "quantile of " in knows.says
    assert "hardly goes" not in knows.says
    blind = asked(TWO_MODES, chains, fitted_jump(chains.theta.reshape(-1, 2), rng), second_of("two modes"))
    assert not blind.ok
    assert "% of the mass lies where the run hardly goes" in blind.says
    assert "ln Z differs by " in blind.says


def thin_tail(share: float) -> Known:
    """A bell of sd 0.1, and beside it a narrow strip with so much of the mass, which a run may miss."""
    return bells([1 - share, share], [[0.0, 0.0], [0.9, 0.3]], [[0.1, 0.1], [0.25, 0.02]], 0.0)


def test_a_thin_tail_that_all_walkers_missed_is_found() -> None:
    """3 % of the mass; whoever misses it passes the gate."""
    target, rng = thin_tail(0.03), np.random.default_rng(9)
    second = explore_posterior(target, 2, rng)
    assert second.settled
    right = target.chains(250, rng, walkers=32)
    found = asked(target, right, fitted(target, rng), second)
    assert found.ok, found.says
    kept = thin_tail(1e-12).draws(4 * 250 * 32, rng).reshape(4, 250, 32, 2)
    missing = target.as_chains(kept)
    assert judge(missing, 2000).converged
    blind = asked(target, missing, fitted_jump(kept.reshape(-1, 2), rng), second)
    assert not blind.ok
    assert number(r"(\d+) % of the mass lies where the run hardly goes", blind) == pytest.approx(3, abs=1)
    knows = asked(target, missing, fitted(target, rng), second)
    assert not knows.ok
    assert "95 % quantile of a differs by " in knows.says


@pytest.mark.parametrize("wrong", [-0.3, 0.3])
def test_a_wrong_evidence_is_found_though_the_draws_are_right(wrong: float) -> None:
    target, rng = TARGETS["gaussian 6"], np.random.default_rng(10)
    chains, jump, second = target.chains(125, rng), fitted(target, rng), second_of("gaussian 6")
    right = log_evidence(target, chains, rng, jump=jump)
    found = asked(target, chains, jump, second, replace(right, value=right.value + wrong))
    assert not found.ok
    assert number(r"ln Z differs by ([+-]\d\.\d\d)", found) == pytest.approx(-wrong, abs=0.08)
    assert "quantile" not in found.says
    assert "nan" not in found.says
    assert not asked(target, chains, jump, second, replace(right, value=float("nan"))).ok


def test_a_proposal_that_does_not_reach_some_mass_is_found_though_the_draws_are_right() -> None:
    """A run with such a proposal is right only as long as it happens to be: walkers stay where they get there."""
    rng = np.random.default_rng(12)
    chains = TWO_MODES.chains(125, rng)
    one = TWO_MODES.draws(4000, rng)
    narrow = fitted_jump(one[one[:, 0] > 0], rng)
    exact = Evidence(TWO_MODES.log_evidence, 0.01, "bridge", 0.2)
    found = asked(TWO_MODES, chains, narrow, second_of("two modes"), exact)
    assert not found.ok
    assert number(r"(\d+) % of the mass lies where the run hardly goes", found) == pytest.approx(30, abs=4)
    assert "quantile" not in found.says
    assert "ln Z" not in found.says
    assert asked(TWO_MODES, chains, fitted(TWO_MODES, rng), second_of("two modes"), exact).ok


def uneven(second: Exploration) -> Exploration:
    """As if no proposal had fitted the posterior."""
    return replace(second, weighted=replace(second.weighted, k_hat=1.2))


@pytest.mark.parametrize("name", ["gaussian 6", "banana", "two modes"])
def test_where_weights_are_uneven_the_annealed_population_is_compared(name: str) -> None:
    target, rng, second = TARGETS[name], np.random.default_rng(13), uneven(second_of(name))
    chains, jump = target.chains(125, rng), fitted(target, rng)
    right = asked(target, chains, jump, second)
    assert right.ok, right.says
    assert right.says.endswith("(its population; weights were too uneven)")
    for wrong in (changed(chains, 0, stretch=0.5), changed(chains, 0, shift=1.0)):
        found = asked(target, wrong, jump, second)
        assert not found.ok
        assert "quantile of a differs by " in found.says
        assert "(9 allowed)" in found.says
    few = replace(second_of(name), weighted=replace(second.weighted, k_hat=0.1, weights=np.zeros(4000)))
    few.weighted.weights[: MIN_EFFECTIVE // 2] = 1.0
    assert "its population" in asked(target, chains, jump, few).says


def test_heavy_weights_are_believed_only_half() -> None:
    """k̂ between 1/2 and what is reliable: their variance may be infinite, so twice as many errors are allowed."""
    target, rng = gaussian(1), np.random.default_rng(15)
    chains, jump, second = target.chains(125, rng), fitted(target, rng), second_of("gaussian 1")
    heavy = replace(second, weighted=replace(second.weighted, k_hat=0.6))
    sizes = np.linspace(0.05, 0.6, 12)
    refused = [
        [not asked(target, changed(chains, 0, shift=by), jump, one).ok for by in sizes] for one in (second, heavy)
    ]
    assert sum(refused[0]) > sum(refused[1]) > 0
    assert "(9 allowed)" in asked(target, changed(chains, 0, shift=0.6), jump, heavy).says


def test_draws_that_are_not_finite_are_not_agreed_with() -> None:
    target, rng = gaussian(2), np.random.default_rng(6)
    chains, jump = target.chains(50, rng), fitted(target, rng)
    evidence = log_evidence(target, chains, rng, jump=jump)
    theta = chains.theta.copy()
    theta[0, 3, 2, 1] = np.nan
    assert not asked(target, replace(chains, theta=theta), jump, second_of("gaussian 2"), evidence).ok


def test_where_nothing_was_sampled_nobody_is_asked() -> None:
    nothing = Chains((), np.zeros((4, 5, 2, 0)), np.zeros((4, 5, 2)), np.ones((4, 2)))
    jump = jump_of(Mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None]))
    assert cross_check(nothing, jump, Evidence(0.0, 0.0, "exact"), second_of("gaussian 2")).ok


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixed", "log_z"),
    [
        ({"lambda_sf_F": Fixed(10.0), "lambda_sf_N": Fixed(1.0)}, 1286.48),
        # six coordinates through hundreds of temperatures: a quarter of a minute
        pytest.param({}, 1285.2, marks=pytest.mark.slow),
    ],
)
def test_the_old_end_of_coordinates_at_eight_is_refused(fixed: dict[str, Fixed], log_z: float) -> None:
    """Sabotage: a prior 3 ± 0.02 of what the data call 1. The mode lies 33 sd out; a cut at 8 left another one."""
    study = load_study(dataset("thickness-series").study_file)
    changed = {"a1": Normal(0.39, 0.0078)} | fixed
    parameters = {name: replace(one, prior=changed.get(name, one.prior)) for name, one in study.parameters.items()}
    model = MarginalPosterior(study.replace(parameters=parameters))

    class Cut:
        frame, straightened = model.frame, model.straightened
        log_prior, prior_transform = model.log_prior, model.prior_transform

        def log_posterior(self, z: np.ndarray) -> np.ndarray:
            return np.where(np.all(np.abs(z) <= 8, axis=1), model.log_posterior(z), -np.inf)

    effort = Effort(fewest=500 if fixed else 6000)
    run, second = (
        explore_posterior(each, model.size, np.random.default_rng(3), effort=effort) for each in (Cut(), model)
    )
    theta = run.resampled(4 * 50 * 32, np.random.default_rng(4)).reshape(4, 50, 32, model.size)
    log_posterior = model.log_posterior(theta.reshape(-1, model.size)).reshape(4, 50, 32)
    chains = Chains(model.names, theta, log_posterior, np.ones((4, 32)))
    found = cross_check(chains, run.jump, run.evidence, second)
    assert not found.ok
    assert number(r"ln Z differs by ([+\d.]+)", found) > 1000
    assert second.evidence.value == pytest.approx(log_z, abs=0.2)
