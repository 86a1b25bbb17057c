"""Independent emcee ensembles, run until the gate accepts them or the steps run out, with a progress line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TextIO, TypeAlias

import numpy as np
from tqdm import tqdm

from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.infer.convergence.crosscheck import cross_check
from mtjfit.infer.convergence.gate import MIN_LENGTH, Chains, Check, Verdict, judge
from mtjfit.infer.ensembles.ensemble import (
    PACE,
    History,
    Moves,
    Pace,
    Stage,
    Stream,
    advanced,
    initial_stage,
    is_look,
    next_block,
    next_look,
    refitted,
    stream,
)
from mtjfit.infer.ensembles.jumps import Jump, Straight, TargetDensity
from mtjfit.infer.evidence import Evidence, Exploration, explore_posterior, log_evidence
from mtjfit.infer.store.journal import Journal
from mtjfit.interrupts import Interrupted, graceful_interrupt
from mtjfit.progress import bar

Callback: TypeAlias = Callable[[int, Verdict], object]
Opinion: TypeAlias = Callable[[Chains, Jump, Evidence, Exploration], Check]

_PATIENCE = 4  # times as many steps may follow where only length is missing: a refit discards all
_SAME_POSTERIOR = 1e-6  # relative; another machine rounds differently, another model differs by more
_SAMPLING = "sampling |{bar}| {n_fmt}/{total_fmt} steps, {remaining} left{postfix}"


@dataclass(frozen=True)
class Run(ShownAsCard):
    """Result of the ensembles."""

    chains: Chains  # after warm-up
    verdict: Verdict  # of the gate, and of a second method if the gate accepted the chains
    jump: Jump  # the proposal, fitted to draws that are not among `chains`
    evidence: Evidence | None  # by bridge sampling; None where the run did not converge


def estimate(verdict: Verdict, steps: int, target_ess: float, refit_at: int, left: int) -> int | None:
    """Steps that a run still needs, roughly, after a verdict on `steps` of them; None if τ or ESS is not known.

    From 50 τ and the rate at which ESS has grown. τ of a short run is too small, R-hat may ask for more, and a new
    proposal changes τ. A look after `refit_at` steps that does not converge leads to a refit, from which steps are
    counted anew; the next refit is after twice as many. If more than the `left` ones are needed, some number beyond
    those is returned.

    >>> estimate(Verdict((), {"a1": 14}, ess=900), 200, target_ess=1000, refit_at=400, left=50_000)  # 700 for 50 τ
    900
    """
    tau = max(verdict.tau.values(), default=math.nan)
    if not (math.isfinite(tau) and verdict.ess > 0):
        return None
    wanted = math.ceil(max(MIN_LENGTH * tau, steps * target_ess / verdict.ess))
    needed, total = next_look(max(wanted - 1, steps)), 0
    while next_look(refit_at - 1) < needed and total < left:
        total += max(next_look(refit_at - 1) - steps, 0)
        steps, refit_at, needed = 0, 2 * refit_at, next_look(wanted - 1)
    return total + needed - steps


def _in_numbers(verdict: Verdict, target_ess: float) -> str:
    """Findings of the gate, and its first objection."""
    found = ((max(verdict.tau.values(), default=math.nan), ".0f"), (verdict.r_hat, ".3f"), (verdict.ess, ".0f"))
    tau, r_hat, ess = (f"{x:{digits}}" if math.isfinite(x) else "unknown" for x, digits in found)
    return "; ".join([f"τ {tau}, R-hat {r_hat}, ESS {ess}/{target_ess:.0f}", *verdict.reasons[:1]])


class Progress:
    """One line on a terminal, silent elsewhere, for a run of at most `limit` steps."""

    def __init__(
        self, wanted: bool, limit: int, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self._bar = bar("", wanted, file=file, bar_format="{desc}")
        self._limit, self._steps = limit, -1
        self._clock = clock
        self._levels: list[tuple[float, float]] = []  # β, and when it was reached, of the exploration that goes on

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def annealing(self, beta: float) -> None:
        """The exploration has reached prior · L^β; its temperature is 1/β."""
        self._draw(f"annealing from the prior, {self._cooled(beta)}, then sampling")

    def checking(self, beta: float) -> None:
        """The second exploration, which checks the run, has reached prior · L^β."""
        self._draw(f"checking by a second method, {self._cooled(beta)}")

    def _cooled(self, beta: float) -> str:
        """Temperature, and the time left if ln β goes on growing at the rate of the levels so far."""
        if self._levels and beta <= self._levels[-1][0]:
            self._levels.clear()
        self._levels.append((beta, self._clock()))
        (first, start), (last, now) = self._levels[0], self._levels[-1]
        left = "time left unknown"
        if len(self._levels) > 1:
            left = f"{tqdm.format_interval(round((now - start) * math.log(1 / last) / math.log(last / first)))} left"
        return f"temperature {float(f'{1 / beta:.2g}'):g}, {left}"

    def sampling(self, steps: int) -> None:
        """The run has reached `steps` steps, including those that no longer count."""
        if self._steps < 0:  # the rate is that of steps from here on, not that of a resumed run
            self._bar.reset()
            self._bar.n = self._bar.initial = self._bar.last_print_n = steps
        self._steps = steps
        self._bar.update(steps - self._bar.n)
        self._draw_steps()

    def looked(self, verdict: Verdict, steps: int, target_ess: float, refit_at: int) -> None:
        """The gate has not accepted these steps; see `estimate`."""
        left = self._limit - self._steps
        needed = estimate(verdict, steps, target_ess, refit_at, left)
        self._bar.total = None if needed is None else self._steps + min(needed, left)
        too_few = "too few at this rate, " if needed is not None and needed > left else ""
        self._bar.set_postfix_str(f"{too_few}{_in_numbers(verdict, target_ess)}", refresh=False)
        self._draw_steps()

    def _draw_steps(self) -> None:
        unknown = f"sampling: {{n_fmt}} steps, {self._limit} at most{{postfix}}"
        self._draw(unknown if self._bar.total is None else _SAMPLING)

    def _draw(self, bar_format: str) -> None:
        self._bar.bar_format = bar_format
        self._bar.refresh()


def _n_walkers(size: int, asked: int) -> int:
    """Even, 32 unless asked otherwise, and at least two more than twice the dimension."""
    chosen = asked or 32
    return max(chosen + chosen % 2, 2 * (size + 1))


def _same_posterior(target: TargetDensity, size: int, stage: Stage) -> None:
    """Raise MtjfitError unless walkers from a file have the log posterior that was saved with them."""
    for one in stage.walkers:
        now = target.log_posterior(one.coords) if one.coords.shape[1] == size else np.full(len(one.coords), np.nan)
        if not np.allclose(now, one.log_posterior, rtol=_SAME_POSTERIOR, atol=_SAME_POSTERIOR):
            raise MtjfitError(
                "the saved run was begun by a version of mtjfit that computes another posterior from the same study; "
                "go on with that version, or name another folder to start anew"
            )


def run_ensembles(
    target: TargetDensity,
    names: tuple[str, ...],
    *,
    seed: int,
    target_ess: float,
    n_ensembles: int = 4,
    n_walkers: int = 0,
    max_steps: int = 50_000,
    progress: bool = True,
    journal: Journal | None = None,
    moves: Moves | None = None,
    callback: Callback | None = None,
    pace: Pace | None = None,
    begin: Callable[..., Stage] = initial_stage,
    gate: Callable[[Chains, float], Verdict] = judge,
    opinion: Opinion = cross_check,
) -> Run:
    """Sample any vectorised posterior until the gate accepts the chains and a second method agrees with them.

    Parameters
    ----------
    target : TargetDensity
        `log_prior`, `log_posterior` and `prior_transform`, vectorised over rows.
    names : tuple of str
        Coordinates.
    target_ess : float
        Bulk ESS wanted of every coordinate.
    max_steps : int
        Limit, rounded up to whole blocks of 100 steps.
    journal : Journal, optional
        Saves every block, and holds those of an earlier, interrupted run. The numbers are those of a run that was never
        interrupted, bit for bit.
    moves : sequence of emcee moves, or of pairs of a move and its weight, optional
        Instead of jumps that are fitted to the posterior; in its coordinates.
    callback : callable, optional
        Called after each look of the gate with the steps so far and its `Verdict`; if it returns True, the run ends.
    pace, begin, gate, opinion
        The parts of a run, for tests; by default `PACE`, `initial_stage`, `judge` and `cross_check`.

    Raises
    ------
    Interrupted
        Ctrl-C or SIGTERM with a journal; every block is saved.
    MtjfitError
        The journal is damaged, cannot be written, or belongs to another posterior.
    """
    n_walkers, pace = _n_walkers(len(names), n_walkers), pace or PACE
    with Progress(progress, max_steps) as show, graceful_interrupt(wanted=journal is not None) as interrupted:
        history = None if journal is None else journal.history()
        if history is None:
            history = History(begin(target, len(names), n_ensembles, n_walkers, seed, show.annealing, pace))
            if journal is not None:
                journal.begin(history.stage)
        else:
            _same_posterior(target, len(names), history.stage)
        while True:
            if interrupted():
                raise Interrupted
            spent, steps = history.spent, history.steps
            done = spent + steps >= max_steps and steps > 0
            show.sampling(spent + steps)
            if done or is_look(steps, pace):
                chains = history.chains(names)
                jump = Jump(history.stage.jump, Straight(target))
                verdict, evidence, second = gate(chains, target_ess), None, None
                if verdict.converged:
                    rngs = [stream(seed, each, spent + steps) for each in (Stream.EVIDENCE, Stream.SECOND_METHOD)]
                    evidence = log_evidence(target, chains, rngs[0], jump=jump)
                    second = explore_posterior(target, len(names), rngs[1], on_level=show.checking, effort=pace.effort)
                    check = opinion(chains, jump, evidence, second)
                    verdict = replace(verdict, checks=(*verdict.checks, check))
                done |= callback is not None and callback(spent + steps, verdict) is True
                if verdict.converged or done:
                    return Run(chains, verdict, jump, evidence if verdict.converged else None)
                show.looked(verdict, steps, target_ess, pace.first_refit * 2**history.n_refits)
                if second is not None or refit_is_due(history, verdict, target_ess, pace):
                    stage = refitted(target, history.stage, history.blocks, seed, second, pace)
                    history = history.refitted(stage)
                    if journal is not None:
                        journal.begin(stage)
                    continue
            block, stage = advanced(target, history.stage, next_block(steps, pace), moves)
            history = history.advanced(block, stage)
            if journal is not None:
                journal.append(block, stage)


def refit_is_due(history: History, verdict: Verdict, target_ess: float, pace: Pace = PACE) -> bool:
    """True where the steps so far serve better to refit the proposal than as draws.

    Not where nothing but the length is missing, and few enough further steps will do.
    """
    patience = pace.first_refit * 2**history.n_refits
    slowest = max(verdict.tau.values(), default=np.inf)
    missing = {check.name for check in verdict.checks if not check.ok}
    coming = max(next_look(history.steps, pace), _PATIENCE * patience)
    enough = slowest * MIN_LENGTH <= coming and verdict.ess * coming >= target_ess * history.steps
    nearly = enough and missing <= {"length", "steady", "ess_bulk"}
    return history.steps >= patience and not nearly
