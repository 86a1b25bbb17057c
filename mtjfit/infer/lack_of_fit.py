"""Probability of a larger misfit: by χ² for known errors, by F tests against free polynomials for fitted ones."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray
from mtjfit.infer.optimum import Optimum
from mtjfit.model.device_combinations import noise_groups
from mtjfit.model.jacobian import jacobian
from mtjfit.model.likelihood import FullPosterior
from mtjfit.study import JITTER, Study


def from_scatter(study: Study) -> np.ndarray:
    """Components of devices whose jitter is free, shape (n_devices, 2); their scatter does not test the errors."""
    free = [name in study.parameters and not study.parameters[name].is_fixed for name in JITTER]
    return np.tile(free, (len(study.curves), 1))


def misfit_p_value(model: FullPosterior, best: Optimum, rank: int, from_scatter: np.ndarray) -> tuple[float, float]:
    """χ² and its p-value for `rank` determined numbers; an F test against free polynomials for fitted errors."""
    data, total = model.data, best.chi2_data + best.chi2_thickness
    group, noise_dof = noise_groups(model)
    # each fitted scale makes the scatter about its free polynomials equal to their degrees of freedom
    spent = float(noise_dof.sum())
    if from_scatter.any():
        group = np.where(from_scatter, 0, -1)
        noise_dof = np.array([np.maximum(data.n - data.powers.size, 0)[from_scatter].sum()], dtype=float)
        spent = float(data.rss[from_scatter].sum())
    misfit_dof = model.study.n_values - rank - int(noise_dof.sum())
    if noise_dof.size == 0:
        return total, float(chi2.sf(total, misfit_dof))
    if misfit_dof <= 0 or noise_dof.min() <= 0:
        return total, float("nan")
    misfit = max(total - spent, 0.0)
    J = jacobian(model, best.values, best.amplitudes).matrix
    u, s, _ = np.linalg.svd(J / np.maximum(np.linalg.norm(J, axis=0), 1e-300), full_matrices=False)
    seen = u[:, s > 1e-10 * s.max(initial=0.0)]
    taken = np.sum(seen**2, axis=1)[: data.z.size].reshape(*data.n.shape, -1).sum(axis=-1)
    left = np.minimum(data.n, data.powers.size) - taken
    shares = np.array([left[group == g].sum() for g in range(noise_dof.size)])
    shares = np.append(misfit_dof - shares.sum(), shares)
    return total, _lack_of_fit(misfit, shares, noise_dof)


def _lack_of_fit(misfit: float, shares: FloatArray, noise_dof: FloatArray) -> float:
    """Probability of a larger Σ m F(m, ν), over noise scales with ν degrees of freedom each; the first is known, ν = ∞.

    By a multiple of one F with the same mean and variance: exact for one scale, and unlike a common ν right in the
    mean for many scales of few degrees each, where every F is larger than one on average.
    """
    m = float(shares.sum())
    if noise_dof.size == 1 and shares[0] < 1e-9 * m:
        return float(f.sf(misfit / m, m, noise_dof[0]))
    nu = np.maximum(noise_dof, 4.5)  # an F with fewer has no variance to match
    own = np.maximum(shares[1:], 0.0)
    mean = shares[0] + float(np.sum(own * nu / (nu - 2)))
    variance = 2 * shares[0] + float(np.sum(2 * own * nu**2 * (own + nu - 2) / ((nu - 2) ** 2 * (nu - 4))))
    excess = m * variance / mean**2 - 2
    if excess < 1e-9:
        return float(chi2.sf(misfit * m / mean, m))
    common = (2 * m - 4 + 4 * (excess + 2)) / excess
    return float(f.sf(misfit / mean * common / (common - 2), m, common))
