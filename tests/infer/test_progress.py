"""The steps that are left are what the run then takes, and the line is seen on a terminal and nowhere else."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Callable, Iterator

import pytest
from terminals import Terminal

from mtjfit.infer import Check, Verdict
from mtjfit.infer.convergence.gate import MIN_LENGTH
from mtjfit.infer.ensembles.ensemble import is_look, next_block
from mtjfit.infer.ensembles.run import Progress, estimate

FIRST_REFIT = 400
LIMIT = 60_000


def look(steps: int, tau: float, r_hat: float, ess: float, *reasons: str) -> tuple[Verdict, int, float]:
    """A verdict on so many steps, and the ESS that is wanted."""
    checks = tuple(Check(reason, False, reason) for reason in reasons)
    return Verdict(checks, {"b2": tau}, r_hat=r_hat, ess=ess), steps, 1000.0


LOOK = look(200, 7.0, 1.023, 900.0, "200 steps are 29 autocorrelation times of b2")
WORDS = "τ 7, R-hat 1.023, ESS 900/1000; 200 steps are 29 autocorrelation times of b2"


def run(tau: float, ess_of_a_step: float, target: float) -> Iterator[tuple[int, int, int, bool]]:
    """Steps that count, all steps, refits, and whether the gate is content, at every look of a run of known τ."""
    spent, steps, n_refits = 0, 0, 0
    while True:
        if is_look(steps):
            content = steps >= MIN_LENGTH * tau and steps * ess_of_a_step >= target
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
            looks = list(run(tau, ess_of_a_step, 1000.0))
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
        show.sampling(0)
        show.sampling(200)
        show.looked(*LOOK, FIRST_REFIT)
        show.checking(0.25)
    lines = terminal.lines()
    assert lines[0] == "annealing from the prior, temperature 810"
    assert "sampling: 200 steps, 60000 at most" in lines
    assert re.fullmatch(r"sampling \|.*\| 200/400 steps, 00:00 left, " + re.escape(WORDS), lines[-2])
    assert lines[-1] == "checking by a second method, temperature 4"
    assert terminal.getvalue().endswith(" \r")


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
