"""Independent emcee ensembles, run until the gate says yes or the steps run out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.errors import MtjfitError
from mtjfit.infer.convergence.crosscheck import cross_check
from mtjfit.infer.convergence.gate import MIN_LENGTH, Chains, Verdict, judge
from mtjfit.infer.ensembles.ensemble import (
    History,
    Stage,
    Stream,
    advanced,
    is_look,
    next_block,
    next_look,
    prepared,
    refitted,
    stream,
)
from mtjfit.infer.ensembles.jumps import Jump, Straight, Target
from mtjfit.infer.ensembles.progress import Look, Progress
from mtjfit.infer.evidence.bridge import Evidence, log_evidence
from mtjfit.infer.evidence.exploration import Explored, explore
from mtjfit.infer.store.journal import Journal
from mtjfit.infer.store.lock import Interrupted, graceful_interrupt

__all__ = ["Run", "run_ensembles"]

_FIRST_REFIT = 200  # steps without convergence after which they only serve to improve the proposal; then doubled
_PATIENCE = 4  # times as many steps may follow, where nothing else is missing: a refit throws all away
_SAME_POSTERIOR = 1e-6  # relative; another machine rounds differently, another model differs by more


@dataclass(frozen=True)
class Run:
    """What the ensembles leave.

    Attributes
    ----------
    chains : Chains
        After warm-up.
    verdict : Verdict
        Of the gate, and of a second method if the gate had nothing to say against it.
    jump : Jump
        The proposal, fitted to draws that are not among `chains`.
    evidence : Evidence or None
        By bridge sampling; None where the run did not converge.
    """

    chains: Chains
    verdict: Verdict
    jump: Jump
    evidence: Evidence | None


def _n_walkers(size: int, asked: int) -> int:
    """Even, at least 32 and four for each dimension, unless asked otherwise."""
    chosen = asked or max(32, 4 * size)
    return max(chosen + chosen % 2, 2 * (size + 1))


def _same_posterior(target: Target, stage: Stage) -> None:
    """Make sure that walkers from a file have the log posterior that they had when they were saved.

    Raises
    ------
    MtjfitError
        They have not: the program computes something else.
    """
    for one in stage.walkers:
        now = target.log_posterior(one.coords)
        if not np.allclose(now, one.log_posterior, rtol=_SAME_POSTERIOR, atol=_SAME_POSTERIOR):
            raise MtjfitError(
                "the saved run was begun by a version of mtjfit that computes another posterior from the same study; "
                "go on with that version, or name another folder to start anew"
            )


def run_ensembles(
    target: Target,
    names: tuple[str, ...],
    *,
    seed: int,
    target_ess: float,
    n_ensembles: int = 4,
    n_walkers: int = 0,
    max_steps: int = 50_000,
    progress: bool = True,
    journal: Journal | None = None,
) -> Run:
    """Sample any vectorised posterior until the gate is content, and a second method does not disagree.

    Parameters
    ----------
    target : Target
        `log_prior`, `log_posterior` and `prior_transform`, vectorised over rows.
    names : tuple of str
        Coordinates.
    seed : int
        Same seed, same numbers.
    target_ess : float
        Bulk ESS wanted of every coordinate.
    max_steps : int
        Limit, rounded up to whole blocks of 100 steps.
    progress : bool
        Show a bar on a terminal.
    journal : Journal, optional
        Saves every block, and has what an earlier, interrupted run has saved. The numbers are those of a run that was
        never interrupted, to the last bit.

    Raises
    ------
    Interrupted
        Ctrl-C with a journal; every block is saved.
    MtjfitError
        The journal is damaged, cannot be written, or belongs to another posterior.
    """
    n_walkers = _n_walkers(len(names), n_walkers)
    with Progress(progress, max_steps) as show, graceful_interrupt(wanted=journal is not None) as asked_to_end:
        history = None if journal is None else journal.history()
        if history is None:
            history = History(prepared(target, len(names), n_ensembles, n_walkers, seed, show.annealing))
            if journal is not None:
                journal.begin(history.stage)
        else:
            _same_posterior(target, history.stage)
        while True:
            if asked_to_end():
                raise Interrupted
            spent, steps = history.spent, history.steps
            done = spent + steps >= max_steps and steps > 0
            show.sampling(spent + steps)
            if done or is_look(steps):
                chains = history.chains(names)
                jump = Jump(history.stage.jump, Straight(target))
                verdict, evidence, second = _judged(target, chains, jump, target_ess, seed, history, show.checking)
                if verdict.converged or done:
                    return Run(chains, verdict, jump, evidence)
                show.looked(_look(verdict, steps, target_ess), _FIRST_REFIT * 2**history.n_refits)
                if second is not None or _had_better_refit(history, verdict, target_ess):
                    history = history.refitted(refitted(target, history.stage, history.blocks, seed, second))
                    if journal is not None:
                        journal.begin(history.stage)
                    continue
            block, stage = advanced(target, history.stage, next_block(steps))
            history = history.advanced(block, stage)
            if journal is not None:
                journal.append(block, stage)


def _had_better_refit(history: History, verdict: Verdict, target_ess: float) -> bool:
    """True where steps so far serve better to fit the proposal anew than as draws.

    Not where nothing but the length is missing, and few enough steps more will do.
    """
    patience = _FIRST_REFIT * 2**history.n_refits
    slowest = max(verdict.tau.values(), default=np.inf)
    missing = {check.name for check in verdict.checks if not check.ok}
    coming = max(next_look(history.steps), _PATIENCE * patience)
    enough = slowest * MIN_LENGTH <= coming and verdict.ess * coming >= target_ess * history.steps
    nearly = enough and missing <= {"length", "steady", "ess_bulk"}
    return history.steps >= patience and not nearly


def _judged(
    target: Target,
    chains: Chains,
    jump: Jump,
    target_ess: float,
    seed: int,
    history: History,
    told: Callable[[float], object],
) -> tuple[Verdict, Evidence | None, Explored | None]:
    """The verdict of the gate; if it is content, what a second method says, too.

    With the evidence of a run that converged, and with what the second method found where it disagrees.
    """
    verdict = judge(chains, target_ess)
    if not verdict.converged:
        return verdict, None, None
    spent = history.spent + history.steps
    evidence = log_evidence(target, chains, stream(seed, Stream.EVIDENCE, spent), jump=jump)
    second = explore(target, len(chains.names), stream(seed, Stream.SECOND_METHOD, spent), told=told)
    check = cross_check(chains, jump, evidence, second)
    verdict = replace(verdict, checks=(*verdict.checks, check))
    return (verdict, evidence, None) if check.ok else (verdict, None, second)


def _look(verdict: Verdict, steps: int, target_ess: float) -> Look:
    """What a terminal shows of a verdict."""
    tau = max(verdict.tau.values(), default=np.nan)
    return Look(steps, tau, verdict.r_hat, verdict.ess, target_ess, next(iter(verdict.reasons), ""))
