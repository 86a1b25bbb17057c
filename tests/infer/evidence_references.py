"""Two other ways to an evidence, that share nothing with the bridge but the density: a grid and nested sampling."""

from __future__ import annotations

import numpy as np
import pytest

from mtjfit.data import FloatArray
from mtjfit.infer import Chains
from mtjfit.infer.ensembles.jumps import TargetDensity
from mtjfit.infer.evidence import Evidence

_DEPTH = 20.0  # points of the lattice below the largest density by more than this in ln carry 1e-7 of the mass
_STARTS = 512
_SPAN = 2**12  # lattice points in each direction


def log_evidence_grid(
    target: TargetDensity, chains: Chains, *, tolerance: float = 1e-3, max_points: int = 500_000
) -> Evidence:
    """Evidence by the trapezoid rule on a lattice, in one to four dimensions.

    The lattice is whitened by the covariance of the draws, begins at some of them, and grows wherever the density is
    within e⁻²⁰ of its largest value, so it needs no bounds and follows a bend. The spacing is halved until the result
    stays; its error falls faster than any power of the spacing for densities that are smooth, so the last change is
    larger than what is left. A mode that holds no draw is not found.
    """
    size = chains.theta.shape[-1]
    assert 1 <= size <= 4
    draws = chains.theta.reshape(-1, size)
    root = np.linalg.cholesky(np.atleast_2d(np.cov(draws.T)))
    starts = draws[:: max(1, draws.shape[0] // _STARTS)]
    found, error, spacing = float("nan"), float("inf"), 1.0
    while error > tolerance:
        log_z = _on_lattice(target, root * spacing, draws.mean(axis=0), starts, max_points)
        if log_z is None:
            break
        found, error, spacing = log_z, abs(log_z - found), spacing / 2
        error = error if np.isfinite(error) else float("inf")
    assert np.isfinite(error), "max_points is too small"
    return Evidence(found, error, "grid")


def _on_lattice(
    target: TargetDensity, cell: FloatArray, origin: FloatArray, starts: FloatArray, max_points: int
) -> float | None:
    """ln of the sum over the lattice times its cell; None if it grows beyond `max_points`."""
    size = origin.size
    strides = _SPAN ** np.arange(size)
    neighbours = np.concatenate([strides, -strides])
    at = np.rint(np.linalg.solve(cell, (starts - origin).T).T).astype(np.int64) + _SPAN // 2
    fresh = np.unique(at @ strides)
    seen, logs, top = fresh, [], -np.inf
    while fresh.size:
        at = fresh[:, None] // strides % _SPAN - _SPAN // 2
        log = target.log_posterior(origin + at @ cell.T)
        logs.append(log)
        top = max(top, float(log.max()))
        near = np.unique(fresh[log > top - _DEPTH][:, None] + neighbours)
        fresh = np.setdiff1d(near, seen, assume_unique=True)
        seen = np.union1d(seen, fresh)
        if seen.size > max_points:
            return None
    total = float(np.logaddexp.reduce(np.concatenate(logs)))
    return total + float(np.sum(np.log(np.diagonal(cell))))


def log_evidence_nested(target: TargetDensity, size: int, rng: np.random.Generator, *, n_live: int = 500) -> Evidence:
    """Evidence by nested sampling with dynesty in any dimension; needs no draws.

    Slower than the others by orders of magnitude, and blind to nothing that they could have in common.
    """
    dynesty = pytest.importorskip("dynesty")

    def log_likelihood(z: FloatArray) -> float:
        row = z[None]
        return float(target.log_posterior(row)[0] - target.log_prior(row)[0])

    # random walks: the default draws from ellipsoids, which thin and bent posteriors make inefficient
    options = {"nlive": n_live, "sample": "rwalk", "bootstrap": 0, "rstate": rng}
    sampler = dynesty.NestedSampler(log_likelihood, target.prior_transform, size, **options)
    sampler.run_nested(dlogz=0.01, print_progress=False)
    return Evidence(float(sampler.results.logz[-1]), float(sampler.results.logzerr[-1]), "nested")
