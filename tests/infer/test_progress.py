"""The time that is left is what the run then takes, and the lines are seen on a terminal and nowhere else."""

from __future__ import annotations

import io
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mtjfit.infer.gate import MIN_LENGTH
from mtjfit.infer.history import is_look, next_block
from mtjfit.infer.progress import Estimate, Look, Progress, about, estimate

FIRST_REFIT = 400
LIMIT = 60_000


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


def wrong(guess: Callable[[Look, int, int], Estimate | None]) -> list[str]:
    """Runs whose length an estimate gets wrong at one of their looks."""
    found = []
    for tau in (3.0, 9.0, 14.0, 27.0, 55.0, 130.0):
        for ess_of_a_step in (0.3, 2.0, 20.0):
            looks = list(run(tau, ess_of_a_step, 1000.0))
            end = looks[-1][1]
            for steps, everything, n_refits, _ in looks[:-1]:
                look = Look(steps, tau, 1.0, steps * ess_of_a_step, 1000.0)
                said = guess(look, FIRST_REFIT * 2**n_refits, LIMIT - everything)
                if said != Estimate(end - everything, True):
                    found.append(f"τ = {tau:g}, {steps} steps: {said} where {end - everything} are left")
    return found


def test_the_steps_left_are_those_that_a_run_of_known_tau_then_takes():
    assert wrong(estimate) == []


@pytest.mark.parametrize(
    "sabotage",
    [
        lambda look, refit_at, left: estimate(look, 20_000, left),  # no new proposals
        lambda look, refit_at, left: estimate(Look(look.steps, 0.0, 1.0, look.ess, 1000.0), refit_at, left),  # no 50 τ
        lambda look, refit_at, left: estimate(Look(look.steps, look.tau, 1.0, 1e9, 1000.0), refit_at, left),  # no ESS
    ],
)
def test_sabotaged_estimates_are_wrong(sabotage: Callable[[Look, int, int], Estimate | None]):
    assert wrong(sabotage) != []


def test_a_limit_that_comes_first_is_said():
    look = Look(1000, 200.0, 1.05, 100.0, 1000.0)
    assert estimate(look, 10**6, 300) == Estimate(300, False)
    with Progress(True, 1300, file=io.StringIO(), clock=clock(0.0, 20.0)) as show:
        show.sampling(0)
        show.sampling(1000)
        show.looked(look, 10**6)
    assert show.says == "1000 of 1300 steps, about 6 s left, too few at this rate"


@pytest.mark.parametrize("look", [Look(200, math.nan, 1.0, 50.0, 1000.0), Look(200, 9.0, math.nan, math.nan, 1000.0)])
def test_what_is_not_known_is_not_guessed(look: Look):
    assert estimate(look, FIRST_REFIT, LIMIT) is None
    with Progress(True, LIMIT, file=io.StringIO()) as show:
        show.sampling(200)
        show.looked(look, FIRST_REFIT)
    assert show.says == "200 steps, 60000 at most"
    assert "unknown" in str(look)


def test_the_gates_other_reasons_wait_for_the_next_look():
    content_but_for_r_hat = Look(700, 2.0, 1.02, 5000.0, 1000.0, "largest rank R-hat 1.020")
    assert estimate(content_but_for_r_hat, 1600, LIMIT) == Estimate(200, True)


def clock(*seconds: float) -> Callable[[], float]:
    left = iter(seconds)
    return lambda: next(left)


def test_the_rate_is_that_of_this_run_not_of_the_one_that_is_resumed():
    with Progress(True, LIMIT, file=io.StringIO(), clock=clock(100.0, 104.0, 106.0)) as show:
        show.sampling(5000)  # saved by an earlier run
        show.sampling(5100)
        show.looked(Look(4800, 100.0, 1.0, 5000.0, 1000.0), 10**6)  # 5000 are needed; the next look is at 6000
        assert show.says == "5100 of about 6300 steps, about 50 s left"
        show.sampling(5200)
        assert show.says == "5200 of about 6300 steps, about 35 s left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "1 s"), (61.0, "65 s"), (91.0, "2 min"), (5400.0, "90 min"), (5401.0, "2 h"), (2e5, "3 days")],
)
def test_times_are_rounded_up(seconds: float, words: str):
    assert about(seconds) == f"about {words}"


def screen(written: str) -> list[str]:
    """What a terminal shows in the end, by lines."""
    lines, row, column = [""], 0, 0
    written = written.replace("\x1b[A", "\x00")
    for char in written:
        if char == "\r":
            column = 0
        elif char == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        elif char == "\x00":
            row -= 1
        else:
            lines[row] = lines[row].ljust(column)[:column] + char + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> Iterator[Callable[[], str]]:
    """Stderr is a terminal inside; gives everything that was written to it."""
    pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")
    ours, theirs = pty.openpty()
    termios = pytest.importorskip("termios")
    termios.tcsetwinsize(ours, (24, columns))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)

        def written() -> str:
            stream.write("END")
            stream.flush()
            said = b""
            while not said.endswith(b"END"):
                said += os.read(ours, 100_000)
            return said.decode().removesuffix("END")

        yield written
    os.close(ours)


def shown() -> None:
    with Progress(True, LIMIT, clock=clock(0.0, 4.0)) as show:
        show.annealing(0.00123)
        show.sampling(0)
        show.sampling(200)
        show.looked(Look(200, 7.0, 1.023, 900.0, 1000.0, "200 steps are 29 autocorrelation times of b2"), FIRST_REFIT)
        show.checking(0.25)
        raise KeyboardInterrupt


def test_two_lines_on_a_terminal_that_go_away(monkeypatch: pytest.MonkeyPatch):
    with terminal(monkeypatch, 100) as written:
        with pytest.raises(KeyboardInterrupt):
            shown()
        said = written()
    assert "annealing from the prior, temperature 810" in said
    assert "checking by a second method, temperature 4" in said
    assert "200 of about 400 steps, about 4 s left" in said
    assert "  τ 7, R-hat 1.023, ESS 900 of 1000; 200 steps are 29 autocorrelation times of b2" in said
    assert [line for line in screen(said) if line] == []


@pytest.mark.parametrize("columns", [0, 40, 80])  # 0: a terminal that does not say
def test_no_line_is_wider_than_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch):
    with terminal(monkeypatch, columns) as written:
        with pytest.raises(KeyboardInterrupt):
            shown()
        said = written()
    lines = re.split(r"[\r\n]", said.replace("\x1b[A", ""))
    assert 30 < max(map(len, lines)) < (columns or 80)
    assert "200 of about 400" in said
    assert "τ 7, R-hat 1.023, ESS 900 of 1000" in said


def test_nothing_is_written_off_a_terminal(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(KeyboardInterrupt):
        shown()
    with Progress(False, LIMIT) as show:
        show.sampling(200)
    assert capfd.readouterr() == ("", "")
