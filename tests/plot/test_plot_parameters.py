"""Parameters as they are drawn: masses of contours, likelihood profiles, κ(d), words over what is not determined."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from model_studies import FEW
from plot_cases import SIMULATED, assert_nothing_cut_off, bars, by_gid, figures, fitted, make_study, posterior_of, texts

import mtjfit
from mtjfit.infer import Identification, identify
from mtjfit.physics import kappa, spin_accumulation
from mtjfit.plot import plot_accumulation_band, plot_corner, plot_identifiability, plot_transfer
from mtjfit.study import Fixed, LogNormal

pytestmark = pytest.mark.usefixtures("quick_fits")

TRUE = (1.0, 1.0, 10.0, 1.0)


def inside(outline: Outline, points: np.ndarray) -> float:
    """Share of points within closed contours (holes and islands counted by parity)."""
    count = sum(Outline(piece).contains_points(points).astype(int) for piece in outline.to_polygons())
    return float(np.mean(np.asarray(count) % 2))


def test_contours_hold_68_and_95_percent_of_the_draws() -> None:
    """Not the 39 % and 86 % of one and two sigma in two dimensions."""
    posterior = posterior_of(fitted())
    fig = figures()[1]
    drawn = fig.axes[1].collections[-1].get_paths()
    points = np.log10(posterior.draws[["lambda_J", "lambda_phi"]].to_numpy())
    shares = sorted(inside(path, points) for path in drawn)
    np.testing.assert_allclose(shares, [0.68, 0.95], atol=0.035)
    assert any("68 % and 95 % of the draws" in text for text in texts(fig))


def mass(ax: Axes) -> float:
    """Area under the curve of the prior over that of a histogram of 4000 draws in corner's own thirty bins."""
    x, y = by_gid(ax, "prior")[0].get_xydata().T
    return np.trapezoid(y, x) / (4000 * np.ptp(ax.get_xlim()) / 30)


def test_priors_hold_as_much_as_the_histogram() -> None:
    """λ_sf^F was drawn from its prior: histogram and prior curve coincide, in the same units."""
    ax = figures()[1].axes[5]
    (prior,) = by_gid(ax, "prior")
    lengths = np.log10(posterior_of(fitted()).draws["lambda_sf_F"])
    counts, edges = np.histogram(lengths, bins=30, range=ax.get_xlim())
    middle = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(np.interp(middle, *prior.get_xydata().T), counts, atol=5 * np.sqrt(counts.max()))
    assert mass(ax) == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
def test_prior_of_lambda_product_is_normalised() -> None:
    ratio, rng = LogNormal(1.0, 1.5), np.random.default_rng(4)
    posterior = posterior_of(mtjfit.fit(make_study(D_ratio=ratio)))
    product = posterior.priors["lambda_sf_N"].quantile(rng.random(4000)) * ratio.quantile(rng.random(4000))
    chain = np.concatenate([posterior.chain, product.reshape(4, 100, 10, 1)], axis=-1)
    posterior = replace(posterior, names=(*posterior.names, "Lambda"), chain=chain)
    assert mass(plot_corner(posterior, ["lambda_J", "Lambda"]).axes[2]) == pytest.approx(1.0, abs=0.02)


