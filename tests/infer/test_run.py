"""What ends a run: the gate, a second method, or the steps; what it says meanwhile, and what it throws away."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from evidence_targets import BANANA
from journal_runs import PACE, Bell

import mtjfit
from mtjfit.errors import MtjfitError
from mtjfit.infer import (
    Chains,
    Check,
    Effort,
    Exploration,
    Pace,
    Run,
    Stream,
    Verdict,
    ess,
    judge,
    run_ensembles,
    stream,
)
from mtjfit.infer.ensembles.ensemble import ChainBlock, History, Stage, initial_stage, is_look, next_block
from mtjfit.infer.ensembles.run import Progress, estimate, refit_is_due
from mtjfit.study import Fixed

FIRST_REFIT = 400
LIMIT = 60_000


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What was drawn, one after the other."""
        return [drawn for each in self.getvalue().split("\r") if (drawn := each.strip())]


QUICK = replace(PACE, block=20, first_look=40, first_refit=10_000, effort=Effort(fewest=1000))


def run(max_steps: int = 3000, **parts: object) -> Run:
    parts = {"pace": QUICK, "progress": False} | parts
    return run_ensembles(Bell(), ("x", "y"), seed=5, target_ess=200, n_walkers=8, max_steps=max_steps, **parts)


@cache
def content() -> Run:
    return run()


@pytest.mark.slow
def test_a_run_goes_on_while_a_second_method_disagrees() -> None:
    """Its draws so far are then discarded, and its proposal is refitted with what the second method found."""
    assert content().verdict.converged
    assert content().verdict.checks[-1].name == "second method"
    assert content().evidence is not None
    asked: list[int] = []
    jumps: list[object] = []
    explored: list[Exploration] = []

    def opinion(chains, jump, evidence, second) -> Check:
        asked.append(chains.theta.shape[1])
        jumps.append(jump)
        explored.append(second)
        return Check("second method", len(asked) > 2, "as told")

    later = run(opinion=opinion)
    assert later.verdict.converged
    assert later.evidence is not None
    assert asked[0] == content().chains.theta.shape[1]
    assert later.chains.theta.shape[1] == asked[2]
    for found, after in zip(explored, jumps[1:], strict=False):
        added = found.jump.mixture.centres  # at the end of the next proposal
        np.testing.assert_array_equal(after.mixture.centres[-len(added) :], added)
        assert after.mixture.weights[-len(added) :].sum() == pytest.approx(0.5)
    assert len({each.evidence.value for each in explored}) == 3  # each is an exploration of its own


@pytest.mark.slow
def test_a_second_method_that_never_agrees_leaves_a_run_unconverged() -> None:
    """At the limit it says so; a larger limit is not enough either, however often it looks."""
    enough = content().chains.theta.shape[1]
    never = Check("second method", False, "a second method disagrees: no")
    done = run(max_steps=enough, opinion=lambda *_: never)
    assert not done.verdict.converged
    assert done.verdict.reasons == (never.says,)
    assert done.evidence is None
    assert not run(max_steps=3 * enough, opinion=lambda *_: never).verdict.converged


def test_the_proposal_handed_on_was_not_fitted_to_the_draws() -> None:
    """Evidence from it would be biased: it is the proposal that the run used from its first step that counts on."""
    stages: list[Stage] = []

    def begin(*args: object) -> Stage:
        stages.append(initial_stage(*args))
        return stages[-1]

    assert run(begin=begin).jump.mixture is stages[0].jump


def test_streams_of_one_seed_share_nothing() -> None:
    drawn = [stream(seed, purpose, k).random() for seed in (0, 1, 2) for purpose in Stream for k in (0, 1, 2)]
    assert len(set(drawn)) == len(drawn) == 9 * len(Stream)


def test_a_posterior_says_what_its_priors_did_and_its_evidence(series_posterior: mtjfit.Posterior) -> None:
    found = series_posterior
    assert found.verdict.converged, str(found.verdict)
    names = [check.name for check in found.verdict.checks]
    assert names.count("second method") == names.count("wall") == names.count("quadrature") == 1
    assert found.evidence is not None
    assert found.evidence.reliable
    assert found.evidence.error < 0.1
    assert np.isfinite(found.evidence.value)


