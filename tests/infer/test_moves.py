"""Every move that may be used leaves exactly known densities as they are; the one that was dropped does not."""

from __future__ import annotations

from typing import Any

import emcee
import numpy as np
import pytest
from emcee import moves
from infer_targets import BANANA, GAUSSIAN, TARGETS, Exact, fitted_jump, jump_of, z_scores
from scipy import stats

from mtjfit.infer import Jump, Mixture, Straight, ess
from mtjfit.infer.ensembles.jumps import AHEAD, JumpsAhead, StepsAlong, production_moves, warm_up_moves
from mtjfit.infer.ensembles.mixture import joined
from mtjfit.model.straight import Frame

LIMIT = 4.5
"""Standard errors; 50 statistics for each move at most, so a false-alarm rate below 4e-4 for each."""


def run(target: Exact, move: object, walkers: int = 200, steps: int = 300, seed: int = 0) -> np.ndarray:
    """Chains (walkers, steps, size) as standard normals, from exact draws: a right move must keep them exact.

    A step of many walkers costs little more than one of few.
    """
    rng = np.random.default_rng(seed)
    start = target.draws(walkers, rng)
    sampler = emcee.EnsembleSampler(walkers, target.size, target.log_density, vectorize=True, moves=move)
    state = emcee.State(start, random_state=np.random.RandomState(seed).get_state())
    sampler.run_mcmc(state, steps, skip_initial_state_check=True)
    chain = sampler.get_chain()
    white = target.white(chain.reshape(-1, target.size)).reshape(chain.shape)
    return np.asarray(white.swapaxes(0, 1))


def misfitted(target: Exact) -> Jump:
    """Fitted to draws that were shifted by a third of a sd, and narrower than the target by a tenth."""
    rng = np.random.default_rng(9)
    draws = target.draws(2000, rng)
    return fitted_jump(draws.mean(axis=0) + 0.33 * draws.std(axis=0) + 0.9 * (draws - draws.mean(axis=0)), rng)


def well_fitted(target: Exact) -> Jump:
    return fitted_jump(target.draws(2000, np.random.default_rng(8)), np.random.default_rng(7))


MOVES = {
    "DE": lambda target: moves.DEMove(),
    "DE, whole steps": lambda target: moves.DEMove(gamma0=1.0),
    "stretch": lambda target: moves.StretchMove(),
    "jump, misfitted": lambda target: JumpsAhead(misfitted(target)),
    "warm-up": lambda target: warm_up_moves(),
    "production": lambda target: production_moves(
        jump_of(joined((misfitted(target).mixture, well_fitted(target).mixture), (3.0, 1.0)))
    ),
}  # fmt: skip


def check(white: np.ndarray) -> None:
    scores = z_scores(white)
    worst = max(scores, key=lambda key: abs(scores[key]))
    assert abs(scores[worst]) < LIMIT, f"{worst}: {scores[worst]:.1f} standard errors"


LONG = pytest.param(40, 4000, marks=pytest.mark.slow)
"""Ensembles as small as they are used: what drifts slowly has ten times the time to show."""


@pytest.mark.parametrize(("walkers", "steps"), [(200, 300), LONG])
@pytest.mark.parametrize("name", list(MOVES))
@pytest.mark.parametrize("density", list(TARGETS))
def test_a_move_leaves_the_target_as_it_is(density: str, name: str, walkers: int, steps: int) -> None:
    check(run(TARGETS[density], MOVES[name](TARGETS[density]), walkers, steps))


def test_every_enabled_move_is_among_those_tested() -> None:
    kinds = {(type(move), getattr(move, "gamma0", None)) for move, _ in warm_up_moves()}
    assert kinds == {(moves.DEMove, None), (moves.DEMove, 1.0), (moves.StretchMove, None)}
    jump = misfitted(BANANA)
    assert isinstance(production_moves(jump)[0][0], JumpsAhead)
    for enabled in (warm_up_moves(), production_moves(jump)):
        assert sum(weight for _, weight in enabled) == pytest.approx(1.0)


@pytest.mark.slow
def test_sabotage_the_snooker_move_of_emcee_is_caught() -> None:
    """emcee 3.1.6: widths of a 4-D Gaussian come out too small, in the end by 13 %.

    This is why it is not enabled. Should this test fail some day, emcee has been mended.
    """
    white = run(GAUSSIAN, moves.DESnookerMove(), walkers=40, steps=3000)
    square = np.mean(white**2, axis=-1)
    assert (square.mean() - 1) * np.sqrt(ess(square) * 4 / 2) < -LIMIT
    assert np.mean(white[:, 1500:].std(axis=(0, 1))) < 0.95  # on its way from exact draws to 0.87


