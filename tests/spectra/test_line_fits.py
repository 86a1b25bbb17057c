"""Fits of many spectra at once against lmfit, their errors against what they should cover, and their own starts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mtjfit.spectra import LineModel, fit_lines, fit_spectrum, line_values

F = np.linspace(3.0, 7.0, 200)
MODELS = [
    LineModel(),
    LineModel(modes=2, degree=2),
    LineModel(modulation=0.15),
    LineModel(form="oscillator", degree=0),
    LineModel(degree=-1),
]


def drawn(model: LineModel, rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Spectra of random lines, well inside the sweep."""
    k = model.modes
    first = rng.uniform(3.7, 4.6, n)
    truth = {
        "centre": np.stack([first + 1.6 * i for i in range(k)], axis=1),
        "half_width": rng.uniform(0.08, 0.25, (n, k)),
        "s": rng.choice([-1.0, 1.0], (n, k)) * rng.uniform(0.5, 1.5, (n, k)),
        "a": rng.normal(0.0, 0.7, (n, k)),
    }
    flat = rng.normal(size=(n, model.degree + 1))
    y = np.array([line_values(model, F, *(each[i] for each in truth.values()), flat[i]) for i in range(n)])
    scale = 1.0 if model.modulation is None else 0.5
    return y + noise * scale * rng.standard_normal(y.shape), truth


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_equal_to_lmfit(model: LineModel):
    """lmfit starts elsewhere: with its own derivatives it comes close and never lower, with exact ones it agrees.

    Its own are differences, good to 1e-8, which move its end by some 1e-4 standard errors.
    """
    import lmfit

    rng = np.random.default_rng(11)
    y, _ = drawn(model, rng, 3, 0.02)
    fits = fit_lines(F, y, model)
    assert fits.converged.all()
    for i in range(3):
        start = fit_spectrum(F, y[i], model).params
        for each in start.values():
            each.value *= 1 + 0.05 * rng.standard_normal()

        def residual(params, i=i):
            kinds = ("centre", "half_width", "s", "a")
            lines = (np.array([params[f"{kind}_{k + 1}"].value for k in range(model.modes)]) for kind in kinds)
            flat = np.array([params[f"b{k}"].value for k in range(model.degree + 1)])
            return line_values(model, F, *lines, flat) - y[i]

        found = lmfit.minimize(residual, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        values = np.array([each.value for each in found.params.values()])
        errors = np.array([each.stderr for each in found.params.values()])
        mine = np.concatenate([fits.centre[i], fits.half_width[i], fits.s[i], fits.a[i], fits.background[i]])
        assert fits.rss[i] <= found.chisqr * (1 + 1e-12)
        assert np.max(np.abs(mine - values) / errors) < 1e-3
        exact = fit_spectrum(F, y[i], model, parameters=start)
        assert_allclose(mine, [each.value for each in exact.params.values()], rtol=1e-6, atol=1e-8)
        assert_allclose(np.sqrt(np.diagonal(fits.covariance[i])), errors, rtol=1e-3)


def test_the_public_fit_is_lmfits():
    y, truth = drawn(LineModel(), np.random.default_rng(3), 1, 0.01)
    found = fit_spectrum(F, y[0])
    assert found.success
    assert abs(found.params["s_1"].value - truth["s"][0, 0]) < 5 * found.params["s_1"].stderr
    held = found.params.copy()
    held["half_width_1"].set(value=0.1, vary=False)
    assert fit_spectrum(F, y[0], parameters=held).params["half_width_1"].value == 0.1
    half = fit_spectrum(F, y[0], sigma=0.01)
    assert_allclose(half.params["s_1"].stderr, found.params["s_1"].stderr * 0.01 / np.sqrt(found.redchi), rtol=1e-3)


@pytest.mark.parametrize("model", MODELS[:4], ids=str)
def test_starts_by_itself_and_errors_cover(model: LineModel):
    """Squared pulls of 250 to 500 lines: mean 1 within 4.5 standard errors; false alarms below 1e-4 in all."""
    y, truth = drawn(model, np.random.default_rng(5), 250, 0.03)
    fits = fit_lines(F, y, model)
    assert fits.converged.mean() == 1
    for values, errors, true in zip(
        (fits.centre, fits.half_width, fits.s, fits.a), fits.errors(), truth.values(), strict=True
    ):
        pulls = ((values - true) / errors).ravel()
        assert np.abs(pulls).max() < 6
        assert abs(np.mean(pulls**2) - 1) < 4.5 * np.sqrt(2 / pulls.size)


def test_sabotage_a_full_width_doubles_the_antisymmetric_amplitude():
    """Spectra written with full widths, V = [s Γ² + 2… a Γ (x − x0)]/[4 (x − x0)² + Γ²], read as half widths."""
    width, s, a = 0.4, 1.0, 0.6
    y = (s * width**2 + a * width * (F - 5)) / (4 * (F - 5) ** 2 + width**2)
    fits = fit_lines(F, y[None], LineModel(degree=0))
    assert_allclose(fits.half_width[0, 0], width / 2, rtol=1e-9)
    assert_allclose(fits.s[0, 0], s, rtol=1e-9)
    assert_allclose(fits.a[0, 0], a / 2, rtol=1e-9)


def test_neither_units_nor_the_order_of_points_matter():
    y, _ = drawn(LineModel(), np.random.default_rng(8), 2, 0.02)
    one, other = fit_lines(F, y), fit_lines(1e9 * F, 1e-6 * y)
    assert_allclose(other.centre, 1e9 * one.centre, rtol=1e-10)
    assert_allclose(other.a, 1e-6 * one.a, rtol=1e-7)
    assert_allclose(other.errors()[1], 1e9 * one.errors()[1], rtol=1e-6)
    shuffled = np.random.default_rng(1).permutation(F.size)
    assert_allclose(fit_lines(F[shuffled], y[:, shuffled]).a, one.a, rtol=1e-8)


def test_spectra_of_different_lengths_and_abscissas():
    rng = np.random.default_rng(4)
    xs = [np.sort(rng.uniform(3, 7, n)) for n in (80, 200, 137)]
    ys = [1.0 / (1 + ((x - 5.2) / 0.2) ** 2) + 0.01 * rng.standard_normal(x.size) for x in xs]
    used = np.arange(200) < np.array([[80], [200], [137]])
    x, y = np.zeros((2, 3, 200))
    x[used], y[used] = np.concatenate(xs), np.concatenate(ys)
    together = fit_lines(x, y, used=used)
    for i in range(3):
        alone = fit_lines(xs[i], ys[i][None])
        assert_allclose(together.centre[i], alone.centre[0], rtol=1e-8)
        assert_allclose(together.covariance[i], alone.covariance[0], rtol=1e-5, atol=1e-12)


def test_modes_come_in_order_with_their_covariance():
    model = LineModel(modes=2)
    y, truth = drawn(model, np.random.default_rng(2), 30, 0.005)
    fits = fit_lines(F, y, model)
    assert np.all(np.diff(fits.centre, axis=1) > 0)
    assert_allclose(fits.s, truth["s"], atol=0.1)
    values = np.concatenate([fits.centre, fits.half_width, fits.s, fits.a], axis=1)
    true = np.concatenate([truth[key] for key in truth], axis=1)
    chi2 = [d @ np.linalg.solve(c[:8, :8], d) for d, c in zip(values - true, fits.covariance, strict=True)]
    assert abs(np.mean(chi2) / 8 - 1) < 0.4  # 4 standard errors


def test_nothing_there_is_no_crash():
    rng = np.random.default_rng(6)
    for y in (np.zeros((2, 200)), np.ones((2, 200)), rng.standard_normal((2, 200)), np.tile(F, (2, 1))):
        fits = fit_lines(F, y)
        assert np.all(np.isfinite(fits.centre))
        assert np.all(np.isfinite(fits.noise))


@pytest.mark.parametrize(
    ("x", "y", "model", "what"),
    [
        (F[:6], np.zeros((1, 6)), LineModel(), "6 points; 6 parameters need more"),
        (np.ones(20), np.zeros((1, 20)), LineModel(), "no span"),
        (F, np.zeros((0, 200)), LineModel(), "no spectra|zero-size"),
        (F - 5, np.zeros((1, 200)), LineModel(form="oscillator"), "above zero"),
    ],
)
def test_refused(x, y, model, what):
    with pytest.raises(ValueError, match=what):
        fit_lines(x, y, model)


@pytest.mark.parametrize(
    "kwargs", [{"modes": 0}, {"degree": -2}, {"modulation": 0.0}, {"modulation": 1, "form": "oscillator"}]
)
def test_models_that_cannot_be(kwargs):
    with pytest.raises(ValueError, match=r"modes|modulat"):
        LineModel(**kwargs)


@pytest.mark.slow
def test_ten_thousand_spectra():
    """All converge, with pulls of a normal."""
    rng = np.random.default_rng(1)
    c, w, s, a = rng.uniform(3.5, 6.5, 10_000), np.exp(rng.uniform(-3, -0.6, 10_000)), *rng.normal(size=(2, 10_000))
    u = (F - c[:, None]) / w[:, None]
    y = (s[:, None] + a[:, None] * u) / (1 + u * u) + 0.05 * rng.standard_normal(u.shape)
    fits = fit_lines(F, y)
    assert fits.converged.mean() > 0.99
    pulls = (fits.s[:, 0] - s) / fits.errors()[2][:, 0]
    assert abs(np.mean(np.clip(np.abs(pulls), 0, 4) ** 2) - 1) < 0.06
