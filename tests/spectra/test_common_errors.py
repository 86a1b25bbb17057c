"""Statistical and common errors: carried apart, propagated right, never averaged away, never pulling a fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mtjfit.spectra import CommonError, Constant, Constants, TorkanceCurve, smooth_curve, torkance_curve, torkances

CONSTANTS = Constants(
    Constant(1e-5, 5e-7), Constant(300.0, 6.0, own=False), Constant(1000.0), Constant(1e-17, 3e-19),
    Meff=Constant(1.1, 0.05, own=False),
)  # fmt: skip
V = np.linspace(-0.3, 0.3, 13)


def lines_with_errors() -> tuple[np.ndarray, np.ndarray]:
    """Lines with correlated errors, all biases correlated through a common width."""
    n = V.size
    lines = np.array([np.full(n, 8.6e9), np.full(n, 2e8), -2e-6 - 1e-6 * V, 1e-6 - 2e-5 * V])
    sd = np.array([1e6, 3e6, 2e-8, 4e-8])
    covariance = np.zeros((4, n, 4, n))
    block = np.eye(4) + 0.3 * (np.ones((4, 4)) - np.eye(4))
    for i in range(n):
        covariance[:, i, :, i] = block * sd[:, None] * sd
    covariance[1, :, 1, :] += 2.5e13 / 4
    return lines, covariance


def curve(constants: Constants = CONSTANTS) -> TorkanceCurve:
    n = V.size
    return torkance_curve("A", *lines_with_errors(), V, np.full(n, 0.08), "frequency", constants, np.zeros(n, bool))


def test_statistical_covariance_is_that_of_a_simulation():
    """2000 draws of the lines; elements of a correlation matrix to 5.5 standard errors, false alarms below 1e-5."""
    rng = np.random.default_rng(2)
    exact, (lines, covariance), n = curve(), lines_with_errors(), V.size
    drawn = rng.multivariate_normal(lines.ravel(), covariance.reshape(4 * n, 4 * n), 2000, method="cholesky")
    values = [torkances(each.reshape(4, n), V, np.full(n, 0.08), "frequency", CONSTANTS).ravel() for each in drawn]
    found, sd = np.cov(np.array(values).T), exact.sigma.ravel()
    assert_allclose(np.sqrt(np.diagonal(found)), sd, rtol=5 / np.sqrt(2 * 2000))
    assert np.max(np.abs((found - exact.statistical) / np.outer(sd, sd))) < 5.5 / np.sqrt(2000)
    between = exact.statistical / np.outer(sd, sd)
    assert between[0, 5] > 0.1  # through the width
    assert_allclose(exact.rho, np.diagonal(between[:n, n:]), rtol=1e-12)


def test_common_errors_are_what_moving_a_constant_does():
    exact = curve()
    by_name = {error.name: error for error in exact.common}
    assert set(by_name) == {"I_rf", "V_thetaI", "Ms_Vol", "Meff"}
    assert_allclose(by_name["I_rf"].par, -2 * 0.05, rtol=1e-4)
    assert_allclose(by_name["I_rf"].perp, -2 * 0.05, rtol=1e-4)
    assert_allclose(by_name["V_thetaI"].par, -0.02, rtol=1e-4)
    assert_allclose(by_name["Ms_Vol"].perp, 0.03, rtol=1e-4)
    assert_allclose(by_name["Meff"].par, 0, atol=1e-12)
    assert_allclose(by_name["Meff"].perp, -0.05 / 1.18, rtol=1e-3)
    assert [by_name[name].own for name in ("I_rf", "V_thetaI")] == [True, False]


def test_common_errors_do_not_average_away():
    """The mean of n points keeps the whole common error, however many points there are."""
    exact = curve()
    n = V.size
    mean = np.concatenate([np.full(n, 1 / n), np.zeros(n)])
    statistical = mean @ exact.statistical @ mean
    every = mean @ exact.covariance() @ mean
    own = mean @ exact.covariance(own_only=True) @ mean
    size = np.mean(exact.smooth[0])
    assert_allclose(every - statistical, size**2 * (0.1**2 + 0.02**2 + 0.03**2), rtol=1e-3)
    assert_allclose(own - statistical, size**2 * (0.1**2 + 0.03**2), rtol=1e-3)


def test_covariance_is_positive_definite_and_rank_one_apart():
    exact = curve()
    np.linalg.cholesky(exact.covariance())
    extra = exact.covariance() - exact.statistical
    values = np.linalg.eigvalsh(extra)
    assert np.sum(values > 1e-9 * values.max()) == 2  # a common scale, and Meff


def fitted(y: np.ndarray, covariance: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Coefficients of a linear fit."""
    weighted = np.linalg.solve(covariance, design)
    return np.linalg.solve(design.T @ weighted, weighted.T @ y)


