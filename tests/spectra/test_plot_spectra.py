"""Pictures of spectra show the numbers of the result, mark what is flagged and what was not measured."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose
from plot_cases import by_gid, texts

from mtjfit.data import Origin
from mtjfit.spectra import (
    Constant,
    Constants,
    LineOptions,
    SpectraDevice,
    SpectraResult,
    SpectraStudy,
    Spectrum,
    analyse,
    resonance_frequency,
)
from mtjfit.spectra.plot import plot_kittel, plot_lines, plot_thumbnails, plot_torkances


def made(against: str = "frequency", odd: int | None = None) -> SpectraResult:
    rng = np.random.default_rng(2)
    spectra = []
    for k, V in enumerate(np.linspace(-0.2, 0.2, 4)):
        fixed = 0.05 * (k + 1) if against == "frequency" else float(resonance_frequency(0.05 * (k + 1), 1.1))
        f0 = float(resonance_frequency(0.05 * (k + 1), 1.1)) if against == "frequency" else 0.05 * (k + 1)
        x = f0 * np.linspace(0.8, 1.2, 60)
        u = (x - f0) / (0.03 * f0)
        y = -2e-6 * (1 + V * u) / (1 + u * u) + 2e-8 * rng.standard_normal(60)
        if k == odd:
            y += 1e-6 * (u > 2)
        spectra.append(Spectrum("dev $1$", V, against, x, y, fixed))
    constants = Constants(
        Constant(1e-5, 5e-7), Constant(300.0), Constant(1000.0), Constant(1e-17), Meff=Constant(1.1, 0.02)
    )
    study = SpectraStudy(
        "made", against, "hbar/2e/kohm", Origin("simulated", "lines"), tuple(spectra), LineOptions(),
        {"dev $1$": SpectraDevice("dev $1$", 2.0, None, constants)},
    )  # fmt: skip
    return analyse(study)


@pytest.fixture(scope="module")
def result() -> SpectraResult:
    return made(odd=2)


def test_thumbnails_show_points_and_lines(result: SpectraResult):
    figure = plot_thumbnails(result, result.fits)
    points, lines = by_gid(figure, "points"), by_gid(figure, "line")
    assert len(points) == len(lines) == 4
    for fit, dots in zip(result.fits, points, strict=True):
        assert_allclose(dots.get_xdata(), fit.spectrum.x / 1e9)
        assert_allclose(dots.get_ydata(), fit.spectrum.voltage * 1e6)
    assert "SIMULATED, not measured: lines" in " ".join(texts(figure))
    assert r"dev \$1\$, −200 mV, 50 mT (µV)" in " ".join(texts(figure))


def test_flagged_ones_are_framed_and_show_residuals(result: SpectraResult):
    assert [fit.spectrum.bias for fit in result.flagged] == [pytest.approx(0.2 / 3)]
    figure = plot_thumbnails(result, result.flagged, residuals=True)
    frame = figure.axes[0].spines["top"]
    assert (frame.get_visible(), to_hex(frame.get_edgecolor())) == (True, "#d55e00")
    (residual,) = by_gid(figure, "residual")
    assert_allclose(residual.get_ydata(), result.flagged[0].residual / result.flagged[0].noise)
    good = plot_thumbnails(result, result.fits[:1])
    assert not good.axes[0].spines["top"].get_visible()


def test_amplitudes_against_bias(result: SpectraResult):
    figure = plot_lines(result, "dev $1$")
    good = [fit for fit in result.fits if not fit.flags]
    centre, width, s, a = by_gid(figure, "points")
    assert_allclose(centre.get_xdata(), [1e3 * fit.spectrum.bias for fit in good])
    for drawn, name, factor in ((centre, "centre", 1e-9), (width, "half_width", 1e-9), (s, "s", 1e6), (a, "a", 1e6)):
        assert_allclose(drawn.get_ydata(), [factor * getattr(fit, name)[0] for fit in good])
    assert len(by_gid(figure, "flagged")[0].get_xdata()) == 1


def test_torkances_with_the_band_of_the_calibration(result: SpectraResult):
    figure = plot_torkances(result, "dev $1$")
    curve, unit = result.curves["dev $1$"], 3.29105977e-19
    par, perp = by_gid(figure, "points")
    for drawn, values in ((par, curve.par), (perp, curve.perp)):
        assert_allclose(drawn.get_ydata(), values[~curve.flagged] / unit, rtol=1e-6)
    band = by_gid(figure, "common")[0].get_paths()[0].vertices
    height = np.ptp(band[np.isclose(band[:, 0], 1e3 * curve.bias[0])][:, 1])
    assert_allclose(height, 2 * 0.1 * curve.smooth[0, 0] / unit, rtol=1e-3)


@pytest.mark.parametrize("against", ["frequency", "field"])
def test_kittel_shows_resonances_and_the_formula(against: str):
    result = made(against)
    figure = plot_kittel(result, "dev $1$")
    (points,) = by_gid(figure, "points")
    fields = np.array([50.0, 100.0, 150.0, 200.0])
    assert_allclose(points.get_xdata(), fields, rtol=1e-3)
    assert_allclose(points.get_ydata(), resonance_frequency(1e-3 * fields, 1.1) / 1e9, rtol=2e-3)
    assert "μ0 Meff = 1.1" in " ".join(texts(figure))


def test_sabotage_a_wrong_device_or_no_spectra(result: SpectraResult):
    with pytest.raises(KeyError):
        plot_torkances(result, "B2")
    with pytest.raises(ValueError, match="no spectra"):
        plot_thumbnails(result, [])


def test_the_former_name_of_a_device_warns():
    import mtjfit.spectra as spectra

    with pytest.warns(DeprecationWarning, match="mtjfit.spectra.Device is now mtjfit.spectra.study.SpectraDevice"):
        assert spectra.Device is SpectraDevice
