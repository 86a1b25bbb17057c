"""Proposals of the ensembles: jumps from a heavy-tailed mixture fitted to the posterior, and moves of emcee.

The mixture is in straight coordinates (`mtjfit.model.straight`), a jump in those of the posterior. Walkers stay for
hundreds of steps in a curved tail that a single bell does not reach. The mixture is therefore fitted to the posterior
and to the tempered one, which is wider along the same curves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from emcee import State, moves
from emcee.model import Model
from scipy.special import ndtri

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.infer.ensembles.fit import NO_RIDGE, Ridge
from mtjfit.infer.ensembles.mixture import Mixture
from mtjfit.model.straight import Frame

AHEAD = 512  # jumps whose densities are computed at a time: one likelihood call for several steps of small ensembles
_SPREAD = 2.0  # of straightened coordinates at the start: wider than the posterior, given all else


class TargetDensity(Protocol):
    """A posterior density to sample, vectorised over rows of coordinates.

    It may also have ``frame(theta)`` and ``straightened``, the coordinates that its frame straightens
    (`mtjfit.model.straight`); ``ridge``, what is known of its shape; and ``part(rng)``: the posterior of some of the
    data, of the same coordinates, from which that of all is found faster than from the prior; None where they are few.
    """

    def log_prior(self, theta: FloatArray) -> FloatArray: ...
    def log_posterior(self, theta: FloatArray) -> FloatArray: ...
    def prior_transform(self, u: FloatArray) -> FloatArray: ...


@dataclass(frozen=True)
class Straight(ShownAsCard):
    """A target in coordinates v in which its posterior is straight; without a ``frame``, in its own coordinates."""

    target: TargetDensity
    first_draws: ClassVar[int] = 4  # for each particle, of a start that may be far from the posterior

    def _frame(self, theta: FloatArray) -> Frame:
        own: Callable[[FloatArray], Frame] | None = getattr(self.target, "frame", None)
        return own(theta) if own else Frame.trivial(theta.shape[0])

    def inward(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """v of coordinates of the target, shape (n, size), and ln |dv/dz|, shape (n,)."""
        frame = self._frame(z)
        return frame.inward(z), frame.log_volume

    def outward(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Coordinates of the target, shape (n, size), and ln |dv/dz|, shape (n,)."""
        frame = self._frame(v)  # depends only on coordinates that are the same in both
        return frame.outward(v), frame.log_volume

    def start(self, n: int, size: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Starting points v of annealing, shape (n, size), and their log density, shape (n,).

        From the prior; straightened coordinates from a bell around the estimate given the other coordinates.
        """
        u = rng.random((n, size))
        v = np.array(self.target.prior_transform(u), dtype=float)
        columns = self.columns
        v[:, columns] = _SPREAD * ndtri(np.clip(u[:, columns], 1e-12, 1 - 1e-12))
        return v, self.log_start(v)

    def log_start(self, v: FloatArray) -> FloatArray:
        """Log density of `start`, shape (n,)."""
        columns = self.columns
        if not columns.size:
            return self.target.log_prior(v)
        rest = v.copy()
        rest[:, columns] = 0.0
        spread = v[:, columns] / _SPREAD
        # at zero their priors are as high as a standard normal distribution
        height = columns.size * float(np.log(_SPREAD))
        return np.asarray(self.target.log_prior(rest) - 0.5 * np.sum(spread**2, axis=1) - height)

    @property
    def columns(self) -> IntArray:
        """Coordinates that are straightened."""
        return getattr(self.target, "straightened", np.zeros(0, dtype=np.intp))

    @property
    def ridge(self) -> Ridge:
        """What is known of the shape of the posterior."""
        return getattr(self.target, "ridge", NO_RIDGE)

    def log_posterior(self, v: FloatArray) -> FloatArray:
        """Log posterior of v, shape (n,)."""
        z, log_volume = self.outward(v)
        return self.target.log_posterior(z) - log_volume


@dataclass(frozen=True)
class StraightFrom(Straight):
    """The same coordinates, where annealing starts from a proposal for another posterior instead of the prior."""

    begin: Jump
    first_draws: ClassVar[int] = 1

    def start(self, n: int, size: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        x, log_density = self.begin.drawn(n, rng)
        v, log_volume = self.inward(x)
        return v, np.asarray(log_density - log_volume)

    def log_start(self, v: FloatArray) -> FloatArray:
        x, log_volume = self.outward(v)
        return np.asarray(self.begin.log_density(x) - log_volume)


@dataclass(frozen=True, eq=False)
class Jump(ShownAsCard):
    """Independence proposal in the coordinates of a posterior, from a mixture in straight coordinates."""

    mixture: Mixture
    straight: Straight

    def log_density(self, x: FloatArray) -> FloatArray:
        """Normalised log density, shape (n,), at `x` of shape (n, size)."""
        v, log_volume = self.straight.inward(x)
        return np.asarray(self.mixture.log_density(v) + log_volume)

    def drawn(self, n: int, rng: np.random.Generator | np.random.RandomState) -> tuple[FloatArray, FloatArray]:
        """Independent draws (n, size) and their log densities (n,)."""
        v = self.mixture.draws(n, rng)
        x, log_volume = self.straight.outward(v)
        return x, np.asarray(self.mixture.log_density(v) + log_volume)


class JumpsAhead(moves.Move):  # type: ignore[misc]
    """Metropolis–Hastings with an independence proposal, drawn several steps ahead.

    The proposals do not depend on the positions of the walkers. Those of the next steps can therefore be drawn, and
    their log posterior computed in one call, before it is known which of them are accepted; the Markov chain is the
    same. Belongs to one ensemble and one call of `run_mcmc`, after which the proposals drawn ahead are lost.
    """

    def __init__(self, jump: Jump) -> None:
        self.jump = jump
        self._ahead: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        self.at = np.empty((0, 0))
        self._log_q = np.empty(0)

    def propose(self, model: Model, state: State) -> tuple[State, np.ndarray]:
        """One step of all walkers, as emcee wants it."""
        if not self._ahead:
            self._ahead = self._drawn(model, *state.coords.shape)
        if self.at.shape != state.coords.shape:
            self._log_q = self.jump.log_density(state.coords)
        elif (elsewhere := np.any(self.at != state.coords, axis=1)).any():
            self._log_q = self._log_q.copy()
            self._log_q[elsewhere] = self.jump.log_density(state.coords[elsewhere])
        new, log_posterior, log_q = self._ahead.pop()
        gain = log_posterior - state.log_prob + self._log_q - log_q
        accepted = np.log(model.random.rand(new.shape[0])) < gain
        state = self.update(state, State(new, log_prob=log_posterior), accepted)
        self.at, self._log_q = state.coords.copy(), np.where(accepted, log_q, self._log_q)
        return state, accepted

    def _drawn(self, model: Model, n_walkers: int, size: int) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Positions, log posterior and log density of the proposal for the next steps."""
        n_steps = max(1, AHEAD // n_walkers)
        new, log_q = self.jump.drawn(n_steps * n_walkers, model.random)
        log_posterior = _log_posterior(model, new)
        return list(zip(new.reshape(n_steps, n_walkers, size), log_posterior.reshape(n_steps, n_walkers),
                        log_q.reshape(n_steps, n_walkers), strict=True))  # fmt: skip


def _log_posterior(model: Model, x: FloatArray) -> FloatArray:
    # not compute_log_prob_fn, which converts every number to a Python one and back
    log_posterior = np.asarray(model.log_prob_fn(x), dtype=float)
    if np.any(np.isnan(log_posterior)):
        raise ValueError("the log posterior is NaN at a proposed position")
    return log_posterior


class StepsAlong(moves.Move):  # type: ignore[misc]
    """Metropolis with steps of the shape of a random component of a mixture, in straight coordinates.

    Moves walkers out of places where the mixture is so thin that hardly any jump is accepted.
    """

    def __init__(self, jump: Jump) -> None:
        self.jump = jump

    def propose(self, model: Model, state: State) -> tuple[State, np.ndarray]:
        """One step of all walkers, as emcee wants it."""
        straight = self.jump.straight
        v, log_volume = straight.inward(state.coords)
        new, new_volume = straight.outward(v + self.jump.mixture.steps(v.shape[0], model.random))
        log_posterior = _log_posterior(model, new)
        gain = log_posterior - new_volume - state.log_prob + log_volume
        accepted = np.log(model.random.rand(new.shape[0])) < gain
        return self.update(state, State(new, log_prob=log_posterior), accepted), accepted


def warm_up_moves() -> list[tuple[moves.Move, float]]:
    """Differential evolution, occasionally with whole steps so that walkers change modes, and stretches.

    Each is tested against an analytic target. emcee's DESnookerMove is not used: in 3.1.6 its acceptance ratio lacks a
    square, which makes widths 13 % too small in four dimensions while every diagnostic looks fine.
    """
    return [(moves.DEMove(), 0.5), (moves.DEMove(gamma0=1.0), 0.1), (moves.StretchMove(), 0.4)]


def production_moves(jump: Jump) -> list[tuple[moves.Move, float]]:
    """Mostly jumps; the others move walkers where no jump is accepted."""
    rest = ((move, 0.05 * weight) for move, weight in warm_up_moves())
    return [(JumpsAhead(jump), 0.85), (StepsAlong(jump), 0.1), *rest]
