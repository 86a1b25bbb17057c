"""Densities of common lengths, from each data set alone and from all together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from scipy.stats import gaussian_kde

from mtjfit.arrays import FloatArray
from mtjfit.comparison.studies.tension import StudyComparison
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import DOUBLE, OKABE_ITO, finished, first_panels, footer, literal, sheet, style, symbol, unit_of
from mtjfit.study import Study
from mtjfit.text import number

_COLOURS = ("blue", "vermillion", "green", "purple", "orange", "sky")
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (3, 1)), (0, (1, 2)))
_EDGES = (0.002, 0.998)
_POINTS = 300


def plot_studies(found: StudyComparison, studies: Mapping[str, Study], *, axes: AxesLike | None = None) -> Figure:
    """Posterior densities of every common length: from each data set alone, and filled from all together.

    Densities of ln(length), all drawn to the same height, on a logarithmic axis. `studies` by label mark those that
    were not measured. On `axes`: one of your own for each common length.
    """
    draws = found.lengths
    names = [name for name in found.model.shared if all(name in each for each in draws.values())]
    rows = -(-len(names) // 2)
    with style(axes):
        fig = sheet(axes, first_panels(len(names), 2), figsize=(DOUBLE, 0.5 + 1.7 * rows), layout="constrained")
        panels = fig.subplots(rows, 2, squeeze=False).ravel()
        for ax, name in zip(panels, names, strict=False):
            _draw(ax, name, {label: np.log(each[name].to_numpy()) for label, each in draws.items()})
        for ax in panels[len(names) :]:
            ax.set_visible(False)
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(4, len(draws)))
        marked = next((study for study in studies.values() if study.label), next(iter(studies.values())))
        footer(fig, marked, f"Tension: {found.tension}." if found.converged else "NOT CONVERGED")
    return finished(fig)


def _ticks(span: float) -> tuple[float, ...]:
    """Multiples of powers of ten that are labelled on an axis over `span` in the logarithm."""
    if span > np.log(30):
        return (1.0,)
    return (1.0, 2.0, 5.0) if span > np.log(3) else (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


def _density(logs: FloatArray, grid: FloatArray) -> FloatArray:
    """Density scaled to a height of one."""
    density = gaussian_kde(logs)(grid)
    return np.asarray(density / density.max())


def _draw(ax: Axes, name: str, logs: Mapping[str, FloatArray]) -> None:
    *single, together = logs
    low, high = np.quantile(np.concatenate(list(logs.values())), _EDGES)
    grid = np.linspace(low, high, _POINTS)
    for k, label in enumerate(single):
        ax.plot(np.exp(grid), _density(logs[label], grid), color=OKABE_ITO[_COLOURS[k % len(_COLOURS)]],
                ls=_DASHES[k % len(_DASHES)], label=literal(label), gid="single")  # fmt: skip
    ax.fill_between(
        np.exp(grid), _density(logs[together], grid), color="0.8", lw=0, label=together, gid="joint", zorder=0
    )
    ax.set(xscale="log", xlabel=symbol(name) + unit_of("" if name == "D_ratio" else "nm"), ylim=(0, None), yticks=[])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(LogLocator(subs=_ticks(high - low)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number(x, 3)))
