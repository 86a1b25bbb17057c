"""Reduction of a chunk: the numbers that each device determines alone, with errors and tests, for all devices at once.

They are those of `mtjfit.model.device_combinations` for a study of that device alone, to rounding, and do not
depend on which devices share a chunk, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, fdtrc

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.model.phase import PhaseFit, Terms, Triangle, fit_phase, inner
from mtjfit.wafer.read.chunk import Chunk, IntArray
from mtjfit.wafer.reduce.reduced import ALARM, Reduced, coefficient_names, column_names, correlation, flags_of
from mtjfit.wafer.reduce.sums import SufficientStatistics, sufficient_statistics

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy

_TOGETHER = 2048  # devices at once: temporary arrays stay in cache, and small
_NO_SLOPE = 2.0  # standard errors


def reduce_chunk(study: WaferStudy, chunk: Chunk, *, together: int = _TOGETHER) -> Reduced:
    """Determined numbers, tests, flags and sums of every usable device of a chunk.

    Parameters
    ----------
    together : int
        Devices that are reduced at once; no result depends on it.
    """
    J = len(chunk.device)
    parts = [_part(study, chunk, k, min(k + together, J)) for k in range(0, max(J, 1), together)]
    values = {name: np.concatenate([part[0][name] for part in parts]) for name in column_names(study)}
    return Reduced(
        chunk.number, chunk.device, chunk.wafer, chunk.split, values, np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]), chunk.faults, chunk.origins,
    )  # fmt: skip


def _part(study: WaferStudy, chunk: Chunk, low: int, high: int) -> tuple[dict[str, FloatArray], IntArray, FloatArray]:
    """Values, flags and sums of devices low … high − 1."""
    part = chunk.devices(low, high)
    with np.errstate(all="ignore"):  # absurd numbers of one device overflow; what is not finite is not determined
        one = sufficient_statistics(study, part)
        values, flags = _determined(one, study.terms, study.sigma_is_fitted, study.fixed_noise())
    places = {"thickness": part.thickness, "x": part.x, "y": part.y, "n_points": one.n[0].astype(float)}
    return places | values, flags, one.packed(study)


def _determined(
    one: SufficientStatistics, terms: Terms, fitted: bool, fixed: tuple[float | None, float | None]
) -> tuple[dict[str, FloatArray], IntArray]:
    """Values and flags of J devices, each shape (J,).

    If σ is `fitted`, the statistics belong to σ = 1; it is estimated from the scatter of each device and component
    unless `fixed`.
    """
    P = terms.powers.size
    estimated = np.array([fitted and value is None for value in fixed])
    beyond = one.n - P
    sigma = np.ones(one.rss.shape)
    for c in range(2):
        if estimated[c]:
            scatter = np.sqrt(one.rss[c] / np.maximum(beyond[c], 1))
            sigma[c] = np.where(beyond[c] > 0, np.where(scatter > 0, scatter, 1e-300), np.nan)
        elif fitted:
            sigma[c] = fixed[c]
    weight = np.repeat(1 / sigma, P, axis=0)
    R, z = one.R * weight[:, None], one.z * weight
    diagonal = np.arange(2 * P)
    ranks = np.stack([np.sum(part > 0, axis=0) for part in np.split(one.R[diagonal, diagonal], 2)])
    full = np.all(ranks == P, axis=0) & np.all(np.isfinite(sigma), axis=0)
    values = _alone(R, z, terms, full) | _scatter_test(one, sigma, ranks, ~estimated)
    few = np.any(beyond <= 0, axis=0)
    flags = flags_of(few_points=few, not_determined=~full, misfit_scatter=values["scatter_p_value"] < ALARM)
    nothing = np.full(full.size, np.nan)
    tests = dict.fromkeys(("chi2", "dof", "noise_dof", "p_value"), nothing)
    if terms.phase_determined:
        found = fit_phase(R, z, terms)
        sound = full & found.determined & np.isfinite(found.misfit) & np.all(np.isfinite(found.amplitudes), axis=0)
        quantities = dict(_quantities(found, terms))
        dof = ranks.sum(axis=0) - len(terms.names) - 1
        tests = _constraint_test(found, dof, beyond, estimated)
        values |= {name: np.where(sound, each, np.nan) for name, each in quantities.items()}
        tests = {name: np.where(sound, each, np.nan) for name, each in tests.items()}
        flags |= flags_of(not_determined=~sound, misfit_constraint=tests["p_value"] < ALARM)
        if "a1" in terms.names:
            a1, sd = values["|kappa|·a1"], values["|kappa|·a1_sd"]
            flags |= flags_of(no_slope=np.abs(a1) < _NO_SLOPE * sd)
    values |= tests
    if fitted:
        values |= {"sigma_par": sigma[0], "sigma_perp": sigma[1]}
    return values, flags


def _alone(R: FloatArray, z: FloatArray, terms: Terms, full: BoolArray) -> dict[str, FloatArray]:
    """Coefficients of the device's own polynomials without any constraint, with their errors."""
    free = Triangle(np.empty(0), R)
    t, covariance = free.back(z), free.covariance()
    values = {}
    for k, name in enumerate(coefficient_names(terms)):
        values[name] = np.where(full, t[k], np.nan)
        values[f"{name}_sd"] = np.where(full, np.sqrt(covariance[k, k]), np.nan)
    return values


