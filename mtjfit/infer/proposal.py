"""Proposals of the ensembles: jumps drawn from a heavy-tailed mixture fitted to the warm-up, and moves of emcee.

A curved tail that a single bell shape does not reach holds walkers for hundreds of steps. The mixture is therefore
fitted to the warmed-up posterior and to the tempered one, which is wider along the same curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from emcee import State, moves
from emcee.model import Model

from mtjfit.data import FloatArray

__all__ = ["TAIL_DOF", "Jump", "JumpsAhead", "fitted_jump", "joined", "production_moves", "warm_up_moves"]

TAIL_DOF = 5.0
"""Degrees of freedom of each t: heavier tails than the posterior's, so that no region is proposed too rarely."""
_COMPONENTS = 16
_ITERATIONS = 20
_MAX_POINTS = 4000
_AHEAD = 224  # jumps whose densities are computed at a time: one likelihood call for several steps of small ensembles
_RIDGE = 0.005  # of the overall covariance, added to each component so that none collapses


@dataclass(frozen=True)
class Jump:
    """Independence proposal: a mixture of multivariate t distributions, fixed while it is used.

    Attributes
    ----------
    weights : ndarray, shape (K,)
    centres : ndarray, shape (K, size)
    roots : ndarray, shape (K, size, size)
        Lower Cholesky factors of the scale matrices.
    """

    weights: FloatArray
    centres: FloatArray
    roots: FloatArray

    def log_density(self, x: FloatArray) -> FloatArray:
        """Log density up to a constant common to all x, shape (n,)."""
        inverse, log_height = self._prepared
        z = inverse @ (x - self.centres[:, None, :]).swapaxes(1, 2)
        each = -0.5 * (TAIL_DOF + x.shape[1]) * np.log1p(np.sum(z * z, axis=1) / TAIL_DOF) + log_height
        top = each.max(axis=0)
        return np.asarray(np.log(np.sum(np.exp(each - top), axis=0)) + top)

    @cached_property
    def _prepared(self) -> tuple[FloatArray, FloatArray]:
        """Inverse roots, and ln of the height of each component, shape (K, 1)."""
        log_det = np.sum(np.log(np.diagonal(self.roots, axis1=1, axis2=2)), axis=1)
        return np.asarray(np.linalg.inv(self.roots), dtype=float), (np.log(self.weights) - log_det)[:, None]

    def draws(self, n: int, rng: np.random.RandomState) -> FloatArray:
        """Independent draws, shape (n, size)."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        spread = np.sqrt(rng.chisquare(TAIL_DOF, n) / TAIL_DOF)
        z = rng.standard_normal((n, self.centres.shape[1])) / spread[:, None]
        return np.asarray(self.centres[which] + np.einsum("nij,nj->ni", self.roots[which], z))


class JumpsAhead(moves.Move):  # type: ignore[misc]
    """Metropolis–Hastings with an independence proposal, drawn and computed several steps ahead.

    Where a walker jumps to does not depend on where it is. The proposals of the next steps can therefore be drawn, and
    the log posterior computed for all of them in one call, before it is known which of them are accepted; the chain is
    the same Markov chain. Belongs to one ensemble, for one call of `run_mcmc`: what was drawn ahead is forgotten then.

    Parameters
    ----------
    jump : Jump
    """

    def __init__(self, jump: Jump) -> None:
        self.jump = jump
        self._ahead: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        self._at = np.empty((0, 0))
        self._log_q = np.empty(0)

    def propose(self, model: Model, state: State) -> tuple[State, np.ndarray]:
        """One step of all walkers, as emcee wants it."""
        if not self._ahead:
            self._ahead = self._drawn(model, *state.coords.shape)
        if not np.array_equal(self._at, state.coords):
            self._log_q = self.jump.log_density(state.coords)
        new, log_posterior, log_q = self._ahead.pop()
        gain = log_posterior - state.log_prob + self._log_q - log_q
        accepted = np.log(model.random.rand(new.shape[0])) < gain
        state = self.update(state, State(new, log_prob=log_posterior), accepted)
        self._at, self._log_q = state.coords.copy(), np.where(accepted, log_q, self._log_q)
        return state, accepted

    def _drawn(self, model: Model, n_walkers: int, size: int) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Positions, log posterior and log density of the proposal for the next steps."""
        n_steps = max(1, _AHEAD // n_walkers)
        new = self.jump.draws(n_steps * n_walkers, model.random)
        # not compute_log_prob_fn, which turns every number into a Python one and back
        log_posterior = np.asarray(model.log_prob_fn(new), dtype=float)
        if np.any(np.isnan(log_posterior)):
            raise ValueError("the log posterior is NaN at a proposed position")
        log_q = self.jump.log_density(new).reshape(n_steps, n_walkers)
        return list(zip(new.reshape(n_steps, n_walkers, size), log_posterior.reshape(n_steps, n_walkers), log_q,
                        strict=True))  # fmt: skip


def fitted_jump(draws: FloatArray, rng: np.random.Generator, finer: int = 1) -> Jump:
    """Mixture fitted to `draws`, shape (n, size), by expectation–maximisation in whitened coordinates.

    With `finer` times as many components, and draws to fit them to, as usual.
    """
    size = draws.shape[1]
    points = draws[rng.permutation(draws.shape[0])[: finer * _MAX_POINTS]]
    origin, covariance = points.mean(axis=0), np.atleast_2d(np.cov(points.T))
    root = np.linalg.cholesky(covariance + np.diag(1e-9 * np.diagonal(covariance) + 1e-300))
    z = np.linalg.solve(root, (points - origin).T).T
    n_components = int(np.clip(points.shape[0] // (20 * (size + 1)), 1, finer * _COMPONENTS))
    centres = _spread_out(z, n_components, rng)
    covariances = np.repeat(np.eye(size)[None], n_components, axis=0)
    weights = np.full(n_components, 1 / n_components)
    for _ in range(_ITERATIONS):
        roots = np.linalg.cholesky(covariances)
        apart = np.linalg.inv(roots) @ (z - centres[:, None, :]).swapaxes(1, 2)
        log_det = np.sum(np.log(np.diagonal(roots, axis1=1, axis2=2)), axis=1)
        log_each = -0.5 * np.sum(apart**2, axis=1) + (np.log(weights) - log_det)[:, None]
        share = np.exp(log_each - np.logaddexp.reduce(log_each, axis=0))
        mass = share.sum(axis=1) + 1e-9
        weights = mass / mass.sum()
        centres = share @ z / mass[:, None]
        away = z - centres[:, None, :]
        scatter = (share[..., None] * away).swapaxes(1, 2) @ away
        covariances = scatter / mass[:, None, None] + _RIDGE * np.eye(size)
    return Jump(weights, origin + centres @ root.T, root @ np.linalg.cholesky(covariances))


def _spread_out(z: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """n of the points, each drawn with the square of its distance to those before, so that a thin tail gets one."""
    chosen = [int(rng.integers(z.shape[0]))]
    while len(chosen) < n:
        apart = np.min([np.sum((z - z[k]) ** 2, axis=1) for k in chosen], axis=0)
        chosen.append(int(rng.choice(z.shape[0], p=apart / apart.sum())))
    return z[chosen]


def joined(jumps: Sequence[Jump], shares: Sequence[float]) -> Jump:
    """One mixture from several, each with its share of the proposals."""
    total = float(sum(shares))
    return Jump(
        np.concatenate([jump.weights * (share / total) for jump, share in zip(jumps, shares, strict=True)]),
        np.concatenate([jump.centres for jump in jumps]),
        np.concatenate([jump.roots for jump in jumps]),
    )


def warm_up_moves() -> list[tuple[moves.Move, float]]:
    """Differential evolution, whole steps between walkers now and then so that modes are exchanged, and stretches.

    Each is tested against an analytic target. emcee's DESnookerMove is not among them: in 3.1.6 its acceptance ratio
    lacks a square, and it makes widths 13 % too small in four dimensions while every diagnostic looks fine.
    """
    return [(moves.DEMove(), 0.5), (moves.DEMove(gamma0=1.0), 0.1), (moves.StretchMove(), 0.4)]


def production_moves(jump: Jump) -> list[tuple[moves.Move, float]]:
    """Mostly jumps; the rest keeps walkers moving where no jump lands."""
    return [(JumpsAhead(jump), 0.85), *((move, 0.15 * weight) for move, weight in warm_up_moves())]
