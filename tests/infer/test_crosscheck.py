"""The second opinion agrees with right draws, catches wrong ones, and is silent where it knows nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_targets import BANANA, TARGETS, TWO_MODES, Known, gaussian
from scipy import stats

from mtjfit.data import dataset
from mtjfit.infer import Chains, judge
from mtjfit.infer.crosscheck import MAX_ERRORS, cross_check, differences
from mtjfit.infer.ensemble import advanced, prepared
from mtjfit.infer.importance import importance_sample
from mtjfit.infer.proposal import Jump, fitted_jump
from mtjfit.model.collapsed import CollapsedPosterior
from mtjfit.study import load_study


def fitted(target: Known, rng: np.random.Generator) -> Jump:
    return fitted_jump(target.draws(1500, rng), rng)


def changed(chains: Chains, k: int, *, shift: float = 0.0, stretch: float = 1.0) -> Chains:
    """One coordinate moved by some of its sd, or narrower; what a wrong move or a forgotten term would do."""
    theta = chains.theta.copy()
    mean, sd = theta[..., k].mean(), theta[..., k].std()
    theta[..., k] = mean + shift * sd + stretch * (theta[..., k] - mean)
    return replace(chains, theta=theta)


@pytest.mark.parametrize("name", ["gaussian 1", "gaussian 6", "banana", "two modes"])
def test_right_draws_are_agreed_with_and_wrong_ones_are_not(name: str) -> None:
    target, rng = TARGETS[name], np.random.default_rng(0)
    chains, jump = target.chains(125, rng), fitted(target, rng)
    right = cross_check(target, chains, jump, rng)
    assert right.ok
    assert right.says.startswith("a second method agrees: largest difference 0.")
    for k in (0, target.size - 1):
        for wrong in (changed(chains, k, stretch=0.8), changed(chains, k, shift=0.3), changed(chains, k, shift=-0.3)):
            found = cross_check(target, wrong, jump, rng)
            assert not found.ok
            assert f"quantile of {chains.names[k]} differs by " in found.says


def all_in_errors(target: Known, repeats: int, rng: np.random.Generator, walkers: int = 16) -> np.ndarray:
    """Of 500 draws for each walker."""
    found = []
    for _ in range(repeats):
        weighted = importance_sample(target, fitted(target, rng), 4000, rng)
        found.append([one.in_errors for one in differences(target.chains(125, rng, walkers=walkers), weighted)])
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
    found = differences(chains, importance_sample(target, fitted(target, rng), 20_000, rng))
    assert [one.quantile for one in found] == [0.05, 0.5, 0.95]
    np.testing.assert_allclose([one.in_sd for one in found], 0.3, atol=0.1)
    assert all(one.in_errors > MAX_ERRORS for one in found)


def test_a_mode_that_the_walkers_lost_is_noticed_if_the_proposal_knows_it() -> None:
    """All ensembles in one mode, which the gate cannot see; annealing met both, so the proposal has both."""
    target, rng = TWO_MODES, np.random.default_rng(4)
    one = target.draws(60_000, rng)
    theta = one[one[:, 0] > 0][: 4 * 200 * 32].reshape(4, 200, 32, 2)
    chains = replace(target.as_chains(theta), acceptance=np.ones((4, 32)))
    assert judge(chains, 2000).converged
    found = cross_check(target, chains, fitted(target, rng), rng)
    assert not found.ok
    blind = fitted_jump(theta.reshape(-1, 2), rng)
    assert cross_check(target, chains, blind, rng).ok  # and if nothing has met it, nobody knows


class HeavyTails:
    """Student t with two degrees of freedom in five coordinates."""

    density = stats.multivariate_t(np.zeros(5), np.eye(5), df=2)

    def log_posterior(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(self.density.logpdf(z))

    log_prior = log_posterior

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return u


def test_without_a_basis_there_is_no_opinion() -> None:
    """A proposal with lighter tails than the posterior, one that hardly meets it, and nothing to compare."""
    rng = np.random.default_rng(5)
    heavy = HeavyTails()
    theta = heavy.density.rvs(8000, random_state=rng).reshape(4, 125, 16, 5)
    chains = Chains(tuple("abcde"), theta, heavy.log_posterior(theta), np.ones((4, 16)))
    for root in (1.0, 0.2):
        found = cross_check(heavy, chains, Jump(np.ones(1), np.zeros((1, 5)), root * np.eye(5)[None]), rng)
        assert found.ok
        assert "not available: k̂ = " in found.says
    target = gaussian(2)
    wide = Jump(np.ones(1), np.zeros((1, 2)), 60.0 * np.eye(2)[None])
    found = cross_check(target, target.chains(50, rng), wide, rng)
    assert found.ok
    assert "not available" in found.says
    nothing = Chains((), np.zeros((4, 5, 2, 0)), np.zeros((4, 5, 2)), np.ones((4, 2)))
    assert cross_check(target, nothing, wide, rng).ok


def test_draws_that_are_not_finite_are_not_agreed_with() -> None:
    target, rng = gaussian(2), np.random.default_rng(6)
    chains = target.chains(50, rng)
    theta = chains.theta.copy()
    theta[0, 3, 2, 1] = np.nan
    assert not cross_check(target, replace(chains, theta=theta), fitted(target, rng), rng).ok


@pytest.mark.slow
def test_the_bundled_series_as_it_is_sampled() -> None:
    """A short real run with the proposal of the run; sabotage of two of its coordinates."""
    model = CollapsedPosterior(load_study(dataset("thickness-series").study_file))
    block, stage = advanced(model, prepared(model, model.size, 4, 32, 1), 150)
    moved = np.any(np.diff(block.theta, axis=1) != 0, axis=-1)
    chains = Chains(model.names, block.theta, block.log_posterior, moved.mean(axis=1))
    rng = np.random.default_rng(7)
    found = cross_check(model, chains, stage.jump, rng)
    assert found.ok
    assert "agrees" in found.says
    assert not cross_check(model, changed(chains, 0, stretch=0.8), stage.jump, rng).ok
    assert not cross_check(model, changed(chains, 5, shift=0.3), stage.jump, rng).ok