def peelle(
    n: int, noise: float, scale: float, rng: np.random.Generator, degree: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Points about 1, and the covariance with a common scale of a polynomial through them, or of the points (None)."""
    x, y = np.linspace(-1, 1, n), 1 + noise * rng.standard_normal(n)
    smooth = np.array([y, np.zeros(n)])
    if degree is not None:
        smooth = smooth_curve(x, smooth, noise**2 * np.eye(2 * n))[0]
    scales = CommonError("I_rf", scale, np.full(n, scale), np.full(n, scale), True)
    curve = TorkanceCurve(
        "A", x, y, np.zeros(n), noise**2 * np.eye(2 * n), np.zeros((0, 2 * n)), (scales,), smooth, 1, np.zeros(n, bool)
    )
    return y, curve.covariance()[:n, :n]


def test_fits_of_the_smooth_form_are_not_pulled_at_all():
    """A common scale of a curve lies in the space of the fit: it widens errors along it and moves nothing."""
    rng = np.random.default_rng(3)
    design = np.vander(np.linspace(-1, 1, 20), 2)
    for _ in range(5):
        y, covariance = peelle(20, 0.1, 0.2, rng, degree=1)
        assert_allclose(fitted(y, covariance, design), np.linalg.lstsq(design, y, rcond=None)[0], rtol=1e-9)


def test_a_constant_fit_is_pulled_by_the_square_of_the_scale_at_most():
    """By 1/(1 + s²), as the smooth curve may slope where the constant may not; 200 fits, 4 standard errors."""
    rng = np.random.default_rng(3)
    fits = [fitted(*peelle(20, 0.1, 0.05, rng, degree=1), np.ones((20, 1)))[0] for _ in range(200)]
    assert abs(np.mean(fits) - 1 / (1 + 0.05**2)) < 4 * np.std(fits) / np.sqrt(200)


def test_sabotage_vectors_from_the_points_pull_it_low():
    """By d'Agostini's factor 1/(1 + (n − 1) s²)."""
    rng = np.random.default_rng(3)
    fits = [fitted(*peelle(20, 0.1, 0.2, rng, degree=None), np.ones((20, 1)))[0] for _ in range(300)]
    assert_allclose(np.mean(fits), 1 / (1 + 19 * 0.2**2), rtol=0.03)


def test_smooth_curves_grow_only_where_they_must():
    rng = np.random.default_rng(5)
    covariance = 1e-4 * np.eye(2 * V.size)
    straight = np.array([1 + 0.5 * V, -0.2 + V]) + 0.01 * rng.standard_normal((2, V.size))
    smooth, degree = smooth_curve(V, straight, covariance)
    assert degree == 1
    assert np.max(np.abs(smooth - [1 + 0.5 * V, -0.2 + V])) < 0.02
    assert smooth_curve(V, straight + 2 * V**2, covariance)[1] == 2
    assert smooth_curve(np.zeros(4), np.ones((2, 4)), np.eye(8))[1] == 0


def test_points_come_in_order_of_the_bias():
    n = 3
    bias = np.array([0.1, -0.1, 0.0])
    lines = np.array([[8.6e9] * n, [2e8] * n, -1e-6 * (1 + bias), 1e-6 * bias])
    covariance = np.einsum("p,q,pq,ij->piqj", *(2 * [np.array([1e6, 1e6, 1e-8, 1e-8])]), np.eye(4), np.eye(n))
    covariance[2, 1, 2, 1] *= 9
    found = torkance_curve("A", lines, covariance, bias, np.full(n, 0.08), "frequency", CONSTANTS, bias > 0.05)
    assert found.bias.tolist() == [-0.1, 0.0, 0.1]
    assert found.flagged.tolist() == [False, False, True]
    assert np.argmax(found.sigma[0]) == 0
    assert_allclose(found.par, torkances(lines, bias, np.full(n, 0.08), "frequency", CONSTANTS)[0, [1, 2, 0]])


def test_exact_constants_leave_no_common_error():
    exact = {name: replace(getattr(CONSTANTS, name), sd=0.0) for name in ("I_rf", "V_thetaI", "Ms_Vol", "Meff")}
    bare = curve(replace(CONSTANTS, **exact))
    assert bare.common == ()
    assert_allclose(bare.covariance(), bare.statistical)
    assert pytest.approx(bare.par) == curve().par
