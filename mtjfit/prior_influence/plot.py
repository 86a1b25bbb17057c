"""Prior and posterior density of each length."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from scipy.special import ndtr, ndtri

from mtjfit.arrays import FloatArray
from mtjfit.infer import Posterior
from mtjfit.infer.convergence.diagnostics import ess_bulk
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    finished,
    first_panels,
    footer,
    footer_height,
    panel_grid,
    panels_across,
    sheet,
    style,
    symbol,
    unit_of,
)
from mtjfit.prior_influence.tables import bits
from mtjfit.study import ParameterName, Prior
from mtjfit.text import number

_ACROSS, _MOST = 3, 12
_ROW = 1.35  # height of a row of panels in inches
_POINTS = 600
_REACH = 3.3  # scores: 99.9 % of the prior
_FAR = 2.2  # scores: 1.4 % of the prior lie beyond on each side
_BINS = 1024  # over all draws: each a hundredth of their sd
_MARGIN = 0.04  # beyond the range of a prior, in its logarithm
_NOTE = (
    "Densities of the logarithm, each drawn to the same height. "
    "Bits: what the data add about this length; one bit halves its range."
)


def plot_prior_posterior(
    posterior: Posterior, found: pd.DataFrame, *, width: float = DOUBLE, axes: AxesLike | None = None
) -> Figure:
    """Prior and posterior density of each length over the whole range of its prior, with the bits between them.

    Both are densities of the logarithm, on a logarithmic axis. The posterior's is estimated in the normal scores of
    the prior, where it has no edges, with Silverman's bandwidth for its effective number of draws.

    Parameters
    ----------
    found : DataFrame
        `mtjfit.prior_influence.narrowing` of the posterior.
    axes : Axes or array of Axes, optional
        Your own, one for each length.

    Raises
    ------
    ValueError
        No length is free, or the number of `axes` is wrong.
    """
    rows_of = {str(name): row for name, row in found.iterrows() if ParameterName(str(name)).shapes_kappa}
    names = list(rows_of)[:_MOST]
    if "Lambda" in names and not {"lambda_sf_N", "D_ratio"} <= set(names):
        names.remove("Lambda")  # one sampled length times a known number
    if not names:
        raise ValueError("no length is free: there is no prior to compare with")
    note = _NOTE if posterior.verdict.converged else f"{_NOTE} NOT CONVERGED: the gate said no."
    most = panels_across(width, _ACROSS, 1.6)
    across = min(2 if len(names) == 4 else len(names), most)
    rows = -(-len(names) // across)
    width = width * max(across, 2) / max(most, 2)
    with style(axes):
        below = 0.45 + footer_height(width, posterior.study, note)
        fig = sheet(axes, first_panels(len(names), across), figsize=(width, _ROW * rows + 0.05 + below))
        panels = panel_grid(
            fig, rows, across, left=0.15, right=0.15, top=0.5, bottom=below, across=0.3, down=0.62
        ).ravel()  # fmt: skip
        for ax, name in zip(panels, names, strict=False):
            _panel(ax, posterior, name, rows_of[name])
        for ax in panels[len(names) :]:
            ax.set_axis_off()
        line = Line2D([], [], color=OKABE_ITO["vermillion"], ls="--", lw=1.0)
        handles = [line, Patch(color=OKABE_ITO["blue"], alpha=0.5)]
        fig.legend(handles, ["prior", "posterior"], loc="upper center", ncols=2)
        footer(fig, posterior.study, note)
    return finished(fig)


def prior_posterior_caption(posterior: Posterior) -> str:
    """What `plot_prior_posterior` shows, as a caption for a paper."""
    return (
        f"Prior (dashed) and posterior (filled) of each length from {posterior.study.counted}: densities of the "
        "logarithm, each drawn to the same height. Bits: information that the data add about this length; one bit "
        "halves its range."
    )


def _panel(ax: Axes, posterior: Posterior, name: str, row: pd.Series) -> None:
    prior = posterior.prior_of(name)
    assert prior is not None  # noqa: S101 - every row of the table has one
    low, high = _range(prior)
    z = prior.score(posterior.walkers(name))
    edges = [edge * (1 + side) for edge in prior.support if low < edge < high for side in (-1e-9, 1e-9)]
    x = np.unique(np.concatenate([np.geomspace(low, high, _POINTS), _where(prior, z, low, high), edges]))
    before = np.exp(prior.logpdf(x)) * x
    after = np.where(before > 0, _density(z, prior.score(x), before), 0.0)
    after = after / (after.max() or 1.0)
    ax.fill_between(x, after, color=OKABE_ITO["blue"], alpha=0.5, lw=0)
    ax.plot(x, after, color=OKABE_ITO["blue"], lw=0.9, gid="posterior")
    ax.plot(x, before / before.max(), color=OKABE_ITO["vermillion"], lw=1.0, ls="--", gid="prior")
    ax.set(xscale="log", xlim=(low, high), ylim=(0, 1.12), yticks=[])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(LogLocator(10, subs=(1,) if high / low > 30 else (1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 6)))
    ax.xaxis.set_minor_locator(NullLocator())  # up to forty ticks took half of the time of the figure
    ax.set_xlabel(f"{symbol(name)}{unit_of(posterior.study.unit_of(name))}")
    says = f"{bits(float(row['gain_bits']), float(row['gain_error']))} bits"
    ax.set_title(f"{says}: the prior alone" if row["from_prior"] else says, gid="bits")


def _range(prior: Prior) -> tuple[float, float]:
    """Positive values that hold nearly all of the prior and a little more; at most four decades."""
    low, high = (float(x) for x in prior.quantile(ndtr(np.array([-_REACH, _REACH]))))
    low = max(low, 1e-4 * high)
    margin = (high / low) ** _MARGIN
    return low / margin, high * margin


def _where(prior: Prior, z: FloatArray, low: float, high: float) -> FloatArray:
    """Points in the range of the posterior, which may be a hundredth of the prior's."""
    edges = np.quantile(z, [0.0005, 0.9995])
    x = prior.quantile(ndtr(np.linspace(edges[0] - 0.2 * np.ptp(edges), edges[1] + 0.2 * np.ptp(edges), _POINTS)))
    return np.asarray(x[(x >= low) & (x <= high)])


def _density(z: FloatArray, at: FloatArray, prior: FloatArray) -> FloatArray:
    """Density of the posterior where the prior's is `prior`, at scores `at`, up to a factor.

    Times the likelihood, which is the density of the draws over that of the standard normal, both smoothed alike, so
    that a posterior that is its prior is drawn as such. Far out, where few draws are, the likelihood is kept.
    """
    lower, upper = np.quantile(z, [0.25, 0.75])
    spread = min(float(z.std()), float(upper - lower) / float(ndtri(0.75) - ndtri(0.25)))
    width = 0.9 * max(spread, 1e-12) * max(ess_bulk(z), 4.0) ** -0.2
    counts, edges = np.histogram(z, bins=_BINS)
    used = counts > 0
    centres, share = (0.5 * (edges[1:] + edges[:-1]))[used], counts[used] / z.size
    least, most = np.quantile(z, [0.05, 0.95])
    at = np.clip(at, min(-_FAR, least), max(_FAR, most))
    away = (at[:, None] - centres) / width
    smooth = np.exp(-0.5 * away * away) @ share
    return np.asarray(prior * smooth * np.exp(0.5 * at * at / (1 + width * width)))
