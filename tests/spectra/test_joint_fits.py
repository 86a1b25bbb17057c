"""Spectra fitted together: against lmfit with shared parameters, errors against scatter, and sharing that is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mtjfit.spectra import LineModel, fit_lines, fit_together, line_values

F = np.linspace(4.0, 6.0, 81)
V = np.linspace(-0.3, 0.3, 7)
MODEL = LineModel()
TRUTH = {
    "centre": 5.0 + 0.2 * V,
    "half_width": 0.12 * np.exp(0.3 * V),
    "s": 1.0 + 0.5 * V,
    "a": 0.3 + 2.0 * V,
}


def spectra(rng: np.random.Generator, noise: float = 0.02, truth: dict[str, np.ndarray] = TRUTH) -> np.ndarray:
    flat = np.array([0.1, -0.2])
    clean = [line_values(MODEL, F, *(np.array([each[i]]) for each in truth.values()), flat) for i in range(V.size)]
    # Every other spectrum is noisier: those must count for less.
    scale = noise * np.where(np.arange(V.size) % 2, 2.0, 1.0)
    return np.array(clean) + scale[:, None] * rng.standard_normal((V.size, F.size))


def together(y: np.ndarray, **kwargs):
    return fit_together(np.tile(F, (len(y), 1)), y, V, fit_lines(F, y, MODEL), **kwargs)


def test_equal_to_lmfit_with_one_width_and_a_straight_line_of_centres():
    """The whole problem with 3 + 7·4 parameters at once, each spectrum weighted by its noise."""
    import lmfit

    y = spectra(np.random.default_rng(7))
    noise = fit_lines(F, y, MODEL).noise
    lines = together(y, centre=1, width=0)
    rng = np.random.default_rng(1)
    params = lmfit.Parameters()
    for name, value in (("c0", 5.0), ("c1", 0.1), ("w", 0.15)):
        params.add(name, value=value)
    for i in range(V.size):
        for name in ("s", "a", "b", "t"):
            params.add(f"{name}{i}", value=rng.normal())

    def residual(p):
        parts = []
        for i in range(V.size):
            one = [np.array([p["c0"] + p["c1"] * V[i]]), np.array([p["w"].value]), np.array([p[f"s{i}"].value]),
                   np.array([p[f"a{i}"].value])]  # fmt: skip
            flat = np.array([p[f"b{i}"].value, p[f"t{i}"].value])
            parts.append((line_values(MODEL, F, *one, flat) - y[i]) / noise[i])
        return np.concatenate(parts)

    found = lmfit.minimize(residual, params, scale_covar=False, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert_allclose(lines.chi2, found.chisqr, rtol=1e-8)
    sd = np.sqrt(np.einsum("pikpik->pik", lines.covariance))[:, :, 0]
    assert_allclose(lines.half_width[:, 0], found.params["w"].value, rtol=1e-6)
    assert_allclose(sd[1], found.params["w"].stderr, rtol=1e-3)
    for i in range(V.size):
        assert_allclose(lines.s[i, 0], found.params[f"s{i}"].value, rtol=1e-5)
        assert_allclose([sd[2, i], sd[3, i]], [found.params[f"{name}{i}"].stderr for name in "sa"], rtol=1e-3)
    # What two biases have in common through the width; from central differences, as lmfit's are too coarse for it.
    names = found.var_names
    columns = []
    for name in names:
        moved = []
        for step in (1e-5, -1e-5):
            p = found.params.copy()
            p[name].value += step
            moved.append(residual(p))
        columns.append((moved[0] - moved[1]) / 2e-5)
    expected = np.linalg.inv(np.array(columns) @ np.array(columns).T)[names.index("s0"), names.index("s4")]
    assert_allclose(lines.covariance[2, 0, 0, 2, 4, 0], expected, rtol=1e-4)  # lmfit ends 1e-4 errors away


@pytest.mark.slow
def test_errors_and_their_correlations_cover():
    """χ² of all 28 values with the whole covariance, 80 times; 4.5 standard errors, false alarms below 1e-5.

    The weights come from the scatter of 81 points, which adds 2 to 3 %.
    """
    rng = np.random.default_rng(3)
    true = np.concatenate(list(TRUTH.values()))
    chi2, p = [], []
    for _ in range(80):
        lines = together(spectra(rng), width=1)
        values = np.concatenate([each[:, 0] for each in (lines.centre, lines.half_width, lines.s, lines.a)])
        covariance = lines.covariance[:, :, 0, :, :, 0].reshape(28, 28)
        # Seven log widths follow from two numbers: their covariance has rank two.
        free = np.r_[0:7, 14:28]
        off = (values - true)[free]
        chi2.append(off @ np.linalg.solve(covariance[np.ix_(free, free)], off))
        p.append(lines.p_sharing)
    assert abs(np.mean(chi2) / 21 - 1.025) < 4.5 * np.sqrt(2 / 21 / 80)
    assert 0.35 < np.mean(p) < 0.6


def test_sabotage_sharing_what_is_not_common_is_found():
    y = spectra(np.random.default_rng(5))
    assert together(y, centre="free", width=1).p_sharing > 1e-3
    assert together(y, centre="free", width=0).p_sharing < 1e-3
    assert together(y, centre=0, width=1).p_sharing < 1e-6


def test_sharing_nothing_is_fitting_each_on_its_own():
    y = spectra(np.random.default_rng(6))
    alone, free = fit_lines(F, y, MODEL), together(y, centre="free", width="free")
    assert_allclose(free.s, alone.s, rtol=1e-7)
    assert_allclose(free.half_width, alone.half_width, rtol=1e-7)
    assert_allclose(np.einsum("pikpik->pik", free.covariance), np.square(alone.errors()), rtol=1e-4)
    assert np.isnan(free.p_sharing)


def test_a_shared_width_helps_where_a_line_is_weak():
    truth = TRUTH | {"s": np.where(V == 0, 0.03, 1.0), "a": np.zeros_like(V), "half_width": np.full_like(V, 0.12)}
    y = spectra(np.random.default_rng(8), truth=truth)
    lines = together(y, centre=1, width=0)
    sd = np.sqrt(np.einsum("pikpik->pik", lines.covariance))[:, :, 0]
    assert abs(lines.s[3, 0] - 0.03) < 4 * sd[2, 3]
    assert sd[0, 3] < 0.01
    assert lines.converged


@pytest.mark.parametrize("form", ["lorentzian", "oscillator"])
def test_two_modes_share_each_their_own(form):
    model = LineModel(modes=2, form=form)
    rng = np.random.default_rng(9)
    y = np.array([
        line_values(model, F, np.array([4.6, 5.3 + 0.1 * v]), np.array([0.1, 0.15]), np.array([1.0, 0.7]),
                    np.array([v, 0.2]), np.zeros(2)) for v in V
    ]) + 0.01 * rng.standard_normal((V.size, F.size))  # fmt: skip
    lines = fit_together(np.tile(F, (V.size, 1)), y, V, fit_lines(F, y, model), centre=1, width=0)
    assert_allclose(lines.half_width, np.tile([0.1, 0.15], (V.size, 1)), rtol=0.02)
    assert_allclose(lines.centre[:, 1], 5.3 + 0.1 * V, atol=0.005)
    assert lines.p_sharing > 1e-3
