"""Figures of validity: contours of the error of Eq. 16 computed from Eq. 12, and κ against frequency."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_cases import assert_nothing_cut_off, by_gid, texts

from mtjfit.paper.validity import ERROR_LEVELS, FIG_2, FIG_3, ThinPanel
from mtjfit.physics import Bilayer, kappa, kappa_at_frequency, kappa_thin, static_up_to
from mtjfit.plot import plot_frequency_response, plot_thin_validity

TOLERANCE = 0.005  # of the error that a contour claims
LENGTHS = {panel.title: (panel.lambda_J, panel.lambda_phi, panel.lambda_sf_F) for panel in (FIG_2, FIG_3)}


@cache
def figure() -> Figure:
    return plot_thin_validity()


def contours(ax: Axes) -> list[np.ndarray]:
    """Points (d, Λ) of each contour, in the order of `ERROR_LEVELS`."""
    (drawn,) = by_gid(ax, "contours")
    return [path.vertices for path in drawn.get_paths()]


def misplaced(points: list[np.ndarray], lengths: tuple[float, float, float]) -> float:
    """Largest relative deviation of |κ_16 − κ|/|κ| on the contours from their levels."""
    worst = 0.0
    for (d, Lambda), level in zip((each.T for each in points), ERROR_LEVELS, strict=True):
        exact = kappa(d, *lengths, Lambda)
        error = np.abs(kappa_thin(d, *lengths, Lambda) - exact) / np.abs(exact)
        worst = max(worst, float(np.max(np.abs(error / level - 1))))
    return worst


@pytest.mark.parametrize("k", [0, 1])
def test_contours_stand_where_the_error_is_what_they_say(k: int) -> None:
    points, lengths = contours(figure().axes[k]), list(LENGTHS.values())
    assert [len(each) > 100 for each in points] == [True] * 3
    assert misplaced(points, lengths[k]) < TOLERANCE
    assert misplaced(points, lengths[1 - k]) > 0.2  # sabotage: the other panel's lengths
    assert misplaced([each * [1.0, 1.02] for each in points], lengths[k]) > TOLERANCE  # and 2 % in Λ


def test_contours_by_numbers() -> None:
    """Fig. 3: the 20 % contour has its top at 1.6 nm, and passes d = 1.2 nm at Λ = 1.001 nm."""
    twenty = contours(figure().axes[1])[2]
    twenty = twenty[np.argsort(twenty[:, 0])]
    assert np.interp(1.2, *twenty.T) == pytest.approx(1.0012, abs=2e-3)
    assert twenty[np.argmax(twenty[:, 1])] == pytest.approx([1.61, 1.034], rel=0.05)
    # for d → 0 the error tends to d/(2Λ)/(1 + d/2Λ), which is 20 % at Λ = 2 d
    assert np.interp(0.1, *twenty.T) == pytest.approx(2 * 0.1, rel=0.02)


def test_each_side_of_a_contour_is_shaded_by_its_error() -> None:
    d = np.geomspace(0.12, 9.0, 40)
    for ax, lengths in zip(figure().axes, LENGTHS.values(), strict=True):
        for points, level in zip(contours(ax), ERROR_LEVELS, strict=True):
            points = points[np.argsort(points[:, 0])]
            edge = np.interp(d, *points.T)
            for factor, above in ((0.9, True), (1.1, False)):
                exact = kappa(d, *lengths, factor * edge)
                error = np.abs(kappa_thin(d, *lengths, factor * edge) / exact - 1)
                assert np.all((error > level) == above)


def test_the_point_of_fig_3_is_marked_with_its_error() -> None:
    left, right = figure().axes
    (point,) = by_gid(right, "point")
    assert point.get_xydata().tolist() == [[1.2, 1.0]]
    assert [each.get_text() for each in by_gid(right, "error")] == ["20 % off\n($|\\kappa|$: −19 %)"]
    assert by_gid(left, "point") == []
    assert [by_gid(ax, "series")[0].get_ydata()[0] for ax in (left, right)] == [2.0, 1.0]


def test_axes_name_what_they_show_and_nothing_is_cut_off() -> None:
    fig = figure()
    assert [ax.get_xlabel() for ax in fig.axes] == ["thickness $d$ (nm)"] * 2
    assert "(nm)" in fig.axes[0].get_ylabel()
    assert {"1 %", "5 %", "20 %"} <= set(texts(fig))
    assert_nothing_cut_off(fig)


def test_other_stacks() -> None:
    fig = plot_thin_validity([ThinPanel("Co $1", 2.0, 4.0, 40.0)])
    assert len(fig.axes) == 1
    assert by_gid(fig.axes[0], "series") == []
    assert misplaced(contours(fig.axes[0]), (2.0, 4.0, 40.0)) < TOLERANCE
    assert_nothing_cut_off(fig)
    # nothing claims "within 1 %" where it is not: L = 30 nm keeps the 1 % contour beyond the top
    assert not any("within" in text for text in texts(plot_thin_validity([ThinPanel("long", 40.0, 40.0, 90.0)])))
    with pytest.raises(ValueError, match="no panel"):
        plot_thin_validity([])
    with pytest.raises(ValueError, match="lambda_phi"):
        plot_thin_validity([ThinPanel("x", 1.0, 0.0, 1.0)])


FILM = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
ON_COPPER = Bilayer.from_lengths(3.0, 3.0, 6.0, 10.0, 200.0, D_F=200.0, D_N=1e4)
BOTH = (FILM, ON_COPPER)


@cache
def response() -> Figure:
    return plot_frequency_response(BOTH, labels=["a $_b", "on copper"], band=(2.0, 9.0))


def response_error(fig: Figure, ratio=lambda sign, f, b: kappa_at_frequency(sign * f, b) / kappa_at_frequency(0.0, b)):
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
    assert response_error(response()) <= 1e-12


def test_the_check_notices_a_wrong_line() -> None:
    def other_way(sign, f, b):
        return kappa_at_frequency(-sign * f, b) / kappa_at_frequency(0.0, b)

    assert response_error(response(), other_way) > 0.1
    assert response_error(response(), lambda sign, f, b: kappa_at_frequency(sign * f, b)) > 0.1


def test_the_dots_are_where_the_static_value_is_one_per_cent_off() -> None:
    dots = by_gid(response().axes[0], "static-up-to")
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], [static_up_to(b, 0.01) for b in BOTH])
    for dot, b in zip(dots, BOTH, strict=True):
        f = dot.get_xdata()[0]
        both = np.abs(kappa_at_frequency([f, -f], b) / kappa_at_frequency(0.0, b) - 1)
        assert np.max(both) == pytest.approx(0.01, rel=1e-9)
        assert dot.get_ydata()[0] == pytest.approx(abs(kappa_at_frequency(f, b) / kappa_at_frequency(0.0, b)))


def test_the_band_and_the_axes() -> None:
    for ax in response().axes:
        (band,) = by_gid(ax, "band")
        assert (band.get_x(), band.get_width()) == (2.0, 7.0)
        assert ax.get_xscale() == "log"
        low, high = ax.get_xlim()
        assert low <= 0.2
        assert high >= 10 * abs(FILM.decay_rate) / (2e-3 * math.pi)
        for line in by_gid(ax, "f > 0"):
            np.testing.assert_allclose(line.get_xdata()[[0, -1]], (low, high))
    assert response().axes[0].get_ylim()[0] == 0
    assert "FMR, 2–9 GHz" in texts(response())
    assert r"a \$_b" in texts(response())
    assert "GHz" in response().axes[1].get_xlabel()
    assert "(°)" in response().axes[1].get_ylabel()


@pytest.mark.slow
def test_nothing_is_cut_off_and_thicknesses_are_the_names() -> None:
    assert_nothing_cut_off(response())
    fig = plot_frequency_response([FILM, replace(FILM, d=math.inf)])
    assert {"d = 1.2 nm", "semi-infinite"} <= set(texts(fig))
    assert_nothing_cut_off(plot_frequency_response([FILM] * 7, labels=["a film whose name is long"] * 7))


@pytest.mark.parametrize(
    ("words", "films", "more"),
    [
        ("one to 7", [], {}),
        ("one to 7", [FILM] * 8, {}),
        ("1 labels", BOTH, {"labels": ["one"]}),
        *(("band", [FILM], {"band": band}) for band in ((0.0, 1.0), (2.0, 1.0), (1.0, math.inf))),
        *(("no torque", [dead], {}) for dead in (replace(FILM, d=0.0), replace(FILM, rate_J=0.0, rate_phi=0.0))),
    ],
)
def test_responses_that_cannot_be_drawn(words, films, more) -> None:
    with pytest.raises(ValueError, match=words):
        plot_frequency_response(films, **more)
