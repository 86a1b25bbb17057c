"""The gate says no to every kind of bad chains, names the reason, and says yes to good ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import emcee
import numpy as np
import pytest
from emcee import moves
from infer_targets import BANANA, GAUSSIAN, Exact, fitted_jump
from scipy import stats
from shortcuts import slow_but

from mtjfit.infer import Chains, Verdict, about_priors, judge
from mtjfit.infer.ensembles.jumps import production_moves

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


def drift(by: float = 3.0) -> Chains:
    """By so many sd over the whole run; with 0.35 no R-hat and no autocorrelation time sees it."""
    return chains(good().theta + np.linspace(0.0, by, S)[:, None, None])


def still(ensemble: int, walker: int, after: float) -> Chains:
    """One walker that stops at the very centre, where its mean gives nothing away, after some of the run."""
    theta = good().theta.copy()
    theta[ensemble, int(after * S) :, walker] = 0.0
    return chains(theta)


def lifted(by: float, *place: int | slice) -> Chains:
    """The log density is another one at some ensembles, steps and walkers."""
    one = good()
    log_posterior = one.log_posterior.copy()
    log_posterior[place] += by
    return chains(one.theta, log_posterior)


ALL = slice(None)


def nan_positions() -> Chains:
    theta = good().theta.copy()
    theta[3, 100, 4, 1] = np.nan
    return chains(theta, good().log_posterior)


def modes_weighed_differently() -> Chains:
    """Two modes 8 sd apart; walkers never change mode and each ensemble has its own share of them."""
    theta = good().theta.copy()
    for e, share in enumerate((2, 8, 8, 14)):
        theta[e, :, :share, 0] += 8.0
    return chains(theta)


def ensembles_that_disagree() -> Chains:
    """One ensemble is wider than the others; no mean and no autocorrelation shows it."""
    return chains(good().theta * np.array([1.0, 1.0, 1.0, 1.4])[:, None, None, None])


def ensembles_apart(by: float) -> Chains:
    """With 0.05 means scatter by 0.13 sd: more than those of independent draws, but R-hat is below 1.01."""
    return chains(good().theta + by * np.array([-3, -1, 1, 3])[:, None, None, None])


def widths_that_change() -> Chains:
    """Two ensembles grow wider in the second half, two narrower: the whole of each is like the whole of any other."""
    wide = np.where(np.arange(S) < S // 2, 0.8, 1.2)[:, None, None]
    return chains(good().theta * np.stack([wide, wide, wide[::-1], wide[::-1]]))


def emcee_run(
    target: Exact, mix: object, steps: int, start: Callable[[np.random.Generator], np.ndarray], seed: int = 0
) -> Chains:
    """Four ensembles of 32 walkers as emcee really makes them."""
    rng = np.random.default_rng(seed)
    theta, log = [], []
    for _ in range(4):
        sampler = emcee.EnsembleSampler(32, target.size, target.log_density, vectorize=True, moves=mix)
        state = emcee.State(start(rng), random_state=np.random.RandomState(rng.integers(2**31)).get_state())
        sampler.run_mcmc(state, steps, skip_initial_state_check=True)
        theta.append(sampler.get_chain())
        log.append(sampler.get_log_prob())
    draws = np.array(theta)
    moved = np.any(np.diff(draws, axis=1) != 0, axis=-1).mean(axis=1)
    return Chains(tuple("abcd"[: target.size]), draws, np.array(log), moved)


def from_a_tight_ball(mix: object, steps: int, thrown_away: int = 0) -> Chains:
    """All walkers of all ensembles start next to the mode of a correlated target, whose sd are 0.1 to 10."""
    run = emcee_run(GAUSSIAN, mix, steps, lambda rng: 1e-3 * rng.standard_normal((32, 4)))
    return replace(run, theta=run.theta[:, thrown_away:], log_posterior=run.log_posterior[:, thrown_away:])


def emcee_with_too_few_steps() -> Chains:
    """From exact draws, so nothing is wrong with where the walkers are: there are only too few of them."""
    return emcee_run(GAUSSIAN, moves.StretchMove(), 150, lambda rng: GAUSSIAN.draws(32, rng))


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
    "drift": (drift, {"r_hat", "drift"}),
    "slow drift": (lambda: drift(0.35), {"drift"}),
    # its acceptance over the whole run looks healthy
    "one walker that stops": (lambda: still(1, 7, 0.4), {"moving"}),
    "ensembles slightly apart": (lambda: ensembles_apart(0.05), {"nested_r_hat"}),
    "widths that change": (widths_that_change, {"r_hat"}),
    "emcee, stretch from a tight ball": (
        lambda: from_a_tight_ball(moves.StretchMove(), 120),
        {"length", "steady", "drift", "r_hat", "ess_bulk"},
    ),
    "emcee, stretch, half thrown away": (
        # 60 steps at τ = 60: halves are too short to know it, and the tail ESS of ArviZ is 434, too
        lambda: from_a_tight_ball(moves.StretchMove(), 120, 60),
        {"length", "steady", "r_hat", "ess_bulk"},
    ),
    "emcee, evolution from a tight ball": (
        lambda: from_a_tight_ball(moves.DEMove(), 250),
        {"length", "drift", "r_hat"},
    ),
    "emcee, too few steps": (emcee_with_too_few_steps, {"length", "ess_bulk"}),
    "one stuck walker": (lambda: still(2, 5, 0.0), {"moving"}),
    # it moves and is finite, on a small island without mass
    "one lost walker": (lambda: lifted(-25.0, 1, ALL, 3), {"together"}),
    "modes weighed differently": (modes_weighed_differently, {"length", "r_hat", "nested_r_hat"}),
    "ensembles that disagree": (ensembles_that_disagree, {"r_hat", "nested_r_hat"}),
    "unmixed walk from a ball": (random_walk_from_a_ball, {"length", "r_hat", "ess_bulk", "ess_tail"}),
    "-inf": (lambda: lifted(-np.inf, 0, 10, 2), {"finite"}),
    "nan": (lambda: lifted(np.nan, 0, 10, 2), {"finite"}),
    "all outside": (
        lambda: chains(good().theta[:, :1].repeat(S, axis=1), np.full((E, S, W), -np.inf)),
        {"finite", "moving", "together", "length"},
    ),
    "one dead walker": (lambda: lifted(-np.inf, 0, ALL, 2), {"finite", "together"}),
    "positions nan": (nan_positions, {"length", "steady", "r_hat", "ess_bulk", "ess_tail"}),
    "too short": (lambda: good(shape=(E, 200, 64, 2)), {"length"}),
    "next to nothing": (lambda: good(shape=(E, 6, W, 2)), {"length"}),
    "three ensembles": (lambda: good(shape=(3, S, W, 2)), {"ensembles"}),
    "low ESS": (lambda: good(shape=(E, S, 4, 2)), {"ess_bulk"}),
    "tails that stick": (tails_that_stick, {"ess_tail"}),
    "slows down": (slows_down, {"steady"}),
}


ONLY = {
    "one stuck walker": "moving", "one walker that stops": "moving", "one lost walker": "together",
    "widths that change": "r_hat", "ensembles slightly apart": "nested_r_hat", "slow drift": "drift",
    "-inf": "finite", "too short": "length", "next to nothing": "length",
    "three ensembles": "ensembles", "low ESS": "ess_bulk", "tails that stick": "ess_tail", "slows down": "steady",
}  # fmt: skip
"""Those that one check alone refuses."""


@pytest.mark.parametrize(
    "name", slow_but([name for name in ALWAYS_NO if name not in ONLY and "emcee" not in name], ALWAYS_NO)
)
def test_bad_chains_are_refused_for_the_right_reason(name: str) -> None:
    make, reasons = ALWAYS_NO[name]
    assert reasons <= failed(make())


@pytest.mark.parametrize("name", list(ONLY))
def test_no_check_can_be_left_out(name: str) -> None:
    """Sabotage: each of these is refused by one check alone, so without it the gate would say yes."""
    assert failed(ALWAYS_NO[name][0]()) == {ONLY[name]}


def test_every_check_is_the_only_one_somewhere() -> None:
    assert {check.name for check in judge(good(), TARGET).checks} == set(ONLY.values())


@pytest.mark.parametrize(("n", "most"), [(15, 2), pytest.param(50, 4, marks=pytest.mark.slow)])
def test_good_chains_pass(n: int, most: int) -> None:
    """With the 1 % of good runs that is refused as measured here, the false-alarm rate is below 5e-4."""
    refused = [seed for seed in range(n) if failed(good(seed, (E, S, 8, 2)))]
    assert len(refused) <= most
    assert stats.binom.sf(most, n, 0.01) < 5e-4


def test_the_verdict_reads_as_text() -> None:
    text = str(judge(good(), TARGET))
    assert text.startswith("CONVERGED")
    assert text.count("✓") == 11
    bad = judge(still(2, 5, 0.0), TARGET)
    assert str(bad).startswith("NOT CONVERGED")
    assert bad.reasons == (
        "1 of 64 walkers accepted less than 1 % of their proposals or stood still for a third of the run",
    )
    assert judge(good(), TARGET).tau["x"] == pytest.approx(9.0, rel=0.25)


def test_the_worst_parameter_is_named() -> None:
    theta = good().theta.copy()
    theta[3, ..., 1] *= 1.4
    assert ", y (1.01 allowed)" in judge(chains(theta), TARGET).reasons[0]
    mixed = np.concatenate([good(1, rho=0.0).theta[..., :1], good(2, rho=0.95).theta[..., :1]], axis=-1)
    assert "autocorrelation times of y" in judge(chains(mixed), TARGET).reasons[0]


@pytest.mark.parametrize(
    ("check", "make", "harmless", "harmful"),
    [
        ("drift", drift, 0.1, 0.35),
        ("nested_r_hat", ensembles_apart, 0.02, 0.04),
        ("moving", lambda after: still(1, 7, after), 0.75, 0.6),
        ("moving", lambda share: replace(good(), acceptance=np.full((E, W), share)), 0.02, 0.005),  # slow, not stuck
        ("together", lambda by: lifted(by, 1, ALL, 3), -15.0, -22.0),  # in the tail, not lost
    ],
)
def test_a_threshold_has_two_sides(
    check: str, make: Callable[[float], Chains], harmless: float, harmful: float
) -> None:
    assert check not in failed(make(harmless))
    assert check in failed(make(harmful))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian", "banana"])
def test_a_yes_after_a_tight_ball_means_right_widths(name: str) -> None:
    """A run from a tight ball, looked at as it grows: refused as long as a width is off, and accepted in the end.

    3 %: four standard errors of a width with the least bulk ESS; it is 20 to 40 % off in the beginning.
    """
    target = {"gaussian": GAUSSIAN, "banana": BANANA}[name]
    run = emcee_run(target, moves.DEMove(), 4000, lambda rng: 1e-3 * rng.standard_normal((32, target.size)))
    width = lambda steps: target.white(run.theta[:, :steps].reshape(-1, target.size)).std(axis=0)  # noqa: E731
    accepted = []
    for steps in (25, 50, 100, 200, 400, 700, 1000, 1500, 2000, 2500, 3000, 3500, 4000):
        so_far = replace(run, theta=run.theta[:, :steps], log_posterior=run.log_posterior[:, :steps])
        if not failed(so_far, 2000.0):
            accepted.append(steps)
            np.testing.assert_allclose(width(steps), 1.0, atol=0.03)
    assert 4000 in accepted
    assert width(25).min() < 0.8


def test_a_mode_that_no_walker_found_is_not_seen() -> None:
    """What the gate cannot do, so that nobody believes it could: one of two modes 8 sd apart, in all ensembles."""
    x = good().theta
    log_posterior = np.logaddexp(-0.5 * np.sum(x**2, axis=-1), -0.5 * np.sum((x - 8) ** 2, axis=-1))
    assert not failed(chains(x, log_posterior))


def scores(mean: float, sd: float, shape: tuple[int, ...] = (E, S, W, 1)) -> Chains:
    """The posterior of a normal score; a second coordinate is well determined."""
    rng = np.random.default_rng(3)
    vague = mean + sd * rng.standard_normal(shape)
    return chains(np.concatenate([vague, 0.1 + 0.05 * rng.standard_normal(shape)], axis=-1))


FLAT = np.array([8.0, 8.0])


def told(found: Chains, reach: np.ndarray = FLAT) -> Verdict:
    return about_priors(Verdict((), {}), found, reach)


def test_priors_are_told_of_but_do_not_spoil_convergence() -> None:
    """0.75² > 1/2 > 0.65²; 0.05 is data alone; an open side is no pile-up, half a bell beyond 2 sd is one."""
    for sd, names in ((1.0, ["prior-dominated"]), (0.75, ["prior-dominated"]), (0.65, []), (0.05, [])):
        verdict = told(scores(0.0, sd))
        assert [note.name for note in verdict.notes] == names
        assert verdict.converged
    assert (
        told(scores(0.0, 0.75)).notes[0].says
        == "the prior is more informative than the data: x (sd 0.75 of its prior's)"
    )
    for mean, piled in ((2.1, True), (-2.1, True), (1.0, False)):
        verdict = told(scores(mean, 0.3))
        assert [note.name for note in verdict.notes] == (["edge"] if piled else [])
        assert verdict.converged
    assert "x (56 % in its upper 2 %)" in told(scores(2.1, 0.3)).notes[0].says
    assert "lower 2 %" in told(scores(-2.1, 0.3)).notes[0].says
    text = str(about_priors(judge(good(), TARGET), good(), FLAT))
    assert text.startswith("CONVERGED")
    assert text.splitlines()[-1].startswith("  – the prior is more informative than the data: x (sd 1.")


def test_a_posterior_cut_by_the_end_of_the_scores_is_refused() -> None:
    """Scores of flat priors end at ±8: draws that reach it say nothing of what was beyond, however well they mix."""
    for mean, ok in ((6.0, True), (-7.4, False), (7.4, False)):
        verdict = told(scores(mean, 0.2))
        assert verdict.converged == ok
        assert [check.name for check in verdict.checks] == ["wall"]
        assert ("x (3" in verdict.checks[0].says) != ok
    assert not failed(chains(scores(7.4, 0.2).theta))  # nothing else would say no


def test_every_side_of_every_score_has_a_wall_of_its_own() -> None:
    """Eight below and 37 above: what cuts one side does not cut the other, nor another coordinate."""
    reach = np.array([[8.0, 8.0], [37.0, 8.0]])
    for mean, ok in ((20.0, True), (7.4, True), (36.0, False), (-7.4, False), (-6.0, True)):
        verdict = told(scores(mean, 0.2), reach)
        assert verdict.converged == ok
        assert ("x (" in verdict.checks[0].says) != ok
    swapped = Chains(("x", "y"), scores(20.0, 0.2).theta[..., ::-1], np.zeros((E, S, W)), np.ones((E, W)))
    assert not told(swapped, reach).converged


RARELY = 0.05
"""Of good runs at the least length; 2 % measured for `steady`, and fewer for all the others together."""


def long_enough(theta: np.ndarray) -> Chains:
    return Chains(tuple("abcdef"[: theta.shape[-1]]), theta, -0.5 * np.sum(theta**2, axis=-1), np.ones((4, 32)))


def jumps(target: Exact, seed: int) -> Chains:
    rng = np.random.default_rng(seed)
    mix = production_moves(fitted_jump(target.draws(1600, rng), rng))
    run = emcee_run(target, mix, 250, lambda rng: target.draws(32, rng), seed)
    return replace(run, theta=target.white(run.theta.reshape(-1, target.size)).reshape(run.theta.shape))


GOOD: dict[str, Callable[[int], Chains]] = {
    "independent": lambda seed: long_enough(np.random.default_rng(seed).standard_normal((4, 60, 32, 6))),
    "AR(1), τ = 9": lambda seed: long_enough(ar1((4, 500, 32, 6), 0.8, np.random.default_rng(seed))),
    "jumps, Gaussian": lambda seed: jumps(GAUSSIAN, seed),
    "jumps, banana": lambda seed: jumps(BANANA, seed),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(GOOD))
def test_good_runs_are_rarely_refused(kind: str) -> None:
    """100 runs of 55 τ or a little more; 12 refusals have a probability of 0.4 % at a rate of 5 %."""
    refused = [seed for seed in range(100) if failed(GOOD[kind](seed), 1500.0) - {"length"}]
    assert len(refused) <= 12
    assert stats.binom.sf(12, 100, RARELY) < 5e-3
