"""Pictures of wafers show the numbers: dies in their colours, marks where they belong, limits where tables put them."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from survey_cases import dies, lot, survey_of, wafer

from mtjfit.data import Origin
from mtjfit.plot.style import NotebookFigure, style
from mtjfit.wafer.plot import plot_control, plot_device_curve, plot_smooth, plot_splits, plot_wafer_map
from mtjfit.wafer.plot.map import Scale
from mtjfit.wafer.survey.compare import wafer_means
from mtjfit.wafer.survey.curves import DeviceCurve
from mtjfit.wafer.survey.dies import die_grid, wafer_radius
from mtjfit.wafer.survey.limits import control_limits
from mtjfit.wafer.survey.smooth import smooth_surfaces
from mtjfit.wafer.survey.survey import Survey

Q = "slope_ratio"
PITCH = 10.0


@cache
def three() -> Survey:
    return lot(0, 2, pitch=PITCH)


def odd_ones() -> np.ndarray:
    return three().frame["device"].str.endswith("-0040").to_numpy()


@cache
def figures() -> dict[str, Figure]:
    return {
        "map": plot_wafer_map(three(), Q, odd=odd_ones()),
        "control": plot_control(three(), Q),
        "histogram": plot_splits(three(), Q),
        "smooth": plot_smooth(three(), Q, odd=odd_ones()),
    }


def by_gid(holder, gid: str) -> list:
    return holder.findobj(lambda artist: artist.get_gid() == gid)


def words(fig: Figure) -> str:
    return " ".join(text.get_text() for text in fig.findobj(lambda artist: hasattr(artist, "get_text")))


def outside(fig: Figure) -> float:
    """Inches by which the ink goes over the edge of the figure."""
    with style():
        canvas = FigureCanvasAgg(fig)
        fig.draw_without_rendering()
        ink = fig.get_tightbbox(canvas.get_renderer())
    width, height = fig.get_size_inches()
    return max(-ink.x0, -ink.y0, ink.x1 - width, ink.y1 - height, 0.01) - 0.01


@pytest.mark.parametrize("name", ["map", "control", "histogram", "smooth"])
def test_nothing_is_cut_off_and_the_data_say_that_they_were_simulated(name: str) -> None:
    fig = figures()[name]
    assert isinstance(fig, NotebookFigure)
    assert outside(fig) == 0
    assert "SIMULATED, not measured" in words(fig)
    assert by_gid(fig, "watermark")


def test_sabotage_a_text_over_the_edge_is_seen() -> None:
    fig = NotebookFigure(figsize=(1, 1))
    fig.text(0.9, 0.5, "a long text that does not fit")
    assert outside(fig) > 1


def test_dies_have_the_colours_of_their_values() -> None:
    survey = three()
    values = survey.values(Q)
    scale = Scale.of(values)
    fig = figures()["map"]
    for ax, name in zip(fig.axes, survey.wafers, strict=False):
        (image,) = by_gid(ax, "dies")
        pixels = np.asarray(image.get_array())
        left, _, bottom, _ = image.get_extent()
        for _, row in survey.frame[survey.frame["wafer"] == name].iloc[::9].iterrows():
            column, line = int((row.x - left) / PITCH), int((row.y - bottom) / PITCH)
            if np.isnan(row[Q]):
                assert pixels[line, column, 3] == 0
            else:
                expected = scale.colours(scale.norm(row[Q]), bytes=True)
                np.testing.assert_array_equal(pixels[line, column], expected)


def test_marks_tell_flagged_empty_and_odd_dies_apart_by_shape() -> None:
    survey = three()
    shapes = {}
    for gid, number in (("flagged", "0050"), ("empty", "0060"), ("odd", "0040")):
        marks = by_gid(figures()["map"], gid)
        place = survey.frame[survey.frame["device"].str.endswith(number)][["x", "y"]].to_numpy()
        np.testing.assert_allclose([m.get_xydata()[0] for m in marks], place)
        shapes[gid] = marks[0].get_marker()
    assert len(set(shapes.values())) == 3
    assert all(word in words(figures()["map"]) for word in ("flagged", "not determined", "beyond what is expected"))


def test_all_wafers_share_one_scale_and_ends_say_that_values_go_on() -> None:
    values = three().values(Q)
    scale = Scale.of(values)
    low, high = np.nanquantile(values, [0.01, 0.99])
    assert (scale.norm.vmin, scale.norm.vmax, scale.extend) == (pytest.approx(low), pytest.approx(high), "both")
    middle = Scale.of(np.array([-1.0, 0.5]), "diverging")
    assert middle.norm.vmin == -middle.norm.vmax
    assert len([ax for ax in figures()["map"].axes if ax.get_label() == "<colorbar>"]) == 1


def test_positions_without_a_grid_are_dots_and_many_are_means_of_squares() -> None:
    rng = np.random.default_rng(0)
    frame = wafer(rng, "A")
    frame[["x", "y"]] += rng.normal(0, 1.5, (len(frame), 2))
    (dots,) = by_gid(plot_wafer_map(survey_of(frame), Q), "devices")
    np.testing.assert_allclose(np.sort(dots.get_array()), np.sort(frame[Q]))
    big = wafer(rng, "A", pitch=1.5)
    big[["x", "y"]] += rng.normal(0, 0.5, (len(big), 2))
    fig = plot_wafer_map(survey_of(big), Q)
    assert by_gid(fig, "dies")
    assert "mean of the devices in each square" in words(fig)


def test_more_wafers_than_fit_are_counted() -> None:
    rng = np.random.default_rng(1)
    survey = survey_of(*(wafer(rng, f"W{k}", pitch=20.0) for k in range(5)))
    assert "2 more wafers are not drawn" in words(plot_wafer_map(survey, Q, most=3))
    with pytest.raises(ValueError, match="position"):
        plot_wafer_map(survey_of(survey.frame.assign(x=np.nan)), Q)


def test_names_from_files_are_drawn_as_they_are() -> None:
    frame = wafer(np.random.default_rng(2), r"$\frac{W_1$", pitch=20.0).assign(split="a$_{")
    for draw in (plot_wafer_map, plot_splits):
        assert outside(draw(survey_of(frame), Q)) == 0


def test_limits_lie_where_the_table_puts_them() -> None:
    top = figures()["control"].axes[0]
    table = control_limits(three(), Q)
    for k, split in enumerate(three().splits):
        for gid, column in (("centre", "centre"), ("limit-low", "low"), ("limit-high", "high")):
            np.testing.assert_allclose(by_gid(top, gid)[k].get_ydata(), table.loc[split, column])


def test_crosses_are_the_devices_beyond_and_dots_the_means() -> None:
    survey, top = three(), figures()["control"].axes[0]
    limits = control_limits(survey, Q).reindex(survey.frame["split"])
    values = survey.values(Q)
    beyond = survey.usable(Q) & ((values < limits["low"].to_numpy()) | (values > limits["high"].to_numpy()))
    drawn = np.concatenate([line.get_ydata() for line in by_gid(top, "beyond")])
    np.testing.assert_allclose(np.sort(drawn), np.sort(values[beyond]))
    spreads = figures()["control"].axes[1]
    table = wafer_means(survey, Q).table
    np.testing.assert_allclose(np.sort(by_gid(spreads, "spread")[0].get_ydata()), sorted(table["spread"]))


def test_an_undetermined_spread_has_no_limits_and_says_so() -> None:
    rng = np.random.default_rng(3)
    fig = plot_control(survey_of(wafer(rng, "A", bowl=0.0, scatter=0.0)), Q)
    assert by_gid(fig, "limit-low") == []
    assert len(by_gid(fig, "undetermined")[0].get_ydata()) == 1
    assert len(by_gid(fig, "spread")[0].get_ydata()) == 0
    assert "no limits, the spread is not determined" in words(fig)
    assert outside(fig) == 0


def test_histograms_count_every_device_once() -> None:
    survey = three()
    for ax, split in zip(figures()["histogram"].axes, survey.splits, strict=True):
        (steps,) = by_gid(ax, "devices")
        mine = (survey.frame["split"] == split).to_numpy()
        far = sum(int(text.get_text().strip("←→ ")) for gid in ("far-left", "far-right") for text in by_gid(ax, gid))
        bars = sum(patch.get_height() for patch in by_gid(ax, "flagged"))
        assert steps.get_data().values.sum() + bars + far == np.sum(mine & survey.known(Q))
        (line,) = by_gid(ax, "median")
        assert line.get_xdata()[0] == np.median(survey.values(Q)[mine & survey.usable(Q)])
        (bar,) = by_gid(ax, "spread")
        assert np.ptp(bar.get_xdata()) == pytest.approx(2 * control_limits(survey, Q).loc[split, "spread"])


def test_residuals_and_smooth_part_add_up_to_what_was_measured() -> None:
    survey, fig = three(), figures()["smooth"]
    (surface, *_) = smooth_surfaces(survey, Q)
    left = Scale.of(
        np.concatenate([survey.values(Q)[s.rows] - s.value for s in smooth_surfaces(survey, Q)]), "diverging"
    )
    (image,) = by_gid(fig.axes[2], "dies")
    pixels, (x0, _, y0, _) = np.asarray(image.get_array()), image.get_extent()
    j = 20
    row = survey.frame.iloc[surface.rows[j]]
    expected = left.colours(left.norm(row[Q] - surface.value[j]), bytes=True)
    np.testing.assert_array_equal(pixels[int((row.y - y0) / PITCH), int((row.x - x0) / PITCH)], expected)
    with pytest.raises(ValueError, match="enough devices"):
        plot_smooth(survey_of(survey.frame.iloc[:5]), Q)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 30), st.floats(0.3, 30), st.integers(0, 10**6), st.floats(0, 0.04))
def test_a_grid_is_found_again_whatever_its_pitch_and_rounding(px: float, py: float, seed: int, off: float) -> None:
    rng = np.random.default_rng(seed)
    place = dies(50.0)[rng.permutation(277)[:200]] / 5.0
    x, y = (place * [px, py] + rng.uniform(-off, off, place.shape) * [px, py] + rng.uniform(-5, 5, 2)).T
    grid = die_grid(x, y)
    assert grid is not None
    np.testing.assert_allclose(grid.pitch, [px, py], rtol=0.02)
    np.testing.assert_array_equal(grid.column - grid.column.min(), place[:, 0] - place[:, 0].min())
    np.testing.assert_array_equal(grid.row - grid.row.min(), place[:, 1] - place[:, 1].min())


def test_a_line_of_devices_and_a_single_one() -> None:
    grid = die_grid(np.array([0.0, 3.0, 6.0]), np.zeros(3))
    assert grid is not None
    assert grid.shape == (1, 3)
    assert die_grid(np.zeros(1), np.zeros(1)) is None
    survey = survey_of(wafer(np.random.default_rng(4), "A").iloc[:1])
    assert by_gid(plot_wafer_map(survey, Q), "devices")


def test_the_wafer_holds_the_corners_of_all_dies() -> None:
    place = dies(50.0)
    assert wafer_radius(*place.T, np.full(2, 5.0)) == 50.0
    assert wafer_radius(*(place * 1.01).T, np.full(2, 5.0)) == 62.5


def test_points_of_a_curve_are_measured_and_lines_its_polynomials() -> None:
    V = np.linspace(-0.5, 0.5, 11)
    one = DeviceCurve("W1", "A", "torque", "arb", V, np.stack([V, V**2]), np.full((2, 11), 0.01), np.abs(V) < 0.45,
                      {1: (1.0, 0.1), 2: (0.0, 0.9)})  # fmt: skip
    fig = plot_device_curve(one, three())
    for k in (0, 1):
        np.testing.assert_array_equal(by_gid(fig, f"points-{k}")[0].get_ydata(), one.values[k][1:-1])
        np.testing.assert_array_equal(by_gid(fig, f"unused-{k}")[0].get_xdata(), V[[0, -1]])
        line = by_gid(fig, f"polynomial-{k}")[0]
        np.testing.assert_allclose(
            line.get_ydata(), [line.get_xdata(), 0.1 * line.get_xdata() + 0.9 * line.get_xdata() ** 2][k]
        )
    assert "SIMULATED" in words(fig)
    measured = Survey("m", three().frame, three().units, three().flags, (Origin(),))
    assert "SIMULATED" not in words(plot_device_curve(dataclasses.replace(one, coefficients={}), measured))
