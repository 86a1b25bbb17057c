"""Independent emcee ensembles in blocks: a pure function from one stage of a run to the next.

All that a run needs to go on is in its `Stage`, so that a run that was interrupted goes on with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import emcee
import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.proposal import Jump, fitted_jump, joined, production_moves
from mtjfit.infer.starts import Annealed, Target, anneal, legacy_state
from mtjfit.infer.streams import Stream, stream

__all__ = ["Block", "Stage", "Walkers", "advanced", "prepared", "refitted"]

RandomState: TypeAlias = tuple[str, np.ndarray, int, int, float]

_PARTICLES = 400  # of each annealing run
_SETTLE, _TRIAL = 60, 20  # steps from the tempered starts, thrown away; and to see how the proposal does
_ROUNDS = 4  # of settling, at most
_WELL = 0.4  # of the proposals accepted: a proposal that needs no further round
_SHARES = (0.7, 0.3)  # of the proposals: fitted to the posterior, and to the wider, tempered one


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
    jump : Jump
        Proposal common to all ensembles, fixed while draws are kept.
    wide : Jump
        The part of it that was fitted to the tempered posterior.
    walkers : tuple of Walkers
        One for each ensemble.
    n_refits : int
        How often the proposal was fitted anew, from draws that were then thrown away.
    """

    jump: Jump
    wide: Jump
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


def prepared(
    target: Target,
    size: int,
    n_ensembles: int,
    n_walkers: int,
    seed: int,
    told: Callable[[int, int, float], object] = lambda ensemble, n_ensembles, beta: None,
) -> Stage:
    """Anneal each ensemble on its own, fit one proposal to all of them, and let the walkers settle.

    Annealing may miss thin tails, and a proposal that does not reach them holds walkers up there. The walkers then
    settle for another round, with a proposal fitted to where they were held up.

    Parameters
    ----------
    target : Target
    size, n_ensembles, n_walkers : int
    seed : int
        Same seed, same numbers.
    told : callable
        Called with the number of an ensemble, counted from one, with that of all, and with every β that is reached.
    """
    of_ensembles, of_fit = np.random.SeedSequence(seed).spawn(2)
    rngs = [np.random.default_rng(one) for one in of_ensembles.spawn(n_ensembles)]
    n_particles = max(_PARTICLES, 2 * n_walkers)
    annealed: list[Annealed] = [
        anneal(target, size, n_particles, rng, partial(told, k, n_ensembles)) for k, rng in enumerate(rngs, 1)
    ]
    rng = np.random.default_rng(of_fit)
    wide = fitted_jump(np.concatenate([one.tempered for one in annealed]), rng)
    narrow = fitted_jump(np.concatenate([one.final for one in annealed]), rng)
    walkers = []
    for one, own in zip(annealed, rngs, strict=True):
        coords = one.tempered[own.permutation(n_particles)[:n_walkers]]
        walkers.append(Walkers(coords, target.log_posterior(coords), legacy_state(own)))
    stage = Stage(joined((narrow, wide), _SHARES), wide, tuple(walkers))
    for _ in range(_ROUNDS):
        block, stage = advanced(target, stage, _SETTLE)
        trial, stage = advanced(target, refitted(stage, [block], seed), _TRIAL)
        if trial.acceptance > _WELL:
            break
    return stage


def advanced(target: Target, stage: Stage, n_steps: int) -> tuple[Block, Stage]:
    """Run every ensemble `n_steps` further."""
    theta, log_posterior, walkers = [], [], []
    for one in stage.walkers:
        moves = production_moves(stage.jump)
        sampler = emcee.EnsembleSampler(*one.coords.shape, target.log_posterior, vectorize=True, moves=moves)
        start = emcee.State(one.coords, log_prob=one.log_posterior, random_state=one.random_state)
        end = sampler.run_mcmc(start, n_steps, skip_initial_state_check=True)
        theta.append(sampler.get_chain())
        log_posterior.append(sampler.get_log_prob())
        walkers.append(Walkers(np.asarray(end.coords), np.asarray(end.log_prob), end.random_state))
    block = Block(np.array(theta), np.array(log_posterior))
    return block, Stage(stage.jump, stage.wide, tuple(walkers), stage.n_refits)


def refitted(stage: Stage, blocks: Sequence[Block], seed: int, finer: int = 1) -> Stage:
    """The stage with its proposal fitted to the draws of `blocks`, which must then be thrown away: a longer warm-up.

    A long run has seen the thin tails that the warm-up missed, and that held its walkers up.
    """
    n_refits = stage.n_refits + 1
    rng = stream(seed, Stream.REFIT, n_refits)
    draws = np.concatenate([block.theta for block in blocks], axis=1)
    late = draws[:, draws.shape[1] // 4 :].reshape(-1, draws.shape[-1])
    narrow = fitted_jump(late, rng, finer)
    return Stage(joined((narrow, stage.wide), _SHARES), stage.wide, stage.walkers, n_refits)
