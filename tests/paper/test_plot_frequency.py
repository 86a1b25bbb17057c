"""The figure of κ against frequency: the numbers in its lines, the band, the dots."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.figure import Figure
from plot_cases import assert_nothing_cut_off, by_gid, texts

from mtjfit.paper.validity import plot_frequency_response
from mtjfit.physics import Bilayer, kappa_at_frequency, static_up_to

FILM = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
ON_COPPER = Bilayer.from_lengths(3.0, 3.0, 6.0, 10.0, 200.0, D_F=200.0, D_N=1e4)
BOTH = (FILM, ON_COPPER)


@cache
def figure() -> Figure:
    return plot_frequency_response(BOTH, labels=["a $_b", "on copper"], band=(2.0, 9.0))


def deviation(fig: Figure, ratio=lambda sign, f, b: kappa_at_frequency(sign * f, b) / kappa_at_frequency(0.0, b)):
    """Worst deviation of the drawn modulus (relative) and phase (degrees) from a ratio κ(±f)/κ(0)."""
    modulus, phase = fig.axes
    worst = []
    for gid, sign in (("f > 0", 1), ("f < 0", -1)):
        lines = by_gid(modulus, gid), by_gid(phase, gid)
        assert [len(each) for each in lines] == [2, 2]
        for bilayer, upper, lower in zip(BOTH, *lines, strict=True):
            f = upper.get_xdata()
            expected = ratio(sign, f, bilayer)
            drawn = upper.get_ydata() * np.exp(1j * np.radians(lower.get_ydata()))
            assert upper.get_color() == lower.get_color()
            assert upper.get_linestyle() == lower.get_linestyle() == {1: "-", -1: "--"}[sign]
            assert np.max(np.abs(np.diff(lower.get_ydata()))) < 20  # no jump by 360°
            worst.append(np.max(np.abs(drawn - expected)))
    return max(worst)


def test_the_lines_are_kappa_over_its_static_value() -> None:
    assert deviation(figure()) <= 1e-12


def test_the_check_notices_a_wrong_line() -> None:
    assert deviation(figure(), lambda sign, f, b: kappa_at_frequency(-sign * f, b) / kappa_at_frequency(0.0, b)) > 0.1
    assert deviation(figure(), lambda sign, f, b: kappa_at_frequency(sign * f, b)) > 0.1


def test_the_dots_are_where_the_static_value_is_one_per_cent_off() -> None:
    dots = by_gid(figure().axes[0], "static-up-to")
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], [static_up_to(b, 0.01) for b in BOTH])
    for dot, b in zip(dots, BOTH, strict=True):
        f = dot.get_xdata()[0]
        both = np.abs(kappa_at_frequency([f, -f], b) / kappa_at_frequency(0.0, b) - 1)
        assert np.max(both) == pytest.approx(0.01, rel=1e-9)
        assert dot.get_ydata()[0] == pytest.approx(abs(kappa_at_frequency(f, b) / kappa_at_frequency(0.0, b)))


def test_the_band_and_the_axes() -> None:
    for ax in figure().axes:
        (band,) = by_gid(ax, "band")
        assert (band.get_x(), band.get_width()) == (2.0, 7.0)
        assert ax.get_xscale() == "log"
        low, high = ax.get_xlim()
        assert low <= 0.2
        assert high >= 10 * abs(FILM.decay_rate) / (2e-3 * math.pi)
        for line in by_gid(ax, "f > 0"):
            np.testing.assert_allclose(line.get_xdata()[[0, -1]], (low, high))
    assert figure().axes[0].get_ylim()[0] == 0
    assert "FMR, 2–9 GHz" in texts(figure())
    assert r"a \$_b" in texts(figure())
    assert "GHz" in figure().axes[1].get_xlabel()
    assert "(°)" in figure().axes[1].get_ylabel()


def test_nothing_is_cut_off_and_thicknesses_are_the_names() -> None:
    assert_nothing_cut_off(figure())
    fig = plot_frequency_response([FILM, replace(FILM, d=math.inf)])
    assert {"d = 1.2 nm", "semi-infinite"} <= set(texts(fig))
    assert_nothing_cut_off(plot_frequency_response([FILM] * 7, labels=["a film whose name is long"] * 7))


def test_what_is_refused() -> None:
    for wrong in ([], [FILM] * 8):
        with pytest.raises(ValueError, match="one to 7"):
            plot_frequency_response(wrong)
    with pytest.raises(ValueError, match="1 labels"):
        plot_frequency_response(BOTH, labels=["one"])
    for band in ((0.0, 1.0), (2.0, 1.0), (1.0, math.inf)):
        with pytest.raises(ValueError, match="band"):
            plot_frequency_response([FILM], band=band)
    for dead in (replace(FILM, d=0.0), replace(FILM, rate_J=0.0, rate_phi=0.0)):
        with pytest.raises(ValueError, match="no torque"):
            plot_frequency_response([dead])
