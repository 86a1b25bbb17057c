"""Independent emcee ensembles in blocks: a pure function from one stage of a run to the next.

All that a run needs to go on is in its `Stage`, so that a run that was interrupted goes on with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import emcee
import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.explore import Explored, explore
from mtjfit.infer.mixture import Mixture, covering, fitted, joined
from mtjfit.infer.proposal import Jump, Straight, Target, production_moves
from mtjfit.infer.streams import Stream, stream

__all__ = ["Block", "Stage", "Walkers", "advanced", "prepared", "refitted"]

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
    target : Target
    size, n_ensembles, n_walkers : int
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
