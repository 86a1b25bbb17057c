"""The model test without lengths, (par·V)(par·V²) + (perp·V)(perp·V²) = 0, against the test of one κ for all powers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from model_studies import simulated
from scipy import stats

from mtjfit.model import FullPosterior, combinations
from mtjfit.study import Normal, Study

N = 400
TORQUE: dict[str, Any] = {"noise": 0.01, "n_bias": 9}
KINDS: dict[str, dict[str, Any]] = {"torque": TORQUE, "torkance": TORQUE | {"quantity": "torkance"}}
both = pytest.mark.parametrize("kind", list(KINDS))


def by_product(study: Study, sign: float = 1.0) -> np.ndarray:
    """χ² with one degree of freedom of each device: c = (par·V)(par·V²) + (perp·V)(perp·V²) over its error, squared.

    The four coefficients by numpy's least squares on the points of one device, the error of c from theirs to first
    order; nothing of the package is used. `sign` −1 is a wrong formula.
    """
    out = []
    for curve in study.curves:
        V = curve.bias
        A = np.column_stack([V, V**2] if curve.quantity == "torque" else [np.ones_like(V), 2 * V])
        white = A / curve.sigma_par[:, None]
        covariance = np.linalg.inv(white.T @ white)
        par, perp = (np.linalg.lstsq(white, y / curve.sigma_par)[0] for y in (curve.par, curve.perp))
        slopes = (par[::-1], sign * perp[::-1])
        variance = sum(g @ covariance @ g for g in slopes)
        out.append((par[0] * par[1] + sign * perp[0] * perp[1]) ** 2 / variance)
    return np.array(out)


@cache
def experiments(kind: str, b1: float = 0.0, n: int = N, d: float = 1.2) -> tuple[Study, np.ndarray]:
    """One study of n independent devices that differ in nothing but noise, and its constraint χ²; b1 not declared."""
    study = simulated((d,) * n, seed=7, **KINDS[kind])
    if b1:
        shifted = simulated((d,) * n, seed=7, **KINDS[kind], b1=Normal(0.0, 1.0), amplitudes={"b1": b1})
        study = study.replace(curves=shifted.curves)
    found = combinations(FullPosterior(study))
    assert all(one.dof == 1 for one in found)
    return study, np.array([one.chi2 for one in found])


@both
def test_both_forms_are_one_test(kind: str) -> None:
    """To first order in the noise: within 5 % of each other in √χ² (correlated with the noise, so no false alarms).

    Sabotage: with the other sign the product is no test of the model at all.
    """
    study, ours = experiments(kind)
    theirs = by_product(study)
    assert np.abs(np.sqrt(ours) - np.sqrt(theirs)).max() < 0.05 * max(1.0, float(np.sqrt(theirs).max()))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert np.median(by_product(study, sign=-1.0)) > 5


@both
def test_they_become_equal_as_the_noise_goes(kind: str) -> None:
    """The departure is of the order of the relative noise: ten times smaller for a tenth of it."""
    worst = []
    for noise in (1e-2, 1e-3):
        study = simulated((1.2,) * 20, seed=3, **(KINDS[kind] | {"noise": noise}))
        ours = np.array([one.chi2 for one in combinations(FullPosterior(study))])
        worst.append(np.abs(np.sqrt(ours) - np.sqrt(by_product(study))).max())
    assert worst[1] < 0.3 * worst[0]
    assert worst[1] < 5e-3


@both
def test_a_linear_term_that_is_not_declared_is_found(kind: str) -> None:
    """b1 = 0.1 V⁻¹ in the data: the rejections at 5 % are those of a χ² about the c that b1 makes, within 4 sd.

    c = |κ|² b1 b2: nothing else of the lengths enters, and b1 = 0 is the only way to pass.
    """
    b1 = 0.1
    study, square = experiments(kind, b1)
    exact, _ = experiments(kind, b1, 1)
    # the shift in units of its error, from data without noise
    clean = simulated((1.2,), **(KINDS[kind] | {"noise": 1e-9}), b1=Normal(0.0, 1.0), amplitudes={"b1": b1}).curves[0]
    noiseless = exact.curves[0].__class__(
        "A", clean.bias, clean.par, clean.perp, clean.thickness, clean.quantity, clean.per, clean.unit,
        sigma_par=exact.curves[0].sigma_par, sigma_perp=exact.curves[0].sigma_perp,
    )  # fmt: skip
    shift = by_product(study.replace(curves=(noiseless,)))[0]
    power = stats.ncx2.sf(stats.chi2.ppf(0.95, 1), 1, shift)
    found = np.mean(stats.chi2.sf(square, 1) < 0.05)
    assert power > 0.15
    assert abs(found - power) < 4 * np.sqrt(power * (1 - power) / N) + 0.02
    null = np.mean(stats.chi2.sf(experiments(kind)[1], 1) < 0.05)
    assert found > null + 0.08


@pytest.mark.parametrize("d", [0.8, 2.0, 5.0])
def test_no_length_enters(d: float) -> None:
    """Whatever the thickness, and so the phase of κ: uniform (KS over 120 devices; false-alarm rate 1e-3 each)."""
    study = simulated((d,) * 120, seed=11, **TORQUE)
    p = [one.p_value for one in combinations(FullPosterior(study))]
    assert stats.kstest(p, "uniform").pvalue > 1e-3
