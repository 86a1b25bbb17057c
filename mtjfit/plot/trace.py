"""Rank histograms by ensemble, and the likelihood along the run."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from mtjfit.data import FloatArray
from mtjfit.infer import Posterior
from mtjfit.plot.style import DOUBLE, OKABE_ITO, NotebookFigure, footer, footer_height, panel_grid, style, symbol

__all__ = ["plot_trace", "rank_fractions"]

_BINS = 20
_ACROSS = 4
_MOST = 11
_COLOURS = ("blue", "vermillion", "green", "purple", "orange", "sky", "black")


def rank_fractions(posterior: Posterior, name: str) -> FloatArray:
    """Share of each ensemble's draws in twenty slices of the pooled ranks, shape (n_ensembles, 20), 1 if all agree."""
    values = posterior.chain[..., posterior.names.index(name)]
    ranks = rankdata(values, method="average").reshape(values.shape[0], -1) / values.size
    counts = [np.histogram(each, bins=_BINS, range=(0.0, 1.0))[0] for each in ranks]
    return np.asarray(np.array(counts, dtype=float) * (_BINS / ranks.shape[1]))


def plot_trace(posterior: Posterior) -> Figure:
    """Rank histograms of every sampled length and amplitude, one line for each ensemble, and ln L along the run.

    Ensembles that agree give lines near one; a line that leans to one side belongs to an ensemble that sees another
    posterior than the rest.
    """
    names = [
        name
        for name in posterior.names
        if not name.startswith(("thickness", "noise")) and np.ptp(posterior.draws[name]) > 0
    ][:_MOST]
    rows = -(-(len(names) + 1) // _ACROSS)
    colours = [OKABE_ITO[_COLOURS[e % len(_COLOURS)]] for e in range(posterior.chain.shape[0])]
    note = (
        "Share of draws in each slice of the pooled ranks; 1: ensembles agree. Verdict of the convergence gate: "
        f"{'converged' if posterior.verdict.converged else 'NOT CONVERGED'}."
    )
    below = 0.42 + footer_height(DOUBLE, posterior.study, note)
    with style():
        fig = NotebookFigure(figsize=(DOUBLE, 0.95 * rows + 0.58 * (rows - 1) + 0.25 + below))
        axes = panel_grid(
            fig, rows, _ACROSS, left=0.45, right=0.75, top=0.25, bottom=below, across=0.38, down=0.58
        ).ravel()  # fmt: skip
        # the density of the data has a unit, a ratio of densities has none
        middle = np.median(posterior.log_likelihood, axis=2) - posterior.log_likelihood.max()
        steps = np.arange(middle.shape[1]) * posterior.settings["thin"]
        for e, colour in enumerate(colours):
            axes[0].plot(steps, middle[e], color=colour, lw=0.7, label=f"{e + 1}")
        axes[0].set_title(r"median of $\ln(L/L_{\max})$")
        axes[0].set_xlabel("step", labelpad=1.0)
        for k, (ax, name) in enumerate(zip(axes[1:], names, strict=False), start=1):
            for fractions, colour in zip(rank_fractions(posterior, name), colours, strict=True):
                ax.stairs(fractions, np.linspace(0, 1, _BINS + 1), color=colour, lw=0.8, baseline=None)
            ax.axhline(1, color="0.7", lw=0.6, zorder=0)
            ax.set(xlim=(0, 1), ylim=(0, max(2.0, ax.get_ylim()[1])), title=symbol(name), xticks=[0, 0.5, 1])
            if k + _ACROSS > len(names):
                ax.set_xlabel("pooled rank", labelpad=1.0)
        for ax in axes[: len(names) + 1]:
            ax.yaxis.set_major_locator(MaxNLocator(3))
        axes[0].xaxis.set_major_locator(MaxNLocator(3))
        for ax in axes[len(names) + 1 :]:
            ax.set_axis_off()
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, title="ensemble", loc="upper right")
        footer(fig, posterior.study, note)
    return fig
