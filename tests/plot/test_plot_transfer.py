"""κ(d) and the accumulation as they are drawn: medians, bands, points of single devices, what is extrapolated."""

from __future__ import annotations

import numpy as np
import pytest
from plot_cases import SIMULATED, assert_nothing_cut_off, bars, by_gid, fitted, posterior_of, texts

from mtjfit.physics import kappa, spin_accumulation
from mtjfit.plot import plot_accumulation_band, plot_transfer

TRUE = (1.0, 1.0, 10.0, 1.0)


def test_transfer() -> None:
    """Draws lie close about the best fit of data with 2 % noise: medians are κ of the truth to 3 %, points, too."""
    fit = fitted(origin=SIMULATED)
    posterior = posterior_of(fit, width=0.01)
    fig = plot_transfer(posterior, fit)
    plane, *against_d = fig.axes
    parts = (lambda k: k.real, lambda k: k.imag, lambda k: k.imag / k.real)
    for ax, part in zip(against_d, parts, strict=True):
        (median,) = by_gid(ax, "median")
        d, y = median.get_data()
        inside = (d > 0.8) & (d < 2.6)
        np.testing.assert_allclose(y[inside], part(kappa(d[inside], *TRUE)), atol=0.03)
        points = bars(ax, "device")
        assert len(points) == 3
        for point, thickness in zip(points, (0.8, 1.7, 2.6), strict=True):
            x, value = (each[0] for each in point.lines[0].get_data())
            assert x == pytest.approx(thickness)
            assert abs(value - part(kappa(x, *TRUE))) < 0.03
        ends = sorted(box.get_x() for box in by_gid(ax, "extrapolated"))
        assert ends[1] == pytest.approx(2.6)
        band = by_gid(ax, "band-95")[0].get_paths()[0].vertices[:, 1]
        assert band.min() <= y.min()
        assert band.max() >= y.max()
    (draws,) = by_gid(plane, "draws")
    assert len(draws.get_segments()) >= 50
    assert any("SIMULATED" in text for text in texts(fig))
    assert_nothing_cut_off(fig)


def test_accumulation() -> None:
    fit = fitted()
    fig = plot_accumulation_band(posterior_of(fit, width=0.01))
    assert [ax.get_title().split(",")[0] for ax in fig.axes] == ["A", "B", "C"]
    for ax, d in zip(fig.axes, (0.8, 1.7, 2.6), strict=True):
        in_plane, out_of_plane = by_gid(ax, "median")
        x = in_plane.get_xdata()
        assert (x[0], x[-1]) == pytest.approx((0.0, d))
        m = spin_accumulation(x, d, *TRUE)
        np.testing.assert_allclose(in_plane.get_ydata(), m.real, atol=0.04)
        np.testing.assert_allclose(out_of_plane.get_ydata(), m.imag, atol=0.04)
    assert_nothing_cut_off(fig)
