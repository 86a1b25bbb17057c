"""Tests of residuals: their p-values are uniform for good fits, and small for bad ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest
from shortcuts import slow_after

from mtjfit.model.residuals import FALSE_FLAGS, smoothness, tangent_space
from mtjfit.spectra import LineModel, fit_lines, residual_tests
from mtjfit.spectra.spectrum import line_gradient

F = np.linspace(4.0, 6.0, 150)


def judged(y: np.ndarray, model: LineModel):
    """Tests of each row, fitted with a model."""
    fits = fit_lines(F, y, model)
    for i in range(len(y)):
        columns = np.concatenate(
            line_gradient(model, F, fits.centre[i], fits.half_width[i], fits.s[i], fits.a[i]), axis=1
        )
        yield residual_tests(y[i] - fits.values(i, F), tangent_space(columns))


def good(rng: np.random.Generator, n: int) -> np.ndarray:
    u = (F - 5.0) / 0.15
    return (1 + 0.4 * u) / (1 + u * u) + 0.02 * rng.standard_normal((n, F.size))


def test_p_values_of_good_fits_are_uniform():
    """300 fits with six parameters; Kolmogorov and Smirnov, false alarms 2e-4 for the two tests."""
    found = list(judged(good(np.random.default_rng(2), 300), LineModel()))
    for name in ("p_autocorrelation", "p_chi2"):
        assert kstest([getattr(each, name) for each in found], "uniform").pvalue > 1e-4, name
    # Runs are counted in whole numbers and residuals of a fit alternate a little: on the safe side.
    runs = np.array([each.p_runs for each in found])
    assert np.mean(runs < 0.05) < 0.08
    assert np.mean([not each.described for each in found]) < 0.01
    assert FALSE_FLAGS == 1e-3


def test_moments_are_exact():
    """Mean and variance of r'Br/r'r from the full matrices (Durbin and Watson)."""
    rng = np.random.default_rng(1)
    n, tangent = 40, tangent_space(np.random.default_rng(4).standard_normal((40, 5)))
    M = np.eye(n) - tangent @ tangent.T
    for order in (1, 2):
        D = np.diff(np.eye(n), order, axis=0)
        MB = M @ D.T @ D
        dof = n - 5
        mean = np.trace(MB) / dof
        assert_allclose(smoothness(M @ rng.standard_normal(n), tangent, order)[2], mean, rtol=1e-12)
        ratios = []
        for _ in range(4000):
            r = M @ rng.standard_normal(n)
            ratios.append(np.sum((D @ r) ** 2) / (r @ r))
        assert_allclose(np.mean(ratios), mean, rtol=0.01)
        # The p-value is that of the sample: its quantiles must agree.
        low = np.quantile(ratios, 0.05)
        r = next(r for r in (M @ rng.standard_normal(n) for _ in range(10**5))
                 if abs(np.sum((D @ r) ** 2) / (r @ r) / low - 1) < 1e-3)  # fmt: skip
        assert_allclose(smoothness(r, tangent, order)[1], 0.10, atol=0.03)


@pytest.mark.parametrize("what", ["second line", "bent background", "drift"])
def test_sabotage_what_lines_do_not_describe_is_flagged(what: str):
    rng = np.random.default_rng(3)
    y = good(rng, 20)
    y += {
        "second line": 0.2 / (1 + ((F - 5.5) / 0.1) ** 2),
        "bent background": 0.3 * (F - 5) ** 2,
        "drift": 0.02 * np.cumsum(rng.standard_normal((20, F.size)), axis=1),
    }[what]
    assert not any(each.described for each in judged(y, LineModel()))


def test_neighbours_that_alternate_are_flagged():
    """Every second point a little up: a correlation of −1, χ²/dof far below one; on one side nothing would be seen."""
    y = good(np.random.default_rng(3), 20) + 0.06 * (np.arange(F.size) % 2)
    for each in judged(y, LineModel()):
        assert not each.described
        assert each.autocorrelation < 0
        assert each.chi2_red < 1


@pytest.mark.slow
@pytest.mark.parametrize(("n", "half_width"), slow_after(1, [(14, 0.4), (40, 0.3)]))
def test_short_spectra_raise_few_false_alarms(n: int, half_width: float):
    """2000 good fits at a rate of 1e-3: nine and more are as likely as 2e-4. The tails of the two sides are alike."""
    f = np.linspace(4.0, 6.0, n)
    u = (f - 5.0) / half_width
    y = (1 + 0.4 * u) / (1 + u * u) + 0.02 * np.random.default_rng(n).standard_normal((2000, n))
    fits = fit_lines(f, y)
    found = []
    for i in range(len(y)):
        line = fits.centre[i], fits.half_width[i], fits.s[i], fits.a[i]
        tangent = tangent_space(np.concatenate(line_gradient(fits.model, f, *line), axis=1))
        found.append(residual_tests(y[i] - fits.values(i, f), tangent))
    assert sum(not each.described for each in found) <= 8
    for name in ("p_autocorrelation", "p_chi2"):
        assert 0.03 < np.mean(np.array([getattr(each, name) for each in found]) < 0.05) < 0.07, name


def test_sabotage_tests_of_one_side_miss_what_alternates():
    residual = np.where(np.arange(60) % 2, 1.0, -1.0) + 0.1 * np.random.default_rng(2).standard_normal(60)
    tangent = tangent_space(np.ones((60, 1)))
    ratio, p, mean = smoothness(residual, tangent, 1)
    assert ratio > mean  # too rough: the lower tail alone would hold nearly all probability
    assert p < 1e-6
    assert residual_tests(residual, tangent).p_runs < 1e-6


def test_a_better_model_is_not_flagged():
    y = good(np.random.default_rng(3), 20) + 0.2 / (1 + ((F - 5.5) / 0.1) ** 2)
    assert all(each.described for each in judged(y, LineModel(modes=2)))


def test_no_residuals_no_verdict():
    assert np.isnan(residual_tests(np.zeros(20), tangent_space(np.ones((20, 1)))).p_chi2)
    one_sign = residual_tests(np.ones(20), tangent_space(np.arange(20.0)[:, None]))
    assert one_sign.p_runs == 0
