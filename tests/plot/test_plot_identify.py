"""The picture of an identification: profiles where the likelihood is, arrows at open ends, shares that add up."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from model_studies import FEW
from plot_cases import SIMULATED, assert_nothing_cut_off, by_gid, make_study, texts

from mtjfit.infer import Identification, identify
from mtjfit.plot import plot_identifiability
from mtjfit.study import Fixed

pytestmark = pytest.mark.usefixtures("quick_fits")


@cache
def drawn() -> tuple[Identification, Figure]:
    known = identify(make_study(origin=SIMULATED, lambda_J=Fixed(1.0), b2=Fixed(0.08)), search=FEW)
    return known, plot_identifiability(known)


def panels() -> dict[str, Axes]:
    known, fig = drawn()
    return dict(zip(known.lengths, [ax for ax in fig.axes if by_gid(ax, "profile")], strict=True))


def test_profiles_go_through_their_points_and_cross_at_the_ends() -> None:
    known, _ = drawn()
    for name, ax in panels().items():
        found = known.profiles[name]
        (line,) = by_gid(ax, "profile")
        x, y = line.get_data()
        inside = (found.values > x[0]) & (found.values < x[-1])
        assert inside.sum() > 3
        np.testing.assert_allclose(np.interp(found.values[inside], x, y), found.rise[inside], atol=0.05)
        # sabotage: the points of another parameter do not fit
        shifted = np.interp(found.values[inside] * 1.1, x, y)
        assert np.abs(shifted - found.rise[inside]).max() > 0.1
        heights = sorted(line.get_ydata()[0] for line in by_gid(ax, "threshold"))
        assert heights == list(found.thresholds)
        one = found.interval(0.95)
        for end in (one.low, one.high):
            if 0 < end < np.inf:
                assert abs(np.interp(end, x, y) - found.thresholds[1]) < 0.1


def test_an_arrow_for_each_open_end_and_no_other() -> None:
    known, fig = drawn()
    total = 0
    for name, ax in panels().items():
        one = known.profiles[name].interval(0.95)
        n_open = int(one.low == 0) + int(one.high == np.inf)
        assert len(by_gid(ax, "open")) == n_open
        total += n_open
    assert total > 0
    assert texts(fig).count("open") == total


def test_the_matrix_holds_squared_weights() -> None:
    known, fig = drawn()
    (image,) = by_gid(fig, "share")
    share = np.asarray(image.get_array())
    expected = [[weight**2 for weight in one.weights.values()] for one in known.directions]
    np.testing.assert_allclose(share, expected)
    np.testing.assert_allclose(share.sum(axis=1), 1.0)
    rows = [text.get_text() for text in image.axes.get_yticklabels()]
    assert len(rows) == len(known.directions)
    assert rows[0].endswith("%")


def test_nothing_is_cut_off_and_simulated_data_say_so() -> None:
    _, fig = drawn()
    assert any(text.startswith("SIMULATED, not measured") for text in texts(fig))
    assert_nothing_cut_off(fig)


def test_amplitudes_are_drawn_where_no_length_is_free() -> None:
    fixed = {name: Fixed(1.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")}
    fig = plot_identifiability(identify(make_study(**fixed), search=FEW))
    labels = [ax.get_xlabel() for ax in fig.axes if by_gid(ax, "profile")]
    assert labels == ["$a_1$ [(ħ/2e) kΩ⁻¹]", "$b_2$ [(ħ/2e) kΩ⁻¹ V⁻¹]"]
    assert not by_gid(fig, "open")
    assert_nothing_cut_off(fig)


def test_one_thickness_is_open_everywhere() -> None:
    fig = plot_identifiability(identify(make_study(("A",), lambda_J=Fixed(1.0), lambda_phi=Fixed(1.0)), search=FEW))
    assert texts(fig).count("open") >= 2
    assert "not at all" in texts(fig)
    assert_nothing_cut_off(fig)