def _scatter_test(
    one: SufficientStatistics, sigma: FloatArray, ranks: IntArray, known: BoolArray
) -> dict[str, FloatArray]:
    """χ² of the points about the device's own polynomials, over components whose errors are known."""
    chi2, dof = np.zeros(one.log_sigma.shape), np.zeros(one.log_sigma.shape)
    for c in np.flatnonzero(known):
        chi2, dof = chi2 + one.rss[c] / sigma[c] ** 2, dof + (one.n[c] - ranks[c])
    p = np.where(dof > 0, chdtrc(np.maximum(dof, 1.0), chi2), np.nan)
    return {"scatter_chi2": chi2, "scatter_dof": dof, "scatter_p_value": p}


def _constraint_test(found: PhaseFit, dof: IntArray, beyond: IntArray, estimated: BoolArray) -> dict[str, FloatArray]:
    """χ² test that the coefficients come from one κ; with estimated errors an F test (Welch and Satterthwaite)."""
    P = found.left.shape[0] // 2
    shares = np.stack([inner(part, np.ones_like(part)) for part in (found.left[:P], found.left[P:])])
    spread = np.zeros(dof.shape)
    for c in np.flatnonzero(estimated):
        spread = spread + shares[c] ** 2 / np.maximum(beyond[c], 1)
    noise_dof = np.where(spread > 0, (shares[0] + shares[1]) ** 2 / np.where(spread > 0, spread, 1.0), np.inf)
    tested = np.maximum(dof, 1).astype(float)
    if estimated.any():
        p = fdtrc(tested, np.minimum(noise_dof, 1e300), found.misfit / tested)
    else:
        p = chdtrc(tested, found.misfit)
    p = np.where(dof > 0, p, np.nan)
    return {"chi2": found.misfit, "dof": dof.astype(float), "noise_dof": noise_dof, "p_value": p}


def _quantities(found: PhaseFit, terms: Terms) -> Iterator[tuple[str, FloatArray]]:
    """Determined numbers with errors and correlations, from the covariance of phase and amplitudes to first order."""
    names, (numbers, covariance) = terms.quantities, found.quantities(terms)
    sd = np.sqrt(np.stack([covariance[k, k] for k in range(len(names))]))
    for name, number, error in zip(names, numbers, sd, strict=True):
        yield name, number
        yield f"{name}_sd", error
    for one, other in combinations(range(len(names)), 2):
        yield correlation(names[one], names[other]), covariance[one, other] / (sd[one] * sd[other])
