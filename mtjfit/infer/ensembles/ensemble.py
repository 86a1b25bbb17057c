"""Independent emcee ensembles in blocks: pure functions from one stage of a run to the next.

A `Stage` holds all that a run needs to continue, so a resumed run continues with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

import emcee
import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.infer.convergence.gate import Chains
from mtjfit.infer.ensembles.fit import covering, fitted
from mtjfit.infer.ensembles.jumps import Jump, Straight, TargetDensity, production_moves
from mtjfit.infer.ensembles.mixture import Mixture, joined
from mtjfit.infer.evidence import EFFORT, Effort, Exploration, explore_posterior


class Stream(IntEnum):
    """Purposes of random numbers, besides those of the walkers."""

    REFIT = 1
    DRAW_BACK = 2
    SECOND_METHOD = 3
    EVIDENCE = 4
    NESTED = 5


def stream(seed: int, purpose: Stream, k: int = 0) -> np.random.Generator:
    """The k-th generator of a purpose; same seed, same numbers."""
    return np.random.default_rng(np.random.SeedSequence([seed, int(purpose), k]))


@dataclass(frozen=True)
class Pace:
    """Lengths of the parts of a run, in steps, and the effort put into its proposals."""

    block: int = 100  # from one saving to the next
    first_look: int = 200  # after which the gate is asked first, in whole blocks
    first_refit: int = 200  # after which a proposal is refitted if there is no convergence, doubled every time
    settle: int = 20  # from the tempered starts, discarded, and again to try the proposal
    components: int = 24  # of a proposal that is fitted to chains
    effort: Effort = EFFORT  # of the explorations


PACE = Pace()


@dataclass(frozen=True)
class History:
    """Progress of a run."""

    stage: Stage  # determines what comes next
    blocks: tuple[ChainBlock, ...] = ()  # steps that count: those since the last refit of the proposal
    spent: int = 0  # steps before that, which only served to fit the proposal
    n_refits: int = 0

    @property
    def steps(self) -> int:
        """Steps that count."""
        return sum(block.theta.shape[1] for block in self.blocks)

    def advanced(self, block: ChainBlock, stage: Stage) -> History:
        """With one more block."""
        return replace(self, stage=stage, blocks=(*self.blocks, block))

    def refitted(self, stage: Stage) -> History:
        """With a new proposal, on which all steps so far were spent."""
        return History(stage, (), self.spent + self.steps, self.n_refits + 1)

    def chains(self, names: tuple[str, ...]) -> Chains:
        """All steps that count, at least one, as one set of chains."""
        theta = np.concatenate([block.theta for block in self.blocks], axis=1)
        log_posterior = np.concatenate([block.log_posterior for block in self.blocks], axis=1)
        moved = np.any(theta[:, 1:] != theta[:, :-1], axis=-1)
        return Chains(names, theta, log_posterior, moved.mean(axis=1))


def next_look(steps: int, pace: Pace = PACE) -> int:
    """First number of steps after `steps` at which the gate is asked: 200, then each a quarter more, in whole blocks.

    >>> [steps for steps in range(1, 1500) if next_look(steps - 1) == steps]
    [200, 300, 400, 500, 700, 900, 1200]
    """
    look = pace.first_look
    while look <= steps:
        look += -(-max(pace.block, look // 4) // pace.block) * pace.block
    return look


def is_look(steps: int, pace: Pace = PACE) -> bool:
    """True where the gate is asked; depends on the steps alone, so that a resumed run is judged where any other is."""
    return steps > 0 and next_look(steps - 1, pace) == steps


def next_block(steps: int, pace: Pace = PACE) -> int:
    """Steps of the next block, after `steps` steps that count: up to the next whole block, whatever the limit.

    A chain depends on where its blocks end, because jumps are drawn ahead within a block. A run resumed with a larger
    limit must equal one that always had it.
    """
    return pace.block - steps % pace.block


Moves: TypeAlias = Sequence[emcee.moves.Move | tuple[emcee.moves.Move, float]]
RandomState: TypeAlias = tuple[str, np.ndarray, int, int, float]

BETA_START = 0.5  # starts are about √2 wider than the posterior
_ROUNDS = 4  # of settling, at most
_WELL = 0.3  # accepted fraction of a proposal that needs no further round
_SHARES = (0.7, 0.3)  # of the proposals: refitted, and as the exploration left it
_MOST = 12_000  # draws that a proposal is fitted to


@dataclass(frozen=True)
class Walkers:
    """One ensemble between two steps."""

    coords: FloatArray  # shape (n_walkers, size)
    log_posterior: FloatArray  # shape (n_walkers,)
    random_state: RandomState  # of emcee's generator


@dataclass(frozen=True)
class Stage:
    """Everything that determines how a run continues."""

    jump: Mixture  # proposal common to all ensembles, in straight coordinates, fixed while draws are kept
    wide: Mixture  # part of it from the exploration of the posterior, which keeps its share in every refit
    walkers: tuple[Walkers, ...]  # one for each ensemble
    n_refits: int = 0  # of the proposal, each from draws that were then discarded


@dataclass(frozen=True)
class ChainBlock:
    """Consecutive steps of all ensembles."""

    theta: FloatArray  # shape (n_ensembles, n_steps, n_walkers, size)
    log_posterior: FloatArray  # shape (n_ensembles, n_steps, n_walkers)

    @property
    def acceptance(self) -> float:
        """Accepted fraction of the proposals of all walkers."""
        return float(np.mean(np.any(self.theta[:, 1:] != self.theta[:, :-1], axis=-1)))


def _legacy_state(seed: np.random.Generator) -> RandomState:
    return np.random.RandomState(np.random.MT19937(int(seed.integers(2**63)))).get_state(legacy=True)  # type: ignore[return-value]


def initial_stage(
    target: TargetDensity,
    size: int,
    n_ensembles: int,
    n_walkers: int,
    seed: int,
    on_level: Callable[[float], object] = lambda beta: None,
    pace: Pace = PACE,
) -> Stage:
    """Explore the posterior, take its proposal, and let walkers settle from starts wider than the posterior.

    Where the proposal is poor, walkers settle for another round, with one fitted to where they have been.
    """
    of_ensembles, of_exploration = np.random.SeedSequence(seed).spawn(2)
    found = explore_posterior(
        target, size, np.random.default_rng(of_exploration), on_level=on_level, effort=pace.effort
    )
    assert found.annealed is not None  # noqa: S101 - no start was given
    assert found.jump is not None  # noqa: S101
    walkers = []
    for each in of_ensembles.spawn(n_ensembles):
        own = np.random.default_rng(each)
        coords, _ = Straight(target).outward(found.annealed.resampled(BETA_START, n_walkers, own))
        walkers.append(Walkers(coords, target.log_posterior(coords), _legacy_state(own)))
    stage = Stage(found.jump.mixture, found.jump.mixture, tuple(walkers))
    for _ in range(_ROUNDS):
        block, stage = advanced(target, stage, pace.settle)
        if block.acceptance > _WELL:
            break
        trial, stage = advanced(target, refitted(target, stage, [block], seed, pace=pace), pace.settle)
        if trial.acceptance > _WELL:
            break
    return stage


def weighted(moves: Moves) -> list[tuple[emcee.moves.Move, float]]:
    """Moves with their weights, 1 where none is given; emcee takes no mixture of both."""
    return [one if isinstance(one, tuple) else (one, 1.0) for one in moves]


def advanced(target: TargetDensity, stage: Stage, n_steps: int, moves: Moves | None = None) -> tuple[ChainBlock, Stage]:
    """Run every ensemble `n_steps` further, by `production_moves` or others of emcee."""
    theta, log_posterior, walkers = [], [], []
    for one in stage.walkers:
        chosen = weighted(moves) if moves else production_moves(Jump(stage.jump, Straight(target)))
        sampler = emcee.EnsembleSampler(*one.coords.shape, target.log_posterior, vectorize=True, moves=chosen)
        start = emcee.State(one.coords, log_prob=one.log_posterior, random_state=one.random_state)
        end = sampler.run_mcmc(start, n_steps, skip_initial_state_check=True)
        theta.append(sampler.get_chain())
        log_posterior.append(sampler.get_log_prob())
        walkers.append(Walkers(np.asarray(end.coords), np.asarray(end.log_prob), end.random_state))
    return ChainBlock(np.array(theta), np.array(log_posterior)), replace(stage, walkers=tuple(walkers))


def refitted(
    target: TargetDensity,
    stage: Stage,
    blocks: Sequence[ChainBlock],
    seed: int,
    second: Exploration | None = None,
    pace: Pace = PACE,
) -> Stage:
    """The stage with its proposal fitted to the draws of `blocks`, which must then be discarded: a longer warm-up.

    A long run has seen the thin tails that the warm-up missed and where walkers were stuck. What another exploration
    found, `second`, gets half of the new part.
    """
    n_refits = stage.n_refits + 1
    rng = stream(seed, Stream.REFIT, n_refits)
    theta = np.concatenate([block.theta for block in blocks], axis=1)
    log_posterior = np.concatenate([block.log_posterior for block in blocks], axis=1)
    late = slice(theta.shape[1] // 4, None)
    draws, log_posterior = theta[:, late].reshape(-1, theta.shape[-1]), log_posterior[:, late].ravel()
    kept = rng.permutation(draws.shape[0])[:_MOST]
    straight = Straight(target)
    v, log_volume = straight.inward(draws[kept])
    narrow = fitted(v, rng, components=pace.components, ridge=straight.ridge)
    mixture = joined((narrow, stage.wide), _SHARES)
    mixture = covering(mixture, v, np.ones(kept.size), log_posterior[kept] - log_volume, rng, straight.ridge)
    if second is not None and second.jump is not None:
        mixture = joined((mixture, second.jump.mixture), (0.5, 0.5))
    return replace(stage, jump=mixture, n_refits=n_refits)
