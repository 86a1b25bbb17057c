"""Pictures of wafers show the numbers: dies in their colours, marks where they belong, limits where tables put them."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from shortcuts import slow_after
from survey_cases import Q, dies, lot, survey_of, wafer

from mtjfit.data import Origin
from mtjfit.plot.style import NotebookFigure, style
from mtjfit.wafer import DeviceCurve, Survey, control_limits, smooth_surfaces, wafer_means
from mtjfit.wafer.plot import Scale, plot_control, plot_device_curve, plot_smooth, plot_splits, plot_wafer_map
from mtjfit.wafer.survey.dies import die_grid, wafer_radius

PITCH = 10.0
SURVEY = lot(0, 2, pitch=PITCH)
VALUES = SURVEY.values(Q)
ODD = SURVEY.frame["device"].str.endswith("-0040").to_numpy()
DRAWN = {
    "map": lambda: plot_wafer_map(SURVEY, Q, odd=ODD),
    "control": lambda: plot_control(SURVEY, Q),
    "histogram": lambda: plot_splits(SURVEY, Q),
    "smooth": lambda: plot_smooth(SURVEY, Q, odd=ODD),
}


@cache
def figure(name: str) -> Figure:
    return DRAWN[name]()


def by_gid(holder: Artist, gid: str) -> list:
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


def pixel(ax: Axes, x: float, y: float) -> np.ndarray:
    """Colour of the die at a position in mm."""
    (image,) = by_gid(ax, "dies")
    left, _, bottom, _ = image.get_extent()
    return np.asarray(image.get_array())[int((y - bottom) / PITCH), int((x - left) / PITCH)]


@pytest.mark.parametrize("name", slow_after(2, list(DRAWN)))
def test_nothing_is_cut_off_and_the_data_say_that_they_were_simulated(name: str) -> None:
    fig = figure(name)
    assert isinstance(fig, NotebookFigure)
    assert outside(fig) == 0
    assert "SIMULATED, not measured" in words(fig)
    assert by_gid(fig, "watermark")


def test_sabotage_a_text_over_the_edge_is_seen() -> None:
    fig = NotebookFigure(figsize=(1, 1))
    fig.text(0.9, 0.5, "a long text that does not fit")
    assert outside(fig) > 1


def test_dies_have_the_colours_of_their_values() -> None:
    scale = Scale.of(VALUES)
    for ax, name in zip(figure("map").axes, SURVEY.wafers, strict=False):
        for _, row in SURVEY.frame[SURVEY.frame["wafer"] == name].iloc[::9].iterrows():
            found = pixel(ax, row.x, row.y)
            if np.isnan(row[Q]):
                assert found[3] == 0
            else:
                np.testing.assert_array_equal(found, scale.colours(scale.norm(row[Q]), bytes=True))


def test_marks_tell_flagged_empty_and_odd_dies_apart_by_shape() -> None:
    shapes = {}
    for gid, number in (("flagged", "0050"), ("empty", "0060"), ("odd", "0040")):
        marks = by_gid(figure("map"), gid)
        place = SURVEY.frame[SURVEY.frame["device"].str.endswith(number)][["x", "y"]].to_numpy()
        np.testing.assert_allclose([m.get_xydata()[0] for m in marks], place)
        shapes[gid] = marks[0].get_marker()
    assert len(set(shapes.values())) == 3
    assert all(word in words(figure("map")) for word in ("flagged", "not determined", "beyond what is expected"))


def test_all_wafers_share_one_scale_and_ends_say_that_values_go_on() -> None:
    scale = Scale.of(VALUES)
    low, high = np.nanquantile(VALUES, [0.01, 0.99])
    assert (scale.norm.vmin, scale.norm.vmax, scale.extend) == (pytest.approx(low), pytest.approx(high), "both")
    middle = Scale.of(np.array([-1.0, 0.5]), "diverging")
    assert middle.norm.vmin == -middle.norm.vmax
    assert len([ax for ax in figure("map").axes if ax.get_label() == "<colorbar>"]) == 1


def test_positions_without_a_grid_are_dots_and_many_are_means_of_squares() -> None:
    rng = np.random.default_rng(0)
    few, many = wafer(rng, "A"), wafer(rng, "A", pitch=1.5)
    for frame, off in ((few, 1.5), (many, 0.5)):
        frame[["x", "y"]] += rng.normal(0, off, (len(frame), 2))
    (dots,) = by_gid(plot_wafer_map(survey_of(few), Q), "devices")
    np.testing.assert_allclose(np.sort(dots.get_array()), np.sort(few[Q]))
    fig = plot_wafer_map(survey_of(many), Q)
    assert by_gid(fig, "dies")
    assert "mean of the devices in each square" in words(fig)


def test_more_wafers_than_fit_are_counted() -> None:
    rng = np.random.default_rng(1)
    survey = survey_of(*(wafer(rng, f"W{k}", pitch=20.0) for k in range(5)))
    assert "2 more wafers are not drawn" in words(plot_wafer_map(survey, Q, most=3))
    with pytest.raises(ValueError, match="position"):
        plot_wafer_map(survey_of(survey.frame.assign(x=np.nan)), Q)


@pytest.mark.parametrize("draw", [plot_wafer_map, plot_splits])
def test_names_from_files_are_drawn_as_they_are(draw) -> None:
    frame = wafer(np.random.default_rng(2), r"$\frac{W_1$", pitch=25.0).assign(split="a$_{")
    assert outside(draw(survey_of(frame), Q)) == 0


def test_limits_lie_where_the_table_puts_them() -> None:
    top, table = figure("control").axes[0], control_limits(SURVEY, Q)
    for k, split in enumerate(SURVEY.splits):
        for gid, column in (("centre", "centre"), ("limit-low", "low"), ("limit-high", "high")):
            np.testing.assert_allclose(by_gid(top, gid)[k].get_ydata(), table.loc[split, column])


def test_crosses_are_the_devices_beyond_and_dots_the_means() -> None:
    top, spreads = figure("control").axes
    low, high = control_limits(SURVEY, Q).reindex(SURVEY.frame["split"])[["low", "high"]].to_numpy().T
    beyond = SURVEY.usable(Q) & ((low > VALUES) | (high < VALUES))
    drawn = np.concatenate([line.get_ydata() for line in by_gid(top, "beyond")])
    np.testing.assert_allclose(np.sort(drawn), np.sort(VALUES[beyond]))
    table = wafer_means(SURVEY, Q).table
    np.testing.assert_allclose(np.sort(by_gid(spreads, "spread")[0].get_ydata()), sorted(table["spread"]))


def covered(fig: Figure) -> int:
    """Points and ends of lines of the data that lie below a legend."""
    fig.canvas.draw()
    n = 0
    for ax in fig.axes:
        box = ax.get_legend().get_window_extent()
        for line in (each for each in ax.lines if each.get_gid() not in (None, "watermark")):
            x, y = line.get_transform().transform(np.column_stack([line.get_xdata(), line.get_ydata()])).T
            n += int(np.sum((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < min(box.y1, line.get_clip_box().y1))))
    return n


def on_small_axes(layout: str | None, height: float) -> Figure:
    fig = Figure(figsize=(86 / 25.4, height / 25.4), layout=layout)
    FigureCanvasAgg(fig)
    plot_control(SURVEY, Q, axes=fig.subplots(2, 1, height_ratios=[2, 1]))
    return fig


@pytest.mark.parametrize(("layout", "height"), slow_after(1, [("constrained", 90.0), (None, 120.0)]))
def test_on_small_axes_the_legend_covers_no_data(layout: str | None, height: float) -> None:
    fig = on_small_axes(layout, height)
    assert covered(fig) == 0
    said = [text.get_text() for ax in fig.axes for text in ax.get_legend().get_texts()]
    assert (len(said), said[-1]) == (8, "median error of measurement")


@pytest.mark.slow
def test_sabotage_a_legend_without_room_covers_data() -> None:
    fig = on_small_axes("constrained", 90.0)
    for ax in fig.axes:
        ax.autoscale(axis="y")
    assert covered(fig) > 0


def test_an_undetermined_spread_has_no_limits_and_says_so() -> None:
    fig = plot_control(survey_of(wafer(np.random.default_rng(3), "A", bowl=0.0, scatter=0.0)), Q)
    assert by_gid(fig, "limit-low") == []
    assert [len(by_gid(fig, gid)[0].get_ydata()) for gid in ("undetermined", "spread")] == [1, 0]
    assert "no limits, the spread is not determined" in words(fig)
    assert outside(fig) == 0


def test_histograms_count_every_device_once() -> None:
    for ax, split in zip(figure("histogram").axes, SURVEY.splits, strict=True):
        (steps,), (line,), (bar,) = (by_gid(ax, gid) for gid in ("devices", "median", "spread"))
        mine = (SURVEY.frame["split"] == split).to_numpy()
        far = sum(int(text.get_text().strip("←→ ")) for gid in ("far-left", "far-right") for text in by_gid(ax, gid))
        bars = sum(patch.get_height() for patch in by_gid(ax, "flagged"))
        assert steps.get_data().values.sum() + bars + far == np.sum(mine & SURVEY.known(Q))
        assert line.get_xdata()[0] == np.median(VALUES[mine & SURVEY.usable(Q)])
        assert np.ptp(bar.get_xdata()) == pytest.approx(2 * control_limits(SURVEY, Q).loc[split, "spread"])


def test_residuals_and_smooth_part_add_up_to_what_was_measured() -> None:
    surfaces = smooth_surfaces(SURVEY, Q)
    left = Scale.of(np.concatenate([VALUES[each.rows] - each.value for each in surfaces]), "diverging")
    row = SURVEY.frame.iloc[surfaces[0].rows[20]]
    expected = left.colours(left.norm(row[Q] - surfaces[0].value[20]), bytes=True)
    np.testing.assert_array_equal(pixel(figure("smooth").axes[2], row.x, row.y), expected)
    with pytest.raises(ValueError, match="enough devices"):
        plot_smooth(survey_of(SURVEY.frame.iloc[:5]), Q)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 30), st.floats(0.3, 30), st.integers(0, 10**6), st.floats(0, 0.04))
def test_a_grid_is_found_again_whatever_its_pitch_and_rounding(px: float, py: float, seed: int, off: float) -> None:
    rng = np.random.default_rng(seed)
    place = dies(50.0)[rng.permutation(277)[:200]] / 5.0
    x, y = (place * [px, py] + rng.uniform(-off, off, place.shape) * [px, py] + rng.uniform(-5, 5, 2)).T
    grid = die_grid(x, y)
    assert grid is not None
    np.testing.assert_allclose(grid.pitch, [px, py], rtol=0.02)
    numbers = np.stack([grid.column, grid.row], axis=1)
    np.testing.assert_array_equal(numbers - numbers.min(axis=0), place - place.min(axis=0))


def test_a_line_of_devices_and_a_single_one() -> None:
    grid = die_grid(np.array([0.0, 3.0, 6.0]), np.zeros(3))
    assert grid is not None
    assert grid.shape == (1, 3)
    assert die_grid(np.zeros(1), np.zeros(1)) is None
    survey = survey_of(wafer(np.random.default_rng(4), "A").iloc[:1])
    assert by_gid(plot_wafer_map(survey, Q), "devices")


def test_the_wafer_holds_the_corners_of_all_dies() -> None:
    for scale, radius in ((1.0, 50.0), (1.01, 62.5)):
        assert wafer_radius(*(dies(50.0) * scale).T, np.full(2, 5.0)) == radius


def test_points_of_a_curve_are_measured_and_lines_its_polynomials() -> None:
    V = np.linspace(-0.5, 0.5, 11)
    one = DeviceCurve("W1", "A", "torque", "arb", V, np.stack([V, V**2]), np.full((2, 11), 0.01), np.abs(V) < 0.45,
                      {1: (1.0, 0.1), 2: (0.0, 0.9)})  # fmt: skip
    fig = plot_device_curve(one, SURVEY)
    for k in (0, 1):
        np.testing.assert_array_equal(by_gid(fig, f"points-{k}")[0].get_ydata(), one.values[k][1:-1])
        np.testing.assert_array_equal(by_gid(fig, f"unused-{k}")[0].get_xdata(), V[[0, -1]])
        x, y = by_gid(fig, f"polynomial-{k}")[0].get_data()
        np.testing.assert_allclose(y, [x, 0.1 * x + 0.9 * x**2][k])
    assert "SIMULATED" in words(fig)
    measured = Survey("m", SURVEY.frame, SURVEY.units, SURVEY.flags, (Origin(),))
    assert "SIMULATED" not in words(plot_device_curve(dataclasses.replace(one, coefficients={}), measured))
