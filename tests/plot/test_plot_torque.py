"""The torque figure: numbers in points, lines, bands and residuals."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from plot_cases import (
    SIGMA,
    assert_nothing_cut_off,
    by_gid,
    figures,
    fitted,
    make_study,
    posterior_of,
    small_panels,
    texts,
)

import mtjfit
from mtjfit.data import conversion
from mtjfit.plot import plot_torque
from mtjfit.results import predictive_bands, torque_at
from mtjfit.study import Fixed, LogNormal

pytestmark = pytest.mark.usefixtures("quick_fits")


def error_bars(ax: Axes) -> np.ndarray:
    """Lower and upper end of each error bar, shape (n, 2); they are one path with gaps."""
    (path,) = by_gid(ax, "error-bars")
    ends = path.get_ydata().reshape(-1, 3)
    assert np.all(np.isnan(ends[:, 2]))
    return ends[:, :2]


def test_torque_draws_the_data_the_fit_and_the_band() -> None:
    fit = fitted()
    posterior = posterior_of(fit)
    panels = small_panels(figures()[0])
    assert len(panels) == 6
    for k, curve in enumerate(fit.study.curves):
        for ax, component in zip(panels[2 * k : 2 * k + 2], ("par", "perp"), strict=True):
            (points,) = by_gid(ax, "data")
            np.testing.assert_allclose(points.get_xydata().T, [curve.bias, getattr(curve, component)])
            np.testing.assert_allclose(error_bars(ax), getattr(curve, component)[:, None] + [-SIGMA, SIGMA])
            grid, line = by_gid(ax, "best-fit")[0].get_xydata().T
            T = torque_at(fit.study, fit.values, curve, grid)
            np.testing.assert_allclose(line, T.real if component == "par" else T.imag)
            (band,) = by_gid(ax, "band")
            q = getattr(predictive_bands(posterior, curve, grid, with_noise=True), component)
            drawn = band.get_paths()[0].vertices
            assert drawn[:, 1].max() == pytest.approx(q.q975.max())
            assert drawn[:, 1].min() == pytest.approx(q.q025.min())
            assert q.q975.max() - q.q025.max() > 3.5 * SIGMA  # with noise, not the model alone


def test_residuals_are_in_units_of_sigma() -> None:
    fit = fitted()
    drawn = np.concatenate([line.get_ydata() for line in by_gid(figures()[0], "residuals")])
    assert np.sum(drawn**2) == pytest.approx(fit.chi2, rel=1e-6)


def test_masked_points_are_hollow_and_the_others_are_not() -> None:
    study = make_study()
    study = study.replace(curves=tuple(c.mask(abs(c.bias) > 0.41, "window") for c in study.curves))
    fig = plot_torque(mtjfit.fit(study))
    (hollow,) = by_gid(small_panels(fig)[0], "masked")
    (full,) = by_gid(small_panels(fig)[0], "data")
    np.testing.assert_allclose(hollow.get_xdata(), [-0.5, -0.45, 0.45, 0.5])
    assert hollow.get_markerfacecolor() == "white"
    assert full.get_markerfacecolor() not in ("white", "none")
    assert full.get_xdata().size == 17
    assert "masked, not fitted" in texts(fig)
    assert "masked, not fitted" not in texts(figures()[0])


def test_fitted_errors_are_drawn_from_the_fitted_scale() -> None:
    noise = LogNormal(0.003, 3.0)
    fit = mtjfit.fit(make_study(curve={"sigma_par": None, "sigma_perp": None}, noise_par=noise, noise_perp=noise))
    fig = plot_torque(fit)
    lengths = np.ptp(error_bars(small_panels(fig)[0]), axis=1)
    np.testing.assert_allclose(lengths, 2 * fit.values["noise_par"])
    assert fit.values["noise_par"] == pytest.approx(SIGMA, rel=0.3)
    assert any("fitted from the scatter" in text for text in texts(fig))


def test_curves_in_other_units_are_drawn_in_that_of_the_first() -> None:
    study = fitted().study
    factor = conversion("hbar/2e/kohm", "aN m/V")
    changed = {c: getattr(study.curves[1], c) * factor for c in ("par", "perp", "sigma_par", "sigma_perp")}
    mixed = study.replace(curves=(study.curves[0], replace(study.curves[1], unit="aN m/V", **changed), study.curves[2]))
    (points,) = by_gid(small_panels(plot_torque(mtjfit.fit(mixed)))[2], "data")
    np.testing.assert_allclose(points.get_ydata(), study.curves[1].par, rtol=1e-9)


def test_every_axis_names_its_unit() -> None:
    for ax in figures()[0].axes:
        assert re.search(r"kΩ⁻¹|sigma", ax.get_ylabel()), ax.get_ylabel()
    assert any("M × P" in text for text in texts(figures()[0]))


def test_fit_and_posterior_of_different_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="different devices"):
        plot_torque(fitted(), posterior_of(fitted(("A", "B", "D"))))


@pytest.mark.parametrize(("n", "panels"), [(1, 4), (3, 14), pytest.param(7, 30, marks=pytest.mark.slow), (13, 6)])
def test_layout_follows_the_number_of_devices(n: int, panels: int) -> None:
    """Axes: two of all devices together, four of each device; beyond twelve two maps and two colour bars."""
    study = make_study([f"W{j:02d}" for j in range(n)], lambda_J=Fixed(1.0), lambda_phi=Fixed(1.0))
    fig = plot_torque(mtjfit.fit(study))
    assert len(fig.axes) == panels
    assert_nothing_cut_off(fig)
