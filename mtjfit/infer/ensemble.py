"""One emcee ensemble: annealed, warmed up, with a proposal fitted to draws that are thrown away."""

from __future__ import annotations

from dataclasses import dataclass

import emcee
import numpy as np
from emcee.moves import Move

from mtjfit.infer.proposal import Jump, fitted_jump, joined, production_moves, warm_up_moves
from mtjfit.infer.starts import BETA_END, Target, Tempered, anneal

__all__ = ["Ensemble", "refitted", "started"]

_STAGE = 200  # steps of each of the three stages of warm-up, all thrown away
_SHARES = (0.6, 0.4)  # of the proposals: fitted to the posterior, and to the wider, tempered one


@dataclass(frozen=True)
class Ensemble:
    """A running sampler and what is needed to fit its proposal anew.

    Attributes
    ----------
    sampler : emcee.EnsembleSampler
        Holds the draws since its proposal was fixed.
    wide : Jump
        Proposal fitted to the tempered posterior.
    rng : numpy.random.Generator
        For the fits; the sampler has its own random state.
    """

    sampler: emcee.EnsembleSampler
    wide: Jump
    rng: np.random.Generator


def _begin(ensemble: Ensemble, state: emcee.State) -> Ensemble:
    """First step from `state`, whose log density may belong to another temperature."""
    fresh = emcee.State(state.coords, random_state=state.random_state)
    ensemble.sampler.run_mcmc(fresh, 1, skip_initial_state_check=True)
    return ensemble


def started(target: Target, size: int, n_walkers: int, seed: np.random.SeedSequence) -> Ensemble:
    """Anneal and warm up one ensemble; its proposal is fitted to its own warm-up and fixed from then on."""
    for_start, for_run = seed.spawn(2)
    rng = np.random.default_rng(for_start)
    random_state = np.random.RandomState(np.random.MT19937(for_run)).get_state()
    state = emcee.State(anneal(target, size, n_walkers, rng), random_state=random_state)

    def stage(density: Target | Tempered, moves: list[tuple[Move, float]]) -> tuple[emcee.State, Jump]:
        sampler = emcee.EnsembleSampler(n_walkers, size, density.log_posterior, vectorize=True, moves=moves)
        fresh = emcee.State(state.coords, random_state=state.random_state)
        end = sampler.run_mcmc(fresh, _STAGE, skip_initial_state_check=True)
        return end, fitted_jump(sampler.get_chain(discard=_STAGE // 4, flat=True), rng)

    state, wide = stage(Tempered(target, BETA_END), warm_up_moves())
    state, narrow = stage(target, production_moves(wide))
    state, narrow = stage(target, production_moves(joined((narrow, wide), _SHARES)))
    moves = production_moves(joined((narrow, wide), _SHARES))
    sampler = emcee.EnsembleSampler(n_walkers, size, target.log_posterior, vectorize=True, moves=moves)
    return _begin(Ensemble(sampler, wide, rng), state)


def refitted(target: Target, ensemble: Ensemble) -> Ensemble:
    """The ensemble with its proposal fitted to all its draws, which are thrown away: a longer warm-up.

    A long run has seen the thin tails that the warm-up missed, and that held its walkers up.
    """
    old = ensemble.sampler
    n_walkers, size = old.nwalkers, old.ndim
    narrow = fitted_jump(old.get_chain(discard=old.iteration // 4, flat=True), ensemble.rng)
    moves = production_moves(joined((narrow, ensemble.wide), _SHARES))
    sampler = emcee.EnsembleSampler(n_walkers, size, target.log_posterior, vectorize=True, moves=moves)
    return _begin(Ensemble(sampler, ensemble.wide, ensemble.rng), old.get_last_sample())