def test_where_only_amplitudes_are_free_nothing_is_sampled() -> None:
    """Their posterior is normal: draws have its mean and sd, to five errors of 10 000 draws; the evidence is exact."""
    series = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    known = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "thickness": 0.0}
    fixed = {name: replace(series.parameters[name], prior=Fixed(value)) for name, value in known.items()}
    study = series.replace(parameters={**series.parameters, **fixed})
    found = mtjfit.sample(study, seed=1, progress=False)
    assert found.verdict.converged
    assert found.evidence is not None
    assert (found.evidence.method, found.evidence.error) == ("exact", 0.0)
    assert found.names == ("a1", "b2")
    fit = mtjfit.fit(study)
    for name in found.names:
        draws, sd = found.draws[name], fit.errors[name]
        assert abs(draws.mean() - fit.values[name]) < 5 * sd / np.sqrt(len(draws))
        assert abs(draws.std() / sd - 1) < 5 / np.sqrt(2 * len(draws))


def test_where_nothing_is_free_there_is_a_fit_and_nothing_to_sample() -> None:
    series = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    values = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "D_ratio": 1.0,
              "thickness": 0.0, "a1": 0.13, "b2": 0.08}  # fmt: skip
    parameters = {name: replace(one, prior=Fixed(values[name])) for name, one in series.parameters.items()}
    study = series.replace(parameters=parameters)
    assert mtjfit.fit(study).dof == 410
    with pytest.raises(MtjfitError, match="every parameter of the study is fixed"):
        mtjfit.sample(study, progress=False)


