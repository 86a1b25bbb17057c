"""Independent emcee ensembles in blocks: a pure function from one stage of a run to the next.

All that a run needs to go on is in its `Stage`, so that a run that was interrupted goes on with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

import emcee
import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.convergence.gate import Chains
from mtjfit.infer.ensembles.jumps import Jump, Straight, Target, production_moves
from mtjfit.infer.ensembles.mixture import Mixture, covering, fitted, joined
from mtjfit.infer.evidence.exploration import Explored, explore

__all__ = [
    "Block",
    "History",
    "Stage",
    "Stream",
    "Walkers",
    "advanced",
    "is_look",
    "next_block",
    "next_look",
    "prepared",
    "refitted",
    "stream",
]


class Stream(IntEnum):
    """What random numbers are drawn for, besides the walkers."""

    REFIT = 1
    DRAW_BACK = 2
    SECOND_METHOD = 3
    EVIDENCE = 4


def stream(seed: int, purpose: Stream, k: int = 0) -> np.random.Generator:
    """The k-th generator of a purpose; same seed, same numbers.

    Examples
    --------
    >>> first, again, other = (stream(1, Stream.REFIT, k) for k in (0, 0, 1))
    >>> bool(first.random() == again.random()), bool(again.random() == other.random())
    (True, False)
    """
    return np.random.default_rng(np.random.SeedSequence([seed, int(purpose), k]))


_BLOCK = 100
_FIRST_LOOK = 200  # whole blocks


@dataclass(frozen=True)
class History:
    """How far a run has come.

    Attributes
    ----------
    stage : Stage
        What comes next follows from it.
    blocks : tuple of Block
        Steps that count: those since the proposal was last fitted.
    spent : int
        Steps before that, which only served to fit it.
    """

    stage: Stage
    blocks: tuple[Block, ...] = ()
    spent: int = 0
    n_refits: int = 0

    @property
    def steps(self) -> int:
        """Steps that count."""
        return sum(block.theta.shape[1] for block in self.blocks)

    def advanced(self, block: Block, stage: Stage) -> History:
        """The same with one more block."""
        return replace(self, stage=stage, blocks=(*self.blocks, block))

    def refitted(self, stage: Stage) -> History:
        """The same with a new proposal, for which all steps so far were spent."""
        return History(stage, (), self.spent + self.steps, self.n_refits + 1)

    def chains(self, names: tuple[str, ...]) -> Chains:
        """All steps that count as one set of chains; there must be some."""
        theta = np.concatenate([block.theta for block in self.blocks], axis=1)
        log_posterior = np.concatenate([block.log_posterior for block in self.blocks], axis=1)
        moved = np.any(theta[:, 1:] != theta[:, :-1], axis=-1)
        return Chains(names, theta, log_posterior, moved.mean(axis=1))


def next_look(steps: int) -> int:
    """Steps at which the gate is asked after `steps`: after 200, and then after a quarter more, in whole blocks.

    Examples
    --------
    >>> next_look(0), next_look(200), next_look(250), next_look(500)
    (200, 300, 300, 700)
    """
    look = _FIRST_LOOK
    while look <= steps:
        look += -(-max(_BLOCK, look // 4) // _BLOCK) * _BLOCK
    return look


def is_look(steps: int) -> bool:
    """True where the gate is asked (`next_look`).

    It depends on the steps alone, so that a resumed run is judged where any other is.

    Examples
    --------
    >>> [steps for steps in range(1, 1500) if is_look(steps)]
    [200, 300, 400, 500, 700, 900, 1200]
    """
    return steps > 0 and next_look(steps - 1) == steps


def next_block(steps: int) -> int:
    """Steps of the next block, after `steps` steps that count: always whole blocks, whatever the limit.

    A chain depends on where its blocks end, because jumps are drawn ahead within a block. A run that is gone on with
    under a larger limit must be the one that always had it.

    Examples
    --------
    >>> next_block(200), next_block(250)
    (100, 50)
    """
    return _BLOCK - steps % _BLOCK


RandomState: TypeAlias = tuple[str, np.ndarray, int, int, float]

BETA_START = 0.5  # starts are about √2 wider than the posterior
_SETTLE, _TRIAL = 20, 20  # steps from the tempered starts, thrown away; and to see how the proposal does
_ROUNDS = 4  # of settling, at most
_WELL = 0.3  # of the proposals accepted: a proposal that needs no further round
_SHARES = (0.7, 0.3)  # of the proposals: fitted anew, and as the exploration left it
_COMPONENTS = 24  # of a proposal that is fitted to chains
_MOST = 12_000  # draws that it is fitted to


@dataclass(frozen=True)
class Walkers:
    """One ensemble between two steps.

    Attributes
    ----------
    coords : ndarray, shape (n_walkers, size)
    log_posterior : ndarray, shape (n_walkers,)
    random_state : tuple
        Of emcee's generator.
    """

    coords: FloatArray
    log_posterior: FloatArray
    random_state: RandomState


@dataclass(frozen=True)
class Stage:
    """All that determines how a run goes on.

    Attributes
    ----------
    jump : Mixture
        Proposal common to all ensembles, in straight coordinates, fixed while draws are kept.
    wide : Mixture
        The part of it that the exploration of the posterior left, which keeps its share however the rest is fitted.
    walkers : tuple of Walkers
        One for each ensemble.
    n_refits : int
        How often the proposal was fitted anew, from draws that were then thrown away.
    """

    jump: Mixture
    wide: Mixture
    walkers: tuple[Walkers, ...]
    n_refits: int = 0


@dataclass(frozen=True)
class Block:
    """Consecutive steps of all ensembles.

    Attributes
    ----------
    theta : ndarray, shape (n_ensembles, n_steps, n_walkers, size)
    log_posterior : ndarray, shape (n_ensembles, n_steps, n_walkers)
    """

    theta: FloatArray
    log_posterior: FloatArray

    @property
    def acceptance(self) -> float:
        """Fraction of the proposals that were accepted, over all walkers."""
        return float(np.mean(np.any(self.theta[:, 1:] != self.theta[:, :-1], axis=-1)))


def legacy_state(seed: np.random.Generator) -> RandomState:
    """A random state as emcee wants it."""
    return np.random.RandomState(np.random.MT19937(int(seed.integers(2**63)))).get_state(legacy=True)  # type: ignore[return-value]


def prepared(
    target: Target,
    size: int,
    n_ensembles: int,
    n_walkers: int,
    seed: int,
    told: Callable[[float], object] = lambda beta: None,
) -> Stage:
    """Explore the posterior, take its proposal, and let walkers settle from starts that are wider than the posterior.

    Where the proposal is poor, walkers settle for another round, with one fitted to where they have been.

    Parameters
    ----------
    seed : int
        Same seed, same numbers.
    told : callable
        Called with every inverse temperature that the exploration reaches.
    """
    of_ensembles, of_exploration = np.random.SeedSequence(seed).spawn(2)
    found = explore(target, size, np.random.default_rng(of_exploration), told=told)
    assert found.annealed is not None  # noqa: S101 - for no start was given
    assert found.jump is not None  # noqa: S101
    walkers = []
    for each in of_ensembles.spawn(n_ensembles):
        own = np.random.default_rng(each)
        coords, _ = Straight(target).outward(found.annealed.resampled(BETA_START, n_walkers, own))
        walkers.append(Walkers(coords, target.log_posterior(coords), legacy_state(own)))
    stage = Stage(found.jump.mixture, found.jump.mixture, tuple(walkers))
    for _ in range(_ROUNDS):
        block, stage = advanced(target, stage, _SETTLE)
        if block.acceptance > _WELL:
            break
        trial, stage = advanced(target, refitted(target, stage, [block], seed), _TRIAL)
        if trial.acceptance > _WELL:
            break
    return stage


def advanced(target: Target, stage: Stage, n_steps: int) -> tuple[Block, Stage]:
    """Run every ensemble `n_steps` further."""
    theta, log_posterior, walkers = [], [], []
    for one in stage.walkers:
        moves = production_moves(Jump(stage.jump, Straight(target)))
        sampler = emcee.EnsembleSampler(*one.coords.shape, target.log_posterior, vectorize=True, moves=moves)
        start = emcee.State(one.coords, log_prob=one.log_posterior, random_state=one.random_state)
        end = sampler.run_mcmc(start, n_steps, skip_initial_state_check=True)
        theta.append(sampler.get_chain())
        log_posterior.append(sampler.get_log_prob())
        walkers.append(Walkers(np.asarray(end.coords), np.asarray(end.log_prob), end.random_state))
    block = Block(np.array(theta), np.array(log_posterior))
    return block, Stage(stage.jump, stage.wide, tuple(walkers), stage.n_refits)


def refitted(target: Target, stage: Stage, blocks: Sequence[Block], seed: int, second: Explored | None = None) -> Stage:
    """The stage with its proposal fitted to the draws of `blocks`, which must then be thrown away: a longer warm-up.

    A long run has seen the thin tails that the warm-up missed, and that held its walkers up. What another exploration
    found, `second`, gets half of the new part.
    """
    n_refits = stage.n_refits + 1
    rng = stream(seed, Stream.REFIT, n_refits)
    straight = Straight(target)
    theta = np.concatenate([block.theta for block in blocks], axis=1)
    log_posterior = np.concatenate([block.log_posterior for block in blocks], axis=1)
    late = slice(theta.shape[1] // 4, None)
    draws, log_posterior = theta[:, late].reshape(-1, theta.shape[-1]), log_posterior[:, late].ravel()
    kept = rng.permutation(draws.shape[0])[:_MOST]
    v, log_volume = straight.inward(draws[kept])
    equal = np.ones(kept.size)
    mixture = fitted(v, rng, components=_COMPONENTS)
    mixture = covering(joined((mixture, stage.wide), _SHARES), v, equal, log_posterior[kept] - log_volume, rng)
    if second is not None and second.jump is not None:
        mixture = joined((mixture, second.jump.mixture), (0.5, 0.5))
    return Stage(mixture, stage.wide, stage.walkers, n_refits)
