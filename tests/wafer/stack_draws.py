"""Posteriors of stacks for tests, in a second and without the sampler: importance sampling about the mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtjfit.infer import Check, Verdict
from mtjfit.wafer import WaferPosterior
from mtjfit.wafer.stack.sample import StackPosterior

CONVERGED = Verdict((Check("made", True, ""),), {})
_DOF, _STEPS, _STEP = 6.0, 6, 0.05


def _hessian(model: WaferPosterior, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and negative Hessian of the log posterior at one point, by differences."""
    size = z.size
    i, j = np.triu_indices(size, 1)
    unit = _STEP * np.eye(size)
    steps = np.concatenate([np.zeros((1, size)), unit, -unit, unit[i] + unit[j], -unit[i] - unit[j]])
    f = model.log_posterior(z + steps)
    up, down = f[1 : 1 + size], f[1 + size : 1 + 2 * size]
    H = np.diag(up + down - 2 * f[0])
    both = f[1 + 2 * size :].reshape(2, -1).sum(axis=0) - 2 * f[0]
    H[i, j] = H[j, i] = 0.5 * (both - H[i, i] - H[j, j])
    return (up - down) / (2 * _STEP), -H / _STEP**2


def drawn_about(model: WaferPosterior, start: np.ndarray, n: int = 400, proposed: int = 3000, seed: int = 0) -> Any:
    """n draws of the posterior of a stack, from Student-t proposals at the mode near `start`, shape (1, size)."""
    z, rng = np.asarray(start[0], dtype=float), np.random.default_rng(seed)
    for _ in range(_STEPS):
        gradient, H = _hessian(model, z)
        known, vectors = np.linalg.eigh(H)
        step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(known), 0.5))
        z = z + step * min(1.0, 1.0 / float(np.max(np.abs(step))))
    known, vectors = np.linalg.eigh(_hessian(model, z)[1])
    scale = 1 / np.sqrt(np.maximum(known, 0.5))
    x = rng.standard_normal((proposed, z.size)) / np.sqrt(rng.chisquare(_DOF, (proposed, 1)) / _DOF)
    log_q = -0.5 * (_DOF + z.size) * np.log1p(np.sum(x * x, axis=1) / _DOF)
    proposals = z + 1.1 * (x * scale) @ vectors.T
    inside = np.all(np.abs(proposals) < 8, axis=1)
    log_w = np.full(proposed, -np.inf)
    log_w[inside] = model.log_posterior(proposals[inside]) - log_q[inside]
    weights = np.exp(log_w - log_w.max())
    return proposals[rng.choice(proposed, n, p=weights / weights.sum())]


def posterior_about(model: WaferPosterior, start: np.ndarray, n: int = 400, **how: Any) -> StackPosterior:
    """The same as a posterior that converged."""
    z = drawn_about(model, start, n, **how)
    log_likelihood = model.log_likelihood(z).reshape(4, -1, 10)
    return StackPosterior(model, CONVERGED, z.reshape(4, -1, 10, model.size), log_likelihood, 1, None)