def test_a_terminal_shows_what_the_gate_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both explorations, and every verdict but the last."""
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    verdicts: list[Verdict] = []

    def gate(chains, target_ess) -> Verdict:
        verdicts.append(judge(chains, target_ess))
        return verdicts[-1]

    run(gate=gate, progress=True)
    lines = terminal.lines()
    for words in ("annealing from the prior, temperature", "checking by a second method, temperature"):
        temperatures = [float(line.removeprefix(words).split(",")[0]) for line in lines if line.startswith(words)]
        assert temperatures[-1] == 1.0
        assert temperatures == sorted(temperatures, reverse=True)
    assert len(verdicts) > 1
    for verdict in verdicts[:-1]:
        tau = max(verdict.tau.values())
        shown = f"τ {tau:.0f}, R-hat {verdict.r_hat:.3f}, ESS {verdict.ess:.0f}/200; {verdict.reasons[0]}"
        assert any(shown in line for line in lines)


def looked(tau: float, ess: float, *failing: str) -> Verdict:
    return Verdict(tuple(Check(name, False, name) for name in failing), {"x": tau}, ess=ess)


@pytest.mark.parametrize(
    ("steps", "n_refits", "verdict", "refit"),
    [
        (200, 0, looked(15.0, 900, "length"), False),  # 50 τ are 750, and 800 steps are worth waiting for
        (200, 0, looked(17.0, 900, "length"), True),
        (200, 1, looked(17.0, 900, "length"), False),  # the second refit comes after twice as many
        (400, 1, looked(31.0, 900, "length"), False),  # and 1600 steps are worth waiting for then
        (400, 1, looked(33.0, 900, "length"), True),
        (900, 0, looked(23.0, 900, "length"), False),  # 50 τ are 1150, and the next look is at 1200
        (900, 0, looked(25.0, 900, "length"), True),
        (400, 0, looked(9.0, 600, "length", "ess_bulk"), False),
        (400, 0, looked(9.0, 400, "length", "ess_bulk"), True),  # 800 at 800 steps are not the 1000 wanted
        (400, 0, looked(9.0, 900, "length", "steady"), False),  # τ settles with the length
        (400, 0, looked(9.0, 900, "length", "r_hat"), True),  # length is not all that is missing
        (700, 2, looked(90.0, 900, "length"), False),  # the third after four times as many
    ],
)
def test_when_steps_had_better_improve_the_proposal(steps: int, n_refits: int, verdict: Verdict, refit: bool) -> None:
    nothing = ChainBlock(np.zeros((1, steps, 1, 1)), np.zeros((1, steps, 1)))
    history = History(Stage(None, None, ()), (nothing,), n_refits=n_refits)
    assert refit_is_due(history, verdict, 1000.0) == refit


# steps that only served to fit a proposal

_MAX_STEPS = 500


@pytest.fixture(scope="module")
def refitted() -> tuple[Chains, list[int]]:
    """A run that can never be content, and the steps that each refit threw away."""
    looks: list[int] = []

    def gate(chains: Chains, target_ess: float) -> Verdict:
        looks.append(chains.theta.shape[1])
        return judge(chains, target_ess)

    found = run_ensembles(
        BANANA, ("x", "y"), seed=3, target_ess=1e9, max_steps=_MAX_STEPS, progress=False, gate=gate,
        pace=Pace(block=50, first_look=100, first_refit=100, effort=Effort(fewest=2000)),
    )  # fmt: skip
    assert not found.verdict.converged
    return found.chains, [before for before, after in pairwise(looks) if after <= before]


@pytest.mark.slow
def test_the_draws_a_proposal_was_fitted_to_are_not_kept(refitted: tuple[Chains, list[int]]) -> None:
    chains, thrown = refitted
    assert len(thrown) == 2
    assert chains.theta.shape[1] == _MAX_STEPS - sum(thrown)
    assert thrown[0] < thrown[-1]


def test_a_refitted_run_samples_the_right_density(refitted: tuple[Chains, list[int]]) -> None:
    """Shares below quantiles of exact draws, within 5 standard errors: 3e-6 by chance."""
    exact = BANANA.draws(400_000, np.random.default_rng(0))
    for k, p in product((0, 1), (0.05, 0.5, 0.95)):
        below = (refitted[0].parameter(k) <= np.quantile(exact[:, k], p)).astype(float)
        assert abs(below.mean() - p) < 5 * np.sqrt(p * (1 - p) / ess(below))


# the line on a terminal


def look(steps: int, tau: float, r_hat: float, ess: float, *reasons: str) -> tuple[Verdict, int, float]:
    """A verdict on so many steps, and the ESS that is wanted."""
    checks = tuple(Check(reason, False, reason) for reason in reasons)
    return Verdict(checks, {"b2": tau}, r_hat=r_hat, ess=ess), steps, 1000.0


LOOK = look(200, 7.0, 1.023, 900.0, "200 steps are 29 autocorrelation times of b2")
WORDS = "τ 7, R-hat 1.023, ESS 900/1000; 200 steps are 29 autocorrelation times of b2"


def run_of(tau: float, ess_of_a_step: float, target: float) -> Iterator[tuple[int, int, int, bool]]:
    """Steps that count, all steps, refits, and whether the gate is content, at every look of a run of known τ."""
    spent, steps, n_refits = 0, 0, 0
    while True:
        if is_look(steps):
            content = steps >= 50 * tau and steps * ess_of_a_step >= target
            yield steps, spent + steps, n_refits, content
            if content:
                return
            if steps >= FIRST_REFIT * 2**n_refits:
                spent, steps, n_refits = spent + steps, 0, n_refits + 1
                continue
        steps += next_block(steps)


def wrong(guess: Callable[..., int | None]) -> list[str]:
    """Runs whose length an estimate gets wrong at one of their looks."""
    found = []
    for tau in (3.0, 9.0, 14.0, 27.0, 55.0, 130.0):
        for ess_of_a_step in (0.3, 2.0, 20.0):
            looks = list(run_of(tau, ess_of_a_step, 1000.0))
            end = looks[-1][1]
            for steps, everything, n_refits, _ in looks[:-1]:
                said = guess(tau, steps, steps * ess_of_a_step, FIRST_REFIT * 2**n_refits, LIMIT - everything)
                if said != end - everything:
                    found.append(f"τ = {tau:g}, {steps} steps: {said} where {end - everything} are left")
    return found


def right(tau: float, steps: int, ess: float, refit_at: int, left: int) -> int | None:
    return estimate(*look(steps, tau, 1.0, ess), refit_at, left)


def test_the_steps_left_are_those_that_a_run_of_known_tau_then_takes():
    assert wrong(right) == []


@pytest.mark.parametrize(
    "sabotage",
    [
        lambda tau, steps, ess, refit_at, left: right(tau, steps, ess, 20_000, left),  # no new proposals
        lambda tau, steps, ess, refit_at, left: right(0.0, steps, ess, refit_at, left),  # no 50 τ
        lambda tau, steps, ess, refit_at, left: right(tau, steps, 1e9, refit_at, left),  # no ESS
    ],
)
def test_sabotaged_estimates_are_wrong(sabotage: Callable[..., int | None]):
    assert wrong(sabotage) != []


def test_the_line_says_where_the_run_is_and_goes_away():
    terminal = Terminal()
    with Progress(True, LIMIT, terminal) as show:
        show.annealing(0.00123)
        show.annealing(1.0)
        show.sampling(0)
        show.sampling(200)
        show.looked(*LOOK, FIRST_REFIT)
        show.checking(0.25)
    lines = terminal.lines()
    assert lines[0] == "annealing from the prior, temperature 810, time left unknown, then sampling"
    assert "sampling: 200 steps, 60000 at most" in lines
    assert re.fullmatch(r"sampling \|.*\| 200/400 steps, 00:00 left, " + re.escape(WORDS), lines[-2])
    assert lines[-1] == "checking by a second method, temperature 4, time left unknown"
    assert terminal.getvalue().endswith(" \r")


def test_the_time_left_of_annealing_is_that_of_its_own_levels():
    terminal, times = Terminal(), iter([0.0, 10.0, 30.0, 1000.0, 1002.0])
    with Progress(True, LIMIT, terminal, times.__next__) as show:
        for beta in (1e-4, 1e-3, 1e-1):  # three decades in 30 s
            show.annealing(beta)
        for beta in (0.01, 0.1):
            show.checking(beta)
    left = [re.search(r"temperature \S+, (time left unknown|.+? left)", line)[1] for line in terminal.lines()]
    assert left == ["time left unknown", "00:30 left", "00:10 left", "time left unknown", "00:02 left"]


def test_the_rate_is_that_of_this_run_not_of_the_one_that_is_resumed():
    terminal = Terminal()
    with Progress(True, LIMIT, terminal) as show:
        show.sampling(50_000)  # saved by an earlier run
        time.sleep(0.2)
        show.sampling(50_010)
        show.looked(*look(4800, 100.0, 1.0, 5000.0), 10**6)  # the next look is at 6000: 1200 steps are left
    minutes, seconds = re.search(r"50010/51210 steps, (\d+):(\d+) left", terminal.lines()[-1]).groups()
    assert 60 * int(minutes) + int(seconds) >= 24


def test_a_limit_that_comes_first_is_said():
    slow, terminal = look(1000, 200.0, 1.05, 100.0), Terminal()
    assert estimate(*slow, 10**6, 300) > 300
    with Progress(True, 1300, terminal) as show:
        show.sampling(1000)
        show.looked(*slow, 10**6)
    assert re.search(r"1000/1300 steps, .* left, too few at this rate, τ 200", terminal.lines()[-1])


@pytest.mark.parametrize(
    ("tau", "r_hat", "ess", "words"),
    [
        (math.nan, 1.0, 50.0, "τ unknown, R-hat 1.000, ESS 50/1000"),
        (9.0, math.nan, math.nan, "τ 9, R-hat unknown, ESS unknown/1000"),
    ],
)
def test_what_is_not_known_is_not_guessed(tau: float, r_hat: float, ess: float, words: str):
    terminal = Terminal()
    unknown = look(200, tau, r_hat, ess)
    assert estimate(*unknown, FIRST_REFIT, LIMIT) is None
    with Progress(True, LIMIT, terminal) as show:
        show.sampling(200)
        show.looked(*unknown, FIRST_REFIT)
    assert terminal.lines()[-1] == f"sampling: 200 steps, 60000 at most, {words}"


def test_the_gates_other_reasons_wait_for_the_next_look():
    content_but_for_r_hat = look(700, 2.0, 1.02, 5000.0, "largest rank R-hat 1.020")
    assert estimate(*content_but_for_r_hat, 1600, LIMIT) == 200


@pytest.mark.parametrize(("wanted", "stream"), [(True, io.StringIO), (False, Terminal)])
def test_nothing_is_written_off_a_terminal_or_where_it_is_not_wanted(wanted: bool, stream: Callable[[], io.StringIO]):
    with Progress(wanted, LIMIT, file := stream()) as show:
        show.annealing(0.1)
        show.sampling(200)
        show.looked(*LOOK, FIRST_REFIT)
    assert file.getvalue() == ""
