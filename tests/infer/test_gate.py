"""The gate says no to every kind of bad chains, names the reason, and says yes to good ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mtjfit.infer import Chains, judge

E, S, W = 4, 800, 16  # ensembles, steps, walkers
TARGET = 2000.0


def ar1(shape: tuple[int, ...], rho: float, rng: np.random.Generator) -> np.ndarray:
    """Stationary along axis 1, unit variance."""
    x = np.empty(shape)
    x[:, 0] = rng.standard_normal(x[:, 0].shape)
    for t in range(1, shape[1]):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(x[:, 0].shape)
    return x


def chains(theta: np.ndarray, log_posterior: np.ndarray | None = None) -> Chains:
    moved = np.any(np.diff(theta, axis=1) != 0, axis=-1).mean(axis=1)
    log_posterior = -0.5 * np.sum(theta**2, axis=-1) if log_posterior is None else log_posterior
    return Chains(tuple("xyz"[: theta.shape[-1]]), theta, log_posterior, moved)


def good(seed: int = 0, shape: tuple[int, ...] = (E, S, W, 2), rho: float = 0.8) -> Chains:
    """τ = 9, so 89 autocorrelation times and 5700 effective draws."""
    return chains(ar1(shape, rho, np.random.default_rng(seed)))


def failed(bad: Chains, target: float = TARGET) -> set[str]:
    verdict = judge(bad, target)
    assert verdict.converged == (not verdict.reasons)
    return {check.name for check in verdict.checks if not check.ok}


def drift() -> Chains:
    return chains(good().theta + np.linspace(0.0, 3.0, S)[:, None, None])


def one_stuck_walker(at: float = 0.0) -> Chains:
    """At the very centre, where its mean gives nothing away."""
    theta = good().theta.copy()
    theta[2, :, 5] = at
    return chains(theta)


def one_lost_walker() -> Chains:
    """It moves and is finite, but 20 and more below the others: a small island without mass."""
    theta = good().theta.copy()
    log_posterior = -0.5 * np.sum(theta**2, axis=-1)
    log_posterior[1, :, 3] -= 25.0
    return chains(theta, log_posterior)


def modes_weighed_differently() -> Chains:
    """Two modes 8 sd apart; walkers never change mode and each ensemble has its own share of them."""
    theta = good().theta.copy()
    for e, share in enumerate((2, 8, 8, 14)):
        theta[e, :, :share, 0] += 8.0
    return chains(theta)


def ensembles_that_disagree() -> Chains:
    """One ensemble is wider than the others; no mean and no autocorrelation shows it."""
    return chains(good().theta * np.array([1.0, 1.0, 1.0, 1.4])[:, None, None, None])


def random_walk_from_a_ball(step: float = 0.02) -> Chains:
    """A real Metropolis chain on a standard normal, started in a ball of 1e-3 and far from mixed."""
    rng = np.random.default_rng(4)
    x = 1e-3 * rng.standard_normal((E, W, 2))
    history = []
    for _ in range(S):
        new = x + step * rng.standard_normal(x.shape)
        accept = np.log(rng.random((E, W))) < 0.5 * np.sum(x**2 - new**2, axis=-1)
        x = np.where(accept[..., None], new, x)
        history.append(x)
    return chains(np.stack(history, axis=1))


def not_finite(value: float) -> Chains:
    one = good()
    log_posterior = one.log_posterior.copy()
    log_posterior[0, 10, 2] = value
    return chains(one.theta, log_posterior)


def one_dead_walker() -> Chains:
    one = good()
    log_posterior = one.log_posterior.copy()
    log_posterior[0, :, 2] = -np.inf
    return chains(one.theta, log_posterior)


def all_outside() -> Chains:
    theta = np.broadcast_to(good().theta[:, :1], (E, S, W, 2)).copy()
    return chains(theta, np.full((E, S, W), -np.inf))


def nan_positions() -> Chains:
    theta = good().theta.copy()
    theta[3, 100, 4, 1] = np.nan
    return chains(theta, good().log_posterior)


def tails_that_stick() -> Chains:
    """Walkers visit the tails, on both sides at random, for half a run or not at all; equally many in each ensemble."""
    rng = np.random.default_rng(1)
    theta = np.clip(rng.standard_normal((E, S, W, 1)), -1.5, 1.5)
    for e in range(E):
        for half, walkers in ((slice(0, S // 2), (0, 1)), (slice(S // 2, S), (2, 3))):
            signs = rng.choice([-1.0, 1.0], (S // 2, 2))
            theta[e, half, walkers, 0] = (signs * rng.uniform(1.6, 3.0, signs.shape)).T
    return chains(theta)


def slows_down() -> Chains:
    """τ of the second half is far longer than of the first: the walkers only now find the slow direction."""
    rng = np.random.default_rng(2)
    theta = np.concatenate([ar1((E, S, W, 2), 0.0, rng), ar1((E, S, W, 2), 0.9, rng)], axis=1)
    return chains(theta)


ALWAYS_NO: dict[str, tuple[Callable[[], Chains], set[str]]] = {
    "drift": (drift, {"r_hat"}),
    "one stuck walker": (one_stuck_walker, {"moving"}),
    "one lost walker": (one_lost_walker, {"together"}),
    "modes weighed differently": (modes_weighed_differently, {"length", "r_hat"}),
    "ensembles that disagree": (ensembles_that_disagree, {"r_hat"}),
    "unmixed walk from a ball": (random_walk_from_a_ball, {"length", "r_hat", "ess_bulk", "ess_tail"}),
    "-inf": (lambda: not_finite(-np.inf), {"finite"}),
    "nan": (lambda: not_finite(np.nan), {"finite"}),
    "all outside": (all_outside, {"finite", "moving", "together", "length"}),
    "one dead walker": (one_dead_walker, {"finite", "together"}),
    "positions nan": (nan_positions, {"length", "steady", "r_hat", "ess_bulk", "ess_tail"}),
    "too short": (lambda: good(shape=(E, 200, 64, 2)), {"length"}),
    "next to nothing": (lambda: good(shape=(E, 6, W, 2)), {"length"}),
    "three ensembles": (lambda: good(shape=(3, S, W, 2)), {"ensembles"}),
    "low ESS": (lambda: good(shape=(E, S, 4, 2)), {"ess_bulk"}),
    "tails that stick": (tails_that_stick, {"ess_tail"}),
    "slows down": (slows_down, {"steady"}),
}


@pytest.mark.parametrize("name", list(ALWAYS_NO))
def test_bad_chains_are_refused_for_the_right_reason(name: str) -> None:
    make, reasons = ALWAYS_NO[name]
    assert reasons <= failed(make())


ONLY = {
    "one stuck walker": "moving", "one lost walker": "together", "ensembles that disagree": "r_hat",
    "-inf": "finite", "too short": "length", "next to nothing": "length",
    "three ensembles": "ensembles", "low ESS": "ess_bulk", "tails that stick": "ess_tail", "slows down": "steady",
}  # fmt: skip


@pytest.mark.parametrize("name", list(ONLY))
def test_no_check_can_be_left_out(name: str) -> None:
    """Sabotage: each of these is refused by one check alone, so without it the gate would say yes."""
    assert failed(ALWAYS_NO[name][0]()) == {ONLY[name]}


def test_every_check_is_the_only_one_somewhere() -> None:
    assert {check.name for check in judge(good(), TARGET).checks} == set(ONLY.values())


def test_good_chains_pass() -> None:
    """At most 4 of 50 good runs are refused: with the 1 % measured here that has a false-alarm rate below 2e-4."""
    refused = [seed for seed in range(50) if failed(good(seed, (E, S, 8, 2)))]
    assert len(refused) <= 4
    assert stats.binom.sf(4, 50, 0.01) < 2e-4


def test_thresholds() -> None:
    """A slow walker is not a stuck one, and a walker in the tail is not lost."""
    for acceptance, ok in ((0.02, True), (0.005, False)):
        found = good()
        assert ("moving" not in failed(replace(found, acceptance=np.full((E, W), acceptance)))) == ok
    for deficit, ok in ((15.0, True), (22.0, False)):
        log_posterior = good().log_posterior.copy()
        log_posterior[1, :, 3] -= deficit
        assert ("together" not in failed(chains(good().theta, log_posterior))) == ok


def test_the_verdict_reads_as_text() -> None:
    text = str(judge(good(), TARGET))
    assert text.startswith("CONVERGED")
    assert text.count("✓") == 9
    bad = judge(one_stuck_walker(), TARGET)
    assert str(bad).startswith("NOT CONVERGED")
    assert bad.reasons == ("1 of 64 walkers accepted less than 1 % of their proposals",)
    assert judge(good(), TARGET).tau["x"] == pytest.approx(9.0, rel=0.25)


def test_the_worst_parameter_is_named() -> None:
    theta = good().theta.copy()
    theta[3, ..., 1] *= 1.4
    assert ", y (1.01 allowed)" in judge(chains(theta), TARGET).reasons[0]
    mixed = np.concatenate([good(1, rho=0.0).theta[..., :1], good(2, rho=0.95).theta[..., :1]], axis=-1)
    assert "autocorrelation times of y" in judge(chains(mixed), TARGET).reasons[0]