def test_sabotage_a_jump_without_its_density_is_caught() -> None:
    class Careless(Jump):
        def log_density(self, x: np.ndarray) -> np.ndarray:
            return np.zeros(x.shape[0])

        def drawn(self, n: int, rng: Any) -> tuple[np.ndarray, np.ndarray]:
            return super().drawn(n, rng)[0], np.zeros(n)

    right = misfitted(BANANA)
    careless = JumpsAhead(Careless(right.mixture, right.straight))
    with pytest.raises(AssertionError, match="standard errors"):
        check(run(BANANA, careless))


def test_sabotage_a_jump_that_forgets_where_other_moves_went_is_caught() -> None:
    """The density of the proposal at each walker is remembered from step to step; it must not outlive other moves."""

    class Forgetful(JumpsAhead):
        def propose(self, model: Any, state: emcee.State) -> tuple[emcee.State, np.ndarray]:
            if self.at.size:
                self.at = state.coords.copy()
            return super().propose(model, state)

    jump = misfitted(BANANA)
    mixed = [(Forgetful(jump), 0.5), (moves.StretchMove(), 0.5)]
    with pytest.raises(AssertionError, match="standard errors"):
        check(run(BANANA, mixed))
    check(run(BANANA, [(JumpsAhead(jump), 0.5), (moves.StretchMove(), 0.5)]))


@pytest.mark.parametrize("n_walkers", [6, 40, AHEAD, AHEAD + 76])
def test_jumps_drawn_ahead_are_a_plain_metropolis_chain(n_walkers: int) -> None:
    """Step by step the chain that emcee's own MHMove would make of the same proposals and the same uniform numbers."""
    jump, target = misfitted(GAUSSIAN), GAUSSIAN
    start = target.draws(n_walkers, np.random.default_rng(0))
    sampler = emcee.EnsembleSampler(n_walkers, target.size, target.log_density, vectorize=True, moves=JumpsAhead(jump))
    state = emcee.State(start, random_state=np.random.RandomState(1).get_state())
    sampler.run_mcmc(state, 12, skip_initial_state_check=True)
    rng, at, ahead, steps = np.random.RandomState(1), start.copy(), [], max(1, AHEAD // n_walkers)
    for found in sampler.get_chain():
        rng.choice(1, p=[1.0])  # emcee chooses among its moves
        if not ahead:
            ahead = list(jump.drawn(steps * n_walkers, rng)[0].reshape(steps, n_walkers, target.size))
        new = ahead.pop()
        gain = target.log_density(new) - target.log_density(at) + jump.log_density(at) - jump.log_density(new)
        at = np.where((np.log(rng.rand(n_walkers)) < gain)[:, None], new, at)
        np.testing.assert_array_equal(found, at)


def test_a_fitted_jump_resembles_its_draws() -> None:
    """Most proposals from exact draws of a banana are accepted, which a single bell shape cannot do."""
    rng = np.random.default_rng(0)
    jump = fitted_jump(BANANA.draws(3000, rng), rng)
    white = run(BANANA, JumpsAhead(jump), walkers=40, steps=300)
    assert np.mean(np.any(np.diff(white, axis=1) != 0, axis=-1)) > 0.6
    assert jump.mixture.weights.sum() == pytest.approx(1.0)
    single = fitted_jump(np.zeros((50, 2)) + rng.standard_normal((50, 2)), rng)
    assert single.mixture.weights.size == 1


class Bent:
    """A standard normal prior and no data, but straight coordinates whose volume depends on where one is."""

    straightened = np.array([1])

    def log_prior(self, z: np.ndarray) -> np.ndarray:
        return -0.5 * np.sum(z * z, axis=1) - np.log(2 * np.pi)

    log_posterior = log_prior

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return stats.norm.ppf(u)

    def frame(self, z: np.ndarray) -> Frame:
        return Frame(self.straightened, np.exp(2 * z[:, :1, None]), np.zeros((len(z), 1)))


@pytest.mark.parametrize("move", [StepsAlong, JumpsAhead])
def test_moves_in_straight_coordinates_count_their_volume(move) -> None:
    """Without the Jacobian the mean of z0 moves by 0.5 or more; by chance 0.15 is 5 errors and more: 1e-6."""
    jump = Jump(Mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None]), Straight(Bent()))
    np.random.seed(3)  # noqa: NPY002 - emcee's own generator
    sampler = emcee.EnsembleSampler(64, 2, Bent().log_posterior, vectorize=True, moves=[(move(jump), 1.0)])
    start = np.random.default_rng(4).standard_normal((64, 2))
    sampler.run_mcmc(start, 1200, skip_initial_state_check=True)
    z = sampler.get_chain()[200:].reshape(-1, 2)
    assert abs(z[:, 0].mean()) < 0.15
    assert z[:, 0].std() == pytest.approx(1.0, abs=0.15)
    assert z[:, 1].std() == pytest.approx(1.0, abs=0.15)