def test_only_determined_parameters_have_an_interval() -> None:
    posterior = posterior_of(fitted())
    one, other = figures()[1].axes[0], figures()[1].axes[5]
    q05, q50, q95 = np.quantile(posterior.draws["lambda_J"], [0.05, 0.5, 0.95])
    assert f"{q50:.3f}\n[{q05:.3f}, {q95:.3f}]" in one.get_title()
    upright = [line.get_xdata()[0] for line in one.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(upright, np.log10([q05, q50, q95]))
    assert posterior.determined("lambda_sf_F") == "no"
    assert "not determined\nby the data" in other.get_title()
    assert not re.search(r"\d|±", other.get_title().split("\n", 1)[1])
    assert len(other.lines) == 1  # the prior


def test_axes_of_lengths_show_natural_values() -> None:
    ax = figures()[1].axes[5]
    shown = [label.get_text() for label in ax.get_xticklabels()]
    np.testing.assert_allclose(10 ** ax.get_xticks(), [float(text) for text in shown], rtol=1e-9)
    assert len(shown) >= 2
    low, high = 10 ** np.array(ax.get_xlim())
    assert all(low < float(text) < high for text in shown)


# profiles of the likelihood


@cache
def drawn() -> tuple[Identification, Figure]:
    known = identify(make_study(origin=SIMULATED, lambda_J=Fixed(1.0), b2=Fixed(0.08)), search=FEW)
    return known, plot_identifiability(known)


def panels() -> dict[str, Axes]:
    known, fig = drawn()
    return dict(zip(known.lengths, [ax for ax in fig.axes if by_gid(ax, "profile")], strict=True))


@pytest.mark.slow
def test_profiles_go_through_their_points_and_cross_at_the_ends() -> None:
    known, _ = drawn()
    for name, ax in panels().items():
        found = known.profiles[name]
        (line,) = by_gid(ax, "profile")
        x, y = line.get_data()
        inside = (found.values > x[0]) & (found.values < x[-1])
        assert inside.sum() > 3
        values, rise = found.values[inside], found.rise[inside]
        np.testing.assert_allclose(np.interp(values, x, y), rise, atol=0.05)
        assert np.abs(np.interp(values * 1.1, x, y) - rise).max() > 0.1  # sabotage: points of another parameter
        assert sorted(line.get_ydata()[0] for line in by_gid(ax, "threshold")) == list(found.thresholds)
        one = found.interval(0.95)
        for end in (one.low, one.high):
            if 0 < end < np.inf:
                assert abs(np.interp(end, x, y) - found.thresholds[1]) < 0.1


@pytest.mark.slow
def test_an_arrow_for_each_open_end_and_no_other() -> None:
    known, fig = drawn()
    ends = {name: known.profiles[name].interval(0.95) for name in panels()}
    n_open = {name: int(one.low == 0) + int(one.high == np.inf) for name, one in ends.items()}
    assert {name: len(by_gid(ax, "open")) for name, ax in panels().items()} == n_open
    assert texts(fig).count("open") == sum(n_open.values()) > 0


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


def test_nothing_is_cut_off_of_profiles_and_simulated_data_say_so() -> None:
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


@pytest.mark.slow
def test_one_thickness_is_open_everywhere() -> None:
    fig = plot_identifiability(identify(make_study(("A",), lambda_J=Fixed(1.0), lambda_phi=Fixed(1.0)), search=FEW))
    assert texts(fig).count("open") >= 2
    assert "not at all" in texts(fig)
    assert_nothing_cut_off(fig)


# κ(d) and the accumulation


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
        assert (band.min() <= y.min(), band.max() >= y.max()) == (True, True)
    (draws,) = by_gid(plane, "draws")
    assert len(draws.get_segments()) >= 50
    assert any("SIMULATED" in text for text in texts(fig))
    assert_nothing_cut_off(fig)


def test_accumulation() -> None:
    fig = plot_accumulation_band(posterior_of(fitted(), width=0.01))
    assert [ax.get_title().split(",")[0] for ax in fig.axes] == ["A", "B", "C"]
    for ax, d in zip(fig.axes, (0.8, 1.7, 2.6), strict=True):
        in_plane, out_of_plane = by_gid(ax, "median")
        x = in_plane.get_xdata()
        assert (x[0], x[-1]) == pytest.approx((0.0, d))
        m = spin_accumulation(x, d, *TRUE)
        np.testing.assert_allclose(in_plane.get_ydata(), m.real, atol=0.04)
        np.testing.assert_allclose(out_of_plane.get_ydata(), m.imag, atol=0.04)
    assert_nothing_cut_off(fig)
