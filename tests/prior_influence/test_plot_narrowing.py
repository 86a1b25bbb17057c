"""Prior and posterior on one axis: the curves are the densities, and what is written is what the table says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_cases import SIMULATED, assert_nothing_cut_off, by_gid, fitted, make_study, posterior_of, texts
from scipy import stats

from mtjfit.infer import Posterior
from mtjfit.prior_influence import narrowing
from mtjfit.prior_influence.plot import plot_prior_posterior
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Prior

SHAPE = (4, 500, 4)
LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")


def made(priors: dict[str, Prior], draws: dict[str, np.ndarray], **changes: object) -> Posterior:
    """A posterior of lengths alone."""
    start = posterior_of(fitted())
    study = make_study(**(dict.fromkeys(LENGTHS, Fixed(1.0)) | priors), **changes)
    return replace(start, study=study, names=tuple(draws), priors=priors, chain=np.stack(list(draws.values()), -1))


def picture(posterior: Posterior) -> Figure:
    return plot_prior_posterior(posterior, narrowing(posterior))


@cache
def drawn() -> tuple[Posterior, Figure]:
    rng = np.random.default_rng(1)
    priors = {"lambda_J": LogUniform(0.1, 100.0), "lambda_phi": LogUniform(0.1, 100.0),
              "lambda_sf_F": LogNormal(10.0, 2.0), "lambda_sf_N": Normal(2.0, 1.0, low=0.0)}  # fmt: skip
    draws = {
        "lambda_J": np.exp(0.02 * rng.standard_normal(SHAPE)),
        "lambda_phi": priors["lambda_phi"].quantile(rng.random(SHAPE)),
        "lambda_sf_F": 12 * np.exp(0.3 * rng.standard_normal(SHAPE)),
        "lambda_sf_N": priors["lambda_sf_N"].quantile(0.5 + 0.5 * rng.random(SHAPE)),
    }
    posterior = made(priors, draws, origin=SIMULATED)
    return posterior, picture(posterior)


def curve(ax: Axes, gid: str) -> tuple[np.ndarray, np.ndarray]:
    (line,) = by_gid(ax, gid)
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def assert_density(ax: Axes, gid: str, density: np.ndarray, tolerance: float) -> None:
    """The curve is `density`, of the logarithm at its own points, scaled to a height of one."""
    _, y = curve(ax, gid)
    assert np.max(np.abs(y - density / density.max())) < tolerance


def test_a_posterior_is_drawn_with_its_own_shape() -> None:
    """A hundredth of the prior's range wide, or most of it: within what 8000 draws and their bandwidth leave."""
    _, fig = drawn()
    for k, (centre, sd) in ((0, (0.0, 0.02)), (2, (np.log(12.0), 0.3))):
        x, _ = curve(fig.axes[k], "posterior")
        assert_density(fig.axes[k], "posterior", stats.norm.pdf(np.log(x), centre, sd), 0.08)


def test_a_posterior_that_is_its_prior_covers_it() -> None:
    ax = drawn()[1].axes[1]
    x, y = curve(ax, "posterior")
    inside = (x > 0.15) & (x < 70)
    assert np.all(y[inside] > 0.75)
    assert np.all(y[(x < 0.0999) | (x > 100.1)] == 0)


def test_priors_are_densities_of_the_logarithm() -> None:
    _, fig = drawn()
    x, y = curve(fig.axes[0], "prior")
    np.testing.assert_allclose(y, ((x >= 0.1) & (x <= 100.0)).astype(float))
    x, _ = curve(fig.axes[2], "prior")
    assert_density(fig.axes[2], "prior", stats.norm.pdf(np.log(x), np.log(10.0), np.log(2.0)), 1e-3)
    x, _ = curve(fig.axes[3], "prior")
    assert_density(fig.axes[3], "prior", stats.norm.pdf(x, 2.0, 1.0) * x, 1e-3)


def test_sabotage_a_density_of_the_length_itself_is_seen() -> None:
    _, fig = drawn()
    x, _ = curve(fig.axes[2], "prior")
    with pytest.raises(AssertionError):
        assert_density(fig.axes[2], "prior", LogNormal(10.0, 2.0).logpdf(x), 1e-3)
    with pytest.raises(AssertionError):
        assert_density(fig.axes[2], "posterior", stats.norm.pdf(np.log(x), np.log(12.0), 0.3) / x, 0.08)


def test_bits_stand_over_their_panels() -> None:
    posterior, fig = drawn()
    found = narrowing(posterior)
    titles = [ax.get_title() for ax in fig.axes]
    assert titles[0] == f"{found.loc['lambda_J', 'gain_bits']:.2f} bits"
    assert titles[1].endswith("bits: the prior alone")
    assert [ax.get_xlabel() for ax in fig.axes][:2] == [r"$\lambda_J$ (nm)", r"$\lambda_\phi$ (nm)"]
    assert all(ax.get_xscale() == "log" for ax in fig.axes)


def test_the_figure_is_marked_and_nothing_is_cut_off() -> None:
    _, fig = drawn()
    assert any(text.startswith("SIMULATED, not measured") for text in texts(fig))
    assert any("each drawn to the same height" in text for text in texts(fig))
    assert_nothing_cut_off(fig)


def test_a_single_length_and_a_free_product_have_their_panels() -> None:
    rng = np.random.default_rng(2)
    prior = LogUniform(0.5, 5.0)
    one = picture(made({"lambda_J": prior}, {"lambda_J": np.exp(0.1 * rng.standard_normal(SHAPE))}))
    assert len(one.axes) == 1
    assert_nothing_cut_off(one)
    N, D = (np.exp(0.1 * rng.standard_normal(SHAPE)) for _ in range(2))
    both = made({"lambda_sf_N": prior, "D_ratio": prior}, {"lambda_sf_N": N, "D_ratio": D, "Lambda": N * D})
    assert [ax.get_xlabel() for ax in picture(both).axes] == [
        r"$\lambda_\mathrm{sf}^N$ (nm)", "$D_F/D_N$", r"$\Lambda$ (nm)",
    ]  # fmt: skip
    known = made({"lambda_sf_N": prior}, {"lambda_sf_N": N, "Lambda": N})
    assert len(picture(known).axes) == 1
    unconverged = picture(replace(known, verdict=posterior_of(fitted(), converged=False).verdict))
    assert any("NOT CONVERGED" in text for text in texts(unconverged))
    with pytest.raises(ValueError, match="no length is free"):
        plot_prior_posterior(known, narrowing(known).iloc[:0])
