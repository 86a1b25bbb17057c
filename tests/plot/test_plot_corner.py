"""The corner plot: mass of its contours, priors, words over what is not determined."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from plot_cases import by_gid, figures, fitted, make_study, posterior_of, texts

import mtjfit
from mtjfit.plot import plot_corner
from mtjfit.study import LogNormal


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


def test_priors_hold_as_much_as_the_histogram() -> None:
    """λ_sf^F was drawn from its prior: histogram and prior curve coincide, in the same units."""
    posterior = posterior_of(fitted())
    ax = figures()[1].axes[5]
    (prior,) = by_gid(ax, "prior")
    x, y = prior.get_xydata().T
    counts, edges = np.histogram(
        np.log10(posterior.draws["lambda_sf_F"]), bins=30, range=ax.get_xlim()
    )  # corner's own thirty bins
    middle = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(np.interp(middle, x, y), counts, atol=5 * np.sqrt(counts.max()))
    width = edges[1] - edges[0]
    assert np.trapezoid(y, x) / (4000 * width) == pytest.approx(1.0, abs=0.02)


@pytest.mark.usefixtures("quick_fits")
def test_prior_of_lambda_product_is_normalised() -> None:
    study = make_study(D_ratio=LogNormal(1.0, 1.5))
    fit = mtjfit.fit(study)
    posterior = posterior_of(fit)
    rng = np.random.default_rng(4)
    product = posterior.priors["lambda_sf_N"].quantile(rng.random(4000)) * LogNormal(1.0, 1.5).quantile(
        rng.random(4000)
    )
    chain = np.concatenate([posterior.chain, product.reshape(4, 100, 10, 1)], axis=-1)
    posterior = replace(posterior, names=(*posterior.names, "Lambda"), chain=chain)
    ax = plot_corner(posterior, ["lambda_J", "Lambda"]).axes[2]
    (prior,) = by_gid(ax, "prior")
    x, y = prior.get_xydata().T
    width = (ax.get_xlim()[1] - ax.get_xlim()[0]) / 30
    assert np.trapezoid(y, x) / (4000 * width) == pytest.approx(1.0, abs=0.02)


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
